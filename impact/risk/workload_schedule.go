package risk

import (
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
)

func scheduleRules() []rule {
	return []rule{
		{change: scheduleChanged, Rule: finding.Rule{
			ID: "cronjob-schedule", Severity: finding.Note, Title: "A CronJob runs at other times",
			Why:  "What it does is done at other times or another number of times, and may now meet other work or miss a window.",
			Hint: "see that nothing relies on the old times",
		}},
		{change: suspended, Rule: finding.Rule{
			ID: "job-suspended", Severity: finding.Warning, Title: "A CronJob or Job is suspended",
			Why:  "A CronJob that is suspended starts nothing, and nobody is told: backups and renewals are not made. A Job that is suspended stops its pods.",
			Hint: "take spec.suspend back as soon as it may run again",
		}},
	}
}

func scheduleChanged(_ *context, ch *impact.Change) (out []Risk) {
	if !updated(ch) || !isKind(ch, "batch", "CronJob") {
		return nil
	}
	for _, field := range []string{"schedule", "timeZone"} {
		was, is := get(body(ch.Before), "spec", field), get(body(ch.After), "spec", field)
		if show(ch, was) != show(ch, is) {
			out = append(out, told(ch, "spec."+field, "%s of %s changes from %s to %s", field, called(ch), show(ch, was), show(ch, is)))
		}
	}
	return out
}

func suspended(_ *context, ch *impact.Change) []Risk {
	if !updated(ch) || ch.ID.Group != "batch" || flag(body(ch.Before), "spec", "suspend") || !flag(body(ch.After), "spec", "suspend") {
		return nil
	}
	if ch.ID.Kind == "Job" {
		return []Risk{told(ch, "spec.suspend", "%s is suspended: its pods stop", called(ch))}
	}
	return []Risk{told(ch, "spec.suspend", "%s is suspended: nothing is started until that is taken back", called(ch))}
}

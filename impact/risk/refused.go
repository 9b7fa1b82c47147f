package risk

import (
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/render"
)

// refusedRules are about changes that do not reach the cluster.
func refusedRules() []rule {
	return []rule{
		{change: fixedField, Rule: finding.Rule{
			ID: "immutable-field", Severity: finding.Error, Title: "A field changes that the API server lets nobody change",
			Why:  "The API server refuses the object. The controller then fails on its applier: later objects of it are not applied, and nothing is pruned, until the field is as it was.",
			Hint: "give it another name, or let it be deleted and created again: annotate it kustomize.toolkit.fluxcd.io/force: enabled",
		}},
		{change: invalid, Rule: finding.Rule{
			ID: "apply-refused", Severity: finding.Error, Title: "The API server refuses an object",
			Why:  "The controller fails on its applier: later objects of it are not applied, and nothing is pruned, until the object is valid.",
			Hint: "correct the object; the failures of the cluster say where it comes from",
		}},
		{change: blocked, Rule: finding.Rule{
			ID: "apply-blocked", Severity: finding.Note, Title: "A change does not arrive because its applier fails on something else",
			Why:  "The applier stops at another object that the API server refuses, or waits for an applier that fails. The change arrives once that is cured.",
			Hint: "cure what is refused first",
		}},
		{change: idle, Rule: finding.Rule{
			ID: "apply-skipped", Severity: finding.Warning, Title: "A change in Git does not reach the cluster",
			Why:  "No controller fails, and nothing happens: Helm upgrades a release only when its chart's version or its values change, and leaves definitions in crds/ alone unless told otherwise; a marker may keep an object from being applied again.",
			Hint: "raise the chart's version, set spec.upgrade.crds to CreateReplace, or take off the marker, whichever keeps it",
		}},
	}
}

const (
	refusedText = "the apply will be refused: " // how impact begins what it says of an update
	unsureText  = "the API server may refuse a change: "
	waitsText   = " waits for "
)

// applyFailures are those of the object of a change, as impact or render tells them: without the name
// of the object. Updates are those of impact.
func (x *context) applyFailures(ch *impact.Change, updates bool) (out []render.Failure) {
	if ch.After == nil {
		return nil
	}
	begin := ch.ID.String() + " "
	if updates {
		begin = refusedText + begin
	}
	for _, f := range x.Failures {
		if rest, ok := strings.CutPrefix(f.Message, begin); ok && f.Stage == "apply" {
			f.Message = rest
			out = append(out, f)
		}
	}
	return out
}

// fixedField takes apart what impact says of an update: "spec.selector is immutable".
func fixedField(x *context, ch *impact.Change) (out []Risk) {
	if ch.After == nil {
		return nil
	}
	for _, f := range x.applyFailures(ch, true) {
		field, says, _ := strings.Cut(f.Message, " ")
		k := told(ch, field, "the API server refuses %s: %s %s", called(ch), field, says)
		k.Hint = plain(f.Hint)
		out = append(out, k)
	}
	for _, note := range x.Notes {
		if rest, ok := strings.CutPrefix(note, unsureText+ch.ID.String()+" "); ok {
			field, says, _ := strings.Cut(rest, " ")
			k := told(ch, field, "the API server may refuse %s: %s %s", called(ch), field, says)
			k.Severity = finding.Warning
			out = append(out, k)
		}
	}
	return slices.CompactFunc(out, func(a, b Risk) bool { return a.Message == b.Message })
}

func invalid(x *context, ch *impact.Change) (out []Risk) {
	for _, f := range x.applyFailures(ch, false) {
		out = append(out, told(ch, "", "the API server refuses %s: %s", called(ch), f.Message))
	}
	return out
}

// stopped reports whether a change is kept back by the failure of its applier.
func stopped(ch *impact.Change) bool {
	return strings.Contains(ch.Refused, refusedText) || strings.Contains(ch.Refused, waitsText) || strings.Contains(ch.Refused, "is refused by the API server")
}

func blocked(x *context, ch *impact.Change) []Risk {
	if !stopped(ch) || len(x.applyFailures(ch, true))+len(x.applyFailures(ch, false)) > 0 {
		return nil
	}
	return []Risk{told(ch, "", "the change of %s does not arrive: %s", called(ch), ch.Refused)}
}

func idle(_ *context, ch *impact.Change) []Risk {
	if ch.Refused == "" || stopped(ch) {
		return nil
	}
	return []Risk{told(ch, "", "the change of %s does not arrive: %s", called(ch), ch.Refused)}
}

package risk

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
)

func containerRules() []rule {
	return []rule{
		{change: probeRemoved, Rule: finding.Rule{
			ID: "probe-removed", Severity: finding.Warning, Title: "A probe of a container is removed",
			Why:  "Without a readiness probe a pod gets requests before it can answer them, and a rollout goes on over pods that never will. Without a liveness probe one that hangs is not restarted; without a startup probe a slow one may be, too early.",
			Hint: "keep a probe, or move it to another check instead of taking it away",
		}},
		{change: resourcesRemoved, Rule: finding.Rule{
			ID: "resources-removed", Severity: finding.Warning, Title: "Requests or limits of a container are removed",
			Why:  "Without a limit of memory one pod can take all of its node. Without requests the scheduler counts it as nothing, and it is the first to be evicted; an autoscaler that goes by usage of requests stops.",
			Hint: "set requests, and a limit of memory",
		}},
		{change: memoryLowered, Rule: finding.Rule{
			ID: "memory-limit-lowered", Severity: finding.Note, Title: "A container may use less memory",
			Why:  "It is killed when it needs more than its limit, and again after each restart.",
			Hint: "compare the limit with what it uses at its peak",
		}},
	}
}

// called names a container and the object that it is of: "container app of Deployment shop/web".
func (c *container) called(ch *impact.Change) string {
	what := map[string]string{"initContainers": "init container", "ephemeralContainers": "ephemeral container"}[c.kind()]
	return cmp.Or(what, "container") + " " + show(ch, c.name) + " of " + called(ch)
}

// serves reports whether a container runs as long as its pod does.
func (c *container) serves() bool {
	return c.kind() == "containers" || c.kind() == "initContainers" && text(c.after, "restartPolicy") == "Always"
}

func probeRemoved(_ *context, ch *impact.Change) (out []Risk) {
	if !updated(ch) {
		return nil
	}
	for _, c := range containers(ch) {
		if c.before == nil || c.after == nil || !c.serves() {
			continue
		}
		for _, probe := range []string{"livenessProbe", "readinessProbe", "startupProbe"} {
			if len(dict(c.before, probe)) > 0 && len(dict(c.after, probe)) == 0 {
				out = append(out, told(ch, c.field(probe), "%s loses its %s probe", c.called(ch), strings.TrimSuffix(probe, "Probe")))
			}
		}
	}
	return out
}

// resourcesRemoved is only a note for a limit of CPU, which many do without on purpose.
func resourcesRemoved(_ *context, ch *impact.Change) (out []Risk) {
	if !updated(ch) {
		return nil
	}
	for _, c := range containers(ch) {
		if c.before == nil || c.after == nil {
			continue
		}
		var gone []string
		for _, what := range []string{"limits", "requests"} {
			for _, name := range []string{"cpu", "memory", "ephemeral-storage"} {
				byLimit := what == "requests" && get(c.after, "resources", "limits", name) != nil // the default of a request
				if get(c.before, "resources", what, name) != nil && get(c.after, "resources", what, name) == nil && !byLimit {
					gone = append(gone, strings.TrimSuffix(what, "s")+" of "+name)
				}
			}
		}
		if len(gone) == 0 {
			continue
		}
		k := told(ch, c.field("resources"), "%s loses its %s", c.called(ch), strings.Join(gone, ", its "))
		if slices.Equal(gone, []string{"limit of cpu"}) {
			k.Severity = finding.Note
		}
		out = append(out, k)
	}
	return out
}

// memoryLowered is a warning when the limit is less than half of what it was.
func memoryLowered(_ *context, ch *impact.Change) (out []Risk) {
	if !updated(ch) {
		return nil
	}
	for _, c := range containers(ch) {
		was, is := get(c.before, "resources", "limits", "memory"), get(c.after, "resources", "limits", "memory")
		a, okA := quantity(was)
		b, okB := quantity(is)
		if !okA || !okB || b.Cmp(a) >= 0 {
			continue
		}
		k := told(ch, c.field("resources", "limits", "memory"), "the memory limit of %s goes down from %s to %s", c.called(ch), show(ch, was), show(ch, is))
		if b.Add(b); b.Cmp(a) < 0 {
			k.Severity = finding.Warning
		}
		out = append(out, k)
	}
	return out
}

// amount is how people write quantities. A larger exponent would cost [resource.ParseQuantity] any
// time and memory.
var amount = regexp.MustCompile(`^[+-]?[0-9.]{1,32}([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,2})?$`)

// quantity reads what manifests write for an amount: "128Mi", 1.
func quantity(v any) (resource.Quantity, bool) {
	switch v := v.(type) {
	case string:
		if !amount.MatchString(v) {
			return resource.Quantity{}, false
		}
		q, err := resource.ParseQuantity(v)
		return q, err == nil
	case int64:
		return *resource.NewQuantity(v, resource.DecimalSI), true
	}
	return resource.Quantity{}, false
}

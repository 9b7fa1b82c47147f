package risk

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
)

func serviceRules() []rule {
	all := &inventory{}
	return []rule{
		{change: all.serviceDeleted, Rule: finding.Rule{
			ID: "service-deleted", Severity: finding.Warning, Title: "A Service is deleted while its pods stay",
			Why:  "Who calls it by its name gets no answer any more, although the pods run. Its address, also that of a load balancer, is given back.",
			Hint: "keep the Service until nobody calls it by that name",
		}},
		{change: all.withoutPods, Rule: finding.Rule{
			ID: "service-without-pods", Severity: finding.Error, Title: "A Service selects no pods any more",
			Why:  "Its selector fitted pods that are rendered, and fits none after the change: it has no endpoints, and who calls it gets no answer.",
			Hint: "change the labels of the pods and the selector together; with a new selector keep the old labels on the pods until the rollout is done",
		}},
	}
}

// serviceDeleted says nothing of a Service whose pods go too, or were never known.
func (v *inventory) serviceDeleted(x *context, ch *impact.Change) []Risk {
	fate := fateOf(ch)
	if fate == "" || !isKind(ch, "", "Service") {
		return nil
	}
	still := v.covered(x, 1, ch.ID.Namespace, fits(ch.Before))
	if len(still) == 0 {
		return nil
	}
	return []Risk{told(ch, "", "%s %s, and %s %s behind it stays%s", called(ch), fate, still[0].ID.Kind, still[0].ID.Name, because(ch))}
}

// fits is the selector of a Service; nothing for one without, whose endpoints somebody else keeps.
func fits(o *object.Object) labels.Selector {
	selector := dict(body(o), "spec", "selector")
	if len(selector) == 0 {
		return labels.Nothing()
	}
	return selectorOf(map[string]any{"matchLabels": selector})
}

// withoutPods looks at a Service whose selector changes, and at a workload whose pods get other labels.
func (v *inventory) withoutPods(x *context, ch *impact.Change) (out []Risk) {
	if !updated(ch) {
		return nil
	}
	if isKind(ch, "", "Service") {
		was, is := fits(ch.Before), fits(ch.After)
		if len(dict(body(ch.After), "spec", "selector")) > 0 && len(v.covered(x, 0, ch.ID.Namespace, was)) > 0 && len(v.covered(x, 1, ch.ID.Namespace, is)) == 0 {
			out = append(out, told(ch, "spec.selector", "the selector of %s fits no pods that are rendered", called(ch)))
		}
		return out
	}
	before, after := pods(ch)
	was, is := labelsOf(before), labelsOf(after)
	if !before.has() || !after.has() || ch.ID.Group == "batch" || maps.Equal(was, is) {
		return nil
	}
	calls := v.shelf(x, 1, ch.ID.Namespace).calls
	for _, k := range slices.Sorted(maps.Keys(was)) {
		for _, s := range calls[k+"="+was[k]] {
			if s.selector.Matches(was) && !s.selector.Matches(is) && len(v.covered(x, 1, ch.ID.Namespace, s.selector)) == 0 {
				out = append(out, told(ch, path(after.path, fields("metadata", "labels")).String(), "Service %s no longer fits the pods of %s, nor any others", s.name, called(ch)))
			}
		}
	}
	return out
}

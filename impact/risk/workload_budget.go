package risk

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
)

func budgetRules() []rule {
	all := &inventory{}
	return []rule{
		{change: all.budgetRemoved, Rule: finding.Rule{
			ID: "pdb-removed", Severity: finding.Warning, Title: "A PodDisruptionBudget is deleted",
			Why:  "When nodes are drained, all pods that it covered may be evicted at once.",
			Hint: "keep the budget as long as its pods are there",
		}},
		{change: all.budgetLoosened, Rule: finding.Rule{
			ID: "pdb-loosened", Severity: finding.Warning, Title: "A PodDisruptionBudget lets more pods go at once, or covers other pods",
			Why:  "When nodes are drained, fewer pods than before are sure to stay.",
			Hint: "see that the pods that stay carry the load",
		}},
		{change: all.budgetBlocks, Rule: finding.Rule{
			ID: "pdb-blocks-drain", Severity: finding.Warning, Title: "A PodDisruptionBudget lets no pod go",
			Why:  "A node with such a pod cannot be drained: updates of nodes hang until somebody deletes the pod or the budget.",
			Hint: "run one replica more than minAvailable asks for, or set maxUnavailable to 1",
		}},
		{change: all.scalerRemoved, Rule: finding.Rule{
			ID: "hpa-removed", Severity: finding.Warning, Title: "An autoscaler is deleted",
			Why:  "Its workload stays at the replicas that it has at that moment, or goes to those that its manifest sets, whatever the load.",
			Hint: "set spec.replicas of the workload to what its peak needs before the autoscaler goes",
		}},
		{change: scalerLowered, Rule: finding.Rule{
			ID: "hpa-lowered", Severity: finding.Warning, Title: "An autoscaler starts fewer pods",
			Why:  "With a lower maximum a peak is not met; with a lower minimum the first of it is not.",
			Hint: "compare the limits with the replicas of the last peaks",
		}},
	}
}

func (v *inventory) budgetRemoved(x *context, ch *impact.Change) []Risk {
	fate := fateOf(ch)
	if fate == "" || !isKind(ch, "policy", "PodDisruptionBudget") || v.moot(x, ch, selectorOf(dict(body(ch.Before), "spec", "selector"))) {
		return nil
	}
	return []Risk{told(ch, "", "%s %s, and a drain may evict all of its pods at once%s", called(ch), fate, because(ch))}
}

// budget is what a PodDisruptionBudget asks for.
type budget struct {
	field string // minAvailable or maxUnavailable; "" for none
	value intstr.IntOrString
}

func budgetOf(o *object.Object) budget {
	for _, field := range []string{"minAvailable", "maxUnavailable"} {
		switch v := get(body(o), "spec", field).(type) {
		case string:
			return budget{field, intstr.FromString(v)}
		case int64:
			return budget{field, intstr.FromInt32(int32(max(0, min(v, 1<<30))))}
		}
	}
	return budget{}
}

// allowed is how many of so many pods may go at once.
//
// Source: k8s.io/kubernetes v1.36.3 pkg/controller/disruption/disruption.go getExpectedPodCount: percentages
// are rounded up.
func (b budget) allowed(pods int) (n int, ok bool) {
	n, err := intstr.GetScaledValueFromIntOrPercent(&b.value, pods, true)
	switch {
	case err != nil || b.field == "":
		return 0, false
	case b.field == "minAvailable":
		n = pods - n
	}
	return max(0, min(n, pods)), true
}

func (b budget) String() string { return b.field + " " + b.value.String() }

func (v *inventory) budgetLoosened(x *context, ch *impact.Change) (out []Risk) {
	if !updated(ch) || !isKind(ch, "policy", "PodDisruptionBudget") {
		return nil
	}
	wasFor, isFor := dict(body(ch.Before), "spec", "selector"), dict(body(ch.After), "spec", "selector")
	picks := selectorOf(isFor)
	if !object.NewBody(wasFor).Equal(object.NewBody(isFor)) {
		for _, o := range v.covered(x, 1, ch.ID.Namespace, selectorOf(wasFor)) {
			if !picks.Matches(o.labels) {
				out = append(out, told(ch, "spec.selector", "%s no longer covers the pods of %s %s", called(ch), o.ID.Kind, o.ID.Name))
				break
			}
		}
	}
	was, is := budgetOf(ch.Before), budgetOf(ch.After)
	pods := v.podsOf(x, 1, v.covered(x, 1, ch.ID.Namespace, picks))
	known := pods > 0
	if !known {
		pods = 100
		if was.field != is.field || was.value.Type != is.value.Type {
			return out
		}
	}
	a, okA := was.allowed(pods)
	b, okB := is.allowed(pods)
	if !okA || !okB || b <= a {
		return out
	}
	more := "lets more of its pods go at once"
	if known {
		more = fmt.Sprintf("lets %d of %d pods go at once, not %d", b, pods, a)
	}
	return append(out, told(ch, "spec."+is.field, "%s %s: %s, not %s", called(ch), more, show(ch, is.String()), show(ch, was.String())))
}

// budgetBlocks looks at the budget itself; that a workload goes down to what its budget asks for is
// not seen.
func (v *inventory) budgetBlocks(x *context, ch *impact.Change) []Risk {
	if ch.After == nil || !isKind(ch, "policy", "PodDisruptionBudget") {
		return nil
	}
	blocks := func(side int, o *object.Object) (pods int, blocks bool) {
		b := budgetOf(o)
		pods = v.podsOf(x, side, v.covered(x, side, ch.ID.Namespace, selectorOf(dict(body(o), "spec", "selector"))))
		n, ok := b.allowed(max(pods, 1))
		switch {
		case !ok || n > 0:
			return pods, false
		case pods > 0 || b.field == "maxUnavailable":
			return pods, true
		}
		return pods, b.value == intstr.FromString("100%")
	}
	pods, now := blocks(1, ch.After)
	if !now {
		return nil
	}
	if ch.Before != nil {
		if _, before := blocks(0, ch.Before); before {
			return nil
		}
	}
	b := budgetOf(ch.After)
	of := ""
	if pods > 0 {
		of = fmt.Sprintf(", of %d", pods)
	}
	return []Risk{told(ch, "spec."+b.field, "%s lets no pod go%s: %s; nodes with its pods cannot be drained", called(ch), of, show(ch, b.String()))}
}

// limits are the fields of an autoscaler that bound it, the upper first; nil for other objects.
func limits(ch *impact.Change) []string {
	switch ch.ID.Group + "/" + ch.ID.Kind {
	case "autoscaling/HorizontalPodAutoscaler":
		return []string{"maxReplicas", "minReplicas"}
	case "keda.sh/ScaledObject":
		return []string{"maxReplicaCount", "minReplicaCount"}
	}
	return nil
}

func (v *inventory) scalerRemoved(x *context, ch *impact.Change) []Risk {
	fate := fateOf(ch)
	if fate == "" || limits(ch) == nil {
		return nil
	}
	kind, name := targets(ch.Before)
	target := [2]string{kind, name}
	if v.shelf(x, 0, ch.ID.Namespace).named[target] && !v.shelf(x, 1, ch.ID.Namespace).named[target] {
		return nil
	}
	return []Risk{told(ch, "", "%s, which scales %s %s, %s%s", called(ch), show(ch, kind), show(ch, name), fate, because(ch))}
}

func scalerLowered(_ *context, ch *impact.Change) (out []Risk) {
	if !updated(ch) {
		return nil
	}
	bounds := limits(ch)
	for i, field := range bounds {
		was, had := number(body(ch.Before), "spec", field)
		is, has := number(body(ch.After), "spec", field)
		if !has && i == 1 && get(body(ch.After), "spec", field) == nil {
			is, has = 1, ch.ID.Group == "autoscaling" // the default
		}
		if had && has && is < was {
			out = append(out, told(ch, "spec."+field, "%s of %s goes down from %d to %d", field, called(ch), was, is))
		}
	}
	return out
}

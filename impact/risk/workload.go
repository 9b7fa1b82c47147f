package risk

import (
	"cmp"
	"slices"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
)

// workloadRules are about pods: whether they run, how many, and what watches over them.
func workloadRules() []rule {
	return slices.Concat(runningRules(), containerRules(), budgetRules(), scheduleRules(), serviceRules())
}

func runningRules() []rule {
	all := &inventory{}
	return []rule{
		{change: all.workloadDeleted, Rule: finding.Rule{
			ID: "workload-deleted", Severity: finding.Warning, Title: "A workload is deleted",
			Why:  "Its pods stop, and what they did is not done any more. StatefulSets have a rule of their own.",
			Hint: "see that nothing calls it, and that whoever runs it knows",
		}},
		{change: restarted, Rule: finding.Rule{
			ID: "workload-restart", Severity: finding.Note, Title: "The pods of a workload are replaced",
			Why:  "Its pod template changes, so that the controller starts new pods and stops the old ones, as its update strategy says. Connections break, and what is only in memory is lost.",
			Hint: "merge when a restart is fine, and watch the rollout",
		}},
		{change: replicasZero, Rule: finding.Rule{
			ID: "replicas-zero", Severity: finding.Error, Title: "A workload is scaled to zero",
			Why:  "All of its pods stop and none is started. What it serves is down until it is scaled up again; an autoscaler does not do that, as it leaves alone what has no replicas.",
			Hint: "set spec.replicas to what the load needs, or delete the workload if it shall go",
		}},
		{change: all.replicasDown, Rule: finding.Rule{
			ID: "replicas-down", Severity: finding.Warning, Title: "A workload runs on half its replicas or less, or on one",
			Why:  "The others have to carry the load. With one replica the loss of a node or an update of it is an outage.",
			Hint: "see that fewer replicas carry the load, and scale down in steps",
		}},
		{change: strategyRecreate, Rule: finding.Rule{
			ID: "strategy-recreate", Severity: finding.Warning, Title: "Updates of a Deployment stop all pods first",
			Why:  "Each rollout from then on is an outage, from the end of the last old pod to the first new one that is ready. This change may be the first.",
			Hint: "leave the strategy at RollingUpdate with maxUnavailable below 100%, unless two versions cannot run side by side",
		}},
	}
}

// rolled reports whether the change is of a kind whose controller replaces pods when the template changes.
func rolled(ch *impact.Change) bool {
	switch ch.ID.Group + "/" + ch.ID.Kind {
	case "apps/Deployment", "apps/StatefulSet", "apps/DaemonSet", "argoproj.io/Rollout":
		return true
	}
	return false
}

// workloadDeleted is only a note for what ends by itself.
func (v *inventory) workloadDeleted(x *context, ch *impact.Change) []Risk {
	fate := fateOf(ch)
	if fate == "" || isKind(ch, "apps", "StatefulSet") || isKind(ch, "", "PodTemplate") || !podOf(ch.Before).has() || v.goneWith(x, ch) {
		return nil
	}
	k := told(ch, "", "%s %s, and its pods with it%s", called(ch), fate, because(ch))
	if isKind(ch, "batch", "Job") || isKind(ch, "", "Pod") {
		k.Severity = finding.Note
	}
	return []Risk{k}
}

// replicas of an object: what it sets, and the default of the built-in kinds. known is false when
// that says nothing.
func replicas(o *object.Object) (n int64, set, known bool) {
	b := body(o)
	if v := get(b, "spec", "replicas"); v != nil {
		n, known = number(b, "spec", "replicas")
		return n, true, known
	}
	switch o.ID.Group + "/" + o.ID.Kind {
	case "apps/Deployment", "apps/StatefulSet", "apps/ReplicaSet", "/ReplicationController":
		return 1, false, true
	}
	return 0, false, false
}

// scaled is how many replicas an object of both sides has; ok is false when they are
// not known or the change says nothing of them.
func scaled(ch *impact.Change) (was, is int64, ok bool) {
	if !updated(ch) {
		return 0, 0, false
	}
	was, setBefore, knownBefore := replicas(ch.Before)
	is, setAfter, knownAfter := replicas(ch.After)
	return was, is, knownBefore && knownAfter && (setBefore || setAfter)
}

func replicasZero(_ *context, ch *impact.Change) []Risk {
	was, is, ok := scaled(ch)
	if !ok || was <= 0 || is != 0 {
		return nil
	}
	return []Risk{told(ch, "spec.replicas", "%s is scaled from %d to 0 replicas: nothing of it runs", called(ch), was)}
}

// replicasDown tells an outage: spec.replicas that is taken away falls back to 1, also under an
// autoscaler, which takes over from there.
//
// Source: Kubernetes documentation, "Server-Side Apply", transferring ownership.
func (v *inventory) replicasDown(x *context, ch *impact.Change) []Risk {
	was, is, ok := scaled(ch)
	if !ok || is <= 0 || was <= is || is > 1 && is*2 > was {
		return nil
	}
	k := told(ch, "spec.replicas", "%s is scaled from %d to %s", called(ch), was, count(int(is), "replica", "replicas"))
	_, set, _ := replicas(ch.After)
	scaler := v.scaler(x, 1, ch.ID)
	switch {
	case scaler != nil && !set:
		k = told(ch, "spec.replicas", "%s no longer sets its replicas: it falls from %d to 1 until %s scales it again", called(ch), was, scaler.ID.Kind+" "+scaler.ID.Name)
	case scaler != nil:
		k.Severity = finding.Note
	case !set:
		k = told(ch, "spec.replicas", "%s no longer sets its replicas, and nothing else does: it falls from %d to 1", called(ch), was)
	}
	if len(list(body(ch.After), "spec", "volumeClaimTemplates")) > 0 && text(body(ch.After), "spec", "persistentVolumeClaimRetentionPolicy", "whenScaled") == "Delete" {
		k = told(ch, "spec.replicas", "%s is scaled from %d to %s, and the claims of the others are deleted with their data", called(ch), was, count(int(is), "replica", "replicas"))
		k.Severity = finding.Error
	}
	return []Risk{k}
}

// targets is the kind and name of what an autoscaler scales; "" for other objects.
func targets(o *object.Object) (kind, name string) {
	switch o.ID.Group + "/" + o.ID.Kind {
	case "autoscaling/HorizontalPodAutoscaler":
	case "keda.sh/ScaledObject":
		kind = "Deployment"
	default:
		return "", ""
	}
	ref := dict(body(o), "spec", "scaleTargetRef")
	return cmp.Or(text(ref, "kind"), kind), text(ref, "name")
}

func strategyRecreate(_ *context, ch *impact.Change) []Risk {
	if !updated(ch) || !isKind(ch, "apps", "Deployment") {
		return nil
	}
	type outage struct{ field, says string }
	stops := func(o *object.Object) outage {
		b := body(o)
		most := get(b, "spec", "strategy", "rollingUpdate", "maxUnavailable")
		switch {
		case text(b, "spec", "strategy", "type") == "Recreate":
			return outage{"spec.strategy.type", "Recreate"}
		case most == "100%":
			return outage{"spec.strategy.rollingUpdate.maxUnavailable", "maxUnavailable 100%"}
		}
		return outage{}
	}
	now := stops(ch.After)
	if now == (outage{}) || stops(ch.Before) != (outage{}) {
		return nil
	}
	return []Risk{told(ch, now.field, "the strategy of %s is %s: each rollout stops all pods before new ones run", called(ch), now.says)}
}

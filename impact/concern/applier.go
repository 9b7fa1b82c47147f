package concern

import (
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
)

// OfApplier says whose an applier is on a cluster, as it is after the change, or was before, and
// why: that of the object that makes it. An applier that nobody renders, as an entry point,
// is the platform's.
func (j *Judge) OfApplier(cluster string, id object.Applier) (Concern, string) {
	if ch := j.change(cluster, id); ch != nil {
		return j.Of(ch)
	}
	return Platform, "nothing renders " + id.String()
}

// WhoseApplier is [Judge.OfApplier] for a part of the fleet, as [Judge.Whose] is [Judge.Of].
func (j *Judge) WhoseApplier(cluster string, id object.Applier) Whose {
	if ch := j.change(cluster, id); ch != nil {
		return j.Whose(ch)
	}
	return Whose{Concern: Platform, Why: "nothing renders " + id.String()}
}

// change stands for the object that makes an applier; nil when nobody renders it.
func (j *Judge) change(cluster string, id object.Applier) *impact.Change {
	for _, s := range []*side{j.view.after, j.view.before} {
		a := s.made(cluster, id)
		if a == nil {
			a = s.appliers[cluster][id]
		}
		if a == nil {
			continue
		}
		if o := s.object(a); o != nil {
			ch := &impact.Change{Cluster: cluster, ID: o.ID, After: o}
			if s == j.view.before {
				ch.Before, ch.After = o, nil
			}
			return ch
		}
	}
	return nil
}

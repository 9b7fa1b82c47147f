package risk

import (
	"slices"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// ownerRules are about which applier an object belongs to.
func ownerRules() []rule {
	return []rule{
		{Rule: finding.Rule{
			ID: "owner-changed", Severity: finding.Note, Title: "An object moves to another owner, and stays",
			Why:  "From then on another Kustomization or HelmRelease decides what it holds, and deletes it when it is dropped there. Whether the old one may delete it on the way is told by move-deletes.",
			Hint: "see that the new owner applies it with the same content, and that who looks after it knows",
		}, change: ownerChanged},
		{Rule: finding.Rule{
			ID: "owner-conflict", Severity: finding.Error, Title: "Two appliers apply one object",
			Why:  "Each undoes what the other wrote, again and again, and when one drops the object, it deletes what the other needs.",
			Hint: "leave the object to one of them",
		}, change: ownerConflict},
	}
}

// conflict is that about an object on a cluster, nil for none.
func conflict(c *render.Cluster, id object.ID) *render.Conflict {
	if c == nil {
		return nil
	}
	i, ok := slices.BinarySearchFunc(c.Conflicts, id, func(k render.Conflict, id object.ID) int { return k.ID.Compare(id) })
	if !ok {
		return nil
	}
	return &c.Conflicts[i]
}

// contested is the conflict about a change's object that was not there before, nil for none.
func contested(x *context, ch *impact.Change) *render.Conflict {
	is := conflict(x.after, ch.ID)
	if is == nil {
		return nil
	}
	if was := conflict(x.before, ch.ID); was != nil && slices.Equal(was.Owners, is.Owners) {
		return nil
	}
	return is
}

func ownerChanged(x *context, ch *impact.Change) []Risk {
	if ch.Kind != impact.Moved || ch.Fate == impact.Deleted || ch.Fate == impact.Unsure || !updated(ch) || contested(x, ch) != nil {
		return nil
	}
	from, to := ch.Before.Origin.Owner(), ch.After.Origin.Owner()
	if from == to {
		return nil
	}
	return []Risk{told(ch, "", "%s belongs to %s instead of %s", called(ch), calledApplier(to), calledApplier(from))}
}

func ownerConflict(x *context, ch *impact.Change) []Risk {
	c := contested(x, ch)
	if c == nil {
		return nil
	}
	var names []string
	for _, a := range c.Owners {
		names = append(names, calledApplier(a))
	}
	return []Risk{told(ch, "", "%s is applied by %s", called(ch), few(names))}
}

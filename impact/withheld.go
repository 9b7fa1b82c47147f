package impact

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// withheld lists the appliers of a cluster that one side does not know, and that
// are not the same on both sides. Appliers that were never known to apply
// anything are told by what is unresolved.
func (p *pair) withheld(cluster string) []Withheld {
	var out []Withheld
	seen := map[key]bool{}
	for _, s := range []*side{p.before, p.after} {
		c := s.clusters[cluster]
		if c == nil {
			continue
		}
		for _, ap := range c.Appliers {
			k := key{ap.Home, ap.Applier}
			if seen[k] || p.knows(k) {
				continue
			}
			seen[k] = true
			if w, tell := p.tell(k); tell {
				out = append(out, w)
			}
		}
	}
	slices.SortFunc(out, func(a, b Withheld) int { return strings.Compare(a.Applier.String(), b.Applier.String()) })
	p.fold(cluster, out)
	return out
}

// fold points each withheld applier to the one it was created by, when that one
// is withheld too.
func (p *pair) fold(cluster string, list []Withheld) {
	listed := map[object.Applier]bool{}
	for _, w := range list {
		listed[w.Applier] = true
	}
	for _, s := range []*side{p.before, p.after} {
		c := s.clusters[cluster]
		if c == nil {
			continue
		}
		for i, w := range list {
			a := c.Applier(w.Applier)
			if a == nil || w.Before != "" && w.After != "" {
				continue
			}
			for _, up := range a.Chain { // the outermost
				if listed[up] {
					list[i].Under = up
					break
				}
			}
		}
	}
}

// tell is an applier that one side does not know; false when that says nothing new.
func (p *pair) tell(k key) (Withheld, bool) {
	a, b := p.before.appliers[k], p.after.appliers[k]
	w := Withheld{Applier: k.id}
	if a != nil {
		w.Before, w.Objects = a.State, len(a.Objects)+len(a.Held)
	}
	if b != nil {
		w.After, w.Objects = b.State, max(w.Objects, len(b.Objects)+len(b.Held))
	}
	switch {
	case w.Before == w.After && w.Before == render.Suspended:
		w.Why = p.why(a, b, w)
		return w, !sameHeld(a, b)
	case w.Before == w.After && w.Before == render.Failed:
		w.Why = "fails before and after the change, for another reason"
		return w, !slices.Equal(p.before.messages(k), p.after.messages(k))
	case w.Before == w.After, w.Objects == 0 && w.Before != render.Failed && w.After != render.Failed:
		return w, false
	}
	w.Why = p.why(a, b, w)
	return w, true
}

// messages are the failures of an applier.
func (s *side) messages(k key) []string {
	var out []string
	if a := s.appliers[k]; a != nil && s.clusters[a.Target] != nil {
		for _, f := range s.clusters[a.Target].Failures {
			if f.Applier == k.id {
				out = append(out, f.Message)
			}
		}
	}
	return out
}

// unknown compares what is unresolved on the two sides, but for what other parts
// of the report tell: appliers that are withheld, and releases of charts that are not
// at hand, which come and go as objects.
func (p *pair) unknown(cluster string, withheld []Withheld) []Unknown {
	var out []Unknown
	told := map[object.Applier]bool{}
	for _, w := range withheld {
		told[w.Applier] = true
	}
	for _, way := range []struct {
		from, to *side
		kind     Kind
	}{{p.before, p.after, Removed}, {p.after, p.before, Added}} {
		from, to := way.from.clusters[cluster], way.to.clusters[cluster]
		if from == nil {
			continue
		}
		for _, u := range from.Unresolved {
			a := from.Applier(u.Applier)
			if told[u.Applier] || u.Kind == render.UnresolvedChart || a != nil && slices.ContainsFunc(a.Chain, func(up object.Applier) bool { return told[up] }) {
				continue
			}
			if to == nil || !slices.Contains(to.Unresolved, u) {
				out = append(out, Unknown{u, way.kind})
			}
		}
	}
	return out
}

func sameHeld(a, b *render.Applier) bool {
	return slices.EqualFunc(a.Held, b.Held, func(x, y *object.Object) bool {
		return x.ID == y.ID && x.Body().Hash() == y.Body().Hash()
	})
}

// why says what is not known of an applier, and why; a is nil when it does not
// exist before, b when it does not after.
func (p *pair) why(a, b *render.Applier, w Withheld) string {
	switch {
	case b == nil && p.after.hides(a):
		return "is created by an applier that is failed or unresolved after the change: it stays as it is"
	case b == nil:
		return p.whyGone(a)
	case w.After == render.Failed:
		return "fails after the change: nothing of it is applied, and nothing is pruned"
	case a == nil && p.before.hides(b):
		return "is created by an applier that was failed or unresolved before the change"
	case a == nil && w.After == render.Suspended:
		return "is new and suspended: nothing of it is applied until it is resumed"
	case w.Before == render.Failed:
		return fmt.Sprintf("failed before the change and no longer does: all %d objects are applied, and what was live until then is not known", w.Objects)
	case w.Before == render.Suspended && w.After == render.Suspended:
		return "is suspended: what changed in it waits until it is resumed"
	case w.After == render.Suspended:
		return "is suspended by the change: its objects stay as they are"
	case w.Before == render.Suspended:
		return fmt.Sprintf("is resumed: all %d objects are applied, and what was live until then is not known", w.Objects)
	case w.After == render.Incomplete:
		return "is unresolved after the change: what it applies is not known"
	}
	return "was unresolved before the change: what it applied is not known"
}

// whyGone says what becomes of what an applier that is gone had applied, when that
// is not known.
//
// Source: kustomize-controller v1.9.5, finalizerShouldDeleteResources: nothing is
// deleted while it is suspended.
func (p *pair) whyGone(a *render.Applier) string {
	fate, why := p.dropped(a)
	deletes, keeps := finalizes(a)
	switch {
	case fate != Deleted:
		return "is no longer rendered, and what it had applied is not known: " + why
	case a.State == render.Suspended:
		return "is deleted while it is suspended: its objects stay in the cluster, and nobody looks after them"
	case !deletes:
		return "is deleted, and what it had applied stays in the cluster and is not known: " + keeps
	}
	return "is deleted, and what it had applied with it, which is not known"
}

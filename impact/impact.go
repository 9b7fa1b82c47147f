package impact

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// Options of a comparison. The zero value compares objects only.
type Options struct {
	// Files are the files that differ between the two trees, as slash paths from
	// the repository's root.
	Files []string
}

// Between compares two renders of one fleet. Neither is changed; nil stands for
// a fleet without clusters.
func Between(before, after *render.Result, opts Options) *Report {
	r := &Report{}
	p := &pair{before: newSide(before), after: newSide(after)}
	for _, name := range p.names() {
		r.Clusters = append(r.Clusters, p.cluster(name))
	}
	r.Groups = groups(r.Clusters)
	r.Waits, r.Unread = p.files(opts.Files)
	return r
}

// side is one render, with what is asked of it.
type side struct {
	clusters map[string]*render.Cluster
	appliers map[key]*render.Applier
}

// key tells appliers apart: by the cluster that holds them, and their identity.
type key struct {
	home string
	id   object.Applier
}

func newSide(r *render.Result) *side {
	s := &side{clusters: map[string]*render.Cluster{}, appliers: map[key]*render.Applier{}}
	if r == nil {
		return s
	}
	for _, c := range r.Clusters {
		s.clusters[c.Name] = c
		for _, a := range c.Appliers {
			s.appliers[key{a.Home, a.Applier}] = a
		}
	}
	return s
}

// settled reports whether the side knows what the applier applies.
func settled(a *render.Applier) bool { return a.State == render.Built }

// hides reports whether the side may have an applier like a after all: one that
// it was created by, on the other side, is not settled here.
func (s *side) hides(a *render.Applier) bool {
	for _, id := range a.Chain {
		for _, home := range []string{a.Home, a.Root} {
			if parent := s.appliers[key{home, id}]; parent != nil && parent.State != render.Built && parent.State != render.Suspended {
				return true
			}
		}
	}
	return false
}

// pair is the two sides.
type pair struct{ before, after *side }

func (p *pair) names() []string {
	all := maps.Clone(p.before.clusters)
	maps.Copy(all, p.after.clusters)
	return slices.Sorted(maps.Keys(all))
}

// knows reports whether both sides know what the applier applies, be it nothing
// because it does not exist there.
func (p *pair) knows(k key) bool {
	a, b := p.before.appliers[k], p.after.appliers[k]
	switch {
	case a != nil && !settled(a), b != nil && !settled(b):
		return false
	case a == nil && b == nil:
		return true
	case a == nil:
		return !p.before.hides(b)
	case b == nil:
		return !p.after.hides(a)
	}
	return true
}

// owned are the objects of one cluster on one side whose every owner is known on
// both sides, with those owners.
type owned struct {
	owners map[object.ID][]*render.Applier
	place  map[object.ID]place
	aside  map[object.ID]place // objects of owners that are known on this side only
}

// place is where in a render an object stands.
type place struct {
	applier *render.Applier
	index   int
}

// at is the place of the object wherever the side renders it.
func (o owned) at(id object.ID) (place, bool) {
	at, ok := o.place[id]
	if !ok {
		at, ok = o.aside[id]
	}
	return at, ok
}

// find is the object wherever the side renders it, or nil.
func (o owned) find(id object.ID) *object.Object {
	at, ok := o.at(id)
	if !ok {
		return nil
	}
	return at.applier.Objects[at.index]
}

// located is find with the file that the object comes from.
func (o owned) located(id object.ID) *object.Object {
	at, ok := o.at(id)
	if !ok {
		return nil
	}
	obj := at.applier.Objects[at.index]
	if obj.Origin.File != "" {
		return obj
	}
	with := *obj
	with.Origin.File = at.applier.File(at.index)
	return &with
}

// of is the object as one of its owners renders it: several may do it differently.
func (o owned) of(id object.ID, k *render.Applier) *object.Object {
	if o.place[id].applier != k {
		for _, obj := range k.Objects {
			if obj.ID == id {
				return obj
			}
		}
	}
	return o.find(id)
}

func (p *pair) owned(c *render.Cluster) owned {
	o := owned{}
	if c == nil {
		return o
	}
	o = owned{make(map[object.ID][]*render.Applier, c.Objects.Len()), make(map[object.ID]place, c.Objects.Len()), map[object.ID]place{}}
	for _, a := range c.Appliers {
		known := p.knows(key{a.Home, a.Applier})
		sole := []*render.Applier{a}[:1:1] // shared by the objects that have no other owner
		for i, obj := range a.Objects {
			if !known {
				o.aside[obj.ID] = place{a, i}
				continue
			}
			o.place[obj.ID] = place{a, i}
			if own := o.owners[obj.ID]; len(own) == 0 {
				o.owners[obj.ID] = sole
			} else if own[len(own)-1] != a {
				o.owners[obj.ID] = append(own, a)
			}
		}
	}
	return o
}

// compare is the change of an object that a known owner renders on one side at
// least; nil for none. It moves when the other side's owner is not known on both.
func compare(id object.ID, a, b owned) *Change {
	before, after := a.find(id), b.find(id)
	ch := &Change{ID: id}
	switch {
	case before == nil:
		ch.Kind = Added
	case after == nil:
		ch.Kind = Removed
	case !sameOwners(a.owners[id], b.owners[id]):
		ch.Kind = Moved
		ch.Edits = object.Diff(withoutOwner(before.Body()), withoutOwner(after.Body()), object.DiffOptions{})
	case before.Body().Hash() != after.Body().Hash():
		ch.Kind = Changed
		ch.Edits = object.Diff(before.Body(), after.Body(), object.DiffOptions{})
	default:
		return nil
	}
	ch.Before, ch.After = a.located(id), b.located(id)
	return ch
}

func (p *pair) cluster(name string) *Cluster {
	ca, cb := p.before.clusters[name], p.after.clusters[name]
	c := &Cluster{Name: name, Appeared: hasEntry(cb) && !hasEntry(ca), Gone: hasEntry(ca) && !hasEntry(cb)}
	a, b := p.owned(ca), p.owned(cb)
	add := func(id object.ID) {
		if ch := compare(id, a, b); ch != nil {
			ch.Cluster = name
			c.Changes = append(c.Changes, ch)
		}
	}
	for id := range a.place {
		add(id)
	}
	for id := range b.place {
		if _, seen := a.place[id]; !seen {
			add(id)
		}
	}
	sortChanges(c.Changes)
	pairReplaced(c.Changes)
	p.fates(c, a, b)
	c.Withheld = p.withheld(name)
	c.Unknown = p.unknown(name, c.Withheld)
	c.count(cb)
	return c
}

func hasEntry(c *render.Cluster) bool { return c != nil && c.Entry != nil }

func (c *Cluster) count(after *render.Cluster) {
	for _, ch := range c.Changes {
		switch ch.Kind {
		case Added:
			c.Counts.Added++
		case Changed:
			c.Counts.Changed++
		case Removed:
			c.Counts.Removed++
		case Moved:
			c.Counts.Moved++
		}
	}
	if after != nil {
		c.Failures, c.Unresolved = after.Failures, after.Unresolved
	}
	c.Counts.Failures, c.Counts.Unresolved = len(c.Failures), len(c.Unresolved)
}

func sameOwners(a, b []*render.Applier) bool {
	return slices.EqualFunc(a, b, func(x, y *render.Applier) bool { return x.Applier == y.Applier && x.Home == y.Home })
}

// ownerLabels are what a Kustomization marks its objects with.
//
// Source: fluxcd/pkg/ssa v0.76.2, SetOwnerLabels.
func ownerLabels() [2]string {
	return [2]string{"kustomize.toolkit.fluxcd.io/name", "kustomize.toolkit.fluxcd.io/namespace"}
}

func withoutOwner(b *object.Body) *object.Body {
	m := maps.Clone(b.Map())
	meta, _ := m["metadata"].(map[string]any)
	labels, ok := meta["labels"].(map[string]any)
	if !ok {
		return b
	}
	meta, labels = maps.Clone(meta), maps.Clone(labels)
	for _, l := range ownerLabels() {
		delete(labels, l)
	}
	meta["labels"] = labels
	m["metadata"] = meta
	return object.NewBodySensitive(m, b.Sensitive())
}

func sortChanges(list []*Change) {
	slices.SortFunc(list, func(a, b *Change) int {
		return cmp.Or(cmp.Compare(slices.Index(Kinds(), a.Kind), slices.Index(Kinds(), b.Kind)), a.ID.Compare(b.ID))
	})
}

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
			if w, tell := p.withhold(k); tell {
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

func (p *pair) withhold(k key) (Withheld, bool) {
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
// of the report tell: appliers that are withheld, and appliers of a kind that is
// not rendered, which come and go as objects.
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
			if told[u.Applier] || u.Kind == render.UnresolvedApplier || a != nil && slices.ContainsFunc(a.Chain, func(up object.Applier) bool { return told[up] }) {
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

package impact

import (
	"cmp"
	"maps"
	"slices"

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
	p := &pair{before: newSide(before), after: newSide(after), fixed: fixedKinds(), refused: map[key]refusal{}, looked: map[looked]bool{}}
	p.forgetPruned()
	var all []*compared
	for _, name := range p.names() {
		c := p.compare(name)
		p.releases(c)
		p.refuse(c)
		all = append(all, c)
	}
	p.wait()
	for _, c := range all {
		p.judge(c)
		r.Clusters = append(r.Clusters, c.Cluster)
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
type pair struct {
	before, after *side
	fixed         fixedByKind
	refused       map[key]refusal // appliers of after that the API server refuses
	looked        map[looked]bool // traces of recalled clusters
	selves        map[key]bool    // entry points that prune themselves, and are no longer in after
}

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

// located is find with the source and the file that the object comes from.
func (o owned) located(id object.ID) *object.Object {
	at, ok := o.at(id)
	if !ok {
		return nil
	}
	with := *at.applier.Objects[at.index]
	with.Origin.Source = at.applier.Source
	if with.Origin.File == "" {
		with.Origin.File = at.applier.File(at.index)
	}
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

// same reports whether an applier is the same on both sides with all that it applies.
func (p *pair) same(k key) bool {
	a, b := p.before.appliers[k], p.after.appliers[k]
	if a == nil || b == nil || a.Target != b.Target || !settled(a) || !settled(b) || a.Release != b.Release || len(a.Objects) != len(b.Objects) {
		return false
	}
	for i, obj := range a.Objects {
		if now := b.Objects[i]; now != obj && (now.ID != obj.ID || !now.Body().Equal(obj.Body())) {
			return false
		}
	}
	return true
}

// doubtful are the objects of a cluster that may not be the same on both sides: those of the
// appliers that are not.
func (p *pair) doubtful(sides ...*render.Cluster) map[object.ID]bool {
	ids := map[object.ID]bool{}
	for _, c := range sides {
		if c == nil {
			continue
		}
		for _, a := range c.Appliers {
			if len(a.Objects) == 0 || p.same(key{a.Home, a.Applier}) {
				continue
			}
			for _, obj := range a.Objects {
				ids[obj.ID] = true
			}
		}
	}
	return ids
}

// owned are those objects of a cluster that are among ids.
func (p *pair) owned(c *render.Cluster, ids map[object.ID]bool) owned {
	o := owned{}
	if c == nil || len(ids) == 0 {
		return o
	}
	o = owned{make(map[object.ID][]*render.Applier, len(ids)), make(map[object.ID]place, len(ids)), map[object.ID]place{}}
	for _, a := range c.Appliers {
		known := p.knows(key{a.Home, a.Applier})
		sole := []*render.Applier{a}[:1:1] // shared by the objects that have no other owner
		for i, obj := range a.Objects {
			if !ids[obj.ID] {
				continue
			}
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

// compared is one cluster with what both sides render for it.
type compared struct {
	*Cluster
	a, b owned
}

// compare finds the changes of a cluster.
func (p *pair) compare(name string) *compared {
	ca, cb := p.before.clusters[name], p.after.clusters[name]
	c := &Cluster{Name: name, Appeared: hasEntry(cb) && !hasEntry(ca), Gone: hasEntry(ca) && !hasEntry(cb)}
	ids := p.doubtful(ca, cb)
	a, b := p.owned(ca, ids), p.owned(cb, ids)
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
	if cb != nil {
		c.Failures, c.Unresolved = slices.Clip(cb.Failures), cb.Unresolved
	}
	sortChanges(c.Changes)
	return &compared{c, a, b}
}

// judge says what becomes of the changes of a cluster.
func (p *pair) judge(c *compared) {
	p.withhold(c)
	if slices.ContainsFunc(c.Changes, func(ch *Change) bool { return ch.Recreated != "" }) {
		sortChanges(c.Changes)
	}
	pairReplaced(c.Changes)
	p.fates(c.Cluster, c.a, c.b)
	c.Withheld = p.withheld(c.Name)
	c.Unknown = p.unknown(c.Name, c.Withheld)
	c.count()
}

func hasEntry(c *render.Cluster) bool { return c != nil && c.Entry != nil }

func (c *Cluster) count() {
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
	slices.SortFunc(list, func(a, b *Change) int { return cmp.Or(cmp.Compare(a.rank(), b.rank()), a.ID.Compare(b.ID)) })
}

// rank orders changes, worst first: what is deleted and created again comes before
// what is only changed.
func (c *Change) rank() int {
	r := 2 * slices.Index(Kinds(), c.Kind)
	if c.Recreated == "" {
		r++
	}
	return r
}

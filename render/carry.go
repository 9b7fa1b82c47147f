package render

import (
	"cmp"
	"context"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/bulkhead-dev/bulkhead/object"
)

// footing is how a cluster came to be what it is, as far as a later revision may go on from there: each of its
// appliers has to do with no other cluster, and nothing was put together in a way that takes the whole cluster to know.
type footing struct {
	cache   *Cache
	evals   []*evaluation // of the last round, in the order of the cluster's appliers, which are theirs
	earlier []*evaluation // of other rounds, as far as they were not the same
	index   index
	scopes  scopes
	serving *serving
	carried bool // over from the revision before
}

// given are the objects of an evaluation before they are put together with those of others.
type given struct{ objects, held []*object.Object }

func (m given) applied(s State) []*object.Object {
	if s == Suspended {
		return m.held
	}
	return m.objects
}

// footings notes for each cluster of r how it came to be. All are the evaluations of the last round, shown those that r is made of.
func (e *engine) footings(r *Result, all, shown map[nodeKey]*evaluation) {
	apart := map[string]bool{} // clusters that have to do with others
	for home, t := range e.tally {
		for ev := range t.all {
			ev.within(home, func(cluster string) bool {
				apart[home], apart[cluster] = true, true
				return true
			})
			apart[home] = apart[home] || ev.target != nil
		}
	}
	homes := map[string][]*evaluation{}
	for key, ev := range all {
		homes[key.home] = append(homes[key.home], shown[key])
		if t := e.tally[key.home]; t == nil || !t.all[ev] {
			apart[key.home] = true // it was changed after it was made
		}
	}
	for _, c := range r.Clusters {
		evals, t := homes[c.Name], e.tally[c.Name]
		if e.carried[c.Name] != nil {
			continue
		}
		if c.footing == nil || t == nil || apart[c.Name] || len(evals) != len(c.Appliers) || len(t.nodes) != len(evals) {
			c.footing = nil
			continue
		}
		slices.SortFunc(evals, func(a, b *evaluation) int { return compareNodes(a.node.key(), b.node.key()) })
		c.footing.cache, c.footing.evals = e.cache, evals
		for ev := range t.all {
			if all[ev.node.key()] != ev {
				c.footing.earlier = append(c.footing.earlier, ev)
			}
		}
	}
}

// whole keeps what [engine.carry] needs of a cluster that was put together; nothing when an applier of it, left out or
// changed, could change what others make.
func (c *Cluster) whole(final index, sc scopes, s *serving, strange bool) {
	if shelf := final[c.Name]; strange || len(c.Conflicts) > 0 || shelf != nil && shelf.twice || len(final) > 1 {
		return
	}
	n := 0
	for _, a := range c.Appliers {
		if n += len(a.Objects); a.Release != nil && len(a.Release.Extra) > 0 {
			return
		}
	}
	if n != c.Objects.Len() || slices.ContainsFunc(c.Failures, func(f Failure) bool { return f.Stage == "dependsOn" }) {
		return
	}
	c.footing = &footing{index: final, scopes: sc, serving: s}
}

// carry takes over the clusters of the revision before, but for the appliers whose sources have changed.
//
// A cluster comes out of rounds, in each of which every applier asks the others and is answered. Where an applier asks the same as
// before, is answered the same, and gives the same objects that can be asked for and the same appliers, nobody else on
// the cluster can tell the difference, in no round: so, from the first round on, each of the others makes what it made
// before, as long as what it read is the same. That an applier had one evaluation in all rounds says that it asked and was answered
// the same in each; one of several that changes is evaluated with its cluster, as is whatever else is not so plain.
func (e *engine) carry(ctx context.Context) {
	if e.opts.Before == nil || e.opts.whole {
		return
	}
	roots := map[string][]*node{}
	for _, n := range e.roots() {
		roots[n.home] = append(roots[n.home], n)
	}
	var mu sync.Mutex
	var all errgroup.Group
	all.SetLimit(runtime.GOMAXPROCS(0))
	for name, starts := range roots {
		before := e.opts.Before.Cluster(name)
		if before == nil || before.footing == nil || before.footing.cache != e.cache {
			continue
		}
		all.Go(func() error {
			x := &carrying{e: e, name: name, before: before, was: before.footing, replaced: map[nodeKey]*evaluation{}, nodes: map[nodeKey]*node{}, sources: map[[3]string]*opened{}}
			c := x.cluster(ctx, starts)
			mu.Lock()
			defer mu.Unlock()
			if c == nil {
				e.forget(name)
				return nil
			}
			e.carried[name] = c
			return nil
		})
	}
	_ = all.Wait() // no error is ever given
}

// carrying is one cluster on its way.
type carrying struct {
	e        *engine
	name     string
	before   *Cluster
	was      *footing
	replaced map[nodeKey]*evaluation // of what has changed
	nodes    map[nodeKey]*node       // that stand for equal ones
	sources  map[[3]string]*opened
}

// cluster is what the cluster is now; nil when it has to be evaluated in full.
func (x *carrying) cluster(ctx context.Context, roots []*node) *Cluster {
	if !x.starts(roots) {
		return nil
	}
	st := &state{fresh: index{}, before: x.was.index, held: &sync.Map{}}
	var changed []*evaluation
	for _, ev := range x.was.evals {
		if ev.ground != x.e.ground(x.name) {
			return nil
		}
		if !x.same(ctx, ev, st) {
			changed = append(changed, ev)
		}
	}
	for _, ev := range x.was.earlier {
		if !x.same(ctx, ev, st) || slices.ContainsFunc(changed, func(of *evaluation) bool { return of.node.key() == ev.node.key() }) {
			return nil
		}
	}
	slices.SortStableFunc(changed, func(a, b *evaluation) int { return cmp.Compare(len(a.node.chain), len(b.node.chain)) })
	for _, ev := range changed {
		if ctx.Err() != nil || !x.again(ctx, ev, st) {
			return nil
		}
	}
	return x.assemble()
}

// starts reports whether the cluster starts with the same as before.
func (x *carrying) starts(roots []*node) bool {
	n := 0
	for _, ev := range x.was.evals {
		if ev.node.entry != nil {
			n++
		}
	}
	for _, root := range roots {
		old := x.find(root.key())
		if old == nil || old.node.entry == nil || !equalNodes(old.node, root) {
			return false
		}
		x.nodes[root.key()] = root
	}
	return n == len(roots)
}

func (x *carrying) find(key nodeKey) *evaluation {
	i, ok := slices.BinarySearchFunc(x.was.evals, key, func(ev *evaluation, key nodeKey) int { return compareNodes(ev.node.key(), key) })
	if !ok {
		return nil
	}
	return x.was.evals[i]
}

// equalNodes reports whether nothing tells one from the other but where their objects lie in memory.
func equalNodes(a, b *node) bool {
	return a.id == b.id && a.home == b.home && a.root == b.root && a.open == b.open && slices.Equal(a.chain, b.chain) &&
		a.object.Origin.File == b.object.Origin.File && hashOf(a.object) == hashOf(b.object)
}

// same reports whether what an evaluation read is as it was. Its sources are then known.
func (x *carrying) same(ctx context.Context, ev *evaluation, st *state) bool {
	for i := range ev.opened {
		was := &ev.opened[i]
		key := [3]string{was.kind, was.namespace, was.name}
		now := x.sources[key]
		if now == nil {
			o := x.e.reopen(ctx, ev.node, st, *was)
			now = &o
			x.sources[key] = now
		}
		if now.failure != "" || !x.e.cache.same(*was, *now) {
			return false
		}
	}
	return !ev.single
}

// again evaluates an applier that has changed, and reports whether nobody else can tell.
func (x *carrying) again(ctx context.Context, was *evaluation, st *state) bool {
	n := was.node
	if here := x.nodes[n.key()]; here != nil {
		n = here
	}
	now := x.e.kept(ctx, n, st)
	if now == nil {
		now = x.e.evaluate(ctx, n, st)
	}
	now = now.apart()
	a, b := was.applier, now.applier
	switch {
	case now.target != nil, !now.within(x.name, func(string) bool { return false }),
		a.State != b.State, !slices.Equal(a.DependsOn, b.DependsOn), (len(was.unresolved) > 0) != (len(now.unresolved) > 0),
		b.Release != nil && len(b.Release.Extra) > 0,
		!slices.Equal(was.asked, now.asked), len(was.children) != len(now.children),
		!equalAnswers(was.given.applied(a.State), now.given.applied(b.State)):
		return false
	}
	for i, child := range now.children {
		if !equalNodes(was.children[i], child) {
			return false
		}
		if of := x.find(child.key()); of != nil && of.node.object == was.children[i].object {
			x.nodes[child.key()] = child
		}
	}
	x.replaced[n.key()] = now
	return true
}

// equalAnswers reports whether both lists give the same to all who ask for their objects.
func equalAnswers(a, b []*object.Object) bool {
	next := func(list []*object.Object) []*object.Object {
		for len(list) > 0 && !lookedUp(list[0].ID) {
			list = list[1:]
		}
		return list
	}
	for a, b = next(a), next(b); len(a) > 0 && len(b) > 0; a, b = next(a[1:]), next(b[1:]) {
		if a[0] != b[0] && (a[0].ID != b[0].ID || a[0].Version != b[0].Version || hashOf(a[0]) != hashOf(b[0])) {
			return false
		}
	}
	return len(a) == 0 && len(b) == 0
}

// assemble is the cluster of before with what has changed; nil when that concerns more than the appliers that have changed.
func (x *carrying) assemble() *Cluster {
	c := x.e.declare(x.before)
	evals, appliers := make([]evaluation, len(x.was.evals)), make([]Applier, len(x.was.evals))
	next := *x.was
	next.evals, next.carried = make([]*evaluation, len(evals)), true
	c.footing, c.Appliers, c.Notes = &next, make([]*Applier, len(evals)), nil
	old := 0
	for i, was := range x.was.evals {
		old += len(was.notes)
		now := x.replaced[was.node.key()]
		if now == nil {
			now = &evals[i]
			*now, appliers[i] = *was, *was.applier
			now.own, now.applier = true, &appliers[i]
			x.refer(now)
		} else if !x.replace(c, was, now) {
			return nil
		}
		if n := x.nodes[was.node.key()]; n != nil {
			now.node = n
		}
		next.evals[i], c.Appliers[i] = now, now.applier
		c.Notes = append(c.Notes, now.notes...)
	}
	c.Notes = append(c.Notes, x.before.Notes[old:]...)
	if len(x.replaced) > 0 {
		c.sortTold()
	}
	c.Failures, c.Unresolved = slices.Clip(c.Failures), slices.Clip(c.Unresolved) // those of before may be the same
	x.count(next.evals)
	return c
}

// refer lets an evaluation that is carried over refer to its sources as they are now.
func (x *carrying) refer(ev *evaluation) {
	if len(ev.opened) == 0 {
		return
	}
	last, a := &ev.opened[len(ev.opened)-1], ev.applier
	now := x.sources[[3]string{last.kind, last.namespace, last.name}]
	if a.Source != (object.Source{}) {
		a.Source = now.source
		scrubSource(&a.Source, ev.secrets)
	}
	if a.opened != nil && now.tree != nil {
		a.opened = now
	}
}

// replace puts what an applier makes now in the place of what it made.
func (x *carrying) replace(c *Cluster, was, now *evaluation) bool {
	a, b := was.applier, now.applier
	of := func(id object.Applier) bool { return id == a.Applier }
	c.Failures = slices.DeleteFunc(slices.Clone(c.Failures), func(f Failure) bool { return of(f.Applier) })
	c.Unresolved = slices.DeleteFunc(slices.Clone(c.Unresolved), func(u Unresolved) bool { return of(u.Applier) })
	c.Failures, c.Unresolved = append(c.Failures, now.failures...), append(c.Unresolved, now.unresolved...)
	c.homeless(b, x.was.scopes)
	b.Objects, b.Held = x.was.scopes.correctAll(b.Objects, b.moved), x.was.scopes.correctAll(b.Held, nil)
	for _, o := range b.Objects {
		if x.was.serving.stand(kind(o)) != served {
			return false
		}
	}
	n := c.Objects.Len() - len(a.Objects) + len(b.Objects)
	c.Objects = c.Objects.Exchange(a.Objects, b.Objects)
	return c.Objects.Len() == n
}

// count notes the evaluations as used.
func (x *carrying) count(evals []*evaluation) {
	e := x.e
	t := &tally{nodes: make(map[nodeKey]bool, len(evals)), all: make(map[*evaluation]bool, len(evals))}
	e.mu.Lock()
	if fresh := e.tally[x.name]; fresh != nil {
		t.fresh = fresh.fresh
	}
	if e.tally == nil {
		e.tally = map[string]*tally{}
	}
	e.tally[x.name] = t
	e.mu.Unlock()
	for _, ev := range x.was.earlier {
		t.all[ev] = true
	}
	for _, ev := range evals {
		key := ev.node.key()
		t.used++
		t.nodes[key], t.all[ev] = true, true
		if x.replaced[key] == nil {
			e.cache.reused(ev)
		}
	}
	if done := e.done.Add(int64(len(evals))); e.opts.Progress != nil {
		e.opts.Progress(int(done), int(max(done, e.found.Load())))
	}
}

// forget leaves out what was evaluated on a cluster in vain.
func (e *engine) forget(home string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.tally, home)
}

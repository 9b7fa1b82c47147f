package render

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"reflect"
	"slices"
	"sync"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// opening is a source that an evaluation opened, and what it read there.
type opening struct {
	kind, namespace, name string
	found                 opened
	revised               bool // the revision is in the result, too
	reads                 []tree.Trace
}

// reference is what spec.kubeConfig of an applier refers to.
type reference struct{ ref map[string]any }

// opening opens a source that the result rests on.
func (v *evaluator) opening(kind, ns, name string) opened {
	o := v.e.openOnce(v, kind, ns, name)
	v.out.opened = append(v.out.opened, opening{kind: kind, namespace: ns, name: name, found: o})
	v.out.single = v.out.single || o.from != nil
	return o
}

// read notes what was read of the source opened last.
func (v *evaluator) read(reads tree.Trace) {
	if last := len(v.out.opened) - 1; last >= 0 && len(reads) > 0 {
		v.out.opened[last].reads = append(v.out.opened[last].reads, reads)
	}
}

// revised notes that the revision of the source opened last is in the result.
func (v *evaluator) revised() { v.out.opened[len(v.out.opened)-1].revised = true }

// aim finds the cluster that spec.kubeConfig stands for.
func (v *evaluator) aim(ref map[string]any) {
	v.out.target = &reference{ref}
	v.out.applier.Target = v.e.target(v.out.node.home, v.out.node.id.Namespace, ref)
}

// maxVariants bounds the evaluations kept for one applier: those of a few rounds of two revisions.
const maxVariants = 6

// evaluations keeps what came of appliers, of this render and others. The zero value is ready.
type evaluations struct {
	mu   sync.Mutex
	kept map[nodeKey][]*evaluation // the newest last
}

func (k *evaluations) of(key nodeKey) []*evaluation {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.kept[key]
}

// keep adds an evaluation, which nobody changes from now on.
func (k *evaluations) keep(ev *evaluation) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.kept == nil {
		k.kept = map[nodeKey][]*evaluation{}
	}
	list := slices.Clone(k.kept[ev.node.key()]) // readers may hold the old list
	if len(list) == maxVariants {
		list = list[1:]
	}
	k.kept[ev.node.key()] = append(list, ev)
}

// touch makes an evaluation the newest of its applier.
func (k *evaluations) touch(ev *evaluation) {
	k.mu.Lock()
	defer k.mu.Unlock()
	list := k.kept[ev.node.key()]
	if i := slices.Index(list, ev); i >= 0 && i < len(list)-1 {
		k.kept[ev.node.key()] = append(slices.Delete(slices.Clone(list), i, i+1), ev)
	}
}

// ground is what of the fleet, beside objects and sources, an evaluation on a cluster rests on.
func (e *engine) ground(home string) string {
	if known, ok := e.grounds.Load(home); ok {
		text, _ := known.(string)
		return text
	}
	parts := []any{e.sources.mappings, e.opts.Fetch != nil, e.opts.Decrypt != nil, e.fleet.lockdown[home], e.fleet.variables[home], e.fleet.apis[home].versions, e.fleet.apis[home].kubernetes}
	for _, entry := range e.fleet.entries {
		if entry.Cluster != home {
			continue
		}
		parts = append(parts, entry.File, entry.Prefix, entry.Path, entry.Namespace, entry.SourceKind, entry.Source, entry.URL, entry.Ref, entry.declared, entry.fixedRef)
		if entry.root != nil {
			parts = append(parts, entry.root.Object)
		}
		if entry.instance != nil {
			parts = append(parts, entry.instance.spec)
		}
	}
	sum := sha256.Sum256([]byte(keyOf(parts...)))
	text := hex.EncodeToString(sum[:])
	e.grounds.Store(home, text)
	return text
}

// revive is an evaluation of n that another render made, fit for this one; nil when what it rests on is
// not the same: the object, what the clusters answer, the fleet's documents, and every file read, or
// looked for in vain.
func (e *engine) revive(ctx context.Context, n *node, st *state, old *evaluation) *evaluation {
	if old.single || !old.reusable(n, st) || old.node.root != n.root || old.node.object.Origin.File != n.object.Origin.File ||
		old.ground != e.ground(n.home) {
		return nil
	}
	if old.target != nil && e.target(n.home, n.id.Namespace, old.target.ref) != old.applier.Target {
		return nil
	}
	if old.applier.Target != n.home && e.ground(old.applier.Target) != old.far {
		return nil
	}
	sources := make([]opening, len(old.opened))
	for i, was := range old.opened {
		now := e.reopen(ctx, n, st, was)
		if !e.cache.same(was, now) {
			return nil
		}
		sources[i] = was
		sources[i].found = now
	}
	ev, a := *old, *old.applier
	ev.own = true
	ev.node, ev.applier, ev.opened = n, &a, sources
	if len(sources) > 0 {
		last := sources[len(sources)-1].found
		if a.Source != (object.Source{}) {
			a.Source = last.source
		}
		if a.opened != nil {
			here := *a.opened
			if here.source = last.source; last.tree != nil {
				here = last
			}
			a.opened = &here
		}
	}
	if e.staleChart(&ev) || e.opts.Before != nil && slices.ContainsFunc(sources, func(o opening) bool { return o.found.failure != "" }) {
		return nil // what the revision before has counts
	}
	scrubSource(&a.Source, ev.secrets)
	if len(sources) > 0 {
		e.reach(ctx, &ev, sources[len(sources)-1].found)
	}
	return &ev
}

// reopen opens a source once more. Its questions were asked before.
func (e *engine) reopen(ctx context.Context, n *node, st *state, was opening) opened {
	v := &evaluator{e: e, ctx: ctx, ask: &asker{state: st}, out: &evaluation{node: n, applier: &Applier{Target: n.home}}}
	return e.openOnce(v, was.kind, was.namespace, was.name)
}

// openOnce is v.open, once for all appliers of a cluster as long as the cluster answers the same.
func (e *engine) openOnce(v *evaluator, kind, ns, name string) opened {
	key := [4]string{v.out.node.home, kind, ns, name}
	if known, ok := e.opened.Load(key); ok {
		if k, _ := known.(*openedOnce); v.ask.state.hold(k.asked) {
			v.ask.asked, v.secrets = append(v.ask.asked, k.asked...), append(v.secrets, k.secrets...)
			return k.found
		}
	}
	asked, secrets := len(v.ask.asked), len(v.secrets)
	o := v.open(kind, ns, name)
	if v.ctx.Err() == nil {
		e.opened.Store(key, &openedOnce{o, slices.Clone(v.ask.asked[asked:]), slices.Clone(v.secrets[secrets:])})
	}
	return o
}

// openedOnce is a source with what was asked for it, and the secret values that were met.
type openedOnce struct {
	found   opened
	asked   []lookup
	secrets []string
}

// same reports whether a source holds what was read of it, by the same way.
func (c *Cache) same(was opening, now opened) bool {
	old := was.found
	if old.from != nil || now.from != nil || old.own != now.own || old.pinned != now.pinned || old.prefix != now.prefix ||
		old.failure != now.failure || old.unknown != now.unknown || old.hint != now.hint || old.source.URL != now.source.URL {
		return false
	}
	if was.revised && old.source.Revision != now.source.Revision {
		return false
	}
	if (old.tree == nil) != (now.tree == nil) || (old.data == nil) != (now.data == nil) {
		return false
	}
	if old.data != nil && tree.HashBlob(old.data) != tree.HashBlob(now.data) {
		return false
	}
	if now.tree == nil || now.tree == old.tree {
		return true
	}
	for _, reads := range was.reads {
		if !c.holds(reads, now.tree) {
			return false
		}
	}
	return true
}

// holds is reads.Holds(t), found out once.
func (c *Cache) holds(reads tree.Trace, t *tree.Tree) bool {
	key := held{&reads[0], t}
	if known, ok := c.held.Load(key); ok {
		is, _ := known.(bool)
		return is
	}
	is := reads.Holds(t)
	c.held.Store(key, is)
	return is
}

// held is a trace and a tree in which it may hold.
type held struct {
	reads *tree.Read
	tree  *tree.Tree
}

// staleChart reports whether a release would go on with the chart of the revision before.
func (e *engine) staleChart(ev *evaluation) bool {
	if e.opts.Before == nil || ev.applier.chart == nil {
		return false
	}
	old := e.previous(ev)
	if old == nil || old.chart == nil || old.chart == ev.applier.chart {
		return false
	}
	is := ev.applier.chart
	return reflect.DeepEqual(old.spec, ev.applier.spec) && old.chart.outlives(is.name, is.version, is.digest)
}

// reusable reports whether the applier is the same, and the clusters would answer the same.
func (ev *evaluation) reusable(n *node, st *state) bool {
	return ev.body == hashOf(n.object) && slices.Equal(ev.node.chain, n.chain) && ev.node.open == n.open && st.hold(ev.asked)
}

// kept is what the cache has for n, as evaluated in this render; nil when none of it holds.
func (e *engine) kept(ctx context.Context, n *node, st *state) *evaluation {
	e.load(ctx, n.home)
	for _, old := range slices.Backward(e.cache.evaluations.of(n.key())) {
		if ev := e.revive(ctx, n, st, old); ev != nil {
			e.cache.reused(ev)
			e.cache.evaluations.touch(old)
			e.used(ev, false)
			return ev
		}
	}
	return nil
}

package render

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/bulkhead-dev/bulkhead/object"
)

// Fleet renders every cluster of the fleet that repo describes.
//
// What the controllers would refuse, and what cannot be known offline, is in the
// result. The error means that there is no answer at all: it wraps
// [ErrNoClusters], a [v1alpha1.DocumentError], or what reading the tree or ctx
// gave. Equal input gives an equal result.
//
// Source: kustomize-controller v1.9.5 and source-controller v1.9.5.
func Fleet(ctx context.Context, repo Repository, opts Options) (*Result, error) {
	cache := opts.Cache
	if cache == nil {
		cache = &Cache{}
	}
	cache.init(opts.Parallel)
	f, err := entryPoints(ctx, repo.Tree, &opts, cache)
	if err != nil {
		return nil, err
	}
	before := cache.stats()
	e := &engine{fleet: f, cache: cache, opts: &opts, sources: newSources(repo, f, &opts), targets: newTargets(f), recalled: map[string]*Cluster{}, carried: map[string]*Cluster{}}
	e.recall(ctx)
	e.carry(ctx)
	evals, err := e.settle(ctx)
	switch {
	case err != nil:
		return nil, err
	case e.reaches(e.carried):
		opts.whole = true
		return Fleet(ctx, repo, opts)
	case e.reaches(e.recalled) && opts.Before != nil:
		return nil, ErrEntangled
	case e.reaches(e.recalled):
		opts.Beside = nil
		return Fleet(ctx, repo, opts)
	}
	e.record(ctx)
	shown := apart(evals)
	r := e.result(shown)
	e.footings(r, evals, shown)
	e.remember(ctx, r)
	r.Stats = cache.stats().minus(before)
	r.Stats.Rounds = e.rounds
	for _, c := range e.recalled {
		r.Stats = r.Stats.Plus(c.Recalled.work)
	}
	return r, nil
}

// engine evaluates appliers until nothing changes.
type engine struct {
	fleet   *fleet
	cache   *Cache
	opts    *Options
	sources *sources
	targets *targets
	rounds  int
	served  sync.Map // lists of APIs, of clusters that are alike
	grounds sync.Map // cluster -> what its evaluations rest on
	opened  sync.Map // cluster, kind, namespace, name -> *openedOnce
	loaded  sync.Map // cluster -> *sync.Once, of its record

	recalled map[string]*Cluster // that are not rendered, by name
	carried  map[string]*Cluster // that are those of the revision before but for what has changed, by name

	mu    sync.Mutex
	tally map[string]*tally // by home

	done, found atomic.Int64
}

// limits of a fleet that is well, far above any real one.
const (
	maxRounds   = 16
	maxAppliers = 20_000 // found on one cluster
	maxDepth    = 32     // of appliers that create appliers
)

// settle evaluates in rounds, because an applier may depend on what a later one
// makes: a ConfigMap it substitutes from, its own new spec. A round that would
// ask the clusters nothing new is the last.
func (e *engine) settle(ctx context.Context) (map[nodeKey]*evaluation, error) {
	before, evals := index{}, map[nodeKey]*evaluation{}
	for e.rounds = 1; ; e.rounds++ {
		next, now, err := e.round(ctx, before, evals)
		if err != nil {
			return nil, err
		}
		if now.disputed() { // what was found last is not what counts
			now = index{}
			for _, key := range sortedKeys(next) {
				for _, o := range next[key].applied() {
					now.add(o.Origin.Cluster, o)
				}
			}
		}
		unsettled := 0
		end := &state{fresh: now, held: &sync.Map{}}
		for key, ev := range next {
			if end.hold(ev.asked) {
				continue
			}
			unsettled++
			if e.rounds == maxRounds {
				ev = ev.apart()
				next[key] = ev
				if last := evals[key]; last != nil && last.applier.State == Failed && ev.applier.State != Failed {
					ev.failures = slices.Clone(last.failures) // why it changes
				}
				ev.failures = append(ev.failures, Failure{
					Cluster: ev.applier.Target, Applier: ev.applier.Applier, Stage: "substitute",
					Message: fmt.Sprintf("does not settle: what it depends on still changes after %d rounds", maxRounds),
				})
				ev.applier.State = Failed
			}
		}
		if unsettled == 0 || e.rounds == maxRounds {
			return next, nil
		}
		before, evals = now, next
	}
}

// applied are the objects that the applier puts on its target, also those that
// an earlier revision put there before it was suspended.
func (ev *evaluation) applied() []*object.Object {
	if ev.applier.State == Suspended {
		return ev.applier.Held
	}
	return ev.applier.Objects
}

// round walks from the roots down, level by level, so that the answer does not
// depend on which evaluation ends first. It gives what the clusters then hold, too.
func (e *engine) round(ctx context.Context, before index, last map[nodeKey]*evaluation) (map[nodeKey]*evaluation, index, error) {
	st := &state{fresh: index{}, before: before}
	next := map[nodeKey]*evaluation{}
	perCluster := map[string]int{}
	frontier := e.roots()
	for depth := 0; len(frontier) > 0; depth++ {
		e.found.Store(int64(len(next) + len(frontier)))
		evals, err := e.level(ctx, frontier, st, last)
		if err != nil {
			return nil, nil, err
		}
		frontier = nil
		for _, ev := range evals {
			next[ev.node.key()] = ev
			for _, o := range ev.applied() {
				st.fresh.add(o.Origin.Cluster, o)
			}
		}
		queued := map[nodeKey]bool{}
		for _, ev := range evals {
			for _, child := range ev.children {
				if queued[child.key()] || next[child.key()] != nil {
					continue
				}
				if perCluster[child.home]++; perCluster[child.home] > maxAppliers || depth >= maxDepth {
					ev = ev.apart()
					next[ev.node.key()] = ev
					ev.applier.State = Failed
					ev.failures = append(ev.failures, Failure{
						Cluster: ev.applier.Target, Applier: ev.applier.Applier, Stage: "build",
						Message: fmt.Sprintf("creates appliers without end: more than %d, or %d deep", maxAppliers, maxDepth),
					})
					break
				}
				queued[child.key()] = true
				frontier = append(frontier, child)
			}
		}
	}
	return next, st.fresh, nil
}

// level evaluates nodes side by side, each at most once; one that asked nothing
// whose answer has changed keeps its evaluation.
func (e *engine) level(ctx context.Context, nodes []*node, st *state, last map[nodeKey]*evaluation) ([]*evaluation, error) {
	evals := make([]*evaluation, len(nodes))
	st.held = &sync.Map{}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2 * runtime.GOMAXPROCS(0))
	for i, n := range nodes {
		g.Go(func() error {
			if old := last[n.key()]; old != nil && old.reusable(n, st) {
				evals[i] = old
			} else if kept := e.kept(ctx, n, st); kept != nil {
				evals[i] = kept
			} else {
				evals[i] = e.evaluate(ctx, n, st)
			}
			if done := e.done.Add(1); e.opts.Progress != nil {
				e.opts.Progress(int(done), max(int(done), int(e.found.Load())))
			}
			return ctx.Err()
		})
	}
	return evals, g.Wait()
}

// roots are the Kustomizations that the entry points start with.
func (e *engine) roots() []*node {
	var out []*node
	seen := map[nodeKey]bool{}
	for _, entry := range e.evaluated() {
		body := object.NewBody(entry.rootObject())
		o, err := object.New(body, object.Origin{Cluster: entry.Cluster, File: entry.File})
		if err != nil {
			continue // rootObject always has kind and name
		}
		n := &node{id: object.Applier{Kind: o.ID.Kind, Namespace: o.ID.Namespace, Name: o.ID.Name}, home: entry.Cluster, root: entry.Cluster, object: o, entry: entry, open: true}
		for i := 2; seen[n.key()]; i++ {
			n.id.Name = fmt.Sprintf("%s-%d", o.ID.Name, i) // a second entry folder of the cluster
		}
		seen[n.key()] = true
		out = append(out, n)
	}
	return out
}

// rootObject is the Kustomization that an entry starts with: as the sync's file
// says, or as flux bootstrap would write it.
func (e *Entry) rootObject() map[string]any {
	if e.root != nil {
		return e.root.DeepCopy().Object
	}
	return map[string]any{
		"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
		"metadata": map[string]any{"name": e.Source, "namespace": e.Namespace},
		"spec": map[string]any{
			"interval": "10m0s", "path": "./" + strings.TrimPrefix(e.Path, "./"), "prune": true,
			"sourceRef": map[string]any{"kind": e.SourceKind, "name": e.Source},
		},
	}
}

// entryWithSource is the entry of a cluster whose own sync is that source.
func (e *engine) entryWithSource(cluster, kind, namespace, name string) *Entry {
	for _, entry := range e.fleet.entries {
		if entry.Cluster == cluster && entry.SourceKind == kind && entry.Namespace == namespace && entry.Source == name {
			return entry
		}
	}
	return nil
}

func (e *engine) entryOf(cluster string) *Entry {
	for _, entry := range e.fleet.entries {
		if entry.Cluster == cluster {
			return entry
		}
	}
	return nil
}

// profile is what a controller of a cluster runs with; a Cluster document
// overrides what Git says otherwise.
func (e *engine) profile(ask *asker, cluster, controller string) Profile {
	p := profileOf(ask, cluster, controller, e.entryOf(cluster))
	l := e.fleet.lockdown[cluster]
	if l.NoCrossNamespaceRefs != nil {
		p.NoCrossNamespaceRefs = *l.NoCrossNamespaceRefs
	}
	if l.NoRemoteBases != nil {
		p.NoRemoteBases = *l.NoRemoteBases
	}
	if l.DefaultServiceAccount != "" {
		p.DefaultServiceAccount = l.DefaultServiceAccount
	}
	if l.StrictPostBuildSubstitutions != nil {
		gates := map[string]bool{"StrictPostBuildSubstitutions": *l.StrictPostBuildSubstitutions}
		for k, v := range p.Gates {
			if _, set := gates[k]; !set {
				gates[k] = v
			}
		}
		p.Gates = gates
	}
	return p
}

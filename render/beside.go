package render

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"sync"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"golang.org/x/sync/errgroup"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// ErrEntangled means that a cluster of the second revision reaches one that is only recalled. Both revisions
// have to be rendered again, without [Options.Beside].
var ErrEntangled = errors.New("a cluster reaches another one that was not rendered")

// Recalled is what an earlier run found on a cluster, see [Options.Beside].
type Recalled struct {
	Counts
	// Reads is all that was read for it of the repository under review.
	Reads []Reads

	work Stats
}

// Reads is what builds have read of a source.
type Reads struct {
	Prefix string // folder of the repository under review that is the source's root
	Trace  tree.Trace
}

// recall finds the clusters of which the store knows all that an impact wants to know, because they are the same
// in both trees.
func (e *engine) recall(ctx context.Context) {
	switch before := e.opts.Before; {
	case before != nil:
		for _, c := range before.Clusters {
			if c.Recalled != nil && !e.skips(c.Name) {
				e.recalled[c.Name] = e.declare(c)
			}
		}
		return
	case e.opts.Beside == nil || !e.recordable():
		return
	}
	opts := *e.opts
	opts.Before = &Result{Entries: e.fleet.sorted()}
	f, err := entryPoints(ctx, e.opts.Beside.Tree, &opts, e.cache)
	if err != nil {
		return // whoever renders it reports it
	}
	other := &engine{fleet: f, cache: e.cache, opts: e.opts, sources: newSources(*e.opts.Beside, f, e.opts), targets: newTargets(f)}
	var mu sync.Mutex
	var all errgroup.Group
	all.SetLimit(runtime.GOMAXPROCS(0))
	for _, name := range e.fleet.names() {
		if e.skips(name) || other.entryOf(name) == nil {
			continue
		}
		all.Go(func() error {
			if c := e.recallOne(ctx, other, name); c != nil {
				mu.Lock()
				defer mu.Unlock()
				e.recalled[name] = c
			}
			return nil
		})
	}
	_ = all.Wait() // no error is ever given
}

// recallOne is a cluster that is the same on both sides; nil when that is not known.
func (e *engine) recallOne(ctx context.Context, other *engine, name string) *Cluster {
	key := e.settledKey(name)
	if other.settledKey(name) != key {
		return nil
	}
	known := e.cache.knownOf(ctx, key)
	for i := range known.States {
		s := &known.States[i]
		if reads, ok := e.stands(ctx, s, known.traces); ok {
			if _, same := other.stands(ctx, s, known.traces); same {
				return e.restored(name, s, reads)
			}
			known.stood = i + 1
			return nil
		}
	}
	return nil
}

// stands gives what was read for a state, and whether all of it is the same.
func (e *engine) stands(ctx context.Context, s *savedState, traces []tree.Trace) (reads []Reads, ok bool) {
	if len(s.Reads) != len(s.Ways) {
		return nil, false
	}
	for i, w := range s.Ways {
		t := e.sources.follow(ctx, w)
		if t == nil {
			return nil, false
		}
		for _, n := range s.Reads[i] {
			if int(n) >= len(traces) || !e.cache.holds(traces[n], t) {
				return nil, false
			}
			reads = append(reads, Reads{w.Prefix, traces[n]})
		}
	}
	return reads, true
}

// restored is a cluster as the store has it. The Kustomizations that it starts with stand for its appliers.
func (e *engine) restored(name string, s *savedState, reads []Reads) *Cluster {
	var told remarks
	if s.Told != nil && json.Unmarshal(s.Told, &told) != nil {
		return nil
	}
	c := &Cluster{Name: name, Failures: told.Failures, Unresolved: told.Unresolved, Notes: told.Notes}
	c.Recalled = &Recalled{
		Counts: Counts{Appliers: s.Appliers, Built: s.Built, Objects: s.Objects, Failures: len(c.Failures), Unresolved: len(c.Unresolved)},
		Reads:  reads,
		work:   Stats{Evaluations: s.Appliers, Builds: s.Builds, BuildsReused: s.Builds, Releases: s.Releases},
	}
	for _, r := range s.Roots {
		c.Appliers = append(c.Appliers, &Applier{
			Applier: object.Applier{Kind: kustomizev1.KustomizationKind, Namespace: r[0], Name: r[1]},
			Home:    name, Root: name, Target: name, State: Built, Own: true, Prefix: r[2], Path: r[3],
		})
	}
	return e.declare(c)
}

// declare is a recalled cluster with what the fleet's documents say of it.
func (e *engine) declare(c *Cluster) *Cluster {
	out := *c
	out.Entry = nil
	for _, entry := range e.fleet.entries {
		if entry.Cluster == c.Name {
			if out.Entry == nil {
				out.Entry = entry
			}
			out.Labels = entry.Labels
		}
	}
	return &out
}

// skips reports whether the options leave a cluster out.
func (e *engine) skips(cluster string) bool { return e.opts.Skip != nil && e.opts.Skip(cluster) }

// reaches reports whether what was evaluated has to do with one of those clusters, which were not.
func (e *engine) reaches(clusters map[string]*Cluster) bool {
	if len(clusters) == 0 {
		return false
	}
	for home, t := range e.tally {
		if clusters[home] != nil {
			continue
		}
		for ev := range t.all {
			if !ev.within(home, func(cluster string) bool { return clusters[cluster] == nil }) {
				return true
			}
		}
	}
	return false
}

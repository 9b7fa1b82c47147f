package render

import (
	"context"
	"maps"
	"path"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// tally counts the evaluations of the appliers that one cluster holds.
type tally struct {
	used, fresh int
	nodes       map[nodeKey]bool
	all         map[*evaluation]bool // of all rounds
}

const (
	// rewriteAt is the share of evaluations that are not in the record of a cluster from which on it
	// is written anew, one in so many.
	rewriteAt = 20
	// recordedVariants bounds the evaluations that are written for one applier.
	recordedVariants = 4
)

// used notes that an evaluation is part of this render, and whether it was made for it.
func (e *engine) used(ev *evaluation, fresh bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.tally == nil {
		e.tally = map[string]*tally{}
	}
	t := e.tally[ev.node.home]
	if t == nil {
		t = &tally{nodes: map[nodeKey]bool{}, all: map[*evaluation]bool{}}
		e.tally[ev.node.home] = t
	}
	t.used++
	if fresh && !ev.single {
		t.fresh++
	}
	t.nodes[ev.node.key()], t.all[ev] = true, true
}

// recordable reports whether what is evaluated may be used by another run: then it rests on nothing
// that this one was given in memory.
func (e *engine) recordable() bool {
	return e.cache.Store != nil && e.opts.Decrypt == nil && e.sources.mappings == ""
}

// recordKey is where the record of a cluster is. Who does not have the files that its entry points are
// in cannot know it.
func (e *engine) recordKey(home string) [32]byte {
	parts := []string{home, e.ground(home)}
	for _, entry := range e.fleet.entries {
		if entry.Cluster != home {
			continue
		}
		if h, err := e.sources.own.Tree.HashOf(entry.File); err == nil {
			parts = append(parts, h.String())
			continue
		}
		h, _ := e.sources.own.Tree.Ask(path.Join(entry.Prefix, entry.Path), tree.Listing)
		parts = append(parts, h.String())
	}
	return e.cache.keyIn("cluster", parts...)
}

// load takes over what an earlier run evaluated on a cluster.
func (e *engine) load(ctx context.Context, home string) {
	if !e.recordable() {
		return
	}
	once(&e.loaded, home, func() {
		key := e.recordKey(home)
		once(&e.cache.records, key, func() {
			data := e.cache.Store.Get(ctx, key)
			if data == nil {
				return
			}
			for _, ev := range e.cache.evaluationsIn(data, home) {
				e.cache.evaluations.keep(ev)
			}
		})
	})
}

// once does something once for each key; who comes later waits for it.
func once(done *sync.Map, key any, do func()) {
	value, ok := done.Load(key)
	if !ok {
		value, _ = done.LoadOrStore(key, &sync.Once{})
	}
	first, _ := value.(*sync.Once)
	first.Do(do)
}

// record writes what was evaluated, for clusters of which much is new.
func (e *engine) record(ctx context.Context) {
	if !e.recordable() {
		return
	}
	var all errgroup.Group
	all.SetLimit(runtime.GOMAXPROCS(0))
	for home, t := range e.tally {
		if t.fresh*rewriteAt <= t.used {
			continue
		}
		all.Go(func() error {
			w := newWriter(e.cache)
			keys := slices.SortedFunc(maps.Keys(t.nodes), compareNodes)
			for _, key := range keys {
				list := e.cache.evaluations.of(key)
				for _, ev := range list[max(0, len(list)-recordedVariants):] {
					w.add(ev)
				}
			}
			if data := w.bytes(); data != nil && ctx.Err() == nil {
				e.cache.Store.Replace(e.recordKey(home), data)
			}
			return nil
		})
	}
	_ = all.Wait() // no error is ever given
}

package render

import (
	"context"
	"slices"
	"sync"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// memo keeps what was made of trees, by a key for all else that went into it. A
// value is used again exactly when everything that was read for it, and everything
// that was looked for in vain, is the same in the tree at hand. It makes each value
// once, also when several ask at the same time. The zero value is ready.
type memo[T any] struct {
	mu      sync.Mutex
	kept    map[string][]traced[T]
	known   map[flight]*traced[T] // what is right for a key on a tree
	running map[flight]*call[T]
}

// traced is a value with what was read for it.
type traced[T any] struct {
	value T
	reads tree.Trace
}

// flight is a value on its way.
type flight struct {
	key  string
	tree *tree.Tree // nil for what is made of no tree
}

type call[T any] struct {
	done  chan struct{}
	value T
}

// maxKept bounds the values kept for one key, oldest out first.
const maxKept = 8

// get returns the value for key on t, which may be nil. What is made while ctx ends is
// no answer to keep.
func (m *memo[T]) get(ctx context.Context, key string, t *tree.Tree, produce func() (T, tree.Trace)) T {
	f := flight{key, t}
	m.mu.Lock()
	if m.kept == nil {
		m.kept, m.known, m.running = map[string][]traced[T]{}, map[flight]*traced[T]{}, map[flight]*call[T]{}
	}
	if known := m.known[f]; known != nil {
		m.mu.Unlock()
		return known.value
	}
	candidates := m.kept[key]
	if running, ok := m.running[f]; ok {
		m.mu.Unlock()
		<-running.done
		return running.value
	}
	own := &call[T]{done: make(chan struct{})}
	m.running[f] = own
	m.mu.Unlock()

	defer close(own.done)
	for i := range candidates {
		if c := &candidates[i]; c.reads.Holds(t) {
			own.value = c.value
			m.finish(f, c, false)
			return c.value
		}
	}
	var reads tree.Trace
	own.value, reads = produce()
	if ctx.Err() != nil {
		m.finish(f, nil, false)
		return own.value
	}
	m.finish(f, &traced[T]{own.value, reads}, t != nil)
	return own.value
}

func (m *memo[T]) finish(f flight, made *traced[T], fresh bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.running, f)
	if made == nil {
		return
	}
	m.known[f] = made
	if !fresh {
		return
	}
	kept := append(slices.Clone(m.kept[f.key]), *made) // readers may hold the old list
	if len(kept) > maxKept {
		kept = kept[len(kept)-maxKept:]
	}
	m.kept[f.key] = kept
}

package render

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// Cache keeps builds across renders: of other clusters, other revisions. A build
// is used again exactly when everything it read, and everything it looked for in
// vain, is the same in the tree at hand. The zero value is ready; a Cache is safe
// for concurrent use and must not be copied.
type Cache struct {
	mu      sync.Mutex
	builds  map[string][]*build // by build spec
	known   map[flight]*build   // what is right for a spec on a tree
	running map[flight]*call
	once    sync.Once
	inspect *inspector
	slots   chan struct{}

	asked, run, substitutions, substituted atomic.Int64
}

// flight is a build on its way, so that two appliers do not run the same one.
type flight struct {
	spec string
	tree *tree.Tree
}

type call struct {
	done chan struct{}
	b    *build
}

func (c *Cache) init(parallel int) {
	c.once.Do(func() {
		if parallel <= 0 {
			parallel = runtime.GOMAXPROCS(0)
		}
		c.builds = map[string][]*build{}
		c.known = map[flight]*build{}
		c.running = map[flight]*call{}
		c.inspect = &inspector{files: map[tree.Hash]*inspected{}, decoded: map[tree.Hash]error{}}
		c.slots = make(chan struct{}, parallel)
	})
}

// build returns the build of spec on t, run at most once for equal inputs.
func (c *Cache) build(ctx context.Context, t *tree.Tree, spec buildSpec) *build {
	c.asked.Add(1)
	key := spec.key()
	f := flight{key, t}
	c.mu.Lock()
	if b := c.known[f]; b != nil {
		c.mu.Unlock()
		return b
	}
	candidates := c.builds[key]
	if running, ok := c.running[f]; ok {
		c.mu.Unlock()
		<-running.done
		return running.b
	}
	own := &call{done: make(chan struct{})}
	c.running[f] = own
	c.mu.Unlock()

	defer close(own.done)
	for _, b := range candidates {
		if b.reads.Holds(t) {
			own.b = b
			c.finish(f, b, false)
			return b
		}
	}
	c.slots <- struct{}{}
	defer func() { <-c.slots }()
	c.run.Add(1)
	own.b = runBuild(ctx, t, c.inspect, spec)
	if ctx.Err() != nil {
		c.finish(f, nil, false) // cut short: not an answer to keep
		return own.b
	}
	c.finish(f, own.b, true)
	return own.b
}

// maxKept bounds the builds kept for one spec, oldest out first.
const maxKept = 8

func (c *Cache) finish(f flight, b *build, fresh bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.running, f)
	if b == nil {
		return
	}
	c.known[f] = b
	if !fresh {
		return
	}
	kept := append(slices.Clone(c.builds[f.spec]), b) // readers may hold the old list
	if len(kept) > maxKept {
		kept = kept[len(kept)-maxKept:]
	}
	c.builds[f.spec] = kept
}

func (c *Cache) stats() Stats {
	return Stats{
		Builds: int(c.asked.Load()), BuildsRun: int(c.run.Load()),
		Substitutions: int(c.substitutions.Load()), Substituted: int(c.substituted.Load()),
	}
}

func (s Stats) minus(o Stats) Stats {
	return Stats{
		Builds: s.Builds - o.Builds, BuildsRun: s.BuildsRun - o.BuildsRun,
		Substitutions: s.Substitutions - o.Substitutions, Substituted: s.Substituted - o.Substituted,
	}
}

package render

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/bulkhead-dev/bulkhead/render/release"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// Cache keeps builds across renders: of other clusters, other revisions. A build
// is used again exactly when everything it read, and everything it looked for in
// vain, is the same in the tree at hand. The zero value is ready; a Cache is safe
// for concurrent use and must not be copied.
type Cache struct {
	// Store keeps what is made beyond this process; nil: nothing is kept. It has to be set before
	// the first render. What is decrypted is never put there.
	Store Store
	// Engine names the program with everything that it is made of: what another one put into the Store is
	// not used.
	Engine string

	builds      memo[*build]
	charts      memo[*charted]
	releases    memo[*chartOutput]
	evaluations evaluations
	bodies      sync.Map // object.Hash -> *object.Body, of those that were saved
	traces      sync.Map // traceKey -> tree.Trace, of those that were saved
	digests     sync.Map // held -> traceKey, of traces
	records     sync.Map // key -> *sync.Once
	documents   sync.Map // tree.Hash of a file -> []*unstructured.Unstructured, of syncs
	known       sync.Map // key -> *knownCluster
	surveys     sync.Map // tree.Hash of a folder -> surveyed
	nowhere     *tree.Tree
	held        sync.Map // held -> bool
	charter     release.Renderer
	once        sync.Once
	inspect     *inspector
	slots       chan struct{}

	evaluated                  [2]atomic.Int64 // asked for, run
	asked, run, again          atomic.Int64    // builds; again: those of other revisions and runs
	substitutions, substituted atomic.Int64
	releasesAsked, releasesRun atomic.Int64
	objects                    atomic.Int64 // made, those of several appliers counted for each
}

func (c *Cache) init(parallel int) {
	c.once.Do(func() {
		if parallel <= 0 {
			parallel = runtime.GOMAXPROCS(0)
		}
		c.nowhere = tree.FromMap(nil)
		c.inspect = &inspector{files: map[tree.Hash]*inspected{}, decoded: map[tree.Hash]error{}}
		c.charter.Guard = sharingSchema
		c.slots = make(chan struct{}, parallel)
	})
}

// slot waits for leave to do heavy work, and returns what gives it back.
func (c *Cache) slot() (leave func()) {
	c.slots <- struct{}{}
	return func() { <-c.slots }
}

// build returns the build of spec on t, run at most once for equal inputs.
func (c *Cache) build(ctx context.Context, t *tree.Tree, spec buildSpec, decrypt Decrypt) *build {
	c.asked.Add(1)
	return c.builds.get(ctx, spec.key(), t, func() (*build, tree.Trace) {
		if b := c.savedBuild(ctx, t, spec, decrypt); b != nil {
			c.again.Add(1)
			return b, b.reads
		}
		defer c.slot()()
		c.run.Add(1)
		b := runBuild(ctx, t, c.inspect, spec, decrypt)
		c.saveBuild(ctx, t, b)
		return b, b.reads
	})
}

// compactFrom is the number of objects from which on bodies are held as text.
const compactFrom = 20_000

// compact saves memory once there are many objects.
func (c *Cache) compact(ev *evaluation) {
	if c.objects.Add(int64(len(ev.applier.Objects))) < compactFrom {
		return
	}
	ev.ks = nil
	for _, o := range ev.applier.Objects {
		o.Body().Compact()
	}
}

// reused counts the work that an evaluation would have asked for.
func (c *Cache) reused(ev *evaluation) {
	c.evaluated[0].Add(1)
	if ev.built() {
		c.asked.Add(1)
		c.again.Add(1)
	}
	if ev.released {
		c.releasesAsked.Add(1)
	}
}

// built reports whether a build went into an evaluation.
func (ev *evaluation) built() bool { return ev.applier.build != nil || ev.applier.again != nil }

func (c *Cache) stats() Stats {
	return Stats{
		Evaluations: int(c.evaluated[0].Load()), EvaluationsRun: int(c.evaluated[1].Load()),
		Builds: int(c.asked.Load()), BuildsRun: int(c.run.Load()), BuildsReused: int(c.again.Load()),
		Substitutions: int(c.substitutions.Load()), Substituted: int(c.substituted.Load()),
		Releases: int(c.releasesAsked.Load()), ReleasesRun: int(c.releasesRun.Load()),
	}
}

func (s Stats) minus(o Stats) Stats {
	return Stats{
		Evaluations: s.Evaluations - o.Evaluations, EvaluationsRun: s.EvaluationsRun - o.EvaluationsRun,
		Builds: s.Builds - o.Builds, BuildsRun: s.BuildsRun - o.BuildsRun, BuildsReused: s.BuildsReused - o.BuildsReused,
		Substitutions: s.Substitutions - o.Substitutions, Substituted: s.Substituted - o.Substituted,
		Releases: s.Releases - o.Releases, ReleasesRun: s.ReleasesRun - o.ReleasesRun, Rounds: s.Rounds - o.Rounds,
	}
}

// Plus adds up the work of two renders.
func (s Stats) Plus(o Stats) Stats {
	return s.minus(Stats{}.minus(o))
}

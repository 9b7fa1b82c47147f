package render

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"runtime"
	"slices"
	"sync"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/fxamacker/cbor/v2"
	"golang.org/x/sync/errgroup"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render/artifact"
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

// way leads to files of the repository under review, as a source of a cluster does.
type way struct {
	_ struct{} `cbor:",toarray"`

	Prefix   string // folder that is the source's root
	Ref      sourcev1.GitRepositoryRef
	StandsIn bool
	Ignore   string
	Sparse   []string
	Layer    *string // rules of an artifact that is packed from it; nil for none
}

// wayOf is nil when other sources are included.
func wayOf(prefix string, ref sourcev1.GitRepositoryRef, standsIn bool, spec artifact.Spec) *way {
	if len(spec.Include) > 0 {
		return nil
	}
	return &way{Prefix: prefix, Ref: ref, StandsIn: standsIn, Ignore: spec.Ignore, Sparse: spec.Sparse}
}

// follow is where a way leads; nil when that is not the tree under review.
func (s *sources) follow(ctx context.Context, w way) *tree.Tree {
	repo := s.own
	var err error
	if repo.Tree, err = s.sub(repo.Tree, w.Prefix); err != nil {
		return nil
	}
	o := s.at(ctx, repo, w.Ref, w.StandsIn)
	if o.pinned || o.tree != repo.Tree {
		return nil
	}
	o = s.pack(o, artifact.Spec{Ignore: w.Ignore, Sparse: w.Sparse})
	if o.tree != nil && w.Layer != nil {
		o = o.filtered(s.artifacts.OCI(o.tree, *w.Layer))
	}
	return o.tree
}

// digest tells sources apart that would take URLs and refs for something else.
func (s *sources) digest() string {
	parts := []any{s.own.URL, s.own.Branch, s.own.Refs != nil, slices.Sorted(maps.Keys(s.ownURLs)), slices.Sorted(maps.Keys(s.branches))}
	for _, url := range slices.Sorted(maps.Keys(s.packed)) {
		e := s.packed[url]
		parts = append(parts, url, e.Prefix, e.Ref, e.URL)
	}
	return keyOf(parts...)
}

// savedCluster is the states of a cluster that are known, the newest first, with all that they rest on.
type savedCluster struct {
	_ struct{} `cbor:",toarray"`

	Traces []byte // see [appendTrace]
	States []savedState
}

type savedState struct {
	_ struct{} `cbor:",toarray"`

	Ways  []way
	Reads []numbers // for each way the numbers of traces

	Appliers, Built, Objects int
	Builds, Releases         int // that went into it

	Told  []byte      // failures, unresolved and notes as JSON; nil for none
	Roots [][4]string // namespace, name, prefix, path of each Kustomization that it starts with
}

// maxSettled bounds the states that are known of one cluster.
const maxSettled = 8

// settledKey is where the states of a cluster are.
func (e *engine) settledKey(home string) [32]byte {
	record := e.recordKey(home)
	return e.cache.keyIn("settled", string(record[:]), e.sources.digest())
}

// rests reports whether clusters rest on nothing but files, documents and flags.
func (e *engine) rests() bool { return e.recordable() && e.opts.Fetch == nil }

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
	case e.opts.Beside == nil || !e.rests():
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
			known.stood = true
			return nil
		}
	}
	return nil
}

// knownCluster is a savedCluster that was read.
type knownCluster struct {
	savedCluster
	once   sync.Once
	traces []tree.Trace
	stood  bool // the first of two revisions is a state that is known
}

// knownOf reads what is known under key, once; nothing when it is damaged.
func (c *Cache) knownOf(ctx context.Context, key [32]byte) *knownCluster {
	value, _ := c.known.LoadOrStore(key, &knownCluster{})
	known, _ := value.(*knownCluster)
	known.once.Do(func() {
		data := c.Store.Get(ctx, key)
		if data == nil || cbor.Unmarshal(data, &known.savedCluster) != nil {
			known.savedCluster = savedCluster{}
			return
		}
		for rest := known.Traces; len(rest) > 0; {
			var tr tree.Trace
			if tr, rest = c.cutTrace(rest); tr == nil {
				known.savedCluster, known.traces = savedCluster{}, nil
				return
			}
			known.traces = append(known.traces, tr)
		}
	})
	return known
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

// appendTrace writes a trace: a digest, its length in bytes, and for each read kind, hash and path.
func (c *Cache) appendTrace(to []byte, tr tree.Trace) []byte {
	key := c.digest(tr)
	var body []byte
	for _, r := range tr {
		body = append(append(body, byte(r.Kind)), r.Hash[:]...)
		body = append(binary.AppendUvarint(body, uint64(len(r.Path))), r.Path...)
	}
	to = binary.AppendUvarint(append(to, key[:]...), uint64(len(body)))
	return append(to, body...)
}

// cutTrace reads what appendTrace wrote; nil when it is damaged. A trace that is known is not read again.
func (c *Cache) cutTrace(from []byte) (tr tree.Trace, rest []byte) {
	var key [32]byte
	from = from[copy(key[:], from):]
	n, size := binary.Uvarint(from)
	if size <= 0 || n > uint64(len(from[size:])) {
		return nil, nil
	}
	body, rest := from[size:][:n], from[size:][n:]
	if known, ok := c.traces.Load(key); ok {
		tr, _ = known.(tree.Trace)
		return tr, rest
	}
	for len(body) > 0 {
		r := tree.Read{Kind: tree.ReadKind(body[0])}
		body = body[1:]
		body = body[copy(r.Hash[:], body):]
		n, size := binary.Uvarint(body)
		if size <= 0 || n > uint64(len(body[size:])) {
			return nil, nil
		}
		r.Path, body = string(body[size:][:n]), body[size:][n:]
		tr = append(tr, r)
	}
	if len(tr) == 0 {
		return nil, nil
	}
	known, _ := c.traces.LoadOrStore(key, tr)
	tr, _ = known.(tree.Trace)
	c.digests.Store(held{reads: &tr[0]}, key)
	return tr, rest
}

// digest is the traceKey of a trace, found out once.
func (c *Cache) digest(tr tree.Trace) [32]byte {
	at := held{reads: &tr[0]}
	if known, ok := c.digests.Load(at); ok {
		key, _ := known.([32]byte)
		return key
	}
	key := traceKey(tr)
	c.digests.Store(at, key)
	return key
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

// entangled reports whether what was evaluated reaches a cluster that is recalled.
func (e *engine) entangled() bool {
	if len(e.recalled) == 0 {
		return false
	}
	for home, t := range e.tally {
		for ev := range t.all {
			if !ev.within(home, func(cluster string) bool { return e.recalled[cluster] == nil }) {
				return true
			}
		}
	}
	return false
}

// within reports whether an evaluation has to do with its own cluster alone, but for those that pass.
func (ev *evaluation) within(home string, pass func(cluster string) bool) bool {
	ok := true
	for _, cluster := range []string{ev.applier.Target, ev.node.root} {
		ok = ok && (cluster == home || pass(cluster))
	}
	for i := range ev.asked {
		ok = ok && (ev.asked[i].cluster == home || pass(ev.asked[i].cluster))
	}
	return ok
}

// remember writes what the clusters hold, for [engine.recall] of another run. It leaves out those whose
// appliers rest on anything but the files of the repository under review and the fleet's documents.
func (e *engine) remember(ctx context.Context, r *Result) {
	if !e.rests() {
		return
	}
	reached := map[string]bool{}
	for home, t := range e.tally {
		for ev := range t.all {
			ev.within(home, func(cluster string) bool {
				reached[home], reached[cluster] = true, true
				return true
			})
		}
	}
	var all errgroup.Group
	all.SetLimit(runtime.GOMAXPROCS(0))
	for home, t := range e.tally {
		c := r.Cluster(home)
		if c == nil || reached[home] {
			continue
		}
		all.Go(func() error {
			if e.opts.Beside != nil && e.cache.knownOf(ctx, e.settledKey(home)).stood {
				return nil
			}
			if ways, reads, ok := t.reads(); ok && ctx.Err() == nil {
				e.rememberOne(ctx, c, t, ways, reads)
			}
			return nil
		})
	}
	_ = all.Wait() // no error is ever given
}

// reads are the traces of all that the evaluations of a cluster have read, in all rounds, by the ways to them; false when they
// rest on more than that.
func (t *tally) reads() (ways []way, reads [][]tree.Trace, ok bool) {
	places := map[*way]int{}
	type place struct {
		way   int
		first *tree.Read
	}
	seen := map[place]bool{}
	for ev := range t.all {
		if ev.single || ev.target != nil {
			return nil, nil, false
		}
		for i := range ev.opened {
			o, f := &ev.opened[i], &ev.opened[i].found
			switch {
			case f.failure != "" || f.from != nil || o.revised || f.own && (f.tree == nil || f.pinned || f.way == nil):
				return nil, nil, false
			case !f.own && (f.tree != nil || f.data != nil):
				return nil, nil, false
			case !f.own:
				continue
			}
			at, known := places[f.way]
			if !known {
				at = slices.IndexFunc(ways, func(w way) bool { return reflect.DeepEqual(w, *f.way) })
				if at < 0 {
					at, ways, reads = len(ways), append(ways, *f.way), append(reads, nil)
				}
				places[f.way] = at
			}
			if len(o.reads) == 0 {
				return nil, nil, false
			}
			for _, tr := range o.reads {
				if p := (place{at, &tr[0]}); !seen[p] {
					seen[p] = true
					reads[at] = append(reads[at], tr)
				}
			}
		}
	}
	return ways, reads, len(ways) > 0
}

func (e *engine) rememberOne(ctx context.Context, c *Cluster, t *tally, ways []way, reads [][]tree.Trace) {
	n := c.Counts()
	s := savedState{Ways: ways, Appliers: n.Appliers, Built: n.Built, Objects: n.Objects}
	for ev := range t.all {
		if ev.built() {
			s.Builds++
		}
		if ev.released {
			s.Releases++
		}
	}
	for _, a := range c.Appliers {
		if len(a.Chain) == 0 {
			s.Roots = append(s.Roots, [4]string{a.Namespace, a.Name, a.Prefix, a.Path})
		}
	}
	if len(c.Failures)+len(c.Unresolved)+len(c.Notes) > 0 {
		s.Told, _ = json.Marshal(remarks{c.Failures, c.Unresolved, c.Notes})
	}
	key := e.settledKey(c.Name)
	known := e.cache.knownOf(ctx, key)
	e.cache.known.Delete(key) // what is written now is newer
	all := known.packing(e.cache)
	for _, list := range reads {
		s.Reads = append(s.Reads, all.add(list))
	}
	states := slices.DeleteFunc(slices.Clone(known.States), func(old savedState) bool { return reflect.DeepEqual(old, s) })
	next := savedCluster{Traces: all.data, States: append([]savedState{s}, states...)}
	if len(next.States) > maxSettled || len(all.places) > 4*all.asked {
		next.States = next.States[:1]
		fresh := packing{c: e.cache, places: map[[32]byte]int{}}
		next.States[0].Reads = nil
		for _, list := range reads {
			next.States[0].Reads = append(next.States[0].Reads, fresh.add(list))
		}
		next.Traces = fresh.data
	}
	if data, err := cbor.Marshal(next); err == nil {
		e.cache.Store.Replace(key, data)
	}
}

// packing numbers traces.
type packing struct {
	c      *Cache
	data   []byte
	places map[[32]byte]int
	asked  int
}

// packing goes on with the traces that are known.
func (s *knownCluster) packing(c *Cache) *packing {
	p := &packing{c: c, data: slices.Clip(s.Traces), places: make(map[[32]byte]int, len(s.traces))}
	for i, tr := range s.traces {
		p.places[c.digest(tr)] = i
	}
	return p
}

// add gives the numbers of traces, sorted.
func (p *packing) add(list []tree.Trace) numbers {
	p.asked += len(list)
	out := make(numbers, len(list))
	for i, tr := range list {
		key := p.c.digest(tr)
		at, ok := p.places[key]
		if !ok {
			at = len(p.places)
			p.places[key] = at
			p.data = p.c.appendTrace(p.data, tr)
		}
		out[i] = uint32(at) //nolint:gosec // far below
	}
	slices.Sort(out)
	return slices.Compact(out)
}

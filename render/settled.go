package render

import (
	"cmp"
	"context"
	"encoding/json"
	"reflect"
	"runtime"
	"slices"
	"sync"

	"github.com/fxamacker/cbor/v2"
	"golang.org/x/sync/errgroup"

	"github.com/bulkhead-dev/bulkhead/tree"
)

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

// knownCluster is a savedCluster that was read.
type knownCluster struct {
	savedCluster
	once   sync.Once
	traces []tree.Trace
	stood  int // number from 1 of the state that the first of two revisions is; 0: of none that is known
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
	if !e.recordable() {
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
			if e.opts.Beside != nil && e.cache.knownOf(ctx, e.settledKey(home)).stood > 0 {
				return nil
			}
			if ways, reads, ok := t.reads(e.opts.Fetch != nil); ok && ctx.Err() == nil {
				e.rememberOne(ctx, c, t, ways, reads)
			}
			return nil
		})
	}
	_ = all.Wait() // no error is ever given
}

// reads are the traces of all that the evaluations of a cluster have read, in all rounds, by the ways to them; false when they
// rest on more than that: what is not at hand now may be fetched by the next run.
func (t *tally) reads(fetching bool) (ways []way, reads [][]tree.Trace, ok bool) {
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
			case !f.own && (fetching || f.tree != nil || f.data != nil):
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

// ordered puts ways, and what was read by each, in an order that does not depend on who read first.
func ordered(ways []way, reads [][]tree.Trace) (outWays []way, outReads [][]tree.Trace) {
	order := make([]int, len(ways))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(keyOf(ways[a]), keyOf(ways[b])) })
	for _, i := range order {
		outWays, outReads = append(outWays, ways[i]), append(outReads, reads[i])
	}
	return outWays, outReads
}

func (e *engine) rememberOne(ctx context.Context, c *Cluster, t *tally, ways []way, reads [][]tree.Trace) {
	n := c.Counts()
	ways, reads = ordered(ways, reads)
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
	if len(known.States) > 0 && reflect.DeepEqual(known.States[0], s) {
		return
	}
	states := slices.Clone(known.States)
	if n := known.stood; n > 0 { // the base of the commits to come, too
		states = slices.Insert(slices.Delete(states, n-1, n), 0, known.States[n-1])
	}
	states = slices.DeleteFunc(states, func(old savedState) bool { return reflect.DeepEqual(old, s) })
	next := savedCluster{Traces: all.data, States: append([]savedState{s}, states...)}
	if len(next.States) > maxSettled {
		next = next.newest(all)
	}
	if data, err := cbor.Marshal(next); err == nil {
		e.cache.Store.Replace(key, data)
	}
}

// newest is the newer half of the states, with the traces that they need.
func (s savedCluster) newest(all *packing) savedCluster {
	fresh := packing{c: all.c, places: map[[32]byte]int{}}
	var out savedCluster
	for _, state := range s.States[:maxSettled/2] {
		reads := state.Reads
		state.Reads = nil
		for _, list := range reads {
			var traces []tree.Trace
			for _, n := range list {
				traces = append(traces, all.traces[n])
			}
			state.Reads = append(state.Reads, fresh.add(traces))
		}
		out.States = append(out.States, state)
	}
	out.Traces = fresh.data
	return out
}

// packing numbers traces.
type packing struct {
	c      *Cache
	data   []byte
	traces []tree.Trace
	places map[[32]byte]int
}

// packing goes on with the traces that are known.
func (s *knownCluster) packing(c *Cache) *packing {
	p := &packing{c: c, data: slices.Clip(s.Traces), traces: slices.Clip(s.traces), places: make(map[[32]byte]int, len(s.traces))}
	for i, tr := range s.traces {
		p.places[c.digest(tr)] = i
	}
	return p
}

// add gives the numbers of traces, sorted.
func (p *packing) add(list []tree.Trace) numbers {
	out := make(numbers, len(list))
	for i, tr := range list {
		key := p.c.digest(tr)
		at, ok := p.places[key]
		if !ok {
			at = len(p.places)
			p.places[key] = at
			p.data, p.traces = p.c.appendTrace(p.data, tr), append(p.traces, tr)
		}
		out[i] = uint32(at) //nolint:gosec // far below
	}
	slices.Sort(out)
	return slices.Compact(out)
}

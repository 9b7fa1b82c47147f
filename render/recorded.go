package render

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"sync"
	"weak"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fxamacker/cbor/v2"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// reader takes evaluations out of a record.
type reader struct {
	c    *Cache
	home string
	r    record

	strings []string
	traces  []tree.Trace
	bodies  []*object.Body
	files   map[uint32]*object.Object
	lookups map[string][]lookup
}

// maxPack bounds the texts of one record, in bytes.
const maxPack = 1 << 30

// evaluations of a cluster that a record holds; none when it is damaged.
func (c *Cache) evaluationsIn(data []byte, home string) (out []*evaluation) {
	defer func() {
		if recover() != nil { // a number out of range
			out = nil
		}
	}()
	r := &reader{c: c, home: home}
	if cbor.Unmarshal(data, &r.r) != nil || !r.open() {
		return nil
	}
	for in := (&coder{data: r.r.Evaluations, reading: true}); len(in.data) > 0; {
		var s savedEvaluation
		if s.code(in) != nil {
			return nil
		}
		ev, err := r.evaluation(&s)
		if err != nil {
			return nil
		}
		out = append(out, ev)
	}
	return out
}

// pack is texts that are unpacked when one of them is asked for.
type pack struct {
	data []byte
	mu   sync.Mutex
	open weak.Pointer[[]byte]
}

func (p *pack) text(from, to int) []byte {
	if all := p.texts(); to <= len(all) {
		return all[from:to]
	}
	return nil
}

func (p *pack) texts() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.open.Value(); t != nil {
		return *t
	}
	t, err := unpacker().DecodeAll(p.data, nil)
	if err != nil {
		return nil
	}
	p.open = weak.Make(&t)
	return t
}

// open reads what the evaluations refer to.
func (r *reader) open() bool {
	r.strings = make([]string, len(r.r.Lengths))
	for i, rest := 0, r.r.Strings; i < len(r.strings); i++ {
		n := int(r.r.Lengths[i])
		r.strings[i], rest = rest[:n], rest[n:]
	}
	r.bodies = make([]*object.Body, len(r.r.Bodies)/2)
	i := 0
	for k, n := range r.r.Packed {
		p, at := &pack{data: r.r.Packs[k]}, 0
		for ; n > 0; n-- {
			h, from, to := r.hash(r.r.Bodies[2*i]), at, at+int(r.r.Bodies[2*i+1])
			at = to
			body, ok := r.c.bodies.Load(h)
			if !ok {
				body, _ = r.c.bodies.LoadOrStore(h, object.Saved(h, func() []byte { return p.text(from, to) }))
			}
			r.bodies[i], _ = body.(*object.Body)
			i++
		}
	}
	if i != len(r.bodies) {
		return false
	}
	for rest := r.r.Traces; len(rest) > 0; {
		var tr tree.Trace
		if tr, rest = r.c.cutTrace(rest); tr == nil {
			return false
		}
		r.traces = append(r.traces, tr)
	}
	return true
}

func traceKey(tr tree.Trace) [32]byte {
	sum := sha256.New()
	for _, r := range tr {
		sum.Write([]byte(r.Path))
		sum.Write([]byte{0, byte(r.Kind)})
		sum.Write(r.Hash[:])
	}
	return [32]byte(sum.Sum(nil))
}

func (r *reader) text(n uint32) string { return r.strings[n] }

func (r *reader) hash(n uint32) object.Hash { return object.Hash(r.r.Hashes[32*n : 32*n+32]) }

func (r *reader) appliers(list []uint32) (out []object.Applier) {
	for ; len(list) > 0; list = list[3:] {
		out = append(out, object.Applier{Kind: r.text(list[0]), Namespace: r.text(list[1]), Name: r.text(list[2])})
	}
	return out
}

func (r *reader) id(list []uint32) object.ID {
	return object.ID{Group: r.text(list[0]), Kind: r.text(list[1]), Namespace: r.text(list[2]), Name: r.text(list[3])}
}

func (r *reader) objects(list []uint32, cluster string, chain []object.Applier) (out []*object.Object) {
	all := make([]object.Object, len(list)/7)
	for i := range all {
		at := list[7*i:]
		all[i] = *object.Restored(r.id(at), r.text(at[4]), object.Origin{Cluster: cluster, Chain: chain, File: r.text(at[6])}, r.bodies[at[5]])
		out = append(out, &all[i])
	}
	return out
}

func (r *reader) evaluation(s *savedEvaluation) (*evaluation, error) {
	id := r.appliers(s.ID)[0]
	n := &node{
		id: id, home: r.home, root: r.text(s.Root), chain: r.appliers(s.Chain), open: s.Open,
		object: r.file(s.File),
	}
	a := &Applier{
		Applier: id, Home: r.home, Target: r.text(s.Target), State: State(r.text(s.State)), Chain: n.chain, Path: r.text(s.Path), Root: n.root,
		Own: s.Own, Prefix: r.text(s.Prefix), Pinned: s.Pinned, Prune: s.Prune, DeletionPolicy: r.text(s.DeletionPolicy), Force: s.Force,
		ServiceAccountName: r.text(s.Account), DependsOn: r.appliers(s.DependsOn), Refused: s.Refused, RefusedStage: Stage(s.Stage), //nolint:gosec // as it was written
		sourceRef: kustomizev1.CrossNamespaceSourceReference{
			APIVersion: r.text(s.SourceRef[0]), Kind: r.text(s.SourceRef[1]), Namespace: r.text(s.SourceRef[2]), Name: r.text(s.SourceRef[3]),
		},
	}
	if s.Numbered {
		a.items = make([]int, len(s.Items))
		for i, n := range s.Items {
			a.items[i] = int(n)
		}
	}
	ev := &evaluation{node: n, body: r.hash(s.Body), applier: a, ground: r.text(s.Ground), far: r.text(s.Far), released: s.Released}
	chain := append(append([]object.Applier(nil), n.chain...), id)
	objects := r.objects(s.Objects, a.Target, chain)
	if s.Held {
		a.Held = objects
	} else {
		a.Objects = objects
	}
	r.children(ev, s, objects, chain)
	var err error
	if ev.asked, err = r.asked(s.Asked); err != nil {
		return nil, err
	}
	for i := range s.Opened {
		ev.opened = append(ev.opened, r.opening(&s.Opened[i]))
	}
	if s.Holding {
		a.Source = object.Source{URL: r.text(s.Source), Revision: "unknown"} // told when it is opened again
	}
	if s.OpenedSource {
		a.opened = &opened{}
	}
	if s.Reads > 0 {
		a.reads = r.traces[s.Reads-1]
	}
	return ev, r.rest(ev, s, chain)
}

// file stands for an object of that file: nothing else is asked of it.
func (r *reader) file(n uint32) *object.Object {
	if r.files[n] == nil {
		if r.files == nil {
			r.files = map[uint32]*object.Object{}
		}
		r.files[n] = object.Restored(object.ID{}, "", object.Origin{File: r.text(n)}, nil)
	}
	return r.files[n]
}

// asked are questions, the same list for appliers that asked the same: most of a cluster's do.
func (r *reader) asked(bytes []byte) (out []lookup, err error) {
	if known, ok := r.lookups[string(bytes)]; ok {
		return known, nil
	}
	var l numbers
	if err := l.UnmarshalBinary(bytes); err != nil {
		return nil, err
	}
	for ; len(l) > 0; l = l[6:] {
		out = append(out, lookup{r.text(l[0]), r.id(l[1:]), r.hash(l[5])})
	}
	if r.lookups == nil {
		r.lookups = map[string][]lookup{}
	}
	r.lookups[string(bytes)] = slices.Clip(out)
	return r.lookups[string(bytes)], nil
}

func (r *reader) children(ev *evaluation, s *savedEvaluation, objects []*object.Object, chain []object.Applier) {
	for l := s.Children; len(l) > 0; l = l[2:] {
		o := objects[l[0]]
		c := &node{
			id: object.Applier{Kind: o.ID.Kind, Namespace: o.ID.Namespace, Name: o.ID.Name}, home: ev.applier.Target, root: ev.node.root, object: o,
			chain: chain, open: l[1] == 1,
		}
		if s.Numbered {
			c.at = int(l[0])
			c.file = func() string { return "" } // until its source is open
		}
		ev.children = append(ev.children, c)
	}
}

func (r *reader) opening(s *savedOpening) opening {
	o := opening{kind: r.text(s.Kind), namespace: r.text(s.Namespace), name: r.text(s.Name), revised: s.Revised, found: opened{
		own: s.Own, pinned: s.Pinned, prefix: r.text(s.Prefix), failure: r.text(s.Failure), unknown: r.text(s.Unknown), hint: r.text(s.Hint),
		source: object.Source{URL: r.text(s.URL), Revision: r.text(s.Revision)},
	}}
	if s.Tree {
		o.found.tree = r.c.nowhere // none that is rendered, so that reads are compared
	}
	for _, n := range s.Reads {
		o.reads = append(o.reads, r.traces[n])
	}
	return o
}

func (r *reader) rest(ev *evaluation, s *savedEvaluation, chain []object.Applier) (err error) {
	a := ev.applier
	if s.Reference != nil {
		ev.target = &reference{}
		if err := json.Unmarshal(s.Reference, &ev.target.ref); err != nil {
			return err
		}
	}
	if a.spec, err = chartSpec(s.Chart); err != nil {
		return err
	}
	if s.Packed != nil {
		a.chart = &packed{name: r.text(s.Packed[0]), version: r.text(s.Packed[1]), digest: r.text(s.Packed[2])}
	}
	if s.Build != nil {
		a.spent = string(s.Build)
		a.again = func() *build { return nil } // until its source is open
	}
	f, err := s.facts()
	if err != nil {
		return err
	}
	if f != nil {
		a.Release = &Release{
			Name: r.text(f.Texts[0]), Namespace: r.text(f.Texts[1]), StorageNamespace: r.text(f.Texts[2]), Chart: r.text(f.Texts[3]), Version: r.text(f.Texts[4]),
			InstallCRDs: r.text(f.Texts[5]), UpgradeCRDs: r.text(f.Texts[6]), UpdatesCRDs: f.UpdatesCRDs, RenamesChart: f.RenamesChart, Trigger: r.text(f.Trigger),
			Extra: r.set(f.Extra), Defaulted: r.set(f.Defaulted), Hooks: r.objects(f.Hooks, a.Target, chain),
		}
		for i, names := range f.Unknowable {
			if a.Release.Unknowable == nil {
				a.Release.Unknowable = map[object.ID][]string{}
			}
			a.Release.Unknowable[r.id(f.Unknowing[4*i:])] = names
		}
	}
	if s.Told != nil {
		var t remarks
		if err := json.Unmarshal(s.Told, &t); err != nil {
			return err
		}
		ev.failures, ev.unresolved, ev.notes = t.Failures, t.Unresolved, t.Notes
	}
	return nil
}

func (r *reader) set(list []uint32) map[object.ID]bool {
	var out map[object.ID]bool
	for ; len(list) > 0; list = list[4:] {
		if out == nil {
			out = map[object.ID]bool{}
		}
		out[r.id(list)] = true
	}
	return out
}

// reach lets an evaluation of an earlier run build and pack again what it has not kept. It is
// given the source as it is now, where all that was read is the same.
func (e *engine) reach(ctx context.Context, ev *evaluation, o opened) {
	a := ev.applier
	ctx = context.WithoutCancel(ctx)
	if a.again != nil && o.tree != nil {
		ev.children = slices.Clone(ev.children)
		for i, c := range ev.children {
			if c.file != nil {
				here := *c
				here.file = func() string { return a.File(here.at) }
				ev.children[i] = &here
			}
		}
		a.again = sync.OnceValue(func() *build {
			var spec buildSpec
			if json.Unmarshal([]byte(a.spent), &spec) != nil {
				return nil
			}
			return e.cache.build(ctx, o.tree, spec, e.opts.Decrypt)
		})
	}
	if a.chart != nil && a.chart.get == nil {
		p := *a.chart
		p.get = sync.OnceValue(func() *charted {
			v := &evaluator{e: e, ctx: ctx}
			return v.folderChart(o.tree, folderSpec(&a.spec, o))
		})
		a.chart = &p
	}
}

package render

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"sync"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/fxamacker/cbor/v2"
	"github.com/klauspost/compress/zstd"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// record is the evaluations of one cluster as they are stored. Strings, hashes, traces and bodies are
// held once and referred to by their number.
type record struct {
	_ struct{} `cbor:",toarray"`

	Strings     string   // one after the other
	Lengths     numbers  // of the strings
	Hashes      []byte   // 32 bytes each
	Traces      []byte   // see [Cache.appendTrace]
	Bodies      numbers  // for each: its hash, the length of its text
	Packs       [][]byte // the texts, some at a time, compressed
	Packed      numbers  // for each of those, how many texts are in it
	Evaluations []byte   // see [savedEvaluation.code]
}

// numbers are written as bytes, which is much quicker to read than one by one.
type numbers []uint32

// MarshalBinary implements [encoding.BinaryMarshaler].
func (l numbers) MarshalBinary() ([]byte, error) {
	out := make([]byte, 0, 2*len(l))
	for _, n := range l {
		out = binary.AppendUvarint(out, uint64(n))
	}
	return out, nil
}

// UnmarshalBinary implements [encoding.BinaryUnmarshaler].
func (l *numbers) UnmarshalBinary(data []byte) error {
	*l = nil
	if len(data) == 0 {
		return nil
	}
	count := 0
	for _, b := range data {
		if b < 0x80 { // the last of a number
			count++
		}
	}
	out := make(numbers, 0, count)
	for len(data) > 0 {
		n, size := binary.Uvarint(data)
		if size <= 0 || n > math.MaxUint32 {
			return errDamaged
		}
		out, data = append(out, uint32(n)), data[size:]
	}
	*l = out
	return nil
}

// packSize is how many bytes of texts are unpacked at a time: who looks into one object of an applier looks into the
// others, and seldom into all of a cluster.
const packSize = 32 << 10

type savedEvaluation struct {
	ID, Chain, DependsOn numbers // kind, namespace, name of each
	Root, File           uint32
	Open                 bool
	Body                 uint32 // hash
	Ground, Far          uint32
	Reference            []byte // JSON of what spec.kubeConfig refers to
	Asked                []byte // numbers, for each: cluster, group, kind, namespace, name, hash of the answer
	Opened               []savedOpening
	Built, Released      bool

	State, Source, Target, Path, Prefix, DeletionPolicy, Account uint32
	Own, Pinned, Prune, Force, Refused, Holding, OpenedSource    bool
	Stage                                                        uint32
	SourceRef                                                    [4]uint32
	Objects                                                      numbers // for each: group, kind, namespace, name, version, body, file
	Held                                                         bool    // they are of a suspended applier
	Items                                                        numbers
	Numbered                                                     bool    // there are Items, be it none
	Children                                                     numbers // for each: its place among the objects, 1 for open
	Reads                                                        uint32  // trace, from 1
	Build, Chart                                                 []byte  // JSON of the buildSpec, of the HelmChartSpec
	Packed                                                       numbers // name, version, digest
	Release                                                      []byte  // CBOR of savedFacts
	Told                                                         []byte  // JSON of remarks
}

type savedOpening struct {
	Kind, Namespace, Name                         uint32
	Revised, Own, Pinned, Tree                    bool
	Prefix, Failure, Unknown, Hint, URL, Revision uint32
	Reads                                         numbers
}

// savedFacts is a Release.
type savedFacts struct {
	_ struct{} `cbor:",toarray"`

	Texts                              [7]uint32 // name, namespace, storage namespace, chart, version, CRD policies
	UpdatesCRDs, RenamesChart          bool
	Trigger                            uint32
	Extra, Defaulted, Hooks, Unknowing numbers // objects, as those of the evaluation
	Unknowable                         [][]string
}

// remarks is what an evaluation says beside its objects.
type remarks struct {
	Failures   []Failure    `json:"f,omitempty"`
	Unresolved []Unresolved `json:"u,omitempty"`
	Notes      []Note       `json:"n,omitempty"`
}

// writer collects a record.
type writer struct {
	c       *Cache
	r       record
	all     strings.Builder // of the strings
	strings map[string]uint32
	hashes  map[object.Hash]uint32
	traces  map[*tree.Read]uint32
	bodies  map[object.Hash]uint32
	texts   []byte
}

func newWriter(c *Cache) *writer {
	return &writer{c: c, strings: map[string]uint32{}, hashes: map[object.Hash]uint32{}, traces: map[*tree.Read]uint32{}, bodies: map[object.Hash]uint32{}}
}

func (w *writer) text(s string) uint32 {
	n, ok := w.strings[s]
	if !ok {
		n = uint32(len(w.r.Lengths)) //nolint:gosec // far below
		w.strings[s] = n
		w.r.Lengths = append(w.r.Lengths, uint32(len(s))) //nolint:gosec // far below
		_, _ = w.all.WriteString(s)
	}
	return n
}

func (w *writer) hash(h object.Hash) uint32 {
	n, ok := w.hashes[h]
	if !ok {
		n = uint32(len(w.r.Hashes) / len(h)) //nolint:gosec // far below
		w.hashes[h] = n
		w.r.Hashes = append(w.r.Hashes, h[:]...)
	}
	return n
}

func (w *writer) trace(tr tree.Trace) uint32 {
	n, ok := w.traces[&tr[0]]
	if !ok {
		n = uint32(len(w.traces)) //nolint:gosec // far below
		w.traces[&tr[0]] = n
		w.r.Traces = w.c.appendTrace(w.r.Traces, tr)
	}
	return n
}

// body is the number of a body, false when it cannot be stored.
func (w *writer) body(b *object.Body) (uint32, bool) {
	h := b.Hash()
	n, ok := w.bodies[h]
	if ok {
		return n, true
	}
	text, ok := b.Text()
	if !ok {
		return 0, false
	}
	n = uint32(len(w.r.Bodies) / 2) //nolint:gosec // far below
	w.bodies[h] = n
	w.r.Bodies = append(w.r.Bodies, w.hash(h), uint32(len(text))) //nolint:gosec // far below
	w.texts = append(w.texts, text...)
	return n, true
}

func (w *writer) appliers(list ...object.Applier) (out []uint32) {
	for _, a := range list {
		out = append(out, w.text(a.Kind), w.text(a.Namespace), w.text(a.Name))
	}
	return out
}

// saveable reports whether an evaluation may be stored: nothing in it is secret, and another run can
// check what it rests on.
func (ev *evaluation) saveable() bool {
	if ev.single || len(ev.secrets) > 0 {
		return false
	}
	for _, o := range ev.opened {
		if o.found.data != nil || o.found.tree != nil && len(o.reads) == 0 {
			return false
		}
	}
	a := ev.applier
	if a.chart != nil && a.spec.Chart == "" {
		return false // not a folder's
	}
	for _, list := range [][]*object.Object{a.Objects, a.Held, hooks(a)} {
		if slices.ContainsFunc(list, secretive) {
			return false
		}
	}
	return true
}

func hooks(a *Applier) []*object.Object {
	if a.Release == nil {
		return nil
	}
	return a.Release.Hooks
}

// secretive reports whether an object holds what may not be stored outside of Git.
func secretive(o *object.Object) bool {
	if len(o.Body().Sensitive()) > 0 {
		return true
	}
	if o.ID.Group != "" || o.ID.Kind != "Secret" || sopsHeld(o) {
		return false
	}
	m := o.Body().Map()
	return m["data"] != nil || m["stringData"] != nil
}

func (w *writer) objects(list []*object.Object) (out []uint32, ok bool) {
	for _, o := range list {
		b, ok := w.body(o.Body())
		if !ok {
			return nil, false
		}
		out = append(out, w.text(o.ID.Group), w.text(o.ID.Kind), w.text(o.ID.Namespace), w.text(o.ID.Name), w.text(o.Version), b, w.text(o.Origin.File))
	}
	return out, true
}

// add takes an evaluation into the record, unless it may not be stored.
func (w *writer) add(ev *evaluation) {
	if !ev.saveable() {
		return
	}
	a, n := ev.applier, ev.node
	objects, held := a.Objects, false
	if a.Held != nil {
		objects, held = a.Held, true
	}
	list, ok := w.objects(objects)
	if !ok {
		return
	}
	s := savedEvaluation{
		ID: w.appliers(n.id), Chain: w.appliers(n.chain...), DependsOn: w.appliers(a.DependsOn...), Root: w.text(n.root), File: w.text(n.object.Origin.File),
		Open: n.open, Body: w.hash(ev.body), Ground: w.text(ev.ground), Far: w.text(ev.far), Built: ev.built(), Released: ev.released,
		State: w.text(string(a.State)), Source: w.text(a.Source.URL), Target: w.text(a.Target), Path: w.text(a.Path), Prefix: w.text(a.Prefix),
		DeletionPolicy: w.text(a.DeletionPolicy), Account: w.text(a.ServiceAccountName),
		Own: a.Own, Pinned: a.Pinned, Prune: a.Prune, Force: a.Force, Refused: a.Refused, Stage: uint32(a.RefusedStage), OpenedSource: a.opened != nil,
		SourceRef: [4]uint32{w.text(a.sourceRef.APIVersion), w.text(a.sourceRef.Kind), w.text(a.sourceRef.Namespace), w.text(a.sourceRef.Name)},
		Objects:   list, Held: held, Numbered: a.items != nil, Holding: a.Source != (object.Source{}),
	}
	for _, i := range a.items {
		s.Items = append(s.Items, uint32(i)) //nolint:gosec // far below
	}
	if ev.target != nil {
		s.Reference, _ = json.Marshal(ev.target.ref)
	}
	var asked numbers
	for _, l := range ev.asked {
		asked = append(asked, w.text(l.cluster), w.text(l.id.Group), w.text(l.id.Kind), w.text(l.id.Namespace), w.text(l.id.Name), w.hash(l.answer))
	}
	s.Asked, _ = asked.MarshalBinary() // it never fails
	for _, o := range ev.opened {
		s.Opened = append(s.Opened, w.opening(o))
	}
	if !w.children(&s, ev, objects) || !w.rest(&s, ev) {
		return
	}
	c := coder{data: w.r.Evaluations}
	if s.code(&c) == nil {
		w.r.Evaluations = c.data
	}
}

func (w *writer) opening(o opening) savedOpening {
	f := o.found
	s := savedOpening{
		Kind: w.text(o.kind), Namespace: w.text(o.namespace), Name: w.text(o.name), Revised: o.revised, Own: f.own, Pinned: f.pinned, Tree: f.tree != nil,
		Prefix: w.text(f.prefix), Failure: w.text(f.failure), Unknown: w.text(f.unknown), Hint: w.text(f.hint), URL: w.text(f.source.URL), Revision: w.text(f.source.Revision),
	}
	for _, tr := range o.reads {
		s.Reads = append(s.Reads, w.trace(tr))
	}
	return s
}

// children refers to those among the objects; false when one is not there.
func (w *writer) children(s *savedEvaluation, ev *evaluation, objects []*object.Object) bool {
	place := map[*object.Object]int{}
	if len(ev.children) > 0 {
		for i, o := range objects {
			place[o] = i
		}
	}
	for _, c := range ev.children {
		i, ok := place[c.object]
		if !ok {
			return false
		}
		open := uint32(0)
		if c.open {
			open = 1
		}
		s.Children = append(s.Children, uint32(i), open) //nolint:gosec // far below
	}
	return true
}

func (w *writer) rest(s *savedEvaluation, ev *evaluation) bool {
	a := ev.applier
	if len(a.reads) > 0 {
		s.Reads = w.trace(a.reads) + 1
	}
	switch {
	case a.build != nil:
		s.Build = []byte(a.build.spec.key())
	case a.again != nil:
		s.Build = []byte(a.spent)
	}
	if a.chart != nil {
		s.Packed = []uint32{w.text(a.chart.name), w.text(a.chart.version), w.text(a.chart.digest)}
	}
	if a.spec.Chart != "" {
		s.Chart, _ = json.Marshal(a.spec)
	}
	if r := a.Release; r != nil {
		f := &savedFacts{
			Texts: [7]uint32{
				w.text(r.Name), w.text(r.Namespace), w.text(r.StorageNamespace), w.text(r.Chart), w.text(r.Version), w.text(r.InstallCRDs), w.text(r.UpgradeCRDs),
			},
			UpdatesCRDs: r.UpdatesCRDs, RenamesChart: r.RenamesChart, Trigger: w.text(r.Trigger),
		}
		for id := range r.Extra {
			f.Extra = append(f.Extra, w.id(id)...)
		}
		for id := range r.Defaulted {
			f.Defaulted = append(f.Defaulted, w.id(id)...)
		}
		for id, names := range r.Unknowable {
			f.Unknowing, f.Unknowable = append(f.Unknowing, w.id(id)...), append(f.Unknowable, names)
		}
		var ok bool
		if f.Hooks, ok = w.objects(r.Hooks); !ok {
			return false
		}
		var err error
		if s.Release, err = cbor.Marshal(f); err != nil {
			return false
		}
	}
	if len(ev.failures)+len(ev.unresolved)+len(ev.notes) > 0 {
		s.Told, _ = json.Marshal(remarks{ev.failures, ev.unresolved, ev.notes})
	}
	return true
}

func (w *writer) id(id object.ID) []uint32 {
	return []uint32{w.text(id.Group), w.text(id.Kind), w.text(id.Namespace), w.text(id.Name)}
}

// bytes is the record; nil when there is nothing in it.
func (w *writer) bytes() []byte {
	if len(w.r.Evaluations) == 0 {
		return nil
	}
	w.r.Strings = w.all.String()
	from, to, n := 0, 0, uint32(0)
	for i := 0; i < len(w.r.Bodies); i += 2 {
		to, n = to+int(w.r.Bodies[i+1]), n+1
		if to-from >= packSize || i+2 == len(w.r.Bodies) {
			w.r.Packs, w.r.Packed = append(w.r.Packs, packer().EncodeAll(w.texts[from:to], nil)), append(w.r.Packed, n)
			from, n = to, 0
		}
	}
	data, err := cbor.Marshal(w.r)
	if err != nil {
		return nil
	}
	return data
}

// chartSpec reads what a record has of a HelmChart.
func chartSpec(data []byte) (spec sourcev1.HelmChartSpec, err error) {
	if len(data) > 0 {
		err = json.Unmarshal(data, &spec)
	}
	return spec, err
}

// packer and unpacker are stateless as they are used, and costly to make.
var (
	packer = sync.OnceValue(func() *zstd.Encoder { //nolint:gochecknoglobals // see above
		e, err := zstd.NewWriter(nil, zstd.WithLowerEncoderMem(true))
		if err != nil {
			panic(err) // of our options
		}
		return e
	})
	unpacker = sync.OnceValue(func() *zstd.Decoder { //nolint:gochecknoglobals // see above
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxPack))
		if err != nil {
			panic(err) // of our options
		}
		return d
	})
)

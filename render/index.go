package render

import (
	"crypto/sha256"
	"maps"
	"slices"
	"sync"

	kube "k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/bulkhead-dev/bulkhead/object"
)

// index is what is known to be on each cluster: what controllers look up there.
type index map[string]*shelf

// shelf is what is on one cluster.
type shelf struct {
	objects map[object.ID]*object.Object
	kinds   map[kube.GroupKind]map[object.ID]*object.Object // of listedKinds alone
	// others are the contents that further owners give an object: each is there at times.
	others map[object.ID][]object.Hash
	twice  bool // there are such
}

// listedKinds are those that something asks for by kind, not by name.
var listedKinds = map[kube.GroupKind]bool{ //nolint:gochecknoglobals // a constant set
	crdKind.GroupKind(): true,
	generatorKind:       true,
	inputProviderKind:   true,
}

// lookedUp reports whether a controller asks for objects of that kind and name. Only these are kept:
// for any other the answer is that it is not there.
func lookedUp(id object.ID) bool {
	switch id.Group {
	case "":
		return id.Kind == "ConfigMap" || id.Kind == "Secret"
	case "apps":
		return id.Kind == "Deployment" && (id.Name == kustomizeController || id.Name == helmController)
	}
	return fluxGroup(id.Group) || listedKinds[kube.GroupKind{Group: id.Group, Kind: id.Kind}]
}

func (x index) add(cluster string, o *object.Object) {
	if !lookedUp(o.ID) {
		return
	}
	s := x[cluster]
	if s == nil {
		s = &shelf{map[object.ID]*object.Object{}, map[kube.GroupKind]map[object.ID]*object.Object{}, map[object.ID][]object.Hash{}, false}
		x[cluster] = s
	}
	if old := s.objects[o.ID]; old != nil && old != o {
		s.others[o.ID], s.twice = append(s.others[o.ID], hashOf(old)), true
	}
	s.objects[o.ID] = o
	if gk := (kube.GroupKind{Group: o.ID.Group, Kind: o.ID.Kind}); listedKinds[gk] {
		if s.kinds[gk] == nil {
			s.kinds[gk] = map[object.ID]*object.Object{}
		}
		s.kinds[gk][o.ID] = o
	}
}

// disputed reports whether an object has several owners, of which the last that was added counts.
func (x index) disputed() bool {
	for _, s := range x {
		if s.twice {
			return true
		}
	}
	return false
}

func (x index) get(cluster string, id object.ID) *object.Object {
	return x.on(cluster)[id]
}

// on is all that is on a cluster.
func (x index) on(cluster string) map[object.ID]*object.Object {
	if s := x[cluster]; s != nil {
		return s.objects
	}
	return nil
}

func (x index) list(cluster string, gk kube.GroupKind) []*object.Object {
	return sorted(x.of(cluster, gk))
}

func (x index) of(cluster string, gk kube.GroupKind) map[object.ID]*object.Object {
	if s := x[cluster]; s != nil {
		return s.kinds[gk]
	}
	return nil
}

func sorted(byID map[object.ID]*object.Object) []*object.Object {
	out := make([]*object.Object, 0, len(byID))
	for _, o := range byID {
		out = append(out, o)
	}
	slices.SortFunc(out, func(a, b *object.Object) int { return a.ID.Compare(b.ID) })
	return out
}

// state is what the clusters hold while a round runs: what this round has
// made so far over what the round before ended with.
type state struct {
	fresh, before index
	held          *sync.Map // question -> whether it and those after it still hold, on one level; nil: nobody counts
}

// hold is the function of that name, once for appliers that asked the same.
func (s *state) hold(asked []lookup) bool {
	if len(asked) == 0 || s.held == nil {
		return hold(asked, s)
	}
	key := question{&asked[0], len(asked)}
	if known, ok := s.held.Load(key); ok {
		is, _ := known.(bool)
		return is
	}
	is := hold(asked, s)
	s.held.Store(key, is)
	return is
}

// question is a list of lookups by where it lies: those of several appliers may be one.
type question struct {
	first *lookup
	n     int
}

func (s *state) get(cluster string, id object.ID) *object.Object {
	if o := s.fresh.get(cluster, id); o != nil {
		return o
	}
	return s.before.get(cluster, id)
}

func (s *state) list(cluster string, gk kube.GroupKind) []*object.Object {
	both := map[object.ID]*object.Object{}
	for _, x := range []index{s.before, s.fresh} {
		maps.Copy(both, x.of(cluster, gk))
	}
	return sorted(both)
}

func (x index) other(cluster string, id object.ID) []object.Hash {
	if s := x[cluster]; s != nil {
		return s.others[id]
	}
	return nil
}

func (s *state) other(cluster string, id object.ID) []object.Hash {
	return append(slices.Clone(s.fresh.other(cluster, id)), s.before.other(cluster, id)...)
}

// contents answers what is on the clusters: by name, also what further owners make of
// an object, and for listedKinds by kind, sorted by ID.
type contents interface {
	get(cluster string, id object.ID) *object.Object
	other(cluster string, id object.ID) []object.Hash
	list(cluster string, gk kube.GroupKind) []*object.Object
}

// lookup is one question an evaluation asked of the clusters, and the answer. An ID
// without a name asks for all objects of its kind.
type lookup struct {
	cluster string
	id      object.ID
	answer  object.Hash // zero: not there
}

// asker answers questions and remembers them.
type asker struct {
	state *state
	asked []lookup
}

func (a *asker) get(cluster string, id object.ID) *object.Object {
	o := a.state.get(cluster, id)
	a.asked = append(a.asked, lookup{cluster, id, hashOf(o)})
	return o
}

func (a *asker) list(cluster string, gk kube.GroupKind) []*object.Object {
	all := a.state.list(cluster, gk)
	a.asked = append(a.asked, lookup{cluster, object.ID{Group: gk.Group, Kind: gk.Kind}, hashAll(all)})
	return all
}

func hashOf(o *object.Object) object.Hash {
	if o == nil {
		return object.Hash{}
	}
	b := o.Body()
	secrets := b.Sensitive()
	if len(secrets) == 0 {
		return b.Hash()
	}
	h := b.Hash() // what may not be shown of it counts, too
	return sha256.Sum256(append(h[:], keyOf(secrets)...))
}

func hashAll(list []*object.Object) object.Hash {
	if len(list) == 0 {
		return object.Hash{}
	}
	sum := sha256.New()
	for _, o := range list {
		h := hashOf(o)
		sum.Write(h[:])
	}
	var h object.Hash
	sum.Sum(h[:0])
	return h
}

// hold reports whether every question would get the same answer now.
func hold(asked []lookup, now contents) bool {
	for _, l := range asked {
		var h object.Hash
		if l.id.Name == "" {
			h = hashAll(now.list(l.cluster, kube.GroupKind{Group: l.id.Group, Kind: l.id.Kind}))
		} else {
			h = hashOf(now.get(l.cluster, l.id))
		}
		if h != l.answer && !slices.Contains(now.other(l.cluster, l.id), l.answer) {
			return false
		}
	}
	return true
}

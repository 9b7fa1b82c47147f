package cause

import (
	"path"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// side is one revision: its files and its render.
type side struct {
	tree           *tree.Tree
	clusters       map[string]*render.Cluster
	appliers       map[string]map[object.Applier][]*render.Applier // by cluster, when first asked
	builds         map[buildKey]*build
	kustomizations map[string]*kustomization  // by path
	documents      map[string][]document      // by path
	variables      map[string]map[string]bool // by path: the names in its text
}

func newSide(r *render.Result, t *tree.Tree) *side {
	if t == nil {
		t = tree.FromMap(nil)
	}
	s := &side{
		tree: t, clusters: map[string]*render.Cluster{}, appliers: map[string]map[object.Applier][]*render.Applier{},
		builds: map[buildKey]*build{}, kustomizations: map[string]*kustomization{}, documents: map[string][]document{}, variables: map[string]map[string]bool{},
	}
	if r != nil {
		for _, c := range r.Clusters {
			s.clusters[c.Name] = c
		}
	}
	return s
}

// applier that writes to the cluster; like is the same one on the other side, whose home
// tells namesakes apart.
func (s *side) applier(cluster string, id object.Applier, chain []object.Applier) *render.Applier {
	byID := s.appliers[cluster]
	if byID == nil {
		byID = map[object.Applier][]*render.Applier{}
		if c := s.clusters[cluster]; c != nil {
			for _, a := range c.Appliers {
				byID[a.Applier] = append(byID[a.Applier], a)
			}
		}
		s.appliers[cluster] = byID
	}
	list := byID[id]
	if len(list) == 0 {
		return nil
	}
	for _, a := range list {
		if len(a.Chain)+1 == len(chain) {
			return a
		}
	}
	return list[0]
}

// get is an object of the cluster, or nil.
func (s *side) get(cluster string, id object.ID) *object.Object {
	c := s.clusters[cluster]
	if c == nil {
		return nil
	}
	o, _ := c.Objects.Get(id)
	return o
}

// text of a file; false when it is missing or too large to be looked into.
func (s *side) text(file string) ([]byte, bool) {
	data, err := s.tree.ReadFile(file)
	return data, err == nil && len(data) <= maxText
}

// maxText bounds the files that are looked into, in bytes.
const maxText = 1 << 20

// subject is a change with what is known of its object on both sides.
type subject struct {
	ch     *impact.Change
	legs   [2]leg   // before, after
	names  []string // that the object has, or had on its way
	values map[string]bool
}

// leg is one side of a subject.
type leg struct {
	side    *side
	applier *render.Applier // nil when it does not exist on this side
	build   *build          // what it read of the repository under review; nil when that changes nothing
	file    string          // of the object, from the repository's root; that of the other side when it is not on this one
}

func (f *Finder) subject(ch *impact.Change) *subject {
	s := &subject{ch: ch, names: []string{ch.ID.Name}}
	for i, one := range []*object.Object{ch.Before, ch.After} {
		in, other := f.before, ch.After
		if i == 1 {
			in, other = f.after, ch.Before
		}
		o := one
		if o == nil {
			o = other
		}
		if o == nil {
			continue
		}
		l := leg{side: in, applier: in.applier(ch.Cluster, o.Origin.Owner(), o.Origin.Chain)}
		if a := l.applier; a != nil && f.ours(a) {
			l.build = in.build(a, f.files)
			if o.Origin.File != "" {
				l.file = path.Join(a.Prefix, o.Origin.File)
			}
		}
		s.legs[i] = l
	}
	for i := range s.legs {
		for _, d := range s.legs[i].side.parsed(s.legs[i].file) {
			if d.kind == ch.ID.Kind && d.name != "" && len(s.names) < 64 {
				s.names = append(s.names, d.name)
			}
		}
	}
	return s
}

// owners are the appliers of both sides, each once.
func (s *subject) owners() []leg {
	a, b := s.legs[0], s.legs[1]
	switch {
	case a.applier == nil && b.applier == nil:
		return nil
	case a.applier == nil:
		return []leg{b}
	case b.applier == nil || a.applier.Applier == b.applier.Applier && a.applier.Home == b.applier.Home:
		return []leg{a}
	}
	return []leg{a, b}
}

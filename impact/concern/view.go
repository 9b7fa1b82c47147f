package concern

import (
	"maps"
	"path"
	"slices"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// view is both renders, with what is asked of them.
type view struct {
	before, after *side
	hubURLs       map[string]bool // by [render.RepositoryName]: what the clusters sync from
	namespaces    map[string]bool // of the syncs
	traces        []*traced
	names         []string        // of the clusters of both sides that are rendered, sorted
	known         map[string]bool // names of all clusters
}

// traced is what a build read, with all appliers that it is for.
type traced struct {
	reads    tree.Trace
	prefix   string
	appliers []*render.Applier // one of each cluster and identity is enough to judge by
	sides    []*side
	cluster  string
	at       int    // place of the first among the appliers of the cluster
	key      string // see digest
	many     bool   // several clusters
}

func newView(before, after *render.Result) *view {
	v := &view{before: newSide(before), after: newSide(after), hubURLs: map[string]bool{}, namespaces: map[string]bool{"flux-system": true}, known: map[string]bool{}}
	type key struct {
		first  *tree.Read
		n      int
		prefix string
	}
	byKey := map[key]*traced{}
	for _, s := range []*side{v.after, v.before} {
		for _, e := range s.starts {
			if e.URL != "" {
				v.hubURLs[render.RepositoryName(e.URL)] = true
			}
			v.namespaces[e.Namespace] = true
			v.known[e.Cluster] = true
		}
		for _, name := range slices.Sorted(maps.Keys(s.clusters)) {
			v.known[name] = true
			c := s.clusters[name]
			add := func(reads tree.Trace, prefix string, a *render.Applier, i int) {
				k := key{&reads[0], len(reads), prefix}
				t := byKey[k]
				if t == nil {
					t = &traced{reads: reads, prefix: prefix, cluster: name, at: i}
					byKey[k] = t
					v.traces = append(v.traces, t)
				}
				t.appliers, t.sides = append(t.appliers, a), append(t.sides, s)
				t.many = t.many || t.cluster != name
			}
			for i, a := range c.Appliers {
				if reads := a.Reads(); a.Own && len(reads) > 0 {
					add(reads, a.Prefix, a, i)
				}
			}
			if c.Recalled != nil && len(c.Appliers) > 0 {
				for _, r := range c.Recalled.Reads {
					add(r.Trace, r.Prefix, c.Appliers[0], 0)
				}
			}
		}
	}
	all := maps.Clone(v.before.clusters)
	maps.Copy(all, v.after.clusters)
	v.names = slices.Sorted(maps.Keys(all))
	return v
}

// cluster of that name after the change, or before.
func (v *view) cluster(name string) *render.Cluster {
	if c := v.after.clusters[name]; c != nil {
		return c
	}
	return v.before.clusters[name]
}

// read reports whether the build read the content of the file, whose path is from the repository's root.
func (t *traced) read(file string) bool {
	if t.prefix != "." && t.prefix != "" {
		var ok bool
		if file, ok = cutFolder(file, t.prefix); !ok {
			return false
		}
	}
	i, ok := slices.BinarySearchFunc(t.reads, file, func(r tree.Read, p string) int {
		if r.Path == p && r.Kind < tree.Content {
			return -1
		}
		return compare(r.Path, p)
	})
	return ok && t.reads[i].Kind == tree.Content && !t.reads[i].Hash.IsZero()
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// side is one render.
type side struct {
	starts   []*render.Entry // of all clusters, also of those that are not rendered
	clusters map[string]*render.Cluster
	appliers map[string]map[object.Applier]*render.Applier // by cluster that they write to
	homes    map[string]map[object.Applier]*render.Applier // by cluster that holds them
	places   map[*render.Applier]map[object.ID]int
}

func newSide(r *render.Result) *side {
	s := &side{
		clusters: map[string]*render.Cluster{}, appliers: map[string]map[object.Applier]*render.Applier{},
		homes: map[string]map[object.Applier]*render.Applier{}, places: map[*render.Applier]map[object.ID]int{},
	}
	if r == nil {
		return s
	}
	s.starts = r.Entries
	for _, c := range r.Clusters {
		s.clusters[c.Name] = c
		for _, a := range c.Appliers {
			put(s.appliers, c.Name, a)
			put(s.homes, a.Home, a)
		}
	}
	return s
}

func put(m map[string]map[object.Applier]*render.Applier, cluster string, a *render.Applier) {
	if m[cluster] == nil {
		m[cluster] = map[object.Applier]*render.Applier{}
	}
	m[cluster][a.Applier] = a
}

// made is the applier that the object of that name on a cluster makes, or nil.
func (s *side) made(cluster string, id object.Applier) *render.Applier { return s.homes[cluster][id] }

// chain finds the appliers that lead to an object on a cluster. The last writes to the
// cluster; the others are where the last one's object is, or the entry that led there.
func (s *side) chain(cluster string, ids []object.Applier) []*render.Applier {
	if len(ids) == 0 {
		return nil
	}
	out := make([]*render.Applier, 0, len(ids))
	owner := s.appliers[cluster][ids[len(ids)-1]]
	if owner == nil {
		return nil
	}
	for _, id := range ids[:len(ids)-1] {
		for _, home := range []string{owner.Home, owner.Root, cluster} {
			if a := s.homes[home][id]; a != nil {
				out = append(out, a)
				break
			}
		}
	}
	return append(out, owner)
}

// object of an applier, or nil.
func (s *side) object(a *render.Applier) *object.Object {
	c := s.clusters[a.Home]
	if c == nil {
		return nil
	}
	o, _ := c.Objects.Get(object.ID{Group: groupOf(a.Kind), Kind: a.Kind, Namespace: a.Namespace, Name: a.Name})
	return o
}

// fileOf is the path from the root of the repository under review of the file that the object
// comes from, or the nearest applier that has one; "" when unknown. foreign says that a Kustomization
// of another repository lies between. chain leads to the object.
func (s *side) fileOf(o *object.Object, chain []*render.Applier) (file string, foreign bool) {
	for i := len(chain) - 1; i >= 0 && o != nil; i-- {
		a := chain[i]
		if a.Own {
			if file := s.file(a, o); file != "" {
				return path.Join(a.Prefix, file), foreign
			}
		}
		foreign = foreign || !a.Own && a.Kind == "Kustomization"
		o = s.object(a)
	}
	return "", foreign
}

// file that an applier has the object from.
func (s *side) file(a *render.Applier, o *object.Object) string {
	if o.Origin.File != "" {
		return o.Origin.File
	}
	places := s.places[a]
	if places == nil {
		places = map[object.ID]int{}
		list := a.Objects
		if list == nil {
			list = a.Held
		}
		for i, obj := range list {
			places[obj.ID] = i
		}
		s.places[a] = places
	}
	if i, ok := places[o.ID]; ok {
		return a.File(i)
	}
	return ""
}

// groupOf is the API group of a kind of applier; "" for other kinds.
func groupOf(kind string) string {
	switch kind {
	case "Kustomization":
		return "kustomize.toolkit.fluxcd.io"
	case "HelmRelease":
		return "helm.toolkit.fluxcd.io"
	case "ResourceSet":
		return "fluxcd.controlplane.io"
	}
	return ""
}

// sourceKind reports whether an object is a Flux source with a URL.
func sourceKind(id object.ID) bool {
	return id.Group == "source.toolkit.fluxcd.io" && (id.Kind == "GitRepository" || id.Kind == "OCIRepository")
}

// Package extent says how far each file of a repository reaches.
//
// It turns the render of one revision into plain values: files with the clusters and tenants that depend on them, and
// appliers with whose they are. Its invariant: only what builds really read counts, not the names of folders. Start at [Of].
package extent

import (
	"cmp"
	"maps"
	"path"
	"slices"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/impact/concern"
	"github.com/bulkhead-dev/bulkhead/impact/gate"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// Extent is how far the files of a repository reach.
type Extent struct {
	Clusters []Cluster // sorted by name
	Files    []File    // that some cluster reads, sorted by path
	Appliers []Applier // sorted by cluster, then identity
	Tenants  []string  // whose objects are found, sorted
	Objects  int       // on all clusters
	Total    int       // files of the tree, read or not
}

// Cluster is one cluster of the fleet.
type Cluster struct {
	Name        string
	Environment string // "" for none
	Inferred    bool   // the environment was read off the name
	Folder      string // where it starts, from the repository's root; "" for one that only a kubeConfig names
	File        string // that says so; "" when it is declared
	Appliers    int
	Objects     int
}

// File is a file that some cluster reads.
type File struct {
	Path         string // from the repository's root
	Concern      concern.Concern
	Clusters     []string // that read it, or to which what it defines applies; sorted
	Environments []string // of those clusters, sorted
	// Tenants whose objects depend on it, sorted: those of the objects that come from it, and of what the appliers among these lead
	// to; of a file from which none comes, its own tenant, else all tenants of the builds that read it.
	Tenants []string
	// Objects that come from it by whose they are; one that several clusters have counts once.
	Objects map[concern.Concern]int
	// Workloads are those of them that do more than make room for a tenant: no namespaces, accounts, quotas, sources.
	Workloads map[concern.Concern]int
}

// Together reports whether it reaches production and another environment.
func (f *File) Together() bool {
	return len(f.Environments) > 1 && slices.ContainsFunc(f.Environments, gate.Production)
}

// Applier is an applier, and whose it is.
type Applier struct {
	object.Applier
	Cluster string // that holds it
	Target  string // cluster it writes to
	Concern concern.Concern
	Account string // it impersonates; "" for that of the controller
	Own     bool   // it applies files of the repository under review
	// Repository is that of its source, as [render.RepositoryName] has it; "" when not known.
	Repository string
	File       string // that defines it, from the repository's root; "" when not known
	Makes      []concern.Concern
}

// Of finds how far the files of t reach, which r is the render of and whose judge is to tell. Nothing is recalled in r.
func Of(r *render.Result, t *tree.Tree, judge *concern.Judge) (*Extent, error) {
	m := &maker{
		render: r, judge: judge, files: map[string]*file{}, asked: map[asked]concern.Concern{}, origins: map[origin]string{},
		environments: map[string]string{}, tenants: map[string]bool{}, exists: map[string]bool{},
		found: map[*render.Applier]map[string]bool{}, led: map[origin]map[string]bool{},
	}
	e := &Extent{}
	for _, c := range r.Clusters {
		e.Clusters = append(e.Clusters, m.cluster(c))
		m.reads(c)
		m.objects(c)
		e.Objects += c.Objects.Len()
	}
	err := t.Walk(".", func(p string, entry tree.Entry) error {
		if entry.Mode != tree.Directory {
			e.Total++
			m.exists[p] = true
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	m.links()
	e.Appliers = m.appliers()
	e.Files = m.result()
	e.Tenants = append([]string{}, slices.Sorted(maps.Keys(m.tenants))...)
	return e, nil
}

// Reads calls yield with the files of the repository under review that the builds for a cluster read, from its root; with some of
// them several times. What a pinned applier reads is that of another revision, and left out.
func Reads(c *render.Cluster, yield func(file string)) {
	for _, a := range c.Appliers {
		if a.Own && !a.Pinned {
			each(a.Prefix, a.Reads(), yield)
		}
	}
	if c.Recalled != nil {
		for _, r := range c.Recalled.Reads {
			each(r.Prefix, r.Trace, yield)
		}
	}
}

func each(prefix string, reads tree.Trace, yield func(file string)) {
	for _, r := range reads {
		if r.Kind == tree.Content && !r.Hash.IsZero() {
			yield(path.Join(prefix, r.Path))
		}
	}
}

// file is a File in the making.
type file struct {
	clusters []string
	readers  map[*render.Applier]bool
	objects  map[object.ID]concern.Concern
	defines  []*render.Applier
}

// asked is what equal answers are given for: an object of a file, or of an applier where its file is not known.
type asked struct {
	from string
	id   object.ID
}

// origin is an applier's object.
type origin struct {
	cluster string
	id      object.Applier
}

type maker struct {
	render       *render.Result
	judge        *concern.Judge
	files        map[string]*file
	asked        map[asked]concern.Concern
	origins      map[origin]string // files that define appliers
	environments map[string]string // of clusters
	tenants      map[string]bool
	found        map[*render.Applier]map[string]bool // tenants of its objects
	led          map[origin]map[string]bool          // tenants of the objects that it leads to
	exists       map[string]bool                     // files; a build may read others, such as a kustomization file that is made for a folder without one
}

func (m *maker) cluster(c *render.Cluster) Cluster {
	out := Cluster{Name: c.Name, Appliers: len(c.Appliers), Objects: c.Objects.Len()}
	out.Environment, out.Inferred = m.judge.Environment(c.Name)
	m.environments[c.Name] = out.Environment
	if c.Entry != nil {
		out.Folder, out.File = path.Join(c.Entry.Prefix, c.Entry.Path), c.Entry.File
	}
	return out
}

func (m *maker) file(p string) *file {
	f := m.files[p]
	if f == nil {
		f = &file{readers: map[*render.Applier]bool{}, objects: map[object.ID]concern.Concern{}}
		m.files[p] = f
	}
	return f
}

func (f *file) reaches(cluster string) {
	if n := len(f.clusters); n == 0 || f.clusters[n-1] != cluster {
		f.clusters = append(f.clusters, cluster)
	}
}

// reads notes who reads which file.
func (m *maker) reads(c *render.Cluster) {
	for _, a := range c.Appliers {
		if !a.Own || a.Pinned {
			continue
		}
		each(a.Prefix, a.Reads(), func(p string) {
			f := m.file(p)
			f.reaches(c.Name)
			f.readers[a] = true
		})
	}
}

// objects asks whose each object is, and notes it with its file.
func (m *maker) objects(c *render.Cluster) {
	for _, a := range c.Appliers {
		list := a.Objects
		if list == nil {
			list = a.Held
		}
		for i, o := range list {
			p, from := "", c.Name+" "+a.String()
			if a.Own && !a.Pinned {
				if p = cmp.Or(o.Origin.File, a.File(i)); p != "" {
					p = path.Join(a.Prefix, p)
					from = p
				}
			}
			of := m.whose(c.Name, from, o)
			if p == "" {
				continue
			}
			if f := m.files[p]; f != nil {
				f.objects[o.ID] = of
			}
			switch o.ID.Kind {
			case "Kustomization", "HelmRelease", "ResourceSet":
				m.origins[origin{c.Name, object.Applier{Kind: o.ID.Kind, Namespace: o.ID.Namespace, Name: o.ID.Name}}] = p
			}
		}
	}
}

func (m *maker) whose(cluster, from string, o *object.Object) concern.Concern {
	k := asked{from, o.ID}
	of, known := m.asked[k]
	if !known {
		of, _ = m.judge.Of(&impact.Change{Cluster: cluster, ID: o.ID, After: o})
		m.asked[k] = of
		if name, ok := of.TenantName(); ok {
			m.tenants[name] = true
		}
	}
	return of
}

// links lets the files that define appliers reach the clusters that these write to, and the tenants that they lead to.
func (m *maker) links() {
	for _, c := range m.render.Clusters {
		for _, a := range c.Appliers {
			found := m.tenantsOf(a)
			for _, id := range a.Chain {
				for _, home := range slices.Compact([]string{a.Home, a.Root}) {
					m.leads(origin{home, id}, found)
				}
			}
			m.leads(origin{a.Home, a.Applier}, found)
			f := m.files[m.origins[origin{a.Home, a.Applier}]]
			if f == nil {
				continue
			}
			f.defines = append(f.defines, a)
			if a.Target != a.Home {
				f.reaches(a.Target)
			}
		}
	}
}

// leads notes that an applier leads to objects of tenants.
func (m *maker) leads(o origin, tenants map[string]bool) {
	if len(tenants) == 0 {
		return
	}
	if m.led[o] == nil {
		m.led[o] = map[string]bool{}
	}
	maps.Copy(m.led[o], tenants)
}

func (m *maker) appliers() []Applier {
	var out []Applier
	for _, c := range m.render.Clusters {
		for _, a := range c.Appliers {
			x := Applier{
				Applier: a.Applier, Cluster: a.Home, Target: a.Target, Account: a.ServiceAccountName, Own: a.Own, Repository: render.RepositoryName(m.judge.SourceURL(a)),
				File: m.origins[origin{a.Home, a.Applier}],
			}
			x.Concern, _ = m.judge.OfApplier(a.Home, a.Applier)
			if name, ok := x.Concern.TenantName(); ok {
				m.tenants[name] = true
			}
			if a.Kind == "ResourceSet" {
				made := map[concern.Concern]bool{}
				for _, o := range a.Objects {
					made[m.whose(c.Name, c.Name+" "+a.String(), o)] = true
				}
				x.Makes = slices.Sorted(maps.Keys(made))
			}
			out = append(out, x)
		}
	}
	slices.SortStableFunc(out, func(a, b Applier) int {
		return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.String(), b.String()), cmp.Compare(a.Target, b.Target))
	})
	return out
}

func (m *maker) result() []File {
	out := make([]File, 0, len(m.files))
	for _, p := range slices.Sorted(maps.Keys(m.files)) {
		if !m.exists[p] {
			continue
		}
		f := m.files[p]
		slices.Sort(f.clusters)
		x := File{Path: p, Clusters: slices.Compact(f.clusters), Objects: map[concern.Concern]int{}, Workloads: map[concern.Concern]int{}}
		x.Concern = m.ofFile(p, f)
		environments, tenants := map[string]bool{}, map[string]bool{}
		for _, c := range x.Clusters {
			if env := m.environments[c]; env != "" {
				environments[env] = true
			}
		}
		for id, of := range f.objects {
			x.Objects[of]++
			if !room(id.Kind) {
				x.Workloads[of]++
			}
			if name, ok := of.TenantName(); ok {
				tenants[name] = true
			}
		}
		if name, ok := x.Concern.TenantName(); len(f.objects) == 0 && ok {
			tenants[name] = true
		} else if len(f.objects) == 0 {
			for a := range f.readers {
				maps.Copy(tenants, m.tenantsOf(a))
			}
		}
		for _, a := range f.defines {
			maps.Copy(tenants, m.led[origin{a.Home, a.Applier}])
		}
		x.Environments = append([]string{}, slices.Sorted(maps.Keys(environments))...)
		x.Tenants = append([]string{}, slices.Sorted(maps.Keys(tenants))...)
		out = append(out, x)
	}
	return out
}

// ofFile is the tenant whose objects alone come from a file, else whose the file looks. One with the objects of others is not the
// tenant's that its name is like.
func (m *maker) ofFile(p string, f *file) concern.Concern {
	found := slices.Compact(slices.Sorted(maps.Values(f.objects)))
	if len(found) == 1 {
		if _, tenant := found[0].TenantName(); tenant {
			return found[0]
		}
	}
	of, _ := concern.OfFile([]concern.File{m.judge.File(p)})
	if _, tenant := of.TenantName(); tenant && len(found) > 0 && !slices.Contains(found, of) {
		return concern.Platform
	}
	return of
}

// room reports whether objects of a kind are what a hub holds for a tenant whose workloads are elsewhere.
func room(kind string) bool {
	switch kind {
	case "Namespace", "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "ResourceQuota", "LimitRange", "NetworkPolicy",
		"Secret", "ExternalSecret", "SealedSecret", "GitRepository", "OCIRepository", "Bucket", "Kustomization", "Tenant":
		return true
	}
	return false
}

// tenantsOf are those of the objects of an applier.
func (m *maker) tenantsOf(a *render.Applier) map[string]bool {
	if m.found[a] != nil {
		return m.found[a]
	}
	found := map[string]bool{}
	m.found[a] = found
	for i, o := range a.Objects {
		from := a.Target + " " + a.String()
		if p := cmp.Or(o.Origin.File, a.File(i)); p != "" {
			from = path.Join(a.Prefix, p)
		}
		if name, ok := m.whose(a.Target, from, o).TenantName(); ok {
			found[name] = true
		}
	}
	return found
}

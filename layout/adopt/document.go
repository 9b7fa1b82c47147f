package adopt

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/tenant"
)

// labelCluster is what documents of clusters get that nothing else tells apart.
const labelCluster = "cluster"

// documents makes the documents, and compares them with what is there.
func (a *adoption) documents() error {
	docs := a.opts.Documents
	if len(docs.Tenants) > 0 {
		if _, err := tenant.Compartments(docs); err != nil {
			return err
		}
	}
	names := slices.Sorted(maps.Keys(a.byName))
	if len(names) == 0 {
		return nil
	}
	base, err := baseSettings(docs.Fleet)
	if err != nil {
		return err
	}
	clusters := a.clusterDocuments()
	m := &maker{a: a, base: base, known: append(slices.Clone(docs.Clusters), clusters...)}
	docs.Clusters = m.known
	for _, name := range names {
		for _, f := range a.byName[name] {
			f.take()
		}
		nameEnvironments(a.byName[name])
	}
	if !m.distinct(names) { // the environments do not tell the clusters apart
		for i := range clusters {
			m.known[len(m.known)-len(clusters)+i].Labels[labelCluster] = clusters[i].Name
		}
	}
	for _, name := range names {
		t, err := m.document(name, a.byName[name])
		if err == nil {
			err = a.compare(docs, t)
		}
		var problem *v1alpha1.DocumentError
		switch {
		case errors.As(err, &problem):
			a.leave(name, "", problem.Hint, "%s", problem.Message)
		case err != nil:
			return err
		default:
			docs.Tenants = append(slices.Clone(docs.Tenants), *t)
		}
	}
	if len(a.r.Tenants) > 0 {
		a.r.Clusters = clusters
	}
	return nil
}

// clusterDocuments are those of clusters that have none. Their tenants go when one cannot have any.
func (a *adoption) clusterDocuments() (out []v1alpha1.Cluster) {
	docs := a.opts.Documents
	key := v1alpha1.DefaultEnvironmentLabel
	if docs.Fleet != nil {
		key = cmp.Or(docs.Fleet.Spec.EnvironmentLabel, key)
	}
	for _, v := range a.views {
		if len(v.Paths) == 0 || slices.ContainsFunc(docs.Clusters, func(c v1alpha1.Cluster) bool { return c.Name == v.Name }) {
			continue
		}
		if len(validation.IsDNS1123Label(v.Name)) > 0 {
			for name, list := range a.byName {
				if a.byName[name] = slices.DeleteFunc(list, func(f *found) bool { return f.view == v }); len(a.byName[name]) < len(list) {
					a.leave(name, v.Name, "give the cluster another name: --cluster NAME="+v.Paths[0], "the name of its cluster is no DNS label, so that the cluster can have no document")
				}
			}
			continue
		}
		c := v1alpha1.Cluster{}
		c.Name, c.Labels = v.Name, map[string]string{key: clusterEnvironment(v)}
		if c.Spec.Path = v.Paths[0]; len(v.Paths) > 1 {
			c.Spec.Path, c.Spec.Paths = "", v.Paths
		}
		out = append(out, c)
	}
	return out
}

// baseSettings are what a tenant has that says nothing.
func baseSettings(f *v1alpha1.Fleet) (map[string]any, error) {
	t, c := v1alpha1.Tenant{}, v1alpha1.Cluster{}
	t.Name, c.Name = "tenant", "cluster"
	t.Spec.Environments = []v1alpha1.Environment{{Name: "all"}}
	all, err := tenant.Compartments(v1alpha1.Documents{Fleet: f, Clusters: []v1alpha1.Cluster{c}, Tenants: []v1alpha1.Tenant{t}})
	if err != nil {
		return nil, err
	}
	return settingsMap(&all[0].Settings)
}

// maker makes documents for known clusters.
type maker struct {
	a     *adoption
	base  map[string]any
	known []v1alpha1.Cluster
}

// stage is one environment of a tenant in the making.
type stage struct {
	name string
	list []*found // most alike first
}

// stages are the environments of a tenant: Kustomizations that follow the same ref, into the same namespaces, under the same name.
func stages(list []*found) (out []stage) {
	type group struct{ environment, rest string }
	by, per := map[group][]*found{}, perCluster(list)
	for _, f := range list {
		g := group{f.environment, text([]any{f.ref(), f.artifactRef(), f.namespaces})}
		if per[f.view.Name] > 1 { // settings of a cluster are for all environments on it
			g.rest += text([]any{f.path(), f.settings})
		}
		by[g] = append(by[g], f)
	}
	keys := slices.SortedFunc(maps.Keys(by), func(x, y group) int {
		return cmp.Or(cmp.Compare(x.environment, y.environment), cmp.Compare(len(by[y]), len(by[x])), cmp.Compare(by[x][0].view.Name, by[y][0].view.Name), cmp.Compare(x.rest, y.rest))
	})
	taken := map[string]bool{}
	for _, g := range keys {
		name := g.environment
		for n := 0; taken[name]; n++ {
			name = shortened(fmt.Sprintf("%s-%s", g.environment, by[g][min(n, len(by[g])-1)].view.Name))
			if n > 0 {
				name = shortened(fmt.Sprintf("%d-%s", n, name))
			}
		}
		taken[name] = true
		out = append(out, stage{name, by[g]})
	}
	return out
}

func (f *found) ref() *sourcev1.GitRepositoryRef {
	if f.git == nil {
		return nil
	}
	if f.git.Spec.Reference == nil || *f.git.Spec.Reference == (sourcev1.GitRepositoryRef{}) {
		return &sourcev1.GitRepositoryRef{Branch: "master"} // as source-controller takes none
	}
	return f.git.Spec.Reference
}

func (f *found) artifactRef() *sourcev1.OCIRepositoryRef {
	if f.oci == nil {
		return nil
	}
	return f.oci.Spec.Reference
}

// distinct says whether labels tell the clusters of every environment from the others.
func (m *maker) distinct(names []string) bool {
	for _, name := range names {
		for _, s := range stages(m.a.byName[name]) {
			if _, ok := m.selector(s.list); !ok {
				return false
			}
		}
	}
	return true
}

// perCluster counts a tenant's Kustomizations on each cluster.
func perCluster(list []*found) map[string]int {
	per := map[string]int{}
	for _, f := range list {
		per[f.view.Name]++
	}
	return per
}

// document of one tenant, as Decode gives it. The error is a [*v1alpha1.DocumentError] when none can say what is there.
func (m *maker) document(name string, list []*found) (*v1alpha1.Tenant, error) {
	t := &v1alpha1.Tenant{}
	t.Name = name
	if len(list) == 0 {
		return nil, &v1alpha1.DocumentError{Message: "no cluster that it is on can have a document"}
	}
	all := stages(list)
	m.source(&t.Spec, list)
	for _, f := range list {
		if len(t.Spec.Owners) == 0 {
			t.Spec.Owners = f.owners
		}
	}
	var said []map[string]any
	for _, s := range all {
		e, settings, err := m.environment(t, s)
		if err != nil {
			return nil, err
		}
		t.Spec.Environments = append(t.Spec.Environments, *e)
		said = append(said, settings)
	}
	same := said[0]
	for _, other := range said[1:] {
		same = shared(same, other)
	}
	if err := fromMap(same, &t.Spec.Settings); err != nil {
		return nil, err
	}
	for i := range said {
		if err := fromMap(without(said[i], same), &t.Spec.Environments[i].Settings); err != nil {
			return nil, err
		}
	}
	for _, f := range list {
		if o := f.leak(text(t.Spec)); o != nil {
			return nil, &v1alpha1.DocumentError{
				Message: o.ID.String() + " holds a value of a Secret, put in by postBuild, and a document must not",
				Hint:    "write the document by hand: bulkhead tenant add",
			}
		}
	}
	return decoded(t)
}

// leak is an object with a secret value that is in a text, or nil.
func (f *found) leak(text string) *object.Object {
	list := []*object.Object{f.object, f.source}
	for o := range f.view.set.All() {
		if slices.Contains(f.namespaces, o.ID.Namespace) || o.ID.Kind == "Namespace" && slices.Contains(f.namespaces, o.ID.Name) {
			list = append(list, o)
		}
	}
	for _, o := range list {
		if slices.ContainsFunc(o.Body().Sensitive(), func(v string) bool {
			return len(v) >= 4 && strings.Contains(text, v) || strings.Contains(text, `"`+v+`"`)
		}) {
			return o
		}
	}
	return nil
}

// source is the repository or artifact, with the ref that most follow.
func (m *maker) source(spec *v1alpha1.TenantSpec, list []*found) {
	f, count := list[0], map[string]int{}
	for _, other := range list {
		count[text([]any{other.ref(), other.artifactRef()})]++
	}
	for _, other := range list[1:] {
		if count[text([]any{other.ref(), other.artifactRef()})] > count[text([]any{f.ref(), f.artifactRef()})] {
			f = other
		}
	}
	if f.oci != nil {
		o := &f.oci.Spec
		spec.Artifact = &v1alpha1.Artifact{URL: o.URL, Reference: o.Reference, SecretRef: o.SecretRef, Provider: o.Provider, Verification: o.Verify}
		return
	}
	g := &f.git.Spec
	spec.Repository = &v1alpha1.Repository{URL: g.URL, Reference: f.ref(), SecretRef: g.SecretRef, Provider: g.Provider, Verification: g.Verification, Ignore: g.Ignore}
}

// environment is one of a tenant, and what it says beside the defaults. Clusters that differ from most of it get settings of their own.
func (m *maker) environment(t *v1alpha1.Tenant, s stage) (*v1alpha1.Environment, map[string]any, error) {
	spec := &t.Spec
	selects, ok := m.selector(s.list)
	if !ok {
		return nil, nil, &v1alpha1.DocumentError{
			Message: fmt.Sprintf("no labels tell the clusters of its environment %s from the others: %s", s.name, phrase.List(clusterNames(s.list), 6)),
			Hint:    "give the Cluster documents a label that does, such as cluster: " + s.list[0].view.Name,
		}
	}
	f := s.list[0]
	e := &v1alpha1.Environment{Name: s.name, Clusters: *selects}
	if !slices.Equal(f.namespaces, t.NamespacesOf(e)) {
		e.Namespaces = f.namespaces
	}
	if spec.Repository != nil && text(f.ref()) != text(spec.Repository.Reference) {
		e.Reference = f.ref()
	}
	if spec.Artifact != nil && text(f.artifactRef()) != text(spec.Artifact.Reference) {
		e.ArtifactReference = f.artifactRef()
	}
	full, count := map[*found]map[string]any{}, map[string]int{}
	for _, f := range s.list {
		settings, err := settingsMap(&f.settings)
		if err != nil {
			return nil, nil, err
		}
		full[f] = over(m.base, settings)
		count[text([]any{f.path(), full[f]})]++
	}
	for _, other := range s.list[1:] {
		if count[text([]any{other.path(), full[other]})] > count[text([]any{f.path(), full[f]})] {
			f = other
		}
	}
	e.Path = f.path()
	for _, other := range s.list {
		c := v1alpha1.TenantCluster{Name: other.view.Name}
		if other.path() != e.Path {
			c.Path = other.path()
		}
		own := without(full[other], full[f])
		if len(own) == 0 && c.Path == "" {
			continue
		}
		if err := fromMap(own, &c.Settings); err != nil {
			return nil, nil, err
		}
		spec.Clusters = append(spec.Clusters, c)
	}
	slices.SortFunc(spec.Clusters, func(x, y v1alpha1.TenantCluster) int { return cmp.Compare(x.Name, y.Name) })
	return e, without(full[f], m.base), nil
}

// decoded is a document as its readers see it.
func decoded(t *v1alpha1.Tenant) (*v1alpha1.Tenant, error) {
	data, err := yaml.Marshal(map[string]any{"apiVersion": v1alpha1.APIVersion, "kind": v1alpha1.KindTenant, "metadata": map[string]any{"name": t.Name}, "spec": t.Spec})
	if err != nil {
		return nil, fmt.Errorf("write the document of tenant %s: %w", t.Name, err)
	}
	docs, err := v1alpha1.Decode("fleet/tenants/"+t.Name+".yaml", data)
	if err != nil {
		return nil, err
	}
	out := docs.Tenants[0]
	out.Lines = nil // the door writes another text
	return &out, nil
}

// text is a value by which equal ones are told.
func text(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

func clusterNames(list []*found) []string {
	var out []string
	for _, f := range list {
		if !slices.Contains(out, f.view.Name) {
			out = append(out, f.view.Name)
		}
	}
	slices.Sort(out)
	return out
}

// selector tells the clusters of a list from all others by their labels: by one that names the environment if possible.
func (m *maker) selector(list []*found) (*metav1.LabelSelector, bool) {
	names := clusterNames(list)
	var in, out []map[string]string
	for i := range m.known {
		if c := &m.known[i]; slices.Contains(names, c.Name) {
			in = append(in, c.Labels)
		} else {
			out = append(out, c.Labels)
		}
	}
	if len(in) < len(names) || len(in) == 0 {
		return nil, false
	}
	return selecting(in, out, m.environmentLabel())
}

func (m *maker) environmentLabel() string {
	if f := m.a.opts.Documents.Fleet; f != nil && f.Spec.EnvironmentLabel != "" {
		return f.Spec.EnvironmentLabel
	}
	return v1alpha1.DefaultEnvironmentLabel
}

// Package adopt turns the objects by which tenants were onboarded by hand into Tenant documents, and says object by object how what the
// documents stand for differs from what is there, see [Tenants].
//
// One invariant: every object that onboards a tenant is accounted for: it is equal, differs, gets another name, or is listed as what no
// document says.
package adopt

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

// Cluster is what is applied to one cluster.
type Cluster struct {
	Name string
	// Environment by its label or its name; "" when nothing tells.
	Environment string
	// Paths that Flux starts at; none for a cluster that is known only as the target of a kubeConfig.
	Paths []string
	// FluxNamespace is where the cluster's own sync is; "" stands for flux-system.
	FluxNamespace string
	// Objects of all appliers, in any order, with their chains.
	Objects []*object.Object
}

// Options of [Tenants]. The zero value takes all that looks like a tenant, and knows no documents.
type Options struct {
	// Documents that are there. Tenants that have one are left alone.
	Documents v1alpha1.Documents
	// Only these tenants are taken, also when a source of theirs looks like that of a third party; none for all.
	Only []string
	// Hub are names of the hub's own repository, as Repository gives them; none when it is not known.
	Hub []string
	// Repository names a repository by a URL of it, as host/path; nil takes the URL as the name.
	Repository func(url string) string
}

// Result is what was found, and what it becomes.
type Result struct {
	// Clusters are documents of clusters that have none, sorted by name. A tenant's document selects by their labels.
	Clusters []v1alpha1.Cluster
	// Tenants that were taken over, sorted by name.
	Tenants []Tenant
	// Documented are the names of tenants found that have a document, sorted.
	Documented []string
	// LeftOut is what no document was made of, sorted by name and cluster.
	LeftOut []LeftOut
}

// Tenant is a document, and how it compares with what is there.
type Tenant struct {
	Document v1alpha1.Tenant
	// Objects there and those that the document stands for, sorted by cluster and state.
	Objects []Compared
	// Notes are what else has to be seen to; sorted.
	Notes []string
}

// LeftOut is a tenant, or what may be one, that has no document.
type LeftOut struct {
	Name    string
	Cluster string // "" for several
	Why     string
	Hint    string // "" when no cure is known
}

// Tenants takes over the tenants of all clusters. Equal input gives an equal result.
//
// The error is one of the documents that are there already: see [tenant.Compartments].
func Tenants(clusters []Cluster, opts Options) (*Result, error) {
	a := &adoption{opts: opts, r: &Result{}, byName: map[string][]*found{}}
	for i := range clusters {
		a.views = append(a.views, newView(&clusters[i]))
	}
	slices.SortFunc(a.views, func(x, y *view) int { return cmp.Compare(x.Name, y.Name) })
	for _, v := range a.views {
		a.find(v)
	}
	a.ownerless()
	a.choose()
	if err := a.documents(); err != nil {
		return nil, err
	}
	a.finish()
	return a.r, nil
}

// adoption is the work on one fleet.
type adoption struct {
	opts   Options
	r      *Result
	views  []*view
	byName map[string][]*found // sorted by cluster, then Kustomization
	passed []LeftOut           // what does not look like a tenant
}

func (a *adoption) leave(name, cluster, hint, format string, args ...any) {
	a.r.LeftOut = append(a.r.LeftOut, LeftOut{Name: name, Cluster: cluster, Why: fmt.Sprintf(format, args...), Hint: hint})
}

func (a *adoption) wanted(name string) bool {
	return len(a.opts.Only) == 0 || slices.Contains(a.opts.Only, name)
}

func (a *adoption) documented(name string) *v1alpha1.Tenant {
	for i := range a.opts.Documents.Tenants {
		if t := &a.opts.Documents.Tenants[i]; t.Name == name {
			return t
		}
	}
	return nil
}

// choose keeps the tenants that are asked for, can be named, have one source, and share no namespace.
func (a *adoption) choose() {
	for _, name := range slices.Sorted(maps.Keys(a.byName)) {
		switch {
		case !a.wanted(name):
			delete(a.byName, name)
		case a.documented(name) != nil:
			a.r.Documented = append(a.r.Documented, name)
			delete(a.byName, name)
		case len(validation.IsDNS1123Label(name)) > 0:
			a.leave(name, "", "give it another name: the label "+labelTenant+" of its objects", "its name is no DNS label")
			delete(a.byName, name)
		case len(name) > v1alpha1.MaxTenantName:
			a.leave(name, "", "the names of its namespaces are made of it: choose a shorter one, by the label "+labelTenant+" of its objects", "its name has more than %d letters", v1alpha1.MaxTenantName)
			delete(a.byName, name)
		default:
			a.oneSource(name)
		}
	}
	a.apart()
}

// oneSource keeps the Kustomizations of the source that most of a tenant's have.
func (a *adoption) oneSource(name string) {
	count := map[string]int{}
	for _, f := range a.byName[name] {
		count[f.sourceKey(a)]++
	}
	if len(count) == 1 {
		return
	}
	keys := slices.SortedFunc(maps.Keys(count), func(x, y string) int { return cmp.Or(cmp.Compare(count[y], count[x]), cmp.Compare(x, y)) })
	a.byName[name] = slices.DeleteFunc(a.byName[name], func(f *found) bool {
		other := f.sourceKey(a) != keys[0]
		if other {
			a.leave(name, f.view.Name, "make it a tenant of its own: bulkhead tenant add", "%s applies another source than the tenant's other Kustomizations, and a tenant has one", f.name())
		}
		return other
	})
}

// apart leaves out tenants that have a namespace together, and those whose namespace is the cluster's own.
func (a *adoption) apart() {
	type place struct{ cluster, namespace string }
	owners := map[place][]string{}
	for _, name := range slices.Sorted(maps.Keys(a.byName)) {
		for _, f := range a.byName[name] {
			for _, ns := range f.namespaces {
				p := place{f.view.Name, ns}
				if !slices.Contains(owners[p], name) {
					owners[p] = append(owners[p], name)
				}
			}
		}
	}
	bad := map[string]bool{}
	for _, p := range slices.SortedFunc(maps.Keys(owners), func(x, y place) int {
		return cmp.Or(cmp.Compare(x.cluster, y.cluster), cmp.Compare(x.namespace, y.namespace))
	}) {
		if names := owners[p]; len(names) > 1 {
			for _, name := range names {
				a.leave(name, p.cluster, "a namespace is one tenant's: move one of them away, or take one of them over with --tenant "+name,
					"namespace %s is that of %s: %s", p.namespace, phrase.Count(len(names), "tenant"), phrase.List(names, 4))
				bad[name] = true
			}
		}
	}
	maps.DeleteFunc(a.byName, func(name string, _ []*found) bool { return bad[name] })
}

// ownerless lists what the label calls a tenant and that has no source of its own.
func (a *adoption) ownerless() {
	spaces := map[string]map[string]bool{}
	for _, v := range a.views {
		for _, ns := range slices.Sorted(maps.Keys(v.labelled)) {
			name := v.labelled[ns]
			if len(a.byName[name]) > 0 || a.documented(name) != nil || v.platform[name] || !a.wanted(name) {
				continue
			}
			if spaces[name] == nil {
				spaces[name] = map[string]bool{}
			}
			spaces[name][ns] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(spaces)) {
		if slices.ContainsFunc(a.r.LeftOut, func(l LeftOut) bool { return l.Name == name }) {
			continue
		}
		list := slices.Sorted(maps.Keys(spaces[name]))
		a.leave(name, "", "give it a repository: bulkhead tenant add "+name+" --repo URL",
			"the label %s names it on %s, and no Kustomization applies a source of its own", labelTenant, phrase.List(list, 4))
	}
}

// finish sorts, and adds what was passed over.
func (a *adoption) finish() {
	for _, l := range a.passed {
		if len(a.opts.Only) == 0 && a.documented(l.Name) == nil {
			a.r.LeftOut = append(a.r.LeftOut, l)
		}
	}
	for _, name := range a.opts.Only {
		known := slices.ContainsFunc(a.r.Tenants, func(t Tenant) bool { return t.Document.Name == name }) || slices.Contains(a.r.Documented, name) ||
			slices.ContainsFunc(a.r.LeftOut, func(l LeftOut) bool { return l.Name == name })
		switch {
		case known:
		case a.documented(name) != nil:
			a.r.Documented = append(a.r.Documented, name)
		default:
			a.leave(name, "", "", "nothing of that name was found")
		}
	}
	slices.Sort(a.r.Documented)
	slices.SortStableFunc(a.r.LeftOut, func(x, y LeftOut) int {
		return cmp.Or(strings.Compare(x.Name, y.Name), strings.Compare(x.Cluster, y.Cluster))
	})
	a.r.LeftOut = slices.Compact(a.r.LeftOut)
}

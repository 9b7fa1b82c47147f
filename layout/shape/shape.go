// Package shape says which layout a repository has.
//
// It turns the files of a repository, and plain facts about the fleet that it describes, into a [Shape] with the
// evidence for it. Its invariant: the same facts in any order give the same answer. Start at [Detect].
package shape

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// Layout is how a repository is laid out.
type Layout string

// The layouts.
const (
	// SingleCluster holds all of one cluster.
	SingleCluster Layout = "SingleCluster"
	// Monorepo holds the platform and the workloads of several clusters.
	Monorepo Layout = "Monorepo"
	// HubAndSpoke holds the platform; each tenant has a repository of its own.
	HubAndSpoke Layout = "HubAndSpoke"
	// SelfService is a hub of which nobody writes the tenants' part by hand: documents or templates make it.
	SelfService Layout = "SelfService"
	// Mixed keeps some tenants' workloads and has repositories of others, or makes some of them of documents only.
	Mixed Layout = "Mixed"
	// Spoke is a tenant's repository: manifests, and no place where a cluster starts.
	Spoke Layout = "Spoke"
)

// Layouts lists the layouts.
func Layouts() []Layout {
	return []Layout{SingleCluster, Monorepo, HubAndSpoke, SelfService, Mixed, Spoke}
}

// String is the layout in words: "a monorepo".
func (l Layout) String() string {
	switch l {
	case SingleCluster:
		return "a repository of one cluster"
	case Monorepo:
		return "a monorepo"
	case HubAndSpoke:
		return "a hub with spokes"
	case SelfService:
		return "a self-service platform"
	case Mixed:
		return "a mix of monorepo and hub"
	case Spoke:
		return "a spoke"
	}
	return string(l)
}

// ErrNothing means that the tree holds nothing that Flux could apply.
var ErrNothing = errors.New("no manifest, no kustomization and no chart")

// ErrNoEntry means that the tree holds Flux objects, and no place where a cluster starts.
var ErrNoEntry = errors.New("it holds Flux objects, and nothing says where a cluster starts")

// Facts are what is known of a fleet. The zero Facts are those of a repository without clusters.
type Facts struct {
	Clusters []Cluster
	Tenants  []Tenant
	// Declared is the layout that the Fleet document names; "" for none.
	Declared string
	// Document is the file of the Fleet document.
	Document string
}

// Cluster is where a cluster starts.
type Cluster struct {
	Name   string
	Folder string // slash path from the repository's root; "" for a cluster that only a kubeConfig names
	File   string // that says so; "" when it is declared
}

// Tenant is what is known of a tenant.
type Tenant struct {
	Name string
	// Document is the file of its Tenant document; "" for none.
	Document string
	// Generator makes its objects of a template; "" for none.
	Generator Applier
	// Spoke applies a repository of its own; the zero Applier for none.
	Spoke Applier
	// Repositories of its own, sorted.
	Repositories []string
	// Workloads are its objects in this repository, without those that only make room for it: namespaces,
	// accounts, quotas, sources.
	Workloads int
	// Folder has the most of them.
	Folder string
}

// Applier is an object that applies or makes others.
type Applier struct {
	Name string // such as Kustomization/apps/billing
	File string // that defines it, "" when not known
}

// Shape is the layout of a repository.
type Shape struct {
	Layout Layout `json:"layout" jsonschema:"enum=SingleCluster,enum=Monorepo,enum=HubAndSpoke,enum=SelfService,enum=Mixed,enum=Spoke"`
	// Declared is what the Fleet document says; left out when it says nothing.
	Declared string `json:"declared,omitempty"`
	// Evidence for the layout, the strongest first.
	Evidence []Evidence `json:"evidence"`
}

// Evidence is one observation.
type Evidence struct {
	// File that shows it; left out when no single one does.
	File string `json:"file,omitempty"`
	Text string `json:"text"`
}

// Detect names the layout of t. With no clusters in the facts it looks at the files: the error then wraps [ErrNothing] or [ErrNoEntry]
// when they are no spoke's, or is one of reading.
func Detect(t *tree.Tree, f Facts) (Shape, error) {
	if len(f.Clusters) == 0 {
		return spoke(t)
	}
	f.Clusters, f.Tenants = slices.Clone(f.Clusters), slices.Clone(f.Tenants)
	slices.SortFunc(f.Clusters, func(a, b Cluster) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(f.Tenants, func(a, b Tenant) int { return cmp.Compare(a.Name, b.Name) })
	s := Shape{Declared: f.Declared, Evidence: []Evidence{}}
	var made, spokes, inside []Tenant
	for _, k := range f.Tenants {
		switch {
		case k.Generator.Name != "" || k.Document != "" && k.Spoke.Name != "":
			made = append(made, k)
		case k.Spoke.Name != "":
			spokes = append(spokes, k)
		case k.Workloads > 0:
			inside = append(inside, k)
		}
	}
	entries := slices.DeleteFunc(slices.Clone(f.Clusters), func(c Cluster) bool { return c.Folder == "" })
	switch {
	case len(made) > 0 && len(spokes)+len(inside) == 0:
		s.Layout = SelfService
	case len(made) > 0, len(spokes) > 0 && len(inside) > 0:
		s.Layout = Mixed
	case len(spokes) > 0, len(inside) == 0 && f.Declared == string(HubAndSpoke): // the second is a hub before its first tenant
		s.Layout = HubAndSpoke
	case len(f.Clusters) == 1:
		s.Layout = SingleCluster
	default:
		s.Layout = Monorepo
	}
	s.tell(made, func(k Tenant) Evidence {
		if k.Generator.Name != "" {
			return Evidence{k.Generator.File, k.Generator.Name + " makes the objects of tenant " + k.Name}
		}
		return Evidence{k.Document, "the document of tenant " + k.Name + ", whose repository " + k.Spoke.Name + " applies"}
	})
	s.tell(spokes, func(k Tenant) Evidence {
		return Evidence{k.Spoke.File, fmt.Sprintf("%s applies %s, the repository of tenant %s", k.Spoke.Name, phrase.List(k.Repositories, 1), k.Name)}
	})
	s.tell(inside, func(k Tenant) Evidence {
		return Evidence{k.Folder, fmt.Sprintf("%s of tenant %s %s in this repository", phrase.Count(k.Workloads, "workload object"), k.Name, phrase.Verb(k.Workloads, "is", "are"))}
	})
	s.clusters(entries, f.Clusters)
	if len(spokes)+len(made) == 0 {
		s.add(Evidence{Text: "nothing here applies the repository of a tenant"})
	}
	if f.Declared != "" && (f.Declared != string(s.Layout) || len(f.Tenants) == 0) {
		s.add(Evidence{f.Document, "the Fleet document says " + f.Declared})
	}
	return s, nil
}

// most is how many pieces of evidence of one kind are told.
const most = 3

func (s *Shape) add(e Evidence) { s.Evidence = append(s.Evidence, e) }

func (s *Shape) tell(tenants []Tenant, about func(Tenant) Evidence) {
	for i, k := range tenants {
		if i == most && len(tenants) > most+1 {
			s.add(Evidence{Text: fmt.Sprintf("and %s like these", phrase.Count(len(tenants)-most, "tenant"))})
			return
		}
		s.add(about(k))
	}
}

// clusters says where clusters start, and which ones only a kubeConfig names.
func (s *Shape) clusters(entries, all []Cluster) {
	for i, c := range entries {
		if i == most && len(entries) > most+1 {
			s.add(Evidence{Text: fmt.Sprintf("and %s like these", phrase.Count(len(entries)-most, "cluster"))})
			break
		}
		s.add(Evidence{c.File, "cluster " + c.Name + " starts at " + c.Folder})
	}
	var remote []string
	for _, c := range all {
		if c.Folder == "" {
			remote = append(remote, c.Name)
		}
	}
	if len(remote) > 0 {
		s.add(Evidence{Text: strings.Join([]string{
			phrase.Count(len(remote), "cluster"), "written to by kubeConfig:", phrase.List(remote, 6) + ": that is a hub of clusters, not of repositories",
		}, " ")})
	}
}

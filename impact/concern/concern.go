// Package concern says whose an object of a fleet is: the platform's, a tenant's or one cluster's.
//
// It turns a change of an [impact.Report], or a file of the commit, into a [Concern] with the
// evidence that tells so. Its invariants: the same evidence gives the same answer on every cluster, so
// that equal changes stay together, and only what belongs to one cluster alone is told apart; what other clusters render does not
// change the answer for one, but for the question who else reads a file. Start at [New].
package concern

import (
	"strings"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// Concern is whose an object is: "platform", "cluster" or "tenant/NAME".
type Concern string

// The concerns that are no tenant's.
const (
	Platform Concern = "platform" // what makes a cluster a cluster
	Cluster  Concern = "cluster"  // specific to one cluster
)

const tenantPrefix = "tenant/"

// Tenant is the concern of the tenant with that name.
func Tenant(name string) Concern { return Concern(tenantPrefix + name) }

// TenantName is the name of the tenant whose concern it is; false for the other concerns.
func (c Concern) TenantName() (string, bool) {
	name, ok := strings.CutPrefix(string(c), tenantPrefix)
	if !ok || name == "" {
		return "", false
	}
	return name, true
}

// parse reads what a concerns map says; false for what is no concern.
func parse(text string) (Concern, bool) {
	c := Concern(text)
	_, tenant := c.TenantName()
	return c, tenant || c == Platform || c == Cluster
}

// Valid reports whether it is one of the concerns.
func (c Concern) Valid() bool {
	_, ok := parse(string(c))
	return ok
}

// Fleet is what the hub's documents say of whose things are. The zero value says nothing.
type Fleet struct {
	// Tenants by name. Of their documents only spec.environments and spec.repository.url are read;
	// what is malformed is left out.
	Tenants []v1alpha1.Tenant
	// Concerns by pattern of paths from the repository's root: "platform", "tenant/NAME" or
	// "cluster"; other values are left out. "*" and "?" stay within a folder, "**" does not. A pattern
	// names a file, or a folder with all in it. The most specific pattern wins: the one with
	// the longest text before its first wildcard, then the longest.
	Concerns map[string]string
	// EnvironmentLabel of Cluster documents; "" means "env".
	EnvironmentLabel string
	// Clusters that are declared.
	Clusters []v1alpha1.Cluster
	// Trees are the repository under review on both sides: the names of folders of tenants are read off them.
	Trees []*tree.Tree
}

// FleetOf is what documents say; the trees, of which some may be nil, are the repository under review.
func FleetOf(docs v1alpha1.Documents, trees ...*tree.Tree) Fleet {
	f := Fleet{Tenants: docs.Tenants, Clusters: docs.Clusters, Trees: []*tree.Tree{}}
	for _, t := range trees {
		if t != nil {
			f.Trees = append(f.Trees, t)
		}
	}
	if docs.Fleet != nil {
		f.Concerns, f.EnvironmentLabel = docs.Fleet.Spec.Concerns, docs.Fleet.Spec.EnvironmentLabel
	}
	return f
}

// Judge says whose objects and files are. It remembers what it found out, and is not for
// concurrent use.
type Judge struct {
	fleet    Fleet
	patterns []pattern
	tenants  tenants
	labels   map[string]map[string]string // of the declared clusters
	view     *view
	platform map[team]string // tenants by label that Flux itself is of -> the object that says so
	spokes   map[spokeKey]verdict
	readers  map[string]reader
	known    map[string]bool                        // tenants with a document or a folder
	spoken   map[*render.Cluster]map[string]verdict // the tenants of namespaces, by the spokes that apply to them
}

// New prepares the judgement of what changes between two renders. Either may be nil.
func New(f Fleet, before, after *render.Result) *Judge {
	j := &Judge{
		fleet: f, patterns: compile(f.Concerns), tenants: readTenants(f.Tenants), labels: map[string]map[string]string{},
		view: newView(before, after), spokes: map[spokeKey]verdict{}, readers: map[string]reader{},
		spoken: map[*render.Cluster]map[string]verdict{},
	}
	for i := range f.Clusters {
		j.labels[f.Clusters[i].Name] = f.Clusters[i].Labels
	}
	j.platform = j.platformTeams()
	return j
}

// verdict is an answer with its reason; the zero value is none.
type verdict struct {
	concern Concern
	why     string
	by      evidence
	alone   string // it holds as long as no other cluster reads this file; "" when it holds anyway
}

// evidence tells the concerns map, which nothing refines, from the rest.
type evidence bool

const byMap evidence = true

func (v verdict) given() bool { return v.concern != "" }

// Of says whose the object of a change is, as it is after the change, or was before. The second
// result is one phrase that names the evidence: "label toolkit.fluxcd.io/tenant of
// Namespace/billing-prod". The most explicit evidence decides: the concerns map, the Tenant documents,
// labels, the source, folders.
func (j *Judge) Of(ch *impact.Change) (Concern, string) {
	v := j.of(j.subject(ch))
	return v.concern, v.why
}

// Whose is [Judge.Of] for a change of a part of the fleet: also what holds when a cluster of another part
// reads a file that so far looks like that of one cluster alone.
func (j *Judge) Whose(ch *impact.Change) Whose { return j.whose(j.subject(ch)) }

func (j *Judge) of(s *subject) verdict {
	for _, rule := range []func(*subject) verdict{j.byPattern, j.byDocument, j.byLabel, j.bySource, j.byFolder, j.byCluster} {
		v := rule(s)
		if v.concern == Platform {
			if own := j.byCluster(s); own.concern == Cluster && v.by != byMap {
				return own
			}
		}
		if v.given() {
			return v
		}
	}
	switch {
	case s.foreign:
		return verdict{concern: Platform, why: "nothing says that its source is a tenant's"}
	case s.file == "":
		return verdict{concern: Platform, why: "nothing says that it is a tenant's or one cluster's"}
	}
	return verdict{concern: Platform, why: "file " + s.file + " is of no tenant and of no cluster alone"}
}

// subject is what is judged, with what leads to it.
type subject struct {
	cluster string
	id      object.ID
	object  *object.Object // nil for an applier that stands for the files that it reads
	side    *side
	chain   []*render.Applier // outermost first, as far as they are known; the last is the owner
	file    string            // in the repository under review, of the object or of the applier that brings it; "" when unknown
	foreign bool              // the object is from another repository than the hub's, by a Kustomization
}

func (j *Judge) subject(ch *impact.Change) *subject {
	s := &subject{cluster: ch.Cluster, id: ch.ID, object: ch.After, side: j.view.after}
	if s.object == nil {
		s.object, s.side = ch.Before, j.view.before
	}
	if s.object == nil {
		return s
	}
	s.chain = s.side.chain(ch.Cluster, s.object.Origin.Chain)
	s.file, s.foreign = s.side.fileOf(s.object, s.chain)
	return s
}

// namespace of the object, also of one that is a namespace.
func (s *subject) namespace() string {
	if s.id.Kind == "Namespace" && s.id.Group == "" {
		return s.id.Name
	}
	return s.id.Namespace
}

// self is the applier that the object makes, or nil.
func (s *subject) self() *render.Applier {
	if s.object == nil || groupOf(s.id.Kind) != s.id.Group || s.id.Group == "" {
		return nil
	}
	return s.side.made(s.cluster, object.Applier{Kind: s.id.Kind, Namespace: s.id.Namespace, Name: s.id.Name})
}

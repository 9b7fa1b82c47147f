package cli

import (
	"iter"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// RenderDocument is what "bulkhead render -o json" writes: what Flux would apply
// on every cluster.
type RenderDocument struct {
	// SchemaVersion is "bulkhead.dev/render/v1".
	SchemaVersion string `json:"schemaVersion" jsonschema:"const=bulkhead.dev/render/v1"`
	// Revision that was rendered.
	Revision RevisionDocument `json:"revision"`
	// Clusters, sorted by name.
	Clusters []RenderedCluster `json:"clusters"`
	// Appliers of all clusters, sorted by cluster, kind, namespace, name.
	Appliers []RenderedApplier `json:"appliers"`
	// Objects that are applied, sorted by cluster, then group, kind, namespace, name.
	Objects []RenderedObject `json:"objects"`
	// Failures are what the controllers would refuse.
	Failures []render.Failure `json:"failures"`
	// Unresolved is what cannot be known offline.
	Unresolved []render.Unresolved `json:"unresolved"`
	// Conflicts are objects that several appliers own.
	Conflicts []ConflictDocument `json:"conflicts"`
	// Notes are remarks that change no result.
	Notes []NoteDocument `json:"notes"`
	// Coverage tells how much of the question could be answered.
	Coverage render.Coverage `json:"coverage"`
	// Stats count the work done.
	Stats render.Stats `json:"stats"`
}

// RevisionDocument names a revision.
type RevisionDocument struct {
	// Name is the revision as the user named it; empty for the files on disk.
	Name string `json:"name,omitempty"`
	// Commit is its hash, 40 hexadecimal digits; empty for the files on disk.
	Commit string `json:"commit,omitempty"`
	// MergeBase is true when the name is a branch and the commit is where HEAD left it.
	MergeBase bool `json:"mergeBase,omitempty"`
	// Branch that the files stand for; empty when they stand for every branch.
	Branch string `json:"branch,omitempty"`
}

// RenderedCluster is one cluster and its numbers.
type RenderedCluster struct {
	// Name of the cluster.
	Name string `json:"name"`
	// Labels of its Cluster document.
	Labels map[string]string `json:"labels,omitempty"`
	render.Counts
	// Path of its entry folder, from the repository's root; empty for a cluster
	// that is known only as the target of a kubeConfig.
	Path string `json:"path,omitempty"`
	// File that says where the cluster starts; empty for a declared one.
	File string `json:"file,omitempty"`
	// Profile is what its Flux controllers run with, as far as Git tells.
	Profile render.Profile `json:"profile"`
}

// RenderedApplier is an object that makes a controller write to a cluster.
type RenderedApplier struct {
	// Cluster that it writes to.
	Cluster string `json:"cluster"`
	// Home is the cluster that holds the applier's own object.
	Home    string         `json:"home"`
	Applier object.Applier `json:"applier"`
	// State tells how far it could be evaluated.
	State render.State `json:"state" jsonschema:"enum=Built,enum=Failed,enum=Unresolved,enum=Suspended"`
	// Chain of the appliers that created it, outermost first.
	Chain []object.Applier `json:"chain"`
	// Source that it is built from; empty when unknown.
	Source object.Source `json:"source"`
	// Path of its folder, from the source's root.
	Path string `json:"path,omitempty"`
	// Own is true when the source is the repository under review.
	Own bool `json:"own"`
	// Pinned is true when the source follows another ref of that repository.
	Pinned bool `json:"pinned"`
	// Prune is true when what it no longer renders is deleted.
	Prune bool `json:"prune"`
	// DependsOn are the appliers it waits for.
	DependsOn []object.Applier `json:"dependsOn"`
	// Objects that it applies, or when suspended would apply.
	Objects int `json:"objects"`
	// Release is the Helm release that a HelmRelease makes.
	Release *ReleaseDocument `json:"release,omitempty"`
}

// ReleaseDocument is a Helm release.
type ReleaseDocument struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	// StorageNamespace is where Helm keeps its state.
	StorageNamespace string `json:"storageNamespace"`
	// Chart and Version are as in the label helm.sh/chart; empty when the chart is not known.
	Chart   string `json:"chart,omitempty"`
	Version string `json:"version,omitempty"`
	// Hooks that Helm runs; they are no objects of the release.
	Hooks []object.ID `json:"hooks"`
}

func releaseDocument(r *render.Release) *ReleaseDocument {
	if r == nil {
		return nil
	}
	d := &ReleaseDocument{Name: r.Name, Namespace: r.Namespace, StorageNamespace: r.StorageNamespace, Chart: r.Chart, Version: r.Version, Hooks: []object.ID{}}
	for _, h := range r.Hooks {
		d.Hooks = append(d.Hooks, h.ID)
	}
	return d
}

// RenderedObject is one object on one cluster.
type RenderedObject struct {
	Cluster string    `json:"cluster"`
	ID      object.ID `json:"id"`
	// APIVersion as manifests spell it.
	APIVersion string `json:"apiVersion"`
	// Applier that writes it.
	Applier object.Applier `json:"applier"`
	// Chain of appliers that lead to it, outermost first; the last is the applier.
	Chain []object.Applier `json:"chain"`
	// Source that the applier reads.
	Source object.Source `json:"source"`
	// File that it is from, from the source's root; empty when unknown.
	File string `json:"file,omitempty"`
	// Unknowable names the functions of a chart that make some of the content by chance,
	// time or what is live in the cluster; the values here stand for them.
	Unknowable []string `json:"unknowable,omitempty"`
	// Manifest is its content, with secret values redacted.
	Manifest Manifest `json:"manifest"`
}

// ConflictDocument is an object that several appliers own.
type ConflictDocument struct {
	Cluster string           `json:"cluster"`
	ID      object.ID        `json:"id"`
	Owners  []object.Applier `json:"owners"`
}

// NoteDocument is a remark that changes no result.
type NoteDocument struct {
	// Cluster it is about; empty for the fleet as a whole.
	Cluster string `json:"cluster,omitempty"`
	render.Note
}

// renderDocument is the document of the clusters chosen from r, without the objects: see [renderedObjects].
func renderDocument(r *render.Result, chosen []*render.Cluster, rev RevisionDocument) *RenderDocument {
	d := &RenderDocument{
		SchemaVersion: renderSchema, Revision: rev, Stats: r.Stats, Coverage: render.CoverageOf(chosen),
		Clusters: []RenderedCluster{}, Appliers: []RenderedApplier{}, Objects: []RenderedObject{},
		Failures: []render.Failure{}, Unresolved: []render.Unresolved{}, Conflicts: []ConflictDocument{}, Notes: []NoteDocument{},
	}
	for _, n := range r.Notes {
		d.Notes = append(d.Notes, NoteDocument{Note: n})
	}
	for _, c := range chosen {
		rc := RenderedCluster{Name: c.Name, Labels: c.Labels, Counts: c.Counts(), Profile: c.Profile}
		if c.Entry != nil {
			rc.Path, rc.File = entryPath(c.Entry), c.Entry.File
		}
		d.Clusters = append(d.Clusters, rc)
		for _, a := range c.Appliers {
			d.Appliers = append(d.Appliers, RenderedApplier{
				Cluster: c.Name, Home: a.Home, Applier: a.Applier, State: a.State, Chain: some(a.Chain), Source: a.Source, Path: a.Path,
				Own: a.Own, Pinned: a.Pinned, Prune: a.Prune, DependsOn: some(a.DependsOn), Objects: len(a.Objects) + len(a.Held),
				Release: releaseDocument(a.Release),
			})
		}
		d.Failures = append(d.Failures, c.Failures...)
		d.Unresolved = append(d.Unresolved, c.Unresolved...)
		for _, x := range c.Conflicts {
			d.Conflicts = append(d.Conflicts, ConflictDocument{c.Name, x.ID, some(x.Owners)})
		}
		for _, n := range c.Notes {
			d.Notes = append(d.Notes, NoteDocument{c.Name, n})
		}
	}
	return d
}

// renderedObjects are the objects of the document, one by one: a large fleet has a million.
func renderedObjects(r *render.Result, chosen []*render.Cluster) iter.Seq[any] {
	return func(yield func(any) bool) {
		redact, from := newRedactor(), newOrigins(r)
		from.ahead(chosen)
		for _, c := range chosen {
			unknowable := c.Unknowable()
			for o := range c.Objects.All() {
				if !yield(RenderedObject{
					Cluster: c.Name, ID: o.ID, APIVersion: o.APIVersion(), Applier: o.Origin.Owner(), Chain: some(o.Origin.Chain),
					Source: from.source(o), File: from.file(o), Unknowable: unknowable[o.ID], Manifest: Manifest{o.Body(), redact},
				}) {
					return
				}
			}
			clear(from.places)
		}
	}
}

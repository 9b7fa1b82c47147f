package cli

import (
	"encoding/json"
	"slices"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// ImpactDocument is what "bulkhead impact -o json" writes: what changes on every
// cluster between two revisions. With --stat it stops after the clusters.
type ImpactDocument struct {
	// SchemaVersion is "bulkhead.dev/impact/v1".
	SchemaVersion string `json:"schemaVersion" jsonschema:"const=bulkhead.dev/impact/v1"`
	// Base is the revision before the change.
	Base RevisionDocument `json:"base"`
	// Head is the revision after it.
	Head RevisionDocument `json:"head"`
	// Clusters of both revisions, sorted by name, also those that do not change.
	Clusters []ImpactCluster `json:"clusters"`
	*ImpactDetails
}

// ImpactDetails is what --stat leaves out.
type ImpactDetails struct {
	// Files that differ between the two revisions, from the repository's root.
	Files []string `json:"files"`
	// Groups are equal changes of several clusters, worst kind first.
	Groups []ImpactGroup `json:"groups"`
	// Withheld are appliers about whose objects nothing can be said.
	Withheld []WithheldDocument `json:"withheld"`
	// Waits are changes that land when a ref moves.
	Waits []WaitDocument `json:"waits"`
	// Failures after the change.
	Failures []ImpactFailure `json:"failures"`
	// Unresolved after the change.
	Unresolved []render.Unresolved `json:"unresolved"`
	// Unknown is what is unresolved on one side only.
	Unknown []UnknownDocument `json:"unknown"`
	// Unread are changed files that no cluster reads, before or after.
	Unread []string `json:"unread"`
	// Notes are remarks about what the change leads to.
	Notes []NoteDocument `json:"notes"`
	// Coverage of the revision after the change.
	Coverage Coverage `json:"coverage"`
	// Stats count the work of both renders.
	Stats render.Stats `json:"stats"`
}

// ImpactCluster is one cluster and how many of its objects change. Failures and
// unresolved are those after the change.
type ImpactCluster struct {
	Name string `json:"name"`
	impact.Counts
	// Withheld appliers on this cluster.
	Withheld int `json:"withheld"`
	// Appeared is true when it had no entry point before.
	Appeared bool `json:"appeared"`
	// Gone is true when it has no entry point after.
	Gone bool `json:"gone"`
}

// ImpactGroup is one change to one object, the same on several clusters.
type ImpactGroup struct {
	// Kind of the change.
	Kind impact.Kind `json:"kind" jsonschema:"enum=removed,enum=moved,enum=changed,enum=added"`
	ID   object.ID   `json:"id"`
	// Clusters, sorted.
	Clusters []string `json:"clusters"`
	// Fate of a removed object; of a moved one, what its old owner may do to it.
	Fate impact.Fate `json:"fate,omitempty" jsonschema:"enum=deleted,enum=orphaned,enum=unsure"`
	// Why is the reason for the fate.
	Why string `json:"why,omitempty"`
	// Refused is why the change does not reach the cluster: the API server refuses the
	// object, or another one of its applier.
	Refused string `json:"refused,omitempty"`
	// Recreated is why the object is deleted and created again instead of changed.
	Recreated string `json:"recreated,omitempty"`
	// Replaces names the other half of a generated object whose name changed.
	Replaces *object.ID `json:"replaces,omitempty"`
	// Before is where it came from; left out when added.
	Before *ImpactSide `json:"before,omitempty"`
	// After is where it comes from; left out when removed.
	After *ImpactSide `json:"after,omitempty"`
	// Edits lead from before to after, with secret values redacted; empty when added or removed.
	Edits []object.Edit `json:"edits"`
}

// ImpactSide is where an object comes from, on the first of its clusters.
type ImpactSide struct {
	Owner object.Applier `json:"owner"`
	// Chain of appliers, outermost first; the last is the owner.
	Chain []object.Applier `json:"chain"`
	// Source that the owner reads.
	Source object.Source `json:"source"`
	// File from the source's root; empty when unknown.
	File string `json:"file,omitempty"`
}

// ImpactFailure is a failure after the change.
type ImpactFailure struct {
	render.Failure
	// New is true when it does not fail so before the change.
	New bool `json:"new"`
}

// WithheldDocument is an applier about whose objects nothing can be said, because
// one side does not know them.
type WithheldDocument struct {
	Cluster string         `json:"cluster"`
	Applier object.Applier `json:"applier"`
	// Before is its state before the change; empty when it does not exist.
	Before render.State `json:"before"`
	// After is its state after the change; empty when it does not exist.
	After render.State `json:"after"`
	// Objects known on the one side.
	Objects int    `json:"objects"`
	Why     string `json:"why"`
	// Under is the withheld applier because of which this one is; left out for none.
	Under *object.Applier `json:"under,omitempty"`
}

// WaitDocument is a change that lands on a cluster when a ref moves.
type WaitDocument struct {
	Cluster string `json:"cluster"`
	// Source with the revision that the cluster follows.
	Source   object.Source    `json:"source"`
	Appliers []object.Applier `json:"appliers"`
	// Files that changed and that the appliers read.
	Files []string `json:"files"`
}

// UnknownDocument is what is unresolved on one side only.
type UnknownDocument struct {
	render.Unresolved
	// Change is "added" when it is unresolved after, "removed" when before.
	Change impact.Kind `json:"change" jsonschema:"enum=added,enum=removed"`
}

// impactDocument is the document of a comparison.
func impactDocument(x *comparison, stat bool) *ImpactDocument {
	d := &ImpactDocument{SchemaVersion: impactSchema, Base: x.revision(x.base), Head: x.revision(x.head), Clusters: []ImpactCluster{}}
	for _, c := range x.report.Clusters {
		d.Clusters = append(d.Clusters, ImpactCluster{Name: c.Name, Counts: c.Counts, Withheld: len(c.Withheld), Appeared: c.Appeared, Gone: c.Gone})
	}
	if stat {
		return d
	}
	d.ImpactDetails = &ImpactDetails{
		Files: some(x.files), Groups: []ImpactGroup{}, Withheld: []WithheldDocument{}, Waits: []WaitDocument{},
		Failures: []ImpactFailure{}, Unresolved: []render.Unresolved{}, Unknown: []UnknownDocument{}, Unread: some(x.report.Unread),
		Notes: []NoteDocument{}, Coverage: coverage(x.rendered()), Stats: x.stats,
	}
	for _, g := range x.report.Groups {
		d.Groups = append(d.Groups, x.group(g))
	}
	for _, w := range x.report.Waits {
		d.Waits = append(d.Waits, WaitDocument{w.Cluster, w.Source, some(w.Appliers), some(w.Files)})
	}
	for _, c := range x.report.Clusters {
		for _, f := range c.Failures {
			d.Failures = append(d.Failures, ImpactFailure{f, x.isNew(f)})
		}
		d.Unresolved = append(d.Unresolved, c.Unresolved...)
		for _, u := range c.Unknown {
			d.Unknown = append(d.Unknown, UnknownDocument{u.Unresolved, u.Kind})
		}
		for _, w := range c.Withheld {
			doc := WithheldDocument{c.Name, w.Applier, w.Before, w.After, w.Objects, w.Why, nil}
			if w.Under != (object.Applier{}) {
				doc.Under = &w.Under
			}
			d.Withheld = append(d.Withheld, doc)
		}
		for _, n := range c.Notes {
			d.Notes = append(d.Notes, NoteDocument{c.Name, render.Note{Message: n}})
		}
	}
	return d
}

func (x *comparison) group(g *impact.Group) ImpactGroup {
	ch := g.First()
	return ImpactGroup{
		Kind: ch.Kind, ID: ch.ID, Clusters: slices.Clone(g.Clusters), Fate: ch.Fate, Why: ch.Why,
		Refused: ch.Refused, Recreated: ch.Recreated, Replaces: ch.Replaces,
		Before: impactSide(ch.Before, x.origins[0]), After: impactSide(ch.After, x.origins[1]), Edits: some(x.edits(ch)),
	}
}

func impactSide(o *object.Object, from *origins) *ImpactSide {
	if o == nil {
		return nil
	}
	return &ImpactSide{o.Origin.Owner(), some(o.Origin.Chain), o.Origin.Source, from.file(o)}
}

// edits are those of a change, fit to be shown.
func (x *comparison) edits(ch *impact.Change) []object.Edit {
	if len(ch.Edits) == 0 {
		return nil
	}
	return x.redact.Edits(ch.Before.Body(), ch.Edits, ch.After.Body())
}

// value is what an edit leads from or to, as one line of JSON or as the plain
// text of a string.
func value(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	data, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return string(data)
}

// Package part says what a change does to some clusters of a fleet, as one value that can be written down.
//
// It turns an [impact.Report] into a [Part]: everything that is found by looking at the two renders and the files, and nothing
// that is decided over the fleet as a whole, which impact/review does with one part or with several. Its
// invariants: a Part holds no secret, and the parts of a fleet say together what one part of all of it says. Start at [Of].
package part

import (
	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/impact/concern"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// SchemaVersion of the JSON form. Parts are read by the program that wrote them, in the same version.
const SchemaVersion = "bulkhead.dev/impact-part/v1"

// Part is what a change does to some clusters of a fleet: "bulkhead impact --shard".
type Part struct {
	// SchemaVersion is "bulkhead.dev/impact-part/v1".
	SchemaVersion string `json:"schemaVersion" jsonschema:"const=bulkhead.dev/impact-part/v1"`
	// Shard says which part of how many it is.
	Shard Shard `json:"shard"`
	// Comparison is the same in all parts of one comparison.
	Comparison Comparison `json:"comparison"`
	// Documents of the fleet that decide what may merge.
	Documents Documents `json:"documents"`
	// Clusters of both revisions, sorted by name, also those that do not change.
	Clusters []Cluster `json:"clusters"`
	// Changes of their objects. What is the same on several clusters is one.
	Changes []Change `json:"changes"`
	// Files of the commit, and whose they are as far as the clusters tell.
	Files []concern.File `json:"files"`
	// Strays are files that the clusters read and that look like those of a cluster of another part.
	Strays []string `json:"strays"`
	// Unread are changed files that no cluster of the part reads, before or after.
	Unread []string `json:"unread"`
	// Appliers found after the change.
	Appliers int `json:"appliers"`
	// Built is how many of them have known objects.
	Built int `json:"built"`
	// Failures that the controllers would report after the change.
	Failures int `json:"failures"`
	// Stats count the work of both renders.
	Stats render.Stats `json:"stats"`

	causes func(cluster string, id object.ID) []Cause
}

// Shard is one of several equal shares of a fleet. Zero is all of it.
type Shard struct {
	// Index from 1.
	Index int `json:"index"`
	// Of is how many there are.
	Of int `json:"of"`
}

// Comparison is what is compared, and how.
type Comparison struct {
	// Version of bulkhead.
	Version string `json:"version"`
	// Base is the revision before the change.
	Base Revision `json:"base"`
	// Head is the revision after it.
	Head Revision `json:"head"`
	// Options are a digest of the flags that say what is rendered.
	Options string `json:"options"`
	// Salt is a digest that is the same for parts whose marks of secrets can be compared. It says nothing else.
	Salt string `json:"salt"`
	// Files that differ between the two revisions, from the repository's root.
	Files []string `json:"files"`
	// Spokes are repositories of sources that change themselves.
	Spokes []Spoke `json:"spokes"`
}

// Documents are those of the fleet that decide what may merge.
type Documents struct {
	// Before are the gates before the change.
	Before []Gate `json:"gatesBefore"`
	// After are the gates after the change.
	After []Gate `json:"gatesAfter"`
	// Waivers after the change.
	Waivers []Waiver `json:"waivers"`
	// WaiversBefore are those before it.
	WaiversBefore []Waiver `json:"waiversBefore"`
	// LabelsBefore are the labels of the Cluster documents before the change, by name.
	LabelsBefore map[string]map[string]string `json:"labelsBefore,omitempty"`
}

// Gate is a gate and where it stands.
type Gate struct {
	v1alpha1.Gate
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

// Waiver is a waiver and where it stands.
type Waiver struct {
	v1alpha1.Waiver
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

// Cluster is what is found on one cluster, but for its changes.
type Cluster struct {
	Name string `json:"name"`
	// Environment it belongs to; "" for none.
	Environment string `json:"environment"`
	// Inferred is true when the environment was read off the name.
	Inferred bool `json:"inferred"`
	// Labels of its Cluster document.
	Labels map[string]string `json:"labels,omitempty"`
	// Appeared is true when it had no entry point before.
	Appeared bool `json:"appeared"`
	// Gone is true when it has no entry point after.
	Gone bool `json:"gone"`
	// Counts of changes, and of failures and what is unresolved after the change.
	Counts impact.Counts `json:"counts"`
	// Failures after the change.
	Failures []Failure `json:"failures"`
	// FailuresBefore are those that are there before the change only.
	FailuresBefore int `json:"failuresBefore"`
	// Unresolved after the change.
	Unresolved []render.Unresolved `json:"unresolved"`
	// UnresolvedBefore is what is unresolved before the change only.
	UnresolvedBefore int `json:"unresolvedBefore"`
	// Unknown is what is unresolved on one side only, and by no other applier on the other.
	Unknown []Unknown `json:"unknown"`
	// Withheld are appliers about whose objects nothing can be said.
	Withheld []Withheld `json:"withheld"`
	// Refused are appliers that the API server refuses from now on.
	Refused []object.Applier `json:"refused"`
	// Waits are changes that land when a ref moves.
	Waits []Wait `json:"waits"`
	// Notes are remarks about what the change leads to.
	Notes []string `json:"notes"`
	// Loose are the risks of the withheld appliers.
	Loose []LooseRisk `json:"loose"`
	// Whose are the appliers that the lists above name.
	Whose []WhoseApplier `json:"whose"`
}

// WhoseApplier is whose an applier is.
type WhoseApplier struct {
	Applier object.Applier `json:"applier"`
	concern.Whose
}

// Risk is a danger of a change.
type Risk struct {
	// Rule is the ID of a rule of the catalogue.
	Rule     string           `json:"rule"`
	Severity finding.Severity `json:"severity" jsonschema:"enum=error,enum=warning,enum=note"`
	Message  string           `json:"message"`
	Hint     string           `json:"hint,omitempty"`
	// Field of the object; empty for the whole.
	Field string `json:"field,omitempty"`
	// Clusters that it is on, sorted.
	Clusters []string `json:"clusters"`
}

// LooseRisk is a danger of a withheld applier.
type LooseRisk struct {
	Risk
	Applier object.Applier `json:"applier"`
}

// Change is one change to one object, the same on several clusters.
type Change struct {
	// Like is the same for the same change in every part: 32 hexadecimal digits.
	Like string `json:"like"`
	// Kind of the change.
	Kind impact.Kind `json:"kind" jsonschema:"enum=removed,enum=moved,enum=changed,enum=added"`
	ID   object.ID   `json:"id"`
	// Clusters, sorted. What follows is as on the first of them.
	Clusters []string `json:"clusters"`
	// Whose the object is.
	Whose concern.Whose `json:"whose"`
	// Risks of the change on all of the clusters.
	Risks []Risk `json:"risks"`
	// Causes are why it changes, the most direct first.
	Causes []Cause `json:"causes"`
	// Fate of a removed object; of a moved one, what its old owner may do to it.
	Fate impact.Fate `json:"fate,omitempty" jsonschema:"enum=deleted,enum=orphaned,enum=unsure"`
	// Why is the reason for the fate.
	Why string `json:"why,omitempty"`
	// Refused is why the change does not reach the cluster.
	Refused string `json:"refused,omitempty"`
	// Recreated is why the object is deleted and created again instead of changed.
	Recreated string `json:"recreated,omitempty"`
	// Replaces names the other half of a generated object whose name changed.
	Replaces *object.ID `json:"replaces,omitempty"`
	// Before is where it came from; left out when added.
	Before *Side `json:"before,omitempty"`
	// After is where it comes from; left out when removed.
	After *Side `json:"after,omitempty"`
	// Edits lead from before to after, with secret values redacted.
	Edits Edits `json:"edits"`
	// Diff is the difference as YAML.
	Diff Diff `json:"diff"`
}

// Causes are why an object changes on one cluster; false for a part that was read from JSON, which has those of the first
// cluster of each change only.
func (p *Part) Causes(cluster string, id object.ID) ([]Cause, bool) {
	if p.causes == nil {
		return nil, false
	}
	return p.causes(cluster, id), true
}

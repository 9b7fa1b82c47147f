// Package review makes of a comparison what a reviewer reads.
//
// It turns the parts of a comparison, one or several, into one [Review]: who is hit and where, why, how badly, and whether it
// may merge. Its invariant: a Review holds no secret, so that every format may print all of it,
// and everything that a format prints, so that no format adds anything of its own.
package review

import (
	"time"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/impact/part"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// SchemaVersion of the JSON form. A field may be added within a version; none changes its meaning or goes.
const SchemaVersion = "bulkhead.dev/impact/v1"

// Review is what a change does to a fleet, ready to be shown: "bulkhead impact -o json". With --stat
// it stops after the matrix.
type Review struct {
	// SchemaVersion is "bulkhead.dev/impact/v1".
	SchemaVersion string `json:"schemaVersion" jsonschema:"const=bulkhead.dev/impact/v1"`
	// Base is the revision before the change.
	Base Revision `json:"base"`
	// Head is the revision after it.
	Head Revision `json:"head"`
	// Only is the concern that the review is cut down to; left out for all.
	Only string `json:"only,omitempty"`
	// Verdict says whether the change may merge.
	Verdict Verdict `json:"verdict"`
	// Headlines are the sentences on top, most important first; never empty.
	Headlines []Headline `json:"headlines"`
	// Clusters of both revisions, sorted by environment, then name, also those that do not change.
	Clusters []Cluster `json:"clusters"`
	// Environments of the clusters, sorted: production last.
	Environments []Environment `json:"environments"`
	// Concerns that something changes of, the worst hit first.
	Concerns []Concern `json:"concerns"`
	// Matrix has a cell for each cluster and concern with changes, in the order of both lists.
	Matrix []Cell `json:"matrix"`
	*Details

	// causes of the change of an object on one cluster; nil for a review that was read from JSON.
	causes func(cluster string, id object.ID) []Cause
}

// What a review holds as it was found.
type (
	// Revision is [part.Revision].
	Revision = part.Revision
	// Spoke is [part.Spoke].
	Spoke = part.Spoke
	// Side is [part.Side].
	Side = part.Side
	// Cause is [part.Cause].
	Cause = part.Cause
	// Diff is [part.Diff].
	Diff = part.Diff
	// Line is [part.Line].
	Line = part.Line
	// Failure is [part.Failure].
	Failure = part.Failure
	// Withheld is [part.Withheld].
	Withheld = part.Withheld
	// Wait is [part.Wait].
	Wait = part.Wait
	// Unknown is [part.Unknown].
	Unknown = part.Unknown
)

// Details is what --stat leaves out.
type Details struct {
	// Files that differ between the two revisions, from the repository's root.
	Files []string `json:"files"`
	// Spokes are repositories of sources that change themselves.
	Spokes []Spoke `json:"spokes"`
	// Groups are equal changes of several clusters, worst first.
	Groups []Group `json:"groups"`
	// Gates of the fleet, failed ones first.
	Gates []Gate `json:"gates"`
	// Findings are all risks, failed gates, new failures and faults of waivers, worst first.
	Findings []finding.Finding `json:"findings"`
	// Rules of the findings, sorted by ID.
	Rules []finding.Rule `json:"rules"`
	// Withheld are appliers about whose objects nothing can be said.
	Withheld []Withheld `json:"withheld"`
	// Waits are changes that land when a ref moves.
	Waits []Wait `json:"waits"`
	// Failures after the change.
	Failures []Failure `json:"failures"`
	// Unresolved after the change.
	Unresolved []render.Unresolved `json:"unresolved"`
	// Unknown is what is unresolved on one side only.
	Unknown []Unknown `json:"unknown"`
	// Unread are changed files that no cluster reads, before or after.
	Unread []string `json:"unread"`
	// Notes are remarks about what the change leads to.
	Notes []Note `json:"notes"`
	// Coverage of the revision after the change.
	Coverage render.Coverage `json:"coverage"`
	// Stats count the work of both renders.
	Stats render.Stats `json:"stats"`
}

// State of a verdict or a gate.
type State string

// The states.
const (
	Passed State = "passed"
	Warned State = "warned" // what failed is a warning
	Failed State = "failed"
	Waived State = "waived" // of a gate: it would fail, but for waivers
	Broken State = "broken" // of a gate: its expression cannot be evaluated; counts as failed
)

// Verdict is the answer to "may it merge".
type Verdict struct {
	State State `json:"state" jsonschema:"enum=passed,enum=warned,enum=failed"`
	// Errors and Warnings are the open ones of the findings.
	Errors   int `json:"errors"`
	Warnings int `json:"warnings"`
	// Waived findings.
	Waived int `json:"waived"`
	// Reasons are the messages of the failed gates that State follows from: errors, or warnings when there are none.
	Reasons []string `json:"reasons"`
}

// Headline is one sentence on top of every format, without a full stop.
type Headline struct {
	// Severity is "" for a plain statement.
	Severity finding.Severity `json:"severity,omitempty" jsonschema:"enum=error,enum=warning,enum=note"`
	Text     string           `json:"text"`
}

// Cluster is one cluster and how many of its objects change. Failures and unresolved are those after
// the change.
type Cluster struct {
	Name string `json:"name"`
	// Environment it belongs to; "" for none.
	Environment string `json:"environment"`
	// Labels of its Cluster document.
	Labels map[string]string `json:"labels,omitempty"`
	impact.Counts
	// Withheld appliers on this cluster.
	Withheld int `json:"withheld"`
	// Appeared is true when it had no entry point before.
	Appeared bool `json:"appeared"`
	// Gone is true when it has no entry point after.
	Gone bool `json:"gone"`
	// Severity of the worst open risk; "" for none.
	Severity finding.Severity `json:"severity,omitempty" jsonschema:"enum=error,enum=warning,enum=note"`
	// Touched is true when there is anything to tell about it.
	Touched bool `json:"touched"`
}

// Environment is a column group of the matrix.
type Environment struct {
	// Name is "" for clusters without one.
	Name string `json:"name"`
	// Inferred is true when it was read off the clusters' names: they have no labels.
	Inferred bool     `json:"inferred"`
	Clusters []string `json:"clusters"`
	// Changed clusters of it.
	Changed int `json:"changed"`
}

// Concern is whose objects change.
type Concern struct {
	// Name is "platform", "tenant/NAME" or "cluster".
	Name string `json:"name"`
	impact.Counts
	Clusters []string         `json:"clusters"`
	Severity finding.Severity `json:"severity,omitempty" jsonschema:"enum=error,enum=warning,enum=note"`
}

// Cell is what changes of one concern on one cluster. Its failures and unresolved are always 0.
type Cell struct {
	Cluster string `json:"cluster"`
	Concern string `json:"concern"`
	impact.Counts
	// Severity of the worst open risk; "" for none.
	Severity finding.Severity `json:"severity,omitempty" jsonschema:"enum=error,enum=warning,enum=note"`
	// Risks that are open.
	Risks int `json:"risks"`
}

// Group is one change to one object, the same on several clusters.
type Group struct {
	// Key is the same for the same change in every run: 12 hexadecimal digits, an anchor.
	Key string `json:"key"`
	// Kind of the change.
	Kind impact.Kind `json:"kind" jsonschema:"enum=removed,enum=moved,enum=changed,enum=added"`
	ID   object.ID   `json:"id"`
	// Name is the shortest that tells it from the other objects of the review: "Deployment/ns/name".
	Name string `json:"name"`
	// Clusters, sorted.
	Clusters []string `json:"clusters"`
	// Environments of the clusters, in the order of the review's.
	Environments []string `json:"environments"`
	// Concern is whose it is: "platform", "tenant/NAME" or "cluster".
	Concern string `json:"concern"`
	// ConcernWhy says what tells so.
	ConcernWhy string `json:"concernWhy"`
	// Severity of the worst open risk; "" for none.
	Severity finding.Severity `json:"severity,omitempty" jsonschema:"enum=error,enum=warning,enum=note"`
	// Risks of the change, worst first. Clusters are all of the group's.
	Risks []finding.Finding `json:"risks"`
	// Causes are why it changes, the most direct first.
	Causes []Cause `json:"causes"`
	// Fate of a removed object; of a moved one, what its old owner may do to it.
	Fate impact.Fate `json:"fate,omitempty" jsonschema:"enum=deleted,enum=orphaned,enum=unsure"`
	// Why is the reason for the fate.
	Why string `json:"why,omitempty"`
	// Refused is why the change does not reach the cluster: the API server refuses the object, or another
	// one of its applier.
	Refused string `json:"refused,omitempty"`
	// Recreated is why the object is deleted and created again instead of changed.
	Recreated string `json:"recreated,omitempty"`
	// Replaces names the other half of a generated object whose name changed.
	Replaces *object.ID `json:"replaces,omitempty"`
	// Before is where it came from; left out when added.
	Before *Side `json:"before,omitempty"`
	// After is where it comes from; left out when removed.
	After *Side `json:"after,omitempty"`
	// Edits lead from before to after, with secret values redacted; empty when added or removed.
	Edits []object.Edit `json:"edits"`
	// Diff is the difference as YAML.
	Diff Diff `json:"diff"`
}

// Gate is a rule of the fleet and what it says of the change.
type Gate struct {
	Name     string           `json:"name"`
	Severity finding.Severity `json:"severity" jsonschema:"enum=error,enum=warning,enum=note"`
	State    State            `json:"state" jsonschema:"enum=passed,enum=failed,enum=waived,enum=broken"`
	// Message says what is wrong, in the words of the fleet; of a passed gate, what it asks for.
	Message string `json:"message"`
	// BuiltIn is true for a gate of bulkhead's own.
	BuiltIn bool `json:"builtIn"`
	// Expr is its CEL expression; "" for a gate of bulkhead's own.
	Expr string `json:"expr,omitempty"`
	// Evidence are a few lines that show why: objects, clusters, files.
	Evidence []string `json:"evidence"`
	// Waived is the waiver because of which it does not count.
	Waived *finding.Waived `json:"waived,omitempty"`
	// File and Line of the document that declares it; zero for one of bulkhead's own.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

// Note is a remark about a cluster.
type Note struct {
	Cluster string `json:"cluster"`
	render.Note
}

// Options of a review.
type Options struct {
	// Now decides which waivers have expired.
	Now time.Time
	// WaiversOfHead lets waivers count that come with the change; without, those do that are in both revisions.
	WaiversOfHead bool
	// Labels are what the author says of the change, for gates.
	Labels []string
	// Only cuts the review down to one concern: "platform", "tenant/NAME" or "cluster"; "" for all. The parts must have
	// been found with [part.Options.Owners].
	Only string
}

package impact

import (
	"slices"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// Report is what changes between two renders, before and after.
type Report struct {
	Clusters []*Cluster // of both sides, sorted by name
	Groups   []*Group   // equal changes, worst kind first, then by object
	Waits    []Wait     // what a commit will change only when a ref moves
	// Unread are the changed files that no cluster reads, neither before nor
	// after. Nil when Options did not name the changed files, and when an applier
	// is built from an ExternalArtifact, which may hold any of them.
	Unread []string
}

// Cluster is what changes on one cluster.
type Cluster struct {
	Name     string
	Appeared bool // it has no entry point before
	Gone     bool // it has no entry point after
	Counts   Counts
	Changes  []*Change  // sorted by kind, then object
	Withheld []Withheld // sorted by applier
	// Failures are those after the change, those first that the render has; then come
	// updates that the API server will refuse.
	Failures   []render.Failure
	Unresolved []render.Unresolved
	// Refused are the appliers that the API server refuses after the change and did not
	// before, sorted by text.
	Refused []object.Applier
	// Unknown is what is not known on one side and differs on the other: a remote
	// base with another version, a variable that is no longer in Git.
	Unknown []Unknown
	Notes   []string
}

// OneSided is what of Unknown is on one side of the cluster only: what one applier no longer needs and another one does
// from now on is no difference.
func (c *Cluster) OneSided() (out []Unknown) {
	for _, u := range c.Unknown {
		elsewhere := func(v Unknown) bool {
			return v.Kind != u.Kind && v.Unresolved.Kind == u.Unresolved.Kind && v.Subject == u.Subject && v.Reason == u.Reason
		}
		if !slices.ContainsFunc(c.Unknown, elsewhere) {
			out = append(out, u)
		}
	}
	return out
}

// Unknown is something unresolved that exists on one side only.
type Unknown struct {
	render.Unresolved
	Kind Kind // Added or Removed
}

// Counts of one cluster. Failures and Unresolved are those after the change.
type Counts struct {
	Added      int `json:"added"`
	Changed    int `json:"changed"`
	Removed    int `json:"removed"`
	Moved      int `json:"moved"`
	Failures   int `json:"failures"`
	Unresolved int `json:"unresolved"`
}

// Total is the number of changes.
func (c Counts) Total() int { return c.Added + c.Changed + c.Removed + c.Moved }

// Kind says what happens to an object.
type Kind string

// The kinds of changes, worst first.
const (
	Removed Kind = "removed" // no longer rendered; Fate says what becomes of it
	Moved   Kind = "moved"   // another applier owns it
	Changed Kind = "changed"
	Added   Kind = "added"
)

// Kinds lists the kinds, worst first.
func Kinds() []Kind { return []Kind{Removed, Moved, Changed, Added} }

// Fate is what the garbage collector does with an object that is no longer
// rendered by its applier.
type Fate string

// The fates.
const (
	Deleted  Fate = "deleted"  // by prune, by a finalizer or with its namespace
	Orphaned Fate = "orphaned" // it stays in the cluster, and nobody looks after it
	Unsure   Fate = "unsure"   // it depends on what only the cluster knows
)

// Change is what happens to one object on one cluster.
type Change struct {
	Cluster string
	Kind    Kind
	ID      object.ID
	Before  *object.Object // nil when added
	After   *object.Object // nil when removed
	// Edits lead from Before to After; for a moved object without the labels
	// that name its owner. Nil when added or removed.
	Edits []object.Edit
	Fate  Fate   // of a removed object; for a moved one, what its old owner may do
	Why   string // the reason for Fate
	// Refused is why the change does not reach the cluster: the API server refuses
	// this object, or another one that its applier applies before it or together
	// with it. It is "" when nothing is known against it, and for a removed object, whose
	// Fate tells.
	Refused string
	// Recreated is why the object is deleted and created again instead of changed:
	// the API server refuses the change, and force is on. It is "" otherwise.
	Recreated string
	// Replaces is the removed object whose place an added one takes, and of a
	// removed one the object that takes its place: generators put a hash of
	// the content into the name.
	Replaces *object.ID
}

// Owner is the applier that owns the object after the change, or did before.
func (c *Change) Owner() object.Applier {
	if c.After != nil {
		return c.After.Origin.Owner()
	}
	return c.Before.Origin.Owner()
}

// Group is one change that is the same on several clusters.
type Group struct {
	Clusters []string // sorted
	Changes  []*Change
}

// First is the change on the first cluster; the others are equal.
func (g *Group) First() *Change { return g.Changes[0] }

// Withheld is an applier about whose objects nothing can be said, because one
// side does not know them.
type Withheld struct {
	Applier object.Applier
	Before  render.State // "" when it does not exist
	After   render.State
	Objects int // known on the one side
	Why     string
	// Under is the applier in the same list because of which this one is, or zero.
	Under object.Applier
}

// Wait is what a commit changes on a cluster only when a ref moves.
type Wait struct {
	Cluster  string
	Source   object.Source // the revision that the cluster follows
	Appliers []object.Applier
	Files    []string // changed files that they read
}

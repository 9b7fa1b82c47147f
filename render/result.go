package render

import (
	"cmp"
	"slices"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// Result is what Flux would apply on every cluster of a fleet.
type Result struct {
	Clusters []*Cluster // sorted by name
	Notes    []Note     // about the fleet as a whole, in a stable order
	Stats    Stats
}

// Cluster is one cluster: what is applied to it, and by whom.
type Cluster struct {
	Name   string
	Labels map[string]string // of its Cluster document; nil without one
	Entry  *Entry            // nil for a cluster known only as the target of a kubeConfig
	// Appliers that write to this cluster, sorted by kind, namespace, name.
	Appliers []*Applier
	// Objects that are applied, one per ID. Objects of suspended appliers are in
	// their applier's Held only.
	Objects    object.Set
	Failures   []Failure    // sorted by applier, then message
	Unresolved []Unresolved // sorted by applier, then subject
	Conflicts  []Conflict   // sorted by ID
	Notes      []Note
	Profile    Profile
}

// State says how far an applier could be evaluated.
type State string

// The states of an applier.
const (
	Built      State = "Built"      // its objects are known
	Failed     State = "Failed"     // the controller would fail on it, and prune nothing
	Incomplete State = "Unresolved" // offline it cannot be known
	Suspended  State = "Suspended"  // the controller would leave it alone
)

// Applier is an object that makes a controller write to a cluster.
type Applier struct {
	object.Applier
	Home   string // cluster that holds the applier object
	Target string // cluster it writes to; differs from Home with spec.kubeConfig
	State  State
	// Chain of the appliers that created this one, outermost first, without itself.
	Chain  []object.Applier
	Source object.Source // what it is built from; zero when unknown
	Path   string        // slash path of its folder, from the source's root
	Root   string        // cluster whose entry point led here
	// Own is true when the source is the repository under review; its root is
	// then the folder Prefix of that repository, "." but for repositories that
	// hold several others as folders.
	Own    bool
	Prefix string
	// Pinned is true when the source follows another ref of the repository under
	// review, so that a commit there changes nothing until the ref moves.
	Pinned bool

	Prune              bool
	DeletionPolicy     string // MirrorPrune, Delete, WaitForTermination or Orphan
	Force              bool
	ServiceAccountName string
	DependsOn          []object.Applier

	// Refused is true when the API server would refuse one of the objects: then
	// the controller applies those of the stages before RefusedStage at most, and
	// prunes nothing. It is false when that depends on what Git does not say.
	Refused      bool
	RefusedStage Stage // the first stage that is refused; zero unless Refused

	Objects []*object.Object // in apply order of the build; nil unless Built
	Held    []*object.Object // what a suspended applier would apply when resumed

	reads tree.Trace
	build *build
	items []int // for each of the objects, or held ones, its place in build
}

// Reads are the files and folders of the applier's source that its build asked
// for, also those that were not there. Paths are from the source's root.
func (a *Applier) Reads() tree.Trace { return a.reads }

// File is the slash path of the file, from the root of the applier's source, that
// its i-th object (or held object) comes from: the resource's own file, or the
// kustomization file of a generator. It is "" when that is not known. The first
// call costs one more build; equal appliers share it.
func (a *Applier) File(i int) string {
	if a.build == nil || i < 0 || i >= len(a.items) {
		return ""
	}
	return fileOf(a.build, a.items[i])
}

// Failure is something the controller would refuse.
type Failure struct {
	Cluster string         `json:"cluster"`
	Applier object.Applier `json:"applier"`
	Stage   string         `json:"stage"` // source, build, substitute, apply, dependsOn
	File    string         `json:"file,omitempty"`
	Message string         `json:"message"`
	Hint    string         `json:"hint,omitempty"`
}

// Unresolved is something that cannot be known offline.
type Unresolved struct {
	Cluster string         `json:"cluster"`
	Applier object.Applier `json:"applier"`
	Kind    string         `json:"kind"`    // source, remote, variable, encrypted, helm, ...: see the Unresolved* constants
	Subject string         `json:"subject"` // the URL, variable or object in question
	Reason  string         `json:"reason"`
	Hint    string         `json:"hint,omitempty"`
}

// The kinds of [Unresolved].
const (
	UnresolvedSource    = "source"    // the applier's source is not at hand
	UnresolvedRemote    = "remote"    // a remote base or file of a kustomization
	UnresolvedVariable  = "variable"  // a variable of substituteFrom that is not in Git
	UnresolvedEncrypted = "encrypted" // SOPS ciphertext
	UnresolvedApplier   = "applier"   // a kind of applier that is not rendered
	UnresolvedPath      = "path"      // the path holds an unknown variable
)

// Conflict is an object that two appliers own: both apply it, and when one
// drops it, it deletes what the other applied.
type Conflict struct {
	ID     object.ID
	Owners []object.Applier // sorted
}

// Note is a remark that changes no result.
type Note struct {
	Subject string `json:"subject"`
	Message string `json:"message"`
}

// Stats counts the work done. Shared and Reused builds cost nothing.
type Stats struct {
	Builds        int `json:"builds"`        // asked for
	BuildsRun     int `json:"buildsRun"`     // run
	Substitutions int `json:"substitutions"` // asked for, one per object with variables
	Substituted   int `json:"substituted"`   // run
	Rounds        int `json:"rounds"`        // until nothing changed
}

// Counts of one cluster, as every output shows them.
type Counts struct {
	Appliers   int `json:"appliers"`
	Built      int `json:"built"`
	Objects    int `json:"objects"`
	Failures   int `json:"failures"`
	Unresolved int `json:"unresolved"`
}

// Counts sums up c.
func (c *Cluster) Counts() Counts {
	n := Counts{Appliers: len(c.Appliers), Objects: c.Objects.Len(), Failures: len(c.Failures), Unresolved: len(c.Unresolved)}
	for _, a := range c.Appliers {
		if a.State == Built || a.State == Suspended {
			n.Built++
		}
	}
	return n
}

// Cluster returns the cluster with that name, or nil.
func (r *Result) Cluster(name string) *Cluster {
	i, ok := slices.BinarySearchFunc(r.Clusters, name, func(c *Cluster, n string) int { return cmp.Compare(c.Name, n) })
	if !ok {
		return nil
	}
	return r.Clusters[i]
}

// Applier returns the applier of c with that identity, or nil.
func (c *Cluster) Applier(id object.Applier) *Applier {
	for _, a := range c.Appliers {
		if a.Applier == id {
			return a
		}
	}
	return nil
}

// Complete reports whether nothing is failed or unresolved on any cluster.
func (r *Result) Complete() bool {
	return !slices.ContainsFunc(r.Clusters, func(c *Cluster) bool { return len(c.Failures)+len(c.Unresolved) > 0 })
}

func compareAppliers(a, b object.Applier) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

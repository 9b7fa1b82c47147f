package render

import (
	"cmp"
	"maps"
	"slices"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// Result is what Flux would apply on every cluster of a fleet.
type Result struct {
	Clusters []*Cluster // sorted by name
	Entries  []*Entry   // where clusters start, also those that [Options] skips, sorted by cluster
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
	// Recalled is set when the cluster is the same in [Options.Beside], and what an earlier run found on it
	// stands for it. Then there are no objects, and of the appliers only those that it starts with, without
	// reads: those of all are here.
	Recalled *Recalled

	footing *footing // nil: the next revision cannot go on from here
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

	// Release is what a HelmRelease makes of its chart; nil for other kinds.
	Release *Release

	Objects []*object.Object // in apply order of the build; nil unless Built
	Held    []*object.Object // what a suspended applier would apply when resumed

	chart *packed                // of a HelmRelease
	spec  sourcev1.HelmChartSpec // of the HelmChart that chart is of
	reads tree.Trace
	build *build
	again func() *build // build, when it was made in an earlier run
	spent string        // the key of that build's spec
	// opened is what a Kustomization's source held, and sourceRef which one that is.
	opened    *opened
	sourceRef kustomizev1.CrossNamespaceSourceReference
	feeds     func() map[string]bool      // the files that such an artifact is put together of
	from      func(string) (string, bool) // where a file of an artifact that is put together is from
	items     []int                       // for each of the objects, or held ones, its place in build
}

// Release is a Helm release: what of it is not among its applier's objects, and what
// decides when helm-controller installs, upgrades or uninstalls it.
type Release struct {
	Name, Namespace  string // of the Helm release
	StorageNamespace string // of the Secrets that Helm keeps it in
	Chart, Version   string // as in the label helm.sh/chart; "" when the chart is not known

	// InstallCRDs and UpgradeCRDs say what becomes of CRDs: Skip, Create or CreateReplace.
	InstallCRDs, UpgradeCRDs string
	// UpdatesCRDs is true when an upgrade changes CRDs that are there. With Create it
	// does, too, unless server-side apply is off.
	UpdatesCRDs bool
	// RenamesChart is true when a chart of another name is an upgrade, not a new installation.
	RenamesChart bool

	// Stale is true when the chart's folder has other files than before, under the same
	// version: source-controller goes on with the package that it has.
	Stale bool

	// Trigger is the same on two revisions when the controller would not upgrade:
	// of chart name and version, values, post-renderers and common metadata.
	Trigger string

	// Extra are those of the applier's objects that Helm makes when they are missing and
	// never deletes: the CRDs of crds/ folders, and the namespace of createNamespace.
	Extra map[object.ID]bool
	// Defaulted are those to which Helm gave the release's namespace.
	Defaulted map[object.ID]bool
	Hooks     []*object.Object // run by Helm at their time, no part of the release
	// Unknowable names the functions that give an object's content by chance, time or
	// what is live in the cluster. Here they give the same value on every render.
	Unknowable map[object.ID][]string
}

// Reads are the files and folders of the applier's source that its build asked
// for, also those that were not there. Paths are from the source's root.
func (a *Applier) Reads() tree.Trace { return a.reads }

// Holds reports whether a file of the repository under review is in the artifact that the
// applier's source puts together of several, be it read or not; false for other sources.
func (a *Applier) Holds(file string) bool { return a.feeds != nil && a.feeds()[file] }

// Tree is the source of a Kustomization at the revision that it follows; nil when it is not at hand, and for other kinds.
func (a *Applier) Tree() *tree.Tree {
	if a.opened == nil {
		return nil
	}
	return a.opened.tree
}

// File is the slash path of the file, from the root of the applier's source, that
// its i-th object (or held object) comes from: the resource's own file, or the
// kustomization file of a generator. It is "" when that is not known. The first
// call costs one more build; equal appliers share it.
func (a *Applier) File(i int) string {
	if i < 0 || i >= len(a.items) {
		return ""
	}
	b := a.build
	if b == nil && a.again != nil {
		b = a.again()
	}
	if b == nil || a.items[i] >= len(b.items) {
		return ""
	}
	file := fileOf(b, a.items[i])
	if a.from != nil && file != "" {
		if p, ok := a.from(file); ok {
			return p
		}
	}
	return file
}

// Failure is something the controller would refuse.
type Failure struct {
	Cluster string         `json:"cluster"`
	Applier object.Applier `json:"applier"`
	Stage   string         `json:"stage"` // source, build, substitute, chart, values, template, postrender, apply, dependsOn
	File    string         `json:"file,omitempty"`
	Line    int            `json:"line,omitempty"` // of the file, from 1; 0 when it is not known
	Message string         `json:"message"`
	Hint    string         `json:"hint,omitempty"`
}

// Unresolved is something that cannot be known offline.
type Unresolved struct {
	Cluster string         `json:"cluster"`
	Applier object.Applier `json:"applier"`
	Kind    string         `json:"kind"`    // source, remote, variable, encrypted, chart, ...: see the Unresolved* constants
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
	UnresolvedPath      = "path"      // the path holds an unknown variable
	UnresolvedChart     = "chart"     // the chart of a HelmRelease, or one that it depends on
	UnresolvedValues    = "values"    // values of a HelmRelease that are not in Git
	UnresolvedInput     = "input"     // inputs of a ResourceSet that are not in Git
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
	Evaluations    int `json:"evaluations"`    // of appliers, asked for
	EvaluationsRun int `json:"evaluationsRun"` // run: the others were found to hold

	Builds        int `json:"builds"`        // asked for
	BuildsRun     int `json:"buildsRun"`     // run
	BuildsReused  int `json:"buildsReused"`  // those of other revisions and runs; the rest are shared by appliers of this one
	Substitutions int `json:"substitutions"` // asked for, one per object with variables
	Substituted   int `json:"substituted"`   // run
	Releases      int `json:"releases"`      // of charts, asked for
	ReleasesRun   int `json:"releasesRun"`   // rendered
	Rounds        int `json:"rounds"`        // until nothing changed
}

// Unknowable names, for objects of releases, the functions that give their content by
// chance, time or what is live in the cluster.
func (c *Cluster) Unknowable() map[object.ID][]string {
	all := map[object.ID][]string{}
	for _, a := range c.Appliers {
		if a.Release != nil {
			maps.Copy(all, a.Release.Unknowable)
		}
	}
	return all
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
	if c.Recalled != nil {
		return c.Recalled.Counts
	}
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

// Has reports whether there is a cluster of that name, also one that [Options] skips.
func (r *Result) Has(name string) bool {
	return r.Cluster(name) != nil || slices.ContainsFunc(r.Entries, func(e *Entry) bool { return e.Cluster == name })
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

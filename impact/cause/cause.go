// Package cause says why an object changes: which files of the commit do it, and on which way.
//
// It turns a change of an [impact.Report] into causes: a file, the kustomizations between it and the
// applier that reads it, and the objects that changed on the way. Its invariant: a cause is one of the files
// that differ, and a build that the change comes out of read it, or it is declared by one that did. Start at [New].
package cause

import (
	"cmp"
	"slices"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// Bounds on what is told of one change.
const (
	MaxCauses = 10 // of one change
	MaxSteps  = 12 // of one cause
)

// Options of the search.
type Options struct {
	// Files that differ between the two trees, as slash paths from the repository's root.
	Files []string
	// Before and After are both revisions of the repository under review; nil is an empty one.
	Before, After *tree.Tree
	// URL is the source whose repository Files, Before and After are of, as its Flux object spells
	// it: another one than that under review, which changes itself. "" for the one under review.
	URL string
}

// Cause is one way from the commit to an object.
type Cause struct {
	File string // that differs, from the repository's root
	// Via are the steps from the file to the cluster.
	Via []Step
	// Direct is true when the object, or what it is generated from, is in the file.
	Direct bool
}

// Step is one step of a [Cause].
type Step struct {
	// Kind is "kustomization", "object", "source", "applier" or "cluster".
	Kind string
	// Text is the path of a kustomization file from the repository's root, KIND/NAMESPACE/NAME of an object,
	// or a cluster's name.
	Text string
}

// The kinds of steps.
const (
	stepKustomization = "kustomization"
	stepObject        = "object" // that changed, too
	stepSource        = "source" // that changed, too
	stepApplier       = "applier"
	stepCluster       = "cluster"
)

// strength is how sure it is that a file changes an object.
type strength int

const (
	unlikely strength = iota // nothing speaks for it
	possible                 // it is read by the same build
	likely                   // it is on the object's way
	sure                     // it names what changed
)

// candidate is a file that may be a cause.
type candidate struct {
	file   string
	via    []Step // up to the applier
	rank   int    // how direct: 0 is the object's own file
	sure   strength
	direct bool
}

// The ranks of candidates.
const (
	rankOwn = iota
	rankPatch
	rankKustomization
	rankOther // on the way: transformers, chart files
	rankApplier
	rankValues
	rankSource
	rankDeclared
	rankRead // the build read it, and no more is known
)

// Finder finds the causes of changes. It remembers what it found out, and is not for concurrent use.
type Finder struct {
	before, after *side
	changed       map[string]bool
	files         []string // sorted
	url           string   // [render.RepositoryName] of the source that they are of; "" for the repository under review
	changes       map[place]*impact.Change
	found         map[*impact.Change][]candidate
	running       map[*impact.Change]bool
	cut           int // how often a search came back to where it is running
	diffs         map[string]*kustomizationDiff
	docs          map[docKey]docDiff
	declaredIn    map[string][]string
}

// place is where an object is.
type place struct {
	cluster string
	id      object.ID
}

// New prepares the search for the changes of report, which compares before and after. Nothing is
// parsed yet.
func New(before, after *render.Result, report *impact.Report, o Options) *Finder {
	f := &Finder{
		changed: map[string]bool{}, changes: map[place]*impact.Change{}, found: map[*impact.Change][]candidate{},
		running: map[*impact.Change]bool{}, diffs: map[string]*kustomizationDiff{}, docs: map[docKey]docDiff{}, url: render.RepositoryName(o.URL),
	}
	for _, file := range o.Files {
		f.changed[file] = true
	}
	f.files = slices.Compact(slices.Sorted(slices.Values(o.Files)))
	f.before, f.after = newSide(before, o.Before), newSide(after, o.After)
	if report != nil {
		for _, c := range report.Clusters {
			for _, ch := range c.Changes {
				f.changes[place{c.Name, ch.ID}] = ch
			}
		}
	}
	return f
}

// Of gives the causes of a change, the most direct first, at most [MaxCauses] of at most [MaxSteps]
// steps. It is nil when the files that differ do not explain the change: it may come from another
// repository, or from a ref that moved.
func (f *Finder) Of(ch *impact.Change) []Cause {
	if ch == nil || len(f.changed) == 0 {
		return nil
	}
	var out []Cause
	for _, c := range f.trace(ch) {
		via := append(slices.Clone(c.via), Step{stepCluster, ch.Cluster})
		out = append(out, Cause{File: c.file, Via: shorten(via), Direct: c.direct})
	}
	return out
}

// shorten leaves out kustomizations in the middle of a long way.
func shorten(via []Step) []Step {
	if len(via) <= MaxSteps {
		return via
	}
	half := MaxSteps / 2
	out := slices.Clone(via[:half-1])
	out = append(out, Step{stepKustomization, "..."})
	return append(out, via[len(via)-half:]...)
}

// ours reports whether an applier is built from the repository that the files are of.
func (f *Finder) ours(a *render.Applier) bool {
	if f.url != "" {
		return !a.Own && render.RepositoryName(a.Source.URL) == f.url
	}
	return a.Own && !a.Pinned
}

// trace is Of without the cluster. A search that comes back to a change which it is looking
// into gives nothing for it; what was found meanwhile is not kept, so that the answer for a change does not
// depend on what was asked before.
func (f *Finder) trace(ch *impact.Change) []candidate {
	if got, ok := f.found[ch]; ok {
		return got
	}
	if f.running[ch] || len(f.running) > maxDepth {
		f.cut++
		return nil
	}
	f.running[ch] = true
	cuts := f.cut
	got := f.search(ch)
	delete(f.running, ch)
	if f.cut == cuts || len(f.running) == 0 {
		f.found[ch] = got
	}
	return got
}

// maxDepth bounds how many changed objects a way may lead through.
const maxDepth = 6

func (f *Finder) search(ch *impact.Change) []candidate {
	s := f.subject(ch)
	own, covered := f.own(s)
	if covered {
		return pick(own, nil)
	}
	all := append(f.onTheWay(s), f.upstream(s)...)
	all = append(all, f.fromDocuments(s)...)
	if len(own) == 0 {
		all = append(all, f.read(s)...)
	}
	return pick(own, all)
}

// pick keeps what is most sure, with own, which is: one candidate for each file, the most direct
// first. The rest of what own does not explain is by what is on the way.
func pick(own, others []candidate) []candidate {
	best := possible
	if len(own) > 0 {
		best = likely
	}
	for i := range others {
		best = max(best, others[i].sure)
	}
	all := slices.Clone(own)
	for _, c := range others {
		if c.sure >= best {
			all = append(all, c)
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(len(a.via), len(b.via)), cmp.Compare(a.file, b.file), slices.CompareFunc(a.via, b.via, compareSteps))
	})
	seen := map[string]bool{}
	all = slices.DeleteFunc(all, func(c candidate) bool {
		twice := seen[c.file]
		seen[c.file] = true
		return twice
	})
	return all[:min(len(all), MaxCauses)]
}

func compareSteps(a, b Step) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Text, b.Text))
}

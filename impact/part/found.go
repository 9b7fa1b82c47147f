package part

import (
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// Revision is one side of the comparison.
type Revision struct {
	// Name is the revision as the user named it; empty for the files on disk.
	Name string `json:"name,omitempty"`
	// Commit is its hash, 40 hexadecimal digits; empty for the files on disk.
	Commit string `json:"commit,omitempty"`
	// MergeBase is true when the name is a branch and the commit is where HEAD left it.
	MergeBase bool `json:"mergeBase,omitempty"`
	// Branch that the files stand for; empty when they stand for every branch.
	Branch string `json:"branch,omitempty"`
	// Label is how people call it: "main (merge base)", "the files on disk".
	Label string `json:"label"`
}

// Spoke is the repository of a source that changes itself: a tenant's own pull request.
type Spoke struct {
	// URL of the source.
	URL  string   `json:"url"`
	Base Revision `json:"base"`
	Head Revision `json:"head"`
	// Files that differ, from its root.
	Files []string `json:"files"`

	// Before and After are its trees.
	Before *tree.Tree `json:"-"`
	After  *tree.Tree `json:"-"`
}

// Side is where an object comes from, on the first of its clusters.
type Side struct {
	Owner object.Applier `json:"owner"`
	// Chain of appliers, outermost first; the last is the owner.
	Chain []object.Applier `json:"chain"`
	// Source that the owner reads.
	Source object.Source `json:"source"`
	// File from the source's root; empty when unknown.
	File string `json:"file,omitempty"`
}

// Cause is one way from the commit to an object, on the first of its clusters.
type Cause struct {
	// Source is the URL of the spoke that the file is of; left out for the repository under review.
	Source string `json:"source,omitempty"`
	// File of the commit, from the repository's root.
	File string `json:"file"`
	// Via are the steps from the file to the cluster: kustomization files, objects that changed
	// on the way, the applier, the cluster; each as people call it.
	Via []string `json:"via"`
}

// Name is how people call the file: "apps/web.yaml", of a spoke "URL: deploy/web.yaml".
func (c *Cause) Name() string {
	if c.Source != "" {
		return c.Source + ": " + c.File
	}
	return c.File
}

// Diff is a unified difference of two YAML texts without secrets.
type Diff struct {
	// Lines, with three unchanged ones around what differs.
	Lines []Line `json:"lines"`
	// Omitted is how many more lines there are that are not in Lines.
	Omitted int `json:"omitted,omitempty"`
	// Summary stands for the difference of what is too large to be compared line by line:
	// "52,428,800 bytes -> 52,428,801 bytes".
	Summary string `json:"summary,omitempty"`
}

// Line of a difference.
type Line struct {
	// Op is " " for a line of both sides, "-", "+", or "@" in the place of lines left out.
	Op string `json:"op" jsonschema:"enum= ,enum=-,enum=+,enum=@"`
	// Before and After are the numbers of the line on both sides, from 1; 0 on a side without it.
	Before int    `json:"before,omitempty"`
	After  int    `json:"after,omitempty"`
	Text   string `json:"text"`
}

// Failure is a failure after the change.
type Failure struct {
	render.Failure
	// New is true when it does not fail so before the change.
	New bool `json:"new"`
}

// Withheld is an applier about whose objects nothing can be said, because one side does not know them.
type Withheld struct {
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

// Wait is a change that lands on a cluster when a ref moves.
type Wait struct {
	Cluster string `json:"cluster"`
	// Source with the revision that the cluster follows.
	Source   object.Source    `json:"source"`
	Appliers []object.Applier `json:"appliers"`
	// Files that changed and that the appliers read.
	Files []string `json:"files"`
}

// Unknown is what is unresolved on one side only.
type Unknown struct {
	render.Unresolved
	// Change is "added" when it is unresolved after, "removed" when before.
	Change impact.Kind `json:"change" jsonschema:"enum=added,enum=removed"`
}

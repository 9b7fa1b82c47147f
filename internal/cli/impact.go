package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// impactOptions are the flags of impact.
type impactOptions struct {
	fleetOptions
	stat       bool
	base, head string // revisions; "" for the merge base, and for the files on disk
}

func newImpactCmd(s *streams) *cobra.Command {
	var o impactOptions
	c := &cobra.Command{
		Use:   "impact [BASE [HEAD]]",
		Short: "What a change does, per cluster",
		Long: `Compares what Flux would apply before and after a change, object by object, on every cluster.

Without arguments: from where HEAD left the default branch to the files on disk, uncommitted
changes and new files included. With BASE: from there to the files on disk. With BASE and HEAD:
from the one commit to the other.

A change is no error: the exit code is 0 whether clusters change or not.`,
		Example: `  bulkhead impact                            # this branch, as it is on disk
  bulkhead impact HEAD~1 HEAD                # the last commit
  bulkhead impact origin/main --stat         # the table alone
  bulkhead impact v1.4.0 v1.5.0 -o json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 2 {
				return usage(fmt.Sprintf("impact takes two revisions at most, not %d arguments", len(args)), "bulkhead impact --help shows the forms")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.base = args[0]
			}
			if len(args) > 1 {
				o.head = args[1]
			}
			return runImpact(cmd.Context(), &o, s)
		},
	}
	o.bind(c, "text", "json")
	c.Flags().BoolVar(&o.stat, "stat", false, "print just the table; with -o json just the clusters")
	return withCodes(c)
}

func runImpact(ctx context.Context, o *impactOptions, s *streams) error {
	f, err := o.open(s)
	if err != nil {
		return err
	}
	defer f.close()
	x, err := f.compare(ctx, o.base, o.head)
	if err != nil {
		return err
	}
	f.tellStats()
	if o.format == "json" {
		err = s.json(impactDocument(x, o.stat))
	} else {
		s.impact(x, o.stat)
	}
	if failures, unresolved := x.incomplete(); err == nil && o.strict && failures+unresolved > 0 {
		return incomplete(failures, unresolved)
	}
	return err
}

// comparison is two revisions and what is between them.
type comparison struct {
	base, head    *snapshot
	before, after *render.Result // nil for a revision without clusters
	branch        string
	files         []string // that differ
	report        *impact.Report
	redact        *object.Redactor
	origins       [2]*origins // of the objects before and after
	stats         render.Stats
}

// compare renders two revisions, the second with the builds of the first.
func (f *fleet) compare(ctx context.Context, base, head string) (*comparison, error) {
	f.twoSided = true
	x := &comparison{redact: newRedactor()}
	var err error
	if x.base, err = f.base(ctx, base); err != nil {
		return nil, err
	}
	if x.head, err = f.workspace.at(ctx, head); err != nil {
		return nil, err
	}
	if err := f.reach(x.base.tree); err != nil {
		return nil, err
	}
	if f.render.Sources, err = f.opts.mapped(ctx, f.workspace, x.head.tree); err != nil {
		return nil, err
	}
	none := func(err error) bool { return errors.Is(err, render.ErrNoClusters) }
	before, errBefore := f.first(ctx, x.base, base)
	if errBefore != nil && !none(errBefore) {
		return nil, fmt.Errorf("in %s: %w", x.base.label(), errBefore)
	}
	after, errAfter := f.at(ctx, x.head, before)
	if errAfter != nil && !none(errAfter) || errAfter != nil && errBefore != nil {
		return nil, fmt.Errorf("in %s: %w", x.head.label(), errAfter)
	}
	if err := f.knowsVariables(before, after); err != nil {
		return nil, err
	}
	x.before, x.after, x.branch, x.stats = before, after, f.branch, f.stats
	x.origins = [2]*origins{newOrigins(before), newOrigins(after)}
	if x.files, err = changedFiles(x.base.tree, x.head.tree); err != nil {
		return nil, fmt.Errorf("compare the files: %w", err)
	}
	x.report = impact.Between(before, after, impact.Options{Files: x.files})
	if after != nil {
		f.tellNotes(after)
	}
	return x, nil
}

// knowsVariables refuses variables for a cluster that neither side has.
func (f *fleet) knowsVariables(sides ...*render.Result) error {
	known := map[string]bool{}
	for _, r := range sides {
		if r != nil {
			for _, c := range r.Clusters {
				known[c.Name] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.render.Variables)) {
		if !known[name] {
			return usage("a --var is for cluster "+quote(name)+", which does not exist", near(name, sortedNames(known)))
		}
	}
	return nil
}

// base is the revision before the change: the one named, else where HEAD left
// the default branch.
func (f *fleet) base(ctx context.Context, rev string) (*snapshot, error) {
	if f.repo == nil {
		return nil, hinted(fmt.Errorf("%s is not a Git repository, and impact compares two revisions", f.dir), "run it in a clone, or name one: -C DIR")
	}
	if rev != "" {
		return f.workspace.at(ctx, rev)
	}
	branch, ok := f.repo.DefaultBranch()
	if f.opts.branch != "" {
		branch, ok = f.opts.branch, true
	}
	if !ok {
		return nil, usage("the repository has no default branch to compare with", "name a revision: bulkhead impact BASE")
	}
	c, err := f.repo.MergeBase(ctx, branch, "HEAD")
	if err != nil {
		return nil, err
	}
	return &snapshot{tree: c.Tree, rev: branch, fork: true, commit: c.Hash}, nil
}

func (x *comparison) revision(s *snapshot) RevisionDocument {
	return RevisionDocument{Name: s.rev, Commit: s.commit, MergeBase: s.fork, Branch: x.branch}
}

// rendered are the clusters after the change.
func (x *comparison) rendered() []*render.Cluster {
	if x.after == nil {
		return nil
	}
	return x.after.Clusters
}

// incomplete counts what is failed or unresolved after the change, and before it
// where that is something else.
func (x *comparison) incomplete() (failures, unresolved int) {
	for _, c := range x.report.Clusters {
		failures += len(c.Failures)
		unresolved += len(c.Unresolved)
	}
	if x.before == nil {
		return failures, unresolved
	}
	for _, c := range x.before.Clusters {
		var now *render.Cluster
		if x.after != nil {
			now = x.after.Cluster(c.Name)
		}
		for _, f := range c.Failures {
			if now == nil || !slices.Contains(now.Failures, f) {
				failures++
			}
		}
		for _, u := range c.Unresolved {
			if now == nil || !slices.Contains(now.Unresolved, u) {
				unresolved++
			}
		}
	}
	return failures, unresolved
}

// isNew reports whether a failure after the change is not there before it.
func (x *comparison) isNew(f render.Failure) bool {
	if x.before == nil {
		return true
	}
	c := x.before.Cluster(f.Cluster)
	return c == nil || !slices.Contains(c.Failures, f)
}

package cli

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/bulkhead-dev/bulkhead/render"
)

// fleet is what a command looks at.
type fleet struct {
	*workspace
	opts     *fleetOptions
	s        *streams
	render   render.Options
	branch   string // that the files stand for
	twoSided bool   // a cluster may be missing from one of the revisions
	erase    func()
	stats    render.Stats // of all renders
}

// open reads the flags and opens the workspace. Nothing is rendered yet.
func (o *fleetOptions) open(s *streams) (*fleet, error) {
	declared, err := o.declared()
	if err != nil {
		return nil, err
	}
	vars, err := o.variables()
	if err != nil {
		return nil, err
	}
	w, err := openWorkspace(o.dir)
	if err != nil {
		return nil, err
	}
	f := &fleet{workspace: w, opts: o, s: s, branch: o.branch}
	f.render = render.Options{Clusters: declared, Variables: vars, Parallel: o.parallel, Cache: &render.Cache{}}
	f.render.Progress, f.erase = s.watch()
	return f, nil
}

// first renders the revision that the others are compared with, after it has
// found out which branch the files stand for: the one that rev names, if some
// cluster follows it, else the repository's default branch.
func (f *fleet) first(ctx context.Context, at *snapshot, rev string) (*render.Result, error) {
	if f.opts.branch != "" {
		return f.at(ctx, at, nil)
	}
	f.branch = f.defaultBranch()
	r, err := f.at(ctx, at, nil)
	if err != nil || f.branch == "" {
		return r, err
	}
	if named := f.branchOf(ctx, rev); named != "" && named != f.branch && followed(r, named) {
		f.branch = named
		return f.at(ctx, at, nil)
	}
	return r, nil
}

// followed reports whether something of the fleet follows that branch of the
// repository under review.
func followed(r *render.Result, branch string) bool {
	for _, c := range r.Clusters {
		if c.Entry != nil && c.Entry.Ref != nil && c.Entry.Ref.Branch == branch {
			return true
		}
		for _, a := range c.Appliers {
			if a.Own && a.Pinned && strings.HasPrefix(a.Source.Revision, branch+"@") {
				return true
			}
		}
	}
	return false
}

// at renders one revision. Before is the render of an earlier one, or nil.
func (f *fleet) at(ctx context.Context, at *snapshot, before *render.Result) (*render.Result, error) {
	opts := f.render
	opts.Before = before
	repo := f.repository(at, f.branch)
	r, err := render.Fleet(ctx, repo, opts)
	if err != nil && f.twoSided && len(opts.Variables) > 0 {
		// It may be that a cluster with variables is not in this revision.
		opts.Variables = nil
		if bare, bareErr := render.Fleet(ctx, repo, opts); bareErr == nil {
			opts.Variables = maps.Clone(f.render.Variables)
			maps.DeleteFunc(opts.Variables, func(name string, _ map[string]string) bool { return bare.Cluster(name) == nil })
			r, err = render.Fleet(ctx, repo, opts)
		}
	}
	f.erase()
	if err != nil {
		return nil, err
	}
	f.stats.Builds += r.Stats.Builds
	f.stats.BuildsRun += r.Stats.BuildsRun
	f.stats.Substitutions += r.Stats.Substitutions
	f.stats.Substituted += r.Stats.Substituted
	f.stats.Rounds += r.Stats.Rounds
	return r, nil
}

// tellStats tells how much work was done, if that is wanted.
func (f *fleet) tellStats() {
	if f.opts.stats {
		n := f.stats
		_, _ = fmt.Fprintf(f.s.err, "bulkhead: stats: %d of %d builds run, %d of %d substitutions, %s\n",
			n.BuildsRun, n.Builds, n.Substituted, n.Substitutions, count(n.Rounds, "round"))
	}
}

// tellNotes passes on the remarks about the fleet as a whole.
func (f *fleet) tellNotes(r *render.Result) {
	for _, n := range r.Notes {
		f.s.note("%s: %s", n.Subject, n.Message)
	}
}

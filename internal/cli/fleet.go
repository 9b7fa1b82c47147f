package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/internal/cache"
	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
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
	charts   *charts
	fetcher  *fetcher
	store    *cache.Store // nil for none
	stats    render.Stats // of all renders
	shard    render.Shard // of the clusters; zero for all
	beside   *snapshot    // the other revision of a comparison, while the first is rendered; nil for none
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
	if f.render.Decrypt, err = o.decrypt.decrypter(); err != nil {
		return nil, err
	}
	o.limitMemory()
	if f.store, err = o.store.open(s); err != nil {
		return nil, err
	}
	if id := engineID(); f.store != nil && id != "" {
		f.render.Cache.Store, f.render.Cache.Engine = f.store, id
	}
	f.charts = newCharts(o.parallel)
	f.render.Charts = f.charts.render
	return f, nil
}

// close ends what the fleet started.
func (f *fleet) close(ctx context.Context) {
	f.charts.close()
	f.closeStore(ctx)
	if f.fetcher != nil {
		_ = f.fetcher.client.Close()
	}
}

// reach allows what the flags allow to be fetched, and the Fleet document in t: that of
// the base, where two revisions are compared, so that no change allows itself a host.
func (f *fleet) reach(t *tree.Tree) error {
	docs, err := render.Documents(t)
	if err != nil {
		return err
	}
	var hosts []string
	if docs.Fleet != nil {
		hosts = docs.Fleet.Spec.Fetch.Hosts
	}
	if f.fetcher, err = newFetcher(&f.opts.fetch, hosts, f.s); err != nil {
		return err
	}
	if f.fetcher != nil {
		f.render.Fetch = f.fetcher
	}
	return nil
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
	for _, e := range r.Entries {
		if e.Ref != nil && e.Ref.Branch == branch {
			return true
		}
	}
	for _, c := range r.Clusters {
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
	if f.beside != nil {
		other := f.repository(f.beside, f.branch)
		opts.Beside = &other
	}
	r, err := render.Fleet(ctx, repo, opts)
	if err != nil && f.twoSided && len(opts.Variables) > 0 {
		// It may be that a cluster with variables is not in this revision.
		opts.Variables = nil
		if bare, bareErr := render.Fleet(ctx, repo, opts); bareErr == nil {
			opts.Variables = maps.Clone(f.render.Variables)
			maps.DeleteFunc(opts.Variables, func(name string, _ map[string]string) bool { return !bare.Has(name) })
			r, err = render.Fleet(ctx, repo, opts)
		}
	}
	f.erase()
	if err != nil {
		return nil, err
	}
	f.stats = f.stats.Plus(r.Stats)
	return r, nil
}

// tellStats tells how much work was done, if that is wanted.
func (f *fleet) tellStats() {
	if f.opts.stats {
		n := f.stats
		_, _ = fmt.Fprintf(f.s.err, "bulkhead: stats: %d of %d appliers evaluated, %d of %d builds run, %d shared, %d reused, %d of %d substitutions, %d of %d releases rendered, %s\n",
			n.EvaluationsRun, n.Evaluations, n.BuildsRun, n.Builds, n.Builds-n.BuildsRun-n.BuildsReused, n.BuildsReused, n.Substituted, n.Substitutions, n.ReleasesRun, n.Releases, phrase.Count(n.Rounds, "round"))
		if f.fetcher != nil {
			s := f.fetcher.client.Stats()
			_, _ = fmt.Fprintf(f.s.err, "bulkhead: stats: %s, %s received, %s from the cache\n",
				phrase.Count(int(s.Requests), "request"), size(s.Bytes), phrase.Count(int(s.Hits), "answer"))
		}
		f.tellResources()
	}
}

// tellNotes passes on the remarks about the fleet as a whole.
func (f *fleet) tellNotes(r *render.Result) {
	for _, n := range r.Notes {
		f.s.note("%s: %s", n.Subject, n.Message)
	}
}

// hubNames are the names of the repository under review.
func (f *fleet) hubNames(r *render.Result) (out []string) {
	add := func(url string) {
		if name := render.RepositoryName(url); name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	if f.repo != nil {
		add(f.repo.URL())
	}
	for _, e := range r.Entries {
		add(e.URL)
	}
	return out
}

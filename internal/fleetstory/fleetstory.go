// Package fleetstory renders both sides of a test's fleet and compares them.
//
// It turns a [fleetcase.Case] into what Flux applies before and after its commit. Its invariant:
// nothing is asked of the world; what the case serves is served from memory. Start at [Tell].
package fleetstory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/internal/fleetcase"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// Story is what became of a case's fleet.
type Story struct {
	Before, After *render.Result
	Trees         [2]*tree.Tree // of the repository under review
	Files         []string      // that differ
	Report        *impact.Report
}

// Options of a story.
type Options struct {
	Shard render.Shard // of the clusters; zero is all of them
	Store render.Store // of earlier runs; nil for none
	Apart bool         // neither revision is given what was made of the other
}

// Tell renders both revisions of a case, the second as what comes after the first, and compares them.
// The error is that of a render, or of what the case serves.
func Tell(ctx context.Context, c *fleetcase.Case) (*Story, error) { return TellWith(ctx, c, Options{}) }

// TellWith is [Tell] with options.
func TellWith(ctx context.Context, c *fleetcase.Case, o Options) (*Story, error) {
	s, err := tell(ctx, c, o, o.Store != nil)
	if errors.Is(err, render.ErrEntangled) {
		return tell(ctx, c, o, false)
	}
	return s, err
}

// tell is [TellWith]; with recall for true what is the same in both revisions may be taken from the store.
func tell(ctx context.Context, c *fleetcase.Case, o Options, recall bool) (*Story, error) {
	other := func(dir string) *tree.Tree { return tree.FromBlobs(c.Others[dir]) }
	repo := render.Repository{URL: fleetcase.URL, Branch: c.Branch, Revision: "main@sha1:0"}
	if len(c.Refs) > 0 {
		known := refs{}
		for _, r := range c.Refs {
			known[r.Ref] = other(r.Dir)
		}
		repo.Refs = known
	}
	opts := render.Options{Cache: &render.Cache{Store: o.Store, Engine: "test"}, Variables: c.Variables}
	for _, s := range c.Sources {
		opts.Sources = append(opts.Sources, render.Repository{URL: s.URL, Tree: other(s.Dir), Revision: "main@sha1:" + s.Dir[1:]})
	}
	for _, d := range c.Clusters {
		opts.Clusters = append(opts.Clusters, render.Declared{Name: d.Name, Paths: d.Paths})
	}
	s := &Story{Files: Differing(c.Before, c.After), Trees: [2]*tree.Tree{tree.FromBlobs(c.Before), tree.FromBlobs(c.After)}}
	if o.Shard.Of > 0 {
		var sources []*tree.Tree
		for _, r := range opts.Sources {
			sources = append(sources, r.Tree)
		}
		linked, err := render.Linked(ctx, opts.Clusters, s.Trees[:], sources...)
		if err != nil {
			return nil, err
		}
		opts.Skip = o.Shard.Skip(linked)
	}
	for i, result := range []**render.Result{&s.Before, &s.After} {
		var err error
		if opts.Fetch, err = fetch(c, i); err != nil {
			return nil, err
		}
		repo.Tree, opts.Before, opts.Beside = s.Trees[i], s.Before, nil
		if o.Apart {
			opts.Cache = &render.Cache{Store: o.Store, Engine: "test"}
		}
		if recall && i == 0 && len(opts.Sources) == 0 {
			other := repo
			other.Tree = s.Trees[1]
			opts.Beside = &other
		}
		if *result, err = render.Fleet(ctx, repo, opts); err != nil {
			return nil, err
		}
	}
	s.Report = impact.Between(s.Before, s.After, impact.Options{Files: s.Files})
	return s, nil
}

// Differing lists the files that are not the same in both, sorted.
func Differing[F comparable](a, b map[string]F) []string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	maps.DeleteFunc(all, func(name string, _ F) bool {
		x, inA := a[name]
		y, inB := b[name]
		return x == y && inA == inB
	})
	return slices.Sorted(maps.Keys(all))
}

// fetch gives what a case serves in one revision; nil when it serves nothing.
func fetch(c *fleetcase.Case, revision int) (render.Fetch, error) {
	if !c.Serves() {
		return nil, nil //nolint:nilnil // nothing to fetch, and no error
	}
	s, err := c.Served(revision)
	if err != nil {
		return nil, err
	}
	return served{s}, nil
}

// served is a [render.Fetch] of what a case serves in one revision.
type served struct{ *fleetcase.Served }

// OCI implements [render.Fetch].
func (s served) OCI(ctx context.Context, r *sourcev1.OCIRepository) (*render.Fetched, error) {
	return told(s.Served.OCI(ctx, r))
}

// Chart implements [render.Fetch].
func (s served) Chart(ctx context.Context, r *sourcev1.HelmRepository, name, version string) (*render.Fetched, error) {
	return told(s.Served.Chart(ctx, r, name, version))
}

// Bucket implements [render.Fetch].
func (s served) Bucket(ctx context.Context, b *sourcev1.Bucket) (*render.Fetched, error) {
	return told(s.Served.Bucket(ctx, b))
}

// Git implements [render.Fetch]: nothing is served.
func (served) Git(_ context.Context, g *sourcev1.GitRepository) (*render.Fetched, error) {
	return told(nil, fmt.Errorf("%w: %s", fleetcase.ErrUnknown, g.Spec.URL))
}

func told(a *fleetcase.Answer, err error) (*render.Fetched, error) {
	if err != nil {
		return nil, &render.FetchError{Reason: err.Error(), Invalid: errors.Is(err, fleetcase.ErrMissing)}
	}
	return &render.Fetched{Revision: a.Revision, Tree: a.Tree, Data: a.Data}, nil
}

// refs has other refs of the repository, as "tag NAME" or "branch NAME".
type refs map[string]*tree.Tree

// Resolve implements [render.Refs].
func (r refs) Resolve(_ context.Context, ref sourcev1.GitRepositoryRef) (*tree.Tree, string, error) {
	name := "branch " + ref.Branch
	if ref.Tag != "" {
		name = "tag " + ref.Tag
	}
	if t := r[name]; t != nil {
		return t, name + "@sha1:1", nil
	}
	return nil, "", fmt.Errorf("open %s: %w", name, render.ErrNoRef)
}

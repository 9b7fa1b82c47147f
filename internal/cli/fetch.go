package cli

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/bulkhead-dev/bulkhead/internal/fetch"
	"github.com/bulkhead-dev/bulkhead/internal/git"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/report/term"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// fetchOptions say what may be fetched.
type fetchOptions struct {
	all     bool
	hosts   []string
	private []string
	offline bool
}

// asked reports whether anything may be fetched, or taken from the cache.
func (o *fetchOptions) asked() bool { return o.all || o.offline || len(o.hosts) > 0 }

// fetcher gives a render what is not in Git. It asks each question once, so that all
// renders of one command get one answer.
type fetcher struct {
	client *fetch.Client

	mu      sync.Mutex
	answers map[string]*answer
}

type answer struct {
	once sync.Once
	got  *render.Fetched
	err  error
}

// newFetcher is nil when nothing may be fetched. The hosts of the fleet's document count
// beside those of the flags.
func newFetcher(o *fetchOptions, hosts []string, s *streams) (*fetcher, error) {
	all := append(slices.Clone(o.hosts), hosts...)
	if !o.asked() && len(all) == 0 {
		return nil, nil
	}
	client, err := fetch.New(fetch.Options{Hosts: all, All: o.all, Private: o.private, Offline: o.offline, Progress: s.fetching()})
	if err != nil {
		return nil, usage(err.Error(), "name hosts like charts.example.com, registry.example.com:5000 or *.example.com")
	}
	return &fetcher{client: client, answers: map[string]*answer{}}, nil
}

func (f *fetcher) once(key string, ask func() (*render.Fetched, error)) (*render.Fetched, error) {
	f.mu.Lock()
	a := f.answers[key]
	if a == nil {
		a = &answer{}
		f.answers[key] = a
	}
	f.mu.Unlock()
	a.once.Do(func() {
		if a.got, a.err = ask(); a.err != nil {
			a.err = fetchError(a.err)
		}
	})
	return a.got, a.err
}

// fetchError says what an error of the reach means for a render.
func fetchError(err error) error {
	var e *fetch.Error
	if !errors.As(err, &e) {
		return &render.FetchError{Reason: err.Error()}
	}
	return &render.FetchError{
		Reason: e.Error(), Hint: e.Hint,
		Invalid: errors.Is(e, fetch.ErrInvalid) || errors.Is(e, fetch.ErrNotFound),
	}
}

// OCI implements [render.Fetch].
func (f *fetcher) OCI(ctx context.Context, r *sourcev1.OCIRepository) (*render.Fetched, error) {
	req := fetch.OCIRequest{URL: r.Spec.URL, Insecure: r.Spec.Insecure, Interval: r.Spec.Interval.Duration, Operation: r.GetLayerOperation()}
	if ref := r.Spec.Reference; ref != nil {
		req.Tag, req.SemVer, req.SemverFilter, req.Digest = ref.Tag, ref.SemVer, ref.SemverFilter, ref.Digest
	}
	if s := r.Spec.LayerSelector; s != nil {
		req.MediaType = s.MediaType
	}
	return f.once(fmt.Sprintf("oci %+v", req), func() (*render.Fetched, error) {
		a, err := f.client.OCI(ctx, req)
		if err != nil {
			return nil, err
		}
		return fetched(a), nil
	})
}

// Bucket implements [render.Fetch].
func (f *fetcher) Bucket(ctx context.Context, b *sourcev1.Bucket) (*render.Fetched, error) {
	req := fetch.BucketRequest{
		Provider: b.Spec.Provider, Endpoint: b.Spec.Endpoint, Bucket: b.Spec.BucketName, Prefix: b.Spec.Prefix,
		Region: b.Spec.Region, Insecure: b.Spec.Insecure, Ignore: b.Spec.Ignore, Interval: b.Spec.Interval.Duration,
	}
	ignore := ""
	if req.Ignore != nil {
		ignore = *req.Ignore
	}
	return f.once(fmt.Sprintf("bucket %q %q", []string{req.Provider, req.Endpoint, req.Bucket, req.Prefix, req.Region}, ignore), func() (*render.Fetched, error) {
		a, err := f.client.Bucket(ctx, req)
		if err != nil {
			return nil, err
		}
		return fetched(a), nil
	})
}

// Chart implements [render.Fetch].
func (f *fetcher) Chart(ctx context.Context, r *sourcev1.HelmRepository, name, version string) (*render.Fetched, error) {
	req := fetch.ChartRequest{
		Repository: r.Spec.URL, Name: name, Version: version, Insecure: r.Spec.Insecure,
		PassCredentials: r.Spec.PassCredentials, Interval: r.Spec.Interval.Duration,
	}
	return f.once(fmt.Sprintf("chart %+v", req), func() (*render.Fetched, error) {
		a, err := f.client.Chart(ctx, req)
		if err != nil {
			return nil, err
		}
		return fetched(a), nil
	})
}

// Git implements [render.Fetch].
func (f *fetcher) Git(ctx context.Context, g *sourcev1.GitRepository) (*render.Fetched, error) {
	req := fetch.GitRequest{URL: g.Spec.URL, Ref: g.Spec.Reference, RecurseSubmodules: g.Spec.RecurseSubmodules, Interval: g.Spec.Interval.Duration}
	ref := sourcev1.GitRepositoryRef{}
	if req.Ref != nil {
		ref = *req.Ref
	}
	return f.once(fmt.Sprintf("git %s %+v %t", req.URL, ref, req.RecurseSubmodules), func() (*render.Fetched, error) {
		m, err := f.client.Git(ctx, req)
		if err != nil {
			return nil, err
		}
		t, err := commitTree(ctx, m.Dir, m.Commit)
		if err != nil {
			return nil, err
		}
		for _, sub := range m.Submodules {
			part, err := commitTree(ctx, sub.Dir, sub.Commit)
			if err != nil {
				return nil, err
			}
			if t, err = t.Mount(sub.Path, part); err != nil {
				return nil, err
			}
		}
		return &render.Fetched{Revision: m.Revision, Tree: t}, nil
	})
}

func commitTree(ctx context.Context, dir, commit string) (*tree.Tree, error) {
	repo, err := git.Open(dir)
	if err != nil {
		return nil, err
	}
	c, err := repo.Commit(ctx, commit)
	if err != nil {
		return nil, err
	}
	return c.Tree, nil
}

// fetched is an artifact as a render takes it. A folder with nothing in it is kept, as a
// Kustomization of it applies nothing, and one of no folder fails.
func fetched(a *fetch.Artifact) *render.Fetched {
	out := &render.Fetched{Revision: a.Revision, Data: a.Data}
	if a.Data != nil {
		return out
	}
	blobs := make(map[string]tree.Blob, len(a.Files))
	for _, file := range a.Files {
		b := tree.Blob{Data: string(file.Data), Mode: tree.File}
		if file.Mode.IsDir() {
			b = tree.Blob{Mode: tree.Submodule} // a tree's word for an empty folder
		}
		blobs[path.Clean(file.Name)] = b
	}
	for _, file := range a.Files {
		for dir := path.Dir(path.Clean(file.Name)); dir != "."; dir = path.Dir(dir) {
			if blobs[dir].Mode == tree.Submodule {
				delete(blobs, dir)
			}
		}
	}
	out.Tree = tree.FromBlobs(blobs)
	return out
}

// fetching shows what is fetched, on a terminal.
func (s *streams) fetching() func(fetch.Event) {
	var mu sync.Mutex
	return func(e fetch.Event) {
		if e.Kind == fetch.Note {
			s.note("%s", e.Text)
			return
		}
		if !s.progress {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		what := strings.TrimSpace(e.What + " " + e.Ref)
		switch e.Kind {
		case fetch.Progress:
			_, _ = fmt.Fprintf(s.err, "\rfetching %s  %s\x1b[K", term.Safe(what), size(e.Bytes))
		case fetch.Done:
			_, _ = fmt.Fprintf(s.err, "\rfetched  %s  %s\x1b[K\n", term.Safe(what), size(e.Bytes))
		case fetch.Started, fetch.Cached, fetch.Failed, fetch.Note:
		}
	}
}

// size is a number of bytes for people.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}

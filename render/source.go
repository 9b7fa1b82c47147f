package render

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	swv1 "github.com/fluxcd/source-watcher/api/v2/v1beta1"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render/artifact"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// sources opens what Flux sources refer to.
type sources struct {
	own       Repository
	ownURLs   map[string]bool   // by sameURL
	branches  map[string]bool   // that an entry's own sync follows
	packed    map[string]*Entry // by sameURL, the first that syncs from an artifact there
	known     []Repository
	mappings  string // which trees are known, to tell caches of charts that depend on them
	artifacts artifact.Cache
	followed  sync.Map // way as text -> *tree.Tree

	mu       sync.Mutex
	subtrees map[string]*tree.Tree
	resolved map[string]opened
	made     map[string]*made
}

// opened is a source that was found, or why it was not.
type opened struct {
	tree   *tree.Tree
	data   []byte // of a source that is one file, such as a chart package; tree is nil
	source object.Source
	pinned bool
	own    bool   // the repository under review
	prefix string // folder of it that is the source's root
	way    *way   // that leads there; nil when it is more than one, or not known
	// from tells where a path of a tree that is put together of others is in the
	// repository under review; nil for other trees.
	from    func(path string) (string, bool)
	feeds   func() map[string]bool // the files of that repository that are in it
	failure string                 // the controller would fail, too
	unknown string                 // offline it cannot be known
	hint    string
}

func newSources(repo Repository, f *fleet, opts *Options) *sources {
	s := &sources{
		own: repo, known: opts.Sources, ownURLs: map[string]bool{}, branches: map[string]bool{}, packed: map[string]*Entry{},
		subtrees: map[string]*tree.Tree{}, resolved: map[string]opened{}, made: map[string]*made{},
	}
	if repo.URL != "" {
		s.ownURLs[RepositoryName(repo.URL)] = true
	}
	for _, e := range f.entries {
		switch {
		case e.URL == "":
		case e.SourceKind == sourcev1.GitRepositoryKind:
			s.ownURLs[RepositoryName(e.URL)] = true
		case s.packed[RepositoryName(e.URL)] == nil:
			s.packed[RepositoryName(e.URL)] = e
		}
		if e.Ref != nil {
			s.branches[e.Ref.Branch] = true
		}
	}
	// A repository that the caller names is what the caller says it is.
	for _, k := range s.known {
		delete(s.ownURLs, RepositoryName(k.URL))
		s.mappings += fmt.Sprintf("%s %p\n", RepositoryName(k.URL), k.Tree)
	}
	return s
}

// entry opens the source that an entry's own sync names: the repository the
// entry was found in, whatever its URL says.
func (s *sources) entry(ctx context.Context, e *Entry, spec artifact.Spec) opened {
	ref := sourcev1.GitRepositoryRef{}
	if e.Ref != nil {
		ref = *e.Ref
	}
	repo := s.own
	var err error
	if repo.Tree, err = s.sub(repo.Tree, e.Prefix); err != nil {
		return opened{failure: err.Error()}
	}
	o := s.at(ctx, repo, ref, true)
	if o.pinned && e.Prefix != "." && o.tree != nil {
		if o.tree, err = s.sub(o.tree, e.Prefix); err != nil {
			return opened{failure: err.Error()}
		}
	}
	o.source.URL, o.own, o.prefix = withoutUser(e.URL), true, e.Prefix
	o.way = wayOf(e.Prefix, ref, true, spec)
	return s.pack(o, spec)
}

// mapped opens the repository that the caller maps a URL to; zero for none.
func (s *sources) mapped(ctx context.Context, url string) opened {
	for _, k := range s.known {
		if RepositoryName(k.URL) == RepositoryName(url) {
			o := s.at(ctx, k, sourcev1.GitRepositoryRef{}, true)
			o.pinned, o.source.URL = false, withoutUser(url)
			return o
		}
	}
	return opened{}
}

// git opens what a GitRepository object refers to; fetched gets what is not at hand.
func (s *sources) git(ctx context.Context, g *sourcev1.GitRepository, spec artifact.Spec, fetched func(string, func(Fetch) (*Fetched, error)) opened) opened {
	ref := sourcev1.GitRepositoryRef{}
	if g.Spec.Reference != nil {
		ref = *g.Spec.Reference
	}
	for _, k := range s.known {
		if RepositoryName(k.URL) == RepositoryName(g.Spec.URL) {
			o := s.at(ctx, k, ref, true)
			o.pinned = false
			o.source.URL = withoutUser(g.Spec.URL)
			return s.pack(o, spec)
		}
	}
	if !s.ownURLs[RepositoryName(g.Spec.URL)] {
		o := fetched(g.Spec.URL, func(f Fetch) (*Fetched, error) { return f.Git(ctx, g) })
		return s.pack(o, spec)
	}
	o := s.at(ctx, s.own, ref, s.branches[ref.Branch])
	o.source.URL, o.own, o.prefix = withoutUser(g.Spec.URL), true, "."
	o.way = wayOf(".", ref, s.branches[ref.Branch], spec)
	return s.pack(o, spec)
}

// at opens one ref of a repository. A branch that the clone does not have is
// the tree under review where that is what the sync follows: forks and mirrors
// rename branches.
func (s *sources) at(ctx context.Context, r Repository, ref sourcev1.GitRepositoryRef, standsIn bool) opened {
	plainBranch := ref.Commit == "" && ref.Name == "" && ref.Tag == "" && ref.SemVer == ""
	if name, ok := strings.CutPrefix(ref.Name, "refs/heads/"); ok && ref.Commit == "" {
		plainBranch, ref = true, sourcev1.GitRepositoryRef{Branch: name}
	}
	if ref.Branch == "" && plainBranch && !standsIn {
		ref.Branch = "master" // source-controller's default
	}
	own := opened{tree: r.Tree, source: object.Source{Revision: r.Revision}}
	if plainBranch && (r.Branch == "" && standsIn || ref.Branch == "" || ref.Branch == r.Branch) {
		return own
	}
	if r.Refs == nil {
		if plainBranch && standsIn {
			return own
		}
		return opened{unknown: "ref " + refText(ref) + " is not at hand"}
	}
	t, revision, err := s.resolve(ctx, r, ref)
	switch {
	case err == nil:
		return opened{tree: t, source: object.Source{Revision: revision}, pinned: true}
	case errors.Is(err, ErrNoRef) && plainBranch && standsIn:
		return own
	case errors.Is(err, ErrNoRef):
		return opened{unknown: "this clone has no " + refText(ref), hint: "git fetch --tags, or map the source"}
	default:
		return opened{unknown: fmt.Sprintf("open %s: %v", refText(ref), err)}
	}
}

// resolve opens each ref once, so that equal refs give the same tree.
func (s *sources) resolve(ctx context.Context, r Repository, ref sourcev1.GitRepositoryRef) (*tree.Tree, string, error) {
	key := r.URL + "\x00" + refText(ref)
	s.mu.Lock()
	defer s.mu.Unlock()
	if o, ok := s.resolved[key]; ok {
		return o.tree, o.source.Revision, nil
	}
	t, revision, err := r.Refs.Resolve(ctx, ref)
	if err == nil {
		s.resolved[key] = opened{tree: t, source: object.Source{Revision: revision}}
	}
	return t, revision, err
}

func refText(r sourcev1.GitRepositoryRef) string {
	switch {
	case r.Commit != "":
		return "commit " + r.Commit
	case r.Name != "":
		return r.Name
	case r.Tag != "":
		return "tag " + r.Tag
	case r.SemVer != "":
		return "a tag in " + r.SemVer
	}
	return "branch " + r.Branch
}

func (s *sources) sub(t *tree.Tree, dir string) (*tree.Tree, error) {
	if dir == "." {
		return t, nil
	}
	key := fmt.Sprintf("%p\x00%s", t, dir)
	s.mu.Lock()
	defer s.mu.Unlock()
	if sub := s.subtrees[key]; sub != nil {
		return sub, nil
	}
	sub, err := t.Sub(dir)
	if err == nil {
		s.subtrees[key] = sub
	}
	return sub, err
}

// pack makes the artifact of what was opened: sparse checkout, includes, ignore.
func (s *sources) pack(o opened, spec artifact.Spec) opened {
	if o.tree == nil {
		return o
	}
	return o.filtered(s.artifacts.Git(o.tree, spec))
}

// unpacked is o with the files of an archive that is its artifact as it is, unpacked
// once, so that builds on it are shared.
func (s *sources) unpacked(ctx context.Context, o opened) opened {
	m := s.once("unpacked " + tree.HashBlob(o.data).String())
	m.once.Do(func() { m.tree, m.err = artifact.Unpack(ctx, o.data) })
	return o.filtered(m.tree, m.err)
}

func (s *sources) once(key string) *made {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.made[key]
	if m == nil {
		m = &made{}
		s.made[key] = m
	}
	return m
}

// filtered is o with the tree of its artifact.
func (o opened) filtered(t *tree.Tree, err error) opened {
	if err != nil {
		return opened{failure: err.Error()}
	}
	o.tree = t
	return o
}

// made is what a generator makes, or the files of an archive.
type made struct {
	once sync.Once
	list []artifact.Artifact
	tree *tree.Tree
	err  error
}

// generate runs a generator, once for equal inputs, so that equal artifacts are one tree.
func (s *sources) generate(ctx context.Context, key string, g *swv1.ArtifactGenerator, inputs map[string]artifact.Source) *made {
	m := s.once(key)
	m.once.Do(func() { m.list, m.err = artifact.Generate(ctx, g, inputs) })
	return m
}

// specOf is what decides the artifact of a GitRepository, and the sources that
// it includes. open gives the artifact of a GitRepository in its namespace.
func specOf(g *sourcev1.GitRepository, open func(name string) opened) (artifact.Spec, *opened) {
	spec := artifact.Spec{Sparse: g.Spec.SparseCheckout}
	if g.Spec.Ignore != nil {
		spec.Ignore = *g.Spec.Ignore
	}
	for _, inc := range g.Spec.Include {
		from := open(inc.GitRepositoryRef.Name)
		if from.tree == nil {
			return spec, &from
		}
		spec.Include = append(spec.Include, artifact.Include{Tree: from.tree, From: clamp(inc.GetFromPath()), To: clamp(inc.GetToPath())})
	}
	return spec, nil
}

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/report/term"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// mapping says where the repository behind a URL is.
type mapping struct {
	url  string
	path string // of this machine, absolute
	rev  string // "" for the files as they are there
	base string // before the change that impact looks at; "" for no change. With "..." where rev left it
	from string // who says so: the flag, or file and line of a document
	cure string
}

// ranged reports whether a --source names a change of its own.
func (o *fleetOptions) ranged() bool {
	return slices.ContainsFunc(o.sources, func(text string) bool {
		m, err := parseSource(text)
		return err == nil && m.base != ""
	})
}

// mapped are the repositories of --source, then those of the Fleet document in t.
// The render takes the first that has the URL.
func (o *fleetOptions) mapped(ctx context.Context, w *workspace, t *tree.Tree) ([]render.Repository, error) {
	if o.ranged() {
		return nil, usage("a --source names two revisions, BASE..HEAD, and only impact and check --base compare them", "name one of them: URL=PATH@REV")
	}
	m, err := o.sides(ctx, w, t)
	return m.after, err
}

// sources are mapped repositories before and after a change.
type sources struct {
	before, after []render.Repository
	spokes        []spoke
}

// spoke is a mapped repository that changes itself.
type spoke struct {
	url           string
	before, after *snapshot
}

// sides are the mapped repositories on both sides of a change.
func (o *fleetOptions) sides(ctx context.Context, w *workspace, t *tree.Tree) (out sources, err error) {
	all, err := o.mappings(w, t)
	if err != nil {
		return out, err
	}
	seen := map[string]bool{}
	for _, m := range all {
		if seen[m.url] {
			continue
		}
		seen[m.url] = true
		r, at, err := m.open(ctx, m.rev)
		if err != nil {
			return out, err
		}
		out.after = append(out.after, r)
		if m.base == "" {
			out.before = append(out.before, r)
			continue
		}
		base := m.base
		if fork, ok := strings.CutSuffix(base, "."); ok {
			if base, err = m.fork(ctx, fork); err != nil {
				return out, err
			}
		}
		before, was, err := m.open(ctx, base)
		if err != nil {
			return out, err
		}
		out.before = append(out.before, before)
		out.spokes = append(out.spokes, spoke{m.url, was, at})
	}
	return out, nil
}

// fork is the commit where the mapping's revision left another one.
func (m *mapping) fork(ctx context.Context, from string) (string, error) {
	w, err := openWorkspace(m.path)
	if err == nil && w.repo == nil {
		err = fmt.Errorf("%s is no repository", m.path)
	}
	if err != nil {
		return "", hinted(fmt.Errorf("%s: %w", m.from, err), m.cure)
	}
	c, err := w.repo.MergeBase(ctx, from, m.rev)
	if err != nil {
		return "", hinted(fmt.Errorf("%s: %w", m.from, err), cmp.Or(hintOf(err), m.cure))
	}
	return c.Hash, nil
}

// mappings are those of --source, then those of the Fleet document in t.
func (o *fleetOptions) mappings(w *workspace, t *tree.Tree) ([]mapping, error) {
	var all []mapping
	for _, text := range o.sources {
		m, err := parseSource(text)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	docs, err := render.Documents(t)
	if err != nil {
		return nil, err
	}
	if f := docs.Fleet; f != nil {
		for _, s := range f.Spec.Sources {
			all = append(all, mapping{
				url: s.URL, path: filepath.Join(w.root, filepath.FromSlash(s.Path)), rev: s.Rev,
				from: fmt.Sprintf("%s:%d: spec.sources", f.Place.File, f.Place.Line),
				cure: "clone it there, correct the path, or say where it is: --source " + s.URL + "=PATH",
			})
		}
	}
	return all, nil
}

// parseSource reads URL=PATH[@REV] and URL=PATH@BASE..REV, where a third dot means that BASE is where
// REV left it. What follows the last "@" belongs to the path
// if there is a file of that whole name.
func parseSource(text string) (mapping, error) {
	url, dir, ok := strings.Cut(text, "=")
	if !ok || url == "" || dir == "" {
		return mapping{}, usage("--source "+term.Quote(text)+" is not URL=PATH[@REV]", "for instance --source ssh://git@git.example.com/acme/apps=../apps@main")
	}
	m := mapping{url: url, path: dir, from: "--source " + text, cure: "name a clone or a folder that is there"}
	if i := strings.LastIndexByte(dir, '@'); i > 0 {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			m.path, m.rev = dir[:i], dir[i+1:]
		}
	}
	if base, rev, ok := strings.Cut(m.rev, ".."); ok {
		if rest, more := strings.CutPrefix(rev, "."); more {
			base, rev = base+".", rest
		}
		if strings.Trim(base, ".") == "" || rev == "" {
			return mapping{}, usage("--source "+term.Quote(text)+" names one revision of two", "as in --source URL=PATH@main..HEAD")
		}
		m.base, m.rev = base, rev
	}
	abs, err := filepath.Abs(m.path)
	if err != nil {
		return mapping{}, fmt.Errorf("%s: %w", m.from, err)
	}
	m.path = abs
	return m, nil
}

// open opens one revision of a mapped repository; "" stands for the files as they are there.
func (m *mapping) open(ctx context.Context, rev string) (render.Repository, *snapshot, error) {
	fail := func(err error) (render.Repository, *snapshot, error) {
		return render.Repository{}, nil, hinted(fmt.Errorf("%s: %w", m.from, err), cmp.Or(hintOf(err), m.cure))
	}
	info, err := os.Stat(m.path)
	if err != nil {
		return fail(fmt.Errorf("%s: %w", m.path, cause(err)))
	}
	if !info.IsDir() {
		return fail(fmt.Errorf("%s is not a folder", m.path))
	}
	w, err := openWorkspace(m.path)
	if err != nil {
		return fail(err)
	}
	below := w.below()
	if below != "." && rev == "" || w.repo == nil { // a folder that lies in some repository is not that repository
		w = &workspace{dir: m.path, root: m.path}
		below = "."
	}
	named := rev != ""
	if !named && w.repo != nil && w.repo.Root() == "" {
		rev = "HEAD"
	}
	s, err := w.at(ctx, rev)
	if err != nil {
		return fail(err)
	}
	if s.tree, err = s.tree.Sub(below); err != nil {
		return fail(err)
	}
	r := w.repository(s, "")
	r.URL = m.url
	switch {
	case named:
		r.Refs = always{s.tree, r.Revision}
	case w.repo != nil:
		_, r.Branch = w.branches()
	}
	return r, s, nil
}

// below is the slash path of the workspace's folder from its root.
func (w *workspace) below() string {
	root, err := filepath.EvalSymlinks(w.root)
	if err != nil {
		return "."
	}
	dir, err := filepath.EvalSymlinks(w.dir)
	if err != nil {
		return "."
	}
	rel, err := filepath.Rel(root, dir)
	if err != nil {
		return "."
	}
	return filepath.ToSlash(rel)
}

// always is one commit that stands for every ref.
type always struct {
	tree     *tree.Tree
	revision string
}

// Resolve implements [render.Refs].
func (a always) Resolve(context.Context, sourcev1.GitRepositoryRef) (*tree.Tree, string, error) {
	return a.tree, a.revision, nil
}

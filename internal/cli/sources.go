package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// mapping says where the repository behind a URL is.
type mapping struct {
	url  string
	path string // of this machine, absolute
	rev  string // "" for the files as they are there
	from string // who says so: the flag, or file and line of a document
	cure string
}

// mapped are the repositories of --source, then those of the Fleet document in t.
// The render takes the first that has the URL.
func (o *fleetOptions) mapped(ctx context.Context, w *workspace, t *tree.Tree) ([]render.Repository, error) {
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
	var out []render.Repository
	seen := map[string]bool{}
	for _, m := range all {
		if seen[m.url] {
			continue
		}
		seen[m.url] = true
		r, err := m.open(ctx)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// parseSource reads URL=PATH[@REV]. What follows the last "@" belongs to the path
// if there is a file of that whole name.
func parseSource(text string) (mapping, error) {
	url, dir, ok := strings.Cut(text, "=")
	if !ok || url == "" || dir == "" {
		return mapping{}, usage("--source "+quote(text)+" is not URL=PATH[@REV]", "for instance --source ssh://git@git.example.com/acme/apps=../apps@main")
	}
	m := mapping{url: url, path: dir, from: "--source " + text, cure: "name a clone or a folder that is there"}
	if i := strings.LastIndexByte(dir, '@'); i > 0 {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			m.path, m.rev = dir[:i], dir[i+1:]
		}
	}
	abs, err := filepath.Abs(m.path)
	if err != nil {
		return mapping{}, fmt.Errorf("%s: %w", m.from, err)
	}
	m.path = abs
	return m, nil
}

func (m *mapping) open(ctx context.Context) (render.Repository, error) {
	fail := func(err error) (render.Repository, error) {
		return render.Repository{}, hinted(fmt.Errorf("%s: %w", m.from, err), cmp.Or(hintOf(err), m.cure))
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
	if below != "." && m.rev == "" || w.repo == nil { // a folder that lies in some repository is not that repository
		w = &workspace{dir: m.path, root: m.path}
		below = "."
	}
	rev := m.rev
	if rev == "" && w.repo != nil && w.repo.Root() == "" {
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
	case m.rev != "":
		r.Refs = always{s.tree, r.Revision}
	case w.repo != nil:
		_, r.Branch = w.branches()
	}
	return r, nil
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

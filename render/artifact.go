package render

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/fluxcd/pkg/sourceignore"
	"github.com/fluxcd/pkg/sourceignore/gitignore"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// artifactSpec is what of a source decides which files of a commit are in its
// artifact.
type artifactSpec struct {
	ignore   string // spec.ignore
	sparse   string // spec.sparseCheckout, joined by newlines
	includes string // tells spec.include apart
	mounts   []mount
}

// mount is one entry of spec.include: the folder from of another artifact, put
// at a folder of this one. Both are slash paths, clean.
type mount struct {
	tree     *tree.Tree
	from, to string
}

// artifacts keeps the file sets of artifacts: equal specs on one tree give one
// tree, so that builds on it are shared.
type artifacts struct {
	mu   sync.Mutex
	kept map[artifactKey]*tree.Tree
}

type artifactKey struct {
	tree                     *tree.Tree
	ignore, sparse, includes string
}

func (a *artifacts) of(t *tree.Tree, spec artifactSpec) (*tree.Tree, error) {
	key := artifactKey{t, spec.ignore, spec.sparse, spec.includes}
	a.mu.Lock()
	defer a.mu.Unlock()
	if view := a.kept[key]; view != nil {
		return view, nil
	}
	view, err := artifact(t, spec)
	if err != nil {
		return nil, err
	}
	if a.kept == nil {
		a.kept = map[artifactKey]*tree.Tree{}
	}
	a.kept[key] = view
	return view, nil
}

// artifact is the file set that source-controller archives of a commit: regular
// files and folders after sparse checkout, without what is ignored. Symlinks are
// dropped, a submodule is an empty folder. Includes come before ignore rules.
//
// Source: source-controller v1.9.5 gitrepository_controller.go reconcileArtifact
// and fluxcd/pkg/artifact storage/archive.go SourceIgnoreFilter. The patterns and
// the matcher are those of fluxcd/pkg/sourceignore v0.18.0.
func artifact(t *tree.Tree, spec artifactSpec) (*tree.Tree, error) {
	t, err := sparse(t, spec.sparse)
	if err != nil {
		return nil, err
	}
	for _, m := range spec.mounts {
		part, err := m.tree.Sub(m.from)
		if err == nil {
			t, err = t.Mount(m.to, part)
		}
		if err != nil {
			return nil, fmt.Errorf("include %s: %w", m.to, err)
		}
	}
	patterns, err := ignorePatterns(t, ".")
	if err != nil {
		return nil, err
	}
	patterns = append(patterns, sourceignore.ReadPatterns(strings.NewReader(spec.ignore), nil)...)
	matcher := sourceignore.NewDefaultMatcher(patterns, nil)
	if len(patterns) > 0 {
		matcher = sourceignore.NewMatcher(append(sourceignore.VCSPatterns(nil), patterns...))
	}
	return t.Filter(func(p string, e tree.Entry) bool {
		return e.Mode != tree.Symlink && !matcher.Match(strings.Split(p, "/"), e.IsDir())
	}), nil
}

// sparse keeps the files below the listed paths, which are plain string
// prefixes: "apps" also takes "apps2/x". Each must exist.
//
// Source: go-git Index.SkipUnless and source-controller v1.9.5
// validateSparseCheckoutPaths.
func sparse(t *tree.Tree, list string) (*tree.Tree, error) {
	if list == "" {
		return t, nil
	}
	paths := strings.Split(list, "\n")
	prefixes := make([]string, len(paths))
	for i, p := range paths {
		prefixes[i] = strings.TrimPrefix(p, "./")
	}
	view := t.Filter(func(p string, e tree.Entry) bool {
		return e.Mode != tree.Directory && slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(p, prefix) })
	})
	for _, p := range paths {
		if _, err := view.Stat(clamp(p)); err != nil {
			return nil, fmt.Errorf("sparse checkout dir %q does not exist in the repository", p)
		}
	}
	return view, nil
}

// ignorePatterns reads every .sourceignore below dir, the folder's own first,
// then depth-first by name, each scoped to its folder.
//
// Source: fluxcd/pkg/sourceignore v0.18.0 LoadIgnorePatterns, which works on
// disk only. TestArtifactLikeUpstream pins this to the original.
func ignorePatterns(t *tree.Tree, dir string) ([]gitignore.Pattern, error) {
	var domain []string
	if dir != "." {
		domain = strings.Split(dir, "/")
	}
	entries, err := t.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var patterns []gitignore.Pattern
	for _, e := range entries {
		if e.Name == sourceignore.IgnoreFile && !e.IsDir() {
			data, err := readFollowing(t, path.Join(dir, e.Name))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
			patterns = append(patterns, sourceignore.ReadPatterns(strings.NewReader(string(data)), domain)...)
		}
	}
	for _, e := range entries {
		if e.IsDir() && e.Name != ".git" {
			below, err := ignorePatterns(t, path.Join(dir, e.Name))
			if err != nil {
				return nil, err
			}
			patterns = append(patterns, below...)
		}
	}
	return patterns, nil
}

// readFollowing reads a file through symlinks that stay in the tree, as opening
// it on disk does.
func readFollowing(t *tree.Tree, p string) ([]byte, error) {
	at, rest := ".", strings.Split(p, "/")
	for links := 0; len(rest) > 0; {
		next := path.Join(at, rest[0])
		if rest = rest[1:]; next == ".." {
			return nil, fs.ErrNotExist
		}
		e, err := t.Stat(next)
		if err != nil {
			return nil, err
		}
		if e.Mode != tree.Symlink {
			at = next
			continue
		}
		target, err := fs.ReadLink(t.FS(), next)
		if links++; err != nil || path.IsAbs(target) || links > maxLinks {
			return nil, fs.ErrNotExist
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	if e, err := t.Stat(at); err != nil || e.IsDir() {
		return nil, fs.ErrNotExist
	}
	return t.ReadFile(at)
}

// maxLinks bounds the symlinks on the way to one file, as Linux does.
const maxLinks = 40

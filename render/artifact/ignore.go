package artifact

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/fluxcd/pkg/sourceignore"
	"github.com/fluxcd/pkg/sourceignore/gitignore"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// ignorePatterns reads every .sourceignore below dir, the folder's own first,
// then depth-first by name, each scoped to its folder.
//
// Source: fluxcd/pkg/sourceignore v0.18.0 LoadIgnorePatterns, which works on
// disk only. TestGitLikeUpstream pins this to the original.
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

// maxLinks bounds the symlinks on the way to one file, as Linux does.
const maxLinks = 40

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

// Package artifact turns the trees of sources into the trees that their artifacts
// hold. It reads no content but that of ignore files, merged files and archives;
// what it gives is a view. See [Git], [OCI], [Bucket] and [Generate].
package artifact

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/fluxcd/pkg/sourceignore"
	"github.com/fluxcd/pkg/sourceignore/gitignore"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// Spec is what of a GitRepository decides which files of a commit are in its
// artifact. The zero value takes all but the default exclusions.
type Spec struct {
	Ignore  string    // spec.ignore; empty is as good as absent
	Sparse  []string  // spec.sparseCheckout
	Include []Include // spec.include, in order
}

// Include is one entry of spec.include: the folder From of another artifact, put
// at the folder To of this one. Both are clean slash paths, "." is the root.
type Include struct {
	Tree     *tree.Tree
	From, To string
}

// Git is the file set that source-controller archives of a commit: regular files
// and folders after sparse checkout, without what is ignored. Symlinks are
// dropped, a submodule is an empty folder. Includes come before ignore rules.
// The error is what the controller would fail with.
//
// Source: source-controller v1.9.5 gitrepository_controller.go reconcileArtifact
// and fluxcd/pkg/artifact v0.20.0 storage/archive.go SourceIgnoreFilter. The
// patterns and the matcher are those of fluxcd/pkg/sourceignore v0.18.0.
func Git(t *tree.Tree, spec Spec) (*tree.Tree, error) {
	t, err := sparse(t, spec.Sparse)
	if err != nil {
		return nil, err
	}
	for _, inc := range spec.Include {
		part, err := inc.Tree.Sub(inc.From)
		if err == nil {
			t, err = t.Mount(inc.To, part)
		}
		if err != nil {
			return nil, fmt.Errorf("include %s: %w", inc.To, err)
		}
	}
	return OCI(t, spec.Ignore)
}

// OCI is the artifact of an OCIRepository whose layer is extracted; t holds what
// [Unpack] gives of the layer and ignore is spec.ignore. The rules are those of
// Git: every .sourceignore, then spec.ignore; the default exclusions only when
// neither has a pattern; symlinks are dropped.
//
// With the operation "copy" no rule applies: the artifact is the layer as it is,
// and who consumes it unpacks it, see [Unpack].
//
// Source: source-controller v1.9.5 ocirepository_controller.go reconcileArtifact.
func OCI(t *tree.Tree, ignore string) (*tree.Tree, error) {
	patterns, err := ignorePatterns(t, ".")
	if err != nil {
		return nil, err
	}
	patterns = append(patterns, sourceignore.ReadPatterns(strings.NewReader(ignore), nil)...)
	return filter(t, archiveMatcher(patterns), ""), nil
}

// Objects is what of a Bucket decides which of its objects are in its artifact.
type Objects struct {
	Ignore string // spec.ignore
	Prefix string // spec.prefix, a plain prefix of the key
}

// Bucket is the artifact of a Bucket; t holds its objects by key. Only the rules
// of the .sourceignore at its root and of spec.ignore count, and none of the
// default exclusions. The root's .sourceignore is in the artifact whatever prefix
// and rules say, as the controller fetches it into the folder that it archives.
//
// Source: source-controller v1.9.5 bucket_controller.go fetchEtagIndex and
// reconcileArtifact.
func Bucket(t *tree.Tree, spec Objects) (*tree.Tree, error) {
	var patterns []gitignore.Pattern
	if e, err := t.Stat(sourceignore.IgnoreFile); err == nil && regular(e) {
		data, err := t.ReadFile(sourceignore.IgnoreFile)
		if err != nil {
			return nil, err
		}
		patterns = sourceignore.ReadPatterns(strings.NewReader(string(data)), nil)
	}
	patterns = append(patterns, sourceignore.ReadPatterns(strings.NewReader(spec.Ignore), nil)...)
	matcher := sourceignore.NewMatcher(patterns)
	return t.Filter(func(p string, e tree.Entry) bool {
		switch {
		case !regular(e):
			return false
		case p == sourceignore.IgnoreFile:
			return true
		}
		return strings.HasPrefix(p, spec.Prefix) && !matcher.Match(strings.Split(p, "/"), false)
	}), nil
}

func regular(e tree.Entry) bool { return e.Mode == tree.File || e.Mode == tree.Executable }

// archiveMatcher adds the exclusions that an archive always has, or has where
// there are no others.
func archiveMatcher(patterns []gitignore.Pattern) gitignore.Matcher {
	if len(patterns) == 0 {
		return &defaults{matcher: sourceignore.NewDefaultMatcher(nil, nil)}
	}
	return sourceignore.NewMatcher(append(sourceignore.VCSPatterns(nil), patterns...))
}

// defaults matches the default exclusions. Each of them is about one name,
// wherever it is, so that a name need be matched once only.
type defaults struct {
	matcher gitignore.Matcher
	seen    sync.Map // name, with a slash for a folder -> whether it is excluded (bool)
}

func (d *defaults) Match(names []string, isDir bool) bool {
	for i, name := range names {
		dir := isDir || i < len(names)-1
		known := name
		if dir {
			known += "/"
		}
		v, ok := d.seen.Load(known)
		if !ok {
			v = d.matcher.Match([]string{name}, dir)
			d.seen.Store(known, v)
		}
		if out, _ := v.(bool); out {
			return true
		}
	}
	return false
}

// filter drops what the matcher ignores, and symlinks. The matcher sees each path
// below the folder root, unless that is empty.
func filter(t *tree.Tree, m gitignore.Matcher, root string) *tree.Tree {
	return t.Filter(func(p string, e tree.Entry) bool {
		return e.Mode != tree.Symlink && !m.Match(strings.Split(path.Join(root, p), "/"), e.IsDir())
	})
}

// sparse keeps the files below the listed paths, which are plain string
// prefixes: "apps" also takes "apps2/x". Each must exist.
//
// Source: go-git Index.SkipUnless and source-controller v1.9.5
// validateSparseCheckoutPaths.
func sparse(t *tree.Tree, paths []string) (*tree.Tree, error) {
	if len(paths) == 0 {
		return t, nil
	}
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

// clamp is the path in a tree that a path of a spec means: nothing climbs out.
func clamp(p string) string {
	if p = strings.TrimPrefix(path.Clean("/"+p), "/"); p == "" {
		return "."
	}
	return p
}

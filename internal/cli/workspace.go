package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"

	"github.com/bulkhead-dev/bulkhead/internal/git"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// workspace is a repository on disk, or a plain folder.
type workspace struct {
	dir  string          // absolute, as the user named it
	root string          // absolute, what slash paths start from
	repo *git.Repository // nil for a plain folder
}

func openWorkspace(dir string) (*workspace, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	if info, err := os.Stat(abs); err != nil { //nolint:gosec // G703: the user names the folder
		return nil, fmt.Errorf("open %s: %w", dir, cause(err))
	} else if !info.IsDir() {
		return nil, fmt.Errorf("open %s: it is not a folder", dir)
	}
	repo, err := git.Open(abs)
	if errors.Is(err, git.ErrNotRepository) {
		return &workspace{dir: abs, root: abs}, nil
	}
	if err != nil {
		return nil, err
	}
	w := &workspace{dir: abs, root: repo.Root(), repo: repo}
	if w.root == "" {
		w.root = abs
	}
	return w, nil
}

// cause is err without the system call and the path, which the caller tells.
func cause(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	return err
}

// snapshot is the files of a workspace at one revision.
type snapshot struct {
	tree   *tree.Tree
	rev    string // as the user named it; "" for the files on disk
	fork   bool   // rev is a branch, and this is where HEAD left it
	commit string // 40 hexadecimal digits; "" for the files on disk
	name   string // for files that are nowhere yet; "" for the others
}

// at opens a revision, or the files on disk when rev is "".
func (w *workspace) at(ctx context.Context, rev string) (*snapshot, error) {
	switch {
	case w.repo == nil && rev != "":
		return nil, hinted(fmt.Errorf("%s is not a Git repository, so it has no revision %s", w.dir, rev), "name a clone: -C DIR")
	case w.repo == nil:
		t, err := git.OpenFolder(w.root)
		return &snapshot{tree: t}, err
	case rev == "":
		t, err := w.repo.WorkTree(ctx)
		if errors.Is(err, git.ErrBare) {
			err = hinted(err, "name a revision, such as HEAD")
		}
		return &snapshot{tree: t}, err
	}
	c, err := w.repo.Commit(ctx, rev)
	if err != nil {
		return nil, err
	}
	return &snapshot{tree: c.Tree, rev: rev, commit: c.Hash}, nil
}

// files are those on disk, for a command that reads or edits documents.
func (w *workspace) files(ctx context.Context) (*snapshot, error) {
	at, err := w.at(ctx, "")
	if errors.Is(err, git.ErrBare) {
		return nil, hinted(fmt.Errorf("%s is a bare repository, which has no files to work on", w.dir), "name a clone with files: -C DIR")
	}
	return at, err
}

// label is what a snapshot is called in text.
func (s *snapshot) label() string {
	switch {
	case s.name != "":
		return s.name
	case s.commit == "":
		return "the files on disk"
	case s.fork:
		return "where it left " + s.rev + " (" + s.commit[:min(10, len(s.commit))] + ")"
	case strings.HasPrefix(s.commit, s.rev):
		return s.commit[:min(10, len(s.commit))]
	}
	return s.rev + " (" + s.commit[:min(10, len(s.commit))] + ")"
}

// repository is a snapshot as the render takes it, standing for branch.
func (w *workspace) repository(s *snapshot, branch string) render.Repository {
	r := render.Repository{Tree: s.tree, Branch: branch, Revision: "files"}
	if s.commit != "" {
		r.Revision = "sha1:" + s.commit
	}
	if branch != "" {
		r.Revision = branch + "@" + r.Revision
	}
	if w.repo != nil {
		r.URL, r.Refs = w.repo.URL(), refs{w.repo}
	}
	return r
}

// refs opens what Flux sources ask a repository for.
type refs struct{ repo *git.Repository }

// Resolve implements [render.Refs].
func (r refs) Resolve(ctx context.Context, ref sourcev1.GitRepositoryRef) (*tree.Tree, string, error) {
	c, revision, err := r.repo.Resolve(ctx, git.Ref{Branch: ref.Branch, Tag: ref.Tag, SemVer: ref.SemVer, Name: ref.Name, Commit: ref.Commit})
	if errors.Is(err, git.ErrNoSuchRef) {
		return nil, "", fmt.Errorf("%w: %w", render.ErrNoRef, err)
	}
	if err != nil {
		return nil, "", err
	}
	return c.Tree, revision, nil
}

// branches are the local branches and the one that is checked out, "" for none.
func (w *workspace) branches() (local int, current string) {
	if w.repo == nil {
		return 0, ""
	}
	r, err := gogit.PlainOpenWithOptions(w.dir, &gogit.PlainOpenOptions{DetectDotGit: true, EnableDotGitCommonDir: true})
	if err != nil {
		return 0, "" // a format that only internal/git reads
	}
	if head, err := r.Storer.Reference(plumbing.HEAD); err == nil && head.Type() == plumbing.SymbolicReference && head.Target().IsBranch() {
		current = head.Target().Short()
	}
	if list, err := r.Branches(); err == nil {
		_ = list.ForEach(func(*plumbing.Reference) error { local++; return nil })
	}
	return local, current
}

// defaultBranch is the branch that changes go to, "" when the one set of files
// there is stands for every branch.
func (w *workspace) defaultBranch() string {
	if w.repo == nil {
		return ""
	}
	name, ok := w.repo.DefaultBranch()
	if !ok {
		return ""
	}
	if w.repo.URL() == "" {
		if local, _ := w.branches(); local <= 1 {
			return ""
		}
	}
	return strings.TrimPrefix(name, "origin/")
}

// branchOf is the short name of the branch that rev names, "" if it names none.
func (w *workspace) branchOf(ctx context.Context, rev string) string {
	if w.repo == nil || rev == "" {
		return ""
	}
	name := rev
	for _, prefix := range []string{"refs/heads/", "refs/remotes/", "origin/"} {
		name = strings.TrimPrefix(name, prefix)
	}
	for _, ref := range []string{"refs/heads/" + name, "refs/remotes/origin/" + name} {
		if _, err := w.repo.Commit(ctx, ref); err == nil {
			return name
		}
	}
	return ""
}

// slash is the path of a file from the root of the repository, whose files are those of revisions; false for a file that is elsewhere.
func (w *workspace) slash(file string) (string, bool) {
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return "", false
	}
	root := w.root
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	if real, err := filepath.EvalSymlinks(root); err == nil {
		root = real
	}
	rel, err := filepath.Rel(root, filepath.Join(dir, filepath.Base(file)))
	if err != nil || !filepath.IsLocal(rel) {
		return "", false
	}
	return filepath.ToSlash(rel), true
}

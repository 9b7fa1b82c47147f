// Package git turns commits, working trees and plain folders into trees, see [Open].
package git

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/filesystem/dotgit"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// ErrNotRepository is wrapped by the error of [Open] when neither the folder nor one above it is, or
// holds, a Git repository.
var ErrNotRepository = errors.New("not a Git repository")

// ErrUnsupported is wrapped by the error of [Open] for a repository in a format that we cannot read,
// such as SHA-256 objects or reftables.
var ErrUnsupported = errors.New("unsupported repository format")

// Repository reads a Git repository on disk: nothing is written, no program is run, no network is used.
// It is safe for concurrent use.
type Repository struct {
	root    string // of the worktree; "" if bare
	dot     string // the .git directory, of a linked worktree its own
	objects *objects
	cfg     *config.Config
	shallow map[plumbing.Hash]bool // commits whose parents were left out of the clone

	mu   sync.Mutex // over refs, which is not safe for concurrent use
	refs *filesystem.Storage
}

// Commit is a revision of a repository.
type Commit struct {
	Hash string     // 40 hexadecimal digits
	Time time.Time  // when it was committed
	Tree *tree.Tree // read from the object database when asked for
}

// Open opens the repository that dir is in: a worktree or a folder below its root, a linked worktree,
// a bare repository. Alternates are honoured. The error wraps [ErrNotRepository] or [ErrUnsupported]
// where that is the reason.
//
// Source: gitrepository-layout.
func Open(dir string) (*Repository, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open repository %s: %w", dir, err)
	}
	if _, err := os.Stat(abs); err != nil {
		return nil, fmt.Errorf("open repository: %w", err)
	}
	root, dot, err := discover(abs)
	if err != nil {
		return nil, fmt.Errorf("open repository %s: %w", dir, err)
	}
	r, err := open(root, dot)
	if err != nil {
		return nil, fmt.Errorf("open repository %s: %w", dir, err)
	}
	return r, nil
}

func open(root, dot string) (*Repository, error) {
	common := dot
	dotFS := osfs.New(dot)
	switch text, err := os.ReadFile(filepath.Join(dot, "commondir")); {
	case err == nil:
		common = from(dot, strings.TrimSpace(string(text)))
		dotFS = dotgit.NewRepositoryFilesystem(dotFS, osfs.New(common))
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	s := filesystem.NewStorage(dotFS, cache.NewObjectLRU(0))
	cfg, err := s.Config()
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	if err := checkFormat(cfg); err != nil {
		return nil, err
	}
	if cfg.Core.IsBare && dot == common {
		root = ""
	}
	shallow, err := s.Shallow()
	if err != nil {
		return nil, fmt.Errorf("read shallow: %w", err)
	}
	o, err := openObjects(filepath.Join(common, "objects"))
	if err != nil {
		return nil, err
	}
	r := &Repository{root: root, dot: dot, objects: o, cfg: cfg, refs: s, shallow: map[plumbing.Hash]bool{}}
	for _, h := range shallow {
		r.shallow[h] = true
	}
	o.hint = r.missingHint()
	return r, nil
}

// discover finds the worktree's root, if there is one, and the .git directory.
func discover(dir string) (root, dot string, err error) {
	for at := dir; ; at = filepath.Dir(at) {
		dot := filepath.Join(at, ".git")
		if target, ok := gitFile(dot); ok {
			if !isGitDir(target) {
				return "", "", fmt.Errorf("%s names %s: %w", dot, target, ErrNotRepository)
			}
			return at, target, nil
		}
		if isGitDir(dot) {
			return at, dot, nil
		}
		if isGitDir(at) {
			return "", at, nil
		}
		if at == filepath.Dir(at) {
			return "", "", ErrNotRepository
		}
	}
}

// gitFile reads a ".git" that is a file, as linked worktrees and submodules have it.
func gitFile(path string) (target string, ok bool) {
	if fi, err := os.Lstat(path); err != nil || !fi.Mode().IsRegular() || fi.Size() > tree.MaxPath {
		return "", false
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", false
	}
	line, ok := strings.CutPrefix(string(text), "gitdir:")
	if !ok {
		return "", false
	}
	return from(filepath.Dir(path), strings.TrimSpace(line)), true
}

// isGitDir is Git's own test: HEAD, with objects and refs here or in the common directory.
func isGitDir(dir string) bool {
	if fi, err := os.Lstat(filepath.Join(dir, "HEAD")); err != nil || fi.IsDir() {
		return false
	}
	if text, err := os.ReadFile(filepath.Join(dir, "commondir")); err == nil {
		dir = from(dir, strings.TrimSpace(string(text)))
	}
	for _, name := range []string{"objects", "refs"} {
		if fi, err := os.Stat(filepath.Join(dir, name)); err != nil || !fi.IsDir() {
			return false
		}
	}
	return true
}

func from(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

// readable are the extensions of the repository format that change nothing in what we read.
var readable = []string{ //nolint:gochecknoglobals // a constant list
	"noop", "noop-v1", "partialclone", "preciousobjects", "relativeworktrees", "worktreeconfig",
}

func checkFormat(cfg *config.Config) error {
	if v := cfg.Raw.Section("core").Option("repositoryformatversion"); v != "" && v != "0" && v != "1" {
		return fmt.Errorf("core.repositoryFormatVersion %q: %w", v, ErrUnsupported)
	}
	for _, o := range cfg.Raw.Section("extensions").Options {
		key, value := strings.ToLower(o.Key), strings.ToLower(o.Value)
		known := slices.Contains(readable, key) ||
			key == "objectformat" && value == "sha1" || key == "refstorage" && value == "files"
		if !known {
			return fmt.Errorf("extensions.%s %q: %w", o.Key, o.Value, ErrUnsupported)
		}
	}
	return nil
}

// Root is the absolute path of the worktree's root, "" if the repository is bare.
func (r *Repository) Root() string { return r.root }

// URL is the URL of the remote origin, "" if there is none.
func (r *Repository) URL() string {
	if o := r.cfg.Remotes["origin"]; o != nil && len(o.URLs) > 0 {
		return o.URLs[0]
	}
	return ""
}

// missingHint says how to get what the clone left out, "" if it left nothing out.
func (r *Repository) missingHint() string {
	partial := r.cfg.Raw.Section("extensions").Option("partialclone") != ""
	for _, s := range r.cfg.Raw.Section("remote").Subsections {
		partial = partial || s.Option("promisor") == "true"
	}
	switch {
	case partial:
		return "the clone is partial; get the rest with: git fetch --refetch --no-filter"
	case len(r.shallow) > 0:
		return "the clone is shallow; get the rest with: git fetch --unshallow"
	}
	return ""
}

package git

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing/format/index"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// ErrBare is wrapped by the error of [Repository.WorkTree] for a repository without a worktree.
var ErrBare = errors.New("repository has no worktree")

// WorkTree gives the files that are in the worktree: tracked ones as they are on disk, and untracked
// ones that .gitignore files and info/exclude do not exclude; the user's core.excludesFile is not read.
// Deleted files are absent, submodules and other repositories inside are submodules, files that a sparse
// checkout left out are as in the index.
//
// What there is, is looked up at once; contents are read when asked for, and the error wraps
// [ErrChanged] for those that changed meanwhile. The hash of a tracked file that looks untouched since
// it was added to the index is the index's, and so is its content where a filter (line endings, LFS)
// makes the file on disk another: as in the commit that Flux would see. The error wraps [ErrBare]
// where that is the reason.
//
// Source: gitignore, and racy-git for what looks untouched.
func (r *Repository) WorkTree(ctx context.Context) (*tree.Tree, error) {
	if r.root == "" {
		return nil, fmt.Errorf("read worktree: %w", ErrBare)
	}
	s, err := r.scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read worktree %s: %w", r.root, err)
	}
	return tree.New(s, tree.Hash{}), nil
}

// snapshot is the store of a worktree.
type snapshot struct {
	*disk
	objects *objects
	dirs    map[string][]tree.Entry
	files   map[string]found
}

// found is what a file was like when the worktree was scanned; nil for one that a sparse checkout left out.
type found struct{ info fs.FileInfo }

// scanner walks a worktree.
type scanner struct {
	*snapshot
	ctx      context.Context //nolint:containedctx // lives as long as one call
	tracked  map[string]*index.Entry
	above    map[string]bool // directories with tracked files
	written  time.Time       // the index
	exec     bool            // core.fileMode: the executable bit means something
	symlinks bool            // core.symlinks: links are links
}

func (r *Repository) scan(ctx context.Context) (*snapshot, error) {
	d, err := openDisk(r.root)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	idx, err := r.refs.Index()
	r.mu.Unlock()
	if errors.Is(err, index.ErrUnknownExtension) {
		return nil, fmt.Errorf("read index: %w (a split or sparse index; "+
			"git update-index --no-split-index or git sparse-checkout reapply --no-sparse-index makes a plain one)", err)
	}
	if err != nil {
		return nil, fmt.Errorf("read index: %w", err)
	}
	core := r.cfg.Raw.Section("core")
	s := &scanner{
		snapshot: &snapshot{disk: d, objects: r.objects, dirs: map[string][]tree.Entry{}, files: map[string]found{}},
		ctx:      ctx,
		tracked:  make(map[string]*index.Entry, len(idx.Entries)),
		above:    map[string]bool{},
		written:  idx.ModTime,
		exec:     !strings.EqualFold(core.Option("filemode"), "false"),
		symlinks: !strings.EqualFold(core.Option("symlinks"), "false"),
	}
	for _, e := range idx.Entries {
		s.tracked[e.Name] = e
		for dir := path.Dir(e.Name); !s.above[dir]; dir = path.Dir(dir) {
			s.above[dir] = true
		}
	}
	ign, err := r.exclude()
	if err != nil {
		return nil, err
	}
	if err := s.dir(".", ign, false); err != nil {
		return nil, err
	}
	s.sparse()
	return s.snapshot, nil
}

// exclude reads info/exclude, which linked worktrees share.
func (r *Repository) exclude() (ignores, error) {
	text, err := os.ReadFile(filepath.Join(filepath.Dir(r.objects.dirs[0]), "info", "exclude"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return parseIgnores(text, ""), nil
}

// dir notes what is in a directory. In an ignored one only tracked files count.
func (s *scanner) dir(dir string, ign ignores, ignored bool) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	infos, err := s.list(dir)
	if err != nil {
		return err
	}
	if !ignored && slices.ContainsFunc(infos, func(fi fs.FileInfo) bool {
		return fi.Name() == ".gitignore" && fi.Mode().IsRegular()
	}) {
		text, _, err := s.read(join(dir, ".gitignore"))
		if err != nil {
			return err
		}
		prefix := ""
		if dir != "." {
			prefix = dir + "/"
		}
		ign = append(slices.Clip(ign), parseIgnores(text, prefix)...)
	}
	for _, fi := range infos {
		if err := s.entry(join(dir, fi.Name()), fi, ign, ignored); err != nil {
			return err
		}
	}
	return nil
}

func (s *scanner) entry(p string, fi fs.FileInfo, ign ignores, ignored bool) error {
	mode, ok := diskMode(fi.Mode())
	if !ok {
		return nil
	}
	e := s.tracked[p]
	if mode != tree.Directory {
		if e != nil && modeOf(e.Mode) != tree.Submodule {
			s.file(p, fi, mode, e)
		} else if !ignored && !ign.ignored(p, false) {
			s.add(p, tree.Entry{Mode: mode}, found{fi})
		}
		return nil
	}
	if e != nil && modeOf(e.Mode) == tree.Submodule {
		s.add(p, tree.Entry{Mode: tree.Submodule, Hash: tree.Hash(e.Hash)}, found{fi})
		return nil
	}
	ignored = ignored || ign.ignored(p, true)
	if !s.above[p] {
		if ignored {
			return nil
		}
		if s.nested(p) {
			s.add(p, tree.Entry{Mode: tree.Submodule}, found{fi})
			return nil
		}
	}
	return s.dir(p, ign, ignored)
}

// nested says whether a folder is a repository of its own.
func (s *scanner) nested(p string) bool {
	dot := filepath.Join(s.root.Name(), filepath.FromSlash(p), ".git")
	if _, ok := gitFile(dot); ok {
		return true
	}
	fi, err := os.Lstat(dot)
	return err == nil && fi.IsDir() && isGitDir(dot)
}

// file notes a tracked file.
func (s *scanner) file(p string, fi fs.FileInfo, mode tree.Mode, e *index.Entry) {
	was := modeOf(e.Mode)
	switch {
	case !s.symlinks && was == tree.Symlink && mode != tree.Symlink:
		mode = tree.Symlink
	case !s.exec && mode != tree.Symlink && was != tree.Symlink:
		mode = was
	}
	entry := tree.Entry{Mode: mode}
	if (mode == tree.Symlink) == (was == tree.Symlink) && s.untouched(fi, e) {
		entry.Hash = tree.Hash(e.Hash)
	}
	s.add(p, entry, found{fi})
}

var emptyBlob = tree.HashBlob(nil) //nolint:gochecknoglobals // a constant

// untouched says whether a file is what it was when the index entry was made, going by its time and
// size. A file that was written in the second of the index or later may have been changed since then
// without another time, so it does not count.
func (s *scanner) untouched(fi fs.FileInfo, e *index.Entry) bool {
	switch {
	case e.Stage != 0 || e.IntentToAdd || e.ModifiedAt.IsZero():
		return false
	case uint32(fi.Size()) != e.Size || !fi.ModTime().Equal(e.ModifiedAt): //nolint:gosec // the index keeps 32 bits
		return false
	case e.Size == 0 && tree.Hash(e.Hash) != emptyBlob:
		return false // how Git marks an entry that may have changed
	}
	return e.ModifiedAt.Unix() < s.written.Unix()
}

// sparse adds the tracked files that are not to be in the worktree.
func (s *scanner) sparse() {
	for p, e := range s.tracked {
		if !e.SkipWorktree {
			continue
		}
		if _, err := s.root.Lstat(filepath.FromSlash(p)); err == nil || s.covered(p) {
			continue
		}
		s.add(p, tree.Entry{Mode: modeOf(e.Mode), Hash: tree.Hash(e.Hash)}, found{})
	}
}

// covered says whether there is a file at p, or at a directory above it.
func (s *scanner) covered(p string) bool {
	for ; p != "."; p = path.Dir(p) {
		if _, ok := s.files[p]; ok {
			return true
		}
	}
	return false
}

// add notes a file, and the directories above it: Git knows no empty ones.
func (s *scanner) add(p string, e tree.Entry, f found) {
	s.files[p] = f
	for {
		dir := path.Dir(p)
		_, known := s.dirs[dir]
		e.Name = path.Base(p)
		s.dirs[dir] = append(s.dirs[dir], e)
		if known || dir == "." {
			return
		}
		p, e = dir, tree.Entry{Mode: tree.Directory}
	}
}

func join(dir, name string) string {
	if dir == "." {
		return name
	}
	return dir + "/" + name
}

// ReadDir and ReadBlob make the snapshot a [tree.Store].
func (s *snapshot) ReadDir(p string, _ tree.Hash) ([]tree.Entry, error) { return s.dirs[p], nil }

func (s *snapshot) ReadBlob(p string, h tree.Hash) ([]byte, error) {
	f := s.files[p]
	if f.info == nil {
		return s.objects.ReadBlob(p, h)
	}
	var data []byte
	var err error
	if f.info.Mode()&fs.ModeSymlink != 0 {
		data, err = s.link(p)
	} else {
		var fi fs.FileInfo
		data, fi, err = s.read(p)
		if err == nil && !same(f.info, fi) {
			err = ErrChanged
		}
	}
	if err != nil {
		return nil, moved(err)
	}
	if !h.IsZero() && tree.HashBlob(data) != h {
		if f.info.Mode()&fs.ModeSymlink != 0 {
			return nil, ErrChanged
		}
		// The file looks untouched, so a filter made it another than what Git has.
		return s.objects.ReadBlob(p, h)
	}
	return s.once(p, data)
}

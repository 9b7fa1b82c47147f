package artifact

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"time"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// Bounds on one [Generate] and on one [Unpack], far above what an API server and
// a controller with a few gigabytes bear.
const (
	maxEntries   = 1 << 20   // files and folders that are staged one by one, listed or unpacked
	maxSteps     = 100 << 20 // comparisons of a path with an exclude pattern, by the pattern's cost
	maxBytes     = 256 << 20 // of files that are unpacked
	maxMerges    = 16 << 20  // bytes of YAML that are merged, and 1 KiB more for each document
	maxStream    = 512 << 20 // bytes of archives, headers too, once they are inflated
	maxArtifacts = 10_000
)

// budget is what is left of the bounds.
type budget struct {
	ctx     context.Context // lives as long as one call
	entries int
	steps   int
	bytes   int64
	stream  int64
	merges  int64
}

func newBudget(ctx context.Context) *budget {
	return &budget{ctx, maxEntries, maxSteps, maxBytes, maxStream, maxMerges}
}

func (b *budget) spend(entries int) error {
	if err := b.ctx.Err(); err != nil {
		return err
	}
	if b.entries -= entries; b.entries < 0 {
		return fmt.Errorf("more than %d files: %w", maxEntries, tree.ErrTooLarge)
	}
	return nil
}

func (b *budget) step(cost int) error {
	if cost > 1 || b.steps%1024 == 0 {
		if err := b.ctx.Err(); err != nil {
			return err
		}
	}
	if b.steps -= cost; b.steps < 0 {
		return fmt.Errorf("exclude patterns take too long: %w", tree.ErrTooLarge)
	}
	return nil
}

// merge counts YAML before it is parsed.
func (b *budget) merge(data []byte) error {
	if err := b.ctx.Err(); err != nil {
		return err
	}
	b.merges -= int64(len(data)) + int64(1+bytes.Count(data, []byte("---")))<<10
	if b.merges < 0 {
		return fmt.Errorf("more than %d bytes to merge: %w", maxMerges, tree.ErrTooLarge)
	}
	return nil
}

func (b *budget) take(n int64) error {
	if b.bytes -= n; n < 0 || b.bytes < 0 {
		return fmt.Errorf("more than %d bytes of unpacked files: %w", maxBytes, tree.ErrTooLarge)
	}
	return nil
}

// listed is a tree for globs: every listing counts, contents are not read for
// their size, and once the budget is used up nothing is found any more.
type listed struct {
	t      *tree.Tree
	budget *budget
	err    error // why nothing is found any more
}

func (l *listed) spend(n int) error {
	if l.err == nil {
		l.err = l.budget.spend(n)
	}
	return l.err
}

func (l *listed) Open(name string) (fs.File, error) { return l.t.FS().Open(name) }

func (l *listed) Stat(name string) (fs.FileInfo, error) {
	if err := l.spend(1); err != nil {
		return nil, err
	}
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrInvalid}
	}
	e, err := l.t.Stat(name)
	return info{e}, err
}

func (l *listed) ReadDir(name string) ([]fs.DirEntry, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrInvalid}
	}
	entries, err := l.t.ReadDir(name)
	if err != nil {
		return nil, err
	}
	if err := l.spend(1 + len(entries)); err != nil {
		return nil, err
	}
	out := make([]fs.DirEntry, len(entries))
	for i, e := range entries {
		out[i] = info{e}
	}
	return out, nil
}

// info describes an entry without its size.
type info struct{ e tree.Entry }

func (i info) Name() string               { return i.e.Name }
func (i info) IsDir() bool                { return i.e.IsDir() }
func (i info) Size() int64                { return 0 }
func (i info) ModTime() time.Time         { return time.Time{} }
func (i info) Sys() any                   { return nil }
func (i info) Type() fs.FileMode          { return i.Mode().Type() }
func (i info) Info() (fs.FileInfo, error) { return i, nil }

func (i info) Mode() fs.FileMode {
	if i.e.IsDir() {
		return fs.ModeDir | 0o750
	}
	return 0o600
}

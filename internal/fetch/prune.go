package fetch

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	pruneEvery = 64 << 20       // bytes written between two looks at the size
	leftover   = time.Hour      // after which a file in tmp is nobody's
	inUse      = 24 * time.Hour // a repository that was used since may be read by another process
)

// grew looks at the size of the cache at the first write and after pruneEvery bytes.
func (c *diskCache) grew(n int64) {
	c.mu.Lock()
	c.written += n
	due := !c.pruned || c.written >= min(pruneEvery, c.limit/2)
	if due {
		c.written, c.pruned = 0, true
	}
	c.mu.Unlock()
	if due {
		c.prune()
	}
}

// kept is one thing that can be removed alone.
type kept struct {
	path string
	size int64
	used time.Time
}

// prune removes what was not used for longest until four fifths of the limit
// are left, and what died processes left half written. Errors are no harm:
// another process may prune at the same time.
func (c *diskCache) prune() {
	now := c.now()
	for _, e := range entries(filepath.Join(c.dir, "tmp")) {
		if now.Sub(e.used) > leftover {
			_ = os.RemoveAll(e.path)
		}
	}
	var all []kept
	var total int64
	for _, kind := range []string{"blobs", "refs"} {
		for _, shard := range entries(filepath.Join(c.dir, kind)) {
			all = append(all, entries(shard.path)...)
		}
	}
	repos := entries(filepath.Join(c.dir, "git"))
	for i := range repos {
		repos[i].size = sizeOf(repos[i].path)
		total += repos[i].size
	}
	for _, e := range all {
		total += e.size
	}
	if total <= c.limit {
		return
	}
	for _, r := range repos {
		if now.Sub(r.used) > inUse {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b kept) int { return a.used.Compare(b.used) })
	for _, e := range all {
		if total <= c.limit/5*4 {
			return
		}
		if os.RemoveAll(e.path) == nil {
			total -= e.size
		}
	}
}

func entries(dir string) []kept {
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var out []kept
	for _, e := range list {
		if info, err := e.Info(); err == nil {
			out = append(out, kept{filepath.Join(dir, e.Name()), info.Size(), info.ModTime()})
		}
	}
	return out
}

// sizeOf adds up the files below dir.
func sizeOf(dir string) int64 {
	var total int64
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // gone meanwhile
		}
		if info, err := d.Info(); err == nil {
			total += info.Size()
		}
		return nil
	})
	return total
}

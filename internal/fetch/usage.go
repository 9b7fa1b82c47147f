package fetch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Usage is what a cache holds.
type Usage struct {
	Dir     string
	Entries int       // blobs, answers and repositories
	Bytes   int64     // the sizes of their files
	Limit   int64     // bytes
	Oldest  time.Time // use of an entry; zero without entries
	Version string    // of the layout
}

// UsageOf looks at the cache in dir, by default that of [Options]. The error says that the
// folder cannot be found or read; one that is not there is empty.
func UsageOf(dir string) (Usage, error) {
	c := newCache(dir, Limits{}.orDefault().Cache, nil)
	if c.dir == "" {
		return Usage{}, errors.New("find cache of what was fetched: the environment names no home")
	}
	u := Usage{Dir: filepath.Dir(c.dir), Limit: c.limit, Version: version}
	if _, err := os.ReadDir(c.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return u, fmt.Errorf("read cache of what was fetched: %w", err)
	}
	var all []kept
	for _, kind := range []string{"blobs", "refs"} {
		for _, shard := range entries(filepath.Join(c.dir, kind)) {
			all = append(all, entries(shard.path)...)
		}
	}
	for _, repo := range entries(filepath.Join(c.dir, "git")) {
		repo.size = sizeOf(repo.path)
		all = append(all, repo)
	}
	for _, e := range all {
		u.Entries++
		u.Bytes += e.size
		if u.Oldest.IsZero() || e.used.Before(u.Oldest) {
			u.Oldest = e.used
		}
	}
	return u, nil
}

// Clear removes what the cache in dir holds, and says what that was. No other process should
// fetch at the time: it may be reading a repository.
func Clear(dir string) (Usage, error) {
	u, err := UsageOf(dir)
	if err != nil {
		return u, err
	}
	root := filepath.Join(u.Dir, version)
	for _, kind := range []string{"refs", "blobs", "git", "tmp"} {
		if err := os.RemoveAll(filepath.Join(root, kind)); err != nil {
			return u, fmt.Errorf("clear cache of what was fetched: %w", err)
		}
	}
	_ = os.Remove(root) // unless something else is in it
	return u, nil
}

package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Version is that of the format of entries and of their folder.
const Version = version

// Usage is what a folder holds.
type Usage struct {
	Entries int
	Bytes   int64     // on disk
	Oldest  time.Time // use of an entry, exact to some hours; zero without entries
}

// UsageOf looks at a folder, which need not be there. The error says that it cannot be read.
func UsageOf(dir string) (Usage, error) {
	d := newDisk(dir, DefaultLimit, nil)
	var u Usage
	if err := readable(d.dir); err != nil {
		return u, err
	}
	d.walk(func(e found) {
		u.add(e)
	})
	return u, nil
}

func (u *Usage) add(e found) {
	u.Bytes += onDisk(e.info.Size())
	if !e.entry {
		return
	}
	u.Entries++
	if used := e.info.ModTime(); u.Oldest.IsZero() || used.Before(u.Oldest) {
		u.Oldest = used
	}
}

func readable(dir string) error {
	if _, err := os.ReadDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read cache: %w", err)
	}
	return nil
}

// Clear removes the entries of a folder and nothing else, and says what it removed. Another
// process that uses the folder loses no more than its entries. What other versions of the
// format keep stays. The error says what could not be removed first; the rest is.
func Clear(dir string) (Usage, error) {
	d := newDisk(dir, DefaultLimit, nil)
	var u Usage
	if err := readable(d.dir); err != nil {
		return u, err
	}
	var failed error
	d.walk(func(e found) {
		if err := os.Remove(e.path); err == nil {
			u.add(e)
		} else if !errors.Is(err, fs.ErrNotExist) && failed == nil {
			failed = fmt.Errorf("clear cache: %w", err)
		}
	})
	if failed != nil {
		return u, failed
	}
	_ = os.Remove(d.growthPath()) //nolint:gosec // G703: a name of ours in the folder to clear
	shards, _ := os.ReadDir(d.dir)
	for _, s := range shards {
		if s.IsDir() && len(s.Name()) == 2 {
			_ = os.Remove(filepath.Join(d.dir, s.Name())) // one that is not empty stays
		}
	}
	if os.Remove(d.dir) == nil {
		d.unmark()
	}
	return u, nil
}

// unmark removes what marks the folder, unless something else is in it.
func (d *disk) unmark() {
	files, err := os.ReadDir(d.root)
	if err != nil {
		return
	}
	for _, f := range files {
		if marks()[f.Name()] == "" {
			return
		}
	}
	for name, text := range marks() {
		path := filepath.Join(d.root, name)
		if data, err := os.ReadFile(path); err == nil && string(data) == text { //nolint:gosec // a name of ours
			_ = os.Remove(path) //nolint:gosec // G703: the same
		}
	}
}

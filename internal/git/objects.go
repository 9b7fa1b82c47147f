package git

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/filesystem/dotgit"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// MissingObjectError says that an object is named but not in the repository, as happens in partial
// and shallow clones. It is never fetched.
type MissingObjectError struct {
	Hash string
	Hint string // how to get it; may be empty
}

func (e *MissingObjectError) Error() string {
	s := "object " + e.Hash + " is not in the repository"
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

const (
	cacheSize     = cache.FileSize(96 << 20) // bytes of objects kept, delta bases among them
	maxAlternates = 32                       // object directories of one repository
)

// objects reads the object database. go-git's storage may be used by one goroutine at a time; a pool of
// storages gained nothing when it was measured, so there is a lock.
type objects struct {
	dirs  []string // "objects" directories: the repository's own, then its alternates
	hint  string   // for objects that are missing
	cache cache.Object

	mu sync.Mutex
	h  *handle // nil before the first read
}

// handle is one set of storages. Its packs are those that were there when it was opened.
type handle struct {
	stores []*filesystem.ObjectStorage // as objects.dirs
	packed []time.Time                 // when each "pack" directory last changed
}

func openObjects(dir string) (*objects, error) {
	dirs, err := alternates(dir, nil)
	if err != nil {
		return nil, err
	}
	return &objects{dirs: dirs, cache: cache.NewObjectLRU(cacheSize)}, nil
}

// alternates adds dir, and the object directories it borrows from, to dirs.
func alternates(dir string, dirs []string) ([]string, error) {
	if slices.Contains(dirs, dir) {
		return dirs, nil
	}
	if filepath.Base(dir) != "objects" || len(dirs) == maxAlternates {
		return nil, fmt.Errorf("alternate object directory %s: %w", dir, ErrUnsupported)
	}
	dirs = append(dirs, dir)
	text, err := os.ReadFile(filepath.Join(dir, "info", "alternates"))
	if errors.Is(err, fs.ErrNotExist) {
		return dirs, nil
	}
	if err != nil {
		return nil, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if dirs, err = alternates(from(dir, line), dirs); err != nil {
			return nil, err
		}
	}
	return dirs, nil
}

func (o *objects) open() *handle {
	h := &handle{}
	for _, dir := range o.dirs {
		d := dotgit.New(osfs.New(filepath.Dir(dir)))
		h.packed = append(h.packed, packTime(dir))
		h.stores = append(h.stores, filesystem.NewObjectStorageWithOptions(d, o.cache, filesystem.Options{
			KeepDescriptors:      true,
			LargeObjectThreshold: tree.MaxFile,
		}))
	}
	return h
}

func packTime(dir string) time.Time {
	fi, err := os.Stat(filepath.Join(dir, "pack"))
	if err != nil {
		return time.Time{}
	}
	return fi.ModTime()
}

// stale says whether packs came or went since h was opened.
func (o *objects) stale(h *handle) bool {
	for i, dir := range o.dirs {
		if !packTime(dir).Equal(h.packed[i]) {
			return true
		}
	}
	return false
}

func (o *objects) close(h *handle) {
	for _, s := range h.stores {
		_ = s.Close() // opened for reading only
	}
}

// with calls fn with the handle, and again with a new one if it was short of a pack.
func (o *objects) with(fn func(*handle) error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.h == nil {
		o.h = o.open()
	}
	err := fn(o.h)
	if (errors.Is(err, plumbing.ErrObjectNotFound) || errors.Is(err, fs.ErrNotExist)) && o.stale(o.h) {
		o.close(o.h)
		o.h = o.open()
		err = fn(o.h)
	}
	return err
}

var bytesRead atomic.Int64 //nolint:gochecknoglobals // a counter of the process

// BytesRead is how many bytes of objects and files this process has read of all repositories and folders, unpacked.
func BytesRead() int64 { return bytesRead.Load() }

// read gives the content of an object of the type want, or [plumbing.AnyObject]. The error wraps
// [*MissingObjectError] or [tree.ErrTooLarge] where that is the reason.
func (o *objects) read(want plumbing.ObjectType, name plumbing.Hash) (kind plumbing.ObjectType, data []byte, err error) {
	err = o.with(func(h *handle) error {
		kind, data, err = h.read(want, name)
		return err
	})
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		err = &MissingObjectError{Hash: name.String(), Hint: o.hint}
	}
	return kind, data, err
}

func (h *handle) read(want plumbing.ObjectType, name plumbing.Hash) (plumbing.ObjectType, []byte, error) {
	obj, err := h.object(want, name)
	if err != nil {
		return 0, nil, err
	}
	if obj.Size() > tree.MaxFile {
		return 0, nil, fmt.Errorf("object %s has %d bytes: %w", name, obj.Size(), tree.ErrTooLarge)
	}
	in, err := obj.Reader()
	if err != nil {
		return 0, nil, fmt.Errorf("read object %s: %w", name, err)
	}
	defer in.Close() //nolint:errcheck // read only
	data := make([]byte, obj.Size())
	bytesRead.Add(obj.Size())
	if _, err := io.ReadFull(in, data); err != nil {
		return 0, nil, fmt.Errorf("read object %s: %w", name, err)
	}
	return obj.Type(), data, nil
}

// object looks in every storage by itself: go-git would open the alternates again for each object.
func (h *handle) object(want plumbing.ObjectType, name plumbing.Hash) (plumbing.EncodedObject, error) {
	if len(h.stores) == 1 {
		return h.stores[0].EncodedObject(want, name)
	}
	for _, s := range h.stores {
		err := s.HasEncodedObject(name)
		if err == nil {
			return s.EncodedObject(want, name)
		}
		if !errors.Is(err, plumbing.ErrObjectNotFound) {
			return nil, err
		}
	}
	return nil, plumbing.ErrObjectNotFound
}

// withPrefix gives the objects whose names start with the hexadecimal digits of prefix, sorted.
func (o *objects) withPrefix(prefix []byte) (names []plumbing.Hash, err error) {
	err = o.with(func(h *handle) error {
		names = nil
		for _, s := range h.stores {
			found, err := s.HashesWithPrefix(prefix)
			if err != nil {
				return err
			}
			names = append(names, found...)
		}
		return nil
	})
	slices.SortFunc(names, func(a, b plumbing.Hash) int { return bytes.Compare(a[:], b[:]) })
	return slices.Compact(names), err
}

// commit reads and decodes a commit.
func (o *objects) commit(name plumbing.Hash) (*object.Commit, error) {
	kind, data, err := o.read(plumbing.CommitObject, name)
	if err != nil {
		return nil, err
	}
	var c object.Commit
	if err := c.Decode(memory(kind, data)); err != nil {
		return nil, fmt.Errorf("decode commit %s: %w", name, err)
	}
	c.Hash = name
	return &c, nil
}

func memory(kind plumbing.ObjectType, data []byte) plumbing.EncodedObject {
	m := &plumbing.MemoryObject{}
	m.SetType(kind)
	_, _ = m.Write(data) // to memory
	return m
}

// ReadDir and ReadBlob make objects a [tree.Store]; paths are not needed.
func (o *objects) ReadDir(_ string, h tree.Hash) ([]tree.Entry, error) {
	kind, data, err := o.read(plumbing.TreeObject, plumbing.Hash(h))
	if err != nil {
		return nil, err
	}
	var t object.Tree
	if err := t.Decode(memory(kind, data)); err != nil {
		return nil, fmt.Errorf("decode tree %s: %w", h, err)
	}
	entries := make([]tree.Entry, len(t.Entries))
	for i, e := range t.Entries {
		entries[i] = tree.Entry{Name: e.Name, Mode: modeOf(e.Mode), Hash: tree.Hash(e.Hash)}
	}
	return entries, nil
}

func (o *objects) ReadBlob(_ string, h tree.Hash) ([]byte, error) {
	_, data, err := o.read(plumbing.BlobObject, plumbing.Hash(h))
	return data, err
}

// modeOf reads modes as leniently as Git does: old repositories hold 100664 and the like.
func modeOf(m filemode.FileMode) tree.Mode {
	switch m & 0o170000 { //nolint:exhaustive // the type bits alone
	case 0o040000:
		return tree.Directory
	case 0o120000:
		return tree.Symlink
	case 0o160000:
		return tree.Submodule
	}
	if m&0o100 != 0 {
		return tree.Executable
	}
	return tree.File
}

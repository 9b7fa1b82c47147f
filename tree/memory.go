package tree

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// Blob is a file that is not a plain one: see [FromBlobs].
type Blob struct {
	Mode Mode   // File, Executable, Symlink or Submodule; zero is File
	Data string // content; the target of a Symlink; nothing for a Submodule
}

// FromMap makes a tree of plain files from path to content, as [FromBlobs] does.
func FromMap(files map[string]string) *Tree {
	blobs := make(map[string]Blob, len(files))
	for path, data := range files {
		blobs[path] = Blob{Mode: File, Data: data}
	}
	return FromBlobs(blobs)
}

// FromBlobs makes a tree from path to file, for generated trees and for tests. It knows every hash.
// If a path is malformed, is also the directory of another one, or has a mode that is none of a file,
// every read of the tree fails and says which.
func FromBlobs(files map[string]Blob) *Tree {
	m := &memory{files: maps.Clone(files), dirs: map[string][]Entry{".": nil}}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if err := m.add(path); err != nil {
			return New(broken{err}, Hash{})
		}
	}
	return New(m, Hash{})
}

// memory is a store of files that are all at hand.
type memory struct {
	files map[string]Blob
	dirs  map[string][]Entry // without hashes
}

func (m *memory) add(path string) error {
	b := m.files[path]
	if b.Mode == 0 {
		b.Mode = File
	}
	switch {
	case path == "." || !valid(path):
		return fmt.Errorf("file %q: %w", path, fs.ErrInvalid)
	case b.Mode >= Directory:
		return fmt.Errorf("file %q has mode %v: %w", path, b.Mode, fs.ErrInvalid)
	}
	dir, name := split(path)
	if err := m.mkdir(dir); err != nil {
		return err
	}
	m.dirs[dir] = append(m.dirs[dir], Entry{Name: name, Mode: b.Mode})
	return nil
}

func (m *memory) mkdir(path string) error {
	if _, ok := m.dirs[path]; ok {
		return nil
	}
	if _, ok := m.files[path]; ok {
		return fmt.Errorf("file %q is a directory too: %w", path, fs.ErrInvalid)
	}
	dir, name := split(path)
	if err := m.mkdir(dir); err != nil {
		return err
	}
	m.dirs[path] = nil
	m.dirs[dir] = append(m.dirs[dir], Entry{Name: name, Mode: Directory})
	return nil
}

func (m *memory) ReadDir(path string, _ Hash) ([]Entry, error) {
	entries := slices.Clone(m.dirs[path])
	for i := range entries {
		if e := &entries[i]; e.Mode != Directory {
			e.Hash = HashBlob([]byte(m.files[join(path, e.Name)].Data))
		}
	}
	return entries, nil
}

func (m *memory) ReadBlob(path string, _ Hash) ([]byte, error) {
	return []byte(m.files[path].Data), nil
}

// broken is the store of a tree that could not be made.
type broken struct{ err error }

func (b broken) ReadDir(string, Hash) ([]Entry, error) { return nil, b.err }
func (b broken) ReadBlob(string, Hash) ([]byte, error) { return nil, b.err }

func split(path string) (dir, name string) {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i], path[i+1:]
	}
	return ".", path
}

package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// Mount gives a view of t with the files of sub under the directory at, whose parents are made if
// they are missing. The error wraps [fs.ErrExist] if at, or something that is not a directory on the
// way to it, exists; an empty directory or a submodule is replaced.
func (t *Tree) Mount(at string, sub *Tree) (*Tree, error) {
	if !valid(at) {
		return nil, pathError("mount", at, fs.ErrInvalid)
	}
	for end := 0; end < len(at); {
		if i := strings.IndexByte(at[end+1:], '/'); i >= 0 {
			end += 1 + i
		} else {
			end = len(at)
		}
		e, _, err := t.find("mount", at[:end])
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return nil, err
		}
		if !e.IsDir() {
			return nil, pathError("mount", at, fmt.Errorf("%s is a file: %w", at[:end], fs.ErrExist))
		}
		if end < len(at) {
			continue
		}
		l, err := t.listing("mount", at)
		if err != nil {
			return nil, err
		}
		if len(l.entries) > 0 {
			return nil, pathError("mount", at, fmt.Errorf("directory is not empty: %w", fs.ErrExist))
		}
	}
	return New(&mount{base: t, at: at, sub: sub}, Hash{}), nil
}

type mount struct {
	base, sub *Tree
	at        string
}

// within gives the path in sub of a path at or below the mount point.
func (m *mount) within(path string) (string, bool) {
	switch {
	case path == m.at:
		return ".", true
	case m.at == ".":
		return path, true
	}
	rest, ok := strings.CutPrefix(path, m.at)
	if !ok || rest[0] != '/' {
		return "", false
	}
	return rest[1:], true
}

func (m *mount) ReadDir(path string, _ Hash) ([]Entry, error) {
	if p, ok := m.within(path); ok {
		return m.sub.ReadDir(p)
	}
	rest := m.at
	if path != "." {
		var ok bool
		if rest, ok = strings.CutPrefix(m.at, path+"/"); !ok {
			return m.base.ReadDir(path)
		}
	}
	entries, err := m.base.ReadDir(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	name, deeper, _ := strings.Cut(rest, "/")
	made := Entry{Name: name, Mode: Directory}
	if deeper == "" {
		made.Hash = m.sub.root.hash
	}
	for i := range entries {
		if entries[i].Name == name {
			entries[i] = made
			return entries, nil
		}
	}
	return append(entries, made), nil
}

func (m *mount) ReadBlob(path string, _ Hash) ([]byte, error) {
	if p, ok := m.within(path); ok {
		return m.sub.ReadFile(p)
	}
	return m.base.ReadFile(path)
}

// Package tree holds the files of a commit as an immutable value, see [Tree].
package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Bounds on what a tree may hold, so that a hostile repository cannot use up memory or time.
const (
	MaxFile    = 32 << 20 // bytes of one file
	MaxPath    = 4096     // bytes of one path from the store's root
	MaxEntries = 4 << 20  // entries in all the directories loaded through one tree
)

// ErrTooLarge is wrapped by the errors of reads that would pass [MaxFile], [MaxPath] or [MaxEntries].
var ErrTooLarge = errors.New("too large")

var (
	errDirectory    = errors.New("is a directory")
	errNotDirectory = errors.New("not a directory")
)

// Store is where a tree's directories and contents come from. Paths are slash-separated from the
// store's root, which is "."; h is the hash that the parent directory gave for the path, zero if it
// gave none. Both methods must be safe for concurrent use, and give the same answer every time.
type Store interface {
	// ReadDir gives the entries of a directory, in any order. It is asked for entries of mode
	// Directory only.
	ReadDir(path string, h Hash) ([]Entry, error)
	// ReadBlob gives the content of a file, or the target text of a symbolic link. A store that
	// can tell the size first answers with [ErrTooLarge] above [MaxFile].
	ReadBlob(path string, h Hash) ([]byte, error)
}

// Tree is the files of one commit: immutable, and safe for concurrent use. Paths are slash-separated
// from the tree's root, which is "."; they have no empty, "." or ".." elements.
//
// Directories are loaded once, when first asked for. Contents are not kept: a store may.
//
// All reads fail with an [*fs.PathError] that wraps [fs.ErrInvalid] for a malformed path,
// [fs.ErrNotExist] for a missing one, or the store's error. Nothing is followed: a path through a
// symbolic link does not exist.
type Tree struct {
	c      *core
	prefix string // store's path of root
	root   *dir
}

// core is what a tree shares with its [Tree.Sub] trees.
type core struct {
	store  Store
	loaded atomic.Int64 // entries in loaded directories
	sums   sync.Map     // store's path -> Hash, of contents whose hash the store does not know
}

// dir is a directory that is loaded once.
type dir struct {
	hash Hash
	mu   sync.Mutex // held while loading
	list atomic.Pointer[listing]
	sum  atomic.Pointer[Hash]
}

type listing struct {
	entries []Entry // by name
	dirs    []*dir  // as entries; nil where not a Directory
}

// New makes a tree of what s holds. root is the hash of the root directory, zero if not known.
// Nothing is read yet.
func New(s Store, root Hash) *Tree {
	return &Tree{c: &core{store: s}, prefix: ".", root: &dir{hash: root}}
}

// ID is the hash of the root directory as Git would compute it. It is zero when the store does not
// know the hash of every file without reading it, or when a directory cannot be read. An empty
// directory, which Git cannot hold, counts as an empty tree object.
func (t *Tree) ID() Hash {
	h, _ := t.hashDir(t.root, t.prefix)
	return h
}

// Stat describes the file or directory at path; the root has the name ".".
func (t *Tree) Stat(path string) (Entry, error) {
	e, _, err := t.find("stat", path)
	return e, err
}

// ReadDir lists the directory at path by name, in byte order. A submodule is empty.
// The caller may keep and change the slice.
func (t *Tree) ReadDir(path string) ([]Entry, error) {
	l, err := t.listing("readdir", path)
	if err != nil {
		return nil, err
	}
	return slices.Clone(l.entries), nil
}

// ReadFile gives the content of the file at path, which callers must not modify. For a symbolic link
// it is the target's text. The error wraps [ErrTooLarge] above [MaxFile].
func (t *Tree) ReadFile(path string) ([]byte, error) {
	e, _, err := t.find("read", path)
	if err != nil {
		return nil, err
	}
	if e.IsDir() {
		return nil, pathError("read", path, errDirectory)
	}
	return t.content("read", path, e)
}

// HashOf gives the hash of the content of the file or symbolic link at path, and reads it only when
// the store does not know. A directory or submodule is an error.
func (t *Tree) HashOf(path string) (Hash, error) {
	e, _, err := t.find("hash", path)
	if err != nil {
		return Hash{}, err
	}
	if e.IsDir() {
		return Hash{}, pathError("hash", path, errDirectory)
	}
	if !e.Hash.IsZero() {
		return e.Hash, nil
	}
	key := join(t.prefix, path)
	if h, ok := t.c.sums.Load(key); ok {
		sum, _ := h.(Hash)
		return sum, nil
	}
	data, err := t.content("hash", path, e)
	if err != nil {
		return Hash{}, err
	}
	h := HashBlob(data)
	t.c.sums.Store(key, h)
	return h, nil
}

// Walk calls fn for everything below dir, not for dir itself: parents first, names in byte order.
// If fn gives [fs.SkipDir] for a directory, what is below it is left out; for anything else, the rest
// of its directory. [fs.SkipAll] ends the walk without an error; any other error ends it with that.
func (t *Tree) Walk(dir string, fn func(path string, e Entry) error) error {
	d, err := t.findDir("walk", dir)
	if err != nil || d == nil {
		return err
	}
	err = t.walk(dir, d, fn)
	if err == fs.SkipAll { //nolint:errorlint // as fs.WalkDir: the sentinel itself, not one wrapped
		return nil
	}
	return err
}

func (t *Tree) walk(path string, d *dir, fn func(string, Entry) error) error {
	l, err := t.load(d, join(t.prefix, path))
	if err != nil {
		return pathError("walk", path, err)
	}
	for i, e := range l.entries {
		p := join(path, e.Name)
		err := fn(p, e)
		if err == nil && l.dirs[i] != nil {
			err = t.walk(p, l.dirs[i], fn)
		}
		switch err {
		case nil:
		case fs.SkipDir: //nolint:errorlint // see Walk
			if !e.IsDir() {
				return nil
			}
		default:
			return err
		}
	}
	return nil
}

// Sub gives the tree whose root is the directory dir of t. It shares what t has loaded.
func (t *Tree) Sub(dir string) (*Tree, error) {
	d, err := t.findDir("sub", dir)
	switch {
	case err != nil:
		return nil, err
	case d == nil:
		return FromMap(nil), nil
	}
	return &Tree{c: t.c, prefix: join(t.prefix, dir), root: d}, nil
}

// find gives the entry at path, and its directory if it is of mode Directory.
func (t *Tree) find(op, path string) (Entry, *dir, error) {
	if !valid(path) {
		return Entry{}, nil, pathError(op, path, fs.ErrInvalid)
	}
	at := Entry{Name: ".", Mode: Directory, Hash: t.root.hash}
	d := t.root
	for rest := path; rest != "" && path != "."; {
		if d == nil {
			return Entry{}, nil, pathError(op, path, fs.ErrNotExist)
		}
		l, err := t.load(d, t.above(path, rest))
		if err != nil {
			return Entry{}, nil, pathError(op, path, err)
		}
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		i, ok := slices.BinarySearchFunc(l.entries, name, func(e Entry, n string) int { return strings.Compare(e.Name, n) })
		if !ok {
			return Entry{}, nil, pathError(op, path, fs.ErrNotExist)
		}
		at, d = l.entries[i], l.dirs[i]
	}
	return at, d, nil
}

// above gives the store's path of the directory that rest, the end of path, is to be looked up in.
func (t *Tree) above(path, rest string) string {
	if len(rest) == len(path) {
		return t.prefix
	}
	return join(t.prefix, path[:len(path)-len(rest)-1])
}

// findDir is find for what can be listed; the *dir is nil for a submodule.
func (t *Tree) findDir(op, path string) (*dir, error) {
	e, d, err := t.find(op, path)
	if err == nil && !e.IsDir() {
		err = pathError(op, path, errNotDirectory)
	}
	return d, err
}

func (t *Tree) listing(op, path string) (*listing, error) {
	d, err := t.findDir(op, path)
	switch {
	case err != nil:
		return nil, err
	case d == nil:
		return &listing{}, nil
	}
	l, err := t.load(d, join(t.prefix, path))
	if err != nil {
		return nil, pathError(op, path, err)
	}
	return l, nil
}

// load gives what d holds; path is the store's. An error is not remembered.
func (t *Tree) load(d *dir, path string) (*listing, error) {
	if l := d.list.Load(); l != nil {
		return l, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if l := d.list.Load(); l != nil {
		return l, nil
	}
	got, err := t.c.store.ReadDir(path, d.hash)
	if err != nil {
		return nil, err
	}
	l := &listing{entries: slices.Clone(got), dirs: make([]*dir, len(got))}
	slices.SortFunc(l.entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	for i, e := range l.entries {
		if err := checkEntry(l.entries, i, path); err != nil {
			return nil, err
		}
		if e.Mode == Directory {
			l.dirs[i] = &dir{hash: e.Hash}
		}
	}
	if t.c.loaded.Add(int64(len(got))) > MaxEntries {
		return nil, fmt.Errorf("more than %d entries: %w", MaxEntries, ErrTooLarge)
	}
	d.list.Store(l)
	return l, nil
}

// checkEntry refuses what a hostile or broken store may hold: names that would be read as other paths.
func checkEntry(entries []Entry, i int, dir string) error {
	e := entries[i]
	switch {
	case e.Name == "" || e.Name == "." || e.Name == ".." || strings.ContainsAny(e.Name, "/\x00"):
		return fmt.Errorf("entry %q: %w", e.Name, fs.ErrInvalid)
	case i > 0 && entries[i-1].Name == e.Name:
		return fmt.Errorf("entry %q appears twice: %w", e.Name, fs.ErrInvalid)
	case e.Mode < File || e.Mode > Directory:
		return fmt.Errorf("entry %q has no mode: %w", e.Name, fs.ErrInvalid)
	case len(dir)+1+len(e.Name) > MaxPath:
		return fmt.Errorf("path of more than %d bytes: %w", MaxPath, ErrTooLarge)
	}
	return nil
}

func (t *Tree) content(op, path string, e Entry) ([]byte, error) {
	data, err := t.c.store.ReadBlob(join(t.prefix, path), e.Hash)
	if err == nil && len(data) > MaxFile {
		err = fmt.Errorf("%d bytes: %w", len(data), ErrTooLarge)
	}
	if err != nil {
		return nil, pathError(op, path, err)
	}
	return data, nil
}

// hashDir gives Git's hash of a directory, zero if it cannot be known without reading files.
func (t *Tree) hashDir(d *dir, path string) (Hash, error) {
	if !d.hash.IsZero() {
		return d.hash, nil
	}
	if h := d.sum.Load(); h != nil {
		return *h, nil
	}
	l, err := t.load(d, path)
	if err != nil {
		return Hash{}, err
	}
	entries := slices.Clone(l.entries)
	var h Hash
	for i := range entries {
		if l.dirs[i] != nil {
			if entries[i].Hash, err = t.hashDir(l.dirs[i], join(path, entries[i].Name)); err != nil {
				return Hash{}, err
			}
		}
		if entries[i].Hash.IsZero() {
			d.sum.Store(&h)
			return h, nil
		}
	}
	h = hashEntries(entries)
	d.sum.Store(&h)
	return h, nil
}

// valid is [fs.ValidPath] without the demand for UTF-8, which Git does not make.
func valid(path string) bool {
	if path == "." {
		return true
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
	}
	return true
}

// join puts a slash between two paths that are clean already; either may be ".".
func join(dir, name string) string {
	switch {
	case dir == ".":
		return name
	case name == ".":
		return dir
	}
	return dir + "/" + name
}

// pathError says err of path. An error that a view below has put a path to keeps its cause alone.
func pathError(op, path string, err error) error {
	if pe, ok := err.(*fs.PathError); ok { //nolint:errorlint // only the outermost
		err = pe.Err
	}
	return &fs.PathError{Op: op, Path: path, Err: err}
}

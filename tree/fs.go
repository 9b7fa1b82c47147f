package tree

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"slices"
	"time"
)

// FS gives a read-only io/fs view of t. Times are zero, and nothing is followed: a symbolic link can
// be listed, read with [fs.ReadLink] and described with [fs.Lstat], but opening it is an error.
// Names that are not UTF-8 are listed but cannot be opened, as [fs.ValidPath] forbids them.
func (t *Tree) FS() fs.FS { return view{t} }

var errSymlink = errors.New("is a symbolic link")

type view struct{ t *Tree }

var (
	_ fs.ReadDirFS  = view{}
	_ fs.ReadFileFS = view{}
	_ fs.StatFS     = view{}
	_ fs.ReadLinkFS = view{}
	_ fs.SubFS      = view{}
)

func (v view) find(op, name string) (Entry, error) {
	if !fs.ValidPath(name) {
		return Entry{}, pathError(op, name, fs.ErrInvalid)
	}
	e, _, err := v.t.find(op, name)
	return e, err
}

// follow is find for those operations that io/fs defines to follow links.
func (v view) follow(op, name string) (Entry, error) {
	e, err := v.find(op, name)
	if err == nil && e.Mode == Symlink {
		err = pathError(op, name, errSymlink)
	}
	return e, err
}

func (v view) Open(name string) (fs.File, error) {
	e, err := v.follow("open", name)
	if err != nil {
		return nil, err
	}
	if e.IsDir() {
		list, err := v.ReadDir(name)
		if err != nil {
			return nil, err
		}
		return &openDir{openEntry{info{e, 0}, name}, list}, nil
	}
	data, err := v.t.content("open", name, e)
	if err != nil {
		return nil, err
	}
	return &openFile{openEntry{info{e, len(data)}, name}, bytes.NewReader(data)}, nil
}

func (v view) ReadDir(name string) ([]fs.DirEntry, error) {
	if _, err := v.follow("readdir", name); err != nil {
		return nil, err
	}
	l, err := v.t.listing("readdir", name)
	if err != nil {
		return nil, err
	}
	list := make([]fs.DirEntry, len(l.entries))
	for i, e := range l.entries {
		list[i] = dirEntry{v.t, join(name, e.Name), e}
	}
	return list, nil
}

func (v view) ReadFile(name string) ([]byte, error) {
	if _, err := v.follow("read", name); err != nil {
		return nil, err
	}
	data, err := v.t.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return slices.Clone(data), nil
}

func (v view) Stat(name string) (fs.FileInfo, error) {
	e, err := v.follow("stat", name)
	if err != nil {
		return nil, err
	}
	return dirEntry{v.t, name, e}.Info()
}

func (v view) Lstat(name string) (fs.FileInfo, error) {
	e, err := v.find("lstat", name)
	if err != nil {
		return nil, err
	}
	return dirEntry{v.t, name, e}.Info()
}

func (v view) ReadLink(name string) (string, error) {
	e, err := v.find("readlink", name)
	if err != nil {
		return "", err
	}
	if e.Mode != Symlink {
		return "", pathError("readlink", name, fs.ErrInvalid)
	}
	data, err := v.t.content("readlink", name, e)
	return string(data), err
}

func (v view) Sub(dir string) (fs.FS, error) {
	if _, err := v.follow("sub", dir); err != nil {
		return nil, err
	}
	sub, err := v.t.Sub(dir)
	if err != nil {
		return nil, err
	}
	return sub.FS(), nil
}

// dirEntry reads the file only when asked for its size.
type dirEntry struct {
	t    *Tree
	path string
	e    Entry
}

func (d dirEntry) Name() string      { return d.e.Name }
func (d dirEntry) IsDir() bool       { return d.e.IsDir() }
func (d dirEntry) Type() fs.FileMode { return d.e.Mode.fileMode().Type() }
func (d dirEntry) String() string    { return fs.FormatDirEntry(d) }

func (d dirEntry) Info() (fs.FileInfo, error) {
	if d.e.IsDir() {
		return info{d.e, 0}, nil
	}
	data, err := d.t.content("stat", d.path, d.e)
	return info{d.e, len(data)}, err
}

type info struct {
	e    Entry
	size int
}

func (i info) Name() string       { return i.e.Name }
func (i info) Size() int64        { return int64(i.size) }
func (i info) Mode() fs.FileMode  { return i.e.Mode.fileMode() }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.e.IsDir() }
func (i info) Sys() any           { return i.e }
func (i info) String() string     { return fs.FormatFileInfo(i) }

type openEntry struct {
	info info
	path string
}

func (o *openEntry) Stat() (fs.FileInfo, error) { return o.info, nil }
func (o *openEntry) Close() error               { return nil }

type openFile struct {
	openEntry
	*bytes.Reader
}

type openDir struct {
	openEntry
	rest []fs.DirEntry
}

func (o *openDir) Read([]byte) (int, error) { return 0, pathError("read", o.path, errDirectory) }

func (o *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 {
		n = len(o.rest)
	} else if len(o.rest) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(o.rest))
	list := o.rest[:n:n]
	o.rest = o.rest[n:]
	return list, nil
}

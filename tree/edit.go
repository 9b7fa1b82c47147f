package tree

import (
	"errors"
	"io/fs"
)

// With gives a view of t with other content in some files, which are made where they are missing, and without the files in remove.
// A directory that is left without a file is gone, as Git holds none. A malformed path, or one that is a directory on the one side and a file
// on the other, makes every read fail that meets it.
func (t *Tree) With(files map[string]string, remove ...string) *Tree {
	o := &overlay{base: t, over: FromMap(files), files: files, removed: map[string]bool{}, touched: map[string]bool{}}
	for _, path := range remove {
		if _, back := files[path]; !back {
			o.removed[path] = true
			o.touch(path)
		}
	}
	for path := range files {
		o.touch(path)
	}
	return New(o, Hash{})
}

// overlay is a tree with edits.
type overlay struct {
	base, over *Tree
	files      map[string]string
	removed    map[string]bool
	touched    map[string]bool // directories with an edit below them
}

func (o *overlay) touch(path string) {
	for path != "." {
		path, _ = split(path)
		o.touched[path] = true
	}
}

func (o *overlay) ReadDir(path string, _ Hash) ([]Entry, error) {
	entries, err := o.base.ReadDir(path)
	if err != nil && (!errors.Is(err, fs.ErrNotExist) || !o.touched[path]) {
		return nil, err
	}
	if !o.touched[path] {
		return entries, nil
	}
	var out []Entry
	for _, e := range entries {
		at := join(path, e.Name)
		_, replaced := o.files[at]
		switch {
		case replaced && e.Mode == Directory:
			return nil, pathError("edit", at, fs.ErrExist)
		case replaced, o.removed[at]:
			continue
		}
		if e.Mode == Directory && o.touched[at] {
			below, err := o.ReadDir(at, Hash{})
			if err != nil {
				return nil, err
			}
			if len(below) == 0 {
				continue
			}
			e.Hash = Hash{}
		}
		out = append(out, e)
	}
	added, err := o.over.ReadDir(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range added {
		if e.Mode == Directory {
			e.Hash = Hash{}
		}
		if i := indexOf(out, e.Name); i < 0 {
			out = append(out, e)
		} else if e.Mode != Directory || out[i].Mode != Directory {
			return nil, pathError("edit", join(path, e.Name), fs.ErrExist)
		}
	}
	return out, nil
}

func indexOf(entries []Entry, name string) int {
	for i := range entries {
		if entries[i].Name == name {
			return i
		}
	}
	return -1
}

func (o *overlay) ReadBlob(path string, _ Hash) ([]byte, error) {
	if text, ok := o.files[path]; ok {
		return []byte(text), nil
	}
	return o.base.ReadFile(path)
}

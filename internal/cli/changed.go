package cli

import (
	"path"
	"slices"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// changedFiles are the files that differ between two trees, as sorted slash paths:
// those that only one has, and those with another content or mode. Directories
// whose hashes are known and equal are not looked into. A file that cannot be
// read counts as different.
func changedFiles(a, b *tree.Tree) ([]string, error) {
	d := &treeDiff{a: a, b: b, files: []string{}}
	if h := a.ID(); !h.IsZero() && h == b.ID() {
		return d.files, nil
	}
	if err := d.dir("."); err != nil {
		return nil, err
	}
	slices.Sort(d.files)
	return d.files, nil
}

type treeDiff struct {
	a, b  *tree.Tree
	files []string
}

func (d *treeDiff) dir(dir string) error {
	before, err := d.a.ReadDir(dir)
	if err != nil {
		return err
	}
	after, err := d.b.ReadDir(dir)
	if err != nil {
		return err
	}
	for len(before) > 0 || len(after) > 0 {
		switch {
		case len(after) == 0 || len(before) > 0 && before[0].Name < after[0].Name:
			err = d.only(d.a, path.Join(dir, before[0].Name), before[0])
			before = before[1:]
		case len(before) == 0 || after[0].Name < before[0].Name:
			err = d.only(d.b, path.Join(dir, after[0].Name), after[0])
			after = after[1:]
		default:
			err = d.both(path.Join(dir, before[0].Name), before[0], after[0])
			before, after = before[1:], after[1:]
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// only adds an entry that one side has, with everything below it.
func (d *treeDiff) only(t *tree.Tree, p string, e tree.Entry) error {
	if e.Mode != tree.Directory {
		d.files = append(d.files, p)
		return nil
	}
	return t.Walk(p, func(q string, e tree.Entry) error {
		if e.Mode != tree.Directory {
			d.files = append(d.files, q)
		}
		return nil
	})
}

func (d *treeDiff) both(p string, a, b tree.Entry) error {
	switch {
	case a.Mode == b.Mode && !a.Hash.IsZero() && a.Hash == b.Hash:
		return nil
	case a.Mode == tree.Directory && b.Mode == tree.Directory:
		return d.dir(p)
	case a.Mode == tree.Directory || b.Mode == tree.Directory:
		if err := d.only(d.a, p, a); err != nil {
			return err
		}
		return d.only(d.b, p, b)
	case a.Mode != b.Mode || a.Mode == tree.Submodule:
		d.files = append(d.files, p)
		return nil
	}
	x, errA := d.a.HashOf(p)
	y, errB := d.b.HashOf(p)
	if errA != nil || errB != nil || x != y {
		d.files = append(d.files, p)
	}
	return nil
}

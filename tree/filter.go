package tree

import "sync"

// Filter gives a view of t with what keep keeps. keep gets the path and entry of everything in t,
// also below directories it does not keep; such a directory still appears if something below it is
// kept. keep must give the same answer each time, and be safe for concurrent use.
//
// The view is lazy: listing a directory looks below those of its directories that are not kept, as far
// as the first thing that is. Directories of the view have no hash until [Tree.ID] computes it.
func (t *Tree) Filter(keep func(path string, e Entry) bool) *Tree {
	return New(&filter{base: t, keep: keep}, Hash{})
}

type filter struct {
	base  *Tree
	keep  func(string, Entry) bool
	below sync.Map // path of a directory that is not kept -> whether something below it is (bool)
}

func (f *filter) ReadDir(path string, _ Hash) ([]Entry, error) {
	l, err := f.base.listing("readdir", path)
	if err != nil {
		return nil, err
	}
	var kept []Entry
	for _, e := range l.entries {
		ok, err := f.visible(join(path, e.Name), e)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		if e.Mode == Directory {
			e.Hash = Hash{}
		}
		kept = append(kept, e)
	}
	return kept, nil
}

func (f *filter) ReadBlob(path string, _ Hash) ([]byte, error) { return f.base.ReadFile(path) }

func (f *filter) visible(path string, e Entry) (bool, error) {
	if f.keep(path, e) {
		return true, nil
	}
	if e.Mode != Directory {
		return false, nil
	}
	if v, ok := f.below.Load(path); ok {
		b, _ := v.(bool)
		return b, nil
	}
	found := false
	l, err := f.base.listing("readdir", path)
	if err != nil {
		return false, err
	}
	for _, e := range l.entries {
		if found, err = f.visible(join(path, e.Name), e); found || err != nil {
			break
		}
	}
	if err != nil {
		return false, err
	}
	f.below.Store(path, found)
	return found, nil
}

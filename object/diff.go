package object

import (
	"maps"
	"slices"
)

// maxDepth is how deep Diff looks; deeper differences become one Replace. Real schemas stay below 70.
const maxDepth = 128

// DiffOptions narrows what [Diff] reports. The zero value reports everything.
type DiffOptions struct {
	// IgnoreOrder leaves out Reorder edits. Lists without merge keys still count their order.
	IgnoreOrder bool
	// Skip, when set, is asked once for each path that differs or may have differences below it; true leaves out
	// the path and all below. It must not keep the path.
	Skip func(Path) bool
}

// Diff lists what must be done to a to get b, sorted by path; at one path, what goes comes before
// what comes. Without options it is empty exactly when both have the same [Body.Hash]. Diff(b, a) is the same
// list with from and to swapped, but for positions in lists.
//
// Maps are compared key by key. Elements of a list are matched by the merge key that Kubernetes knows for
// the field (containers by name, ports by number and protocol) when all elements of both
// lists have a unique one; sets of scalars, such as finalizers, by value; elements of other lists by the longest
// common subsequence of equal elements, and what lies between by position. Lists that are very long and
// very different are compared by position alone. Strings are never taken apart.
// A nil body counts as an empty one.
func Diff(a, b *Body, opts DiffOptions) []Edit {
	if a == b {
		return nil
	}
	d := differ{opts: opts, cells: maxCells}
	d.maps(bodyMap(a), bodyMap(b))
	sortEdits(d.edits)
	return d.edits
}

func bodyMap(b *Body) map[string]any {
	if b == nil {
		return nil
	}
	return b.Map()
}

// differ walks two contents in step.
type differ struct {
	opts  DiffOptions
	path  Path // where the walk is; reused, so clone to keep
	edits []Edit
	cells int // what may still be spent on longest common subsequences
}

// at runs fn one step further down, unless the options skip it.
func (d *differ) at(s Step, fn func()) {
	d.path = append(d.path, s)
	if d.opts.Skip == nil || !d.opts.Skip(d.path) {
		fn()
	}
	d.path = d.path[:len(d.path)-1]
}

func (d *differ) emit(op Op, from, to any) {
	d.edits = append(d.edits, Edit{Path: slices.Clone(d.path), Op: op, From: from, To: to})
}

func (d *differ) add(s Step, to any)      { d.at(s, func() { d.emit(Add, nil, to) }) }
func (d *differ) remove(s Step, from any) { d.at(s, func() { d.emit(Remove, from, nil) }) }
func (d *differ) compare(s Step, a, b any) {
	d.at(s, func() { d.values(a, b) })
}

func (d *differ) values(a, b any) {
	if len(d.path) < maxDepth {
		switch a := a.(type) {
		case map[string]any:
			if b, ok := b.(map[string]any); ok {
				d.maps(a, b)
				return
			}
		case []any:
			if b, ok := b.([]any); ok {
				d.lists(a, b)
				return
			}
		}
	}
	if !equal(a, b) {
		d.emit(Replace, a, b)
	}
}

// maps goes by sorted keys: what may be spent on lists must go to the same lists every time.
func (d *differ) maps(a, b map[string]any) {
	for _, k := range slices.Sorted(maps.Keys(a)) {
		s, v := Step{Kind: Field, Field: k}, a[k]
		if w, ok := b[k]; !ok {
			d.remove(s, v)
		} else if !same(v, w) {
			d.compare(s, v, w)
		}
	}
	for k, w := range b {
		if _, ok := a[k]; !ok {
			d.add(Step{Kind: Field, Field: k}, w)
		}
	}
}

// same is a cheap test that spares the walk into equal scalars; false says nothing.
func same(a, b any) bool {
	switch a := a.(type) {
	case string:
		b, ok := b.(string)
		return ok && a == b
	case nil, bool, int64:
		switch b.(type) {
		case nil, bool, int64:
			return a == b
		}
	}
	return false
}

func (d *differ) lists(a, b []any) {
	if slices.EqualFunc(a, b, equal) {
		return
	}
	field := ""
	if n := len(d.path); n > 0 {
		field = d.path[n-1].Field
	}
	if names, inA, inB := keysFor(field, a, b); names != nil {
		d.keyed(names, a, b, inA, inB)
		return
	}
	d.sequence(a, b)
}

// keyed compares lists whose elements have unique keys.
func (d *differ) keyed(names []string, a, b []any, inA, inB map[string]int) {
	next, sorted := -1, true
	for _, el := range a {
		k, _ := keyOf(names, el)
		s := selector(names, el)
		j, ok := inB[k]
		if !ok {
			d.remove(s, el)
			continue
		}
		sorted = sorted && j > next
		next = j
		d.compare(s, el, b[j])
	}
	for _, el := range b {
		if k, _ := keyOf(names, el); !has(inA, k) {
			d.add(selector(names, el), el)
		}
	}
	if !sorted && !d.opts.IgnoreOrder {
		d.emit(Reorder, keyValues(names, a), keyValues(names, b))
	}
}

func has(m map[string]int, k string) bool {
	_, ok := m[k]
	return ok
}

func keyValues(names []string, list []any) []any {
	out := make([]any, len(list))
	for i, el := range list {
		out[i] = keyValue(names, el)
	}
	return out
}

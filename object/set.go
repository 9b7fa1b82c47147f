package object

import (
	"iter"
	"slices"
)

// Set holds objects in the order of their IDs, one at most for each ID. It is a value: no method
// changes a set, [Set.With] and [Set.Without] return new ones. The zero Set is empty.
//
// A set is one sorted slice of pointers (8 bytes for each object beside the object itself); Get is
// a binary search. To collect many objects, gather them in a slice and call [NewSet] once.
type Set struct {
	objs []*Object
}

// NewSet makes a set of objs, in any order. Of several with one ID the last wins. Nil objects are skipped.
func NewSet(objs ...*Object) Set {
	sorted := make([]*Object, 0, len(objs))
	for _, o := range objs {
		if o != nil {
			sorted = append(sorted, o)
		}
	}
	if given := slices.Clone(sorted); twice(sorted) { // which is the last counts
		sorted = given
		slices.SortStableFunc(sorted, byID)
	}
	kept := sorted[:0]
	for _, o := range sorted {
		if n := len(kept); n > 0 && kept[n-1].ID == o.ID {
			kept[n-1] = o
			continue
		}
		kept = append(kept, o)
	}
	clear(sorted[len(kept):])
	return Set{objs: slices.Clip(kept)}
}

// twice sorts objs, and reports whether two have one ID.
func twice(objs []*Object) bool {
	slices.SortFunc(objs, byID)
	for i := range objs[:max(len(objs)-1, 0)] {
		if objs[i].ID == objs[i+1].ID {
			return true
		}
	}
	return false
}

// Len counts the objects.
func (s Set) Len() int { return len(s.objs) }

// Get finds the object named id; it is nil and false when the set has none.
func (s Set) Get(id ID) (*Object, bool) {
	i, ok := slices.BinarySearchFunc(s.objs, id, func(o *Object, id ID) int { return o.ID.Compare(id) })
	if !ok {
		return nil, false
	}
	return s.objs[i], true
}

// All yields the objects in the order of [ID.Compare].
func (s Set) All() iter.Seq[*Object] { return slices.Values(s.objs) }

// With is s and objs; an object of objs takes the place of the one in s with its ID, and of several in objs
// the last wins. It takes time in proportion to both together.
func (s Set) With(objs ...*Object) Set {
	added := NewSet(objs...)
	if added.Len() == 0 {
		return s
	}
	out := make([]*Object, 0, len(s.objs)+len(added.objs))
	for old, o := range Join(s, added) {
		if o == nil {
			o = old
		}
		out = append(out, o)
	}
	return Set{objs: out}
}

// Without is s less the objects named; IDs that s does not have are ignored.
func (s Set) Without(ids ...ID) Set {
	gone := make(map[ID]bool, len(ids))
	for _, id := range ids {
		gone[id] = true
	}
	out := make([]*Object, 0, len(s.objs))
	for _, o := range s.objs {
		if !gone[o.ID] {
			out = append(out, o)
		}
	}
	return Set{objs: out}
}

// Exchange is s with the objects now in the place of those of was, which are in s. It is quick when both have the same IDs in
// the same order.
func (s Set) Exchange(was, now []*Object) Set {
	if !slices.EqualFunc(was, now, func(a, b *Object) bool { return a.ID == b.ID }) {
		var gone []ID
		for _, o := range was {
			gone = append(gone, o.ID)
		}
		return s.Without(gone...).With(now...)
	}
	out := Set{objs: slices.Clone(s.objs)}
	for _, o := range now {
		if i, ok := slices.BinarySearchFunc(out.objs, o, byID); ok {
			out.objs[i] = o
		}
	}
	return out
}

// Equal says whether both sets have the same IDs with the same content (by [Body.Hash]).
// Origins are not compared: the same object may reach a cluster by another way.
func (s Set) Equal(other Set) bool {
	if s.Len() != other.Len() {
		return false
	}
	for a, b := range Join(s, other) {
		if a == nil || b == nil || !a.body.Equal(b.body) {
			return false
		}
	}
	return true
}

// Join yields every ID of a or b once, in order: the object of a and the object of b, nil on
// the side that does not have it. It never yields nil twice.
func Join(a, b Set) iter.Seq2[*Object, *Object] {
	return func(yield func(a, b *Object) bool) {
		left, right := a.objs, b.objs
		for len(left) > 0 || len(right) > 0 {
			var l, r *Object
			switch c := order(left, right); {
			case c < 0:
				l, left = left[0], left[1:]
			case c > 0:
				r, right = right[0], right[1:]
			default:
				l, left = left[0], left[1:]
				r, right = right[0], right[1:]
			}
			if !yield(l, r) {
				return
			}
		}
	}
}

// order compares the first objects; an exhausted side comes last. Not both may be empty.
func order(left, right []*Object) int {
	switch {
	case len(left) == 0:
		return 1
	case len(right) == 0:
		return -1
	default:
		return byID(left[0], right[0])
	}
}

func byID(a, b *Object) int { return a.ID.Compare(b.ID) }

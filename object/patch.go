package object

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Patch makes the edits on a copy of a; a stays as it is, and parts without edits are shared. Applying the edits of
// Diff(a, b) gives b, but that elements added to a list matched by key stand at its end, unless
// a Reorder puts them elsewhere. Edits may come in any order. The sensitive values are those of a.
//
// The error names the path of an edit that does not fit: a value that is absent or is not what From says, a place that is
// taken, two edits of one place, a result that is not a map.
func Patch(a *Body, edits []Edit) (*Body, error) {
	sorted := slices.Clone(edits)
	for i := range sorted {
		sorted[i].From, _ = normalize(sorted[i].From)
		sorted[i].To, _ = normalize(sorted[i].To)
	}
	sortEdits(sorted)
	if a == nil {
		a = newBody(map[string]any{}, nil)
	}
	v, keep, err := patch(a.Map(), true, sorted, 0)
	if err != nil {
		return nil, fmt.Errorf("patch: %w", err)
	}
	m, ok := v.(map[string]any)
	if !ok || !keep {
		return nil, errors.New("patch: the result is not a map")
	}
	return newBody(m, a.sensitive), nil
}

// misfit is the error of an edit that does not fit.
func misfit(e Edit, why string) error {
	return fmt.Errorf("%s: %s", e.String(), why)
}

// patch makes edits, which agree in their first depth steps, on the value those steps lead to.
// The booleans say whether there is such a value, before and after.
func patch(v any, exists bool, edits []Edit, depth int) (any, bool, error) {
	here := 0
	for here < len(edits) && len(edits[here].Path) == depth {
		here++
	}
	below := edits[here:]
	if here > 1 || here == 1 && edits[0].Op != Reorder && len(below) > 0 {
		return nil, false, misfit(edits[0], "there is another edit of the same place")
	}
	if here == 1 && edits[0].Op != Reorder {
		return patchHere(v, exists, edits[0])
	}
	if !exists {
		return nil, false, misfit(edits[0], "no such value")
	}
	v, err := patchBelow(v, below, depth)
	if err == nil && here == 1 {
		v, err = reorder(v, edits[0])
	}
	return v, true, err
}

// patchHere makes the one edit of a value as a whole.
func patchHere(v any, exists bool, e Edit) (any, bool, error) {
	if e.Op != Add && (!exists || !equal(v, e.From)) {
		return nil, false, misfit(e, "the old value is not the one expected")
	}
	switch e.Op {
	case Add:
		if exists {
			return nil, false, misfit(e, "there is a value")
		}
		return e.To, true, nil
	case Remove:
		return nil, false, nil
	case Replace:
		return e.To, true, nil
	default:
		return nil, false, misfit(e, "no such operation")
	}
}

func patchBelow(v any, edits []Edit, depth int) (any, error) {
	if len(edits) == 0 {
		return v, nil
	}
	kind := edits[0].Path[depth].Kind
	if last := edits[len(edits)-1]; last.Path[depth].Kind != kind {
		return nil, misfit(last, "other edits go another way")
	}
	m, isMap := v.(map[string]any)
	l, isList := v.([]any)
	switch {
	case kind == Field && isMap:
		return patchMap(m, edits, depth)
	case kind == Key && isList:
		return patchKeyed(l, edits, depth)
	case kind == Index && isList:
		return patchSequence(l, edits, depth)
	default:
		return nil, misfit(edits[0], "the path does not fit the content")
	}
}

// groups yields the runs of edits that agree in the step at depth.
func groups(edits []Edit, depth int, fn func(Step, []Edit) error) error {
	for len(edits) > 0 {
		s, n := edits[0].Path[depth], 1
		for n < len(edits) && edits[n].Path[depth].Compare(s) == 0 {
			n++
		}
		if err := fn(s, edits[:n]); err != nil {
			return err
		}
		edits = edits[n:]
	}
	return nil
}

func patchMap(m map[string]any, edits []Edit, depth int) (any, error) {
	out := maps.Clone(m)
	if out == nil {
		out = map[string]any{}
	}
	err := groups(edits, depth, func(s Step, g []Edit) error {
		v, exists := m[s.Field]
		v, keep, err := patch(v, exists, g, depth+1)
		if keep {
			out[s.Field] = v
		} else {
			delete(out, s.Field)
		}
		return err
	})
	return out, err
}

func patchKeyed(l []any, edits []Edit, depth int) (any, error) {
	var added []any
	out := slices.Clone(l)
	gone := make([]bool, len(l))
	indexes := map[string]map[string]int{}
	err := groups(edits, depth, func(s Step, g []Edit) error {
		names, key := stepKey(s)
		joined := strings.Join(names, "\x00")
		index, ok := indexes[joined]
		if !ok {
			if index = indexBy(names, l); index == nil {
				return misfit(g[0], "the elements have no such key, or share it")
			}
			indexes[joined] = index
		}
		i, exists := index[key]
		if !exists {
			v, keep, err := patch(nil, false, g, depth+1)
			if keep {
				added = append(added, v)
			}
			return err
		}
		v, keep, err := patch(l[i], true, g, depth+1)
		out[i], gone[i] = v, !keep
		return err
	})
	if err != nil {
		return nil, err
	}
	return append(without(out, gone), added...), nil
}

// stepKey is the names and the key that a selector stands for, as keyOf writes it.
func stepKey(s Step) (names []string, key string) {
	var e encoder
	for _, kv := range s.Keys {
		names = append(names, kv.Name)
		e.value(kv.Value)
		e.buf = append(e.buf, ',')
	}
	return names, string(e.buf)
}

func without(l []any, gone []bool) []any {
	out := make([]any, 0, len(l))
	for i, v := range l {
		if !gone[i] {
			out = append(out, v)
		}
	}
	return out
}

func patchSequence(l []any, edits []Edit, depth int) (any, error) {
	out := slices.Clone(l)
	gone := make([]bool, len(l))
	var adds []Edit
	err := groups(edits, depth, func(s Step, g []Edit) error {
		// An Add counts positions in the new list, all else in the old one.
		rest := make([]Edit, 0, len(g))
		for _, e := range g {
			if e.Op == Add && len(e.Path) == depth+1 {
				adds = append(adds, e)
			} else {
				rest = append(rest, e)
			}
		}
		if len(rest) == 0 {
			return nil
		}
		i := s.Index
		if i < 0 || i >= len(l) {
			return misfit(rest[0], "no such value")
		}
		v, keep, err := patch(l[i], true, rest, depth+1)
		out[i], gone[i] = v, !keep
		return err
	})
	if err != nil {
		return nil, err
	}
	return insert(without(out, gone), adds, depth)
}

// insert puts added elements, sorted by position, where they say.
func insert(old []any, adds []Edit, depth int) (any, error) {
	out := make([]any, 0, len(old)+len(adds))
	for _, e := range adds {
		i := e.Path[depth].Index
		n := i - len(out)
		if n < 0 || n > len(old) {
			return nil, misfit(e, "no such position")
		}
		out = append(append(out, old[:n]...), e.To)
		old = old[n:]
	}
	return append(out, old...), nil
}

// reorder sorts a list by the keys that e lists; elements it does not list stay behind them.
func reorder(v any, e Edit) (any, error) {
	l, isList := v.([]any)
	keys, ok := e.To.([]any)
	if !isList || !ok {
		return nil, misfit(e, "not a list")
	}
	if len(keys) == 0 {
		return l, nil
	}
	names := byValue()
	if m, ok := keys[0].(map[string]any); ok {
		names = slices.Sorted(maps.Keys(m))
	}
	want := indexBy(names, keys)
	if want == nil || indexBy(names, l) == nil {
		return nil, misfit(e, "the elements have no such key, or share it")
	}
	place := func(el any) int {
		k, _ := keyOf(names, el)
		if i, ok := want[k]; ok {
			return i
		}
		return len(keys)
	}
	out := slices.Clone(l)
	slices.SortStableFunc(out, func(a, b any) int { return place(a) - place(b) })
	return out, nil
}

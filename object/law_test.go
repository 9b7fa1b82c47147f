package object

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// tester is what testing.T and rapid.T share.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// checkLaws checks what Diff and Patch promise about any two bodies.
func checkLaws(t tester, a, b *Body) {
	t.Helper()
	edits := Diff(a, b, DiffOptions{})
	if empty, same := len(edits) == 0, a.Hash() == b.Hash(); empty != same {
		t.Errorf("hashes equal: %v, but the difference has %d edits", same, len(edits))
	}
	if same := equal(a.Map(), b.Map()); same != (a.Hash() == b.Hash()) {
		t.Errorf("equal says %v, the hashes do not", same)
	}
	for _, x := range []*Body{a, b} {
		if self := Diff(x, newBody(x.Map(), nil), DiffOptions{}); len(self) != 0 {
			t.Errorf("Diff(x, x) = %v, want none", self)
		}
	}
	if !slices.IsSortedFunc(edits, func(x, y Edit) int { return x.Path.Compare(y.Path) }) {
		t.Errorf("%d edits are not sorted", len(edits))
	}

	before := a.Map()
	hash := hashOf(before)
	got, err := Patch(a, edits)
	if err != nil {
		t.Fatalf("Patch: %v\na %.2000s\nb %.2000s", err, canonical(a.Map()), canonical(b.Map()))
	}
	if hashOf(before) != hash {
		t.Errorf("Patch changed its argument")
	}
	if rest := Diff(got, b, DiffOptions{IgnoreOrder: true}); len(rest) != 0 {
		t.Errorf("Patch(a, Diff(a, b)) differs from b in %d places, first %v", len(rest), rest[0])
	}
	if g, w := canonical(unordered("", got.Map())), canonical(unordered("", b.Map())); g != w {
		t.Errorf("Patch(a, Diff(a, b))\n = %.2000s\nwant %.2000s", g, w)
	}
	if g, w := mirror(Diff(b, a, DiffOptions{})), plain(edits); !slices.Equal(g, w) {
		t.Errorf("Diff(b, a) mirrored\n = %.500q\nwant %.500q\na %.2000s\nb %.2000s",
			strings.Join(g, " "), strings.Join(w, " "), canonical(a.Map()), canonical(b.Map()))
	}
}

// unordered sorts the lists that Diff may match by key.
func unordered(field string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, el := range v {
			out[k] = unordered(k, el)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, el := range v {
			out[i] = unordered("", el)
		}
		if scalarSets[field] || mergeKeys[field] != nil {
			slices.SortFunc(out, func(a, b any) int { return strings.Compare(canonical(a), canonical(b)) })
		}
		return out
	default:
		return v
	}
}

// plain writes edits without positions, sorted.
func plain(edits []Edit) []string {
	out := make([]string, len(edits))
	for i, e := range edits {
		p := slices.Clone(e.Path)
		for k := range p {
			if p[k].Kind == Index {
				p[k].Index = 0
			}
		}
		out[i] = e.Op.String() + " " + p.String() + " " + canonical(e.From) + " " + canonical(e.To)
	}
	slices.Sort(out)
	return out
}

// mirror is plain for edits the other way round.
func mirror(edits []Edit) []string {
	out := make([]Edit, len(edits))
	for i, e := range edits {
		e.From, e.To = e.To, e.From
		switch e.Op {
		case Add:
			e.Op = Remove
		case Remove:
			e.Op = Add
		default:
		}
		out[i] = e
	}
	return plain(out)
}

// fields are names that Diff treats in different ways, and some that print in quotes.
var fields = []string{
	"a", "b.c", "name", "ports", "containers", "finalizers", "protocol", "port", "kind", "namespace",
	"subjects", "resources", "data", "stringData", "apiVersion", "args",
}

var scalars = rapid.OneOf(
	rapid.Just[any](nil),
	rapid.Map(rapid.Bool(), func(v bool) any { return v }),
	rapid.Map(rapid.Int64Range(-2, 3), func(v int64) any { return v }),
	rapid.Map(rapid.SampledFrom([]float64{-1, 0, 0.5, 1, 2, 1e300}), func(v float64) any { return v }),
	rapid.Map(rapid.SampledFrom([]string{"", "x", "y", "1", "TCP", "Secret", "v1", "long\ntext"}), func(v string) any { return v }),
)

func values(depth int) *rapid.Generator[any] {
	if depth == 0 {
		return scalars
	}
	below := rapid.Deferred(func() *rapid.Generator[any] { return values(depth - 1) })
	return rapid.OneOf(
		scalars,
		rapid.Map(rapid.SliceOfN(below, 0, 5), func(v []any) any { return v }),
		rapid.Map(rapid.SliceOfN(scalars, 0, 6), func(v []any) any { return v }),
		rapid.Map(rapid.SliceOfN(named, 0, 5), func(v []any) any { return v }),
		rapid.Map(contents(depth-1), func(v map[string]any) any { return v }),
	)
}

// named makes elements that often have a merge key.
var named = rapid.Map(rapid.MapOfN(rapid.SampledFrom([]string{"name", "port", "protocol", "value"}), scalars, 1, 3),
	func(v map[string]any) any {
		if v["name"] == nil {
			v["name"] = canonical(v["value"])
		}
		return v
	})

func contents(depth int) *rapid.Generator[map[string]any] {
	return rapid.MapOfN(rapid.SampledFrom(fields), values(depth), 0, 4)
}

func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := contents(3).Draw(t, "a")
		b := contents(3).Draw(t, "b")
		if rapid.Bool().Draw(t, "similar") {
			for k, v := range a {
				if rapid.Bool().Draw(t, "keep") {
					b[k] = mutate(t, v)
				}
			}
		}
		checkLaws(t, NewBody(a), NewBody(b))
	})
}

// mutate is v with an element or two moved, dropped or replaced somewhere.
func mutate(t *rapid.T, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, el := range v {
			switch rapid.IntRange(0, 5).Draw(t, "field") {
			case 0:
			case 1:
				out[k] = scalars.Draw(t, "other")
			case 2:
				out[k] = mutate(t, el)
			default:
				out[k] = el
			}
		}
		return out
	case []any:
		out := slices.Clone(v)
		if rapid.Bool().Draw(t, "shuffle") {
			out = rapid.Permutation(out).Draw(t, "order")
		}
		if n := len(out); n > 0 && rapid.Bool().Draw(t, "drop") {
			i := rapid.IntRange(0, n-1).Draw(t, "at")
			out = slices.Delete(out, i, i+1)
		}
		for i := range out {
			if rapid.IntRange(0, 3).Draw(t, "element") == 0 {
				out[i] = mutate(t, out[i])
			}
		}
		return out
	default:
		return v
	}
}

func TestIDRoundTrip(t *testing.T) {
	part := rapid.SampledFrom([]string{"a", "b.c", "Deployment", "X", "x:y"})
	maybe := rapid.SampledFrom([]string{"", "a", "apps", "Apps"})
	rapid.Check(t, func(t *rapid.T) {
		id := ID{Group: maybe.Draw(t, "group"), Kind: part.Draw(t, "kind"), Namespace: maybe.Draw(t, "namespace"), Name: part.Draw(t, "name")}
		got, err := ParseID(id.String())
		if err != nil || got != id {
			t.Errorf("ParseID(%q) = %#v, %v; want %#v", id, got, err, id)
		}
	})
}

func TestPathsPrintDifferently(t *testing.T) {
	word := rapid.SampledFrom([]string{"", "a", "a.b", "1", "true", "a,b", "a]", `"`, "=", "[", "a=b", "TCP"})
	scalar := rapid.OneOf(rapid.Map(word, func(s string) any { return s }), scalars)
	step := rapid.Custom(func(t *rapid.T) Step {
		switch StepKind(rapid.IntRange(1, 3).Draw(t, "kind")) {
		case Field:
			return Step{Kind: Field, Field: word.Draw(t, "field")}
		case Index:
			return Step{Kind: Index, Index: rapid.IntRange(0, 3).Draw(t, "index")}
		default:
			keys := []KeyValue{}
			for range rapid.IntRange(1, 2).Draw(t, "keys") {
				keys = append(keys, KeyValue{Name: word.Draw(t, "name"), Value: scalar.Draw(t, "value")})
			}
			return Step{Kind: Key, Keys: keys}
		}
	})
	paths := rapid.Map(rapid.SliceOfN(step, 0, 3), func(s []Step) Path { return s })
	rapid.Check(t, func(t *rapid.T) {
		p, q := paths.Draw(t, "p"), paths.Draw(t, "q")
		if (p.Compare(q) == 0) != (p.String() == q.String()) {
			t.Errorf("%q and %q: Compare %d", p, q, p.Compare(q))
		}
		if p.Compare(q) != -q.Compare(p) {
			t.Errorf("Compare is not antisymmetric: %q %q", p, q)
		}
	})
}

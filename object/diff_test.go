package object

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDiffOptions(t *testing.T) {
	a := NewBody(parse(t, "{finalizers: [a, b], metadata: {labels: {x: 1}}, status: {y: 1}}"))
	b := NewBody(parse(t, "{finalizers: [b, a], metadata: {labels: {x: 2}}, status: {y: 2}, spec: {z: 1}}"))
	got := Diff(a, b, DiffOptions{IgnoreOrder: true, Skip: func(p Path) bool {
		return p.String() == "status" || p.String() == "spec"
	}})
	if want := "[replace metadata.labels.x]"; fmt.Sprint(got) != want {
		t.Errorf("Diff %v, want %s", got, want)
	}
	if got := Diff(nil, nil, DiffOptions{}); got != nil {
		t.Errorf("Diff(nil, nil) = %v", got)
	}
	if got := Diff(nil, b, DiffOptions{}); len(got) != 4 {
		t.Errorf("Diff(nil, b) = %v", got)
	}
}

// TestDiffLimits: what Diff does not look into is still reported, and undone by Patch.
func TestDiffLimits(t *testing.T) {
	deep := func(v any) map[string]any {
		for range 3 * maxDepth {
			v = []any{map[string]any{"a": v}, "x"}
		}
		return map[string]any{"a": v}
	}
	long := func(n, from int) map[string]any {
		list := make([]any, n)
		for i := range list {
			list[i] = int64((i*7919 + from) % n)
		}
		return map[string]any{"args": list}
	}
	many := func(from int) map[string]any {
		out := map[string]any{}
		for i := range 20 {
			out[fmt.Sprint(i)] = long(1500, from)
		}
		return out
	}
	for name, c := range map[string][2]map[string]any{
		"deep":         {deep("1"), deep("2")},
		"permutation":  {long(1999, 0), long(1999, 5)},
		"too long":     {long(5_003, 0), long(5_003, 5)},
		"one side":     {long(5_003, 0), long(3, 0)},
		"many lists":   {many(0), many(9)},
		"only strings": {{"v": strings.Repeat("x", 1<<20)}, {"v": strings.Repeat("x", 1<<20) + "y"}},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			checkLaws(t, NewBody(c[0]), NewBody(c[1]))
			// Some twenty times what it takes, for slow machines under the race detector.
			if d := time.Since(start); d > 60*time.Second {
				t.Errorf("took %s", d)
			}
		})
	}
}

func TestPatchErrors(t *testing.T) {
	const doc = "{a: {b: 1}, list: [x, y], containers: [{name: app, image: i}], dup: [{name: a}, {name: a}]}"
	f := func(names ...string) Path {
		var p Path
		for _, n := range names {
			p = append(p, Step{Kind: Field, Field: n})
		}
		return p
	}
	at := func(p Path, i int) Path { return append(p, Step{Kind: Index, Index: i}) }
	key := func(p Path, v any) Path {
		return append(p, Step{Kind: Key, Keys: []KeyValue{{Name: "name", Value: v}}})
	}
	for name, c := range map[string]struct {
		edits []Edit
		want  string
	}{
		"absent":       {[]Edit{{Path: f("x"), Op: Remove}}, "remove x: the old value is not the one expected"},
		"below absent": {[]Edit{{Path: f("x", "y"), Op: Add}}, "add x.y: no such value"},
		"other value":  {[]Edit{{Path: f("a", "b"), Op: Replace, From: 2, To: 3}}, "replace a.b: the old value is not the one expected"},
		"taken":        {[]Edit{{Path: f("a", "b"), Op: Add, To: 3}}, "add a.b: there is a value"},
		"twice":        {[]Edit{{Path: f("c"), Op: Add}, {Path: f("c"), Op: Add}}, "add c: there is another edit of the same place"},
		"and below":    {[]Edit{{Path: f("c"), Op: Add}, {Path: f("c", "d"), Op: Add}}, "add c: there is another edit of the same place"},
		"no operation": {[]Edit{{Path: f("a", "b"), From: 1}}, "Op(0) a.b: no such operation"},
		"no step":      {[]Edit{{Path: Path{{}}, Op: Add}}, "add []: the path does not fit the content"},
		"not a list":   {[]Edit{{Path: at(f("a"), 0), Op: Remove}}, "remove a[0]: the path does not fit the content"},
		"position":     {[]Edit{{Path: at(f("list"), 2), Op: Remove}}, "remove list[2]: no such value"},
		"gap":          {[]Edit{{Path: at(f("list"), 3), Op: Add}}, "add list[3]: no such position"},
		"mixed":        {[]Edit{{Path: at(f("containers"), 0), Op: Add}, {Path: key(f("containers"), "b"), Op: Add}}, "add containers[0]: other edits go another way"},
		"shared key":   {[]Edit{{Path: key(f("dup"), "a"), Op: Remove}}, "remove dup[name=a]: the elements have no such key, or share it"},
		"root":         {[]Edit{{Op: Replace, From: map[string]any{}}}, "replace : the old value is not the one expected"},
		"reorder map":  {[]Edit{{Path: f("a"), Op: Reorder}}, "reorder a: not a list"},
		"reorder keys": {[]Edit{{Path: f("dup"), Op: Reorder, To: []any{map[string]any{"name": "a"}}}}, "reorder dup: the elements have no such key, or share it"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Patch(NewBody(parse(t, doc)), c.edits)
			if err == nil || err.Error() != "patch: "+c.want || got != nil {
				t.Errorf("error %v\n want patch: %s", err, c.want)
			}
		})
	}
	gone := []Edit{{Op: Replace, From: parse(t, doc), To: "text"}}
	if _, err := Patch(NewBody(parse(t, doc)), gone); err == nil || err.Error() != "patch: the result is not a map" {
		t.Errorf("error %v", err)
	}
}

func TestPatchKeeps(t *testing.T) {
	a := NewBodySensitive(map[string]any{"a": map[string]any{"x": "1"}, "b": map[string]any{}}, []string{"s3cret"})
	to := map[string]any{"n": 1}
	b, err := Patch(a, []Edit{{Path: Path{{Kind: Field, Field: "b"}, {Kind: Field, Field: "c"}}, Op: Add, To: to}})
	if err != nil {
		t.Fatal(err)
	}
	if got := canonical(b.Map()); got != `{"a":{"x":"1"},"b":{"c":{"n":1}}}` {
		t.Errorf("Patch = %s", got)
	}
	if to["n"] != 1 || canonical(a.Map()) != `{"a":{"x":"1"},"b":{}}` {
		t.Error("Patch wrote into its arguments")
	}
	if !slices.Equal(b.Sensitive(), []string{"s3cret"}) {
		t.Errorf("Sensitive %q", b.Sensitive())
	}
}

func TestEditJSON(t *testing.T) {
	p := Path{{Kind: Field, Field: "a"}}
	for want, e := range map[string]Edit{
		`{"path":"a","op":"add","to":null}`:                {Path: p, Op: Add},
		`{"path":"a","op":"remove","from":null}`:           {Path: p, Op: Remove},
		`{"path":"a","op":"replace","from":null,"to":[1]}`: {Path: p, Op: Replace, To: []any{1}},
	} {
		got, err := json.Marshal(e)
		if err != nil || string(got) != want {
			t.Errorf("%s, %v; want %s", got, err, want)
		}
	}
	if out, err := json.Marshal(Edit{}); err == nil {
		t.Errorf("an edit without operation is written as %s", out)
	}
}

func TestPathString(t *testing.T) {
	for want, p := range map[string]Path{
		"":                            nil,
		"a.b-c.x_1":                   {{Kind: Field, Field: "a"}, {Kind: Field, Field: "b-c"}, {Kind: Field, Field: "x_1"}},
		`["a.b/c"].d[""]["1"]["é"]`:   {{Kind: Field, Field: "a.b/c"}, {Kind: Field, Field: "d"}, {Kind: Field, Field: ""}, {Kind: Field, Field: "1"}, {Kind: Field, Field: "é"}},
		"a[3].b":                      {{Kind: Field, Field: "a"}, {Kind: Index, Index: 3}, {Kind: Field, Field: "b"}},
		"[=x][=1][=\"1\"][=null]":     {{Kind: Key, Keys: []KeyValue{{"", "x"}}}, {Kind: Key, Keys: []KeyValue{{"", int64(1)}}}, {Kind: Key, Keys: []KeyValue{{"", "1"}}}, {Kind: Key, Keys: []KeyValue{{"", nil}}}},
		"[kind=Group,name=system:me]": {{Kind: Key, Keys: []KeyValue{{"kind", "Group"}, {"name", "system:me"}, {"namespace", ""}}}},
		`["a.b"=1,c="d e"]`:           {{Kind: Key, Keys: []KeyValue{{"a.b", 1.0}, {"c", "d e"}}}},
	} {
		if got := p.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		out, err := json.Marshal(p)
		var back string
		if err != nil || json.Unmarshal(out, &back) != nil || back != want {
			t.Errorf("JSON of %s is %s, %v", want, out, err)
		}
	}
}

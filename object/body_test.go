package object

import (
	"crypto/sha256"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

type level string

func TestCanonical(t *testing.T) {
	for name, c := range map[string]struct {
		in   any
		want string
	}{
		"keys":       {map[string]any{"b": nil, "a": true, "": "x"}, `{"":"x","a":true,"b":null}`},
		"integers":   {[]any{1, int8(-1), uint16(2), int64(math.MaxInt64), uint64(math.MaxUint64)}, `[1,-1,2,9223372036854775807,1.8446744073709552e+19]`},
		"floats":     {[]any{1.0, 1.5, math.Copysign(0, -1), 1e300, float32(0.5), -1 << 63}, `[1,1.5,0,1e+300,0.5,-9223372036854775808]`},
		"not finite": {[]any{math.NaN(), math.Inf(1), math.Inf(-1)}, `[".nan",".inf","-.inf"]`},
		"numbers":    {[]any{json.Number("7"), json.Number("7.50"), json.Number("1e999"), json.Number("?")}, `[7,7.5,"1e999","?"]`},
		"strings":    {"\"\\\n\r\t\x01é\u2028", "\"\\\"\\\\\\n\\r\\t\\u0001é\u2028\""},
		"typed":      {[]any{[]string{"a"}, map[string]int{"a": 1}, map[any]any{1: 2}, level("x"), []byte("x"), [1]bool{true}}, `[["a"],{"a":1},{"1":2},"x","eA==",[true]]`},
		"through":    {[]any{time.Unix(0, 0).UTC(), struct{ A int }{1}, func() {}, (*int)(nil)}, `["1970-01-01T00:00:00Z",{"A":1},"func()",null]`},
		"nil":        {[]any{[]any(nil), map[string]any(nil)}, `[[],{}]`},
	} {
		t.Run(name, func(t *testing.T) {
			b := NewBody(map[string]any{"v": c.in})
			if got, want := canonical(b.Map()), `{"v":`+c.want+`}`; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestNormalizeCopies(t *testing.T) {
	inner := map[string]any{"n": 1}
	list := []any{inner, "x"}
	b := NewBody(map[string]any{"list": list})
	if inner["n"] != 1 {
		t.Error("NewBody wrote into its argument")
	}
	if got := b.Map()["list"].([]any)[0].(map[string]any)["n"]; got != int64(1) {
		t.Errorf("n is %T", got)
	}
}

func TestHash(t *testing.T) {
	// printf '{"a":1,"b":["x"]}' | sha256sum
	const want = "fd5e92badbe24726f55b88132dd5fa1ceec0efd960b3bcd44f527b4bcc84af34"
	a := NewBody(map[string]any{"b": []any{"x"}, "a": int64(1)})
	b := NewBody(map[string]any{"a": 1.0, "b": []any{"x"}})
	if a.Hash().String() != want || a.Hash() != b.Hash() || !a.Equal(b) || a.Hash().IsZero() || !(Hash{}).IsZero() {
		t.Errorf("%s and %s, want %s", a.Hash(), b.Hash(), want)
	}
	if a.Equal(nil) || !(*Body)(nil).Equal(nil) {
		t.Error("Equal with nil is wrong")
	}
	if NewBody(nil).Map() == nil {
		t.Error("the content of an empty body is nil")
	}
	// The hash of a big content is that of its whole text, although it is written in pieces.
	big := map[string]any{"a": strings.Repeat("x", 3*flushAt), "b": []any{strings.Repeat("y", flushAt), int64(1)}}
	small := encoder{}
	small.value(big)
	if len(small.buf) < 4*flushAt {
		t.Fatal("not big")
	}
	if NewBody(big).Hash() != Hash(sha256.Sum256(small.buf)) {
		t.Error("a big content has another hash than its text")
	}
}

func TestSensitive(t *testing.T) {
	b := NewBodySensitive(nil, []string{"b", "", "a", "b"})
	got := b.Sensitive()
	if !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("Sensitive %q", got)
	}
	got[0] = "changed"
	if b.Sensitive()[0] != "a" {
		t.Error("Sensitive is not a copy")
	}
	if NewBody(nil).Sensitive() != nil || len(NewBodySensitive(nil, []string{""}).Sensitive()) != 0 {
		t.Error("an empty value is sensitive")
	}
}

// TestCompact: a body is the same as a tree and as text, whoever reads it.
func TestCompact(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := contents(3).Draw(rt, "content")
		want := NewBody(m)
		small := NewBody(m)
		hash := want.Hash()
		small.Compact()
		text, ok := want.Text()
		if !ok {
			rt.Skip("no text")
		}
		saved := Saved(hash, func() []byte { return text })
		for name, b := range map[string]*Body{"compact": small, "saved": saved} {
			again, _ := b.Text()
			if b.Hash() != hash || string(again) != string(text) || len(Diff(want, b, DiffOptions{})) > 0 || hashOf(b.Map()) != hash {
				rt.Errorf("%s: %s, want %s", name, again, text)
			}
		}
	})
}

// TestNotCompact: what no parser gives back stays a tree.
func TestNotCompact(t *testing.T) {
	deep := any("x")
	for range maxNesting + 1 {
		deep = []any{deep}
	}
	for name, v := range map[string]any{"deep": deep, "not UTF-8": "a\xffb"} {
		b := NewBody(map[string]any{"v": v})
		if _, ok := b.Text(); ok {
			t.Errorf("%s: has a text", name)
		}
		b.Compact()
		if !b.Equal(NewBody(map[string]any{"v": v})) || !equal(b.Map()["v"], v) {
			t.Errorf("%s: changed", name)
		}
	}
}

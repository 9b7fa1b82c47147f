package part

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bulkhead-dev/bulkhead/object"
)

func TestLines(t *testing.T) {
	for name, c := range map[string]struct {
		a, b string
		want []string
	}{
		"equal":            {"a\n", "a\n", nil},
		"one line":         {"a\nb\nc\nd\ne\n", "a\nb\nC\nd\ne\n", []string{" b", "-c", "+C", " d"}},
		"two places":       {"a\nb\nc\nd\ne\nf\n", "A\nb\nc\nd\ne\nF\n", []string{"-a", "+A", " b", "@", " e", "-f", "+F"}},
		"from nothing":     {"", "a\nb\n", []string{"+a", "+b"}},
		"to nothing":       {"a\nb\n", "", []string{"-a", "-b"}},
		"the end":          {"a\n", "a", []string{"-a", "+a"}},
		"moved to the end": {"x\na\nb\n", "a\nb\nx\n", []string{"-x", " a", " b", "+x"}},
	} {
		var got []string
		for _, l := range Lines(c.a, c.b, 1) {
			got = append(got, l.Op+l.Text)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestLinesHold puts the two texts together again, by the numbers of the lines.
func TestLinesHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SliceOf(rapid.SampledFrom([]string{"a", "b", "c", ""}))
		x, y := text.Draw(t, "x"), text.Draw(t, "y")
		around := rapid.IntRange(0, 3).Draw(t, "around")
		a, b := strings.Join(append(x, ""), "\n"), strings.Join(append(y, ""), "\n")
		all := Lines(a, b, around)
		if (len(all) == 0) != (a == b) {
			t.Fatalf("%d lines for %q and %q", len(all), a, b)
		}
		last := [2]int{}
		for _, l := range all {
			for i, at := range [2]struct {
				n    int
				text []string
			}{{l.Before, x}, {l.After, y}} {
				if at.n == 0 {
					continue
				}
				if at.n <= last[i] || at.n > len(at.text) || at.text[at.n-1] != l.Text {
					t.Fatalf("line %+v of %q and %q", l, x, y)
				}
				last[i] = at.n
			}
			if (l.Before == 0) != (l.Op == "+" || l.Op == "@") || (l.After == 0) != (l.Op == "-" || l.Op == "@") {
				t.Fatalf("line %+v", l)
			}
		}
	})
}

func TestDiffIsBounded(t *testing.T) {
	redact := object.NewRedactor([]byte("salt"))
	body := func(text string) *object.Body {
		return object.NewBody(map[string]any{"kind": "A", "data": map[string]any{"a": text}})
	}
	long := strings.Repeat("x\n", 5000)
	d := diff(redact, body(long), body(strings.Repeat("y\n", 5000)))
	if len(d.Lines) != mostLines || d.Omitted == 0 {
		t.Errorf("%d lines, %d omitted", len(d.Lines), d.Omitted)
	}
	huge := strings.Repeat("x", 50<<20)
	d = diff(redact, body("small"), body(huge))
	if len(d.Lines) != 0 || d.Summary != "too large to be compared line by line: 47 bytes before, 50.0 MiB after" {
		t.Errorf("%d lines of a huge object, summary %q", len(d.Lines), d.Summary)
	}
	list := edits(redact, body("small"), body(huge), object.Diff(body("small"), body(huge), object.DiffOptions{}))
	if to, _ := list[0].To.(string); len(list) != 1 || len(to) > 300 || !strings.Contains(to, "50.0 MiB in all, sha256 ") {
		t.Errorf("%d edits, the first to %.300v", len(list), list[0].To)
	}
	if d := diff(redact, nil, nil); len(d.Lines) != 0 || d.Lines == nil {
		t.Errorf("the difference of nothing: %+v", d)
	}
}

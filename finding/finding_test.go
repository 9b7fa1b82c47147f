package finding_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/object"
)

func TestSeverities(t *testing.T) {
	for _, c := range []struct{ a, b, want finding.Severity }{
		{finding.Error, finding.Note, finding.Error},
		{finding.Note, finding.Warning, finding.Warning},
		{"", finding.Note, finding.Note},
		{finding.Note, "", finding.Note},
		{"", "", ""},
	} {
		if got := finding.Worst(c.a, c.b); got != c.want {
			t.Errorf("the worse of %q and %q is %q, want %q", c.a, c.b, got, c.want)
		}
	}
}

func draw(t *rapid.T) finding.Finding {
	word := rapid.SampledFrom([]string{"a", "b", ""})
	f := finding.Finding{
		Rule: word.Draw(t, "rule"), Severity: rapid.SampledFrom(finding.Severities()).Draw(t, "severity"), Message: word.Draw(t, "message"),
		Clusters: rapid.SliceOfN(word, 0, 2).Draw(t, "clusters"), Field: word.Draw(t, "field"), File: word.Draw(t, "file"),
	}
	if rapid.Bool().Draw(t, "object") {
		f.Object = &object.ID{Kind: word.Draw(t, "kind"), Name: word.Draw(t, "name")}
	}
	if rapid.Bool().Draw(t, "waived") {
		f.Waived = &finding.Waived{Name: "w"}
	}
	return f
}

// TestFingerprint is the same for the same finding, however severe, waived or worded it is when it has an
// object, and another one for another place.
func TestFingerprint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw(t), draw(t)
		name := func(f *finding.Finding) any {
			id, text := object.ID{}, f.File+"\x00"+f.Message
			if f.Object != nil {
				id, text = *f.Object, ""
			}
			return struct {
				Rule, Field, Text string
				Clusters          string
				ID                object.ID
				Has               bool
			}{f.Rule, f.Field, text, join(f.Clusters), id, f.Object != nil}
		}
		same := cmp.Equal(name(&a), name(&b))
		if (a.Fingerprint() == b.Fingerprint()) != same {
			t.Fatalf("%+v and %+v: the same %v, fingerprints %s %s", a, b, same, a.Fingerprint(), b.Fingerprint())
		}
		if len(a.Fingerprint()) != 32 {
			t.Fatalf("fingerprint %q", a.Fingerprint())
		}
	})
}

func join(list []string) (out string) {
	for i, s := range list {
		if i > 0 {
			out += ","
		}
		out += s
	}
	return out
}

// TestCompare puts open findings before waived ones, and the worst first.
func TestCompare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var list []finding.Finding
		for range rapid.IntRange(0, 8).Draw(t, "n") {
			list = append(list, draw(t))
		}
		slices.SortFunc(list, func(a, b finding.Finding) int { return finding.Compare(&a, &b) })
		for i := 1; i < len(list); i++ {
			a, b := &list[i-1], &list[i]
			if !a.Open() && b.Open() || a.Open() == b.Open() && a.Severity.Rank() > b.Severity.Rank() {
				t.Fatalf("%+v comes before %+v", a, b)
			}
		}
	})
}

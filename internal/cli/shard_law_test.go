package cli

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/impact/part"
	"github.com/bulkhead-dev/bulkhead/impact/review"
	"github.com/bulkhead-dev/bulkhead/internal/fleetcase"
	"github.com/bulkhead-dev/bulkhead/internal/fleetstory"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/report/term"
)

// forms is a review in every form, and its exit code.
type forms map[string]string

// tester is a test, or a check of a property.
type tester interface {
	Helper()
	Context() context.Context
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// outcome is the answer of parts. What only counts work is left out: that of shards adds up.
func outcome(t tester, parts []*part.Part, only string) forms {
	t.Helper()
	r := review.Of(t.Context(), parts, review.Options{Only: only, Now: time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)})
	r.Stats = render.Stats{}
	out := forms{}
	for _, format := range impactFormats() {
		var b bytes.Buffer
		if err := write(&b, format, r, term.Colour(false), false); err != nil {
			t.Fatal(err)
		}
		out[format] = b.String()
	}
	failures, unresolved := review.Incomplete(parts)
	code := 0
	if err := objects(r, "warn", nil); err != nil {
		code = 1
	}
	out["code"] = string(rune('0' + code))
	if failures+unresolved > 0 {
		out["code"] += " incomplete"
	}
	return out
}

// partOf is a story as a part that went through a file.
func partOf(t tester, s *fleetstory.Story, shard render.Shard, only string) *part.Part {
	t.Helper()
	docs := [2]part.Version{{Rendered: s.Before, Tree: s.Trees[0]}, {Rendered: s.After, Tree: s.Trees[1]}}
	for i := range docs {
		var err error
		if docs[i].Documents, err = render.Documents(docs[i].Tree); err != nil {
			t.Fatal(err)
		}
	}
	p := part.Of(s.Report, docs[0], docs[1], part.Options{
		Comparison: part.Comparison{Files: s.Files, Base: part.Revision{Label: "base"}, Head: part.Revision{Label: "head"}},
		Shard:      part.Shard{Index: shard.Index, Of: shard.Of}, Redact: object.NewRedactor([]byte("salt")), Owners: only != "",
	})
	if shard.Of == 0 {
		return p
	}
	var file bytes.Buffer
	if err := p.Encode(&file); err != nil {
		t.Fatal(err)
	}
	read, err := part.Decode(&file)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// holdLaw checks that the parts of a fleet say together what one part of all of it says, in every format.
func holdLaw(t tester, c *fleetcase.Case, n int) {
	t.Helper()
	whole, err := fleetstory.Tell(t.Context(), c)
	if errors.Is(err, render.ErrNoClusters) { // each share says so, too
		if _, err := fleetstory.TellWith(t.Context(), c, fleetstory.Options{Shard: render.Shard{Index: 1, Of: n}}); !errors.Is(err, render.ErrNoClusters) {
			t.Fatalf("the first share says %v, want that there are no clusters", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	var parts []*part.Part
	var names []string
	for i := 1; i <= n; i++ {
		shard := render.Shard{Index: i, Of: n}
		s, err := fleetstory.TellWith(t.Context(), c, fleetstory.Options{Shard: shard})
		if err != nil {
			t.Fatal(err)
		}
		parts, names = append(parts, partOf(t, s, shard, "")), append(names, string(rune('a'+i)))
	}
	if err := part.Check(names, parts); err != nil {
		t.Fatal(err)
	}
	for _, only := range []string{"", "platform", "tenant/billing"} {
		want, got := outcome(t, []*part.Part{partOf(t, whole, render.Shard{}, only)}, only), outcome(t, parts, only)
		for form := range want {
			if diff := cmp.Diff(want[form], got[form]); diff != "" {
				t.Fatalf("%d shards, only %q, %s (-one run +merged):\n%s", n, only, form, diff)
			}
		}
	}
}

// TestMergedCases holds the law for every fleet that impact is tested with.
func TestMergedCases(t *testing.T) {
	for _, dir := range []string{"cases"} {
		cases, err := fleetcase.All(filepath.Join("..", "..", "impact", "testdata", dir))
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range cases {
			t.Run(c.Name, func(t *testing.T) {
				t.Parallel()
				holdLaw(t, c, 2+i%4)
			})
		}
	}
}

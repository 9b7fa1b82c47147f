package markdown_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bulkhead-dev/bulkhead/impact/review"
	"github.com/bulkhead-dev/bulkhead/report/markdown"
	"github.com/bulkhead-dev/bulkhead/report/reporttest"
)

func write(t rapid.TB, r *review.Review, o markdown.Options) string {
	t.Helper()
	var b bytes.Buffer
	if err := markdown.Write(&b, r, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestSamples(t *testing.T) {
	for _, name := range []string{"incident", "empty", "mixed", "hostile"} {
		t.Run(name, func(t *testing.T) { golden(t, name+".md", write(t, reporttest.Sample(name), markdown.Options{})) })
	}
	t.Run("short", func(t *testing.T) {
		golden(t, "short.md", write(t, reporttest.Sample("mixed"), markdown.Options{Limit: 4000, Marker: "hub"}))
	})
	t.Run("stat", func(t *testing.T) {
		r := reporttest.Sample("mixed")
		r.Details = nil
		golden(t, "stat.md", write(t, r, markdown.Options{}))
	})
}

// TestFirstScreen wants what decides a review within the first 30 lines.
func TestFirstScreen(t *testing.T) {
	first := strings.Join(strings.Split(write(t, reporttest.Sample("incident"), markdown.Options{}), "\n")[:30], "\n")
	for _, want := range []string{"Failed", "prod-us-east-1", "prod-db-01", "logging/fluent-bit", "infrastructure/base/logging/kustomization.yaml", "prod-alone"} {
		if !strings.Contains(first, want) {
			t.Errorf("the first 30 lines do not name %s:\n%s", want, first)
		}
	}
}

// TestFleet wants the matrix by environment, the worst changes with their differences, and the rest counted.
func TestFleet(t *testing.T) {
	out := write(t, reporttest.Sample("fleet"), markdown.Options{})
	if n := len(out); n > 60_000 || n < 55_000 {
		t.Errorf("%d bytes, want nearly 60,000", n)
	}
	for _, want := range []string{"| **prod** | 66 of 66 |", "**Left out** to stay within 60,000 bytes", "All 200 touched clusters", "```diff"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q", want)
		}
	}
}

// TestLimit holds for any limit: within it, valid, the marker first, and what is left out is said.
func TestLimit(t *testing.T) {
	samples := map[string]*review.Review{}
	for _, name := range reporttest.Names() {
		samples[name] = reporttest.Sample(name)
	}
	samples["fleet"] = reporttest.Fleet(40, 8, 200) // large enough for any limit here
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(reporttest.Names()).Draw(t, "sample")
		o := markdown.Options{Limit: rapid.IntRange(500, 70_000).Draw(t, "limit"), Marker: rapid.String().Draw(t, "marker")}
		check(t, write(t, samples[name], o), o)
	})
}

func check(t rapid.TB, out string, o markdown.Options) {
	t.Helper()
	if len(out) > o.Limit {
		t.Fatalf("%d bytes, the limit is %d", len(out), o.Limit)
	}
	if !utf8.ValidString(out) {
		t.Fatal("not UTF-8")
	}
	if !strings.HasPrefix(out, markdown.Head(o.Marker)+"\n## ") {
		t.Fatalf("begins with %.80q", out)
	}
	if n := strings.Count(out, "<!-- bulkhead"); n != 1 {
		t.Fatalf("%d markers", n)
	}
	if open, shut := strings.Count(out, "\n<details><summary>"), strings.Count(out, "\n</details>\n"); open != shut {
		t.Fatalf("%d details open, %d close", open, shut)
	}
	for l := range strings.SplitSeq(out, "\n") {
		if strings.HasPrefix(strings.TrimSpace(l), "::") || strings.Contains(l, "##[") || strings.Contains(l, "##vso[") {
			t.Fatalf("a build log would obey %q", l)
		}
	}
}

func TestLimitTooLow(t *testing.T) {
	if err := markdown.Write(&bytes.Buffer{}, reporttest.Sample("empty"), markdown.Options{Limit: 499}); err == nil {
		t.Error("no error for 499 bytes")
	}
}

func TestHead(t *testing.T) {
	for marker, want := range map[string]string{
		"": "<!-- bulkhead:impact -->", "hub": "<!-- bulkhead:impact hub -->", "a--> <b>--": "<!-- bulkhead:impact a-b -->", "--": "<!-- bulkhead:impact -->",
	} {
		if got := markdown.Head(marker); got != want {
			t.Errorf("Head(%q) is %q, want %q", marker, got, want)
		}
	}
}

// FuzzHostile puts the same text everywhere.
func FuzzHostile(f *testing.F) {
	for _, p := range reporttest.Payloads() {
		f.Add(p, 60_000)
	}
	f.Fuzz(func(t *testing.T, text string, limit int) {
		o := markdown.Options{Limit: 500 + max(0, limit)%70_000, Marker: text}
		check(t, write(t, reporttest.Poison(reporttest.Sample("mixed"), func(s string) string { return text + s + text }), o), o)
	})
}

func BenchmarkFleet(b *testing.B) {
	r := reporttest.Sample("fleet")
	for b.Loop() {
		if err := markdown.Write(&bytes.Buffer{}, r, markdown.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

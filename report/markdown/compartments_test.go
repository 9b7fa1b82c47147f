package markdown_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/verdict"
	"github.com/bulkhead-dev/bulkhead/report/markdown"
	"github.com/bulkhead-dev/bulkhead/report/reporttest"
)

// spans are the names in the font of code.
var spans = regexp.MustCompile("`[^`\n]*`")

func compartments(tb testing.TB, r *verdict.Report, revision string) string {
	tb.Helper()
	var b strings.Builder
	if err := markdown.Compartments(&b, r, markdown.Check{Revision: revision, Limits: []string{"the kernel", revision}, Coverage: "coverage: " + revision}); err != nil {
		tb.Fatal(err)
	}
	return b.String()
}

func TestCompartments(t *testing.T) {
	const file = "testdata/compartments.md"
	got := compartments(t, reporttest.Compartments(nil), "HEAD (0123456789)")
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
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestCompartmentsHostile: whatever the texts hold, the comment is a comment.
func TestCompartmentsHostile(t *testing.T) {
	plain := compartments(t, reporttest.Compartments(func(s string) string { return "x" + s }), "x")
	for _, p := range reporttest.Payloads() {
		out := compartments(t, reporttest.Compartments(func(s string) string { return p + s + p }), p)
		if !utf8.ValidString(out) || len(out) > 60_000 || !strings.HasPrefix(out, markdown.CheckHead+"\n## ") {
			t.Errorf("%.40q: %d bytes, begins with %.80q", p, len(out), out)
		}
		bare := spans.ReplaceAllString(out, "") // what is in the font of code is safe
		if strings.Count(bare, "<!--") != 1 || strings.Count(bare, "<details>") != strings.Count(plain, "<details>") || strings.Count(bare, "</details>") != strings.Count(plain, "</details>") {
			t.Errorf("%.40q breaks out", p)
		}
		for _, bad := range []string{"<script", "<img", "<svg", "](", "https://", "@team", "@acme"} {
			if strings.Contains(bare, bad) {
				t.Errorf("%.40q leaves %q", p, bad)
			}
		}
		if a, b := strings.Count(out, "\n"), strings.Count(plain, "\n"); a != b {
			t.Errorf("%.40q makes %d lines of %d", p, a, b)
		}
		for l := range strings.SplitSeq(out, "\n") {
			if strings.HasPrefix(strings.TrimSpace(l), "::") || strings.Contains(l, "##[") || strings.Contains(l, "##vso[") {
				t.Errorf("a build log would obey %q", l)
			}
		}
	}
}

// TestCompartmentsLimit: a huge fleet stays within the limit, and what is left out is said.
func TestCompartmentsLimit(t *testing.T) {
	r := reporttest.Compartments(nil)
	for range 2000 {
		r.Verdicts, r.Findings = append(r.Verdicts, r.Verdicts[0]), append(r.Findings, r.Findings[0])
	}
	out := compartments(t, r, "HEAD")
	if len(out) > 60_000 || !strings.Contains(out, "**Left out** to stay within 60,000 bytes: ") || !strings.Contains(out, string(finding.Critical)) {
		t.Errorf("%d bytes: %.600s", len(out), out)
	}
}

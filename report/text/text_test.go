package text

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/impact/review"
	"github.com/bulkhead-dev/bulkhead/report/reporttest"
	"github.com/bulkhead-dev/bulkhead/report/term"
)

func write(tb testing.TB, r *review.Review, o Options) string {
	tb.Helper()
	var out bytes.Buffer
	if err := Write(&out, r, o); err != nil {
		tb.Fatal(err)
	}
	return out.String()
}

// TestGolden compares every sample but the large one with testdata; UPDATE=1 rewrites it.
func TestGolden(t *testing.T) {
	for _, name := range []string{"empty", "incident", "mixed", "hostile"} {
		got := write(t, reporttest.Sample(name), Options{})
		file := filepath.Join("testdata", name+".txt")
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got), UPDATE=1 rewrites it:\n%s", name, diff)
		}
	}
}

// TestWidth holds that what people wrote with care fits a terminal of 100 columns: all but the
// lines of differences, which are as long as the values.
func TestWidth(t *testing.T) {
	for _, name := range []string{"empty", "incident", "mixed", "fleet"} {
		difference := false
		for line := range strings.Lines(write(t, reporttest.Sample(name), Options{})) {
			line = strings.TrimSuffix(line, "\n")
			difference = strings.HasPrefix(line, indent)
			if n := term.Width(line); n > width && !difference {
				t.Errorf("%s: %d columns: %s", name, n, line)
			}
		}
	}
}

// TestFirstScreen holds that a large fleet's verdict, table and gates come in the first 40 lines.
func TestFirstScreen(t *testing.T) {
	lines := strings.SplitN(write(t, reporttest.Sample("fleet"), Options{}), "\n", 41)
	head := strings.Join(lines[:40], "\n")
	for _, want := range []string{"clusters change", "prod", "CLUSTER", "risks"} {
		if !strings.Contains(head, want) {
			t.Errorf("%q is not in the first screen:\n%s", want, head)
		}
	}
}

// TestStat is the table alone.
func TestStat(t *testing.T) {
	if got := write(t, reporttest.Sample("incident"), Options{Stat: true}); !strings.HasPrefix(got, "CLUSTER") || strings.Contains(got, "because of") {
		t.Errorf("--stat prints\n%s", got)
	}
}

// TestColour differs from plain text by its codes only.
func TestColour(t *testing.T) {
	for _, name := range []string{"incident", "mixed", "hostile"} {
		plain, coloured := write(t, reporttest.Sample(name), Options{}), write(t, reporttest.Sample(name), Options{Colour: true})
		if coloured == plain {
			t.Errorf("%s: no colour", name)
		}
		var b strings.Builder
		for rest := coloured; rest != ""; {
			before, after, found := strings.Cut(rest, "\x1b[")
			b.WriteString(before)
			if !found {
				break
			}
			_, rest, _ = strings.Cut(after, "m")
		}
		if diff := cmp.Diff(plain, b.String()); diff != "" {
			t.Errorf("%s (-plain +coloured):\n%s", name, diff)
		}
	}
}

// FuzzHostile puts bytes into every text of a review: nothing of them moves a terminal.
func FuzzHostile(f *testing.F) {
	f.Add("\x1b[2J\r\u202e::error::")
	f.Fuzz(func(t *testing.T, text string) {
		r := reporttest.Poison(reporttest.Sample("mixed"), func(string) string { return text })
		got := write(t, r, Options{})
		for i := range r.Groups {
			if i > 3 {
				break
			}
			var out bytes.Buffer
			if err := Explain(&out, &review.Explanation{Cluster: text, Group: r.Groups[i]}, Options{}); err != nil {
				t.Fatal(err)
			}
			got += out.String()
		}
		if i := strings.IndexFunc(got, func(r rune) bool { return r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) }); i >= 0 {
			t.Errorf("%q at %d", got[max(0, i-40):min(len(got), i+40)], i)
		}
	})
}

package text

import (
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/impact/review"
	"github.com/bulkhead-dev/bulkhead/report/reporttest"
)

// TestFold: all that may be counted is, once and below the rest; what goes, moves or has a risk is told one by one, as without it.
func TestFold(t *testing.T) {
	for _, name := range []string{"incident", "mixed", "fleet"} {
		r := reporttest.Sample(name)
		out := write(t, r, Options{Fold: func(*review.Group) string { return "all of it" }})
		plain, folded := strings.Split(write(t, r, Options{}), "\n"), strings.Split(out, "\n")
		counted := 0
		for i := range r.Groups {
			g := &r.Groups[i]
			if foldable(g) {
				counted++
				continue
			}
			for _, line := range plain {
				if strings.HasPrefix(line, string(g.Kind)) && strings.Contains(line, " "+g.Name+" ") && !slices.Contains(folded, line) {
					t.Errorf("%s: %q is lost", name, line)
				}
			}
		}
		if name == "mixed" && counted == 0 {
			t.Error("nothing in the sample can be counted")
		}
		n := strings.Count(out, "  all of it  ")
		if counted > 0 && (n == 0 || n > counted) {
			t.Errorf("%s: %d groups in %d lines:\n%s", name, counted, n, out)
		}
		if at := slices.IndexFunc(folded, func(line string) bool { return strings.Contains(line, "  all of it  ") }); at >= 0 {
			for _, line := range folded[at:] {
				if strings.HasPrefix(line, "removed") || strings.HasPrefix(line, "moved") {
					t.Errorf("%s: %q is below what is counted", name, line)
				}
			}
		}
		if none := write(t, r, Options{Fold: func(*review.Group) string { return "" }}); none != write(t, r, Options{}) {
			t.Errorf("%s: nothing is counted, and the text differs", name)
		}
	}
}

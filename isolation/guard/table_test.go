package guard_test

import (
	"regexp"
	"slices"
	"testing"

	"github.com/bulkhead-dev/bulkhead/isolation/guard"
	"github.com/bulkhead-dev/bulkhead/isolation/rule"
)

// TestTable: each rule that belongs to the proof, and that admission can enforce, is enforced.
func TestTable(t *testing.T) {
	table := guard.Table()
	id := regexp.MustCompile(`^[A-Z]{3}-[0-9]{3}$`)
	for i, m := range table {
		if !id.MatchString(m.Rule) || len(m.Policies)+len(m.Beside) == 0 || i > 0 && table[i-1].Rule >= m.Rule {
			t.Errorf("the table says %+v", m)
		}
	}
	boundary := 0
	for _, r := range rule.Rules() {
		if !r.Boundary || r.Static != "" {
			continue
		}
		boundary++
		if !slices.ContainsFunc(table, func(m guard.Means) bool { return m.Rule == r.ID }) {
			t.Errorf("%s (%s) is part of the proof and not static, and nothing enforces it", r.ID, r.Title)
		}
	}
	t.Logf("%d rules are enforced, of them %d by admission", len(table), boundary)
}

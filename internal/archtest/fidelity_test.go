package archtest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestFidelityPage: every case is in the tables of docs/explain/fidelity.md, which only a run on real controllers rewrites, and every row is a case.
func TestFidelityPage(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, "docs", "explain", "fidelity.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(data), "<!-- cases -->")
	text, _, ends := strings.Cut(text, "<!-- /cases -->")
	if !found || !ends {
		t.Fatal("the page has no tables of cases")
	}
	row := regexp.MustCompile(`(?m)^(?:\| ([a-z0-9-]+) \| \d+ \||- ([a-z0-9-]+): .*)`)
	for i, section := range strings.Split(text, "\n### ")[1:] {
		dirs := []string{"render/testdata/cases", "impact/testdata/cases", "test/e2e/testdata"}
		if i >= len(dirs) {
			t.Fatalf("a table more: %s", section[:min(len(section), 40)])
		}
		rows := map[string]bool{}
		for _, m := range row.FindAllStringSubmatch(section, -1) {
			rows[m[1]+m[2]] = m[1] != ""
		}
		files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(dirs[i]), "*.txtar"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no cases in %s: %v", dirs[i], err)
		}
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".txtar")
			if _, ok := rows[name]; !ok {
				t.Errorf("the page does not tell of %s/%s: make e2e says how it compares, and with UPDATE=1 writes the row", dirs[i], name)
			}
			delete(rows, name)
		}
		for name, played := range rows {
			if played {
				t.Errorf("the page tells of %s, and there is no such case in %s", name, dirs[i])
			}
		}
	}
}

package archtest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSafetyPage: every test that docs/explain/safety.md names is where it says.
func TestSafetyPage(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, "docs", "explain", "safety.md"))
	if err != nil {
		t.Fatal(err)
	}
	test := regexp.MustCompile("`(Test[A-Za-z]+)`")
	part := regexp.MustCompile("((?:`Test[A-Za-z]+`(?:, | and )?)+) in ([a-z/]+)")
	rows := 0
	for line := range strings.Lines(string(data)) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| requirement") {
			continue
		}
		rows++
		named := 0
		for _, m := range part.FindAllStringSubmatch(line, -1) {
			files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(m[2]), "*_test.go"))
			if err != nil {
				t.Fatal(err)
			}
			var all strings.Builder
			for _, file := range files {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = all.Write(text)
			}
			for _, name := range test.FindAllStringSubmatch(m[1], -1) {
				named++
				if !strings.Contains(all.String(), "\nfunc "+name[1]+"(") {
					t.Errorf("%s has no %s", m[2], name[1])
				}
			}
		}
		if all := len(test.FindAllString(line, -1)); named == 0 || named != all {
			t.Errorf("of %d tests, %d are said to be in a folder: %s", all, named, line)
		}
	}
	if rows < 10 {
		t.Errorf("%d requirements", rows)
	}
}

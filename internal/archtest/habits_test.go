package archtest

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const maxLines = 500

// TestFileLength leaves tests and generated files out.
func TestFileLength(t *testing.T) {
	for _, f := range sources(t) {
		if f.lines > maxLines && !f.generated {
			t.Errorf("%s has %d lines, %d are the limit: split it", f.path, f.lines, maxLines)
		}
	}
}

// decided is a row of the table of dependencies: the module and, for an engine, its version.
var decided = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|(?: (v[0-9][^ ]*) \\|)?")

// TestDependenciesHaveReasons wants each direct dependency of go.mod in the table of
// docs/decisions, none that has gone, and where a version is named, the right one.
func TestDependenciesHaveReasons(t *testing.T) {
	gomod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	const page = "docs/decisions/0003-dependencies.md"
	text, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	required := direct(string(gomod))
	reasons := map[string]bool{}
	for _, row := range decided.FindAllStringSubmatch(string(text), -1) {
		path, version := row[1], row[2]
		reasons[path] = true
		if required[path] == "" {
			t.Errorf("%s lists %s, which go.mod does not require directly", page, path)
		} else if version != "" && version != required[path] {
			t.Errorf("%s says %s %s, go.mod has %s", page, path, version, required[path])
		}
	}
	for _, path := range slices.Sorted(maps.Keys(required)) {
		if !reasons[path] {
			t.Errorf("%s gives no reason for %s", page, path)
		}
	}
}

// direct maps the modules that a go.mod requires without "// indirect" to their
// versions. It knows the block and the single-line form.
func direct(gomod string) map[string]string {
	modules := map[string]string{}
	block := false
	for line := range strings.Lines(gomod) {
		f := strings.Fields(line)
		switch {
		case len(f) == 0:
		case slices.Equal(f, []string{"require", "("}):
			block = true
		case f[0] == ")":
			block = false
		case f[0] == "require":
			f = f[1:]
			fallthrough
		case block:
			if len(f) >= 2 && !strings.HasPrefix(f[0], "//") && !strings.Contains(line, "// indirect") {
				modules[f[0]] = f[1]
			}
		}
	}
	return modules
}

func TestDirect(t *testing.T) {
	const gomod = `module m

go 1.26

require a.example/one v1.0.0
require a.example/two v1.0.0 // indirect

require (
	// a comment
	b.example/one v1.2.0 // pinned

	b.example/two v1.0.0 // indirect
)

replace c.example/one => d.example/one v1.0.0
`
	if diff := cmp.Diff(map[string]string{"a.example/one": "v1.0.0", "b.example/one": "v1.2.0"}, direct(gomod)); diff != "" {
		t.Errorf("direct modules (-want +got):\n%s", diff)
	}
}

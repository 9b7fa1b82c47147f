package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// unraced are folders that start goroutines and are left out by the race detector, and why.
var unraced = map[string]string{
	"internal/cli":       "its tests start hundreds of processes; what they run at once is the render's",
	"render/release":     "its tests take the race detector minutes; those of render use it from many goroutines",
	"render/resourceset": "as render/release",
	"internal/sops":      "its tests do little but cryptography: each goroutine has its own file, and its own answer",
}

// TestRaced: the race detector tests each folder that starts goroutines, or whose tests do, as the Makefile lists them; and no other, since it costs minutes.
func TestRaced(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	var raced []string
	for _, list := range regexp.MustCompile(`(?m)^RACED(?:_PURE)? *= (.*)$`).FindAllStringSubmatch(string(makefile), -1) {
		for dir := range strings.FieldsSeq(list[1]) {
			raced = append(raced, strings.TrimPrefix(dir, "/"))
		}
	}
	if len(raced) == 0 {
		t.Fatal("the Makefile has no list RACED")
	}
	starts := startGoroutines(t)
	for dir, file := range starts {
		if listed := slices.Contains(raced, dir); !listed && unraced[dir] == "" {
			t.Errorf("%s starts goroutines: add /%s to RACED or RACED_PURE in the Makefile", file, dir)
		} else if listed && unraced[dir] != "" {
			t.Errorf("%s is tested by the race detector, and excused here", dir)
		}
	}
	for dir := range unraced {
		raced = append(raced, dir)
	}
	for _, dir := range raced {
		if starts[dir] == "" {
			t.Errorf("%s starts no goroutine: nothing is there for the race detector", dir)
		}
	}
}

// startGoroutines has a file of each folder of the main module with a go statement, a call of a method Go, as errgroup and WaitGroup have it, or a server of
// net/http/httptest.
func startGoroutines(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != root && skipped(name, d.Name()):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		file := filepath.ToSlash(rel)
		ast.Inspect(parsed, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if of, ok := call.Fun.(*ast.SelectorExpr); ok && slices.Contains([]string{"Go", "NewServer", "NewTLSServer"}, of.Sel.Name) {
					out[path.Dir(file)] = file
				}
			}
			if _, ok := n.(*ast.GoStmt); ok {
				out[path.Dir(file)] = file
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

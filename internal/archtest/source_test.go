// Package archtest keeps the shape of the repository true: who imports whom, what
// the pure folders may use, how long a file is, and why each dependency is there.
//
// It reads every file itself, so that the test cache sees a new one and runs again.
package archtest

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	module = "github.com/bulkhead-dev/bulkhead"
	root   = "../.."
)

// file is one Go file of the main module, tests left out.
type file struct {
	path      string   // slash path from the repository's root
	imports   []string // as written, in order
	lines     int
	generated bool // has the "Code generated ... DO NOT EDIT." line
}

// folder is the part of the repository that f belongs to.
func (f file) folder() string { return folder(path.Dir(f.path)) }

// folder names the part of the repository that a slash path belongs to: "render", or
// "internal/forge" for "internal/forge/github".
func folder(dir string) string {
	parts := strings.SplitN(dir, "/", 3)
	if slices.Contains([]string{"internal", "cmd", "render", "finding", "isolation", "layout", "impact", "report"}, parts[0]) && len(parts) > 1 {
		return parts[0] + "/" + parts[1]
	}
	return parts[0]
}

// pure reports whether folder is one of the root folders, the library.
func pure(folder string) bool {
	first, _, _ := strings.Cut(folder, "/")
	return !slices.Contains([]string{"internal", "cmd", "test"}, first)
}

// sources reads the non-test Go files of the main module, in lexical order. As in
// the go command, testdata and names with a leading dot or underscore are left out,
// and so are nested modules.
func sources(t *testing.T) []file {
	t.Helper()
	var files []file
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != root && skipped(name, d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		f, err := read(name)
		files = append(files, f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func skipped(dir, base string) bool {
	if base == "testdata" || base[0] == '.' || base[0] == '_' {
		return true
	}
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

func read(name string) (file, error) {
	src, err := os.ReadFile(name)
	if err != nil {
		return file{}, err
	}
	syntax, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		return file{}, err
	}
	rel, err := filepath.Rel(root, name)
	if err != nil {
		return file{}, err
	}
	f := file{
		path:      filepath.ToSlash(rel),
		lines:     bytes.Count(src, []byte("\n")),
		generated: ast.IsGenerated(syntax),
	}
	for _, imp := range syntax.Imports {
		f.imports = append(f.imports, strings.Trim(imp.Path.Value, "\"`"))
	}
	return f, nil
}

// below reports whether the import path is pkg or lies under it.
func below(path, pkg string) bool {
	return path == pkg || strings.HasPrefix(path, pkg+"/")
}

package render

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// corpora lists the Git bundles of public fleets. They lie beside the
// repository, or where BULKHEAD_CORPORA says; without them the test is skipped.
func corpora(t *testing.T) []string {
	t.Helper()
	dir := os.Getenv("BULKHEAD_CORPORA")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "corpora")
	}
	bundles, err := filepath.Glob(filepath.Join(dir, "*.bundle"))
	if err != nil || len(bundles) == 0 {
		t.Skipf("SKIPPED: no corpora in %s; set BULKHEAD_CORPORA to a folder of Git bundles of fleets", dir)
	}
	return bundles
}

// checkout clones a bundle and returns its files as a tree.
func checkout(t *testing.T, bundle string) *tree.Tree {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.CommandContext(t.Context(), "git", "clone", "-q", bundle, dir).CombinedOutput()
	if err != nil {
		t.Fatalf("clone %s: %v\n%s", bundle, err, out)
	}
	return readTree(t, dir)
}

// readTree reads a folder into memory, symlinks as symlinks.
func readTree(t *testing.T, dir string) *tree.Tree {
	t.Helper()
	files := map[string]tree.Blob{}
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil || d.IsDir() || strings.HasPrefix(rel, ".git"+string(filepath.Separator)) {
			return err
		}
		if d.Type()&os.ModeSymlink != 0 {
			target, err := os.Readlink(p)
			files[filepath.ToSlash(rel)] = tree.Blob{Mode: tree.Symlink, Data: target}
			return err
		}
		data, err := os.ReadFile(p)
		files[filepath.ToSlash(rel)] = tree.Blob{Mode: tree.File, Data: string(data)}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree.FromBlobs(files)
}

// writeTree writes a tree's files and folders to dir.
func writeTree(t *testing.T, tr *tree.Tree, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	err := tr.Walk(".", func(p string, e tree.Entry) error {
		to := filepath.Join(dir, filepath.FromSlash(p))
		if e.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		data, err := tr.ReadFile(p)
		if err != nil {
			return err
		}
		if e.Mode == tree.Symlink {
			return os.Symlink(string(data), to)
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		return os.WriteFile(to, data, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}

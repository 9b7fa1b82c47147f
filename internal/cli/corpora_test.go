package cli_test

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// bundles is the folder of Git bundles of public fleets, beside this repository or where BULKHEAD_CORPORA says.
func bundles() string {
	return cmp.Or(os.Getenv("BULKHEAD_CORPORA"), filepath.Join("..", "..", "..", "shared", "corpora"))
}

// corpora are the names of the public fleets that are at hand; without any the test is skipped.
func corpora(t *testing.T) (names []string) {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(bundles(), "*.bundle"))
	if err != nil || len(list) == 0 {
		t.Skipf("SKIPPED: no bundles in %s; set BULKHEAD_CORPORA to a folder of Git bundles of fleets", bundles())
	}
	for _, bundle := range list {
		names = append(names, strings.TrimSuffix(filepath.Base(bundle), ".bundle"))
	}
	return names
}

// cloned is a clone of a public fleet, and its pairs of commits: the first of origin/pair/01 is origin/pair/01-base, the second origin/pair/01-head.
func cloned(t *testing.T, name string) (dir string, pairs []string) {
	t.Helper()
	bundle, err := filepath.Abs(filepath.Join(bundles(), name+".bundle"))
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	git := func(args ...string) string {
		out, err := exec.CommandContext(t.Context(), "git", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	git("clone", "-q", bundle, dir)
	for _, head := range regexp.MustCompile(`origin/pair/\S+-head`).FindAllString(git("-C", dir, "branch", "-r"), -1) {
		pairs = append(pairs, strings.TrimSuffix(head, "-head"))
	}
	return dir, pairs
}

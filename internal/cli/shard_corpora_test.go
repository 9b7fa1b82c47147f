package cli_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/cli"
)

// TestCorporaMerged holds, for real commits of public fleets with several clusters, that the parts which the command line writes
// give together what it says of the whole.
func TestCorporaMerged(t *testing.T) {
	dir := os.Getenv("BULKHEAD_CORPORA")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "corpora")
	}
	for name, pair := range map[string]string{"wahooli+gitops-repo": "13", "PingCAP-QE+ee-ops": "13"} {
		t.Run(name, func(t *testing.T) { mergePair(t, dir, name, pair) })
	}
}

func mergePair(t *testing.T, dir, name, pair string) {
	t.Helper()
	bundle, err := filepath.Abs(filepath.Join(dir, name+".bundle"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(bundle); err != nil {
		t.Skipf("SKIPPED: no %s.bundle in %s; set BULKHEAD_CORPORA to a folder of Git bundles of fleets", name, dir)
	}
	t.Setenv("BULKHEAD_SALT", "test")
	clone := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "git", "clone", "-q", "--no-checkout", bundle, clone).CombinedOutput(); err != nil {
		t.Fatalf("git clone: %v\n%s", err, out)
	}
	run := func(args ...string) (int, string) {
		var out, said bytes.Buffer
		code := cli.Main(t.Context(), args, &out, &said)
		if code > 1 {
			t.Fatalf("bulkhead %s: exit code %d\n%s", strings.Join(args, " "), code, &said)
		}
		return code, regexp.MustCompile(`(?s)"stats": \{.*?\}|[0-9]+ of [0-9]+ builds run.*? rounds?`).ReplaceAllString(out.String(), "")
	}
	whole := []string{"impact", "-C", clone, "--base", "origin/pair/" + pair + "-base", "--head", "origin/pair/" + pair + "-head"}
	const n = 3
	var parts []string
	for i := 1; i <= n; i++ {
		_, text := run(append(whole, "--shard", fmt.Sprintf("%d/%d", i, n))...)
		file := filepath.Join(t.TempDir(), "part.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(text, `"clusters":[],`) {
			t.Logf("shard %d of %d has no cluster", i, n)
		}
		parts = append(parts, file)
	}
	for _, format := range []string{"text", "json", "markdown", "html", "sarif", "junit", "github"} {
		more := []string{"-o", format, "--now", "2026-01-31"}
		code, want := run(append(append([]string{}, whole...), more...)...)
		merged, got := run(append(append([]string{"impact", "merge"}, parts...), more...)...)
		if want != got || code != merged {
			t.Errorf("%s differs, exit codes %d and %d: one run\n%.3000s\nmerged\n%.3000s", format, code, merged, want, got)
		}
	}
}

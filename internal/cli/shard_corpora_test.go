package cli_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/cli"
)

// TestCorporaMerged holds, for real commits of public fleets with several clusters, that the parts which the command line writes
// give together what it says of the whole.
func TestCorporaMerged(t *testing.T) {
	at := corpora(t)
	for name, pair := range map[string]string{"wahooli+gitops-repo": "13", "PingCAP-QE+ee-ops": "13"} {
		t.Run(name, func(t *testing.T) {
			if !slices.Contains(at, name) {
				t.Skipf("SKIPPED: no bundle of %s", name)
			}
			mergePair(t, name, "origin/pair/"+pair)
		})
	}
}

func mergePair(t *testing.T, name, pair string) {
	t.Helper()
	t.Setenv("BULKHEAD_SALT", "test")
	clone, _ := cloned(t, name)
	run := func(args ...string) (int, string) {
		var out, said bytes.Buffer
		code := cli.Main(t.Context(), args, &out, &said)
		if code > 1 {
			t.Fatalf("bulkhead %s: exit code %d\n%s", strings.Join(args, " "), code, &said)
		}
		return code, regexp.MustCompile(`(?s)"stats": \{.*?\}|[0-9]+ of [0-9]+ builds run.*? rounds?`).ReplaceAllString(out.String(), "")
	}
	whole := []string{"impact", "-C", clone, "--base", pair + "-base", "--head", pair + "-head"}
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

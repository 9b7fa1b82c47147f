package cli_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/cli"
)

// TestCorporaRecalled holds, for real commits of public fleets, that an impact says with what earlier runs left behind what it
// says without.
func TestCorporaRecalled(t *testing.T) {
	bundles, err := filepath.Glob(filepath.Join(corpora(t), "*.bundle"))
	if err != nil {
		t.Fatal(err)
	}
	for _, bundle := range bundles {
		t.Run(strings.TrimSuffix(filepath.Base(bundle), ".bundle"), func(t *testing.T) {
			bundle, err := filepath.Abs(bundle)
			if err != nil {
				t.Fatal(err)
			}
			recalled(t, bundle)
		})
	}
}

// corpora is the folder of Git bundles of public fleets, beside this repository or where BULKHEAD_CORPORA says; without any
// the test is skipped.
func corpora(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("BULKHEAD_CORPORA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "corpora")
	}
	if bundles, err := filepath.Glob(filepath.Join(dir, "*.bundle")); err != nil || len(bundles) == 0 {
		t.Skipf("SKIPPED: no bundles in %s; set BULKHEAD_CORPORA to a folder of Git bundles of fleets", dir)
	}
	return dir
}

// pairsOf is how many commits of a fleet are looked at.
const pairsOf = 4

func recalled(t *testing.T, bundle string) {
	t.Helper()
	t.Setenv("BULKHEAD_SALT", "test")
	clone, store := t.TempDir(), t.TempDir()
	git := func(args ...string) string {
		out, err := exec.CommandContext(t.Context(), "git", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	git("clone", "-q", "--no-checkout", bundle, clone)
	heads := regexp.MustCompile(`origin/(pair/\S+)-head`).FindAllStringSubmatch(git("-C", clone, "branch", "-r"), -1)
	if len(heads) == 0 {
		t.Skip("SKIPPED: no pairs of commits in it")
	}
	counters := regexp.MustCompile(`(?s)"stats": \{.*?\}|[0-9]+ of [0-9]+ builds run.*? rounds?`)
	run := func(args ...string) (int, string) {
		var out, said bytes.Buffer
		code := cli.Main(t.Context(), append(args, "-o", "json", "--now", "2026-01-31"), &out, &said)
		return code, counters.ReplaceAllString(out.String(), "") + said.String()
	}
	for _, h := range heads[:min(len(heads), pairsOf)] {
		pair := []string{"impact", "-C", clone, "--base", "origin/" + h[1] + "-base", "--head", "origin/" + h[1] + "-head"}
		cold, want := run(append(pair, "--cache", "off")...)
		for range 2 {
			if code, got := run(append(pair, "--cache", store)...); code != cold || got != want {
				t.Errorf("%s: exit code %d instead of %d, or another answer:\n%.2000s\ninstead of\n%.2000s", h[1], code, cold, got, want)
			}
		}
	}
}

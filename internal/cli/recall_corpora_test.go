package cli_test

import (
	"bytes"
	"regexp"
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/cli"
)

// TestCorporaRecalled holds, for real commits of public fleets, that an impact says with what earlier runs left behind what it
// says without.
func TestCorporaRecalled(t *testing.T) {
	for _, name := range corpora(t) {
		t.Run(name, func(t *testing.T) { recalled(t, name) })
	}
}

// pairsOf is how many commits of a fleet are looked at.
const pairsOf = 4

func recalled(t *testing.T, name string) {
	t.Helper()
	t.Setenv("BULKHEAD_SALT", "test")
	store := t.TempDir()
	clone, pairs := cloned(t, name)
	if len(pairs) == 0 {
		t.Skip("SKIPPED: no pairs of commits in it")
	}
	counters := regexp.MustCompile(`(?s)"stats": \{.*?\}|[0-9]+ of [0-9]+ builds run.*? rounds?`)
	run := func(args ...string) (int, string) {
		var out, said bytes.Buffer
		code := cli.Main(t.Context(), append(args, "-o", "json", "--now", "2026-01-31"), &out, &said)
		return code, counters.ReplaceAllString(out.String(), "") + said.String()
	}
	for _, p := range pairs[:min(len(pairs), pairsOf)] {
		pair := []string{"impact", "-C", clone, "--base", p + "-base", "--head", p + "-head"}
		cold, want := run(append(pair, "--cache", "off")...)
		for range 2 {
			if code, got := run(append(pair, "--cache", store)...); code != cold || got != want {
				t.Errorf("%s: exit code %d instead of %d, or another answer:\n%.2000s\ninstead of\n%.2000s", p, code, cold, got, want)
			}
		}
	}
}

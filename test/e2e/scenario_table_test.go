//go:build e2e && linux

package e2e

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const scenarioPage = "../../docs/reference/scenarios.md"

// TestScenarioTable keeps the page about the scenarios as [TestScenarios] plays them; UPDATE=1 writes it.
func TestScenarioTable(t *testing.T) {
	t.Parallel()
	played := 0
	var rows strings.Builder
	for _, s := range scenarios() {
		s.read(t, "bad", false, false)
		first := "not played"
		if s.works != nil {
			played++
			if first = s.evidence; s.lockedOpen {
				first += " (with all flags of the lockdown)"
			}
		}
		ids := slices.Sorted(maps.Keys(s.findings))
		for i, id := range ids {
			ids[i] = fmt.Sprintf("[%s](rules.md#%s)", id, strings.ToLower(id))
		}
		fmt.Fprintf(&rows, "| %s | %s | %s | %s | %s |\n", s.id, strings.ReplaceAll(s.title, "\n", " "), first, strings.Join(ids, ", "), s.refusal)
	}
	want := fmt.Sprintf(`# Scenarios

Written by `+"`UPDATE=1 go test -tags e2e -run TestScenarioTable ./e2e`"+` in `+"`test/`"+` from the tests; do not edit.

Tenants that want out of their compartment, played on real API servers and real controllers of Flux. Each is played four ways: on a cluster without
[guards](../how-to/guards.md), where the tenant gets out; by `+"`bulkhead check`"+`, which finds it in the same files; on a cluster with guards, which refuses; and
with a benign twin, which gets what it wants on both. %d of %d are played; of the others only the findings and the refusal are tested. The files of each
are in `+"`test/e2e/testdata/scenarios`"+`.

| scenario | what the tenant does | without guards | what is found | with guards |
|---|---|---|---|---|
%s`, played, len(scenarios()), rows.String())
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(scenarioPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(scenarioPage)
	if diff := cmp.Diff(string(got), want); err != nil || diff != "" {
		t.Errorf("docs/reference/scenarios.md is out of date; run UPDATE=1 go test -tags e2e -run TestScenarioTable ./e2e: %v (-got +want):\n%s", err, diff)
	}
}

package risk

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	referencePage = "../../docs/reference/risks.md"
	fromReference = "../../impact/risk/testdata/"
)

// TestRulesPage keeps the generated page of docs/reference up to date; UPDATE=1 writes it.
func TestRulesPage(t *testing.T) {
	want := rulesPage(t)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(referencePage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(referencePage)
	if err != nil {
		t.Fatalf("%v; run UPDATE=1 go test ./impact/risk", err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("%s is out of date; run UPDATE=1 go test ./impact/risk (-want +got):\n%s", referencePage, diff)
	}
}

// rulesPage is the catalogue as one page.
func rulesPage(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("# Risks\n\nWritten by `UPDATE=1 go test ./impact/risk` from the catalogue of rules; do not edit.\n\n" +
		"A risk is what is dangerous about the change of one object on one cluster. Its severity says how it is meant:\n\n" +
		"- **error**: something is lost, or opened, or will fail;\n" +
		"- **warning**: it wants a look by somebody who knows;\n" +
		"- **note**: worth knowing.\n\n" +
		"The severity in the table is that of most risks of a rule; one that is less sure, or worse, says otherwise. " +
		"Each rule has two fleets that run as tests: one with the risk, one like it without.\n\n" +
		"| rule | severity | what it finds |\n|---|---|---|\n")
	rules := Rules()
	for _, r := range rules {
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s |\n", r.ID, r.ID, r.Severity, r.Title)
	}
	for _, r := range rules {
		fmt.Fprintf(&b, "\n## %s\n\n%s (%s). %s\n\nWhat to do: %s.\n\n", r.ID, r.Title, r.Severity, r.Why, r.Hint)
		for _, name := range []string{"bad", "good"} {
			prose := strings.Join(strings.Fields(sampleOf(t, r.ID, name).Comment), " ")
			if !strings.HasSuffix(prose, ".") {
				t.Errorf("%s/%s.txtar begins with %q: want a sentence that says what it shows", r.ID, name, prose)
			}
			what := map[string]string{"bad": "With the risk", "good": "Without"}[name]
			fmt.Fprintf(&b, "- [%s](%s%s/%s.txtar): %s\n", what, fromReference, r.ID, name, prose)
		}
	}
	return b.String()
}

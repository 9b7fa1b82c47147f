package rule_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/isolation/guard"
	"github.com/bulkhead-dev/bulkhead/isolation/rule"
)

const (
	referencePage = "../../docs/reference/rules.md"
	fromReference = "../../isolation/rule/samples/"
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
		t.Fatalf("%v; run UPDATE=1 go test ./isolation/rule", err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("%s is out of date; run UPDATE=1 go test ./isolation/rule (-want +got):\n%s", referencePage, diff)
	}
}

// TestRuleTexts: each rule says what a reader needs, and is of a group.
func TestRuleTexts(t *testing.T) {
	for _, r := range rule.Rules() {
		if r.Title == "" || r.Why == "" || r.Hint == "" || r.Level == "" || r.Group() == "" {
			t.Errorf("%s has an empty text: %+v, group %q", r.ID, r.Rule, r.Group())
		}
		for _, text := range []string{r.Title, r.Hint, r.Static} {
			if strings.Contains(text, "\n") || strings.HasSuffix(text, ".") {
				t.Errorf("%s: %q is more than a line, or ends with a full stop", r.ID, text)
			}
		}
	}
}

// rulesPage is the catalogue as one page.
func rulesPage(t *testing.T) string {
	t.Helper()
	samples, err := rule.Samples()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("# Rules\n\nWritten by `UPDATE=1 go test ./isolation/rule` from the catalogue; do not edit.\n\n" +
		"What `bulkhead check` looks for. [What is proven](../explain/isolation.md) says what the levels mean. The level in the table is that of most findings of a rule. " +
		"*Boundary* are the rules of which a finding of medium or worse breaks the proof that a tenant stays in its compartment. " +
		"*Static* are those that nothing on a cluster holds: only the check of each commit tells. Each rule has samples that run as tests: a fleet in which it finds something, and one like it in which it does not; " +
		"`bulkhead rules explain ID` shows them.\n\n" +
		"| rule | level | boundary | static | what it finds |\n|---|---|---|---|---|\n")
	rules, group := rule.Rules(), ""
	held := map[string]string{}
	for _, m := range guard.Table() {
		held[m.Rule] = strings.Join(m.Words(), "; ")
	}
	yes := func(b bool) string {
		if b {
			return "yes"
		}
		return ""
	}
	for _, r := range rules {
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s | %s | %s |\n", r.ID, strings.ToLower(r.ID), r.Level, yes(r.Boundary), yes(held[r.ID] == ""), r.Title)
	}
	for _, r := range rules {
		if g := r.Group(); g != group {
			group = g
			fmt.Fprintf(&b, "\n## %s: %s\n", strings.SplitN(r.ID, "-", 2)[0], g)
		}
		fmt.Fprintf(&b, "\n### %s\n\n%s (%s). %s\n\nWhat to do: %s.\n", r.ID, r.Title, r.Level, sentence(r.Why), r.Hint)
		for _, p := range [][2]string{{"No fault when", r.Unless}, {"On a cluster with guards it is held by", held[r.ID]}, {"No policy alone can hold it", r.Static}, {"Follows", r.Source}} {
			if p[1] != "" {
				fmt.Fprintf(&b, "\n%s: %s\n", p[0], sentence(p[1]))
			}
		}
		b.WriteString("\n")
		for _, s := range samples {
			if s.Rule != r.ID {
				continue
			}
			name := strings.TrimSuffix(s.Rule+"-"+s.Case, "-")
			fmt.Fprintf(&b, "- [%s](%s%s.txtar): %s\n", name, fromReference, name, sentence(strings.Join(strings.Fields(s.Comment), " ")))
		}
	}
	return b.String()
}

// sentence is text with a full stop.
func sentence(text string) string {
	if strings.HasSuffix(text, ".") {
		return text
	}
	return text + "."
}

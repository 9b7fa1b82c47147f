package policy_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/policy"
	"github.com/bulkhead-dev/bulkhead/isolation/rule"
)

// everything is a rule about all objects.
func everything(name, spec string) string {
	return "---\napiVersion: bulkhead.dev/v1alpha1\nkind: Rule\nmetadata: {name: " + name + "}\nspec:\n  level: low\n  title: all is well\n  hint: mend it\n" +
		"  matchConstraints: {resourceRules: [{apiGroups: [\"*\"], apiVersions: [\"*\"], operations: [\"*\"], resources: [\"*\"]}]}\n" + spec
}

const ten = "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]"

// loops is an expression that goes around 10^n times, and is true.
func loops(n int) string {
	out := "x0 >= 0"
	for i := range n {
		out = fmt.Sprintf("%s.all(x%d, %s)", ten, i, out)
	}
	return out
}

// chained are variables that each read the one before, and each cost all that one expression may.
func chained(n int) string {
	out := "  variables:\n  - {name: v0, expression: \"true\"}\n"
	for i := 1; i < n; i++ {
		out += fmt.Sprintf("  - {name: v%d, expression: \"variables.v%d && %s\"}\n", i, i-1, loops(5))
	}
	return out + fmt.Sprintf("  validations: [{expression: variables.v%d}]\n", n-1)
}

// unhurried leaves a test that asks millions of times to the run without the race detector.
func unhurried(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("left to the run in full")
	}
}

// spent are the findings that are about no object.
func spent(found []rule.Found) (out []rule.Found) {
	for i := range found {
		if found[i].ID == nil {
			out = append(out, found[i])
		}
	}
	return out
}

// TestBudget: a rule that costs all it may for each object is asked about few of thousands, whatever the number of goroutines, and what it was not asked
// about is told once. Another rule is asked about all of them.
func TestBudget(t *testing.T) {
	unhurried(t)
	const objects = 3000
	e := world(t, fleetOf(objects, 0, false))
	asker := &policy.Asker{Rules: compiled(t, everything("costly", "  validations: [{expression: \"!"+loops(5)+"\"}]\n")+everything("cheap", "  validations: [{expression: \"false\"}]\n"))}
	found, err := asker.Find(t.Context(), e, nil)
	if err != nil {
		t.Fatal(err)
	}
	one := spent(found)
	const message = "whether it holds that all is well is not known: asking costs too much about all objects of the fleet: the budget of Rule costly of fleet/rules.yaml:2 is spent"
	if len(one) != 1 || one[0].Rule != "rule/costly" || !one[0].Unproven || one[0].Message != message || one[0].File != "fleet/rules.yaml" || one[0].Line != 2 || one[0].Hint == "" || one[0].Level != finding.Low {
		t.Errorf("of the spent budget it tells %+v", one)
	}
	count := map[string]int{}
	for i := range found {
		count[found[i].Rule]++
	}
	if n := count["rule/costly"]; n < 20 || n > 40 {
		t.Errorf("the costly rule has %d findings", n)
	}
	if n := count["rule/cheap"]; n != objects+1 {
		t.Errorf("the cheap rule has %d findings, want one for each object", n)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(7))
	again, err := asker.FindAgain(t.Context(), e, found, map[string]bool{}) // as it is known before a change
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(told(found), told(again)); diff != "" {
		t.Errorf("asked again (-first +second):\n%s", diff)
	}
}

// TestBudgetOfOne: variables that read each other cost no more for one object than the API server may spend, and a rule that a change takes out has the
// same budget.
func TestBudgetOfOne(t *testing.T) {
	unhurried(t)
	docs, err := v1alpha1.Decode("fleet/rules.yaml", []byte(everything("chained", chained(60))))
	if err != nil {
		t.Fatal(err)
	}
	rules, err := policy.Review(docs.Rules, nil)
	if err != nil {
		t.Fatal(err)
	}
	found, err := policy.Find(t.Context(), world(t, fleetOf(40, 0, false)), nil, rules)
	if err != nil {
		t.Fatal(err)
	}
	const want = `rule/chained low unproven <nil>
  whether it holds that all is well is not known: asking costs too much about all objects of the fleet: the budget of Rule chained of fleet/rules.yaml:2, as it was before this change, is spent
rule/chained low unproven of billing apps/Deployment/billing-prod/x0
  whether it holds that all is well is not known: asking costs too much
`
	if diff := cmp.Diff(want, told(found)); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
}

// TestBudgetOfMaps: what CEL takes for one step, and is not, counts: the keys of a map are sorted before the first is seen, and what is compared has an
// inside. Without it these take minutes.
func TestBudgetOfMaps(t *testing.T) {
	unhurried(t)
	var b strings.Builder
	b.WriteString("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: billing-prod}\ndata:\n")
	for i := range 5000 {
		fmt.Fprintf(&b, "  k%d: v\n", i)
	}
	e := world(t, map[string][]byte{"billing.yaml": []byte(b.String())})
	for name, step := range map[string]string{"sorted": "object.data.exists(k, true)", "compared": "object.data in [object.data]"} {
		t.Run(name, func(t *testing.T) {
			rules := compiled(t, everything("x", "  validations: [{expression: \""+strings.ReplaceAll(loops(5), "x0 >= 0", step)+"\"}]\n"))
			found, err := policy.Find(t.Context(), e, nil, rules)
			if err != nil || len(found) != 1 || !found[0].Unproven || found[0].Message != "whether it holds that all is well is not known: asking costs too much" {
				t.Errorf("found %s, %v", told(found), err)
			}
		})
	}
}

package v1alpha1

import (
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestDecodeReview reads what a review needs, with the line of each gate.
func TestDecodeReview(t *testing.T) {
	got, err := Decode("fleet/review.yaml", read(t, "testdata/review.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	at := func(line int) Place { return Place{"fleet/review.yaml", line} }
	want := Documents{
		Fleet: &Fleet{
			TypeMeta: typed(KindFleet), ObjectMeta: metav1.ObjectMeta{Name: "acme"},
			Spec: FleetSpec{
				EnvironmentLabel: "example.com/environment",
				Concerns: map[string]string{
					"infrastructure/**":  "platform",
					"teams/billing-*/**": "tenant/billing",
					"clusters/*/*.yaml":  "cluster",
				},
				Gates: []Gate{
					{
						Name: "one-at-a-time", Expr: `!("prod" in impact.environments) || impact.environments.size() == 1`,
						Message: "a change may not reach prod together with another environment", Place: at(12),
					},
					{Name: "prod-alone", Severity: SeverityError, Place: at(15)},
					{Name: "unresolved", Disabled: true, Place: at(16)},
					{Name: "budget", Severity: SeverityNote, With: Limits{Clusters: 5, Objects: 256}, Place: at(17)},
				},
			},
			Place: at(2),
		},
		Waivers: []Waiver{
			{
				TypeMeta:   typed(KindWaiver),
				ObjectMeta: metav1.ObjectMeta{Name: "drop-old-database", Labels: map[string]string{"team": "data"}},
				Spec: WaiverSpec{
					Rules: []string{"pvc-deleted", "gate/data-deletion"},
					Scope: WaiverScope{
						Clusters: ClusterSelector{
							Names: []string{"prod-db-01"}, MatchLabels: map[string]string{"env": "prod"},
							MatchExpressions: []LabelRequirement{
								{Key: "region", Operator: "In", Values: []string{"us-east-1", "us-west-2"}},
								{Key: "legacy", Operator: "DoesNotExist"},
							},
						},
						Concerns: []string{"platform", "tenant/billing"},
						Objects: []ObjectPattern{
							{Kind: "PersistentVolumeClaim", Namespace: "billing-*", Name: "data-old-[0-9]"},
							{Namespace: "billing-archive"},
						},
					},
					Reason:   "The database was moved in March.\nIts backup is kept for a year.\n",
					Approver: "jane@example.com", Expires: "2027-01-31",
				},
				Place: at(21),
			},
			{
				TypeMeta: typed(KindWaiver), ObjectMeta: metav1.ObjectMeta{Name: "least"},
				Spec: WaiverSpec{
					Rules: []string{"image-unpinned"}, Reason: "it is only for a day", Approver: "joe", Expires: "2026-02-28",
				},
				Place: at(43),
			},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Decode (-want +got):\n%s", diff)
	}
	for i, want := range []bool{false, true} {
		if got := got.Waivers[i].Spec.Scope.Clusters.IsZero(); got != want {
			t.Errorf("IsZero of waiver %d is %v", i, got)
		}
	}
}

// TestDecodeRules reads rules with the lines of their expressions.
func TestDecodeRules(t *testing.T) {
	got, err := Decode("fleet/rules.yaml", read(t, "testdata/rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Rules) != 2 {
		t.Fatalf("%d rules", len(got.Rules))
	}
	r := &got.Rules[0]
	if r.ID() != "rule/workload-owner" || r.Place != (Place{"fleet/rules.yaml", 2}) {
		t.Errorf("%s at %v", r.ID(), r.Place)
	}
	for field, line := range map[string]int{
		"spec.validations[0].expression": 29, "spec.validations[0].messageExpression": 31, "spec.matchConditions[0].expression": 25,
		"spec.variables[0].expression": 27, "spec.variables[7].expression": 26, "status": 2,
	} {
		if got := r.At(field); got != (Place{"fleet/rules.yaml", line}) {
			t.Errorf("%s is at %v, want line %d", field, got, line)
		}
	}
	m := r.Spec.MatchConstraints
	if n := m.ResourceRules[0]; len(n.Resources) != 2 || n.Operations[1] != "UPDATE" || *n.Scope != "Namespaced" || n.APIGroups[0] != "apps" {
		t.Errorf("resource rule %+v", n)
	}
	if m.NamespaceSelector.MatchExpressions[0].Values[0] != "kube-system" || m.ObjectSelector.MatchLabels["app"] != "web" || len(m.ExcludeResourceRules) != 1 {
		t.Errorf("match constraints %+v", m)
	}
	if s := r.Spec; s.Level != "medium" || s.Validations[0].Message == "" || s.Variables[0].Name != "labels" || s.MatchConditions[0].Name != "not-flux" {
		t.Errorf("spec %+v", s)
	}
}

// TestWaiverOfRules: waivers name risks, rules of isolation, gates, and rules of one's own.
func TestWaiverOfRules(t *testing.T) {
	const head = "apiVersion: bulkhead.dev/v1alpha1\nkind: Waiver\nmetadata: {name: a}\nspec: {reason: reviewed and accepted, approver: a, expires: 2027-01-31, rules: ["
	for id, fine := range map[string]bool{
		"pvc-deleted": true, "IMP-001": true, "POL-003": true, "gate/prod-alone": true, "rule/workload-owner": true,
		"rule/": false, "rule/*": false, "rule/A": false, "IMP-01": false, "imp-001": false, "IMP": false,
	} {
		if _, err := Decode("f.yaml", []byte(head+id+"]}")); (err == nil) != fine {
			t.Errorf("%s: %v", id, err)
		}
	}
}

// TestGateLength: a gate that is too long says how long it may be.
func TestGateLength(t *testing.T) {
	head := "apiVersion: bulkhead.dev/v1alpha1\nkind: Fleet\nmetadata: {name: a}\nspec:\n  gates:\n  - name: long\n    expr: "
	if _, err := Decode("f.yaml", []byte(head+strings.Repeat("a", MaxExpr))); err != nil {
		t.Error(err)
	}
	const want = "f.yaml:7: spec.gates[0].expr has 4097 bytes, more than the 4096 an expression may have"
	if _, err := Decode("f.yaml", []byte(head+strings.Repeat("a", MaxExpr+1))); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestBuiltInGatesAreSorted(t *testing.T) {
	if names := BuiltInGates(); !slices.IsSorted(names) || !slices.Contains(names, GateBudget) {
		t.Error(names)
	}
}

// checkAccepted holds what Decode accepted against the promises of the types.
func checkAccepted(t *testing.T, docs Documents) {
	t.Helper()
	if f := docs.Fleet; f != nil {
		names := map[string]bool{}
		for _, g := range f.Spec.Gates {
			if g.Name == "" || names[g.Name] || g.Place.Line < 1 || g.Expr == "" && !slices.Contains(BuiltInGates(), g.Name) {
				t.Fatalf("accepted gate %+v", g)
			}
			names[g.Name] = true
		}
		for p := range f.Spec.Concerns {
			if p == "" || path.IsAbs(p) || strings.ContainsAny(p, "[]{}\\") {
				t.Fatalf("accepted pattern %q", p)
			}
		}
	}
	for i := range docs.Rules {
		s := &docs.Rules[i].Spec
		if len(s.MatchConstraints.ResourceRules) == 0 || len(s.Validations) == 0 || s.Title == "" || !slices.Contains(RuleLevels(), string(s.Level)) {
			t.Fatalf("accepted rule %+v", s)
		}
	}
	for _, w := range docs.Waivers {
		if _, err := w.Spec.Expires.Time(); err != nil || len(w.Spec.Rules) == 0 || w.Spec.Reason == "" || w.Spec.Approver == "" {
			t.Fatalf("accepted waiver %+v", w)
		}
		for _, l := range w.Spec.Scope.Clusters.MatchExpressions {
			if _, err := l.Requirement(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

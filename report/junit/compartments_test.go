package junit_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/verdict"
	"github.com/bulkhead-dev/bulkhead/report/junit"
	"github.com/bulkhead-dev/bulkhead/report/reporttest"
)

func high(f *verdict.Finding) bool { return f.New() && f.At().Rank() <= finding.High.Rank() }

// TestCompartments: a suite for each tenant and cluster; what is proven passes, what fails the check fails, the rest is skipped.
func TestCompartments(t *testing.T) {
	got := map[string]string{}
	for _, s := range junit.Compartments(reporttest.Compartments(nil), high) {
		for _, c := range s.Cases {
			word := "passes"
			switch {
			case c.Failure != "":
				word = "fails: " + c.Failure
			case c.Skipped != "":
				word = "skipped: " + c.Skipped
			}
			got[s.Name+" / "+c.Name] = word
		}
	}
	want := map[string]string{
		"auth on prod / compartment":       "skipped: waived",
		"auth on prod / RBC-001":           "skipped: waived until 2027-01-31 by jane: until it moves: high: it may read all secrets",
		"auth on staging / compartment":    "passes",
		"billing on prod / compartment":    "fails: violated: it is applied as the controller",
		"billing on prod / IMP-001":        "fails: it is applied as the controller",
		"billing on prod / NST-005":        "skipped: unproven: the chart is not at hand",
		"billing on staging / compartment": "skipped: violated",
		"billing on staging / IMP-001":     "skipped: known: critical: it is applied as the controller",
		"platform / LAY-001":               "skipped: low: the folder is large",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestCompartmentsHostile(t *testing.T) {
	for _, p := range reporttest.Payloads() {
		r := reporttest.Compartments(func(s string) string { return p + s + p })
		if err := check(write(t, junit.Compartments(r, high))); err != nil {
			t.Errorf("%.40q: %v", p, err)
		}
	}
}

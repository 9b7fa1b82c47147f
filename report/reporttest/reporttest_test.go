package reporttest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/impact/review"
)

func TestSamplesAreStable(t *testing.T) {
	for _, name := range Names() {
		if diff := cmp.Diff(Sample(name), Sample(name), cmpopts.IgnoreUnexported(review.Review{})); diff != "" {
			t.Errorf("%s differs from one call to the next:\n%s", name, diff)
		}
	}
}

// TestMixedHasEverything keeps the sample worth its name.
func TestMixedHasEverything(t *testing.T) {
	r := Sample("mixed")
	kinds, severities, fates, states := map[impact.Kind]bool{}, map[finding.Severity]bool{}, map[impact.Fate]bool{}, map[review.State]bool{}
	for _, g := range r.Groups {
		kinds[g.Kind], severities[g.Severity], fates[g.Fate] = true, true, true
	}
	for _, g := range r.Gates {
		states[g.State] = true
	}
	if len(kinds) != 4 || len(severities) != 4 || len(fates) != 4 || len(states) != 4 {
		t.Errorf("kinds %v, severities %v, fates %v, states of gates %v: want four of each", kinds, severities, fates, states)
	}
	if r.Verdict.Waived == 0 || len(r.Withheld) == 0 || len(r.Waits) == 0 || len(r.Failures) == 0 || len(r.Unknown) == 0 || len(r.Unread) == 0 || len(r.Notes) == 0 {
		t.Error("one of the lists of mixed is empty")
	}
}

func TestFleetSize(t *testing.T) {
	r := Sample("fleet")
	if len(r.Clusters) != 200 || len(r.Groups) != 1500 || len(r.Concerns) != 42 || len(r.Environments) != 3 {
		t.Errorf("clusters %d, groups %d, concerns %d, environments %d", len(r.Clusters), len(r.Groups), len(r.Concerns), len(r.Environments))
	}
}

// TestPoisonReachesAll counts: every text but the review's own words is asked for.
func TestPoisonReachesAll(t *testing.T) {
	r := Poison(Sample("mixed"), func(string) string { return "X" })
	if r.Groups[0].Causes[0].Via[0] != "X" || r.Groups[0].ID.Name != "X" || r.Gates[0].Evidence[0] != "X" || r.Clusters[0].Labels["X"] != "X" || r.Groups[0].Before.Chain[0].Kind != "X" {
		t.Error("a text is left alone")
	}
	if r.Groups[0].Key == "X" || r.Groups[0].Diff.Lines[0].Op == "X" || r.SchemaVersion == "X" || r.Verdict.State == "X" {
		t.Error("a word of the review is changed")
	}
}

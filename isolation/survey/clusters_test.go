package survey_test

import (
	"testing"

	"github.com/bulkhead-dev/bulkhead/isolation/rule"
)

// TestClusters: nothing is found in a fleet of several clusters as bulkhead makes it, but that production follows one branch.
func TestClusters(t *testing.T) {
	f := newFleet(t)
	hub := scaffolded(t, f.base, "prod", "prod-eu-1", "staging-eu-1")
	x := (&fleet{f.base, hub, f.cache}).with(t, nil)
	if len(x.Clusters) != 3 {
		t.Errorf("%d clusters", len(x.Clusters))
	}
	found := rule.Find(x, x, "BLR-004")
	if len(found) > 0 {
		t.Errorf("found: %s", told(found))
	}
	if count(rule.Find(x, nil), "BLR-004") != 1 {
		t.Error("BLR-004 finds no single branch of production")
	}
}

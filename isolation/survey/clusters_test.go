package survey_test

import (
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/isolation/rule"
	"github.com/bulkhead-dev/bulkhead/isolation/verdict"
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
	one := verdict.Placeless(rule.FindOf(x, map[string]bool{"BLR-004": true}))
	if len(one) != 1 || len(one[0].Clusters) != 2 || !strings.HasPrefix(one[0].Message, "all production clusters follow branch main of ") {
		t.Errorf("BLR-004 says of the single branch of production: %+v", one)
	}
}

package rule

import (
	"testing"

	"github.com/bulkhead-dev/bulkhead/isolation/estate"
)

// TestAdvisories: each record has all of its fields, and its range is not empty.
func TestAdvisories(t *testing.T) {
	known := append(estate.Controllers(), estate.FluxOperator)
	if len(advisories()) == 0 {
		t.Fatal("there are none")
	}
	for _, a := range advisories() {
		if a.ID == "" || a.Summary == "" || a.Level == "" || len(a.Affected) == 0 {
			t.Errorf("%+v lacks a field", a)
		}
		for _, r := range a.Affected {
			is := false
			for _, name := range known {
				is = is || name == r.Component
			}
			if !is {
				t.Errorf("%s: %s is no program of Flux", a.ID, r.Component)
			}
			if fixed := release(r.Fixed); len(fixed) != 3 || a.hits(r.Component, fixed) || !a.hits(r.Component, []int{fixed[0], fixed[1] - 1, 99}) && !a.hits(r.Component, []int{fixed[0], fixed[1], fixed[2] - 1}) {
				t.Errorf("%s: %s is not fixed in %s alone", a.ID, r.Component, r.Fixed)
			}
		}
	}
}

package junit_test

import (
	"testing"

	"github.com/bulkhead-dev/bulkhead/report/junit"
	"github.com/bulkhead-dev/bulkhead/report/reporttest"
)

// TestSamples: every review makes a document that readers of JUnit take, with a case for each gate and cluster.
func TestSamples(t *testing.T) {
	for _, name := range reporttest.Names() {
		t.Run(name, func(t *testing.T) {
			r := reporttest.Sample(name)
			suites := junit.Suites(r)
			if err := check(write(t, suites)); err != nil {
				t.Error(err)
			}
			if n := len(suites[0].Cases); n != len(r.Gates) {
				t.Errorf("%d cases of %d gates", n, len(r.Gates))
			}
			if n := len(suites[1].Cases) - len(r.Clusters); n < 0 || n > 1 {
				t.Errorf("%d cases of %d clusters", len(suites[1].Cases), len(r.Clusters))
			}
		})
	}
}

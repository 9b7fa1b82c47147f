package sarif_test

import (
	"testing"

	"github.com/bulkhead-dev/bulkhead/report/reporttest"
	"github.com/bulkhead-dev/bulkhead/report/sarif"
)

// TestSamples: every review makes a log that is valid by the schema.
func TestSamples(t *testing.T) {
	validate := validator(t)
	for _, name := range reporttest.Names() {
		t.Run(name, func(t *testing.T) {
			r := reporttest.Sample(name)
			log := write(t, sarif.Document{Version: "1", Rules: r.Rules, Findings: r.Findings, Anchor: "fleet/fleet.yaml"})
			if err := validate(log); err != nil {
				t.Errorf("%#v", err)
			}
			t.Logf("%d findings, %d bytes", len(r.Findings), len(log))
		})
	}
}

package impact_test

import (
	"testing"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/internal/fleetgen"
	"github.com/bulkhead-dev/bulkhead/render"
)

// BenchmarkBetween compares two renders of 100 clusters with 20 tenants each,
// where one line of a base changes one Deployment on every cluster.
func BenchmarkBetween(b *testing.B) {
	files := fleetgen.Generate(fleetgen.Options{})
	const file = "apps/base/t000/deployment.yaml"
	changed := fleetgen.Replace(files, file, "containerPort: 8000", "containerPort: 8001")
	repo := render.Repository{URL: ownURL}
	cache := &render.Cache{}
	before := fleet(b, repo, files, render.Options{Cache: cache})
	after := fleet(b, repo, changed, render.Options{Cache: cache, Before: before})
	b.ReportAllocs()
	for b.Loop() {
		r := impact.Between(before, after, impact.Options{Files: []string{file}})
		if len(r.Groups) != 1 || len(r.Groups[0].Clusters) != 100 {
			b.Fatalf("want one change on 100 clusters:\n%s", printReport(r))
		}
	}
}

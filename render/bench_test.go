package render_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/fleetgen"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// BenchmarkFleet renders 100 clusters x 20 tenants from nothing, with a cache of
// its own each time.
func BenchmarkFleet(b *testing.B) {
	files := fleetgen.Generate(fleetgen.Options{})
	b.ReportAllocs()
	for b.Loop() {
		t := tree.FromMap(files)
		r, err := render.Fleet(b.Context(), render.Repository{Tree: t}, render.Options{})
		if err != nil {
			b.Fatal(err)
		}
		report(b, r)
	}
}

// BenchmarkFleetAgain renders a revision one line apart from what the cache has.
func BenchmarkFleetAgain(b *testing.B) {
	files := fleetgen.Generate(fleetgen.Options{})
	cache := &render.Cache{}
	first, err := render.Fleet(b.Context(), render.Repository{Tree: tree.FromMap(files)}, render.Options{Cache: cache})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 81; b.Loop(); i++ {
		changed := fleetgen.Replace(files, "apps/base/t007/service.yaml", "port: 80\n", fmt.Sprintf("port: %d\n", i))
		r, err := render.Fleet(b.Context(), render.Repository{Tree: tree.FromMap(changed)}, render.Options{Cache: cache, Before: first})
		if err != nil {
			b.Fatal(err)
		}
		report(b, r)
	}
}

func report(b *testing.B, r *render.Result) {
	b.Helper()
	objects := 0
	for _, c := range r.Clusters {
		objects += c.Objects.Len()
		if len(c.Failures) > 0 {
			b.Fatal(c.Failures[0])
		}
	}
	b.ReportMetric(float64(len(r.Clusters)), "clusters")
	b.ReportMetric(float64(objects), "objects")
	b.ReportMetric(float64(r.Stats.Builds), "builds")
	b.ReportMetric(float64(r.Stats.BuildsRun), "builds-run")
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "MiB-live")
}

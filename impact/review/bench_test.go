package review_test

import (
	"fmt"
	"testing"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/impact/part"
	"github.com/bulkhead-dev/bulkhead/impact/review"
	"github.com/bulkhead-dev/bulkhead/internal/fleetgen"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// BenchmarkOf reviews a fleet of 100 clusters with 20 tenants each: one line of a base, which changes one
// Deployment on every cluster, and one of every base, which changes twenty.
func BenchmarkOf(b *testing.B) {
	files := fleetgen.Generate(fleetgen.Options{})
	const file = "apps/base/t000/deployment.yaml"
	one := fleetgen.Replace(files, file, "containerPort: 8000", "containerPort: 8001")
	all := files
	var every []string
	for i := range 20 {
		p := fmt.Sprintf("apps/base/t%03d/deployment.yaml", i)
		every = append(every, p)
		all = fleetgen.Replace(all, p, fmt.Sprintf("containerPort: %d", 8000+i), fmt.Sprintf("containerPort: %d", 9000+i))
	}
	for name, c := range map[string]struct {
		files   map[string]string
		changed []string
	}{"one base": {one, []string{file}}, "all bases": {all, every}} {
		b.Run(name, func(b *testing.B) {
			repo, opts := render.Repository{URL: "https://git.example.com/acme/fleet.git"}, render.Options{Cache: &render.Cache{}}
			trees := [2]*tree.Tree{tree.FromMap(files), tree.FromMap(c.files)}
			repo.Tree = trees[0]
			before, err := render.Fleet(b.Context(), repo, opts)
			if err != nil {
				b.Fatal(err)
			}
			repo.Tree, opts.Before = trees[1], before
			after, err := render.Fleet(b.Context(), repo, opts)
			if err != nil {
				b.Fatal(err)
			}
			report := impact.Between(before, after, impact.Options{Files: c.changed})
			redact := object.NewRedactor([]byte("salt"))
			b.ReportAllocs()
			for b.Loop() {
				p := part.Of(report, part.Version{Rendered: before, Tree: trees[0]}, part.Version{Rendered: after, Tree: trees[1]},
					part.Options{Redact: redact, Comparison: part.Comparison{Files: c.changed}})
				r := review.Of(b.Context(), []*part.Part{p}, review.Options{})
				if len(r.Groups) == 0 {
					b.Fatal("nothing changes")
				}
			}
			n := 0
			for _, c := range report.Clusters {
				n += c.Counts.Total()
			}
			b.ReportMetric(float64(n), "changes")
		})
	}
}

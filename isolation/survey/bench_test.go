package survey_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/isolation/rule"
	"github.com/bulkhead-dev/bulkhead/isolation/survey"
	"github.com/bulkhead-dev/bulkhead/layout"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// BenchmarkFind is all rules over fleets of 20 tenants, without the render before and the folding after them. It grows with clusters, of which each has its own objects.
func BenchmarkFind(b *testing.B) {
	for _, n := range []int{1, 10} {
		b.Run(fmt.Sprintf("clusters=%d", n), func(b *testing.B) {
			r, opts := wide(b, n, 20)
			b.ReportAllocs()
			for b.Loop() {
				e, err := survey.Estate(r, opts)
				if err != nil {
					b.Fatal(err)
				}
				rule.Find(rule.NewContext(e), nil)
			}
		})
	}
}

// wide is a rendered hub with clusters and tenants as init and tenant add make them.
func wide(b *testing.B, clusters, tenants int) (*render.Result, survey.Options) {
	b.Helper()
	base, err := rule.Base()
	if err != nil {
		b.Fatal(err)
	}
	var names []string
	for i := range clusters {
		names = append(names, fmt.Sprintf("prod-%02d", i))
	}
	files := scaffolded(b, base, names...)
	spoke := map[string]string{}
	for p, content := range base {
		if rest, ok := strings.CutPrefix(p, "billing/"); ok {
			spoke[rest] = content
		}
	}
	var sources []render.Repository
	for i := range tenants {
		name := fmt.Sprintf("team-%02d", i)
		url := "https://git.example.com/acme/" + name
		files["fleet/tenants/"+name+".yaml"] = "apiVersion: bulkhead.dev/v1alpha1\nkind: Tenant\nmetadata: {name: " + name + "}\nspec:\n  repository: {url: \"" + url +
			"\", ref: {tag: v1.0.0}}\n  environments:\n  - {name: prod, clusters: {matchLabels: {env: prod}}, path: ./deploy/prod}\n"
		t := tree.FromMap(spoke)
		sources = append(sources, render.Repository{URL: url, Tree: t, Refs: anyRef{t}})
	}
	docs, err := render.Documents(tree.FromMap(files))
	if err != nil {
		b.Fatal(err)
	}
	plan, err := layout.Plan(tree.FromMap(files), docs)
	if err != nil {
		b.Fatal(err)
	}
	maps.Copy(files, plan.Write)
	hub, url := tree.FromMap(files), "https://git.example.com/acme/fleet"
	r, err := render.Fleet(b.Context(), render.Repository{URL: url, Tree: hub}, render.Options{Sources: sources})
	if err != nil {
		b.Fatal(err)
	}
	if coverage := render.CoverageOf(r.Clusters); coverage.Built < clusters*tenants {
		b.Fatalf("not all is built: %s", coverage)
	}
	return r, survey.Options{Documents: docs, Hub: []string{render.RepositoryName(url)}, Files: hub}
}

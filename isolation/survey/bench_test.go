package survey_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/isolation/rule"
	"github.com/bulkhead-dev/bulkhead/isolation/survey"
	"github.com/bulkhead-dev/bulkhead/layout"
	"github.com/bulkhead-dev/bulkhead/layout/scaffold"
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
	o := scaffold.Options{Name: "acme", URL: "https://git.example.com/acme/fleet", Owner: "@acme/platform", CI: scaffold.NoCI}
	for i := range clusters {
		name := fmt.Sprintf("c%02d", i)
		o.Clusters = append(o.Clusters, v1alpha1.Cluster{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"env": "prod"}},
			Spec:       v1alpha1.ClusterSpec{Path: "clusters/" + name, KubernetesVersion: "1.36"},
		})
	}
	files, err := scaffold.Fleet(o)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range o.Clusters {
		files["clusters/"+c.Name+"/flux-system/gotk-components.yaml"] = base["hub/clusters/prod/flux-system/gotk-components.yaml"]
	}
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
	hub := tree.FromMap(files)
	r, err := render.Fleet(b.Context(), render.Repository{URL: o.URL, Tree: hub}, render.Options{Sources: sources})
	if err != nil {
		b.Fatal(err)
	}
	if coverage := render.CoverageOf(r.Clusters); coverage.Built < clusters*tenants {
		b.Fatalf("not all is built: %s", coverage)
	}
	return r, survey.Options{Documents: docs, Hub: []string{render.RepositoryName(o.URL)}, Files: hub}
}

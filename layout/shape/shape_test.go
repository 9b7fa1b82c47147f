package shape_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bulkhead-dev/bulkhead/layout/shape"
	"github.com/bulkhead-dev/bulkhead/tree"
)

func TestDetect(t *testing.T) {
	dev, prod := shape.Cluster{Name: "dev", Folder: "clusters/dev", File: "clusters/dev/s.yaml"}, shape.Cluster{Name: "prod", Folder: "clusters/prod", File: "clusters/prod/s.yaml"}
	edge := shape.Cluster{Name: "edge"}
	inside := shape.Tenant{Name: "in", Workloads: 3, Folder: "tenants/in"}
	spoke := shape.Tenant{Name: "out", Spoke: shape.Applier{Name: "Kustomization/out/out", File: "tenants/out.yaml"}, Repositories: []string{"h/acme/out"}}
	documented := shape.Tenant{Name: "doc", Document: "fleet/tenants.yaml", Spoke: shape.Applier{Name: "Kustomization/doc/doc"}, Repositories: []string{"h/acme/doc"}}
	templated := shape.Tenant{Name: "set", Generator: shape.Applier{Name: "ResourceSet/tenants/all", File: "tenants/set.yaml"}, Workloads: 1}
	named := shape.Tenant{Name: "named", Document: "fleet/named.yaml"}
	for name, c := range map[string]struct {
		facts shape.Facts
		want  shape.Layout
		says  string
	}{
		"one cluster":                 {shape.Facts{Clusters: []shape.Cluster{dev}}, shape.SingleCluster, "cluster dev starts at clusters/dev"},
		"one with a tenant":           {shape.Facts{Clusters: []shape.Cluster{dev}, Tenants: []shape.Tenant{inside}}, shape.SingleCluster, "3 workload objects of tenant in are in this repository"},
		"several":                     {shape.Facts{Clusters: []shape.Cluster{prod, dev}}, shape.Monorepo, "nothing here applies the repository of a tenant"},
		"by kubeConfig":               {shape.Facts{Clusters: []shape.Cluster{prod, edge}}, shape.Monorepo, "1 cluster written to by kubeConfig: edge"},
		"a tenant that has nothing":   {shape.Facts{Clusters: []shape.Cluster{prod, dev}, Tenants: []shape.Tenant{named}}, shape.Monorepo, ""},
		"tenants inside":              {shape.Facts{Clusters: []shape.Cluster{prod, dev}, Tenants: []shape.Tenant{inside}}, shape.Monorepo, "tenant in"},
		"a spoke":                     {shape.Facts{Clusters: []shape.Cluster{prod, dev}, Tenants: []shape.Tenant{spoke}}, shape.HubAndSpoke, "Kustomization/out/out applies h/acme/out, the repository of tenant out"},
		"a hub of one cluster":        {shape.Facts{Clusters: []shape.Cluster{prod}, Tenants: []shape.Tenant{spoke}}, shape.HubAndSpoke, ""},
		"inside and a spoke":          {shape.Facts{Clusters: []shape.Cluster{prod, dev}, Tenants: []shape.Tenant{spoke, inside}}, shape.Mixed, "tenant in"},
		"a document":                  {shape.Facts{Clusters: []shape.Cluster{prod, dev}, Tenants: []shape.Tenant{documented}}, shape.SelfService, "the document of tenant doc"},
		"a template":                  {shape.Facts{Clusters: []shape.Cluster{prod}, Tenants: []shape.Tenant{templated}}, shape.SelfService, "ResourceSet/tenants/all makes the objects of tenant set"},
		"a document, and one by hand": {shape.Facts{Clusters: []shape.Cluster{prod, dev}, Tenants: []shape.Tenant{documented, spoke}}, shape.Mixed, ""},
		"declared otherwise":          {shape.Facts{Clusters: []shape.Cluster{prod, dev}, Declared: "HubAndSpoke", Document: "fleet/fleet.yaml"}, shape.HubAndSpoke, "the Fleet document says HubAndSpoke"},
		"declared a monorepo":         {shape.Facts{Clusters: []shape.Cluster{prod}, Declared: "Monorepo", Document: "fleet/fleet.yaml"}, shape.SingleCluster, "the Fleet document says Monorepo"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := shape.Detect(tree.FromMap(nil), c.facts)
			if err != nil {
				t.Fatal(err)
			}
			if got.Layout != c.want || !strings.Contains(told(got), c.says) {
				t.Errorf("it is %s, want %s with %q in:\n%s", got.Layout, c.want, c.says, told(got))
			}
			slices.Reverse(c.facts.Clusters)
			slices.Reverse(c.facts.Tenants)
			again, _ := shape.Detect(tree.FromMap(nil), c.facts)
			if diff := cmp.Diff(got, again); diff != "" {
				t.Errorf("the order of facts makes a difference:\n%s", diff)
			}
		})
	}
}

func told(s shape.Shape) string {
	var b strings.Builder
	for _, e := range s.Evidence {
		b.WriteString(e.File + ": " + e.Text + "\n")
	}
	return b.String()
}

// TestFew tells three of many.
func TestFew(t *testing.T) {
	f := shape.Facts{}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		f.Clusters = append(f.Clusters, shape.Cluster{Name: name, Folder: "clusters/" + name})
	}
	got, _ := shape.Detect(tree.FromMap(nil), f)
	if text := told(got); !strings.Contains(text, "and 2 clusters like these") || strings.Contains(text, "cluster d starts") {
		t.Errorf("evidence:\n%s", text)
	}
}

func TestSpoke(t *testing.T) {
	const deployment = "apiVersion: apps/v1\nkind: Deployment\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  error
		says  string
	}{
		"kustomize":          {map[string]string{"deploy/kustomization.yaml": "resources: [a.yaml]\n", "deploy/a.yaml": deployment}, nil, "deploy/a.yaml: 1 manifest"},
		"manifests":          {map[string]string{"a.yaml": "# one\n---\n" + deployment}, nil, "a.yaml: 1 manifest"},
		"a chart":            {map[string]string{"chart/Chart.yaml": "name: x\n"}, nil, "chart/Chart.yaml: 1 chart"},
		"nothing":            {map[string]string{}, shape.ErrNothing, ""},
		"no manifest":        {map[string]string{"README.md": "kind: x", "a.yaml": "kind: x\n", "ci.yml": " apiVersion: v1\n kind: x\n"}, shape.ErrNothing, ""},
		"a hub's objects":    {map[string]string{"k.yaml": "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\n"}, shape.ErrNoEntry, "k.yaml"},
		"a release":          {map[string]string{"r.yaml": "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\n"}, nil, ""},
		"over two documents": {map[string]string{"a.yaml": "apiVersion: v1\n---\nkind: x\n"}, shape.ErrNothing, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := shape.Detect(tree.FromMap(c.files), shape.Facts{})
			if !errors.Is(err, c.want) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			text := told(got)
			if err != nil {
				text = err.Error()
			} else if got.Layout != shape.Spoke {
				t.Errorf("it is %s", got.Layout)
			}
			if !strings.Contains(text, c.says) {
				t.Errorf("%q is not in:\n%s", c.says, text)
			}
		})
	}
}

func TestMixedFolders(t *testing.T) {
	files := []shape.File{
		{Path: "a/kustomization.yaml", Concern: "platform"},
		{Path: "a/x.yaml", Concern: "tenant/x", Objects: map[string]int{"tenant/x": 2}},
		{Path: "b/y.yaml", Concern: "tenant/y", Objects: map[string]int{"tenant/y": 1, "platform": 4}},
		{Path: "b/c/z.yaml", Concern: "platform", Objects: map[string]int{"platform": 1}},
		{Path: "d/x.yaml", Concern: "tenant/x"},
		{Path: "e/x.yaml", Concern: "tenant/x", Objects: map[string]int{"tenant/x": 2}},
		{Path: "e/y.yaml", Concern: "tenant/y", Objects: map[string]int{"tenant/y": 2}},
		{Path: "f/p.yaml", Concern: "platform"},
		{Path: "f/c.yaml", Concern: "cluster"},
		{Path: "d/p.yaml", Concern: "platform"},
		{Path: "d/q.yaml", Concern: "platform"},
	}
	want := []shape.Folder{
		{Path: "b", Concerns: []shape.Share{{Concern: "tenant/y", Files: 1, Objects: 1}, {Concern: "platform", Objects: 4}}},
		{Path: "d", Concerns: []shape.Share{{Concern: "platform", Files: 2}, {Concern: "tenant/x", Files: 1}}},
	}
	if diff := cmp.Diff(want, shape.MixedFolders(files)); diff != "" {
		t.Errorf("folders (-want +got):\n%s", diff)
	}
	rapid.Check(t, func(t *rapid.T) {
		some := rapid.Permutation(files).Draw(t, "files")
		if diff := cmp.Diff(want, shape.MixedFolders(some)); diff != "" {
			t.Fatalf("the order of files makes a difference:\n%s", diff)
		}
	})
}

func FuzzSpoke(f *testing.F) {
	f.Add("a.yaml", "apiVersion: v1\nkind: x\n---\nkind: \"Kustomization\"")
	f.Add("Chart.yaml", "\x00\xff---\n\n---apiVersion:")
	f.Fuzz(func(t *testing.T, name, data string) {
		files := map[string]string{name: data}
		got, err := shape.Detect(tree.FromMap(files), shape.Facts{})
		if (err == nil) != (got.Layout == shape.Spoke) {
			t.Errorf("%q: %v, %v", name, got, err)
		}
	})
}

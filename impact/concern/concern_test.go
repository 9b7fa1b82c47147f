package concern_test

import (
	"testing"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/impact/concern"
	"github.com/bulkhead-dev/bulkhead/object"
)

func TestEnvironmentOfNames(t *testing.T) {
	j := concern.New(concern.Fleet{}, nil, nil)
	for name, want := range map[string]string{
		"prod": "prod", "prod2": "prod", "prod-us-east-1": "prod", "eu-production": "prod", "live_3": "prod",
		"pre-prod-1": "staging", "preprod": "staging", "uat": "staging", "stage": "staging", "non-prod": "nonprod", "nonprod-eu": "nonprod",
		"dev": "dev", "development-a": "dev", "dev-prod": "dev", "QA-3": "qa", "lab": "lab", "sandbox": "sandbox", "preview.7": "preview",
		"nas": "", "reproduction": "", "product": "", "": "", "7": "",
	} {
		if got, inferred := j.Environment(name); got != want || inferred != (want != "") {
			t.Errorf("environment of %q is %q, inferred %v; want %q", name, got, inferred, want)
		}
	}
}

func TestConcernNames(t *testing.T) {
	for c, want := range map[concern.Concern]string{concern.Tenant("a/b"): "a/b", concern.Platform: "", concern.Cluster: "", "tenant/": "", "": ""} {
		if got, ok := c.TenantName(); got != want || ok != (want != "") {
			t.Errorf("tenant of %q is %q, %v", c, got, ok)
		}
	}
}

// TestPatterns asks which of several patterns wins for a file.
func TestPatterns(t *testing.T) {
	concerns := map[string]string{
		"apps":              "tenant/all",
		"apps/*/web":        "tenant/web",
		"apps/*/web/x.yaml": "tenant/x",
		"apps/a/":           "tenant/a",
		"**/glue.yaml":      "cluster",
		"./vars/?.yaml":     "platform",
		"a+b(":              "tenant/odd",
		"/":                 "tenant/none",
		"bad":               "tenant/",
	}
	j := concern.New(concern.Fleet{Concerns: concerns}, nil, nil)
	for file, want := range map[string]concern.Concern{
		"apps": "tenant/all", "apps/b/c.yaml": "tenant/all", "apps/a/web/x.yaml": "tenant/a", "apps/b/web/y.yaml": "tenant/web",
		"apps/b/web/x.yaml": "tenant/x", "applications/x.yaml": "platform", "glue.yaml": "cluster", "x/y/glue.yaml": "cluster",
		"vars/1.yaml": "platform", "a+b(/c": "tenant/odd", "bad/x": "platform",
	} {
		if got, why := concern.OfFile([]concern.File{j.File(file)}); got != want || why == "" {
			t.Errorf("%s is of %s (%s), want %s", file, got, why, want)
		}
	}
}

// FuzzTenant reads Tenant documents that hold anything.
func FuzzTenant(f *testing.F) {
	const head = "apiVersion: bulkhead.dev/v1alpha1\nkind: Tenant\nmetadata: {name: a}\n"
	f.Add(head+"spec: {repository: {url: ssh://git@h/a/b}, environments: [{name: x, namespaces: [x, z], clusters: {matchLabels: {a: b}}}]}", "ssh://git@h/a/b")
	f.Add(head+"spec: {artifact: {url: oci://h/a/b}, environments: [{name: x, clusters: {}}]}", "::")
	f.Add("[", "a:b")
	f.Fuzz(func(t *testing.T, text, url string) {
		docs, err := v1alpha1.Decode("t.yaml", []byte(text))
		if err != nil {
			return
		}
		j := concern.New(concern.Fleet{Tenants: append(docs.Tenants, docs.Tenants...)}, nil, nil)
		o, err := object.New(object.NewBody(map[string]any{
			"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
			"metadata": map[string]any{"name": "x", "namespace": "x", "labels": []any{url}}, "spec": map[string]any{"url": url},
		}), object.Origin{Chain: []object.Applier{{}, {Kind: "Kustomization"}}})
		if err != nil {
			t.Fatal(err)
		}
		if c, why := j.Of(&impact.Change{ID: o.ID, After: o}); c == "" || why == "" {
			t.Errorf("%q because %q", c, why)
		}
		if c, why := concern.OfFile([]concern.File{j.File(url)}); c == "" || why == "" {
			t.Errorf("file %q: %q because %q", url, c, why)
		}
	})
}

//go:build e2e && linux

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/tenant"
	"github.com/bulkhead-dev/bulkhead/test/lab"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// server is an API server with the kinds of Flux and of the documents.
type server struct {
	*lab.Cluster
	strict client.Client // that refuses unknown fields
}

// TestHubDocuments holds what package tenant makes, and the documents themselves, against a real API server.
func TestHubDocuments(t *testing.T) {
	t.Parallel()
	l := lab.Start(t, lab.Clusters("unused"), lab.Bare("a"))
	s := &server{Cluster: l.Cluster("a")}
	c, err := client.New(s.Config, client.Options{Scheme: runtime.NewScheme()})
	if err != nil {
		t.Fatal(err)
	}
	s.strict = client.WithFieldValidation(c, "Strict")
	data, err := os.ReadFile("../../api/v1alpha1/testdata/tenants.yaml")
	if err != nil {
		t.Fatal(err)
	}
	t.Run("objects", func(t *testing.T) { s.objects(t, string(data)) })
	t.Run("documents", func(t *testing.T) { s.documents(t, l, string(data)) })
}

// objects sends all that tenants stand for, in each phase, and with the shape that is not the default.
func (s *server) objects(t *testing.T, text string) {
	t.Helper()
	// The environment on prod has the namespace that sync.targetNamespace names.
	text = strings.Replace(text, `{matchLabels: {env: prod}}, ref:`, `{matchLabels: {env: prod}}, namespaces: [everything-a, everything-c], ref:`, 1) + `---
apiVersion: bulkhead.dev/v1alpha1
kind: Cluster
metadata: {name: prod-eu-1, labels: {env: prod}}
spec: {path: clusters/prod-eu-1, variables: {domain: eu.example.com}}
---
apiVersion: bulkhead.dev/v1alpha1
kind: Cluster
metadata: {name: staging, labels: {env: staging}}
spec: {path: clusters/staging, variables: {domain: staging.example.com}}
`
	const phase = "{phase: Suspended, keepData: true}"
	seen, sent := map[string]bool{}, 0
	for _, variant := range []string{phase, "{}", "{phase: Suspended}", "{phase: Draining}", "{}\n  shape: Article"} {
		in := strings.Replace(text, phase, variant, 1)
		if strings.Contains(variant, "shape") {
			in = strings.Replace(in, "  shape: Isolated\n", "", 1)
		}
		docs, err := v1alpha1.Decode("tenants.yaml", []byte(in))
		if err != nil {
			t.Fatal(err)
		}
		all, err := tenant.Compartments(docs)
		if err != nil {
			t.Fatal(err)
		}
		if !seen["ClusterRole"] {
			roles, err := tenant.Platform("staging")
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range roles {
				s.accepted(t, o.ID.String(), o.Body().Map())
				seen["ClusterRole"] = true
			}
		}
		for len(all) > 0 {
			n := 1
			for n < len(all) && all[n].Tenant == all[0].Tenant && all[n].Cluster == all[0].Cluster {
				n++
			}
			objects, err := tenant.Objects(all[:n])
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range objects {
				s.accepted(t, o.ID.String(), o.Body().Map())
				seen[o.ID.Kind] = true
				sent++
			}
			all = all[n:]
		}
	}
	fmt.Fprintf(os.Stderr, "hub: %d objects of tenants accepted, of %d kinds\n", sent, len(seen))
	for _, kind := range []string{"Namespace", "ResourceQuota", "LimitRange", "NetworkPolicy", "ServiceAccount", "ClusterRole", "RoleBinding", "GitRepository", "OCIRepository", "Kustomization"} {
		if !seen[kind] {
			t.Errorf("no %s was sent", kind)
		}
	}
}

// accepted sends an object without keeping it, but for namespaces, which others need.
func (s *server) accepted(t *testing.T, name string, content map[string]any) {
	t.Helper()
	o := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(content)}
	opts := []client.CreateOption{client.DryRunAll}
	err := s.strict.Create(t.Context(), o, opts...)
	if o.GetKind() == "Namespace" {
		if client.IgnoreAlreadyExists(err) != nil {
			t.Errorf("%s: %v", name, err)
		}
		err = client.IgnoreAlreadyExists(s.Client.Create(t.Context(), &unstructured.Unstructured{Object: runtime.DeepCopyJSON(content)}))
	}
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

// documents sends the documents themselves, good ones and bad ones.
func (s *server) documents(t *testing.T, l *lab.Lab, text string) {
	t.Helper()
	files, err := filepath.Glob("../../deploy/crds/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no definitions", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		crds, err := decode(tree.Blob{Data: string(data)})
		if err != nil {
			t.Fatal(err)
		}
		for _, crd := range crds {
			if err := s.Apply(t.Context(), crd); err != nil {
				t.Fatal(err)
			}
			if err := l.Wait(t.Context(), crd.GetName(), func(ctx context.Context) (bool, error) {
				err := s.Client.Get(ctx, client.ObjectKeyFromObject(crd), crd)
				return lab.Condition(crd, "Established").Status == "True", err
			}); err != nil {
				t.Fatal(err)
			}
			if c := lab.Condition(crd, "NonStructuralSchema"); c.Status == "True" {
				t.Errorf("%s: %s", crd.GetName(), c.Message)
			}
		}
	}
	docs, err := decode(tree.Blob{Data: text})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range docs {
		s.accepted(t, d.GetKind()+"/"+d.GetName(), d.Object)
	}
	for why, bad := range map[string]string{
		"one of repository and artifact is required": "{metadata: {name: x}, spec: {environments: [{name: prod, clusters: {}}]}}",
		"one of repository and artifact is":          `{metadata: {name: x}, spec: {repository: {url: "https://e"}, artifact: {url: "oci://e"}, environments: [{name: prod, clusters: {}}]}}`,
		"ref and artifactRef are both set":           `{metadata: {name: x}, spec: {repository: {url: "https://e"}, environments: [{name: prod, clusters: {}, ref: {branch: a}, artifactRef: {tag: b}}]}}`,
		"metadata.name is a DNS label":               `{metadata: {name: a.b}, spec: {repository: {url: "https://e"}, environments: [{name: prod, clusters: {}}]}}`,
		"a DNS label of 50 letters at most":          `{metadata: {name: ` + strings.Repeat("x", 51) + `}, spec: {repository: {url: "https://e"}, environments: [{name: prod, clusters: {}}]}}`,
		"spec.environments in body should have at":   `{metadata: {name: x}, spec: {repository: {url: "https://e"}, environments: []}}`,
		"spec.environments[0].name":                  `{metadata: {name: x}, spec: {repository: {url: "https://e"}, environments: [{name: Prod, clusters: {}}]}}`,
		"spec.repository.url":                        `{metadata: {name: x}, spec: {repository: {url: "git@e:x"}, environments: [{name: prod, clusters: {}}]}}`,
		"spec.sync.interval":                         `{metadata: {name: x}, spec: {repository: {url: "https://e"}, sync: {interval: 5 minutes}, environments: [{name: prod, clusters: {}}]}}`,
		"spec.lifecycle.phase":                       `{metadata: {name: x}, spec: {repository: {url: "https://e"}, lifecycle: {phase: Gone}, environments: [{name: prod, clusters: {}}]}}`,
		"spec.podSecurity":                           `{metadata: {name: x}, spec: {repository: {url: "https://e"}, podSecurity: none, environments: [{name: prod, clusters: {}}]}}`,
		"unknown field \"spec.quotas\"":              `{metadata: {name: x}, spec: {repository: {url: "https://e"}, quotas: {}, environments: [{name: prod, clusters: {}}]}}`,
		"spec.environments[1]":                       `{metadata: {name: x}, spec: {repository: {url: "https://e"}, environments: [{name: prod, clusters: {}}, {name: prod, clusters: {}}]}}`,
	} {
		o, err := decode(tree.Blob{Data: bad})
		if err != nil {
			t.Fatal(err)
		}
		o[0].SetAPIVersion(v1alpha1.APIVersion)
		o[0].SetKind(v1alpha1.KindTenant)
		if err := s.strict.Create(t.Context(), o[0], client.DryRunAll); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s\nis not refused with %q: %v", bad, why, err)
		}
	}
}

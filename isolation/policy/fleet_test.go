package policy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kyaml "sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/rule"
	"github.com/bulkhead-dev/bulkhead/object"
)

// objects reads YAML.
func objects(tb testing.TB, data []byte) (out []*object.Object) {
	tb.Helper()
	for dec := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var doc yaml.Node
		if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
			return out
		} else if err != nil {
			tb.Fatal(err)
		}
		text, err := yaml.Marshal(&doc)
		if err != nil {
			tb.Fatal(err)
		}
		var content map[string]any
		if err := kyaml.Unmarshal(text, &content); err != nil {
			tb.Fatal(err)
		}
		o, err := object.New(object.NewBody(content), object.Origin{})
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, o)
	}
}

// world is an estate of one cluster. Of the names of files, "platform.yaml" is what kustomize-controller applies as itself, "remote.yaml" what somebody
// applies whom Git does not know, "helm.yaml" a release's, and another one what a tenant of that name applies as an account of its own.
func world(tb testing.TB, files map[string][]byte) *estate.Estate {
	tb.Helper()
	c := &estate.Cluster{Name: "prod", Labels: map[string]string{"env": "prod"}, Environment: "prod", Production: true, Minor: 36, FluxNamespace: "flux-system", Entered: true}
	c.Controllers = []*estate.Controller{{Name: estate.KustomizeController, Account: estate.Account{Namespace: "flux-system", Name: "kustomize-controller"}}}
	e := &estate.Estate{Clusters: []*estate.Cluster{c}}
	var names []string
	for name := range files {
		names = append(names, strings.TrimSuffix(name, ".yaml"))
	}
	slices.Sort(names)
	for _, name := range names {
		a := &estate.Applier{Applier: object.Applier{Kind: estate.KustomizationKind, Namespace: "flux-system", Name: name}, Home: c, Target: c, Prune: true, Path: "apps"}
		switch name {
		case "platform":
		case "remote":
			a.As.Kind = estate.RunsAsKubeconfig
		case "helm":
			a.Kind = estate.HelmReleaseKind
		default:
			tenant := &estate.Tenant{Name: name, Document: &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"team": name}}}}
			tenant.Document.Spec.Contract.Hosts = []string{name + ".example.com"}
			p := &estate.Compartment{Tenant: tenant, Cluster: c, Namespaces: []string{name + "-prod"}, FluxNamespaces: []string{name + "-flux"}, Appliers: []*estate.Applier{a}}
			tenant.Compartments, c.Compartments, e.Tenants = []*estate.Compartment{p}, append(c.Compartments, p), append(e.Tenants, tenant)
			a.Namespace, a.Tenant = name+"-flux", tenant
			a.Chain = []object.Applier{{Kind: estate.KustomizationKind, Namespace: "flux-system", Name: "platform"}}
			a.Source = estate.Source{Kind: "GitRepository", Namespace: a.Namespace, Name: name, URL: "https://git.example.com/acme/" + name}
			a.As = estate.Identity{Kind: estate.RunsAsAccount, Account: estate.Account{Namespace: a.Namespace, Name: name}}
		}
		for _, o := range objects(tb, files[name+".yaml"]) {
			a.Objects = append(a.Objects, &estate.Object{Object: o, Cluster: c, Applier: a, Tenant: a.Tenant, File: func() string { return "" }})
		}
		c.Appliers, c.Objects = append(c.Appliers, a), append(c.Objects, a.Objects...)
	}
	return e
}

func told(found []rule.Found) string {
	var b strings.Builder
	for i := range found {
		f := &found[i]
		fmt.Fprintf(&b, "%s %s", f.Rule, f.Level)
		if f.Unproven {
			b.WriteString(" unproven")
		}
		if f.Tenant != nil {
			b.WriteString(" of " + f.Tenant.Name)
		}
		fmt.Fprintf(&b, " %s", f.ID)
		if f.Field != "" {
			b.WriteString(" " + f.Field)
		}
		b.WriteString("\n  " + f.Message + "\n")
		if len(f.Steps) > 1 {
			for _, s := range f.Steps {
				b.WriteString("  - " + s.Message + "\n")
			}
		}
	}
	return b.String()
}

// hostile is an estate with a policy of one expression and an object with some content; nil when it is no JSON.
func hostile(tb testing.TB, expr, data string) *estate.Estate {
	tb.Helper()
	var content any
	if json.Unmarshal([]byte(data), &content) != nil {
		return nil
	}
	e := world(tb, map[string][]byte{"platform.yaml": []byte("apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n")})
	c := e.Clusters[0]
	add := func(m map[string]any) {
		o, err := object.New(object.NewBody(m), object.Origin{})
		if err != nil {
			tb.Fatal(err)
		}
		a := c.Appliers[0]
		a.Objects = append(a.Objects, &estate.Object{Object: o, Cluster: c, Applier: a, File: func() string { return "" }})
		c.Objects = append(c.Objects, a.Objects[len(a.Objects)-1])
	}
	all := []any{map[string]any{"apiGroups": []any{"*"}, "apiVersions": []any{"*"}, "operations": []any{"*"}, "resources": []any{"*"}}}
	add(map[string]any{
		"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": map[string]any{"name": "fuzz"}, "spec": map[string]any{
			"matchConstraints": map[string]any{"resourceRules": all}, "variables": []any{map[string]any{"name": "v", "expression": "object"}},
			"validations": []any{map[string]any{"expression": expr, "messageExpression": expr}, map[string]any{"expression": "false", "messageExpression": expr}},
		},
	})
	add(map[string]any{
		"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": map[string]any{"name": "fuzz"},
		"spec": map[string]any{"policyName": "fuzz", "validationActions": []any{"Deny", "Warn"}},
	})
	for _, kind := range []string{"ConfigMap", "Secret", "Pod", "Gizmo", "Namespace", "CustomResourceDefinition"} {
		add(map[string]any{"apiVersion": "v1", "kind": kind, "metadata": map[string]any{"name": "a", "namespace": "a"}, "data": content, "spec": content, "list": []any{map[string]any{"x": "y"}}})
	}
	add(map[string]any{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": map[string]any{"name": "b"}, "spec": content})
	add(map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "a", "namespace": "b"}, "spec": map[string]any{"template": content}})
	return e
}

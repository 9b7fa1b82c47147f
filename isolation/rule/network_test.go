package rule

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/object"
)

// claimants is a fleet of two clusters, on which each of some owners has an Ingress for a host: "CLUSTER OWNER HOST". The owner p is the platform.
func claimants(t *testing.T, contracts map[string][]string, lines ...string) *Context {
	t.Helper()
	a, b := &estate.Cluster{Name: "a"}, &estate.Cluster{Name: "b"}
	e := &estate.Estate{Clusters: []*estate.Cluster{a, b}}
	tenants := map[string]*estate.Tenant{"p": nil}
	for _, name := range []string{"auth", "billing"} {
		hosts, known := contracts[name]
		tenants[name] = &estate.Tenant{Name: name, Inferred: !known, Document: &v1alpha1.Tenant{Spec: v1alpha1.TenantSpec{Contract: v1alpha1.Contract{Hosts: hosts}}}}
		e.Tenants = append(e.Tenants, tenants[name])
	}
	for i, line := range lines {
		var cluster, owner, host string
		if _, err := fmt.Sscan(line, &cluster, &owner, &host); err != nil {
			t.Fatal(err)
		}
		c := e.Cluster(cluster)
		applier := &estate.Applier{Applier: object.Applier{Kind: "Kustomization", Namespace: "flux-system", Name: fmt.Sprint(i)}, Home: c, Target: c, Tenant: tenants[owner]}
		applier.Objects = []*estate.Object{made(t, c, tenants[owner], map[string]any{
			"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": map[string]any{"namespace": owner, "name": fmt.Sprint("i", i)},
			"spec": map[string]any{"rules": []any{map[string]any{"host": host}}},
		})}
		c.Appliers, c.Objects = append(c.Appliers, applier), append(c.Objects, applier.Objects...)
	}
	return NewContext(e)
}

// TestCollisions: who is told of two that claim a host, on one cluster and on two.
func TestCollisions(t *testing.T) {
	of := func(hosts ...string) []string { return hosts }
	for name, c := range map[string]struct {
		contracts map[string][]string
		lines     []string
		want      []string // level and message
	}{
		"one tenant on two clusters": {nil, []string{"a auth x.example.com", "b auth x.example.com"}, nil},
		"two on one cluster": {nil, []string{"a auth x.example.com", "a billing x.example.com"}, []string{
			" Ingress/auth/i0 of tenant auth claims x.example.com, and tenant billing claims x.example.com with Ingress/billing/i1",
			" Ingress/billing/i1 of tenant billing claims x.example.com, and tenant auth claims x.example.com with Ingress/auth/i0",
		}},
		"two on two clusters, one with a title": {map[string][]string{"auth": of("x.example.com")}, []string{"a auth x.example.com", "b billing x.example.com"}, []string{
			" Ingress/billing/i1 of tenant billing claims x.example.com, which the contract of tenant auth names",
		}},
		"two on two clusters, both with a title": {map[string][]string{"auth": of("x.example.com"), "billing": of("x.example.com")}, []string{"a auth x.example.com", "b billing x.example.com"}, []string{
			"medium Ingress/auth/i0 of tenant auth claims x.example.com, and tenant billing claims x.example.com with Ingress/billing/i1 on cluster b",
			"medium Ingress/billing/i1 of tenant billing claims x.example.com, and tenant auth claims x.example.com with Ingress/auth/i0 on cluster a",
		}},
		"a wildcard on another cluster": {nil, []string{"a auth *.example.com", "b billing x.example.com"}, nil},
		"the nearer one is told": {nil, []string{"a auth x.example.com", "a billing x.example.com", "b billing x.example.com"}, []string{
			" Ingress/auth/i0 of tenant auth claims x.example.com, and tenant billing claims x.example.com with Ingress/billing/i1",
			" Ingress/billing/i1 of tenant billing claims x.example.com, and tenant auth claims x.example.com with Ingress/auth/i0",
			"medium Ingress/billing/i2 of tenant billing claims x.example.com, and tenant auth claims x.example.com with Ingress/auth/i0 on cluster a",
		}},
		"what nobody asks for is the platform's": {nil, []string{"a p *.example.com", "a billing x.example.com"}, nil},
		"what the platform asks for": {nil, []string{"a p x.example.com", "a billing *.example.com"}, []string{
			" Ingress/billing/i1 of tenant billing claims *.example.com, and the platform claims x.example.com with Ingress/p/i0",
		}},
		"a part of a word": {nil, []string{"a auth *.example.com", "a billing x-example.com"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, f := range hostCollisions(claimants(t, c.contracts, c.lines...)) {
				got = append(got, string(f.Level)+" "+f.Message)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestUnbounded: a contract that lists no hosts is told once, and what is not known is not.
func TestUnbounded(t *testing.T) {
	for name, c := range map[string]struct {
		tenant *estate.Tenant
		lines  []string
		want   int
	}{
		"a document that lists none": {&estate.Tenant{Name: "auth", Document: &v1alpha1.Tenant{}}, []string{"a auth x.example.com", "a auth y.example.com"}, 1},
		"no entry point":             {&estate.Tenant{Name: "auth", Document: &v1alpha1.Tenant{}}, nil, 0},
		"no document":                {&estate.Tenant{Name: "auth", Document: &v1alpha1.Tenant{}, Inferred: true}, []string{"a auth x.example.com"}, 0},
	} {
		x := claimants(t, nil, c.lines...)
		p := &estate.Compartment{Tenant: c.tenant, Cluster: x.Clusters[0], Appliers: x.Clusters[0].Appliers}
		if found := hostsOutside(x, p); len(found) != c.want {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

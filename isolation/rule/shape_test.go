package rule

import (
	"testing"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/object"
)

// TestShapes: objects of any shape break no rule, whoever wrote them.
func TestShapes(t *testing.T) {
	kinds := [][2]string{
		{"apps/v1", "Deployment"},
		{"fluxcd.controlplane.io/v1", "FluxInstance"},
		{"networking.k8s.io/v1", "NetworkPolicy"},
		{"rbac.authorization.k8s.io/v1", "ClusterRole"},
		{"rbac.authorization.k8s.io/v1", "ClusterRoleBinding"},
		{"rbac.authorization.k8s.io/v1", "RoleBinding"},
		{"kustomize.toolkit.fluxcd.io/v1", "Kustomization"},
		{"helm.toolkit.fluxcd.io/v2", "HelmRelease"},
		{"source.toolkit.fluxcd.io/v1", "GitRepository"},
		{"notification.toolkit.fluxcd.io/v1beta3", "Provider"},
		{"notification.toolkit.fluxcd.io/v1beta3", "Alert"},
		{"notification.toolkit.fluxcd.io/v1", "Receiver"},
		{"image.toolkit.fluxcd.io/v1", "ImageUpdateAutomation"},
		{"external-secrets.io/v1", "ClusterSecretStore"},
		{"external-secrets.io/v1", "ExternalSecret"},
		{"kyverno.io/v1", "ClusterPolicy"},
		{"v1", "Secret"},
		{"v1", "ConfigMap"},
		{"monitoring.coreos.com/v1", "ServiceMonitor"},
		{"networking.istio.io/v1", "VirtualService"},
		{"traefik.io/v1alpha1", "IngressRoute"},
	}
	inner := []any{nil, "text", 1.5, true, []any{nil, "text", map[string]any{"name": 1}}, map[string]any{"any": "text", "name": []any{}, "ref": "x"}}
	fields := []string{
		"template", "podSelector", "ingress", "conditions", "rules", "sourceRef", "git", "update", "kubeConfig", "secretRef", "eventSources", "providerRef", "resources", "type",
		"namespaceSelector", "hosts", "routes", "cluster", "components", "kustomize", "sharding", "secretStoreRef", "url", "ref", "address",
	}
	shapes := []map[string]any{}
	for _, v := range inner {
		shapes = append(shapes, map[string]any{"spec": v, "rules": v, "subjects": v, "roleRef": v, "data": v, "aggregationRule": v})
		spec := map[string]any{}
		for _, f := range fields {
			spec[f] = v
		}
		shapes = append(shapes, map[string]any{"spec": spec, "rules": []any{v}, "subjects": []any{v}})
	}
	tenant := &estate.Tenant{Name: "billing", Document: &v1alpha1.Tenant{}}
	for _, shape := range shapes {
		c := &estate.Cluster{Name: "prod", FluxNamespace: "flux-system", Entered: true}
		p := &estate.Compartment{Tenant: tenant, Cluster: c, Namespaces: []string{"billing-prod"}}
		a := &estate.Applier{Home: c, Target: c}
		c.Appliers, c.Homed, c.Compartments = []*estate.Applier{a}, []*estate.Applier{a}, []*estate.Compartment{p}
		for _, kind := range kinds {
			for _, by := range []*estate.Tenant{nil, tenant} {
				content := map[string]any{"apiVersion": kind[0], "kind": kind[1], "metadata": map[string]any{"name": "x", "namespace": "billing-prod"}}
				for k, v := range shape {
					content[k] = v
				}
				o, err := object.New(object.NewBody(content), object.Origin{})
				if err != nil {
					t.Fatal(err)
				}
				a.Objects = append(a.Objects, &estate.Object{Object: o, Cluster: c, Applier: a, Tenant: by, File: func() string { return "" }})
			}
		}
		c.Objects = a.Objects
		for _, o := range a.Objects {
			if o.Is("apps", "Deployment") {
				c.Controllers = append(c.Controllers, &estate.Controller{Name: estate.SourceController, Object: o})
			}
		}
		Find(NewContext(&estate.Estate{Clusters: []*estate.Cluster{c}, Tenants: []*estate.Tenant{tenant}}), nil)
	}
}

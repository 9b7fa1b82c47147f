package estate_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/kustomize/kyaml/openapi"
	kyaml "sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/bulkhead-dev/bulkhead/isolation/estate"
)

// TestScope compares the built-in scopes with those that kustomize took from Kubernetes' OpenAPI document.
func TestScope(t *testing.T) {
	c := &estate.Cluster{}
	seen := 0
	for _, gvk := range []schema.GroupVersionKind{
		{Version: "v1", Kind: "Namespace"},
		{Version: "v1", Kind: "Node"},
		{Version: "v1", Kind: "PersistentVolume"},
		{Version: "v1", Kind: "PersistentVolumeClaim"},
		{Version: "v1", Kind: "ConfigMap"},
		{Version: "v1", Kind: "Secret"},
		{Version: "v1", Kind: "ServiceAccount"},
		{Version: "v1", Kind: "Service"},
		{Version: "v1", Kind: "Pod"},
		{Group: "apps", Version: "v1", Kind: "Deployment"},
		{Group: "batch", Version: "v1", Kind: "CronJob"},
		{Group: "policy", Version: "v1", Kind: "PodDisruptionBudget"},
		{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRole"},
		{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRoleBinding"},
		{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "Role"},
		{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "RoleBinding"},
		{Group: "networking.k8s.io", Version: "v1", Kind: "Ingress"},
		{Group: "networking.k8s.io", Version: "v1", Kind: "IngressClass"},
		{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"},
		{Group: "storage.k8s.io", Version: "v1", Kind: "StorageClass"},
		{Group: "storage.k8s.io", Version: "v1", Kind: "CSIStorageCapacity"},
		{Group: "storage.k8s.io", Version: "v1", Kind: "CSIDriver"},
		{Group: "scheduling.k8s.io", Version: "v1", Kind: "PriorityClass"},
		{Group: "node.k8s.io", Version: "v1", Kind: "RuntimeClass"},
		{Group: "coordination.k8s.io", Version: "v1", Kind: "Lease"},
		{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "ValidatingWebhookConfiguration"},
		{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "ValidatingAdmissionPolicy"},
		{Group: "apiregistration.k8s.io", Version: "v1", Kind: "APIService"},
		{Group: "certificates.k8s.io", Version: "v1", Kind: "CertificateSigningRequest"},
		{Group: "flowcontrol.apiserver.k8s.io", Version: "v1", Kind: "FlowSchema"},
		{Group: "discovery.k8s.io", Version: "v1", Kind: "EndpointSlice"},
		{Group: "autoscaling", Version: "v2", Kind: "HorizontalPodAutoscaler"},
	} {
		apiVersion, kind := gvk.ToAPIVersionAndKind()
		want, known := openapi.IsNamespaceScoped(kyaml.TypeMeta{APIVersion: apiVersion, Kind: kind})
		if !known {
			continue
		}
		seen++
		if got, ok := c.Namespaced(gvk.Group, gvk.Kind); !ok || got != want {
			t.Errorf("%s: namespaced %v (known %v), kustomize says %v", gvk, got, ok, want)
		}
	}
	if seen < 25 {
		t.Errorf("%d kinds are known to kustomize: too few to mean anything", seen)
	}
	if _, known := c.Namespaced("example.com", "Gizmo"); known {
		t.Error("the scope of a kind that nobody brings is known")
	}
}

// TestFlag takes the last of several flags, as the controllers do.
func TestFlag(t *testing.T) {
	k := estate.Controller{Version: "v1.9.5", Args: []string{"--a=1", "--b", "--a=2", "a=3", "--feature-gates=X=true,Y=false", "--on=false"}}
	if v, set := k.Flag("--a"); v != "2" || !set {
		t.Errorf("a is %q, %v", v, set)
	}
	if v, set := k.Flag("b"); v != "true" || !set || !k.On("--b") || k.On("--on") {
		t.Errorf("b is %q, %v", v, set)
	}
	if on, set := k.Gate("X"); !on || !set {
		t.Error("gate X is off")
	}
	if on, set := k.Gate("Y"); on || !set {
		t.Error("gate Y is on")
	}
	if _, set := k.Gate("Z"); set {
		t.Error("gate Z is set")
	}
	if k.Before(1, 9, 5) || !k.Before(1, 9, 6) || (&estate.Controller{Version: "latest"}).Before(9, 9, 9) {
		t.Error("versions are compared wrongly")
	}
}

//go:build e2e && linux

package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestHubGuards makes a hub by init, whose clusters have guards, and sees that they are in nobody's way but a tenant's: tenants come and go, and the platform
// writes what nobody else may.
func TestHubGuards(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.git(t, "init", "-q", "-b", "main")
	h.must(t, "init", "hub", "--name", "acme", "--url", hubURL, "--owner", "@acme/platform", "--flux", "none", "--cluster", "a,env=prod", "--cluster", "b,env=staging")
	fleet, err := os.ReadFile(filepath.Join(h.dir, "fleet/fleet.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	h.write(t, "fleet/fleet.yaml", string(fleet)+"  tenantDefaults: {sync: {interval: 10s, sourceInterval: 1s, retryInterval: 2s, timeout: 20s}}\n")
	h.spoke(t, "alpha", workload(false))
	h.tenant(t, "alpha")
	h.commit(t)
	for cluster := range environments {
		h.bootstrap(t, cluster)
	}
	h.tell("a hub with guards is ready after %s", h.settled(t))
	h.guarded(t, 1)
	h.spoke(t, "bravo", workload(false))
	h.tenant(t, "bravo")
	h.commit(t)
	h.tell("a second tenant is ready after %s", h.settled(t))
	h.guarded(t, 2)
	h.fenced(t)
	h.must(t, "tenant", "remove", "bravo")
	for range 2 {
		h.commit(t)
		h.settled(t)
		h.must(t, append([]string{"tenant", "remove", "bravo"}, h.evidence(t)...)...)
	}
	h.commit(t)
	h.settled(t)
	h.tell("it is gone after %s", h.gone(t, "bravo", ""))
	for cluster := range environments {
		if left := h.remaining(t, cluster, "bravo"); len(left) > 0 {
			t.Errorf("on %s there remain %v", cluster, left)
		}
	}
}

// guarded sees that each cluster has its policies, in force for so many tenants.
func (h *hub) guarded(t *testing.T, tenants int) {
	t.Helper()
	for cluster := range environments {
		policies, err := list(t.Context(), h.Cluster(cluster), "admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding")
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for i := range policies {
			if policies[i].GetName() != "bulkhead-kustomizations" {
				continue
			}
			found++
			selects, _, _ := unstructured.NestedSlice(policies[i].Object, "spec", "matchResources", "namespaceSelector", "matchExpressions")
			values, _, _ := unstructured.NestedStringSlice(selects[0].(map[string]any), "values") //nolint:forcetypeassert // bulkhead wrote it
			if len(values) != 2*tenants {
				t.Errorf("on %s the guards hold in %v", cluster, values)
			}
		}
		if found == 0 || len(policies) < 20 {
			t.Errorf("on %s there are %d bindings", cluster, len(policies))
		}
	}
}

// fenced lets the administrator of a cluster change what fences a tenant in, and the platform take a namespace away, which Flux then makes again.
func (h *hub) fenced(t *testing.T) {
	t.Helper()
	c := h.Cluster("a")
	quota := h.object(t, "a", "v1 ResourceQuota", "alpha-prod", "bulkhead")
	if err := unstructured.SetNestedField(quota.Object, "1k", "spec", "hard", "pods"); err != nil {
		t.Fatal(err)
	}
	if err := c.Client.Update(t.Context(), quota); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "bulkhead-platform-objects") {
		t.Errorf("the quota is changed by hand: %v", err)
	}
	if err := c.Client.Delete(t.Context(), quota); !apierrors.IsForbidden(err) {
		t.Errorf("the quota is deleted by hand: %v", err)
	}
	namespace := h.object(t, "a", "v1 Namespace", "", "alpha-prod")
	if err := c.Client.Delete(t.Context(), namespace); !apierrors.IsForbidden(err) {
		t.Errorf("the namespace is deleted by hand: %v", err)
	}
	config := rest.CopyConfig(c.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:flux-system:kustomize-controller", Groups: []string{"system:serviceaccounts", "system:serviceaccounts:flux-system", "system:authenticated"}}
	platform, err := client.New(config, client.Options{Scheme: runtime.NewScheme()})
	if err != nil {
		t.Fatal(err)
	}
	was, deployment := namespace.GetUID(), h.object(t, "a", "apps/v1 Deployment", "alpha-prod", "web")
	if err := platform.Delete(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), hubTime)
	defer cancel()
	if err := h.Wait(ctx, "the namespace to be made again, with its quota and what runs in it", func(ctx context.Context) (bool, error) {
		for _, o := range []*unstructured.Unstructured{namespace, quota, deployment} {
			if err := c.Client.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
				return false, client.IgnoreNotFound(err)
			}
		}
		return namespace.GetUID() != was, nil
	}); err != nil {
		t.Fatal(err)
	}
	h.tell("the namespace was taken away with all that fenced it in, and made again: %s", h.settled(t))
}

//go:build e2e && linux

package e2e

import (
	"context"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulkhead-dev/bulkhead/test/lab"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// attempts are what a tenant that has taken leave of its senses may want.
var attempts = map[string]string{
	"cluster": `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: hostile}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: hostile-prod, namespace: hostile-flux}]
`,
	"system":      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: hostile, namespace: kube-system}\n",
	"neighbour":   "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: hostile, namespace: alpha-prod}\n",
	"flux":        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: hostile, namespace: flux-system}\n",
	"own flux":    "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: hostile, namespace: hostile-flux}\n",
	"own label":   "apiVersion: v1\nkind: Namespace\nmetadata: {name: hostile-one, labels: {pod-security.kubernetes.io/enforce: privileged}}\n",
	"own rights":  "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: hostile, namespace: hostile-one}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin}\nsubjects: [{kind: ServiceAccount, name: hostile-prod, namespace: hostile-flux}]\n",
	"own quota":   "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: bulkhead, namespace: hostile-one}\nspec: {hard: {pods: 1k}}\n",
	"own network": "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: hostile, namespace: hostile-one}\nspec: {podSelector: {}, ingress: [{}]}\n",
	"own applier": `apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: hostile, namespace: hostile-one}
spec: {interval: 1m, path: ./, prune: true, serviceAccountName: default, sourceRef: {kind: GitRepository, name: hostile}}
`,
	"own pod": `apiVersion: v1
kind: Pod
metadata: {name: hostile, namespace: hostile-one}
spec: {hostNetwork: true, containers: [{name: hostile, image: hostile, securityContext: {privileged: true}}]}
`,
}

// walls lets a tenant try to reach outside of its compartment: twice by Flux, and in every other way by its account.
func (h *hub) walls(t *testing.T) {
	t.Helper()
	h.spoke(t, "hostile", map[string]string{"all.yaml": attempts["cluster"]})
	h.must(t, "tenant", "add", "hostile", "--repo", spokeURL("hostile"), "-e", "prod", "--namespace", "prod=hostile-one,hostile-two")
	h.broken["hostile-flux"] = true
	h.commit(t)
	h.settled(t)
	const user = `"system:serviceaccount:hostile-flux:hostile-prod"`
	for _, what := range []string{"cluster", "system"} {
		commit := h.spoke(t, "hostile", map[string]string{"all.yaml": attempts[what]})
		ctx, cancel := context.WithTimeout(t.Context(), hubTime)
		defer cancel()
		message := ""
		if err := h.Wait(ctx, "the hostile tenant to be refused", func(context.Context) (bool, error) {
			o := h.kustomization(t, "a", "hostile-flux", "hostile-prod")
			attempted, _, _ := unstructured.NestedString(o.Object, "status", "lastAttemptedRevision")
			ready := lab.Condition(o, "Ready")
			message = ready.Message
			return strings.HasSuffix(attempted, commit) && ready.Status == "False", nil
		}); err != nil {
			t.Fatal(err)
		}
		h.tell("a spoke with %s: %s", what, message)
		if !strings.Contains(message, "forbidden") || !strings.Contains(message, user) {
			t.Errorf("%s is not forbidden to the tenant's account: %s", what, message)
		}
	}
	config := rest.CopyConfig(h.Cluster("a").Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: strings.Trim(user, `"`), Groups: []string{"system:serviceaccounts", "system:serviceaccounts:hostile-flux", "system:authenticated"}}
	c, err := client.New(config, client.Options{Scheme: runtime.NewScheme()})
	if err != nil {
		t.Fatal(err)
	}
	apply := func(text string) error {
		objects, err := decode(tree.Blob{Data: text})
		if err != nil {
			t.Fatal(err)
		}
		return c.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(objects[0]), client.FieldOwner("hostile"), client.ForceOwnership, client.DryRunAll)
	}
	for what, text := range attempts {
		if err := apply(text); !apierrors.IsForbidden(err) {
			t.Errorf("%s: the tenant's account gets %v", what, err)
		}
	}
	for _, namespace := range []string{"hostile-one", "hostile-two"} {
		if err := apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: fine, namespace: " + namespace + "}\n"); err != nil {
			t.Errorf("its own namespace %s is closed to it: %v", namespace, err)
		}
	}
}

// bootstrapped looks whether Flux's own objects are still applied from Git.
func (h *hub) bootstrapped(t *testing.T) {
	t.Helper()
	for cluster := range environments {
		o := h.kustomization(t, cluster, lab.FluxNamespace, lab.FluxNamespace)
		entries, _, _ := unstructured.NestedSlice(o.Object, "status", "inventory", "entries")
		found := false
		for _, e := range entries {
			m, _ := e.(map[string]any)
			found = found || m["id"] == "flux-system_flux-system_kustomize.toolkit.fluxcd.io_Kustomization"
		}
		if !found {
			t.Errorf("on %s Flux does not apply its own Kustomization: clusters/%s/flux-system is left out", cluster, cluster)
		}
	}
}

package survey

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/object"
)

// TestOperated: the fields of a FluxInstance become the flags that Flux Operator sets, in its order.
func TestOperated(t *testing.T) {
	lock := []string{"--no-cross-namespace-refs=true", "--no-remote-bases=true", "--default-service-account=flux"}
	gate := "--feature-gates=ObjectLevelWorkloadIdentity=true"
	for name, c := range map[string]struct {
		spec map[string]any
		want []string // of kustomize-controller
	}{
		"nothing": {map[string]any{}, nil},
		"lock":    {map[string]any{"cluster": map[string]any{"multitenant": true, "tenantDefaultServiceAccount": "flux"}}, lock},
		"accounts": {
			map[string]any{"cluster": map[string]any{
				"objectLevelWorkloadIdentity": true, "multitenantWorkloadIdentity": true, "tenantDefaultDecryptionServiceAccount": "keys", "size": "medium",
			}},
			[]string{"--concurrent=10", gate, "--default-decryption-service-account=keys", "--default-kubeconfig-service-account=default"},
		},
		"one switch of two": {map[string]any{"cluster": map[string]any{"multitenantWorkloadIdentity": true}}, nil},
		"watched":           {map[string]any{"components": []any{"kustomize-controller", "source-watcher"}}, []string{"--feature-gates=ExternalArtifact=true"}},
		"patched": {
			map[string]any{"kustomize": map[string]any{"patches": []any{
				map[string]any{"target": map[string]any{"kind": "Deployment", "name": "(kustomize-controller|helm-controller)"}, "patch": "- op: add\n  path: /spec/template/spec/containers/0/args/-\n  value: --no-remote-bases=true\n"},
				map[string]any{"target": map[string]any{"kind": "Deployment", "name": "helm-controller"}, "patch": "- {op: add, path: /x, value: --concurrent=9}"},
			}}},
			[]string{"--no-remote-bases=true"},
		},
		"no lists": {map[string]any{"components": "all", "cluster": []any{true}, "kustomize": "none", "sharding": 1}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			list := operated(instance(t, c.spec), "flux-system")
			i := slices.IndexFunc(list, func(k *estate.Controller) bool { return k.Name == estate.KustomizeController })
			if diff := cmp.Diff(c.want, list[i].Args); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestShards: a shard is a further Deployment, and the main one leaves it its objects.
func TestShards(t *testing.T) {
	list := operated(instance(t, map[string]any{"sharding": map[string]any{"shards": []any{"a"}}}), "flux-system")
	var got []string
	for _, k := range list {
		v, _ := k.Flag("--watch-label-selector")
		got = append(got, k.Name+" "+v)
	}
	want := []string{
		"source-controller !sharding.fluxcd.io/key", "source-controller sharding.fluxcd.io/key=a", "kustomize-controller !sharding.fluxcd.io/key",
		"kustomize-controller sharding.fluxcd.io/key=a", "helm-controller !sharding.fluxcd.io/key", "helm-controller sharding.fluxcd.io/key=a", "notification-controller ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func instance(t *testing.T, spec map[string]any) *estate.Object {
	t.Helper()
	o, err := object.New(object.NewBody(map[string]any{
		"apiVersion": "fluxcd.controlplane.io/v1", "kind": "FluxInstance", "metadata": map[string]any{"name": "flux", "namespace": "flux-system"}, "spec": spec,
	}), object.Origin{})
	if err != nil {
		t.Fatal(err)
	}
	return &estate.Object{Object: o}
}

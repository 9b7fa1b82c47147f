package fleetcase

import (
	"path"
	"strings"

	"sigs.k8s.io/yaml"
)

// Sync is a gotk-sync.yaml as flux bootstrap writes it for the cluster at
// clusters/NAME of the repository at [URL]. fields, a YAML map that may be empty,
// are the fields of the Kustomization's spec that differ.
func Sync(cluster string, fields []byte) (string, error) {
	ks, err := kustomization("flux-system", "./clusters/"+cluster, fields)
	return "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata:\n  name: flux-system\n  namespace: flux-system\n" +
		"spec:\n  interval: 1m0s\n  ref:\n    branch: main\n  url: " + URL + "\n---\n" + ks, err
}

// expand writes out a file with one of the short endings.
func expand(file string, data []byte) (long, content string, err error) {
	if base := path.Base(file); base == ".sync" || base == ".ks" || base == ".hr" {
		return "", "", errPath
	}
	if cluster, ok := strings.CutSuffix(file, ".sync"); ok {
		content, err = Sync(cluster, data)
		return "clusters/" + cluster + "/flux-system/gotk-sync.yaml", content, err
	}
	if ks, ok := strings.CutSuffix(file, ".ks"); ok {
		content, err = kustomization(path.Base(ks), "./apps/"+path.Base(ks), data)
		return ks + ".yaml", content, err
	}
	if hr, ok := strings.CutSuffix(file, ".hr"); ok {
		content, err = helmRelease(path.Base(hr), data)
		return hr + ".yaml", content, err
	}
	return file, string(data), nil
}

// helmRelease is a Flux HelmRelease with some fields of its spec set otherwise.
func helmRelease(name string, fields []byte) (string, error) {
	spec := map[string]any{"interval": "10m0s", "timeout": "20s"}
	if err := yaml.Unmarshal(fields, &spec); err != nil {
		return "", err
	}
	if spec["chart"] == nil && spec["chartRef"] == nil {
		spec["chart"] = map[string]any{"spec": map[string]any{
			"chart": name, "sourceRef": map[string]any{"kind": "HelmRepository", "name": "charts"},
		}}
	}
	data, err := yaml.Marshal(map[string]any{
		"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease",
		"metadata": map[string]any{"name": name, "namespace": "flux-system"}, "spec": spec,
	})
	return string(data), err
}

// kustomization is a Flux Kustomization with some fields of its spec set otherwise.
func kustomization(name, dir string, fields []byte) (string, error) {
	spec := map[string]any{
		"interval": "10m0s", "path": dir, "prune": true,
		"sourceRef": map[string]any{"kind": "GitRepository", "name": "flux-system"},
	}
	if err := yaml.Unmarshal(fields, &spec); err != nil {
		return "", err
	}
	data, err := yaml.Marshal(map[string]any{
		"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
		"metadata": map[string]any{"name": name, "namespace": "flux-system"}, "spec": spec,
	})
	return string(data), err
}

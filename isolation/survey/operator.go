package survey

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/isolation/estate"
)

var flagInPatch = regexp.MustCompile(`(?m)(?:value:\s*|-\s+)["']?(--[A-Za-z-]+(?:=[^"'\s]+)?)`)

// operated are the programs that Flux Operator makes of a FluxInstance. Their versions are not known: spec.distribution.version is Flux's.
//
// Source: Flux Operator, docs/api/v1/fluxinstance.md of spec.components, spec.cluster, spec.sharding and spec.kustomize.patches, and the order of
// internal/builder: profiles first, then the patches.
func operated(o *estate.Object, namespace string) (out []*estate.Controller) {
	names := estate.Texts(o.Body().Map(), "spec", "components")
	if len(names) == 0 {
		names = []string{estate.SourceController, estate.KustomizeController, estate.HelmController, estate.NotificationController}
	}
	shards := estate.Texts(o.Body().Map(), "spec", "sharding", "shards")
	key := cmp.Or(o.Text("spec", "sharding", "key"), "sharding.fluxcd.io/key")
	for _, name := range names {
		k := &estate.Controller{Name: name, Object: o, Account: estate.Account{Namespace: cmp.Or(o.ID.Namespace, namespace), Name: name}}
		k.Args = profile(o, name, slices.Contains(names, estate.SourceWatcher))
		main := *k
		sharded := len(shards) > 0 && (name == estate.SourceController || applies(name))
		if sharded {
			main.Args = append(slices.Clip(k.Args), "--watch-label-selector=!"+key)
		}
		main.Args = append(slices.Clip(main.Args), patched(o, name)...)
		out = append(out, &main)
		if !sharded {
			continue
		}
		for _, shard := range shards {
			further := *k
			further.Shard = true
			further.Args = append(slices.Clip(k.Args), "--watch-label-selector="+key+"="+shard)
			further.Args = append(further.Args, patched(o, name+"-"+shard)...)
			out = append(out, &further)
		}
	}
	return out
}

// applies reports whether a program applies what others have written.
func applies(name string) bool {
	return name == estate.KustomizeController || name == estate.HelmController
}

// profile are the flags that spec.cluster stands for. A default account for workload identity wants both of its fields: the operator refuses one
// without the other.
func profile(o *estate.Object, name string, watched bool) (args []string) {
	on := func(field string) bool { v, _ := o.At("spec", "cluster", field).(bool); return v }
	account := func(field string) string { return cmp.Or(o.Text("spec", "cluster", field), "default") }
	if concurrent := map[string]string{"small": "5", "medium": "10", "large": "20"}[o.Text("spec", "cluster", "size")]; concurrent != "" && applies(name) {
		args = append(args, "--concurrent="+concurrent)
	}
	if on("multitenant") {
		if name != estate.SourceController {
			args = append(args, "--no-cross-namespace-refs=true")
		}
		if name == estate.KustomizeController {
			args = append(args, "--no-remote-bases=true")
		}
		if applies(name) {
			args = append(args, "--default-service-account="+account("tenantDefaultServiceAccount"))
		}
	}
	if watched && applies(name) {
		args = append(args, "--feature-gates=ExternalArtifact=true")
	}
	if !on("objectLevelWorkloadIdentity") || name == estate.SourceWatcher {
		return args
	}
	args = append(args, "--feature-gates=ObjectLevelWorkloadIdentity=true")
	if !on("multitenantWorkloadIdentity") {
		return args
	}
	if !applies(name) {
		args = append(args, "--default-service-account="+account("tenantDefaultServiceAccount"))
	}
	if name == estate.KustomizeController {
		args = append(args, "--default-decryption-service-account="+account("tenantDefaultDecryptionServiceAccount"))
	}
	if applies(name) {
		args = append(args, "--default-kubeconfig-service-account="+account("tenantDefaultKubeConfigServiceAccount"))
	}
	return args
}

// patched are the flags that the patches of a FluxInstance add to a Deployment.
func patched(o *estate.Object, name string) (args []string) {
	for _, p := range estate.List(o.Body().Map(), "spec", "kustomize", "patches") {
		target := estate.Text(p, "target", "name")
		if re, err := regexp.Compile("^(?:" + target + ")$"); err != nil || target != "" && !re.MatchString(name) {
			continue
		}
		if kind := estate.Text(p, "target", "kind"); kind != "" && kind != "Deployment" {
			continue
		}
		for _, flag := range flagInPatch.FindAllStringSubmatch(estate.Text(p, "patch"), -1) {
			args = append(args, strings.TrimSpace(flag[1]))
		}
	}
	return args
}

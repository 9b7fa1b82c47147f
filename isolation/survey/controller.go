package survey

import (
	"cmp"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/isolation/estate"
)

// controllers finds Flux's programs on a cluster: its Deployments, else what Flux Operator makes of a FluxInstance.
func (s *surveyor) controllers(c *estate.Cluster) {
	for _, o := range c.Kind("apps", "Deployment") {
		if k := deployed(o); k != nil {
			c.Controllers = append(c.Controllers, k)
		}
	}
	for _, o := range c.Kind("fluxcd.controlplane.io", "FluxInstance") {
		if !slices.ContainsFunc(c.Controllers, func(k *estate.Controller) bool { return k.Name == estate.KustomizeController }) {
			c.Controllers = append(c.Controllers, operated(o, c.FluxNamespace)...)
		}
	}
	if d := s.out.Declared[c.Name]; d != nil {
		for _, k := range c.Controllers {
			if k.Name == estate.KustomizeController {
				l := &d.Spec.Lockdown
				if l.DefaultServiceAccount != "" {
					k.Args = append(slices.Clip(k.Args), "--default-service-account="+l.DefaultServiceAccount)
				}
				for flag, on := range map[string]*bool{"--no-cross-namespace-refs": l.NoCrossNamespaceRefs, "--no-remote-bases": l.NoRemoteBases} {
					if on != nil {
						k.Args = append(slices.Clip(k.Args), flag+"="+map[bool]string{true: "true", false: "false"}[*on])
					}
				}
			}
		}
	}
	order := append(estate.Controllers(), estate.FluxOperator)
	slices.SortStableFunc(c.Controllers, func(a, b *estate.Controller) int {
		shard := func(k *estate.Controller) int {
			if k.Shard {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(slices.Index(order, a.Name), slices.Index(order, b.Name)), cmp.Compare(shard(a), shard(b)), cmp.Compare(a.Object.ID.Name, b.Object.ID.Name))
	})
}

var versionTag = regexp.MustCompile(`^v?\d+\.\d+\.\d+`)

// deployed reads a Deployment of one of Flux's programs; nil for others.
func deployed(o *estate.Object) *estate.Controller {
	for _, container := range estate.List(o.Body().Map(), "spec", "template", "spec", "containers") {
		image := estate.Text(container, "image")
		name, digest, _ := strings.Cut(path.Base(image), "@")
		name, tag, _ := strings.Cut(name, ":")
		_ = digest
		if !slices.Contains(estate.Controllers(), name) && name != estate.FluxOperator {
			continue
		}
		k := &estate.Controller{Name: name, Object: o, Image: image, Args: estate.Texts(container, "args")}
		if v := versionTag.FindString(tag); v != "" {
			k.Version = "v" + strings.TrimPrefix(v, "v")
		}
		for _, e := range estate.List(container, "env") {
			k.Env = append(k.Env, estate.Text(e, "name"))
			if estate.Text(e, "name") == "DEFAULT_SERVICE_ACCOUNT" && name == estate.FluxOperator {
				k.Args = append(slices.Clip(k.Args), "--default-service-account="+estate.Text(e, "value"))
			}
		}
		k.Account = estate.Account{Namespace: o.ID.Namespace, Name: cmp.Or(o.Text("spec", "template", "spec", "serviceAccountName"), "default")}
		if selector, _ := k.Flag("--watch-label-selector"); selector != "" && !strings.Contains(selector, "!") {
			k.Shard = true
		}
		return k
	}
	return nil
}

var flagInPatch = regexp.MustCompile(`(?m)(?:value:\s*|-\s+)["']?(--[A-Za-z-]+(?:=[^"'\s]+)?)`)

// operated are the programs that Flux Operator makes of a FluxInstance.
//
// Source: Flux Operator, internal/builder/profiles.go, as its API documentation tells of it: spec.cluster and spec.kustomize.patches of fluxcd.controlplane.io/v1.
func operated(o *estate.Object, namespace string) (out []*estate.Controller) {
	names := estate.Texts(o.Body().Map(), "spec", "components")
	if len(names) == 0 {
		names = []string{estate.SourceController, estate.KustomizeController, estate.HelmController, estate.NotificationController}
	}
	on := func(field string) bool { v, _ := o.At("spec", "cluster", field).(bool); return v }
	account := cmp.Or(o.Text("spec", "cluster", "tenantDefaultServiceAccount"), "default")
	applies := func(name string) bool {
		return name == estate.KustomizeController || name == estate.HelmController
	}
	for _, name := range names {
		k := &estate.Controller{Name: name, Object: o, Account: estate.Account{Namespace: cmp.Or(o.ID.Namespace, namespace), Name: name}}
		if on("multitenant") {
			if name != estate.SourceController {
				k.Args = append(k.Args, "--no-cross-namespace-refs=true")
			}
			if name == estate.KustomizeController {
				k.Args = append(k.Args, "--no-remote-bases=true")
			}
			if applies(name) {
				k.Args = append(k.Args, "--default-service-account="+account)
			}
		}
		if on("objectLevelWorkloadIdentity") {
			k.Args = append(k.Args, "--feature-gates=ObjectLevelWorkloadIdentity=true")
		}
		if on("multitenantWorkloadIdentity") {
			if !applies(name) && name != estate.SourceWatcher {
				k.Args = append(k.Args, "--default-service-account="+account)
			}
			if name == estate.KustomizeController {
				k.Args = append(k.Args, "--default-decryption-service-account="+account)
			}
			if applies(name) {
				k.Args = append(k.Args, "--default-kubeconfig-service-account="+account)
			}
		}
		for _, p := range estate.List(o.Body().Map(), "spec", "kustomize", "patches") {
			target := estate.Text(p, "target", "name")
			if re, err := regexp.Compile("^(?:" + target + ")$"); err != nil || target != "" && !re.MatchString(name) {
				continue
			}
			if kind := estate.Text(p, "target", "kind"); kind != "" && kind != "Deployment" {
				continue
			}
			for _, flag := range flagInPatch.FindAllStringSubmatch(estate.Text(p, "patch"), -1) {
				k.Args = append(k.Args, flag[1])
			}
		}
		out = append(out, k)
	}
	return out
}

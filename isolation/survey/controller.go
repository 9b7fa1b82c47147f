package survey

import (
	"cmp"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
)

// controllers finds Flux's programs on a cluster: its Deployments, else what Flux Operator makes of a FluxInstance. A tenant's do not count: who
// calls an image kustomize-controller does not say how Flux is started.
func (s *surveyor) controllers(c *estate.Cluster) {
	for _, o := range c.Kind("apps", "Deployment") {
		if o.Tenant != nil {
			continue
		}
		if k := deployed(o); k != nil {
			c.Controllers = append(c.Controllers, k)
		}
	}
	for _, o := range c.Kind("fluxcd.controlplane.io", "FluxInstance") {
		if o.Tenant == nil && !slices.ContainsFunc(c.Controllers, func(k *estate.Controller) bool { return k.Name == estate.KustomizeController }) {
			c.Controllers = append(c.Controllers, operated(o, c.FluxNamespace)...)
		}
	}
	if d := s.out.Declared[c.Name]; d != nil {
		for _, k := range c.Controllers {
			if k.Name == estate.KustomizeController {
				k.Args = append(slices.Clip(k.Args), declared(&d.Spec.Lockdown)...)
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

// declared are the flags that a Cluster document says kustomize-controller has.
func declared(l *v1alpha1.Lockdown) (args []string) {
	if l.DefaultServiceAccount != "" {
		args = append(args, "--default-service-account="+l.DefaultServiceAccount)
	}
	for _, f := range []struct {
		flag string
		on   *bool
	}{
		{"--no-cross-namespace-refs", l.NoCrossNamespaceRefs}, {"--no-remote-bases", l.NoRemoteBases}, {"--feature-gates=StrictPostBuildSubstitutions", l.StrictPostBuildSubstitutions},
	} {
		if f.on != nil {
			args = append(args, f.flag+"="+strconv.FormatBool(*f.on))
		}
	}
	return args
}

var versionTag = regexp.MustCompile(`^v?\d+\.\d+\.\d+`)

// operatorFlags are the variables that stand for flags of Flux Operator.
//
// Source: Flux Operator, docs/operator/flags.md, environment variables.
var operatorFlags = map[string]string{ //nolint:gochecknoglobals // a constant table
	"DEFAULT_SERVICE_ACCOUNT":                   "--default-service-account",
	"DEFAULT_WORKLOAD_IDENTITY_SERVICE_ACCOUNT": "--default-workload-identity-service-account",
}

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
			if flag := operatorFlags[estate.Text(e, "name")]; flag != "" && name == estate.FluxOperator {
				k.Args = append([]string{flag + "=" + estate.Text(e, "value")}, k.Args...) // a flag wins
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

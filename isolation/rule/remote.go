package rule

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/permission"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

// remoteSource is what the rules about other clusters follow.
const remoteSource = "kustomize-controller v1.9.5, helm-controller v1.6.4: spec.kubeConfig; fluxcd/pkg/runtime v0.110.3, client"

// remoteRules are about appliers that write to other clusters.
func remoteRules() []Rule {
	return slices.Concat([]Rule{
		{
			Rule: finding.Rule{
				ID: "RMT-001", Level: finding.Critical, Title: "A tenant chooses the cluster that is written to",
				Why:  "Who writes spec.kubeConfig names any Secret of the namespace and any address behind it: another cluster, or a server of its own that gets the controller's requests.",
				Hint: "let the platform set spec.kubeConfig, and keep kubeconfigs out of namespaces where tenants make appliers",
			},
			Boundary: true, Source: remoteSource,
			Unless: "the cluster behind it is the tenant's alone",
			object: choosesCluster,
		},
		{
			Rule: finding.Rule{
				ID: "RMT-002", Level: finding.Critical, Title: "A token of the controller goes where a tenant wants",
				Why:  "A ConfigMap for spec.kubeConfig without serviceAccountName makes the controller send a token of its own account to the address in it, for the audiences in it.",
				Hint: "start the controllers with --default-kubeconfig-service-account, and name an account in the ConfigMap",
			},
			Boundary: true, Static: "two objects and a flag are compared", Source: remoteSource + "; fluxcd/pkg/auth v0.54.3, generic",
			Unless: "never",
			object: controllerToken,
		},
		{
			Rule: finding.Rule{
				ID: "RMT-003", Level: finding.Critical, Title: "Kubeconfigs in use may run programs or skip TLS",
				Why:  "Appliers of this cluster log on by kubeconfigs, and their controller takes from them what to run, or does not look whom it speaks to.",
				Hint: "remove --insecure-kubeconfig-exec and --insecure-kubeconfig-tls",
			},
			Boundary: true, Static: "it is about how the controllers are started", Source: remoteSource + "; CVE-2022-24817",
			Unless:  "it is a cluster to try things on",
			cluster: insecureInUse,
		},
	}, remoteHubRules())
}

// logsOn reports whether an applier logs on by a kubeconfig.
func logsOn(a *estate.Applier) bool {
	return a.Home != a.Target || a.Object != nil && a.Object.At("spec", "kubeConfig") != nil
}

// applierObject reports whether an object is one that may have a kubeconfig.
func applierObject(o *estate.Object) bool {
	return o.Is(estate.KustomizeGroup, estate.KustomizationKind) || o.Is(estate.HelmGroup, estate.HelmReleaseKind)
}

func choosesCluster(x *Context, o *estate.Object) []Found {
	if !applierObject(o) || o.At("spec", "kubeConfig") == nil {
		return nil
	}
	if o.Tenant != nil {
		return one(Found{Message: fmt.Sprintf("%s %s of tenant %s says itself which cluster it writes to", o.ID.Kind, o.ID.Name, o.Tenant.Name), Field: "spec.kubeConfig"})
	}
	host := o.Cluster.Owner(o.ID.Namespace)
	if host == nil {
		return nil
	}
	// A kubeconfig of the platform lies where a tenant may make appliers that name it.
	for _, kind := range applierResources() {
		what := toDo("create", kind[0], kind[1])
		what.Namespace = o.ID.Namespace
		if g, steps := x.Reach(host).Right(what); g != nil {
			return one(Found{
				Message: fmt.Sprintf("the kubeconfig of %s %s is in namespace %s, where tenant %s may create %s", o.ID.Kind, o.ID.Name, o.ID.Namespace, host.Tenant.Name, kind[1]),
				Field:   "spec.kubeConfig", Tenant: host.Tenant, Steps: steps,
			})
		}
	}
	return nil
}

// controllerToken looks at the pair of an applier and its ConfigMap, of which a tenant wrote one.
func controllerToken(_ *Context, o *estate.Object) []Found {
	name := ""
	if applierObject(o) {
		name = o.Text("spec", "kubeConfig", "configMapRef", "name")
	}
	if name == "" {
		return nil
	}
	program := estate.KustomizeController
	if o.ID.Kind == estate.HelmReleaseKind {
		program = estate.HelmController
	}
	k := o.Cluster.Controller(program)
	if k != nil {
		if v, _ := k.Flag(kubeconfigFlag); v != "" {
			return nil
		}
	}
	maps := o.Cluster.Get(object.ID{Kind: "ConfigMap", Namespace: o.ID.Namespace, Name: name})
	if len(maps) == 0 && o.Tenant != nil {
		return one(Found{Message: fmt.Sprintf("%s %s takes a cluster from ConfigMap %s, which is not in Git", o.ID.Kind, o.ID.Name, name), Field: "spec.kubeConfig.configMapRef", Unproven: true})
	}
	for _, m := range maps {
		if o.Tenant == nil && m.Tenant == nil || m.Text("data", "serviceAccountName") != "" || cmp.Or(m.Text("data", "provider"), "generic") != "generic" {
			continue
		}
		tenant := cmp.Or(o.Tenant, m.Tenant)
		f := Found{Tenant: tenant, Field: "spec.kubeConfig.configMapRef", Message: fmt.Sprintf("%s gets a token of %s sent to the address in ConfigMap %s/%s of tenant %s", o.ID.Kind+" "+o.ID.Name, program, m.ID.Namespace, name, tenant.Name)}
		if m.Tenant == nil {
			f.Message = fmt.Sprintf("%s of tenant %s gets a token of %s sent to the address in ConfigMap %s/%s", o.ID.Kind+" "+o.ID.Name, tenant.Name, program, m.ID.Namespace, name)
		}
		if strings.Contains(m.Text("data", "audiences"), "kubernetes.default") {
			f.Message += ", one that the cluster's own API server takes"
		}
		if k == nil {
			f.Message += ", unless a flag that Git does not show names an account"
		}
		return one(f)
	}
	return nil
}

func insecureInUse(_ *Context, c *estate.Cluster) (out []Found) {
	for _, l := range insecure(c) {
		var first *estate.Applier
		n := 0
		for _, a := range c.Homed {
			if logsOn(a) && a.Controller() != nil && a.Controller().Name == l.controller.Name {
				n++
				if first == nil && a.Object != nil {
					first = a
				}
			}
		}
		if first == nil {
			continue
		}
		out = append(out, Found{
			Message: fmt.Sprintf("%s is started with %s, and kubeconfigs are in use by %s", l.controller.Name, strings.Join(l.flags, ", "), phrase.Count(n, "applier")),
			Object:  first.Object, Field: "spec.kubeConfig",
		})
	}
	return out
}

// kubeconfigOf is the Secret or ConfigMap that an applier takes its kubeconfig from.
func kubeconfigOf(a *estate.Applier) object.ID {
	if a.Object == nil {
		return object.ID{}
	}
	if name := a.Object.Text("spec", "kubeConfig", "secretRef", "name"); name != "" {
		return object.ID{Kind: "Secret", Namespace: a.Namespace, Name: name}
	}
	return object.ID{Kind: "ConfigMap", Namespace: a.Namespace, Name: a.Object.Text("spec", "kubeConfig", "configMapRef", "name")}
}

// readsSecret is how a tenant reads a Secret; nil when it does not.
func readsSecret(x *Context, p *estate.Compartment, id object.ID) []finding.Step {
	for _, verb := range []string{"get", "list"} {
		what := permission.Request{Verb: verb, Resource: "secrets", Namespace: id.Namespace}
		if verb == "get" {
			what.Name = id.Name
		}
		if g, steps := x.Reach(p).Right(what); g != nil {
			return steps
		}
	}
	return nil
}

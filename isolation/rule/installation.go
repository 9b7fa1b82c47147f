package rule

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
)

// installationSource is what the rules about flags follow.
const installationSource = "flags of kustomize-controller v1.9.5, helm-controller v1.6.4, source-controller v1.9.5 and notification-controller v1.9.3"

// installationRules are about how Flux is installed on a cluster.
func installationRules() []Rule {
	const static = "it is about how the controllers are started"
	return append([]Rule{
		{
			Rule: finding.Rule{
				ID: "CTL-001", Level: finding.Critical, Title: "Flux objects may refer to other namespaces",
				Why:  "Without --no-cross-namespace-refs a Flux object takes sources, charts, image policies and events of any namespace: a tenant applies, reads and triggers what is another's.",
				Hint: "start the controller with --no-cross-namespace-refs=true",
			},
			Boundary: true, Static: static, Source: installationSource + "; source-watcher v2.2",
			Unless:  "the cluster has one tenant and nothing of the platform to refer to",
			cluster: crossNamespace,
		},
		{
			Rule: finding.Rule{
				ID: "CTL-002", Level: finding.Critical, Title: "What names no account is applied as the controller",
				Why:  "Without --default-service-account an applier that names no account writes with the rights of the controller, which the stock installation binds to cluster-admin.",
				Hint: "start the controller with --default-service-account=default, and give that account no rights",
			},
			Boundary: true, Static: static, Source: installationSource,
			Unless:  "no tenant may make appliers, and every applier of a tenant names an account: it is medium then",
			cluster: noDefaultAccount,
		},
		{
			Rule: finding.Rule{
				ID: "CTL-003", Level: finding.High, Title: "Builds may fetch remote bases",
				Why:  "Without --no-remote-bases a kustomization.yaml pulls in any repository that the controller can reach: what is applied is in nobody's review. The flag stops Git bases; files over HTTP want a limit on egress.",
				Hint: "start kustomize-controller with --no-remote-bases=true",
			},
			Boundary: true, Static: static, Source: "kustomize-controller v1.9.5",
			Unless:  "the platform builds upon vendors' bases on purpose",
			cluster: remoteBases,
		},
		{
			Rule: finding.Rule{
				ID: "CTL-004", Level: finding.High, Title: "Cloud identities and kubeconfigs have no default account",
				Why:  "An object that names no account takes the controller's own identity to fetch sources, decrypt files, send events and log on to clusters. For kubeconfigs that is a token of the controller, sent to the address that the object names.",
				Hint: "set the default account for each use: FluxInstance fields objectLevelWorkloadIdentity and multitenantWorkloadIdentity, or the controllers' flags",
			},
			Boundary: true, Static: static, Source: installationSource,
			Unless:  "the cluster has a single tenant",
			cluster: noIdentity,
		},
		{
			Rule: finding.Rule{
				ID: "CTL-005", Level: finding.Critical, Title: "Kubeconfigs may run programs or skip TLS",
				Why:  "With --insecure-kubeconfig-exec a kubeconfig runs a program inside the controller; with --insecure-kubeconfig-tls anybody on the way to the cluster reads the credentials.",
				Hint: "remove the flag, and log on by workload identity or a token",
			},
			Boundary: true, Static: static, Source: "fluxcd/pkg/runtime v0.110.3, client/kubeconfig.go; CVE-2022-24817",
			Unless:  "it is a cluster to try things on",
			cluster: insecureFlags,
		},
		{
			Rule: finding.Rule{
				ID: "CTL-009", Level: finding.Medium, Title: "A risky feature gate is on",
				Why:  "DNS lookups in chart templates carry data out by name; without strict substitution a variable that is missing is an empty text; without watchers a rotated secret waits for the next interval.",
				Hint: "remove the gate; pass addresses as values, and give variables a default",
			},
			Static: static, Source: "features of kustomize-controller v1.9.5 and helm-controller v1.6.4",
			Unless:  "a chart of the platform needs lookups",
			cluster: riskyGates,
		},
	}, slices.Concat(installedRules(), operatorFlagRules())...)
}

// served are the tenants whose objects the controllers of a cluster work on: those on it, and those whose appliers it holds for other clusters.
func served(c *estate.Cluster) (out []*estate.Tenant) {
	for _, p := range c.Compartments {
		out = append(out, p.Tenant)
	}
	for _, a := range c.Homed {
		if a.Tenant != nil && !slices.Contains(out, a.Tenant) {
			out = append(out, a.Tenant)
		}
	}
	return out
}

// runsFlux reports whether Flux runs on a cluster: one that others write to by a kubeconfig may have none.
func runsFlux(c *estate.Cluster) bool { return c.Entered || len(c.Homed) > 0 || len(c.Controllers) > 0 }

// lacking is a controller without flags that it should have.
type lacking struct {
	controller *estate.Controller
	flags      []string
}

// lack are the main controllers and the shards of some names that lack a flag. Want says which flags a controller should have.
func lack(c *estate.Cluster, want func(k *estate.Controller) []string) (out []lacking) {
	for _, k := range c.Controllers {
		var flags []string
		for _, flag := range want(k) {
			if v, set := k.Flag(flag); !set || v == "" || strings.HasPrefix(flag, "--no-") && !k.On(flag) {
				flags = append(flags, flag)
			}
		}
		if len(flags) > 0 {
			out = append(out, lacking{k, flags})
		}
	}
	return out
}

// startedAs are findings about controllers, one for each object that says how they are started: a FluxInstance starts several.
func startedAs(list []lacking, message func(names string, flags []string) string) (out []Found) {
	for len(list) > 0 {
		object := list[0].controller.Object
		var names, flags []string
		list = slices.DeleteFunc(list, func(l lacking) bool {
			if l.controller.Object != object {
				return false
			}
			if !slices.Contains(names, l.controller.Name) {
				names = append(names, l.controller.Name)
			}
			for _, flag := range l.flags {
				if !slices.Contains(flags, flag) {
					flags = append(flags, flag)
				}
			}
			return true
		})
		out = append(out, Found{Message: message(strings.Join(names, ", "), flags), Object: object, Field: startField(object)})
	}
	return out
}

// startField is where flags are said.
func startField(o *estate.Object) string {
	if o.Is("apps", "Deployment") {
		return "spec.template.spec.containers"
	}
	return "spec.cluster"
}

// notShown is what a rule says of controllers that Git does not show.
func notShown(c *estate.Cluster, names ...string) []Found {
	var missing []string
	for _, name := range names {
		if c.Controller(name) == nil {
			missing = append(missing, name)
		}
	}
	if len(missing) < len(names) || len(missing) == 0 {
		return nil
	}
	return one(Found{
		Message: fmt.Sprintf("Git does not show how %s is started", strings.Join(missing, " or ")), Unproven: true,
		Hint: "commit the manifests of Flux where the cluster starts: flux bootstrap does, and flux install --export writes them",
	})
}

func crossNamespace(_ *Context, c *estate.Cluster) []Found {
	tenants := len(served(c))
	if tenants == 0 || !runsFlux(c) {
		return nil
	}
	list := lack(c, func(k *estate.Controller) []string {
		if k.Name == estate.SourceController || k.Name == estate.FluxOperator {
			return nil // neither has the flag
		}
		return []string{"--no-cross-namespace-refs"}
	})
	out := startedAs(list, func(names string, _ []string) string {
		return fmt.Sprintf("%s follows references to other namespaces", names)
	})
	if tenants == 1 { // it is the platform's sources that are left to take
		for i := range out {
			out[i].Level = finding.High
		}
	}
	return append(out, notShown(c, estate.KustomizeController)...)
}

func noDefaultAccount(x *Context, c *estate.Cluster) []Found {
	if len(served(c)) == 0 || !runsFlux(c) {
		return nil
	}
	list := lack(c, func(k *estate.Controller) []string {
		if k.Name != estate.KustomizeController && k.Name != estate.HelmController {
			return nil
		}
		return []string{"--default-service-account"}
	})
	out := startedAs(list, func(names string, _ []string) string {
		return fmt.Sprintf("%s applies as itself what names no account", names)
	})
	if len(out) > 0 && !nestingOpen(x, c) {
		for i := range out {
			out[i].Level = finding.Medium
		}
	}
	return append(out, notShown(c, estate.KustomizeController)...)
}

// nestingOpen reports whether a tenant may make appliers on a cluster, or has one that names no account.
func nestingOpen(x *Context, c *estate.Cluster) bool {
	for _, a := range c.Homed {
		if a.Tenant != nil && (a.As.Kind == estate.RunsAsController || a.Author != nil) {
			return true
		}
	}
	for _, p := range c.Compartments {
		for _, kind := range applierResources() {
			if reachesAnywhere(x, p, toDo("create", kind[0], kind[1])) {
				return true
			}
		}
	}
	return false
}

func remoteBases(_ *Context, c *estate.Cluster) []Found {
	if len(served(c)) == 0 || !runsFlux(c) {
		return nil
	}
	list := lack(c, func(k *estate.Controller) []string {
		if k.Name != estate.KustomizeController {
			return nil
		}
		return []string{"--no-remote-bases"}
	})
	return append(startedAs(list, func(names string, _ []string) string {
		return fmt.Sprintf("%s fetches bases from repositories that nobody listed", names)
	}), notShown(c, estate.KustomizeController)...)
}

const kubeconfigFlag = "--default-kubeconfig-service-account"

// identityFlags are the flags by which a controller takes an account of the object's namespace in place of its own identity.
func identityFlags(k *estate.Controller) []string {
	switch k.Name {
	case estate.KustomizeController:
		if k.Before(1, 7, 0) {
			return nil // it knows none of them
		}
		return []string{"--default-decryption-service-account", kubeconfigFlag}
	case estate.HelmController:
		if k.Before(1, 4, 0) {
			return nil
		}
		return []string{kubeconfigFlag}
	case estate.SourceController, estate.NotificationController, estate.ImageReflectorController, estate.ImageAutomationController:
		return []string{"--default-service-account"}
	}
	return nil
}

func noIdentity(x *Context, c *estate.Cluster) []Found {
	if len(served(c)) == 0 || !runsFlux(c) {
		return nil
	}
	var out []Found
	nest := nestingOpen(x, c)
	for _, f := range startedAs(lack(c, identityFlags), func(names string, flags []string) string {
		return fmt.Sprintf("%s lends its own identity to objects that name no account: it has no %s", names, strings.Join(flags, ", "))
	}) {
		if nest && strings.Contains(f.Message, kubeconfigFlag) {
			f.Level = finding.Critical
		}
		out = append(out, f)
	}
	return append(out, notShown(c, estate.KustomizeController)...)
}

func insecureFlags(_ *Context, c *estate.Cluster) []Found {
	return startedAs(insecure(c), func(names string, flags []string) string {
		return fmt.Sprintf("%s is started with %s", names, strings.Join(flags, ", "))
	})
}

// insecure are the controllers that trust kubeconfigs too much.
func insecure(c *estate.Cluster) (out []lacking) {
	for _, k := range c.Controllers {
		var flags []string
		for _, flag := range []string{"--insecure-kubeconfig-exec", "--insecure-kubeconfig-tls"} {
			if k.On(flag) {
				flags = append(flags, flag)
			}
		}
		if len(flags) > 0 {
			out = append(out, lacking{k, flags})
		}
	}
	return out
}

func riskyGates(_ *Context, c *estate.Cluster) []Found {
	var list []lacking
	low := true
	for _, k := range c.Controllers {
		var flags []string
		if on, _ := k.Gate("AllowDNSLookups"); on && k.Name == estate.HelmController {
			flags, low = append(flags, "AllowDNSLookups=true"), false
		}
		if on, set := k.Gate("StrictPostBuildSubstitutions"); set && !on && k.Name == estate.KustomizeController {
			flags, low = append(flags, "StrictPostBuildSubstitutions=false"), false
		}
		if on, _ := k.Gate("DisableConfigWatchers"); on {
			flags = append(flags, "DisableConfigWatchers=true")
		}
		if len(flags) > 0 {
			list = append(list, lacking{k, flags})
		}
	}
	out := startedAs(list, func(names string, gates []string) string {
		return fmt.Sprintf("%s has the feature gate %s", names, strings.Join(gates, ", "))
	})
	for i := range out {
		if low || len(served(c)) == 0 {
			out[i].Level = cmp.Or(out[i].Level, finding.Low)
		}
	}
	return out
}

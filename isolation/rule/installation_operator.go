package rule

import (
	"fmt"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
)

// operatorFlagRules are about versions, about Flux Operator, and about clusters beside each other.
func operatorFlagRules() []Rule {
	return []Rule{
		{
			Rule: finding.Rule{
				ID: "CTL-010", Level: finding.High, Title: "A controller has a published vulnerability, or no fixed version",
				Why:  "Who can write Flux objects or files can use what is published about the controller that reads them. An image without a version is another program tomorrow.",
				Hint: "upgrade Flux, and name the version and the digest of its images",
			},
			Static: "it is about how the controllers are started", Source: "the GitHub advisories that isolation/rule/advisories.json names",
			Unless:  "a vendor has patched an older version",
			cluster: advised,
		},
		{
			Rule: finding.Rule{
				ID: "CTL-011", Level: finding.High, Title: "Clusters of one tenant are locked down unlike",
				Why:  "What a tenant cannot do on one cluster it can on another; a file that was tried out behind the lock does something else without it.",
				Hint: "put the flags into one component that all clusters install",
			},
			Boundary: true, Static: "clusters are compared", Source: installationSource,
			Unless: "one of the clusters is the hub of the others",
			fleet:  unlike,
		},
		{
			Rule: finding.Rule{
				ID: "CTL-012", Level: finding.Critical, Title: "Flux Operator is not locked down",
				Why:  "Without a default account Flux Operator applies a ResourceSet that names none with its own rights, which are the cluster's. A FluxInstance that is not multitenant starts controllers without their locks.",
				Hint: "install the operator with multitenancy.enabled and multitenancy.enabledForWorkloadIdentity, and set spec.cluster.multitenant of the FluxInstance",
			},
			Boundary: true, Static: "it is about how the operator is started", Source: "Flux Operator, its flags --default-service-account and --default-workload-identity-service-account, and spec.cluster of FluxInstance v1",
			Unless:  "the operator serves a single tenant; when no tenant may make ResourceSets it is medium",
			cluster: operatorOpen,
		},
	}
}

func operatorOpen(x *Context, c *estate.Cluster) (out []Found) {
	if len(served(c)) == 0 {
		return nil
	}
	for _, o := range c.Kind(estate.OperatorGroup, "FluxInstance") {
		if o.Tenant != nil {
			continue
		}
		if on, _ := o.At("spec", "cluster", "multitenant").(bool); !on && !patchedShut(c, o) {
			out = append(out, Found{Message: fmt.Sprintf("FluxInstance %s is not multitenant", o.ID.Name), Object: o, Field: "spec.cluster.multitenant"})
		}
	}
	level := finding.Medium
	for _, p := range c.Compartments {
		for _, kind := range []string{"resourcesets", "resourcesetinputproviders"} {
			if reachesAnywhere(x, p, toDo("create", estate.OperatorGroup, kind)) {
				level = finding.Critical
			}
		}
	}
	for _, a := range c.Homed {
		if a.Tenant != nil && a.Kind == estate.ResourceSetKind {
			level = finding.Critical
		}
	}
	k := c.Controller(estate.FluxOperator)
	if k == nil {
		if len(c.Kind(estate.OperatorGroup, "FluxInstance")) > 0 && level == finding.Critical {
			out = append(out, notShown(c, estate.FluxOperator)...)
		}
		return out
	}
	for _, f := range startedAs(lack(c, func(k *estate.Controller) []string {
		if k.Name != estate.FluxOperator {
			return nil
		}
		return []string{"--default-service-account", "--default-workload-identity-service-account"}
	}), func(names string, flags []string) string {
		return fmt.Sprintf("%s has no %s", names, strings.Join(flags, ", "))
	}) {
		f.Level = level
		if v, _ := k.Flag("--default-service-account"); v != "" && level == finding.Critical {
			f.Level = finding.High // it is the cloud identity that is left
		}
		out = append(out, f)
	}
	return out
}

// patchedShut reports whether patches of a FluxInstance give the locks that spec.cluster.multitenant would.
func patchedShut(c *estate.Cluster, instance *estate.Object) bool {
	seen := false
	for _, k := range c.Controllers {
		if k.Object != instance || k.Name != estate.KustomizeController && k.Name != estate.HelmController {
			continue
		}
		seen = true
		if v, _ := k.Flag("--default-service-account"); v == "" || !k.On("--no-cross-namespace-refs") {
			return false
		}
	}
	return seen
}

package rule

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
)

// declarationRules are about which namespaces are a tenant's, and what makes them.
func declarationRules() []Rule {
	return []Rule{
		{
			Rule: finding.Rule{
				ID: "NSB-009", Level: finding.Medium, Title: "A tenant's namespace is not declared by the platform",
				Why:  "Pod security, quota and default-deny come with the namespace that the platform declares. One that others make has none of them.",
				Hint: "declare the namespace in the hub: bulkhead generate does for tenants with a document",
			},
			Boundary: true,
			Unless:   "An operator makes the namespaces.",
			Static:   "it is about an object that is not there",
			Source:   "Flux, multi-tenancy: the platform makes the namespaces of tenants",

			compartment: undeclared,
		},
		{
			Rule: finding.Rule{
				ID: "NSB-010", Level: finding.Medium, Title: "Nobody knows whether a kind of a tenant's object is of a namespace",
				Why:  "An object of an unknown kind may hold for the whole cluster. Without its CustomResourceDefinition that can neither be shown nor ruled out.",
				Hint: "add the CustomResourceDefinition of the kind to the fleet",
			},
			Boundary: true,
			Unless:   "The applier acts as an account that has no right on the kind's group beyond the tenant's namespaces.",
			Source:   "kustomize API v0.21.1: the namespace transformer gives a namespace to every kind that it does not know",
			applier:  unknownScope,
		},
		{
			Rule: finding.Rule{
				ID: "NSB-011", Level: finding.Critical, Title: "A reserved namespace is a tenant's",
				Why:  "Who writes to kube-system or to the namespace of Flux's controllers can act as what runs there. The namespace default is where things land that nobody placed.",
				Hint: "give the tenant namespaces of its own: spec.environments[].namespaces",
			},
			Boundary: true,
			Static:   "whose a namespace is, the documents say",
			Source:   "Kubernetes v1.36: initial namespaces, and the prefix kube- that is kept for it",

			compartment: reserved,
		},
		claimRule(),
	}
}

func undeclared(x *Context, p *estate.Compartment) (out []Found) {
	c := p.Cluster
	if !c.Entered {
		return nil
	}
	for _, ns := range p.Namespaces {
		o := c.Namespace(ns)
		if o != nil && o.Tenant == nil || reservedNamespace(c, ns) != "" {
			continue
		}
		f := Found{Message: fmt.Sprintf("namespace %s of tenant %s is declared by no applier of the platform", ns, p.Tenant.Name), ID: namespaceID(ns)}
		if o != nil {
			f.Object = o
			f.Message = fmt.Sprintf("namespace %s of tenant %s is declared by the tenant alone", ns, p.Tenant.Name)
		} else if veiled(x, c) {
			f.Unproven = true
			f.Message += "; it may be among what is not known of the platform"
		}
		out = append(out, f)
	}
	return out
}

func reserved(_ *Context, p *estate.Compartment) (out []Found) {
	for _, ns := range p.Namespaces {
		if why := reservedNamespace(p.Cluster, ns); why != "" {
			out = append(out, Found{Message: fmt.Sprintf("tenant %s has the namespace %s, %s", p.Tenant.Name, ns, why), ID: namespaceID(ns)})
		}
	}
	return out
}

// reservedNamespace is why no tenant may have a namespace, or "".
func reservedNamespace(c *estate.Cluster, ns string) string {
	switch {
	case strings.HasPrefix(ns, "kube-"):
		return "which is Kubernetes' own"
	case ns == "default":
		return "where things land that nobody placed"
	case ns == cmp.Or(c.FluxNamespace, "flux-system"), ns == "flux-system":
		return "which is that of Flux"
	}
	for _, k := range c.Controllers {
		if k.Account.Namespace == ns {
			return "where " + k.Name + " runs"
		}
	}
	for _, p := range c.Compartments {
		if slices.Contains(p.FluxNamespaces, ns) {
			return "where the platform keeps the Flux objects of tenant " + p.Tenant.Name
		}
	}
	return ""
}

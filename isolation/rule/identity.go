package rule

import (
	"fmt"
	"slices"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/object"
)

// identityRules are about in whose name appliers write.
func identityRules() []Rule {
	return append([]Rule{
		{
			Rule: finding.Rule{
				ID: "IMP-001", Level: finding.Critical, Title: "What a tenant decides is applied as the controller",
				Why:  "An applier without an account writes as its controller, which the stock installation binds to cluster-admin: who writes its files owns the cluster.",
				Hint: "name an account of the tenant in spec.serviceAccountName, and start the controllers with --default-service-account",
			},
			Boundary: true,
			Source:   "kustomize-controller v1.9.5, helm-controller v1.6.4: impersonation of fluxcd/pkg/runtime/client",
			applier:  runsAsController,
		},
		{
			Rule: finding.Rule{
				ID: "IMP-003", Level: finding.Medium, Title: "An applier leaves its account to the controller's default",
				Why:  "What it may do hangs on a flag of the controller in another file: when the flag goes, a tenant's applier writes as the controller. One of the platform's may do nothing under the flag, and fails.",
				Hint: "name the account in spec.serviceAccountName",
			},
			Source:  "kustomize-controller v1.9.5, helm-controller v1.6.4: --default-service-account",
			applier: implicitAccount,
		},
		{
			Rule: finding.Rule{
				ID: "IMP-006", Level: finding.High, Title: "A tenant's applier or source stands in a namespace of the platform",
				Why:  "Flux looks up an applier's Secrets, ConfigMaps and account in the namespace of the applier, with the controller's rights: among those of the platform.",
				Hint: "put the source, the applier and its account into a namespace of the tenant's own, as the shape Isolated does",
			},
			Boundary: true,
			Unless:   "The tenant's document asks for the shape Article, the platform writes the applier, and it names an account of the tenant and no Secret.",
			Static:   "whose an applier is follows from its source and from what else stands in the namespace",
			Source:   "kustomize-controller v1.9.5, helm-controller v1.6.4: references are looked up in the namespace of the object",
			applier:  platformPlace,
		},
		{
			Rule: finding.Rule{
				ID: "IMP-007", Level: finding.Medium, Title: "The account of a tenant's applier is missing, or made by the applier itself",
				Why:  "RBAC knows an account by its name alone, so rights may wait for one that nobody made. And when the account goes before its applier, Flux prunes nothing and leaves all objects behind.",
				Hint: "make the account, and what it may do, by an applier of the platform, ahead of the one that uses it",
			},
			Unless:  "Something outside of Git makes the account, such as a tenancy operator.",
			Static:  "two objects are compared",
			Source:  "kustomize-controller v1.9.5: finalize skips pruning without the account; helm-controller v1.6.4",
			applier: missingAccount,
		},
	}, accountRules()...)
}

func runsAsController(_ *Context, a *estate.Applier) []Found {
	if a.Tenant == nil || a.As.Kind != estate.RunsAsController || a.Kind == estate.ResourceSetKind { // OPR-001 tells of that
		return nil
	}
	message := fmt.Sprintf("%s applies files of tenant %s as the controller", a, a.Tenant.Name)
	if a.As.Unknown {
		return one(Found{Message: message + ", unless a flag that Git does not show names an account", Field: "spec.serviceAccountName"})
	}
	return one(Found{Message: message, Field: "spec.serviceAccountName"})
}

func implicitAccount(_ *Context, a *estate.Applier) []Found {
	if a.Object == nil || !a.As.ByDefault {
		return nil
	}
	if a.Tenant != nil {
		return one(Found{
			Message: fmt.Sprintf("%s of tenant %s names no account: only a flag of the controller makes it act as %s", a, a.Tenant.Name, a.As.Account),
			Field:   "spec.serviceAccountName",
		})
	}
	i := slices.IndexFunc(a.Objects, func(o *estate.Object) bool { return refused(a, o) })
	if i < 0 {
		return nil
	}
	return one(Found{
		Level:   finding.Low,
		Message: fmt.Sprintf("%s names no account, and %s, as which the controller's flag makes it act, may not apply %s", a, a.As.Account, short(a.Objects[i].ID)),
		Field:   "spec.serviceAccountName",
	})
}

// platformPlaces are the namespaces of a cluster where the platform's own appliers or controllers stand.
func platformPlaces(x *Context, c *estate.Cluster) map[string]bool {
	return once(x, "platform places of "+c.Name, func() map[string]bool {
		out := map[string]bool{c.FluxNamespace: true}
		for _, k := range c.Controllers {
			out[k.Account.Namespace] = true
		}
		for _, a := range c.Homed {
			if a.Tenant == nil && c.Owner(a.Namespace) == nil {
				out[a.Namespace] = true
			}
		}
		for _, p := range c.Compartments { // the platform's for one tenant
			if name := p.Tenant.Document.FluxNamespace(v1alpha1.Isolated); !p.Tenant.Inferred && name != c.FluxNamespace {
				delete(out, name)
			}
		}
		return out
	})
}

func platformPlace(x *Context, a *estate.Applier) []Found {
	if a.Tenant == nil {
		return nil
	}
	places := platformPlaces(x, a.Home)
	where, what, field := a.Namespace, "stands", "metadata.namespace"
	if !places[where] {
		if where = a.Source.Namespace; a.Author != nil || !places[where] {
			return nil // REF-001 tells of references that a tenant writes
		}
		what, field = "has its source", "spec.sourceRef.namespace"
	}
	f := Found{Message: fmt.Sprintf("%s, which applies what tenant %s decides, %s in %s, a namespace of the platform", a, a.Tenant.Name, what, where), Field: field}
	if a.Author == nil && a.As.Kind == estate.RunsAsAccount && !a.As.ByDefault && !namesSecret(a) {
		p := a.Compartment()
		if p != nil && where == a.Home.FluxNamespace && slices.ContainsFunc(p.Settings, func(s estate.Settings) bool { return s.Shape == v1alpha1.Article }) {
			return nil
		}
		f.Level = finding.Medium
	}
	return one(f)
}

// namesSecret reports whether a Kustomization takes values or a cluster from a Secret of its namespace, or may.
func namesSecret(a *estate.Applier) bool {
	k := a.Kustomization
	if k == nil || k.Spec.KubeConfig != nil {
		return true
	}
	return k.Spec.PostBuild != nil && slices.ContainsFunc(k.Spec.PostBuild.SubstituteFrom, func(r kustomizev1.SubstituteReference) bool { return r.Kind == "Secret" })
}

func missingAccount(x *Context, a *estate.Applier) []Found {
	c := a.Target
	if a.Tenant == nil || a.As.Kind != estate.RunsAsAccount || a.As.ByDefault || !c.Entered {
		return nil
	}
	made := c.Get(object.ID{Kind: "ServiceAccount", Namespace: a.As.Account.Namespace, Name: a.As.Account.Name})
	field := "spec.serviceAccountName"
	if len(made) == 0 {
		f := Found{Message: fmt.Sprintf("%s of tenant %s acts as account %s, which nothing in Git makes", a, a.Tenant.Name, a.As.Account), Field: field}
		if veiled(x, c) {
			f.Message += "; it may be among what is not known of the platform"
			f.Unproven = true
		}
		return one(f)
	}
	for _, o := range made {
		if o.Applier != a {
			return nil
		}
	}
	return one(Found{Message: fmt.Sprintf("%s of tenant %s makes the account %s that it acts as", a, a.Tenant.Name, a.As.Account), Field: field})
}

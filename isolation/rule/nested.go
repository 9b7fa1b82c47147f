package rule

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/permission"
	"github.com/bulkhead-dev/bulkhead/object"
)

// nestedRules are about Flux objects that tenants bring.
func nestedRules() []Rule {
	return []Rule{
		{
			Rule: finding.Rule{
				ID: "NST-001", Level: finding.High, Title: "A tenant brings appliers of its own",
				Why:  "An applier that a tenant writes names its own account, source and target. Without a default account of the controllers it acts as the controller, and the tenant owns the cluster.",
				Hint: "take the appliers out of the tenant's files, or set nestedFlux: Pinned in its document, which pins their account",
			},
			Boundary: true,
			Unless:   "The tenant's document says nestedFlux: Pinned, and the applier acts as an account of the tenant.",
			Source:   "Flux, multi-tenancy: nested Kustomizations and HelmReleases; kustomize-controller v1.9.5, helm-controller v1.6.4",
			applier:  nestedApplier, object: nestedOther, compartment: mayNest,
		},
		{
			Rule: finding.Rule{
				ID: "NST-002", Level: finding.High, Title: "A tenant's applier names an account that is not the tenant's",
				Why:  "Flux acts as any account of the applier's namespace that the applier names: also as one that was made there for something else.",
				Hint: "name the account that the platform made for it: flux, with nestedFlux: Pinned",
			},
			Boundary: true,
			Unless:   "The platform made the account for the tenant, by the label toolkit.fluxcd.io/tenant, or the tenant made it.",
			Static:   "two objects are compared",
			Source:   "kustomize-controller v1.9.5, helm-controller v1.6.4: spec.serviceAccountName",
			applier:  foreignAccount,
		},
		{
			Rule: finding.Rule{
				ID: "NST-003", Level: finding.High, Title: "Only a patch of the build holds a tenant back",
				Why:  "Patches of the platform's Kustomization reach what this build makes, and nothing that those objects make in turn. Variables and transformers in the tenant's files run after them and undo them.",
				Hint: "give the applier an account that may not do what the patch takes away, and start the controllers with --default-service-account",
			},
			Boundary: true,
			Unless:   "A default account of the controllers, or RBAC, holds what the patch asks for.",
			Static:   "it is about files before the build",
			Source:   "kustomize-controller v1.9.5: spec.patches are merged into the kustomization file, before substitution",
			applier:  patchedIn,
		},
		urlRule(),
		{
			Rule: finding.Rule{
				ID: "NST-005", Level: finding.Medium, Title: "Something could not be proven",
				Why:  "What is not known may be anything. Findings alone say nothing of it.",
				Hint: "bring what is missing: map the source with --source, vendor the chart, supply the variables",
			},
			Boundary: true,
			Unless:   "The applier acts as an account whose rights end at the tenant's namespaces: whatever it applies stays there, and the verdict is proven (by rights). What its files say of hosts, registries and the like is then not looked at.",
			Static:   "it is about what is not there",
			Source:   "what the renderer says that it does not know",
			cluster:  unproven,
		},
		{
			Rule: finding.Rule{
				ID: "NST-006", Level: finding.Critical, Title: "A tenant writes over the objects by which it is onboarded",
				Why:  "The tenant's applier takes over what the platform wrote, such as the account of its Kustomization, until the platform applies its own again.",
				Hint: "give the object another name, and keep what onboards a tenant in a namespace that the tenant cannot write, as the shape Isolated does",
			},
			Boundary: true,
			Static:   "two objects are compared",
			Source:   "kustomize-controller v1.9.5, helm-controller v1.6.4: server-side apply with force",
			object:   redefines,
		},
	}
}

// nests says what the documents allow in a namespace: known is false for a tenant without one.
func nests(p *estate.Compartment, namespace string) (allowed, known bool) {
	if p == nil || p.Tenant.Inferred {
		return false, false
	}
	s := p.SettingsOf(namespace)
	return s != nil && s.NestedFlux == v1alpha1.Pinned, true
}

func nestedApplier(_ *Context, a *estate.Applier) []Found {
	if a.Author == nil {
		return nil
	}
	f := Found{Message: fmt.Sprintf("%s is an applier of tenant %s's own", a, a.Author.Name)}
	allowed, known := nests(a.Home.Compartment(a.Author), a.Namespace)
	switch {
	case a.As.Kind == estate.RunsAsController:
		f.Level = finding.Critical
		f.Message += ", and acts as the controller"
		if a.As.Unknown {
			f.Message += " unless a flag that Git does not show names an account"
		}
	case allowed && a.As.Kind == estate.RunsAsAccount, !known:
		return nil
	case allowed:
		f.Message += ", with a kubeConfig and no account"
	default:
		f.Message += fmt.Sprintf(", which its document does not allow in namespace %s", a.Namespace)
	}
	return one(f)
}

// nestedOther are appliers that are none of Flux's, or that install Flux.
func nestedOther(_ *Context, o *estate.Object) []Found {
	terraform := o.Is("infra.contrib.fluxcd.io", "Terraform")
	if o.Tenant == nil || !terraform && !o.Is(estate.OperatorGroup, "FluxInstance") {
		return nil
	}
	if !terraform {
		f := Found{Level: finding.Critical, Message: fmt.Sprintf("%s of tenant %s has the operator install Flux", short(o.ID), o.Tenant.Name)}
		if refused(o.Applier, o) {
			f.Level = finding.High
			f.Message += stalls(o.Applier)
		}
		return one(f)
	}
	allowed, known := nests(o.Compartment(), o.ID.Namespace)
	if !known || allowed {
		return nil
	}
	return one(Found{Message: fmt.Sprintf("%s is an applier of tenant %s's own, which its document does not allow", short(o.ID), o.Tenant.Name)})
}

// nestedKinds are Flux's appliers, and the controllers that run them.
var nestedKinds = []struct{ group, resource, controller string }{ //nolint:gochecknoglobals // a constant table
	{estate.KustomizeGroup, "kustomizations", estate.KustomizeController},
	{estate.HelmGroup, "helmreleases", estate.HelmController},
}

// mayNest is what a tenant may make besides what its files make: from a pod, or by its account.
func mayNest(x *Context, p *estate.Compartment) (out []Found) {
	r := x.Reach(p)
	if e := r.Everything(); e != nil && e.Given {
		return nil // IMP-001
	}
	for _, ns := range p.Namespaces {
		allowed, known := nests(p, ns)
		for _, kind := range nestedKinds {
			steps, may := r.May(permission.Request{Verb: "create", Group: kind.group, Resource: kind.resource, Namespace: ns})
			if !may || noneAllowed(p.Cluster, ns, kind.resource+"."+kind.group) {
				continue
			}
			f := Found{Steps: steps, ID: namespaceID(ns), Object: p.Cluster.Namespace(ns), Field: kind.resource}
			k := p.Cluster.Controller(kind.controller)
			open := k != nil
			if k != nil {
				flag, _ := k.Flag("--default-service-account")
				open = flag == ""
			}
			switch {
			case open:
				f.Level = finding.Critical
				f.Message = fmt.Sprintf("tenant %s may make %s in namespace %s, and %s applies with all rights what names no account", p.Tenant.Name, kind.resource, ns, kind.controller)
			case known && !allowed:
				f.Message = fmt.Sprintf("tenant %s may make %s in namespace %s, which its document does not allow", p.Tenant.Name, kind.resource, ns)
			default:
				continue
			}
			out = append(out, f)
		}
	}
	return out
}

// noneAllowed reports whether a quota of the platform allows no object of a resource in a namespace.
//
// Source: Kubernetes v1.36, ResourceQuota: count/RESOURCE.GROUP.
func noneAllowed(c *estate.Cluster, namespace, resource string) bool {
	return slices.ContainsFunc(c.Kind("", "ResourceQuota"), func(o *estate.Object) bool {
		return o.Tenant == nil && o.ID.Namespace == namespace && fmt.Sprint(o.At("spec", "hard", "count/"+resource)) == "0"
	})
}

func foreignAccount(_ *Context, a *estate.Applier) []Found {
	if a.Author == nil || a.Author.Inferred || a.Home != a.Target || a.As.Kind != estate.RunsAsAccount || a.As.ByDefault {
		return nil
	}
	c, account := a.Target, a.As.Account
	for _, o := range c.Get(object.ID{Kind: "ServiceAccount", Namespace: account.Namespace, Name: account.Name}) {
		if o.Tenant == a.Author || o.Tenant == nil && o.Labels()[tenantLabel] == a.Author.Name {
			return nil
		}
	}
	return one(Found{
		Field:   "spec.serviceAccountName",
		Message: fmt.Sprintf("%s of tenant %s acts as %s, which is no account that the platform made for the tenant", a, a.Author.Name, account),
	})
}

func patchedIn(_ *Context, a *estate.Applier) (out []Found) {
	if a.Author != nil || a.Tenant == nil || a.Kustomization == nil {
		return nil
	}
	for i := range a.Kustomization.Spec.Patches {
		p := &a.Kustomization.Spec.Patches[i]
		group, kind := "", ""
		if p.Target != nil {
			group, kind = p.Target.Group, p.Target.Kind
		}
		if what := held(a, p.Patch, group, kind); what != "" {
			out = append(out, Found{
				Field:   fmt.Sprintf("spec.patches[%d]", i),
				Message: fmt.Sprintf("%s: that tenant %s %s hangs on a patch of the build alone", a, a.Tenant.Name, what),
			})
		}
	}
	return out
}

// held is what a patch alone keeps a tenant from, or "".
func held(a *estate.Applier, patch, group, kind string) string {
	var doc any
	if len(patch) > maxText || yaml.Unmarshal([]byte(patch), &doc) != nil {
		return ""
	}
	if m, ok := doc.(map[string]any); ok && m["$patch"] == "delete" {
		own, _, _ := strings.Cut(estate.Text(m, "apiVersion"), "/")
		if !strings.Contains(estate.Text(m, "apiVersion"), "/") {
			own = ""
		}
		if kind == "" {
			group, kind = own, estate.Text(m, "kind")
		}
		if kind == "" || mayMake(a, group, kind) {
			return "makes no " + legible(kind)
		}
		return ""
	}
	hit := touches(0)
	if list, ok := doc.([]any); ok {
		for _, op := range list {
			hit |= pointed(strings.TrimPrefix(estate.Text(op, "path"), "/"), kind)
		}
	} else if m, ok := doc.(map[string]any); ok && (kind == "" || fluxKind(kind)) {
		hit = merges(m)
	}
	if hit&touchesIdentity == 0 {
		return ""
	}
	for _, k := range nestedKinds {
		name := estate.KustomizationKind
		if k.group == estate.HelmGroup {
			name = estate.HelmReleaseKind
		}
		if kind != "" && !selects(kind, name) || !mayMake(a, k.group, name) {
			continue
		}
		controller := a.Target.Controller(k.controller)
		if controller == nil {
			continue // it may have a default account
		}
		if flag, _ := controller.Flag("--default-service-account"); flag == "" {
			return "acts as an account of its own in " + name + "s"
		}
	}
	return ""
}

// selects reports whether a pattern of kinds selects one.
func selects(pattern, kind string) bool {
	re, err := regexp.Compile("^(?:" + pattern + ")$")
	return err == nil && re.MatchString(kind)
}

// mayMake reports whether an applier may write a kind in one of its tenant's namespaces.
func mayMake(a *estate.Applier, group, kind string) bool {
	p := a.Compartment()
	if a.As.Kind != estate.RunsAsAccount || p == nil || !a.Target.Entered {
		return true
	}
	who := permission.Account(a.As.Account.Namespace, a.As.Account.Name)
	return slices.ContainsFunc(p.Namespaces, func(ns string) bool {
		_, may := a.Target.Permissions().May(who, writeOf(a.Target, object.ID{Group: group, Kind: kind, Namespace: ns, Name: ns}))
		return may
	})
}

func redefines(_ *Context, o *estate.Object) []Found {
	if o.Tenant == nil || !onboarding(o) {
		return nil
	}
	p := o.Compartment()
	for _, theirs := range o.Cluster.Get(o.ID) {
		if theirs.Tenant != nil || p == nil || !p.Owns(o.ID.Namespace) && !slices.Contains(p.FluxNamespaces, o.ID.Namespace) {
			continue
		}
		f := Found{Message: fmt.Sprintf("%s of tenant %s is one that the platform made for it", short(o.ID), o.Tenant.Name)}
		f.Steps = []finding.Step{{Message: theirs.Applier.String() + " of the platform applies it, too", Object: new(theirs.ID)}}
		if refused(o.Applier, o) {
			f.Level = finding.High
			f.Message += stalls(o.Applier)
		}
		return one(f)
	}
	return nil
}

// onboarding reports whether an object is of a kind by which a tenant gets its rights, its sources and what they need.
func onboarding(o *estate.Object) bool {
	if estate.FluxGroup(o.ID.Group) || o.ID.Group == "rbac.authorization.k8s.io" {
		return true
	}
	return o.ID.Group == "" && (o.ID.Kind == "ServiceAccount" || o.ID.Kind == "Secret" || o.ID.Kind == "ConfigMap")
}

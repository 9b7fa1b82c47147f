package rule

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/object"
)

// tenantLabel is what "flux create tenant" and bulkhead put on what is a tenant's.
const tenantLabel = "toolkit.fluxcd.io/tenant"

func claimRule() Rule {
	return Rule{
		Rule: finding.Rule{
			ID: "NSB-008", Level: finding.Critical, Title: "Two tenants claim one namespace",
			Why:  "Who writes to a namespace reads its Secrets and acts as its accounts: two tenants in one are one.",
			Hint: "give each tenant a namespace of its own",
		},
		Boundary: true,
		Static:   "several objects are compared",
		Source:   "Flux, multi-tenancy: tenants are told apart by namespaces",
		cluster:  claims,
	}
}

// claims compares what documents, labels, targets and bindings of the platform say of each namespace.
func claims(x *Context, c *estate.Cluster) (out []Found) {
	type claim struct{ tenant, why string }
	byNamespace := map[string][]claim{}
	add := func(ns string, t *estate.Tenant, why string) {
		if ns != "" && t != nil && !slices.ContainsFunc(byNamespace[ns], func(c claim) bool { return c.tenant == t.Name }) {
			byNamespace[ns] = append(byNamespace[ns], claim{t.Name, why})
		}
	}
	for _, p := range c.Compartments {
		for _, ns := range p.Namespaces {
			add(ns, p.Tenant, "it is a namespace of tenant "+p.Tenant.Name)
		}
	}
	for _, o := range c.Kind("", "Namespace") {
		if o.Tenant == nil && !slices.ContainsFunc(c.Compartments, func(p *estate.Compartment) bool { return slices.Contains(p.FluxNamespaces, o.ID.Name) }) {
			name := o.Labels()[tenantLabel]
			add(o.ID.Name, x.Tenant(name), "its label "+tenantLabel+" says "+legible(name))
		}
	}
	for _, a := range c.Appliers {
		if a.Author == nil && a.Tenant != nil && a.Kustomization != nil && c.Owner(a.Kustomization.Spec.TargetNamespace) == nil { // else NSB-003 tells of it
			add(a.Kustomization.Spec.TargetNamespace, a.Tenant, fmt.Sprintf("%s applies the files of tenant %s to it", a, a.Tenant.Name))
		}
	}
	for _, b := range platformGrants(c) {
		if c.Owner(b.namespace) == nil { // else IMP-008 tells of it
			add(b.namespace, b.to.Tenant, fmt.Sprintf("%s lets an account of tenant %s write to it", short(b.binding.ID), b.to.Tenant.Name))
		}
	}
	for _, ns := range slices.Sorted(maps.Keys(byNamespace)) {
		list := byNamespace[ns]
		if len(list) < 2 {
			continue
		}
		var names []string
		f := Found{ID: namespaceID(ns), Object: c.Namespace(ns)}
		for _, cl := range list {
			names = append(names, cl.tenant)
			f.Steps = append(f.Steps, finding.Step{Message: cl.why})
		}
		f.Message = fmt.Sprintf("namespace %s is claimed by the tenants %s", ns, strings.Join(names, ", "))
		out = append(out, f)
	}
	return out
}

// grantTo is a RoleBinding of the platform that lets a tenant's account write.
type grantTo struct {
	binding   *estate.Object
	namespace string
	account   estate.Account
	to        *estate.Compartment
}

// platformGrants are the RoleBindings that the platform made for tenants' accounts and that allow more than to read.
func platformGrants(c *estate.Cluster) (out []grantTo) {
	for _, o := range c.Kind(rbacv1.GroupName, "RoleBinding") {
		var b rbacv1.RoleBinding
		if o.Tenant != nil || !o.Into(&b) || !writes(c, &b) {
			continue
		}
		for _, s := range b.Subjects {
			account, ok := subjectAccount(&s, o.ID.Namespace)
			if p := accountOwner(c, account); ok && p != nil {
				out = append(out, grantTo{o, o.ID.Namespace, account, p})
			}
		}
	}
	return out
}

// subjectAccount is the ServiceAccount that a subject of a binding names, also when it is spelled as a user.
func subjectAccount(s *rbacv1.Subject, namespace string) (estate.Account, bool) {
	switch s.Kind {
	case rbacv1.ServiceAccountKind:
		if s.Namespace != "" {
			namespace = s.Namespace
		}
		return estate.Account{Namespace: namespace, Name: s.Name}, namespace != ""
	case rbacv1.UserKind:
		rest, ok := strings.CutPrefix(s.Name, "system:serviceaccount:")
		ns, name, two := strings.Cut(rest, ":")
		return estate.Account{Namespace: ns, Name: name}, ok && two
	}
	return estate.Account{}, false
}

// accountOwner is the compartment whose account it is: one that its appliers act as, or one of its namespaces; nil for the platform's.
func accountOwner(c *estate.Cluster, account estate.Account) *estate.Compartment {
	for _, p := range c.Compartments {
		if slices.Contains(p.Accounts(), account) {
			return p
		}
	}
	if p := c.Owner(account.Namespace); p != nil {
		return p
	}
	var owner *estate.Compartment
	for _, p := range c.Compartments {
		if account.Namespace != c.FluxNamespace && slices.Contains(p.FluxNamespaces, account.Namespace) {
			if owner != nil {
				return nil
			}
			owner = p
		}
	}
	return owner
}

// writes reports whether the role of a binding allows more than to read. A role that is not there allows nothing.
func writes(c *estate.Cluster, b *rbacv1.RoleBinding) bool {
	rules := []rbacv1.PolicyRule(nil)
	if b.RoleRef.Kind == "ClusterRole" {
		rules = c.Permissions().Rules(b.RoleRef.Name)
	} else {
		for _, o := range c.Get(object.ID{Group: rbacv1.GroupName, Kind: "Role", Namespace: b.Namespace, Name: b.RoleRef.Name}) {
			var r rbacv1.Role
			if o.Into(&r) {
				rules = append(rules, r.Rules...)
			}
		}
	}
	return slices.ContainsFunc(rules, func(r rbacv1.PolicyRule) bool { return slices.ContainsFunc(r.Verbs, beyondReading) })
}

func beyondReading(verb string) bool { return verb != "get" && verb != "list" && verb != "watch" }

package rule

import (
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/permission"
	"github.com/bulkhead-dev/bulkhead/object"
)

// bindingRules are about whom bindings name.
func bindingRules() []Rule {
	return []Rule{
		{
			Rule: finding.Rule{
				ID: "RBC-003", Level: finding.Critical, Title: "A ClusterRoleBinding names a tenant",
				Why:  "A ClusterRoleBinding holds in all namespaces, those of other tenants and of the platform among them.",
				Hint: "bind the role by a RoleBinding in each of the tenant's namespaces",
			},
			Boundary: true, Source: rbacSource,
			Unless:  "the role allows what everybody may, such as system:public-info-viewer",
			cluster: eachBinding(bindsEverywhere),
		},
		{
			Rule: finding.Rule{
				ID: "RBC-004", Level: finding.Critical, Title: "A binding names everybody",
				Why:  "Every ServiceAccount is in system:serviceaccounts and system:authenticated, and so is whoever Flux impersonates: a right of these groups is one of all tenants.",
				Hint: "name the accounts, or the groups of people, that need the role",
			},
			Boundary: true, Source: rbacSource + "; impersonation of fluxcd/pkg/runtime/client gives the same groups",
			Unless:  "it is one of Kubernetes' own bindings, and allows no more than to ask about the API and about oneself",
			cluster: eachBinding(everybody),
		},
		{
			Rule: finding.Rule{
				ID: "RBC-006", Level: finding.High, Title: "A binding lets somebody else into a tenant's namespace",
				Why:  "Whoever is bound there reads and writes what is the tenant's. A tenant that may write RoleBindings can open its namespace to another without the platform.",
				Hint: "remove the foreign subject; what two tenants share belongs into a namespace of the platform",
			},
			Boundary: true, Source: rbacSource,
			Unless:  "both tenants and the platform have agreed to it",
			cluster: eachBinding(foreigner),
		},
		{
			Rule: finding.Rule{
				ID: "RBC-008", Level: finding.Medium, Title: "A binding waits for what is not there",
				Why:  "A binding to a role or for an account that nobody has made grants nothing today. Who makes it later fills it with what he likes.",
				Hint: "delete the binding, or commit what it names",
			},
			Boundary: true, Static: "two objects are compared", Source: rbacSource,
			Unless:  "what it names is made outside of Git when the cluster is set up",
			cluster: eachBinding(dangling),
		},
	}
}

func bindsEverywhere(_ *Context, c *estate.Cluster, b *roleBinding) []Found {
	if b.namespace != "" || b.known && !slices.ContainsFunc(b.rules, beyondDiscovery) {
		return nil
	}
	level := finding.Critical
	if b.known && !slices.ContainsFunc(b.rules, func(r rbacv1.PolicyRule) bool {
		return !onlyReads(&r) || covers(&r, "", "secrets", "get", "list", "watch")
	}) {
		level = finding.High // it only reads, and no Secrets
	}
	return b.told(level, func(tenant string) string {
		return fmt.Sprintf("%s holds in every namespace, and names tenant %s", b, tenant)
	})
}

// beyondDiscovery reports whether a rule allows more than to ask what API there is, and about oneself.
//
// Source: Kubernetes v1.36, bootstrappolicy, system:discovery and system:basic-user.
func beyondDiscovery(r rbacv1.PolicyRule) bool {
	if len(r.Verbs) == 0 || len(r.Resources) == 0 {
		return !onlyReads(&r)
	}
	if slices.ContainsFunc(r.APIGroups, func(g string) bool { return g != "authorization.k8s.io" && g != "authentication.k8s.io" }) {
		return true
	}
	return slices.ContainsFunc(r.Resources, func(s string) bool { return !strings.HasPrefix(s, "self") })
}

func everybody(_ *Context, c *estate.Cluster, b *roleBinding) []Found {
	groups := []string{"system:authenticated", "system:unauthenticated", "system:serviceaccounts", "system:masters"}
	var named []string
	for _, s := range b.subjects {
		if s.Kind == rbacv1.GroupKind && slices.Contains(groups, s.Name) || s.Kind == rbacv1.UserKind && s.Name == "system:anonymous" {
			named = append(named, s.Name)
		}
	}
	if len(named) == 0 || b.known && !slices.ContainsFunc(b.rules, beyondDiscovery) {
		return nil
	}
	level := finding.Critical
	harmless := b.known && !slices.ContainsFunc(b.rules, func(r rbacv1.PolicyRule) bool {
		return !onlyReads(&r) || covers(&r, "", "secrets", "get", "list", "watch")
	})
	switch {
	case b.namespace != "" && harmless:
		level = finding.Medium
	case b.namespace != "" || harmless:
		level = finding.High
	}
	return one(Found{Level: level, Message: fmt.Sprintf("%s names %s, which every account is in", b, strings.Join(named, ", ")), Object: b.object, Field: "subjects"})
}

func foreigner(x *Context, c *estate.Cluster, b *roleBinding) (out []Found) {
	host := c.Owner(b.namespace)
	if host == nil {
		return nil
	}
	a := accessOf(x, c)
	for i, s := range b.subjects {
		of := a.of(c, s, b.namespace)
		if slices.Contains(of, host) {
			continue
		}
		field := fmt.Sprintf("subjects[%d]", i)
		for _, p := range of {
			out = append(out, Found{
				Message: fmt.Sprintf("%s lets %s of tenant %s into namespace %s of tenant %s", b, subject(s), p.Tenant.Name, b.namespace, host.Tenant.Name),
				Object:  b.object, Field: field, Tenant: p.Tenant,
			})
		}
		if len(of) == 0 && b.object.Tenant != nil && s.Kind == rbacv1.ServiceAccountKind && s.Namespace != "" && s.Namespace != b.namespace {
			out = append(out, Found{
				Message: fmt.Sprintf("%s lets %s, which is not tenant %s's, into its namespace %s", b, subject(s), host.Tenant.Name, b.namespace),
				Object:  b.object, Field: field, Tenant: host.Tenant,
			})
		}
	}
	return out
}

func dangling(x *Context, c *estate.Cluster, b *roleBinding) (out []Found) {
	host := c.Owner(b.namespace)
	if !b.known && (host != nil || len(b.tenants) > 0) {
		f := Found{Message: fmt.Sprintf("%s: nobody brings that role", b), Object: b.object, Field: "roleRef"}
		if host != nil {
			f.Tenant = host.Tenant
			if g, steps := x.Reach(host).Right(permission.Request{Verb: "create", Group: rbacv1.GroupName, Resource: "roles", Namespace: b.namespace}); g != nil && b.role.Kind == "Role" {
				f.Level, f.Steps = finding.High, steps
				f.Message += fmt.Sprintf(", and tenant %s may", host.Tenant.Name)
			}
		} else {
			f.Tenant = b.tenants[0].Tenant
		}
		out = append(out, f)
	}
	for i, s := range b.subjects {
		owner := c.Owner(s.Namespace)
		if s.Kind != rbacv1.ServiceAccountKind || owner == nil || owner == host || s.Name == "default" {
			continue
		}
		if len(c.Get(object.ID{Kind: "ServiceAccount", Namespace: s.Namespace, Name: s.Name})) == 0 {
			out = append(out, Found{
				Level:   finding.High,
				Message: fmt.Sprintf("%s names %s, which nobody brings: tenant %s can make it", b, subject(s), owner.Tenant.Name),
				Object:  b.object, Field: fmt.Sprintf("subjects[%d]", i), Tenant: owner.Tenant,
			})
		}
	}
	if len(out) > 0 && slices.ContainsFunc(c.Gaps, func(g estate.Gap) bool { return g.Hides }) {
		for i := range out {
			out[i].Unproven = true
			out[i].Message += ", as far as the cluster could be rendered"
		}
	}
	return out
}

package rule

import (
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/permission"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

// roleRules are about what the roles allow that tenants are bound to.
func roleRules() []Rule {
	return []Rule{
		{
			Rule: finding.Rule{
				ID: "RBC-001", Level: finding.Critical, Title: "A tenant may give itself rights, or act as others",
				Why:  "With escalate or bind a tenant gives itself rights that it does not have; with impersonate it acts as somebody who has them.",
				Hint: "take escalate, bind and impersonate out of the role",
			},
			Boundary: true, Source: rbacSource + "; KEP-5284 for the verbs of constrained impersonation",
			Unless:  "bind is confined to roles that the tenant may have; accounts of its own namespace are another rule's",
			cluster: eachBinding(raises),
		},
		{
			Rule: finding.Rule{
				ID: "RBC-002", Level: finding.High, Title: "A tenant has a role with wildcards",
				Why:  "A wildcard takes in subresources such as status and token, the Namespace itself, and every kind that is installed later.",
				Hint: "list the verbs and the resources that the tenant needs",
			},
			Boundary: true, Source: rbacSource,
			Unless:  "never: wildcards over Flux's kinds alone, and reads of one group, are other rules'",
			cluster: eachBinding(wildcard),
		},
		{
			Rule: finding.Rule{
				ID: "RBC-005", Level: finding.High, Title: "A tenant is the administrator of its namespace",
				Why:  "A RoleBinding to cluster-admin includes the Namespace itself: its labels, by which pod security and policies know it, and its quota and limits. So does flux create tenant unless told otherwise.",
				Hint: "bind a role that leaves out namespaces, resourcequotas, limitranges and networkpolicies, such as bulkhead-tenant",
			},
			Boundary: true, Source: "flux2 v2.9, create tenant; Kubernetes v1.36, k8s.io/apiserver/pkg/endpoints/request",
			Unless:  "the whole cluster is one team's",
			cluster: eachBinding(administrator),
		},
		{
			Rule: finding.Rule{
				ID: "RBC-007", Level: finding.High, Title: "A label widens the roles of everybody",
				Why:  "A ClusterRole with an aggregate-to label adds its rules to view, edit or admin, for all who have these roles: nobody looks at a binding.",
				Hint: "take the label off, and bind the role where it is needed",
			},
			Boundary: true, Source: "Kubernetes v1.36, pkg/controller/clusterroleaggregation",
			Unless:  "it is an operator's known role that adds kinds of namespaces: it is medium then",
			cluster: aggregates,
		},
		{
			Rule: finding.Rule{
				ID: "RBC-011", Level: finding.Medium, Title: "A tenant may make Flux objects though nesting is forbidden",
				Why:  "Flux's role flux-edit adds all of Flux's kinds to edit and admin. A tenant with one of them makes appliers, though its document says that it must not.",
				Hint: "remove ClusterRole flux-edit by a patch of the installation, or bind bulkhead-tenant in place of edit",
			},
			Boundary: true, Source: "flux2 v2.9, manifests/rbac",
			Unless:  "never",
			cluster: eachBinding(makesFlux),
		},
	}
}

// raises looks for verbs that are said by name. Who may do everything is told of by RBC-002, RBC-003 and RBC-005.
func raises(_ *Context, c *estate.Cluster, b *roleBinding) []Found {
	if len(b.tenants) == 0 {
		return nil
	}
	for i := range b.rules {
		r := &b.rules[i]
		if everything(r) {
			continue
		}
		verb := ""
		switch {
		case escalates(c, r):
			verb = phrase.List(slices.DeleteFunc(slices.Clone(r.Verbs), func(v string) bool { return v != "bind" && v != "escalate" && v != "*" }), 3)
		case impersonates(c, b, r):
			verb = "impersonate"
		default:
			continue
		}
		return b.told("", func(tenant string) string {
			return fmt.Sprintf("%s allows tenant %s to %s %s", b, tenant, verb, resourcesOf(r))
		})
	}
	return nil
}

// escalates reports whether a rule gives more rights than its holder has. Bind confined to roles without a wildcard does not.
func escalates(c *estate.Cluster, r *rbacv1.PolicyRule) bool {
	if !allowsWord(r.APIGroups, rbacv1.GroupName) || !allowsWord(r.Resources, "roles") && !allowsWord(r.Resources, "clusterroles") {
		return false
	}
	if allowsWord(r.Verbs, "escalate") {
		return true
	}
	if !allowsWord(r.Verbs, "bind") {
		return false
	}
	return len(r.ResourceNames) == 0 || slices.ContainsFunc(r.ResourceNames, func(name string) bool {
		return slices.ContainsFunc(c.Permissions().Rules(name), func(r rbacv1.PolicyRule) bool { return everything(&r) })
	})
}

// impersonates reports whether a rule lets its holder act as others than the accounts of the tenant's own namespace.
func impersonates(c *estate.Cluster, b *roleBinding, r *rbacv1.PolicyRule) bool {
	if !allowsWord(r.Verbs, "impersonate") && !slices.ContainsFunc(r.Verbs, func(v string) bool { return strings.HasPrefix(v, "impersonate:") }) {
		return false
	}
	if b.namespace == "" {
		if b.role.Name == "admin" || b.role.Name == "edit" {
			return false // RBC-003
		}
		return slices.ContainsFunc([]string{"users", "groups", "uids", "serviceaccounts"}, func(s string) bool { return allowsWord(r.Resources, s) })
	}
	if b.role.Kind == "ClusterRole" && (b.role.Name == "admin" || b.role.Name == "edit") {
		return false // that it holds there at all is told of by RBC-006
	}
	// In a namespace there are accounts only.
	return allowsWord(r.Resources, "serviceaccounts") && !slices.Contains(b.tenants, c.Owner(b.namespace))
}

func wildcard(_ *Context, c *estate.Cluster, b *roleBinding) []Found {
	if len(b.tenants) == 0 {
		return nil
	}
	for i := range b.rules {
		r := &b.rules[i]
		star := func(list []string) bool { return slices.Contains(list, "*") }
		where := ""
		switch {
		case len(r.APIGroups) > 0 && !slices.ContainsFunc(r.APIGroups, func(g string) bool { return !estate.FluxGroup(g) }):
			continue // RBC-010 and RBC-011
		case len(r.Resources) == 0 && b.namespace != "":
			continue // addresses, as of cluster-admin, which a RoleBinding does not give
		case everything(r) && slices.Contains(b.tenants, c.Owner(b.namespace)):
			continue // RBC-005
		case everything(r):
			where = "everything"
		case star(r.APIGroups):
			where = "all API groups"
		case star(r.Verbs):
			where = "all verbs on " + phrase.List(slices.Concat(r.Resources, r.NonResourceURLs), 4)
		case !onlyReads(r) && slices.ContainsFunc(r.Resources, func(s string) bool { return strings.Contains(s, "*") }):
			where = "all resources of " + phrase.List(r.APIGroups, 4)
		default:
			continue
		}
		return b.told("", func(tenant string) string {
			return fmt.Sprintf("%s allows tenant %s %s", b, tenant, where)
		})
	}
	return nil
}

// administrator looks for what only the platform should write in a namespace.
func administrator(_ *Context, c *estate.Cluster, b *roleBinding) []Found {
	host := c.Owner(b.namespace)
	if host == nil || !slices.Contains(b.tenants, host) {
		return nil
	}
	var may []string
	for _, guard := range [][2]string{{"", "namespaces"}, {"", "resourcequotas"}, {"", "limitranges"}} {
		if slices.ContainsFunc(b.rules, func(r rbacv1.PolicyRule) bool {
			return covers(&r, guard[0], guard[1], writing()...) && (len(r.ResourceNames) == 0 || guard[1] != "namespaces" || slices.Contains(r.ResourceNames, b.namespace))
		}) {
			may = append(may, guard[1])
		}
	}
	if len(may) == 0 {
		return nil
	}
	return one(Found{
		Message: fmt.Sprintf("%s allows tenant %s to write %s of its own namespace", b, host.Tenant.Name, strings.Join(may, ", ")),
		Object:  b.object, Tenant: host.Tenant,
	})
}

const aggregateLabel = "rbac.authorization.k8s.io/aggregate-to-"

func aggregates(x *Context, c *estate.Cluster) (out []Found) {
	for _, o := range c.Kind(rbacv1.GroupName, "ClusterRole") {
		var into []string
		for label, v := range o.Labels() {
			if strings.HasPrefix(label, aggregateLabel) && v == "true" {
				into = append(into, strings.TrimPrefix(label, aggregateLabel))
			}
		}
		var role rbacv1.ClusterRole
		if len(into) == 0 || o.Tenant == nil && (strings.HasPrefix(o.ID.Name, "flux-edit") || strings.HasPrefix(o.ID.Name, "flux-view")) || !o.Into(&role) {
			continue // Flux's own are RBC-011's
		}
		level := widens(o, role.Rules)
		if level == "" {
			continue
		}
		slices.Sort(into)
		if o.Tenant != nil {
			out = append(out, Found{Level: finding.High, Message: fmt.Sprintf("ClusterRole %s of tenant %s adds %s to %s", o.ID.Name, o.Tenant.Name, delta(role.Rules), strings.Join(into, ", ")), Object: o})
			continue
		}
		told := map[*estate.Tenant]bool{}
		for _, b := range accessOf(x, c).bindings {
			if b.role.Kind != "ClusterRole" || !slices.Contains(into, b.role.Name) {
				continue
			}
			for _, p := range b.tenants {
				if !told[p.Tenant] {
					told[p.Tenant] = true
					out = append(out, Found{
						Level: level, Object: o, Tenant: p.Tenant,
						Message: fmt.Sprintf("ClusterRole %s adds %s to what tenant %s has by %s", o.ID.Name, delta(role.Rules), p.Tenant.Name, b),
					})
				}
			}
		}
	}
	return out
}

// delta is what rules add, for a message.
func delta(rules []rbacv1.PolicyRule) string {
	var resources []string
	for i := range rules {
		for _, r := range rules[i].Resources {
			if !slices.Contains(resources, r) {
				resources = append(resources, r)
			}
		}
	}
	return phrase.List(resources, 4)
}

// widens says how bad it is that rules are added to a role of many; "" for reads.
func widens(o *estate.Object, rules []rbacv1.PolicyRule) finding.Level {
	level := finding.Level("")
	for i := range rules {
		r := &rules[i]
		switch {
		case !onlyReads(r) && (o.Tenant != nil || slices.Contains(slices.Concat(r.Verbs, r.APIGroups, r.Resources), "*")), covers(r, "", "secrets", "get", "list", "watch"), escalates(o.Cluster, r),
			!onlyReads(r) && slices.ContainsFunc(r.APIGroups, estate.FluxGroup):
			return finding.High
		case !onlyReads(r):
			level = finding.Medium
		}
	}
	return level
}

func makesFlux(_ *Context, c *estate.Cluster, b *roleBinding) []Found {
	host := c.Owner(b.namespace)
	if host == nil || host.Tenant.Inferred || !slices.Contains(b.tenants, host) {
		return nil
	}
	if s := host.SettingsOf(b.namespace); s == nil || s.NestedFlux == v1alpha1.Pinned {
		return nil
	}
	for _, kind := range applierResources() {
		for i := range b.rules {
			if r := &b.rules[i]; !everything(r) && covers(r, kind[0], kind[1], "create") {
				return one(Found{
					Message: fmt.Sprintf("%s allows tenant %s to create %s, and its nesting is forbidden", b, host.Tenant.Name, kind[1]),
					Object:  b.object, Tenant: host.Tenant,
				})
			}
		}
	}
	return nil
}

// onNamespace is a request about something that the platform keeps in a namespace, or about the namespace.
func onNamespace(c *estate.Cluster, o *estate.Object, verb string) permission.Request {
	if o.Is("", "Namespace") {
		return permission.OnNamespace(verb, o.ID.Name)
	}
	return permission.Request{Verb: verb, Group: o.ID.Group, Resource: c.Resource(o.ID.Group, o.ID.Kind), Namespace: o.ID.Namespace, Name: o.ID.Name}
}

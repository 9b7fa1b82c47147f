package rule

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/builtin"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

// rbacSource is what the rules about roles and bindings follow.
const rbacSource = "Kubernetes v1.36, plugin/pkg/auth/authorizer/rbac, and its \"Role Based Access Control Good Practices\""

// accessRules are about roles and bindings.
func accessRules() []Rule { return slices.Concat(bindingRules(), roleRules(), rightRules()) }

// roleBinding is a binding of a cluster.
type roleBinding struct {
	object *estate.Object
	// namespace that it holds in; "" for all.
	namespace string
	role      rbacv1.RoleRef
	subjects  []rbacv1.Subject
	// rules of the role; known is false when there is no such role in Git, nor in Kubernetes.
	rules []rbacv1.PolicyRule
	known bool
	// tenants that one of the subjects belongs to, sorted by name.
	tenants []*estate.Compartment
}

// String is the binding and its role.
func (b *roleBinding) String() string {
	return fmt.Sprintf("%s %s with %s %s", b.object.ID.Kind, strings.TrimPrefix(b.namespace+"/"+b.object.ID.Name, "/"), b.role.Kind, b.role.Name)
}

// told is a finding about the binding for each of its tenants.
func (b *roleBinding) told(level finding.Level, message func(tenant string) string) (out []Found) {
	for _, p := range b.tenants {
		out = append(out, Found{Level: level, Message: message(p.Tenant.Name), Object: b.object, Tenant: p.Tenant})
	}
	return out
}

// access is who is bound to what on a cluster.
type access struct {
	bindings []*roleBinding
	roots    map[string]bool // ClusterRoles that Kubernetes has
	accounts map[estate.Account][]*estate.Compartment
	fluxes   map[string][]*estate.Compartment // by the namespace of accounts
	owners   map[rbacv1.Subject][]*estate.Compartment
}

// accessOf reads the bindings of a cluster, once.
func accessOf(x *Context, c *estate.Cluster) *access {
	return once(x, "access of "+c.Name, func() *access {
		a := &access{roots: map[string]bool{}, accounts: map[estate.Account][]*estate.Compartment{}, fluxes: map[string][]*estate.Compartment{}, owners: map[rbacv1.Subject][]*estate.Compartment{}}
		for _, r := range builtin.Roles(c.Minor).ClusterRoles {
			a.roots[r.Name] = true
		}
		for _, p := range c.Compartments {
			for _, account := range p.Accounts() {
				a.accounts[account] = append(a.accounts[account], p)
				a.fluxes[account.Namespace] = append(a.fluxes[account.Namespace], p)
			}
			for _, s := range p.Tenant.Document.Spec.Owners {
				s.APIGroup = ""
				a.owners[s] = append(a.owners[s], p)
			}
		}
		for _, o := range c.Kind(rbacv1.GroupName, "ClusterRoleBinding") {
			var b rbacv1.ClusterRoleBinding
			if o.Into(&b) {
				a.add(c, &roleBinding{object: o, role: b.RoleRef, subjects: b.Subjects})
			}
		}
		for _, o := range c.Kind(rbacv1.GroupName, "RoleBinding") {
			var b rbacv1.RoleBinding
			if o.Into(&b) {
				a.add(c, &roleBinding{object: o, namespace: o.ID.Namespace, role: b.RoleRef, subjects: b.Subjects})
			}
		}
		return a
	})
}

func (a *access) add(c *estate.Cluster, b *roleBinding) {
	roles := c.Get(object.ID{Group: rbacv1.GroupName, Kind: b.role.Kind, Namespace: map[bool]string{true: b.namespace}[b.role.Kind == "Role"], Name: b.role.Name})
	b.known = len(roles) > 0 || b.role.Kind == "ClusterRole" && a.roots[b.role.Name]
	if b.role.Kind == "ClusterRole" {
		b.rules = c.Permissions().Rules(b.role.Name)
	} else {
		for _, o := range roles {
			var r rbacv1.Role
			if o.Into(&r) {
				b.rules = append(b.rules, r.Rules...)
			}
		}
	}
	for _, s := range b.subjects {
		for _, p := range a.of(c, s, b.namespace) {
			if !slices.Contains(b.tenants, p) {
				b.tenants = append(b.tenants, p)
			}
		}
	}
	slices.SortFunc(b.tenants, func(p, q *estate.Compartment) int { return cmp.Compare(p.Tenant.Name, q.Tenant.Name) })
	a.bindings = append(a.bindings, b)
}

const (
	accountPrefix  = "system:serviceaccount:"
	accountsPrefix = "system:serviceaccounts:"
)

// of are the compartments that a subject of a binding belongs to: every account of a namespace belongs to whoever runs pods there.
func (a *access) of(c *estate.Cluster, s rbacv1.Subject, namespace string) []*estate.Compartment {
	s.APIGroup = ""
	if s.Kind == rbacv1.ServiceAccountKind {
		s.Namespace = cmp.Or(s.Namespace, namespace)
	}
	out := slices.Clone(a.owners[s])
	ns := ""
	switch {
	case s.Kind == rbacv1.ServiceAccountKind:
		ns = s.Namespace
		out = append(out, a.accounts[estate.Account{Namespace: ns, Name: s.Name}]...)
	case s.Kind == rbacv1.UserKind && strings.HasPrefix(s.Name, accountPrefix):
		var name string
		ns, name, _ = strings.Cut(strings.TrimPrefix(s.Name, accountPrefix), ":")
		out = append(out, a.accounts[estate.Account{Namespace: ns, Name: name}]...)
	case s.Kind == rbacv1.GroupKind && strings.HasPrefix(s.Name, accountsPrefix):
		ns = strings.TrimPrefix(s.Name, accountsPrefix)
		out = append(out, a.fluxes[ns]...)
	}
	if p := c.Owner(ns); p != nil {
		out = append(out, p)
	}
	return out
}

// subject names one of a binding.
func subject(s rbacv1.Subject) string {
	if s.Kind == rbacv1.ServiceAccountKind {
		return fmt.Sprintf("account %s", strings.TrimPrefix(s.Namespace+"/"+s.Name, "/"))
	}
	return fmt.Sprintf("%s %s", strings.ToLower(s.Kind), s.Name)
}

// eachBinding asks about the bindings of a cluster one by one.
func eachBinding(ask func(x *Context, c *estate.Cluster, b *roleBinding) []Found) func(*Context, *estate.Cluster) []Found {
	return func(x *Context, c *estate.Cluster) (out []Found) {
		for _, b := range accessOf(x, c).bindings {
			out = append(out, ask(x, c, b)...)
		}
		return out
	}
}

// resourcesOf are the resources of a rule for a message.
func resourcesOf(r *rbacv1.PolicyRule) string { return phrase.List(r.Resources, 4) }

// Package permission turns the roles and bindings of one cluster into what anybody may do there, see [New] and [Closure.May].
//
// One invariant: what it answers is what the API server's RBAC authorizer answers for the same objects. Rights that are granted
// outside of them are not known to it.
package permission

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Subject is who asks: a user with the groups that the API server gives it.
type Subject struct {
	User   string
	Groups []string
}

// Account is a ServiceAccount as the API server sees it, whether the object exists or not.
//
// Source: Kubernetes v1.36, k8s.io/apiserver/pkg/authentication/serviceaccount; impersonation gives the same groups.
func Account(namespace, name string) Subject {
	return Subject{
		User:   "system:serviceaccount:" + namespace + ":" + name,
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"},
	}
}

// Person is somebody who is logged in, with the groups that the identity provider gives.
func Person(user string, groups ...string) Subject {
	return Subject{User: user, Groups: append(slices.Clone(groups), "system:authenticated")}
}

// Request is one thing to do. With a Path it is about no resource.
type Request struct {
	Verb        string
	Group       string // of the API; "" is the core
	Resource    string // "pods", without the subresource
	Subresource string // "log"; "" for none
	Namespace   string // "" for all, and for what has none
	Name        string // "" for all, and for what has none yet
	Path        string // "/healthz"
}

// OnNamespace is a request about a Namespace itself, which the API server authorises in it. Creating one, and listing all, is not about one.
//
// Source: Kubernetes v1.36, k8s.io/apiserver/pkg/endpoints/request/requestinfo.go.
func OnNamespace(verb, name string) Request {
	r := Request{Verb: verb, Resource: "namespaces", Name: name, Namespace: name}
	if verb == "create" {
		r.Name, r.Namespace = "", ""
	}
	return r
}

// Grant is why somebody may do something: a binding, the role that it names, and one of the role's rules.
type Grant struct {
	Binding string // name of the RoleBinding or ClusterRoleBinding
	// Namespace of the RoleBinding, to which the grant is confined; "" for a ClusterRoleBinding.
	Namespace string
	// Role that the binding names. ClusterRole says of which kind it is.
	Role        string
	ClusterRole bool
	Rule        rbacv1.PolicyRule

	of   *aggregation // nil for a Role
	leaf int          // the ClusterRole that has the rule
}

// Via are the ClusterRoles by whose labels the rule got into an aggregated one, the nearest to the rule last; empty for a rule of the role's own.
func (g *Grant) Via() []string {
	if g.of == nil {
		return nil
	}
	return g.of.via(g.Role, g.leaf)
}

// aggregated reports whether the rule is another role's.
func (g *Grant) aggregated() bool { return g.of != nil && g.of.index[g.Role] != g.leaf }

// Objects are the roles and bindings of a cluster.
type Objects struct {
	Roles               []rbacv1.Role
	ClusterRoles        []rbacv1.ClusterRole
	RoleBindings        []rbacv1.RoleBinding
	ClusterRoleBindings []rbacv1.ClusterRoleBinding
}

// Closure is what everybody may do on one cluster. It is a value: nothing changes it.
type Closure struct {
	roles        map[[2]string][]rbacv1.PolicyRule // namespace and name
	clusterRoles *aggregation
	// By subject: "U" and a user, or "G" and a group.
	bindings map[string][]binding
}

type binding struct {
	name, namespace string
	role            string
	clusterRole     bool
}

// New gives the closure of the objects. A binding to a role that is not there grants nothing.
func New(objects Objects) *Closure {
	c := &Closure{roles: map[[2]string][]rbacv1.PolicyRule{}, clusterRoles: aggregate(objects.ClusterRoles), bindings: map[string][]binding{}}
	for i := range objects.Roles {
		r := &objects.Roles[i]
		c.roles[[2]string{r.Namespace, r.Name}] = r.Rules
	}
	for i := range objects.RoleBindings {
		b := &objects.RoleBindings[i]
		c.bind(binding{b.Name, b.Namespace, b.RoleRef.Name, b.RoleRef.Kind == "ClusterRole"}, b.Subjects)
	}
	for i := range objects.ClusterRoleBindings {
		b := &objects.ClusterRoleBindings[i]
		c.bind(binding{b.Name, "", b.RoleRef.Name, true}, b.Subjects)
	}
	return c
}

// bind files a binding under its subjects.
//
// Source: Kubernetes v1.36, pkg/registry/rbac/validation/rule.go, appliesToUser: a ServiceAccount without a namespace is one of the binding's.
func (c *Closure) bind(b binding, subjects []rbacv1.Subject) {
	seen := map[string]bool{}
	for _, s := range subjects {
		key := ""
		switch s.Kind {
		case rbacv1.UserKind:
			key = "U" + s.Name
		case rbacv1.GroupKind:
			key = "G" + s.Name
		case rbacv1.ServiceAccountKind:
			ns := s.Namespace
			if ns == "" {
				ns = b.namespace
			}
			if ns == "" {
				continue
			}
			key = "U" + Account(ns, s.Name).User
		default:
			continue
		}
		if !seen[key] {
			seen[key] = true
			c.bindings[key] = append(c.bindings[key], b)
		}
	}
}

// superusers may do everything, whatever roles say.
//
// Source: Kubernetes v1.36, k8s.io/apiserver/pkg/authentication/user, SystemPrivilegedGroup.
const superusers = "system:masters"

// May says whether somebody may do something, and why: the grant by the fewest steps, of equals the first by name. A member of system:masters
// may without a grant.
func (c *Closure) May(who Subject, what Request) (Grant, bool) {
	if slices.Contains(who.Groups, superusers) {
		return Grant{}, true
	}
	var best Grant
	found := false
	c.grants(who, in(what.Namespace), func(g Grant) bool {
		if (what.Path == "" || g.Namespace == "") && allows(&g.Rule, &what) && (!found || g.Shorter(&best)) {
			best, found = g, true
		}
		return true
	})
	return best, found
}

// Rights are all that somebody may do in a namespace, "" for what holds everywhere: the grants of both kinds of bindings.
func (c *Closure) Rights(who Subject, namespace string) (out []Grant) {
	c.grants(who, in(namespace), func(g Grant) bool {
		out = append(out, g)
		return true
	})
	return out
}

// All are all that somebody may do, wherever: the grants of all bindings, those without a namespace among them. It stops after most of them, and
// reports false then.
func (c *Closure) All(who Subject, most int) (out []Grant, whole bool) {
	whole = c.grants(who, func(string) bool { return true }, func(g Grant) bool {
		out = append(out, g)
		return len(out) < most
	})
	return out, whole
}

// Bound are the ServiceAccounts that a binding names, by namespace, sorted; those of groups are not among them.
func (c *Closure) Bound() map[string][]string {
	out := map[string][]string{}
	for key := range c.bindings {
		if rest, ok := strings.CutPrefix(key, "Usystem:serviceaccount:"); ok {
			if namespace, name, ok := strings.Cut(rest, ":"); ok {
				out[namespace] = append(out[namespace], name)
			}
		}
	}
	for _, names := range out {
		slices.Sort(names)
	}
	return out
}

// Allows reports whether the grant covers a request in its namespace.
func (g *Grant) Allows(what Request) bool {
	if g.Namespace != "" && (g.Namespace != what.Namespace || what.Path != "") {
		return false
	}
	return allows(&g.Rule, &what)
}

func keys(who Subject) []string {
	out := []string{"U" + who.User}
	for _, g := range who.Groups {
		out = append(out, "G"+g)
	}
	return out
}

// grants visits those of the bindings in the namespaces that are wanted; "" is that of ClusterRoleBindings. A visit that returns false stops.
func (c *Closure) grants(who Subject, wanted func(namespace string) bool, visit func(Grant) bool) bool {
	for _, key := range keys(who) {
		for _, b := range c.bindings[key] {
			if !wanted(b.namespace) {
				continue
			}
			g := Grant{Binding: b.name, Namespace: b.namespace, Role: b.role, ClusterRole: b.clusterRole}
			if !b.clusterRole {
				for _, rule := range c.roles[[2]string{b.namespace, b.role}] {
					if g.Rule = rule; !visit(g) {
						return false
					}
				}
				continue
			}
			g.of = c.clusterRoles
			if !c.clusterRoles.rules(b.role, func(leaf int, rule *rbacv1.PolicyRule) bool {
				g.leaf, g.Rule = leaf, *rule
				return visit(g)
			}) {
				return false
			}
		}
	}
	return true
}

// in are the namespaces whose bindings count for a request in one.
func in(namespace string) func(string) bool {
	return func(ns string) bool { return ns == "" || ns == namespace }
}

// Shorter reports whether a grant takes fewer steps than another; of equals the wider one, then the first by name.
func (g *Grant) Shorter(other *Grant) bool {
	if one, two := g.aggregated(), other.aggregated(); one != two {
		return two
	} else if one {
		if a, b := len(g.Via()), len(other.Via()); a != b {
			return a < b
		}
	}
	if g.Namespace != other.Namespace { // the wider one says more
		return g.Namespace == ""
	}
	return g.Binding < other.Binding
}

// allows says whether a rule covers a request.
//
// Source: Kubernetes v1.36, plugin/pkg/auth/authorizer/rbac, RuleAllows, and pkg/apis/rbac/v1 evaluation_helpers.go.
func allows(rule *rbacv1.PolicyRule, what *Request) bool {
	if !matches(rule.Verbs, what.Verb) {
		return false
	}
	if what.Path != "" {
		return slices.ContainsFunc(rule.NonResourceURLs, func(u string) bool {
			return u == rbacv1.NonResourceAll || u == what.Path || strings.HasSuffix(u, "*") && strings.HasPrefix(what.Path, strings.TrimRight(u, "*"))
		})
	}
	combined := what.Resource
	if what.Subresource != "" {
		combined += "/" + what.Subresource
	}
	resource := slices.ContainsFunc(rule.Resources, func(r string) bool {
		return r == rbacv1.ResourceAll || r == combined || what.Subresource != "" && r == "*/"+what.Subresource
	})
	return resource && matches(rule.APIGroups, what.Group) && (len(rule.ResourceNames) == 0 || slices.Contains(rule.ResourceNames, what.Name))
}

// matches says whether a list names a word, or all of them.
func matches(list []string, word string) bool {
	return slices.Contains(list, "*") || slices.Contains(list, word)
}

// Rules are those of a ClusterRole, aggregated ones filled in; nil for one that is not there.
func (c *Closure) Rules(clusterRole string) (out []rbacv1.PolicyRule) {
	c.clusterRoles.rules(clusterRole, func(_ int, rule *rbacv1.PolicyRule) bool {
		out = append(out, *rule)
		return true
	})
	return out
}

// Package permission turns the roles and bindings of one cluster into what anybody may do there, see [New] and [Closure.May].
//
// One invariant: what it answers is what the API server's RBAC authorizer answers for the same objects. Rights that are granted
// outside of them are not known to it.
package permission

import (
	"slices"
	"strings"
	"sync"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
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
	// Via are the ClusterRoles by whose labels the rule got into an aggregated one, the nearest to the rule last; empty for a rule of the role's own.
	Via  []string
	Rule rbacv1.PolicyRule
}

// Objects are the roles and bindings of a cluster.
type Objects struct {
	Roles               []rbacv1.Role
	ClusterRoles        []rbacv1.ClusterRole
	RoleBindings        []rbacv1.RoleBinding
	ClusterRoleBindings []rbacv1.ClusterRoleBinding
}

// Closure is what everybody may do on one cluster. It is a value: nothing changes it.
type Closure struct {
	roles        map[[2]string][]held // namespace and name
	clusterRoles map[string]func() []held
	// By subject: "U" and a user, or "G" and a group.
	bindings map[string][]binding
}

// held is a rule and how it got there.
type held struct {
	rule rbacv1.PolicyRule
	via  []string
}

type binding struct {
	name, namespace string
	role            string
	clusterRole     bool
}

// New gives the closure of the objects. A binding to a role that is not there grants nothing.
func New(objects Objects) *Closure {
	c := &Closure{roles: map[[2]string][]held{}, clusterRoles: aggregate(objects.ClusterRoles), bindings: map[string][]binding{}}
	for i := range objects.Roles {
		r := &objects.Roles[i]
		c.roles[[2]string{r.Namespace, r.Name}] = own(r.Rules)
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

func own(rules []rbacv1.PolicyRule) (out []held) {
	for _, r := range rules {
		out = append(out, held{rule: r})
	}
	return out
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

// aggregate fills the ClusterRoles that are made of others by their labels. What such a role says itself does not count: the
// controller writes over it.
//
// Source: Kubernetes v1.36, pkg/controller/clusterroleaggregation.
func aggregate(roles []rbacv1.ClusterRole) map[string]func() []held {
	byName, selected := map[string]*rbacv1.ClusterRole{}, map[string][]string{}
	for i := range roles {
		byName[roles[i].Name] = &roles[i]
	}
	for name, r := range byName {
		if r.AggregationRule == nil {
			continue
		}
		for i := range r.AggregationRule.ClusterRoleSelectors {
			selects, err := metav1.LabelSelectorAsSelector(&r.AggregationRule.ClusterRoleSelectors[i])
			if err != nil {
				continue
			}
			for other, o := range byName {
				if other != name && selects.Matches(labels.Set(o.Labels)) && !slices.Contains(selected[name], other) {
					selected[name] = append(selected[name], other)
				}
			}
		}
		slices.Sort(selected[name])
	}
	out := make(map[string]func() []held, len(byName))
	for name, r := range byName {
		out[name] = sync.OnceValue(func() []held { // most are bound by nobody
			if r.AggregationRule == nil {
				return own(r.Rules)
			}
			return reached(name, byName, selected)
		})
	}
	return out
}

// reached are the rules of all roles that an aggregated one is made of, the nearest first, each role once: aggregation may go in circles.
func reached(name string, byName map[string]*rbacv1.ClusterRole, selected map[string][]string) (out []held) {
	type step struct {
		role string
		via  []string
	}
	seen := map[string]bool{name: true}
	for queue := []step{{name, nil}}; len(queue) > 0; queue = queue[1:] {
		for _, next := range selected[queue[0].role] {
			if seen[next] {
				continue
			}
			seen[next] = true
			via := append(slices.Clone(queue[0].via), next)
			if byName[next].AggregationRule != nil {
				queue = append(queue, step{next, via})
				continue
			}
			for _, rule := range byName[next].Rules {
				out = append(out, held{rule, via})
			}
		}
	}
	return out
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
	c.grants(who, what.Namespace, func(g Grant) {
		if (what.Path == "" || g.Namespace == "") && allows(&g.Rule, &what) && (!found || shorter(&g, &best)) {
			best, found = g, true
		}
	})
	return best, found
}

// Rights are all that somebody may do in a namespace, "" for what holds everywhere: the grants of both kinds of bindings.
func (c *Closure) Rights(who Subject, namespace string) (out []Grant) {
	c.grants(who, namespace, func(g Grant) { out = append(out, g) })
	return out
}

// grants visits those that hold for requests in a namespace.
func (c *Closure) grants(who Subject, namespace string, visit func(Grant)) {
	keys := []string{"U" + who.User}
	for _, g := range who.Groups {
		keys = append(keys, "G"+g)
	}
	for _, key := range keys {
		for _, b := range c.bindings[key] {
			if b.namespace != "" && b.namespace != namespace {
				continue
			}
			rules := c.roles[[2]string{b.namespace, b.role}]
			if b.clusterRole {
				rules = nil
				if role := c.clusterRoles[b.role]; role != nil {
					rules = role()
				}
			}
			for _, h := range rules {
				visit(Grant{Binding: b.name, Namespace: b.namespace, Role: b.role, ClusterRole: b.clusterRole, Via: h.via, Rule: h.rule})
			}
		}
	}
}

func shorter(a, b *Grant) bool {
	if len(a.Via) != len(b.Via) {
		return len(a.Via) < len(b.Via)
	}
	if a.Namespace != b.Namespace { // the wider one says more
		return a.Namespace == ""
	}
	return strings.Compare(a.Binding, b.Binding) < 0
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
	role := c.clusterRoles[clusterRole]
	if role == nil {
		return nil
	}
	for _, h := range role() {
		out = append(out, h.rule)
	}
	return out
}

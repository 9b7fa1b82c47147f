package permission

import (
	"fmt"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-helpers/auth/rbac/validation"
	"pgregory.net/rapid"
)

func rule(verbs, groups, resources []string, names ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{Verbs: verbs, APIGroups: groups, Resources: resources, ResourceNames: names}
}

func all(words ...string) []string { return words }

// TestAllowsLikeUpstream: a rule covers a request when Kubernetes' own comparison says that it covers the rule of just that request.
func TestAllowsLikeUpstream(t *testing.T) {
	word := func(words ...string) *rapid.Generator[[]string] {
		return rapid.SliceOfN(rapid.SampledFrom(words), 1, 3)
	}
	yes, no := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		r := rule(word("get", "create", "list", "*").Draw(t, "verbs"), word("", "apps", "*").Draw(t, "groups"),
			word("pods", "pods/log", "*/log", "*", "secrets").Draw(t, "resources"), rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b"}), 0, 2).Draw(t, "names")...)
		q := Request{
			Verb: rapid.SampledFrom([]string{"get", "create", "delete"}).Draw(t, "verb"), Group: rapid.SampledFrom([]string{"", "apps"}).Draw(t, "group"),
			Resource: rapid.SampledFrom([]string{"pods", "secrets"}).Draw(t, "resource"), Subresource: rapid.SampledFrom([]string{"", "log"}).Draw(t, "subresource"),
			Name: rapid.SampledFrom([]string{"", "a"}).Draw(t, "name"),
		}
		combined := q.Resource
		if q.Subresource != "" {
			combined += "/" + q.Subresource
		}
		asked := rule(all(q.Verb), all(q.Group), all(combined))
		if q.Name != "" {
			asked.ResourceNames = all(q.Name)
		}
		want, _ := validation.Covers([]rbacv1.PolicyRule{r}, []rbacv1.PolicyRule{asked})
		if got := allows(&r, &q); got != want {
			t.Fatalf("%+v of %+v: %v, upstream says %v", q, r, got, want)
		}
		if want {
			yes++
		} else {
			no++
		}
	})
	if yes < 5 || no < 5 {
		t.Errorf("%d allowed and %d not: too few to mean anything", yes, no)
	}
}

// TestMay asks of a small cluster.
func TestMay(t *testing.T) {
	named := func(name string, labels ...string) metav1.ObjectMeta {
		m := metav1.ObjectMeta{Name: name, Labels: map[string]string{}}
		for _, l := range labels {
			m.Labels[l] = "true"
		}
		return m
	}
	made := func(name, by string, labels ...string) rbacv1.ClusterRole {
		return rbacv1.ClusterRole{
			ObjectMeta: named(name, labels...), Rules: []rbacv1.PolicyRule{rule(all("*"), all("*"), all("stale"))},
			AggregationRule: &rbacv1.AggregationRule{ClusterRoleSelectors: []metav1.LabelSelector{{MatchLabels: map[string]string{by: "true"}}}},
		}
	}
	in := func(ns, name, kind, role string, subjects ...rbacv1.Subject) rbacv1.RoleBinding {
		return rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: ns}, RoleRef: rbacv1.RoleRef{Kind: kind, Name: role}, Subjects: subjects}
	}
	everywhere := func(name, role string, subjects ...rbacv1.Subject) rbacv1.ClusterRoleBinding {
		return rbacv1.ClusterRoleBinding{ObjectMeta: named(name), RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: role}, Subjects: subjects}
	}
	account := rbacv1.Subject{Kind: "ServiceAccount", Namespace: "a", Name: "flux"}
	c := New(Objects{
		Roles: []rbacv1.Role{{ObjectMeta: metav1.ObjectMeta{Name: "own", Namespace: "a"}, Rules: []rbacv1.PolicyRule{rule(all("get"), all(""), all("secrets"), "mine")}}},
		ClusterRoles: []rbacv1.ClusterRole{
			{ObjectMeta: named("pods", "to-edit"), Rules: []rbacv1.PolicyRule{rule(all("create"), all(""), all("pods"))}},
			made("edit", "to-edit", "to-admin"),
			made("admin", "to-admin", "to-edit"), // in a circle
			{ObjectMeta: named("cluster-admin"), Rules: []rbacv1.PolicyRule{rule(all("*"), all("*"), all("*")), {Verbs: all("*"), NonResourceURLs: all("*")}}},
			{ObjectMeta: named("health"), Rules: []rbacv1.PolicyRule{{Verbs: all("get"), NonResourceURLs: all("/healthz", "/version/*")}}},
		},
		RoleBindings: []rbacv1.RoleBinding{
			in("a", "own", "Role", "own", rbacv1.Subject{Kind: "ServiceAccount", Name: "flux"}), // of its own namespace
			in("a", "admin", "ClusterRole", "admin", account),
			in("b", "all", "ClusterRole", "cluster-admin", rbacv1.Subject{Kind: "Group", Name: "system:serviceaccounts:a"}),
			in("c", "health", "ClusterRole", "health", account),
			in("c", "nothing", "ClusterRole", "missing", account),
			in("d", "spelled", "ClusterRole", "pods", rbacv1.Subject{Kind: "User", Name: "system:serviceaccount:a:flux"}),
		},
		ClusterRoleBindings: []rbacv1.ClusterRoleBinding{
			everywhere("health", "health", rbacv1.Subject{Kind: "Group", Name: "system:authenticated"}),
			everywhere("homeless", "cluster-admin", rbacv1.Subject{Kind: "ServiceAccount", Name: "flux"}),
		},
	})
	flux := Account("a", "flux")
	for i, q := range []struct {
		who  Subject
		what Request
		want string // the grant; "" for none
	}{
		{flux, Request{Verb: "get", Resource: "secrets", Namespace: "a", Name: "mine"}, "a/own own []"},
		{flux, Request{Verb: "get", Resource: "secrets", Namespace: "a", Name: "other"}, ""},
		{flux, Request{Verb: "list", Resource: "secrets", Namespace: "a"}, ""},
		{flux, Request{Verb: "create", Resource: "pods", Namespace: "a"}, "a/admin admin [edit pods]"},
		{flux, Request{Verb: "create", Resource: "stale", Namespace: "a"}, ""},
		{flux, Request{Verb: "create", Resource: "pods"}, ""},
		{flux, Request{Verb: "create", Resource: "pods", Namespace: "d"}, "d/spelled pods []"},
		{flux, OnNamespace("patch", "b"), "b/all cluster-admin []"}, // its labels, too
		{flux, OnNamespace("create", "b"), ""},
		{flux, OnNamespace("patch", "a"), ""},
		{flux, Request{Verb: "get", Path: "/version/x"}, "/health health []"},
		{flux, Request{Verb: "get", Path: "/metrics"}, ""},
		{Account("a", "default"), Request{Verb: "delete", Resource: "pods", Namespace: "b"}, "b/all cluster-admin []"},
		{Account("b", "flux"), Request{Verb: "delete", Resource: "pods", Namespace: "b"}, ""},
		{Person("jane"), Request{Verb: "get", Path: "/healthz"}, "/health health []"},
		{Person("jane", "system:masters"), Request{Verb: "delete", Resource: "nodes"}, "/  []"},
	} {
		g, ok := c.May(q.who, q.what)
		got := ""
		if ok {
			got = fmt.Sprintf("%s/%s %s %v", g.Namespace, g.Binding, g.Role, g.Via())
		}
		if got != q.want {
			t.Errorf("question %d, %+v: got %q, want %q", i, q.what, got, q.want)
		}
	}
	if n := len(c.Rights(flux, "a")); n != 3 { // own, admin's one, health
		t.Errorf("%d rights in a, want 3: %+v", n, c.Rights(flux, "a"))
	}
}

// TestLarge: ten thousand roles that aggregate each other end.
func TestLarge(t *testing.T) {
	var o Objects
	for i := range 10_000 {
		r := rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("r", i), Labels: map[string]string{"n": fmt.Sprint(i % 100)}}}
		if i < 100 {
			r.AggregationRule = &rbacv1.AggregationRule{ClusterRoleSelectors: []metav1.LabelSelector{{MatchLabels: map[string]string{"n": fmt.Sprint((i + 1) % 100)}}}}
		} else {
			r.Rules = []rbacv1.PolicyRule{rule(all("get"), all(""), all(fmt.Sprint("x", i)))}
		}
		o.ClusterRoles = append(o.ClusterRoles, r)
	}
	o.ClusterRoleBindings = []rbacv1.ClusterRoleBinding{{RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: "r0"}, Subjects: []rbacv1.Subject{{Kind: "User", Name: "jane"}}}}
	if _, ok := New(o).May(Person("jane"), Request{Verb: "get", Resource: "x9999"}); !ok {
		t.Error("what is reached through a hundred roles is not found")
	}
}

//go:build e2e && linux

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulkhead-dev/bulkhead/isolation/permission"
	"github.com/bulkhead-dev/bulkhead/test/lab"
)

// questions is how many random questions are put to both.
const questions = 4000

// TestPermission asks the API server's own authorizer, and the closure of the roles and bindings that the server has, the same questions.
func TestPermission(t *testing.T) {
	t.Parallel()
	l := lab.Start(t, lab.Clusters("unused"), lab.Bare("a"))
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{rbacv1.AddToScheme, corev1.AddToScheme, authorizationv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	config := *l.Cluster("a").Config
	config.QPS = -1
	c, err := client.New(&config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	r := dice{rand.New(rand.NewPCG(1, 2))}
	for _, o := range r.objects() {
		if err := c.Create(t.Context(), o); err != nil {
			t.Fatalf("create %T %s: %v", o, o.GetName(), err)
		}
	}
	closure := permission.New(settled(t.Context(), t, l, c))
	allowed := 0
	for i := range questions {
		who, what := r.subject(), r.request()
		answer := review(who, what)
		if err := c.Create(t.Context(), answer); err != nil {
			t.Fatal(err)
		}
		grant, may := closure.May(who, what)
		if may != answer.Status.Allowed {
			t.Errorf("question %d: %+v of %s: %v by %+v, the API server says %v: %s", i, what, who.User, may, grant, answer.Status.Allowed, answer.Status.Reason)
		}
		if may {
			allowed++
		}
	}
	t.Logf("%d questions, %d allowed, all answered alike", questions, allowed)
	if allowed < questions/10 || allowed > questions*9/10 {
		t.Errorf("%d of %d are allowed: too one-sided to mean anything", allowed, questions)
	}
}

// settled are the roles and bindings of the server, when the controller has aggregated them: twice the same.
func settled(ctx context.Context, t *testing.T, l *lab.Lab, c client.Client) permission.Objects {
	t.Helper()
	var out permission.Objects
	last, again := "", 0
	err := l.Wait(ctx, "roles to be aggregated", func(ctx context.Context) (bool, error) {
		var (
			roles    rbacv1.RoleList
			cluster  rbacv1.ClusterRoleList
			bindings rbacv1.RoleBindingList
			wide     rbacv1.ClusterRoleBindingList
		)
		for _, list := range []client.ObjectList{&roles, &cluster, &bindings, &wide} {
			if err := c.List(ctx, list); err != nil {
				return false, err
			}
		}
		out = permission.Objects{Roles: roles.Items, ClusterRoles: cluster.Items, RoleBindings: bindings.Items, ClusterRoleBindings: wide.Items}
		now := ""
		for i := range cluster.Items {
			now += cluster.Items[i].Name + cluster.Items[i].ResourceVersion
		}
		if now != last {
			last, again = now, 0
		}
		again++
		return again > 20, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func review(who permission.Subject, what permission.Request) *authorizationv1.SubjectAccessReview {
	out := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: who.User, Groups: who.Groups}}
	if what.Path != "" {
		out.Spec.NonResourceAttributes = &authorizationv1.NonResourceAttributes{Verb: what.Verb, Path: what.Path}
		return out
	}
	out.Spec.ResourceAttributes = &authorizationv1.ResourceAttributes{
		Verb: what.Verb, Group: what.Group, Version: "v1", Resource: what.Resource, Subresource: what.Subresource, Namespace: what.Namespace, Name: what.Name,
	}
	return out
}

// dice throws roles, bindings and questions.
type dice struct{ *rand.Rand }

func (r dice) of(words ...string) string { return words[r.IntN(len(words))] }

func (r dice) some(words ...string) (out []string) {
	for range 1 + r.IntN(2) {
		out = append(out, r.of(words...))
	}
	return out
}

func (r dice) namespace() string { return r.of("a", "b", "c", "kube-system") }

func (r dice) rules() (out []rbacv1.PolicyRule) {
	for range 1 + r.IntN(3) {
		rule := rbacv1.PolicyRule{
			Verbs: r.some("get", "list", "create", "patch", "impersonate", "*"), APIGroups: r.some("", "apps", "kustomize.toolkit.fluxcd.io", "*"),
			Resources: r.some("pods", "pods/log", "secrets", "namespaces", "deployments", "kustomizations", "kustomizations/status", "*/status", "serviceaccounts/token", "*"),
		}
		if r.IntN(4) == 0 {
			rule.ResourceNames = r.some("a", "b", "x")
		}
		out = append(out, rule)
	}
	return out
}

func (r dice) objects() (out []client.Object) {
	for _, ns := range []string{"a", "b", "c"} {
		out = append(out, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}})
	}
	for i := range 40 {
		role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("r%d", i), Labels: map[string]string{"set": r.of("1", "2", "3", "4", "5", "6", "7", "8")}}, Rules: r.rules()}
		switch i % 8 {
		case 7: // of others, which may be of others
			role.Rules = nil
			role.AggregationRule = &rbacv1.AggregationRule{ClusterRoleSelectors: []metav1.LabelSelector{{MatchLabels: map[string]string{"set": r.of("1", "2", "3", "4", "5", "6", "7", "8")}}}}
		case 6:
			role.Labels["rbac.authorization.k8s.io/aggregate-to-edit"] = "true"
		case 5:
			role.Rules = append(role.Rules, rbacv1.PolicyRule{Verbs: r.some("get", "*"), NonResourceURLs: r.some("/metrics", "/logs/*", "/debug*")})
		}
		out = append(out, role)
	}
	for i := range 16 {
		out = append(out, &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("r%d", i), Namespace: r.namespace()}, Rules: r.rules()})
	}
	for i := range 60 {
		ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: r.of("Role", "ClusterRole", "ClusterRole"), Name: r.of(fmt.Sprintf("r%d", r.IntN(44)), "edit", "view")}
		out = append(out, &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("b%d", i), Namespace: r.namespace()}, RoleRef: ref, Subjects: r.subjects()})
	}
	for i := range 12 {
		ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: fmt.Sprintf("r%d", r.IntN(44))}
		out = append(out, &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("b%d", i)}, RoleRef: ref, Subjects: r.subjects()})
	}
	return out
}

func (r dice) subjects() (out []rbacv1.Subject) {
	for range 1 + r.IntN(2) {
		switch r.IntN(4) {
		case 0:
			out = append(out, rbacv1.Subject{Kind: "ServiceAccount", Namespace: r.namespace(), Name: r.of("flux", "default")})
		case 1:
			out = append(out, rbacv1.Subject{Kind: "User", APIGroup: rbacv1.GroupName, Name: r.of("jane", "joe", "system:serviceaccount:a:flux")})
		case 2:
			out = append(out, rbacv1.Subject{Kind: "Group", APIGroup: rbacv1.GroupName, Name: r.of("devs", "system:serviceaccounts:b")})
		default:
			out = append(out, rbacv1.Subject{Kind: "ServiceAccount", Namespace: r.of("a", "b"), Name: "flux"})
		}
	}
	return out
}

func (r dice) subject() permission.Subject {
	switch r.IntN(4) {
	case 0:
		return permission.Person(r.of("jane", "joe", "nobody"), r.some("devs", "ops")...)
	case 1:
		return permission.Account(r.namespace(), r.of("flux", "default", "nobody"))
	default:
		return permission.Account(r.of("a", "b"), "flux")
	}
}

func (r dice) request() permission.Request {
	switch r.IntN(8) {
	case 0:
		return permission.Request{Verb: r.of("get", "post"), Path: r.of("/metrics", "/logs/x", "/debug/pprof", "/healthz", "/version")}
	case 1:
		return permission.OnNamespace(r.of("get", "patch", "create", "delete"), r.namespace())
	}
	return permission.Request{
		Verb: r.of("get", "list", "create", "patch", "delete", "impersonate"), Group: r.of("", "", "apps", "kustomize.toolkit.fluxcd.io"),
		Resource: r.of("pods", "secrets", "deployments", "kustomizations", "serviceaccounts", "services"), Subresource: r.of("", "", "", "log", "status", "token"),
		Namespace: r.of("a", "b", "c", "kube-system", ""), Name: r.of("", "a", "x"),
	}
}

package tenant

import (
	"slices"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"

	"github.com/bulkhead-dev/bulkhead/isolation/permission"
	"github.com/bulkhead-dev/bulkhead/object"
)

// granted adds the roles and bindings among objects.
func granted(t *rapid.T, into *permission.Objects, objects []*object.Object) {
	convert := func(o *object.Object, v any) {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Body().Map(), v); err != nil {
			t.Fatal(err)
		}
	}
	for _, o := range objects {
		switch o.ID.Kind {
		case "ClusterRole":
			var r rbacv1.ClusterRole
			convert(o, &r)
			into.ClusterRoles = append(into.ClusterRoles, r)
		case "RoleBinding":
			var b rbacv1.RoleBinding
			convert(o, &b)
			into.RoleBindings = append(into.RoleBindings, b)
		case "Role", "ClusterRoleBinding":
			t.Fatalf("%s: nobody expects one", o.ID)
		}
	}
}

// TestIsolation: by all roles and bindings of a cluster together, the account of a tenant may write in its own namespaces and nowhere else, and
// nowhere what holds it in.
func TestIsolation(t *testing.T) {
	write := []string{"create", "update", "patch", "delete"}
	walls := []permission.Request{
		{Resource: "resourcequotas"},
		{Resource: "limitranges"},
		{Resource: "networkpolicies", Group: "networking.k8s.io"},
		{Resource: "rolebindings", Group: "rbac.authorization.k8s.io"},
		{Resource: "roles", Group: "rbac.authorization.k8s.io"},
		{Resource: "serviceaccounts", Subresource: "token"},
		{Resource: "gitrepositories", Subresource: "status", Group: "source.toolkit.fluxcd.io"},
		{Resource: "pods", Subresource: "exec"},
		{Resource: "imageupdateautomations", Group: "image.toolkit.fluxcd.io"},
	}
	goods := []permission.Request{{Resource: "secrets"}, {Resource: "deployments", Group: "apps"}, {Resource: "kustomizations", Group: "kustomize.toolkit.fluxcd.io"}, {Resource: "imagerepositories", Group: "image.toolkit.fluxcd.io"}}
	asked, may := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		all, err := Compartments(fleetOf(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, cluster := range []string{"c0", "c1", "c2"} {
			var o permission.Objects
			shared, err := Platform(cluster)
			if err != nil {
				t.Fatal(err)
			}
			granted(t, &o, shared)
			namespaces := []string{"", "default", "kube-system", "flux-system"}
			var here []*Compartment
			for _, c := range all {
				if c.Cluster.Name == cluster {
					objects, err := Objects([]*Compartment{c})
					if err != nil {
						t.Fatal(err)
					}
					granted(t, &o, objects)
					here, namespaces = append(here, c), append(append(namespaces, c.FluxNamespace()), c.Namespaces...)
				}
			}
			closure := permission.New(o)
			for _, c := range here {
				account := permission.Account(c.FluxNamespace(), c.Name())
				for _, ns := range namespaces {
					for _, verb := range write {
						if g, ok := closure.May(account, permission.OnNamespace(verb, ns)); ok {
							t.Fatalf("%s may %s namespace %q: %+v", c.Name(), verb, ns, g)
						}
						for i, q := range slices.Concat(walls, goods) {
							q.Verb, q.Namespace = verb, ns
							g, ok := closure.May(account, q)
							if ok && (i < len(walls) || !slices.Contains(c.Namespaces, ns)) {
								t.Fatalf("%s may %s %s/%s in %q: %+v", c.Name(), verb, q.Resource, q.Subresource, ns, g)
							}
							asked++
							if ok {
								may++
							}
						}
					}
				}
			}
		}
	})
	if may < 100 {
		t.Errorf("%d of %d allowed: the accounts can do nothing at all", may, asked)
	}
	t.Logf("%d questions, %d allowed", asked, may)
}

package builtin

import (
	"testing"

	"github.com/bulkhead-dev/bulkhead/isolation/permission"
)

// TestRoles: every version has its roles, and they say what Kubernetes documents.
func TestRoles(t *testing.T) {
	for minor := Oldest; minor <= Newest; minor++ {
		o := Roles(minor)
		if len(o.ClusterRoles) < 60 || len(o.ClusterRoleBindings) < 40 || len(o.Roles) < 5 || len(o.RoleBindings) < 5 {
			t.Errorf("1.%d: %d and %d roles, %d and %d bindings", minor, len(o.ClusterRoles), len(o.Roles), len(o.ClusterRoleBindings), len(o.RoleBindings))
		}
		c := permission.New(o)
		admin := permission.Person("alice", "system:masters")
		if _, may := c.May(admin, permission.Request{Verb: "delete", Resource: "nodes", Name: "a"}); !may {
			t.Errorf("1.%d: a superuser may not", minor)
		}
		who := permission.Account("shop", "default")
		if _, may := c.May(who, permission.Request{Verb: "list", Resource: "pods", Namespace: "shop"}); may {
			t.Errorf("1.%d: an account without a binding may list pods", minor)
		}
		if g, may := c.May(who, permission.Request{Verb: "create", Group: "authorization.k8s.io", Resource: "selfsubjectaccessreviews"}); !may || g.Binding != "system:basic-user" {
			t.Errorf("1.%d: an account may not ask about itself: %+v", minor, g)
		}
		for _, role := range []string{"admin", "edit", "view"} {
			if !hasRules(c, role) {
				t.Errorf("1.%d: role %s has no rules", minor, role)
			}
		}
	}
	if len(Roles(0).ClusterRoles) != len(Roles(99).ClusterRoles) || len(Roles(1).ClusterRoles) != len(Roles(Oldest).ClusterRoles) {
		t.Error("what is not known is not that of the nearest version")
	}
}

// hasRules says whether an aggregated role allows something, bound in a namespace.
func hasRules(c *permission.Closure, role string) bool { return len(c.Rules(role)) > 3 }

package policy

import (
	"context"
	"fmt"

	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/bulkhead-dev/bulkhead/isolation/permission"
)

// permissions answers authorizer in expressions: what the roles and bindings of the cluster grant, and no other authorizer of it.
type permissions struct{ *permission.Closure }

// Authorize allows what some binding grants. Of the rest it has no opinion, as RBAC on a cluster, and so it is not allowed.
//
// Source: Kubernetes v1.36, plugin/pkg/auth/authorizer/rbac. Selectors of fields and labels do not count there either.
func (p permissions) Authorize(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	who := permission.Subject{}
	if u := a.GetUser(); u != nil {
		who = permission.Subject{User: u.GetName(), Groups: u.GetGroups()}
	}
	what := permission.Request{Verb: a.GetVerb(), Path: a.GetPath()}
	if a.IsResourceRequest() {
		what = permission.Request{
			Verb: a.GetVerb(), Group: a.GetAPIGroup(), Resource: a.GetResource(), Subresource: a.GetSubresource(), Namespace: a.GetNamespace(), Name: a.GetName(),
		}
	}
	g, may := p.May(who, what)
	if !may {
		return authorizer.DecisionNoOpinion, "", nil
	}
	kind, binding := "ClusterRoleBinding", g.Binding
	if g.Namespace != "" {
		kind, binding = "RoleBinding", g.Binding+"/"+g.Namespace
	}
	role := "Role"
	if g.ClusterRole {
		role = "ClusterRole"
	}
	return authorizer.DecisionAllow, fmt.Sprintf("RBAC: allowed by %s %q of %s %q", kind, binding, role, g.Role), nil
}

// Package builtin has the roles and bindings that Kubernetes makes when it starts, see [Roles].
//
// One invariant: they are those of the newest patch of each minor version, word for word.
package builtin

//go:generate go -C ../../tools/roles run . ../../isolation/builtin/roles

import (
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulkhead-dev/bulkhead/isolation/permission"
)

// Oldest and Newest are the minor versions of Kubernetes that are known: 1.30 to 1.36.
const (
	Oldest = 30
	Newest = 36
)

//go:embed roles/*.json
var files embed.FS

// Roles are those of Kubernetes 1.MINOR. Of an older or newer one than is known they are those of the nearest, and 0 is the newest. The lists are
// the caller's to change, what they hold is not.
//
// Source: Kubernetes, plugin/pkg/auth/authorizer/rbac/bootstrappolicy/testdata, of which its own tests say that the API server makes it.
func Roles(minor int) permission.Objects {
	if minor == 0 {
		minor = Newest
	}
	o := known[min(max(minor, Oldest), Newest)-Oldest]()
	return permission.Objects{
		Roles: slices.Clone(o.Roles), ClusterRoles: slices.Clone(o.ClusterRoles),
		RoleBindings: slices.Clone(o.RoleBindings), ClusterRoleBindings: slices.Clone(o.ClusterRoleBindings),
	}
}

var known = func() (out [Newest - Oldest + 1]func() permission.Objects) { //nolint:gochecknoglobals // read once, and constant
	for i := range out {
		out[i] = sync.OnceValue(func() permission.Objects { return read(Oldest + i) })
	}
	return out
}()

// read takes a file apart. The files are ours: what is wrong with one is a fault of the build, which TestRoles finds.
func read(minor int) (out permission.Objects) {
	name := fmt.Sprintf("roles/1.%d.json", minor)
	data, err := files.ReadFile(name)
	if err != nil {
		panic(err)
	}
	var items []json.RawMessage
	if err := json.Unmarshal(data, &items); err != nil {
		panic(fmt.Sprintf("parse %s: %v", name, err))
	}
	for _, item := range items {
		var kind metav1.TypeMeta
		err := json.Unmarshal(item, &kind)
		switch kind.Kind {
		case "Role":
			out.Roles, err = add[rbacv1.Role](out.Roles, item)
		case "ClusterRole":
			out.ClusterRoles, err = add[rbacv1.ClusterRole](out.ClusterRoles, item)
		case "RoleBinding":
			out.RoleBindings, err = add[rbacv1.RoleBinding](out.RoleBindings, item)
		case "ClusterRoleBinding":
			out.ClusterRoleBindings, err = add[rbacv1.ClusterRoleBinding](out.ClusterRoleBindings, item)
		}
		if err != nil {
			panic(fmt.Sprintf("parse %s: %v", name, err))
		}
	}
	return out
}

func add[T any](list []T, item json.RawMessage) ([]T, error) {
	var v T
	err := json.Unmarshal(item, &v)
	return append(list, v), err
}

package estate

import (
	"slices"
	"strings"
	"sync"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/bulkhead-dev/bulkhead/isolation/builtin"
	"github.com/bulkhead-dev/bulkhead/isolation/permission"
	"github.com/bulkhead-dev/bulkhead/object"
)

// Cluster is one cluster with all that stands on it.
type Cluster struct {
	Name   string
	Labels map[string]string
	// Environment by its label or its name; "" when nothing tells. Production says whether that is one where mistakes hurt.
	Environment string
	Production  bool
	// Minor is the minor version of Kubernetes, as in 1.35; 0 when it is not known.
	Minor int
	// FluxNamespace is where the cluster's own sync is: flux-system.
	FluxNamespace string
	// Appliers that write to the cluster, sorted by kind, namespace, name.
	Appliers []*Applier
	// Held by the cluster: appliers whose objects are on it, in the same order, wherever they write.
	Homed []*Applier
	// Objects of all appliers: neither held ones nor hooks. An object that two bring is there twice.
	Objects []*Object
	Gaps    []Gap
	// Compartments of the tenants, sorted by tenant.
	Compartments []*Compartment
	// Controllers of Flux that Git shows, in the order of [Controllers], then the operator; the main one of each name first.
	Controllers []*Controller
	// Entered is true when the fleet has an entry point of the cluster, false for one that is known only as the target of a kubeConfig.
	Entered bool

	index       sync.Once
	byID        map[object.ID][]*Object
	byKind      map[schema.GroupKind][]*Object
	scopes      map[schema.GroupKind]crd
	permissions func() *permission.Closure
	once        sync.Once
}

// crd is what a CustomResourceDefinition says of a kind.
type crd struct {
	plural     string
	namespaced bool
}

func (c *Cluster) indexed() {
	c.index.Do(func() {
		c.byID, c.byKind, c.scopes = map[object.ID][]*Object{}, map[schema.GroupKind][]*Object{}, map[schema.GroupKind]crd{}
		for _, o := range c.Objects {
			gk := schema.GroupKind{Group: o.ID.Group, Kind: o.ID.Kind}
			c.byID[o.ID] = append(c.byID[o.ID], o)
			c.byKind[gk] = append(c.byKind[gk], o)
		}
		for _, o := range c.byKind[schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}] {
			of := schema.GroupKind{Group: o.Text("spec", "group"), Kind: o.Text("spec", "names", "kind")}
			c.scopes[of] = crd{plural: o.Text("spec", "names", "plural"), namespaced: o.Text("spec", "scope") == "Namespaced"}
		}
	})
}

// Get are the objects with that identity: none, one, or one for each applier that brings it.
func (c *Cluster) Get(id object.ID) []*Object {
	c.indexed()
	return c.byID[id]
}

// Kind are the objects of a kind of a group.
func (c *Cluster) Kind(group, kind string) []*Object {
	c.indexed()
	return c.byKind[schema.GroupKind{Group: group, Kind: kind}]
}

// Namespace is the object of that name as the platform has it, else as a tenant has it; nil when nobody brings it.
func (c *Cluster) Namespace(name string) *Object {
	all := c.Get(object.ID{Kind: "Namespace", Name: name})
	for _, o := range all {
		if o.Tenant == nil {
			return o
		}
	}
	if len(all) > 0 {
		return all[0]
	}
	return nil
}

// Compartment is a tenant's on the cluster, or nil.
func (c *Cluster) Compartment(t *Tenant) *Compartment {
	for _, p := range c.Compartments {
		if p.Tenant == t {
			return p
		}
	}
	return nil
}

// Owner is the compartment that a namespace belongs to; nil for none. Of several it is the first by name.
func (c *Cluster) Owner(namespace string) *Compartment {
	for _, p := range c.Compartments {
		if p.Owns(namespace) {
			return p
		}
	}
	return nil
}

// Controller is the main one of that name, or nil when Git does not show it.
func (c *Cluster) Controller(name string) *Controller {
	for _, k := range c.Controllers {
		if k.Name == name {
			return k
		}
	}
	return nil
}

// Namespaced reports whether objects of a kind are in namespaces, and whether that is known: of what is built in and of the kinds of the
// CustomResourceDefinitions on the cluster.
func (c *Cluster) Namespaced(group, kind string) (namespaced, known bool) {
	c.indexed()
	gk := schema.GroupKind{Group: group, Kind: kind}
	if d, ok := c.scopes[gk]; ok {
		return d.namespaced, true
	}
	return builtinScope(gk)
}

// Resource is what RBAC calls a kind: "networkpolicies" of NetworkPolicy.
func (c *Cluster) Resource(group, kind string) string {
	c.indexed()
	if d, ok := c.scopes[schema.GroupKind{Group: group, Kind: kind}]; ok && d.plural != "" {
		return d.plural
	}
	if lower := strings.ToLower(kind); strings.HasSuffix(lower, "way") { // of Gateway the guess makes "gatewaies"
		return lower + "s"
	}
	plural, _ := meta.UnsafeGuessKindToResource(schema.GroupVersionKind{Group: group, Version: "v1", Kind: kind})
	return plural.Resource
}

// Permissions are what anybody may do on the cluster: by what is built into its version of Kubernetes, and by the roles and bindings that are
// applied to it. What a tenant brings counts when the tenant may bring it: the API server refuses the rest.
func (c *Cluster) Permissions() *permission.Closure {
	c.once.Do(func() {
		c.permissions = sync.OnceValue(func() *permission.Closure { return permission.New(c.roles()) })
	})
	return c.permissions()
}

// roles are those of the cluster. What is applied takes the place of what is built in: of roles the last of a name counts.
func (c *Cluster) roles() permission.Objects {
	out := builtin.Roles(c.Minor)
	bindings := map[string]bool{}
	var taken, open []*Object
	for _, kind := range []string{"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"} {
		for _, o := range c.Kind(rbacv1.GroupName, kind) {
			if o.Tenant == nil || o.Applier == nil || o.Applier.As.Kind != RunsAsAccount {
				taken = append(taken, o)
				bindings[o.ID.Name] = bindings[o.ID.Name] || kind == "ClusterRoleBinding"
			} else {
				open = append(open, o)
			}
		}
	}
	out.ClusterRoleBindings = slices.DeleteFunc(out.ClusterRoleBindings, func(b rbacv1.ClusterRoleBinding) bool { return bindings[b.Name] })
	for len(taken) > 0 {
		for _, o := range taken {
			add(&out, o)
		}
		taken, open = c.allowed(permission.New(out), open)
	}
	return out
}

// allowed are those of the tenants' roles and bindings that their appliers may bring, and the others. Whether a role gives more than its author has
// is not asked: who may write roles is taken at that.
func (c *Cluster) allowed(rights *permission.Closure, open []*Object) (taken, rest []*Object) {
	for _, o := range open {
		as := o.Applier.As.Account
		what := permission.Request{Verb: "create", Group: o.ID.Group, Resource: c.Resource(o.ID.Group, o.ID.Kind), Namespace: o.ID.Namespace}
		if _, may := rights.May(permission.Account(as.Namespace, as.Name), what); may {
			taken = append(taken, o)
		} else {
			rest = append(rest, o)
		}
	}
	return taken, rest
}

// add takes a role or binding; one that does not decode is refused by the API server.
func add(out *permission.Objects, o *Object) {
	switch o.ID.Kind {
	case "ClusterRole":
		out.ClusterRoles = decoded(out.ClusterRoles, o)
	case "ClusterRoleBinding":
		out.ClusterRoleBindings = decoded(out.ClusterRoleBindings, o)
	case "Role":
		out.Roles = decoded(out.Roles, o)
	case "RoleBinding":
		out.RoleBindings = decoded(out.RoleBindings, o)
	}
}

func decoded[T any](list []T, o *Object) []T {
	var v T
	if o.Into(&v) {
		list = append(list, v)
	}
	return list
}

package risk

import (
	"slices"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// subject is who is bound to a role.
type subject struct{ kind, namespace, name string }

// String is "ServiceAccount flux-system/apps", "Group admins".
func (s subject) String() string {
	return calledID(object.ID{Kind: s.kind, Namespace: s.namespace, Name: s.name})
}

// everybody reports whether s stands for people or accounts that nobody counted.
func (s subject) everybody() bool {
	switch s.kind {
	case "Group":
		return slices.Contains([]string{"system:unauthenticated", "system:authenticated", "system:serviceaccounts", "system:masters"}, s.name)
	case "User":
		return s.name == "system:anonymous"
	}
	return false
}

// binding is who holds a role, and where.
type binding struct {
	namespace  string // "" for the whole cluster
	kind, role string
	subjects   []subject // without duplicates
	has        map[subject]bool
}

// bindingOf reads a RoleBinding or ClusterRoleBinding; the zero binding for none.
func bindingOf(o *object.Object) binding {
	if o == nil || o.ID.Group != rbacGroup || o.ID.Kind != "RoleBinding" && o.ID.Kind != "ClusterRoleBinding" {
		return binding{}
	}
	m := body(o)
	b := binding{kind: text(m, "roleRef", "kind"), role: text(m, "roleRef", "name"), has: map[subject]bool{}}
	if o.ID.Kind == "RoleBinding" {
		b.namespace = o.ID.Namespace
	}
	for _, e := range list(m, "subjects") {
		s, _ := e.(map[string]any)
		one := subject{text(s, "kind"), text(s, "namespace"), text(s, "name")}
		switch {
		case one.kind != "ServiceAccount":
			one.namespace = ""
		case one.namespace == "":
			one.namespace = b.namespace
		}
		if one.name != "" && !b.has[one] {
			b.subjects, b.has[one] = append(b.subjects, one), true
		}
	}
	return b
}

// bindings are those that are rendered for clusters: each is read once.
type bindings map[*render.Cluster][]binding

// of are those of a cluster; none for nil.
func (k bindings) of(c *render.Cluster) []binding {
	if all, read := k[c]; read || c == nil {
		return all
	}
	var all []binding
	for o := range c.Objects.All() {
		if b := bindingOf(o); b.role != "" {
			all = append(all, b)
		}
	}
	k[c] = all
	return all
}

// holds reports whether b gives s at least what other gives it.
func (b binding) holds(other binding, s subject) bool {
	same := b.kind == other.kind && b.role == other.role
	wide := b.kind == "ClusterRole" && b.role == "cluster-admin"
	return (same || wide) && (b.namespace == other.namespace || b.namespace == "") && b.has[s]
}

// means is how far the role of a binding leads on a cluster, and whether that is known.
//
// Source: k8s.io/kubernetes v1.36.3 plugin/pkg/auth/authorizer/rbac/bootstrappolicy: admin and edit read
// secrets, view does not.
func (b binding) means(c *render.Cluster) (might, bool) {
	id := object.ID{Group: rbacGroup, Kind: b.kind, Name: b.role}
	if b.kind == "Role" {
		id.Namespace = b.namespace
	}
	if c != nil {
		if o, ok := c.Objects.Get(id); ok {
			grants, whole := widened(nil, rulesOf(c, o))
			return mightiest(grants), whole
		}
	}
	if b.kind == "ClusterRole" {
		switch b.role {
		case "cluster-admin":
			return boundless, true
		case "admin", "edit":
			return powerful, true
		case "view":
			return plainRead, true
		}
	}
	return ordinary, false
}

// mightyRoleOf names a role without bounds that a subject holds everywhere on a cluster, "" for none.
func (k bindings) mightyRoleOf(c *render.Cluster, s subject) string {
	for _, b := range k.of(c) {
		if b.namespace == "" && b.has[s] {
			if m, _ := b.means(c); m == boundless {
				return b.role
			}
		}
	}
	return ""
}

func (k bindings) roleBound(x *context, ch *impact.Change) []Risk {
	is := bindingOf(ch.After)
	if is.role == "" || opaque(is.role) {
		return nil
	}
	was := bindingOf(ch.Before)
	var gets []subject
	for _, s := range is.subjects {
		if !was.holds(is, s) {
			gets = append(gets, s)
		}
	}
	if len(gets) == 0 {
		return nil
	}
	for _, b := range k.of(x.before) { // also one that has gone, or was called something else
		gets = slices.DeleteFunc(gets, func(s subject) bool { return b.holds(is, s) })
	}
	if len(gets) == 0 {
		return nil
	}
	m, known := is.means(x.after)
	where := "on the whole cluster"
	if is.namespace != "" {
		where = "in namespace " + show(ch, is.namespace)
	}
	// Who is everybody comes first.
	slices.SortStableFunc(gets, func(a, b subject) int { return rankBool(!a.everybody()) - rankBool(!b.everybody()) })
	names := make([]string, 0, len(gets))
	for _, s := range gets {
		names = append(names, s.String())
	}
	r := told(ch, "subjects", "%s gives %s %s to %s%s", called(ch), show(ch, is.kind), show(ch, is.role)+" "+where, shownFew(ch, names), meaning(m, known))
	switch {
	case gets[0].everybody(), m == boundless:
		r.Severity = finding.Error
	case known && m == plainRead:
		r.Severity = finding.Note
	}
	return []Risk{r}
}

func meaning(m might, known bool) string {
	switch {
	case m == boundless:
		return ", which leads to everything"
	case m == powerful:
		return ", which leads to secrets, tokens or into pods"
	case !known:
		return "; what it grants is not known here"
	}
	return ""
}

func rankBool(b bool) int {
	if b {
		return 1
	}
	return 0
}

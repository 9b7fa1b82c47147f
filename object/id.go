package object

import (
	"cmp"
	"fmt"
	"strings"
)

// ID names one object within a cluster. The API version is not part of it: a Deployment read
// as apps/v1 and as apps/v1beta2 is one object. Group is "" for the core group, Namespace is ""
// for a cluster-scoped object (or one whose applier fills the namespace in).
// IDs are comparable and may be map keys.
type ID struct {
	Group     string `json:"group,omitempty"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

// String is GROUP/KIND/NAMESPACE/NAME, without the group when it is the core group and without
// the namespace when there is none: "apps/Deployment/shop/web", "Service/shop/web",
// "rbac.authorization.k8s.io/ClusterRole/admin", "Namespace/shop".
//
// Kinds begin with an upper-case letter and groups do not, which is how [ParseID] tells three
// segments apart. An ID that breaks this custom keeps all four segments, empty ones too.
func (id ID) String() string {
	parts := make([]string, 0, 4)
	if id.Group != "" {
		parts = append(parts, id.Group)
	}
	parts = append(parts, id.Kind)
	if id.Namespace != "" {
		parts = append(parts, id.Namespace)
	}
	parts = append(parts, id.Name)
	odd := len(parts) == 3 && upper(parts[0]) != (id.Group == "")
	if odd {
		parts = []string{id.Group, id.Kind, id.Namespace, id.Name}
	}
	return strings.Join(parts, "/")
}

// ParseID reads the text that [ID.String] writes. The error quotes s; kind and name may not be empty.
func ParseID(s string) (ID, error) {
	var id ID
	switch p := strings.Split(s, "/"); {
	case len(p) == 2:
		id = ID{Kind: p[0], Name: p[1]}
	case len(p) == 3 && upper(p[0]):
		id = ID{Kind: p[0], Namespace: p[1], Name: p[2]}
	case len(p) == 3:
		id = ID{Group: p[0], Kind: p[1], Name: p[2]}
	case len(p) == 4:
		id = ID{Group: p[0], Kind: p[1], Namespace: p[2], Name: p[3]}
	}
	if id.Kind == "" || id.Name == "" {
		return ID{}, fmt.Errorf("parse object ID %q: want [GROUP/]KIND/[NAMESPACE/]NAME", s)
	}
	return id, nil
}

// Compare orders by group, kind, namespace and name, each by bytes. It is negative when id comes
// before other, zero when they are equal.
func (id ID) Compare(other ID) int {
	return cmp.Or(
		strings.Compare(id.Group, other.Group),
		strings.Compare(id.Kind, other.Kind),
		strings.Compare(id.Namespace, other.Namespace),
		strings.Compare(id.Name, other.Name),
	)
}

// upper says whether s begins with an upper-case ASCII letter.
func upper(s string) bool { return s != "" && s[0] >= 'A' && s[0] <= 'Z' }

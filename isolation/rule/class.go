package rule

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
)

// contractOf is the contract of whose object it is; nil when nobody wrote one down, and for the platform.
func contractOf(o *estate.Object) *v1alpha1.Contract {
	p := o.Compartment()
	if o.Tenant == nil || p == nil {
		return nil
	}
	if c, known := p.Contract(); known {
		return &c
	}
	return nil
}

// outsideClasses reports whether a class is named, and is not in a list of the contract that bounds such classes. An empty list bounds nothing.
func outsideClasses(o *estate.Object, class string, of func(*v1alpha1.Contract) []string) bool {
	c := contractOf(o)
	if c == nil || class == "" {
		return false
	}
	list := of(c)
	return len(list) > 0 && !slices.Contains(list, class)
}

// listed reports whether the contract has a kind in operatorKinds.
func listed(o *estate.Object) bool {
	c := contractOf(o)
	return c != nil && slices.Contains(c.OperatorKinds, metav1.GroupKind{Group: o.ID.Group, Kind: o.ID.Kind})
}

// ingressClass finds Ingresses and Gateways of a class that is not the tenant's.
func ingressClass(o *estate.Object) []Found {
	field := ""
	switch {
	case o.Is("networking.k8s.io", "Ingress"):
		field = "ingressClassName"
	case o.Is("gateway.networking.k8s.io", "Gateway"):
		field = "gatewayClassName"
	default:
		return nil
	}
	class, at := o.Text("spec", field), "spec."+field
	if old := o.Annotations()["kubernetes.io/ingress.class"]; class == "" && o.ID.Kind == "Ingress" {
		class, at = old, annotation("kubernetes.io/ingress.class")
	}
	if !outsideClasses(o, class, func(c *v1alpha1.Contract) []string { return c.IngressClasses }) {
		return nil
	}
	return one(Found{
		Level: finding.Medium, Field: at, Hint: "name a class of ingressClasses of the contract",
		Message: fmt.Sprintf("%s is of class %s, which is not in the contract of tenant %s", brief(o), legible(class), o.Tenant.Name),
	})
}

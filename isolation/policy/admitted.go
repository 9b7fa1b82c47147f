package policy

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structural "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/object"
)

// admitted is an object as the API server shows it to policies: of its Go type or schema, with defaults. What only the cluster knows is not in it:
// uid, creationTimestamp, status, what other admission changes.
type admitted struct {
	*unstructured.Unstructured
	// whole is true when all defaults of its kind are in it, so that a field that is not there is not there on the cluster either.
	whole bool
	// sealed is true when values are encrypted.
	sealed bool
	// convertible is true when another version differs by its name alone.
	convertible bool
}

// runtime is the object as an interface that is nil for none.
func (a *admitted) runtime() runtime.Object {
	if a == nil {
		return nil
	}
	return a.Unstructured
}

func (a *admitted) isSealed() bool { return a != nil && a.sealed }

// admit makes of an object what the API server makes of it before policies see it; nil of nil.
func (c *Cluster) admit(o *object.Object) *admitted {
	if o == nil {
		return nil
	}
	content := o.Body().Map()
	_, sealed := content["sops"].(map[string]any)
	gvk := schema.GroupVersionKind{Group: o.ID.Group, Version: o.Version, Kind: o.ID.Kind}
	a := &admitted{Unstructured: &unstructured.Unstructured{Object: content}, sealed: sealed}
	if typed, err := scheme.Scheme.New(gvk); err == nil {
		if runtime.DefaultUnstructuredConverter.FromUnstructured(content, typed) != nil {
			return a
		}
		a.whole = completeObject(typed)
		if m, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed); err == nil {
			a.Object = m
			a.SetGroupVersionKind(gvk)
			c.place(a, o)
		}
		return a
	}
	a.Object = runtime.DeepCopyJSON(content)
	if d := c.definitions[gvk.GroupKind()]; d != nil {
		a.convertible = d.convertible
		if s := d.schemas[o.Version]; s != nil {
			pruning.Prune(a.Object, s, true)
			defaulting.PruneNonNullableNullsWithoutDefaults(a.Object, s)
			defaulting.Default(a.Object, s)
			a.whole = true
		}
	}
	delete(a.Object, "sops")
	c.place(a, o)
	return a
}

// place fills in what the API server sets of the metadata.
func (c *Cluster) place(a *admitted, o *object.Object) {
	namespaced, known := c.Namespaced(o.ID.Group, o.ID.Kind)
	meta, ok := a.Object["metadata"].(map[string]any)
	if !ok || !known {
		return
	}
	switch {
	case !namespaced:
		delete(meta, "namespace")
	case o.ID.Namespace == "":
		meta["namespace"] = metav1.NamespaceDefault
	}
}

// byServer are fields that only the cluster knows.
var byServer = []string{ //nolint:gochecknoglobals // a constant list
	"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink", "clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "nodePort", "status",
}

// lacks reports whether an error says that a field is not there which may be there on the cluster.
func (a *admitted) lacks(message string) bool {
	_, key, found := strings.Cut(message, "no such key: ")
	if a == nil || !found {
		return false
	}
	key, _, _ = strings.Cut(key, " ")
	return !a.whole || slices.Contains(byServer, strings.TrimRight(key, ",;]"))
}

// definition is what a CustomResourceDefinition says of its kind.
type definition struct {
	served      []string
	schemas     map[string]*structural.Structural // by version
	convertible bool
	hash        object.Hash
}

// definitionsOf reads those of a cluster. What is no structural schema, and so refused by the API server, is none.
func definitionsOf(c *estate.Cluster) map[schema.GroupKind]*definition {
	out := map[schema.GroupKind]*definition{}
	for _, o := range c.Kind(apiextensionsv1.GroupName, "CustomResourceDefinition") {
		var crd apiextensionsv1.CustomResourceDefinition
		if !o.Into(&crd) {
			continue
		}
		d := &definition{hash: o.Body().Hash(), schemas: map[string]*structural.Structural{}, convertible: crd.Spec.Conversion == nil || crd.Spec.Conversion.Strategy == apiextensionsv1.NoneConverter}
		for i := range crd.Spec.Versions {
			v := &crd.Spec.Versions[i]
			if v.Served {
				d.served = append(d.served, v.Name)
			}
			if v.Schema == nil || v.Schema.OpenAPIV3Schema == nil {
				continue
			}
			var in apiextensions.JSONSchemaProps
			if apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(v.Schema.OpenAPIV3Schema, &in, nil) != nil {
				continue
			}
			if s, err := structural.NewStructural(&in); err == nil {
				d.schemas[v.Name] = s
			}
		}
		out[schema.GroupKind{Group: crd.Spec.Group, Kind: crd.Spec.Names.Kind}] = d
	}
	return out
}

// namespacesOf are the Namespaces that are brought to a cluster, with the hashes of their contents.
func namespacesOf(c *estate.Cluster) (namespaces, map[string]object.Hash) {
	out, hashes := namespaces{}, map[string]object.Hash{}
	for _, o := range c.Kind("", "Namespace") {
		var ns corev1.Namespace
		if out[o.ID.Name] == nil && c.Namespace(o.ID.Name).Into(&ns) {
			ns.Labels = maps.Clone(ns.Labels)
			completeNamespace(&ns)
			out[o.ID.Name], hashes[o.ID.Name] = &ns, c.Namespace(o.ID.Name).Body().Hash()
		}
	}
	return out, hashes
}

// Admitted is what policies see of an object: with defaults, and without what only the cluster knows. Whole is false when there may be more defaults
// than are known.
func (c *Cluster) Admitted(o *object.Object) (content map[string]any, whole bool) {
	a := c.admit(o)
	return a.Object, a.whole
}

package policy

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/permission"
	"github.com/bulkhead-dev/bulkhead/object"
)

// Request is one object that somebody brings to a cluster, changes there or takes away.
type Request struct {
	// Object as it is sent; nil when it is taken away.
	Object *object.Object
	// Old is the object that is there; nil when there is none.
	Old *object.Object
	// User who asks, with groups. Unknown is true when it is but a guess.
	User    permission.Subject
	Unknown bool
	// Manager is the field manager of the request; "" for kustomize-controller.
	Manager string
}

// requestOf is what an applier asks for an object.
func requestOf(a *estate.Applier, now, old *object.Object) *Request {
	r := &Request{Object: now, Old: old, Manager: estate.KustomizeController}
	if a.Kind == estate.HelmReleaseKind {
		r.Manager = "helm"
	}
	r.User, r.Unknown = userOf(a)
	return r
}

// userOf is in whose name an applier writes, and whether that is but a guess.
func userOf(a *estate.Applier) (who permission.Subject, unknown bool) {
	if a.As.Kind == estate.RunsAsAccount {
		return permission.Account(a.As.Account.Namespace, a.As.Account.Name), false
	}
	name := estate.KustomizeController
	switch a.Kind {
	case estate.HelmReleaseKind:
		name = estate.HelmController
	case estate.ResourceSetKind:
		name = estate.FluxOperator
	}
	namespace := a.Home.FluxNamespace
	k := a.Controller()
	if k != nil && k.Account.Name != "" {
		namespace, name = k.Account.Namespace, k.Account.Name
	}
	return permission.Account(namespace, name), a.As.Kind == estate.RunsAsKubeconfig || a.As.Unknown || k == nil || k.Account.Name == ""
}

// subject is the object that a request is about.
func (r *Request) subject() *object.Object { return cmp.Or(r.Object, r.Old) }

// asked is a request as admission sees it.
type asked struct {
	*Request
	attr  admission.Attributes
	kinds *kinds
	// What admission shows of the objects, made when a policy asks: most are asked about nothing.
	now, old func() *admitted // of nil for none
	// space is the Namespace that the object is in; nil for none. Guessed is true when nobody brings it, so that only its name is known.
	space   *corev1.Namespace
	guessed bool
}

// ask turns a request into what admission sees.
//
// Source: Kubernetes v1.36, k8s.io/apiserver/pkg/endpoints/handlers create.go, update.go and delete.go.
func (c *Cluster) ask(r *Request) *asked {
	o := r.subject()
	gvk := schema.GroupVersionKind{Group: o.ID.Group, Version: o.Version, Kind: o.ID.Kind}
	q := &asked{Request: r, kinds: c.kindsOf(gvk)}
	q.now = sync.OnceValue(func() *admitted { return c.admit(r.Object) })
	q.old = sync.OnceValue(func() *admitted { return c.admit(r.Old) })
	namespace := o.ID.Namespace
	switch namespaced, known := c.Namespaced(o.ID.Group, o.ID.Kind); {
	case o.ID.Group == "" && o.ID.Kind == "Namespace":
		namespace = o.ID.Name
	case known && !namespaced:
		namespace = ""
	case known && namespace == "":
		namespace = metav1.NamespaceDefault
	}
	if namespace != "" && gvk != corev1.SchemeGroupVersion.WithKind("Namespace") {
		q.space, q.guessed = c.namespaces.get(namespace)
	}
	manager := cmp.Or(r.Manager, estate.KustomizeController)
	operation, options := admission.Create, runtime.Object(&metav1.CreateOptions{TypeMeta: optionsType("CreateOptions"), FieldManager: manager})
	switch {
	case r.Object == nil:
		operation, options = admission.Delete, &metav1.DeleteOptions{TypeMeta: optionsType("DeleteOptions")}
	case r.Old != nil:
		operation, options = admission.Update, &metav1.UpdateOptions{TypeMeta: optionsType("UpdateOptions"), FieldManager: manager}
	}
	now, old := labelled(r.Object), labelled(r.Old)
	if gvk.Kind == "Namespace" || gvk.Kind == "Job" { // which get labels
		now, old = q.now().runtime(), q.old().runtime()
	}
	q.attr = admission.NewAttributesRecord(now, old, gvk, namespace, o.ID.Name, gvk.GroupVersion().WithResource(q.kinds.resource), "",
		operation, options, false, &user.DefaultInfo{Name: r.User.User, Groups: r.User.Groups})
	return q
}

// labelled is an object as far as selectors ask; nil of nil.
func labelled(o *object.Object) runtime.Object {
	if o == nil {
		return nil
	}
	return &unstructured.Unstructured{Object: o.Body().Map()}
}

func optionsType(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: metav1.SchemeGroupVersion.String(), Kind: kind}
}

// kinds are the versions of a kind, all of which name the same objects. It is what the matcher of the API server asks for.
type kinds struct {
	admission.ObjectInterfaces // it asks for nothing else
	kind                       schema.GroupVersionKind
	resource                   string
	versions                   []string
}

// kindsOf are the versions that a cluster serves of a kind: of built-in kinds those that are neither alpha nor beta, of others those of the
// CustomResourceDefinition.
func (c *Cluster) kindsOf(gvk schema.GroupVersionKind) *kinds {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.kindCache[gvk]
	if k != nil {
		return k
	}
	k = &kinds{kind: gvk, resource: c.Resource(gvk.Group, gvk.Kind)}
	for _, gv := range scheme.Scheme.PrioritizedVersionsForGroup(gvk.Group) {
		if scheme.Scheme.Recognizes(gv.WithKind(gvk.Kind)) && !slices.ContainsFunc([]string{"alpha", "beta"}, func(s string) bool { return strings.Contains(gv.Version, s) }) {
			k.versions = append(k.versions, gv.Version)
		}
	}
	if d := c.definitions[gvk.GroupKind()]; d != nil {
		k.versions = d.served
	}
	if !slices.Contains(k.versions, gvk.Version) {
		k.versions = append(slices.Clone(k.versions), gvk.Version)
	}
	c.kindCache[gvk] = k
	return k
}

// GetEquivalentResourceMapper is the value itself.
func (k *kinds) GetEquivalentResourceMapper() runtime.EquivalentResourceMapper { return k }

// EquivalentResourcesFor is the resource in all versions.
func (k *kinds) EquivalentResourcesFor(r schema.GroupVersionResource, _ string) (out []schema.GroupVersionResource) {
	for _, v := range k.versions {
		out = append(out, r.GroupResource().WithVersion(v))
	}
	return out
}

// KindFor is the kind in the version of the resource.
func (k *kinds) KindFor(r schema.GroupVersionResource, _ string) schema.GroupVersionKind {
	return k.kind.GroupKind().WithVersion(r.Version)
}

// namespaces are those of a cluster, as the matcher of the API server asks for them.
type namespaces map[string]*corev1.Namespace

// get is a Namespace, and whether nobody brings it: then only its name is known. Those that Kubernetes makes itself are known.
func (n namespaces) get(name string) (ns *corev1.Namespace, guessed bool) {
	if ns := n[name]; ns != nil {
		return ns, false
	}
	ns = &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	completeNamespace(ns)
	own := []string{metav1.NamespaceDefault, metav1.NamespaceSystem, metav1.NamespacePublic, corev1.NamespaceNodeLease}
	return ns, !slices.Contains(own, name)
}

// Get never says that there is none: what is not brought may be there all the same.
func (n namespaces) Get(name string) (*corev1.Namespace, error) {
	ns, _ := n.get(name)
	return ns, nil
}

// List is not asked for.
func (n namespaces) List(labels.Selector) ([]*corev1.Namespace, error) {
	return nil, errors.New("the namespaces are not listed")
}

// versioned is the object in another version; false when only the cluster can convert it.
func (a *admitted) versioned(gvk schema.GroupVersionKind) (runtime.Object, bool) {
	if a == nil {
		return nil, true
	}
	if a.GroupVersionKind() == gvk {
		return a.Unstructured, true
	}
	if !a.convertible {
		return nil, false
	}
	u := &unstructured.Unstructured{Object: maps.Clone(a.Object)}
	u.SetGroupVersionKind(gvk)
	return u, true
}

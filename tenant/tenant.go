// Package tenant turns the document of a tenant into the objects that it stands for, see [Objects].
//
// One invariant: the same documents give the same objects, byte for byte, and every object of a tenant is in a namespace that is
// the tenant's alone, or in the one that the platform keeps for it.
package tenant

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/object"
)

// Labels of all that is made here.
const (
	// LabelTenant is the one that "flux create tenant" gives, too.
	LabelTenant = "toolkit.fluxcd.io/tenant"
	// LabelManagedBy says who keeps an object.
	LabelManagedBy = "app.kubernetes.io/managed-by"
	// ManagedBy is its value here.
	ManagedBy = "bulkhead"
	// AnnotationPhase on the Flux objects of a tenant that is being taken away is its phase: who sees it knows that the cluster has taken it.
	AnnotationPhase = "bulkhead.dev/phase"
)

// names of objects of which a namespace has one.
const (
	walls = "bulkhead"       // ResourceQuota, LimitRange, NetworkPolicy
	doors = "bulkhead-doors" // NetworkPolicy with what is let through
)

// Owners is the beginning of the name of the RoleBinding that gives the owners of a tenant a ClusterRole; the name of that role follows.
const Owners = "bulkhead-owners-"

// NestedAccount is the ServiceAccount of nested Flux objects in each namespace of a tenant that may have some.
const NestedAccount = "flux"

// Objects are what the compartments of one tenant on one cluster stand for, in the order of [object.ID]: namespaces first. All of them have
// the same tenant and cluster; none gives none.
//
// The error is about a value that is valid alone and makes an object that Kubernetes or Flux would refuse.
func Objects(compartments []*Compartment) ([]*object.Object, error) {
	m := &maker{seen: map[object.ID]*object.Object{}}
	for _, c := range compartments {
		m.c = c
		m.fluxNamespace()
		m.identity()
		m.flux()
		for _, ns := range c.Namespaces {
			m.namespace(ns)
		}
	}
	if m.err != nil {
		return nil, m.err
	}
	slices.SortStableFunc(m.out, func(a, b *object.Object) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), a.ID.Compare(b.ID)) })
	return m.out, nil
}

// rank puts first what others need.
func rank(o *object.Object) int {
	order := []string{"Namespace", "ResourceQuota", "LimitRange", "NetworkPolicy", "ServiceAccount", "ClusterRole", "RoleBinding", "GitRepository", "OCIRepository", "Kustomization"}
	if i := slices.Index(order, o.ID.Kind); i >= 0 {
		return i
	}
	return len(order)
}

// maker collects the objects of one tenant on one cluster.
type maker struct {
	c    *Compartment
	seen map[object.ID]*object.Object
	out  []*object.Object
	err  error
}

// add takes an object of a Kubernetes or Flux type, once. Two of one name that differ are an error.
func (m *maker) add(v runtime.Object) {
	if m.err != nil {
		return
	}
	o, err := made(v, m.c.Cluster.Name)
	switch {
	case err != nil:
		m.err = fmt.Errorf("tenant %s on cluster %s: %w", m.c.Tenant.Name, m.c.Cluster.Name, err)
	case m.seen[o.ID] == nil:
		m.seen[o.ID] = o
		m.out = append(m.out, o)
	case !m.seen[o.ID].Body().Equal(o.Body()):
		m.err = problem(m.c.Tenant, "spec.clusterRoles", "bulkhead names the bindings of owners and of nested Flux objects so: rename the ClusterRole",
			"tenant %s: two of its ClusterRoles would have one RoleBinding, %s in namespace %s", m.c.Tenant.Name, o.ID.Name, o.ID.Namespace)
	}
}

// made is an object without what only servers set.
func made(v runtime.Object, cluster string) (*object.Object, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(v)
	if err != nil {
		return nil, fmt.Errorf("convert %T: %w", v, err)
	}
	delete(content, "status")
	if meta, ok := content["metadata"].(map[string]any); ok {
		delete(meta, "creationTimestamp")
	}
	if err := valid(content); err != nil {
		return nil, err
	}
	return object.New(object.NewBody(content), object.Origin{Cluster: cluster})
}

// meta is the metadata of an object of the tenant.
func (m *maker) meta(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{LabelTenant: m.c.Tenant.Name, LabelManagedBy: ManagedBy}}
}

// typed is the type of an object that is no Flux object.
func typed(apiVersion, kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: apiVersion, Kind: kind}
}

// phase of the tenant.
func (m *maker) phase() v1alpha1.Phase {
	return cmp.Or(m.c.Tenant.Spec.Lifecycle.Phase, v1alpha1.Active)
}

// keeps says whether what holds data stays when the tenant goes.
func (m *maker) keeps() bool {
	return m.phase() != v1alpha1.Active && m.c.Tenant.Spec.Lifecycle.KeepData
}

// pruneDisabled is kustomize-controller's mark of what it never deletes.
const pruneDisabled = "kustomize.toolkit.fluxcd.io/prune"

// looking is the ClusterRole of owners beside the tenant's Flux objects, whatever they may do in its namespaces: who writes there chooses the account
// that the tenant's files are applied as.
const looking = "view"

// fluxNamespace is the platform's namespace for the tenant: no pod may run in it.
func (m *maker) fluxNamespace() {
	if m.c.Settings.Shape != v1alpha1.Isolated {
		return
	}
	name := m.c.FluxNamespace()
	meta := m.meta("", name)
	maps.Copy(meta.Labels, podSecurity(v1alpha1.Restricted))
	m.add(&corev1.Namespace{TypeMeta: typed("v1", "Namespace"), ObjectMeta: meta})
	m.add(&corev1.ResourceQuota{
		TypeMeta: typed("v1", "ResourceQuota"), ObjectMeta: m.meta(name, walls),
		Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: *none()}},
	})
	m.binding(name, Owners+looking, looking, m.c.Tenant.Spec.Owners...)
}

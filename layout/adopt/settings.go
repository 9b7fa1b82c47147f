package adopt

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/tenant"
)

const clusterAdmin = "cluster-admin"

// take reads all that a Tenant document can say of the objects around a Kustomization.
func (f *found) take() {
	s := &f.settings
	if f.k.Namespace == fluxSystem {
		s.Shape = v1alpha1.Article
	}
	s.Shard = label(f.object, tenant.LabelShard)
	f.takeSync()
	f.takeNamespaces()
	f.takeBounds()
	f.takeNetwork()
	f.takeRights()
}

// timeout is that of a Kustomization that names none.
//
// Source: kustomize-controller v1.9.5 api/v1, Kustomization.GetTimeout.
func timeout(interval time.Duration) time.Duration {
	return max(interval-30*time.Second, 30*time.Second)
}

func (f *found) takeSync() {
	k, y := &f.k.Spec, &f.settings.Sync
	y.Interval, y.RetryInterval, y.Timeout = &k.Interval, k.RetryInterval, k.Timeout
	if y.Timeout == nil {
		y.Timeout = &metav1.Duration{Duration: timeout(k.Interval.Duration)}
	}
	y.Prune, y.Wait, y.Force, y.Suspend = &k.Prune, &k.Wait, &k.Force, &k.Suspend
	y.DeletionPolicy = cmp.Or(k.DeletionPolicy, "MirrorPrune") // as the controller takes none
	y.Decryption = k.Decryption
	if len(f.namespaces) > 1 {
		y.TargetNamespace = k.TargetNamespace
	}
	var every metav1.Duration
	if f.git != nil {
		every = f.git.Spec.Interval
	} else {
		every = f.oci.Spec.Interval
	}
	y.SourceInterval = &every
	if k.PostBuild == nil || len(k.PostBuild.Substitute) == 0 {
		return
	}
	y.Substitute = maps.Clone(k.PostBuild.Substitute)
	for _, name := range v1alpha1.ReservedVariables() {
		delete(y.Substitute, name)
	}
	if len(y.Substitute) == 0 {
		y.Substitute, y.ClusterVariables = nil, []string{"cluster_name"}
	}
}

// in gives the objects of a kind in each of the tenant's namespaces, without what the tenant's own files apply.
func (f *found) in(group, kind string) map[string][]*object.Object {
	out := map[string][]*object.Object{}
	for o := range f.view.set.All() {
		if o.ID.Group == group && o.ID.Kind == kind && slices.Contains(f.namespaces, o.ID.Namespace) && !f.applies(o) {
			out[o.ID.Namespace] = append(out[o.ID.Namespace], o)
		}
	}
	return out
}

// applies says whether an object is of the tenant's own files.
func (f *found) applies(o *object.Object) bool {
	return slices.Contains(o.Origin.Chain, object.Applier{Kind: f.object.ID.Kind, Namespace: f.object.ID.Namespace, Name: f.object.ID.Name})
}

// takeNamespaces reads what all of the tenant's namespaces say.
func (f *found) takeNamespaces() {
	first := true
	var level string
	for _, name := range f.namespaces {
		o := f.view.get("", "Namespace", "", name)
		if o == nil {
			continue
		}
		var ns corev1.Namespace
		if into(o, &ns) != nil {
			continue
		}
		maps.DeleteFunc(ns.Annotations, func(k, _ string) bool { return platforms(k) })
		found := ns.Labels["pod-security.kubernetes.io/enforce"]
		maps.DeleteFunc(ns.Labels, func(k, _ string) bool { return platforms(k) })
		if first {
			first, level, f.settings.Labels, f.settings.Annotations = false, found, ns.Labels, ns.Annotations
			continue
		}
		common(f.settings.Labels, ns.Labels)
		common(f.settings.Annotations, ns.Annotations)
		if level != found {
			level = ""
		}
	}
	if p := v1alpha1.PodSecurity(level); slices.Contains([]v1alpha1.PodSecurity{v1alpha1.Privileged, v1alpha1.Baseline, v1alpha1.Restricted}, p) {
		f.settings.PodSecurity = p
	}
}

// platforms says whether a label or annotation is the platform's to give, so that no document may.
func platforms(key string) bool {
	prefix, _, _ := strings.Cut(key, "/")
	return key == tenant.LabelManagedBy || slices.ContainsFunc([]string{"kubernetes.io", "fluxcd.io", "bulkhead.dev"}, func(domain string) bool {
		return prefix == domain || strings.HasSuffix(prefix, "."+domain) && prefix != "app.kubernetes.io"
	})
}

// common keeps in a what b has, too.
func common(a, b map[string]string) {
	maps.DeleteFunc(a, func(k, v string) bool { w, ok := b[k]; return !ok || v != w })
}

// single is the one value that every namespace of the tenant has once; false when there is none, or one differs.
func single[T any](f *found, objects map[string][]*object.Object, read func(*T) any) (out *T, ok bool) {
	for _, ns := range f.namespaces {
		if len(objects[ns]) != 1 {
			return nil, false
		}
		v := new(T)
		if into(objects[ns][0], v) != nil || out != nil && !equality.Semantic.DeepEqual(read(out), read(v)) {
			return nil, false
		}
		out = v
	}
	return out, out != nil
}

func (f *found) takeBounds() {
	if q, ok := single(f, f.in("", "ResourceQuota"), func(q *corev1.ResourceQuota) any { return q.Spec.Hard }); ok {
		hard := corev1.ResourceList{}
		for name, amount := range q.Spec.Hard {
			if !strings.HasPrefix(string(name), "count/") || !strings.HasSuffix(string(name), ".toolkit.fluxcd.io") {
				hard[name] = amount
			}
		}
		f.settings.Quota = hard
	}
	if l, ok := single(f, f.in("", "LimitRange"), func(l *corev1.LimitRange) any { return l.Spec.Limits }); ok {
		f.settings.LimitRange = l.Spec.Limits
	}
}

// takeNetwork reads the policies for all pods of a namespace. Policies add up, so that one with rules is what is let through.
func (f *found) takeNetwork() {
	walls, open := map[string][]*object.Object{}, map[string][]*object.Object{}
	all := f.in("networking.k8s.io", "NetworkPolicy")
	for _, ns := range f.namespaces {
		for _, o := range all[ns] {
			var p networkingv1.NetworkPolicy
			switch {
			case into(o, &p) != nil || len(p.Spec.PodSelector.MatchLabels)+len(p.Spec.PodSelector.MatchExpressions) > 0:
			case o.ID.Name == "bulkhead" || len(p.Spec.Ingress)+len(p.Spec.Egress) == 0:
				walls[ns] = append(walls[ns], o)
			default:
				open[ns] = append(open[ns], o)
			}
		}
	}
	n := &f.settings.Network
	if len(walls) == 0 && label(f.object, tenant.LabelManagedBy) == tenant.ManagedBy {
		n.Default = v1alpha1.Allow
	}
	if p, ok := single(f, open, func(p *networkingv1.NetworkPolicy) any { return p.Spec }); ok {
		n.Ingress, n.Egress = p.Spec.Ingress, p.Spec.Egress
	}
}

// takeRights reads the roles of the account, and the owners.
func (f *found) takeRights() {
	roles, owning := map[string]bool{}, map[string][]*object.Object{}
	for ns, list := range f.in(rbacv1.GroupName, "RoleBinding") {
		for _, o := range list {
			var b rbacv1.RoleBinding
			if into(o, &b) != nil || b.RoleRef.Kind != "ClusterRole" || b.RoleRef.Name == clusterAdmin {
				continue
			}
			switch {
			case bound(o, f) && b.RoleRef.Name == v1alpha1.TenantFluxRole:
				f.settings.NestedFlux = v1alpha1.Pinned
			case bound(o, f):
				roles[b.RoleRef.Name] = true
			case ownersOnly(o, &b):
				owning[ns] = append(owning[ns], o)
			}
		}
	}
	if len(roles) > 0 {
		f.settings.ClusterRoles = slices.Sorted(maps.Keys(roles))
	}
	if b, ok := single(f, owning, func(b *rbacv1.RoleBinding) any { return []any{b.RoleRef, b.Subjects} }); ok {
		f.owners, f.settings.OwnerClusterRole = b.Subjects, b.RoleRef.Name
		for i := range f.owners {
			if f.owners[i].APIGroup == rbacv1.GroupName || f.owners[i].Kind == rbacv1.ServiceAccountKind {
				f.owners[i].APIGroup = ""
			}
		}
	}
}

// ownersOnly says whether a RoleBinding is for people: for users and groups that are no part of Flux. Accounts are among them where bulkhead itself
// made it, with or without the role in its name.
func ownersOnly(o *object.Object, b *rbacv1.RoleBinding) bool {
	return len(b.Subjects) > 0 && !slices.ContainsFunc(b.Subjects, func(s rbacv1.Subject) bool {
		return s.Kind == rbacv1.ServiceAccountKind && !strings.HasPrefix(o.ID.Name+"-", tenant.Owners) || strings.HasPrefix(s.Name, "gotk:") || strings.HasPrefix(s.Name, "system:")
	})
}

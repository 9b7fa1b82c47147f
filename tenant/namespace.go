package tenant

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
)

// none is an amount of nothing.
func none() *resource.Quantity { return resource.NewQuantity(0, resource.DecimalSI) }

// podSecurity are the labels by which Pod Security Admission knows a namespace.
//
// Source: Kubernetes v1.36, k8s.io/pod-security-admission/api.
func podSecurity(level v1alpha1.PodSecurity) map[string]string {
	const prefix = "pod-security.kubernetes.io/"
	return map[string]string{prefix + "enforce": string(level), prefix + "warn": string(level), prefix + "audit": string(level)}
}

// namespace is one of the tenant's own, with its walls and with the rights of who works in it.
func (m *maker) namespace(name string) {
	s := &m.c.Settings
	meta := m.meta("", name)
	maps.Copy(meta.Labels, s.Labels)
	maps.Copy(meta.Labels, podSecurity(s.PodSecurity))
	meta.Annotations = maps.Clone(s.Annotations)
	if m.keeps() {
		if meta.Annotations == nil {
			meta.Annotations = map[string]string{}
		}
		meta.Annotations[pruneDisabled] = "disabled"
	}
	m.add(&corev1.Namespace{TypeMeta: typed("v1", "Namespace"), ObjectMeta: meta})
	m.add(&corev1.ResourceQuota{TypeMeta: typed("v1", "ResourceQuota"), ObjectMeta: m.meta(name, walls), Spec: corev1.ResourceQuotaSpec{Hard: m.quota()}})
	if len(s.LimitRange) > 0 {
		m.add(&corev1.LimitRange{TypeMeta: typed("v1", "LimitRange"), ObjectMeta: m.meta(name, walls), Spec: corev1.LimitRangeSpec{Limits: s.LimitRange}})
	}
	m.network(name)
	m.rights(name)
}

// quota bounds what the settings say, and Flux objects.
func (m *maker) quota() corev1.ResourceList {
	hard := corev1.ResourceList{}
	for _, kind := range fluxKinds() {
		amount := none()
		if m.c.Settings.NestedFlux == v1alpha1.Pinned {
			amount = resource.NewQuantity(20, resource.DecimalSI)
		}
		hard[corev1.ResourceName("count/"+kind)] = *amount
	}
	maps.Copy(hard, m.c.Settings.Quota)
	return hard
}

// fluxKinds are the kinds by which Flux applies something, fetches it, tells of it or writes to Git, as "resource.group".
func fluxKinds() []string {
	return []string{
		"kustomizations.kustomize.toolkit.fluxcd.io", "helmreleases.helm.toolkit.fluxcd.io", "gitrepositories.source.toolkit.fluxcd.io",
		"ocirepositories.source.toolkit.fluxcd.io", "helmrepositories.source.toolkit.fluxcd.io", "helmcharts.source.toolkit.fluxcd.io", "buckets.source.toolkit.fluxcd.io",
		"imagerepositories.image.toolkit.fluxcd.io", "imagepolicies.image.toolkit.fluxcd.io", "imageupdateautomations.image.toolkit.fluxcd.io",
		"alerts.notification.toolkit.fluxcd.io", "providers.notification.toolkit.fluxcd.io", "receivers.notification.toolkit.fluxcd.io",
	}
}

// network closes the namespace, but for the DNS and for its own pods, and opens the doors that were asked for.
func (m *maker) network(namespace string) {
	n := &m.c.Settings.Network
	if n.Default == v1alpha1.Allow {
		return
	}
	both := []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}
	same := []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{}}}
	dns := []networkingv1.NetworkPolicyPeer{{
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: metav1.NamespaceSystem}},
		PodSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{"k8s-app": "kube-dns"}},
	}}
	var ports []networkingv1.NetworkPolicyPort
	for _, p := range []corev1.Protocol{corev1.ProtocolUDP, corev1.ProtocolTCP} {
		port := intstr.FromInt32(53)
		ports = append(ports, networkingv1.NetworkPolicyPort{Protocol: &p, Port: &port})
	}
	m.add(&networkingv1.NetworkPolicy{
		TypeMeta: typed("networking.k8s.io/v1", "NetworkPolicy"), ObjectMeta: m.meta(namespace, walls),
		Spec: networkingv1.NetworkPolicySpec{
			PolicyTypes: both,
			Ingress:     []networkingv1.NetworkPolicyIngressRule{{From: same}},
			Egress:      []networkingv1.NetworkPolicyEgressRule{{To: same}, {To: dns, Ports: ports}},
		},
	})
	if len(n.Ingress)+len(n.Egress) == 0 {
		return
	}
	open := &networkingv1.NetworkPolicy{
		TypeMeta: typed("networking.k8s.io/v1", "NetworkPolicy"), ObjectMeta: m.meta(namespace, doors),
		Spec: networkingv1.NetworkPolicySpec{Ingress: n.Ingress, Egress: n.Egress},
	}
	if len(n.Ingress) > 0 {
		open.Spec.PolicyTypes = append(open.Spec.PolicyTypes, networkingv1.PolicyTypeIngress)
	}
	if len(n.Egress) > 0 {
		open.Spec.PolicyTypes = append(open.Spec.PolicyTypes, networkingv1.PolicyTypeEgress)
	}
	m.add(open)
}

// rights are what the account and the owners may do in a namespace.
func (m *maker) rights(namespace string) {
	s := &m.c.Settings
	subjects := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: m.c.FluxNamespace(), Name: m.c.Name()}}
	roles := s.ClusterRoles
	for _, role := range roles {
		m.binding(namespace, role, role, subjects...)
	}
	if s.NestedFlux == v1alpha1.Pinned {
		m.add(account(m.meta(namespace, NestedAccount)))
		m.binding(namespace, v1alpha1.TenantFluxRole, v1alpha1.TenantFluxRole, subjects...)
		for _, role := range roles {
			m.binding(namespace, NestedAccount+"-"+role, role, rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: NestedAccount})
		}
	}
	m.binding(namespace, Owners+s.OwnerClusterRole, s.OwnerClusterRole, m.c.Tenant.Spec.Owners...)
}

// binding gives a ClusterRole in one namespace. Nobody gets none. The name has to hold that of the role, as all callers see to: Kubernetes lets nobody
// change a roleRef, so that under one name a change of the role would stall Flux on every cluster.
//
// Source: Kubernetes v1.36, pkg/apis/rbac/validation, ValidateRoleBindingUpdate.
func (m *maker) binding(namespace, name, role string, subjects ...rbacv1.Subject) {
	if len(subjects) == 0 {
		return
	}
	m.add(&rbacv1.RoleBinding{
		TypeMeta: typed(rbacv1.SchemeGroupVersion.String(), "RoleBinding"), ObjectMeta: m.meta(namespace, name),
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role}, Subjects: subjects,
	})
}

// account is a ServiceAccount that controllers act as: no pod needs its token.
func account(meta metav1.ObjectMeta) *corev1.ServiceAccount {
	no := false
	return &corev1.ServiceAccount{TypeMeta: typed("v1", "ServiceAccount"), ObjectMeta: meta, AutomountServiceAccountToken: &no}
}

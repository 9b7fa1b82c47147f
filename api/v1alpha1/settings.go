package v1alpha1

import (
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Settings are how a tenant's compartment is made. The same fields can be said of the fleet, of a profile, a tenant,
// an environment and a cluster; what is said later in this order wins. Structures and maps are merged field by field, limits by
// their type, other lists are replaced, as in a strategic merge patch.
type Settings struct {
	// Shape says where the Flux objects of the tenant are. Default: Isolated.
	// +optional
	Shape Shape `json:"shape,omitempty"`
	// Sync says how Flux applies the tenant's files.
	// +optional
	Sync Sync `json:"sync,omitzero"`
	// Quota is spec.hard of the ResourceQuota in each of the tenant's namespaces. "0" allows none. Default: requests.cpu 4, requests.memory 8Gi,
	// limits.memory 16Gi, 50 pods, 10 PersistentVolumeClaims, no load balancer and no node port.
	// +optional
	Quota corev1.ResourceList `json:"quota,omitempty"`
	// LimitRange is spec.limits of the LimitRange in each of the tenant's namespaces. Default: containers that say nothing ask for 50m and 64Mi, and may
	// use 256Mi.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	LimitRange []corev1.LimitRangeItem `json:"limitRange,omitempty" patchStrategy:"merge" patchMergeKey:"type"`
	// PodSecurity is the Pod Security Standard that the tenant's namespaces enforce. Default: restricted.
	// +optional
	PodSecurity PodSecurity `json:"podSecurity,omitempty"`
	// Network says who may talk to the tenant's pods, and to whom they may.
	// +optional
	Network Network `json:"network,omitzero"`
	// ClusterRoles are what the tenant's account may do in the tenant's namespaces, and nowhere else: a RoleBinding each.
	// The list takes the place of the default, bulkhead-tenant, which generate makes: name it, too, where a role only adds to it, as in
	// [bulkhead-tenant, bulkhead-tenant-network]. One without it or another that may make workloads leaves the tenant unable to.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=253
	ClusterRoles []string `json:"clusterRoles,omitempty"`
	// OwnerClusterRole is what the owners may do in the tenant's namespaces. Beside the tenant's Flux objects,
	// in the namespace that the platform has for them, they may only look: their role is view there.
	// Default: view.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	OwnerClusterRole string `json:"ownerClusterRole,omitempty"`
	// NestedFlux says whether the tenant's files may hold Flux objects. Pinned allows Kustomizations, HelmReleases, sources, ImageRepositories,
	// ImagePolicies, Alerts and Providers, 20 of each in a namespace; for ImageUpdateAutomations, which push to Git, list
	// bulkhead-tenant-automation in clusterRoles, too. Default: Forbidden.
	// +optional
	NestedFlux NestedFlux `json:"nestedFlux,omitempty"`
	// Shard is the key of the controllers that reconcile the tenant: the label sharding.fluxcd.io/key of its source
	// and its Kustomization. Unset: the controllers without a shard.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Shard string `json:"shard,omitempty"`
	// Labels are put on the tenant's namespaces.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
	// Annotations are put on the tenant's namespaces.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Shape says where the Flux objects of a tenant are.
// +kubebuilder:validation:Enum=Isolated;Article
type Shape string

// The shapes.
const (
	// Isolated keeps them in a namespace of the platform for each tenant, TENANT-flux, which the tenant cannot write.
	Isolated Shape = "Isolated"
	// Article keeps them in flux-system, all tenants together, with an account for each.
	Article Shape = "Article"
)

// PodSecurity is a Pod Security Standard.
// +kubebuilder:validation:Enum=privileged;baseline;restricted
type PodSecurity string

// The standards.
const (
	Privileged PodSecurity = "privileged"
	Baseline   PodSecurity = "baseline"
	Restricted PodSecurity = "restricted"
)

// NestedFlux says whether a tenant may make Flux objects.
// +kubebuilder:validation:Enum=Forbidden;Pinned
type NestedFlux string

// What a tenant may.
const (
	// Forbidden: its account has no right on Flux's kinds, and its quota allows none of them.
	Forbidden NestedFlux = "Forbidden"
	// Pinned: it may make them in its own namespaces, where they run as the account that the platform makes there.
	Pinned NestedFlux = "Pinned"
)

// Sync says how Flux applies a tenant's files. Fields that Kustomization has are its own.
//
// Source: kustomize-controller v1.9 and source-controller v1.9.
type Sync struct {
	// Interval between two reconciliations of the Kustomization. Default: 5m.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	Interval *metav1.Duration `json:"interval,omitempty"`
	// SourceInterval is between two looks at the repository. Default: 1m.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	SourceInterval *metav1.Duration `json:"sourceInterval,omitempty"`
	// RetryInterval is until the next try after a failure. Unset: interval.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	RetryInterval *metav1.Duration `json:"retryInterval,omitempty"`
	// Timeout of a reconciliation, health checks included. Default: 5m.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern="^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"
	Timeout *metav1.Duration `json:"timeout,omitempty"`
	// Prune deletes what is no longer in the files. Default: true.
	// +optional
	Prune *bool `json:"prune,omitempty"`
	// Wait until all objects are ready. Default: true.
	// +optional
	Wait *bool `json:"wait,omitempty"`
	// Force replaces objects whose fields cannot be changed. Default: false.
	// +optional
	Force *bool `json:"force,omitempty"`
	// DeletionPolicy is what becomes of the objects when the Kustomization goes. Default: WaitForTermination.
	// +optional
	// +kubebuilder:validation:Enum=MirrorPrune;Delete;WaitForTermination;Orphan
	DeletionPolicy string `json:"deletionPolicy,omitempty"`
	// TargetNamespace is put on all objects. Default: the tenant's namespace, if there is one only; with several, the
	// files say where each object goes. It is one of the tenant's namespaces.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	TargetNamespace string `json:"targetNamespace,omitempty"`
	// Suspend stops Flux from applying changes of the tenant. Default: false.
	// +optional
	Suspend *bool `json:"suspend,omitempty"`
	// Decryption of the tenant's secrets. Its secretRef is in the namespace of the Flux objects.
	// +optional
	Decryption *kustomizev1.Decryption `json:"decryption,omitempty"`
	// Substitute are variables for the tenant's files. With this or clusterVariables, Flux substitutes variables in them, and they may use
	// cluster_name, environment and tenant, too; else it leaves ${...} alone.
	// +optional
	Substitute map[string]string `json:"substitute,omitempty"`
	// ClusterVariables are the names of variables of the Cluster document that the tenant's files may use, or cluster_name alone.
	// Default: none.
	// +optional
	// +listType=set
	ClusterVariables []string `json:"clusterVariables,omitempty"`
}

// Network says who may talk to a tenant's pods, and to whom they may.
type Network struct {
	// Default is what no rule speaks of. Default: Deny, but for the cluster's DNS and the pods of the same namespace.
	// +optional
	Default NetworkDefault `json:"default,omitempty"`
	// Ingress is who else may talk to the tenant's pods: spec.ingress of a NetworkPolicy.
	// +optional
	Ingress []networkingv1.NetworkPolicyIngressRule `json:"ingress,omitempty"`
	// Egress is whom else the tenant's pods may talk to: spec.egress of a NetworkPolicy.
	// +optional
	Egress []networkingv1.NetworkPolicyEgressRule `json:"egress,omitempty"`
}

// NetworkDefault is what becomes of connections that no rule speaks of.
// +kubebuilder:validation:Enum=Deny;Allow
type NetworkDefault string

// The defaults.
const (
	// Deny makes a NetworkPolicy that lets nothing through.
	Deny NetworkDefault = "Deny"
	// Allow makes no NetworkPolicy.
	Allow NetworkDefault = "Allow"
)

// Profile is settings under a name.
type Profile struct {
	// Name is a DNS-1123 label, once in a fleet. One named small, medium or large takes the place of the built-in one. Required.
	// +required
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
	Name string `json:"name"`

	Settings `json:",inline"`
	// Place is set by Decode.
	Place Place `json:"-"`
}

// TenantDefaults are what holds for a tenant that does not say otherwise.
type TenantDefaults struct {
	// Profile of tenants that name none. Unset: none.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Profile string `json:"profile,omitempty"`

	Settings `json:",inline"`
}

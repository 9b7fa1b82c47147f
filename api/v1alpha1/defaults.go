package v1alpha1

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The ClusterRoles that generate makes for tenants.
const (
	// TenantRole is what the account of a tenant may do in its namespaces.
	TenantRole = "bulkhead-tenant"
	// TenantNetworkRole adds NetworkPolicies: a tenant with it can open the walls of its namespaces.
	TenantNetworkRole = "bulkhead-tenant-network"
	// TenantFluxRole adds Flux objects, without their status. Tenants with nestedFlux Pinned have it.
	TenantFluxRole = "bulkhead-tenant-flux"
	// TenantAutomationRole adds ImageUpdateAutomations: a tenant with it can push to every repository that a Secret in its namespaces opens.
	TenantAutomationRole = "bulkhead-tenant-automation"
)

// AddedRoles are those of generate's ClusterRoles that a tenant has beside another one: none of them lets it make workloads.
func AddedRoles() []string { return []string{TenantNetworkRole, TenantFluxRole, TenantAutomationRole} }

// DefaultSettings hold where nobody says otherwise.
func DefaultSettings() Settings {
	yes, no := true, false
	return Settings{
		Shape: Isolated, PodSecurity: Restricted, NestedFlux: Forbidden,
		ClusterRoles: []string{TenantRole}, OwnerClusterRole: "view",
		Network: Network{Default: Deny},
		Sync: Sync{
			Interval: minutes(5), SourceInterval: minutes(1), Timeout: minutes(5),
			Prune: &yes, Wait: &yes, Force: &no, Suspend: &no, DeletionPolicy: "WaitForTermination",
		},
		Quota: amounts(map[corev1.ResourceName]string{
			corev1.ResourceRequestsCPU: "4", corev1.ResourceRequestsMemory: "8Gi", corev1.ResourceLimitsMemory: "16Gi", corev1.ResourcePods: "50",
			corev1.ResourcePersistentVolumeClaims: "10", corev1.ResourceServicesLoadBalancers: "0", corev1.ResourceServicesNodePorts: "0",
		}),
		LimitRange: []corev1.LimitRangeItem{{
			Type:           corev1.LimitTypeContainer,
			DefaultRequest: amounts(map[corev1.ResourceName]string{corev1.ResourceCPU: "50m", corev1.ResourceMemory: "64Mi"}),
			Default:        amounts(map[corev1.ResourceName]string{corev1.ResourceMemory: "256Mi"}),
		}},
	}
}

func minutes(n int) *metav1.Duration {
	return &metav1.Duration{Duration: time.Duration(n) * time.Minute}
}

func amounts(texts map[corev1.ResourceName]string) corev1.ResourceList {
	out := corev1.ResourceList{}
	for name, text := range texts {
		out[name] = resource.MustParse(text)
	}
	return out
}

// BuiltInProfiles are the names of the profiles that every fleet has, from the smallest to the largest.
func BuiltInProfiles() []string { return []string{"small", "medium", "large"} }

// BuiltInProfile is the profile of that name, and false when there is none.
func BuiltInProfile(name string) (Settings, bool) {
	at := slices.Index(BuiltInProfiles(), name)
	if at < 0 {
		return Settings{}, false
	}
	// Cores and gigabytes that may be asked for, pods, volumes.
	size := [][4]string{{"1", "2", "20", "5"}, {"4", "8", "50", "10"}, {"16", "64", "200", "50"}}[at]
	limit := resource.MustParse(size[1] + "Gi")
	limit.Mul(2)
	quota := amounts(map[corev1.ResourceName]string{
		corev1.ResourceRequestsCPU: size[0], corev1.ResourceRequestsMemory: size[1] + "Gi", corev1.ResourcePods: size[2], corev1.ResourcePersistentVolumeClaims: size[3],
	})
	quota[corev1.ResourceLimitsMemory] = limit
	return Settings{Quota: quota}, true
}

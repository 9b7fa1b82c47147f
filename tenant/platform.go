package tenant

import (
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/object"
)

// Platform are the objects that the tenants of a cluster share: the ClusterRoles that [Objects] bind. They are the same on every cluster.
func Platform(cluster string) ([]*object.Object, error) {
	var out []*object.Object
	for _, role := range []struct {
		name  string
		rules []rbacv1.PolicyRule
	}{
		{v1alpha1.TenantRole, tenantRules()},
		{v1alpha1.TenantFluxRole, fluxRules()},
		{v1alpha1.TenantAutomationRole, []rbacv1.PolicyRule{{APIGroups: []string{"image.toolkit.fluxcd.io"}, Resources: []string{"imageupdateautomations"}, Verbs: write()}}},
		{v1alpha1.TenantNetworkRole, []rbacv1.PolicyRule{{APIGroups: []string{"networking.k8s.io"}, Resources: []string{"networkpolicies"}, Verbs: write()}}},
	} {
		o, err := made(&rbacv1.ClusterRole{
			TypeMeta:   typed(rbacv1.SchemeGroupVersion.String(), "ClusterRole"),
			ObjectMeta: metav1.ObjectMeta{Name: role.name, Labels: map[string]string{LabelManagedBy: ManagedBy}},
			Rules:      role.rules,
		}, cluster)
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, nil
}

func read() []string { return []string{"get", "list", "watch"} }

// write is what an applier does: no deletecollection, which no controller of Flux uses.
func write() []string { return append(read(), "create", "update", "patch", "delete") }

// tenantRules are less than Kubernetes' role edit: no tokens and no impersonation of accounts, no exec, attach or port-forward, no
// status of Flux objects, and no NetworkPolicies, which are the walls of the namespace.
//
// Source: Kubernetes v1.36, plugin/pkg/auth/authorizer/rbac/bootstrappolicy.
func tenantRules() []rbacv1.PolicyRule {
	rule := func(verbs []string, group string, resources ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: resources, Verbs: verbs}
	}
	return []rbacv1.PolicyRule{
		rule(write(), "", "configmaps", "persistentvolumeclaims", "pods", "replicationcontrollers", "secrets", "serviceaccounts", "services"),
		rule(write(), "apps", "daemonsets", "deployments", "replicasets", "statefulsets"),
		rule(write(), "autoscaling", "horizontalpodautoscalers"),
		rule(write(), "batch", "cronjobs", "jobs"),
		rule(write(), "gateway.networking.k8s.io", "grpcroutes", "httproutes"),
		rule(write(), "networking.k8s.io", "ingresses"),
		rule(write(), "policy", "poddisruptionbudgets"),
		rule(read(), "", "endpoints", "events", "limitranges", "pods/log", "pods/status", "resourcequotas"),
		rule(read(), "discovery.k8s.io", "endpointslices"),
		rule(read(), "events.k8s.io", "events"),
		rule(read(), "networking.k8s.io", "networkpolicies"),
	}
}

// fluxRules are the kinds that a tenant may nest. Their status is not among them: who writes status.artifact of a source decides what
// others apply. Nor are ImageUpdateAutomations, which write to Git by the credentials of a source, and Receivers, which open a door from outside.
func fluxRules() []rbacv1.PolicyRule {
	rule := func(group string, resources ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: resources, Verbs: write()}
	}
	return []rbacv1.PolicyRule{
		rule("helm.toolkit.fluxcd.io", "helmreleases"),
		rule("image.toolkit.fluxcd.io", "imagepolicies", "imagerepositories"),
		rule("kustomize.toolkit.fluxcd.io", "kustomizations"),
		rule("notification.toolkit.fluxcd.io", "alerts", "providers"),
		rule("source.toolkit.fluxcd.io", "buckets", "gitrepositories", "helmcharts", "helmrepositories", "ocirepositories"),
	}
}

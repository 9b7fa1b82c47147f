package rule

import (
	"fmt"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

// kindOf is an API version with a kind.
type kindOf struct{ group, version, kind string }

// checkedTypes are those of the kinds that are checked.
var checkedTypes = map[kindOf]func() any{ //nolint:gochecknoglobals // a constant table
	{estate.KustomizeGroup, "v1", "Kustomization"}:                      func() any { return &kustomizev1.Kustomization{} },
	{estate.HelmGroup, "v2", "HelmRelease"}:                             func() any { return &helmv2.HelmRelease{} },
	{estate.SourceGroup, "v1", "GitRepository"}:                         func() any { return &sourcev1.GitRepository{} },
	{estate.SourceGroup, "v1", "OCIRepository"}:                         func() any { return &sourcev1.OCIRepository{} },
	{estate.SourceGroup, "v1", "HelmRepository"}:                        func() any { return &sourcev1.HelmRepository{} },
	{estate.SourceGroup, "v1", "HelmChart"}:                             func() any { return &sourcev1.HelmChart{} },
	{estate.SourceGroup, "v1", "Bucket"}:                                func() any { return &sourcev1.Bucket{} },
	{"", "v1", "Namespace"}:                                             func() any { return &corev1.Namespace{} },
	{"", "v1", "ConfigMap"}:                                             func() any { return &corev1.ConfigMap{} },
	{"", "v1", "Secret"}:                                                func() any { return &corev1.Secret{} },
	{"", "v1", "Service"}:                                               func() any { return &corev1.Service{} },
	{"", "v1", "ServiceAccount"}:                                        func() any { return &corev1.ServiceAccount{} },
	{"", "v1", "Pod"}:                                                   func() any { return &corev1.Pod{} },
	{"", "v1", "PersistentVolume"}:                                      func() any { return &corev1.PersistentVolume{} },
	{"", "v1", "PersistentVolumeClaim"}:                                 func() any { return &corev1.PersistentVolumeClaim{} },
	{"", "v1", "ResourceQuota"}:                                         func() any { return &corev1.ResourceQuota{} },
	{"", "v1", "LimitRange"}:                                            func() any { return &corev1.LimitRange{} },
	{"apps", "v1", "Deployment"}:                                        func() any { return &appsv1.Deployment{} },
	{"apps", "v1", "StatefulSet"}:                                       func() any { return &appsv1.StatefulSet{} },
	{"apps", "v1", "DaemonSet"}:                                         func() any { return &appsv1.DaemonSet{} },
	{"batch", "v1", "Job"}:                                              func() any { return &batchv1.Job{} },
	{"batch", "v1", "CronJob"}:                                          func() any { return &batchv1.CronJob{} },
	{"autoscaling", "v2", "HorizontalPodAutoscaler"}:                    func() any { return &autoscalingv2.HorizontalPodAutoscaler{} },
	{"networking.k8s.io", "v1", "NetworkPolicy"}:                        func() any { return &networkingv1.NetworkPolicy{} },
	{"networking.k8s.io", "v1", "Ingress"}:                              func() any { return &networkingv1.Ingress{} },
	{"networking.k8s.io", "v1", "IngressClass"}:                         func() any { return &networkingv1.IngressClass{} },
	{"policy", "v1", "PodDisruptionBudget"}:                             func() any { return &policyv1.PodDisruptionBudget{} },
	{"rbac.authorization.k8s.io", "v1", "Role"}:                         func() any { return &rbacv1.Role{} },
	{"rbac.authorization.k8s.io", "v1", "RoleBinding"}:                  func() any { return &rbacv1.RoleBinding{} },
	{"rbac.authorization.k8s.io", "v1", "ClusterRole"}:                  func() any { return &rbacv1.ClusterRole{} },
	{"rbac.authorization.k8s.io", "v1", "ClusterRoleBinding"}:           func() any { return &rbacv1.ClusterRoleBinding{} },
	{"storage.k8s.io", "v1", "StorageClass"}:                            func() any { return &storagev1.StorageClass{} },
	{"scheduling.k8s.io", "v1", "PriorityClass"}:                        func() any { return &schedulingv1.PriorityClass{} },
	{"admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy"}: func() any { return &admissionv1.ValidatingAdmissionPolicy{} },
	{"admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicyBinding"}: func() any {
		return &admissionv1.ValidatingAdmissionPolicyBinding{}
	},
	{"admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration"}: func() any { return &admissionv1.ValidatingWebhookConfiguration{} },
	{"admissionregistration.k8s.io", "v1", "MutatingWebhookConfiguration"}:   func() any { return &admissionv1.MutatingWebhookConfiguration{} },
}

// invalid looks for objects that do not fit the type of their kind. Of an encrypted one, and of durations that are none (LIF-005), nothing is said, and
// nothing of what is in a Secret.
func invalid(x *Context, o *estate.Object) []Found {
	kind := kindOf{o.ID.Group, o.Version, o.ID.Kind}
	if checkedTypes[kind] == nil || o.At("sops") != nil || estate.FluxGroup(o.ID.Group) && badDuration(o) != "" {
		return nil
	}
	why := once(x, fmt.Sprintf("invalid %p", o.Body()), func() string {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Body().Map(), checkedTypes[kind]()); err != nil {
			return err.Error()
		}
		return ""
	})
	switch {
	case why == "":
		return nil
	case o.Is("", "Secret") || len(o.Body().Sensitive()) > 0:
		return one(Found{Message: fmt.Sprintf("%s does not fit the type of its kind", o.ID)})
	}
	return one(Found{Message: fmt.Sprintf("%s does not fit the type of its kind: %s", o.ID, phrase.Clip(why, 200))})
}

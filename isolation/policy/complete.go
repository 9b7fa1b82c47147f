package policy

import (
	"maps"
	"math"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	nodev1 "k8s.io/api/node/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// completeObject fills in what the API server fills in of a built-in kind, and reports whether that is all. TestPolicy in test/e2e compares.
//
// Source: Kubernetes v1.36, pkg/apis/*/v1/defaults.go and the conversions beside them.
func completeObject(o runtime.Object) (whole bool) {
	switch o := o.(type) {
	case *appsv1.Deployment:
		completeDeployment(o)
	case *appsv1.StatefulSet:
		completeStatefulSet(o)
	case *appsv1.DaemonSet:
		completeDaemonSet(o)
	case *appsv1.ReplicaSet:
		unset(&o.Spec.Replicas, 1)
		completePods(&o.Spec.Template)
	case *batchv1.Job:
		completeJob(&o.Spec)
		if len(o.Labels) == 0 {
			o.Labels = maps.Clone(o.Spec.Template.Labels)
		}
	case *batchv1.CronJob:
		completeCronJob(o)
	case *corev1.Pod:
		completePod(o)
	case *autoscalingv2.HorizontalPodAutoscaler:
		completeAutoscaler(o)
	case *networkingv1.NetworkPolicy:
		completeNetworkPolicy(o)
	default:
		return completeSmall(o)
	}
	return true
}

// completeSmall is [completeObject] of kinds with few defaults, or none.
func completeSmall(o runtime.Object) (whole bool) {
	switch o := o.(type) {
	case *corev1.Namespace:
		completeNamespace(o)
	case *corev1.Secret:
		completeSecret(o)
	case *corev1.Service:
		completeService(o)
	case *corev1.LimitRange:
		for i := range o.Spec.Limits {
			completeLimit(&o.Spec.Limits[i])
		}
	case *corev1.PersistentVolumeClaim:
		completeClaim(o)
	case *rbacv1.RoleBinding:
		empty(&o.RoleRef.APIGroup, rbacv1.GroupName)
		completeSubjects(o.Subjects)
	case *rbacv1.ClusterRoleBinding:
		empty(&o.RoleRef.APIGroup, rbacv1.GroupName)
		completeSubjects(o.Subjects)
	case *storagev1.StorageClass:
		unset(&o.ReclaimPolicy, corev1.PersistentVolumeReclaimDelete)
		unset(&o.VolumeBindingMode, storagev1.VolumeBindingImmediate)
	case *schedulingv1.PriorityClass:
		unset(&o.PreemptionPolicy, corev1.PreemptLowerPriority)
	case *autoscalingv1.HorizontalPodAutoscaler:
		unset(&o.Spec.MinReplicas, 1)
		if _, others := o.Annotations["autoscaling.alpha.kubernetes.io/metrics"]; !others {
			unset(&o.Spec.TargetCPUUtilizationPercentage, cpuPercent)
		}
	case *networkingv1.IngressClass:
		if o.Spec.Parameters != nil {
			unset(&o.Spec.Parameters.Scope, networkingv1.IngressClassParametersReferenceScopeCluster)
		}
	case *corev1.ConfigMap, *corev1.ServiceAccount, *corev1.ResourceQuota, *networkingv1.Ingress, *policyv1.PodDisruptionBudget, *rbacv1.Role, *rbacv1.ClusterRole,
		*coordinationv1.Lease, *nodev1.RuntimeClass:
	default:
		return false
	}
	return true
}

// unset fills in a value that is not said.
func unset[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

// empty fills in a value that is its zero value.
func empty[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func completeNamespace(o *corev1.Namespace) {
	if o.Labels == nil {
		o.Labels = map[string]string{}
	}
	o.Labels[corev1.LabelMetadataName] = o.Name
	empty(&o.Status.Phase, corev1.NamespaceActive)
	if !slices.Contains(o.Spec.Finalizers, corev1.FinalizerKubernetes) {
		o.Spec.Finalizers = append(slices.Clone(o.Spec.Finalizers), corev1.FinalizerKubernetes)
	}
}

// completeClaim also adds what the admission plugin StorageObjectInUseProtection adds.
func completeClaim(o *corev1.PersistentVolumeClaim) {
	const protected = "kubernetes.io/pvc-protection"
	empty(&o.Status.Phase, corev1.ClaimPending)
	unset(&o.Spec.VolumeMode, corev1.PersistentVolumeFilesystem)
	if !slices.Contains(o.Finalizers, protected) {
		o.Finalizers = append(slices.Clone(o.Finalizers), protected)
	}
}

// completeSecret also does what reading one does: stringData becomes data.
func completeSecret(o *corev1.Secret) {
	empty(&o.Type, corev1.SecretTypeOpaque)
	for k, v := range o.StringData {
		if o.Data == nil {
			o.Data = map[string][]byte{}
		}
		o.Data[k] = []byte(v)
	}
	o.StringData = nil
}

func completeSubjects(list []rbacv1.Subject) {
	for i := range list {
		if s := &list[i]; s.Kind == rbacv1.UserKind || s.Kind == rbacv1.GroupKind {
			empty(&s.APIGroup, rbacv1.GroupName)
		}
	}
}

func completeService(o *corev1.Service) {
	s := &o.Spec
	empty(&s.SessionAffinity, corev1.ServiceAffinityNone)
	switch s.SessionAffinity {
	case corev1.ServiceAffinityNone:
		s.SessionAffinityConfig = nil
	case corev1.ServiceAffinityClientIP:
		if c := s.SessionAffinityConfig; c == nil || c.ClientIP == nil || c.ClientIP.TimeoutSeconds == nil {
			seconds := corev1.DefaultClientIPServiceAffinitySeconds
			s.SessionAffinityConfig = &corev1.SessionAffinityConfig{ClientIP: &corev1.ClientIPConfig{TimeoutSeconds: &seconds}}
		}
	}
	empty(&s.Type, corev1.ServiceTypeClusterIP)
	for i := range s.Ports {
		p := &s.Ports[i]
		empty(&p.Protocol, corev1.ProtocolTCP)
		if p.TargetPort == intstr.FromInt32(0) || p.TargetPort == intstr.FromString("") {
			p.TargetPort = intstr.FromInt32(p.Port)
		}
	}
	outside := s.Type == corev1.ServiceTypeLoadBalancer || s.Type == corev1.ServiceTypeNodePort
	if outside || s.Type == corev1.ServiceTypeClusterIP && len(s.ExternalIPs) > 0 {
		empty(&s.ExternalTrafficPolicy, corev1.ServiceExternalTrafficPolicyCluster)
	}
	if outside || s.Type == corev1.ServiceTypeClusterIP {
		unset(&s.InternalTrafficPolicy, corev1.ServiceInternalTrafficPolicyCluster)
	}
	if s.Type == corev1.ServiceTypeLoadBalancer {
		unset(&s.AllocateLoadBalancerNodePorts, true)
	}
}

// completeLimit: what is not said of containers follows from what is.
func completeLimit(l *corev1.LimitRangeItem) {
	if l.Type != corev1.LimitTypeContainer {
		return
	}
	fill := func(into *corev1.ResourceList, from corev1.ResourceList) {
		if *into == nil {
			*into = corev1.ResourceList{}
		}
		for k, v := range from {
			if _, said := (*into)[k]; !said {
				(*into)[k] = v
			}
		}
	}
	fill(&l.Default, l.Max)
	fill(&l.DefaultRequest, l.Default)
	fill(&l.DefaultRequest, l.Min)
}

func completeNetworkPolicy(o *networkingv1.NetworkPolicy) {
	ports := func(list []networkingv1.NetworkPolicyPort) {
		for i := range list {
			unset(&list[i].Protocol, corev1.ProtocolTCP)
		}
	}
	for i := range o.Spec.Ingress {
		ports(o.Spec.Ingress[i].Ports)
	}
	for i := range o.Spec.Egress {
		ports(o.Spec.Egress[i].Ports)
	}
	if len(o.Spec.PolicyTypes) == 0 {
		o.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
		if len(o.Spec.Egress) > 0 {
			o.Spec.PolicyTypes = append(o.Spec.PolicyTypes, networkingv1.PolicyTypeEgress)
		}
	}
}

func completeDeployment(o *appsv1.Deployment) {
	s := &o.Spec
	unset(&s.Replicas, 1)
	empty(&s.Strategy.Type, appsv1.RollingUpdateDeploymentStrategyType)
	if s.Strategy.Type == appsv1.RollingUpdateDeploymentStrategyType {
		unset(&s.Strategy.RollingUpdate, appsv1.RollingUpdateDeployment{})
		unset(&s.Strategy.RollingUpdate.MaxUnavailable, intstr.FromString("25%"))
		unset(&s.Strategy.RollingUpdate.MaxSurge, intstr.FromString("25%"))
	}
	unset(&s.RevisionHistoryLimit, 10)
	unset(&s.ProgressDeadlineSeconds, 600)
	completePods(&s.Template)
}

func completeDaemonSet(o *appsv1.DaemonSet) {
	s := &o.Spec
	empty(&s.UpdateStrategy.Type, appsv1.RollingUpdateDaemonSetStrategyType)
	if s.UpdateStrategy.Type == appsv1.RollingUpdateDaemonSetStrategyType {
		unset(&s.UpdateStrategy.RollingUpdate, appsv1.RollingUpdateDaemonSet{})
		unset(&s.UpdateStrategy.RollingUpdate.MaxUnavailable, intstr.FromInt32(1))
		unset(&s.UpdateStrategy.RollingUpdate.MaxSurge, intstr.FromInt32(0))
	}
	unset(&s.RevisionHistoryLimit, 10)
	completePods(&s.Template)
}

func completeStatefulSet(o *appsv1.StatefulSet) {
	s := &o.Spec
	empty(&s.PodManagementPolicy, appsv1.OrderedReadyPodManagement)
	if s.UpdateStrategy.Type == "" {
		s.UpdateStrategy.Type = appsv1.RollingUpdateStatefulSetStrategyType
		unset(&s.UpdateStrategy.RollingUpdate, appsv1.RollingUpdateStatefulSetStrategy{})
	}
	if r := s.UpdateStrategy.RollingUpdate; r != nil && s.UpdateStrategy.Type == appsv1.RollingUpdateStatefulSetStrategyType {
		unset(&r.Partition, 0)
	}
	unset(&s.PersistentVolumeClaimRetentionPolicy, appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{})
	empty(&s.PersistentVolumeClaimRetentionPolicy.WhenDeleted, appsv1.RetainPersistentVolumeClaimRetentionPolicyType)
	empty(&s.PersistentVolumeClaimRetentionPolicy.WhenScaled, appsv1.RetainPersistentVolumeClaimRetentionPolicyType)
	unset(&s.Replicas, 1)
	unset(&s.RevisionHistoryLimit, 10)
	completePods(&s.Template)
	for i := range s.VolumeClaimTemplates {
		c := &s.VolumeClaimTemplates[i]
		c.Kind, c.APIVersion = "PersistentVolumeClaim", "v1"
		empty(&c.Status.Phase, corev1.ClaimPending)
		unset(&c.Spec.VolumeMode, corev1.PersistentVolumeFilesystem)
	}
}

func completeJob(s *batchv1.JobSpec) {
	if s.Completions == nil && s.Parallelism == nil {
		unset(&s.Completions, 1)
	}
	unset(&s.Parallelism, 1)
	if s.BackoffLimitPerIndex != nil {
		unset(&s.BackoffLimit, math.MaxInt32)
	}
	unset(&s.BackoffLimit, 6)
	unset(&s.CompletionMode, batchv1.NonIndexedCompletion)
	unset(&s.Suspend, false)
	if s.PodFailurePolicy != nil {
		unset(&s.PodReplacementPolicy, batchv1.Failed)
		for i := range s.PodFailurePolicy.Rules {
			for j := range s.PodFailurePolicy.Rules[i].OnPodConditions {
				empty(&s.PodFailurePolicy.Rules[i].OnPodConditions[j].Status, corev1.ConditionTrue)
			}
		}
	}
	unset(&s.PodReplacementPolicy, batchv1.TerminatingOrFailed)
	unset(&s.ManualSelector, false)
	completePods(&s.Template)
}

// completeCronJob leaves the Jobs that it makes without the defaults of a Job, as the API server does.
func completeCronJob(o *batchv1.CronJob) {
	empty(&o.Spec.ConcurrencyPolicy, batchv1.AllowConcurrent)
	unset(&o.Spec.Suspend, false)
	unset(&o.Spec.SuccessfulJobsHistoryLimit, 3)
	unset(&o.Spec.FailedJobsHistoryLimit, 1)
	completePods(&o.Spec.JobTemplate.Spec.Template)
}

// cpuPercent is what an autoscaler aims at when it says nothing.
const cpuPercent = 80

func completeAutoscaler(o *autoscalingv2.HorizontalPodAutoscaler) {
	s := &o.Spec
	unset(&s.MinReplicas, 1)
	if len(s.Metrics) == 0 {
		percent := int32(cpuPercent)
		s.Metrics = []autoscalingv2.MetricSpec{{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
			Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &percent},
		}}}
	}
	if s.Behavior == nil {
		return
	}
	all := autoscalingv2.HPAScalingPolicy{Type: autoscalingv2.PercentScalingPolicy, Value: 100, PeriodSeconds: 15}
	unset(&s.Behavior.ScaleUp, autoscalingv2.HPAScalingRules{})
	unset(&s.Behavior.ScaleUp.StabilizationWindowSeconds, 0)
	unset(&s.Behavior.ScaleUp.SelectPolicy, autoscalingv2.MaxChangePolicySelect)
	if s.Behavior.ScaleUp.Policies == nil {
		s.Behavior.ScaleUp.Policies = []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PodsScalingPolicy, Value: 4, PeriodSeconds: 15}, all}
	}
	unset(&s.Behavior.ScaleDown, autoscalingv2.HPAScalingRules{})
	unset(&s.Behavior.ScaleDown.SelectPolicy, autoscalingv2.MaxChangePolicySelect)
	if s.Behavior.ScaleDown.Policies == nil {
		s.Behavior.ScaleDown.Policies = []autoscalingv2.HPAScalingPolicy{all}
	}
}

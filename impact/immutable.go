package impact

import (
	"slices"
	"strings"
	"sync"

	"github.com/bulkhead-dev/bulkhead/object"
)

// fixed is a field of a built-in kind that an update may not change.
//
// What is compared is what the API server compares: the live object, which was made
// of the manifest before, with the same object after server-side apply. A field that
// Git no longer sets is taken away and gets its default again; one that Git never
// set is left alone, whoever filled it in.
type fixed struct {
	kind  string // "GROUP/KIND", or "KIND" of the core group
	field string // with all that is below it; list elements have no step of their own
	// but are fields below it that may change.
	but []string
	// filled are fields below it that something on the cluster sets when Git does not:
	// that Git begins or ceases to set one says nothing.
	filled []string
	// begins are such fields of which only the beginning says nothing: what Git
	// set and no longer does is taken away.
	begins   []string
	defaults map[string]any // by the end of a field's path, besides podDefaults where pods is true
	pods     bool
	// when limits the rule to some objects; nil for all.
	when func(u update) bool
	// unless is a reason why the change may be taken all the same; nil or "" for none.
	unless func(u update) string
	// check stands in for the comparison of fields.
	check  func(u update) []finding
	says   string // "" for "is immutable"
	source string // in k8s.io/kubernetes v1.36.3, unless it names another module
}

// update is one object before and after, as manifests.
type update struct{ before, after map[string]any }

// finding is a field that an update changes and may not.
type finding struct {
	field string
	says  string // "is immutable"
	maybe string // why it may be taken all the same; "" when it will not
}

const immutable = "is immutable"

// fixedFields are the fields of all built-in kinds that an update may not change and
// that people write. Left out are Node, CSINode and Event, which controllers
// write, and alpha kinds. PodDisruptionBudget, HorizontalPodAutoscaler, NetworkPolicy, Ingress,
// CronJob, LimitRange, APIService and the webhook configurations have none.
func fixedFields() []fixed {
	return slices.Concat(workloads(), storage(), others())
}

func workloads() []fixed {
	jobMayBeGone := func(u update) string {
		if at(u.before, "spec", "ttlSecondsAfterFinished") != nil {
			return "it may be gone: spec.ttlSecondsAfterFinished deletes it once it is done"
		}
		return ""
	}
	jobTemplate := func(u update) string {
		if on, _ := at(u.before, "spec", "suspend").(bool); on {
			return "the Job is suspended: scheduling and resources may change until it has started"
		}
		return jobMayBeGone(u)
	}
	const jobs = "pkg/apis/batch/validation/validation.go ValidateJobSpecUpdate"
	job := func(field string) fixed {
		return fixed{kind: "batch/Job", field: field, unless: jobMayBeGone, source: jobs}
	}
	selector := job("spec.selector")
	selector.begins = []string{"spec.selector"}
	mode := job("spec.completionMode")
	mode.defaults = map[string]any{"completionMode": "NonIndexed"}
	policy := job("spec.podFailurePolicy")
	policy.defaults = map[string]any{"onPodConditions.status": "True"}
	const apps = "pkg/apis/apps/validation/validation.go "
	return []fixed{
		{kind: "apps/Deployment", field: "spec.selector", source: apps + "ValidateDeploymentUpdate"},
		{kind: "apps/ReplicaSet", field: "spec.selector", source: apps + "ValidateReplicaSetUpdate"},
		{kind: "apps/DaemonSet", field: "spec.selector", source: apps + "ValidateDaemonSetSpecUpdate"},
		{
			kind: "apps/StatefulSet", field: "spec",
			but: []string{
				"spec.replicas", "spec.template", "spec.updateStrategy", "spec.minReadySeconds", "spec.ordinals", "spec.revisionHistoryLimit",
				"spec.persistentVolumeClaimRetentionPolicy", "spec.volumeClaimTemplates.status", "spec.volumeClaimTemplates.apiVersion", "spec.volumeClaimTemplates.kind",
			},
			defaults: map[string]any{"spec.podManagementPolicy": "OrderedReady", "volumeMode": "Filesystem"},
			source:   apps + "ValidateStatefulSetUpdate",
		},
		{kind: "apps/Deployment", check: leavesRolling("strategy", "Recreate"), source: apps + "ValidateDeploymentStrategy; pkg/apis/apps/v1/defaults.go SetDefaults_Deployment"},
		{kind: "apps/StatefulSet", check: leavesRolling("updateStrategy", "OnDelete"), source: apps + "ValidateStatefulSetSpec; pkg/apis/apps/v1/defaults.go SetDefaults_StatefulSet"},
		{kind: "apps/ControllerRevision", field: "data", source: apps + "ValidateControllerRevisionUpdate"},
		selector, mode, policy, job("spec.backoffLimitPerIndex"), job("spec.managedBy"), job("spec.successPolicy"),
		{kind: "batch/Job", check: completions, unless: jobMayBeGone, source: "pkg/apis/batch/validation/validation.go validateCompletions"},
		{kind: "batch/Job", field: "spec.template", pods: true, unless: jobTemplate, source: "pkg/apis/batch/validation/validation.go validatePodTemplateUpdate"},
		{
			kind: "Pod", field: "spec", pods: true,
			but: []string{
				"spec.containers.image", "spec.initContainers.image", "spec.activeDeadlineSeconds", "spec.tolerations", "spec.schedulingGates", "spec.ephemeralContainers",
			},
			filled: []string{
				"spec.nodeName", "spec.priority", "spec.preemptionPolicy", "spec.serviceAccount", "spec.imagePullSecrets", "spec.resources",
				"spec.containers.resources", "spec.initContainers.resources", "spec.containers.ports.hostPort", "spec.initContainers.ports.hostPort",
			},
			defaults: map[string]any{"spec.serviceAccountName": "default", "spec.enableServiceLinks": true},
			unless: func(u update) string {
				if at(u.before, "spec", "schedulingGates") != nil {
					return "the Pod has scheduling gates: where it may run can still change"
				}
				return ""
			},
			source: "pkg/apis/core/validation/validation.go ValidatePodUpdate, ValidateContainerUpdates",
		},
		{kind: "Pod", check: podDeadline, source: "pkg/apis/core/validation/validation.go ValidatePodUpdate"},
		{kind: "Pod", check: podTolerations, source: "pkg/apis/core/validation/validation.go validateOnlyAddedTolerations"},
	}
}

func storage() []fixed {
	const core, store = "pkg/apis/core/validation/validation.go ", "pkg/apis/storage/validation/validation.go "
	claim := core + "ValidatePersistentVolumeClaimUpdate"
	class := store + "ValidateStorageClassUpdate"
	csi := store + "ValidateCSIDriverUpdate"
	capacity := store + "ValidateCSIStorageCapacityUpdate"
	attributes := store + "ValidateVolumeAttributesClassUpdate"
	return []fixed{
		{
			kind: "PersistentVolumeClaim", field: "spec",
			but:      []string{"spec.resources.requests.storage", "spec.volumeAttributesClassName"},
			begins:   []string{"spec.storageClassName", "spec.volumeName"},
			filled:   []string{"spec.dataSource", "spec.dataSourceRef"},
			defaults: map[string]any{"spec.volumeMode": "Filesystem"},
			source:   claim,
		},
		{kind: "PersistentVolumeClaim", check: claimShrinks, source: claim},
		{
			kind: "PersistentVolume", field: "spec",
			but: []string{
				"spec.capacity", "spec.accessModes", "spec.persistentVolumeReclaimPolicy", "spec.claimRef", "spec.storageClassName", "spec.mountOptions",
				"spec.nodeAffinity", "spec.volumeAttributesClassName",
			},
			begins:   []string{"spec.csi.controllerExpandSecretRef"},
			filled:   []string{"spec.iscsi", "spec.rbd", "spec.azureDisk", "spec.scaleIO"}, // their fields have defaults
			defaults: map[string]any{"spec.volumeMode": "Filesystem"},
			source:   core + "ValidatePersistentVolumeUpdate",
		},
		{kind: "PersistentVolume", check: volumeAffinity, source: core + "validatePvNodeAffinity"},
		{kind: "storage.k8s.io/StorageClass", field: "provisioner", source: class},
		{kind: "storage.k8s.io/StorageClass", field: "parameters", source: class},
		{kind: "storage.k8s.io/StorageClass", field: "reclaimPolicy", defaults: map[string]any{"reclaimPolicy": "Delete"}, source: class},
		{kind: "storage.k8s.io/StorageClass", field: "volumeBindingMode", defaults: map[string]any{"volumeBindingMode": "Immediate"}, source: class},
		{kind: "storage.k8s.io/VolumeAttachment", field: "spec", source: store + "ValidateVolumeAttachmentUpdate"},
		{kind: "storage.k8s.io/CSIDriver", field: "spec.attachRequired", defaults: map[string]any{"attachRequired": true}, source: csi},
		{kind: "storage.k8s.io/CSIDriver", field: "spec.volumeLifecycleModes", defaults: map[string]any{"volumeLifecycleModes": []any{"Persistent"}}, source: csi},
		{kind: "storage.k8s.io/CSIStorageCapacity", field: "nodeTopology", source: capacity},
		{kind: "storage.k8s.io/CSIStorageCapacity", field: "storageClassName", source: capacity},
		{kind: "storage.k8s.io/VolumeAttributesClass", field: "driverName", source: attributes},
		{kind: "storage.k8s.io/VolumeAttributesClass", field: "parameters", source: attributes},
	}
}

func others() []fixed {
	const (
		stays    = "cannot be taken back"
		sealed   = "is immutable, since immutable is true"
		core     = "pkg/apis/core/validation/validation.go "
		rbac     = "pkg/apis/rbac/validation/validation.go "
		crd      = "k8s.io/apiextensions-apiserver v0.36.4 pkg/apis/apiextensions/validation/validation.go validateCustomResourceDefinitionSpecUpdate"
		priority = "pkg/apis/scheduling/validation/validation.go ValidatePriorityClassUpdate"
		resource = "pkg/apis/resource/validation/validation.go "
	)
	frozen := func(u update) bool { on, _ := u.before["immutable"].(bool); return on }
	roleRef := map[string]any{"roleRef.apiGroup": "rbac.authorization.k8s.io"}
	requests := map[string]any{"allocationMode": "ExactCount", "count": int64(1), "operator": "Equal"}
	return []fixed{
		{kind: "Secret", field: "type", defaults: map[string]any{"type": "Opaque"}, source: core + "ValidateSecretUpdate"},
		{kind: "Secret", field: "immutable", when: frozen, says: stays, source: core + "ValidateSecretUpdate"},
		{kind: "Secret", field: "data", when: frozen, says: sealed, source: core + "ValidateSecretUpdate"},
		{kind: "ConfigMap", field: "immutable", when: frozen, says: stays, source: core + "ValidateConfigMapUpdate"},
		{kind: "ConfigMap", field: "data", when: frozen, says: sealed, source: core + "ValidateConfigMapUpdate"},
		{kind: "ConfigMap", field: "binaryData", when: frozen, says: sealed, source: core + "ValidateConfigMapUpdate"},
		{kind: "Service", check: serviceAddresses, source: core + "validateUpgradeDowngradeClusterIPs, validateUpgradeDowngradeIPFamilies; pkg/registry/core/service/storage/storage.go patchAllocatedValues"},
		{kind: "Service", check: serviceBalancer, source: core + "validateLoadBalancerClassField, validateServiceExternalTrafficFieldsUpdate"},
		{kind: "ResourceQuota", check: quotaScopes, source: core + "ValidateResourceQuotaUpdate"},
		{kind: "rbac.authorization.k8s.io/RoleBinding", field: "roleRef", defaults: roleRef, source: rbac + "ValidateRoleBindingUpdate"},
		{kind: "rbac.authorization.k8s.io/ClusterRoleBinding", field: "roleRef", defaults: roleRef, source: rbac + "ValidateClusterRoleBindingUpdate"},
		{kind: "apiextensions.k8s.io/CustomResourceDefinition", field: "spec.group", source: crd},
		{kind: "apiextensions.k8s.io/CustomResourceDefinition", field: "spec.scope", source: crd},
		{kind: "apiextensions.k8s.io/CustomResourceDefinition", field: "spec.names.plural", source: crd},
		{kind: "apiextensions.k8s.io/CustomResourceDefinition", field: "spec.names.kind", source: crd},
		{
			kind: "apiextensions.k8s.io/CustomResourceDefinition", check: storedVersions,
			source: "k8s.io/apiextensions-apiserver v0.36.4 pkg/apis/apiextensions/validation/validation.go ValidateCustomResourceDefinitionStoredVersions",
		},
		{kind: "scheduling.k8s.io/PriorityClass", field: "value", defaults: map[string]any{"value": int64(0)}, source: priority},
		{kind: "scheduling.k8s.io/PriorityClass", field: "preemptionPolicy", defaults: map[string]any{"preemptionPolicy": "PreemptLowerPriority"}, source: priority},
		{kind: "node.k8s.io/RuntimeClass", field: "handler", source: "pkg/apis/node/validation/validation.go ValidateRuntimeClassUpdate"},
		{kind: "networking.k8s.io/IngressClass", field: "spec.controller", source: "pkg/apis/networking/validation/validation.go validateIngressClassSpecUpdate"},
		{kind: "networking.k8s.io/IPAddress", field: "spec.parentRef", source: "pkg/apis/networking/validation/validation.go ValidateIPAddressUpdate"},
		{kind: "networking.k8s.io/ServiceCIDR", check: serviceRanges, source: "pkg/apis/networking/validation/validation.go ValidateServiceCIDRUpdate"},
		{kind: "discovery.k8s.io/EndpointSlice", field: "addressType", source: "pkg/apis/discovery/validation/validation.go ValidateEndpointSliceUpdate"},
		{kind: "certificates.k8s.io/ClusterTrustBundle", field: "spec.signerName", source: "pkg/apis/certificates/validation/validation.go ValidateClusterTrustBundleUpdate"},
		{kind: "resource.k8s.io/ResourceClaim", field: "spec", defaults: requests, source: resource + "ValidateResourceClaimUpdate"},
		{kind: "resource.k8s.io/ResourceClaimTemplate", field: "spec", defaults: requests, source: resource + "ValidateResourceClaimTemplateUpdate"},
		{kind: "storagemigration.k8s.io/StorageVersionMigration", field: "spec", source: "pkg/apis/storagemigration/validation/validation.go ValidateStorageVersionMigrationUpdate"},
	}
}

// fixedByKind is the table by "GROUP/KIND".
type fixedByKind map[string][]fixed

//nolint:gochecknoglobals // a constant made on first use
var fixedKinds = sync.OnceValue(func() fixedByKind {
	t := fixedByKind{}
	for _, f := range fixedFields() {
		t[f.kind] = append(t[f.kind], f)
	}
	return t
})

// of are the rules for an object.
func (t fixedByKind) of(id object.ID) []fixed {
	return t[strings.TrimPrefix(id.Group+"/"+id.Kind, "/")]
}

// refused are the fields of an update that the API server refuses to change: those that
// are certain first. It is nil when the two are of different API versions, which
// the server would convert.
func (t fixedByKind) refused(before, after *object.Object) []finding {
	rules := t.of(before.ID)
	if len(rules) == 0 || before.Version != after.Version || before.Body().Equal(after.Body()) {
		return nil
	}
	u := update{before.Body().Map(), after.Body().Map()}
	var out []finding
	for _, r := range rules {
		if r.when != nil && !r.when(u) {
			continue
		}
		found := r.compare(before.Body(), after.Body(), u)
		if len(found) > 0 && r.unless != nil {
			if why := r.unless(u); why != "" {
				for i := range found {
					found[i].maybe = why
				}
			}
		}
		out = append(out, found...)
	}
	slices.SortStableFunc(out, func(a, b finding) int { return strings.Compare(a.maybe, b.maybe) })
	return slices.Compact(out)
}

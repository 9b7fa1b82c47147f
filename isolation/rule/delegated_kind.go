package rule

import (
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/object"
)

// delegate is a group of kinds that a controller works on with rights of its own.
type delegate struct {
	// group is the API group; with a dot in front all groups that end so.
	group string
	// kinds of the group; empty for all.
	kinds []string
	by    string
	// fields decide where it works, and with which credentials.
	fields string
}

// delegates are controllers that do for whoever writes a kind what its writer may not do.
//
// Source: the API references of the projects, as of the middle of 2026.
var delegates = []delegate{ //nolint:gochecknoglobals // a constant table
	{"infra.contrib.fluxcd.io", []string{"Terraform"}, "tofu-controller", "spec.serviceAccountName, spec.approvePlan and spec.runnerPodTemplate"},
	{"argoproj.io", []string{"Application", "ApplicationSet", "AppProject"}, "Argo CD", "spec.project and spec.destination"},
	{"velero.io", nil, "Velero", "spec.includedNamespaces and spec.namespaceMapping"},
	{"kyverno.io", []string{"Policy", "CleanupPolicy"}, "Kyverno", "generate and mutate of its rules"},
	{"policies.kyverno.io", []string{"NamespacedGeneratingPolicy", "NamespacedMutatingPolicy", "NamespacedDeletingPolicy"}, "Kyverno", "what it generates, changes and deletes"},
	{"cluster.x-k8s.io", nil, "Cluster API", "spec.infrastructureRef, with the credentials of the provider"},
	{".cluster.x-k8s.io", nil, "Cluster API", "spec.identityRef, with the credentials of the provider"},
	{"kubernetes.crossplane.io", nil, "Crossplane's provider for Kubernetes", "spec.forProvider.manifest, which may be any object"},
	{"kubernetes.m.crossplane.io", nil, "Crossplane's provider for Kubernetes", "spec.forProvider.manifest, which may be any object"},
	{"helm.crossplane.io", nil, "Crossplane's provider for Helm", "spec.forProvider.namespace and the chart"},
	{"helm.m.crossplane.io", nil, "Crossplane's provider for Helm", "spec.forProvider.namespace and the chart"},
	{".crossplane.io", nil, "Crossplane", "spec.providerConfigRef and spec.writeConnectionSecretToRef.namespace"},
	{".upbound.io", nil, "Crossplane", "spec.providerConfigRef and spec.writeConnectionSecretToRef.namespace"},
	{".services.k8s.aws", nil, "AWS Controllers for Kubernetes", "the account and the role that its namespace is annotated with"},
	{".cnrm.cloud.google.com", nil, "Config Connector", "the annotation cnrm.cloud.google.com/project-id"},
	{".azure.com", nil, "Azure Service Operator", "spec.owner.armId and the annotation serviceoperator.azure.com/credential-from"},
	{"app.terraform.io", nil, "HCP Terraform Operator", "spec.organization and spec.token"},
	{"pulumi.com", nil, "Pulumi Kubernetes Operator", "spec.serviceAccountName and spec.envRefs"},
	{"gitops.kluctl.io", nil, "Kluctl", "spec.serviceAccountName and spec.kubeConfig"},
	{"fleet.cattle.io", nil, "Rancher Fleet", "spec.targets and spec.serviceAccount"},
	{"helm.cattle.io", []string{"HelmChart", "HelmChartConfig"}, "the Helm controller of K3s and RKE2", "spec.targetNamespace and the chart, which it installs as cluster-admin"},
	{"operators.coreos.com", nil, "Operator Lifecycle Manager", "spec.source: it installs operators with rights on the cluster"},
	{"kafka.strimzi.io", []string{"KafkaUser", "KafkaTopic", "KafkaConnector"}, "Strimzi", "the label strimzi.io/cluster and spec.authorization"},
	{"rabbitmq.com", []string{"User", "Permission", "Vhost", "Policy", "Shovel", "Federation"}, "RabbitMQ's topology operator", "spec.rabbitmqClusterReference.namespace"},
}

// delegated is the controller that works on a kind with rights of its own; nil for none.
func delegated(id object.ID) *delegate {
	for i := range delegates {
		d := &delegates[i]
		if id.Group != d.group && (d.group[0] != '.' || !strings.HasSuffix(id.Group, d.group)) {
			continue
		}
		if len(d.kinds) == 0 || slices.Contains(d.kinds, id.Kind) {
			return d
		}
	}
	return nil
}

package rule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

// lifecycleRules are about how objects come and go.
func lifecycleRules() []Rule { return append(removalRules(), paceRules()...) }

// removalRules are about how objects go.
func removalRules() []Rule {
	return []Rule{
		{
			Rule: finding.Rule{
				ID: "LIF-001", Level: finding.Medium, Title: "What leaves Git stays on the cluster",
				Why:  "Without pruning, objects that were removed from Git run on, unseen by review, and a tenant that has gone leaves its workloads behind.",
				Hint: "set spec.prune: true, and mark single objects with kustomize.toolkit.fluxcd.io/prune: disabled",
			},
			Unless:  "A stateful system is being set up.",
			Source:  "kustomize-controller v1.9.5: spec.prune",
			applier: keepsAll,
		},
		{
			Rule: finding.Rule{
				ID: "LIF-002", Level: finding.High, Title: "Pruning deletes data or a namespace",
				Why:  "A renamed folder or a line that is left out is enough: the object is deleted, with all that is in it.",
				Hint: "mark the object with kustomize.toolkit.fluxcd.io/prune: disabled, or let its storage be retained",
			},
			Unless: "The object holds nothing that is missed, its volumes are retained, or it is the namespace of a tenant with a document, which goes in phases.",
			Source: "kustomize-controller v1.9.5: kustomize.toolkit.fluxcd.io/prune; helm-controller v1.6.4: helm.sh/resource-policy; Kubernetes v1.36: reclaim policies",
			object: prunedData,
		},
		{
			Rule: finding.Rule{
				ID: "LIF-003", Level: finding.High, Title: "What cannot be changed is deleted and made anew",
				Why:  "With force, a change of an immutable field deletes the object: a claim with its data, a StatefulSet with its pods.",
				Hint: "take spec.force away; mark the one object with kustomize.toolkit.fluxcd.io/force: enabled, and take the mark away after the change",
			},
			Unless:  "The mark is on a Job.",
			Source:  "kustomize-controller v1.9.5: spec.force; helm-controller v1.6.4: spec.upgrade.force",
			applier: forced,
			object:  forcedData,
		},
		{
			Rule: finding.Rule{
				ID: "LIF-007", Level: finding.High, Title: "When a tenant goes, its workloads stay",
				Why:  "The account that prunes vanishes together with the applier, or the applier is told to leave all behind: then nothing is pruned, and no applier is left to say so.",
				Hint: "bring the account by another applier that goes later, and set spec.deletionPolicy: WaitForTermination",
			},
			Unless:  "The cluster goes as a whole, or the tenant has a document, which takes it away in phases.",
			Static:  "two objects are compared",
			Source:  "kustomize-controller v1.9.5 finalize: without the account nothing is pruned",
			applier: stranded,
		},
	}
}

func keepsAll(_ *Context, a *estate.Applier) []Found {
	if a.Kustomization == nil || a.Prune {
		return nil
	}
	return one(Found{Message: fmt.Sprintf("%s does not prune: what is removed from Git stays on the cluster", a), Field: "spec.prune"})
}

// databases are groups of kinds that stand for data.
var databases = []string{ //nolint:gochecknoglobals // a constant list
	"acid.zalan.do", "postgresql.cnpg.io", "postgres-operator.crunchydata.com", "mysql.oracle.com", "moco.cybozu.com", "psmdb.percona.com", "pxc.percona.com", "pgv2.percona.com",
	"mongodb.com", "mongodbcommunity.mongodb.com", "elasticsearch.k8s.elastic.co", "kafka.strimzi.io", "rabbitmq.com", "redis.redis.opstreelabs.in", "minio.min.io", "ceph.rook.io",
	"k8ssandra.io", "cassandra.datastax.com", "planetscale.com", "clickhouse.altinity.com",
	"rds.aws.upbound.io", "s3.aws.upbound.io", "sql.gcp.upbound.io", "storage.gcp.upbound.io", "sql.cnrm.cloud.google.com", "rds.services.k8s.aws", "s3.services.k8s.aws",
}

// durable says whether deleting an object deletes data, or what is in it.
func durable(o *estate.Object) bool {
	switch o.ID.Group {
	case "":
		return o.ID.Kind == "Namespace" || o.ID.Kind == "PersistentVolumeClaim" || o.ID.Kind == "PersistentVolume" || o.ID.Kind == "Secret"
	case "apps":
		return o.ID.Kind == "StatefulSet"
	case "apiextensions.k8s.io":
		return true
	}
	return slices.Contains(databases, o.ID.Group)
}

// prunedData looks for what a pruning applier would delete with data in it. CustomResourceDefinitions of which there is no object are left out, and
// Flux itself, which goes with the cluster.
func prunedData(x *Context, o *estate.Object) []Found {
	if !durable(o) || o.Is("", "Secret") || !prunes(o.Applier) || spared(o) {
		return nil
	}
	what, level := "", finding.High
	switch o.ID.Kind {
	case "Namespace":
		if o.ID.Name == o.Cluster.FluxNamespace || documented(o) || o.Tenant != nil { // a tenant's is renamed to the namespace that it has
			return nil
		}
		if what = alsoIn(x, o); what == "" {
			return nil
		}
	case "PersistentVolumeClaim":
		if retained(o) {
			return nil
		}
		what = "its data"
	case "PersistentVolume":
		if o.Text("spec", "persistentVolumeReclaimPolicy") == "Retain" {
			return nil
		}
		what = "its data"
	case "StatefulSet":
		if o.Text("spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted") != "Delete" {
			return nil
		}
		what = "its volumes, as whenDeleted says"
	case "CustomResourceDefinition":
		group, kind := o.Text("spec", "group"), o.Text("spec", "names", "kind")
		if byHelm(o) || estate.FluxGroup(group) || len(o.Cluster.Kind(group, kind)) == 0 {
			return nil
		}
		what = "every " + kind + " on the cluster"
	default:
		what, level = "the data that it stands for, unless its operator keeps it", finding.Medium
	}
	return one(Found{Level: level, Message: fmt.Sprintf("%s is deleted when it leaves %s, with %s", o.ID, o.Applier, what)})
}

// alsoIn says what a namespace takes along that its applier does not take away anyway: what others bring, and data; "" for nothing.
func alsoIn(x *Context, namespace *estate.Object) string {
	in := once(x, "in namespaces of "+namespace.Cluster.Name, func() map[string][]*estate.Object {
		out := map[string][]*estate.Object{}
		for _, o := range namespace.Cluster.Objects {
			if o.ID.Namespace != "" {
				out[o.ID.Namespace] = append(out[o.ID.Namespace], o)
			}
		}
		return out
	})[namespace.ID.Name]
	others := map[*estate.Applier]bool{}
	claims := 0
	for _, o := range in {
		if o.Is("", "PersistentVolumeClaim") || o.Is("apps", "StatefulSet") && len(estate.List(o.Body().Map(), "spec", "volumeClaimTemplates")) > 0 {
			claims++
		}
		if o.Applier != namespace.Applier && !slices.Contains(o.Applier.Chain, namespace.Applier.Applier) {
			others[o.Applier] = true
		}
	}
	var what []string
	if claims > 0 {
		what = append(what, "the data of "+phrase.Count(claims, "claim"))
	}
	if len(others) > 0 {
		what = append(what, "what "+phrase.Count(len(others), "other applier")+" brought")
	}
	if owner := namespace.Cluster.Owner(namespace.ID.Name); owner != nil && len(what) == 0 {
		what = append(what, "all that tenant "+owner.Tenant.Name+" has in it")
	}
	return strings.Join(what, " and ")
}

// prunes says whether an applier deletes what leaves it.
func prunes(a *estate.Applier) bool { return a.Kind != estate.KustomizationKind || a.Prune }

// spared says whether a mark keeps an object from being deleted.
func spared(o *estate.Object) bool {
	if byHelm(o) {
		return strings.EqualFold(o.Annotations()["helm.sh/resource-policy"], "keep")
	}
	return strings.EqualFold(reconcileMark(o, "prune"), "disabled") || unmanaged(o) ||
		strings.EqualFold(o.Annotations()["fluxcd.controlplane.io/prune"], "disabled")
}

// documented says whether an object is one that bulkhead makes of a tenant's document: it comes and goes with that, in phases.
func documented(o *estate.Object) bool {
	labels := o.Labels()
	if labels["app.kubernetes.io/managed-by"] != "bulkhead" {
		return false
	}
	for _, p := range o.Cluster.Compartments {
		if p.Tenant.Name == labels["toolkit.fluxcd.io/tenant"] {
			return !p.Tenant.Inferred
		}
	}
	return false
}

// retained says whether the volume of a claim outlives it.
func retained(o *estate.Object) bool {
	class := o.Text("spec", "storageClassName")
	for _, s := range o.Cluster.Kind("storage.k8s.io", "StorageClass") {
		if s.ID.Name == class && s.Text("reclaimPolicy") == "Retain" {
			return true
		}
	}
	return false
}

func forced(_ *Context, a *estate.Applier) []Found {
	if a.Kustomization != nil && a.Kustomization.Spec.Force {
		return one(Found{Message: fmt.Sprintf("%s deletes and makes anew whatever cannot be changed", a), Field: "spec.force"})
	}
	if a.HelmRelease == nil {
		return nil
	}
	for _, field := range [][]string{{"upgrade", "force"}, {"rollback", "force"}} {
		if on, _ := estate.At(a.Spec(), field...).(bool); on {
			return one(Found{Message: fmt.Sprintf("%s deletes and makes anew whatever cannot be changed", a), Field: "spec." + strings.Join(field, ".")})
		}
	}
	return nil
}

func forcedData(_ *Context, o *estate.Object) []Found {
	if !durable(o) || o.Is("", "Secret") || byHelm(o) || !strings.EqualFold(reconcileMark(o, "force"), "enabled") {
		return nil
	}
	return one(Found{Message: fmt.Sprintf("%s is deleted and made anew when it cannot be changed", o.ID), Field: "metadata.annotations"})
}

// stranded looks at appliers of tenants that could not, or would not, take away what they applied.
func stranded(_ *Context, a *estate.Applier) []Found {
	if a.Tenant == nil || a.Author != nil || a.Object == nil || a.Kustomization == nil || !a.Prune {
		return nil
	}
	if a.DeletionPolicy == "Orphan" {
		return one(Found{Message: fmt.Sprintf("%s leaves behind all that it applied when it is deleted", a), Field: "spec.deletionPolicy"})
	}
	if documented(a.Object) {
		return nil
	}
	parent := a.Object.Applier
	if a.As.Kind == estate.RunsAsAccount {
		for _, o := range a.Target.Kind("", "ServiceAccount") {
			if o.ID.Namespace == a.As.Account.Namespace && o.ID.Name == a.As.Account.Name && o.Applier == parent && !spared(o) {
				return one(Found{Message: fmt.Sprintf("%s and the account %s that it prunes as go together with %s", a, a.As.Account, parent), Field: "spec.serviceAccountName"})
			}
		}
	}
	name := estate.Text(a.Spec(), "kubeConfig", "secretRef", "name")
	for _, o := range a.Home.Kind("", "Secret") {
		if name != "" && o.ID.Namespace == a.Namespace && o.ID.Name == name && o.Applier == parent && !spared(o) {
			return one(Found{Message: fmt.Sprintf("%s and the kubeconfig that it needs go together with %s", a, parent), Field: "spec.kubeConfig"})
		}
	}
	return nil
}

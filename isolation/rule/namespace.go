package rule

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
)

// namespaceRules are about the boundary of a tenant's namespaces.
func namespaceRules() []Rule {
	return slices.Concat([]Rule{
		{
			Rule: finding.Rule{
				ID: "NSB-001", Level: finding.Critical, Title: "A tenant's object lands outside of its namespaces",
				Why:  "What is written to a namespace of others changes what they run, or what guards them. When RBAC refuses it, nothing of the applier is applied any more.",
				Hint: "move the object to a namespace of the tenant, or take it out of the tenant's files",
			},
			Boundary: true,
			Unless:   "The namespace is one of the tenant's by its document.",
			Source:   "kustomize-controller v1.9.5: namespaces are those after build and substitution",
			object:   outside,
		},
		{
			Rule: finding.Rule{
				ID: "NSB-002", Level: finding.Critical, Title: "A tenant brings an object that is of no namespace",
				Why:  "What is of no namespace holds for the whole cluster, and so for every tenant on it. When RBAC refuses it, nothing of the applier is applied any more.",
				Hint: "move the object to the hub, or allow its kind in spec.contract.clusterScoped of the tenant",
			},
			Boundary: true,
			Unless:   "The tenant's contract allows the kind.",
			Source:   "Kubernetes v1.36: scopes of the built-in kinds, and of the fleet's CustomResourceDefinitions",
			object:   clusterWide,
		},
		{
			Rule: finding.Rule{
				ID: "NSB-003", Level: finding.High, Title: "A tenant's Kustomization has no target namespace, or one of others",
				Why:  "Objects without a namespace of their own get that of spec.targetNamespace. Without it the tenant's files alone say where things go.",
				Hint: "set spec.targetNamespace to a namespace of the tenant; it is a default and no boundary, which the account is",
			},
			Boundary: true,
			Unless:   "The Kustomization names an account, and all that it applies is in the tenant's namespaces: tenants with several namespaces need that.",
			Source:   "kustomize-controller v1.9.5: spec.targetNamespace is the namespace of the kustomization file",
			applier:  targetNamespace,
		},
		{
			Rule: finding.Rule{
				ID: "NSB-006", Level: finding.High, Title: "A tenant brings a Namespace object",
				Why:  "Labels of a namespace say which guards hold in it. Under spec.targetNamespace any Namespace object takes the name of the target, so that a tenant writes the labels of its own.",
				Hint: "take the Namespace out of the tenant's files: namespaces are the hub's",
			},
			Boundary: true,
			Unless:   "Tenants make their namespaces themselves, under an operator that guards them.",
			Source:   "kustomize API v0.21.1: the namespace transformer renames Namespaces; Kubernetes v1.36: a Namespace is authorised in itself",
			object:   ownNamespace,
		},
	}, declarationRules(), buildOverrideRules(), guardRules())
}

// stalls is what follows when RBAC refuses a tenant's object.
func stalls(a *estate.Applier) string {
	return fmt.Sprintf("; RBAC refuses that, and with it all that %s applies", a)
}

func outside(_ *Context, o *estate.Object) []Found {
	if o.Tenant == nil || o.Applier.Kind == estate.HelmReleaseKind || o.ID.Namespace == "" { // HLM-003 tells of charts
		return nil
	}
	if namespaced, known := o.Cluster.Namespaced(o.ID.Group, o.ID.Kind); known && !namespaced {
		return nil
	}
	p := o.Compartment()
	if p != nil && p.Owns(o.ID.Namespace) {
		return nil
	}
	f := Found{Message: fmt.Sprintf("%s of tenant %s is in %s", short(o.ID), o.Tenant.Name, apartFrom(o.ID.Namespace)), Field: "metadata.namespace"}
	if refused(o.Applier, o) {
		f.Level = finding.High
		f.Message += stalls(o.Applier)
	}
	return one(f)
}

// apartFrom names a namespace that is not the tenant's. Whose it is instead is not for the tenant to know, who sees what is found in its files.
func apartFrom(namespace string) string {
	return "namespace " + legible(namespace) + ", which is not the tenant's"
}

// ownedNamespace names a namespace with its owner, for who runs the platform.
func ownedNamespace(c *estate.Cluster, namespace string) string {
	if p := c.Owner(namespace); p != nil {
		return fmt.Sprintf("namespace %s of tenant %s", namespace, p.Tenant.Name)
	}
	if namespace != c.FluxNamespace {
		for _, p := range c.Compartments {
			if slices.Contains(p.FluxNamespaces, namespace) {
				return fmt.Sprintf("namespace %s with the Flux objects of tenant %s", namespace, p.Tenant.Name)
			}
		}
	}
	return apartFrom(namespace)
}

// scopeClass is what a kind without a namespace does to a cluster.
type scopeClass struct {
	group, kind string // kind is "" for all of the group
	level       finding.Level
	effect      string
}

// scopeClasses are searched in their order.
var scopeClasses = []scopeClass{ //nolint:gochecknoglobals // a constant table
	{"rbac.authorization.k8s.io", "", finding.Critical, "grants rights on the whole cluster"},
	{"admissionregistration.k8s.io", "", finding.Critical, "sees, changes or refuses what all others write"},
	{"apiextensions.k8s.io", "", finding.Critical, "changes or removes a kind for all of the cluster"},
	{"apiregistration.k8s.io", "", finding.Critical, "takes over a part of the API"},
	{"certificates.k8s.io", "", finding.Critical, "can become a certificate of any identity"},
	{"", "Node", finding.Critical, "is a machine of the cluster"},
	{"", "PersistentVolume", finding.Critical, "may be a folder of a machine"},
	{"kyverno.io", "", finding.Critical, "changes what admission lets pass"},
	{"scheduling.k8s.io", "", finding.High, "may push out the pods of others"},
	{"storage.k8s.io", "", finding.High, "is where others store"},
	{"networking.k8s.io", "", finding.High, "routes for the whole cluster"},
	{"gateway.networking.k8s.io", "", finding.High, "routes for the whole cluster"},
	{"node.k8s.io", "", finding.High, "says how containers of anybody are run"},
	{"flowcontrol.apiserver.k8s.io", "", finding.High, "says whose requests wait"},
	{"resource.k8s.io", "", finding.High, "hands out devices of machines"},
	{"", "", finding.Critical, "holds for the whole cluster"},
}

func clusterWide(_ *Context, o *estate.Object) []Found {
	if o.Tenant == nil || o.Applier.Kind == estate.HelmReleaseKind || o.Is("", "Namespace") { // HLM-003 and NSB-006
		return nil
	}
	if namespaced, known := o.Cluster.Namespaced(o.ID.Group, o.ID.Kind); !known || namespaced {
		return nil
	}
	if contractKind(o.Compartment(), o.ID.Group, o.ID.Kind) {
		return nil
	}
	class := scopeClasses[slices.IndexFunc(scopeClasses, func(s scopeClass) bool {
		return s.group == o.ID.Group && (s.kind == "" || s.kind == o.ID.Kind) || s.group == "" && s.kind == ""
	})]
	f := Found{Level: class.level, Message: fmt.Sprintf("%s of tenant %s %s", short(o.ID), o.Tenant.Name, class.effect)}
	if refused(o.Applier, o) {
		f.Level = finding.High
		f.Message += stalls(o.Applier)
	}
	return one(f)
}

// contractKind reports whether a tenant's contract lets it make a kind without a namespace.
func contractKind(p *estate.Compartment, group, kind string) bool {
	if p == nil {
		return false
	}
	contract, known := p.Contract()
	return known && slices.Contains(contract.ClusterScoped, metav1.GroupKind{Group: group, Kind: kind})
}

func targetNamespace(_ *Context, a *estate.Applier) []Found {
	p := a.Compartment()
	if p == nil || a.Kustomization == nil {
		return nil
	}
	target := a.Kustomization.Spec.TargetNamespace
	switch {
	case target != "" && !p.Owns(target):
		return one(Found{Message: fmt.Sprintf("%s of tenant %s applies to %s", a, a.Tenant.Name, apartFrom(target)), Field: "spec.targetNamespace"})
	case target != "":
		return nil
	}
	inside := a.As.Kind == estate.RunsAsAccount
	for _, o := range slices.Concat(a.Objects, a.Held) {
		inside = inside && (o.ID.Namespace == "" || p.Owns(o.ID.Namespace)) // of those without one NSB-002 tells
	}
	if inside {
		return nil
	}
	return one(Found{Message: fmt.Sprintf("%s of tenant %s names no target namespace: the tenant's files say where things go", a, a.Tenant.Name), Field: "spec.targetNamespace"})
}

func ownNamespace(_ *Context, o *estate.Object) []Found {
	if o.Tenant == nil || !o.Is("", "Namespace") || contractKind(o.Compartment(), "", "Namespace") {
		return nil
	}
	f := Found{Level: finding.Critical, Message: fmt.Sprintf("%s is brought by tenant %s", short(o.ID), o.Tenant.Name)}
	if p := o.Compartment(); p != nil && p.Owns(o.ID.Name) {
		if changed := changedKeys(o); len(changed) > 0 {
			f.Message += ", which sets " + strings.Join(changed, ", ")
			f.Field = "metadata"
		}
	}
	if refused(o.Applier, o) {
		f.Level = finding.High
		f.Message += stalls(o.Applier)
	}
	return one(f)
}

// changedKeys are the labels and annotations by which a tenant's Namespace differs from the platform's. Values are left out: variables may be in
// them. What every applier sets is none.
func changedKeys(o *estate.Object) (out []string) {
	var labels, annotations map[string]string
	if n := o.Cluster.Namespace(o.ID.Name); n != nil && n.Tenant == nil {
		labels, annotations = n.Labels(), n.Annotations()
	}
	differs := func(what string, have, want map[string]string) {
		for _, k := range slices.Sorted(maps.Keys(have)) {
			if v, ok := want[k]; (!ok || v != have[k]) && !strings.HasPrefix(k, "kustomize.toolkit.fluxcd.io/na") && len(out) < 8 {
				out = append(out, what+" "+legible(k))
			}
		}
	}
	differs("label", o.Labels(), labels)
	differs("annotation", o.Annotations(), annotations)
	return out
}

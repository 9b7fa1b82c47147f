package rule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

// crdID is the group and kind of definitions of kinds.
const crdGroup, crdName = "apiextensions.k8s.io", "CustomResourceDefinition"

// authoredRelease is the compartment of the tenant that wrote a HelmRelease; nil for other appliers.
func authoredRelease(a *estate.Applier) *estate.Compartment {
	if a.Kind != estate.HelmReleaseKind || a.Author == nil {
		return nil
	}
	return a.Compartment()
}

func releaseTarget(_ *Context, a *estate.Applier) []Found {
	p, ns := authoredRelease(a), estate.Text(a.Spec(), "targetNamespace")
	if p == nil || ns == "" || p.Owns(ns) {
		return nil
	}
	return one(Found{Message: fmt.Sprintf("%s of %s installs into namespace %s, which is %s", a, who(a.Author), clipped(ns), namespaceOf(p.Cluster, ns)), Field: "spec.targetNamespace"})
}

func releaseStorage(_ *Context, a *estate.Applier) []Found {
	p, ns := authoredRelease(a), estate.Text(a.Spec(), "storageNamespace")
	if p == nil || ns == "" || p.Owns(ns) {
		return nil
	}
	return one(Found{Message: fmt.Sprintf("%s of %s is kept in namespace %s, which is %s", a, who(a.Author), clipped(ns), namespaceOf(p.Cluster, ns)), Field: "spec.storageNamespace"})
}

// namespaceOf says whose a namespace is.
func namespaceOf(c *estate.Cluster, namespace string) string {
	if p := c.Owner(namespace); p != nil {
		return whose(p.Tenant)
	}
	if o := c.Namespace(namespace); o != nil && o.Tenant == nil {
		return whose(nil)
	}
	return "not the tenant's"
}

func releaseNamespace(_ *Context, a *estate.Applier) []Found {
	p := authoredRelease(a)
	if p == nil {
		return nil
	}
	if on, _ := estate.At(a.Spec(), "install", "createNamespace").(bool); !on {
		return nil
	}
	ns := estate.Text(a.Spec(), "targetNamespace")
	if ns == "" || p.Owns(ns) {
		return nil // the platform has made it
	}
	return one(Found{Message: fmt.Sprintf("%s of %s makes namespace %s", a, who(a.Author), clipped(ns)), Field: "spec.install.createNamespace"})
}

// chartedOutside finds what a tenant's chart, or its hooks, put where the tenant has nothing.
func chartedOutside(_ *Context, o *estate.Object) []Found {
	a := o.Applier
	if o.Tenant == nil || a == nil || a.Kind != estate.HelmReleaseKind || o.Is(crdGroup, crdName) {
		return nil
	}
	p := o.Compartment()
	if p == nil {
		return nil
	}
	what := "its chart"
	if o.Hook {
		what = "a hook of its chart"
	}
	namespaced, known := o.Cluster.Namespaced(o.ID.Group, o.ID.Kind)
	switch {
	case !known && o.ID.Namespace == "" || known && !namespaced:
		if allowedForCluster(p, o.ID) || o.Is("", "Namespace") && createdByHelm(a, o.ID.Name) {
			return nil
		}
		if !known {
			return nil // the rule about kinds of unknown scope says it
		}
		return one(Found{Message: fmt.Sprintf("%s of %s makes %s for the whole cluster by %s", a, who(o.Tenant), o.ID, what)})
	case p.Owns(o.ID.Namespace):
		return nil
	}
	return one(Found{Message: fmt.Sprintf("%s of %s makes %s by %s, in a namespace that is %s", a, who(o.Tenant), o.ID, what, namespaceOf(o.Cluster, o.ID.Namespace)), Field: "metadata.namespace"})
}

// createdByHelm reports whether Helm makes a namespace before the chart, which HLM-006 is about.
func createdByHelm(a *estate.Applier, name string) bool {
	on, _ := estate.At(a.Spec(), "install", "createNamespace").(bool)
	return on && a.ReleaseNamespace == name
}

// allowedForCluster reports whether a tenant's contract names a kind without a namespace. That of an inferred tenant names none.
func allowedForCluster(p *estate.Compartment, id object.ID) bool {
	contract, _ := p.Contract()
	for _, k := range contract.ClusterScoped {
		if k.Group == id.Group && k.Kind == id.Kind {
			return true
		}
	}
	return false
}

// releaseCRDs finds definitions in a tenant's release.
func releaseCRDs(_ *Context, a *estate.Applier) []Found {
	if a.Kind != estate.HelmReleaseKind || a.Tenant == nil {
		return nil
	}
	p := a.Compartment()
	if p == nil || allowedForCluster(p, object.ID{Group: crdGroup, Kind: crdName}) {
		return nil
	}
	names := slices.Clone(a.Definitions)
	for _, list := range [][]*estate.Object{a.Objects, a.Held, a.Hooks} {
		for _, o := range list {
			if o.Is(crdGroup, crdName) {
				names = append(names, o.ID.Name)
			}
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	names = slices.Compact(names)
	field := "spec.install.crds"
	if a.InstallCRDs == "Skip" {
		field = "spec.upgrade.crds"
	}
	if a.InstallCRDs == "Skip" && a.UpgradeCRDs == "Skip" {
		field = "" // templates bring them
	}
	return one(Found{Message: fmt.Sprintf("%s of %s brings %s: %s", a, who(a.Tenant), phrase.Count(len(names), crdName), phrase.List(names, 3)), Field: field})
}

// sharedReleases finds HelmReleases that Helm does not tell apart.
func sharedReleases(_ *Context, c *estate.Cluster) (out []Found) {
	type key struct{ namespace, name string }
	first := map[key]*estate.Applier{}
	for _, a := range c.Appliers {
		if a.Kind != estate.HelmReleaseKind || a.HelmRelease == nil {
			continue
		}
		k := key{a.StorageNamespace, a.ReleaseName}
		if k.name == "" { // its chart is not known
			k = key{a.HelmRelease.GetStorageNamespace(), a.HelmRelease.GetReleaseName()}
		}
		other := first[k]
		if other == nil {
			first[k] = a
			continue
		}
		if other.Applier == a.Applier && other.Home == a.Home {
			continue // two appliers bring one object
		}
		out = append(out, Found{
			Object: a.Object, ID: applierID(a), Tenant: a.Tenant, Field: "spec.releaseName",
			Message: fmt.Sprintf("%s and %s are both release %s in namespace %s to Helm", other, a, clipped(k.name), clipped(k.namespace)),
		})
	}
	return out
}

// driftingRelease finds releases of production or of tenants that Flux does not hold to what was reviewed.
func driftingRelease(_ *Context, a *estate.Applier) []Found {
	if a.Kind != estate.HelmReleaseKind || a.Tenant == nil && !a.Target.Production {
		return nil
	}
	var steps []finding.Step
	field := ""
	say := func(at, format string, args ...any) {
		if field == "" {
			field = at
		}
		steps = append(steps, finding.Step{Message: fmt.Sprintf(format, args...)})
	}
	drift := estate.At(a.Spec(), "driftDetection")
	if estate.Text(drift, "mode") == "disabled" {
		say("spec.driftDetection.mode", "drift detection is switched off")
	}
	for i, entry := range estate.List(drift, "ignore") {
		if estate.At(entry, "target") == nil {
			say(fmt.Sprintf("spec.driftDetection.ignore[%d]", i), "drift of %s is ignored on all objects", clipped(phrase.List(estate.Texts(entry, "paths"), 3)))
		}
	}
	own := map[string]bool{"": true, "default": true}
	for _, list := range [][]*estate.Object{a.Objects, a.Hooks} {
		for _, o := range list {
			if o.Is("", "ServiceAccount") {
				own[o.ID.Name] = true
			}
		}
	}
	for _, o := range a.Hooks {
		account := o.Text("spec", "serviceAccountName")
		if o.Is("batch", "Job") {
			account = o.Text("spec", "template", "spec", "serviceAccountName")
		}
		if !own[account] {
			say("", "hook %s runs as account %s, which the chart does not make", o.ID, clipped(account))
		}
	}
	if len(steps) == 0 {
		return nil
	}
	texts := make([]string, len(steps))
	for i := range steps {
		texts[i] = steps[i].Message
	}
	return one(Found{Message: fmt.Sprintf("%s: %s", a, strings.ReplaceAll(phrase.List(texts, 2), "\n", " ")), Field: field, Steps: steps})
}

package risk

import (
	"slices"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

const (
	kustomizeGroup = "kustomize.toolkit.fluxcd.io"
	helmGroup      = "helm.toolkit.fluxcd.io"
	sourceGroup    = "source.toolkit.fluxcd.io"
)

func isKustomization(ch *impact.Change) bool { return isKind(ch, kustomizeGroup, "Kustomization") }

func isRelease(ch *impact.Change) bool { return isKind(ch, helmGroup, "HelmRelease") }

// applierID is the applier that an object is; zero for other objects.
func applierID(id object.ID) object.Applier {
	switch id.Group + "/" + id.Kind {
	case kustomizeGroup + "/Kustomization", helmGroup + "/HelmRelease", "fluxcd.controlplane.io/ResourceSet":
		return object.Applier{Kind: id.Kind, Namespace: id.Namespace, Name: id.Name}
	}
	return object.Applier{}
}

// objectID is the object that an applier is.
func objectID(a object.Applier) object.ID {
	group := map[string]string{"Kustomization": kustomizeGroup, "HelmRelease": helmGroup, "ResourceSet": "fluxcd.controlplane.io"}[a.Kind]
	return object.ID{Group: group, Kind: a.Kind, Namespace: a.Namespace, Name: a.Name}
}

// calledApplier names an applier as [calledID] does.
func calledApplier(a object.Applier) string { return calledID(objectID(a)) }

// held is an applier whose object is on the cluster in question, wherever it writes to.
type held struct {
	*render.Applier
	home *render.Cluster
}

// spec is that of its object; nil when that is not rendered.
func (h held) spec() map[string]any {
	if h.home == nil {
		return nil
	}
	o, _ := h.home.Objects.Get(objectID(h.Applier.Applier))
	return dict(body(o), "spec")
}

// appliers are those whose objects are on the cluster of x, before or after the change, in the order of the
// clusters that they write to.
func (x *context) appliers(fleet *render.Result) []held {
	if fleet == nil {
		return nil
	}
	home := fleet.Cluster(x.Name)
	var out []held
	for _, c := range fleet.Clusters {
		for _, a := range c.Appliers {
			if a.Home != x.Name {
				continue
			}
			out = append(out, held{a, home})
		}
	}
	return out
}

// applier is the applier that the object of a change is, on both sides; nil where it does not exist, or is
// not evaluated, and both for other objects.
func (x *context) applier(ch *impact.Change) (before, after *render.Applier) {
	id := applierID(ch.ID)
	if id == (object.Applier{}) {
		return nil, nil
	}
	find := func(here *render.Cluster, fleet *render.Result) *render.Applier {
		if here == nil || fleet == nil {
			return nil
		}
		for _, c := range slices.Concat([]*render.Cluster{here}, fleet.Clusters) { // nearly all write to where they are
			for _, a := range c.Appliers {
				if a.Home == x.Name && a.Applier == id {
					return a
				}
			}
		}
		return nil
	}
	return find(x.before, x.fleet[0]), find(x.after, x.fleet[1])
}

// objectsOf are the objects that an applier applies, or would when resumed; nil for none.
func objectsOf(a *render.Applier) []*object.Object {
	if a == nil {
		return nil
	}
	return slices.Concat(a.Objects, a.Held)
}

// namesOf names some objects: "Deployment shop/web, Service shop/web and 3 more". What can be lost comes first.
func namesOf(objects []*object.Object) string {
	ids := make([]object.ID, 0, len(objects))
	for _, o := range objects {
		ids = append(ids, o.ID)
	}
	weight := func(id object.ID) int {
		return slices.Index([]string{
			"HelmRelease", "Kustomization", "Service", "Ingress", "DaemonSet", "Deployment", "StatefulSet", "Namespace", "CustomResourceDefinition", "PersistentVolumeClaim",
		}, id.Kind)
	}
	slices.SortFunc(ids, func(a, b object.ID) int {
		if c := weight(b) - weight(a); c != 0 {
			return c
		}
		return a.Compare(b)
	})
	var names []string
	for _, id := range ids {
		names = append(names, calledID(id))
	}
	return few(names)
}

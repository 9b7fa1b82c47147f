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

// appliers are those whose objects are on the cluster of x, before (0) or after the change (1), in the order of the
// clusters that they write to.
func (x *context) appliers(side int) []held {
	if x.fleet[side] == nil {
		return nil
	}
	home := x.fleet[side].Cluster(x.Name)
	var out []held
	for _, a := range x.holders[side]()[x.Name] {
		out = append(out, held{a, home})
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
	find := func(here *render.Cluster, side int) *render.Applier {
		if here == nil || x.fleet[side] == nil {
			return nil
		}
		is := func(a *render.Applier) bool { return a.Home == x.Name && a.Applier == id }
		for _, list := range [][]*render.Applier{here.Appliers, x.holders[side]()[x.Name]} { // nearly all write to where they are
			if i := slices.IndexFunc(list, is); i >= 0 {
				return list[i]
			}
		}
		return nil
	}
	return find(x.before, 0), find(x.after, 1)
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

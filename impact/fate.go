package impact

import (
	"fmt"
	"strings"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// fates says of each object that its applier lets go what becomes of it.
//
// Source: kustomize-controller v1.9.5 prune and finalize, fluxcd/pkg/ssa v0.76.2
// manager_delete.go: an object is deleted when its live labels name the applier
// and no live marker forbids it. What was rendered before is taken to be live.
func (p *pair) fates(c *Cluster, before owned) {
	doomed := map[string]bool{} // namespaces
	for _, ch := range c.Changes {
		switch ch.Kind {
		case Removed:
			ch.Fate, ch.Why = p.fate(ch, before.owners[ch.ID])
		case Moved:
			ch.Fate, ch.Why = p.moveFate(ch, before.owners[ch.ID])
		case Added, Changed:
		}
		if ch.Kind == Removed && ch.Fate == Deleted && ch.ID.Kind == "Namespace" && ch.ID.Group == "" {
			doomed[ch.ID.Name] = true
		}
	}
	for _, ch := range c.Changes {
		if ch.Kind == Removed && ch.Fate != Deleted && doomed[ch.ID.Namespace] {
			ch.Fate, ch.Why = Deleted, "goes with its Namespace"
		}
	}
	stay := map[string]int{}
	if after := p.after.clusters[c.Name]; after != nil && len(doomed) > 0 {
		for o := range after.Objects.All() {
			if doomed[o.ID.Namespace] {
				stay[o.ID.Namespace]++
			}
		}
	}
	for _, ch := range c.Changes {
		if n := stay[ch.ID.Name]; n > 0 && ch.Kind == Removed && ch.ID.Kind == "Namespace" && ch.ID.Group == "" {
			c.Notes = append(c.Notes, fmt.Sprintf("Namespace %s is deleted while %d objects in it are still rendered: they go with it", ch.ID.Name, n))
		}
	}
}

// fate of an object that was let go by its owners. With several, the worst
// decides: the labels that are live are those of whoever applied last.
func (p *pair) fate(ch *Change, owners []*render.Applier) (Fate, string) {
	fate, why := Orphaned, ""
	for _, k := range owners {
		f, w := p.collected(ch.Before, k)
		if why == "" || f == Deleted || f == Unsure && fate == Orphaned {
			fate, why = f, w
		}
	}
	return fate, why
}

// collected says what one applier's garbage collection does with an object that
// it rendered before and does not render after.
func (p *pair) collected(o *object.Object, k *render.Applier) (Fate, string) {
	now := p.after.appliers[key{k.Home, k.Applier}]
	var prunes bool
	var why string
	switch {
	case now != nil && now.Target != k.Target:
		return Orphaned, k.String() + " writes to another cluster: the objects on this one are left behind"
	case now != nil && now.Refused:
		return Unsure, k.String() + " is refused by the API server after the change, and prunes nothing until that is fixed"
	case now != nil:
		if prunes = now.Prune; !prunes {
			why = k.String() + " does not prune"
		}
	default:
		if f, w := p.dropped(k); f != Deleted {
			return f, w
		}
		prunes, why = finalizes(k)
	}
	if !prunes {
		return Orphaned, why
	}
	if f, w, kept := protected(o, k); kept {
		return f, w
	}
	if now == nil {
		return Deleted, k.String() + " is deleted, and its objects with it"
	}
	return Deleted, "pruned by " + k.String()
}

// dropped says what becomes of an applier's own object that is gone.
func (p *pair) dropped(k *render.Applier) (Fate, string) {
	if len(k.Chain) == 0 {
		return Orphaned, "the cluster's entry point is gone: Flux there, if it still runs, fails and prunes nothing"
	}
	parentID := k.Chain[len(k.Chain)-1]
	for _, home := range []string{k.Home, k.Root} {
		parent := p.before.appliers[key{home, parentID}]
		if parent == nil || parent.Target != k.Home {
			continue
		}
		for _, o := range parent.Objects {
			if o.ID.Kind != k.Kind || o.ID.Namespace != k.Namespace || o.ID.Name != k.Name {
				continue
			}
			f, w := p.collected(o, parent)
			if f == Orphaned && !strings.Contains(w, "entry point") {
				w = k.String() + " itself stays in the cluster and goes on: " + w
			}
			return f, w
		}
	}
	return Unsure, "what becomes of " + k.String() + " is not known"
}

// finalizes reports whether deleting a Kustomization deletes its objects.
//
// Source: kustomize-controller v1.9.5, finalizerShouldDeleteResources.
func finalizes(k *render.Applier) (bool, string) {
	switch k.DeletionPolicy {
	case "Orphan":
		return false, k.String() + " has deletionPolicy Orphan"
	case "Delete", "WaitForTermination":
		return true, ""
	}
	return k.Prune, k.String() + " does not prune"
}

// protected reports whether a marker on the object keeps the garbage collector
// from deleting it. Markers are taken case-insensitively on labels and
// annotations; prune: disabled is live once it was applied, while an object with
// one of the others was never applied, so that its live state is not known.
func protected(o *object.Object, k *render.Applier) (Fate, string, bool) {
	meta, _ := o.Body().Map()["metadata"].(map[string]any)
	labels, _ := meta["labels"].(map[string]any)
	annotations, _ := meta["annotations"].(map[string]any)
	marked := func(name, value string) bool {
		for _, m := range []map[string]any{labels, annotations} {
			if s, ok := m["kustomize.toolkit.fluxcd.io/"+name].(string); ok && strings.EqualFold(s, value) {
				return true
			}
		}
		return false
	}
	switch {
	case marked("reconcile", "disabled"):
		return Unsure, "it is marked reconcile: disabled, which only counts if the live object is marked too", true
	case marked("ssa", "ignore"):
		return Unsure, "it is marked ssa: Ignore, which only counts if the live object is marked too", true
	case marked("prune", "disabled"):
		return Orphaned, "it is marked prune: disabled", true
	}
	names := ownerLabels()
	if labels[names[0]] != k.Name || labels[names[1]] != k.Namespace {
		return Orphaned, "its owner labels are overridden, so that " + k.String() + " does not know it as its own", true
	}
	return "", "", false
}

// moveFate says what the old owner may do to an object that another one took
// over: it is safe when the new owner applies first, or the old one lets it be.
func (p *pair) moveFate(ch *Change, owners []*render.Applier) (Fate, string) {
	still := map[key]bool{}
	for _, a := range p.owned(p.after.clusters[ch.Cluster]).owners[ch.ID] {
		still[key{a.Home, a.Applier}] = true
	}
	for _, k := range owners {
		if still[key{k.Home, k.Applier}] {
			continue
		}
		f, why := p.collected(ch.Before, k)
		if f == Deleted {
			return Unsure, "kept if " + ch.After.Origin.Owner().String() + " applies first, else deleted and created again: " + why
		}
		return f, why
	}
	return "", ""
}

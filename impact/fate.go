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
func (p *pair) fates(c *Cluster, before, after owned) {
	for _, ch := range c.Changes {
		switch ch.Kind {
		case Removed:
			ch.Fate, ch.Why = p.fate(ch, before)
		case Moved:
			ch.Fate, ch.Why = p.moveFate(ch, before, after)
		case Added, Changed:
		}
	}
	p.cascade(c)
	for _, ch := range c.Changes {
		k := p.before.appliers[key{c.Name, applierOf(ch.ID)}]
		if k != nil && p.selves[key{c.Name, k.Applier}] {
			c.Notes = append(c.Notes, k.String()+" prunes itself: its finalizer then deletes everything that it applied")
		}
		if ch.Kind != Removed || ch.Fate != Deleted || k == nil || p.after.appliers[key{c.Name, k.Applier}] == nil {
			continue
		}
		// Only an entry point is evaluated although nothing renders it.
		if deletes, _ := finalizes(k); deletes {
			c.Notes = append(c.Notes, k.String()+" prunes itself: its finalizer then deletes everything that it applied, unless Flux is gone before")
		}
	}
}

// applierOf is the applier that an object is; zero for other objects.
func applierOf(id object.ID) object.Applier {
	if !strings.HasSuffix(id.Group, ".toolkit.fluxcd.io") {
		return object.Applier{}
	}
	return object.Applier{Kind: id.Kind, Namespace: id.Namespace, Name: id.Name}
}

// fate of an object that was let go by its owners. With several it is certain only
// when they agree: the labels that are live are those of whoever applied last.
func (p *pair) fate(ch *Change, before owned) (Fate, string) {
	fate, why := Orphaned, ""
	kept := ""
	for _, k := range before.owners[ch.ID] {
		f, w := p.collected(before.of(ch.ID, k), k)
		if f == Orphaned && kept == "" {
			kept = w
		}
		if why == "" || f == Deleted || f == Unsure && fate == Orphaned {
			fate, why = f, w
		}
	}
	if fate == Deleted && kept != "" {
		return Unsure, "it has several owners, and the one that applied it last decides: " + why + ", or " + kept
	}
	return fate, why
}

// collected says what one applier's garbage collection does with an object that
// it rendered before and does not render after.
func (p *pair) collected(o *object.Object, k *render.Applier) (Fate, string) {
	if k.Release != nil {
		return p.uninstalled(o, k)
	}
	now := p.after.appliers[key{k.Home, k.Applier}]
	deletes, why := Deleted, "pruned by "+k.String()
	switch {
	case now != nil && now.Target != k.Target:
		return Orphaned, k.String() + " writes to another cluster: the objects on this one are left behind"
	case now != nil && p.refusal(now) != nil:
		return Unsure, p.refusal(now).of(k.Applier) + ", and prunes nothing until that is fixed"
	case now != nil && now.Prune != k.Prune:
		// Source: kustomize-controller reconciles a new revision and a new spec
		// on their own, in no fixed order.
		deletes, why = Unsure, k.String()+" changes its prune with this commit: it may see the new files first, or its new spec"
	case now != nil && !now.Prune:
		return Orphaned, k.String() + " does not prune"
	case now != nil:
	default:
		if f, w := p.dropped(k); f != Deleted {
			return f, w
		}
		if prunes, w := finalizes(k); !prunes {
			return Orphaned, w
		}
		why = k.String() + " is deleted, and its objects with it"
	}
	if f, w, kept := protected(o, k); kept {
		return f, w
	}
	if k.Refused && deletes == Deleted {
		return Unsure, why + ", if it is there: the API server refused " + k.String() + " before the change"
	}
	return deletes, why
}

// dropped says what becomes of an applier's own object that is gone.
func (p *pair) dropped(k *render.Applier) (Fate, string) {
	if p.selves[key{k.Home, k.Applier}] {
		return Deleted, ""
	}
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
func (p *pair) moveFate(ch *Change, before, after owned) (Fate, string) {
	for _, k := range before.owners[ch.ID] {
		if !p.leaves(ch, k, after) {
			continue
		}
		f, why := p.collected(before.of(ch.ID, k), k)
		switch {
		case f == Deleted && ch.Refused != "":
			return f, why + ", and not taken over: " + ch.Refused
		case f == Deleted && ch.Recreated != "":
			return f, why + ", and created again: " + ch.Recreated
		}
		if f == Deleted {
			if now, ok := after.at(ch.ID); ok && (k.Release != nil || now.applier.Release != nil) {
				return Unsure, whyTaken(k, now.applier, why)
			}
			why = "kept if " + ch.After.Origin.Owner().String() + " applies first, else deleted and created again: " + why
			if moved := p.before.appliers[key{ch.Cluster, applierOf(ch.ID)}]; moved != nil {
				if deletes, _ := finalizes(moved); deletes && len(moved.Objects) > 0 {
					why += fmt.Sprintf("; its finalizer then deletes the %d objects that it applied", len(moved.Objects))
				}
			}
			return Unsure, why
		}
		return f, why
	}
	return "", ""
}

// whyTaken says why an object is deleted although another applier has taken it over: Helm
// does not look who owns what it deletes, and does not take off the labels by which a
// Kustomization knows its own.
//
// Source: helm.sh/helm/v4 v4.2.4 pkg/kube/client.go Update.
func whyTaken(old, now *render.Applier, why string) string {
	if old.Release != nil {
		return why + ", whoever has applied it since; " + now.String() + " creates it again when it applies after that"
	}
	return why + ", also after " + now.String() + " has taken it over, as its labels stay; Helm does not create it again before its next upgrade"
}

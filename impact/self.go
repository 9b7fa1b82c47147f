package impact

import (
	"slices"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// prunesItself reports whether an entry point lets go of its own Kustomization with
// the change, and survives long enough to delete it: then its finalizer deletes all that
// it applied. Where kustomize-controller goes in the same commit, nobody knows how
// far it gets.
//
// Source: kustomize-controller v1.9.5 prunes what left the inventory, itself included;
// finalize then works on the inventory of the last apply.
func (p *pair) prunesItself(k *render.Applier) bool {
	now := p.after.appliers[key{k.Home, k.Applier}]
	if len(k.Chain) > 0 || now == nil || !settled(k) || !settled(now) || !k.Prune || !now.Prune || now.Refused {
		return false
	}
	self := func(o *object.Object) bool {
		return o.ID.Kind == k.Kind && o.ID.Namespace == k.Namespace && o.ID.Name == k.Name
	}
	i := slices.IndexFunc(k.Objects, self)
	if i < 0 || slices.ContainsFunc(now.Objects, self) {
		return false
	}
	controller := func(o *object.Object) bool {
		return o.ID.Kind == "Deployment" && o.ID.Name == "kustomize-controller"
	}
	if slices.ContainsFunc(k.Objects, controller) && !slices.ContainsFunc(now.Objects, controller) {
		return false
	}
	_, _, kept := protected(k.Objects[i], k)
	deletes, _ := finalizes(k)
	return deletes && !kept
}

// forgetPruned takes the entry points that prune themselves, and all that they make, out
// of the side after the change: what is rendered there will not be.
func (p *pair) forgetPruned() {
	p.selves = map[key]bool{}
	for id, k := range p.before.appliers {
		if p.prunesItself(k) {
			p.selves[id] = true
		}
	}
	if len(p.selves) == 0 {
		return
	}
	gone := func(a *render.Applier) bool {
		return p.selves[key{a.Home, a.Applier}] || len(a.Chain) > 0 && p.selves[key{a.Root, a.Chain[0]}]
	}
	for name, c := range p.after.clusters {
		left := *c
		left.Appliers = nil
		goneHere := map[object.Applier]bool{}
		for _, a := range c.Appliers {
			if gone(a) {
				delete(p.after.appliers, key{a.Home, a.Applier})
				goneHere[a.Applier] = true
			} else {
				left.Appliers = append(left.Appliers, a)
			}
		}
		left.Failures = slices.DeleteFunc(slices.Clone(c.Failures), func(f render.Failure) bool { return goneHere[f.Applier] })
		left.Unresolved = slices.DeleteFunc(slices.Clone(c.Unresolved), func(u render.Unresolved) bool { return goneHere[u.Applier] })
		p.after.clusters[name] = &left
	}
}

package impact

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// releases judges what Helm does otherwise than a Kustomization: a release that is
// uninstalled and installed anew, one that is not upgraded although its templates
// changed, CustomResourceDefinitions that are never updated.
func (p *pair) releases(c *compared) {
	now := p.after.clusters[c.Name]
	if now == nil {
		return
	}
	for _, b := range now.Appliers {
		k := key{b.Home, b.Applier}
		a := p.before.appliers[k]
		if a == nil || a.Release == nil || b.Release == nil || a.Target != b.Target || !settled(a) || !settled(b) {
			continue
		}
		if b.Release.Stale && !a.Release.Stale {
			c.Notes = append(c.Notes, fmt.Sprintf("%s: the files of its chart %s change, and its version %s does not: source-controller keeps the package that it has, and nothing of the change arrives. "+
				"Raise the version, or set reconcileStrategy Revision", b, b.Path, b.Release.Version))
		}
		switch why := reinstalled(a, b); {
		case why != "":
			c.reinstall(a, b, why)
		case a.Release.Trigger == b.Release.Trigger:
			c.idle(b)
		default:
			c.upgrade(b)
		}
	}
}

// reinstalled says why helm-controller uninstalls a release and installs it anew; ""
// when it does not.
//
// Source: helm-controller v1.6.4 internal/action/verify.go ReleaseTargetChanged.
func reinstalled(a, b *render.Applier) string {
	x, y := a.Release, b.Release
	switch {
	case x == nil || y == nil:
		return ""
	case x.StorageNamespace != y.StorageNamespace:
		return fmt.Sprintf("its storage moves from namespace %s to %s", x.StorageNamespace, y.StorageNamespace)
	case x.Namespace != y.Namespace:
		return fmt.Sprintf("the release moves from namespace %s to %s", x.Namespace, y.Namespace)
	case x.Name != y.Name:
		return fmt.Sprintf("the release %s is now called %s", x.Name, y.Name)
	case x.Chart != y.Chart && !y.RenamesChart:
		return fmt.Sprintf("its chart is now %s, not %s", y.Chart, x.Chart)
	}
	return ""
}

// of reports whether a change is one of the applier's own objects on both sides.
func (c *compared) same(ch *Change, k *render.Applier) bool {
	is := func(list []*render.Applier) bool {
		return slices.ContainsFunc(list, func(a *render.Applier) bool { return a.Home == k.Home && a.Applier == k.Applier })
	}
	return is(c.a.owners[ch.ID]) && is(c.b.owners[ch.ID])
}

// reinstall marks every object of a release that is uninstalled and installed anew,
// also those that look the same.
func (c *compared) reinstall(a, b *render.Applier, why string) {
	why = b.String() + " is uninstalled and installed anew: " + why
	changed := map[object.ID]*Change{}
	for _, ch := range c.Changes {
		changed[ch.ID] = ch
	}
	n := 0
	var lost []string
	for _, o := range a.Objects {
		if c.b.find(o.ID) == nil || keeps(o) || a.Release.Extra[o.ID] {
			continue
		}
		ch := changed[o.ID]
		if ch == nil {
			ch = &Change{Cluster: c.Name, ID: o.ID, Kind: Changed, Before: c.a.located(o.ID), After: c.b.located(o.ID)}
			if !c.same(ch, b) {
				continue
			}
			c.Changes = append(c.Changes, ch)
		}
		if ch.Kind == Changed {
			ch.Recreated = why
			n++
			if l := loses(ch.ID); l != "" {
				lost = append(lost, ch.ID.String()+" with "+l)
			}
		}
	}
	sortChanges(c.Changes)
	note := fmt.Sprintf("%s; %d objects are deleted and created again", why, n)
	if len(lost) > 0 {
		note += ", among them " + strings.Join(lost, ", ")
	}
	c.Notes = append(c.Notes, note)
}

// idle marks the changes of a release that helm-controller does not upgrade: it looks at
// the chart's name and version and the values, never at the templates.
//
// Source: helm-controller v1.6.4 internal/reconcile/state.go DetermineReleaseState.
func (c *compared) idle(b *render.Applier) {
	const why = "helm-controller does not upgrade the release: its chart has the same version, and its values are the same"
	n := 0
	for _, ch := range c.Changes {
		if ch.Kind != Removed && ch.After.Origin.Owner() == b.Applier || ch.Kind == Removed && ch.Before.Origin.Owner() == b.Applier {
			if n++; ch.Kind != Removed {
				ch.Refused = why
			}
		}
	}
	if n > 0 {
		c.Notes = append(c.Notes, fmt.Sprintf("%s renders %d objects differently and is not upgraded: raise the version of its chart, or set reconcileStrategy Revision", b.String(), n))
	}
}

// upgrade marks what an upgrade does not touch, and notes what it does beyond what is
// rendered.
func (c *compared) upgrade(b *render.Applier) {
	for _, ch := range c.Changes {
		if ch.Kind == Removed || !b.Release.Extra[ch.ID] || ch.After.Origin.Owner() != b.Applier || ch.ID.Kind == "Namespace" {
			continue
		}
		switch {
		case b.Release.UpgradeCRDs == "Skip":
			ch.Refused = "an upgrade leaves CustomResourceDefinitions alone: spec.upgrade.crds is Skip"
		case ch.Kind == Changed && !b.Release.UpdatesCRDs:
			ch.Refused = "it is there, and spec.upgrade.crds is " + b.Release.UpgradeCRDs
		}
	}
	if len(b.Release.Unknowable) == 0 {
		return
	}
	var names []string
	for _, o := range b.Objects {
		if why := b.Release.Unknowable[o.ID]; len(why) > 0 {
			names = append(names, o.ID.String()+" ("+strings.Join(why, ", ")+")")
		}
	}
	if len(names) > 0 {
		c.Notes = append(c.Notes, b.String()+" is upgraded, and what its templates take from chance, time or the cluster may change with that: "+listed(names))
	}
}

// listed is some of a list, with the number of the others.
func listed(names []string) string {
	const most = 4
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
}

// keeps reports whether an annotation keeps Helm from deleting an object.
//
// Source: helm.sh/helm/v4 v4.2.4 pkg/kube/resource_policy.go.
func keeps(o *object.Object) bool {
	s, _ := at(o.Body().Map(), "metadata", "annotations", "helm.sh/resource-policy").(string)
	return strings.EqualFold(strings.TrimSpace(s), "keep")
}

// uninstalled says what becomes of an object of a release that is not rendered any more.
//
// Source: helm.sh/helm/v4 v4.2.4 pkg/kube/client.go Update and action/uninstall.go;
// helm-controller v1.6.4 reconcileDelete.
func (p *pair) uninstalled(o *object.Object, k *render.Applier) (Fate, string) {
	now := p.after.appliers[key{k.Home, k.Applier}]
	if k.Release.Extra[o.ID] {
		return Orphaned, "Helm never deletes what is in crds/, nor the namespace that it made"
	}
	why := "deleted by the upgrade of " + k.String()
	switch {
	case now == nil:
		if f, w := p.dropped(k); f != Deleted {
			return f, w
		}
		why = k.String() + " is deleted, and uninstalls its release"
	case now.Target != k.Target:
		return Orphaned, k.String() + " writes to another cluster: the release on this one is left behind"
	case now.Release == nil:
		return Unsure, "what " + k.String() + " makes after the change is not known"
	case p.refusal(now) != nil:
		return Unsure, p.refusal(now).of(k.Applier) + ", and may roll back"
	case k.Release.Namespace != now.Release.Namespace && k.Release.Defaulted[o.ID]:
		// helm-controller uninstalls with a client of the new namespace.
		return Orphaned, fmt.Sprintf("%s looks for it in namespace %s when it uninstalls its release, and does not find it", k, now.Release.Namespace)
	case reinstalled(k, now) != "":
		why = k.String() + " uninstalls its release: " + reinstalled(k, now)
	case now.Release.Trigger == k.Release.Trigger:
		return Orphaned, "helm-controller does not upgrade the release: its chart has the same version, and its values are the same"
	}
	if keeps(o) {
		return Orphaned, "it is marked helm.sh/resource-policy: keep"
	}
	return Deleted, why
}

package risk

import (
	"cmp"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// follow are the objects of an applier that no longer are rendered for the cluster that it wrote to.
func follow(x *context, a *render.Applier) []*object.Object {
	c := clusterOf(x.fleet[1], a.Target)
	var out []*object.Object
	for _, o := range objectsOf(a) {
		if c != nil {
			if _, stays := c.Objects.Get(o.ID); stays {
				continue
			}
		}
		out = append(out, o)
	}
	return out
}

// collects reports whether an applier that is deleted deletes its objects.
//
// Source: kustomize-controller v1.9.5 finalizerShouldDeleteResources, helm-controller v1.6.4 reconcileDelete:
// one that is suspended deletes nothing.
func collects(a *render.Applier) bool {
	switch {
	case a.State == render.Suspended:
		return false
	case a.Kind != "Kustomization":
		return true
	case a.DeletionPolicy == "Orphan":
		return false
	case a.DeletionPolicy == "Delete" || a.DeletionPolicy == "WaitForTermination":
		return true
	}
	return a.Prune
}

func applierDeleted(x *context, ch *impact.Change) []Risk {
	before, _ := x.applier(ch)
	if ch.Kind != impact.Removed || !isApplier(ch) || successor(x, ch, before) != nil {
		return nil
	}
	if ch.Fate == impact.Orphaned {
		if x.Gone {
			return nil // told of the cluster as a whole
		}
		k := told(ch, "", "%s leaves Git but stays in the cluster, and goes on applying", called(ch))
		k.Severity = finding.Warning
		return []Risk{k}
	}
	if before == nil || before.State != render.Built && before.State != render.Suspended {
		return []Risk{told(ch, "", "%s is deleted, and what it applied, which is not known, with it", called(ch))}
	}
	objects := follow(x, before)
	is := "is"
	if ch.Fate == impact.Unsure {
		is = "may be"
	}
	var k Risk
	switch {
	case len(objects) == 0:
		k = told(ch, "", "%s %s deleted; none of its objects goes with it", called(ch), is)
		k.Severity = finding.Note
	case !collects(before):
		k = told(ch, "", "%s %s deleted, and what it applied stays in the cluster with nobody to look after it (%s): %s", called(ch), is, plural(len(objects), "object"), namesOf(objects))
		k.Severity = finding.Warning
	default:
		k = told(ch, "", "%s %s deleted, and %s with it: %s", called(ch), is, plural(len(objects), "object"), namesOf(objects))
	}
	return []Risk{k}
}

// successor is the applier that takes the place of one whose object is removed: another of its kind that is
// new, reads the same folder of the same source and writes to the same cluster. Nil for none.
func successor(x *context, ch *impact.Change, before *render.Applier) *render.Applier {
	if before == nil || ch.Kind != impact.Removed {
		return nil
	}
	for _, other := range x.Changes {
		if other.Kind != impact.Added || other.ID.Group != ch.ID.Group || other.ID.Kind != ch.ID.Kind {
			continue
		}
		_, a := x.applier(other)
		if a != nil && a.Target == before.Target && sameWork(before, a, ch, other) {
			return a
		}
	}
	return nil
}

// sameWork reports whether two appliers make the same of the same.
func sameWork(a, b *render.Applier, was, is *impact.Change) bool {
	if a.Kind == "HelmRelease" {
		r, s := a.Release, b.Release
		return r != nil && s != nil && r.Name == s.Name && r.Namespace == s.Namespace && chartName(body(was.Before)) == chartName(body(is.After))
	}
	return a.Source.URL == b.Source.URL && a.Path == b.Path && (a.Path != "" || a.Source.URL != "")
}

// chartName is what a HelmRelease calls its chart: the chart's name, or the object that has it.
func chartName(hr map[string]any) string {
	return cmp.Or(text(hr, "spec", "chart", "spec", "chart"), text(hr, "spec", "chartRef", "kind")+"/"+text(hr, "spec", "chartRef", "name"))
}

func applierMoved(x *context, ch *impact.Change) []Risk {
	before, _ := x.applier(ch)
	next := successor(x, ch, before)
	if next == nil {
		return nil
	}
	to := calledApplier(next.Applier)
	if ch.Fate == impact.Orphaned || !collects(before) {
		k := told(ch, "", "%s becomes %s: what it applied stays, and the new one takes it over (%s)", called(ch), to, plural(len(objectsOf(before)), "object"))
		k.Severity = finding.Note
		return []Risk{k}
	}
	if before.Release != nil {
		k := told(ch, "", "%s becomes %s: Helm uninstalls the release %s, and may do so after the new one has installed it", called(ch), to, show(ch, before.Release.Name))
		k.Severity = finding.Error
		return []Risk{k}
	}
	return []Risk{told(ch, "", "%s becomes %s: what it applied is deleted and created again, unless the new one applies it first (%s): %s",
		called(ch), to, plural(len(objectsOf(before)), "object"), namesOf(objectsOf(before)))}
}

func pruneOff(_ *context, ch *impact.Change) []Risk {
	if !isKustomization(ch) || !updated(ch) || !flag(body(ch.Before), "spec", "prune") || flag(body(ch.After), "spec", "prune") {
		return nil
	}
	return []Risk{told(ch, "spec.prune", "%s no longer prunes: what leaves Git stays in the cluster", called(ch))}
}

func pruneOn(x *context, ch *impact.Change) []Risk {
	if !isKustomization(ch) || !updated(ch) || flag(body(ch.Before), "spec", "prune") || !flag(body(ch.After), "spec", "prune") {
		return nil
	}
	_, after := x.applier(ch)
	return []Risk{told(ch, "spec.prune", "%s prunes: it deletes what is in its inventory and not among the %s that it renders", called(ch), plural(len(objectsOf(after)), "object"))}
}

func forceOn(_ *context, ch *impact.Change) []Risk {
	var at []string
	switch {
	case ch.After == nil:
		return nil
	case isKustomization(ch):
		at = []string{"spec", "force"}
	case isRelease(ch):
		at = []string{"spec", "upgrade", "force"}
	default:
		return forceMarked(ch)
	}
	if !flag(body(ch.After), at...) || flag(body(ch.Before), at...) {
		return nil
	}
	return []Risk{told(ch, fields(at...).String(), "%s deletes and creates again what it cannot change", called(ch))}
}

// forceMarked is about one object that its applier may delete and create again.
func forceMarked(ch *impact.Change) []Risk {
	const mark = "kustomize.toolkit.fluxcd.io/force"
	on := func(o *object.Object) bool {
		return strings.EqualFold(text(body(o), "metadata", "annotations", mark), "enabled")
	}
	if !updated(ch) || !on(ch.After) || on(ch.Before) {
		return nil
	}
	k := told(ch, path(fields("metadata", "annotations", mark)).String(), "%s is deleted and created again when it cannot be changed", called(ch))
	k.Severity = finding.Note
	return []Risk{k}
}

func deletionChanged(_ *context, ch *impact.Change) []Risk {
	if !isKustomization(ch) || !updated(ch) {
		return nil
	}
	policy := func(o *object.Object) string { return cmp.Or(text(body(o), "spec", "deletionPolicy"), "MirrorPrune") }
	was, is := policy(ch.Before), policy(ch.After)
	if was == is {
		return nil
	}
	k := told(ch, "spec.deletionPolicy", "the deletionPolicy of %s is %s instead of %s", called(ch), show(ch, is), show(ch, was))
	if was == "Orphan" || is == "Delete" && !flag(body(ch.After), "spec", "prune") {
		k.Severity = finding.Warning
	}
	return []Risk{k}
}

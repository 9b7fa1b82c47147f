package risk

import (
	"cmp"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// chartPair are those of the chart of a release on both sides, and where the change shows.
type chartPair struct {
	was, is string
	of      string // the release, or the source of the chart
	field   string
}

// chartVersions reads the versions that a change is to tell of: that of a HelmRelease, or, when its object stays as it is
// because a range takes the new version or the chart is in a source, the first change of an object that it owns.
func chartVersions(x *context, ch *impact.Change) (chartPair, bool) {
	if isRelease(ch) {
		before, after := x.applier(ch)
		v := chartPair{of: calledID(ch.ID), field: "spec.chart.spec.version"}
		if chartOf(ch.After) == nil {
			v.field = "spec.chartRef"
		}
		v.was, v.is = versionOf(before, ch.Before), versionOf(after, ch.After)
		return v, updated(ch)
	}
	if isKind(ch, sourceGroup, "HelmChart") || isKind(ch, sourceGroup, "OCIRepository") {
		return sourceVersions(x, ch)
	}
	owner := ch.Owner()
	if owner.Kind != "HelmRelease" || x.before == nil || x.after == nil {
		return chartPair{}, false
	}
	before, after := x.before.Applier(owner), x.after.Applier(owner)
	v := chartPair{of: calledApplier(owner), was: versionOf(before, nil), is: versionOf(after, nil)}
	if v.was == v.is || before == nil || after == nil {
		return v, false
	}
	for _, other := range x.Changes {
		switch {
		case other.Owner() == owner:
			return v, other == ch && sameObject(x, before, after)
		case other.ID == objectID(owner):
			return v, false
		}
	}
	return v, false
}

// sourceVersions reads the versions of a chart that is not at hand from the object that it is fetched by: when it is at
// hand, the release tells.
func sourceVersions(x *context, ch *impact.Change) (chartPair, bool) {
	if !updated(ch) {
		return chartPair{}, false
	}
	v := chartPair{of: calledID(ch.ID), field: "spec.version", was: text(body(ch.Before), "spec", "version"), is: text(body(ch.After), "spec", "version")}
	if ch.ID.Kind == "OCIRepository" {
		v.field, v.was, v.is = "spec.ref.tag", text(body(ch.Before), "spec", "ref", "tag"), text(body(ch.After), "spec", "ref", "tag")
	}
	if v.was == v.is || !exact(v.was) || !exact(v.is) {
		return v, false
	}
	readers, _ := x.reading(ch.ID)
	return v, slices.ContainsFunc(readers, func(a held) bool { return a.Release != nil && a.Release.Version == "" })
}

// sameObject reports whether the object that a release is of is the same on both sides: then no other
// change tells of it.
func sameObject(x *context, before, after *render.Applier) bool {
	a, b := clusterOf(x.fleet[0], before.Home), clusterOf(x.fleet[1], after.Home)
	if a == nil || b == nil {
		return false
	}
	was, _ := a.Objects.Get(objectID(before.Applier))
	is, _ := b.Objects.Get(objectID(after.Applier))
	return was != nil && is != nil && was.Body().Equal(is.Body())
}

// versionOf is the version of a release's chart, or what the object asks for if that is one version.
func versionOf(a *render.Applier, o *object.Object) string {
	if a != nil && a.Release != nil && a.Release.Version != "" {
		return a.Release.Version
	}
	if v := text(chartOf(o), "version"); exact(v) {
		return v
	}
	return ""
}

// chartStep is what kind of step leads from one version to another: the ID of a rule, "" for none.
func chartStep(was, is string) string {
	a, errA := semver.NewVersion(was)
	b, errB := semver.NewVersion(is)
	switch {
	case errA != nil || errB != nil || len(was) > mostValue || len(is) > mostValue:
		return ""
	case b.LessThan(a):
		return "chart-downgraded"
	case !b.GreaterThan(a):
		return ""
	case a.Major() != b.Major(), a.Major() == 0 && a.Minor() != b.Minor():
		return "chart-major"
	}
	return "chart-updated"
}

func chartVersion(id string) func(*context, *impact.Change) []Risk {
	return func(x *context, ch *impact.Change) []Risk {
		v, ok := chartVersions(x, ch)
		if !ok || v.was == v.is || chartStep(v.was, v.is) != id {
			return nil
		}
		return []Risk{told(ch, v.field, "the chart of %s goes from %s to %s", v.of, show(ch, v.was), show(ch, v.is))}
	}
}

// chartChanged compares the names and places of charts.
func chartChanged(x *context, ch *impact.Change) []Risk {
	if !isRelease(ch) || !updated(ch) {
		return nil
	}
	before, after := x.applier(ch)
	if before != nil && after != nil && before.Release != nil && after.Release != nil {
		was, is := before.Release.Chart, after.Release.Chart
		if was != "" && is != "" && was != is {
			k := told(ch, "spec.chart", "%s is made of chart %s instead of %s: Helm uninstalls the release and installs another", called(ch), show(ch, is), show(ch, was))
			if after.Release.RenamesChart {
				k = told(ch, "spec.chart", "%s is made of chart %s instead of %s, as an upgrade", called(ch), show(ch, is), show(ch, was))
			} else {
				k.Severity = finding.Error
			}
			return []Risk{k}
		}
	}
	was, is := placeOf(ch.Before), placeOf(ch.After)
	if was == is {
		return nil
	}
	return []Risk{told(ch, "spec.chart", "%s takes its chart from %s instead of %s", called(ch), show(ch, is), show(ch, was))}
}

// placeOf is where a HelmRelease has its chart from, in words.
func placeOf(o *object.Object) string {
	ref := dict(body(o), "spec", "chartRef")
	if c := chartOf(o); c != nil {
		ref = dict(c, "sourceRef")
		name := clip(plain(strings.TrimPrefix(text(c, "chart"), "./")), mostValue/2)
		return name + " of " + calledID(object.ID{Kind: text(ref, "kind"), Namespace: cmp.Or(text(ref, "namespace"), o.ID.Namespace), Name: text(ref, "name")})
	}
	return calledID(object.ID{Kind: text(ref, "kind"), Namespace: cmp.Or(text(ref, "namespace"), o.ID.Namespace), Name: text(ref, "name")})
}

// releaseReinstalled compares what helm-controller knows a release by.
//
// Source: helm-controller v1.6.4 HelmReleaseReconciler: a release whose name or namespaces changed is uninstalled.
func releaseReinstalled(x *context, ch *impact.Change) []Risk {
	if !isRelease(ch) || !updated(ch) {
		return nil
	}
	before, after := x.applier(ch)
	if before == nil || after == nil || before.Release == nil || after.Release == nil {
		return nil
	}
	a, b := before.Release, after.Release
	for _, f := range []struct{ field, what, was, is string }{
		{"spec.releaseName", "release", a.Name, b.Name},
		{"spec.targetNamespace", "target namespace", a.Namespace, b.Namespace},
		{"spec.storageNamespace", "storage namespace", a.StorageNamespace, b.StorageNamespace},
	} {
		if f.was != f.is {
			return []Risk{told(ch, f.field, "%s is uninstalled and installed again: its %s is %s instead of %s (%s)",
				called(ch), f.what, show(ch, f.is), show(ch, f.was), plural(len(objectsOf(before)), "object"))}
		}
	}
	return nil
}

func remediationOff(_ *context, ch *impact.Change) []Risk {
	if !isRelease(ch) || !updated(ch) {
		return nil
	}
	var out []Risk
	was, is := dict(body(ch.Before), "spec"), dict(body(ch.After), "spec")
	for _, action := range []string{"install", "upgrade"} {
		tries := func(spec map[string]any) bool {
			n, _ := number(spec, action, "remediation", "retries")
			return n != 0 || text(spec, action, "strategy", "name") == "RetryOnFailure"
		}
		if tries(was) && !tries(is) {
			out = append(out, told(ch, "spec."+action, "%s no longer does anything when its %s fails", called(ch), action))
		}
	}
	return out
}

func crdPolicy(x *context, ch *impact.Change) []Risk {
	if !isRelease(ch) || !updated(ch) {
		return nil
	}
	before, after := x.applier(ch)
	if before == nil || after == nil || before.Release == nil || after.Release == nil {
		return nil
	}
	was, is := before.Release, after.Release
	switch {
	case is.UpdatesCRDs && !was.UpdatesCRDs:
		return []Risk{told(ch, "spec.upgrade", "%s updates the CRDs of its chart on upgrade, which others may use: its policy is %s", called(ch), show(ch, is.UpgradeCRDs))}
	case was.UpdatesCRDs && !is.UpdatesCRDs:
		k := told(ch, "spec.upgrade", "%s no longer updates the CRDs of its chart on upgrade: its policy is %s", called(ch), show(ch, is.UpgradeCRDs))
		k.Severity = finding.Note
		return []Risk{k}
	}
	return nil
}

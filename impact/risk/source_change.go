package risk

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

func sourceChanged(x *context, ch *impact.Change) []Risk {
	switch {
	case !updated(ch):
		return nil
	case isKustomization(ch):
		return placeChanged(x, ch)
	case !isSource(ch):
		return nil
	}
	readers, unknown := x.reading(ch.ID)
	from := ", which nothing reads"
	switch {
	case unknown > 0:
		from = notKnown(unknown, len(readers))
	case len(readers) > 0:
		from = ", for " + plural(len(readers), "applier")
	}
	var out []Risk
	was, is := address(ch.Before), address(ch.After)
	if was != is && hostName(was) == hostName(is) {
		out = append(out, told(ch, addressField(ch), "%s reads %s instead of %s%s", called(ch), show(ch, bare(is)), show(ch, bare(was)), from))
	}
	refWas, _ := refOf(ch.Before)
	ref, _ := refOf(ch.After)
	if refWas != ref {
		k := told(ch, "spec.ref", "%s follows %s instead of %s%s", called(ch), show(ch, ref), show(ch, refWas), from)
		if unknown == 0 {
			k.Severity = finding.Note
		}
		out = append(out, k)
	}
	for _, f := range []string{"secretRef", "serviceAccountName", "provider"} {
		name := func(o *object.Object) string {
			return cmp.Or(text(body(o), "spec", f, "name"), text(body(o), "spec", f), "none")
		}
		if a, b := name(ch.Before), name(ch.After); a != b {
			k := told(ch, "spec."+f, "%s is fetched with another %s: %s instead of %s", called(ch), f, show(ch, b), show(ch, a))
			k.Severity = finding.Note
			out = append(out, k)
		}
	}
	return out
}

// notKnown says of how many of those that read a source it is not known what comes in.
func notKnown(unknown, readers int) string {
	if unknown == readers {
		return ": what comes in is not known (" + plural(readers, "applier") + ")"
	}
	return fmt.Sprintf(": what comes in is not known for %d of %d appliers", unknown, readers)
}

func addressField(ch *impact.Change) string {
	if ch.ID.Kind != "Bucket" {
		return "spec.url"
	}
	for _, f := range []string{"endpoint", "bucketName", "prefix"} {
		if text(body(ch.Before), "spec", f) != text(body(ch.After), "spec", f) {
			return "spec." + f
		}
	}
	return "spec"
}

// placeChanged is about the source and folder of a Kustomization.
func placeChanged(x *context, ch *impact.Change) []Risk {
	source := func(o *object.Object) string {
		ref := dict(body(o), "spec", "sourceRef")
		return calledID(object.ID{Kind: text(ref, "kind"), Namespace: cmp.Or(text(ref, "namespace"), o.ID.Namespace), Name: text(ref, "name")})
	}
	folder := func(o *object.Object) string {
		return cmp.Or(strings.TrimSuffix(strings.TrimPrefix(text(body(o), "spec", "path"), "./"), "/"), ".")
	}
	_, after := x.applier(ch)
	known := after != nil && (after.State == render.Built || after.State == render.Suspended)
	ending := ""
	if !known {
		ending = ": what comes in is not known"
	}
	var out []Risk
	if a, b := source(ch.Before), source(ch.After); a != b {
		out = append(out, told(ch, "spec.sourceRef", "%s reads %s instead of %s%s", called(ch), show(ch, b), show(ch, a), ending))
	}
	if a, b := folder(ch.Before), folder(ch.After); a != b {
		out = append(out, told(ch, "spec.path", "%s applies the folder %s instead of %s%s", called(ch), show(ch, b), show(ch, a), ending))
	}
	return out
}

func sourceForeign(x *context, ch *impact.Change) []Risk {
	if !isSource(ch) || !updated(ch) {
		return nil
	}
	was, is := address(ch.Before), address(ch.After)
	if hostName(was) == hostName(is) || opaque(is) || opaque(was) {
		return nil
	}
	readers, unknown := x.reading(ch.ID)
	ending := ""
	if unknown > 0 {
		ending = notKnown(unknown, len(readers))
	}
	return []Risk{told(ch, addressField(ch), "%s is fetched from %s instead of %s%s", called(ch), show(ch, bare(is)), show(ch, bare(was)), ending)}
}

// chartOf is what names a chart: the spec of a HelmChart, or the one inside a HelmRelease; nil for other objects.
func chartOf(o *object.Object) map[string]any {
	switch {
	case o == nil:
	case o.ID.Group == helmGroup && o.ID.Kind == "HelmRelease":
		return dict(body(o), "spec", "chart", "spec")
	case o.ID.Group == sourceGroup && o.ID.Kind == "HelmChart":
		return dict(body(o), "spec")
	}
	return nil
}

// chartField is the path of a field of what [chartOf] reads.
func chartField(ch *impact.Change, name string) string {
	if isRelease(ch) {
		return "spec.chart.spec." + name
	}
	return "spec." + name
}

func sourceUnpinned(_ *context, ch *impact.Change) []Risk {
	if !updated(ch) {
		return nil
	}
	if was, is := chartOf(ch.Before), chartOf(ch.After); was != nil && is != nil {
		// In a repository of Git or a bucket the chart's version counts for nothing.
		a, b := text(was, "version"), text(is, "version")
		if text(is, "sourceRef", "kind") != "HelmRepository" || !exact(a) || exact(b) || opaque(b) {
			return nil
		}
		return []Risk{told(ch, chartField(ch, "version"), "%s takes any version of its chart in %s, and no longer %s alone", called(ch), show(ch, cmp.Or(b, "*")), show(ch, a))}
	}
	if !isSource(ch) {
		return nil
	}
	a, was := refOf(ch.Before)
	b, is := refOf(ch.After)
	if is >= was || opaque(b) {
		return nil
	}
	return []Risk{told(ch, "spec.ref", "%s follows %s, and is no longer pinned to %s", called(ch), show(ch, b), show(ch, a))}
}

func verificationRemoved(_ *context, ch *impact.Change) []Risk {
	if !updated(ch) {
		return nil
	}
	was, is, field := dict(body(ch.Before), "spec"), dict(body(ch.After), "spec"), "spec.verify"
	if isRelease(ch) {
		was, is, field = chartOf(ch.Before), chartOf(ch.After), "spec.chart.spec.verify"
	}
	if was == nil || is == nil || ch.ID.Group != sourceGroup && ch.ID.Group != helmGroup {
		return nil
	}
	switch {
	case dict(was, "verify") == nil:
		return nil
	case dict(is, "verify") == nil:
		return []Risk{told(ch, field, "signatures of what %s fetches are no longer verified", called(ch))}
	case len(list(was, "verify", "matchOIDCIdentity")) > 0 && len(list(is, "verify", "matchOIDCIdentity")) == 0 && dict(is, "verify", "secretRef") == nil:
		return []Risk{told(ch, field+".matchOIDCIdentity", "what %s fetches may be signed by anybody", called(ch))}
	}
	return nil
}

func sourceInsecure(_ *context, ch *impact.Change) []Risk {
	if !isSource(ch) || ch.After == nil {
		return nil
	}
	if flag(body(ch.After), "spec", "insecure") && !flag(body(ch.Before), "spec", "insecure") {
		return []Risk{told(ch, "spec.insecure", "%s is fetched without TLS: insecure is on", called(ch))}
	}
	plainly := func(o *object.Object) bool {
		scheme, _, ok := strings.Cut(text(body(o), "spec", "url"), "://")
		return ok && (strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "git"))
	}
	if plainly(ch.After) && !plainly(ch.Before) {
		return []Risk{told(ch, "spec.url", "%s is fetched without TLS, from %s", called(ch), show(ch, bare(address(ch.After))))}
	}
	return nil
}

func sourceSuspended(x *context, ch *impact.Change) []Risk {
	if ch.ID.Group != sourceGroup || !suspends(ch.After) || suspends(ch.Before) {
		return nil
	}
	readers, _ := x.reading(ch.ID)
	if len(readers) == 0 {
		return []Risk{told(ch, "spec.suspend", "%s is suspended: nothing new is fetched", called(ch))}
	}
	var names []string
	for _, a := range readers {
		names = append(names, calledApplier(a.Applier.Applier))
	}
	return []Risk{told(ch, "spec.suspend", "%s is suspended: nothing new comes to %s", called(ch), few(names))}
}

package risk

import (
	"cmp"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
)

func targetChanged(x *context, ch *impact.Change) []Risk {
	if !isApplier(ch) || !updated(ch) {
		return nil
	}
	before, after := x.applier(ch)
	if before == nil || after == nil || before.Target == after.Target {
		return nil
	}
	left := ""
	if n := len(objectsOf(before)); n > 0 {
		left = ": what is on the first is left behind (" + plural(n, "object") + ")"
	}
	return []Risk{told(ch, "spec.kubeConfig", "%s writes to cluster %s instead of %s%s", called(ch), show(ch, after.Target), show(ch, before.Target), left)}
}

func namespaceChanged(x *context, ch *impact.Change) []Risk {
	if !isKustomization(ch) || !updated(ch) {
		return nil
	}
	before, _ := x.applier(ch)
	fate := "left behind"
	if before != nil && before.Prune {
		fate = "deleted"
	}
	var out []Risk
	for _, f := range []struct{ field, does, none string }{
		{"targetNamespace", "move to another namespace", "their own"}, {"namePrefix", "get another prefix", "none"}, {"nameSuffix", "get another suffix", "none"},
	} {
		was, is := text(body(ch.Before), "spec", f.field), text(body(ch.After), "spec", f.field)
		if was != is {
			out = append(out, told(ch, "spec."+f.field, "all objects of %s %s (%d), %s instead of %s: the old ones are %s", called(ch), f.does, len(objectsOf(before)),
				cmp.Or(show(ch, is), f.none), cmp.Or(show(ch, was), f.none), fate))
		}
	}
	return out
}

// applierAccount compares the service accounts as which two sides apply.
//
// Source: kustomize-controller v1.9.5 and helm-controller v1.6.4, --default-service-account.
func (k bindings) applierAccount(x *context, ch *impact.Change) []Risk {
	if !isApplier(ch) || !updated(ch) {
		return nil
	}
	const field = "spec.serviceAccountName"
	was, is := text(body(ch.Before), "spec", "serviceAccountName"), text(body(ch.After), "spec", "serviceAccountName")
	if was == is || opaque(is) {
		return nil
	}
	if is == "" {
		if x.after != nil && x.after.Profile.DefaultServiceAccount != "" {
			return []Risk{told(ch, field, "%s is applied as the default service account %s instead of %s", called(ch), show(ch, x.after.Profile.DefaultServiceAccount), show(ch, was))}
		}
		r := told(ch, field, "%s is applied with the rights of the controller, and no longer as service account %s", called(ch), show(ch, was))
		r.Severity = finding.Error
		return []Risk{r}
	}
	if was == "" {
		return nil // fewer rights than the controller's
	}
	r := told(ch, field, "%s is applied as service account %s instead of %s", called(ch), show(ch, is), show(ch, was))
	if role := k.mightyRoleOf(x.after, subject{"ServiceAccount", ch.ID.Namespace, is}); role != "" {
		r = told(ch, field, "%s is applied as service account %s instead of %s, and so with all the rights of %s", called(ch), show(ch, is), show(ch, was), show(ch, role))
		r.Severity = finding.Error
	}
	return []Risk{r}
}

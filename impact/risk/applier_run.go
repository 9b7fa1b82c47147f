package risk

import (
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

func suspends(o *object.Object) bool { return flag(body(o), "spec", "suspend") }

// missing are those of a list that are not in another.
func missing(from, in []string) (out []string) {
	has := map[string]bool{}
	for _, s := range in {
		has[s] = true
	}
	for _, s := range from {
		if !has[s] {
			out = append(out, s)
		}
	}
	return out
}

// isApplier reports whether the change is of the object of an applier.
func isApplier(ch *impact.Change) bool { return applierID(ch.ID) != (object.Applier{}) }

func applierSuspended(x *context, ch *impact.Change) []Risk {
	if !isApplier(ch) || !suspends(ch.After) || suspends(ch.Before) {
		return nil
	}
	before, after := x.applier(ch)
	if ch.Before == nil {
		k := told(ch, "spec.suspend", "%s is suspended: nothing of it is applied until it is resumed (%s)", called(ch), plural(len(objectsOf(after)), "object"))
		k.Severity = finding.Note
		return []Risk{k}
	}
	return []Risk{told(ch, "spec.suspend", "%s is suspended: what it applied stays as it is (%s), and no change in Git reaches it", called(ch), plural(len(objectsOf(before)), "object"))}
}

func applierResumed(x *context, ch *impact.Change) []Risk {
	if !isApplier(ch) || !updated(ch) || suspends(ch.After) || !suspends(ch.Before) {
		return nil
	}
	_, after := x.applier(ch)
	objects := objectsOf(after)
	if after == nil || after.State != render.Built {
		return []Risk{told(ch, "spec.suspend", "%s is resumed: all that waited is applied at once, and nothing is known of it", called(ch))}
	}
	prunes := ""
	if after.Prune {
		prunes = ", and what left Git meanwhile is deleted"
	}
	return []Risk{told(ch, "spec.suspend", "%s is resumed: all that waited is applied at once (%s)%s: %s", called(ch), plural(len(objects), "object"), prunes, namesOf(objects))}
}

func changesHeld(_ *context, w *impact.Withheld) []Risk {
	if w.Before != render.Suspended || w.After != render.Suspended || w.Under != (object.Applier{}) {
		return nil
	}
	return []Risk{{Message: calledApplier(w.Applier) + " is suspended: what changes in it (of " + plural(w.Objects, "object") + ") waits until it is resumed"}}
}

func objectsUnknown(_ *context, w *impact.Withheld) []Risk {
	if w.Before != render.Incomplete && w.After != render.Incomplete || w.Under != (object.Applier{}) {
		return nil
	}
	when := "before"
	if w.After == render.Incomplete {
		when = "after"
	}
	return []Risk{{Message: "what " + calledApplier(w.Applier) + " applies is not known " + when + " the change: it may do anything to " + plural(w.Objects, "object")}}
}

// depends are the names in dependsOn.
func depends(o *object.Object) []string {
	var out []string
	for _, d := range list(body(o), "spec", "dependsOn") {
		d, _ := d.(map[string]any)
		name := text(d, "name")
		if ns := text(d, "namespace"); ns != "" && ns != o.ID.Namespace {
			name = ns + "/" + name
		}
		if name != "" {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func dependsChanged(_ *context, ch *impact.Change) []Risk {
	if !isApplier(ch) || !updated(ch) {
		return nil
	}
	was, is := depends(ch.Before), depends(ch.After)
	var does []string
	if gone := missing(was, is); len(gone) > 0 {
		does = append(does, "no longer waits for "+shownFew(ch, gone))
	}
	if more := missing(is, was); len(more) > 0 {
		does = append(does, "waits for "+shownFew(ch, more))
	}
	if len(does) == 0 {
		return nil
	}
	return []Risk{told(ch, "spec.dependsOn", "%s %s", called(ch), strings.Join(does, ", and "))}
}

func healthRemoved(_ *context, ch *impact.Change) []Risk {
	if !isApplier(ch) || !updated(ch) {
		return nil
	}
	was, is := dict(body(ch.Before), "spec"), dict(body(ch.After), "spec")
	var out []Risk
	if isRelease(ch) {
		for _, action := range []string{"install", "upgrade"} {
			if flag(is, action, "disableWait") && !flag(was, action, "disableWait") {
				out = append(out, told(ch, "spec."+action+".disableWait", "%s no longer waits for its objects to be ready on %s", called(ch), action))
			}
		}
		if flag(was, "test", "enable") && !flag(is, "test", "enable") {
			out = append(out, told(ch, "spec.test.enable", "%s no longer runs its tests", called(ch)))
		}
		return out
	}
	if flag(is, "wait") {
		return nil // for all objects
	}
	if flag(was, "wait") {
		return []Risk{told(ch, "spec.wait", "%s no longer waits for its objects to be ready", called(ch))}
	}
	for _, f := range []string{"healthChecks", "healthCheckExprs"} {
		if n := len(list(was, f)) - len(list(is, f)); n > 0 {
			out = append(out, told(ch, "spec."+f, "%s has %s less to be ready by", called(ch), plural(n, "health check")))
		}
	}
	return out
}

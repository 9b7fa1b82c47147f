package risk

import (
	"slices"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
)

// variableRules are about values that several appliers share.
func variableRules() []rule {
	return []rule{{Rule: finding.Rule{
		ID: "variable-changed", Severity: finding.Warning, Title: "Variables or values change that appliers read",
		Why: "A ConfigMap or Secret of postBuild.substituteFrom or valuesFrom is part of everything that reads it: one edit reaches all of it. One that " +
			"is gone, and that somebody needs, is an error; a variable of one Kustomization alone is a note.",
		Hint: "look at each object that changes with it; give one user its own value if only that should change",
	}, change: variableChanged}}
}

func variableChanged(x *context, ch *impact.Change) []Risk {
	switch {
	case isKind(ch, "", "ConfigMap"), isKind(ch, "", "Secret"):
		return sharedChanged(x, ch)
	case isKustomization(ch) && updated(ch):
		return ownVariables(ch)
	}
	return nil
}

// reader is an applier that reads a ConfigMap or Secret.
type reader struct {
	id     object.Applier
	needed bool // it fails without
}

// usesOf are the appliers of one side that read an object, sorted by name.
func usesOf(appliers []held, id object.ID) []reader {
	var out []reader
	for _, a := range appliers {
		if a.Namespace != id.Namespace {
			continue
		}
		spec := a.spec()
		for _, refs := range [][]any{list(spec, "postBuild", "substituteFrom"), list(spec, "valuesFrom")} {
			for _, r := range refs {
				r, _ := r.(map[string]any)
				if text(r, "kind") == id.Kind && text(r, "name") == id.Name {
					out = append(out, reader{a.Applier.Applier, !flag(r, "optional")})
				}
			}
		}
	}
	slices.SortStableFunc(out, func(a, b reader) int { return objectID(a.id).Compare(objectID(b.id)) })
	return slices.CompactFunc(out, func(a, b reader) bool { return a.id == b.id })
}

func sharedChanged(x *context, ch *impact.Change) []Risk {
	users := usesOf(x.appliers(1), ch.ID)
	if ch.Before == nil { // a new user of something new sees no change
		old := map[object.Applier]bool{}
		for _, u := range usesOf(x.appliers(0), ch.ID) {
			old[u.id] = true
		}
		users = slices.DeleteFunc(users, func(u reader) bool { return !old[u.id] })
	}
	if len(users) == 0 {
		return nil
	}
	var names []string
	used := map[object.Applier]bool{}
	needed := false
	for _, u := range users {
		names = append(names, calledApplier(u.id))
		used[u.id], needed = true, needed || u.needed
	}
	if ch.After == nil {
		k := told(ch, "", "%s is gone, and read by %s: %s", called(ch), plural(len(users), "applier"), few(names))
		if ch.Fate == impact.Orphaned {
			k = told(ch, "", "%s leaves Git and stays in the cluster, and is read by %s: %s", called(ch), plural(len(users), "applier"), few(names))
		} else if needed {
			k.Severity = finding.Error
		}
		return []Risk{k}
	}
	keys := changedKeys(ch)
	if len(keys) == 0 {
		return nil
	}
	n := 0
	for _, other := range x.Changes {
		if used[other.Owner()] {
			n++
		}
	}
	return []Risk{told(ch, "data", "%s changes %s for %s (%s): %s", called(ch), shownKeys(ch, keys), plural(len(users), "applier"), plural(n, "change"), few(names))}
}

// changedKeys are the keys of a ConfigMap or Secret whose values differ, sorted.
func changedKeys(ch *impact.Change) []string {
	keys := map[string]bool{}
	for _, field := range []string{"data", "stringData", "binaryData"} {
		was, is := dict(body(ch.Before), field), dict(body(ch.After), field)
		for _, side := range []map[string]any{was, is} {
			for k := range side {
				if !sameScalar(was[k], is[k]) {
					keys[k] = true
				}
			}
		}
	}
	return sortedKeys(keys)
}

// sameScalar reports whether two values are the same; two that are maps or lists never are.
func sameScalar(a, b any) bool {
	switch a.(type) {
	case nil, string, bool, int64, float64:
		return a == b
	}
	return false
}

// shownKeys names keys: those of a Secret are not secret, but what they say may be.
func shownKeys(ch *impact.Change, keys []string) string {
	var out []string
	for _, k := range keys {
		out = append(out, clip(plain(hidden(ch, k)), mostValue))
	}
	return few(out)
}

// ownVariables is about the variables that a Kustomization sets itself, and what it reads others from.
func ownVariables(ch *impact.Change) []Risk {
	var out []Risk
	const field = "spec.postBuild"
	was, is := dict(body(ch.Before), "spec", "postBuild", "substitute"), dict(body(ch.After), "spec", "postBuild", "substitute")
	keys := map[string]bool{}
	for _, side := range []map[string]any{was, is} {
		for k := range side {
			if !sameScalar(was[k], is[k]) {
				keys[k] = true
			}
		}
	}
	if len(keys) > 0 {
		k := told(ch, field+".substitute", "%s sets other values: %s", called(ch), shownKeys(ch, sortedKeys(keys)))
		k.Severity = finding.Note
		out = append(out, k)
	}
	read := func(o *object.Object) (names []string) {
		for _, r := range list(body(o), "spec", "postBuild", "substituteFrom") {
			r, _ := r.(map[string]any)
			names = append(names, text(r, "kind")+" "+text(r, "name"))
		}
		return names
	}
	if a, b := read(ch.Before), read(ch.After); !slices.Equal(a, b) {
		message := "%s reads no variables from elsewhere"
		args := []any{called(ch)}
		if len(b) > 0 {
			message, args = "%s reads its variables from other places: %s", append(args, shownFew(ch, b))
		}
		out = append(out, told(ch, field+".substituteFrom", message, args...))
	}
	return out
}

package risk

import (
	"fmt"
	"maps"
	"slices"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
)

func referenceBrokenRules() []rule {
	all := &inventory{}
	return []rule{{change: all.stillUsed, Rule: finding.Rule{
		ID: "reference-broken", Severity: finding.Error, Title: "Something that pods cannot start without is taken away",
		Why:  "A workload that is still rendered refers to it. Pods that run go on; each that is started from then on, after a crash or on another node, waits for it and never runs.",
		Hint: "keep it until the last workload that refers to it is changed, or mark the reference optional",
	}}}
}

// need is what a pod cannot start without.
type need struct {
	kind, name string // of the core group, in the pod's namespace
	key        string // of a ConfigMap or Secret; "" for no special one
}

// needs lists what a pod refers to and that is not optional, without duplicates.
func needs(p pod) []need {
	var out []need
	add := func(kind, name, key string) {
		if n := (need{kind, name, key}); name != "" && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	of := func(m map[string]any, kind, field, key string) {
		if m != nil && !flag(m, "optional") {
			add(kind, text(m, field), key)
		}
	}
	source := func(m map[string]any, kind, field string) {
		of(m, kind, field, "")
		for _, item := range maplist(m, "items") {
			of(m, kind, field, text(item, "key"))
		}
	}
	for _, c := range slices.Concat(maplist(p.spec, "containers"), maplist(p.spec, "initContainers")) {
		for _, e := range maplist(c, "envFrom") {
			of(dict(e, "configMapRef"), "ConfigMap", "name", "")
			of(dict(e, "secretRef"), "Secret", "name", "")
		}
		for _, e := range maplist(c, "env") {
			for field, kind := range map[string]string{"configMapKeyRef": "ConfigMap", "secretKeyRef": "Secret"} {
				ref := dict(e, "valueFrom", field)
				of(ref, kind, "name", "")
				of(ref, kind, "name", text(ref, "key"))
			}
		}
	}
	for _, v := range maplist(p.spec, "volumes") {
		source(dict(v, "configMap"), "ConfigMap", "name")
		source(dict(v, "secret"), "Secret", "secretName")
		add("PersistentVolumeClaim", text(v, "persistentVolumeClaim", "claimName"), "")
		for _, s := range maplist(v, "projected", "sources") {
			source(dict(s, "configMap"), "ConfigMap", "name")
			source(dict(s, "secret"), "Secret", "name")
		}
	}
	add("ServiceAccount", text(p.spec, "serviceAccountName"), "")
	return out
}

// maplist are the maps of a list.
func maplist(m map[string]any, keys ...string) (out []map[string]any) {
	for _, e := range list(m, keys...) {
		if m, ok := e.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// keysOf are the keys of a ConfigMap or Secret.
func keysOf(o *object.Object) map[string]bool {
	out := map[string]bool{}
	for _, field := range []string{"data", "binaryData", "stringData"} {
		for k := range dict(body(o), field) {
			out[k] = true
		}
	}
	return out
}

// stillUsed looks at what is deleted, and at keys that go.
func (v *inventory) stillUsed(x *context, ch *impact.Change) (out []Risk) {
	if ch.ID.Group != "" || !slices.Contains([]string{"ConfigMap", "Secret", "PersistentVolumeClaim", "ServiceAccount"}, ch.ID.Kind) {
		return nil
	}
	if fate := fateOf(ch); fate != "" {
		if by := who(v.needing(x, ch.ID, "")); by != "" {
			out = append(out, told(ch, "", "%s %s, and pods of %s do not start without it%s", called(ch), fate, by, because(ch)))
		}
		return out
	}
	if !updated(ch) || ch.ID.Kind != "ConfigMap" && ch.ID.Kind != "Secret" {
		return nil
	}
	now := keysOf(ch.After)
	for _, key := range slices.Sorted(maps.Keys(keysOf(ch.Before))) {
		if now[key] {
			continue
		}
		if by := who(v.needing(x, ch.ID, key)); by != "" {
			out = append(out, told(ch, fields("data", key).String(), "key %s of %s is gone, and pods of %s do not start without it", clip(key, mostValue), called(ch), by))
		}
	}
	return out
}

// who names workloads; "" for none.
func who(users []*object.Object) string {
	switch len(users) {
	case 0:
		return ""
	case 1:
		return users[0].ID.Kind + " " + users[0].ID.Name
	}
	return fmt.Sprintf("%s %s and %d more", users[0].ID.Kind, users[0].ID.Name, len(users)-1)
}

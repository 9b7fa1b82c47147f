package risk

import (
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
)

// definitionRules are about CustomResourceDefinitions.
func definitionRules() []rule {
	return []rule{
		{change: definitionDeleted, Rule: finding.Rule{
			ID: "crd-deleted", Severity: finding.Error, Title: "A CustomResourceDefinition is deleted",
			Why:  "All objects of its kind are deleted with it, in every namespace and whoever made them. What their controllers do for such an object when it goes is done too.",
			Hint: "keep the definition in Git as long as there is one object of its kind, or annotate it kustomize.toolkit.fluxcd.io/prune: disabled in a commit before this one",
		}},
		{change: versionGone, Rule: finding.Rule{
			ID: "crd-version-removed", Severity: finding.Warning, Title: "A version of a CustomResourceDefinition is no longer served",
			Why:  "Whoever asks for objects of that version gets none: controllers, and appliers with manifests of that version, fail. It is an error when such manifests are rendered.",
			Hint: "move all manifests and controllers to a version that stays, then take the old one away",
		}},
		{change: storageMoved, Rule: finding.Rule{
			ID: "crd-storage-version", Severity: finding.Note, Title: "A CustomResourceDefinition stores its objects in another version",
			Why:  "Objects that are there stay stored in the old version until each is written again. Until then that version cannot be taken away, and going back needs it to be there.",
			Hint: "see that the conversion between the two works, and rewrite the stored objects before the old version is removed",
		}},
	}
}

// defines is the group and kind that a CustomResourceDefinition is of; "" for other objects.
func defines(o *object.Object) (group, kind string) {
	if o == nil || o.ID.Group != "apiextensions.k8s.io" || o.ID.Kind != "CustomResourceDefinition" {
		return "", ""
	}
	return text(body(o), "spec", "group"), text(body(o), "spec", "names", "kind")
}

func definitionDeleted(x *context, ch *impact.Change) []Risk {
	fate := fateOf(ch)
	if fate == "" || !isKind(ch, "apiextensions.k8s.io", "CustomResourceDefinition") {
		return nil
	}
	group, kind := defines(ch.Before)
	of := func(o *object.Object) bool { return kind != "" && o.ID.Group == group && o.ID.Kind == kind }
	n := len(x.rendered(0, of))
	what := count(n, "is", "are") + " rendered before"
	if now := len(x.rendered(1, of)); now > 0 {
		what += ", and " + count(now, "is", "are") + " after"
	}
	return []Risk{told(ch, "", "%s %s, with all objects of kind %s; %s%s", called(ch), fate, show(ch, kind), what, because(ch))}
}

// version is one version of a CustomResourceDefinition.
type version struct {
	name           string
	served, stored bool
}

func versionsOf(o *object.Object) (out []version) {
	for _, e := range list(body(o), "spec", "versions") {
		m, _ := e.(map[string]any)
		if name := text(m, "name"); name != "" {
			out = append(out, version{name, flag(m, "served"), flag(m, "storage")})
		}
	}
	return out
}

// versionPath is the path of a version, as the difference of two objects writes it.
func versionPath(name string) string {
	key := object.Step{Kind: object.Key, Keys: []object.KeyValue{{Name: "name", Value: name}}}
	return path(fields("spec", "versions"), object.Path{key}).String()
}

func versionGone(x *context, ch *impact.Change) (out []Risk) {
	if !updated(ch) || !isKind(ch, "apiextensions.k8s.io", "CustomResourceDefinition") {
		return nil
	}
	group, kind := defines(ch.Before)
	after := versionsOf(ch.After)
	for _, v := range versionsOf(ch.Before) {
		i := slices.IndexFunc(after, func(w version) bool { return w.name == v.name })
		if !v.served || i >= 0 && after[i].served {
			continue
		}
		how := "is removed"
		if i >= 0 {
			how = "is no longer served"
		}
		n := len(x.rendered(1, func(o *object.Object) bool { return o.ID.Group == group && o.ID.Kind == kind && o.Version == v.name }))
		k := told(ch, versionPath(v.name), "version %s of %s %s, and %s still rendered in it", show(ch, v.name), show(ch, kind), how, count(n, "object is", "objects are"))
		if n > 0 {
			k.Severity = finding.Error
		} else {
			k = told(ch, versionPath(v.name), "version %s of %s %s; nothing that is rendered is of it", show(ch, v.name), show(ch, kind), how)
		}
		out = append(out, k)
	}
	return out
}

func storageMoved(_ *context, ch *impact.Change) []Risk {
	if !updated(ch) || !isKind(ch, "apiextensions.k8s.io", "CustomResourceDefinition") {
		return nil
	}
	stored := func(o *object.Object) string {
		for _, v := range versionsOf(o) {
			if v.stored {
				return v.name
			}
		}
		return ""
	}
	was, is := stored(ch.Before), stored(ch.After)
	if was == is || was == "" || is == "" {
		return nil
	}
	return []Risk{told(ch, versionPath(is)+".storage", "%s stores objects as %s, and no longer as %s", called(ch), show(ch, is), show(ch, was))}
}

// keepingRules are about what kept something from being deleted.
func keepingRules() []rule {
	return []rule{{change: unkept, Rule: finding.Rule{
		ID: "retention-lost", Severity: finding.Warning, Title: "What kept data or an object from being deleted is taken away",
		Why:  "Nothing is deleted by this change. But the next deletion, by whatever mistake, takes along what was kept until now.",
		Hint: "leave it as it was, unless the data may go with the object",
	}}}
}

// keeper is a field with a value that keeps something.
type keeper struct {
	group, kind string   // kind "" for all
	at          []string // of the object
	value, says string
	unset       bool // the value counts when the field is not set
}

func keepers() []keeper {
	flux, helm := "kustomize.toolkit.fluxcd.io/prune", "helm.sh/resource-policy"
	return []keeper{
		{"", "PersistentVolume", []string{"spec", "persistentVolumeReclaimPolicy"}, "Retain", "the storage is deleted when its claim is", true},
		{"apps", "StatefulSet", []string{"spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted"}, "Retain", "its claims are deleted when it is", true},
		{"apps", "StatefulSet", []string{"spec", "persistentVolumeClaimRetentionPolicy", "whenScaled"}, "Retain", "claims are deleted when it is scaled down", true},
		{"", "", []string{"metadata", "annotations", flux}, "disabled", "it is pruned when it leaves Git", false},
		{"", "", []string{"metadata", "labels", flux}, "disabled", "it is pruned when it leaves Git", false},
		{"", "", []string{"metadata", "annotations", helm}, "keep", "Helm deletes it when it leaves the chart, or with its release", false},
	}
}

func (k keeper) keeps(o *object.Object) bool {
	v := get(body(o), k.at...)
	s, ok := v.(string)
	return v == nil && k.unset || ok && (strings.EqualFold(strings.TrimSpace(s), k.value) || opaque(v))
}

func unkept(_ *context, ch *impact.Change) (out []Risk) {
	if !updated(ch) {
		return nil
	}
	var kept []string
	all := keepers()
	for _, k := range all {
		if k.kind == "" && k.keeps(ch.After) {
			kept = append(kept, k.says)
		}
	}
	for _, k := range all {
		if k.kind != "" && !isKind(ch, k.group, k.kind) || slices.Contains(kept, k.says) {
			continue
		}
		if k.keeps(ch.Before) && !k.keeps(ch.After) {
			field := k.at[len(k.at)-1]
			out = append(out, told(ch, fields(k.at...).String(), "%s no longer has %s: %s: from then on %s", called(ch), field[strings.LastIndexByte(field, '/')+1:], k.value, k.says))
		}
	}
	return out
}

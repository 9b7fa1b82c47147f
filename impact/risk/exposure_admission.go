package risk

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
)

const admissionGroup = "admissionregistration.k8s.io"

// guards reports whether objects of a kind check others when these are written, or turn on what does.
func guards(id object.ID) bool {
	switch id.Group {
	case admissionGroup:
		return id.Kind != "MutatingAdmissionPolicy" && id.Kind != "MutatingAdmissionPolicyBinding"
	case "kyverno.io":
		return id.Kind == "ClusterPolicy" || id.Kind == "Policy"
	case "policies.kyverno.io":
		return id.Kind == "ValidatingPolicy" || id.Kind == "ImageValidatingPolicy"
	}
	return id.Group == "constraints.gatekeeper.sh"
}

func admissionWeakened(x *context, ch *impact.Change) []Risk {
	switch {
	case !guards(ch.ID):
		return nil
	case ch.Kind == impact.Removed && ch.Fate != impact.Orphaned:
		if x.goneWith(ch) {
			return nil
		}
		return []Risk{told(ch, "", "%s is deleted: what it checked is no longer checked", called(ch))}
	case !updated(ch):
		return nil
	}
	out := webhooks(ch)
	was, is := body(ch.Before), body(ch.After)
	for _, f := range []struct {
		path     []string
		from, to string // "" for anything
	}{
		{[]string{"spec", "failurePolicy"}, "", "Ignore"},
		{[]string{"spec", "validationFailureAction"}, "enforce", "audit"},
		{[]string{"spec", "enforcementAction"}, "", "dryrun"},
		{[]string{"spec", "enforcementAction"}, "", "warn"},
	} {
		a, b := text(was, f.path...), text(is, f.path...)
		if !strings.EqualFold(a, b) && strings.EqualFold(b, f.to) && (f.from == "" || strings.EqualFold(a, f.from)) {
			out = append(out, told(ch, strings.Join(f.path, "."), "%s no longer refuses: %s is %s", called(ch), f.path[len(f.path)-1], show(ch, b)))
		}
	}
	denied, denies := texts(was, "spec", "validationActions"), texts(is, "spec", "validationActions")
	if slices.Contains(denied, "Deny") && len(denies) > 0 && !slices.Contains(denies, "Deny") {
		out = append(out, told(ch, "spec.validationActions", "%s no longer refuses: validationActions has no Deny", called(ch)))
	}
	return out
}

// webhooks compares the webhooks of a configuration, by their names.
func webhooks(ch *impact.Change) []Risk {
	read := func(o *object.Object) map[string]map[string]any {
		out := map[string]map[string]any{}
		for _, w := range list(body(o), "webhooks") {
			if w, ok := w.(map[string]any); ok {
				out[text(w, "name")] = w
			}
		}
		return out
	}
	was, is := read(ch.Before), read(ch.After)
	var out []Risk
	for _, name := range sortedKeys(was) {
		before, after := was[name], is[name]
		switch {
		case after == nil:
			out = append(out, told(ch, keyed(ch, fields("webhooks"), name), "webhook %s of %s is gone: what it checked is no longer checked", show(ch, name), called(ch)))
			continue
		case text(before, "failurePolicy") != "Ignore" && text(after, "failurePolicy") == "Ignore":
			out = append(out, told(ch, keyed(ch, fields("webhooks"), name, "failurePolicy"), "webhook %s of %s is passed over when it fails: failurePolicy is Ignore", show(ch, name), called(ch)))
		}
		for _, s := range []string{"namespaceSelector", "objectSelector"} {
			if !among(demands(dict(before, s)), demands(dict(after, s))) {
				out = append(out, told(ch, keyed(ch, fields("webhooks"), name, s), "webhook %s of %s may check fewer objects: its %s asks for more", show(ch, name), called(ch), s))
			}
		}
	}
	return out
}

func quotaLoosened(x *context, ch *impact.Change) []Risk {
	if !isKind(ch, "", "ResourceQuota") && !isKind(ch, "", "LimitRange") {
		return nil
	}
	if ch.Kind == impact.Removed && ch.Fate != impact.Orphaned && !x.goneWith(ch) {
		k := told(ch, "", "%s is deleted: nothing limits what it did", called(ch))
		k.Severity = finding.Warning
		return []Risk{k}
	}
	if !updated(ch) {
		return nil
	}
	was, is := limitsOf(ch.Before), limitsOf(ch.After)
	var up, gone []string
	for _, name := range sortedKeys(was) {
		a, errA := resource.ParseQuantity(was[name])
		b, errB := resource.ParseQuantity(is[name])
		_, has := is[name]
		switch {
		case !has:
			gone = append(gone, name)
		case errA == nil && errB == nil && b.Cmp(a) > 0:
			up = append(up, name+" from "+was[name]+" to "+is[name])
		}
	}
	var out []Risk
	if len(gone) > 0 {
		k := told(ch, "spec", "%s no longer limits %s", called(ch), shownFew(ch, gone))
		k.Severity = finding.Warning
		out = append(out, k)
	}
	if len(up) > 0 {
		out = append(out, told(ch, "spec", "%s is raised: %s", called(ch), shownFew(ch, up)))
	}
	return out
}

// mostLimits bounds how many limits of an object are compared, and mostQuantity how long one may be.
const (
	mostLimits   = 1000
	mostQuantity = 40
)

// limitsOf are the hard limits of a quota, or the greatest values of a LimitRange, by name.
func limitsOf(o *object.Object) map[string]string {
	out := map[string]string{}
	add := func(prefix string, m map[string]any) {
		for _, k := range sortedKeys(m) {
			s, ok := m[k].(string)
			if n, whole := number(m, k); whole {
				s, ok = resource.NewQuantity(n, resource.DecimalSI).String(), true
			}
			if ok && len(s) <= mostQuantity && len(out) < mostLimits {
				out[prefix+k] = s
			}
		}
	}
	add("", dict(body(o), "spec", "hard"))
	for _, l := range list(body(o), "spec", "limits") {
		l, _ := l.(map[string]any)
		add(text(l, "type")+" ", dict(l, "max"))
	}
	return out
}

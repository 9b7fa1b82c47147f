package risk

import (
	"cmp"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// accountOf is the service account of a pod.
func accountOf(p pod) string {
	return cmp.Or(text(p.spec, "serviceAccountName"), text(p.spec, "serviceAccount"), "default")
}

func (k bindings) accountChanged(x *context, ch *impact.Change) []Risk {
	before, after := pods(ch)
	if !before.has() || !after.has() || accountOf(before) == accountOf(after) || opaque(accountOf(after)) {
		return nil
	}
	now := subject{kind: "ServiceAccount", namespace: ch.ID.Namespace, name: accountOf(after)}
	r := told(ch, after.field("spec", "serviceAccountName"), "%s runs as service account %s instead of %s",
		called(ch), show(ch, accountOf(after)), show(ch, accountOf(before)))
	if role := k.mightyRoleOf(x.after, now); role != "" {
		r = told(ch, r.Field, "%s runs as service account %s instead of %s, and so may do all that %s may",
			called(ch), show(ch, accountOf(after)), show(ch, accountOf(before)), show(ch, role))
		r.Severity = finding.Error
	}
	return []Risk{r}
}

// mountsToken reports whether the token is mounted into a pod: by its own word, that of its account, or by default.
func mountsToken(c *render.Cluster, namespace string, p pod) bool {
	if v, ok := get(p.spec, "automountServiceAccountToken").(bool); ok {
		return v
	}
	if c == nil {
		return true
	}
	sa, _ := c.Objects.Get(object.ID{Kind: "ServiceAccount", Namespace: namespace, Name: accountOf(p)})
	return get(body(sa), "automountServiceAccountToken") != false
}

func tokenMounted(x *context, ch *impact.Change) []Risk {
	const field = "automountServiceAccountToken"
	if isKind(ch, "", "ServiceAccount") {
		if get(body(ch.Before), field) != false || ch.After == nil || get(body(ch.After), field) == false {
			return nil
		}
		return []Risk{told(ch, field, "the token of %s is mounted into the pods that run as it, unless they say otherwise", called(ch))}
	}
	before, after := pods(ch)
	if !before.has() || !after.has() || get(before.spec, field) == get(after.spec, field) {
		return nil
	}
	if mountsToken(x.before, ch.ID.Namespace, before) || !mountsToken(x.after, ch.ID.Namespace, after) {
		return nil
	}
	return []Risk{told(ch, after.field("spec", field), "the token of service account %s is mounted into %s", show(ch, accountOf(after)), called(ch))}
}

// strictness orders the levels of Pod Security, the least first.
//
// Source: k8s.io/pod-security-admission v0.36.3 api.ParseLevel: an unknown level is taken for restricted.
func strictness(level string) int {
	switch level {
	case "", "privileged":
		return 0
	case "baseline":
		return 1
	}
	return 2
}

func podSecurity(_ *context, ch *impact.Change) []Risk {
	if !isKind(ch, "", "Namespace") || ch.After == nil {
		return nil
	}
	var out []Risk
	for _, mode := range []string{"enforce", "audit", "warn"} {
		label := "pod-security.kubernetes.io/" + mode
		was, is := text(body(ch.Before), "metadata", "labels", label), text(body(ch.After), "metadata", "labels", label)
		field := path(fields("metadata", "labels", label)).String()
		var k Risk
		switch {
		case ch.Before == nil && is == "privileged" && mode == "enforce":
			k = told(ch, field, "%s admits every pod: its level of Pod Security is privileged", called(ch))
			k.Severity = finding.Warning
		case ch.Before == nil || strictness(is) >= strictness(was) || opaque(was) || opaque(is):
			continue
		case mode != "enforce":
			k = told(ch, field, "%s %ss at a lower level of Pod Security: %s instead of %s", called(ch), strings.TrimSuffix(mode, "s"), cmp.Or(show(ch, is), "none"), show(ch, was))
			k.Severity = finding.Note
		default:
			k = told(ch, field, "%s leaves the level %s of Pod Security: it is %s", called(ch), show(ch, was), cmp.Or(is, "no longer labelled"))
			if is == "baseline" {
				k.Severity = finding.Warning
			}
		}
		out = append(out, k)
	}
	return out
}

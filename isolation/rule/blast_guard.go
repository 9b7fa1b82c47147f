package rule

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

// weakens compares the controls of each cluster.
func weakens(x, before *Context) (out []Found) {
	for _, d := range differences(x, before) {
		out = append(out, flagsWeaker(d)...)
		for _, o := range d.changed {
			if was := d.was.Get(o.ID)[0]; o.Tenant == nil {
				for _, message := range weaker(was, o) {
					out = append(out, Found{Message: fmt.Sprintf("%s %s", o.ID, message), Object: o, Tenant: ownerOf(x, d.now, o)})
				}
			}
		}
		for _, o := range d.removed {
			message := lost(d.now, o)
			if message == "" || o.Tenant != nil || declared(x, before, o) {
				continue
			}
			id := o.ID
			out = append(out, Found{Message: fmt.Sprintf("%s is taken away: %s", o.ID, message), ID: &id, Cluster: d.now, Tenant: ownerOf(x, d.now, o)})
		}
	}
	return out
}

// Flags of Flux's controllers that lock it down, and those that open it.
var (
	lockingFlags = []string{ //nolint:gochecknoglobals // a constant list
		"--no-cross-namespace-refs", "--no-remote-bases", "--default-service-account", "--default-kubeconfig-service-account", "--default-decryption-service-account",
	}
	openingFlags = []string{"--insecure-kubeconfig-exec", "--insecure-kubeconfig-tls"} //nolint:gochecknoglobals // a constant list
)

func flagsWeaker(d difference) (out []Found) {
	for _, was := range d.was.Controllers {
		if was.Shard {
			continue
		}
		now := d.now.Controller(was.Name)
		if now == nil {
			continue // nothing runs, or nothing is known
		}
		for _, flag := range lockingFlags {
			old, set := was.Flag(flag)
			if v, still := now.Flag(flag); set && old != "false" && old != "" && (!still || v == "false" || v == "") {
				out = append(out, Found{Level: finding.Critical, Message: fmt.Sprintf("%s runs without %s, which it had", now.Name, flag), Object: now.Object, Cluster: d.now})
			}
		}
		for _, flag := range openingFlags {
			if now.On(flag) && !was.On(flag) {
				out = append(out, Found{Message: fmt.Sprintf("%s runs with %s", now.Name, flag), Object: now.Object, Cluster: d.now})
			}
		}
	}
	return out
}

// weaker says in what a control is weaker than it was.
func weaker(was, now *estate.Object) (out []string) {
	text := func(fields ...string) (string, string) { return was.Text(fields...), now.Text(fields...) }
	switch {
	case now.ID.Group == "admissionregistration.k8s.io":
		if old, v := text("spec", "failurePolicy"); cmp.Or(old, "Fail") == "Fail" && v == "Ignore" {
			out = append(out, "lets pass what it cannot judge")
		}
		if had, has := denies(was), denies(now); had && !has {
			out = append(out, "denies no longer")
		}
		if n, old := len(estate.List(now.Body().Map(), "spec", "validations")), len(estate.List(was.Body().Map(), "spec", "validations")); n < old {
			out = append(out, fmt.Sprintf("has %s, and had %d", phrase.Count(n, "validation"), old))
		}
	case now.ID.Group == "kyverno.io":
		if enforces(was) && !enforces(now) {
			out = append(out, "audits where it enforced")
		}
	case now.ID.Group == "constraints.gatekeeper.sh":
		if old, v := text("spec", "enforcementAction"); cmp.Or(old, "deny") == "deny" && cmp.Or(v, "deny") != "deny" {
			out = append(out, "denies no longer")
		}
	case now.Is("", "Namespace"):
		const label = "pod-security.kubernetes.io/enforce"
		if old, v := was.Labels()[label], now.Labels()[label]; podSecurityRank(v) < podSecurityRank(old) {
			out = append(out, fmt.Sprintf("enforces pod security %s, and enforced %s", cmp.Or(v, "of no level"), old))
		}
	case now.Is("", "ResourceQuota"):
		out = append(out, looser(was, now)...)
	case now.Is("networking.k8s.io", "NetworkPolicy"):
		if closes(was) && !closes(now) {
			out = append(out, "closes its namespace no longer")
		}
	case now.ID.Group == estate.SourceGroup:
		if was.At("spec", "verify") != nil && now.At("spec", "verify") == nil {
			out = append(out, "verifies nothing, and did")
		}
	case now.Is(estate.KustomizeGroup, estate.KustomizationKind), now.Is(estate.HelmGroup, estate.HelmReleaseKind):
		if old, v := text("spec", "serviceAccountName"); old != "" && v == "" {
			out = append(out, fmt.Sprintf("names no account, and named %s", old))
		}
	}
	return out
}

func denies(o *estate.Object) bool {
	return slices.Contains(estate.Texts(o.Body().Map(), "spec", "validationActions"), "Deny")
}

// enforces says whether a Kyverno policy refuses anything.
func enforces(o *estate.Object) bool {
	action := func(v any, fields ...string) bool { return strings.EqualFold(estate.Text(v, fields...), "enforce") }
	if action(o.At("spec"), "validationFailureAction") {
		return true
	}
	return slices.ContainsFunc(estate.List(o.Body().Map(), "spec", "rules"), func(r map[string]any) bool { return action(r, "validate", "failureAction") })
}

// podSecurityRank of a level of pod security.
//
// Source: Kubernetes v1.36, k8s.io/pod-security-admission/api: no level is privileged.
func podSecurityRank(level string) int {
	switch level {
	case "restricted":
		return 2
	case "baseline":
		return 1
	}
	return 0
}

// looser are the bounds that a quota no longer has. How much it gives is the platform's to say.
func looser(was, now *estate.Object) []string {
	old, _ := was.At("spec", "hard").(map[string]any)
	var gone []string
	for name := range old {
		if now.At("spec", "hard", name) == nil {
			gone = append(gone, name)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	slices.Sort(gone)
	return []string{"no longer bounds " + phrase.List(gone, 3)}
}

// closes says whether a network policy is the one that lets nobody in or out but for what others allow: it selects all pods.
func closes(o *estate.Object) bool {
	selector, ok := o.At("spec", "podSelector").(map[string]any)
	if ok && (len(estate.List(selector, "matchExpressions")) > 0 || estate.At(selector, "matchLabels") != nil) {
		return false
	}
	open := func(direction string) bool {
		return slices.ContainsFunc(estate.List(o.Body().Map(), "spec", direction), func(r map[string]any) bool { return len(r) == 0 })
	}
	return !open("ingress") && !open("egress")
}

// lost says what a cluster loses with an object, as long as what it bounds stays; "" for nothing.
func lost(now *estate.Cluster, o *estate.Object) string {
	stays := o.ID.Namespace != "" && (now.Namespace(o.ID.Namespace) != nil || now.Owner(o.ID.Namespace) != nil)
	another := func() bool {
		return slices.ContainsFunc(now.Kind(o.ID.Group, o.ID.Kind), func(b *estate.Object) bool {
			return b.ID.Namespace == o.ID.Namespace && b.Tenant == nil && (o.ID.Kind != "NetworkPolicy" || closes(b))
		})
	}
	switch {
	case o.Is("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding") && denies(o), o.Is("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"):
		return "it denied"
	case o.ID.Group == "admissionregistration.k8s.io" && o.ID.Kind == "ValidatingWebhookConfiguration":
		return "its webhooks could deny"
	case o.ID.Group == "kyverno.io" && judgesAll(o) && enforces(o), o.ID.Group == "constraints.gatekeeper.sh":
		return "it denied"
	case o.Is("networking.k8s.io", "NetworkPolicy") && stays && closes(o) && !another():
		return "it closed the namespace"
	case o.Is("", "ResourceQuota") && stays && !another():
		return "it bounded the namespace"
	case o.Is("", "LimitRange") && stays && !another():
		return "it bounded the containers of the namespace"
	}
	return ""
}

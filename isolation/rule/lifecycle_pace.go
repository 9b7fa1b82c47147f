package rule

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

// paceRules are about when appliers do what they do.
func paceRules() []Rule {
	return []Rule{
		{
			Rule: finding.Rule{
				ID: "LIF-004", Level: finding.Medium, Title: "An applier or a source sleeps",
				Why:  "Git no longer says what is on the cluster. What was merged in the meantime arrives all at once when it wakes.",
				Hint: "resume it, or waive the finding until a day",
			},
			Unless:  "A maintenance window is declared, or a tenant is taken away in phases.",
			Source:  "kustomize-controller v1.9.5, helm-controller v1.6.4, source-controller v1.9.5: spec.suspend",
			applier: asleep,
			object:  sourceAsleep,
		},
		{
			Rule: finding.Rule{
				ID: "LIF-005", Level: finding.Medium, Title: "An applier comes round too often, too seldom or takes too long",
				Why:  "Controllers have few workers for everybody: who asks every second, or waits for hours, takes them from others. Who comes round once a week leaves every drift for as long.",
				Hint: "write intervals in minutes and a timeout below the interval",
			},
			Unless: "The cluster is for development.",
			Source: "kustomize-controller v1.9.5, helm-controller v1.6.4: spec.interval, timeout, wait; CVE-2022-39272",
			object: timing,
		},
		{
			Rule: finding.Rule{
				ID: "LIF-006", Level: finding.Medium, Title: "A tenant starts before its guards",
				Why:  "Nothing makes the tenant's applier wait for the one that brings the guards: on a new cluster, workloads run before they are bounded.",
				Hint: "let the tenant's applier, or the one that brings it, depend on the one that brings the guards",
			},
			Unless:      "The guards are on the cluster before Flux is, or the tenant has a document, with which its own guards come.",
			Static:      "several objects are compared",
			Source:      "kustomize-controller v1.9.5: spec.dependsOn, wait",
			compartment: unguardedStart,
		},
		{
			Rule: finding.Rule{
				ID: "LIF-008", Level: finding.Medium, Title: "Changes by others are overlooked wholesale",
				Why:  "What is ignored is never put right: somebody who changes it on the cluster changes it for good.",
				Hint: "name the object in target, and a single field in paths",
			},
			Unless:  "An autoscaler or a like controller owns the field.",
			Source:  "kustomize-controller v1.9.5: spec.ignore; helm-controller v1.6.4: spec.driftDetection.ignore",
			applier: overlooks,
		},
	}
}

// leaving says whether an object is of a tenant that is taken away in phases.
func leaving(o *estate.Object) bool {
	return o != nil && o.Annotations()["bulkhead.dev/phase"] != ""
}

func asleep(_ *Context, a *estate.Applier) []Found {
	if suspended, _ := estate.At(a.Spec(), "suspend").(bool); !suspended || leaving(a.Object) {
		return nil
	}
	level := finding.Medium
	if a.Target.Production || slices.ContainsFunc(a.Held, func(o *estate.Object) bool { return o.Guard() }) {
		level = finding.High
	}
	return one(Found{Level: level, Message: fmt.Sprintf("%s is suspended: %s %s for it", a, phrase.Count(len(a.Held), "object"), phrase.Verb(len(a.Held), "waits", "wait")), Field: "spec.suspend"})
}

func sourceAsleep(_ *Context, o *estate.Object) []Found {
	if o.ID.Group != estate.SourceGroup || o.Held || leaving(o) {
		return nil
	}
	if suspended, _ := o.At("spec", "suspend").(bool); !suspended {
		return nil
	}
	level := finding.Medium
	if o.Cluster.Production {
		level = finding.High
	}
	return one(Found{Level: level, Message: fmt.Sprintf("%s is suspended: nothing new arrives from it", o.ID), Field: "spec.suspend"})
}

// duration at a field of an object's spec, whether there is one, and whether it can be read.
func duration(o *estate.Object, field string) (d time.Duration, set, ok bool) {
	text, set := o.At("spec", field).(string)
	if !set {
		return 0, false, true
	}
	d, err := time.ParseDuration(text)
	return d, true, err == nil
}

// badDuration is a field of the spec of a Flux object that holds no duration; "" for none.
func badDuration(o *estate.Object) string {
	for _, field := range []string{"interval", "retryInterval", "timeout"} {
		if _, _, ok := duration(o, field); !ok {
			return field
		}
	}
	return ""
}

func timing(_ *Context, o *estate.Object) (out []Found) {
	if !estate.FluxGroup(o.ID.Group) {
		return nil
	}
	level := finding.Medium
	if !o.Cluster.Production {
		level = finding.Low
	}
	say := func(field, format string, args ...any) {
		out = append(out, Found{Level: level, Message: fmt.Sprintf("%s ", o.ID) + fmt.Sprintf(format, args...), Field: "spec." + field})
	}
	if field := badDuration(o); field != "" {
		say(field, "has a %s that is no duration", field)
		return out
	}
	every, set, _ := duration(o, "interval")
	retry, again, _ := duration(o, "retryInterval")
	timeout, limited, _ := duration(o, "timeout")
	applies := o.ID.Kind == estate.KustomizationKind || o.ID.Kind == estate.HelmReleaseKind
	switch {
	case set && every < time.Minute:
		say("interval", "comes round every %s", every)
	case set && every > 24*time.Hour:
		say("interval", "comes round only every %s", every)
	}
	if again && retry < 30*time.Second {
		say("retryInterval", "tries again every %s", retry)
	}
	wait, _ := o.At("spec", "wait").(bool)
	switch {
	case !applies:
	case limited && set && timeout > every && timeout > 10*time.Minute:
		say("timeout", "may take %s, and comes round every %s", timeout, every)
	case limited && wait && o.Tenant != nil && timeout > 30*time.Minute:
		say("timeout", "of tenant %s holds a worker that all share for up to %s", o.Tenant.Name, timeout)
	}
	if n, ok := o.At("spec", "maxHistory").(int64); ok && (n == 0 || n > 50) && o.ID.Kind == estate.HelmReleaseKind {
		say("maxHistory", "keeps %s of its release", map[bool]string{true: "all revisions", false: phrase.Count(int(n), "revision")}[n == 0])
	}
	return out
}

// unguardedStart looks for appliers of the platform that bring guards of a tenant, or policies of the cluster, and that the tenant does not wait for.
func unguardedStart(x *Context, p *estate.Compartment) (out []Found) {
	for _, a := range p.Appliers {
		if a.Author != nil || a.Object == nil || a.Home != p.Cluster || documented(a.Object) {
			continue
		}
		var late []string
		for _, g := range guarding(x, p) {
			if g != a && !follows(x, a, g) {
				late = append(late, g.String())
			}
		}
		if len(late) > 0 {
			id := a.ID()
			out = append(out, Found{Message: fmt.Sprintf("%s does not wait for %s, which brings guards", a, phrase.List(late, 3)), Object: a.Object, ID: &id, Field: "spec.dependsOn"})
		}
	}
	return out
}

// guarding are the appliers of the platform that bring what bounds a compartment, in the order of the cluster.
func guarding(x *Context, p *estate.Compartment) (out []*estate.Applier) {
	policies := once(x, "policies "+p.Cluster.Name, func() map[*estate.Applier]bool {
		by := map[*estate.Applier]bool{}
		for _, o := range p.Cluster.Objects {
			if o.Tenant == nil && o.ID.Namespace == "" && judgesAll(o) {
				by[o.Applier] = true
			}
		}
		return by
	})
	fences := once(x, "fences "+p.Cluster.Name, func() map[string][]*estate.Applier {
		by := map[string][]*estate.Applier{}
		for _, o := range p.Cluster.Objects {
			if ns := o.ID.Namespace; o.Tenant == nil && ns != "" && o.Guard() && o.ID.Group != "rbac.authorization.k8s.io" && !slices.Contains(by[ns], o.Applier) {
				by[ns] = append(by[ns], o.Applier)
			}
		}
		return by
	})
	mine := map[*estate.Applier]bool{}
	for _, ns := range p.Namespaces {
		for _, a := range fences[ns] {
			mine[a] = true
		}
	}
	for _, a := range p.Cluster.Appliers {
		if a.Home == p.Cluster && (mine[a] || policies[a]) {
			out = append(out, a)
		}
	}
	return out
}

// judgesAll says whether an object decides what the API server takes of everybody.
func judgesAll(o *estate.Object) bool {
	switch o.ID.Group {
	case "admissionregistration.k8s.io":
		return strings.HasPrefix(o.ID.Kind, "ValidatingAdmissionPolicy") || strings.HasPrefix(o.ID.Kind, "MutatingAdmissionPolicy")
	case "kyverno.io", "policies.kyverno.io":
		return strings.HasSuffix(o.ID.Kind, "Policy")
	case "constraints.gatekeeper.sh":
		return true
	}
	return false
}

// guardedFields are the beginnings of JSON pointers to what bounds a workload.
var guardedFields = []string{ //nolint:gochecknoglobals // a constant list
	"/rules", "/roleRef", "/subjects", "/webhooks", "/metadata/labels/pod-security.kubernetes.io", "/spec/validationActions", "/spec/validations",
	"/spec/policyTypes", "/spec/ingress", "/spec/egress", "/spec/hard", "/spec/template/spec/securityContext", "/spec/template/spec/serviceAccountName",
}

func overlooks(_ *Context, a *estate.Applier) (out []Found) {
	field := map[string][]string{estate.KustomizationKind: {"ignore"}, estate.HelmReleaseKind: {"driftDetection", "ignore"}}[a.Kind]
	if field == nil {
		return nil
	}
	for i, r := range estate.List(a.Spec(), field...) {
		at := fmt.Sprintf("spec.%s[%d]", strings.Join(field, "."), i)
		for _, p := range estate.Texts(r, "paths") {
			pointer := strings.ReplaceAll(strings.ReplaceAll(p, "~1", "/"), "~0", "~")
			switch {
			case pointer == "" || pointer == "/" || pointer == "/spec" || pointer == "/metadata":
				out = append(out, Found{Message: fmt.Sprintf("%s overlooks every change of %q", a, p), Field: at})
			case estate.At(r, "target") == nil:
				out = append(out, Found{Message: fmt.Sprintf("%s overlooks changes of %q of all its objects", a, p), Field: at})
			case slices.ContainsFunc(guardedFields, func(g string) bool { return strings.HasPrefix(pointer, g) }):
				out = append(out, Found{Message: fmt.Sprintf("%s overlooks changes of %q, which bounds what it applies to", a, p), Field: at})
			}
		}
	}
	return out
}

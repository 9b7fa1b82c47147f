package rule

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
)

// guardRules are about guards that hang on labels.
func guardRules() []Rule {
	return []Rule{{
		Rule: finding.Rule{
			ID: "NSB-007", Level: finding.High, Title: "A tenant can write the label that a guard goes by",
			Why:  "A guard that selects namespaces by a label holds for who has the label. Who writes the labels of a namespace chooses which guards hold in it, and which doors are open to it.",
			Hint: "select by kubernetes.io/metadata.name, or give tenants a role that does not reach Namespaces: bulkhead-tenant does not",
		},
		Boundary: true,
		Unless:   "The guard goes by kubernetes.io/metadata.name, which nobody can change.",
		Static:   "who may write a label follows from several objects",
		Source:   "Kubernetes v1.36: a request about a Namespace is authorised in it, by RoleBindings too",
		cluster:  writableGuards,
	}}
}

// selection is a selector of namespaces in a guard.
type selection struct {
	field string
	keys  []string
}

// selectors of namespaces that decide what a guard does.
func selectors(o *estate.Object) (out []selection) {
	body := o.Body().Map()
	add := func(field string, selector any) {
		if keys := selectorKeys(selector); len(keys) > 0 {
			out = append(out, selection{field, keys})
		}
	}
	switch o.ID.Group {
	case "networking.k8s.io":
		for _, side := range [][2]string{{"ingress", "from"}, {"egress", "to"}} {
			for i, r := range estate.List(body, "spec", side[0]) {
				for k, peer := range estate.List(r, side[1]) {
					add(fmt.Sprintf("spec.%s[%d].%s[%d].namespaceSelector", side[0], i, side[1], k), peer["namespaceSelector"])
				}
			}
		}
	case "admissionregistration.k8s.io":
		for i, w := range estate.List(body, "webhooks") {
			add(fmt.Sprintf("webhooks[%d].namespaceSelector", i), w["namespaceSelector"])
		}
		add("spec.matchResources.namespaceSelector", o.At("spec", "matchResources", "namespaceSelector"))
		add("spec.matchConstraints.namespaceSelector", o.At("spec", "matchConstraints", "namespaceSelector"))
	case "gateway.networking.k8s.io":
		for i, l := range estate.List(body, "spec", "listeners") {
			add(fmt.Sprintf("spec.listeners[%d].allowedRoutes.namespaces.selector", i), estate.At(l, "allowedRoutes", "namespaces", "selector"))
		}
	case "kyverno.io":
		for i, r := range estate.List(body, "spec", "rules") {
			for _, side := range []string{"match", "exclude"} {
				field := fmt.Sprintf("spec.rules[%d].%s", i, side)
				add(field+".resources.namespaceSelector", estate.At(r, side, "resources", "namespaceSelector"))
				for _, how := range []string{"any", "all"} {
					for k, f := range estate.List(r, side, how) {
						add(fmt.Sprintf("%s.%s[%d].resources.namespaceSelector", field, how, k), estate.At(f, "resources", "namespaceSelector"))
					}
				}
			}
		}
	case "external-secrets.io":
		for i, c := range estate.List(body, "spec", "conditions") {
			add(fmt.Sprintf("spec.conditions[%d].namespaceSelector", i), c["namespaceSelector"])
		}
	}
	return out
}

// selectorKeys are the labels that a selector asks for, sorted; none when one of them is fixed by matching names of namespaces.
func selectorKeys(selector any) []string {
	labels, _ := estate.At(selector, "matchLabels").(map[string]any)
	keys := slices.Collect(maps.Keys(labels))
	for _, e := range estate.List(selector, "matchExpressions") {
		key := estate.Text(e, "key")
		if key == nameLabel && estate.Text(e, "operator") != "In" { // it lets all others in, by their labels
			continue
		}
		keys = append(keys, key)
	}
	slices.Sort(keys)
	if slices.Contains(keys, nameLabel) {
		return nil
	}
	return slices.Compact(keys)
}

// guardObjects are the kinds that [selectors] knows.
var guardObjects = [][2]string{ //nolint:gochecknoglobals // a constant table
	{"networking.k8s.io", "NetworkPolicy"},
	{"admissionregistration.k8s.io", "ValidatingAdmissionPolicy"},
	{"admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"},
	{"admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"},
	{"admissionregistration.k8s.io", "ValidatingWebhookConfiguration"},
	{"admissionregistration.k8s.io", "MutatingWebhookConfiguration"},
	{"gateway.networking.k8s.io", "Gateway"},
	{"kyverno.io", "ClusterPolicy"},
	{"external-secrets.io", "ClusterSecretStore"},
}

func writableGuards(x *Context, c *estate.Cluster) (out []Found) {
	for _, p := range c.Compartments {
		ns, steps := relabels(x, p)
		if ns == "" {
			continue
		}
		if o := c.Namespace(ns); o != nil && o.Tenant == nil && slices.ContainsFunc(slices.Collect(maps.Keys(o.Labels())), func(k string) bool { return strings.HasPrefix(k, podSecurityPrefix) }) {
			out = append(out, Found{
				Object: o, Tenant: p.Tenant, Steps: steps, Field: "metadata.labels",
				Message: fmt.Sprintf("tenant %s can change the labels of its namespace %s, by which pod security holds there", p.Tenant.Name, ns),
			})
		}
		for _, kind := range guardObjects {
			for _, o := range c.Kind(kind[0], kind[1]) {
				if o.Tenant == p.Tenant || p.Owns(o.ID.Namespace) { // it lets itself in
					continue
				}
				for _, s := range selectors(o) {
					out = append(out, Found{
						Object: o, Tenant: p.Tenant, Steps: steps, Field: s.field,
						Message: fmt.Sprintf("%s goes by the label %s, which tenant %s can write on its namespace %s", short(o.ID), legible(strings.Join(s.keys, ", ")), p.Tenant.Name, ns),
					})
				}
			}
		}
	}
	return out
}

// podSecurityPrefix is of the labels by which Pod Security Admission knows a namespace.
const podSecurityPrefix = "pod-security.kubernetes.io/"

package rule

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/object"
)

// notificationRules are about notifications.
func notificationRules() []Rule {
	const source = "notification-controller v1.9.3"
	return []Rule{
		{
			Rule: finding.Rule{
				ID: "NTF-001", Level: finding.High, Title: "A tenant's Provider speaks to an internal address",
				Why:  "notification-controller sends events from where it stands: an address inside the cluster, or that of the cloud's metadata, is reached with its network, not with the tenant's.",
				Hint: "name a public host, and limit the egress of notification-controller",
			},
			Boundary: true, Source: source + ", Provider",
			Unless: "it is a gateway for alerts inside the cluster that all tenants use",
			object: internalProvider,
		},
		{
			Rule: finding.Rule{
				ID: "NTF-002", Level: finding.Medium, Title: "A Receiver does not ask who calls",
				Why:  "Types without a signature are guarded by an address alone, which is in the logs of whoever calls it: who knows it makes Flux fetch again as often as he likes.",
				Hint: "take generic-hmac, generic-oidc or the type of your Git server, with a Secret for each Receiver",
			},
			Source: source + ", internal/server/receiver_handlers.go; CVE-2026-40109",
			Unless: "the Receiver is reached from a private network only",
			object: weakReceiver,
		},
		{
			Rule: finding.Rule{
				ID: "NTF-003", Level: finding.Medium, Title: "A tenant is told of the errors of others",
				Why:  "Events carry the text of errors: names of objects, and values of fields that the API server refused. An Alert for one tenant that watches appliers of all tells it theirs.",
				Hint: "name the tenant's own appliers in spec.eventSources, or keep the Alert in their namespace",
			},
			Static: "it is about what the watched appliers apply", Source: source + ", Alert",
			Unless:  "the channel is one of the platform",
			cluster: toldOfOthers,
		},
	}
}

func internalProvider(_ *Context, o *estate.Object) (out []Found) {
	if o.Tenant == nil || !o.Is(estate.NotificationGroup, "Provider") {
		return nil
	}
	for _, field := range []string{"address", "proxy"} {
		text := o.Text("spec", field)
		if !strings.Contains(text, "://") {
			continue // the name of a project or of a queue
		}
		if why := inside(hostOf(text)); why != "" {
			out = append(out, Found{Message: fmt.Sprintf("Provider %s of tenant %s sends events to %s: %s", o.ID.Name, o.Tenant.Name, clipped(hostOf(text)), why), Field: "spec." + field})
		}
	}
	if o.Text("spec", "address") == "" && o.Text("spec", "secretRef", "name") != "" {
		out = append(out, Found{Message: fmt.Sprintf("Provider %s of tenant %s takes its address from a Secret", o.ID.Name, o.Tenant.Name), Field: "spec.secretRef", Unproven: true})
	}
	return out
}

// unsigned are the types of Receivers that look at no signature and at no token of a request.
//
// Source: notification-controller v1.9.3, internal/server/receiver_handlers.go, validate.
var unsigned = []string{"generic", "quay", "dockerhub", "acr", "cdevents"} //nolint:gochecknoglobals // a constant list

func weakReceiver(_ *Context, o *estate.Object) (out []Found) {
	if !o.Is(estate.NotificationGroup, "Receiver") {
		return nil
	}
	kind, secret := o.Text("spec", "type"), o.Text("spec", "secretRef", "name")
	if slices.Contains(unsigned, kind) {
		out = append(out, Found{Message: fmt.Sprintf("Receiver %s/%s has type %s, which checks no signature", o.ID.Namespace, o.ID.Name, kind), Field: "spec.type"})
	}
	if kind == "gcr" {
		out = append(out, anyGoogle(o, secret)...)
	}
	for _, other := range o.Cluster.Kind(estate.NotificationGroup, "Receiver") {
		if other != o && secret != "" && other.ID.Namespace == o.ID.Namespace && other.Tenant != o.Tenant && other.Text("spec", "secretRef", "name") == secret {
			return append(out, Found{
				Message: fmt.Sprintf("Receiver %s/%s shares the token in Secret %s with Receiver %s, which is another's", o.ID.Namespace, o.ID.Name, secret, other.ID.Name),
				Field:   "spec.secretRef",
			})
		}
	}
	return out
}

// anyGoogle looks whether a Receiver says whose token of Google it takes. From 1.9 on the controller wants it said.
func anyGoogle(o *estate.Object, secret string) []Found {
	k := o.Cluster.Controller(estate.NotificationController)
	if k == nil || !k.Before(1, 9, 0) {
		return nil
	}
	list := o.Cluster.Get(object.ID{Kind: "Secret", Namespace: o.ID.Namespace, Name: secret})
	if len(list) == 0 {
		return one(Found{Message: fmt.Sprintf("Receiver %s/%s takes tokens of Google, and its Secret, which says whose, is not in Git", o.ID.Namespace, o.ID.Name), Field: "spec.secretRef", Unproven: true})
	}
	for _, key := range []string{"email", "audience"} {
		if list[0].At("data", key) == nil && list[0].At("stringData", key) == nil {
			return one(Found{Message: fmt.Sprintf("Receiver %s/%s takes any token of Google: its Secret has no %s", o.ID.Namespace, o.ID.Name, key), Field: "spec.secretRef"})
		}
	}
	return nil
}

// toldOfOthers looks at Alerts that the platform wrote for a tenant. Those of tenants are held back by references to other namespaces.
func toldOfOthers(_ *Context, c *estate.Cluster) (out []Found) {
	for _, o := range c.Kind(estate.NotificationGroup, "Alert") {
		audience := listener(c, o)
		if audience == nil || o.Tenant != nil {
			continue
		}
		for i, source := range estate.List(o.Body().Map(), "spec", "eventSources") {
			for _, a := range c.Homed {
				if a.Tenant == audience || !watches(o, source, a) {
					continue
				}
				whose := "the platform"
				if a.Tenant != nil {
					whose = "tenant " + a.Tenant.Name
				}
				out = append(out, Found{
					Message: fmt.Sprintf("Alert %s/%s tells tenant %s of %s of %s", o.ID.Namespace, o.ID.Name, audience.Name, a, whose),
					Object:  o, Field: fmt.Sprintf("spec.eventSources[%d]", i), Tenant: audience,
				})
				break
			}
		}
	}
	return out
}

// listener is the tenant that an Alert is for: by the namespace, the label or the name of the Alert or its Provider; nil for the platform.
func listener(c *estate.Cluster, alert *estate.Object) *estate.Tenant {
	list := append([]*estate.Object{alert}, c.Get(object.ID{Group: estate.NotificationGroup, Kind: "Provider", Namespace: alert.ID.Namespace, Name: alert.Text("spec", "providerRef", "name")})...)
	for _, p := range c.Compartments {
		if p.Owns(alert.ID.Namespace) {
			return p.Tenant
		}
		for _, o := range list {
			label := o.Labels()["toolkit.fluxcd.io/tenant"]
			if o.Tenant == p.Tenant || label == p.Tenant.Name || label == "" && (o.ID.Name == p.Tenant.Name || strings.HasPrefix(o.ID.Name, p.Tenant.Name+"-")) {
				return p.Tenant
			}
		}
	}
	return nil
}

// watches reports whether a source of events takes in an applier.
func watches(alert *estate.Object, source map[string]any, a *estate.Applier) bool {
	if estate.Text(source, "kind") != a.Kind || cmp.Or(estate.Text(source, "namespace"), alert.ID.Namespace) != a.Namespace {
		return false
	}
	if name := estate.Text(source, "name"); name != "*" {
		return name == a.Name
	}
	labels, _ := estate.At(source, "matchLabels").(map[string]any)
	if len(labels) > 0 && a.Object == nil {
		return false
	}
	for k, v := range labels {
		if a.Object.Labels()[k] != v {
			return false
		}
	}
	return true
}

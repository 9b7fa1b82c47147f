package guard

import (
	admissionv1 "k8s.io/api/admissionregistration/v1"
)

const notificationGroup = "notification.toolkit.fluxcd.io"

func alerts() policy {
	return policy{
		name: "bulkhead-alerts", why: "Events tell what is applied and why it fails: a tenant gets those of its own namespace.",
		on: typed(notificationGroup, "v1beta3", writes(), "alerts"), conditions: specChanged(), in: ofTenantsAndFlux,
		checks: []check{{
			[]string{"REF-005"}, "object.spec.eventSources.all(s, !has(s.namespace) || s.namespace == request.namespace)", "spec.eventSources names another namespace",
		}},
	}
}

func receivers() policy {
	return policy{
		name: "bulkhead-receivers", why: "A tenant's webhook makes Flux look at the objects of its own namespace only.",
		on: typed(notificationGroup, "v1", writes(), "receivers"), conditions: specChanged(), in: ofTenantsAndFlux,
		checks: []check{{
			[]string{"REF-006"}, "object.spec.resources.all(r, !has(r.namespace) || r.namespace == request.namespace)", "spec.resources names another namespace",
		}},
	}
}

// inside are the ends of names that only the cluster and its network know.
const inside = "['.svc', '.svc.', '.local', '.local.', '.internal', '.internal.', '.localhost', '.localhost.']"

// outside is whether a URL leads to a host that a name server of the world knows. What is no URL is the name of something else.
func outside(field string) string {
	return "!has(object.spec." + field + ") || !isURL(object.spec." + field + ") || variables." + field + " == '' || (!isIP(variables." + field + ") &&\n" +
		"variables." + field + ".matches('[.][a-z][a-z0-9-]*[.]?$') && " + inside + ".all(end, !variables." + field + ".endsWith(end)))"
}

func providers() policy {
	host := func(field string) admissionv1.Variable {
		return admissionv1.Variable{Name: field, Expression: "has(object.spec." + field + ") && isURL(object.spec." + field + ") ? url(object.spec." + field + ").getHostname().lowerAscii() : ''"}
	}
	return policy{
		name: "bulkhead-providers", why: "notification-controller calls what a Provider names: no address inside of the cluster or its network.",
		on: typed(notificationGroup, "v1beta3", writes(), "providers"), conditions: specChanged(), in: ofTenantsAndFlux,
		variables: []admissionv1.Variable{host("address"), host("proxy")},
		checks: []check{
			{[]string{"NTF-001", "SRC-006"}, outside("address"), "spec.address leads into the cluster or its network"},
			{[]string{"NTF-001", "SRC-006"}, outside("proxy"), "spec.proxy leads into the cluster or its network"},
		},
	}
}

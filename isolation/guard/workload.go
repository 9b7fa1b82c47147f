package guard

import (
	admissionv1 "k8s.io/api/admissionregistration/v1"
)

// hostVariables are the patterns of hosts that a namespace may claim, and whether its tenant's contract says nothing about hosts.
func hostVariables() []admissionv1.Variable {
	return []admissionv1.Variable{
		known(), its(),
		{Name: "allowed", Expression: listed("variables.tenant", "hosts")},
		{Name: "any", Expression: "variables.allowed.size() == 0"},
	}
}

// claimed is whether a host is within the contract. A wildcard stands for any number of labels.
func claimed(host string) string {
	return "variables.allowed.exists(a, a.startsWith('*.') ? " + host + ".lowerAscii().endsWith(a.substring(1)) : " + host + ".lowerAscii() == a)"
}

func ingresses() policy {
	return policy{
		name: "bulkhead-ingresses", why: "Which hosts a tenant's Ingresses may claim: those of its contract.",
		on: typed("networking.k8s.io", "v1", writes(), "ingresses"), conditions: specChanged(), in: ofTenants,
		variables: hostVariables(),
		checks: []check{
			{[]string{"NET-004"}, "variables.any || !has(object.spec.defaultBackend) && has(object.spec.rules) && object.spec.rules.size() > 0 && object.spec.rules.all(r, has(r.host) && r.host != '')", "a rule has no host, so that it takes those of everybody"},
			{[]string{"NET-004"}, "variables.any || !has(object.spec.rules) || object.spec.rules.all(r, !has(r.host) || " + claimed("r.host") + ")", "a host is not in the contract"},
			{[]string{"NET-004"}, "variables.any || !has(object.spec.tls) || object.spec.tls.all(t, !has(t.hosts) || t.hosts.all(h, " + claimed("h") + "))", "a host of spec.tls is not in the contract"},
			{[]string{"NET-005"}, "!has(object.spec.ingressClassName) || " + classIn("object.spec.ingressClassName", "ingressClasses"), "spec.ingressClassName is not in the contract"},
		},
	}
}

// routes of the Gateway API; Gateways of tenants, too.
func routes() policy {
	return policy{
		name: "bulkhead-routes", why: "Which hosts a tenant's routes and gateways may claim: those of its contract.",
		on:         []admissionv1.NamedRuleWithOperations{on("gateway.networking.k8s.io", writes(), "httproutes", "grpcroutes", "tlsroutes", "gateways")},
		conditions: specChanged(), in: ofTenants,
		variables: append(
			hostVariables(),
			admissionv1.Variable{Name: "spec", Expression: "dyn(object.spec)"},
			admissionv1.Variable{Name: "hosts", Expression: "has(variables.spec.listeners) ? variables.spec.listeners.map(l, has(l.hostname) ? l.hostname : '') : (has(variables.spec.hostnames) ? variables.spec.hostnames : [])"},
		),
		checks: []check{
			{[]string{"NET-004"}, "variables.any || variables.hosts.size() > 0 && variables.hosts.all(h, h != '')", "no host is named, so that it takes those of everybody"},
			{[]string{"NET-004"}, "variables.any || variables.hosts.all(h, h == '' || " + claimed("string(h)") + ")", "a host is not in the contract"},
			{[]string{"NET-005"}, "!has(variables.spec.gatewayClassName) || " + classIn("variables.spec.gatewayClassName", "ingressClasses"), "spec.gatewayClassName is not in the contract"},
		},
	}
}

func services() policy {
	return policy{
		name: "bulkhead-services", why: "A Service of a tenant takes over no address, and stands for nothing inside of the cluster's network.",
		on: typed("", "v1", writes(), "services"), conditions: specChanged(), in: ofTenants,
		checks: []check{
			{[]string{"NET-006"}, "!has(object.spec.externalIPs) || object.spec.externalIPs.size() == 0", "spec.externalIPs takes over an address for all pods of the cluster"},
			{
				[]string{"NET-006"},
				"!has(object.spec.externalName) || object.spec.externalName == '' || (object.spec.externalName.contains('.') &&\n" +
					inside + ".all(end, !object.spec.externalName.lowerAscii().endsWith(end)))",
				"spec.externalName is a name inside of the cluster's network",
			},
		},
	}
}

// tokens that last are made for the accounts of the contract only: with the token of another account the tenant would be that account.
func tokens() policy {
	return policy{
		name: "bulkhead-token-secrets", why: "Whose tokens a tenant may ask for.",
		on:         typed("", "v1", writes(), "secrets"),
		conditions: []admissionv1.MatchCondition{{Name: "token", Expression: "has(object.type) && object.type == 'kubernetes.io/service-account-token'"}},
		in:         ofTenantsAndFlux,
		variables:  []admissionv1.Variable{known(), its()},
		checks: []check{{
			[]string{"IMP-005", "SEC-008"},
			"has(object.metadata.annotations) && 'kubernetes.io/service-account.name' in object.metadata.annotations &&\n" +
				"request.namespace + '/' + object.metadata.annotations['kubernetes.io/service-account.name'] in " + listed("variables.tenant", "accounts"),
			"the Secret asks for the token of an account that is not in the contract",
		}},
	}
}

// cloudKeys are the annotations of an account by which clouds know who it is.
const cloudKeys = "['eks.amazonaws.com/role-arn', 'iam.gke.io/gcp-service-account', 'azure.workload.identity/client-id']"

func cloudAccounts() policy {
	return policy{
		name: "bulkhead-accounts", why: "Which cloud identities a tenant's accounts may have: those of its contract.",
		on: typed("", "v1", writes(), "serviceaccounts"), in: ofTenantsAndFlux,
		conditions: []admissionv1.MatchCondition{{
			Name: "annotations-change", Expression: "request.operation == 'CREATE' || " + mapOf("object", "annotations") + " != " + mapOf("oldObject", "annotations"),
		}},
		variables: []admissionv1.Variable{known(), its()},
		checks: []check{{
			[]string{"SEC-006"},
			"!has(object.metadata.annotations) || object.metadata.annotations.all(k, !(k in " + cloudKeys + ") ||\n" +
				"" + listed("variables.tenant", "identities") + ".exists(i, object.metadata.annotations[k].matches(i)))",
			"the account asks for a cloud identity that is not in the contract",
		}},
	}
}

// annotations of an Ingress that put text into the configuration of its controller.
//
// Source: ingress-nginx v1.14, NGINX Ingress Controller v5, HAProxy ingress v0.15.
func ingressAnnotations() policy {
	return policy{
		name: "bulkhead-ingress-annotations", why: "An ingress controller serves all tenants: none of them configures it, or lets it read from namespaces of others.",
		on: typed("networking.k8s.io", "v1", writes(), "ingresses"), in: ofTenants,
		conditions: []admissionv1.MatchCondition{{
			Name: "annotations-change", Expression: "request.operation == 'CREATE' || " + mapOf("object", "annotations") + " != " + mapOf("oldObject", "annotations"),
		}},
		variables: []admissionv1.Variable{
			known(), its(),
			{Name: "hosts", Expression: listed("variables.tenant", "hosts")},
			{Name: "annotations", Expression: mapOf("object", "annotations")},
		},
		checks: []check{
			{
				[]string{"NET-005"},
				"variables.annotations.all(k, variables.annotations[k] == '' || (!k.matches('[.].*/.*-snippets?$') &&\n" +
					"!k.matches('[.].*/config-(backend|frontend|global|defaults|proxy|tcp)$')))",
				"an annotation is a piece of the controller's configuration",
			},
			{
				[]string{"NET-005"},
				"variables.annotations.all(k, !k.matches('[.].*/.*-(secret|configmap|set-headers)$') || !variables.annotations[k].contains('/') ||\n" +
					"variables.annotations[k].split('/')[0] in variables.tenant.namespaces)",
				"an annotation lets the controller read from a namespace that is not the tenant's",
			},
			{
				[]string{"NET-005"},
				"variables.annotations.all(k, !k.matches('[.].*/(auth-url|mirror-target|mirror-host)$') || variables.annotations[k].startsWith('$') ||\n" +
					"!isURL(variables.annotations[k]) || variables.tenant.namespaces.exists(n, url(variables.annotations[k]).getHostname().matches('[.]' + n + '[.]svc([.]cluster[.]local[.]?)?$')) ||\n" +
					"variables.hosts.exists(h, h == url(variables.annotations[k]).getHostname() || (h.startsWith('*.') && url(variables.annotations[k]).getHostname().endsWith(h.substring(1)))))",
				"an annotation sends the requests of clients to a host that is not the tenant's",
			},
			{
				[]string{"NET-005"},
				"!('kubernetes.io/ingress.class' in variables.annotations) || " + classIn("variables.annotations['kubernetes.io/ingress.class']", "ingressClasses"),
				"the annotation kubernetes.io/ingress.class is not in the contract",
			},
		},
	}
}

// crossings are kinds of the Gateway API by which one namespace reaches into another.
func crossings() policy {
	const own = "in variables.tenant.namespaces"
	return policy{
		name: "bulkhead-crossings", why: "Whom a tenant lets into its namespaces by routes and grants, and where its own routes lead.",
		on: []admissionv1.NamedRuleWithOperations{on(
			"gateway.networking.k8s.io", writes(), "referencegrants", "gateways", "httproutes", "grpcroutes", "tlsroutes", "tcproutes", "udproutes",
		)},
		conditions: specChanged(), in: ofTenants,
		variables: []admissionv1.Variable{
			known(), its(), {Name: "spec", Expression: "dyn(object.spec)"},
		},
		checks: []check{
			{
				[]string{"NET-007"},
				"!has(variables.spec.from) || variables.spec.from.all(f, f.namespace " + own + " || variables.spec.to.all(t, has(t.name) && t.name != ''))",
				"the grant lets another namespace refer to everything of a kind",
			},
			{
				[]string{"NET-007"},
				"!has(variables.spec.listeners) || variables.spec.listeners.all(l, !has(l.allowedRoutes) || !has(l.allowedRoutes.namespaces) ||\n" +
					"!has(l.allowedRoutes.namespaces.from) || l.allowedRoutes.namespaces.from != 'All')",
				"a listener takes routes of every namespace",
			},
			{
				[]string{"NET-007"},
				"!has(variables.spec.rules) || variables.spec.rules.all(r,\n" +
					"(!has(r.backendRefs) || r.backendRefs.all(b, !has(b.namespace) || b.namespace " + own + ")) &&\n" +
					"(!has(r.filters) || r.filters.all(m, !has(m.requestMirror) || !has(m.requestMirror.backendRef.namespace) || m.requestMirror.backendRef.namespace " + own + ")))",
				"a rule leads to a Service that is not the tenant's",
			},
		},
	}
}

// claims of storage. A volume that is kept for a claim Kubernetes binds to no other.
func claims() policy {
	return policy{
		name: "bulkhead-volume-claims", why: "Where a tenant's volumes take their first data from.",
		on: typed("", "v1", writes(), "persistentvolumeclaims"), conditions: specChanged(), in: ofTenants,
		variables: []admissionv1.Variable{known(), its()},
		checks: []check{{
			[]string{"WRK-006"},
			"!has(object.spec.dataSourceRef) || !has(object.spec.dataSourceRef.namespace) || object.spec.dataSourceRef.namespace in variables.tenant.namespaces",
			"spec.dataSourceRef is of a namespace that is not the tenant's",
		}, {
			[]string{"WRK-006"},
			"!has(object.spec.storageClassName) || object.spec.storageClassName == '' || (request.operation == 'UPDATE' && has(oldObject.spec.storageClassName)) ||\n" +
				classIn("object.spec.storageClassName", "storageClasses"),
			"spec.storageClassName is not in the contract",
		}},
	}
}

// classIn is whether a class is in a list of the tenant's contract, or the contract says nothing of such classes.
func classIn(class, key string) string {
	return "!('" + key + "' in variables.tenant) || " + class + " in variables.tenant." + key
}

// places of what makes pods: where they run, and before whom. Pods themselves are left out: into one that names no class the API server has written the
// default class before policies see it, and other controllers write tolerations.
//
// Source: Kubernetes v1.36, the admission plugins Priority and DefaultTolerationSeconds.
func places() policy {
	const controlPlane = "['node-role.kubernetes.io/control-plane', 'node-role.kubernetes.io/master']"
	return policy{
		name: "bulkhead-places", why: "Where a tenant's workloads run, and before whom: as the scheduler says, and with the priorities of the contract.",
		on: append(
			typed("apps", "v1", writes(), "deployments", "statefulsets", "daemonsets", "replicasets"),
			typed("batch", "v1", writes(), "jobs", "cronjobs")...,
		),
		conditions: specChanged(), in: ofTenants,
		variables: []admissionv1.Variable{
			known(), its(),
			{Name: "spec", Expression: "dyn(object.spec)"},
			{Name: "pod", Expression: "has(variables.spec.jobTemplate) ? variables.spec.jobTemplate.spec.template.spec : variables.spec.template.spec"},
			{Name: "class", Expression: "has(variables.pod.priorityClassName) ? variables.pod.priorityClassName : ''"},
		},
		checks: []check{
			{[]string{"WRK-005"}, "!variables.class.startsWith('system-')", "priorityClassName is one of the system's: it drives out the pods of others"},
			{[]string{"WRK-005"}, "variables.class == '' || " + classIn("variables.class", "priorityClasses"), "priorityClassName is not in the contract"},
			{[]string{"WRK-005"}, "!has(variables.pod.nodeName) || variables.pod.nodeName == ''", "nodeName passes the scheduler and its taints"},
			{[]string{"WRK-005"}, "!has(variables.pod.schedulerName) || variables.pod.schedulerName in ['', 'default-scheduler']", "schedulerName is another scheduler"},
			{
				[]string{"WRK-005"},
				"!has(variables.pod.tolerations) || variables.pod.tolerations.all(t, has(t.key) && t.key != '' ? !(t.key in " + controlPlane + ") : !has(t.operator) || t.operator != 'Exists')",
				"a toleration is of the control plane's taint, or of all",
			},
			{[]string{"WRK-005"}, "!has(variables.pod.nodeSelector) || variables.pod.nodeSelector.all(k, !(k in " + controlPlane + "))", "nodeSelector selects nodes of the control plane"},
		},
	}
}

// monitors scrape with the rights of who reads them.
func monitors() policy {
	return policy{
		name: "bulkhead-monitors", why: "What a tenant may have scraped: what is in its own namespaces.",
		on:         []admissionv1.NamedRuleWithOperations{on("monitoring.coreos.com", writes(), "servicemonitors", "podmonitors", "probes")},
		conditions: specChanged(), in: ofTenants,
		variables: []admissionv1.Variable{
			known(), its(),
			{Name: "spec", Expression: "dyn(object.spec)"},
			{Name: "selectors", Expression: "(has(variables.spec.namespaceSelector) ? [variables.spec.namespaceSelector] : []) +\n" +
				"(has(variables.spec.targets) && has(variables.spec.targets.ingress) && has(variables.spec.targets.ingress.namespaceSelector) ? [variables.spec.targets.ingress.namespaceSelector] : [])"},
		},
		checks: []check{{
			[]string{"DEL-004"},
			"variables.selectors.all(s, (!has(s.any) || !s.any) && (!has(s.matchNames) || s.matchNames.all(n, n in variables.tenant.namespaces)))",
			"a namespaceSelector selects namespaces that are not the tenant's",
		}},
	}
}

// proxyRoutes are those of Traefik, whose provider may be told to follow them into other namespaces.
func proxyRoutes() policy {
	return policy{
		name: "bulkhead-proxy-routes", why: "Where a tenant's routes lead: to its own Services.",
		on: []admissionv1.NamedRuleWithOperations{
			on("traefik.io", writes(), "ingressroutes", "ingressroutetcps", "ingressrouteudps"), on("traefik.containo.us", writes(), "ingressroutes", "ingressroutetcps", "ingressrouteudps"),
		},
		conditions: specChanged(), in: ofTenants,
		variables: []admissionv1.Variable{known(), its(), {Name: "spec", Expression: "dyn(object.spec)"}},
		checks: []check{{
			[]string{"DEL-004", "NET-007"},
			"variables.spec.routes.all(r, !has(r.services) || r.services.all(s, !has(s.namespace) || s.namespace in variables.tenant.namespaces))",
			"a route leads to a Service that is not the tenant's",
		}},
	}
}

package guard

import (
	admissionv1 "k8s.io/api/admissionregistration/v1"

	"github.com/bulkhead-dev/bulkhead/tenant"
)

// writers are who writes what nobody else may: the platform, by user names.
type writers struct{ platform []string }

func (opts *Options) writers() *writers {
	accounts := opts.Platform
	if len(accounts) == 0 {
		accounts = []string{fluxNamespace + "/kustomize-controller"}
	}
	w := &writers{}
	for _, a := range accounts {
		w.platform = append(w.platform, user(a))
	}
	w.platform = distinct(w.platform)
	return w
}

// platformWrites is whether the platform asks.
func (w *writers) platformWrites() string { return "request.userInfo.username in " + list(w.platform) }

// notPlatform: these policies are about who writes, and the platform may.
func (w *writers) notPlatform() admissionv1.MatchCondition {
	return admissionv1.MatchCondition{Name: "not-the-platform", Expression: "!(" + w.platformWrites() + ")"}
}

// mapOf is a field that may be absent, as a map.
func mapOf(object, field string) string {
	return "(has(" + object + ".metadata." + field + ") ? " + object + ".metadata." + field + " : {})"
}

// keptKeys is whether the keys for which a condition holds have the values they had.
func keptKeys(field, condition string) string {
	now, before := mapOf("object", field), mapOf("oldObject", field)
	return now + ".all(k, !(" + condition + ") || (k in " + before + " && " + before + "[k] == " + now + "[k])) &&\n" +
		before + ".all(k, !(" + condition + ") || k in " + now + ")"
}

// guardKeys are labels that guards and Flux go by.
func guardKeys() string {
	return "k.startsWith('pod-security.kubernetes.io/') || k.startsWith('kustomize.toolkit.fluxcd.io/') || k in [" + text(tenant.LabelManagedBy) + ", " + text(tenant.LabelTenant) + "]"
}

// marks are annotations by which Flux leaves an object alone.
const marks = "k.startsWith('kustomize.toolkit.fluxcd.io/')"

// platformObjects: what has the platform's label stays as the platform wrote it, label and all. What controllers add to accounts, and a pause of Flux, pass.
//
// Source: kustomize-controller v1.9.5 does not touch an object with its own marks on it, so a mark is as good as a change.
func (w *writers) platformObjects() policy {
	return policy{
		name: "bulkhead-platform-objects", why: "Quotas, limits, network policies, bindings and Flux objects that fence tenants in are written by the platform only.",
		on: []admissionv1.NamedRuleWithOperations{
			on("", allWrites(), "resourcequotas", "limitranges", "serviceaccounts"),
			on("networking.k8s.io", allWrites(), "networkpolicies"),
			on("rbac.authorization.k8s.io", allWrites(), "roles", "rolebindings"),
			wide("rbac.authorization.k8s.io", allWrites(), "clusterroles", "clusterrolebindings"),
			on("kustomize.toolkit.fluxcd.io", allWrites(), "kustomizations"),
			on(sourceGroup, allWrites(), "gitrepositories", "ocirepositories"),
		},
		labelled: labels(), in: ofTenantsAndFlux, andFlux: true,
		conditions: []admissionv1.MatchCondition{w.notPlatform()},
		variables: []admissionv1.Variable{
			{Name: "now", Expression: "request.operation == 'UPDATE' ? dyn(object) : dyn({})"},
			{Name: "before", Expression: "request.operation == 'UPDATE' ? dyn(oldObject) : dyn({})"},
			{Name: "free", Expression: "['metadata', 'status', 'secrets', 'imagePullSecrets', 'spec']"},
			{Name: "spec", Expression: "'spec' in variables.now ? variables.now.spec : dyn({})"},
			{Name: "specBefore", Expression: "'spec' in variables.before ? variables.before.spec : dyn({})"},
		},
		checks: []check{
			{[]string{"NST-006", "OWN-002", "RBC-012"}, "request.operation != 'DELETE' || (namespaceObject != null && namespaceObject.status.phase == 'Terminating')", "the object is the platform's, and so is taking it away"},
			{[]string{"NST-006", "OWN-002", "RBC-012"}, "request.operation != 'CREATE'", "the label says that the object is the platform's, and somebody else makes it"},
			{
				[]string{"NST-006", "OWN-002", "RBC-012"},
				"variables.now.all(k, k in variables.free || (k in variables.before && variables.before[k] == variables.now[k])) &&\n" +
					"variables.before.all(k, k in variables.free || k in variables.now) &&\n" +
					"variables.spec.all(k, k == 'suspend' || (k in variables.specBefore && variables.specBefore[k] == variables.spec[k])) &&\n" +
					"variables.specBefore.all(k, k == 'suspend' || k in variables.spec)",
				"the object is the platform's, and somebody else changes it",
			},
			{
				[]string{"NSB-007", "OWN-002"},
				"request.operation != 'UPDATE' || (" + keptKeys("labels", guardKeys()) + " &&\n" + keptKeys("annotations", marks) + ")",
				"the object is the platform's, and somebody else changes the labels or marks that guards and Flux go by",
			},
		},
	}
}

// namespaceObjects: the labels of a namespace say which Pod Security it has and which guards look at it. An account of a tenant changes none at all.
func (w *writers) namespaceObjects() policy {
	return policy{
		name: "bulkhead-namespaces", why: "The namespaces of tenants, and the labels that guards go by, are the platform's.",
		on:         []admissionv1.NamedRuleWithOperations{wide("", allWrites(), "namespaces")},
		conditions: []admissionv1.MatchCondition{w.notPlatform()}, in: ofTenantsAndFlux,
		variables: []admissionv1.Variable{
			known(),
			{Name: "byTenant", Expression: "has(request.userInfo.groups) && variables.tenants.exists(t, " + allOf("t") + ".exists(ns, ('system:serviceaccounts:' + ns) in request.userInfo.groups))"},
		},
		checks: []check{
			{[]string{"HLM-006", "NSB-006", "NSB-009"}, "request.operation != 'CREATE'", "the namespace is a tenant's, and made by the platform only"},
			{[]string{"RBC-005", "RBC-012"}, "request.operation != 'DELETE'", "the namespace is a tenant's, and deleted by the platform only"},
			{
				[]string{"NSB-006", "NSB-007", "RBC-005", "RBC-012"},
				"request.operation != 'UPDATE' || (" + keptKeys("labels", guardKeys()) + " &&\n" + keptKeys("annotations", marks) + ")",
				"the labels and marks that guards and Flux go by are the platform's",
			},
			{
				[]string{"NSB-006", "NSB-007"},
				"request.operation != 'UPDATE' || !variables.byTenant || (" + mapOf("object", "labels") + " == " + mapOf("oldObject", "labels") + " &&\n" +
					mapOf("object", "annotations") + " == " + mapOf("oldObject", "annotations") + ")",
				"a tenant does not label its namespace",
			},
		},
	}
}

// bindings let nobody into a tenant's namespace but its own accounts.
func (w *writers) bindings() policy {
	return policy{
		name: "bulkhead-rolebindings", why: "Whom a tenant may give rights in its namespaces: its own accounts.",
		on:         typed("rbac.authorization.k8s.io", "v1", writes(), "rolebindings"),
		conditions: []admissionv1.MatchCondition{w.notPlatform(), {Name: "subjects-change", Expression: "request.operation == 'CREATE' || (has(object.subjects) && (!has(oldObject.subjects) || object.subjects != oldObject.subjects))"}},
		in:         ofTenantsAndFlux,
		variables:  []admissionv1.Variable{known(), its()},
		checks: []check{{
			[]string{"RBC-004", "RBC-006"},
			"!has(object.subjects) || object.subjects.all(s, s.kind == 'ServiceAccount' && (!has(s.namespace) || s.namespace in variables.tenant.namespaces))",
			"a subject is no account of the tenant",
		}},
	}
}

// wideBindings name no tenant, unless the platform makes them.
func (w *writers) wideBindings() policy {
	return policy{
		name: "bulkhead-clusterrolebindings", why: "Rights on a whole cluster are given to tenants by the platform only.",
		on:         []admissionv1.NamedRuleWithOperations{wide("rbac.authorization.k8s.io", writes(), "clusterrolebindings")},
		conditions: []admissionv1.MatchCondition{w.notPlatform()}, in: ofTenantsAndFlux,
		variables: []admissionv1.Variable{
			known(),
			{Name: "namespaces", Expression: "!has(object.subjects) ? [] : object.subjects.map(s, s.kind == 'ServiceAccount' ? (has(s.namespace) ? s.namespace : '') :\n" +
				"s.name.matches('^system:serviceaccounts?:.') ? s.name.split(':')[2] : '').filter(n, n != '')"},
		},
		checks: []check{{
			[]string{"RBC-003", "RBC-004"},
			"variables.namespaces.all(n, !" + everybodys("n") + ")",
			"a subject is an account of a tenant",
		}},
	}
}

// networkPolicies of tenants do not open what the platform closes: policies add up.
func (w *writers) networkPolicies() policy {
	everywhere := "['0.0.0.0/0', '::/0']"
	peers := func(list string) string { // that a label is not there, or not that, is true of most namespaces
		return list + ".all(p, !has(p.namespaceSelector) || (has(p.namespaceSelector.matchLabels) && p.namespaceSelector.matchLabels.size() > 0) ||\n" +
			"(has(p.namespaceSelector.matchExpressions) && p.namespaceSelector.matchExpressions.exists(e, e.operator == 'In')))"
	}
	return policy{
		name: "bulkhead-networkpolicies", why: "A network policy of a tenant opens its namespace to somebody, and not to everybody.",
		on:         typed("networking.k8s.io", "v1", writes(), "networkpolicies"),
		conditions: append(specChanged(), w.notPlatform()), in: ofTenants,
		checks: []check{
			{
				[]string{"NET-002"},
				"!has(object.spec.ingress) || object.spec.ingress.all(r, has(r.from) && r.from.size() > 0 && " + peers("r.from") + " &&\n" +
					"r.from.all(p, !has(p.ipBlock) || !(p.ipBlock.cidr in " + everywhere + ")))",
				"spec.ingress lets everybody in",
			},
			{
				[]string{"NET-002"},
				"!has(object.spec.egress) || object.spec.egress.all(r, has(r.to) && r.to.size() > 0 && " + peers("r.to") + " &&\n" +
					"r.to.all(p, !has(p.ipBlock) || !(p.ipBlock.cidr in " + everywhere + ") || (has(p.ipBlock.except) && p.ipBlock.except.exists(x, x.startsWith('169.254.') || x.startsWith('fe80:')))))",
				"spec.egress leads to everything, the cluster and its metadata included",
			},
		},
	}
}

package guard

import (
	admissionv1 "k8s.io/api/admissionregistration/v1"
)

// policies are all of them, sorted by name: the same on every cluster.
func (w *writers) policies() []policy {
	return sortByName([]policy{
		kustomizations(), helmReleases(), otherAppliers(), fluxAppliers(), fluxHelmReleases(),
		sources(), buckets(), sourceStatus(), fluxSources(), images(),
		alerts(), receivers(), providers(),
		w.platformObjects(), w.namespaceObjects(), w.bindings(), w.wideBindings(), w.networkPolicies(),
		ingresses(), ingressAnnotations(), routes(), crossings(), services(), claims(), places(), tokens(), cloudAccounts(),
		monitors(), proxyRoutes(),
	})
}

// variables of the policies about appliers.
func applierVariables() []admissionv1.Variable {
	return []admissionv1.Variable{known(), its(), {Name: "mark", Expression: "'kustomize.toolkit.fluxcd.io/'"}}
}

// applierChecks hold for Kustomizations and Helm releases alike.
func applierChecks() []check {
	return []check{
		{
			[]string{"IMP-001", "IMP-003", "IMP-005", "NST-001", "NST-002", "NST-006"},
			"has(object.spec.serviceAccountName) && request.namespace + '/' + object.spec.serviceAccountName in " + listed("variables.tenant", "accounts"),
			"spec.serviceAccountName names none of the accounts that the platform made for appliers of this namespace",
		},
		{
			[]string{"RMT-001", "RMT-002", "RMT-005"},
			"!has(object.spec.kubeConfig)",
			"spec.kubeConfig is the platform's: a tenant does not choose its cluster",
		},
		{
			[]string{"REF-002"},
			"!has(object.spec.dependsOn) || object.spec.dependsOn.all(d, !has(d.namespace) || d.namespace == request.namespace)",
			"spec.dependsOn names an object of another namespace",
		},
		{
			[]string{"REF-003"},
			"!has(object.spec.dependsOn) || object.spec.dependsOn.all(d, !has(d.readyExpr))",
			"spec.dependsOn has a readyExpr, by which the controller reads for the tenant",
		},
		{
			[]string{"HLM-001", "NSB-003"},
			"!has(object.spec.targetNamespace) || object.spec.targetNamespace in variables.tenant.namespaces",
			"spec.targetNamespace is none of the tenant's namespaces",
		},
		{
			[]string{"OWN-002"},
			"!has(object.spec.commonMetadata) || ((!has(object.spec.commonMetadata.annotations) || object.spec.commonMetadata.annotations.all(k, !k.startsWith(variables.mark))) &&\n" +
				"(!has(object.spec.commonMetadata.labels) || object.spec.commonMetadata.labels.all(k, !k.startsWith(variables.mark))))",
			"spec.commonMetadata puts marks for kustomize-controller on what is applied",
		},
	}
}

func kustomizations() policy {
	return policy{
		name: "bulkhead-kustomizations", why: "Whose name a tenant's Kustomization is applied in, where it applies to, and what it refers to.",
		on: typed("kustomize.toolkit.fluxcd.io", "v1", writes(), "kustomizations"), conditions: specChanged(), in: ofTenantsAndFlux,
		variables: append(applierVariables(), admissionv1.Variable{Name: "platform", Expression: "request.namespace in " + listed("variables.tenant", "flux")}),
		checks: append(
			applierChecks(),
			check{
				[]string{"REF-001"},
				"!has(object.spec.sourceRef.namespace) || object.spec.sourceRef.namespace == request.namespace",
				"spec.sourceRef names a source of another namespace",
			},
			check{
				[]string{"REF-004"},
				"!has(object.spec.healthChecks) || object.spec.healthChecks.all(h, !has(h.namespace) || h.namespace in variables.tenant.namespaces)",
				"spec.healthChecks looks at an object that is not the tenant's",
			},
			check{
				[]string{"SEC-001", "SEC-002"},
				"!has(object.spec.decryption) || has(object.spec.decryption.secretRef)",
				"spec.decryption names no key of its own, so that the controller's would be used",
			},
			check{
				[]string{"VAR-001", "VAR-002"},
				"!variables.platform || !has(object.spec.postBuild) || !has(object.spec.postBuild.substituteFrom) || object.spec.postBuild.substituteFrom.all(s, s.kind != 'Secret')",
				"spec.postBuild hands a Secret of the platform's namespace to the tenant's files",
			},
		),
	}
}

func helmReleases() policy {
	return policy{
		name: "bulkhead-helmreleases", why: "Whose name a tenant's Helm release is applied in, where it goes, and what it refers to.",
		on: typed("helm.toolkit.fluxcd.io", "v2", writes(), "helmreleases"), conditions: specChanged(), in: ofTenantsAndFlux,
		variables: applierVariables(),
		checks: append(
			applierChecks(),
			check{
				[]string{"HLM-002"},
				"!has(object.spec.storageNamespace) || object.spec.storageNamespace in variables.tenant.namespaces",
				"spec.storageNamespace is none of the tenant's namespaces",
			},
			check{
				[]string{"REF-001"},
				"(!has(object.spec.chart) || !has(object.spec.chart.spec.sourceRef.namespace) || object.spec.chart.spec.sourceRef.namespace == request.namespace) &&\n" +
					"(!has(object.spec.chartRef) || !has(object.spec.chartRef.namespace) || object.spec.chartRef.namespace == request.namespace)",
				"the chart is from a source of another namespace",
			},
			check{
				[]string{"HLM-006", "NSB-009"},
				"!has(object.spec.install) || !has(object.spec.install.createNamespace) || !object.spec.install.createNamespace",
				"spec.install.createNamespace: namespaces are made by the platform",
			},
			check{
				[]string{"HLM-004"},
				"(!has(object.spec.install) || !has(object.spec.install.crds) || object.spec.install.crds == 'Skip') &&\n" +
					"(!has(object.spec.upgrade) || !has(object.spec.upgrade.crds) || object.spec.upgrade.crds == 'Skip')",
				"spec.install.crds or spec.upgrade.crds: CustomResourceDefinitions are the platform's",
			},
		),
	}
}

// otherAppliers are kinds whose controllers write with rights of their own. What has no spec is compared as a whole.
func otherAppliers() policy {
	return policy{
		name: "bulkhead-appliers", why: "Kinds whose controllers apply, compose or forge for whoever writes them.",
		on: []admissionv1.NamedRuleWithOperations{
			on("fluxcd.controlplane.io", writes(), "*"), on("infra.contrib.fluxcd.io", writes(), "*"), on("source.extensions.fluxcd.io", writes(), "*"),
			on("source.toolkit.fluxcd.io", writes(), "externalartifacts"),
		},
		conditions: []admissionv1.MatchCondition{{
			Name: "spec-changes", Expression: "request.operation == 'CREATE' || has(object.spec) != has(oldObject.spec) || (has(object.spec) && object.spec != oldObject.spec)",
		}},
		in: ofTenants, variables: []admissionv1.Variable{known(), its()},
		checks: []check{{
			[]string{"CTL-007", "CTL-012", "DEL-001", "NST-001", "OPR-001", "OPR-002", "OPR-003", "OPR-004", "OPR-005"},
			"request.kind.group + '/' + request.kind.kind in " + listed("variables.tenant", "operatorKinds"),
			"the kind is the platform's, and not in operatorKinds of the contract: its controller would act for the tenant",
		}},
	}
}

// fluxAppliers guards the platform's own namespace: what a tenant's source feeds there must have the tenant's account.
func fluxAppliers() policy {
	return policy{
		name: "bulkhead-flux-kustomizations", why: "Kustomizations in Flux's own namespace that no account holds back, or that apply a tenant's files with another's.",
		on: typed("kustomize.toolkit.fluxcd.io", "v1", writes(), "kustomizations"), conditions: specChanged(), in: fluxNamespace,
		variables: []admissionv1.Variable{
			known(),
			{Name: "account", Expression: "has(object.spec.serviceAccountName) ? object.spec.serviceAccountName : ''"},
			{Name: "article", Expression: "[object.metadata.name, object.spec.sourceRef.name].filter(n, variables.tenants.exists(t, n in " + listed("t", "article") + "))"},
		},
		checks: []check{
			{
				[]string{"IMP-001", "IMP-003"},
				"variables.account != '' || object.spec.sourceRef.name == '" + fluxNamespace + "' || has(object.spec.kubeConfig)",
				"spec.serviceAccountName is not set, and the source is not the fleet's own: it would be applied as the controller",
			},
			{
				[]string{"IMP-004", "IMP-006", "IMP-008", "NST-002"},
				"variables.article.all(a, a == variables.account)",
				"the Kustomization applies files of a tenant, and spec.serviceAccountName is not that tenant's account",
			},
			{
				[]string{"IMP-006", "REF-001"},
				"!has(object.spec.sourceRef.namespace) || !" + everybodys("object.spec.sourceRef.namespace"),
				"spec.sourceRef names a source in a namespace of a tenant",
			},
		},
	}
}

func fluxHelmReleases() policy {
	return policy{
		name: "bulkhead-flux-helmreleases", why: "Helm releases in Flux's own namespace with charts that tenants decide.",
		on: typed("helm.toolkit.fluxcd.io", "v2", writes(), "helmreleases"), conditions: specChanged(), in: fluxNamespace,
		variables: []admissionv1.Variable{known()},
		checks: []check{{
			[]string{"IMP-006", "REF-001"},
			"(!has(object.spec.chart) || !has(object.spec.chart.spec.sourceRef.namespace) || !" + everybodys("object.spec.chart.spec.sourceRef.namespace") + ") &&\n" +
				"(!has(object.spec.chartRef) || !has(object.spec.chartRef.namespace) || !" + everybodys("object.spec.chartRef.namespace") + ")",
			"the chart is from a source in a namespace of a tenant",
		}},
	}
}

package guard

import (
	admissionv1 "k8s.io/api/admissionregistration/v1"
)

const sourceGroup = "source.toolkit.fluxcd.io"

// within is whether an address, with a / at its end, is below one of the tenant's. What could lead out of it again is refused.
func within(address string) string {
	return "['..', '%', '\\\\', '?', '#'].all(odd, !" + address + ".contains(odd)) && variables.urls.exists(u, [u + '/', u + '.git/'].exists(below, " + address + ".startsWith(below)))"
}

func sourceVariables() []admissionv1.Variable {
	return []admissionv1.Variable{
		known(), its(),
		{Name: "urls", Expression: listed("variables.tenant", "repository") + " + " + listed("variables.tenant", "sources")},
		{Name: "own", Expression: "request.namespace in variables.tenant.namespaces"},
	}
}

// sources have a url. Fields that only some of the kinds have are read without a type.
func sources() policy {
	return policy{
		name: "bulkhead-sources", why: "Where a tenant's sources may fetch from: its repository, and what its contract lists.",
		on: typed(sourceGroup, "v1", writes(), "gitrepositories", "ocirepositories", "helmrepositories"), conditions: specChanged(), in: ofTenantsAndFlux,
		variables: append(
			sourceVariables(),
			admissionv1.Variable{Name: "address", Expression: "object.spec.url.endsWith('/') ? object.spec.url : object.spec.url + '/'"},
			admissionv1.Variable{Name: "spec", Expression: "dyn(object.spec)"},
		),
		checks: []check{
			{[]string{"IMG-001", "NST-004", "SEC-005", "SRC-005", "SRC-006"}, within("variables.address"), "spec.url is neither the tenant's repository nor below one of its contract's sourceURLs"},
			{
				[]string{"SRC-005"},
				"!(has(variables.spec.insecure) && variables.spec.insecure) && !(has(variables.spec.passCredentials) && variables.spec.passCredentials)",
				"the source would send or fetch over a connection that proves nothing",
			},
			{
				[]string{"SEC-007"},
				"!variables.own || !has(variables.spec.provider) || variables.spec.provider == 'generic' || has(variables.spec.serviceAccountName)",
				"spec.provider without spec.serviceAccountName: the source would use the cloud identity of the controller",
			},
			{
				[]string{"KUS-004", "NST-004", "SRC-007"},
				"!(has(variables.spec.recurseSubmodules) && variables.spec.recurseSubmodules)",
				"spec.recurseSubmodules fetches from addresses that the files decide",
			},
			{
				[]string{"SRC-002"},
				"!has(variables.spec.ref) || !has(variables.spec.ref.name) || ['refs/pull/', 'refs/merge-requests/', 'refs/changes/'].all(r, !variables.spec.ref.name.startsWith(r))",
				"spec.ref.name follows what nobody has merged",
			},
		},
	}
}

func buckets() policy {
	return policy{
		name: "bulkhead-buckets", why: "Which buckets a tenant's sources may fetch from: those below its contract's sourceURLs, as https://ENDPOINT/BUCKET/.",
		on: typed(sourceGroup, "v1", writes(), "buckets"), conditions: specChanged(), in: ofTenantsAndFlux,
		variables: append(
			sourceVariables(),
			admissionv1.Variable{Name: "address", Expression: "'https://' + object.spec.endpoint + '/' + object.spec.bucketName + '/'"},
		),
		checks: []check{
			{[]string{"NST-004", "SEC-005", "SRC-006"}, within("variables.address"), "spec.endpoint and spec.bucketName are not below one of the contract's sourceURLs"},
			{[]string{"SRC-005"}, "!has(object.spec.insecure) || !object.spec.insecure", "spec.insecure: the bucket would be read over a connection that proves nothing"},
			{
				[]string{"SEC-007"},
				"!variables.own || !has(object.spec.provider) || object.spec.provider == 'generic' || has(object.spec.serviceAccountName)",
				"spec.provider without spec.serviceAccountName: the source would use the cloud identity of the controller",
			},
		},
	}
}

// sourceStatus: who writes status.artifact of a source decides what its consumers apply.
//
// Source: source-controller v1.9.5, status.artifact has the URL and the digest that consumers trust.
func sourceStatus() policy {
	return policy{
		name: "bulkhead-source-status", why: "The status of sources says what is applied: only the controllers that fetch write it.",
		on: []admissionv1.NamedRuleWithOperations{
			on(sourceGroup, writes(), "*/status"), on("source.extensions.fluxcd.io", writes(), "*/status"),
		},
		in: ofTenantsAndFlux,
		checks: []check{{
			[]string{"CTL-007", "RBC-010"}, "request.userInfo.username in " + list(fluxUsers()), "the status of a source is written by source-controller and source-watcher only",
		}},
	}
}

// fluxUsers are the controllers that write the status of sources.
func fluxUsers() []string {
	return []string{user(fluxNamespace + "/source-controller"), user(fluxNamespace + "/source-watcher")}
}

func fluxSources() policy {
	return policy{
		name: "bulkhead-flux-sources", why: "A tenant's repository is not fetched beside the platform's secrets, but for tenants whose Flux objects are there.",
		on: typed(sourceGroup, "v1", writes(), "gitrepositories", "ocirepositories"), conditions: specChanged(), in: fluxNamespace,
		variables: []admissionv1.Variable{
			known(),
			{Name: "address", Expression: "(object.spec.url.endsWith('/') ? object.spec.url : object.spec.url + '/').lowerAscii()"},
		},
		checks: []check{{
			[]string{"IMP-006"},
			"variables.tenants.exists(t, object.metadata.name in " + listed("t", "article") + ") ||\n" +
				"!variables.tenants.exists(t, " + listed("t", "repository") + ".exists(u, variables.address in [u.lowerAscii() + '/', u.lowerAscii() + '.git/']))",
			"spec.url is the repository of a tenant, whose Flux objects have a namespace of their own",
		}},
	}
}

// images are the kinds of image automation, which share no field.
func images() policy {
	return policy{
		name: "bulkhead-images", why: "What image automation of a tenant may read, and that it writes to the tenant's own repository only.",
		on:         []admissionv1.NamedRuleWithOperations{on("image.toolkit.fluxcd.io", writes(), "imagerepositories", "imagepolicies", "imageupdateautomations")},
		conditions: specChanged(), in: ofTenantsAndFlux,
		variables: []admissionv1.Variable{
			known(), its(), {Name: "spec", Expression: "dyn(object.spec)"},
		},
		checks: []check{
			{
				[]string{"IMG-001", "REF-001"},
				"(!has(variables.spec.sourceRef) || !has(variables.spec.sourceRef.namespace) || variables.spec.sourceRef.namespace == request.namespace) &&\n" +
					"(!has(variables.spec.imageRepositoryRef) || !has(variables.spec.imageRepositoryRef.namespace) || variables.spec.imageRepositoryRef.namespace == request.namespace)",
				"the object refers to another namespace",
			},
			{[]string{"IMG-003"}, "!has(variables.spec.git) || !has(variables.spec.git.push) || !has(variables.spec.git.push.refspec)", "spec.git.push.refspec pushes to more than a branch"},
			{[]string{"REF-007"}, "!has(variables.spec.accessFrom)", "spec.accessFrom lets other namespaces in"},
			{
				[]string{"SRC-006"},
				"!has(variables.spec.image) || " + listed("variables.tenant", "registries") + ".exists(r, (variables.spec.image + '/').startsWith(r))",
				"spec.image is not below one of the contract's registries",
			},
		},
	}
}

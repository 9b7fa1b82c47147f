package rule

import (
	"slices"

	"github.com/bulkhead-dev/bulkhead/finding"
)

// networkRules are about who may talk to whom, and who answers for a host.
func networkRules() []Rule { return slices.Concat(policyRules(), hostRules(), entryRules()) }

// policyRules are about connections between pods.
func policyRules() []Rule {
	return []Rule{
		{
			Rule: finding.Rule{
				ID: "NET-001", Level: finding.High, Title: "Nothing closes the network of a tenant's namespace",
				Why:  "Pods of every other tenant may connect to its pods, and its pods to all of theirs.",
				Hint: "add a NetworkPolicy of the hub that selects all pods and lets nothing through, or leave network.default of the document at Deny",
			},
			Boundary:    true,
			Unless:      "a cluster-wide policy of the network plugin closes it",
			Static:      absent,
			Source:      "Kubernetes v1.36: NetworkPolicy",
			compartment: networkOpen,
		},
		{
			Rule: finding.Rule{
				ID: "NET-002", Level: finding.High, Title: "A policy of a tenant undoes that of the platform",
				Why:  "Policies add up: what one lets through, no other can stop. Pods of other tenants reach these pods, or these reach what the platform closed, such as the cloud's metadata.",
				Hint: "name peers and ports; let who needs more ask for it in the Tenant document: network.ingress and network.egress",
			},
			Boundary: true,
			Unless:   "the pods are a public entry point, and the platform agreed",
			Source:   "Kubernetes v1.36: NetworkPolicy; Cilium v1.18 and Calico v3.30: their own policies",
			object:   policyOpens,
		},
	}
}

// hostRules are about the hosts that requests from outside are for.
func hostRules() []Rule {
	return []Rule{
		{
			Rule: finding.Rule{
				ID: "NET-003", Level: finding.High, Title: "Two claim one host",
				Why:  "Which of the two answers depends on their age or on chance. Who wins gets the requests that are meant for the other, with passwords and cookies.",
				Hint: "give each host one owner, and list it in the contract of that tenant only",
			},
			Boundary: true,
			Unless:   "the clusters are behind different DNS zones, or both agreed to share the host",
			Static:   "objects of several namespaces and clusters are compared",
			Source:   "Kubernetes v1.36: Ingress; Gateway API v1.4, Istio v1.27, Traefik v3, Contour v1.32, cert-manager v1.19, external-dns v0.19: where hosts are said",
			fleet:    hostCollisions,
		},
		{
			Rule: finding.Rule{
				ID: "NET-004", Level: finding.High, Title: "A host is missing, or outside the contract",
				Why:  "A route without a host, or with that of somebody else, takes requests that are not meant for the tenant.",
				Hint: "name a host of the contract, or let the platform extend it: spec.contract.hosts of the Tenant document",
			},
			Boundary:    true,
			Source:      "Kubernetes v1.36: Ingress; Gateway API v1.4: hostnames of routes and listeners",
			compartment: hostsOutside,
		},
	}
}

// entryRules are about the ways into a namespace and out of it.
func entryRules() []Rule {
	return []Rule{
		{
			Rule: finding.Rule{
				ID: "NET-005", Level: finding.High, Title: "An Ingress configures its controller, or is of a class that is not the tenant's",
				Why:  "The controller serves all tenants. A piece of its configuration, or a Secret of another namespace, in an annotation of one of them reads the requests and the keys of all.",
				Hint: "remove the annotation, and switch snippets off in the controller",
			},
			Boundary: true,
			Source:   "ingress-nginx v1.14, NGINX Ingress Controller v5, HAProxy ingress v0.15: annotations; CVE-2021-25742; Gateway API v1.4: gatewayClassName",
			object:   ingressAnnotations,
		},
		{
			Rule: finding.Rule{
				ID: "NET-006", Level: finding.Medium, Title: "A Service reaches out of its namespace",
				Why:  "A load balancer or a node port is an entry past the platform's. A name or an address of others makes their service look like the tenant's, also to a controller that may connect to it.",
				Hint: "use a ClusterIP with a selector behind the platform's gateway",
			},
			Boundary: true,
			Unless:   "the entry point is declared: its quota allows load balancers or node ports",
			Source:   "Kubernetes v1.36: Service, EndpointSlice; CVE-2020-8554, CVE-2021-25740",
			object:   serviceExposed,
		},
		{
			Rule: finding.Rule{
				ID: "NET-007", Level: finding.Medium, Title: "A route or a grant crosses into another namespace",
				Why:  "Who may name the tenant's Service, or attach to its Gateway, from outside gets what is behind it; a route to a foreign Service carries the tenant's traffic to it.",
				Hint: "select namespaces by kubernetes.io/metadata.name, name the target of a grant, and route to the tenant's own Services",
			},
			Boundary: true,
			Unless:   "the two tenants agreed to share what is named",
			Source:   "Gateway API v1.4: ReferenceGrant, allowedRoutes; Istio v1.27: hosts of a VirtualService; Traefik v3: allowCrossNamespace",
			object:   routeCrosses,
		},
	}
}

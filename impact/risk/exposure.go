package risk

import (
	"slices"

	"github.com/bulkhead-dev/bulkhead/finding"
)

// exposureRules are about what can be reached from where, and about what stands in the way.
func exposureRules() []rule {
	return slices.Concat(reachRules(), networkRules(), admissionRules())
}

func reachRules() []rule {
	return []rule{
		{Rule: finding.Rule{
			ID: "service-exposed", Severity: finding.Warning, Title: "A Service is reached from outside its cluster",
			Why: "A load balancer or a port of the nodes lets in whoever reaches that address. A load balancer that was internal, or open to some " +
				"addresses only, and no longer is, is an error.",
			Hint: "keep type ClusterIP behind an Ingress, an internal load balancer, or loadBalancerSourceRanges",
		}, change: serviceExposed},
		{Rule: finding.Rule{
			ID: "host-exposed", Severity: finding.Warning, Title: "A host name is served from outside",
			Why:  "Requests for the host reach the workload. One that takes all hosts also gets those that nobody else serves, and is an error.",
			Hint: "see that the host is meant to be public, and that it is nobody else's",
		}, change: hostExposed},
		{Rule: finding.Rule{
			ID: "tls-removed", Severity: finding.Error, Title: "A host is no longer served with TLS",
			Why:  "What is sent to the host, passwords and tokens too, may be read and changed on the way; clients that insist on TLS fail.",
			Hint: "keep TLS for the host",
		}, change: tlsRemoved},
		{Rule: finding.Rule{
			ID: "gateway-opened", Severity: finding.Warning, Title: "A Gateway accepts routes of more namespaces",
			Why:  "Whoever may write routes in those namespaces may serve hosts of the Gateway.",
			Hint: "select the namespaces in allowedRoutes by label",
		}, change: gatewayOpened},
	}
}

func networkRules() []rule {
	n := networks{}
	return []rule{
		{Rule: finding.Rule{
			ID: "networkpolicy-removed", Severity: finding.Error, Title: "A policy for the network is deleted",
			Why: "Pods that no NetworkPolicy selects accept everything, and may connect to everything. When others still hold for all " +
				"the pods of the policy, nothing is said.",
			Hint: "put the new policy in place first, and delete this one with a later change",
		}, change: n.policyRemoved},
		{Rule: finding.Rule{
			ID: "networkpolicy-loosened", Severity: finding.Warning, Title: "A NetworkPolicy lets more through",
			Why: "What is reached more is compared, not the text: peers, ports, and the pods that the policy holds for. That some pods are held by no policy " +
				"any longer, or that something is open to every peer, is an error.",
			Hint: "name the peers and ports that are needed",
		}, change: n.policyLoosened},
	}
}

func admissionRules() []rule {
	return []rule{
		{Rule: finding.Rule{
			ID: "admission-weakened", Severity: finding.Warning, Title: "Objects are no longer checked when they are written",
			Why: "A webhook or policy for admission refuses what must not be, such as privileged pods. When it is gone, only warns, or is passed over " +
				"on failure, such objects get in.",
			Hint: "keep it enforced, with failurePolicy Fail, and except namespaces one by one",
		}, change: admissionWeakened},
		{Rule: finding.Rule{
			ID: "quota-loosened", Severity: finding.Note, Title: "A quota or limit of a namespace is raised or gone",
			Why:  "The quota keeps one team from using up the cluster of all. One that is deleted is a warning.",
			Hint: "see that the cluster has room for the new limit",
		}, change: quotaLoosened},
	}
}

package risk

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// mostPolicies bounds how many policies of a namespace are looked at.
const mostPolicies = 500

// networks are the NetworkPolicies of a namespace on a cluster but one.
func networks(c *render.Cluster, but object.ID) []network {
	if c == nil {
		return nil
	}
	var out []network
	for o := range c.Objects.All() {
		if o.ID.Group == but.Group && o.ID.Kind == but.Kind && o.ID.Namespace == but.Namespace && o.ID != but && len(out) < mostPolicies {
			out = append(out, networkOf(body(o)))
		}
	}
	return out
}

// otherPolicies are kinds of policies for the network that are not computed.
func otherPolicies(id object.ID) bool {
	return slices.Contains([]string{
		"cilium.io/CiliumNetworkPolicy", "cilium.io/CiliumClusterwideNetworkPolicy", "policy.networking.k8s.io/AdminNetworkPolicy",
		"policy.networking.k8s.io/BaselineAdminNetworkPolicy", "policy.networking.k8s.io/ClusterNetworkPolicy", "projectcalico.org/NetworkPolicy",
		"projectcalico.org/GlobalNetworkPolicy", "crd.projectcalico.org/NetworkPolicy", "crd.projectcalico.org/GlobalNetworkPolicy",
		"security.istio.io/AuthorizationPolicy", "security.istio.io/PeerAuthentication",
	}, id.Group+"/"+id.Kind)
}

func policyRemoved(x *context, ch *impact.Change) []Risk {
	if ch.Kind != impact.Removed || ch.Fate == impact.Orphaned || x.goneWith(ch) {
		return nil
	}
	if otherPolicies(ch.ID) {
		k := told(ch, "", "%s is deleted: what it kept apart is not computed here", called(ch))
		k.Severity = finding.Warning
		return []Risk{k}
	}
	if !isKind(ch, "networking.k8s.io", "NetworkPolicy") {
		return nil
	}
	before := networkOf(body(ch.Before))
	l := loosen(&before, nil, nil, networks(x.after, ch.ID))
	if len(l.open) == 0 {
		return nil
	}
	return []Risk{told(ch, "", "%s is deleted, and no other policy that is rendered holds for all its pods: %s", called(ch), openTo(l.open))}
}

// openTo is what pods are open to that no policy holds for.
func openTo(directions []string) string {
	var does []string
	for _, d := range directions {
		does = append(does, map[string]string{"ingress": "come in", "egress": "go out"}[d])
	}
	return "anything may " + strings.Join(does, " and ")
}

func policyLoosened(x *context, ch *impact.Change) []Risk {
	if !isKind(ch, "networking.k8s.io", "NetworkPolicy") || ch.After == nil {
		return nil
	}
	var before *network
	if ch.Before != nil {
		n := networkOf(body(ch.Before))
		before = &n
	}
	after := networkOf(body(ch.After))
	l := loosen(before, &after, networks(x.before, ch.ID), networks(x.after, ch.ID))
	var out []Risk
	if len(l.open) > 0 {
		k := told(ch, "spec", "%s no longer holds for all the pods that it did: for some %s, unless another policy holds", called(ch), openTo(l.open))
		k.Severity = finding.Error
		out = append(out, k)
	}
	for _, direction := range []string{"ingress", "egress"} {
		flows := l.flows[direction]
		if len(flows) == 0 {
			continue
		}
		var words []string
		far := false
		for _, f := range flows {
			words = append(words, f.String(direction))
			far = far || f.peer.far()
		}
		k := told(ch, "spec."+direction, "%s also lets %s", called(ch), few(slices.Compact(words)))
		switch {
		case far && ch.Before != nil:
			k.Severity = finding.Error
		case !far && ch.Before == nil:
			k.Severity = finding.Note // what a new workload needs
		}
		out = append(out, k)
	}
	return out
}

// far reports whether a peer is everybody.
func (p peer) far() bool {
	return p.all || p.block.IsValid() && p.block.Bits() == 0 || !p.own && !p.block.IsValid() && !p.odd && len(p.namespaces)+len(p.pods) == 0
}

// String is a flow in words: "in from every peer on TCP 80".
func (f flow) String(direction string) string {
	way := map[string]string{"ingress": "in from ", "egress": "out to "}[direction]
	p := f.peer
	switch {
	case p.all:
		way += "every peer"
	case p.block.IsValid():
		way += p.block.String()
	case p.odd:
		way += "a peer that cannot be read"
	case p.own && len(p.pods) == 0:
		way += "all pods of its namespace"
	case p.own:
		way += "other pods of its namespace"
	case len(p.namespaces) == 0 && len(p.pods) == 0:
		way += "all pods of all namespaces"
	case len(p.namespaces) == 0:
		way += "some pods of all namespaces"
	default:
		way += "pods of other namespaces"
	}
	switch q := f.port; {
	case q.protocol == "":
	case q.name != "":
		way += " on " + clip(plain(q.protocol+" "+q.name), mostValue)
	case q.first == 0 && q.last == 65535:
		way += " on " + clip(plain(q.protocol), mostValue)
	case q.first == q.last:
		way += fmt.Sprintf(" on %s %d", clip(plain(q.protocol), mostValue), q.first)
	default:
		way += fmt.Sprintf(" on %s %d to %d", clip(plain(q.protocol), mostValue), q.first, q.last)
	}
	return way
}

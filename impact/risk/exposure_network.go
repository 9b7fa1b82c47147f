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
const mostPolicies = 5000

// networks are the NetworkPolicies that are rendered for clusters, by namespace: each is read once.
type networks map[*render.Cluster]map[string][]named

// named is a NetworkPolicy with its name.
type named struct {
	name string
	network
}

// besides are the policies of a namespace on a cluster but one; none for nil.
func (n networks) besides(c *render.Cluster, but object.ID) []network {
	if c == nil {
		return nil
	}
	if n[c] == nil {
		n[c] = map[string][]named{}
		for o := range c.Objects.All() {
			if o.ID.Group == "networking.k8s.io" && o.ID.Kind == "NetworkPolicy" && len(n[c][o.ID.Namespace]) < mostPolicies {
				n[c][o.ID.Namespace] = append(n[c][o.ID.Namespace], named{o.ID.Name, networkOf(body(o))})
			}
		}
	}
	var out []network
	for _, p := range n[c][but.Namespace] {
		if p.name != but.Name {
			out = append(out, p.network)
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

func (n networks) policyRemoved(x *context, ch *impact.Change) []Risk {
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
	l := loosen(&before, nil, nil, n.besides(x.after, ch.ID))
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

func (n networks) policyLoosened(x *context, ch *impact.Change) []Risk {
	if !isKind(ch, "networking.k8s.io", "NetworkPolicy") || ch.After == nil {
		return nil
	}
	var before *network
	if ch.Before != nil {
		p := networkOf(body(ch.Before))
		before = &p
	}
	after := networkOf(body(ch.After))
	l := loosen(before, &after, n.besides(x.before, ch.ID), n.besides(x.after, ch.ID))
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

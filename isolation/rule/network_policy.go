package rule

import (
	"fmt"
	"net/netip"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
)

const networkingGroup = "networking.k8s.io"

// otherPolicies are those of network plugins and for administrators, which are not read: they may close a namespace as well.
var otherPolicies = []struct{ group, kind string }{ //nolint:gochecknoglobals // a constant table
	{"cilium.io", "CiliumClusterwideNetworkPolicy"},
	{"cilium.io", "CiliumNetworkPolicy"},
	{"projectcalico.org", "GlobalNetworkPolicy"},
	{"crd.projectcalico.org", "GlobalNetworkPolicy"},
	{"projectcalico.org", "NetworkPolicy"},
	{"crd.projectcalico.org", "NetworkPolicy"},
	{"policy.networking.k8s.io", "AdminNetworkPolicy"},
	{"policy.networking.k8s.io", "BaselineAdminNetworkPolicy"},
	{"policy.networking.k8s.io", "ClusterNetworkPolicy"},
	{"crd.antrea.io", "ClusterNetworkPolicy"},
}

func networkOpen(_ *Context, p *estate.Compartment) (out []Found) {
	for _, ns := range p.Namespaces {
		ingress, egress := closed(p.Cluster, ns)
		if ingress && egress {
			continue
		}
		s := p.SettingsOf(ns)
		says := s != nil && !p.Tenant.Inferred
		switch {
		case says && s.Network.Default == v1alpha1.Allow:
			f := missing(p, networkingGroup, "NetworkPolicy", ns, fmt.Sprintf("namespace %s of tenant %s has an open network: its document says network.default: Allow", ns, p.Tenant.Name))
			f.Level = finding.Medium
			out = append(out, f)
			continue
		case ingress && !says:
			continue // that egress is closed, too, is for a document to say
		}
		message := fmt.Sprintf("namespace %s of tenant %s has no NetworkPolicy of the platform that closes it for connections from others", ns, p.Tenant.Name)
		if ingress {
			message = fmt.Sprintf("namespace %s of tenant %s has no NetworkPolicy of the platform that closes it for connections to others", ns, p.Tenant.Name)
		}
		f := missing(p, networkingGroup, "NetworkPolicy", ns, message)
		if ingress {
			f.Level = finding.Medium
		}
		if o := otherPolicy(p.Cluster, ns); o != nil && !f.Unproven {
			f.Unproven, f.Message = true, fmt.Sprintf("%s; whether %s does is not known", message, brief(o))
		}
		out = append(out, f)
	}
	return out
}

// closed reports whether a policy of the platform selects all pods of a namespace and lets less than everything through.
func closed(c *estate.Cluster, namespace string) (ingress, egress bool) {
	for _, o := range guards(c, networkingGroup, "NetworkPolicy", namespace) {
		var n networkingv1.NetworkPolicy
		if !o.Into(&n) || len(n.Spec.PodSelector.MatchLabels)+len(n.Spec.PodSelector.MatchExpressions) > 0 {
			continue
		}
		in, out := directions(&n.Spec)
		ingress = ingress || in && !slices.ContainsFunc(n.Spec.Ingress, func(r networkingv1.NetworkPolicyIngressRule) bool { return len(r.From)+len(r.Ports) == 0 })
		egress = egress || out && !slices.ContainsFunc(n.Spec.Egress, func(r networkingv1.NetworkPolicyEgressRule) bool { return len(r.To)+len(r.Ports) == 0 })
	}
	return ingress, egress
}

// directions that a policy is about.
//
// Source: Kubernetes v1.36, the defaults of spec.policyTypes.
func directions(s *networkingv1.NetworkPolicySpec) (ingress, egress bool) {
	if len(s.PolicyTypes) == 0 {
		return true, len(s.Egress) > 0
	}
	return slices.Contains(s.PolicyTypes, networkingv1.PolicyTypeIngress), slices.Contains(s.PolicyTypes, networkingv1.PolicyTypeEgress)
}

// otherPolicy is one of the platform's that may close the namespace, but that is not read here; nil for none.
func otherPolicy(c *estate.Cluster, namespace string) *estate.Object {
	for _, kind := range otherPolicies {
		for _, o := range c.Kind(kind.group, kind.kind) {
			if o.Tenant == nil && (o.ID.Namespace == "" || o.ID.Namespace == namespace) {
				return o
			}
		}
	}
	return nil
}

func policyOpens(_ *Context, o *estate.Object) []Found {
	if o.Tenant == nil {
		return nil
	}
	if o.Is(networkingGroup, "NetworkPolicy") {
		return networkPolicyOpens(o)
	}
	for _, kind := range otherPolicies {
		if o.Is(kind.group, kind.kind) {
			return pluginPolicyOpens(o)
		}
	}
	return nil
}

func networkPolicyOpens(o *estate.Object) (out []Found) {
	if p := o.Compartment(); p != nil {
		if s := p.SettingsOf(o.ID.Namespace); s != nil && !p.Tenant.Inferred && s.Network.Default == v1alpha1.Allow {
			return nil // there is nothing to undo
		}
	}
	var n networkingv1.NetworkPolicy
	if !o.Into(&n) {
		return nil
	}
	say := func(field, format string, args ...any) {
		out = append(out, Found{Field: field, Message: fmt.Sprintf("%s of tenant %s lets pods %s", brief(o), o.Tenant.Name, fmt.Sprintf(format, args...))})
	}
	in, eg := directions(&n.Spec)
	for i, r := range n.Spec.Ingress {
		if what := wide(r.From, true); in && what != "" {
			say(fmt.Sprintf("spec.ingress[%d]", i), "be reached from %s", what)
		}
	}
	for i, r := range n.Spec.Egress {
		if what := wide(r.To, false); eg && what != "" {
			say(fmt.Sprintf("spec.egress[%d]", i), "reach %s", what)
		}
	}
	return out
}

// metadataServices are where clouds hand out the identities of nodes.
var metadataServices = []netip.Addr{netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("fd00:ec2::254")} //nolint:gochecknoglobals // a constant list

// wide says whom peers stand for when that is everybody; "" when it is not. Egress to the world is what many need: it is wide when the metadata
// service of the cloud is in it.
func wide(peers []networkingv1.NetworkPolicyPeer, ingress bool) string {
	if len(peers) == 0 {
		return "everywhere"
	}
	for i := range peers {
		peer := &peers[i]
		if everyNamespace(peer.NamespaceSelector) {
			return "every namespace"
		}
		if peer.IPBlock == nil {
			continue
		}
		block, err := netip.ParsePrefix(peer.IPBlock.CIDR)
		switch {
		case err != nil:
		case ingress && block.Bits() <= 1 && len(peer.IPBlock.Except) == 0:
			return "every address"
		case !ingress:
			for _, address := range metadataServices {
				if block.Contains(address) && !excepted(peer.IPBlock.Except, address) {
					return "the metadata service of the cloud, " + address.String()
				}
			}
		}
	}
	return ""
}

func excepted(except []string, address netip.Addr) bool {
	return slices.ContainsFunc(except, func(cidr string) bool {
		block, err := netip.ParsePrefix(cidr)
		return err == nil && block.Contains(address)
	})
}

// everyNamespace reports whether a selector is set and asks for nothing that a namespace may lack.
func everyNamespace(s *metav1.LabelSelector) bool {
	if s == nil || len(s.MatchLabels) > 0 {
		return false
	}
	return !slices.ContainsFunc(s.MatchExpressions, func(e metav1.LabelSelectorRequirement) bool {
		return e.Operator == metav1.LabelSelectorOpIn || e.Operator == metav1.LabelSelectorOpExists && e.Key != "kubernetes.io/metadata.name"
	})
}

// pluginPolicyOpens reads what a plugin's policy lets through. One of the whole cluster is none of a tenant's.
func pluginPolicyOpens(o *estate.Object) (out []Found) {
	if o.ID.Namespace == "" {
		return one(Found{Message: fmt.Sprintf("tenant %s brings %s, which holds for the whole cluster", o.Tenant.Name, brief(o))})
	}
	say := func(field string) {
		out = append(out, Found{Field: field, Message: fmt.Sprintf("%s of tenant %s lets everybody through", brief(o), o.Tenant.Name)})
	}
	for _, d := range []struct{ list, entities, cidr, calico string }{
		{"ingress", "fromEntities", "fromCIDR", "source"}, {"egress", "toEntities", "toCIDR", "destination"},
	} {
		for i, r := range estate.List(o.Body().Map(), "spec", d.list) {
			at := fmt.Sprintf("spec.%s[%d]", d.list, i)
			open := slices.ContainsFunc(append(estate.Texts(r, d.entities), estate.Texts(r, d.cidr)...), func(s string) bool {
				return slices.Contains([]string{"all", "cluster", "world", "0.0.0.0/0", "::/0"}, s)
			})
			peer, _ := r[d.calico].(map[string]any)
			if open || o.ID.Group != "cilium.io" && estate.Text(r, "action") == "Allow" && len(peer) == 0 {
				say(at)
			}
		}
	}
	return out
}

package risk

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
)

// reach is from how far a Service is reached.
type reach int

const (
	fromCluster reach = iota
	fromNodes         // whoever reaches a node
	fromInside        // by an internal load balancer
	fromOutside
)

// reachOf is that of a Service, nil for none.
func reachOf(o *object.Object) reach {
	switch text(body(o), "spec", "type") {
	case "NodePort":
		return fromNodes
	case "LoadBalancer":
		if internal(o) {
			return fromInside
		}
		return fromOutside
	}
	return fromCluster
}

// internal reports whether an annotation makes a load balancer internal. The clouds spell it in many ways:
// aws-load-balancer-scheme: internal, azure-load-balancer-internal: "true", networking.gke.io/load-balancer-type: Internal.
func internal(o *object.Object) bool {
	for name, v := range dict(body(o), "metadata", "annotations") {
		s, _ := v.(string)
		name, s = strings.ToLower(name), strings.ToLower(s)
		if !strings.Contains(name, "load-balancer") && !strings.Contains(name, "loadbalancer") {
			continue
		}
		if slices.Contains([]string{"internal", "intranet", "private"}, s) || strings.Contains(name, "internal") && (s == "true" || s == "0.0.0.0/0") {
			return true
		}
	}
	return false
}

// sourceRanges are the addresses that a load balancer lets in, so many at most; none for all.
func sourceRanges(o *object.Object, most int) []netip.Prefix {
	all := texts(body(o), "spec", "loadBalancerSourceRanges")
	if len(all) == 0 {
		all = strings.Split(text(body(o), "metadata", "annotations", "service.beta.kubernetes.io/load-balancer-source-ranges"), ",")
	}
	var out []netip.Prefix
	for _, s := range all {
		if p, err := netip.ParsePrefix(strings.TrimSpace(s)); err == nil && len(out) < most {
			out = append(out, p.Masked())
		}
	}
	return out
}

func serviceExposed(_ *context, ch *impact.Change) []Risk {
	if !isKind(ch, "", "Service") || ch.After == nil || opaque(text(body(ch.After), "spec", "type")) {
		return nil
	}
	var out []Risk
	was, is := reachOf(ch.Before), reachOf(ch.After)
	switch {
	case is <= was:
	case is == fromNodes:
		out = append(out, told(ch, "spec.type", "%s is reached on a port of every node: its type is NodePort", called(ch)))
	case is == fromInside:
		out = append(out, told(ch, "spec.type", "%s gets an internal load balancer", called(ch)))
	case was == fromInside:
		k := told(ch, "metadata.annotations", "the load balancer of %s is no longer internal: it is reached from outside", called(ch))
		k.Severity = finding.Error
		out = append(out, k)
	default:
		out = append(out, told(ch, "spec.type", "%s gets a load balancer that is reached from outside", called(ch)))
	}
	if k, opened := rangesOpened(ch); opened && was >= fromInside && is >= fromInside {
		out = append(out, k)
	}
	if more := missing(texts(body(ch.After), "spec", "externalIPs"), texts(body(ch.Before), "spec", "externalIPs")); len(more) > 0 {
		out = append(out, told(ch, "spec.externalIPs", "%s takes traffic for the addresses %s on every node", called(ch), shownFew(ch, more)))
	}
	return out
}

// rangesOpened compares the addresses that the load balancer of a Service lets in.
func rangesOpened(ch *impact.Change) (Risk, bool) {
	was, is := sourceRanges(ch.Before, mostDemands), sourceRanges(ch.After, mostFlows)
	const field = "spec.loadBalancerSourceRanges"
	if len(was) == 0 {
		return Risk{}, false
	}
	if len(is) == 0 {
		k := told(ch, field, "the load balancer of %s lets in every address: it named %s", called(ch), plural(len(was), "range"))
		k.Severity = finding.Error
		return k, true
	}
	var more []string
	for _, p := range is {
		if !slices.ContainsFunc(was, func(w netip.Prefix) bool { return inside(p, w) }) {
			more = append(more, p.String())
		}
	}
	if len(more) == 0 {
		return Risk{}, false
	}
	k := told(ch, field, "the load balancer of %s also lets in %s", called(ch), shownFew(ch, more))
	if slices.ContainsFunc(is, func(p netip.Prefix) bool { return p.Bits() == 0 }) {
		k.Severity = finding.Error
	}
	return k, true
}

package risk

import (
	"cmp"
	"net/netip"
	"slices"
)

// network is a NetworkPolicy: which pods of its namespace it holds for, and what it lets through. Nil
// rules of a direction that it isolates let nothing through.
//
// Source: k8s.io/api v0.36.4 networking/v1 types.go.
type network struct {
	pods     []demand
	isolates map[string]bool // by direction, "ingress" or "egress"
	lets     map[string][]flow
}

// flow is traffic that is let through: to or from one peer, on one port.
type flow struct {
	peer peer
	port port
}

// peer is the other side of a flow.
type peer struct {
	all bool
	// block and but are of an ipBlock.
	block netip.Prefix
	but   []netip.Prefix
	// own says that only pods of the policy's namespace are meant; else those that namespaces select.
	own              bool
	namespaces, pods []demand
	// odd is true of what is no peer: it is neither within another nor beyond one.
	odd bool
}

// port is one port or a range, with no protocol for all of them.
type port struct {
	protocol    string
	name        string
	first, last int64
}

// mostFlows bounds how many flows are read of one policy, and compared.
const mostFlows = 500

func networkOf(m map[string]any) network {
	n := network{pods: demands(dict(m, "spec", "podSelector")), isolates: map[string]bool{}, lets: map[string][]flow{}}
	types := texts(m, "spec", "policyTypes")
	n.isolates["ingress"] = len(types) == 0 || slices.Contains(types, "Ingress")
	n.isolates["egress"] = len(types) == 0 && len(list(m, "spec", "egress")) > 0 || slices.Contains(types, "Egress")
	for direction, side := range map[string]string{"ingress": "from", "egress": "to"} {
		for _, r := range list(m, "spec", direction) {
			r, _ := r.(map[string]any)
			peers, ports := []peer{{all: true}}, []port{{}}
			if l := list(r, side); len(l) > 0 {
				peers = mapped(l, peerOf)
			}
			if l := list(r, "ports"); len(l) > 0 {
				ports = mapped(l, portOf)
			}
			n.lets[direction] = append(n.lets[direction], flows(peers, ports, mostFlows-len(n.lets[direction]))...)
		}
	}
	return n
}

// flows are those from or to all peers on all ports, most of them at most: what is too much is one flow with a
// peer that cannot be read, which nothing covers.
func flows(peers []peer, ports []port, most int) []flow {
	var out []flow
	for _, p := range peers {
		for _, q := range ports {
			if len(out) >= most {
				return append(out, flow{peer: peer{odd: true}})
			}
			out = append(out, flow{p, q})
		}
	}
	return out
}

func mapped[T any](l []any, read func(map[string]any) T) []T {
	out := make([]T, 0, len(l))
	for _, e := range l {
		m, _ := e.(map[string]any)
		out = append(out, read(m))
	}
	return out
}

func peerOf(m map[string]any) peer {
	if block := dict(m, "ipBlock"); block != nil {
		p, err := netip.ParsePrefix(text(block, "cidr"))
		excepts := texts(block, "except")
		out := peer{block: p.Masked(), odd: err != nil || len(excepts) > mostDemands}
		for _, s := range excepts {
			if but, err := netip.ParsePrefix(s); err == nil {
				out.but = append(out.but, but.Masked())
			}
		}
		return out
	}
	namespaces, pods := dict(m, "namespaceSelector"), dict(m, "podSelector")
	return peer{own: namespaces == nil, namespaces: demands(namespaces), pods: demands(pods), odd: namespaces == nil && pods == nil}
}

func portOf(m map[string]any) port {
	p := port{protocol: cmp.Or(text(m, "protocol"), "TCP"), name: text(m, "port")}
	if n, ok := number(m, "port"); ok {
		p.first, p.last = n, n
		if end, ok := number(m, "endPort"); ok {
			p.last = end
		}
	} else if p.name == "" {
		p.last = 65535
	}
	return p
}

// covers reports whether all of other is sure to be in p.
func (p peer) covers(other peer) bool {
	switch {
	case p.all || other.all || p.odd || other.odd:
		return p.all && !other.odd
	case p.block.IsValid() || other.block.IsValid():
		if !inside(other.block, p.block) {
			return false
		}
		for _, but := range p.but {
			if but.Overlaps(other.block) && !slices.ContainsFunc(other.but, func(o netip.Prefix) bool { return inside(but, o) }) {
				return false
			}
		}
		return true
	case !among(other.pods, p.pods):
		return false
	case other.own:
		return p.own || len(p.namespaces) == 0
	}
	return !p.own && among(other.namespaces, p.namespaces)
}

func inside(a, b netip.Prefix) bool {
	return a.IsValid() && b.IsValid() && a.Bits() >= b.Bits() && b.Contains(a.Addr())
}

func (p port) covers(other port) bool {
	switch {
	case p.protocol == "" || other.protocol == "":
		return p.protocol == ""
	case p.protocol != other.protocol:
		return false
	case other.name != "":
		return p.name == other.name || p.name == "" && p.first == 0 && p.last == 65535
	}
	return p.name == "" && p.first <= other.first && other.last <= p.last
}

// holds reports whether n is sure to isolate, in a direction, all pods that these demands select.
func (n network) holds(direction string, pods []demand) bool {
	return n.isolates[direction] && among(pods, n.pods)
}

// loosened is what one policy lets through more after a change.
type loosened struct {
	// open are the directions in which pods that the policy isolated are no longer isolated at all.
	open []string
	// flows are what is let through and was not, by direction.
	flows map[string][]flow
}

// loosen compares one policy, nil where it does not exist, among the others of its namespace on each side. It
// never misses what is let through more, but may tell of flows that another policy, or a selector that is
// written in another way, lets through all along.
func loosen(before, after *network, othersBefore, othersAfter []network) loosened {
	l := loosened{flows: map[string][]flow{}}
	for _, direction := range []string{"ingress", "egress"} {
		if before != nil && before.isolates[direction] {
			still := othersAfter
			if after != nil {
				still = append(slices.Clone(still), *after)
			}
			if !slices.ContainsFunc(still, func(n network) bool { return n.holds(direction, before.pods) }) {
				l.open = append(l.open, direction)
			}
		}
		if after == nil || !after.isolates[direction] {
			continue
		}
		was := othersBefore
		if before != nil {
			was = append(slices.Clone(was), *before)
		}
		if more := grown(direction, *after, was); len(more) > 0 {
			l.flows[direction] = more
		}
	}
	return l
}

// grown are the flows of a policy that are let through for its pods and were not by those before. There are
// none when no policy can have isolated any of its pods.
func grown(direction string, after network, before []network) []flow {
	var had []flow
	isolated := false
	for _, b := range before {
		if !b.isolates[direction] || apart(b.pods, after.pods) {
			continue
		}
		isolated = true
		if among(after.pods, b.pods) {
			had = append(had, b.lets[direction]...)
		}
	}
	if !isolated {
		return nil
	}
	weight := 0
	for _, h := range had {
		weight += h.peer.weight()
	}
	var more []flow
	left := mostWork
	for _, f := range after.lets[direction] {
		left -= weight * f.peer.weight()
		if left < 0 || !slices.ContainsFunc(had, func(h flow) bool { return h.port.covers(f.port) && h.peer.covers(f.peer) }) {
			more = append(more, f)
		}
	}
	return more
}

// mostWork bounds the comparison of flows.
const mostWork = 1 << 25

// weight is what a peer costs to compare.
func (p peer) weight() int {
	n := 1 + len(p.but)
	for _, d := range slices.Concat(p.namespaces, p.pods) {
		n += 1 + len(d.values)
	}
	return n
}

// apart reports whether nothing can meet both.
func apart(a, b []demand) bool {
	if len(a) > mostDemands || len(b) > mostDemands {
		return false
	}
	for _, x := range a {
		for _, y := range b {
			if x.key != y.key {
				continue
			}
			none := x.operator == "DoesNotExist" && (y.operator == "In" || y.operator == "Exists") ||
				y.operator == "DoesNotExist" && (x.operator == "In" || x.operator == "Exists")
			both := x.operator == "In" && y.operator == "In" && !slices.ContainsFunc(x.values, func(v string) bool { return slices.Contains(y.values, v) })
			if none || both {
				return true
			}
		}
	}
	return false
}

package risk

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The pods, peers and ports that policies are asked for: each pod has one of the values of two labels, or none.
var (
	somePods  = podsOf("", "1", "2")
	somePorts = []struct {
		protocol, name string
		number         int64
	}{{"TCP", "", 80}, {"TCP", "", 81}, {"UDP", "", 80}, {"TCP", "web", 0}, {"SCTP", "", 9}}
	someAddresses = []string{"10.0.0.1", "10.0.1.1", "10.1.0.1", "192.0.2.1"}
)

func podsOf(values ...string) (out []map[string]string) {
	for _, a := range values {
		for _, b := range values {
			pod := map[string]string{}
			if a != "" {
				pod["a"] = a
			}
			if b != "" {
				pod["b"] = b
			}
			out = append(out, pod)
		}
	}
	return out
}

// somebody is the other side of some traffic: an address, or a pod of this or another namespace.
type somebody struct {
	address   string
	own       bool
	namespace map[string]string
	pod       map[string]string
}

func everybody() (out []somebody) {
	for _, a := range someAddresses {
		out = append(out, somebody{address: a})
	}
	for _, pod := range somePods {
		out = append(out, somebody{own: true, namespace: map[string]string{"a": "1"}, pod: pod}, somebody{namespace: map[string]string{"a": "2"}, pod: pod}, somebody{pod: pod})
	}
	return out
}

func met(list []demand, labels map[string]string) bool {
	return !slices.ContainsFunc(list, func(d demand) bool { return !d.met(labels) })
}

func (p peer) is(s somebody) bool {
	switch {
	case p.odd:
		return false
	case p.all:
		return true
	case p.block.IsValid():
		addr, err := netip.ParseAddr(s.address)
		return err == nil && p.block.Contains(addr) && !slices.ContainsFunc(p.but, func(b netip.Prefix) bool { return b.Contains(addr) })
	case s.address != "" || p.own && !s.own:
		return false
	}
	return met(p.pods, s.pod) && (p.own || met(p.namespaces, s.namespace))
}

// lets is what the policies of a namespace do, by enumeration.
func lets(all []network, direction string, pod map[string]string, s somebody, i int) bool {
	isolated := false
	for _, n := range all {
		if !n.isolates[direction] || !met(n.pods, pod) {
			continue
		}
		isolated = true
		for _, f := range n.lets[direction] {
			p, q := f.port, somePorts[i]
			on := p.protocol == "" || p.protocol == q.protocol &&
				(p.name != "" && p.name == q.name || p.name == "" && q.name == "" && p.first <= q.number && q.number <= p.last || p.name == "" && p.first == 0 && p.last == 65535)
			if on && f.peer.is(s) {
				return true
			}
		}
	}
	return !isolated
}

func drawSelector(t *rapid.T) map[string]any {
	labels := map[string]any{}
	for _, k := range []string{"a", "b"} {
		if v := rapid.SampledFrom([]string{"", "", "1", "2"}).Draw(t, k); v != "" {
			labels[k] = v
		}
	}
	s := map[string]any{"matchLabels": labels}
	if op := rapid.SampledFrom([]string{"", "", "In", "NotIn", "Exists", "DoesNotExist"}).Draw(t, "operator"); op != "" {
		e := map[string]any{"key": rapid.SampledFrom([]string{"a", "b"}).Draw(t, "key"), "operator": op}
		if op == "In" || op == "NotIn" {
			e["values"] = rapid.SampledFrom([][]any{{"1"}, {"2"}, {"1", "2"}}).Draw(t, "values")
		}
		s["matchExpressions"] = []any{e}
	}
	return s
}

func drawPeer(t *rapid.T) any {
	switch rapid.IntRange(0, 4).Draw(t, "peer") {
	case 0:
		return map[string]any{"podSelector": drawSelector(t)}
	case 1:
		return map[string]any{"namespaceSelector": drawSelector(t)}
	case 2:
		return map[string]any{"namespaceSelector": drawSelector(t), "podSelector": drawSelector(t)}
	case 3:
		return map[string]any{"ipBlock": map[string]any{"cidr": rapid.SampledFrom([]string{"10.0.0.0/8", "10.0.0.0/16", "0.0.0.0/0", "10.0.1.0/24"}).Draw(t, "cidr")}}
	}
	return map[string]any{"ipBlock": map[string]any{"cidr": "10.0.0.0/8", "except": rapid.SampledFrom([][]any{{"10.0.0.0/16"}, {"10.1.0.0/16"}, {"10.0.1.0/24"}}).Draw(t, "except")}}
}

func drawNetwork(t *rapid.T) network {
	spec := map[string]any{"podSelector": drawSelector(t)}
	if rapid.Bool().Draw(t, "typed") {
		spec["policyTypes"] = rapid.SampledFrom([][]any{{"Ingress"}, {"Egress"}, {"Ingress", "Egress"}}).Draw(t, "types")
	}
	for _, direction := range []string{"ingress", "egress"} {
		side := map[string]string{"ingress": "from", "egress": "to"}[direction]
		var rules []any
		for range rapid.IntRange(0, 2).Draw(t, direction) {
			r := map[string]any{}
			var peers, ports []any
			for range rapid.IntRange(0, 2).Draw(t, "peers") {
				peers = append(peers, drawPeer(t))
			}
			for range rapid.IntRange(0, 2).Draw(t, "ports") {
				ports = append(ports, rapid.SampledFrom([]any{
					map[string]any{"port": int64(80)},
					map[string]any{"port": int64(80), "endPort": int64(90)},
					map[string]any{"port": "web"},
					map[string]any{"protocol": "UDP"},
					map[string]any{"protocol": "TCP"},
				}).Draw(t, "port"))
			}
			r[side], r["ports"] = peers, ports
			rules = append(rules, r)
		}
		spec[direction] = rules
	}
	return networkOf(map[string]any{"spec": spec})
}

// TestLoosenMissesNothing: when traffic is let through after a change that was not before, one of the policies
// that changed is told of.
func TestLoosenMissesNothing(t *testing.T) {
	people := everybody()
	rapid.Check(t, func(t *rapid.T) {
		var before, after []network // by the place of a policy, which is its name
		n := rapid.IntRange(1, 3).Draw(t, "policies")
		var was, is []*network
		for range n {
			var a, b *network
			if rapid.IntRange(0, 4).Draw(t, "was there") > 0 {
				p := drawNetwork(t)
				a = &p
			}
			switch rapid.IntRange(0, 2).Draw(t, "what happens") {
			case 0:
				b = a
			case 1:
				p := drawNetwork(t)
				b = &p
			}
			was, is = append(was, a), append(is, b)
			if a != nil {
				before = append(before, *a)
			}
			if b != nil {
				after = append(after, *b)
			}
		}
		told := false
		for i := range n {
			if was[i] == is[i] {
				continue
			}
			l := loosen(was[i], is[i], others(was, i), others(is, i))
			told = told || len(l.open)+len(l.flows) > 0
		}
		if told {
			return
		}
		for _, direction := range []string{"ingress", "egress"} {
			for _, pod := range somePods {
				for _, s := range people {
					for i := range somePorts {
						if lets(after, direction, pod, s, i) && !lets(before, direction, pod, s, i) {
							t.Fatalf("%s of pod %v with %+v on %+v is let through after, and nothing is told\nbefore %+v\nafter %+v", direction, pod, s, somePorts[i], before, after)
						}
					}
				}
			}
		}
	})
}

func others(list []*network, but int) (out []network) {
	for i, n := range list {
		if i != but && n != nil {
			out = append(out, *n)
		}
	}
	return out
}

// TestLoosenNarrower: a policy that loses rules, or holds for more pods, lets nothing more through.
func TestLoosenNarrower(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := drawNetwork(t)
		after := before
		after.lets = map[string][]flow{}
		for _, direction := range []string{"ingress", "egress"} {
			flows := before.lets[direction]
			if len(flows) > 0 {
				flows = flows[1:]
			}
			after.lets[direction] = flows
		}
		if rapid.Bool().Draw(t, "all pods") {
			after.lets = map[string][]flow{}
			after.pods = nil
		}
		if l := loosen(&before, &after, nil, nil); len(l.open)+len(l.flows) > 0 {
			t.Fatalf("before %+v\nafter %+v\nloosened: %+v", before, after, l)
		}
	})
}

// TestAmong: what is said to select no less selects each pod that the other does; and what is apart shares none.
func TestAmong(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := demands(drawSelector(t)), demands(drawSelector(t))
		in, none := among(a, b), apart(a, b)
		for _, pod := range somePods {
			switch {
			case in && met(a, pod) && !met(b, pod):
				t.Fatalf("%v is said to be among %v, but for %v", a, b, pod)
			case none && met(a, pod) && met(b, pod):
				t.Fatalf("%v is said to be apart from %v, but for %v", a, b, pod)
			}
		}
		if !among(a, a) || !among(a, nil) {
			t.Fatalf("%v is not among itself and everything", a)
		}
	})
}

// TestLoosenBounded: hostile policies are read in part, and all that is not compared is told.
func TestLoosenBounded(t *testing.T) {
	var peers, ports []any
	for i := range 3000 {
		peers = append(peers, map[string]any{"ipBlock": map[string]any{"cidr": fmt.Sprintf("10.%d.%d.0/24", i/256, i%256)}})
		ports = append(ports, map[string]any{"port": int64(i)})
	}
	n := networkOf(map[string]any{"spec": map[string]any{"ingress": []any{map[string]any{"from": peers, "ports": ports}}}})
	if len(n.lets["ingress"]) != mostFlows+1 {
		t.Errorf("%d flows are read", len(n.lets["ingress"]))
	}
	if l := loosen(&n, &n, nil, nil); len(l.flows["ingress"]) != 1 {
		t.Errorf("%d flows are told of a policy that cannot be read as a whole, want 1", len(l.flows["ingress"]))
	}
}

package risk

import (
	"maps"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
)

// everyHost stands for an object that serves whatever host is asked for.
const everyHost = "*"

// hosts are the hosts that an object serves, and those of them without TLS.
type hosts struct {
	served map[string]bool
	field  string // that names them
	tls    func(host string) bool
}

// hostsOf reads the hosts of an Ingress, of a route or Gateway of the Gateway API, of an Istio Gateway, and of the
// routes of OpenShift and Contour. There are none of other kinds, and of nil.
func hostsOf(o *object.Object) hosts {
	h := hosts{served: map[string]bool{}, tls: func(string) bool { return false }}
	if o == nil {
		return h
	}
	m := body(o)
	add := func(names ...string) {
		for _, n := range names {
			if n == "" {
				n = everyHost
			}
			h.served[strings.ToLower(n)] = true
		}
	}
	switch o.ID.Group + "/" + o.ID.Kind {
	case "networking.k8s.io/Ingress", "extensions/Ingress":
		h.field, h.tls = "spec.rules", ingressTLS(m)
		for _, r := range list(m, "spec", "rules") {
			r, _ := r.(map[string]any)
			add(text(r, "host"))
		}
		if get(m, "spec", "defaultBackend") != nil {
			add(everyHost)
		}
	case "gateway.networking.k8s.io/HTTPRoute", "gateway.networking.k8s.io/GRPCRoute", "gateway.networking.k8s.io/TLSRoute":
		h.field = "spec.hostnames"
		h.tls = func(string) bool { return true } // the Gateway's business
		add(texts(m, "spec", "hostnames")...)
	case "gateway.networking.k8s.io/Gateway":
		h.field, h.tls = "spec.listeners", listeners(m, "hostname", "protocol", add)
	case "networking.istio.io/Gateway":
		h.field, h.tls = "spec.servers", servers(m, add)
	case "route.openshift.io/Route":
		h.field, h.tls = "spec.host", func(string) bool { return dict(m, "spec", "tls") != nil }
		add(present(text(m, "spec", "host"))...)
	case "projectcontour.io/HTTPProxy":
		h.field, h.tls = "spec.virtualhost", func(string) bool { return dict(m, "spec", "virtualhost", "tls") != nil }
		add(present(text(m, "spec", "virtualhost", "fqdn"))...)
	}
	return h
}

func present(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

func ingressTLS(m map[string]any) func(string) bool {
	secured := map[string]bool{}
	for _, t := range list(m, "spec", "tls") {
		t, _ := t.(map[string]any)
		names := texts(t, "hosts")
		if len(names) == 0 {
			secured[everyHost] = true
		}
		for _, n := range names {
			secured[strings.ToLower(n)] = true
		}
	}
	return func(host string) bool { return covered(secured, host) }
}

func listeners(m map[string]any, name, protocol string, add func(...string)) func(string) bool {
	secured := map[string]bool{}
	for _, l := range list(m, "spec", "listeners") {
		l, _ := l.(map[string]any)
		add(text(l, name))
		if p := text(l, protocol); p == "HTTPS" || p == "TLS" {
			secured[strings.ToLower(text(l, name))] = true
			secured[everyHost] = secured[everyHost] || text(l, name) == ""
		}
	}
	maps.DeleteFunc(secured, func(_ string, on bool) bool { return !on })
	return func(host string) bool { return covered(secured, host) }
}

func servers(m map[string]any, add func(...string)) func(string) bool {
	secured := map[string]bool{}
	for _, s := range list(m, "spec", "servers") {
		s, _ := s.(map[string]any)
		for _, n := range texts(s, "hosts") {
			if _, host, ok := strings.Cut(n, "/"); ok {
				n = host
			}
			add(n)
			secured[strings.ToLower(n)] = secured[strings.ToLower(n)] || dict(s, "tls") != nil
		}
	}
	maps.DeleteFunc(secured, func(_ string, on bool) bool { return !on })
	return func(host string) bool { return covered(secured, host) }
}

// covered reports whether a host is one of a set, or below a wildcard of it.
func covered(set map[string]bool, host string) bool {
	if set[everyHost] || set[host] {
		return true
	}
	_, parent, ok := strings.Cut(host, ".")
	return ok && set["*."+parent]
}

func hostExposed(_ *context, ch *impact.Change) []Risk {
	was, is := hostsOf(ch.Before), hostsOf(ch.After)
	var more []string
	for _, host := range sortedKeys(is.served) {
		if !covered(was.served, host) && !opaque(host) {
			more = append(more, host)
		}
	}
	if len(more) == 0 {
		return nil
	}
	if more[0] == everyHost {
		k := told(ch, is.field, "%s takes requests for every host", called(ch))
		if ch.ID.Kind == "Ingress" {
			k.Severity = finding.Error
		}
		return []Risk{k}
	}
	return []Risk{told(ch, is.field, "%s serves %s", called(ch), shownFew(ch, more))}
}

func tlsRemoved(_ *context, ch *impact.Change) []Risk {
	if !updated(ch) {
		return nil
	}
	was, is := hostsOf(ch.Before), hostsOf(ch.After)
	var out []string
	for _, host := range sortedKeys(is.served) {
		if covered(was.served, host) && was.tls(host) && !is.tls(host) {
			out = append(out, host)
		}
	}
	if len(out) == 0 {
		return nil
	}
	if out[0] == everyHost {
		out[0] = "every host"
	}
	return []Risk{told(ch, tlsField(is.field), "%s no longer serves %s with TLS", called(ch), shownFew(ch, out))}
}

func tlsField(field string) string {
	switch field {
	case "spec.rules", "spec.host":
		return "spec.tls"
	case "spec.virtualhost":
		return "spec.virtualhost.tls"
	}
	return field
}

// gatewayOpened compares the namespaces whose routes the listeners of a Gateway accept.
func gatewayOpened(_ *context, ch *impact.Change) []Risk {
	if !isKind(ch, "gateway.networking.k8s.io", "Gateway") || ch.After == nil {
		return nil
	}
	read := func(o *object.Object) map[string]map[string]any {
		out := map[string]map[string]any{}
		for _, l := range list(body(o), "spec", "listeners") {
			l, _ := l.(map[string]any)
			out[text(l, "name")] = dict(l, "allowedRoutes", "namespaces")
		}
		return out
	}
	was := read(ch.Before)
	is := read(ch.After)
	var out []Risk
	for _, name := range sortedKeys(is) {
		before, after := was[name], is[name]
		field := keyed(ch, fields("spec", "listeners"), name, "allowedRoutes", "namespaces")
		switch from := text(after, "from"); {
		case from == "All" && text(before, "from") != "All":
			out = append(out, told(ch, field, "listener %s of %s accepts routes of every namespace", show(ch, name), called(ch)))
		case from != "Selector" || ch.Before == nil:
		case text(before, "from") == "Selector" && !among(demands(dict(after, "selector")), demands(dict(before, "selector"))),
			!slices.Contains([]string{"Selector", "All"}, text(before, "from")):
			out = append(out, told(ch, field, "listener %s of %s accepts routes of other namespaces than before", show(ch, name), called(ch)))
		}
	}
	return out
}

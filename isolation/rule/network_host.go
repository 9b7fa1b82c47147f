package rule

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/isolation/estate"
)

// anyHost stands for all hosts.
const anyHost = "*"

// hostClaim is a host that an object asks for.
type hostClaim struct {
	object *estate.Object
	// host in lower case; "*.b.c" is a wildcard, [anyHost] for all.
	host  string
	field string
	// paths below which it takes requests, as prefixes; none for all.
	paths []string
	// routes is true when requests go where the object says, false when it only listens, or asks for a name or a certificate.
	routes bool
	// inherits is true for a route without hosts: it takes those of what it is attached to.
	inherits bool
	// pattern is true when the host is a regular expression.
	pattern bool
}

// covers reports whether a host, or all hosts of a wildcard, are among those of a pattern. A wildcard stands for any number of labels, which is the
// widest that controllers read it.
func coversHost(pattern, host string) bool {
	if pattern == host || pattern == anyHost {
		return true
	}
	suffix, wild := strings.CutPrefix(pattern, "*")
	return wild && strings.HasPrefix(suffix, ".") && strings.HasSuffix(host, suffix) && len(host) > len(suffix)
}

func plainHost(host string) string {
	host = strings.TrimSuffix(strings.ToLower(strings.TrimSpace(host)), ".")
	if host == "" {
		return anyHost
	}
	return host
}

// within reports whether a contract lists a host.
func within(hosts []string, host string) bool {
	return slices.ContainsFunc(hosts, func(pattern string) bool { return coversHost(plainHost(pattern), host) })
}

// hostReader collects the claims of one object.
type hostReader struct {
	o   *estate.Object
	out []hostClaim
}

func (r *hostReader) add(field, host string, routes bool, paths ...string) {
	if slices.Contains(paths, "/") {
		paths = nil
	}
	r.out = append(r.out, hostClaim{object: r.o, host: plainHost(host), field: field, routes: routes, paths: paths})
}

func (r *hostReader) all(field string, hosts []string, routes bool, paths ...string) {
	for i, h := range hosts {
		r.add(fmt.Sprintf("%s[%d]", field, i), h, routes, paths...)
	}
}

// hostsOf are the hosts that an object asks for; none for most kinds.
func hostsOf(o *estate.Object) []hostClaim {
	r := &hostReader{o: o}
	switch o.ID.Group {
	case "", networkingGroup, "extensions":
		if o.ID.Kind == "Ingress" && o.ID.Group != "" {
			r.ingress()
		}
	case "gateway.networking.k8s.io":
		r.gateway()
	case "networking.istio.io":
		r.istio()
	case "traefik.io", "traefik.containo.us":
		r.traefik()
	case "projectcontour.io":
		if h := o.Text("spec", "virtualhost", "fqdn"); o.ID.Kind == "HTTPProxy" && h != "" {
			r.add("spec.virtualhost.fqdn", h, true)
		}
	case "route.openshift.io":
		if o.ID.Kind == "Route" {
			r.add("spec.host", o.Text("spec", "host"), true, present(o.Text("spec", "path"))...)
		}
	case "cert-manager.io":
		if o.ID.Kind == "Certificate" {
			r.all("spec.dnsNames", estate.Texts(o.Body().Map(), "spec", "dnsNames"), false)
			if name := o.Text("spec", "commonName"); strings.Contains(name, ".") {
				r.add("spec.commonName", name, false)
			}
		}
	case "externaldns.k8s.io":
		for i, e := range estate.List(o.Body().Map(), "spec", "endpoints") {
			r.add(fmt.Sprintf("spec.endpoints[%d].dnsName", i), estate.Text(e, "dnsName"), false)
		}
	}
	if k := o.ID.Kind; k == "Service" && o.ID.Group == "" || len(r.out) > 0 {
		r.dns()
	}
	return r.out
}

func present(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

func (r *hostReader) ingress() {
	m := r.o.Body().Map()
	named := map[string]bool{}
	for i, rule := range estate.List(m, "spec", "rules") {
		var paths []string
		for _, p := range estate.List(rule, "http", "paths") {
			path := estate.Text(p, "path")
			if estate.Text(p, "pathType") == "ImplementationSpecific" && strings.ContainsAny(path, "(*[") || path == "" {
				path = "/" // a pattern, or all
			}
			paths = append(paths, path)
		}
		host := estate.Text(rule, "host")
		named[plainHost(host)] = true
		r.add(fmt.Sprintf("spec.rules[%d].host", i), host, true, paths...)
	}
	if estate.At(m, "spec", "defaultBackend") != nil {
		r.add("spec.defaultBackend", "", true)
	}
	for i, t := range estate.List(m, "spec", "tls") {
		for k, host := range estate.Texts(t, "hosts") {
			if !named[plainHost(host)] {
				r.add(fmt.Sprintf("spec.tls[%d].hosts[%d]", i, k), host, false)
			}
		}
	}
	for key, value := range r.o.Annotations() {
		if strings.HasSuffix(key, "/server-alias") {
			for host := range strings.SplitSeq(value, ",") {
				r.add(annotation(key), host, true)
			}
		}
	}
}

// annotation is the field of one.
func annotation(key string) string { return `metadata.annotations["` + legible(key) + `"]` }

// gateway reads the kinds of the Gateway API.
func (r *hostReader) gateway() {
	m := r.o.Body().Map()
	switch r.o.ID.Kind {
	case "Gateway", "ListenerSet", "XListenerSet":
		for i, l := range estate.List(m, "spec", "listeners") {
			if p := estate.Text(l, "protocol"); p != "TCP" && p != "UDP" {
				r.add(fmt.Sprintf("spec.listeners[%d].hostname", i), estate.Text(l, "hostname"), false)
			}
		}
	case "HTTPRoute", "GRPCRoute", "TLSRoute":
		var paths []string
		for _, rule := range estate.List(m, "spec", "rules") {
			matches := estate.List(rule, "matches")
			if len(matches) == 0 {
				paths = append(paths, "/")
			}
			for _, match := range matches {
				path := estate.Text(match, "path", "value")
				if path == "" || estate.Text(match, "path", "type") == "RegularExpression" {
					path = "/"
				}
				paths = append(paths, path)
			}
		}
		hosts := estate.Texts(m, "spec", "hostnames")
		r.all("spec.hostnames", hosts, true, paths...)
		if len(hosts) == 0 {
			r.out = append(r.out, hostClaim{object: r.o, host: anyHost, field: "spec.hostnames", routes: true, inherits: true})
		}
	}
}

// istio reads a Gateway and a VirtualService. Hosts of the mesh, which are names of Services, are none of the world's.
func (r *hostReader) istio() {
	m := r.o.Body().Map()
	switch r.o.ID.Kind {
	case "Gateway":
		for i, s := range estate.List(m, "spec", "servers") {
			for k, host := range estate.Texts(s, "hosts") {
				if _, rest, ok := strings.Cut(host, "/"); ok {
					host = rest
				}
				r.add(fmt.Sprintf("spec.servers[%d].hosts[%d]", i, k), host, false)
			}
		}
	case "VirtualService":
		gateways := estate.Texts(m, "spec", "gateways")
		if len(gateways) == 0 || len(gateways) == 1 && gateways[0] == "mesh" {
			return
		}
		for i, host := range estate.Texts(m, "spec", "hosts") {
			if _, _, inside := serviceName(host, r.o.ID.Namespace); !inside || host == anyHost {
				r.add(fmt.Sprintf("spec.hosts[%d]", i), host, true)
			}
		}
	}
}

var (
	traefikHost   = regexp.MustCompile(`\b(?:HostSNI|HostHeader|Host)\(([^)]*)\)`)
	traefikRegexp = regexp.MustCompile(`\bHost(?:SNI)?Regexp\(`)
	traefikName   = regexp.MustCompile("[`\"']([^`\"']+)[`\"']")
)

func (r *hostReader) traefik() {
	if !strings.HasPrefix(r.o.ID.Kind, "IngressRoute") || r.o.ID.Kind == "IngressRouteUDP" {
		return
	}
	for i, route := range estate.List(r.o.Body().Map(), "spec", "routes") {
		match, at := estate.Text(route, "match"), fmt.Sprintf("spec.routes[%d].match", i)
		found := false
		for _, part := range traefikHost.FindAllStringSubmatch(match, -1) {
			for _, name := range traefikName.FindAllStringSubmatch(part[1], -1) {
				r.add(at, name[1], true)
				found = true
			}
		}
		switch {
		case traefikRegexp.MatchString(match):
			r.out = append(r.out, hostClaim{object: r.o, host: anyHost, field: at, routes: true, pattern: true})
		case !found:
			r.add(at, "", true)
		}
	}
}

// dns reads what external-dns is asked for.
func (r *hostReader) dns() {
	for _, key := range []string{"external-dns.alpha.kubernetes.io/hostname", "external-dns.alpha.kubernetes.io/internal-hostname"} {
		for host := range strings.SplitSeq(r.o.Annotations()[key], ",") {
			if strings.TrimSpace(host) != "" {
				r.add(annotation(key), host, false)
			}
		}
	}
}

// serviceName reads the name of a Service as the cluster's DNS has it, and reports false for other hosts. A name of one label is one of the
// namespace that it is used in.
func serviceName(host, namespace string) (name, of string, ok bool) {
	host = plainHost(host)
	labels := strings.Split(host, ".")
	switch {
	case len(labels) == 1:
		return host, namespace, true
	case len(labels) >= 3 && labels[2] == "svc":
		return labels[0], labels[1], true
	}
	return "", "", false
}

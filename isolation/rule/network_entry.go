package rule

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
)

// ingressAnnotations looks at all annotations of an Ingress: controllers let their prefix be chosen, so it is what follows that tells.
func ingressAnnotations(_ *Context, o *estate.Object) (out []Found) {
	if out = ingressClass(o); o.Tenant == nil || o.ID.Kind != "Ingress" {
		return out
	}
	all := o.Annotations()
	for _, key := range slices.Sorted(maps.Keys(all)) {
		prefix, name, _ := strings.Cut(key, "/")
		value := strings.TrimSpace(all[key])
		f := Found{Field: annotation(key)}
		switch {
		case value == "" || !strings.Contains(prefix, "."):
			continue
		case strings.HasSuffix(name, "-snippet") || strings.HasSuffix(name, "-snippets") || slices.Contains(configuring, name):
			f.Message = fmt.Sprintf("%s of tenant %s puts configuration into its controller: %s", brief(o), o.Tenant.Name, legible(key))
		case strings.HasSuffix(name, "ssl-passthrough") && value == "true":
			f.Level = finding.Medium
			f.Message = fmt.Sprintf("%s of tenant %s takes connections before the controller has looked at them: %s", brief(o), o.Tenant.Name, legible(key))
		case slices.Contains(calling, name):
			where := foreignTarget(o, value)
			if where == "" {
				continue
			}
			f.Message = fmt.Sprintf("%s of tenant %s sends the requests of its clients to %s: %s", brief(o), o.Tenant.Name, where, legible(key))
		case strings.HasSuffix(name, "-secret") || strings.HasSuffix(name, "-configmap") || strings.HasSuffix(name, "-set-headers"):
			ns, _, named := strings.Cut(value, "/")
			if !named || ns == o.ID.Namespace || ownsNamespace(o, ns) {
				continue
			}
			f.Message = fmt.Sprintf("%s of tenant %s lets its controller read from namespace %s: %s", brief(o), o.Tenant.Name, legible(ns), legible(key))
		default:
			continue
		}
		out = append(out, f)
	}
	return out
}

// configuring are annotations that hold a piece of a controller's configuration. Calling are those with an address that the controller asks, or copies
// requests to.
var (
	configuring = []string{"config-backend", "config-frontend", "config-global", "config-defaults", "config-proxy", "config-tcp"} //nolint:gochecknoglobals // a constant list
	calling     = []string{"auth-url", "mirror-target", "mirror-host"}                                                            //nolint:gochecknoglobals // a constant list
)

// ownsNamespace reports whether a namespace is of the tenant that wrote the object.
func ownsNamespace(o *estate.Object, namespace string) bool {
	p := o.Compartment()
	return p != nil && p.Owns(namespace)
}

// foreignTarget is the host of an address when it is neither a Service of the tenant nor in its contract; "" when it is, or when it is the host of
// the request.
func foreignTarget(o *estate.Object, address string) string {
	if !strings.Contains(address, "://") {
		address = "//" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || strings.HasPrefix(u.Hostname(), "$") {
		return ""
	}
	host := plainHost(u.Hostname())
	if _, ns, ok := serviceName(host, o.ID.Namespace); ok {
		if ns == o.ID.Namespace || ownsNamespace(o, ns) {
			return ""
		}
		return legible(host)
	}
	if p := o.Compartment(); p != nil {
		if contract, known := p.Contract(); known && within(contract.Hosts, host) {
			return ""
		}
	}
	return legible(host)
}

func serviceExposed(_ *Context, o *estate.Object) []Found {
	switch {
	case o.Tenant == nil:
		return nil
	case o.Is("", "Service"):
		return serviceFound(o)
	case o.Is("discovery.k8s.io", "EndpointSlice"), o.Is("", "Endpoints"):
		return one(Found{Message: fmt.Sprintf("tenant %s writes addresses itself: %s", o.Tenant.Name, brief(o)), Hint: "let a selector find the pods"})
	}
	return nil
}

func serviceFound(o *estate.Object) (out []Found) {
	add := func(level finding.Level, field, format string, args ...any) {
		out = append(out, Found{Level: level, Field: field, Message: fmt.Sprintf("%s of tenant %s ", brief(o), o.Tenant.Name) + fmt.Sprintf(format, args...)})
	}
	switch kind := o.Text("spec", "type"); kind {
	case "LoadBalancer":
		if !allowed(o, corev1.ResourceServicesLoadBalancers) {
			add("", "spec.type", "asks for a load balancer, and its document allows none")
		}
	case "NodePort":
		if !allowed(o, corev1.ResourceServicesNodePorts) {
			add("", "spec.type", "opens a port of every node, and its document allows none")
		}
	case "ExternalName":
		if where := internalName(o, o.Text("spec", "externalName")); where != "" {
			add(finding.High, "spec.externalName", "stands for %s, which is not the tenant's", where)
		}
	}
	if ips := estate.Texts(o.Body().Map(), "spec", "externalIPs"); len(ips) > 0 {
		add(finding.High, "spec.externalIPs", "takes over the address %s for all pods of the cluster", legible(ips[0]))
	}
	return out
}

// allowed reports whether the document of the tenant declares an entry point: its quota allows some.
func allowed(o *estate.Object, name corev1.ResourceName) bool {
	p := o.Compartment()
	if p == nil || p.Tenant.Inferred {
		return false
	}
	s := p.SettingsOf(o.ID.Namespace)
	if s == nil {
		return false
	}
	amount, said := s.Quota[name]
	return said && !amount.IsZero()
}

// internalName is a name that leads to somebody else's inside of the cluster or of the node; "" for one that does not.
func internalName(o *estate.Object, host string) string {
	host = plainHost(host)
	name, ns, service := serviceName(host, o.ID.Namespace)
	switch {
	case host == "localhost" || strings.HasSuffix(host, ".localhost"), strings.HasPrefix(host, "169.254."), strings.HasPrefix(host, "127."), host == "metadata.google.internal":
		return legible(host)
	case service && ns != o.ID.Namespace && !ownsNamespace(o, ns):
		return fmt.Sprintf("the Service %s of namespace %s", legible(name), legible(ns))
	}
	return ""
}

// foreignNamespace reports whether a namespace is set, and neither that of the object nor of its tenant.
func foreignNamespace(o *estate.Object, namespace string) bool {
	return cmp.Or(namespace, o.ID.Namespace) != o.ID.Namespace && !ownsNamespace(o, namespace)
}

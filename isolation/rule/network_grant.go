package rule

import (
	"encoding/json"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulkhead-dev/bulkhead/isolation/estate"
)

// routeCrosses reads what lets others in, and what leads out.
func routeCrosses(_ *Context, o *estate.Object) []Found {
	if o.Tenant == nil {
		return nil
	}
	g := &crossing{o: o}
	switch o.ID.Group {
	case "gateway.networking.k8s.io":
		switch {
		case o.ID.Kind == "ReferenceGrant":
			g.grant()
		case o.ID.Kind == "Gateway":
			g.listeners()
		case strings.HasSuffix(o.ID.Kind, "Route"):
			g.route()
		}
	case "networking.istio.io":
		g.mesh()
	case "traefik.io", "traefik.containo.us":
		g.traefik()
	}
	return g.out
}

type crossing struct {
	o   *estate.Object
	out []Found
}

func (g *crossing) add(field, format string, args ...any) {
	g.out = append(g.out, Found{Field: field, Message: fmt.Sprintf("%s of tenant %s ", brief(g.o), g.o.Tenant.Name) + fmt.Sprintf(format, args...)})
}

// grant is broad when it names nothing that others may refer to.
func (g *crossing) grant() {
	m := g.o.Body().Map()
	for i, from := range estate.List(m, "spec", "from") {
		ns := estate.Text(from, "namespace")
		if !foreignNamespace(g.o, ns) {
			continue
		}
		for _, to := range estate.List(m, "spec", "to") {
			if estate.Text(to, "name") == "" {
				g.add(fmt.Sprintf("spec.from[%d]", i), "lets namespace %s refer to every %s of the namespace", legible(ns), legible(estate.Text(to, "kind")))
			}
		}
	}
}

func (g *crossing) listeners() {
	for i, l := range estate.List(g.o.Body().Map(), "spec", "listeners") {
		field := fmt.Sprintf("spec.listeners[%d].allowedRoutes.namespaces", i)
		namespaces := estate.At(l, "allowedRoutes", "namespaces")
		switch estate.Text(namespaces, "from") {
		case "All":
			g.add(field+".from", "takes routes of every namespace")
		case "Selector":
			if s, ok := selectorOf(estate.At(namespaces, "selector")); ok && everyNamespace(s) {
				g.add(field+".selector", "takes routes of every namespace")
			}
		}
	}
}

// selectorOf decodes a label selector, and reports false for what is none.
func selectorOf(v any) (*metav1.LabelSelector, bool) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, false
	}
	var s metav1.LabelSelector
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, false
	}
	return &s, true
}

// route of the Gateway API. A Gateway of the platform is there to be attached to.
func (g *crossing) route() {
	m := g.o.Body().Map()
	for i, parent := range estate.List(m, "spec", "parentRefs") {
		ns := estate.Text(parent, "namespace")
		if owner := g.o.Cluster.Owner(ns); owner != nil && owner.Tenant != g.o.Tenant {
			g.add(fmt.Sprintf("spec.parentRefs[%d].namespace", i), "attaches to %s/%s, of tenant %s", legible(ns), legible(estate.Text(parent, "name")), owner.Tenant.Name)
		}
	}
	for i, rule := range estate.List(m, "spec", "rules") {
		for k, to := range estate.List(rule, "backendRefs") {
			g.target(fmt.Sprintf("spec.rules[%d].backendRefs[%d].namespace", i, k), to)
		}
		for k, filter := range estate.List(rule, "filters") {
			to, _ := estate.At(filter, "requestMirror", "backendRef").(map[string]any)
			g.target(fmt.Sprintf("spec.rules[%d].filters[%d].requestMirror.backendRef.namespace", i, k), to)
		}
	}
}

func (g *crossing) target(field string, to map[string]any) {
	if ns := estate.Text(to, "namespace"); foreignNamespace(g.o, ns) {
		g.add(field, "leads to %s of namespace %s, which is not the tenant's", legible(estate.Text(to, "name")), legible(ns))
	}
}

// mesh reads the kinds of Istio that say where requests within the mesh go: for a Service of others, they take over what its clients send.
func (g *crossing) mesh() {
	m := g.o.Body().Map()
	service := func(field, host, format string) {
		if name, ns, ok := serviceName(host, g.o.ID.Namespace); ok && foreignNamespace(g.o, ns) {
			g.add(field, format, legible(name), legible(ns))
		}
	}
	const takes = "decides where requests to the Service %s of namespace %s go, which is not the tenant's"
	switch g.o.ID.Kind {
	case "VirtualService":
		for i, host := range estate.Texts(m, "spec", "hosts") {
			if host == anyHost && g.o.At("spec", "gateways") == nil {
				g.add(fmt.Sprintf("spec.hosts[%d]", i), "decides where all requests of the mesh go")
				continue
			}
			service(fmt.Sprintf("spec.hosts[%d]", i), host, takes)
		}
		for i, gateway := range estate.Texts(m, "spec", "gateways") {
			ns, name, named := strings.Cut(gateway, "/")
			if owner := g.o.Cluster.Owner(ns); named && owner != nil && owner.Tenant != g.o.Tenant {
				g.add(fmt.Sprintf("spec.gateways[%d]", i), "attaches to %s/%s, of tenant %s", legible(ns), legible(name), owner.Tenant.Name)
			}
		}
		for _, kind := range []string{"http", "tcp", "tls"} {
			for i, rule := range estate.List(m, "spec", kind) {
				for k, to := range estate.List(rule, "route") {
					service(fmt.Sprintf("spec.%s[%d].route[%d].destination.host", kind, i, k), estate.Text(to, "destination", "host"), "leads to the Service %s of namespace %s, which is not the tenant's")
				}
			}
		}
	case "DestinationRule":
		service("spec.host", g.o.Text("spec", "host"), takes)
	case "ServiceEntry":
		for i, host := range estate.Texts(m, "spec", "hosts") {
			service(fmt.Sprintf("spec.hosts[%d]", i), host, takes)
		}
	}
}

// traefik reads an IngressRoute, whose Services and middlewares may be of other namespaces when its provider allows it.
func (g *crossing) traefik() {
	for i, route := range estate.List(g.o.Body().Map(), "spec", "routes") {
		for k, to := range estate.List(route, "services") {
			g.target(fmt.Sprintf("spec.routes[%d].services[%d].namespace", i, k), to)
		}
		for k, to := range estate.List(route, "middlewares") {
			if owner := g.o.Cluster.Owner(estate.Text(to, "namespace")); owner != nil && owner.Tenant != g.o.Tenant {
				g.target(fmt.Sprintf("spec.routes[%d].middlewares[%d].namespace", i, k), to)
			}
		}
	}
}

package rule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/permission"
)

const externalGroup = "external-secrets.io"

// delegatedRules are about controllers that act for tenants with rights of their own.
func delegatedRules() []Rule {
	return []Rule{
		{
			Rule: finding.Rule{
				ID: "DEL-001", Level: finding.High, Title: "A tenant has a powerful controller work for it",
				Why:  "Some controllers do what an object says with rights and credentials of their own, not with those of who wrote it: roles that hold the tenant do not hold them.",
				Hint: "offer tenants a kind of the platform in its place, with the few fields that they may choose, or list the kind in operatorKinds of the contract",
			},
			Boundary: true, Source: "the API references of the projects",
			Unless: "the contract has the kind in operatorKinds: the controller is confined to the tenant's namespace and to credentials of the tenant",
			object: worksForTenant,
		},
		{
			Rule: finding.Rule{
				ID: "DEL-002", Level: finding.High, Title: "A store of secrets is open to all namespaces",
				Why:  "Whoever may write an ExternalSecret fetches any key of a ClusterSecretStore that does not say which namespaces may use it.",
				Hint: "name the namespaces in spec.conditions, or give each tenant a SecretStore with credentials of its own",
			},
			Boundary: true, Static: "rights and labels count", Source: "External Secrets Operator, ClusterSecretStore v1",
			Unless:  "what is in it is public; when no tenant may use it today it is low",
			cluster: openStore,
		},
		{
			Rule: finding.Rule{
				ID: "DEL-003", Level: finding.High, Title: "A label brings a Secret into a tenant's namespace",
				Why:  "What copies Secrets by a label of the namespace, or to whoever asks, copies them to a tenant that sets the label or asks.",
				Hint: "name each source and each target; keep tenants from writing the labels of their namespaces",
			},
			Boundary: true, Static: "rights and labels count", Source: "Kyverno generate, Reflector and Config Syncer, by their documentation",
			Unless:  "only the platform may write the label",
			cluster: replicated,
		},
		{
			Rule: finding.Rule{
				ID: "DEL-004", Level: finding.Medium, Title: "A tenant's object selects what is in other namespaces",
				Why:  "Monitors, meshes and proxies follow their objects into other namespaces with rights of their own: they scrape, answer for and route what is another's.",
				Hint: "leave namespaceSelector out, and name hosts, Services and middlewares of the tenant's own namespace",
			},
			Boundary: true, Source: "Prometheus Operator, Istio and Traefik, by their API references",
			Unless: "it is the platform's monitoring",
			object: selectsForeign,
		},
	}
}

func worksForTenant(_ *Context, o *estate.Object) []Found {
	if o.Tenant == nil {
		return nil
	}
	d := delegated(o.ID)
	if d == nil || listed(o) {
		return nil
	}
	return one(Found{Message: fmt.Sprintf("%s %s of tenant %s has %s work for it: look at %s", o.ID.Kind, o.ID.Name, o.Tenant.Name, d.by, d.fields)})
}

func openStore(x *Context, c *estate.Cluster) (out []Found) {
	for _, o := range c.Kind(externalGroup, "ClusterSecretStore") {
		field, how := storeOpen(x, c, o)
		if how == "" || len(c.Compartments) == 0 {
			continue
		}
		f := Found{Level: finding.Low, Message: fmt.Sprintf("ClusterSecretStore %s %s", o.ID.Name, how), Object: o, Field: field}
		if who := storeUser(x, c, o.ID.Name); who != "" {
			f.Level = finding.High
			f.Message += ": " + who
		}
		out = append(out, f)
	}
	return out
}

// storeOpen says how a store is open to namespaces that nobody chose; "" when it is not.
func storeOpen(x *Context, c *estate.Cluster, o *estate.Object) (field, how string) {
	conditions := estate.List(o.Body().Map(), "spec", "conditions")
	if len(conditions) == 0 {
		return "spec.conditions", "may be used from every namespace"
	}
	for i, condition := range conditions {
		at := fmt.Sprintf("spec.conditions[%d]", i)
		if selector, _ := condition["namespaceSelector"].(map[string]any); selector != nil && len(estate.Texts(condition, "namespaces"))+len(estate.Texts(condition, "namespaceRegexes")) == 0 {
			if len(selector) == 0 {
				return at, "may be used from every namespace"
			}
			if p, label := labelsBy(x, c, selector); p != nil {
				return at, fmt.Sprintf("goes by namespace label %s, which tenant %s may write", label, p.Tenant.Name)
			}
		}
		for _, text := range estate.Texts(condition, "namespaceRegexes") {
			if slices.Contains([]string{".*", "^.*$", ".+", "^.+$", ""}, text) {
				return at, "may be used from every namespace"
			}
		}
	}
	return "", ""
}

// storeUser says which tenant uses a store, or may.
func storeUser(x *Context, c *estate.Cluster, store string) string {
	for _, kind := range []string{"ExternalSecret", "PushSecret"} {
		for _, o := range c.Kind(externalGroup, kind) {
			if o.Tenant == nil {
				continue
			}
			refs := append(estate.List(o.Body().Map(), "spec", "secretStoreRefs"), map[string]any{})
			refs[len(refs)-1], _ = o.At("spec", "secretStoreRef").(map[string]any)
			for _, ref := range refs {
				if estate.Text(ref, "kind") == "ClusterSecretStore" && estate.Text(ref, "name") == store {
					return fmt.Sprintf("tenant %s has %s %s", o.Tenant.Name, kind, o.ID.Name)
				}
			}
		}
	}
	for _, p := range c.Compartments {
		for _, resource := range []string{"externalsecrets", "pushsecrets"} {
			if _, may := mayAnywhere(x, p, toDo("create", externalGroup, resource)); may {
				return fmt.Sprintf("tenant %s may create %s", p.Tenant.Name, resource)
			}
		}
	}
	return ""
}

// labelsBy is a tenant that may write the labels of its namespaces, and a label of a selector; nil for none. The label with the namespace's name
// is the API server's alone.
func labelsBy(x *Context, c *estate.Cluster, selector map[string]any) (*estate.Compartment, string) {
	var keys []string
	set, _ := selector["matchLabels"].(map[string]any)
	for k := range set {
		keys = append(keys, k)
	}
	for _, e := range estate.List(selector, "matchExpressions") {
		keys = append(keys, estate.Text(e, "key"))
	}
	slices.Sort(keys)
	if len(keys) == 0 || slices.Contains(keys, "kubernetes.io/metadata.name") {
		return nil, ""
	}
	for _, p := range c.Compartments {
		for _, ns := range p.Namespaces {
			for _, verb := range []string{"patch", "update"} {
				if g, _ := x.Reach(p).Right(permission.OnNamespace(verb, ns)); g != nil {
					return p, keys[0]
				}
			}
		}
	}
	return nil, ""
}

func replicated(x *Context, c *estate.Cluster) (out []Found) {
	if len(c.Compartments) == 0 {
		return nil
	}
	for _, kind := range []string{"ClusterPolicy", "Policy"} {
		for _, o := range c.Kind("kyverno.io", kind) {
			if o.Tenant == nil {
				out = append(out, cloned(x, c, o)...)
			}
		}
	}
	for _, o := range c.Kind("", "Secret") {
		if o.Tenant == nil {
			out = append(out, reflected(x, c, o)...)
		}
	}
	return out
}

// cloned looks at what Kyverno copies, and by what it knows where to.
func cloned(x *Context, c *estate.Cluster, o *estate.Object) (out []Found) {
	for i, rule := range estate.List(o.Body().Map(), "spec", "rules") {
		generate, _ := rule["generate"].(map[string]any)
		if generate == nil {
			continue
		}
		at := fmt.Sprintf("spec.rules[%d]", i)
		list, _ := generate["cloneList"].(map[string]any)
		secrets := estate.Text(generate, "kind") == "Secret" || slices.ContainsFunc(estate.Texts(list, "kinds"), func(k string) bool { return k == "Secret" || strings.HasSuffix(k, "/Secret") })
		if !secrets {
			continue
		}
		if list["selector"] != nil {
			out = append(out, Found{Message: fmt.Sprintf("%s %s copies all Secrets of namespace %s that have a label", o.ID.Kind, o.ID.Name, estate.Text(list, "namespace")), Object: o, Field: at + ".generate.cloneList.selector"})
			continue
		}
		match, _ := rule["match"].(map[string]any)
		for _, resources := range matched(match) {
			for _, key := range []string{"namespaceSelector", "selector"} {
				selector, _ := resources[key].(map[string]any)
				if p, label := labelsBy(x, c, selector); p != nil {
					out = append(out, Found{Message: fmt.Sprintf("%s %s copies a Secret into namespaces with label %s, which tenant %s may write", o.ID.Kind, o.ID.Name, label, p.Tenant.Name), Object: o, Field: at + ".match", Tenant: p.Tenant})
				}
			}
		}
	}
	return out
}

// matched are the filters of resources of a rule of Kyverno.
func matched(match map[string]any) (out []map[string]any) {
	take := func(m map[string]any) {
		if r, _ := m["resources"].(map[string]any); r != nil {
			out = append(out, r)
		}
	}
	take(match)
	for _, key := range []string{"any", "all"} {
		for _, m := range estate.List(match, key) {
			take(m)
		}
	}
	return out
}

const reflector = "reflector.v1.k8s.emberstack.com/"

// reflected looks at the annotations by which a Secret lets itself be copied.
func reflected(x *Context, c *estate.Cluster, o *estate.Object) []Found {
	annotations := o.Annotations()
	if annotations[reflector+"reflection-allowed"] == "true" && openList(annotations[reflector+"reflection-allowed-namespaces"]) {
		return one(Found{Message: fmt.Sprintf("Secret %s/%s may be copied by whoever names it in an annotation", o.ID.Namespace, o.ID.Name), Object: o, Field: "metadata.annotations"})
	}
	sync, set := annotations["kubed.appscode.com/sync"]
	if !set {
		return nil
	}
	if sync == "" || sync == "true" {
		return one(Found{Message: fmt.Sprintf("Secret %s/%s is copied into every namespace", o.ID.Namespace, o.ID.Name), Object: o, Field: "metadata.annotations"})
	}
	key, _, _ := strings.Cut(sync, "=")
	if p, label := labelsBy(x, c, map[string]any{"matchLabels": map[string]any{key: ""}}); p != nil {
		return one(Found{Message: fmt.Sprintf("Secret %s/%s is copied into namespaces with label %s, which tenant %s may write", o.ID.Namespace, o.ID.Name, label, p.Tenant.Name), Object: o, Field: "metadata.annotations", Tenant: p.Tenant})
	}
	return nil
}

// openList reports whether a list of namespaces, or of patterns, takes all of them.
func openList(list string) bool {
	return slices.ContainsFunc(strings.Split(list, ","), func(s string) bool { s = strings.TrimSpace(s); return s == "" || s == "*" || s == ".*" })
}

// homeOf reports whether a namespace is one of the tenant that wrote an object.
func homeOf(o *estate.Object, namespace string) bool {
	if namespace == "" || namespace == o.ID.Namespace {
		return true
	}
	p := o.Compartment()
	return p != nil && p.Owns(namespace)
}

func selectsForeign(_ *Context, o *estate.Object) []Found {
	if o.Tenant == nil {
		return nil
	}
	switch {
	case o.ID.Group == "monitoring.coreos.com" && slices.Contains([]string{"ServiceMonitor", "PodMonitor", "Probe"}, o.ID.Kind):
		return monitors(o)
	case o.ID.Group == "networking.istio.io":
		return meshes(o)
	case o.ID.Group == "traefik.io" || o.ID.Group == "traefik.containo.us":
		return proxies(o)
	}
	return nil
}

func monitors(o *estate.Object) (out []Found) {
	at := []string{"spec", "namespaceSelector"}
	if o.ID.Kind == "Probe" {
		at = []string{"spec", "targets", "ingress", "namespaceSelector"}
	}
	selector := o.At(at...)
	field := strings.Join(at, ".")
	if open, _ := estate.At(selector, "any").(bool); open {
		return one(Found{Message: fmt.Sprintf("%s %s of tenant %s selects all namespaces", o.ID.Kind, o.ID.Name, o.Tenant.Name), Field: field + ".any"})
	}
	for i, ns := range estate.Texts(selector, "matchNames") {
		if !homeOf(o, ns) {
			out = append(out, Found{Message: fmt.Sprintf("%s %s of tenant %s selects namespace %s", o.ID.Kind, o.ID.Name, o.Tenant.Name, ns), Field: fmt.Sprintf("%s.matchNames[%d]", field, i)})
		}
	}
	return out
}

// meshes looks for hosts of Services in other namespaces, "api.auth-prod.svc.cluster.local", and for what changes the proxies themselves.
func meshes(o *estate.Object) (out []Found) {
	tell := func(field, host string) {
		if ns := serviceNamespace(host); !homeOf(o, ns) {
			out = append(out, Found{Message: fmt.Sprintf("%s %s of tenant %s is about %s in namespace %s", o.ID.Kind, o.ID.Name, o.Tenant.Name, host, ns), Field: field})
		}
	}
	switch o.ID.Kind {
	case "EnvoyFilter":
		return one(Found{Message: fmt.Sprintf("EnvoyFilter %s of tenant %s changes the configuration of proxies", o.ID.Name, o.Tenant.Name)})
	case "VirtualService", "ServiceEntry":
		for i, host := range estate.Texts(o.Body().Map(), "spec", "hosts") {
			tell(fmt.Sprintf("spec.hosts[%d]", i), host)
		}
	case "DestinationRule":
		tell("spec.host", o.Text("spec", "host"))
	}
	return out
}

// serviceNamespace is the namespace in the name of a Service; "" for other hosts.
func serviceNamespace(host string) string {
	parts := strings.Split(strings.ToLower(strings.TrimSuffix(host, ".")), ".")
	if len(parts) >= 3 && parts[2] == "svc" {
		return parts[1]
	}
	return ""
}

// proxies looks for references of Traefik's routes into other namespaces.
func proxies(o *estate.Object) (out []Found) {
	var visit func(v any, field string)
	visit = func(v any, field string) {
		switch v := v.(type) {
		case map[string]any:
			if ns := estate.Text(v, "namespace"); estate.Text(v, "name") != "" && !homeOf(o, ns) {
				out = append(out, Found{Message: fmt.Sprintf("%s %s of tenant %s refers to %s in namespace %s", o.ID.Kind, o.ID.Name, o.Tenant.Name, estate.Text(v, "name"), ns), Field: field})
			}
			for k, el := range v {
				visit(el, field+"."+k)
			}
		case []any:
			for i, el := range v {
				visit(el, fmt.Sprintf("%s[%d]", field, i))
			}
		}
	}
	visit(o.At("spec"), "spec")
	slices.SortFunc(out, func(a, b Found) int { return strings.Compare(a.Field, b.Field) })
	return out
}

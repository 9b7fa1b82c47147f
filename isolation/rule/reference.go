package rule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/permission"
)

// referenceRules are about references across namespaces.
func referenceRules() []Rule {
	return append([]Rule{
		{
			Rule: finding.Rule{
				ID: "REF-001", Level: finding.High, Title: "A tenant's object uses a source of a namespace that is not the tenant's",
				Why:  "Flux fetches sources with rights of its own: a reference across namespaces reads what the platform or another tenant keeps in its repository.",
				Hint: "give the tenant a source of its own, and start the controllers with --no-cross-namespace-refs=true",
			},
			Boundary: true,
			Unless:   "The namespace is one of the same tenant.",
			Source:   "kustomize-controller v1.9.5, helm-controller v1.6.4: --no-cross-namespace-refs is checked for sources; Flux, multi-tenancy lockdown",
			object:   foreignSource,
		},
		{
			Rule: finding.Rule{
				ID: "REF-002", Level: finding.Medium, Title: "A tenant's applier waits for one of another namespace",
				Why:  "No flag stops dependsOn at a namespace. It tells whether the other applier is there and ready, and lets the other stall this one.",
				Hint: "depend on appliers of the tenant; the platform may order what tenants wait for in the Kustomization that applies them",
			},
			Boundary: true,
			Unless:   "It waits for an applier in the namespace of Flux, as for an addon of the platform.",
			Source:   "kustomize-controller v1.9.5, helm-controller v1.6.4: dependsOn is not subject to --no-cross-namespace-refs",
			object:   foreignDependency,
		},
		{
			Rule: finding.Rule{
				ID: "REF-003", Level: finding.High, Title: "A tenant's expression reads an applier of another namespace",
				Why:  "The controller evaluates readyExpr over the whole of the other object with rights of its own, and the tenant sees whether it holds: value by value, it reads inline values and variables.",
				Hint: "take readyExpr out, and forbid it across namespaces by an admission policy; keep secrets out of inline values",
			},
			Boundary: true,
			Source:   "kustomize-controller v1.9.5, helm-controller v1.6.4: readyExpr is CEL over the dependency, in any namespace",
			object:   foreignExpression,
		},
		{
			Rule: finding.Rule{
				ID: "REF-004", Level: finding.Low, Title: "A tenant's health check names an object of another namespace",
				Why:  "The check is made as the tenant's account, which may not look there: the Kustomization never becomes ready.",
				Hint: "check objects of the tenant only",
			},
			Source: "kustomize-controller v1.9.5: health checks are made as spec.serviceAccountName",
			object: foreignHealth,
		},
		{
			Rule: finding.Rule{
				ID: "REF-005", Level: finding.High, Title: "A tenant's alert listens to another namespace",
				Why:  "Events hold error texts, revisions and names of objects: an alert on another namespace sends them to an address of the tenant's choice.",
				Hint: "listen to the tenant's own namespace, and start notification-controller with --no-cross-namespace-refs=true",
			},
			Boundary: true,
			Source:   "notification-controller v1.9.3: event sources of other namespaces, --no-cross-namespace-refs",
			object:   foreignEvents,
		},
		{
			Rule: finding.Rule{
				ID: "REF-006", Level: finding.High, Title: "A tenant's receiver triggers objects of another namespace",
				Why:  "notification-controller triggers what a receiver names with rights of its own, as often as somebody calls: a load on others, and a way to time what they apply.",
				Hint: "name objects of the tenant's own namespace, and start notification-controller with --no-cross-namespace-refs=true",
			},
			Boundary: true,
			Source:   "notification-controller v1.9.3: resources of other namespaces, --no-cross-namespace-refs",
			object:   foreignTrigger,
		},
	}, accessFromRule())
}

// foreign reports whether a namespace that an object of a tenant names is none of the tenant's. An empty one is the object's own.
func foreign(o *estate.Object, namespace string) bool {
	if o.Tenant == nil || namespace == "" || namespace == o.ID.Namespace {
		return false
	}
	p := o.Compartment()
	return p == nil || !p.Owns(namespace)
}

// reference is a field with a namespace.
type reference struct{ field, kind, namespace, name string }

// sourceReferences of an object, and the controller that follows them.
func sourceReferences(o *estate.Object) (out []reference, controller string) {
	one := func(fields ...string) []reference {
		m := o.At(fields...)
		return []reference{{"spec." + strings.Join(fields[1:], ".") + ".namespace", estate.Text(m, "kind"), estate.Text(m, "namespace"), estate.Text(m, "name")}}
	}
	switch {
	case o.Is(estate.KustomizeGroup, "Kustomization"):
		return one("spec", "sourceRef"), estate.KustomizeController
	case o.Is(estate.HelmGroup, "HelmRelease"):
		return append(one("spec", "chart", "spec", "sourceRef"), one("spec", "chartRef")...), estate.HelmController
	case o.Is(estate.ImageGroup, "ImageUpdateAutomation"):
		return one("spec", "sourceRef"), estate.ImageAutomationController
	case o.Is(estate.ImageGroup, "ImagePolicy"):
		return one("spec", "imageRepositoryRef"), estate.ImageReflectorController
	case o.Is(estate.GeneratorGroup, "ArtifactGenerator"):
		for i, s := range estate.List(o.At("spec"), "sources") {
			out = append(out, reference{fmt.Sprintf("spec.sources[%d].namespace", i), estate.Text(s, "kind"), estate.Text(s, "namespace"), estate.Text(s, "name")})
		}
		return out, estate.SourceWatcher
	}
	return nil, ""
}

// stopped says what a controller's --no-cross-namespace-refs makes of a reference: whether it is refused, and what to add to the message.
func stopped(c *estate.Cluster, controller string) (refuses bool, more string) {
	k := c.Controller(controller)
	switch {
	case k == nil:
		return false, fmt.Sprintf(", unless a flag of %s that Git does not show refuses it", controller)
	case k.On("--no-cross-namespace-refs"):
		return true, fmt.Sprintf("; %s refuses that", controller)
	}
	return false, ""
}

// across is a finding about a reference that --no-cross-namespace-refs may refuse.
func across(o *estate.Object, r reference, controller, does string) Found {
	f := Found{Field: r.field}
	refuses, more := stopped(o.Cluster, controller)
	if refuses {
		f.Level = finding.Medium
	}
	f.Message = fmt.Sprintf("%s of tenant %s %s %s%s", short(o.ID), o.Tenant.Name, does, apartFrom(r.namespace), more)
	return f
}

func foreignSource(_ *Context, o *estate.Object) (out []Found) {
	if o.Tenant == nil || !estate.FluxGroup(o.ID.Group) && o.ID.Group != estate.GeneratorGroup {
		return nil
	}
	list, controller := sourceReferences(o)
	for _, r := range list {
		if !foreign(o, r.namespace) {
			continue
		}
		out = append(out, across(o, r, controller, fmt.Sprintf("takes %s %s from", legible(r.kind), legible(r.name))))
	}
	return out
}

// dependencies on other namespaces that are not the tenant's, with their expressions.
func dependencies(o *estate.Object) (out []reference, expressions []string) {
	if o.Tenant == nil || !o.Is(estate.KustomizeGroup, "Kustomization") && !o.Is(estate.HelmGroup, "HelmRelease") {
		return nil, nil
	}
	p := o.Compartment()
	for i, d := range estate.List(o.At("spec"), "dependsOn") {
		ns := estate.Text(d, "namespace")
		if !foreign(o, ns) || ns != o.Cluster.FluxNamespace && p != nil && slices.Contains(p.FluxNamespaces, ns) { // that of the tenant's own applier
			continue
		}
		out = append(out, reference{fmt.Sprintf("spec.dependsOn[%d]", i), o.ID.Kind, ns, estate.Text(d, "name")})
		expressions = append(expressions, estate.Text(d, "readyExpr"))
	}
	return out, expressions
}

func foreignDependency(_ *Context, o *estate.Object) (out []Found) {
	list, expressions := dependencies(o)
	for i, r := range list {
		if expressions[i] != "" || r.namespace == o.Cluster.FluxNamespace { // REF-003 tells of expressions
			continue
		}
		out = append(out, Found{
			Field:   r.field + ".namespace",
			Message: fmt.Sprintf("%s of tenant %s waits for %s %s in %s", short(o.ID), o.Tenant.Name, r.kind, legible(r.name), apartFrom(r.namespace)),
		})
	}
	return out
}

func foreignExpression(_ *Context, o *estate.Object) (out []Found) {
	list, expressions := dependencies(o)
	for i, r := range list {
		if expressions[i] == "" {
			continue
		}
		what := "the state"
		if strings.Contains(expressions[i], "spec") {
			what = "the spec"
		}
		out = append(out, Found{
			Field:   r.field + ".readyExpr",
			Message: fmt.Sprintf("%s of tenant %s reads by an expression %s of %s %s in %s", short(o.ID), o.Tenant.Name, what, r.kind, legible(r.name), apartFrom(r.namespace)),
		})
	}
	return out
}

func foreignHealth(_ *Context, o *estate.Object) (out []Found) {
	if o.Tenant == nil || !o.Is(estate.KustomizeGroup, "Kustomization") {
		return nil
	}
	for i, h := range estate.List(o.At("spec"), "healthChecks") {
		if ns := estate.Text(h, "namespace"); foreign(o, ns) {
			out = append(out, Found{
				Field:   fmt.Sprintf("spec.healthChecks[%d].namespace", i),
				Message: fmt.Sprintf("%s of tenant %s checks %s %s in %s", short(o.ID), o.Tenant.Name, legible(estate.Text(h, "kind")), legible(estate.Text(h, "name")), apartFrom(ns)),
			})
		}
	}
	return out
}

func foreignEvents(_ *Context, o *estate.Object) (out []Found) {
	if o.Tenant == nil || !o.Is(estate.NotificationGroup, "Alert") {
		return nil
	}
	for i, s := range estate.List(o.At("spec"), "eventSources") {
		r := reference{field: fmt.Sprintf("spec.eventSources[%d].namespace", i), namespace: estate.Text(s, "namespace")}
		if foreign(o, r.namespace) {
			out = append(out, across(o, r, estate.NotificationController, "listens to "+legible(estate.Text(s, "kind")+" "+estate.Text(s, "name"))+" in"))
		}
	}
	return out
}

func foreignTrigger(_ *Context, o *estate.Object) (out []Found) {
	if o.Tenant == nil || !o.Is(estate.NotificationGroup, "Receiver") {
		return nil
	}
	for i, s := range estate.List(o.At("spec"), "resources") {
		r := reference{field: fmt.Sprintf("spec.resources[%d].namespace", i), namespace: estate.Text(s, "namespace")}
		if foreign(o, r.namespace) {
			out = append(out, across(o, r, estate.NotificationController, "triggers "+legible(estate.Text(s, "kind")+" "+estate.Text(s, "name"))+" in"))
		}
	}
	return out
}

func accessFromRule() Rule {
	return Rule{
		Rule: finding.Rule{
			ID: "REF-007", Level: finding.Medium, Title: "An image repository lets too many namespaces in",
			Why:  "accessFrom lets policies of other namespaces read the list of images. An empty selector selects every namespace, and a label that a tenant can write selects whom the tenant wants.",
			Hint: "select namespaces by kubernetes.io/metadata.name, which nobody can change",
		},
		Boundary: true,
		Unless:   "The list of images is meant for everybody.",
		Static:   "who may write a label follows from several objects",
		Source:   "image-reflector-controller v1.2: accessFrom of fluxcd/pkg/apis/acl",
		object:   openAccess,
	}
}

func openAccess(x *Context, o *estate.Object) (out []Found) {
	if !o.Is(estate.ImageGroup, "ImageRepository") {
		return nil
	}
	for i, s := range estate.List(o.At("spec"), "accessFrom", "namespaceSelectors") {
		field := fmt.Sprintf("spec.accessFrom.namespaceSelectors[%d]", i)
		labels, _ := s["matchLabels"].(map[string]any)
		if len(labels) == 0 {
			out = append(out, Found{Field: field, Message: fmt.Sprintf("%s lets every namespace in", short(o.ID))})
			continue
		}
		if _, fixed := labels[nameLabel]; fixed {
			continue
		}
		for _, p := range o.Cluster.Compartments {
			if ns, steps := relabels(x, p); ns != "" && p.Tenant != o.Tenant {
				out = append(out, Found{
					Field: field, Tenant: p.Tenant, Steps: steps,
					Message: fmt.Sprintf("%s lets namespaces in by a label that tenant %s can give its namespace %s", short(o.ID), p.Tenant.Name, ns),
				})
			}
		}
	}
	return out
}

// nameLabel is the label of a namespace that nobody can change.
//
// Source: Kubernetes v1.36: the API server sets it.
const nameLabel = "kubernetes.io/metadata.name"

// relabels is a namespace of a tenant whose labels the tenant can write, "" for none, and how. Of who may do everything other rules tell.
func relabels(x *Context, p *estate.Compartment) (namespace string, steps []finding.Step) {
	r := x.Reach(p)
	if r.Everything() != nil {
		return "", nil
	}
	for _, ns := range p.Namespaces {
		for _, verb := range []string{"patch", "update"} {
			if steps, may := r.May(permission.OnNamespace(verb, ns)); may {
				return ns, steps
			}
		}
	}
	return "", nil
}

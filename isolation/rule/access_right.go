package rule

import (
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/permission"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

// rightRules are about what tenants may do in the end, by whatever way.
func rightRules() []Rule {
	return []Rule{
		{
			Rule: finding.Rule{
				ID: "RBC-009", Level: finding.High, Title: "A tenant reaches a right that leads further",
				Why:  "Some rights are more than they say: who may approve certificates, write webhooks, reach the kubelet or run commands in pods of others acts as them.",
				Hint: "take the right out of the role, or bind it in the tenant's namespace only",
			},
			Boundary: true, Static: "it follows from several objects", Source: rbacSource,
			Unless:      "it is to run commands in the tenant's own pods",
			compartment: leadsFurther,
		},
		{
			Rule: finding.Rule{
				ID: "RBC-010", Level: finding.High, Title: "A tenant may write the status of Flux sources",
				Why:  "Appliers trust the address and the digest in the status of a source. Who writes it decides what they apply, past every signature.",
				Hint: "give a role that lists Flux's kinds without *, in place of flux-edit",
			},
			Boundary: true, Static: "it follows from several objects", Source: "flux2 v2.9, manifests/rbac; source-controller v1.9.5, status.artifact",
			Unless:      "only appliers with the tenant's own account use the sources: it is low then",
			compartment: forgedStatus,
		},
		{
			Rule: finding.Rule{
				ID: "RBC-012", Level: finding.High, Title: "A tenant may write what fences it in",
				Why:  "Quotas, network policies and bindings of the platform hold a tenant only as long as it cannot change or delete them. The role edit writes NetworkPolicies.",
				Hint: "bind a role without these kinds, such as bulkhead-tenant, or protect the platform's objects by an admission policy",
			},
			Boundary: true, Static: "it follows from several objects", Source: rbacSource,
			Unless:      "never",
			compartment: ownFences,
		},
	}
}

// primitive is a right that leads further than it says.
type primitive struct {
	group, resource string
	verbs           []string
	level           finding.Level
	// cluster is true for what is in no namespace, where a RoleBinding has no say.
	cluster bool
}

// primitives outside of the tenant's own namespaces.
//
// Source: Kubernetes v1.36, "Role Based Access Control Good Practices".
var primitives = []primitive{ //nolint:gochecknoglobals // a constant table
	{"", "secrets", []string{"get", "list", "watch"}, finding.Critical, false},
	{"", "serviceaccounts/token", []string{"create"}, finding.Critical, false},
	{"", "pods/exec", []string{"create", "get"}, finding.High, false},
	{"", "pods/attach", []string{"create", "get"}, finding.High, false},
	{"", "pods/ephemeralcontainers", []string{"update", "patch"}, finding.High, false},
	{"", "pods/portforward", []string{"create", "get"}, finding.High, false},
	{"", "nodes/proxy", []string{"get", "create"}, finding.Critical, true},
	{"", "persistentvolumes", []string{"create", "update", "patch"}, finding.Critical, true},
	{"certificates.k8s.io", "certificatesigningrequests/approval", []string{"update", "patch"}, finding.Critical, true},
	{"admissionregistration.k8s.io", "mutatingwebhookconfigurations", []string{"create", "update", "patch"}, finding.Critical, true},
	{"admissionregistration.k8s.io", "validatingwebhookconfigurations", []string{"create", "update", "patch", "delete"}, finding.Critical, true},
	{"admissionregistration.k8s.io", "mutatingadmissionpolicies", []string{"create", "update", "patch"}, finding.Critical, true},
	{"admissionregistration.k8s.io", "validatingadmissionpolicies", []string{"create", "update", "patch", "delete"}, finding.Critical, true},
	{"apiregistration.k8s.io", "apiservices", []string{"create", "update", "patch"}, finding.Critical, true},
	{"apiextensions.k8s.io", "customresourcedefinitions", []string{"create", "update", "patch", "delete"}, finding.Critical, true},
}

// homePrimitives lead out of the tenant's own namespaces, too: an endpoint and an address are of the whole cluster.
//
// Source: CVE-2020-8554 and CVE-2021-25740.
var homePrimitives = []primitive{ //nolint:gochecknoglobals // a constant table
	{"", "services/status", []string{"update", "patch"}, finding.High, false},
	{"", "endpoints", []string{"create", "update", "patch"}, finding.High, false},
	{"discovery.k8s.io", "endpointslices", []string{"create", "update", "patch"}, finding.High, false},
}

// leadsFurther tells of each binding once. Who may do everything is told of by other rules.
func leadsFurther(x *Context, p *estate.Compartment) (out []Found) {
	r, told := x.Reach(p), map[string]int{}
	tell := func(g *permission.Grant, steps []finding.Step, table []primitive) {
		if everything(&g.Rule) {
			return
		}
		for _, t := range table {
			if !covers(&g.Rule, t.group, t.resource, t.verbs...) || g.Namespace != "" && t.cluster {
				continue
			}
			key := g.Namespace + "/" + g.Binding
			at, seen := told[key]
			if !seen {
				id := object.ID{Group: rbacv1.GroupName, Kind: "ClusterRoleBinding", Name: g.Binding}
				where := "everywhere on"
				if g.Namespace != "" {
					id.Kind, id.Namespace, where = "RoleBinding", g.Namespace, "in namespace "+g.Namespace+" of"
				}
				f := Found{Level: t.level, ID: &id, Steps: steps, Message: fmt.Sprintf("tenant %s reaches %s on %s %s cluster %s", p.Tenant.Name, phrase.List(g.Rule.Verbs, 4), t.resource, where, p.Cluster.Name)}
				if list := p.Cluster.Get(id); len(list) > 0 {
					f.Object = list[0]
				}
				told[key] = len(out)
				out = append(out, f)
			} else if t.level.Rank() < out[at].Level.Rank() {
				out[at].Level = t.level
			}
		}
	}
	excess := r.Excess()
	for i := range excess {
		if r.Own(excess[i].Principal) {
			tell(&excess[i].Grant, excess[i].Steps, primitives)
		}
	}
	for i := range excess { // who acts as others has what they have: one example will do
		if len(out) == 0 {
			tell(&excess[i].Grant, excess[i].Steps, primitives)
		}
	}
	for _, ns := range p.Namespaces {
		for _, t := range homePrimitives {
			resource, sub, _ := strings.Cut(t.resource, "/")
			for _, verb := range t.verbs {
				if g, steps := r.Right(permission.Request{Verb: verb, Group: t.group, Resource: resource, Subresource: sub, Namespace: ns}); g != nil {
					tell(g, steps, []primitive{t})
					break
				}
			}
		}
	}
	return out
}

// sourceResources are the kinds whose status names an artifact.
var sourceResources = map[string]string{ //nolint:gochecknoglobals // a constant table
	"GitRepository": "gitrepositories", "OCIRepository": "ocirepositories", "Bucket": "buckets", "HelmChart": "helmcharts", "HelmRepository": "helmrepositories", "ExternalArtifact": "externalartifacts",
}

// forgedStatus looks where the tenant's own sources are. A right in other namespaces, or on everything, is told of by the binding that gives it.
func forgedStatus(x *Context, p *estate.Compartment) (out []Found) {
	r := x.Reach(p)
	may := func(resource, ns, name string) []finding.Step {
		for _, verb := range []string{"patch", "update"} {
			if g, steps := r.Right(permission.Request{Verb: verb, Group: estate.SourceGroup, Resource: resource, Subresource: "status", Namespace: ns, Name: name}); g != nil && !everything(&g.Rule) {
				return steps
			}
		}
		return nil
	}
	told := map[string]bool{}
	for _, a := range p.Cluster.Homed {
		resource := sourceResources[a.Source.Kind]
		if resource == "" || told[a.Source.Namespace] || !p.Owns(a.Source.Namespace) && !slices.Contains(p.FluxNamespaces, a.Source.Namespace) || a.Tenant == p.Tenant && a.As.Kind == estate.RunsAsAccount {
			continue
		}
		if steps := may(resource, a.Source.Namespace, a.Source.Name); steps != nil {
			told[a.Source.Namespace] = true
			out = append(out, Found{
				Message: fmt.Sprintf("tenant %s may write the status of %s %s/%s, from which %s applies", p.Tenant.Name, a.Source.Kind, a.Source.Namespace, a.Source.Name, a),
				ID:      &object.ID{Group: estate.SourceGroup, Kind: a.Source.Kind, Namespace: a.Source.Namespace, Name: a.Source.Name}, Field: "status", Steps: steps,
			})
		}
	}
	for _, ns := range p.Namespaces {
		if steps := may("gitrepositories", ns, ""); steps != nil && !told[ns] {
			out = append(out, Found{
				Level:   finding.Low,
				Message: fmt.Sprintf("tenant %s may write the status of sources in namespace %s, which only its own appliers use", p.Tenant.Name, ns),
				ID:      &object.ID{Kind: "Namespace", Name: ns}, Steps: steps,
			})
		}
	}
	return out
}

// ownFences tells of each namespace once: one role opens all of its fences.
func ownFences(x *Context, p *estate.Compartment) (out []Found) {
	r := x.Reach(p)
	fences, steps := map[string][]string{}, map[string][]finding.Step{}
	for _, o := range p.Cluster.Objects {
		ns := o.ID.Namespace
		if o.Is("", "Namespace") {
			ns = o.ID.Name
		}
		if o.Tenant != nil || !p.Owns(ns) || !o.Guard() && !estate.FluxGroup(o.ID.Group) {
			continue
		}
		for _, verb := range []string{"delete", "patch", "update"} {
			if g, how := r.Right(onNamespace(p.Cluster, o, verb)); g != nil {
				fences[ns] = append(fences[ns], o.ID.Kind+" "+o.ID.Name)
				if steps[ns] == nil {
					steps[ns] = how
				}
				break
			}
		}
	}
	for _, ns := range p.Namespaces {
		if len(fences[ns]) == 0 {
			continue
		}
		slices.Sort(fences[ns])
		f := Found{
			Message: fmt.Sprintf("tenant %s may change or delete in namespace %s what is to fence it in: %s", p.Tenant.Name, ns, phrase.List(slices.Compact(fences[ns]), 5)),
			Object:  p.Cluster.Namespace(ns), Steps: steps[ns],
		}
		if f.Object == nil {
			f.ID = &object.ID{Kind: "Namespace", Name: ns}
		}
		out = append(out, f)
	}
	return out
}

package rule

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/permission"
	"github.com/bulkhead-dev/bulkhead/object"
)

// absent is why admission cannot enforce a rule about what is not there.
const absent = "an object that is not there is never asked about"

// quotaRules are about how much of a cluster one tenant may take from the others.
func quotaRules() []Rule {
	return []Rule{
		{
			Rule: finding.Rule{
				ID: "QUO-001", Level: finding.Medium, Title: "No quota bounds what a namespace of a tenant takes",
				Why:  "One tenant, or one mistake of it, takes all of the cluster's memory, addresses or volumes, and the pods of the others do not start.",
				Hint: "give the namespace a ResourceQuota of the hub for cpu, memory, pods, claims and load balancers",
			},
			Unless:      "an operator of the platform makes the quota, as Capsule does",
			Static:      absent,
			Source:      "Kubernetes v1.36: ResourceQuota",
			compartment: unbounded,
		},
		{
			Rule: finding.Rule{
				ID: "QUO-002", Level: finding.Low, Title: "A quota asks pods for amounts, and nothing fills them in",
				Why:  "The API server refuses each pod that does not say what the quota counts. Pods of charts often do not.",
				Hint: "add a LimitRange with defaults for containers",
			},
			Unless:      "all pods of the namespace say what they need",
			Static:      absent,
			Source:      "Kubernetes v1.36: ResourceQuota, LimitRange",
			compartment: undefaulted,
		},
		{
			Rule: finding.Rule{
				ID: "QUO-003", Level: finding.Medium, Title: "Nothing bounds how many Flux objects a tenant makes",
				Why:  "Flux reconciles the objects of all tenants in the same queue, and keeps an artifact for each source. Thousands of one tenant hold up all others.",
				Hint: "add count/KIND.GROUP of Flux's kinds to the ResourceQuota of the hub",
			},
			Static:      absent,
			Source:      "Kubernetes v1.36: object count quota; kustomize-controller v1.9.5: --concurrent",
			compartment: unboundedFlux,
		},
	}
}

// guards are the objects of a kind that the platform has in a namespace: what a tenant brings it can take away.
func guards(c *estate.Cluster, group, kind, namespace string) (out []*estate.Object) {
	for _, o := range c.Kind(group, kind) {
		if o.ID.Namespace == namespace && o.Tenant == nil {
			out = append(out, o)
		}
	}
	return out
}

// unseen says what the platform may have in a namespace that is not seen here: an object of a kind that a suspended applier holds, or whatever
// is behind a gap; "" for nothing.
func unseen(c *estate.Cluster, group, kind, namespace string) string {
	tenants := map[object.Applier]bool{}
	for _, a := range c.Appliers {
		tenants[a.Applier] = a.Tenant != nil
		for _, o := range a.Held {
			if a.Tenant == nil && o.Is(group, kind) && o.ID.Namespace == namespace {
				return fmt.Sprintf("%s has one, and is suspended", a.Applier)
			}
		}
	}
	for i := range c.Gaps {
		if g := &c.Gaps[i]; g.Hides && !tenants[g.Applier] {
			return fmt.Sprintf("not all that %s applies is known: %s", g.Applier, legible(g.Reason))
		}
	}
	return ""
}

// missing says that the platform has no object of a kind in a namespace, as far as is seen.
func missing(p *estate.Compartment, group, kind, namespace, message string) Found {
	f := Found{ID: namespaceID(namespace), Message: message}
	if ns := p.Cluster.Namespace(namespace); ns != nil {
		f.Object = ns
	}
	if why := unseen(p.Cluster, group, kind, namespace); why != "" {
		f.Unproven, f.Message = true, message+", or "+why
	}
	return f
}

// hardOf are the amounts of the quotas of the platform in a namespace that hold for all pods, and whether there is a quota.
func hardOf(c *estate.Cluster, namespace string) (hard corev1.ResourceList, found *estate.Object) {
	hard = corev1.ResourceList{}
	for _, o := range guards(c, "", "ResourceQuota", namespace) {
		var q corev1.ResourceQuota
		if !o.Into(&q) || len(q.Spec.Scopes) > 0 || q.Spec.ScopeSelector != nil {
			continue
		}
		if found == nil {
			found = o
		}
		for name, amount := range q.Spec.Hard {
			if old, ok := hard[name]; !ok || amount.Cmp(old) < 0 {
				hard[name] = amount
			}
		}
	}
	return hard, found
}

// bounds are what a quota is to bound, and the names that do it, one of which is enough.
var bounds = []struct { //nolint:gochecknoglobals // a constant table
	what string
	by   []corev1.ResourceName
}{
	{"cpu", []corev1.ResourceName{"requests.cpu", "cpu", "limits.cpu"}},
	{"memory", []corev1.ResourceName{"requests.memory", "memory", "limits.memory"}},
	{"pods", []corev1.ResourceName{"pods", "count/pods"}},
	{"volume claims", []corev1.ResourceName{"persistentvolumeclaims", "count/persistentvolumeclaims", "requests.storage"}},
	{"load balancers", []corev1.ResourceName{"services.loadbalancers", "services", "count/services"}},
}

func unbounded(_ *Context, p *estate.Compartment) (out []Found) {
	for _, ns := range p.Namespaces {
		hard, quota := hardOf(p.Cluster, ns)
		if quota == nil {
			message := fmt.Sprintf("namespace %s of tenant %s has no ResourceQuota of the platform", ns, p.Tenant.Name)
			out = append(out, missing(p, "", "ResourceQuota", ns, message))
			continue
		}
		var without []string
		for _, b := range bounds {
			if !slices.ContainsFunc(b.by, func(n corev1.ResourceName) bool { _, ok := hard[n]; return ok }) {
				without = append(without, b.what)
			}
		}
		if len(without) > 0 {
			out = append(out, Found{
				Level: finding.Low, Object: quota, Field: "spec.hard",
				Message: fmt.Sprintf("the quota of namespace %s of tenant %s does not bound %s", ns, p.Tenant.Name, strings.Join(without, ", ")),
			})
		}
	}
	return out
}

func undefaulted(_ *Context, p *estate.Compartment) (out []Found) {
	for _, ns := range p.Namespaces {
		hard, quota := hardOf(p.Cluster, ns)
		if quota == nil {
			continue
		}
		limits, requests := defaultsOf(p.Cluster, ns)
		var without []string
		for _, demand := range []struct {
			name corev1.ResourceName
			by   corev1.ResourceList
			of   corev1.ResourceName
		}{
			{"limits.cpu", limits, "cpu"},
			{"limits.memory", limits, "memory"},
			{"requests.cpu", requests, "cpu"},
			{"cpu", requests, "cpu"},
			{"requests.memory", requests, "memory"},
			{"memory", requests, "memory"},
		} {
			_, demanded := hard[demand.name]
			if _, filled := demand.by[demand.of]; demanded && !filled {
				without = append(without, string(demand.name))
			}
		}
		if len(without) > 0 {
			message := fmt.Sprintf("the quota of namespace %s of tenant %s counts %s, for which no LimitRange has a default", ns, p.Tenant.Name, strings.Join(without, ", "))
			f := missing(p, "", "LimitRange", ns, message)
			f.Object, f.ID, f.Field = quota, nil, "spec.hard"
			out = append(out, f)
		}
	}
	return out
}

// defaultsOf are what the limit ranges of a namespace give to containers that say nothing. Who has no request asks for the limit.
//
// Source: Kubernetes v1.36, plugin/pkg/admission/limitranger, and the defaults of a container's requests.
func defaultsOf(c *estate.Cluster, namespace string) (limits, requests corev1.ResourceList) {
	limits, requests = corev1.ResourceList{}, corev1.ResourceList{}
	for _, o := range c.Kind("", "LimitRange") {
		var l corev1.LimitRange
		if o.ID.Namespace != namespace || !o.Into(&l) {
			continue
		}
		for i := range l.Spec.Limits {
			item := &l.Spec.Limits[i]
			if item.Type != corev1.LimitTypeContainer {
				continue
			}
			for from, to := range map[*corev1.ResourceList][]corev1.ResourceList{
				&item.Default: {limits, requests}, &item.DefaultRequest: {requests}, &item.Max: {limits, requests}, &item.Min: {requests},
			} {
				for name, amount := range *from {
					for _, list := range to {
						list[name] = amount
					}
				}
			}
		}
	}
	return limits, requests
}

// fluxCounts are the kinds of Flux that apply or fetch something: group to resources.
var fluxCounts = []struct{ group, resource string }{ //nolint:gochecknoglobals // a constant table
	{estate.KustomizeGroup, "kustomizations"},
	{estate.HelmGroup, "helmreleases"},
	{estate.SourceGroup, "gitrepositories"},
	{estate.SourceGroup, "ocirepositories"},
	{estate.SourceGroup, "helmrepositories"},
	{estate.SourceGroup, "helmcharts"},
	{estate.SourceGroup, "buckets"},
	{estate.OperatorGroup, "resourcesets"},
}

func unboundedFlux(_ *Context, p *estate.Compartment) (out []Found) {
	for _, ns := range p.Namespaces {
		s := p.SettingsOf(ns)
		pinned := !p.Tenant.Inferred && s != nil && s.NestedFlux == v1alpha1.Pinned
		hard, quota := hardOf(p.Cluster, ns)
		var without []string
		for _, kind := range fluxCounts {
			_, counted := hard[corev1.ResourceName("count/"+kind.resource+"."+kind.group)]
			if !counted && (pinned && kind.resource != "resourcesets" || mayCreate(p, ns, kind.group, kind.resource)) {
				without = append(without, kind.resource)
			}
		}
		if len(without) == 0 {
			continue
		}
		message := fmt.Sprintf("tenant %s may make any number of %s in namespace %s", p.Tenant.Name, strings.Join(without, ", "), ns)
		if quota != nil {
			out = append(out, Found{Object: quota, Field: "spec.hard", Message: message})
			continue
		}
		out = append(out, missing(p, "", "ResourceQuota", ns, message))
	}
	return out
}

// mayCreate reports whether one of the accounts that apply for the tenant may create objects in a namespace.
func mayCreate(p *estate.Compartment, namespace, group, resource string) bool {
	return slices.ContainsFunc(p.Accounts(), func(a estate.Account) bool {
		_, may := p.Cluster.Permissions().May(permission.Account(a.Namespace, a.Name), permission.Request{Verb: "create", Group: group, Resource: resource, Namespace: namespace})
		return may
	})
}

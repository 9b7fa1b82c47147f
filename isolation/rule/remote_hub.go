package rule

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/object"
)

// remoteHubRules are about a hub cluster that applies to others.
func remoteHubRules() []Rule {
	return []Rule{
		{
			Rule: finding.Rule{
				ID: "RMT-004", Level: finding.Critical, Title: "What is meant for another cluster lands on the hub",
				Why:  "An applier that forgot spec.kubeConfig works: it applies the files to the hub itself, with the rights that its controller has there.",
				Hint: "set spec.kubeConfig as its neighbours do, and give it an account without rights on the hub",
			},
			Boundary: true, Static: "it is compared with its neighbours", Source: remoteSource,
			Unless:  "it only brings Flux objects that have a kubeconfig of their own",
			cluster: landsOnHub,
		},
		{
			Rule: finding.Rule{
				ID: "RMT-005", Level: finding.High, Title: "A kubeconfig is shared too widely",
				Why:  "A kubeconfig's user is one for all who use it: what it may do, each of them may. Where production's lies beside others, one reference is enough to mix them up.",
				Hint: "a namespace for each cluster, and an account for each tenant in spec.serviceAccountName",
			},
			Boundary: true, Static: "several objects are compared", Source: remoteSource,
			Unless:  "only the platform's appliers use it",
			cluster: sharedKubeconfig,
		},
		{
			Rule: finding.Rule{
				ID: "RMT-006", Level: finding.High, Title: "The account is not on the target cluster",
				Why:  "spec.serviceAccountName names an account of the target, in the namespace that the applier has on the hub. Without it nothing is applied, or what somebody else binds to that name.",
				Hint: "apply the namespace, the account and its bindings to the target cluster",
			},
			Boundary: true, Static: "two clusters are compared", Source: remoteSource,
			Unless:  "the account is made when the cluster is set up",
			applier: missingOnTarget,
		},
	}
}

// landsOnHub looks into namespaces where most appliers write elsewhere.
func landsOnHub(_ *Context, c *estate.Cluster) (out []Found) {
	remote := map[string]int{}
	for _, a := range c.Homed {
		if logsOn(a) {
			remote[a.Namespace]++
		}
	}
	for _, a := range c.Homed {
		if remote[a.Namespace] == 0 || a.Namespace == c.FluxNamespace || logsOn(a) {
			continue
		}
		for _, o := range slices.Concat(a.Objects, a.Held) {
			if forHub(o) {
				continue
			}
			level := finding.Critical
			if a.As.ByDefault {
				level = finding.High // the default account should have no rights
			}
			out = append(out, Found{
				Level:   level,
				Message: fmt.Sprintf("%s applies %s to the hub cluster %s; others of namespace %s have a kubeconfig", a, o.ID, c.Name, a.Namespace),
				Object:  a.Object, ID: ref(a.ID()), Field: "spec.kubeConfig", Tenant: a.Tenant,
			})
			break
		}
	}
	return out
}

func ref(id object.ID) *object.ID { return &id }

// forHub reports whether an object belongs on the hub: sources, appliers that write elsewhere, what makes other clusters, and what these read.
func forHub(o *estate.Object) bool {
	if applierObject(o) {
		return o.At("spec", "kubeConfig") != nil
	}
	switch o.ID.Group {
	case "":
		return o.ID.Kind == "Secret" || o.ID.Kind == "ConfigMap" || o.ID.Kind == "ServiceAccount" || o.ID.Kind == "Namespace"
	case rbacv1.GroupName, externalGroup, "bitnami.com":
		return true
	}
	return estate.FluxGroup(o.ID.Group) || delegated(o.ID) != nil
}

// kubeconfigUse is who uses a kubeconfig.
type kubeconfigUse struct {
	id       object.ID
	appliers []*estate.Applier
}

func kubeconfigUses(c *estate.Cluster) (out []*kubeconfigUse) {
	byID := map[object.ID]*kubeconfigUse{}
	for _, a := range c.Homed {
		id := kubeconfigOf(a)
		if !logsOn(a) || id.Name == "" {
			continue
		}
		u := byID[id]
		if u == nil {
			u = &kubeconfigUse{id: id}
			byID[id] = u
			out = append(out, u)
		}
		u.appliers = append(u.appliers, a)
	}
	slices.SortFunc(out, func(a, b *kubeconfigUse) int { return a.id.Compare(b.id) })
	return out
}

func sharedKubeconfig(x *Context, c *estate.Cluster) (out []Found) {
	production := map[string]map[bool]*estate.Applier{}
	for _, u := range kubeconfigUses(c) {
		out = append(out, u.parties(c)...)
		if u.id.Kind == "Secret" {
			for _, p := range c.Compartments {
				if u.writtenBy(p.Tenant) {
					continue // RMT-001
				}
				if steps := readsSecret(x, p, u.id); steps != nil {
					out = append(out, Found{Message: fmt.Sprintf("tenant %s may read kubeconfig %s/%s on cluster %s", p.Tenant.Name, u.id.Namespace, u.id.Name, c.Name), ID: ref(u.id), Tenant: p.Tenant, Steps: steps})
				}
			}
		}
		for _, a := range u.appliers {
			if a.Target.Environment == "" || a.Object == nil {
				continue
			}
			if production[a.Namespace] == nil {
				production[a.Namespace] = map[bool]*estate.Applier{}
			}
			production[a.Namespace][a.Target.Production] = cmp.Or(production[a.Namespace][a.Target.Production], a)
		}
	}
	for namespace, of := range production {
		if of[true] != nil && of[false] != nil && c.Owner(namespace) == nil {
			out = append(out, Found{
				Message: fmt.Sprintf("namespace %s of cluster %s has kubeconfigs of production (%s) and of %s (%s)", namespace, c.Name, of[true].Target.Name, of[false].Target.Environment, of[false].Target.Name),
				Object:  of[true].Object, Field: "spec.kubeConfig",
			})
		}
	}
	return out
}

// writtenBy reports whether a tenant itself wrote all appliers that use the kubeconfig.
func (u *kubeconfigUse) writtenBy(t *estate.Tenant) bool {
	return !slices.ContainsFunc(u.appliers, func(a *estate.Applier) bool { return a.Author != t })
}

// parties are those who share a kubeconfig without an account of their own.
func (u *kubeconfigUse) parties(c *estate.Cluster) []Found {
	var names []string
	var bare *estate.Applier
	for _, a := range u.appliers {
		name := "the platform"
		if a.Tenant != nil {
			name = "tenant " + a.Tenant.Name
			if a.As.Kind == estate.RunsAsKubeconfig && bare == nil && a.Object != nil {
				bare = a
			}
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if bare == nil || len(names) < 2 {
		return nil
	}
	slices.Sort(names)
	return one(Found{
		Message: fmt.Sprintf("%s applies files of tenant %s as the user of kubeconfig %s/%s on cluster %s, which is one of %s", bare, bare.Tenant.Name, u.id.Namespace, u.id.Name, c.Name, strings.Join(names, ", ")),
		Object:  bare.Object, Field: "spec.serviceAccountName", Tenant: bare.Tenant,
	})
}

func missingOnTarget(_ *Context, a *estate.Applier) []Found {
	if !logsOn(a) || a.As.Kind != estate.RunsAsAccount || a.Home == a.Target {
		return nil
	}
	t, account := a.Target, a.As.Account
	if len(t.Get(object.ID{Kind: "ServiceAccount", Namespace: account.Namespace, Name: account.Name})) > 0 {
		return nil
	}
	f := Found{Message: fmt.Sprintf("%s applies as account %s, which nobody brings to cluster %s", a, account, t.Name), Field: "spec.serviceAccountName"}
	if !t.Entered || slices.ContainsFunc(t.Gaps, func(g estate.Gap) bool { return g.Hides }) {
		f.Unproven = true
		f.Message = fmt.Sprintf("%s applies as account %s, and Git does not show all of cluster %s", a, account, t.Name)
	}
	return one(f)
}

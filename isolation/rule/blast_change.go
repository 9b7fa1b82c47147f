package rule

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

// changeRules compare two revisions.
func changeRules() []Rule {
	return []Rule{
		{
			Rule: finding.Rule{
				ID: "BLR-001", Level: finding.High, Title: "A change reaches production and other environments at once",
				Why:  "No environment is there to find the mistake first.",
				Hint: "split the change: the first environment now, production when it has shown itself",
			},
			Unless: "Nothing that is rendered changes, or a tenant is new.",
			Static: twoRevisions, Source: "the objects of both revisions", change: everywhere,
		},
		{
			Rule: finding.Rule{
				ID: "BLR-002", Level: finding.High, Title: "A change deletes guards or data",
				Why:  "A namespace goes with all that is in it, a definition with all of its objects, a claim with its data, and without its guards a tenant has more room.",
				Hint: "mark the object with kustomize.toolkit.fluxcd.io/prune: disabled in a first step, save what is in it, and take it away in a second one",
			},
			Unless: "The mark is there, the tenant is being taken away in phases, or the cluster goes.",
			Static: twoRevisions, Source: "kustomize-controller v1.9.5: spec.prune, spec.deletionPolicy", change: deletes,
		},
		{
			Rule: finding.Rule{
				ID: "BLR-003", Level: finding.High, Title: "A change gives a tenant more rights",
				Why:  "The tenant may do what it could not do before, be it by a role that an aggregation collects, or by an account that has come within its reach.",
				Hint: "make the grant smaller, or change the tenant's document with a review",
			},
			Boundary: true,
			Unless:   "The tenant's document changes along, and the rights stay within its namespaces.",
			Static:   twoRevisions, Source: "Kubernetes v1.36 RBAC; the reach of both revisions", change: gains,
		},
		{
			Rule: finding.Rule{
				ID: "BLR-006", Level: finding.High, Title: "A variable of many changes",
				Why:  "Each object that has the variable in it changes with it, in a file that nobody looks at.",
				Hint: "bring in a new variable and move to it one by one",
			},
			Unless: "The variable is new.",
			Static: twoRevisions, Source: "kustomize-controller v1.9.5: postBuild", change: variableMoves,
		},
		{
			Rule: finding.Rule{
				ID: "BLR-008", Level: finding.High, Title: "A change weakens a control",
				Why:  "What the cluster refused before, it takes now.",
				Hint: "put it back, or waive the finding until a day",
			},
			Boundary: true,
			Unless:   "The control moves to another mechanism in the same change.",
			Static:   twoRevisions, Source: "the objects of both revisions", change: weakens,
		},
	}
}

// difference is what a change does to the objects of a cluster.
type difference struct {
	now, was                *estate.Cluster
	added, changed, removed []*estate.Object // the changed as they are now, the removed as they were
}

// differences of the clusters that are in both revisions, in their order. Objects that several appliers bring count once.
func differences(x, before *Context) []difference {
	return once(x, fmt.Sprintf("differences %p", before), func() (out []difference) {
		for _, c := range x.Clusters {
			was := before.Cluster(c.Name)
			if was == nil {
				continue
			}
			d := difference{now: c, was: was}
			for _, o := range c.Objects {
				old := was.Get(o.ID)
				switch all := c.Get(o.ID); {
				case all[0] != o:
				case len(old) == 0:
					d.added = append(d.added, o)
				case !o.Body().Equal(old[0].Body()):
					d.changed = append(d.changed, o)
				}
			}
			for _, o := range was.Objects {
				if was.Get(o.ID)[0] == o && len(c.Get(o.ID)) == 0 && gone(c, o) {
					d.removed = append(d.removed, o)
				}
			}
			out = append(out, d)
		}
		return out
	})
}

// gone says whether it is known that an object of an earlier revision is applied no more: its applier is still built, or it is no more, as are those that
// brought it.
func gone(c *estate.Cluster, o *estate.Object) bool {
	for a := o.Applier; a != nil; a = a.Parent {
		for _, b := range c.Appliers {
			if b.Applier == a.Applier {
				return b.State == estate.Built
			}
		}
	}
	return true
}

// everywhere counts what a change does, and where.
func everywhere(x, before *Context) []Found {
	var environments, touched, production []string
	tenants := map[string]bool{}
	n := 0
	for _, d := range differences(x, before) {
		here := 0
		for _, list := range [][]*estate.Object{d.added, d.changed, d.removed} {
			for _, o := range list {
				if fresh(d.was, o) {
					continue
				}
				here++
				if p := o.Cluster.Owner(cmp.Or(o.ID.Namespace, o.ID.Name)); p != nil {
					tenants[p.Tenant.Name] = true
				}
			}
		}
		if here == 0 {
			continue
		}
		n += here
		touched = append(touched, d.now.Name)
		if d.now.Production {
			production = append(production, d.now.Name)
		}
		if e := cmp.Or(d.now.Environment, d.now.Name); !slices.Contains(environments, e) {
			environments = append(environments, e)
		}
	}
	if len(production) == 0 || len(production) == len(touched) || len(environments) < 2 {
		return nil
	}
	slices.Sort(environments)
	message := fmt.Sprintf("the change reaches %s on %s: %s", phrase.Count(n, "object"), phrase.Count(len(touched), "cluster"), phrase.List(environments, 4))
	if len(tenants) > 0 {
		message += ", and things of " + phrase.Count(len(tenants), "tenant")
	}
	return one(Found{Message: message})
}

// fresh says whether an object is of a tenant that had nothing on the cluster before.
func fresh(was *estate.Cluster, o *estate.Object) bool {
	name := o.Labels()["toolkit.fluxcd.io/tenant"]
	if o.Tenant != nil {
		name = o.Tenant.Name
	} else if p := o.Cluster.Owner(cmp.Or(o.ID.Namespace, o.ID.Name)); p != nil {
		name = p.Tenant.Name
	}
	if name == "" {
		return false
	}
	return !slices.ContainsFunc(was.Compartments, func(p *estate.Compartment) bool { return p.Tenant.Name == name })
}

// deletes looks for guards and data that a change takes away.
func deletes(x, before *Context) (out []Found) {
	for _, d := range differences(x, before) {
		for _, o := range d.removed {
			if what := matters(o); what == "" || spared(o) || !removes(d.now, o.Applier) || declared(x, before, o) {
				continue
			}
			id := o.ID
			out = append(out, Found{Message: fmt.Sprintf("the change deletes %s%s", o.ID, cascade(o)), ID: &id, Cluster: d.now, Tenant: ownerOf(x, d.now, o)})
		}
	}
	return out
}

// matters says what is lost with an object; "" for nothing much.
func matters(o *estate.Object) string {
	switch {
	case o.Is("", "Secret"), o.Hook:
		return ""
	case durable(o):
		return "data"
	case o.Tenant == nil && (o.Guard() || judgesAll(o)) && !o.Is("rbac.authorization.k8s.io", "Role") && !o.Is("rbac.authorization.k8s.io", "RoleBinding"):
		return "a guard"
	case o.Tenant == nil && (o.ID.Kind == estate.KustomizationKind || o.ID.Kind == estate.HelmReleaseKind) && estate.FluxGroup(o.ID.Group):
		for _, a := range o.Cluster.Homed {
			if a.Object == o && a.Tenant != nil {
				return "a tenant's applier"
			}
		}
	case o.Is("", "ServiceAccount") && o.Tenant == nil:
		for _, a := range o.Cluster.Appliers {
			if a.As.Kind == estate.RunsAsAccount && a.As.Account == (estate.Account{Namespace: o.ID.Namespace, Name: o.ID.Name}) {
				return "an account"
			}
		}
	}
	return ""
}

// removes says whether an object goes with what brought it.
func removes(now *estate.Cluster, a *estate.Applier) bool {
	for _, b := range now.Appliers {
		if b.Applier == a.Applier {
			return prunes(b)
		}
	}
	switch a.DeletionPolicy {
	case "Orphan":
		return false
	case "Delete", "WaitForTermination":
		return true
	}
	return prunes(a)
}

// declared says whether the object is of a tenant that is taken away in phases, before or after the change.
func declared(x, before *Context, o *estate.Object) bool {
	name := o.Labels()["toolkit.fluxcd.io/tenant"]
	if p := o.Compartment(); p != nil {
		name = p.Tenant.Name
	} else if p := o.Cluster.Owner(cmp.Or(o.ID.Namespace, o.ID.Name)); p != nil {
		name = p.Tenant.Name
	}
	for _, e := range []*Context{x, before} {
		t := e.Tenant(name)
		if t == nil || t.Document == nil {
			continue
		}
		if phase := t.Document.Spec.Lifecycle.Phase; phase != "" && phase != v1alpha1.Active {
			return true
		}
	}
	return false
}

// ownerOf is the tenant of now whose namespace an object was in.
func ownerOf(x *Context, now *estate.Cluster, o *estate.Object) *estate.Tenant {
	if o.Tenant != nil {
		return x.Tenant(o.Tenant.Name)
	}
	if p := now.Owner(cmp.Or(o.ID.Namespace, o.ID.Name)); p != nil {
		return p.Tenant
	}
	return nil
}

// cascade says what else goes with an object.
func cascade(o *estate.Object) string {
	n, by := 0, map[*estate.Applier]bool{}
	take := func(list []*estate.Object, goes func(*estate.Object) bool) {
		for _, other := range list {
			if other != o && goes(other) {
				n++
				by[other.Applier] = true
			}
		}
	}
	switch {
	case o.Is("", "Namespace"):
		take(o.Cluster.Objects, func(other *estate.Object) bool { return other.ID.Namespace == o.ID.Name })
	case o.Is("apiextensions.k8s.io", "CustomResourceDefinition"):
		take(o.Cluster.Kind(o.Text("spec", "group"), o.Text("spec", "names", "kind")), func(*estate.Object) bool { return true })
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", and with it %s of %s", phrase.Count(n, "object"), phrase.Count(len(by), "applier"))
}

// A variable is one of many when that many objects change with it.
const manyObjects = 10

// moved is a variable that changes, and what has it.
type moved struct {
	objects  map[*estate.Object]bool
	clusters []string
	first    *estate.Object
}

// variableMoves looks at the ConfigMaps that hold variables. Those of Secrets are not known.
func variableMoves(x, before *Context) (out []Found) {
	all := map[string]*moved{}
	for _, d := range differences(x, before) {
		for _, o := range d.changed {
			if !o.Is("", "ConfigMap") {
				continue
			}
			users := substituting(d.now, o)
			if len(users) == 0 {
				continue
			}
			for name, value := range changedData(d.was.Get(o.ID)[0], o) {
				key := name + "\x00" + o.ID.String()
				if all[key] == nil {
					all[key] = &moved{objects: map[*estate.Object]bool{}, first: o}
				}
				all[key].note(d, value, users)
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		m := all[key]
		if len(m.objects) == 0 || len(m.clusters) < 2 && len(m.objects) <= manyObjects {
			continue
		}
		name, _, _ := strings.Cut(key, "\x00")
		out = append(out, Found{
			Message: fmt.Sprintf("variable %s of %s changes, and with it %s %s", name, m.first.ID, phrase.Count(len(m.objects), "object"), phrase.Where(m.clusters, len(x.Clusters))), Object: m.first, Field: "data." + name,
		})
	}
	return out
}

// note adds the objects of a cluster that change with the variable, which has a new value.
func (m *moved) note(d difference, value string, users []*estate.Applier) {
	for _, c := range d.changed {
		if c.ID == m.first.ID || !slices.Contains(users, c.Applier) || !holds(d.was.Get(c.ID)[0], c, value) {
			continue
		}
		m.objects[c] = true
		if !slices.Contains(m.clusters, d.now.Name) {
			m.clusters = append(m.clusters, d.now.Name)
		}
	}
}

// holds says whether what changes between two objects has a value in it.
func holds(was, now *estate.Object, value string) bool {
	if value == "" {
		return true
	}
	return slices.ContainsFunc(object.Diff(was.Body(), now.Body(), object.DiffOptions{}), func(e object.Edit) bool {
		return strings.Contains(fmt.Sprint(e.To), value)
	})
}

// changedData are the keys whose value is another, to the new one; "" for a key that is gone.
func changedData(was, now *estate.Object) map[string]string {
	out := map[string]string{}
	old, _ := was.At("data").(map[string]any)
	for key, v := range old {
		if text, _ := v.(string); now.Text("data", key) != text {
			out[key] = now.Text("data", key)
		}
	}
	return out
}

// substituting are the appliers that take variables from a ConfigMap.
func substituting(c *estate.Cluster, o *estate.Object) (out []*estate.Applier) {
	for _, a := range c.Homed {
		if a.Kustomization == nil || a.Kustomization.Spec.PostBuild == nil || a.Namespace != o.ID.Namespace {
			continue
		}
		for _, ref := range a.Kustomization.Spec.PostBuild.SubstituteFrom {
			if ref.Kind == "ConfigMap" && ref.Name == o.ID.Name {
				out = append(out, a)
				break
			}
		}
	}
	return out
}

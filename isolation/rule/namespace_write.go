package rule

import (
	"fmt"
	"slices"

	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/permission"
	"github.com/bulkhead-dev/bulkhead/object"
)

// short names an object as appliers are named: without its group.
func short(id object.ID) string {
	return object.Applier{Kind: id.Kind, Namespace: id.Namespace, Name: id.Name}.String()
}

// writeOf is what an applier asks the API server for when it writes an object.
//
// Source: kustomize-controller v1.9.5 and helm-controller v1.6.4: server-side apply, which is a patch.
func writeOf(c *estate.Cluster, id object.ID) permission.Request {
	if id.Group == "" && id.Kind == "Namespace" {
		return permission.OnNamespace("patch", id.Name)
	}
	what := permission.Request{Verb: "patch", Group: id.Group, Resource: c.Resource(id.Group, id.Kind), Namespace: id.Namespace, Name: id.Name}
	if namespaced, known := c.Namespaced(id.Group, id.Kind); known && !namespaced {
		what.Namespace = ""
	}
	return what
}

// refused reports whether RBAC keeps an applier from writing an object: it acts as an account that may not. Of a cluster without an entry point
// nothing is known.
func refused(a *estate.Applier, o *estate.Object) bool {
	c := a.Target
	if a.As.Kind != estate.RunsAsAccount || !c.Entered {
		return false
	}
	_, may := c.Permissions().May(permission.Account(a.As.Account.Namespace, a.As.Account.Name), writeOf(c, o.ID))
	return !may
}

// appliersOf are those that write to a cluster or stand on it, by name.
func appliersOf(x *Context, c *estate.Cluster) map[object.Applier]*estate.Applier {
	return once(x, "appliers of "+c.Name, func() map[object.Applier]*estate.Applier {
		out := map[object.Applier]*estate.Applier{}
		for _, a := range c.Homed {
			out[a.Applier] = a
		}
		for _, a := range c.Appliers {
			out[a.Applier] = a
		}
		return out
	})
}

// veiled reports whether the platform may bring objects to a cluster that are not known.
func veiled(x *Context, c *estate.Cluster) bool {
	return once(x, "veil of "+c.Name, func() bool {
		for i := range c.Gaps {
			if a := appliersOf(x, c)[c.Gaps[i].Applier]; c.Gaps[i].Hides && (a == nil || a.Tenant == nil) {
				return true
			}
		}
		return false
	})
}

// unknownScope gathers by kind: an object of a kind is enough to ask for its CustomResourceDefinition.
func unknownScope(_ *Context, a *estate.Applier) (out []Found) {
	if a.Tenant == nil {
		return nil
	}
	seen := map[[2]string]bool{}
	for _, list := range [][]*estate.Object{a.Objects, a.Held, a.Hooks} {
		for _, o := range list {
			gk := [2]string{o.ID.Group, o.ID.Kind}
			if _, known := a.Target.Namespaced(o.ID.Group, o.ID.Kind); known || seen[gk] {
				continue
			}
			if seen[gk] = true; contractKind(a.Compartment(), o.ID.Group, o.ID.Kind) || !beyond(a, o.ID.Group) {
				continue
			}
			out = append(out, Found{
				Unproven: true, Object: o,
				Message: fmt.Sprintf("%s of tenant %s: whether kind %s of %s is of a namespace is not known", short(o.ID), a.Tenant.Name, o.ID.Kind, o.ID.Group),
			})
		}
	}
	return out
}

// beyond reports whether an applier may write things of an API group that are of no namespace. Who may not is refused them, whatever they are.
func beyond(a *estate.Applier, group string) bool {
	if a.As.Kind != estate.RunsAsAccount || !a.Target.Entered {
		return true
	}
	rights := a.Target.Permissions().Rights(permission.Account(a.As.Account.Namespace, a.As.Account.Name), "")
	return slices.ContainsFunc(rights, func(g permission.Grant) bool {
		return (slices.Contains(g.Rule.APIGroups, group) || slices.Contains(g.Rule.APIGroups, "*")) && slices.ContainsFunc(g.Rule.Verbs, beyondReading)
	})
}

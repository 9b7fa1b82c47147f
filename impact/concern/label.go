package concern

import (
	"cmp"
	"maps"
	"slices"

	"github.com/bulkhead-dev/bulkhead/object"
)

// tenantLabel is what "flux create tenant" marks a tenant's objects with.
//
// Source: fluxcd/flux2 v2.9 cmd/flux/create_tenant.go.
const tenantLabel = "toolkit.fluxcd.io/tenant"

// byLabel asks the label of the object, then of the appliers that lead to it, the nearest first, then of its
// namespace. The entry point's own applier is not asked: all of a cluster comes from it. What another repository says of
// itself is not believed.
func (j *Judge) byLabel(s *subject) verdict {
	if v := j.labelled(s.object, ""); v.given() && !s.foreign {
		return v
	}
	for i := len(s.chain) - 1; i > 0; i-- {
		o := s.side.object(s.chain[i])
		if v := j.labelled(o, s.chain[i].String()); v.given() {
			return v
		}
	}
	if ns := s.namespace(); ns != "" {
		o := s.side.namespace(s.cluster, ns)
		if o != nil && s.foreign && s.object != nil && o.Origin.Owner() == s.object.Origin.Owner() {
			return verdict{}
		}
		return j.labelled(o, "Namespace/"+ns)
	}
	return verdict{}
}

// labelled is what the label of an object says; name is "" for the object in question.
func (j *Judge) labelled(o *object.Object, name string) verdict {
	value := tenantOf(o)
	if value == "" {
		return verdict{}
	}
	why := "its label " + tenantLabel
	if name != "" {
		why = "label " + tenantLabel + " of " + name
	}
	if j.tenants.names[value] {
		return verdict{concern: Tenant(value), why: why}
	}
	if by := j.platform[value]; by != "" {
		return verdict{concern: Platform, why: why + " is " + value + ", as that of " + by}
	}
	if value == string(Platform) {
		return verdict{concern: Platform, why: why}
	}
	return verdict{concern: Tenant(value), why: why}
}

func tenantOf(o *object.Object) string {
	if o == nil {
		return ""
	}
	meta, _ := o.Body().Map()["metadata"].(map[string]any)
	return textAt(meta, "labels", tenantLabel)
}

func (s *side) namespace(cluster, name string) *object.Object {
	c := s.clusters[cluster]
	if c == nil {
		return nil
	}
	o, _ := c.Objects.Get(object.ID{Kind: "Namespace", Name: name})
	return o
}

// platformTeams are the tenants, by label, that Flux itself is of: its namespace, or the sync.
func (j *Judge) platformTeams() map[string]string {
	teams := map[string]string{}
	for _, s := range []*side{j.view.after, j.view.before} {
		for _, name := range slices.Sorted(maps.Keys(s.clusters)) {
			c := s.clusters[name]
			if c.Entry == nil {
				continue
			}
			if v := tenantOf(s.namespace(name, c.Entry.Namespace)); v != "" {
				teams[v] = cmp.Or(teams[v], "Namespace/"+c.Entry.Namespace)
			}
			for _, a := range c.Appliers {
				if len(a.Chain) > 0 || a.Home != name {
					continue
				}
				if v := tenantOf(s.object(a)); v != "" {
					teams[v] = cmp.Or(teams[v], a.String())
				}
			}
		}
	}
	return teams
}

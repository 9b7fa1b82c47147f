package concern

import (
	"cmp"

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
	if v := j.labelled(s, s.object, ""); v.given() && !s.foreign {
		return v
	}
	for i := len(s.chain) - 1; i > 0; i-- {
		o := s.side.object(s.chain[i])
		if v := j.labelled(s, o, s.chain[i].String()); v.given() {
			return v
		}
	}
	if ns := s.namespace(); ns != "" {
		o := s.side.namespace(s.cluster, ns)
		if o != nil && s.foreign && s.object != nil && o.Origin.Owner() == s.object.Origin.Owner() {
			return verdict{}
		}
		return j.labelled(s, o, "Namespace/"+ns)
	}
	return verdict{}
}

// labelled is what the label of an object says; name is "" for the object in question.
func (j *Judge) labelled(s *subject, o *object.Object, name string) verdict {
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
	if by := j.teamOf(s, value); by != "" {
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

// team is a tenant by label on a cluster.
type team struct{ cluster, name string }

// teamOf names the object that says that Flux itself is of a team, on the cluster of s or on the one that leads there; "" for
// none. What other clusters have is not asked: the answer for a cluster is the same with and without them.
func (j *Judge) teamOf(s *subject, name string) string {
	by := j.platform[team{s.cluster, name}]
	if by == "" && len(s.chain) > 0 {
		by = j.platform[team{s.chain[0].Root, name}]
	}
	return by
}

// platformTeams are the tenants, by label, that Flux itself is of on each cluster: its namespace, or the sync.
func (j *Judge) platformTeams() map[team]string {
	teams := map[team]string{}
	for _, s := range []*side{j.view.after, j.view.before} {
		for name, c := range s.clusters {
			if c.Entry == nil {
				continue
			}
			add := func(v, by string) {
				if k := (team{name, v}); v != "" {
					teams[k] = cmp.Or(teams[k], by)
				}
			}
			add(tenantOf(s.namespace(name, c.Entry.Namespace)), "Namespace/"+c.Entry.Namespace)
			for _, a := range c.Appliers {
				if len(a.Chain) == 0 && a.Home == name {
					add(tenantOf(s.object(a)), a.String())
				}
			}
		}
	}
	return teams
}

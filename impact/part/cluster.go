package part

import (
	"maps"
	"slices"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// clusters fills in what is beside the changes: what is withheld, waits, fails or is not known.
func (m *maker) clusters() {
	waits := map[string][]Wait{}
	for _, w := range m.report.Waits {
		waits[w.Cluster] = append(waits[w.Cluster], Wait{w.Cluster, w.Source, some(w.Appliers), some(w.Files)})
	}
	for _, c := range m.report.Clusters {
		k := m.cluster(c)
		k.Waits = some(waits[c.Name])
		m.owners(&k)
		m.Clusters = append(m.Clusters, k)
	}
}

func (m *maker) cluster(c *impact.Cluster) Cluster {
	env, inferred := m.judge.Environment(c.Name)
	k := Cluster{
		Name: c.Name, Environment: env, Inferred: inferred, Labels: m.labels(c.Name), Appeared: c.Appeared, Gone: c.Gone, Counts: c.Counts,
		Failures: []Failure{}, Unresolved: some(c.Unresolved), Unknown: []Unknown{}, Withheld: []Withheld{}, Refused: some(c.Refused),
		Notes: some(c.Notes), Loose: []LooseRisk{}, Whose: []WhoseApplier{},
	}
	before, after := clusterOf(m.before.Rendered, c.Name), clusterOf(m.after.Rendered, c.Name)
	for _, f := range c.Failures {
		k.Failures = append(k.Failures, Failure{f, !slices.Contains(before.Failures, f)})
	}
	for _, f := range before.Failures {
		if !slices.Contains(after.Failures, f) {
			k.FailuresBefore++
		}
	}
	for _, u := range before.Unresolved {
		if !slices.Contains(after.Unresolved, u) {
			k.UnresolvedBefore++
		}
	}
	for _, u := range c.OneSided() {
		k.Unknown = append(k.Unknown, Unknown{u.Unresolved, u.Kind})
	}
	for _, w := range c.Withheld {
		doc := Withheld{c.Name, w.Applier, w.Before, w.After, w.Objects, w.Why, nil}
		if w.Under != (object.Applier{}) {
			doc.Under = &w.Under
		}
		k.Withheld = append(k.Withheld, doc)
	}
	for _, r := range m.loose[c.Name] {
		k.Loose = append(k.Loose, LooseRisk{Risk{r.Rule, r.Severity, r.Message, r.Hint, r.Field, []string{c.Name}}, r.Withheld.Applier})
	}
	return k
}

// owners finds whose the appliers are: those with a new failure or a risk, and all if somebody wants to know.
func (m *maker) owners(k *Cluster) {
	seen := map[object.Applier]bool{}
	add := func(a object.Applier) {
		if !seen[a] {
			seen[a] = true
			k.Whose = append(k.Whose, WhoseApplier{a, m.judge.WhoseApplier(k.Name, a)})
		}
	}
	all := m.opts.Owners || m.opts.Shard.Of > 0
	for i := range k.Failures {
		if all || k.Failures[i].New {
			add(k.Failures[i].Applier)
		}
	}
	for i := range k.Loose {
		add(k.Loose[i].Applier)
	}
	if !all {
		return
	}
	for i := range k.Unresolved {
		add(k.Unresolved[i].Applier)
	}
	for i := range k.Unknown {
		add(k.Unknown[i].Applier)
	}
	for i := range k.Withheld {
		add(k.Withheld[i].Applier)
	}
	for _, a := range k.Refused {
		add(a)
	}
	for _, w := range k.Waits {
		for _, a := range w.Appliers {
			add(a)
		}
	}
}

// clusterOf is a cluster of a render; an empty one when it is not there.
func clusterOf(r *render.Result, name string) *render.Cluster {
	if r != nil {
		if c := r.Cluster(name); c != nil {
			return c
		}
	}
	return &render.Cluster{}
}

func (m *maker) labels(cluster string) map[string]string {
	for _, v := range []Version{m.after, m.before} {
		if c := clusterOf(v.Rendered, cluster); len(c.Labels) > 0 {
			return maps.Clone(c.Labels)
		}
	}
	return nil
}

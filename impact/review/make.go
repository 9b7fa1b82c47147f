package review

import (
	"cmp"
	"context"
	"slices"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/impact/concern"
	"github.com/bulkhead-dev/bulkhead/impact/part"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// Of makes a review of the parts of a comparison, of which there is at least one; [part.Check] says whether several belong together.
// The end of ctx interrupts expressions of gates, which then count as failed. Nothing given is changed.
func Of(ctx context.Context, parts []*part.Part, opts Options) *Review {
	c := parts[0].Comparison
	m := &maker{parts: parts, opts: opts, facts: map[string]*part.Cluster{}, owners: map[owned]string{}, readers: map[string][]int{}}
	m.Review = &Review{
		SchemaVersion: SchemaVersion, Base: c.Base, Head: c.Head, Only: opts.Only,
		Details: &Details{Files: some(c.Files), Spokes: some(c.Spokes)},
	}
	m.causes = m.causesOn
	m.collect()
	m.groups()
	m.lists()
	m.decide(ctx)
	m.cut()
	m.clusters()
	m.matrix()
	m.verdict()
	m.headlines()
	return m.Review
}

// maker puts a review together.
type maker struct {
	*Review
	parts   []*part.Part
	opts    Options
	all     []*part.Cluster          // sorted by name
	facts   map[string]*part.Cluster // by name
	owners  map[owned]string         // concerns of appliers
	readers map[string][]int         // parts by the files that stray to them
	hidden  int                      // changes that are not of the concern asked for
}

// owned is an applier on a cluster.
type owned struct {
	cluster string
	applier object.Applier
}

// collect brings the clusters of the parts together.
func (m *maker) collect() {
	for i, p := range m.parts {
		for _, file := range p.Strays {
			m.readers[file] = append(m.readers[file], i)
		}
	}
	for i, p := range m.parts {
		for j := range p.Clusters {
			c := &p.Clusters[j]
			m.all = append(m.all, c)
			m.facts[c.Name] = c
			for _, w := range c.Whose {
				of, _ := w.Settled(m.strays(i))
				m.owners[owned{c.Name, w.Applier}] = string(of)
			}
		}
	}
	slices.SortStableFunc(m.all, func(a, b *part.Cluster) int { return cmp.Compare(a.Name, b.Name) })
}

// strays tells the files that clusters of other parts than that one read, though they look like one cluster's.
func (m *maker) strays(of int) func(file string) bool {
	return func(file string) bool {
		return slices.ContainsFunc(m.readers[file], func(i int) bool { return i != of })
	}
}

// ofApplier says whose an applier is on a cluster.
func (m *maker) ofApplier(cluster string, a object.Applier) string {
	return cmp.Or(m.owners[owned{cluster, a}], string(concern.Platform))
}

// change is what the parts have of one change of one concern.
type change struct {
	first        *part.Change // on the first cluster of all
	concern, why string
	risks        []part.Risk
	clusters     []string
	earliest     string // cluster with the change, of whatever concern
}

// changes are those of the parts, apart by concern, by kind and object.
func (m *maker) changes() []*change {
	type key struct{ like, concern string }
	byKey, earliest := map[key]*change{}, map[string]string{}
	var out []*change
	for i, p := range m.parts {
		for j := range p.Changes {
			c := &p.Changes[j]
			of, why := c.Whose.Settled(m.strays(i))
			k := key{c.Like, string(of)}
			g := byKey[k]
			if g == nil {
				g = &change{first: c, concern: string(of), why: why}
				byKey[k] = g
				out = append(out, g)
			} else if c.Clusters[0] < g.first.Clusters[0] {
				g.first, g.why = c, why
			}
			g.clusters = append(g.clusters, c.Clusters...)
			g.risks = append(g.risks, c.Risks...)
			if e, seen := earliest[c.Like]; !seen || c.Clusters[0] < e {
				earliest[c.Like] = c.Clusters[0]
			}
		}
	}
	for _, g := range out {
		slices.Sort(g.clusters)
		g.earliest = earliest[g.first.Like]
	}
	slices.SortStableFunc(out, func(a, b *change) int {
		return cmp.Or(cmp.Compare(rank(a.first), rank(b.first)), a.first.ID.Compare(b.first.ID), cmp.Compare(a.earliest, b.earliest),
			cmp.Compare(a.clusters[0], b.clusters[0]))
	})
	return out
}

// rank orders changes, worst first: what is deleted and created again comes before what is only changed.
func rank(c *part.Change) int {
	r := 2 * slices.Index(impact.Kinds(), c.Kind)
	if c.Recreated == "" {
		r++
	}
	return r
}

// groups are the changes of all parts, the worst first.
func (m *maker) groups() {
	m.Groups = []Group{}
	for _, c := range m.changes() {
		m.Groups = append(m.Groups, m.group(c))
	}
	slices.SortStableFunc(m.Groups, func(a, b Group) int { return cmp.Compare(a.Severity.Rank(), b.Severity.Rank()) })
	short := shortNames(m.Groups)
	for i := range m.Groups {
		m.Groups[i].Name = short[m.Groups[i].ID]
	}
}

// group is one change on some clusters.
func (m *maker) group(c *change) Group {
	ch := c.first
	g := Group{
		Kind: ch.Kind, ID: ch.ID, Concern: c.concern, ConcernWhy: c.why, Clusters: c.clusters, Environments: m.environmentsOf(c.clusters),
		Fate: ch.Fate, Why: ch.Why, Refused: ch.Refused, Recreated: ch.Recreated, Replaces: ch.Replaces,
		Before: ch.Before, After: ch.After, Edits: some(ch.Edits), Causes: some(ch.Causes), Diff: ch.Diff,
	}
	g.Risks = findings(&g, c.risks)
	g.Key = keyOf(&g)
	return g
}

// findings are the risks of a group, each with the clusters that it is on, in the order of the first of them.
func findings(g *Group, risks []part.Risk) []finding.Finding {
	out := []finding.Finding{}
	at := map[part.Alike]int{}
	for k := range risks {
		r := &risks[k]
		i, seen := at[r.Alike()]
		if !seen {
			i = len(out)
			at[r.Alike()] = i
			id := g.ID
			f := finding.Finding{Rule: r.Rule, Severity: r.Severity, Message: r.Message, Hint: r.Hint, Concern: g.Concern, Object: &id, Field: r.Field}
			if len(g.Causes) > 0 && g.Causes[0].Source == "" {
				f.File = g.Causes[0].File
			}
			out = append(out, f)
		}
		out[i].Clusters = append(out[i].Clusters, r.Clusters...)
	}
	for i := range out {
		slices.Sort(out[i].Clusters)
	}
	slices.SortStableFunc(out, func(a, b finding.Finding) int { return cmp.Compare(a.Clusters[0], b.Clusters[0]) })
	return out
}

// causesOn are those of an object on one cluster; nil when they are not known.
func (m *maker) causesOn(cluster string, id object.ID) []Cause {
	for _, p := range m.parts {
		if slices.ContainsFunc(p.Clusters, func(c part.Cluster) bool { return c.Name == cluster }) {
			list, _ := p.Causes(cluster, id)
			return list
		}
	}
	return nil
}

// Incomplete counts what is failed or unresolved after the change, and before it where that is
// something else.
func Incomplete(parts []*part.Part) (failures, unresolved int) {
	for _, p := range parts {
		for i := range p.Clusters {
			c := &p.Clusters[i]
			failures += len(c.Failures) + c.FailuresBefore
			unresolved += len(c.Unresolved) + c.UnresolvedBefore
		}
	}
	return failures, unresolved
}

// coverage of the revision after the change.
func (m *maker) coverage() render.Coverage {
	var clusters []*render.Cluster
	for _, c := range m.all {
		clusters = append(clusters, &render.Cluster{Name: c.Name, Unresolved: c.Unresolved})
	}
	all := render.CoverageOf(clusters)
	for _, p := range m.parts {
		all.Appliers += p.Appliers
		all.Built += p.Built
		all.Failures += p.Failures
	}
	return all
}

// some is list, or an empty list for nil: JSON has no null lists.
func some[S ~[]T, T any](list S) []T {
	if list == nil {
		return []T{}
	}
	return list
}

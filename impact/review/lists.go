package review

import (
	"cmp"
	"slices"

	"github.com/bulkhead-dev/bulkhead/impact/part"
	"github.com/bulkhead-dev/bulkhead/render"
)

// lists fills in what is beside the changes: what is withheld, waits, fails or is not known.
func (m *maker) lists() {
	d := m.Details
	d.Withheld, d.Waits, d.Failures, d.Unresolved, d.Unknown, d.Notes = []Withheld{}, []Wait{}, []Failure{}, []render.Unresolved{}, []Unknown{}, []Note{}
	d.Unread = m.unread()
	d.Coverage = m.coverage()
	for _, p := range m.parts {
		add(&d.Stats, p.Stats)
	}
	for _, c := range m.all {
		d.Failures = append(d.Failures, c.Failures...)
		d.Unresolved = append(d.Unresolved, c.Unresolved...)
		d.Unknown = append(d.Unknown, c.Unknown...)
		d.Withheld = append(d.Withheld, c.Withheld...)
		d.Waits = append(d.Waits, c.Waits...)
		m.notes(c)
	}
	slices.SortStableFunc(d.Waits, func(a, b Wait) int { return cmp.Compare(a.Cluster, b.Cluster) })
}

func (m *maker) notes(c *part.Cluster) {
	note := func(text string) { m.Notes = append(m.Notes, Note{c.Name, render.Note{Message: text}}) }
	if c.Appeared {
		note("a new cluster: it has no entry point before the change")
	}
	if c.Gone {
		note("it has no entry point after the change")
	}
	for _, n := range c.Notes {
		note(n)
	}
}

// unread are the files that no cluster of any part reads.
func (m *maker) unread() []string {
	return slices.DeleteFunc(slices.Clone(some(m.parts[0].Unread)), func(file string) bool {
		return slices.ContainsFunc(m.parts, func(p *part.Part) bool { return !slices.Contains(p.Unread, file) })
	})
}

// add sums up the work of shards.
func add(to *render.Stats, n render.Stats) {
	rounds := max(to.Rounds, n.Rounds) // they run side by side
	*to = to.Plus(n)
	to.Rounds = rounds
}

package review

import (
	"slices"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// lists fills in what is beside the changes: what is withheld, waits, fails or is not known.
func (m *maker) lists() {
	d := m.Details
	d.Withheld, d.Waits, d.Failures, d.Unresolved, d.Unknown, d.Notes = []Withheld{}, []Wait{}, []Failure{}, []render.Unresolved{}, []Unknown{}, []Note{}
	d.Unread = some(m.report.Unread)
	d.Stats, d.Coverage = m.opts.Stats, render.CoverageOf(m.rendered())
	for _, w := range m.report.Waits {
		d.Waits = append(d.Waits, Wait{w.Cluster, w.Source, some(w.Appliers), some(w.Files)})
	}
	for _, c := range m.report.Clusters {
		m.ofCluster(c)
	}
}

func (m *maker) ofCluster(c *impact.Cluster) {
	d := m.Details
	for _, f := range c.Failures {
		d.Failures = append(d.Failures, Failure{f, m.isNew(f)})
	}
	d.Unresolved = append(d.Unresolved, c.Unresolved...)
	for _, u := range oneSided(c) {
		d.Unknown = append(d.Unknown, Unknown{u.Unresolved, u.Kind})
	}
	for _, w := range c.Withheld {
		doc := Withheld{c.Name, w.Applier, w.Before, w.After, w.Objects, w.Why, nil}
		if w.Under != (object.Applier{}) {
			doc.Under = &w.Under
		}
		d.Withheld = append(d.Withheld, doc)
	}
	note := func(text string) { d.Notes = append(d.Notes, Note{c.Name, render.Note{Message: text}}) }
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

// isNew reports whether a failure after the change is not there before it.
func (m *maker) isNew(f render.Failure) bool {
	if m.before.Rendered == nil {
		return true
	}
	c := m.before.Rendered.Cluster(f.Cluster)
	return c == nil || !slices.Contains(c.Failures, f)
}

// rendered are the clusters after the change.
func (m *maker) rendered() []*render.Cluster {
	if m.after.Rendered == nil {
		return nil
	}
	return m.after.Rendered.Clusters
}

// oneSided is what is unresolved on one side of a cluster only. What one applier
// no longer needs and another one does from now on is no difference.
func oneSided(c *impact.Cluster) (out []impact.Unknown) {
	for _, u := range c.Unknown {
		elsewhere := func(v impact.Unknown) bool {
			return v.Kind != u.Kind && v.Unresolved.Kind == u.Unresolved.Kind && v.Subject == u.Subject && v.Reason == u.Reason
		}
		if !slices.ContainsFunc(c.Unknown, elsewhere) {
			out = append(out, u)
		}
	}
	return out
}

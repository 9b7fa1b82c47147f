package review

import (
	"slices"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// cut leaves only what is of the concern that the review is about, after the gates have seen all.
// Of the rest it keeps a number.
func (m *maker) cut() {
	if m.opts.Only == "" {
		return
	}
	d := m.Details
	d.Groups = slices.DeleteFunc(d.Groups, func(g Group) bool {
		if m.in(g.Concern) {
			return false
		}
		m.hidden += len(g.Clusters)
		return true
	})
	d.Findings = slices.DeleteFunc(d.Findings, func(f finding.Finding) bool { return !decides(f.Rule) && !m.in(f.Concern) })
	d.Failures = slices.DeleteFunc(d.Failures, func(f Failure) bool { return !m.shows(f.Cluster, f.Applier) })
	d.Unresolved = slices.DeleteFunc(slices.Clone(d.Unresolved), func(u render.Unresolved) bool { return !m.shows(u.Cluster, u.Applier) })
	d.Unknown = slices.DeleteFunc(d.Unknown, func(u Unknown) bool { return !m.shows(u.Cluster, u.Applier) })
	d.Withheld = slices.DeleteFunc(d.Withheld, func(w Withheld) bool { return !m.shows(w.Cluster, w.Applier) })
	d.Waits = slices.DeleteFunc(d.Waits, func(w Wait) bool {
		return !slices.ContainsFunc(w.Appliers, func(a object.Applier) bool { return m.shows(w.Cluster, a) })
	})
	d.Unread, d.Notes = []string{}, []Note{} // whose they are is not known
	for i := range d.Gates {
		d.Gates[i].Evidence = []string{} // it may be of others
	}
}

// in reports whether the review is about a concern.
func (m *maker) in(c string) bool { return m.opts.Only == "" || m.opts.Only == c }

// shows reports whether an applier is of the concern that the review is about.
func (m *maker) shows(cluster string, a object.Applier) bool {
	if m.opts.Only == "" {
		return true
	}
	return m.in(m.ofApplier(cluster, a))
}

package impact

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// files tells which of the changed files wait for a ref to move, and which
// nobody reads.
func (p *pair) files(changed []string) (waits []Wait, unread []string) {
	if changed == nil {
		return nil, nil
	}
	left := map[string]bool{}
	for _, f := range changed {
		left[f] = true
	}
	type follower struct {
		cluster string
		source  object.Source
	}
	waiting := map[follower]*Wait{}
	for _, s := range []*side{p.before, p.after} {
		for _, a := range s.appliers {
			for _, f := range changed {
				if !a.Own || !reads(a, f) {
					if a.Holds(f) {
						delete(left, f)
					}
					continue
				}
				if !a.Pinned {
					delete(left, f)
					continue
				}
				k := follower{a.Target, a.Source}
				w := waiting[k]
				if w == nil {
					w = &Wait{Cluster: a.Target, Source: a.Source}
					waiting[k] = w
				}
				w.Files = append(w.Files, f)
				w.Appliers = append(w.Appliers, a.Applier)
			}
		}
	}
	for _, w := range waiting {
		slices.Sort(w.Files)
		w.Files = slices.Compact(w.Files)
		slices.SortFunc(w.Appliers, func(a, b object.Applier) int { return cmp.Compare(a.String(), b.String()) })
		w.Appliers = slices.Compact(w.Appliers)
		for _, f := range w.Files {
			delete(left, f)
		}
		waits = append(waits, *w)
	}
	slices.SortFunc(waits, func(a, b Wait) int {
		return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Source.Revision, b.Source.Revision), cmp.Compare(a.Source.URL, b.Source.URL))
	})
	for _, s := range []*side{p.before, p.after} {
		for _, c := range s.clusters {
			if c.Recalled != nil {
				p.recalled(c.Recalled.Reads, changed, left)
			}
		}
	}
	if p.before.copies() || p.after.copies() {
		return waits, nil
	}
	return waits, slices.Sorted(maps.Keys(left))
}

// recalled takes out of left the files that were read for a cluster that is not rendered. What was read for several is
// looked at once.
func (p *pair) recalled(all []render.Reads, changed []string, left map[string]bool) {
	for _, r := range all {
		k := looked{&r.Trace[0], r.Prefix}
		if p.looked[k] {
			continue
		}
		p.looked[k] = true
		for _, f := range changed {
			if left[f] && readIn(r.Trace, r.Prefix, f) {
				delete(left, f)
			}
		}
	}
}

// looked is a trace by where it lies, and the folder of its source.
type looked struct {
	first  *tree.Read
	prefix string
}

// copies reports whether an applier is built from an artifact that is made of
// other sources: which files go into it is not known.
func (s *side) copies() bool {
	for _, c := range s.clusters {
		for _, u := range c.Unresolved {
			if u.Kind == render.UnresolvedSource && strings.HasPrefix(u.Subject, "ExternalArtifact/") {
				return true
			}
		}
	}
	return false
}

// reads reports whether the applier's build looked at the file, also in vain.
func reads(a *render.Applier, file string) bool { return readIn(a.Reads(), a.Prefix, file) }

// readIn reports whether a file is in a trace of a source whose root is that folder of the repository.
func readIn(tr tree.Trace, prefix, file string) bool {
	if prefix != "." && prefix != "" {
		var ok bool
		if file, ok = strings.CutPrefix(file, prefix+"/"); !ok {
			return false
		}
	}
	for _, kind := range []tree.ReadKind{tree.Content, tree.Listing, tree.Existence} {
		if _, ok := tr.Find(file, kind); ok {
			return true
		}
	}
	return false
}

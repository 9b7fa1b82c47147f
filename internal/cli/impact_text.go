package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// impact writes a comparison for a reviewer, worst first.
func (s *streams) impact(x *comparison, stat bool) {
	if !stat {
		s.headline(x)
		s.printf("%s\n\n", x.between())
	}
	if changed := s.impactTable(x); changed && !stat {
		s.groups(x)
	}
	if stat {
		return
	}
	s.withheld(x)
	s.newFailures(x)
	s.unknown(x)
	s.notes(x)
	s.waits(x)
	if len(x.report.Unread) > 0 {
		s.printf("\nno cluster reads: %s\n", names(x.report.Unread, 10))
	}
	var open []render.Unresolved
	for _, c := range x.report.Clusters {
		open = append(open, c.Unresolved...)
	}
	s.unresolved(open, len(x.report.Clusters), true)
	if len(open) > 0 {
		s.printf("  bulkhead render lists them, with hints\n")
	}
	s.printf("\n%s\n", coverage(x.rendered()))
}

// changing are the clusters with changes that are known.
func (x *comparison) changing() (list []string) {
	for _, c := range x.report.Clusters {
		if c.Counts.Total() > 0 {
			list = append(list, c.Name)
		}
	}
	return list
}

// headline is what a reviewer reads first.
func (s *streams) headline(x *comparison) {
	changing := x.changing()
	all := len(x.report.Clusters)
	broken, blind, dim := map[string]bool{}, map[string]bool{}, map[string]bool{}
	breaks, others := 0, 0
	for _, c := range x.report.Clusters {
		if len(oneSided(c)) > 0 {
			dim[c.Name] = true
		}
		for range c.Refused {
			broken[c.Name] = true
			breaks++
		}
		for _, w := range c.Withheld {
			switch {
			case w.After == render.Failed && w.Before != render.Failed:
				broken[c.Name] = true
				breaks++
			case w.Under == (object.Applier{}):
				blind[c.Name] = true
				others++
			}
		}
	}
	text := "no cluster is changed"
	switch {
	case len(changing) > 0:
		verb := "change"
		if len(changing) == 1 {
			verb = "changes"
		}
		text = fmt.Sprintf("%d of %s %s: %s", len(changing), count(all, "cluster"), verb, names(changing, 8))
	default:
		if breaks+others+len(dim) > 0 {
			text = "no cluster is known to change"
		}
		if open := x.open(); open != "" {
			text += ", as far as can be known offline: " + open
		}
	}
	if breaks > 0 {
		s.printf("%s\n", s.look(red, fmt.Sprintf("the change breaks %d of %s: %s, where %s can no longer be applied",
			len(broken), count(all, "cluster"), names(sortedNames(broken), 8), count(breaks, "applier"))))
	}
	s.printf("%s\n", s.look(bold, text))
	if others > 0 {
		s.printf("%s\n", s.look(yellow, fmt.Sprintf("of %s on %s nothing can be said, see withheld", count(others, "applier"), names(sortedNames(blind), 8))))
	}
	if len(dim) > 0 {
		s.printf("%s\n", s.look(yellow, "what is unresolved differs on "+names(sortedNames(dim), 8)+": more may change there"))
	}
}

func sortedNames(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }

// open counts what keeps the answer from being whole, "" when nothing does.
func (x *comparison) open() string {
	var parts []string
	failures, unresolved := x.incomplete()
	if failures > 0 {
		parts = append(parts, count(failures, "failure"))
	}
	if unresolved > 0 {
		parts = append(parts, fmt.Sprintf("%d unresolved", unresolved))
	}
	return strings.Join(parts, ", ")
}

// between says which two revisions were compared.
func (x *comparison) between() string {
	differ := count(len(x.files), "file") + " differ"
	if len(x.files) == 1 {
		differ += "s"
	}
	return fmt.Sprintf("from %s to %s, %s", safe(x.base.label()), safe(x.head.label()), differ)
}

// impactTable writes the clusters with something to tell, and reports whether
// there are any.
func (s *streams) impactTable(x *comparison) bool {
	t := table{{"CLUSTER", "ADDED", "CHANGED", "REMOVED", "MOVED", "FAILURES", "UNRESOLVED"}}
	rest, restOpen := 0, 0
	for _, c := range x.report.Clusters {
		n := c.Counts
		if n.Total()+n.Failures+len(c.Withheld)+len(c.Unknown) == 0 && !c.Appeared && !c.Gone {
			rest++
			restOpen += n.Unresolved
			continue
		}
		row := []string{c.Name}
		for _, v := range []int{n.Added, n.Changed, n.Removed, n.Moved, n.Failures, n.Unresolved} {
			row = append(row, fmt.Sprint(v))
		}
		t = append(t, row)
	}
	if len(t) > 1 {
		t.write(s)
	}
	if rest > 0 {
		line := fmt.Sprintf("%s untouched", count(rest, "cluster"))
		if len(t) > 1 {
			line = fmt.Sprintf("%s untouched", count(rest, "other cluster"))
		}
		if restOpen > 0 {
			line += fmt.Sprintf(", as far as can be known: %d unresolved", restOpen)
		}
		s.printf("%s\n", line)
	}
	return len(t) > 1
}

// withheld writes the appliers of which nothing can be said; those below another
// one of the list are only counted.
func (s *streams) withheld(x *comparison) {
	type alike struct {
		applier object.Applier
		why     string
		below   int
		objects int
	}
	type entry struct {
		cluster string
		alike
	}
	var list []entry
	for _, c := range x.report.Clusters {
		below, objects := map[object.Applier]int{}, map[object.Applier]int{}
		for _, w := range c.Withheld {
			if w.Under != (object.Applier{}) {
				below[w.Under]++
				objects[w.Under] += w.Objects
			}
		}
		for _, w := range c.Withheld {
			if w.Under == (object.Applier{}) {
				list = append(list, entry{c.Name, alike{w.Applier, w.Why, below[w.Applier], objects[w.Applier] + w.Objects}})
			}
		}
	}
	if len(list) == 0 {
		return
	}
	s.printf("\n%s\n", s.look(red, "withheld: of these nothing can be said"))
	firsts, clusters, _ := fold(list, func(e entry) alike { return e.alike }, func(e entry) string { return e.cluster })
	for _, e := range firsts {
		s.printf("  %s  %s\n    %s\n", safe(e.applier.String()), where(clusters[e.alike], len(x.report.Clusters)), safe(e.why))
		if e.below > 0 {
			s.printf("    and with it %s below, %s in all\n", count(e.below, "applier"), count(e.objects, "object"))
		} else if e.objects > 0 {
			s.printf("    %s\n", count(e.objects, "object"))
		}
	}
}

// newFailures writes the failures that are not there before the change, and
// counts the others.
func (s *streams) newFailures(x *comparison) {
	var fresh []render.Failure
	old := 0
	for _, c := range x.report.Clusters {
		for _, f := range c.Failures {
			if x.isNew(f) {
				fresh = append(fresh, f)
			} else {
				old++
			}
		}
	}
	s.failures("new failures", fresh, len(x.report.Clusters))
	if old > 0 {
		s.printf("\n%s as before the change; bulkhead render shows them\n", count(old, "failure"))
	}
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

// unknown writes what is unresolved on one side only.
func (s *streams) unknown(x *comparison) {
	type alike struct {
		change                impact.Kind
		kind, subject, reason string
	}
	var list []impact.Unknown
	for _, c := range x.report.Clusters {
		list = append(list, oneSided(c)...)
	}
	if len(list) == 0 {
		return
	}
	s.printf("\n%s\n", s.look(yellow, "unresolved on one side only: what follows from these is not known"))
	key := func(u impact.Unknown) alike {
		return alike{u.Kind, u.Unresolved.Kind, u.Subject, u.Reason}
	}
	firsts, clusters, _ := fold(list, key, func(u impact.Unknown) string { return u.Cluster })
	for _, u := range firsts {
		side := "after "
		if u.Kind == impact.Removed {
			side = "before"
		}
		s.printf("  %s  %s  %s: %s  %s\n", side, safe(u.Unresolved.Kind), safe(u.Subject), safe(u.Reason), where(clusters[key(u)], len(x.report.Clusters)))
	}
}

// notes writes what the change leads to.
func (s *streams) notes(x *comparison) {
	type note struct{ cluster, text string }
	var list []note
	for _, c := range x.report.Clusters {
		if c.Appeared {
			list = append(list, note{c.Name, "a new cluster: it has no entry point before the change"})
		}
		if c.Gone {
			list = append(list, note{c.Name, "it has no entry point after the change"})
		}
		for _, n := range c.Notes {
			list = append(list, note{c.Name, n})
		}
	}
	if len(list) == 0 {
		return
	}
	s.printf("\n%s\n", s.look(yellow, "note"))
	firsts, clusters, _ := fold(list, func(n note) string { return n.text }, func(n note) string { return n.cluster })
	for _, n := range firsts {
		s.printf("  %s: %s\n", where(clusters[n.text], len(x.report.Clusters)), safe(n.text))
	}
}

// waits writes what lands when a ref moves.
func (s *streams) waits(x *comparison) {
	type alike struct{ revision, files string }
	key := func(w impact.Wait) alike { return alike{w.Source.Revision, strings.Join(w.Files, "\n")} }
	firsts, clusters, _ := fold(x.report.Waits, key, func(w impact.Wait) string { return w.Cluster })
	if len(firsts) > 0 {
		s.printf("\n%s\n", s.look(cyan, "waits for a ref"))
	}
	for _, w := range firsts {
		on := clusters[key(w)]
		verb := "follows"
		if len(on) > 1 {
			verb = "follow"
		}
		s.printf("  %s %s %s: not changed by this commit, lands when the ref moves\n", names(slices.Sorted(slices.Values(on)), 6), verb, safe(followedRef(w.Source.Revision)))
		s.printf("    changed files it reads: %s\n", names(w.Files, 5))
	}
}

// followedRef is a revision as Flux prints it, with a short hash.
func followedRef(revision string) string {
	ref, hash, ok := strings.Cut(revision, "@sha1:")
	if rest, bare := strings.CutPrefix(revision, "sha1:"); bare {
		return "commit " + rest[:min(10, len(rest))]
	}
	if !ok {
		return revision
	}
	return ref + " (" + hash[:min(10, len(hash))] + ")"
}

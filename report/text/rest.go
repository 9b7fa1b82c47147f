package text

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/impact/review"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/report/term"
)

// rest writes what is beside the changes.
func (p *printer) rest() {
	p.withheld()
	p.newFailures()
	p.unknown()
	p.notes()
	p.waits()
	if len(p.Unread) > 0 {
		p.printf("\n")
		p.wrapped("", "", "no cluster reads: "+phrase.List(p.Unread, 10))
	}
	Unresolved(p, p.Colour, p.Unresolved, len(p.Clusters), true)
	if len(p.Unresolved) > 0 {
		p.printf("  bulkhead render lists them, with hints\n")
	}
	p.printf("\n")
	p.wrapped("", "", p.Coverage.String())
}

func (p *printer) where(clusters []string) string {
	return term.Safe(phrase.Where(clusters, len(p.Clusters)))
}

// withheld writes the appliers of which nothing can be said; those below another one of the list
// are only counted.
func (p *printer) withheld() {
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
	type at struct {
		cluster string
		applier object.Applier
	}
	below, objects := map[at]int{}, map[at]int{}
	for _, w := range p.Withheld {
		if w.Under != nil {
			below[at{w.Cluster, *w.Under}]++
			objects[at{w.Cluster, *w.Under}] += w.Objects
		}
	}
	var list []entry
	for _, w := range p.Withheld {
		if w.Under == nil {
			k := at{w.Cluster, w.Applier}
			list = append(list, entry{w.Cluster, alike{w.Applier, w.Why, below[k], objects[k] + w.Objects}})
		}
	}
	if len(list) == 0 {
		return
	}
	p.title(term.Red, "withheld: of these nothing can be said")
	firsts, clusters, _ := Fold(list, func(e entry) alike { return e.alike }, func(e entry) string { return e.cluster })
	for _, e := range firsts {
		p.printf("  %s  %s\n", term.Safe(e.applier.String()), p.where(clusters[e.alike]))
		p.wrapped("    ", "", e.why)
		if e.below > 0 {
			p.printf("    and with it %s below, %s in all\n", phrase.Count(e.below, "applier"), phrase.Count(e.objects, "object"))
		} else if e.objects > 0 {
			p.printf("    %s\n", phrase.Count(e.objects, "object"))
		}
	}
}

// newFailures writes the failures that are not there before the change, and counts the others.
func (p *printer) newFailures() {
	var fresh []render.Failure
	old := 0
	for _, f := range p.Failures {
		if f.New {
			fresh = append(fresh, f.Failure)
		} else {
			old++
		}
	}
	Failures(p, p.Colour, "new failures", fresh, len(p.Clusters))
	if old > 0 {
		p.printf("\n%s as before the change; bulkhead render shows them\n", phrase.Count(old, "failure"))
	}
}

// unknown writes what is unresolved on one side only.
func (p *printer) unknown() {
	type alike struct {
		change                impact.Kind
		kind, subject, reason string
	}
	if len(p.Unknown) == 0 {
		return
	}
	p.title(term.Yellow, "unresolved on one side only: what follows from these is not known")
	key := func(u review.Unknown) alike { return alike{u.Change, u.Kind, u.Subject, u.Reason} }
	firsts, clusters, _ := Fold(p.Unknown, key, func(u review.Unknown) string { return u.Cluster })
	for _, u := range firsts {
		side := "after "
		if u.Change == impact.Removed {
			side = "before"
		}
		p.printf("  %s  %s  %s: %s  %s\n", side, term.Safe(u.Kind), term.Safe(u.Subject), term.Safe(u.Reason), p.where(clusters[key(u)]))
	}
}

// notes writes what the change leads to.
func (p *printer) notes() {
	if len(p.Notes) == 0 {
		return
	}
	p.title(term.Yellow, "note")
	key := func(n review.Note) string { return n.Message }
	firsts, clusters, _ := Fold(p.Notes, key, func(n review.Note) string { return n.Cluster })
	for _, n := range firsts {
		p.wrapped("  ", "", phrase.Where(clusters[key(n)], len(p.Clusters))+": "+n.Message)
	}
}

// waits writes what lands when a ref moves.
func (p *printer) waits() {
	type alike struct{ revision, files string }
	key := func(w review.Wait) alike { return alike{w.Source.Revision, strings.Join(w.Files, "\n")} }
	firsts, clusters, _ := Fold(p.Waits, key, func(w review.Wait) string { return w.Cluster })
	if len(firsts) > 0 {
		p.title(term.Cyan, "waits for a ref")
	}
	for _, w := range firsts {
		on := slices.Sorted(slices.Values(clusters[key(w)]))
		p.wrapped("  ", "", fmt.Sprintf("%s %s %s: not changed by this commit, lands when the ref moves",
			phrase.List(on, 6), phrase.Verb(len(on), "follows", "follow"), phrase.Revision(w.Source.Revision)))
		p.wrapped("    ", "", "changed files it reads: "+phrase.List(w.Files, 5))
	}
}

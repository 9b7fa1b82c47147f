package cli

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
)

const (
	mostEdits = 12 // shown of one object
	mostAlike = 30 // objects shown of those that change alike; removed ones are all shown
)

// run is changes of several objects that have everything but the object in common.
type run struct {
	groups  []*impact.Group
	details []string
}

// groups writes the changes, worst kind first. Objects that change alike stand
// together, and what they have in common is said once.
func (s *streams) groups(x *comparison) {
	byKey := map[string]*run{}
	var runs []*run
	short := shortNames(x.report.Groups)
	for _, g := range x.report.Groups {
		details := s.details(x, g)
		ch := g.First()
		key := strings.Join(append([]string{string(ch.Kind), strings.Join(g.Clusters, ",")}, details...), "\x00")
		if byKey[key] == nil {
			byKey[key] = &run{details: details}
			runs = append(runs, byKey[key])
		}
		byKey[key].groups = append(byKey[key].groups, g)
	}
	for _, r := range runs {
		s.run(x, r, short)
	}
}

func (s *streams) run(x *comparison, r *run, short map[object.ID]string) {
	s.printf("\n")
	shown, width := r.groups, 0
	if len(shown) > mostAlike && shown[0].First().Kind != impact.Removed {
		shown = shown[:mostAlike]
	}
	for _, g := range shown {
		width = max(width, utf8.RuneCountInString(safe(short[g.First().ID])))
	}
	for _, g := range shown {
		ch := g.First()
		name := safe(short[ch.ID])
		gap := strings.Repeat(" ", width-utf8.RuneCountInString(name))
		tail := ""
		if ch.Replaces != nil {
			word := ", replaces "
			if ch.Kind == impact.Removed {
				word = ", replaced by "
			}
			tail = word + safe(ch.Replaces.Name)
		}
		s.printf("%s  %s%s  %s%s\n", s.look(lookOf(ch.Kind), fmt.Sprintf("%-7s", ch.Kind)), s.look(bold, name), gap, where(g.Clusters, len(x.report.Clusters)), tail)
	}
	if n := len(r.groups) - len(shown); n > 0 {
		s.printf("         … and %d more that change alike; -o json lists them\n", n)
	}
	for _, line := range r.details {
		s.printf("         %s\n", line)
	}
	if files := x.filesOf(shown); len(files) > 0 {
		s.printf("         from %s\n", names(files, 5))
	}
}

func lookOf(k impact.Kind) string {
	switch k {
	case impact.Removed:
		return red
	case impact.Moved:
		return cyan
	case impact.Changed:
		return yellow
	default:
		return green
	}
}

// shortNames are the names of the objects without their group, unless that would
// make two of them one.
func shortNames(groups []*impact.Group) map[object.ID]string {
	owner := map[object.ID]object.ID{} // without the group, to the first with it
	twice := map[object.ID]bool{}
	plain := func(id object.ID) object.ID { id.Group = ""; return id }
	for _, g := range groups {
		id := g.First().ID
		if first, ok := owner[plain(id)]; ok && first != id {
			twice[plain(id)] = true
		}
		owner[plain(id)] = id
	}
	out := map[object.ID]string{}
	for _, g := range groups {
		id := g.First().ID
		out[id] = plain(id).String()
		if twice[plain(id)] {
			out[id] = id.String()
		}
	}
	return out
}

// filesOf are the files that the changed objects come from, before and after.
func (x *comparison) filesOf(groups []*impact.Group) (files []string) {
	for _, g := range groups {
		files = appendNew(files, x.origins[0].file(g.First().Before))
		files = appendNew(files, x.origins[1].file(g.First().After))
	}
	slices.Sort(files)
	return files
}

// details are the lines below the name of a changed object, fit to be shown.
func (s *streams) details(x *comparison, g *impact.Group) (lines []string) {
	ch := g.First()
	if ch.Fate != "" {
		line := string(ch.Fate)
		if ch.Kind == impact.Moved {
			line = "the old owner: " + line
		}
		if ch.Why != "" {
			line += ": " + safe(ch.Why)
		}
		lines = append(lines, line)
	}
	if ch.Recreated != "" && ch.Kind != impact.Moved {
		lines = append(lines, s.look(red, "deleted and created again: "+safe(ch.Recreated)))
	}
	if ch.Refused != "" {
		lines = append(lines, s.look(red, "not applied: "+safe(ch.Refused)))
	}
	owner := safe(ch.Owner().String())
	switch ch.Kind {
	case impact.Moved:
		lines = append(lines, "owner: "+safe(ch.Before.Origin.Owner().String())+" -> "+owner)
	case impact.Removed:
		if !strings.Contains(safe(ch.Why), owner) {
			lines = append(lines, "was applied by "+owner)
		}
	default:
		lines = append(lines, "by "+owner)
	}
	if ch.ID.Kind == "HelmRelease" && ch.ID.Group == "helm.toolkit.fluxcd.io" && ch.Kind != impact.Moved {
		lines = append(lines, "what this does to the objects of its chart is not known: charts are not rendered")
	}
	edits := x.edits(ch)
	for i, e := range edits {
		if i == mostEdits && len(edits) > mostEdits+1 {
			lines = append(lines, fmt.Sprintf("… %d more", len(edits)-i))
			break
		}
		lines = append(lines, s.edit(e)...)
	}
	return lines
}

// edit is one difference: a line, or more for text of several lines.
func (s *streams) edit(e object.Edit) []string {
	at := safe(shorten(e.Path.String(), 200))
	one := func(v any) string { return safe(shorten(value(v), 100)) }
	switch e.Op {
	case object.Add:
		return []string{s.look(green, "+ "+at+": "+one(e.To))}
	case object.Remove:
		return []string{s.look(red, "- "+at+": "+one(e.From))}
	case object.Reorder:
		return []string{at + ": in another order"}
	default:
	}
	from, textFrom := e.From.(string)
	to, textTo := e.To.(string)
	if textFrom && textTo && (strings.Contains(from, "\n") || strings.Contains(to, "\n")) {
		lines := []string{at + ":"}
		for _, l := range unified(from, to) {
			look := ""
			switch l[0] {
			case '+':
				look = green
			case '-':
				look = red
			default:
			}
			l = "  " + safe(shorten(l, 160))
			if look != "" {
				l = s.look(look, l)
			}
			lines = append(lines, l)
		}
		return lines
	}
	return []string{at + ": " + one(e.From) + " -> " + one(e.To)}
}

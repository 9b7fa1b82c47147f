package text

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/impact/part"
	"github.com/bulkhead-dev/bulkhead/impact/review"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/report/term"
)

const (
	mostEdits = 12 // shown of one object
	mostAlike = 30 // objects shown of those that change alike; removed ones are all shown
	indent    = "         "
)

// run is changes of several objects that have everything but the object in common.
type run struct {
	groups  []*review.Group
	details []string
}

// groups writes the changes, worst first, and last those that are counted. Objects that change alike stand together, and what they
// have in common is said once.
func (p *printer) groups() {
	byKey := map[string]*run{}
	var runs []*run
	told, counted := p.fold()
	for _, g := range told {
		details := p.details(g)
		key := strings.Join(append([]string{string(g.Kind), string(g.Severity), strings.Join(g.Clusters, ",")}, details...), "\x00")
		if byKey[key] == nil {
			byKey[key] = &run{details: details}
			runs = append(runs, byKey[key])
		}
		byKey[key].groups = append(byKey[key].groups, g)
	}
	for _, r := range runs {
		p.run(r)
	}
	for _, all := range counted {
		p.counted(all)
	}
}

func (p *printer) run(r *run) {
	p.printf("\n")
	shown, width := r.groups, 0
	if len(shown) > mostAlike && shown[0].Kind != impact.Removed {
		shown = shown[:mostAlike]
	}
	for _, g := range shown {
		width = max(width, utf8.RuneCountInString(term.Safe(g.Name)))
	}
	for _, g := range shown {
		p.headOf(g, width)
	}
	if n := len(r.groups) - len(shown); n > 0 {
		p.printf("%s… and %d more that change alike; -o json lists them\n", indent, n)
	}
	for _, line := range r.details {
		p.printf("%s%s\n", indent, line)
	}
	if files := causes(shown); len(files) > 0 {
		p.wrapped(indent, "", "because of "+phrase.List(files, 5))
	}
}

// headOf is the line of a group, its name as wide as the longest of its run.
func (p *printer) headOf(g *review.Group, wide int) {
	name := term.Safe(g.Name)
	gap := strings.Repeat(" ", wide-utf8.RuneCountInString(name))
	line := p.Look(lookOfKind(g.Kind), fmt.Sprintf("%-7s", g.Kind)) + "  " + p.Look(term.Bold, name) + gap
	for _, part := range []string{p.on(g.Clusters, width-term.Width(line)) + replaces(g), p.rules(g)} {
		switch {
		case part == "":
		case term.Width(line)+2+term.Width(part) > width && term.Width(line) > len(indent):
			p.printf("%s\n", line)
			line = indent + part
		default:
			line += "  " + part
		}
	}
	p.printf("%s\n", line)
}

// on says on which clusters a group is: by name, where there is no room by environment.
func (p *printer) on(clusters []string, room int) string {
	text := p.where(clusters)
	if term.Width(text)+2 <= room || len(clusters) <= 1 {
		return text
	}
	if p.environment == nil {
		p.environment = map[string]string{}
		for _, c := range p.Clusters {
			p.environment[c.Name] = c.Environment
		}
	}
	n := map[string]int{}
	for _, c := range clusters {
		n[p.environment[c]]++
	}
	var parts []string
	for _, e := range p.Environments {
		if n[e.Name] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[e.Name], cmp.Or(e.Name, "elsewhere")))
		}
	}
	return term.Safe("on " + phrase.Count(len(clusters), "cluster") + ": " + phrase.List(parts, 4))
}

// rules names the risks of a group, the worst first.
func (p *printer) rules(g *review.Group) string {
	var names []string
	for i := range g.Risks {
		k := &g.Risks[i]
		name := k.Rule
		if !k.Open() {
			name += " (waived)"
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return p.Look(lookOf(g.Severity, term.Dim), strings.TrimSpace(mark(g.Severity)+" "+phrase.List(names, 4)))
}

// concern is what people call one.
func concern(name string) string {
	if name == "cluster" {
		return "cluster-specific"
	}
	return name
}

func replaces(g *review.Group) string {
	switch {
	case g.Replaces == nil:
		return ""
	case g.Kind == impact.Removed:
		return ", replaced by " + term.Safe(g.Replaces.Name)
	default:
		return ", replaces " + term.Safe(g.Replaces.Name)
	}
}

// causes are the files of the commit because of which the objects change, sorted.
func causes(groups []*review.Group) (files []string) {
	add := func(file string) {
		if file != "" && !slices.Contains(files, file) {
			files = append(files, file)
		}
	}
	for _, g := range groups {
		for _, c := range g.Causes {
			add(c.Name())
		}
	}
	slices.Sort(files)
	return files
}

func lookOfKind(k impact.Kind) term.Code {
	switch k {
	case impact.Removed:
		return term.Red
	case impact.Moved:
		return term.Cyan
	case impact.Changed:
		return term.Yellow
	default:
		return term.Green
	}
}

// details are the lines below the name of a changed object.
func (p *printer) details(g *review.Group) (lines []string) {
	safe := term.Safe
	if g.Fate != "" {
		line := string(g.Fate)
		if g.Kind == impact.Moved {
			line = "the old owner: " + line
		}
		if g.Why != "" {
			line += ": " + safe(g.Why)
		}
		lines = append(lines, line)
	}
	if g.Recreated != "" && g.Kind != impact.Moved {
		lines = append(lines, p.Look(term.Red, "deleted and created again: "+safe(g.Recreated)))
	}
	if g.Refused != "" {
		lines = append(lines, p.Look(term.Red, "not applied: "+safe(g.Refused)))
	}
	lines = append(lines, p.whose(g)...)
	if g.Diff.Summary != "" {
		lines = append(lines, safe(g.Diff.Summary))
	}
	for i, e := range g.Edits {
		if i == mostEdits && len(g.Edits) > mostEdits+1 {
			lines = append(lines, fmt.Sprintf("… %d more", len(g.Edits)-i))
			break
		}
		lines = append(lines, p.edit(e)...)
	}
	return lines
}

// whose says who applies an object, and whose it is unless it is the platform's.
func (p *printer) whose(g *review.Group) []string {
	of := ""
	if g.Concern != "platform" {
		of = ", " + term.Safe(concern(g.Concern))
	}
	switch g.Kind {
	case impact.Moved:
		return []string{"owner: " + owner(g.Before) + " -> " + owner(g.After) + of}
	case impact.Removed:
		if by := owner(g.Before); !strings.Contains(term.Safe(g.Why), by) {
			return []string{"was applied by " + by + of}
		}
		if of != "" {
			return []string{strings.TrimPrefix(of, ", ")}
		}
		return nil
	default:
	}
	return []string{"by " + owner(g.After) + of}
}

func owner(s *review.Side) string {
	if s == nil {
		return "nobody"
	}
	return term.Safe(s.Owner.String())
}

// edit is one difference: a line, or more for text of several lines.
func (p *printer) edit(e object.Edit) []string {
	at := term.Safe(phrase.Clip(e.Path.String(), 200))
	one := func(v any) string { return term.Safe(phrase.Clip(part.Value(v), 100)) }
	switch e.Op {
	case object.Add:
		return []string{p.Look(term.Green, "+ "+at+": "+one(e.To))}
	case object.Remove:
		return []string{p.Look(term.Red, "- "+at+": "+one(e.From))}
	case object.Reorder:
		return []string{at + ": in another order"}
	default:
	}
	from, textFrom := e.From.(string)
	to, textTo := e.To.(string)
	if !textFrom || !textTo || !strings.Contains(from, "\n") && !strings.Contains(to, "\n") {
		return []string{at + ": " + one(e.From) + " -> " + one(e.To)}
	}
	if strings.TrimSuffix(from, "\n") == strings.TrimSuffix(to, "\n") {
		return []string{at + ": only the line break at the end differs"}
	}
	lines := []string{at + ":"}
	all := part.Lines(from, to, contextLines)
	for i, l := range all {
		if i == mostLines {
			lines = append(lines, fmt.Sprintf("   … %d more lines", len(all)-i))
			break
		}
		code := term.Code("")
		switch l.Op {
		case "+":
			code = term.Green
		case "-":
			code = term.Red
		case "@":
			l.Op, l.Text = " ", "..."
		default:
		}
		lines = append(lines, p.Look(code, "  "+l.Op+term.Safe(phrase.Clip(l.Text, 160))))
	}
	return lines
}

const (
	contextLines = 1  // around what differs in a text
	mostLines    = 24 // shown of one text's difference
)

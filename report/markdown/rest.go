package markdown

import (
	"strings"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/render"
)

// firstLines of a list of what is not known get room before the changes.
const firstLines = 5

// list makes a folded section of lines; none of no lines.
func list(title string, lines []string, rank int) section {
	s := section{open: "<details><summary>" + title + ": " + thousands(len(lines)) + "</summary>\n\n", close: "\n</details>\n\n"}
	for i, l := range lines {
		at := rank
		if i >= firstLines {
			at = max(rank, rankList)
		}
		s.blocks = append(s.blocks, plain(at, "other line", "- "+l+"\n"))
	}
	return s
}

// rest are the lists after the changes.
func (c *comment) rest() []section {
	return []section{
		list("Nothing is known about", c.withheld(), rankBlind),
		list("New failures", c.failures(true), rankBlind),
		list("Unknown on one side only", c.unknown(), rankBlind),
		list("Failures as before", c.failures(false), rankList),
		list("Lands when a ref moves", c.waits(), rankList),
		list("Read by no cluster", c.unread(), rankList),
		list("Notes", c.notes(), rankList),
		list("Waived", c.waivers(), rankList),
		list("Other findings", c.others(), rankList),
		list("Unresolved", c.unresolved(), rankList),
	}
}

func (c *comment) withheld() (lines []string) {
	for i := range c.Withheld {
		w := &c.Withheld[i]
		state := func(s render.State) string {
			if s == "" {
				return "absent"
			}
			return escape(line(string(s), 40))
		}
		text := code(w.Cluster) + " " + code(w.Applier.String()) + ", " + state(w.Before) + " → " + state(w.After) + ", " + count(w.Objects, "object")
		if w.Why != "" {
			text += ": " + prose(w.Why)
		}
		if w.Under != nil {
			text += " (under " + code(w.Under.String()) + ")"
		}
		lines = append(lines, text)
	}
	return lines
}

func (c *comment) failures(fresh bool) (lines []string) {
	for i := range c.Failures {
		f := &c.Failures[i]
		if f.New != fresh {
			continue
		}
		text := code(f.Cluster) + " " + code(f.Applier.String()) + " at " + escape(line(f.Stage, 40)) + ": " + prose(f.Message)
		if f.File != "" {
			text += " (" + code(place(f.File, f.Line)) + ")"
		}
		if f.Hint != "" {
			text += " — " + prose(f.Hint)
		}
		lines = append(lines, text)
	}
	return lines
}

func unresolvedLine(u *render.Unresolved) string {
	text := code(u.Cluster) + " " + code(u.Applier.String()) + ", " + escape(line(u.Kind, 40)) + " " + code(u.Subject) + ": " + prose(u.Reason)
	if u.Hint != "" {
		text += " — " + prose(u.Hint)
	}
	return text
}

func (c *comment) unknown() (lines []string) {
	for i := range c.Unknown {
		side := "after only: "
		if c.Unknown[i].Change == impact.Removed {
			side = "before only: "
		}
		lines = append(lines, side+unresolvedLine(&c.Unknown[i].Unresolved))
	}
	return lines
}

func (c *comment) unresolved() (lines []string) {
	for i := range c.Unresolved {
		lines = append(lines, unresolvedLine(&c.Unresolved[i]))
	}
	return lines
}

func (c *comment) waits() (lines []string) {
	for i := range c.Waits {
		w := &c.Waits[i]
		var appliers []string
		for _, a := range w.Appliers {
			appliers = append(appliers, a.String())
		}
		at := code(w.Source.URL)
		if w.Source.Revision != "" {
			at += " at " + code(w.Source.Revision)
		}
		lines = append(lines, code(w.Cluster)+" follows "+at+": "+codes(appliers, 4)+" "+reads(w.Files))
	}
	return lines
}

func reads(files []string) string {
	if len(files) == 0 {
		return "read changed files"
	}
	return "read " + codes(files, 6)
}

func (c *comment) unread() (lines []string) {
	for _, f := range c.Unread {
		lines = append(lines, code(f))
	}
	return lines
}

func (c *comment) notes() (lines []string) {
	for i := range c.Notes {
		n := &c.Notes[i]
		text := ""
		for _, part := range []string{n.Cluster, n.Subject} {
			if part != "" && !strings.HasSuffix(text, code(part)+" ") {
				text += code(part) + " "
			}
		}
		lines = append(lines, strings.TrimSuffix(text, " ")+": "+prose(n.Message))
	}
	return lines
}

func (c *comment) waivers() (lines []string) {
	for i := range c.Findings {
		if f := &c.Findings[i]; !f.Open() {
			lines = append(lines, prose(f.Message)+": "+waiver(f.Waived))
		}
	}
	return lines
}

// others are open findings of no change and no gate: failures, faults of waivers.
func (c *comment) others() (lines []string) {
	for i := range c.Findings {
		f := &c.Findings[i]
		if !f.Open() || f.Object != nil || strings.HasPrefix(f.Rule, "gate/") {
			continue
		}
		text := signed(f.Severity, prose(f.Message)) + c.on(f.Clusters, 4)
		if f.File != "" {
			text += " (" + code(place(f.File, f.Line)) + ")"
		}
		if f.Hint != "" {
			text += " — " + prose(f.Hint)
		}
		lines = append(lines, text+" ("+code(f.Rule)+")")
	}
	return lines
}

// coverage says how much of the question could be answered.
func (c *comment) coverage() section {
	if c.stat {
		return section{}
	}
	v := &c.Coverage
	parts := []string{"coverage: " + thousands(v.Built) + " of " + count(v.Appliers, "applier") + " built"}
	for _, p := range []struct {
		n    int
		noun string
	}{
		{v.Failures, "failure"},
		{v.Sources, "unresolved source"},
		{v.Remotes, "remote base"},
		{v.Variables, "unknown variable"},
		{v.Encrypted, "encrypted applier"},
		{v.Charts, "chart not at hand"},
		{v.Values, "value not in Git"},
		{v.Other, "other unresolved part"},
	} {
		switch {
		case p.n == 0:
		case strings.Contains(p.noun, " not "):
			noun, rest, _ := strings.Cut(p.noun, " ")
			parts = append(parts, count(p.n, noun)+" "+rest)
		default:
			parts = append(parts, count(p.n, p.noun))
		}
	}
	return section{blocks: []block{plain(rankCoverage, "", "\n<sub>"+strings.Join(parts, ", ")+"</sub>\n")}}
}

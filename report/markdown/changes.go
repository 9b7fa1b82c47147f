package markdown

import (
	"strings"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/impact/review"
	"github.com/bulkhead-dev/bulkhead/object"
)

const (
	firstChanges = 20 // that get room before everything else
	mostCauses   = 3
	mostVia      = 8
	shortDiff    = 30  // lines
	longDiff     = 400 // lines
)

// changes are the groups, the worst first.
func (c *comment) changes() section {
	s := section{open: "### Changes\n\n", close: "\n"}
	for i := range c.Groups {
		g := &c.Groups[i]
		ranks := [4]int{rankFirst, rankFirst, rankDiff, rankLongDiff}
		if i >= firstChanges {
			ranks = [4]int{rankOthers, rankMore, rankOtherDiff, rankLongDiff}
		}
		head := signed(g.Severity, string(g.Kind)+" ")
		where := " · " + escape(line(g.Concern, 60)) + " · " + c.short(g.Clusters)
		open := "<details><summary>" + head + tag(g.Name) + where + "</summary>\n\n"
		about := c.about(g)
		forms := []form{
			{ranks[0], "- " + head + code(g.Name) + where + "\n", "change"},
			{ranks[1], open + about + "\n</details>\n\n", "explanation"},
		}
		if short := differences(&g.Diff, shortDiff); short != "" {
			forms = append(forms, form{ranks[2], open + about + "\n" + short + "\n</details>\n\n", "difference"})
			if len(g.Diff.Lines) > shortDiff {
				forms = append(forms, form{ranks[3], open + about + "\n" + differences(&g.Diff, longDiff) + "\n</details>\n\n", ""})
			}
		}
		s.blocks = append(s.blocks, block{forms: forms})
	}
	return s
}

// short says on which clusters, where Markdown is not read.
func (c *comment) short(clusters []string) string {
	if len(clusters) > 2 {
		return thousands(len(clusters)) + " clusters (" + c.byEnvironment(clusters) + ")"
	}
	var names []string
	for _, k := range clusters {
		names = append(names, tag(k))
	}
	return strings.Join(names, ", ")
}

// about is what there is to say of a group, as a list.
func (c *comment) about(g *review.Group) string {
	var b strings.Builder
	item := func(text string) { b.WriteString("- " + text + "\n") }
	for i := range g.Risks {
		f := &g.Risks[i]
		text := signed(f.Severity, prose(f.Message))
		if f.Hint != "" && f.Open() {
			text += " — " + prose(f.Hint)
		}
		if f.Waived != nil {
			text = stateSign(review.Waived) + " " + prose(f.Message) + "; waived by " + waiver(f.Waived)
		}
		item(text + " (" + code(f.Rule) + ")")
	}
	item(codes(g.Clusters, 12))
	if g.Concern != "" && g.ConcernWhy != "" {
		item(code(g.Concern) + ": " + prose(g.ConcernWhy))
	}
	fate(g, item)
	for i, cause := range g.Causes {
		if i == mostCauses {
			item("and " + count(len(g.Causes)-i, "other cause"))
			break
		}
		item("because of " + chain(cause))
	}
	from(g, item)
	return b.String()
}

// fate says what becomes of the object, where that is not plain from the kind of change.
func fate(g *review.Group, item func(string)) {
	if g.Fate != "" {
		word := string(g.Fate)
		if g.Kind == impact.Moved {
			word = "its old owner: " + word
		}
		if g.Why != "" {
			word += ": " + prose(g.Why)
		}
		item(word)
	}
	if g.Refused != "" {
		item("refused by the API server: " + prose(g.Refused))
	}
	if g.Recreated != "" {
		item("deleted and created again: " + prose(g.Recreated))
	}
	if g.Replaces != nil {
		item("takes turns with " + code(g.Replaces.String()))
	}
}

// chain is file -> step -> ... -> cluster.
func chain(cause review.Cause) string {
	steps := []string{code(cause.Name())}
	for i, v := range cause.Via {
		if i == 0 && v == cause.File {
			continue
		}
		if len(steps) > mostVia && i < len(cause.Via)-1 {
			if steps[len(steps)-1] != "…" {
				steps = append(steps, "…")
			}
			continue
		}
		steps = append(steps, code(v))
	}
	return strings.Join(steps, " → ")
}

// from names the owners and the files that the object comes from.
func from(g *review.Group, item func(string)) {
	origin := func(s *review.Side) string {
		text := code(s.Owner.String())
		if s.File != "" {
			text += " from " + code(s.File)
		}
		return text
	}
	none := object.Applier{}
	switch {
	case g.Before != nil && g.After != nil && (g.Before.Owner != g.After.Owner || g.Before.File != g.After.File):
		item("by " + origin(g.Before) + ", then by " + origin(g.After))
	case g.After != nil && g.After.Owner != none:
		item("by " + origin(g.After))
	case g.Before != nil && g.Before.Owner != none:
		item("by " + origin(g.Before))
	}
}

// differences is the difference, of most lines at the most; "" when there is none.
func differences(d *review.Diff, most int) string {
	text := ""
	if d.Summary != "" {
		text = "(" + prose(d.Summary) + ")\n"
	}
	if len(d.Lines) == 0 {
		return text
	}
	var lines []string
	for i := range d.Lines {
		if i == most {
			break
		}
		if l := &d.Lines[i]; l.Op == "@" {
			lines = append(lines, "@@ "+raw(l.Text)+" @@")
		} else {
			lines = append(lines, l.Op[:min(len(l.Op), 1)]+raw(l.Text))
		}
	}
	if text != "" {
		text += "\n"
	}
	text += fenced("diff", lines)
	if more := d.Omitted + max(0, len(d.Lines)-most); more > 0 {
		text += "\n" + count(more, "more line") + " of this difference.\n"
	}
	return text
}

package markdown

import (
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact/review"
)

const (
	mostHeadlines = 6 // before the other ranks
	mostRisks     = 5 // on the first screen
	mostEvidence  = 4
)

// title is the marker and the verdict.
func (c *comment) title(marker string) section {
	v := c.Verdict
	word := "Unknown"
	switch v.State {
	case review.Passed:
		word = "Passed"
	case review.Warned:
		word = "Passed with warnings"
	case review.Failed:
		word = "Failed"
	case review.Waived, review.Broken:
	}
	var parts []string
	if v.Errors > 0 {
		parts = append(parts, count(v.Errors, "error"))
	}
	if v.Warnings > 0 {
		parts = append(parts, count(v.Warnings, "warning"))
	}
	if v.Waived > 0 {
		parts = append(parts, thousands(v.Waived)+" waived")
	}
	text := "## " + stateSign(v.State) + " " + word
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	return section{blocks: []block{plain(rankTitle, "", Head(marker)+"\n"+text+"\n\n")}}
}

// headlines are the sentences on top, and what was compared.
func (c *comment) headlines() section {
	s := section{close: "\n"}
	for i, h := range c.Headlines {
		text := signed(h.Severity, prose(h.Text))
		if h.Severity == finding.Error {
			text = sign(h.Severity) + " **" + prose(h.Text) + "**"
		}
		rank := rankHeadline
		if i >= mostHeadlines {
			rank = rankList
		}
		s.blocks = append(s.blocks, plain(rank, "headline", "- "+text+"\n"))
	}
	between := "From " + c.revision(c.Base) + " to " + c.revision(c.Head)
	if !c.stat {
		between += ", " + count(len(c.Files), "file")
		if len(c.Files) > 0 {
			between += ": " + codes(c.Files, 3)
		}
	}
	if c.Only != "" {
		between += "; only " + code(c.Only)
	}
	s.blocks = append(s.blocks, plain(rankCoverage, "", "- "+between+"\n"))
	for i := range c.Spokes {
		k := &c.Spokes[i]
		s.blocks = append(s.blocks, plain(rankCoverage, "repository", "- "+code(k.URL)+" from "+c.revision(k.Base)+" to "+c.revision(k.Head)+", "+count(len(k.Files), "file")+": "+codes(k.Files, 3)+"\n"))
	}
	return s
}

func (*comment) revision(r review.Revision) string {
	text := code(r.Label)
	if r.Commit != "" && !strings.Contains(r.Label, r.Commit[:min(len(r.Commit), 7)]) {
		text += " (" + code(r.Commit[:min(len(r.Commit), 10)]) + ")"
	}
	return text
}

// gates are a table of those that did not simply pass.
func (c *comment) gates() section {
	s := section{open: "### Gates\n\n| | Gate | Says |\n|---|---|---|\n", close: "\n"}
	passed := 0
	for i := range c.Gates {
		g := &c.Gates[i]
		if g.State == review.Passed {
			passed++
			continue
		}
		rank := rankGate
		if g.State == review.Waived {
			rank = rankList
		}
		row := "| " + stateSign(g.State) + " " + string(g.State) + " | " + code(g.Name) + " | "
		short := form{rank, row + prose(g.Message) + " |\n", "gate"}
		long := form{rank, row + prose(g.Message) + gateMore(g) + " |\n", ""}
		s.blocks = append(s.blocks, block{forms: []form{short, long}})
	}
	if passed > 0 && len(s.blocks) > 0 {
		s.blocks = append(s.blocks, plain(rankList, "", "| "+stateSign(review.Passed)+" passed | "+count(passed, "other gate")+" | |\n"))
	}
	if len(s.blocks) == 0 && passed > 0 {
		return section{blocks: []block{plain(rankGate, "gate", stateSign(review.Passed)+" "+count(passed, "gate")+" passed.\n\n")}}
	}
	return s
}

// gateMore is the evidence of a gate, what waives it, and where it is declared.
func gateMore(g *review.Gate) string {
	var b strings.Builder
	for i, e := range g.Evidence {
		if i == mostEvidence {
			b.WriteString("<br>and " + thousands(len(g.Evidence)-i) + " more")
			break
		}
		b.WriteString("<br>" + code(e))
	}
	text := b.String()
	if g.Waived != nil {
		text += "<br>waived by " + waiver(g.Waived)
	}
	if g.File != "" {
		text += "<br>declared in " + code(place(g.File, g.Line))
	}
	return text
}

func waiver(w *finding.Waived) string {
	return code(w.Name) + " until " + prose(w.Expires) + ", approved by " + code(w.Approver) + ": " + prose(w.Reason)
}

// place is a file with a line: "fleet/gates.yaml:12".
func place(file string, line int) string {
	if line > 0 {
		return file + ":" + digits(line)
	}
	return file
}

// risks are the worst that are open, those of gates left out: gates have their own table.
func (c *comment) risks() section {
	s := section{open: "### Worst risks\n\n", close: "\n"}
	open := 0
	for i := range c.Findings {
		f := &c.Findings[i]
		if !f.Open() || strings.HasPrefix(f.Rule, "gate/") || f.Severity == finding.Note {
			continue
		}
		if open++; open > mostRisks {
			continue
		}
		text := "- " + signed(f.Severity, prose(f.Message)) + c.on(f.Clusters, 4)
		short, long := form{rankRisk, text + "\n", "risk"}, form{rankRisk, text, ""}
		if f.Hint != "" {
			long.text += " — " + prose(f.Hint)
		}
		if f.File != "" {
			long.text += " (" + code(place(f.File, f.Line)) + ")"
		}
		long.text += "\n"
		s.blocks = append(s.blocks, block{forms: []form{short, long}})
	}
	if open > mostRisks {
		s.blocks = append(s.blocks, plain(rankRisk, "", "- and "+thousands(open-mostRisks)+" more, with the changes below\n"))
	}
	return s
}

// on says on which clusters, after a dot: by name when they are few, else by environment.
func (c *comment) on(clusters []string, most int) string {
	switch {
	case len(clusters) == 0:
		return ""
	case len(clusters) <= most:
		return " · " + codes(clusters, most)
	}
	return " · " + thousands(len(clusters)) + " clusters (" + c.byEnvironment(clusters) + ")"
}

// byEnvironment counts clusters by environment: "2 dev, 3 prod".
func (c *comment) byEnvironment(clusters []string) string {
	counts := map[string]int{}
	for _, name := range clusters {
		counts[c.environment[name]]++
	}
	var parts []string
	seen := map[string]bool{}
	for _, e := range c.Environments {
		if n := counts[e.Name]; n > 0 && !seen[e.Name] {
			seen[e.Name] = true
			name := "without environment"
			if e.Name != "" {
				name = escape(line(e.Name, 40))
			}
			parts = append(parts, thousands(n)+" "+name)
		}
	}
	if len(parts) == 0 {
		return "of no environment"
	}
	return strings.Join(parts[:min(len(parts), 6)], ", ")
}

package markdown

import (
	"fmt"
	"io"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/verdict"
)

// Check is what a check says beside its report.
type Check struct {
	// Revision that was checked, and the one before the change; "" for none.
	Revision, Base string
	// Limits are what the proof does not cover.
	Limits []string
	// Coverage of the render, in words.
	Coverage string
}

// CheckHead is the line that the comment of a check begins with, by which it is found again to be updated.
const CheckHead = "<!-- bulkhead:check -->"

// Compartments writes the report of a check as a comment, within the limit of [Options]. The error is that of w.
func Compartments(w io.Writer, r *verdict.Report, about Check) error {
	sections := []section{checkTitle(r, &about), verdictTable(r)}
	note := len(sections)
	fresh, rest := []*verdict.Finding{}, []string{}
	for i := range r.Findings {
		switch f := &r.Findings[i]; {
		case f.New():
			fresh = append(fresh, f)
		case f.Open():
			rest = append(rest, findingLine(f)+" (known)")
		default:
			rest = append(rest, findingLine(f)+": "+waiver(f.Waived))
		}
	}
	sections = append(sections, findingSection(fresh), list("Unproven", openLines(r), rankBlind), list("Known and waived", rest, rankList),
		section{blocks: []block{plain(rankCoverage, "", escape(line(about.Coverage, mostProse))+"\n\nNot covered: "+prose(strings.Join(about.Limits, ", "))+".\n")}})
	if _, err := io.WriteString(w, fold(sections, note, defaultLimit)); err != nil {
		return fmt.Errorf("write markdown: %w", err)
	}
	return nil
}

// checkTitle says how many of the compartments are in which state.
func checkTitle(r *verdict.Report, about *Check) section {
	states := map[string]int{}
	for i := range r.Verdicts {
		states[r.Verdicts[i].Words()]++
	}
	var parts []string
	for _, words := range verdict.Words() {
		if n := states[words]; n > 0 {
			parts = append(parts, thousands(n)+" "+words)
		}
	}
	title := "no tenant is known"
	if len(parts) > 0 {
		title = count(len(r.Verdicts), "compartment") + ": " + strings.Join(parts, ", ")
	}
	checked := prose(about.Revision)
	if about.Base != "" {
		n := 0
		for i := range r.Findings {
			if r.Findings[i].New() {
				n++
			}
		}
		checked += ", with " + count(n, "finding") + " that " + prose(about.Base) + " did not have"
	}
	return section{blocks: []block{plain(rankTitle, "", CheckHead+"\n## "+title+"\n\nChecked: "+checked+".\n\n")}}
}

func verdictTable(r *verdict.Report) section {
	s := section{open: "| tenant | cluster | verdict | critical | high | medium | low | unproven |\n|---|---|---|---:|---:|---:|---:|---:|\n", close: "\n"}
	for _, proven := range []bool{false, true} { // what is to be looked at is first
		for i := range r.Verdicts {
			v := &r.Verdicts[i]
			if (v.State == verdict.Proven) != proven {
				continue
			}
			sign := map[verdict.State]string{verdict.Violated: "🛑 ", verdict.Waived: "⚠️ ", verdict.Unproven: "❔ ", verdict.Proven: "✅ "}[v.State]
			text := fmt.Sprintf("| %s | %s | %s%s | %d | %d | %d | %d | %d |\n", code(v.Tenant), code(v.Cluster), sign, v.Words(), v.Open.Critical, v.Open.High, v.Open.Medium, v.Open.Low, len(v.Reasons))
			s.blocks = append(s.blocks, plain(rankMatrix, "row", text))
		}
	}
	return s
}

// findingSection are the findings that count; each by a line, and with its evidence where there is room.
func findingSection(list []*verdict.Finding) section {
	s := section{open: "### Findings\n\n", close: "\n"}
	for i, f := range list {
		short, long := "- "+findingLine(f)+"\n", ""
		for _, step := range f.Steps {
			text := prose(step.Message)
			if step.File != "" {
				text += " (" + code(place(step.File, step.Line)) + ")"
			}
			long += "  1. " + text + "\n"
		}
		if f.Pending != nil {
			long += "\n  Open in this review, as its waiver comes with the change: " + waiver(f.Pending) + "\n"
		}
		if f.Hint != "" {
			long += "\n  Cure: " + prose(f.Hint) + "\n"
		}
		b := plain(rankFirst, "finding", short)
		if i >= firstLines {
			b = plain(rankOthers, "finding", short)
		}
		if long != "" {
			b.forms = append(b.forms, form{rank: rankMore, text: short + long})
		}
		s.blocks = append(s.blocks, b)
	}
	return s
}

func findingLine(f *verdict.Finding) string {
	text := escape(line(string(f.At()), 20)) + " " + code(f.Rule) + ": " + prose(f.Message)
	if sign := sign(severityOf(f)); sign != "" {
		text = sign + " " + text
	}
	if len(f.Clusters) > 0 {
		text += " on " + codes(f.Clusters, 4)
	}
	if f.File != "" {
		text += " (" + code(place(f.File, f.Line)) + ")"
	}
	return text
}

func severityOf(f *verdict.Finding) finding.Severity { return f.At().Severity() }

func openLines(r *verdict.Report) (lines []string) {
	for i := range r.Unproven {
		u := &r.Unproven[i]
		text := prose(u.Message)
		if u.Rule != "" {
			text = code(u.Rule) + ": " + text
		}
		if len(u.Clusters) > 0 {
			text += " on " + codes(u.Clusters, 4)
		}
		if u.Hint != "" {
			text += " — " + prose(u.Hint)
		}
		lines = append(lines, text)
	}
	return lines
}

// Package text writes a review for a terminal.
//
// It turns a [review.Review] into lines, most important first. Its invariant: it says nothing that
// the review does not hold, and nothing in it moves a terminal. Start at [Write].
package text

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/finding/waiver"
	"github.com/bulkhead-dev/bulkhead/impact/review"
	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/report/term"
)

// Options of the text. The zero value is plain text, complete.
type Options struct {
	Colour term.Colour
	// Stat stops after the table.
	Stat bool
	// Fold names what a change belongs to that is counted with others of that name, below those that are told one by one; "" for none.
	// Nil counts none. What is removed or moved, or has a risk, is always told.
	Fold func(*review.Group) string
}

// width is what lines of our own making fit into: a terminal beside an editor.
const width = 100

// Write writes r. The error is that of w.
func Write(w io.Writer, r *review.Review, o Options) error {
	p := &printer{Writer: bufio.NewWriter(w), Review: r, Colour: o.Colour, foldAs: o.Fold}
	if !o.Stat {
		p.head()
	}
	p.table()
	if !o.Stat && r.Details != nil {
		p.gates()
		p.risks()
		p.groups()
		p.rest()
	}
	return p.Flush()
}

type printer struct {
	*bufio.Writer
	*review.Review
	term.Colour
	foldAs      func(*review.Group) string // may be nil
	environment map[string]string          // by cluster; nil before it is asked for
}

func (p *printer) printf(format string, args ...any) { _, _ = fmt.Fprintf(p, format, args...) }

// title begins a part.
func (p *printer) title(code term.Code, text string) { p.printf("\n%s\n", p.Look(code, text)) }

// wrapped writes words in lines of the width, each of them behind the indent.
func (p *printer) wrapped(indent string, code term.Code, text string) {
	line := ""
	flush := func() {
		if line != "" {
			p.printf("%s%s\n", indent, p.Look(code, line))
		}
		line = ""
	}
	for word := range strings.SplitSeq(term.Safe(text), " ") {
		if line != "" && len(indent)+term.Width(line)+1+term.Width(word) > width {
			flush()
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	flush()
}

// head is what a reviewer reads first.
func (p *printer) head() {
	switch p.Verdict.State {
	case review.Failed:
		for _, reason := range p.Verdict.Reasons {
			p.wrapped("", term.Red, "may not merge: "+reason)
		}
		if len(p.Verdict.Reasons) == 0 {
			p.wrapped("", term.Red, "may not merge: see the findings")
		}
	case review.Warned:
		for _, reason := range p.Verdict.Reasons {
			p.wrapped("", term.Yellow, "look twice: "+reason)
		}
	default:
	}
	for _, h := range p.Headlines {
		p.wrapped("", lookOf(h.Severity, term.Bold), h.Text)
	}
	if p.Details == nil {
		p.wrapped("", "", fmt.Sprintf("from %s to %s", p.Base.Label, p.Head.Label))
	} else {
		if len(p.Spokes) == 0 || len(p.Files) > 0 {
			p.between("", p.Base, p.Head, p.Files)
		}
		for _, s := range p.Spokes {
			p.between(s.URL+": ", s.Base, s.Head, s.Files)
		}
	}
	p.printf("\n")
}

// between says which two revisions were compared.
func (p *printer) between(of string, base, head review.Revision, files []string) {
	p.wrapped("", "", fmt.Sprintf("%sfrom %s to %s, %s %s", of, base.Label, head.Label, phrase.Count(len(files), "file"), phrase.Verb(len(files), "differs", "differ")))
}

func lookOf(s finding.Severity, none term.Code) term.Code {
	switch s {
	case finding.Error:
		return term.Red
	case finding.Warning:
		return term.Yellow
	case finding.Note:
		return term.Cyan
	default:
		return none
	}
}

// mark stands for a severity where there is no room for a word.
func mark(s finding.Severity) string {
	switch s {
	case finding.Error:
		return "!!"
	case finding.Warning:
		return "!"
	default:
		return ""
	}
}

// gates writes those that did not pass, and counts the others.
func (p *printer) gates() {
	passed, shown := 0, false
	for i := range p.Gates {
		g := &p.Gates[i]
		if g.State == review.Passed {
			passed++
			continue
		}
		if !shown {
			p.title(term.Bold, "gates")
			shown = true
		}
		code := lookOf(g.Severity, "")
		if g.State == review.Waived {
			code = term.Dim
		}
		p.printf("  %s  %s\n", p.Look(code, fmt.Sprintf("%-6s", g.State)), p.Look(term.Bold, term.Safe(g.Name)))
		p.wrapped("          ", code, g.Message)
		for _, e := range g.Evidence {
			p.wrapped("          ", "", e)
		}
		if g.Waived != nil {
			p.wrapped("          ", "", waived(g.Waived))
		}
	}
	if shown && passed > 0 {
		p.printf("  %d passed\n", passed)
	}
}

func waived(w *finding.Waived) string {
	return "waived until " + w.Expires + " by " + w.Approver + ": " + w.Reason + " (" + w.File + ")"
}

// mostRisks are written out; the groups name all.
const mostRisks = 12

// risks writes findings that want a look, the worst first. Gates have a part of their own.
func (p *printer) risks() {
	shown, left, notes, accepted := 0, 0, 0, 0
	hints := map[string]bool{}
	for _, f := range p.folded() {
		switch {
		case strings.HasPrefix(f.Rule, "gate/"), f.Rule == review.NewFailure && f.Open():
			continue // they have a part of their own
		case !f.Open():
			accepted++
			continue
		case f.Severity == finding.Note && f.Rule != waiver.Pending: // of that one the author waits to be told
			notes++
			continue
		case shown == mostRisks:
			left++
			continue
		}
		if shown == 0 {
			p.title(term.Bold, "risks")
		}
		shown++
		p.risk(f, hints)
	}
	var more []string
	for _, c := range []struct {
		n    int
		what string
	}{{left, "more of them"}, {notes, phrase.Verb(notes, "note", "notes")}, {accepted, "waived"}} {
		if c.n > 0 {
			more = append(more, fmt.Sprintf("%d %s", c.n, c.what))
		}
	}
	if shown > 0 && len(more) > 0 {
		p.printf("  and %s, named below\n", strings.Join(more, ", "))
	}
}

// folded are the findings, those that say the same of several groups once.
func (p *printer) folded() []*finding.Finding {
	var out []*finding.Finding
	at := map[string]*finding.Finding{}
	for i := range p.Findings {
		f := p.Findings[i]
		key := fmt.Sprintf("%s\x00%s\x00%s\x00%s\x00%v\x00%t", f.Rule, f.Severity, f.Message, f.Hint, f.Object, f.Open())
		if first := at[key]; first != nil && f.Object != nil && len(f.Clusters) > 0 {
			first.Clusters = slices.Sorted(slices.Values(append(slices.Clone(first.Clusters), f.Clusters...)))
			continue
		}
		at[key] = &f
		out = append(out, &f)
	}
	return out
}

// pending names the waiver that would accept a finding, had it not come with the change.
func (p *printer) pending(f *finding.Finding) {
	if w := f.Pending; w != nil {
		p.wrapped("          ", "", "open in this review: waiver "+w.Name+" comes with the change ("+w.File+")")
	}
}

func (p *printer) risk(f *finding.Finding, hints map[string]bool) {
	where := "of the fleet"
	if len(f.Clusters) > 0 {
		where = p.on(f.Clusters, width-12-term.Width(f.Rule))
	}
	p.printf("  %s %s  %s\n", p.Look(lookOf(f.Severity, ""), fmt.Sprintf("%-7s", f.Severity)), p.Look(term.Bold, term.Safe(f.Rule)), where)
	p.wrapped("          ", "", f.Message)
	p.pending(f)
	if f.Hint != "" && !hints[f.Rule+f.Hint] {
		hints[f.Rule+f.Hint] = true
		p.wrapped("          ", "", "hint: "+f.Hint)
	}
}

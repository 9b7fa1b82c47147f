package text

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/bulkhead-dev/bulkhead/impact/review"
	"github.com/bulkhead-dev/bulkhead/report/term"
)

// Explain writes why an object changes: whose it is, the way from each file to the cluster, its
// risks with hints, and the whole difference. The error is that of w.
func Explain(w io.Writer, e *review.Explanation, o Options) error {
	p := &printer{Writer: bufio.NewWriter(w), Review: &review.Review{}, Colour: o.Colour}
	p.printf("%s  %s  on %s\n", p.Look(lookOfKind(e.Kind), string(e.Kind)), p.Look(term.Bold, term.Safe(e.ID.String())), term.Safe(e.Cluster))
	p.printf("  %s: %s\n", term.Safe(concern(e.Concern)), term.Safe(e.ConcernWhy))
	if e.Fate != "" {
		p.wrapped("  ", "", strings.TrimSuffix(string(e.Fate)+": "+e.Why, ": "))
	}
	for _, why := range []struct{ label, text string }{{"not applied: ", e.Refused}, {"deleted and created again: ", e.Recreated}} {
		if why.text != "" {
			p.wrapped("  ", term.Red, why.label+why.text)
		}
	}
	p.why(e)
	for i := range e.Risks {
		if i == 0 {
			p.title(term.Bold, "risks")
		}
		k := &e.Risks[i]
		p.printf("  %s %s\n", p.Look(lookOf(k.Severity, ""), fmt.Sprintf("%-7s", k.Severity)), p.Look(term.Bold, term.Safe(k.Rule)))
		p.wrapped("          ", "", k.Message)
		if k.Hint != "" {
			p.wrapped("          ", "", "hint: "+k.Hint)
		}
		if k.Waived != nil {
			p.wrapped("          ", "", waived(k.Waived))
		}
		p.pending(k)
	}
	p.whole(e)
	return p.Flush()
}

// why writes the ways from the files of the commit to the cluster.
func (p *printer) why(e *review.Explanation) {
	p.title(term.Bold, "because of")
	if len(e.Causes) == 0 {
		p.printf("  nothing in the files of the change: another source, or what is not in Git\n")
	}
	for _, c := range e.Causes {
		p.printf("  %s\n", p.Look(term.Cyan, term.Safe(c.Name())))
		for i, step := range c.Via {
			p.printf("  %s-> %s\n", strings.Repeat("  ", i+1), term.Safe(step))
		}
	}
}

// whole writes all of the difference.
func (p *printer) whole(e *review.Explanation) {
	p.title(term.Bold, "difference")
	if e.Diff.Summary != "" {
		p.printf("  %s\n", term.Safe(e.Diff.Summary))
	}
	for _, l := range e.Diff.Lines {
		code := term.Code("")
		switch l.Op {
		case "+":
			code = term.Green
		case "-":
			code = term.Red
		case "@":
			l.Text = "..."
			l.Op = " "
		default:
		}
		p.printf("  %s\n", p.Look(code, strings.TrimRight(l.Op+" "+term.Safe(l.Text), " ")))
	}
	if e.Diff.Omitted > 0 {
		p.printf("  … %d more lines; -o json has no more of them\n", e.Diff.Omitted)
	}
}

// Package gate asks whether a change may merge.
//
// It turns an [Impact] and the gates of a fleet into a [Result] for each gate. Its invariant: an
// expression that cannot be evaluated never passes. Start at [Check].
package gate

//go:generate env UPDATE=1 go test -count=1 -run ^TestReference$ .

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

// State of a gate.
type State string

// The states.
const (
	Passed State = "passed"
	Failed State = "failed"
	Broken State = "broken" // the expression cannot be evaluated; counts as failed
)

// Result is what a gate says of a change.
type Result struct {
	Name     string
	Severity finding.Severity
	State    State
	// Message is one line: what is wrong; of a passed gate, what it asks for.
	Message string
	BuiltIn bool
	// Expr is the expression; "" for a built-in gate.
	Expr string
	// Evidence are a few lines that show why it failed; never nil.
	Evidence []string
	// File and Line of the document that declares it; zero for a built-in gate that no
	// document names.
	File string
	Line int
	// Clusters that a failed built-in gate is about, sorted; empty for the fleet as a whole; never nil.
	Clusters []string
}

// Rule is the ID of the findings of a gate, as waivers name it: "gate/NAME".
func Rule(name string) string { return "gate/" + name }

// Check asks all gates: those of the fleet in their order, then the built-in ones that it does not
// name. Disabled ones are left out. An expression that the end of ctx interrupts is broken.
func Check(ctx context.Context, v Impact, gates []v1alpha1.Gate) []Result {
	var out []Result
	for i := range gates {
		if g := &gates[i]; !g.Disabled {
			out = append(out, checkOne(ctx, &v, g))
		}
	}
	for _, b := range builtIns() {
		named := slices.ContainsFunc(gates, func(g v1alpha1.Gate) bool { return g.Name == b.name })
		if !named && !b.off {
			out = append(out, checkOne(ctx, &v, &v1alpha1.Gate{Name: b.name}))
		}
	}
	return out
}

func checkOne(ctx context.Context, v *Impact, g *v1alpha1.Gate) Result {
	r := Result{
		Name: g.Name, Severity: finding.Severity(g.Severity), Expr: g.Expr, File: g.Place.File, Line: g.Place.Line,
		State: Passed, Evidence: []string{}, Clusters: []string{},
	}
	if b := builtInOf(g.Name); b != nil && g.Expr == "" {
		return b.result(v, g, r)
	}
	r.Severity = cmp.Or(r.Severity, finding.Error)
	r.Message = cmp.Or(oneLine(g.Message), "must be true: "+oneLine(g.Expr))
	ok, err := evaluate(ctx, v, g.Expr)
	switch {
	case err != nil:
		r.State = Broken
		r.Message = "cannot be evaluated: " + err.Error()
	case !ok:
		r.State = Failed
		r.Evidence = values(v, g.Expr)
	}
	return r
}

// Compile says what is wrong with the expressions: a [*v1alpha1.DocumentError] about the first gate, with its
// file and line; nil when all can be evaluated.
func Compile(gates []v1alpha1.Gate) error {
	for i := range gates {
		g := &gates[i]
		if g.Expr == "" && builtInOf(g.Name) != nil {
			continue
		}
		if _, err := compile(g.Expr); err != nil {
			return &v1alpha1.DocumentError{
				File: g.Place.File, Line: g.Place.Line, Message: fmt.Sprintf("gate %s: %s", g.Name, err),
				Hint: "docs/reference/gates.md lists what impact holds",
			}
		}
	}
	return nil
}

// Findings are the results that did not pass, in their order. A broken gate's hint says how to mend it.
func Findings(results []Result) []finding.Finding {
	var out []finding.Finding
	for i := range results {
		r := &results[i]
		if r.State == Passed {
			continue
		}
		f := finding.Finding{
			Rule: Rule(r.Name), Severity: r.Severity, Message: fmt.Sprintf("gate %s: %s", r.Name, r.Message),
			Clusters: slices.Clone(r.Clusters), File: r.File, Line: r.Line,
		}
		if f.Clusters == nil {
			f.Clusters = []string{}
		}
		if b := builtInOf(r.Name); b != nil && r.BuiltIn {
			f.Hint = b.hint
		}
		if r.State == Broken {
			f.Hint = "mend the expression: docs/reference/gates.md lists what impact holds"
		}
		out = append(out, f)
	}
	return out
}

// Rules are what the findings of these results have in common, in the order of the results, and
// the rule of [Merge].
func Rules(results []Result) []finding.Rule {
	out := []finding.Rule{{
		ID: RuleChanged, Severity: finding.Warning, Title: "A gate is weakened by the change that it judges",
		Why:  "The change is judged by the gate as it is before; later changes are not.",
		Hint: "let those who own the gates approve it, in a change of its own",
	}}
	for i := range results {
		r := &results[i]
		rule := finding.Rule{
			ID: Rule(r.Name), Severity: r.Severity, Title: "The gate " + r.Name,
			Why: "A gate of the fleet asks for it: " + oneLine(r.Expr), Hint: "change what its message names, or ask for a waiver",
		}
		if b := builtInOf(r.Name); b != nil && r.BuiltIn {
			rule.Why, rule.Hint = b.why, b.hint
		}
		out = append(out, rule)
	}
	return out
}

const (
	mostEvidence = 10
	longest      = 200 // characters of a line
)

// lines are at most mostEvidence of them, the last of which may say how many more there are.
func lines(all []string) []string {
	out := []string{}
	for i, l := range all {
		if i == mostEvidence-1 && len(all) > mostEvidence {
			return append(out, fmt.Sprintf("and %d more", len(all)-i))
		}
		out = append(out, oneLine(l))
	}
	return out
}

// oneLine is text without control characters or line ends, clipped.
func oneLine(text string) string {
	text = strings.Map(func(c rune) rune {
		if c < ' ' || c >= 0x7f && c < 0xa0 || c == '\u2028' || c == '\u2029' {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(text, "?"))
	return phrase.Clip(strings.Join(strings.Fields(text), " "), longest)
}

package text

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact/review"
	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/report/term"
)

// mostRows are clusters that have a row of their own; more are put together by environment.
const mostRows = 24

// row is a cluster, or several of one environment.
type row struct {
	name, environment string
	cells             map[string]review.Cell // by concern
	failures          int
	unresolved        int
	withheld          int
	severity          finding.Severity
	worst             string // rule of the worst risk
}

// table writes the matrix: a row for each cluster with something to tell, a column for each concern.
func (p *printer) table() {
	rows, untouched, open := p.rows()
	if len(rows) > 0 {
		p.write(rows)
	}
	if untouched > 0 {
		other := ""
		if len(rows) > 0 {
			other = "other "
		}
		line := phrase.Count(untouched, other+"cluster") + " untouched"
		if open > 0 {
			line += fmt.Sprintf(", as far as can be known: %d unresolved", open)
		}
		p.printf("%s\n", line)
	}
}

func (p *printer) rows() (rows []*row, untouched, open int) {
	worst := p.worst()
	byCluster := map[string]*row{}
	for i := range p.Clusters {
		c := &p.Clusters[i]
		if !c.Touched {
			untouched++
			open += c.Unresolved
			continue
		}
		r := &row{
			name: c.Name, environment: c.Environment, cells: map[string]review.Cell{}, failures: c.Failures, unresolved: c.Unresolved,
			withheld: c.Withheld, severity: c.Severity, worst: worst[c.Name],
		}
		rows = append(rows, r)
		byCluster[c.Name] = r
	}
	for _, cell := range p.Matrix {
		if r := byCluster[cell.Cluster]; r != nil {
			r.cells[cell.Concern] = cell
		}
	}
	if len(rows) > mostRows {
		rows = p.folded(rows)
	}
	return rows, untouched, open
}

// worst is the rule of the worst open risk of each cluster, but for notes.
func (p *printer) worst() map[string]string {
	out := map[string]string{}
	if p.Details == nil {
		return out
	}
	for i := range p.Findings { // worst first
		f := &p.Findings[i]
		if !f.Open() || f.Severity == finding.Note || strings.HasPrefix(f.Rule, "gate/") {
			continue
		}
		for _, c := range f.Clusters {
			if out[c] == "" {
				out[c] = f.Rule
			}
		}
	}
	return out
}

// folded puts the rows of an environment together.
func (p *printer) folded(rows []*row) []*row {
	var out []*row
	at := map[string]*row{}
	n := map[string]int{}
	total := map[string]int{}
	for _, e := range p.Environments {
		total[e.Name] = len(e.Clusters)
	}
	for _, r := range rows {
		sum := at[r.environment]
		if sum == nil {
			sum = &row{environment: r.environment, cells: map[string]review.Cell{}}
			at[r.environment] = sum
			out = append(out, sum)
		}
		n[r.environment]++
		sum.failures += r.failures
		sum.unresolved += r.unresolved
		sum.withheld += r.withheld
		if r.severity.Rank() < sum.severity.Rank() {
			sum.severity, sum.worst = r.severity, r.worst
		}
		for name, cell := range r.cells {
			c := sum.cells[name]
			join(&c, cell)
			sum.cells[name] = c
		}
	}
	for _, r := range out {
		r.name = fmt.Sprintf("%d of %s", n[r.environment], phrase.Count(total[r.environment], "cluster"))
	}
	return out
}

func join(sum *review.Cell, c review.Cell) {
	sum.Added += c.Added
	sum.Changed += c.Changed
	sum.Removed += c.Removed
	sum.Moved += c.Moved
	sum.Severity = finding.Worst(sum.Severity, c.Severity)
}

// write writes the rows, with as many concerns as the width has room for.
func (p *printer) write(rows []*row) {
	concerns, rest := p.columns(rows)
	environments := slices.ContainsFunc(rows, func(r *row) bool { return r.environment != "" })
	t := term.Table{{"CLUSTER"}}
	if environments {
		t[0] = append(t[0], "ENV")
	}
	first := len(t[0])
	for _, c := range concerns {
		t[0] = append(t[0], strings.ToUpper(concern(c)))
	}
	if len(rest) > 0 {
		t[0] = append(t[0], fmt.Sprintf("%d MORE", len(rest)))
	}
	counts := p.counts(rows)
	for _, c := range counts {
		t[0] = append(t[0], c.name)
	}
	t[0] = append(t[0], "WORST RISK")
	for _, r := range rows {
		line := []string{r.name}
		if environments {
			line = append(line, r.environment)
		}
		for _, c := range concerns {
			line = append(line, cellText(r.cells[c]))
		}
		if len(rest) > 0 {
			var sum review.Cell
			for _, c := range rest {
				join(&sum, r.cells[c])
			}
			line = append(line, cellText(sum))
		}
		for _, c := range counts {
			line = append(line, fmt.Sprint(c.of(r)))
		}
		t = append(t, append(line, r.worst))
	}
	if !slices.ContainsFunc(rows, func(r *row) bool { return r.worst != "" }) {
		for i := range t {
			t[i] = t[i][:len(t[i])-1]
		}
	}
	t.Write(p, p.Colour, func(n, column int) term.Code {
		r := rows[n-1]
		switch {
		case column >= first && column < first+len(concerns):
			return lookOf(r.cells[concerns[column-first]].Severity, "")
		case t[0][column] == "WORST RISK":
			return lookOf(r.severity, "")
		}
		return ""
	})
}

type number struct {
	name string
	of   func(*row) int
}

// counts are the columns of numbers that are not all zero.
func (p *printer) counts(rows []*row) (out []number) {
	for _, n := range []number{
		{"WITHHELD", func(r *row) int { return r.withheld }},
		{"FAILURES", func(r *row) int { return r.failures }},
		{"UNRESOLVED", func(r *row) int { return r.unresolved }},
	} {
		if slices.ContainsFunc(rows, func(r *row) bool { return n.of(r) > 0 }) {
			out = append(out, n)
		}
	}
	return out
}

// columns are the concerns that have a column, worst first, and those that share one.
func (p *printer) columns(rows []*row) (shown, rest []string) {
	left := width - 40 // environment, numbers and the worst risk
	for _, r := range rows {
		left = min(left, width-40-max(0, term.Width(r.name)-12))
	}
	for i := range p.Concerns {
		name := p.Concerns[i].Name
		wide := len(concern(name))
		for _, r := range rows {
			wide = max(wide, len(cellText(r.cells[name])))
		}
		if left -= wide + 2; left < 0 && len(shown) > 0 && i < len(p.Concerns) {
			rest = append(rest, name)
			continue
		}
		shown = append(shown, name)
	}
	return shown, rest
}

// cellText is such as "+5 ~1 -5 !!".
func cellText(c review.Cell) string {
	var parts []string
	for _, k := range []struct {
		sign string
		n    int
	}{{"+", c.Added}, {"~", c.Changed}, {"-", c.Removed}, {">", c.Moved}} {
		if k.n > 0 {
			parts = append(parts, fmt.Sprintf("%s%d", k.sign, k.n))
		}
	}
	if m := mark(c.Severity); m != "" {
		parts = append(parts, m)
	}
	return strings.Join(parts, " ")
}

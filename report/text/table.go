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
		rows = p.byEnvironment(rows)
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

// byEnvironment puts the rows of an environment together.
func (p *printer) byEnvironment(rows []*row) []*row {
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

func join(all *review.Cell, c review.Cell) {
	all.Added += c.Added
	all.Changed += c.Changed
	all.Removed += c.Removed
	all.Moved += c.Moved
	all.Severity = finding.Worst(all.Severity, c.Severity)
}

// write writes the rows, with as many concerns as the width has room for.
func (p *printer) write(rows []*row) {
	environments := slices.ContainsFunc(rows, func(r *row) bool { return r.environment != "" })
	counts := p.counts(rows)
	concerns, rest := p.columns(rows, counts, environments)
	t := term.Table{{"CLUSTER"}}
	if environments {
		t[0] = append(t[0], "ENV")
	}
	first := len(t[0])
	for _, c := range concerns {
		t[0] = append(t[0], heading(c))
	}
	if len(rest) > 0 {
		t[0] = append(t[0], fmt.Sprintf("%d MORE", len(rest)))
	}
	for _, c := range counts {
		t[0] = append(t[0], c.name)
	}
	t[0] = append(t[0], worstRisk)
	for _, r := range rows {
		line := []string{r.name}
		if environments {
			line = append(line, r.environment)
		}
		for _, c := range concerns {
			line = append(line, cellText(r.cells[c]))
		}
		if len(rest) > 0 {
			line = append(line, cellText(sum(r, rest)))
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
		case t[0][column] == worstRisk:
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
func (p *printer) columns(rows []*row, counts []number, environments bool) (shown, rest []string) {
	wide := func(heading string, cell func(*row) string) int {
		n := len(heading)
		for _, r := range rows {
			n = max(n, term.Width(term.Safe(cell(r))))
		}
		return n + 2
	}
	left := width + 2 - wide("CLUSTER", func(r *row) string { return r.name }) - wide(worstRisk, func(r *row) string { return r.worst })
	if environments {
		left -= wide("ENV", func(r *row) string { return r.environment })
	}
	for _, c := range counts {
		left -= len(c.name) + 2
	}
	of := func(names ...string) func(*row) string {
		return func(r *row) string { return cellText(sum(r, names)) }
	}
	var all []string
	for i := range p.Concerns {
		all = append(all, p.Concerns[i].Name)
	}
	for i, name := range all {
		left -= wide(heading(name), of(name))
		if others := all[i+1:]; len(others) > 0 && left < wide("00 MORE", of(others...)) && left < need(others, wide, of) && i > 0 {
			return all[:i], all[i:]
		}
		if left < 0 && i > 0 {
			return all[:i], all[i:]
		}
	}
	return all, nil
}

// heading of a concern's column: tenants by their name alone.
func heading(name string) string {
	return strings.ToUpper(strings.TrimPrefix(concern(name), "tenant/"))
}

// need is the width of all these concerns.
func need(names []string, wide func(string, func(*row) string) int, of func(...string) func(*row) string) (n int) {
	for _, name := range names {
		n += wide(heading(name), of(name))
	}
	return n
}

// sum is what changes of some concerns.
func sum(r *row, concerns []string) (c review.Cell) {
	for _, name := range concerns {
		join(&c, r.cells[name])
	}
	return c
}

const worstRisk = "WORST RISK"

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

package html

import (
	"strconv"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/impact/review"
)

const (
	mostColumns = 30 // touched clusters; above, columns are environments, and clusters are folded
	roomy       = 8  // columns whose cells tell all counts
)

// grid is a table of concerns by clusters, or by environments.
type grid struct {
	Groups  []columnGroup // environments over clusters; nil where columns are environments
	Columns []column
	Rows    []gridRow
	Remarks bool // one of the columns has some
	Dense   bool // names stand upright, and cells have one number
}

type columnGroup struct {
	Name string
	Span int
}

type column struct {
	Name    string
	Index   int // of the cluster, or of the environment
	Of      string
	Remarks []string
	Edge    bool // the first of its environment
}

type gridRow struct {
	Concern  string
	Index    int
	Severity finding.Severity
	Cells    []gridCell
}

type gridCell struct {
	impact.Counts
	Severity finding.Severity
	Risks    int
	Edge     bool
}

// Empty reports whether nothing changes.
func (c *gridCell) Empty() bool { return c.Total() == 0 }

// All is the number of changes.
func (c *gridCell) All() string { return thousands(c.Total()) }

// Text is "+1 ±2 −3 →4".
func (c *gridCell) Text() string { return counts(c.Counts) }

func (c *gridCell) add(m *review.Cell) {
	c.Added, c.Changed, c.Removed, c.Moved = c.Added+m.Added, c.Changed+m.Changed, c.Removed+m.Removed, c.Moved+m.Moved
	c.Severity, c.Risks = finding.Worst(c.Severity, m.Severity), c.Risks+m.Risks
}

func counts(n impact.Counts) string {
	var parts []string
	for _, p := range []struct {
		sign string
		n    int
	}{{"+", n.Added}, {"±", n.Changed}, {"−", n.Removed}, {"→", n.Moved}} {
		if p.n > 0 {
			parts = append(parts, p.sign+thousands(p.n))
		}
	}
	return strings.Join(parts, " ")
}

func digits(n int) string { return strconv.Itoa(n) }

// grids makes the matrix.
func (p *page) grids() {
	if p.Touched == 0 {
		return
	}
	full := p.byCluster()
	if p.Touched <= mostColumns {
		p.Few = full
		return
	}
	p.Few, p.Wide = p.byEnvironment(), full
}

// byCluster has a column for each touched cluster.
func (p *page) byCluster() *grid {
	g := &grid{Dense: p.Touched > roomy}
	at := map[string]int{}
	last := -1
	for i := range p.Clusters {
		c := &p.Clusters[i]
		if !c.Touched {
			continue
		}
		if env := p.environment[c.Name]; env != last {
			g.Groups = append(g.Groups, columnGroup{Name: c.Environment})
			last = env
		}
		group := &g.Groups[len(g.Groups)-1]
		group.Span++
		at[c.Name] = len(g.Columns)
		g.Columns = append(g.Columns, column{Name: c.Name, Index: i, Remarks: remarks(c), Edge: group.Span == 1})
	}
	g.rows(p, func(cluster string) (int, bool) { i, ok := at[cluster]; return i, ok })
	return g
}

// byEnvironment has a column for each environment with touched clusters.
func (p *page) byEnvironment() *grid {
	g := &grid{Dense: len(p.Environments) > roomy}
	at := map[int]int{}
	for i := range p.Environments {
		e := &p.Environments[i]
		if e.Changed == 0 {
			continue
		}
		at[i] = len(g.Columns)
		g.Columns = append(g.Columns, column{Name: e.Name, Index: i, Of: thousands(e.Changed) + " of " + thousands(len(e.Clusters)) + " clusters", Edge: true})
	}
	g.rows(p, func(cluster string) (int, bool) { i, ok := at[p.environment[cluster]]; return i, ok })
	return g
}

// rows are the concerns; where tells the column of a cluster.
func (g *grid) rows(p *page, where func(string) (int, bool)) {
	for i := range p.Concerns {
		k := &p.Concerns[i]
		row := gridRow{Concern: k.Name, Index: i, Severity: k.Severity, Cells: make([]gridCell, len(g.Columns))}
		for n := range row.Cells {
			row.Cells[n].Edge = g.Columns[n].Edge
		}
		g.Rows = append(g.Rows, row)
	}
	for i := range p.Matrix {
		m := &p.Matrix[i]
		column, found := where(m.Cluster)
		row, known := p.concern[m.Concern]
		if found && known {
			g.Rows[row].Cells[column].add(m)
		}
	}
	for i := range g.Columns {
		g.Remarks = g.Remarks || len(g.Columns[i].Remarks) > 0
	}
}

// remarks say what is to be told of a cluster besides counts.
func remarks(c *review.Cluster) (list []string) {
	if c.Appeared {
		list = append(list, "new")
	}
	if c.Gone {
		list = append(list, "gone")
	}
	if c.Withheld > 0 {
		list = append(list, thousands(c.Withheld)+" withheld")
	}
	if c.Failures > 0 {
		list = append(list, thousands(c.Failures)+" failing")
	}
	if c.Unresolved > 0 {
		list = append(list, thousands(c.Unresolved)+" unresolved")
	}
	return list
}

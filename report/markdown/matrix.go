package markdown

import (
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/impact/review"
)

const (
	mostRows    = 12 // clusters; above, rows are environments
	mostColumns = 5  // concerns; the others share a column
)

// cell is what changes in some part of the matrix.
type cell struct {
	impact.Counts
	severity finding.Severity
}

func (x *cell) add(c *review.Cell) {
	x.Added, x.Changed, x.Removed, x.Moved = x.Added+c.Added, x.Changed+c.Changed, x.Removed+c.Removed, x.Moved+c.Moved
	x.severity = finding.Worst(x.severity, c.Severity)
}

// String is "🛑 +1 ±2 −3 →4"; "" for nothing.
func (x *cell) String() string {
	if x == nil || x.Total() == 0 {
		return ""
	}
	return signed(x.severity, counts(x.Counts))
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

// touched are the clusters with something to tell.
func (c *comment) touched() (list []*review.Cluster) {
	for i := range c.Clusters {
		if c.Clusters[i].Touched {
			list = append(list, &c.Clusters[i])
		}
	}
	return list
}

// matrix is clusters by concerns; above a dozen clusters, environments by concerns.
func (c *comment) matrix() section {
	touched := c.touched()
	if len(touched) == 0 {
		return section{}
	}
	columns := map[string]int{}
	head, rule := "| Environment | Cluster |", "|---|---|"
	for i, k := range c.Concerns {
		columns[k.Name] = min(i, mostColumns)
		if i < mostColumns {
			head += " " + code(k.Name) + " |"
			rule += "---|"
		}
	}
	if n := len(c.Concerns) - mostColumns; n > 0 {
		head += " " + thousands(n) + " more |"
		rule += "---|"
	}
	s := section{open: "### Where\n\n" + head + " |\n" + rule + "---|\n", close: "\n"}
	rows, names := c.rows(touched, columns)
	for i := range rows {
		fields := []string{names[i]}
		for k := range min(len(c.Concerns), mostColumns+1) {
			fields = append(fields, rows[i].cells[k].String())
		}
		s.blocks = append(s.blocks, plain(rankMatrix, "cluster", "| "+strings.Join(append(fields, rows[i].remarks), " | ")+" |\n"))
	}
	legend := "\n`+` added, `±` changed, `−` removed, `→` moved"
	if rest := len(c.Clusters) - len(touched); rest > 0 {
		legend += "; " + count(rest, "other cluster") + " untouched"
	}
	s.blocks = append(s.blocks, plain(rankMatrix, "", legend+".\n"))
	return s
}

// row of the matrix, with a cell for each column.
type row struct {
	cells   [mostColumns + 1]*cell
	remarks string
}

// rows are one for each cluster, or one for each environment, and their first two columns.
func (c *comment) rows(touched []*review.Cluster, columns map[string]int) (rows []row, names []string) {
	at := map[string]int{} // cluster to row
	last := ""
	environments := map[string]int{}
	for _, k := range touched {
		if len(touched) <= mostRows {
			name := environment(k.Environment)
			if len(rows) > 0 && last == k.Environment {
				name = ""
			}
			last = k.Environment
			at[k.Name] = len(rows)
			rows, names = append(rows, row{remarks: remarks(k)}), append(names, name+" | "+code(k.Name))
			continue
		}
		n, found := environments[k.Environment]
		if !found {
			n = len(rows)
			environments[k.Environment] = n
			rows, names = append(rows, row{}), append(names, "")
		}
		at[k.Name] = n
	}
	if len(touched) > mostRows {
		c.environmentRows(touched, environments, rows, names)
	}
	for i := range c.Matrix {
		m := &c.Matrix[i]
		n, found := at[m.Cluster]
		k, known := columns[m.Concern]
		if !found || !known {
			continue
		}
		if rows[n].cells[k] == nil {
			rows[n].cells[k] = &cell{}
		}
		rows[n].cells[k].add(m)
	}
	return rows, names
}

// environmentRows fills in the name and the remarks of the row of each environment.
func (c *comment) environmentRows(touched []*review.Cluster, environments map[string]int, rows []row, names []string) {
	sums, sizes := map[string]*review.Cluster{}, map[string]int{}
	hit := map[string]int{}
	for i := range c.Clusters {
		sizes[c.Clusters[i].Environment]++
	}
	appeared, gone := map[string]int{}, map[string]int{}
	for _, k := range touched {
		sum := sums[k.Environment]
		if sum == nil {
			sum = &review.Cluster{}
			sums[k.Environment] = sum
		}
		hit[k.Environment]++
		sum.Withheld += k.Withheld
		sum.Failures += k.Failures
		sum.Unresolved += k.Unresolved
		if k.Appeared {
			appeared[k.Environment]++
		}
		if k.Gone {
			gone[k.Environment]++
		}
	}
	for env, n := range environments {
		names[n] = environment(env) + " | " + thousands(hit[env]) + " of " + thousands(sizes[env])
		var parts []string
		if appeared[env] > 0 {
			parts = append(parts, thousands(appeared[env])+" new")
		}
		if gone[env] > 0 {
			parts = append(parts, thousands(gone[env])+" gone")
		}
		rows[n].remarks = strings.Join(append(parts, trouble(sums[env])...), ", ")
	}
}

func environment(name string) string {
	if name == "" {
		return "(none)"
	}
	return "**" + escape(line(name, 60)) + "**"
}

// remarks say what is to be told of a cluster besides counts.
func remarks(k *review.Cluster) string {
	var parts []string
	if k.Appeared {
		parts = append(parts, "new")
	}
	if k.Gone {
		parts = append(parts, "gone")
	}
	return strings.Join(append(parts, trouble(k)...), ", ")
}

func trouble(k *review.Cluster) (parts []string) {
	if k.Withheld > 0 {
		parts = append(parts, thousands(k.Withheld)+" withheld")
	}
	if k.Failures > 0 {
		parts = append(parts, count(k.Failures, "failure"))
	}
	if k.Unresolved > 0 {
		parts = append(parts, thousands(k.Unresolved)+" unresolved")
	}
	return parts
}

// wide is the matrix in full, when [comment.matrix] has none: a row for each cluster, its concerns in a list.
func (c *comment) wide() section {
	touched := c.touched()
	if len(touched) <= mostRows && len(c.Concerns) <= mostColumns {
		return section{}
	}
	s := section{
		open:  "<details><summary>All " + count(len(touched), "touched cluster") + "</summary>\n\n| Environment | Cluster | Concerns | |\n|---|---|---|---|\n",
		close: "\n</details>\n\n",
	}
	cells := map[string][]*review.Cell{}
	for i := range c.Matrix {
		cells[c.Matrix[i].Cluster] = append(cells[c.Matrix[i].Cluster], &c.Matrix[i])
	}
	for _, k := range touched {
		var parts []string
		for _, m := range cells[k.Name] {
			parts = append(parts, code(m.Concern)+" "+signed(m.Severity, counts(m.Counts)))
		}
		s.blocks = append(s.blocks, plain(rankWide, "matrix row",
			"| "+environment(k.Environment)+" | "+code(k.Name)+" | "+strings.Join(parts, ", ")+" | "+remarks(k)+" |\n"))
	}
	return s
}

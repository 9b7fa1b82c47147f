package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// heads are the columns of a table; one begins with | where a group begins.
func heads() []string {
	return []string{
		"job", "affected",
		"|cold CPU s", "wall s", "MiB", "+workers", "run", "asked",
		"|warm CPU s", "wall s", "MiB", "run",
	}
}

// rows are a fleet's table: a row for each job, then for each way of upstream.
func (f fleet) rows() [][]string {
	var out [][]string
	for _, r := range f.Results {
		row := []string{r.Job, strconv.Itoa(r.Affected)}
		row = append(row, r.Cold.cells(true)...)
		out = append(out, append(row, r.Warm.cells(false)...))
	}
	for _, p := range f.Peers {
		sure := "" // what is estimated is marked in its own cell
		if p.Cost.Run < p.Of {
			sure = "~"
		}
		out = append(out, []string{
			p.Name, strconv.Itoa(f.Builds), sure + seconds(p.CPU()), sure + seconds(p.Wall()),
			fmt.Sprintf("%.0f", mib(p.Cost.PeakBytes)), "-", strconv.Itoa(p.Cost.Run), strconv.Itoa(p.Of), "-", "-", "-", "-",
		})
	}
	return out
}

// cells are those of a cost, dashes if there is none; the first costs say more.
func (c *cost) cells(cold bool) []string {
	switch {
	case c == nil && cold:
		return []string{"-", "-", "-", "-", "-", "-"}
	case c == nil:
		return []string{"-", "-", "-", "-"}
	}
	out := []string{seconds(c.CPU), seconds(c.Wall), fmt.Sprintf("%.0f", mib(c.PeakBytes))}
	if cold {
		return append(out, fmt.Sprintf("%.0f", mib(c.ChildrenBytes)), known(c.Run), known(c.Asked))
	}
	return append(out, known(c.Run))
}

func known(n int) string {
	if n < 0 {
		return "-"
	}
	return strconv.Itoa(n)
}

// seconds has three digits that matter.
func seconds(s float64) string {
	switch {
	case s < 10:
		return fmt.Sprintf("%.2f", s)
	case s < 100:
		return fmt.Sprintf("%.1f", s)
	default:
		return fmt.Sprintf("%.0f", s)
	}
}

// notes are what must be known beside the numbers of a fleet.
func (f fleet) notes() []string {
	var out []string
	for _, p := range f.Peers {
		if p.Cost.Run < p.Of {
			out = append(out, fmt.Sprintf("~ %s is an estimate from %d of %d builds, those of %d clusters.", p.Name, p.Cost.Run, p.Of, p.Clusters))
		}
	}
	if few := f.few(); len(few) > 0 {
		out = append(out, "Fewer runs, as they take long: "+strings.Join(few, ", ")+".")
	}
	return append(out, f.ratios()...)
}

// few names the jobs that ran less often than the others.
func (f fleet) few() []string {
	most := 0
	each := func(do func(job, state string, c *cost)) {
		for _, r := range f.Results {
			do(r.Job, "cold", r.Cold)
			do(r.Job, "warm", r.Warm)
		}
	}
	each(func(_, _ string, c *cost) {
		if c != nil {
			most = max(most, c.Runs)
		}
	})
	byRuns := map[int][]string{}
	var out []string
	each(func(job, state string, c *cost) {
		if c != nil && c.Runs < most {
			byRuns[c.Runs] = append(byRuns[c.Runs], job+" "+state)
		}
	})
	for n := 1; n < most; n++ {
		if jobs := byRuns[n]; len(jobs) > 0 {
			out = append(out, fmt.Sprintf("%d of %s", n, strings.Join(jobs, ", ")))
		}
	}
	return out
}

// ratios compare a cold render, charts and all, with upstream's builds without them.
func (f fleet) ratios() []string {
	r := f.find("render")
	if r == nil || r.Cold == nil || r.Cold.CPU <= 0 {
		return nil
	}
	var out []string
	for _, p := range f.Peers {
		about := ""
		if p.Cost.Run < p.Of {
			about = "about "
		}
		out = append(out, fmt.Sprintf("%s takes %s%.1f times the CPU time of a cold render, which renders the charts too.", p.Name, about, p.CPU()/r.Cold.CPU))
	}
	return out
}

// text is the report for a terminal of 120 columns.
func (r report) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", r.Machine)
	for _, f := range r.Fleets {
		fmt.Fprintf(&b, "\n%s\n", f)
		titles := heads()
		all := slices.Concat([][]string{titles}, f.rows())
		widths := make([]int, len(titles))
		for _, row := range all {
			for i, cell := range row {
				widths[i] = max(widths[i], len(cell))
			}
		}
		for _, row := range all {
			fmt.Fprintf(&b, "%-*s", widths[0], row[0])
			for i, cell := range row[1:] {
				bar := " "
				if strings.HasPrefix(titles[i+1], "|") {
					bar = " |"
				}
				fmt.Fprintf(&b, "%s%*s", bar, widths[i+1], strings.TrimPrefix(cell, "|"))
			}
			b.WriteString("\n")
		}
		for _, n := range f.notes() {
			fmt.Fprintf(&b, "%s\n", n)
		}
	}
	return b.String()
}

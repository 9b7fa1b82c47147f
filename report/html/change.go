package html

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/impact/review"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

const (
	mostDifferences = 6 << 20   // bytes of all differences
	mostDifference  = 256 << 10 // bytes of one
)

// change is a group, with what the script needs to filter it.
type change struct {
	*review.Group
	ClusterIndexes, EnvironmentIndexes string // with spaces between
	ConcernIndex                       int
	RuleIDs                            string
	Where                              []place
	Worst                              *finding.Finding // the first open risk
	More                               int              // further open risks
	Runs                               []run
	Plus, Minus                        int
	Cut                                int // lines that are not in Runs
	Summary                            string
}

// place is an environment that a change hits, and how many of its clusters.
type place struct {
	Environment string
	Count       int
}

// run is lines of a difference with one operation, of both sides when none is set.
type run struct {
	Hunk, Add, Cut bool
	Text           string
	Before, After  int // numbers of the lines after a hunk's
}

// Title is the title of the rule of a finding.
func (p *page) Title(rule string) string { return p.titles[rule] }

// Both reports whether the object comes from elsewhere after the change.
func (c *change) Both() bool {
	return c.Before != nil && c.After != nil && (c.Before.Owner != c.After.Owner || c.Before.File != c.After.File)
}

// From is where the object comes from: after the change, or before it when it goes.
func (c *change) From() *review.Side {
	if c.After != nil {
		return c.After
	}
	return c.Before
}

// Names of the clusters, as one text.
func (c *change) Names() string { return strings.Join(c.Clusters, ", ") }

// Few reports whether the clusters are few enough to be named in a row.
func (c *change) Few() bool { return len(c.Clusters) <= 3 && len(c.Names()) < 33 }

// FateText says what becomes of the object; "" when that is plain.
func (c *change) FateText() string {
	if c.Fate == "" {
		return ""
	}
	text := string(c.Fate)
	if c.Kind == impact.Moved {
		text = "by its old owner: " + text
	}
	if c.Why != "" {
		text += ": " + c.Why
	}
	return text
}

// changes are the groups, in their order.
func (p *page) changes() {
	p.Changes = make([]change, len(p.Groups))
	for i := range p.Groups {
		g := &p.Groups[i]
		c := change{Group: g, ConcernIndex: -1, Summary: g.Diff.Summary}
		if n, ok := p.concern[g.Concern]; ok {
			c.ConcernIndex = n
		}
		p.where(&c)
		var rules []string
		for k := range g.Risks {
			f := &g.Risks[k]
			if !slices.Contains(rules, f.Rule) {
				rules = append(rules, f.Rule)
			}
			switch {
			case !f.Open():
			case c.Worst == nil:
				c.Worst = f
			default:
				c.More++
			}
		}
		c.RuleIDs = strings.Join(rules, " ")
		p.difference(&c)
		p.Changes[i] = c
	}
}

// where says which clusters and environments a change hits.
func (p *page) where(c *change) {
	hits := map[int]int{}
	var names []string
	for _, name := range c.Clusters {
		if n, ok := p.cluster[name]; ok {
			names = append(names, digits(n))
		}
		hits[p.environment[name]]++
	}
	c.ClusterIndexes = strings.Join(names, " ")
	var indexes []string
	for _, e := range slices.Sorted(maps.Keys(hits)) {
		indexes = append(indexes, digits(e))
		if e < len(p.Environments) {
			c.Where = append(c.Where, place{p.Environments[e].Name, hits[e]})
		}
	}
	c.EnvironmentIndexes = strings.Join(indexes, " ")
}

// difference makes runs of the lines, as far as there is room.
func (p *page) difference(c *change) {
	room := min(mostDifference, p.room)
	var text strings.Builder
	op := ""
	end := func() {
		if op != "" {
			c.Runs = append(c.Runs, run{Add: op == "+", Cut: op == "-", Text: text.String()})
		}
		text.Reset()
		op = ""
	}
	for i := range c.Diff.Lines {
		l := &c.Diff.Lines[i]
		if room -= len(l.Text) + 2; room < 0 {
			c.Cut = len(c.Diff.Lines) - i
			break
		}
		p.room -= len(l.Text) + 2
		switch l.Op {
		case "+":
			c.Plus++
		case "-":
			c.Minus++
		}
		if i == 0 || l.Op == "@" {
			end()
			c.Runs = append(c.Runs, hunk(c.Diff.Lines[i:]))
			if l.Op == "@" {
				continue
			}
		}
		if l.Op != op {
			end()
			op = l.Op
		}
		text.WriteString(l.Op + oneLine(l.Text) + "\n")
	}
	end()
	c.Cut += c.Diff.Omitted
}

// hunk stands before the lines that it is given, up to the next "@": with its text, if the first of them is
// one, and the numbers of the first lines on both sides.
func hunk(lines []review.Line) run {
	r := run{Hunk: true}
	if lines[0].Op == "@" {
		r.Text, lines = oneLine(lines[0].Text), lines[1:]
	}
	for i := range lines {
		l := &lines[i]
		if l.Op == "@" || r.Before > 0 && r.After > 0 {
			break
		}
		r.Before, r.After = cmp.Or(r.Before, l.Before), cmp.Or(r.After, l.After)
	}
	r.Before, r.After = max(r.Before, 1), max(r.After, 1)
	return r
}

// oneLine keeps a text on its line of a difference.
func oneLine(text string) string {
	if !strings.ContainsAny(text, "\r\n") {
		return text
	}
	return strings.ReplaceAll(strings.ReplaceAll(text, "\n", `\n`), "\r", `\r`)
}

// filters are the choices above the changes.
type filters struct {
	Environments []choices
	Concerns     []string
	Rules        []finding.Rule
	Kinds        []impact.Kind
	Severities   []finding.Severity
}

// choices are an environment and those of its clusters that change.
type choices struct {
	Name     string
	Index    int
	Clusters []choice
}

type choice struct {
	Name  string
	Index int
}

func (p *page) filters() filters {
	f := filters{Kinds: impact.Kinds(), Severities: finding.Severities()}
	for i := range p.Environments {
		e := choices{Name: p.Environments[i].Name, Index: i}
		for k := range p.Clusters {
			if c := &p.Clusters[k]; c.Total() > 0 && p.environment[c.Name] == i {
				e.Clusters = append(e.Clusters, choice{c.Name, k})
			}
		}
		if len(e.Clusters) > 0 {
			f.Environments = append(f.Environments, e)
		}
	}
	for i := range p.Concerns {
		f.Concerns = append(f.Concerns, phrase.Clip(p.Concerns[i].Name, mostName))
	}
	used := map[string]bool{}
	for i := range p.Changes {
		for k := range p.Changes[i].Risks {
			used[p.Changes[i].Risks[k].Rule] = true
		}
	}
	for i := range p.Rules {
		if used[p.Rules[i].ID] {
			f.Rules = append(f.Rules, p.Rules[i])
		}
	}
	return f
}

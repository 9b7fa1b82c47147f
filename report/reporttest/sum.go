package reporttest

import (
	"cmp"
	"maps"
	"slices"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/impact/review"
	"github.com/bulkhead-dev/bulkhead/render"
)

// start is a review of these clusters in which nothing changes yet.
func start(clusters ...review.Cluster) *review.Review {
	slices.SortFunc(clusters, func(a, b review.Cluster) int {
		return cmp.Or(cmp.Compare(order(a.Environment), order(b.Environment)), cmp.Compare(a.Name, b.Name))
	})
	return &review.Review{
		SchemaVersion: review.SchemaVersion,
		Base:          review.Revision{Name: "main", Commit: "4c1f0e7d2a9b6c3e8f5d1a7b0c4e9f2d6a8b3c5e", MergeBase: true, Branch: "main", Label: "main (merge base)"},
		Head:          review.Revision{Name: "HEAD", Commit: "9e2d7c5b1f8a4e6d3c0b9a7f5e2d8c4b6a1f3e7d", Branch: "main", Label: "HEAD"},
		Headlines:     []review.Headline{}, Clusters: clusters, Environments: []review.Environment{},
		Concerns: []review.Concern{}, Matrix: []review.Cell{},
		Verdict: review.Verdict{Reasons: []string{}},
		Details: &review.Details{
			Files: []string{}, Spokes: []review.Spoke{}, Groups: []review.Group{}, Gates: []review.Gate{}, Findings: []finding.Finding{}, Rules: []finding.Rule{},
			Withheld: []review.Withheld{}, Waits: []review.Wait{}, Failures: []review.Failure{}, Unresolved: []render.Unresolved{},
			Unknown: []review.Unknown{}, Unread: []string{}, Notes: []review.Note{},
		},
	}
}

// finish sums up what follows from the groups, the gates and the lists of what is not known.
func finish(r *review.Review) *review.Review {
	env := map[string]string{}
	for _, c := range r.Clusters {
		env[c.Name] = c.Environment
	}
	for i := range r.Groups {
		finishGroup(&r.Groups[i], env)
	}
	slices.SortStableFunc(r.Groups, compareGroups)
	matrix(r)
	clusters(r)
	environments(r)
	findings(r)
	verdictOf(r)
	return r
}

func finishGroup(g *review.Group, env map[string]string) {
	g.Key = key(g)
	seen := map[string]bool{}
	for _, c := range g.Clusters {
		seen[env[c]] = true
	}
	g.Environments = slices.SortedFunc(maps.Keys(seen), func(a, b string) int { return cmp.Compare(order(a), order(b)) })
	for i := range g.Risks {
		k := &g.Risks[i]
		id := g.ID
		k.Clusters, k.Concern, k.Object = g.Clusters, g.Concern, &id
		if k.Open() {
			g.Severity = finding.Worst(g.Severity, k.Severity)
		}
	}
	slices.SortStableFunc(g.Risks, func(a, b finding.Finding) int { return finding.Compare(&a, &b) })
}

func count(c *impact.Counts, k impact.Kind) {
	switch k {
	case impact.Removed:
		c.Removed++
	case impact.Moved:
		c.Moved++
	case impact.Changed:
		c.Changed++
	default:
		c.Added++
	}
}

func openRisks(g *review.Group) int {
	n := 0
	for i := range g.Risks {
		if g.Risks[i].Open() {
			n++
		}
	}
	return n
}

// matrix makes the cells and the concerns.
func matrix(r *review.Review) {
	cells := map[[2]string]*review.Cell{}
	concerns := map[string]*review.Concern{}
	for i := range r.Groups {
		g := &r.Groups[i]
		k := concerns[g.Concern]
		if k == nil {
			k = &review.Concern{Name: g.Concern}
			concerns[g.Concern] = k
		}
		k.Severity = finding.Worst(k.Severity, g.Severity)
		for _, name := range g.Clusters {
			at := [2]string{name, g.Concern}
			if cells[at] == nil {
				cells[at] = &review.Cell{Cluster: name, Concern: g.Concern}
				k.Clusters = append(k.Clusters, name)
			}
			c := cells[at]
			c.Severity = finding.Worst(c.Severity, g.Severity)
			c.Risks += openRisks(g)
			count(&c.Counts, g.Kind)
			count(&k.Counts, g.Kind)
		}
	}
	for _, k := range concerns {
		slices.Sort(k.Clusters)
		r.Concerns = append(r.Concerns, *k)
	}
	slices.SortFunc(r.Concerns, func(a, b review.Concern) int {
		return cmp.Or(cmp.Compare(a.Severity.Rank(), b.Severity.Rank()), -cmp.Compare(len(a.Clusters), len(b.Clusters)), cmp.Compare(a.Name, b.Name))
	})
	for i := range r.Clusters {
		for _, k := range r.Concerns {
			if c := cells[[2]string{r.Clusters[i].Name, k.Name}]; c != nil {
				r.Matrix = append(r.Matrix, *c)
			}
		}
	}
}

func clusters(r *review.Review) {
	index := map[string]*review.Cluster{}
	for i := range r.Clusters {
		index[r.Clusters[i].Name] = &r.Clusters[i]
	}
	for _, c := range r.Matrix {
		to := index[c.Cluster]
		to.Added, to.Changed, to.Removed, to.Moved = to.Added+c.Added, to.Changed+c.Changed, to.Removed+c.Removed, to.Moved+c.Moved
		to.Severity, to.Touched = finding.Worst(to.Severity, c.Severity), true
	}
	for i := range r.Withheld {
		c := index[r.Withheld[i].Cluster]
		c.Withheld, c.Touched = c.Withheld+1, true
	}
	for i := range r.Failures {
		c := index[r.Failures[i].Cluster]
		c.Failures, c.Touched = c.Failures+1, c.Touched || r.Failures[i].New
	}
	for i := range r.Unresolved {
		index[r.Unresolved[i].Cluster].Unresolved++
	}
	for i := range r.Clusters {
		r.Clusters[i].Touched = r.Clusters[i].Touched || r.Clusters[i].Appeared || r.Clusters[i].Gone
	}
}

func environments(r *review.Review) {
	for i := range r.Clusters {
		c := &r.Clusters[i]
		if n := len(r.Environments); n == 0 || r.Environments[n-1].Name != c.Environment {
			r.Environments = append(r.Environments, review.Environment{Name: c.Environment})
		}
		e := &r.Environments[len(r.Environments)-1]
		e.Clusters = append(e.Clusters, c.Name)
		if c.Touched {
			e.Changed++
		}
	}
}

// findings adds the risks of the groups and the gates that failed to those that the sample has.
func findings(r *review.Review) {
	for i := range r.Groups {
		r.Findings = append(r.Findings, r.Groups[i].Risks...)
	}
	for i := range r.Gates {
		g := &r.Gates[i]
		if g.State == review.Passed {
			continue
		}
		r.Findings = append(r.Findings, finding.Finding{
			Rule: "gate/" + g.Name, Severity: g.Severity, Message: "gate " + g.Name + ": " + g.Message, Clusters: []string{}, File: g.File, Line: g.Line, Waived: g.Waived,
		})
	}
	slices.SortStableFunc(r.Findings, func(a, b finding.Finding) int { return finding.Compare(&a, &b) })
	used := map[string]bool{}
	for i := range r.Findings {
		used[r.Findings[i].Rule] = true
	}
	for _, rule := range rules() {
		if used[rule.ID] {
			r.Rules = append(r.Rules, rule)
		}
	}
}

func verdictOf(r *review.Review) {
	v := &r.Verdict
	v.State = review.Passed
	for i := range r.Findings {
		switch f := &r.Findings[i]; {
		case !f.Open():
			v.Waived++
		case f.Severity == finding.Error:
			v.Errors++
		case f.Severity == finding.Warning:
			v.Warnings++
		}
	}
	if v.Warnings > 0 {
		v.State = review.Warned
	}
	if v.Errors > 0 {
		v.State = review.Failed
	}
	for i := range r.Gates {
		if g := &r.Gates[i]; g.State == review.Failed || g.State == review.Broken {
			v.Reasons = append(v.Reasons, g.Name+": "+g.Message)
		}
	}
}

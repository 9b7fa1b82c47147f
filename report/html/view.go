package html

import (
	"html/template"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/impact/review"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

const (
	mostName  = 300  // characters of a name
	mostProse = 1000 // characters of a sentence
)

// page is what the template prints.
type page struct {
	*review.Review
	Stat                bool          // the review stops after the matrix
	Open                []review.Gate // gates that failed
	Waived, Passed      []review.Gate
	Few, Wide           *grid // the matrix: what is shown at once, and what is folded; either may be nil
	Untouched           []string
	Filters             filters
	Changes             []change
	Fresh, Stale        []review.Failure // failures that are new, and those that are not
	WaivedFindings      []finding.Finding
	OtherFindings       []finding.Finding
	environment         map[string]int // of a cluster, as an index
	cluster, concern    map[string]int // index
	titles              map[string]string
	room                int // bytes for differences
	Everything, Touched int // clusters
}

func newPage(r *review.Review) *page {
	p := &page{Review: r, environment: map[string]int{}, cluster: map[string]int{}, concern: map[string]int{}, titles: map[string]string{}, room: mostDifferences}
	if r.Details == nil {
		p.Review = &review.Review{}
		*p.Review = *r
		p.Details, p.Stat = &review.Details{}, true
	}
	environments := map[string]int{}
	for i := range r.Environments {
		environments[r.Environments[i].Name] = i
	}
	for i := range r.Clusters {
		c := &r.Clusters[i]
		p.cluster[c.Name], p.environment[c.Name] = i, environments[c.Environment]
		if !c.Touched {
			p.Untouched = append(p.Untouched, c.Name)
		}
	}
	p.Everything, p.Touched = len(r.Clusters), len(r.Clusters)-len(p.Untouched)
	for i := range r.Concerns {
		p.concern[r.Concerns[i].Name] = i
	}
	for i := range p.Rules {
		p.titles[p.Rules[i].ID] = p.Rules[i].Title
	}
	for i := range p.Gates {
		switch g := p.Gates[i]; g.State {
		case review.Passed:
			p.Passed = append(p.Passed, g)
		case review.Waived:
			p.Waived = append(p.Waived, g)
		default:
			p.Open = append(p.Open, g)
		}
	}
	p.grids()
	p.changes()
	p.lists()
	p.Filters = p.filters()
	return p
}

// lists parts the failures and the findings.
func (p *page) lists() {
	for i := range p.Failures {
		if f := p.Failures[i]; f.New {
			p.Fresh = append(p.Fresh, f)
		} else {
			p.Stale = append(p.Stale, f)
		}
	}
	for i := range p.Findings {
		switch f := p.Findings[i]; {
		case !f.Open():
			p.WaivedFindings = append(p.WaivedFindings, f)
		case f.Object == nil && !strings.HasPrefix(f.Rule, "gate/"):
			p.OtherFindings = append(p.OtherFindings, f)
		}
	}
}

// functions of the template.
func functions() template.FuncMap {
	return template.FuncMap{
		"clip": func(s string) string { return phrase.Clip(s, mostName) }, "say": func(s string) string { return phrase.Clip(s, mostProse) }, "mark": mark, "level": level, "stateMark": stateMark, "stateLevel": stateLevel,
		"count": func(n int, noun string) string {
			return strings.Replace(phrase.Count(n, noun), digits(n), thousands(n), 1)
		},
		"num": thousands, "verdict": verdict, "short": short, "untold": untold, "orNone": orNone, "before": before,
	}
}

// mark is the sign of a severity: a shape of its own, so that colour is not all that tells.
func mark(s finding.Severity) string {
	switch s {
	case finding.Error:
		return "✖"
	case finding.Warning:
		return "▲"
	case finding.Note:
		return "●"
	}
	return ""
}

// level is the class of a severity in the style.
func level(s finding.Severity) string {
	switch s {
	case finding.Error:
		return "e"
	case finding.Warning:
		return "w"
	case finding.Note:
		return "n"
	}
	return "z"
}

func stateMark(s review.State) string {
	switch s {
	case review.Passed:
		return "✔"
	case review.Warned:
		return "▲"
	case review.Waived:
		return "◐"
	case review.Failed, review.Broken:
		return "✖"
	}
	return "?"
}

// stateLevel is the class of a state; a gate that failed with a warning is no error.
func stateLevel(s review.State, severity finding.Severity) string {
	switch s {
	case review.Passed:
		return "ok"
	case review.Warned:
		return "w"
	case review.Waived:
		return "z"
	case review.Failed, review.Broken:
		if severity == "" {
			return "e"
		}
		return level(severity)
	}
	return "z"
}

func verdict(s review.State) string {
	switch s {
	case review.Passed:
		return "Passed"
	case review.Warned:
		return "Passed with warnings"
	case review.Failed:
		return "Failed"
	case review.Waived, review.Broken:
	}
	return "Unknown"
}

// short is a commit as people name it.
func short(commit string) string { return commit[:min(len(commit), 10)] }

// untold reports whether a revision has a commit that its label does not name.
func untold(r review.Revision) bool {
	return r.Commit != "" && !strings.Contains(r.Label, r.Commit[:min(len(r.Commit), 7)])
}

func orNone(environment string) string {
	if environment == "" {
		return "no environment"
	}
	return phrase.Clip(environment, mostName)
}

func before(k impact.Kind) bool { return k == impact.Removed }

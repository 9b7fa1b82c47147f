// Package sarif writes findings for code scanning.
//
// It turns findings into a SARIF 2.1.0 log with one run. Its invariant: a finding has the same
// fingerprint in every run, and the log holds every finding. Start at [Write].
//
// Source: OASIS SARIF 2.1.0 with errata 01; where it leaves a choice, what GitHub's code scanning reads.
package sarif

import (
	"cmp"
	"encoding/json"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

const (
	version = "2.1.0"
	schema  = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
	home    = "https://github.com/bulkhead-dev/bulkhead"
	root    = "%SRCROOT%"
	// mostPlaces is how many clusters of a finding become a logical location; all are in its properties.
	mostPlaces = 50
)

// Document is what a log is made of.
type Document struct {
	// Version of bulkhead; "" when it is not known.
	Version string
	// Rules of the findings, in any order. What is missing is made up from the findings.
	Rules []finding.Rule
	// Findings in any order.
	Findings []finding.Finding
	// Base is the absolute URI of the repository's root; what is none is left out.
	Base string
	// Anchor is the file that stands for findings without one, such as the fleet's document; GitHub refuses
	// a log with a result that has no file. "" for none.
	Anchor string
}

// Write writes the log, with a line end after it. Findings are sorted as [finding.Compare] has it, rules
// by ID. The error is w's.
func Write(w io.Writer, doc Document) error {
	rules := rulesOf(doc)
	index := map[string]int{}
	for i := range rules {
		index[rules[i].ID] = i
	}
	findings := slices.Clone(doc.Findings)
	slices.SortStableFunc(findings, func(a, b finding.Finding) int { return finding.Compare(&a, &b) })
	r := run{
		Tool:       tool{Driver: driver{Name: "bulkhead", Version: doc.Version, InformationURI: home, Rules: []descriptor{}}},
		ColumnKind: "unicodeCodePoints",
		Results:    []result{},
	}
	if u, err := url.Parse(doc.Base); err == nil && u.IsAbs() && u.Opaque == "" && u.Host != "" {
		r.BaseIDs = map[string]artifact{root: {URI: strings.TrimSuffix((&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String(), "/") + "/"}}
	}
	for i := range rules {
		r.Tool.Driver.Rules = append(r.Tool.Driver.Rules, describe(&rules[i]))
	}
	for i := range findings {
		r.Results = append(r.Results, resultOf(&findings[i], index, doc.Anchor))
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(log{Schema: schema, Version: version, Runs: []run{r}})
}

// rulesOf are the rules by ID, each once, with one for each finding.
func rulesOf(doc Document) []finding.Rule {
	rules := slices.Clone(doc.Rules)
	for i := range doc.Findings {
		f := &doc.Findings[i]
		rules = append(rules, finding.Rule{ID: f.Rule, Severity: f.Severity, Title: f.Rule, Why: f.Rule, Level: f.Level})
	}
	slices.SortStableFunc(rules, func(a, b finding.Rule) int { return cmp.Compare(a.ID, b.ID) })
	return slices.CompactFunc(rules, func(a, b finding.Rule) bool { return a.ID == b.ID })
}

func describe(r *finding.Rule) descriptor {
	help := r.Why
	if r.Hint != "" {
		help += "\n\nCure: " + r.Hint + "."
	}
	severity := r.Severity
	if severity == "" && r.Level != "" {
		severity = r.Level.Severity()
	}
	out := descriptor{
		ID: r.ID, Short: text(cmp.Or(r.Title, r.ID)), Full: text(cmp.Or(r.Why, r.Title, r.ID)), Help: text(cmp.Or(help, r.ID)),
		Default: configuration{Level: level(severity)},
	}
	if r.Level != "" {
		out.Properties = &ruleProperties{Tags: []string{"security", "isolation"}, Severity: score(r.Level)}
	}
	return out
}

// score is a level as a number from 0 to 10.
//
// Source: GitHub's code scanning, which takes above 9 for critical, from 7 for high and from 4 for medium.
func score(l finding.Level) string {
	switch l {
	case finding.Critical:
		return "9.5"
	case finding.High:
		return "8.0"
	case finding.Medium:
		return "5.5"
	case finding.Low:
		return "3.0"
	default:
		return "0.0"
	}
}

// flowOf is the evidence of a finding, step by step. GitHub refuses a step without a file: it gets that of the finding.
func flowOf(f *finding.Finding, anchor string) []codeFlow {
	var thread threadFlow
	for i := range f.Steps {
		s := &f.Steps[i]
		words := text(cmp.Or(s.Message, f.Rule))
		at := location{Message: &words}
		if s.File != "" {
			at.Physical = physicalOf(s.File, s.Line)
		} else if file := cmp.Or(f.File, anchor); file != "" {
			at.Physical = physicalOf(file, f.Line)
		}
		thread.Locations = append(thread.Locations, flowLocation{at})
	}
	if len(thread.Locations) == 0 {
		return nil
	}
	return []codeFlow{{[]threadFlow{thread}}}
}

func resultOf(f *finding.Finding, index map[string]int, anchor string) result {
	id := f.Fingerprint()
	out := result{
		RuleID: f.Rule, RuleIndex: index[f.Rule], Level: level(f.Severity), Message: text(messageOf(f)),
		// GitHub takes for one alert what has the same rule and the same primaryLocationLineHash,
		// which it makes from the line alone when it is not there.
		Fingerprints: map[string]string{"bulkhead/v1": id, "primaryLocationLineHash": id},
		Suppressions: []suppression{},
		Properties:   properties{Clusters: f.Clusters, Concern: f.Concern, Field: f.Field, Level: string(f.Level)},
		CodeFlows:    flowOf(f, anchor),
	}
	if f.Object != nil {
		out.Properties.Object = f.Object.String()
	}
	place := location{Logical: logicalOf(f)}
	if file := cmp.Or(f.File, anchor); file != "" {
		place.Physical = physicalOf(file, f.Line)
	}
	if place.Physical != nil || len(place.Logical) > 0 {
		out.Locations = []location{place}
	}
	if w := f.Waived; w != nil {
		s := suppression{
			Kind: "external", Status: "accepted",
			Justification: w.Reason + " (waiver " + w.Name + " of " + w.Approver + " until " + w.Expires + ")",
		}
		if w.File != "" {
			s.Location = &location{Physical: physicalOf(w.File, 0)}
		}
		out.Suppressions = append(out.Suppressions, s)
	}
	return out
}

// messageOf is the message, with the clusters and the hint in lines of their own.
func messageOf(f *finding.Finding) string {
	lines := []string{cmp.Or(f.Message, f.Rule)}
	if len(f.Clusters) > 0 {
		lines = append(lines, "Clusters: "+phrase.List(f.Clusters, 10))
	}
	if f.Hint != "" {
		lines = append(lines, "Hint: "+f.Hint)
	}
	return strings.Join(lines, "\n")
}

// logicalOf names the object on each of its clusters.
func logicalOf(f *finding.Finding) []logical {
	var out []logical
	clusters := slices.Compact(slices.Sorted(slices.Values(f.Clusters)))
	if len(clusters) == 0 && f.Object != nil {
		clusters = []string{""}
	}
	for i, c := range clusters {
		if i == mostPlaces {
			break
		}
		l := logical{Name: c, FullName: c, Kind: "cluster"}
		if f.Object != nil {
			l = logical{Name: f.Object.Name, FullName: strings.TrimPrefix(c+"/"+f.Object.String(), "/"), Kind: "object"}
		}
		out = append(out, l)
	}
	return out
}

func physicalOf(file string, line int) *physical {
	p := &physical{Artifact: artifact{URI: (&url.URL{Path: strings.TrimLeft(file, "/")}).String(), BaseID: root}}
	if line > 0 {
		p.Region = &region{Start: line}
	}
	return p
}

// text is plain text. Viewers make links of "[text](target)" in it, which takes the two brackets together.
func text(s string) message {
	return message{Text: strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "](", "] (")}
}

// level of a severity; what is none of them wants a look.
func level(s finding.Severity) string {
	switch s {
	case finding.Error:
		return "error"
	case finding.Note:
		return "note"
	default:
		return "warning"
	}
}

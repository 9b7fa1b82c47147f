package junit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact/review"
)

// gateRule is how the ID of a gate's findings begins: they have cases of their own.
const gateRule = "gate/"

// Suites are two: "gates" with a case for each gate, and "clusters" with one for each cluster of the
// fleet. A gate of severity note, or one that is waived, is skipped instead of failed. A cluster fails on open
// errors and on new failures there, and is skipped when nothing is to be told about it. What is about the
// fleet as a whole is the case "fleet" of the clusters, if there is anything. With --stat there are no details:
// the cases of clusters have the severity only.
func Suites(r *review.Review) []Suite {
	gates, clusters := Suite{Name: "gates", Properties: about(r)}, Suite{Name: "clusters", Properties: about(r)}
	if r.Details == nil {
		r = &review.Review{Clusters: r.Clusters, Details: &review.Details{}}
	}
	for i := range r.Gates {
		gates.Cases = append(gates.Cases, gateCase(&r.Gates[i]))
	}
	if c := fleetCase(r); c != nil {
		clusters.Cases = append(clusters.Cases, *c)
	}
	told := byCluster(r)
	for i := range r.Clusters {
		clusters.Cases = append(clusters.Cases, clusterCase(&r.Clusters[i], told[r.Clusters[i].Name]))
	}
	return []Suite{gates, clusters}
}

// about are the facts of the review.
func about(r *review.Review) []Property {
	out := []Property{{"base", cmp.Or(r.Base.Label, r.Base.Name)}, {"head", cmp.Or(r.Head.Label, r.Head.Name)}, {"verdict", string(r.Verdict.State)}}
	if r.Only != "" {
		out = append(out, Property{"only", r.Only})
	}
	return out
}

func gateCase(g *review.Gate) Case {
	c := Case{Class: "bulkhead.gates", Name: g.Name, File: g.File, Line: g.Line, Kind: string(g.Severity), Detail: strings.Join(g.Evidence, "\n")}
	message := cmp.Or(g.Message, g.Name)
	switch {
	case g.State == review.Waived:
		c.Skipped = "waived: " + message
		if w := g.Waived; w != nil {
			c.Skipped = fmt.Sprintf("waived until %s by %s: %s", w.Expires, w.Approver, w.Reason)
		}
	case g.State == review.Passed:
	case g.Severity == finding.Note:
		c.Skipped = "note: " + message
	default:
		c.Failure = message
	}
	return c
}

// told is what there is to say about a cluster.
type told struct {
	errors, others []string // lines
}

// byCluster sorts findings and failures of the review to the clusters.
func byCluster(r *review.Review) map[string]*told {
	out, failing := map[string]*told{}, map[string]bool{} // those that have a finding for new failures
	at := func(name string) *told {
		if out[name] == nil {
			out[name] = &told{}
		}
		return out[name]
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		if strings.HasPrefix(f.Rule, gateRule) {
			continue
		}
		for _, name := range f.Clusters {
			at(name).add(f)
			failing[name] = failing[name] || f.Rule == review.NewFailure
		}
	}
	for i := range r.Failures {
		f := &r.Failures[i]
		line := fmt.Sprintf("%s: %s: %s", f.Applier, f.Stage, f.Message)
		switch t := at(f.Cluster); {
		case !f.New:
			t.others = append(t.others, "failure: "+line)
		case !failing[f.Cluster]:
			t.errors = append(t.errors, "new failure: "+line)
		}
	}
	return out
}

func (t *told) add(f *finding.Finding) {
	line := fmt.Sprintf("%s: %s: %s", f.Severity, f.Rule, f.Message)
	switch {
	case !f.Open():
		t.others = append(t.others, "waived by "+f.Waived.Name+": "+line)
	case f.Severity == finding.Error:
		t.errors = append(t.errors, line)
	default:
		t.others = append(t.others, line)
	}
}

func clusterCase(c *review.Cluster, t *told) Case {
	if t == nil {
		t = &told{}
	}
	out := Case{Class: strings.TrimSuffix("bulkhead.clusters."+c.Environment, "."), Name: c.Name, Kind: string(finding.Error)}
	out.Detail = strings.Join(slices.Concat(t.errors, t.others), "\n")
	if len(t.errors) == 0 && c.Severity == finding.Error {
		t.errors = []string{"an open error"}
	}
	switch {
	case len(t.errors) > 1:
		out.Failure = fmt.Sprintf("%s (and %d more)", t.errors[0], len(t.errors)-1)
	case len(t.errors) == 1:
		out.Failure = t.errors[0]
	case !c.Touched && len(t.others) == 0:
		out.Skipped = "nothing changes"
	}
	return out
}

// fleetCase is about findings without a cluster; nil when there is none.
func fleetCase(r *review.Review) *Case {
	var t told
	for i := range r.Findings {
		if f := &r.Findings[i]; len(f.Clusters) == 0 && !strings.HasPrefix(f.Rule, gateRule) {
			t.add(f)
		}
	}
	if len(t.errors)+len(t.others) == 0 {
		return nil
	}
	c := clusterCase(&review.Cluster{Name: "fleet", Touched: true}, &t)
	return &c
}

package junit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/isolation/verdict"
)

// Compartments are a suite for each tenant on each cluster, and one for the platform if something is found of it. A suite has the case "compartment", which passes
// when the compartment is proven, fails with the first finding that fails the check, and is skipped otherwise; and one for each rule that found something or could not be
// decided. A rule's case fails when fails says so of one of its findings; it is skipped when what it found is less than that, accepted or known.
func Compartments(r *verdict.Report, fails func(*verdict.Finding) bool) []Suite {
	b := compartments{Report: r, fails: fails, by: map[[2]string][]*verdict.Finding{}}
	for i := range r.Findings {
		f := &r.Findings[i]
		for _, c := range placesOf(f.Clusters) {
			k := [2]string{verdict.TenantOf(f.Concern), c}
			b.by[k] = append(b.by[k], f)
		}
	}
	var out []Suite
	for i := range r.Verdicts {
		out = append(out, b.suite(&r.Verdicts[i]))
	}
	if s := b.platform(); len(s.Cases) > 0 {
		out = append(out, s)
	}
	return out
}

type compartments struct {
	*verdict.Report
	fails func(*verdict.Finding) bool
	by    map[[2]string][]*verdict.Finding // by tenant, "" for the platform, and cluster, "" for the fleet
}

func placesOf(clusters []string) []string {
	if len(clusters) == 0 {
		return []string{""}
	}
	return clusters
}

func (b *compartments) suite(v *verdict.Verdict) Suite {
	out := Suite{Name: v.Tenant + " on " + v.Cluster, Properties: []Property{{"tenant", v.Tenant}, {"cluster", v.Cluster}, {"verdict", string(v.State)}}}
	list := slices.Concat(b.by[[2]string{v.Tenant, v.Cluster}], b.by[[2]string{v.Tenant, ""}])
	for _, f := range slices.Concat(b.by[[2]string{"", v.Cluster}], b.by[[2]string{"", ""}]) {
		if f.Boundary {
			list = append(list, f)
		}
	}
	cases := b.cases(list, v.Reasons)
	for i := range cases {
		cases[i].Class = "bulkhead.check." + v.Tenant
	}
	first := Case{Class: "bulkhead.check." + v.Tenant, Name: "compartment", Kind: string(v.State)}
	if i := slices.IndexFunc(cases, func(c Case) bool { return c.Failure != "" }); v.State == verdict.Violated && i >= 0 {
		first.Failure = "violated: " + cases[i].Failure
	} else if v.State != verdict.Proven {
		first.Skipped = string(v.State)
	}
	out.Cases = append([]Case{first}, cases...)
	return out
}

func (b *compartments) platform() Suite {
	var list []*verdict.Finding
	for i := range b.Findings {
		if f := &b.Findings[i]; verdict.TenantOf(f.Concern) == "" {
			list = append(list, f)
		}
	}
	var reasons []verdict.Reason
	for i := range b.Unproven {
		if b.Unproven[i].Concern == verdict.Platform {
			reasons = append(reasons, b.Unproven[i].Reason)
		}
	}
	out := Suite{Name: verdict.Platform, Cases: b.cases(list, reasons)}
	for i := range out.Cases {
		out.Cases[i].Class = "bulkhead.check." + verdict.Platform
	}
	return out
}

// cases are those of the rules, by ID.
func (b *compartments) cases(list []*verdict.Finding, reasons []verdict.Reason) []Case {
	by := map[string]*Case{}
	at := func(rule string) *Case {
		if by[rule] == nil {
			by[rule] = &Case{Name: cmp.Or(rule, "contract")}
		}
		return by[rule]
	}
	for _, f := range list {
		c := at(f.Rule)
		word := string(f.At())
		switch {
		case !f.Open():
			word = fmt.Sprintf("waived until %s by %s: %s: %s", f.Waived.Expires, f.Waived.Approver, f.Waived.Reason, word)
		case f.Known:
			word = "known: " + word
		case b.fails(f) && c.Failure == "":
			c.Failure, c.Kind, c.File, c.Line = f.Message, string(f.At()), f.File, f.Line
		}
		c.add(word + ": " + f.Message)
		for _, step := range f.Steps {
			c.add("  " + step.Message)
		}
	}
	for i := range reasons {
		at(reasons[i].Rule).add("unproven: " + reasons[i].Message)
	}
	out := make([]Case, 0, len(by))
	for _, c := range by {
		if c.Failure == "" {
			c.Skipped, _, _ = strings.Cut(c.Detail, "\n")
		}
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b Case) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// add a line to the detail.
func (c *Case) add(line string) {
	if c.Detail != "" {
		c.Detail += "\n"
	}
	c.Detail += line
}

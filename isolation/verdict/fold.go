package verdict

import (
	"cmp"
	"slices"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/rule"
)

// same is what equal findings of several clusters have in common.
type same struct {
	rule, object, field, tenant, message, hint string
	level                                      finding.Level
}

// Findings are what the rules found, equal ones of several clusters folded into one, sorted as [finding.Compare] has it. What is unproven is none. Each
// has the file in the repository under review by which it comes to the first of its clusters.
func Findings(e *estate.Estate, found []rule.Found) []finding.Finding {
	firsts, out := fold(found)
	locate(e, firsts, out)
	return sorted(out)
}

// Placeless is [Findings] without the files that objects come from, which may cost builds to find: by all else they are told apart.
func Placeless(found []rule.Found) []finding.Finding {
	_, out := fold(found)
	return sorted(out)
}

func sorted(out []finding.Finding) []finding.Finding {
	slices.SortStableFunc(out, func(a, b finding.Finding) int {
		return cmp.Or(finding.Compare(&a, &b), cmp.Compare(a.Hint, b.Hint))
	})
	return out
}

// fold gives equal ones as one, with the first of them.
func fold(found []rule.Found) (firsts []*rule.Found, out []finding.Finding) {
	clusters := map[same][]string{}
	for i := range found {
		f := &found[i]
		if f.Unproven {
			continue
		}
		k := keyOf(f)
		if _, seen := clusters[k]; !seen {
			clusters[k] = []string{}
			firsts = append(firsts, f)
		}
		if f.Cluster != nil {
			clusters[k] = append(clusters[k], f.Cluster.Name)
		}
	}
	out = make([]finding.Finding, len(firsts))
	for i, f := range firsts {
		k := keyOf(f)
		out[i] = finding.Finding{
			Rule: f.Rule, Severity: f.Level.Severity(), Level: f.Level, Message: k.message, Hint: k.hint, Concern: concernOf(k.tenant), Object: f.ID, Field: f.Field,
			Clusters: slices.Compact(slices.Sorted(slices.Values(clusters[k]))), Steps: slices.Clone(f.Steps), File: f.File, Line: f.Line,
		}
		if out[i].Clusters == nil {
			out[i].Clusters = []string{}
		}
	}
	return firsts, out
}

func keyOf(f *rule.Found) same {
	k := same{rule: f.Rule, field: f.Field, message: oneLine(f.Message), hint: oneLine(f.Hint), level: f.Level}
	if f.ID != nil {
		k.object = f.ID.String()
	}
	if f.Tenant != nil {
		k.tenant = f.Tenant.Name
	}
	return k
}

// Relocate gives parts of what [Findings] made of found the file, line and steps of the first of their own clusters, where that is another one than the first
// of the whole. Findings of other rules are left as they are.
func Relocate(e *estate.Estate, found []rule.Found, parts []finding.Finding) {
	firsts, at := map[same]string{}, map[same]map[string]*rule.Found{}
	for i := range found {
		f := &found[i]
		if f.Unproven || f.Cluster == nil {
			continue
		}
		k := keyOf(f)
		if at[k] == nil {
			firsts[k], at[k] = f.Cluster.Name, map[string]*rule.Found{}
		}
		if at[k][f.Cluster.Name] == nil {
			at[k][f.Cluster.Name] = f
		}
	}
	for i := range parts {
		p := &parts[i]
		if len(p.Clusters) == 0 {
			continue
		}
		k := same{rule: p.Rule, field: p.Field, message: p.Message, hint: p.Hint, level: p.Level, tenant: TenantOf(p.Concern)}
		if p.Object != nil {
			k.object = p.Object.String()
		}
		if f := at[k][p.Clusters[0]]; f != nil && firsts[k] != p.Clusters[0] {
			own := Findings(e, []rule.Found{*f})[0]
			p.File, p.Line, p.Steps = own.File, own.Line, own.Steps
		}
	}
}

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
	firsts, clusters := []*rule.Found{}, map[same][]string{}
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
	out := make([]finding.Finding, len(firsts))
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
	locate(e, firsts, out)
	slices.SortStableFunc(out, func(a, b finding.Finding) int {
		return cmp.Or(finding.Compare(&a, &b), cmp.Compare(a.Hint, b.Hint))
	})
	return out
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

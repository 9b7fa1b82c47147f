// Package risk says what is dangerous about the change of an object.
//
// It turns the changes of an [impact.Report] into risks, each of a rule of the catalogue ([Rules]).
// Its invariant: a risk follows from the two renders alone, so that equal changes have equal risks.
// Start at [Assess].
package risk

//go:generate env UPDATE=1 go test -count=1 -run ^TestRulesPage$ .

import (
	"cmp"
	"slices"
	"sync"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/render"
)

// Risk is one danger of one change on one cluster.
type Risk struct {
	Rule     string // ID of one of [Rules]
	Severity finding.Severity
	// Message is one line without a full stop: what happens to what. It holds no value that
	// [object.Redactor] would hide.
	Message string
	Hint    string
	Field   string // as [object.Path] writes it; "" for the whole object
	// Cluster is where it happens.
	Cluster string
	// Change that the risk is of; nil for one of an applier about whose objects nothing is
	// known on one side.
	Change *impact.Change
	// Withheld is that applier; nil when Change is set.
	Withheld *impact.Withheld
}

// Assess finds the risks of a report that [impact.Between] made of these two renders. They are sorted by
// cluster, then in the order of the cluster's changes, the worst of each first, then by rule and
// field; those of withheld appliers come after those of changes. Nil stands for a fleet without clusters.
func Assess(before, after *render.Result, report *impact.Report) []Risk {
	return assess(before, after, report, catalogue())
}

// assess is Assess with some of the rules.
func assess(before, after *render.Result, report *impact.Report, all []rule) []Risk {
	var out []Risk
	fleet := [2]*render.Result{before, after}
	holders := [2]func() map[string][]*render.Applier{}
	for i := range fleet {
		holders[i] = sync.OnceValue(func() map[string][]*render.Applier { return byHolder(fleet[i]) })
	}
	for _, c := range report.Clusters {
		x := &context{Cluster: c, before: clusterOf(before, c.Name), after: clusterOf(after, c.Name), fleet: fleet, holders: holders}
		for _, ch := range c.Changes {
			var found []Risk
			for i := range all {
				if r := &all[i]; r.change != nil {
					found = append(found, r.fill(r.change(x, ch), func(k *Risk) { k.Cluster, k.Change = c.Name, ch })...)
				}
			}
			out = append(out, sorted(found)...)
		}
		for i := range c.Withheld {
			w := &c.Withheld[i]
			var found []Risk
			for i := range all {
				if r := &all[i]; r.withheld != nil {
					found = append(found, r.fill(r.withheld(x, w), func(k *Risk) { k.Cluster, k.Withheld = c.Name, w })...)
				}
			}
			out = append(out, sorted(found)...)
		}
	}
	return out
}

// Rules is the catalogue, sorted by ID.
func Rules() []finding.Rule {
	var out []finding.Rule
	for _, r := range catalogue() {
		out = append(out, r.Rule)
	}
	slices.SortFunc(out, func(a, b finding.Rule) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// rule is an entry of the catalogue: data plus one function. What the function leaves empty of a
// risk is filled in from the data: Rule, Severity, Hint.
type rule struct {
	finding.Rule
	change   func(x *context, ch *impact.Change) []Risk  // for each change of a cluster
	withheld func(x *context, w *impact.Withheld) []Risk // for each withheld applier of a cluster
}

func (r *rule) fill(found []Risk, where func(*Risk)) []Risk {
	for i := range found {
		k := &found[i]
		k.Rule = r.ID
		k.Severity = cmp.Or(k.Severity, r.Severity)
		k.Hint = cmp.Or(k.Hint, r.Hint)
		where(k)
	}
	return found
}

// catalogue is all rules. Each file of rules has one function that lists its own.
func catalogue() []rule {
	return slices.Concat(dataRules(), workloadRules(), imageRules(), refusedRules(),
		privilegeRules(), accessRules(), exposureRules(), applierRules(), sourceRules(), variableRules(), chartRules(), ownerRules())
}

// context is one cluster on both sides.
type context struct {
	*impact.Cluster
	before, after *render.Cluster // nil where it does not exist
	fleet         [2]*render.Result
	holders       [2]func() map[string][]*render.Applier // appliers by the cluster that holds them
}

// byHolder are the appliers of a fleet by the cluster that holds them, in the order of the clusters that they write to.
func byHolder(r *render.Result) map[string][]*render.Applier {
	out := map[string][]*render.Applier{}
	if r == nil {
		return out
	}
	for _, c := range r.Clusters {
		for _, a := range c.Appliers {
			out[a.Home] = append(out[a.Home], a)
		}
	}
	return out
}

func clusterOf(r *render.Result, name string) *render.Cluster {
	if r == nil {
		return nil
	}
	return r.Cluster(name)
}

func sorted(risks []Risk) []Risk {
	slices.SortStableFunc(risks, func(a, b Risk) int {
		return cmp.Or(cmp.Compare(a.Severity.Rank(), b.Severity.Rank()), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Field, b.Field))
	})
	return risks
}

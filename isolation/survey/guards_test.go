package survey_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/guard"
	"github.com/bulkhead-dev/bulkhead/isolation/policy"
	"github.com/bulkhead-dev/bulkhead/isolation/rule"
)

// otherwise are samples whose bad half no admission policy refuses, and why not. What else holds is in [guard.Table].
var otherwise = map[string]string{
	"DEL-001-contract":   "the tenant's role has no such kind",
	"DEL-001-crossplane": "the tenant's role has no such kind",
	"IMG-003-signature":  "whether sources ask for signatures is said elsewhere",
	"IMP-003-platform":   "the platform's own applier takes the fleet's source",
	"KUS-004-":           "the platform's own source",
	"NET-002-cilium":     "the tenant's role has no such kind",
	"NET-004-traefik":    "the host is in an expression, and the tenant's role has no such kind",
	"NET-006-declared":   "the quota bounds load balancers and node ports",
	"NET-007-mesh":       "the tenant's role has no such kind",
	"NSB-003-absent":     "a tenant of several namespaces has no target: the rights hold it",
	"NST-001-open":       "it is about what the tenant may make: the guards refuse it when it does",
	"NST-001-role":       "it is about what the tenant may make: the guards refuse it when it does",
	"OPR-002-":           "the platform's own ResourceSet",
	"OPR-004-":           "the platform's own ResourceSet",
	"OWN-002-":           "files do not show that it is an update of the platform's object: that one is refused",
	"RBC-003-":           "the platform's own binding",
	"RBC-003-user":       "the platform's own binding",
	"RBC-004-":           "the platform's own binding",
	"RBC-005-":           "the platform's own binding: what the tenant may do by it is refused",
	"RBC-006-":           "the platform's own binding",
	"WRK-006-volume":     "Kubernetes binds the volume to no other claim than its own",
}

// stricter are samples of whose good half the guards refuse something that no rule objects to, and why.
var stricter = map[string]string{
	"KUS-004-":          "the source beside the platform's feeds nothing yet",
	"NET-004-inherited": "admission does not see the Gateway that the route takes its hosts from",
	"REF-003-":          "whose the dependency is admission does not see: no tenant needs an expression over it",
	"SEC-007-":          "the fleet is applied as an account without rights, which is not the platform's",
}

// TestGuards: what a rule finds in the bad half of its samples the guards refuse, if the rule is one that they enforce; what it lets pass they let pass.
func TestGuards(t *testing.T) {
	samples, err := rule.Samples()
	if err != nil {
		t.Fatal(err)
	}
	static := map[string]bool{}
	for _, r := range rule.Rules() {
		static[r.ID] = r.Static != ""
	}
	by := map[string][]string{} // rule -> policies
	for _, m := range guard.Table() {
		if !static[m.Rule] {
			by[m.Rule] = m.Policies
		}
	}
	samples = slices.DeleteFunc(samples, func(s rule.Sample) bool { return len(by[s.Rule]) == 0 })
	f, halves := guarded(t), map[string][2]*rule.Context{}
	for _, s := range samples {
		halves[s.Rule+"-"+s.Case] = [2]*rule.Context{f.with(t, s.Bad), f.with(t, s.Good)}
	}
	refused := refusals(t, halves)
	used := map[string]bool{}
	for _, s := range samples {
		name := s.Rule + "-" + s.Case
		why, other := otherwise[name]
		used[name] = true
		t.Run(name, func(t *testing.T) {
			both := halves[name]
			for _, x := range both {
				if x.Clusters[0].Kind("admissionregistration.k8s.io", "ValidatingAdmissionPolicy") == nil {
					t.Skip("a fleet of its own, without guards")
				}
			}
			bad, good := refused[both[0].Estate], refused[both[1].Estate]
			if hit := slices.ContainsFunc(bad, func(m string) bool {
				return slices.ContainsFunc(by[s.Rule], func(policy string) bool { return strings.Contains(m, "Policy "+policy+" ") })
			}); hit == other {
				t.Errorf("the guards refuse it: %v, expected to be otherwise: %q\n  %s", hit, why, strings.Join(bad, "\n  "))
			}
			found := rule.Find(both[1], nil)
			if _, strict := stricter[name]; strict {
				if len(good) == 0 {
					t.Error("the guards refuse nothing of the good half")
				}
				return
			}
			for _, m := range good {
				if !slices.ContainsFunc(found, func(f rule.Found) bool { return strings.Contains(m, f.Rule) }) {
					t.Errorf("the guards refuse of the good half, in which no such rule finds anything: %s", m)
				}
			}
		})
	}
	for _, list := range []map[string]string{otherwise, stricter} {
		for name := range list {
			if !used[name] {
				t.Errorf("there is no sample %s of a rule that guards enforce", name)
			}
		}
	}
}

// refusals are what the guards refuse of each estate. All are asked about as one fleet of many clusters, whose equal policies are compiled once.
func refusals(t *testing.T, halves map[string][2]*rule.Context) map[*estate.Estate][]string {
	t.Helper()
	all, of := &estate.Estate{}, map[*estate.Cluster]*estate.Estate{}
	for _, name := range slices.Sorted(maps.Keys(halves)) {
		for _, x := range halves[name] {
			for _, c := range x.Clusters {
				all.Clusters, of[c] = append(all.Clusters, c), x.Estate
			}
		}
	}
	found, err := policy.Find(t.Context(), all, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	out := map[*estate.Estate][]string{}
	for i := range found {
		switch e := of[found[i].Cluster]; found[i].Rule {
		case policy.Refused:
			out[e] = append(out[e], found[i].Message)
		case policy.Broken:
			t.Errorf("%s", found[i].Message)
		}
	}
	return out
}

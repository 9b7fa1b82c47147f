package review

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/finding/waiver"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/impact/gate"
	"github.com/bulkhead-dev/bulkhead/impact/part"
	"github.com/bulkhead-dev/bulkhead/impact/risk"
)

// NewFailure is the rule of a failure that the change brings.
const NewFailure = "new-failure"

func isGate(rule string) bool { return strings.HasPrefix(rule, gate.Rule("")) }

// decides reports whether findings of a rule count for the verdict: gates do and waivers that have expired; a risk
// does through a gate. A waiver that nothing needs any more is to be cleaned up, whoever's change it is.
func decides(rule string) bool {
	return isGate(rule) || rule == waiver.Expired || rule == gate.RuleChanged
}

// decide finds what is wrong: risks, failures, gates that fail, waivers at fault.
func (m *maker) decide(ctx context.Context) {
	found := m.found()
	docs := &m.parts[0].Documents
	gates, weakened := gate.Merge(gatesOf(docs.Before), gatesOf(docs.After))
	results := gate.Check(ctx, m.value(m.accept(found)), gates)
	found = append(append(found, gate.Findings(results)...), weakened...)
	m.Findings = m.accept(found)
	m.order()
	if m.Findings == nil {
		m.Findings = []finding.Finding{}
	}
	m.tellGates(results)
	m.giveBack()
	for i := range m.Findings { // on its own a message says what it is about; in a group that is said
		m.Findings[i].Message = alone(&m.Findings[i])
	}
	m.rules(results)
}

// accept marks what waivers cover: those that were there before the change and are there after it, as no change accepts what it brings itself.
func (m *maker) accept(found []finding.Finding) []finding.Finding {
	docs := &m.parts[0].Documents
	after := waiver.Revision{Waivers: waiversOf(docs.Waivers), ClusterLabels: m.clusterLabels()}
	before := waiver.Revision{Waivers: waiversOf(docs.WaiversBefore), ClusterLabels: docs.LabelsBefore}
	if m.opts.WaiversOfHead {
		before = after
	}
	return waiver.Review(found, before, after, m.opts.Now)
}

// alone is the message of a finding that stands by itself: it names the object.
func alone(f *finding.Finding) string {
	if f.Object == nil || f.Rule == NewFailure || strings.Contains(f.Message, "/"+f.Object.Name) || strings.Contains(f.Message, " "+f.Object.Name+" ") {
		return f.Message
	}
	id := *f.Object
	id.Group = ""
	return id.String() + ": " + f.Message
}

// order sorts the findings, the worst first; of equal ones, those of what goes before those of what comes.
func (m *maker) order() {
	kinds := map[string]int{}
	for i := range m.Groups {
		g := &m.Groups[i]
		k := slices.Index(impact.Kinds(), g.Kind) - len(impact.Kinds())
		kinds[g.ID.String()] = min(k, kinds[g.ID.String()])
	}
	rank := func(f *finding.Finding) int {
		if f.Object == nil {
			return 0
		}
		return kinds[f.Object.String()]
	}
	slices.SortStableFunc(m.Findings, func(a, b finding.Finding) int {
		if a.Open() == b.Open() && a.Severity == b.Severity {
			return cmp.Or(cmp.Compare(rank(&a), rank(&b)), finding.Compare(&a, &b))
		}
		return finding.Compare(&a, &b)
	})
}

func gatesOf(list []part.Gate) (out []v1alpha1.Gate) {
	for _, k := range list {
		k.Place = v1alpha1.Place{File: k.File, Line: k.Line}
		out = append(out, k.Gate)
	}
	return out
}

// waiversOf are the waivers, as far as they are not about isolation, which impact does not judge.
func waiversOf(list []part.Waiver) (out []v1alpha1.Waiver) {
	for _, k := range list {
		k.Place = v1alpha1.Place{File: k.File, Line: k.Line}
		out = append(out, k.Waiver)
	}
	return waiver.About(out, func(id string) bool { return !waiver.Isolation(id) })
}

func (m *maker) clusterLabels() map[string]map[string]string {
	out := map[string]map[string]string{}
	for _, c := range m.all {
		out[c.Name] = c.Labels
	}
	return out
}

// found are the risks and the new failures, equal ones of several clusters once.
func (m *maker) found() (out []finding.Finding) {
	for i := range m.Groups {
		out = append(out, m.Groups[i].Risks...)
	}
	at := map[string]int{}
	add := func(key, cluster string, f finding.Finding) {
		i, ok := at[key]
		if !ok {
			i = len(out)
			at[key] = i
			out = append(out, f)
		}
		if !slices.Contains(out[i].Clusters, cluster) {
			out[i].Clusters = append(out[i].Clusters, cluster)
		}
	}
	for _, c := range m.all {
		for _, r := range c.Loose {
			of := m.ofApplier(c.Name, r.Applier)
			f := finding.Finding{Rule: r.Rule, Severity: r.Severity, Message: r.Message, Hint: r.Hint, Concern: of, Object: idOf(r.Applier), Field: r.Field}
			add(strings.Join([]string{r.Rule, string(r.Severity), r.Message, r.Applier.String(), r.Field, of}, "\x00"), c.Name, f)
		}
	}
	for _, k := range m.Failures {
		if !k.New {
			continue
		}
		add(fmt.Sprintf("%s\x00%s\x00%s\x00%s\x00%s\x00%d", NewFailure, k.Applier, k.Stage, k.Message, k.File, k.Line), k.Cluster, finding.Finding{
			Rule: NewFailure, Severity: finding.Error, Message: k.Applier.String() + " fails: " + oneLine(k.Message),
			Hint: k.Hint, Concern: m.ofApplier(k.Cluster, k.Applier), Object: idOf(k.Applier), File: k.File, Line: k.Line,
		})
	}
	return out
}

// oneLine is a message on one line.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// tellGates fills in the gates, failed ones first.
func (m *maker) tellGates(results []gate.Result) {
	m.Gates = []Gate{}
	for _, r := range results {
		g := Gate{
			Name: r.Name, Severity: r.Severity, State: State(r.State), Message: r.Message, BuiltIn: r.BuiltIn, Expr: r.Expr,
			Evidence: some(r.Evidence), File: r.File, Line: r.Line,
		}
		if (g.State == Failed || g.State == Broken) && !slices.ContainsFunc(m.Findings, func(f finding.Finding) bool { return f.Rule == gate.Rule(r.Name) && f.Open() }) {
			g.State = Waived
			for i := range m.Findings {
				if m.Findings[i].Rule == gate.Rule(r.Name) {
					g.Waived = m.Findings[i].Waived
				}
			}
		}
		m.Gates = append(m.Gates, g)
	}
	order := []State{Broken, Failed, Waived, Passed}
	slices.SortStableFunc(m.Gates, func(a, b Gate) int {
		open := func(g Gate) int {
			if g.State == Passed || g.State == Waived {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(open(a), open(b)), cmp.Compare(a.Severity.Rank(), b.Severity.Rank()),
			cmp.Compare(slices.Index(order, a.State), slices.Index(order, b.State)), cmp.Compare(a.Name, b.Name))
	})
}

// giveBack puts the risks, with their waivers, into the groups that they are of.
func (m *maker) giveBack() {
	byID := map[string][]*Group{}
	for i := range m.Groups {
		g := &m.Groups[i]
		g.Risks = []finding.Finding{}
		byID[g.ID.String()+"\x00"+g.Concern] = append(byID[g.ID.String()+"\x00"+g.Concern], g)
	}
	for _, f := range m.Findings {
		if f.Object == nil || f.Rule == NewFailure {
			continue
		}
		for _, g := range byID[f.Object.String()+"\x00"+f.Concern] {
			if len(f.Clusters) > 0 && !slices.ContainsFunc(f.Clusters, func(c string) bool { return !slices.Contains(g.Clusters, c) }) {
				g.Risks = append(g.Risks, f)
				if f.Open() {
					g.Severity = finding.Worst(g.Severity, f.Severity)
				}
				break
			}
		}
	}
	slices.SortStableFunc(m.Groups, func(a, b Group) int { return cmp.Compare(a.Severity.Rank(), b.Severity.Rank()) })
}

// rules are those that the findings are of.
func (m *maker) rules(results []gate.Result) {
	all := append(risk.Rules(), waiver.Rules()...)
	all = append(all, gate.Rules(results)...)
	all = append(all, finding.Rule{
		ID: NewFailure, Severity: finding.Error, Title: "An applier fails that did not before",
		Why:  "The controller refuses what the change makes of it, and applies nothing more of it until that is mended.",
		Hint: "mend what the message names, and run bulkhead impact again",
	})
	used := map[string]bool{}
	for i := range m.Findings {
		used[m.Findings[i].Rule] = true
	}
	m.Rules = []finding.Rule{}
	for _, r := range all {
		if used[r.ID] {
			used[r.ID] = false
			m.Rules = append(m.Rules, r)
		}
	}
	slices.SortFunc(m.Rules, func(a, b finding.Rule) int { return cmp.Compare(a.ID, b.ID) })
}

package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/rule"
	"github.com/bulkhead-dev/bulkhead/object"
)

// GapRule is the rule about what could not be rendered. What it says nothing of is unproven here.
const GapRule = "NST-005"

// Of is the report of an estate: found is what the rules said, and findings what became of it: each part accepted, known, or neither.
func Of(e *estate.Estate, found []rule.Found, findings []Finding) *Report {
	b := newBuilder(e)
	b.out.Findings = append(b.out.Findings, findings...)
	for _, r := range rule.Rules() {
		b.boundary[r.ID] = r.Boundary
	}
	for i := range b.out.Findings {
		f := &b.out.Findings[i]
		f.Boundary = b.boundary[f.Rule] && f.Level.Rank() <= finding.Medium.Rank()
		f.Key = f.Fingerprint()
	}
	slices.SortStableFunc(b.out.Findings, func(a, b Finding) int { return Compare(&a, &b) })
	for _, c := range e.Clusters {
		b.out.Clusters = append(b.out.Clusters, c.Name)
	}
	b.unknown(found)
	b.index()
	b.verdicts()
	b.opened()
	return b.out
}

// Unknown is what the rules could not decide, as [Of] lists it, and for every tenant without a document that nothing says what it may have: that is so, and no
// news, while something else is not known of it. Of the rules that are asked [GapRule] is one.
func Unknown(e *estate.Estate, found []rule.Found) []Open {
	b := newBuilder(e)
	b.unknown(found)
	for _, t := range e.Tenants {
		for _, p := range t.Compartments {
			if t.Inferred {
				b.undocumented(p)
			}
		}
	}
	b.opened()
	return b.out.Unproven
}

func newBuilder(e *estate.Estate) *builder {
	return &builder{
		estate: e, boundary: map[string]bool{}, reasons: map[place][]Reason{}, counted: map[place][]*Finding{}, unseen: map[place]int{}, open: map[openKey]*Open{},
		out: &Report{Clusters: []string{}, Verdicts: []Verdict{}, Findings: []Finding{}, Unproven: []Open{}},
	}
}

// opened lists what is not known, each once.
func (b *builder) opened() {
	for _, u := range b.open {
		slices.Sort(u.Clusters)
		u.Clusters = slices.Compact(u.Clusters)
		b.out.Unproven = append(b.out.Unproven, *u)
	}
	slices.SortFunc(b.out.Unproven, func(a, b Open) int {
		return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Concern, b.Concern), a.compare(&b.Reason), slices.Compare(a.Clusters, b.Clusters))
	})
}

type builder struct {
	estate   *estate.Estate
	boundary map[string]bool // by rule
	out      *Report
	reasons  map[place][]Reason
	counted  map[place][]*Finding
	unseen   map[place]int
	open     map[openKey]*Open
}

// place is a tenant, "" for all of them, on a cluster, "" for all of them.
type place struct{ tenant, cluster string }

// each are the places that say something of a tenant on a cluster.
func (p place) each() [4]place {
	return [4]place{{}, {p.tenant, ""}, {"", p.cluster}, p}
}

// index sorts the findings that count for verdicts to their places.
func (b *builder) index() {
	for i := range b.out.Findings {
		f := &b.out.Findings[i]
		tenant := TenantOf(f.Concern)
		if tenant == "" && !f.Boundary {
			continue
		}
		for _, c := range f.Clusters {
			b.counted[place{tenant, c}] = append(b.counted[place{tenant, c}], f)
		}
		if len(f.Clusters) == 0 {
			b.counted[place{tenant, ""}] = append(b.counted[place{tenant, ""}], f)
		}
	}
}

type openKey struct{ rule, message, hint, object, concern string }

func (b *builder) add(tenant, cluster string, r Reason) {
	b.reasons[place{tenant, cluster}] = append(b.reasons[place{tenant, cluster}], r)
	k := openKey{rule: r.Rule, message: r.Message, hint: r.Hint, concern: concernOf(tenant)}
	if r.Object != nil {
		k.object = r.Object.String()
	}
	if b.open[k] == nil {
		b.open[k] = &Open{Reason: r, Concern: k.concern, Clusters: []string{}}
	}
	if cluster != "" {
		b.open[k].Clusters = append(b.open[k].Clusters, cluster)
	}
}

// spoken is what the rule about gaps says something of: an applier, or what is missing.
type spoken struct {
	cluster, subject string
	id               object.ID
}

// unknown gathers what the rules could not decide, and what they say nothing of.
func (b *builder) unknown(found []rule.Found) {
	told := map[spoken]bool{}
	for i := range found {
		f := &found[i]
		cluster, tenant := "", ""
		if f.Cluster != nil {
			cluster = f.Cluster.Name
		}
		if f.Tenant != nil {
			tenant = f.Tenant.Name
		}
		if f.Rule == GapRule {
			told[spoken{cluster: cluster, subject: f.Field}] = true
			if f.ID != nil {
				told[spoken{cluster: cluster, id: *f.ID}] = true
			}
		}
		if f.Rule == GapRule && !f.Unproven && tenant != "" {
			b.unseen[place{tenant, cluster}]++
		}
		if f.Unproven {
			b.add(tenant, cluster, Reason{Rule: f.Rule, Message: oneLine(f.Message), Hint: oneLine(f.Hint), Object: f.ID})
		}
	}
	for _, c := range b.estate.Clusters {
		for i := range c.Gaps {
			g := &c.Gaps[i]
			a := applierOf(c, g.Applier)
			if !g.Hides || g.Subject != "" && told[spoken{cluster: c.Name, subject: g.Subject}] ||
				a != nil && (told[spoken{cluster: c.Name, id: a.ID()}] || told[spoken{cluster: a.Home.Name, id: a.ID()}]) {
				continue
			}
			tenant := ""
			if a != nil && a.Tenant != nil {
				tenant = a.Tenant.Name
			}
			b.add(tenant, c.Name, gapReason(g))
		}
	}
}

func applierOf(c *estate.Cluster, id object.Applier) *estate.Applier {
	for _, a := range c.Appliers {
		if a.Applier == id {
			return a
		}
	}
	return nil
}

func gapReason(g *estate.Gap) Reason {
	r := Reason{Rule: GapRule, Hint: oneLine(g.Hint)}
	if g.Applier != (object.Applier{}) {
		a := estate.Applier{Applier: g.Applier}
		id := a.ID()
		r.Object = &id
	}
	what := strings.TrimSpace(g.Kind + " " + g.Subject)
	if g.Kind == "failure" {
		what = "it fails at " + g.Subject
	}
	who := "the entry point"
	if r.Object != nil {
		who = g.Applier.String()
	}
	r.Message = fmt.Sprintf("what %s applies is not all known: %s: %s", who, oneLine(what), oneLine(g.Reason))
	return r
}

// verdicts are those of all compartments, by tenant and cluster.
func (b *builder) verdicts() {
	for _, t := range b.estate.Tenants {
		for _, p := range t.Compartments {
			b.verdict(p)
		}
	}
	slices.SortFunc(b.out.Verdicts, func(a, b Verdict) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Cluster, b.Cluster))
	})
}

func (b *builder) verdict(p *estate.Compartment) {
	v := Verdict{Tenant: p.Tenant.Name, Cluster: p.Cluster.Name, Inferred: p.Tenant.Inferred, Unseen: b.unseen[place{p.Tenant.Name, p.Cluster.Name}], Reasons: []Reason{}}
	violated, waived := false, false
	for _, at := range (place{v.Tenant, v.Cluster}).each() {
		v.Reasons = append(v.Reasons, b.reasons[at]...)
		for _, f := range b.counted[at] {
			if f.Open() {
				v.Open.Add(f.At())
				violated = violated || f.Boundary
			} else {
				v.Waived++
				waived = waived || f.Boundary
			}
		}
	}
	if v.Inferred && len(v.Reasons) == 0 { // what it may have is not known
		v.Reasons = append(v.Reasons, b.undocumented(p))
	}
	slices.SortFunc(v.Reasons, func(a, b Reason) int { return a.compare(&b) })
	v.Reasons = slices.CompactFunc(v.Reasons, func(a, b Reason) bool { return a.compare(&b) == 0 })
	switch {
	case violated:
		v.State = Violated
	case waived:
		v.State = Waived
	case len(v.Reasons) > 0:
		v.State = Unproven
	default:
		v.State = Proven
	}
	b.out.Verdicts = append(b.out.Verdicts, v)
}

// undocumented notes that no document is of a tenant.
func (b *builder) undocumented(p *estate.Compartment) Reason {
	r := Reason{Message: "no document says what tenant " + p.Tenant.Name + " may have", Hint: "bulkhead tenant import makes a document of it"}
	b.add(p.Tenant.Name, p.Cluster.Name, r)
	return r
}

// oneLine is a message on one line.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

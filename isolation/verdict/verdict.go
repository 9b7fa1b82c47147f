// Package verdict says of each tenant on each cluster whether it stays in its compartment, see [Of].
//
// It turns what the rules found into findings ([Findings]), and these into a report. Its invariant: a tenant about which anything is not known, or about
// which something is only accepted, is never proven.
package verdict

import (
	"cmp"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/object"
)

// State is a verdict in a word.
type State string

// The states, worst first.
const (
	// Violated: an open finding of medium or worse breaks the boundary.
	Violated State = "violated"
	// Waived: findings break the boundary, and all of them are accepted. What they say is true all the same.
	Waived State = "waived"
	// Unproven: nothing breaks it, as far as can be known, and not all can.
	Unproven State = "unproven"
	// Proven: nothing breaks it, and all is known that the proof covers.
	Proven State = "proven"
)

// States lists the states, worst first.
func States() []State { return []State{Violated, Waived, Unproven, Proven} }

// Levels counts open findings by level.
type Levels struct {
	Critical int `json:"critical"`
	High     int `json:"high"`
	Medium   int `json:"medium"`
	Low      int `json:"low"`
	Info     int `json:"info"`
}

// Add counts one finding more.
func (n *Levels) Add(l finding.Level) {
	switch l {
	case finding.Critical:
		n.Critical++
	case finding.High:
		n.High++
	case finding.Medium:
		n.Medium++
	case finding.Low:
		n.Low++
	case finding.Info:
		n.Info++
	}
}

// Verdict is about one tenant on one cluster.
type Verdict struct {
	Tenant  string `json:"tenant"`
	Cluster string `json:"cluster"`
	// Inferred is true when no document says that it is a tenant.
	Inferred bool  `json:"inferred"`
	State    State `json:"state" jsonschema:"enum=violated,enum=waived,enum=unproven,enum=proven"`
	// Open findings about the tenant there, and those about the platform that break its boundary.
	Open Levels `json:"open"`
	// Waived is the number of such findings that are accepted.
	Waived int `json:"waived"`
	// Unseen is the number of the tenant's appliers there whose files could not be looked at, while their account bounds them to its namespaces.
	Unseen int `json:"unseen"`
	// Reasons why it is not proven, beside findings; sorted.
	Reasons []Reason `json:"reasons"`
}

// byRights is said of a proof that rests on the rights of accounts alone.
const byRights = "proven (by rights)"

// Words are the verdict as people read it: one of [Words]. A proof that knows the rights of the tenant's accounts and not its files is called so.
func (v *Verdict) Words() string {
	switch {
	case v.State == Waived:
		return "violated (waived)"
	case v.State == Proven && v.Unseen > 0:
		return byRights
	}
	return string(v.State)
}

// Words are all that [Verdict.Words] may say, worst first.
func Words() []string {
	return []string{string(Violated), "violated (waived)", string(Unproven), byRights, string(Proven)}
}

// Reason is one thing that is not known.
type Reason struct {
	// Rule that could not be decided.
	Rule string `json:"rule"`
	// Message is one line without a full stop: what is missing.
	Message string `json:"message"`
	// Hint is the cure; empty when there is none.
	Hint string `json:"hint,omitempty"`
	// Object that it is about, if any.
	Object *object.ID `json:"object,omitempty"`
}

func (r *Reason) compare(o *Reason) int {
	id := func(r *Reason) object.ID {
		if r.Object == nil {
			return object.ID{}
		}
		return *r.Object
	}
	return cmp.Or(cmp.Compare(r.Rule, o.Rule), id(r).Compare(id(o)), cmp.Compare(r.Message, o.Message), cmp.Compare(r.Hint, o.Hint))
}

// Open is one thing that is not known, with all clusters where it is not.
type Open struct {
	Reason
	// Concern is whose it is: "tenant/NAME", or "platform" for what every tenant of the clusters depends on.
	Concern string `json:"concern"`
	// Clusters, sorted; empty for the fleet as a whole.
	Clusters []string `json:"clusters"`
	// Known is true when it was not known before the change either, on each of the clusters.
	Known bool `json:"known"`
}

// In reports whether one of a list says the same, on all clusters of u.
func (u *Open) In(list []Open) bool {
	return slices.ContainsFunc(list, func(o Open) bool {
		return u.Concern == o.Concern && u.compare(&o.Reason) == 0 && (len(u.Clusters) == 0) == (len(o.Clusters) == 0) &&
			!slices.ContainsFunc(u.Clusters, func(c string) bool { return !slices.Contains(o.Clusters, c) })
	})
}

// Finding is a finding with what this report knows of it.
type Finding struct {
	finding.Finding
	// Key is the fingerprint of the finding: the same in every run.
	Key string `json:"fingerprint"`
	// Boundary is true when it breaks the proof that a tenant stays in its compartment.
	Boundary bool `json:"boundary"`
	// Known is true when the baseline or the revision before the change has it. A known finding fails nothing.
	Known bool `json:"known"`
}

// New reports whether the finding counts: nobody accepted it, and it is not known.
func (f *Finding) New() bool { return f.Open() && !f.Known }

// At is the level of the finding; of one without a level, what its severity stands for.
func (f *Finding) At() finding.Level {
	switch {
	case f.Level != "":
		return f.Level
	case f.Severity == finding.Error:
		return finding.High
	case f.Severity == finding.Warning:
		return finding.Medium
	}
	return finding.Low
}

// Report is all that is to be said of a fleet.
type Report struct {
	// Clusters that were looked at, sorted.
	Clusters []string `json:"clusters"`
	// Verdicts by tenant and cluster.
	Verdicts []Verdict `json:"verdicts"`
	// Findings, those that count first, the worst first.
	Findings []Finding `json:"findings"`
	// Unproven is what is not known, each once.
	Unproven []Open `json:"unproven"`
}

// Platform is the concern of what no tenant decides.
const Platform = "platform"

// concernOf a tenant's name; "" for the platform.
func concernOf(tenant string) string {
	if tenant == "" {
		return Platform
	}
	return "tenant/" + tenant
}

// TenantOf is the tenant's name of a concern; "" for other concerns.
func TenantOf(concern string) string {
	name, _ := strings.CutPrefix(concern, "tenant/")
	if name == concern {
		return ""
	}
	return name
}

// Compare orders findings: those that count first, then known ones, then accepted ones, each as [finding.Compare] has it.
func Compare(a, b *Finding) int {
	rank := func(f *Finding) int {
		switch {
		case !f.Open():
			return 2
		case f.Known:
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.At().Rank(), b.At().Rank()), finding.Compare(&a.Finding, &b.Finding))
}

// Only is the part of the report about some clusters, tenants and rules; none of a kind stands for all. Verdicts stay what they are: they are of all
// rules, and of what the tenant's cluster is as a whole. What is about the platform and breaks the boundary is a part of every tenant's.
func (r *Report) Only(clusters, tenants, rules []string) *Report {
	in := func(list []string, name string) bool { return len(list) == 0 || slices.Contains(list, name) }
	out := &Report{Clusters: []string{}, Verdicts: []Verdict{}, Findings: []Finding{}, Unproven: []Open{}}
	for _, c := range r.Clusters {
		if in(clusters, c) {
			out.Clusters = append(out.Clusters, c)
		}
	}
	on := out.Clusters // where the tenants are, for what is about the platform
	if len(tenants) > 0 {
		on = nil
	}
	for i := range r.Verdicts {
		v := &r.Verdicts[i]
		if !in(clusters, v.Cluster) || !in(tenants, v.Tenant) {
			continue
		}
		out.Verdicts = append(out.Verdicts, *v)
		if len(tenants) > 0 {
			on = append(on, v.Cluster)
		}
	}
	// reduced are the clusters that are left of a list, and whether anything is.
	reduced := func(list []string, concern string, boundary bool) ([]string, bool) {
		within := out.Clusters
		if name := TenantOf(concern); len(tenants) > 0 && (name == "" || !in(tenants, name)) {
			if within = on; name != "" || !boundary {
				return nil, false
			}
		}
		if len(list) == 0 {
			return list, true
		}
		left := slices.DeleteFunc(slices.Clone(list), func(c string) bool { return !slices.Contains(within, c) })
		return left, len(left) > 0
	}
	for i := range r.Findings {
		f := r.Findings[i]
		left, some := reduced(f.Clusters, f.Concern, f.Boundary)
		if !some || !in(rules, f.Rule) {
			continue
		}
		f.Clusters = left
		f.Key = f.Fingerprint()
		out.Findings = append(out.Findings, f)
	}
	for i := range r.Unproven {
		u := r.Unproven[i]
		left, some := reduced(u.Clusters, u.Concern, true)
		if some && in(rules, u.Rule) {
			u.Clusters = left
			out.Unproven = append(out.Unproven, u)
		}
	}
	return out
}

// Tell is what is not known in the form of findings, for formats that have no other.
func (u *Open) Tell() finding.Finding {
	// Without the object, whose fingerprint would be that of a violation.
	return finding.Finding{Rule: u.Rule, Severity: finding.Note, Level: finding.Info, Message: "not proven: " + u.Message, Hint: u.Hint, Clusters: u.Clusters, Concern: u.Concern}
}

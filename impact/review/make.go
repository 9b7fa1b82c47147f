package review

import (
	"cmp"
	"context"
	"slices"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/impact/cause"
	"github.com/bulkhead-dev/bulkhead/impact/concern"
	"github.com/bulkhead-dev/bulkhead/impact/risk"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// Version is one side of a comparison: the hub at one revision.
type Version struct {
	// Rendered is what Flux applies; nil for a fleet without clusters.
	Rendered *render.Result
	// Tree is the repository under review.
	Tree *tree.Tree
	// Documents of the tree. Gates hold as those before say; everything else is read after.
	Documents v1alpha1.Documents
}

// Of makes a review of a report, which [impact.Between] made of the two versions with the
// files of opts. The end of ctx interrupts expressions of gates, which then
// count as failed. Nothing given is changed.
func Of(ctx context.Context, report *impact.Report, before, after Version, opts Options) *Review {
	docs := after.Documents
	if opts.Redact == nil {
		opts.Redact = object.NewRedactor(nil)
	}
	m := &maker{
		report: report, before: before, after: after, redact: opts.Redact, opts: opts,
		judge:   concern.New(fleetOf(docs), before.Rendered, after.Rendered),
		finders: []*cause.Finder{cause.New(before.Rendered, after.Rendered, report, cause.Options{Files: opts.Files, Before: before.Tree, After: after.Tree})},
		concern: map[*impact.Change]concern.Concern{}, why: map[*impact.Change]string{}, risks: map[*impact.Change][]risk.Risk{},
	}
	m.Review = &Review{SchemaVersion: SchemaVersion, Base: opts.Base, Head: opts.Head, Only: opts.Only, Details: &Details{Files: some(opts.Files), Spokes: some(opts.Spokes)}}
	for _, s := range opts.Spokes {
		m.finders = append(m.finders, cause.New(before.Rendered, after.Rendered, report, cause.Options{Files: s.Files, Before: s.Before, After: s.After, URL: s.URL}))
	}
	m.causes = m.causesOn
	m.assess()
	m.groups()
	m.lists()
	m.decide(ctx)
	m.cut()
	m.clusters()
	m.matrix()
	m.verdict()
	m.headlines()
	return m.Review
}

func fleetOf(docs v1alpha1.Documents) concern.Fleet {
	f := concern.Fleet{Tenants: docs.Tenants, Clusters: docs.Clusters}
	if docs.Fleet != nil {
		f.Concerns, f.EnvironmentLabel = docs.Fleet.Spec.Concerns, docs.Fleet.Spec.EnvironmentLabel
	}
	return f
}

// maker puts a review together.
type maker struct {
	*Review
	report        *impact.Report
	before, after Version
	redact        *object.Redactor
	opts          Options
	judge         *concern.Judge
	finders       []*cause.Finder // of the hub, then of the spokes
	concern       map[*impact.Change]concern.Concern
	why           map[*impact.Change]string // what tells the concern
	risks         map[*impact.Change][]risk.Risk
	loose         []risk.Risk // of withheld appliers
	hidden        int         // changes that are not of the concern asked for
}

// assess finds concern and risks of every change.
func (m *maker) assess() {
	for _, c := range m.report.Clusters {
		for _, ch := range c.Changes {
			m.concern[ch], m.why[ch] = m.judge.Of(ch)
		}
	}
	for _, r := range risk.Assess(m.before.Rendered, m.after.Rendered, m.report) {
		if r.Change == nil {
			m.loose = append(m.loose, r)
			continue
		}
		m.risks[r.Change] = append(m.risks[r.Change], r)
	}
}

// groups are those of the report, apart by concern, the worst first.
func (m *maker) groups() {
	m.Groups = []Group{}
	for _, g := range m.report.Groups {
		var keys []string
		parts := map[string][]*impact.Change{}
		for _, ch := range g.Changes {
			k := string(m.concern[ch])
			if parts[k] == nil {
				keys = append(keys, k)
			}
			parts[k] = append(parts[k], ch)
		}
		for _, k := range keys {
			m.Groups = append(m.Groups, m.group(parts[k]))
		}
	}
	slices.SortStableFunc(m.Groups, func(a, b Group) int { return cmp.Compare(a.Severity.Rank(), b.Severity.Rank()) })
	short := shortNames(m.Groups)
	for i := range m.Groups {
		m.Groups[i].Name = short[m.Groups[i].ID]
	}
}

// group is one change on some clusters.
func (m *maker) group(changes []*impact.Change) Group {
	ch := changes[0]
	g := Group{
		Kind: ch.Kind, ID: ch.ID, Concern: string(m.concern[ch]), ConcernWhy: m.why[ch],
		Fate: ch.Fate, Why: ch.Why, Refused: ch.Refused, Recreated: ch.Recreated, Replaces: ch.Replaces,
		Before: sideOf(ch.Before), After: sideOf(ch.After), Edits: []object.Edit{}, Risks: []finding.Finding{}, Causes: []Cause{},
	}
	for _, other := range changes {
		g.Clusters = append(g.Clusters, other.Cluster)
	}
	slices.Sort(g.Clusters)
	g.Environments = m.environmentsOf(g.Clusters)
	g.Causes = m.causesOf(ch)
	g.Risks = m.findings(&g, changes)
	before, after := bodyOf(ch.Before), bodyOf(ch.After)
	if len(ch.Edits) > 0 {
		g.Edits = edits(m.redact, before, after, ch.Edits)
	}
	g.Diff = diff(m.redact, before, after)
	g.Key = keyOf(&g)
	return g
}

// findings are the risks of the changes of a group, each with the clusters that it is on: messages and
// severities may differ from one to the next.
func (m *maker) findings(g *Group, changes []*impact.Change) []finding.Finding {
	out := []finding.Finding{}
	type alike struct {
		rule, message, hint, field string
		severity                   finding.Severity
	}
	at := map[alike]int{}
	for _, ch := range changes {
		for _, r := range m.risks[ch] {
			k := alike{r.Rule, r.Message, r.Hint, r.Field, r.Severity}
			i, seen := at[k]
			if !seen {
				i = len(out)
				at[k] = i
				out = append(out, m.finding(r, g))
			}
			if own := out[i].Clusters; len(own) == 0 || own[len(own)-1] != ch.Cluster {
				out[i].Clusters = append(own, ch.Cluster)
			}
		}
	}
	return out
}

// finding is a risk as a finding of a group of changes, without its clusters.
func (m *maker) finding(r risk.Risk, g *Group) finding.Finding {
	id := g.ID
	f := finding.Finding{
		Rule: r.Rule, Severity: r.Severity, Message: m.redact.Text(r.Message, bodyOf(r.Change.Before), bodyOf(r.Change.After)),
		Hint: r.Hint, Concern: g.Concern, Object: &id, Field: r.Field,
	}
	if len(g.Causes) > 0 && g.Causes[0].Source == "" {
		f.File = g.Causes[0].File
	}
	return f
}

func bodyOf(o *object.Object) *object.Body {
	if o == nil {
		return nil
	}
	return o.Body()
}

func sideOf(o *object.Object) *Side {
	if o == nil {
		return nil
	}
	return &Side{o.Origin.Owner(), some(o.Origin.Chain), o.Origin.Source, o.Origin.File}
}

// causesOf are the ways from the commit to a change.
func (m *maker) causesOf(ch *impact.Change) []Cause {
	out := []Cause{}
	for i, f := range m.finders {
		of := ""
		if i > 0 {
			of = m.opts.Spokes[i-1].URL
		}
		for _, c := range f.Of(ch) {
			k := Cause{Source: of, File: c.File, Via: []string{}}
			for _, s := range c.Via {
				k.Via = append(k.Via, s.Text)
			}
			out = append(out, k)
		}
	}
	return out
}

// causesOn are those of an object on one cluster.
func (m *maker) causesOn(cluster string, id object.ID) []Cause {
	for _, c := range m.report.Clusters {
		for _, ch := range c.Changes {
			if c.Name == cluster && ch.ID == id {
				return m.causesOf(ch)
			}
		}
	}
	return []Cause{}
}

// some is list, or an empty list for nil: JSON has no null lists.
func some[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

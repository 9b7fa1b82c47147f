package part

import (
	"slices"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
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

// Options of what is looked for.
type Options struct {
	// Comparison is what is compared; Salt is filled in.
	Comparison Comparison
	// Shard that the report is of; zero for the whole fleet.
	Shard Shard
	// Stats of both renders.
	Stats render.Stats
	// Redact hides what is secret; nil for one of this part alone, which cannot be put together with others.
	Redact *object.Redactor
	// Owners asks whose each applier is that something is told of, which a review of one concern wants to know.
	// It is so for every shard.
	Owners bool
}

// Of finds what there is to say of a report, which [impact.Between] made of the two versions with the
// files of opts. Nothing given is changed.
func Of(report *impact.Report, before, after Version, opts Options) *Part {
	if opts.Redact == nil {
		opts.Redact = object.NewRedactor(nil)
	}
	docs, c := after.Documents, opts.Comparison
	c.Files, c.Spokes, c.Salt = some(c.Files), some(c.Spokes), opts.Redact.Digest("salt")
	m := &maker{
		report: report, before: before, after: after, opts: opts, redact: opts.Redact,
		judge:   concern.New(concern.FleetOf(docs, before.Tree, after.Tree), before.Rendered, after.Rendered),
		finders: []*cause.Finder{cause.New(before.Rendered, after.Rendered, report, cause.Options{Files: c.Files, Before: before.Tree, After: after.Tree})},
		risks:   map[*impact.Change][]risk.Risk{}, loose: map[string][]risk.Risk{},
	}
	for _, s := range c.Spokes {
		m.finders = append(m.finders, cause.New(before.Rendered, after.Rendered, report, cause.Options{Files: s.Files, Before: s.Before, After: s.After, URL: s.URL}))
	}
	m.Part = &Part{
		SchemaVersion: SchemaVersion, Shard: opts.Shard, Comparison: c, Documents: documents(before.Documents, docs), Stats: opts.Stats,
		Clusters: []Cluster{}, Changes: []Change{}, Files: []concern.File{}, Unread: some(report.Unread), causes: m.causesOn,
	}
	m.assess()
	m.clusters()
	m.changes()
	for _, f := range c.Files {
		m.Files = append(m.Files, m.judge.File(f))
	}
	m.Strays = m.judge.Strays()
	cover := render.CoverageOf(clustersOf(after.Rendered))
	m.Appliers, m.Built, m.Failures = cover.Appliers, cover.Built, cover.Failures
	return m.Part
}

func clustersOf(r *render.Result) []*render.Cluster {
	if r == nil {
		return nil
	}
	return r.Clusters
}

func documents(before, after v1alpha1.Documents) Documents {
	d := Documents{Before: []Gate{}, After: []Gate{}, Waivers: waivers(after), WaiversBefore: waivers(before)}
	for _, k := range []struct {
		of *v1alpha1.Fleet
		to *[]Gate
	}{{before.Fleet, &d.Before}, {after.Fleet, &d.After}} {
		if k.of == nil {
			continue
		}
		for _, g := range k.of.Spec.Gates {
			*k.to = append(*k.to, Gate{g, g.Place.File, g.Place.Line})
		}
	}
	for i := range before.Clusters {
		if c := &before.Clusters[i]; len(c.Labels) > 0 {
			if d.LabelsBefore == nil {
				d.LabelsBefore = map[string]map[string]string{}
			}
			d.LabelsBefore[c.Name] = c.Labels
		}
	}
	return d
}

func waivers(docs v1alpha1.Documents) []Waiver {
	out := []Waiver{}
	for _, w := range docs.Waivers {
		out = append(out, Waiver{w, w.Place.File, w.Place.Line})
	}
	return out
}

// maker puts a part together.
type maker struct {
	*Part
	report        *impact.Report
	before, after Version
	redact        *object.Redactor
	opts          Options
	judge         *concern.Judge
	finders       []*cause.Finder // of the hub, then of the spokes
	risks         map[*impact.Change][]risk.Risk
	loose         map[string][]risk.Risk // of withheld appliers, by cluster
}

// assess finds the risks of every change.
func (m *maker) assess() {
	for _, r := range risk.Assess(m.before.Rendered, m.after.Rendered, m.report) {
		if r.Change == nil {
			m.loose[r.Cluster] = append(m.loose[r.Cluster], r)
			continue
		}
		m.risks[r.Change] = append(m.risks[r.Change], r)
	}
}

// changes are the groups of the report, apart by whose they are.
func (m *maker) changes() {
	for _, g := range m.report.Groups {
		type apart struct {
			concern, other concern.Concern
			alone          string
		}
		var keys []apart
		parts, whose := map[apart][]*impact.Change{}, map[apart]concern.Whose{}
		for _, ch := range g.Changes {
			w := m.judge.Whose(ch)
			k := apart{concern: w.Concern, alone: w.Alone}
			if w.Else != nil {
				k.other = w.Else.Concern
			}
			if parts[k] == nil {
				keys, whose[k] = append(keys, k), w
			}
			parts[k] = append(parts[k], ch)
		}
		for _, k := range keys {
			m.Changes = append(m.Changes, m.change(parts[k], whose[k]))
		}
	}
}

// change is one change on some clusters.
func (m *maker) change(changes []*impact.Change, whose concern.Whose) Change {
	ch := changes[0]
	c := Change{
		Like: m.redact.Digest(ch.Likeness()), Kind: ch.Kind, ID: ch.ID, Whose: whose,
		Fate: ch.Fate, Why: ch.Why, Refused: ch.Refused, Recreated: ch.Recreated, Replaces: ch.Replaces,
		Before: sideOf(ch.Before), After: sideOf(ch.After), Edits: Edits{}, Causes: m.causesOf(ch),
	}
	for _, other := range changes {
		c.Clusters = append(c.Clusters, other.Cluster)
	}
	slices.Sort(c.Clusters)
	c.Risks = m.risksOf(changes)
	before, after := bodyOf(ch.Before), bodyOf(ch.After)
	if len(ch.Edits) > 0 {
		c.Edits = edits(m.redact, before, after, ch.Edits)
	}
	c.Diff = diff(m.redact, before, after)
	return c
}

// risksOf are the risks of equal changes, each with the clusters that it is on: messages and
// severities may differ from one to the next.
func (m *maker) risksOf(changes []*impact.Change) []Risk {
	out := []Risk{}
	at := map[Alike]int{}
	for _, ch := range changes {
		for _, r := range m.risks[ch] {
			k := Risk{Rule: r.Rule, Severity: r.Severity, Message: m.redact.Text(r.Message, bodyOf(ch.Before), bodyOf(ch.After)), Hint: r.Hint, Field: r.Field}
			i, seen := at[k.Alike()]
			if !seen {
				i = len(out)
				at[k.Alike()] = i
				out = append(out, k)
			}
			if own := out[i].Clusters; len(own) == 0 || own[len(own)-1] != ch.Cluster {
				out[i].Clusters = append(own, ch.Cluster)
			}
		}
	}
	return out
}

// Alike is the same for risks that differ in their clusters only.
type Alike struct{ rule, severity, message, hint, field string }

// Alike tells risks apart, but for their clusters.
func (r *Risk) Alike() Alike {
	return Alike{r.Rule, string(r.Severity), r.Message, r.Hint, r.Field}
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
			of = m.Comparison.Spokes[i-1].URL
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

package review

import (
	"cmp"
	"slices"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact/concern"
	"github.com/bulkhead-dev/bulkhead/impact/gate"
	"github.com/bulkhead-dev/bulkhead/impact/part"
	"github.com/bulkhead-dev/bulkhead/object"
)

// value is what gates see of the change.
func (m *maker) value(found []finding.Finding) gate.Impact {
	v := gate.Impact{
		Files: some(m.Files), Labels: some(m.opts.Labels), Unread: m.Unread, FileConcerns: map[string]string{},
		Clusters: []gate.Cluster{}, Environments: []string{}, Concerns: []string{}, Tenants: []string{},
		Risks: []gate.Risk{}, Changes: []gate.Change{}, Failures: []gate.Failure{}, Unresolved: []gate.Unresolved{},
	}
	v.Counts.Fleet = len(m.all)
	files := map[string][]concern.File{}
	for _, p := range m.parts {
		for _, f := range p.Files {
			files[f.Path] = append(files[f.Path], f)
		}
	}
	for _, f := range m.Files {
		of, _ := concern.OfFile(files[f])
		v.FileConcerns[f] = string(of)
	}
	m.valueClusters(&v, found)
	m.valueChanges(&v, found)
	for i := range found {
		v.Risks = append(v.Risks, m.valueRisk(&found[i]))
	}
	for _, f := range m.Failures {
		v.Failures = append(v.Failures, gate.Failure{Cluster: f.Cluster, Applier: f.Applier.String(), Message: oneLine(f.Message), New: f.New})
		if f.New {
			v.Counts.NewFailures++
		}
	}
	for _, u := range m.Unknown {
		v.Unresolved = append(v.Unresolved, gate.Unresolved{Cluster: u.Cluster, Kind: u.Kind, Subject: u.Subject, Change: string(u.Change)})
	}
	return v
}

// valueClusters fills in the clusters that change or of which something is not known any more, and the counts.
func (m *maker) valueClusters(v *gate.Impact, found []finding.Finding) {
	worst := map[string]finding.Severity{}
	for i := range found {
		for _, c := range found[i].Clusters {
			if found[i].Open() {
				worst[c] = finding.Worst(worst[c], found[i].Severity)
			}
		}
	}
	for _, c := range m.all {
		n := c.Counts
		v.Counts.Added += n.Added
		v.Counts.Changed += n.Changed
		v.Counts.Removed += n.Removed
		v.Counts.Moved += n.Moved
		v.Counts.Failures += n.Failures
		v.Counts.Unresolved += n.Unresolved
		v.Counts.Withheld += len(c.Withheld)
		if n.Total() > 0 {
			v.Counts.Clusters++
			v.Counts.Objects += n.Total()
		}
		if n.Total()+len(c.Withheld)+len(c.Unknown) == 0 {
			continue
		}
		env := c.Environment
		v.Clusters = append(v.Clusters, valueCluster(c, worst[c.Name]))
		if env != "" && !slices.Contains(v.Environments, env) {
			v.Environments = append(v.Environments, env)
		}
	}
	slices.SortFunc(v.Environments, compareEnvironments)
}

func valueCluster(c *part.Cluster, worst finding.Severity) gate.Cluster {
	labels := c.Labels
	if labels == nil {
		labels = map[string]string{}
	}
	n := c.Counts
	return gate.Cluster{
		Name: c.Name, Environment: c.Environment, Labels: labels, Added: n.Added, Changed: n.Changed, Removed: n.Removed, Moved: n.Moved,
		Total: n.Total(), Failures: n.Failures, Unresolved: n.Unresolved, Withheld: len(c.Withheld), Severity: string(worst),
	}
}

func (m *maker) valueChanges(v *gate.Impact, found []finding.Finding) {
	type of struct {
		rule    string
		id      object.ID
		concern string
	}
	open := map[of]bool{}
	for i := range found {
		if f := &found[i]; f.Open() && f.Object != nil {
			open[of{f.Rule, *f.Object, f.Concern}] = true
		}
	}
	for i := range m.Groups {
		g := &m.Groups[i]
		ch := gate.Change{
			Change: string(g.Kind), Group: g.ID.Group, Kind: g.ID.Kind, Namespace: g.ID.Namespace, Name: g.ID.Name,
			Clusters: g.Clusters, Environments: named(g.Environments), Concern: g.Concern, Fate: string(g.Fate), Files: []string{}, Risks: []string{},
		}
		for _, c := range g.Causes {
			if c.Source == "" && !slices.Contains(ch.Files, c.File) {
				ch.Files = append(ch.Files, c.File)
			}
		}
		for j := range g.Risks {
			if rule := g.Risks[j].Rule; open[of{rule, g.ID, g.Concern}] && !slices.Contains(ch.Risks, rule) {
				ch.Risks = append(ch.Risks, rule)
			}
		}
		slices.Sort(ch.Files)
		slices.Sort(ch.Risks)
		v.Changes = append(v.Changes, ch)
		if !slices.Contains(v.Concerns, g.Concern) {
			v.Concerns = append(v.Concerns, g.Concern)
		}
		if name, ok := concern.Concern(g.Concern).TenantName(); ok && !slices.Contains(v.Tenants, name) {
			v.Tenants = append(v.Tenants, name)
		}
	}
	slices.Sort(v.Concerns)
	slices.Sort(v.Tenants)
	slices.SortStableFunc(v.Changes, func(a, b gate.Change) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
}

func (m *maker) valueRisk(f *finding.Finding) gate.Risk {
	r := gate.Risk{
		ID: f.Rule, Severity: string(f.Severity), Message: alone(f), Clusters: f.Clusters, Environments: named(m.environmentsOf(f.Clusters)),
		Concern: f.Concern, Waived: !f.Open(),
	}
	if f.Object != nil {
		r.Kind, r.Namespace, r.Name = f.Object.Kind, f.Object.Namespace, f.Object.Name
	}
	return r
}

// named are the environments that have a name.
func named(list []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(e string) bool { return e == "" })
}

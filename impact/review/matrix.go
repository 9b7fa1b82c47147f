package review

import (
	"cmp"
	"slices"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/impact/concern"
)

// clusters fills in the clusters and their environments.
func (m *maker) clusters() {
	m.Clusters = []Cluster{}
	failures, unresolved, withheld, unknown := map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}
	for _, f := range m.Failures {
		failures[f.Cluster]++
	}
	for _, u := range m.Unresolved {
		unresolved[u.Cluster]++
	}
	for _, w := range m.Withheld {
		withheld[w.Cluster]++
	}
	for _, u := range m.Unknown {
		unknown[u.Cluster]++
	}
	counts, worst := map[string]*impact.Counts{}, m.worstByCluster()
	for _, c := range m.all {
		counts[c.Name] = &impact.Counts{Failures: failures[c.Name], Unresolved: unresolved[c.Name]}
	}
	for i := range m.Groups {
		for _, c := range m.Groups[i].Clusters {
			count(counts[c], m.Groups[i].Kind)
		}
	}
	for _, c := range m.all {
		n := *counts[c.Name]
		m.Clusters = append(m.Clusters, Cluster{
			Name: c.Name, Environment: c.Environment, Labels: c.Labels, Counts: n, Withheld: withheld[c.Name],
			Appeared: c.Appeared, Gone: c.Gone, Severity: worst[c.Name],
			Touched: n.Total()+n.Failures+withheld[c.Name]+unknown[c.Name] > 0 || c.Appeared || c.Gone,
		})
	}
	slices.SortStableFunc(m.Clusters, func(a, b Cluster) int {
		return cmp.Or(compareEnvironments(a.Environment, b.Environment), cmp.Compare(a.Name, b.Name))
	})
	m.Environments = []Environment{}
	for _, c := range m.Clusters {
		n := len(m.Environments)
		if n == 0 || m.Environments[n-1].Name != c.Environment {
			m.Environments = append(m.Environments, Environment{Name: c.Environment, Inferred: true, Clusters: []string{}})
			n++
		}
		e := &m.Environments[n-1]
		e.Clusters = append(e.Clusters, c.Name)
		e.Inferred = e.Inferred && m.facts[c.Name].Inferred
		if c.Total() > 0 {
			e.Changed++
		}
	}
}

// worstByCluster is the severity of the worst open finding of each cluster.
func (m *maker) worstByCluster() map[string]finding.Severity {
	worst := map[string]finding.Severity{}
	for i := range m.Findings {
		f := &m.Findings[i]
		if !f.Open() || isGate(f.Rule) {
			continue
		}
		for _, c := range f.Clusters {
			worst[c] = finding.Worst(worst[c], f.Severity)
		}
	}
	return worst
}

func count(n *impact.Counts, k impact.Kind) {
	switch k {
	case impact.Added:
		n.Added++
	case impact.Changed:
		n.Changed++
	case impact.Removed:
		n.Removed++
	case impact.Moved:
		n.Moved++
	}
}

// compareEnvironments orders them as a change travels: development first, production last,
// clusters without an environment after that.
func compareEnvironments(a, b string) int {
	return cmp.Or(cmp.Compare(stage(a), stage(b)), cmp.Compare(a, b))
}

func stage(env string) int {
	switch env {
	case "dev", "development", "test", "qa", "lab", "sandbox", "preview":
		return 0
	case "staging", "stage", "preprod", "uat":
		return 2
	case "prod", "production", "live":
		return 3
	case "":
		return 4
	default:
		return 1
	}
}

// environmentsOf are those of clusters, in order.
func (m *maker) environmentsOf(clusters []string) []string {
	out := []string{}
	for _, c := range clusters {
		if env := m.facts[c].Environment; !slices.Contains(out, env) {
			out = append(out, env)
		}
	}
	slices.SortFunc(out, compareEnvironments)
	return out
}

// matrix fills in the concerns and the cells.
func (m *maker) matrix() {
	type at struct{ cluster, concern string }
	cells := map[at]*Cell{}
	concerns := map[string]*Concern{}
	for i := range m.Groups {
		g := &m.Groups[i]
		k := concerns[g.Concern]
		if k == nil {
			k = &Concern{Name: g.Concern, Clusters: []string{}}
			concerns[g.Concern] = k
		}
		k.Severity = finding.Worst(k.Severity, g.Severity)
		for _, c := range g.Clusters {
			cell := cells[at{c, g.Concern}]
			if cell == nil {
				cell = &Cell{Cluster: c, Concern: g.Concern}
				cells[at{c, g.Concern}] = cell
				k.Clusters = append(k.Clusters, c)
			}
			count(&cell.Counts, g.Kind)
			count(&k.Counts, g.Kind)
			for j := range g.Risks {
				if r := &g.Risks[j]; r.Open() && (len(g.Clusters) == 1 || slices.Contains(r.Clusters, c)) {
					cell.Severity = finding.Worst(cell.Severity, r.Severity)
					cell.Risks++
				}
			}
		}
	}
	m.Concerns, m.Matrix = []Concern{}, []Cell{}
	for _, k := range concerns {
		slices.Sort(k.Clusters)
		m.Concerns = append(m.Concerns, *k)
	}
	slices.SortFunc(m.Concerns, func(a, b Concern) int {
		return cmp.Or(cmp.Compare(a.Severity.Rank(), b.Severity.Rank()), cmp.Compare(b.Total(), a.Total()), cmp.Compare(order(a.Name), order(b.Name)), cmp.Compare(a.Name, b.Name))
	})
	for _, c := range m.Clusters {
		for _, k := range m.Concerns {
			if cell := cells[at{c.Name, k.Name}]; cell != nil {
				m.Matrix = append(m.Matrix, *cell)
			}
		}
	}
}

// order puts the platform before cluster-specific before tenants.
func order(name string) int {
	switch name {
	case string(concern.Platform):
		return 0
	case string(concern.Cluster):
		return 1
	default:
		return 2
	}
}

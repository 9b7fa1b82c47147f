package review

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/render"
)

// verdict sums up the gates and the findings.
func (m *maker) verdict() {
	v := Verdict{State: Passed, Reasons: []string{}}
	for i := range m.Findings {
		f := &m.Findings[i]
		switch {
		case !f.Open():
			v.Waived++
		case f.Severity == finding.Error:
			v.Errors++
		case f.Severity == finding.Warning:
			v.Warnings++
		}
		if f.Open() && decides(f.Rule) {
			v.State = worse(v.State, f.Severity)
		}
	}
	for i := range m.Gates {
		if g := &m.Gates[i]; (g.State == Failed || g.State == Broken) && worse(Passed, g.Severity) == v.State {
			v.Reasons = append(v.Reasons, g.Name+": "+g.Message)
		}
	}
	m.Verdict = v
}

func worse(s State, by finding.Severity) State {
	switch {
	case by == finding.Error:
		return Failed
	case by == finding.Warning && s == Passed:
		return Warned
	}
	return s
}

// broken are the clusters on which appliers can no longer be applied, blind those on which nothing can
// be said of some.
type trouble struct {
	broken, blind, dim map[string]bool
	breaks, others     int
}

func (m *maker) trouble() trouble {
	t := trouble{broken: map[string]bool{}, blind: map[string]bool{}, dim: map[string]bool{}}
	for _, u := range m.Unknown {
		t.dim[u.Cluster] = true
	}
	for _, c := range m.all {
		for _, a := range c.Refused {
			if m.shows(c.Name, a) {
				t.broken[c.Name] = true
				t.breaks++
			}
		}
	}
	for _, w := range m.Withheld {
		switch {
		case w.After == render.Failed && w.Before != render.Failed:
			t.broken[w.Cluster] = true
			t.breaks++
		case w.Under == nil || *w.Under == (object.Applier{}):
			t.blind[w.Cluster] = true
			t.others++
		}
	}
	return t
}

// headlines are what a reviewer reads first.
func (m *maker) headlines() {
	t := m.trouble()
	all := len(m.all)
	say := func(s finding.Severity, format string, args ...any) {
		m.Headlines = append(m.Headlines, Headline{s, fmt.Sprintf(format, args...)})
	}
	if t.breaks > 0 {
		say(finding.Error, "the change breaks %d of %s: %s, where %s can no longer be applied",
			len(t.broken), phrase.Count(all, "cluster"), phrase.List(sorted(t.broken), 8), phrase.Count(t.breaks, "applier"))
	}
	say("", "%s", m.hits(t))
	if t.others > 0 {
		say(finding.Warning, "of %s on %s nothing can be said, see withheld", phrase.Count(t.others, "applier"), phrase.List(sorted(t.blind), 8))
	}
	if m.hidden > 0 {
		say(finding.Warning, "%s not of %s and not shown", phrase.Count(m.hidden, "more change")+phrase.Verb(m.hidden, " is", " are"), m.Only)
	}
	if len(t.dim) > 0 {
		say(finding.Warning, "what is unresolved differs on %s: more may change there", phrase.List(sorted(t.dim), 8))
	}
}

// hits says who is hit and where.
func (m *maker) hits(t trouble) string {
	var changing []string
	objects := 0
	for _, c := range m.Clusters {
		if c.Total() > 0 {
			changing = append(changing, c.Name)
			objects += c.Total()
		}
	}
	of := ""
	if m.Only != "" {
		of = " of " + m.Only
	}
	if len(changing) > 0 {
		return fmt.Sprintf("%d of %s %s: %s; %s%s%s", len(changing), phrase.Count(len(m.Clusters), "cluster"), phrase.Verb(len(changing), "changes", "change"),
			m.byEnvironment(changing), phrase.Count(objects, "object"), of, m.whose())
	}
	text := "no cluster is changed"
	if of != "" {
		text = "nothing" + of + " is changed"
	}
	if t.breaks+t.others+len(t.dim) > 0 {
		text = strings.Replace(text, "is changed", "is known to change", 1)
	}
	if open := m.open(); open != "" {
		text += ", as far as can be known offline: " + open
	}
	return text
}

// byEnvironment lists clusters, and environments where there are many.
func (m *maker) byEnvironment(clusters []string) string {
	if len(clusters) <= 8 {
		return strings.Join(clusters, ", ")
	}
	var parts []string
	for _, e := range m.Environments {
		if e.Name != "" && e.Changed > 0 {
			parts = append(parts, fmt.Sprintf("%d of %d in %s", e.Changed, len(e.Clusters), e.Name))
		}
	}
	if len(parts) == 0 {
		return phrase.List(clusters, 8)
	}
	return strings.Join(parts, ", ")
}

// whose says whose objects change: "" when nobody but the platform is hit.
func (m *maker) whose() string {
	var tenants []string
	platform := false
	for _, k := range m.Concerns {
		if name, ok := strings.CutPrefix(k.Name, "tenant/"); ok {
			tenants = append(tenants, name)
		} else {
			platform = true
		}
	}
	slices.Sort(tenants)
	switch {
	case m.Only != "" || len(tenants) == 0:
		return ""
	case platform:
		return " of the platform and of " + phrase.Count(len(tenants), "tenant") + " (" + phrase.List(tenants, 4) + ")"
	}
	return " of " + phrase.Count(len(tenants), "tenant") + " (" + phrase.List(tenants, 4) + ")"
}

// open counts what keeps the answer from being whole, "" when nothing does.
func (m *maker) open() string {
	failures, unresolved := Incomplete(m.parts)
	if m.Only != "" {
		failures, unresolved = len(m.Failures), len(m.Unresolved)
	}
	var parts []string
	if failures > 0 {
		parts = append(parts, phrase.Count(failures, "failure"))
	}
	if unresolved > 0 {
		parts = append(parts, fmt.Sprintf("%d unresolved", unresolved))
	}
	return strings.Join(parts, ", ")
}

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }

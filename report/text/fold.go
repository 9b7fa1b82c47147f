package text

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/impact/review"
	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/report/term"
)

// foldable says whether nothing about a group is lost when it is counted: somebody has to read risks, refusals and what goes.
func foldable(g *review.Group) bool {
	return (g.Kind == impact.Added || g.Kind == impact.Changed) && g.Severity == "" && len(g.Risks) == 0 && g.Refused == "" && g.Recreated == "" && g.Replaces == nil
}

// fold parts the groups in those that are told one by one, and those that are counted: by name, change and clusters.
func (p *printer) fold() (told []*review.Group, counted [][]*review.Group) {
	at := map[string]int{}
	for i := range p.Groups {
		g := &p.Groups[i]
		name := ""
		if p.foldAs != nil && foldable(g) {
			name = p.foldAs(g)
		}
		if name == "" {
			told = append(told, g)
			continue
		}
		key := strings.Join(append([]string{name, string(g.Kind)}, g.Clusters...), "\x00")
		if _, known := at[key]; !known {
			at[key] = len(counted)
			counted = append(counted, nil)
		}
		counted[at[key]] = append(counted[at[key]], g)
	}
	return told, counted
}

// counted is one line for groups of one name, and why they change.
func (p *printer) counted(all []*review.Group) {
	n := map[string]int{}
	for _, g := range all {
		n[g.ID.Kind]++
	}
	var kinds []string
	for _, kind := range slices.Sorted(maps.Keys(n)) {
		kinds = append(kinds, phrase.Count(n[kind], kind))
	}
	g := all[0]
	p.printf("\n")
	p.printf("%s  %s\n", p.Look(lookOfKind(g.Kind), fmt.Sprintf("%-7s", g.Kind)), p.Look(term.Bold, term.Safe(p.foldAs(g)))+"  "+p.on(g.Clusters, width-len(indent)-term.Width(p.foldAs(g))))
	p.wrapped(indent, "", strings.Join(kinds, ", ")+"; -o json lists them")
	if files := causes(all); len(files) > 0 {
		p.wrapped(indent, "", "because of "+phrase.List(files, 5))
	}
}

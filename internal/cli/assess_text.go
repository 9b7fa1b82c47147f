package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/bulkhead-dev/bulkhead/impact/history"
	"github.com/bulkhead-dev/bulkhead/layout/advice"
	"github.com/bulkhead-dev/bulkhead/layout/shape"
	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/report/term"
)

// lineWidth is what lines of text are kept to, in characters.
const lineWidth = 100

// listed is how many rows of one kind are shown; -o json has all.
const listed = 5

// assess writes the answer, the most important first.
func (s *streams) assess(d *AssessDocument) {
	s.assessHead(d)
	s.assessAdvice(&d.Advice)
	if d.Shape.Layout != shape.Spoke {
		s.assessWays(d)
		s.assessReach(d)
		s.assessHistory(&d.History)
		s.assessFolders(d.MixedFolders)
		s.assessIsolation(d)
	}
	s.title("Why " + d.Shape.Layout.String())
	for _, e := range d.Shape.Evidence {
		text := e.Text
		if e.File != "" {
			text = e.File + ": " + text
		}
		s.para("  ", "    ", text)
	}
	if d.Shape.Layout != shape.Spoke {
		s.printf("\n%s\n", d.Coverage)
	} else if d.History.Note != "" {
		s.title("History")
		s.para("  ", "  ", d.History.Note)
	}
}

// assessHead is the layout in a line or two.
func (s *streams) assessHead(d *AssessDocument) {
	n := d.Figures
	text := "This is " + d.Shape.Layout.String()
	if d.Shape.Layout == shape.Spoke {
		s.para("", "", text+" of "+phrase.Count(n.Files, "file"))
		return
	}
	environments := "no environment"
	if n.Environments > 0 {
		environments = phrase.Count(n.Environments, "environment") + " (" + phrase.List(environmentsOf(d.Clusters), 6) + ")"
	}
	tenants := "no tenant known"
	if n.Tenants > 0 {
		var names []string
		for _, t := range d.Tenants {
			names = append(names, t.Name)
		}
		tenants = phrase.Count(n.Tenants, "tenant") + " (" + phrase.List(names, 4) + ")"
	}
	parts := []string{phrase.Count(n.Clusters, "cluster"), environments, tenants}
	if n.Repositories > 1 {
		parts = append(parts, phrase.Count(n.Repositories, "repository"))
	}
	s.para("", "", text+": "+strings.Join(parts, ", "))
}

func environmentsOf(clusters []AssessedCluster) []string {
	var out []string
	for _, c := range clusters {
		if c.Environment != "" {
			out = append(out, c.Environment)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (s *streams) assessAdvice(a *advice.Advice) {
	answer := "Advice: " + a.Answer.String()
	if len(a.First) > 0 {
		answer += ", but first:"
	}
	s.printf("%s\n", s.look(term.Bold, answer))
	for i, text := range a.First {
		s.para(fmt.Sprintf("  %d. ", i+1), "     ", text)
	}
	for i, text := range a.Reasons {
		first := "           "
		if i == 0 {
			first = "  because  "
		}
		s.para(first, "           ", text)
	}
}

// assessWays is the table of the three ways.
func (s *streams) assessWays(d *AssessDocument) {
	t := term.Table{{"WAY", "REPOS", "A NEW TENANT IS", "ISOLATION", "BEST FOR"}}
	for _, w := range d.Ways {
		name := w.Name
		if w.Here {
			name += " (here)"
		}
		tenant := "?"
		if w.TenantFiles >= 0 {
			tenant = phrase.Count(w.TenantFiles, "file")
			if !w.Hands {
				tenant = phrase.Count(w.TenantFiles, "document")
			}
		}
		open := fmt.Sprintf("%d of %s shared", w.Exposed, phrase.Count(d.Figures.Read, "file"))
		if w.Exposed == 0 && w.Name != "monorepo" {
			open = "0 shared, if proven"
		}
		t = append(t, []string{name, strconv.Itoa(w.Repositories), tenant, open, w.BestFor})
	}
	s.printf("\n")
	t.Write(s.out, s.colour, func(row, _ int) term.Code {
		if d.Ways[row-1].Here {
			return term.Bold
		}
		return ""
	})
}

// assessReach says how far files reach.
func (s *streams) assessReach(d *AssessDocument) {
	n := d.Figures
	s.title(fmt.Sprintf("Now: %s, %s, %s, of which some cluster reads %d", phrase.Count(n.Appliers, "applier"), phrase.Count(n.Objects, "object"),
		phrase.Count(n.Files, "file"), n.Read))
	if n.Clusters == 1 && n.Tenants < 2 {
		return
	}
	t := term.Table{{"A FILE REACHES", "FILES", "OF THOSE READ"}}
	for _, row := range []struct {
		what string
		n    int
		told bool
	}{
		{"more than one cluster", n.SeveralClusters, n.Clusters > 1},
		{"production and another environment", n.Together, n.Environments > 1},
		{"more than one tenant", n.SeveralTenants, n.Tenants > 1},
	} {
		if row.told {
			t = append(t, []string{row.what, strconv.Itoa(row.n), percent(row.n, n.Read)})
		}
	}
	t.Write(s.out, s.colour, nil)
}

func percent(n, all int) string {
	if all == 0 {
		return "-"
	}
	return strconv.Itoa((n*100+all/2)/all) + " %"
}

// assessHistory says how far commits reached.
func (s *streams) assessHistory(h *AssessedHistory) {
	if h.Compared == 0 {
		s.title("History: no commit compared")
	} else {
		s.title(fmt.Sprintf("History: %s compared, %d changed a cluster", phrase.Count(h.Compared, "commit"), h.Changing))
		t := term.Table{{"A COMMIT CHANGED", "0", "1", "2-5", "6-20", ">20", "MEDIAN", "P90", "MAX"}}
		for _, row := range []struct {
			what string
			v    history.Spread
		}{{"clusters", h.Clusters}, {"environments", h.Environments}, {"tenants", h.Tenants}} {
			if row.v.Max == 0 && row.what != "clusters" {
				continue // there are none
			}
			line := []string{row.what}
			for _, n := range []int{row.v.None, row.v.One, row.v.Few, row.v.Many, row.v.More, row.v.Median, row.v.P90, row.v.Max} {
				line = append(line, strconv.Itoa(n))
			}
			t = append(t, line)
		}
		t.Write(s.out, s.colour, nil)
		s.together(h)
	}
	if h.Note != "" {
		s.para("note: ", "  ", h.Note)
	}
	for i, c := range h.Unanswered {
		if i == 0 {
			s.printf("%s could not be compared:\n", phrase.Count(len(h.Unanswered), "commit"))
		}
		if i == listed && len(h.Unanswered) > listed+1 {
			s.printf("  and %d more; -o json lists them\n", len(h.Unanswered)-listed)
			break
		}
		s.para("  ", "    ", c.Hash[:10]+"  "+c.Subject+": "+c.Why)
	}
}

// together lists the commits that reached production with another environment, those first that changed the most.
func (s *streams) together(h *AssessedHistory) {
	list := slices.DeleteFunc(slices.Clone(h.Commits), func(c AssessedCommit) bool { return !c.Together() })
	if len(list) == 0 {
		return
	}
	slices.SortStableFunc(list, func(a, b AssessedCommit) int {
		if d := len(b.Clusters) - len(a.Clusters); d != 0 {
			return d
		}
		return b.Objects - a.Objects
	})
	s.printf("%s reached production together with another environment, %d by files that both read:\n", phrase.Count(h.Together, "commit"), h.Shared)
	t := term.Table{}
	for i, c := range list {
		if i == listed && len(list) > listed+1 {
			break
		}
		t = append(t, []string{"  " + c.Hash[:10], phrase.List(c.Environments, 3), phrase.Count(len(c.Clusters), "cluster"), phrase.Count(c.Objects, "object"), phrase.Clip(c.Subject, 40)})
	}
	plain(t, s)
	if n := len(list) - listed; n > 1 {
		s.printf("  and %d more; -o json lists them\n", n)
	}
	if len(h.Through) > 0 {
		var parts []string
		for _, f := range h.Through {
			parts = append(parts, fmt.Sprintf("%s (%d)", f.Path, f.Commits))
		}
		s.para("  through  ", "           ", phrase.List(parts, 4))
	}
}

// plain writes rows without a heading.
func plain(rows term.Table, s *streams) {
	if len(rows) == 0 {
		return
	}
	var b strings.Builder
	blank := make([]string, len(rows[0]))
	append(term.Table{blank}, rows...).Write(&b, false, nil)
	_, body, _ := strings.Cut(b.String(), "\n")
	s.printf("%s", body)
}

// assessFolders lists the folders with several concerns.
func (s *streams) assessFolders(folders []shape.Folder) {
	if len(folders) == 0 {
		return
	}
	s.title(phrase.Count(len(folders), "folder") + " with several concerns")
	for i, f := range folders {
		if i == listed && len(folders) > listed+1 {
			s.printf("  and %d more; -o json lists them\n", len(folders)-listed)
			return
		}
		var parts []string
		for _, c := range f.Concerns {
			parts = append(parts, fmt.Sprintf("%s %s, %s", c.Concern, phrase.Count(c.Files, "file"), phrase.Count(c.Objects, "object")))
		}
		s.para("  ", "    ", f.Path+": "+strings.Join(parts[:min(len(parts), 4)], "; ")+more(len(parts)-4))
	}
}

func more(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf(" and %d more", n)
}

// assessIsolation says what keeps tenants apart, as far as it can be counted.
func (s *streams) assessIsolation(d *AssessDocument) {
	n := d.Isolation
	if n.Appliers == 0 {
		return
	}
	s.title(fmt.Sprintf("Isolation: %s of tenants, counted and not proven", phrase.Count(n.Appliers, "applier")))
	s.para("  ", "  ", fmt.Sprintf("%d without serviceAccountName, %d in flux-system, %d with a repository of the tenant's own",
		n.WithoutAccount, n.InFluxSystem, n.OwnSource))
}

// title starts a section.
func (s *streams) title(text string) { s.printf("\n%s\n", s.look(term.Bold, term.Safe(text))) }

// para writes text in lines that fit, the first after one indent, the others after another.
func (s *streams) para(first, rest, text string) {
	indent, line := first, ""
	for word := range strings.FieldsSeq(harmless(text)) {
		if line != "" && term.Width(indent)+term.Width(line)+1+term.Width(word) > lineWidth {
			s.printf("%s%s\n", indent, line)
			indent, line = rest, ""
		}
		if line == "" && strings.HasPrefix(word, "::") { // a build log would obey it
			word = `\` + word
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	s.printf("%s%s\n", indent, line)
}

// disobeyed breaks up what a build log obeys anywhere in a line.
var disobeyed = strings.NewReplacer("##[", `#\#[`, "##vso[", `#\#vso[`) //nolint:gochecknoglobals // a table, made once

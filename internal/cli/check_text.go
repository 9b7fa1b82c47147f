package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/verdict"
	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/report/term"
)

const (
	mostFindings = 24 // shown without --all
	mostOfRule   = 4  // of these
	mostSteps    = 6  // of one finding
	mostUnproven = 12
	mostNamed    = 3  // clusters of a row of the table that are named
	mostWide     = 40 // characters of their names
	checkIndent  = "          "
)

// check writes the answer, the worst first.
func (s *streams) check(d *CheckDocument, o *checkOptions) {
	s.verdicts(d)
	s.findings(d, o)
	s.unproven(d, o)
	s.gone(d)
	s.sum(d)
}

// row is equal verdicts of a tenant on several clusters.
type row struct {
	tenant, word string
	state        verdict.State
	open         verdict.Levels
	reasons      int
}

// rows are the verdicts, equal ones of a tenant as one, the worst of each tenant first; and then the platform, if something is found of it.
func rows(r *verdict.Report) (out []row, clusters map[row][]string) {
	clusters = map[row][]string{}
	add := func(k row, cluster string) {
		if clusters[k] == nil {
			out = append(out, k)
		}
		clusters[k] = append(clusters[k], cluster)
	}
	for i := range r.Verdicts {
		v := &r.Verdicts[i]
		add(row{v.Tenant, v.Words(), v.State, v.Open, len(v.Reasons)}, v.Cluster)
	}
	slices.SortStableFunc(out, func(a, b row) int {
		if c := strings.Compare(a.tenant, b.tenant); c != 0 {
			return c
		}
		return slices.Index(verdict.States(), a.state) - slices.Index(verdict.States(), b.state)
	})
	platform, unproven := map[string]verdict.Levels{}, map[string]int{}
	for i := range r.Findings {
		f := &r.Findings[i]
		if f.Concern != verdict.Platform || !f.Open() {
			continue
		}
		for _, c := range placesOf(f.Clusters) {
			n := platform[c]
			n.Add(f.At())
			platform[c] = n
		}
	}
	for i := range r.Unproven {
		if u := &r.Unproven[i]; u.Concern == verdict.Platform {
			for _, c := range placesOf(u.Clusters) {
				unproven[c]++
			}
		}
	}
	for _, c := range slices.Concat(r.Clusters, []string{""}) {
		if n, k := platform[c], unproven[c]; n != (verdict.Levels{}) || k > 0 {
			add(row{verdict.Platform, "-", "", n, k}, c)
		}
	}
	return out, clusters
}

// placesOf are clusters, "" for the fleet as a whole.
func placesOf(clusters []string) []string {
	if len(clusters) == 0 {
		return []string{""}
	}
	return clusters
}

func (s *streams) verdicts(d *CheckDocument) {
	all, clusters := rows(&d.Report)
	if len(d.Verdicts) == 0 {
		s.para("", "", "No tenant is known here, so there is no boundary to prove: a tenant is what has a Tenant document under fleet/, or a repository of its own that Flux applies; the label of flux create tenant alone names nobody.")
		if len(all) == 0 {
			return
		}
		s.printf("\n")
	}
	t := term.Table{{"TENANT", "CLUSTER", "VERDICT", "CRITICAL", "HIGH", "MEDIUM", "LOW", "UNPROVEN"}}
	for _, k := range all {
		where := strings.Join(clusters[k], ", ")
		switch n := len(clusters[k]); {
		case where == "":
			where = "the fleet"
		case n > mostNamed, n > 1 && len(where) > mostWide:
			where = phrase.Count(n, "cluster")
		}
		cells := []string{disobeyed.Replace(k.tenant), disobeyed.Replace(where), k.word}
		for _, n := range []int{k.open.Critical, k.open.High, k.open.Medium, k.open.Low, k.reasons} {
			cells = append(cells, strconv.Itoa(n))
		}
		t = append(t, cells)
	}
	t.Write(s.out, s.colour, func(n, column int) term.Code {
		if column != 2 {
			return ""
		}
		switch all[n-1].state {
		case verdict.Violated:
			return term.Red
		case verdict.Waived, verdict.Unproven:
			return term.Yellow
		case verdict.Proven:
			return term.Green
		}
		return ""
	})
}

// findings writes what was found, by rule, the worst first; those that fail nothing only when all are wanted.
func (s *streams) findings(d *CheckDocument, o *checkOptions) {
	groups, left := groupsOf(d, o)
	titles := map[string]string{}
	for _, r := range checkRules() {
		titles[r.ID] = r.Title
	}
	for _, g := range groups {
		s.group(g, titles[g.rule], o.all, d.clusters)
	}
	var parts []string
	for _, p := range []struct {
		n    int
		text string
	}{{left.more, " more"}, {left.known, knownBy(d)}, {left.waived, " waived"}} {
		if p.n > 0 {
			parts = append(parts, phrase.Count(p.n, "finding")+p.text)
		}
	}
	if len(parts) > 0 {
		s.printf("\n%s: --all shows all\n", strings.Join(parts, ", "))
	}
}

// knownBy says what it is that known findings are known by.
func knownBy(d *CheckDocument) string {
	if d.Base != "" {
		return " known from before the change"
	}
	return " known by the baseline"
}

// group is the findings of a rule that are of one level.
type group struct {
	rule  string
	level finding.Level
	list  []*verdict.Finding // that are shown
	all   int
}

// leftOut counts findings that are not shown.
type leftOut struct{ more, known, waived int }

// groupsOf are the findings by rule. A rule that speaks often does not hide the others: of each only some are shown.
func groupsOf(d *CheckDocument, o *checkOptions) (out []*group, left leftOut) {
	shown := 0
	for i := range d.Findings {
		f := &d.Findings[i]
		switch {
		case o.all:
		case !f.Open():
			left.waived++
			continue
		case f.Known:
			left.known++
			continue
		}
		g := &group{rule: f.Rule, level: f.At()}
		if n := len(out); n > 0 && out[n-1].rule == g.rule && out[n-1].level == g.level {
			g = out[n-1]
		} else if !o.all && shown >= mostFindings {
			left.more++
			continue
		} else {
			out = append(out, g)
		}
		g.all++
		if !o.all && (len(g.list) == mostOfRule || shown >= mostFindings) {
			left.more++
			continue
		}
		g.list = append(g.list, f)
		shown++
	}
	return out, left
}

// group writes the findings of a rule: what the rule is about once, and a hint that several share after the last of them.
func (s *streams) group(g *group, title string, all bool, clusters int) {
	head := s.look(lookOfLevel(g.level), fmt.Sprintf("%-8s", g.level)) + "  " + s.look(term.Bold, harmless(g.rule))
	if title != "" {
		head += "  " + title
	}
	if g.all > 1 {
		head += fmt.Sprintf("  (%d)", g.all)
	}
	s.printf("\n%s\n", head)
	first, rest := checkIndent, checkIndent
	if g.all > 1 {
		first, rest = checkIndent+"- ", checkIndent+"  "
	}
	for i, f := range g.list {
		s.finding(f, first, rest, all, clusters)
		if next := i + 1; f.Hint != "" && (next == len(g.list) || g.list[next].Hint != f.Hint) {
			s.para(checkIndent+"hint: ", checkIndent+"      ", f.Hint)
		}
	}
	if n := g.all - len(g.list); n > 0 {
		s.printf("%sand %d more\n", checkIndent, n)
	}
}

// harmless is text fit for a terminal and for a build log, anywhere but at the begin of a line.
func harmless(text string) string { return disobeyed.Replace(term.Safe(text)) }

func lookOfLevel(l finding.Level) term.Code {
	switch l {
	case finding.Critical, finding.High:
		return term.Red
	case finding.Medium:
		return term.Yellow
	case finding.Low, finding.Info:
	}
	return term.Cyan
}

// finding writes one finding: first and rest are what its first line and the others begin with.
func (s *streams) finding(f *verdict.Finding, first, rest string, all bool, clusters int) {
	text := f.Message
	if len(f.Clusters) > 0 {
		text += ", " + phrase.Where(f.Clusters, clusters)
	}
	switch {
	case !f.Open():
		text += " (waived)"
	case f.Known:
		text += " (known)"
	}
	s.para(first, rest, text)
	if at := atOf(f.File, f.Line, f.Field); at != "" {
		s.para(rest, rest, at)
	}
	for i, step := range f.Steps {
		if i == mostSteps && !all && len(f.Steps) > mostSteps+1 {
			s.printf("%s  and %d more steps; --all shows them\n", rest, len(f.Steps)-mostSteps)
			break
		}
		text := step.Message
		if at := atOf(step.File, step.Line, ""); at != "" {
			text += " (" + at + ")"
		}
		s.para(rest+"  "+strconv.Itoa(i+1)+". ", rest+"     ", text)
	}
	if w := f.Waived; w != nil {
		s.para(rest, rest, fmt.Sprintf("accepted until %s by %s: %s (waiver %s)", w.Expires, w.Approver, w.Reason, w.Name))
	}
	if w := f.Pending; w != nil {
		s.para(rest, rest, fmt.Sprintf("open in this review: waiver %s comes with the change. By %s, until %s: %s", w.Name, w.Approver, w.Expires, w.Reason))
	}
}

// atOf is FILE:LINE and a field, as far as they are known.
func atOf(file string, line int, field string) string {
	if line > 0 && file != "" {
		file += ":" + strconv.Itoa(line)
	}
	if file != "" && field != "" {
		file += ", "
	}
	return file + field
}

// unproven writes what is not known. What several rules lack is said once.
func (s *streams) unproven(d *CheckDocument, o *checkOptions) {
	if len(d.Unproven) == 0 {
		return
	}
	s.printf("\n%s\n", s.look(term.Yellow, "unproven"))
	list := lacking(d.Unproven)
	for i, u := range list {
		if i == mostUnproven && !o.all && len(list) > mostUnproven+1 {
			s.printf("  and %d more: --all shows all\n", len(list)-mostUnproven)
			return
		}
		text, first := u.Message, "  "
		if u.rules != "" {
			first += harmless(u.rules) + "  "
		}
		if len(u.Clusters) > 0 {
			text += ", " + phrase.Where(u.Clusters, d.clusters)
		}
		s.para(first, "    ", text)
		if next := i + 1; u.Hint != "" && (next == len(list) || list[next].Hint != u.Hint) {
			s.para("    hint: ", "          ", u.Hint)
		}
	}
}

// lack is what rules lack to decide.
type lack struct {
	*verdict.Open
	rules string
}

// lacking are the reasons, those that differ in the rule alone as one.
func lacking(open []verdict.Open) (out []*lack) {
	at := map[string]*lack{}
	for i := range open {
		u := &open[i]
		key := strings.Join([]string{u.Message, u.Hint, u.Concern, strings.Join(u.Clusters, ",")}, "\x00")
		if known := at[key]; known != nil {
			if !slices.Contains(strings.Split(known.rules, ", "), u.Rule) {
				known.rules += ", " + u.Rule
			}
			continue
		}
		at[key] = &lack{u, u.Rule}
		out = append(out, at[key])
	}
	return out
}

// gone tells which entries of the baseline are found no more.
func (s *streams) gone(d *CheckDocument) {
	if len(d.Gone) == 0 {
		return
	}
	s.printf("\n%s of the baseline %s found no more; --write-baseline takes them out:\n", phrase.Count(len(d.Gone), "entry"), phrase.Verb(len(d.Gone), "is", "are"))
	for i, e := range d.Gone {
		if i == listed && len(d.Gone) > listed+1 {
			s.printf("  and %d more; -o json lists them\n", len(d.Gone)-listed)
			return
		}
		text := e.Rule
		if e.Object != "" {
			text += "  " + e.Object
		}
		if len(e.Clusters) > 0 {
			text += "  " + phrase.Where(e.Clusters, d.clusters)
		}
		s.printf("  %s\n", harmless(text))
	}
}

// sum is the closing line, and what no verdict covers.
func (s *streams) sum(d *CheckDocument) {
	states, tenants, levels := map[string]int{}, map[string]bool{}, map[finding.Level]int{}
	clusters := map[string]bool{}
	for i := range d.Verdicts {
		v := &d.Verdicts[i]
		states[v.Words()]++
		tenants[v.Tenant], clusters[v.Cluster] = true, true
	}
	open, fresh := 0, 0
	for i := range d.Findings {
		f := &d.Findings[i]
		if f.Open() {
			levels[f.At()]++
			open++
		}
		if f.New() {
			fresh++
		}
	}
	var parts []string
	for _, words := range verdict.Words() {
		if n := states[words]; n > 0 {
			parts = append(parts, strconv.Itoa(n)+" "+words)
		}
	}
	text := phrase.Count(len(d.Clusters), "cluster")
	if len(tenants) > 0 {
		text = fmt.Sprintf("%s on %s: %s", phrase.Count(len(tenants), "tenant"), phrase.Count(len(clusters), "cluster"), strings.Join(parts, ", "))
	}
	parts = nil
	for _, l := range finding.Levels() {
		if n := levels[l]; n > 0 {
			parts = append(parts, strconv.Itoa(n)+" "+string(l))
		}
	}
	text += "; " + phrase.Count(open, "finding")
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	if d.Base != "" {
		text += fmt.Sprintf("; %d new since %s", fresh, d.Base)
	}
	s.printf("\n%s\n%s\n", text, d.Coverage)
	s.para("", "", "not covered: "+strings.Join(d.Limits, ", "))
}

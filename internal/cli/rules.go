package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkhead-dev/bulkhead/isolation/guard"
	"github.com/bulkhead-dev/bulkhead/isolation/policy"
	"github.com/bulkhead-dev/bulkhead/isolation/rule"
	"github.com/bulkhead-dev/bulkhead/report/term"
)

func newRulesCmd(s *streams) *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "rules",
		Short: "What bulkhead check looks for",
		Long: `Lists the rules of bulkhead check. STATIC is "yes" for those that nothing on a cluster with guards holds,
so that they hold only as long as every commit is checked.`,
		Example: "  bulkhead rules\n  bulkhead rules -o json\n  bulkhead rules explain IMP-001",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage("unknown command "+term.Quote(args[0])+" of rules", near(args[0], append(ruleIDs(), "explain")))
			}
			return nil
		},
		PreRunE: func(*cobra.Command, []string) error { return checkFormat(format, ruleFormats()) },
		RunE:    func(*cobra.Command, []string) error { return runRules(s, format) },
	}
	bindFormat(c, &format)
	c.AddCommand(newExplainCmd(s))
	return c
}

func ruleFormats() []string { return []string{"text", "json"} }

func bindFormat(c *cobra.Command, format *string) {
	c.Flags().StringVarP(format, "output", "o", "text", "`FORMAT` of the output: "+strings.Join(ruleFormats(), ", "))
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(ruleFormats(), cobra.ShellCompDirectiveNoFileComp))
}

func newExplainCmd(s *streams) *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:     "explain ID",
		Short:   "Why a rule is there, how to cure what it finds, and a sample of each",
		Long:    `Says of one rule what it finds and why that matters, the cure, when it is no fault, whether admission can enforce it, and shows what it finds and what it lets pass.`,
		Example: "  bulkhead rules explain IMP-001",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("rules explain takes the ID of one rule", "bulkhead rules lists them")
			}
			return nil
		},
		ValidArgsFunction: cobra.FixedCompletions(ruleIDs(), cobra.ShellCompDirectiveNoFileComp),
		PreRunE:           func(*cobra.Command, []string) error { return checkFormat(format, ruleFormats()) },
		RunE:              func(_ *cobra.Command, args []string) error { return runExplain(s, args[0], format) },
	}
	bindFormat(c, &format)
	return c
}

func runRules(s *streams, format string) error {
	d := RulesDocument{SchemaVersion: rulesSchema, Rules: []ListedRule{}}
	for _, r := range catalogue() {
		d.Rules = append(d.Rules, listedRule(&r))
	}
	if format == "json" {
		return s.json(d)
	}
	t := term.Table{{"ID", "LEVEL", "GROUP", "TITLE", "STATIC"}}
	for i := range d.Rules {
		r := &d.Rules[i]
		static := ""
		if len(r.HeldBy) == 0 {
			static = "yes"
		}
		t = append(t, []string{r.ID, string(r.Level), r.Group, r.Title, static})
	}
	t.Write(s.out, s.colour, func(row, column int) term.Code {
		if column == 1 {
			return lookOfLevel(d.Rules[row-1].Level)
		}
		return ""
	})
	return nil
}

// catalogue are the rules of bulkhead check, sorted by ID.
func catalogue() []rule.Rule {
	out := append(rule.Rules(), policy.Rules()...)
	slices.SortFunc(out, func(a, b rule.Rule) int { return strings.Compare(a.ID, b.ID) })
	return out
}

func listedRule(r *rule.Rule) ListedRule {
	out := ListedRule{Rule: r.Rule, Group: r.Group(), Boundary: r.Boundary, Unless: r.Unless, HeldBy: []string{}, Static: r.Static, Source: r.Source}
	for _, m := range guard.Table() {
		if m.Rule == r.ID {
			out.HeldBy = m.Words()
		}
	}
	if out.Severity == "" {
		out.Severity = out.Level.Severity()
	}
	return out
}

func runExplain(s *streams, id, format string) error {
	all := catalogue()
	i := slices.IndexFunc(all, func(r rule.Rule) bool { return strings.EqualFold(r.ID, id) })
	if i < 0 {
		return usage("there is no rule "+term.Quote(id), near(id, ruleIDs()))
	}
	d := RuleDocument{SchemaVersion: ruleSchema, ListedRule: listedRule(&all[i]), Samples: []RuleSample{}}
	samples, err := rule.Samples()
	if err != nil {
		return fmt.Errorf("read the samples: %w", err)
	}
	for _, sample := range samples {
		if sample.Rule == d.ID {
			d.Samples = append(d.Samples, RuleSample{Case: sample.Case, Comment: sample.Comment, Bad: differing(sample.Bad, sample.Good), Good: differing(sample.Good, sample.Bad)})
		}
	}
	if format == "json" {
		return s.json(d)
	}
	s.explainRule(&d)
	return nil
}

// heldBy is what holds a rule, in words.
func heldBy(d *RuleDocument) string {
	if len(d.HeldBy) == 0 {
		return "nothing: only the check of each commit tells"
	}
	return strings.Join(d.HeldBy, "; ")
}

// differing are the files that the other half of a sample does not have like this.
func differing(files, others map[string]string) []SampleFile {
	out := []SampleFile{}
	for _, p := range slices.Sorted(maps.Keys(files)) {
		if content, ok := others[p]; !ok || content != files[p] {
			out = append(out, SampleFile{p, files[p]})
		}
	}
	return out
}

func (s *streams) explainRule(d *RuleDocument) {
	s.printf("%s  %s\n", s.look(term.Bold, d.ID), s.look(term.Bold, d.Title))
	boundary := "breaks the boundary of a compartment"
	if !d.Boundary {
		boundary = "breaks no boundary"
	}
	s.printf("%s, %s; %s\n\n", s.look(lookOfLevel(d.Level), string(d.Level)), d.Group, boundary)
	s.para("", "", d.Why)
	s.printf("\n")
	for _, p := range [][2]string{{"cure", d.Hint}, {"no fault when", d.Unless}, {"held on a cluster with guards by", heldBy(d)}, {"no policy alone can hold it", d.Static}, {"follows", d.Source}} {
		if p[1] != "" {
			s.para(p[0]+": ", "  ", p[1])
		}
	}
	for i := range d.Samples {
		sample := &d.Samples[i]
		s.title(strings.TrimSpace("Sample "+sample.Case) + ": " + strings.Join(strings.Fields(sample.Comment), " "))
		s.sampleFiles("bad", sample.Bad)
		s.sampleFiles("good", sample.Good)
	}
}

func (s *streams) sampleFiles(half string, files []SampleFile) {
	s.printf("\n  %s\n", s.look(term.Cyan, half))
	if len(files) == 0 {
		s.printf("    the same without it\n")
	}
	for _, f := range files {
		s.printf("    # %s\n", term.Safe(f.Path))
		for line := range strings.Lines(f.Content) {
			s.printf("    %s\n", term.Safe(strings.TrimRight(line, "\n")))
		}
	}
}

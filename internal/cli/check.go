package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/finding/waiver"
	"github.com/bulkhead-dev/bulkhead/isolation/rule"
	"github.com/bulkhead-dev/bulkhead/isolation/verdict"
	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/report/github"
	"github.com/bulkhead-dev/bulkhead/report/junit"
	"github.com/bulkhead-dev/bulkhead/report/markdown"
	"github.com/bulkhead-dev/bulkhead/report/sarif"
	"github.com/bulkhead-dev/bulkhead/report/term"
)

// checkOptions are the flags of check.
type checkOptions struct {
	fleetOptions
	rev, base      string
	names          []string // of clusters; none for all
	tenants, rules []string // that are shown; none for all
	failOn         string
	waivers        string
	now            string
	all            bool
	baseline       string // a file; "" for none
	writeBaseline  string // a file; "" for none
	reports        []string
	contract       string // a file; "" in the hub
	guards         bool
}

func newCheckCmd(s *streams) *cobra.Command {
	var o checkOptions
	c := &cobra.Command{
		Use:   "check [CLUSTER...]",
		Short: "Whether each tenant stays in its compartment, on every cluster",
		Long: `Proves of each tenant on each cluster that it stays in its compartment, or lists what breaks it, with
the evidence step by step. A verdict is one of:

  violated            something breaks the boundary
  violated (waived)   all that breaks it is accepted by a waiver; it is true all the same
  unproven            nothing breaks it as far as can be known, and not all can: the reasons are listed
  proven (by rights)  files of the tenant are not at hand, and the account that applies them keeps
                      whatever they hold in its namespaces
  proven              nothing breaks it

What the proof covers, and what not, is in docs/explain/isolation.md; bulkhead rules lists what is looked for.
With --base, the rules about a change compare with that commit, too, and only what is new since then
fails: what is found there as well is known, and --strict counts what is unproven since. A change does
not accept what it brings itself: in its review a waiver counts that is in both commits, and the baseline
is that of the base; --waivers head lets those of the change count. A Rule document that it takes out or
changes judges it all the same. Verdicts are always of all rules and of the whole fleet: names of clusters,
--tenant and --rule choose what is shown, and what fails.

With --baseline, findings that the file holds are known and fail nothing; on a further cluster they are new.
--write-baseline FILE writes such a file when there is none, and otherwise takes out what is found no more;
it never adds anything.

With --contract, the working directory is the repository of one tenant: what the platform applies of it is checked by the
rules of the hub, as far as the tenant can know. The hub has the last word.`,
		Example: `  bulkhead check
  bulkhead check prod-eu --tenant billing --all
  bulkhead check --base origin/main --fail-on medium --strict     # in CI
  bulkhead check -o sarif > check.sarif
  bulkhead check --write-baseline fleet/baseline.jsonl            # once, when you adopt it
  bulkhead check --baseline fleet/baseline.jsonl
  bulkhead check --contract contract.yaml                         # in a tenant's own repository`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.names = args
			if o.guards {
				return runGuards(cmd.Context(), &o, s)
			}
			return runCheck(cmd.Context(), &o, s)
		},
	}
	o.bind(c, checkFormats()...)
	f := c.Flags()
	f.StringVar(&o.rev, "rev", "", "check the commit `REV` (default: the files on disk)")
	f.StringVar(&o.base, "base", "", "the commit `REV` before the change: what is found there too fails nothing")
	f.StringArrayVar(&o.tenants, "tenant", nil, "show only what is about the tenant `NAME`; repeatable")
	f.StringArrayVar(&o.rules, "rule", nil, "show only findings of the rule `ID`; repeatable")
	f.StringVar(&o.failOn, "fail-on", "high", "exit 1 on findings of that level or worse: critical, high, medium, low or none")
	f.StringVar(&o.waivers, "waivers", waiversOfBase, "with --base, waivers count that are in both commits, base, or all that are in the one that is checked, head")
	f.StringVar(&o.now, "now", "", "the `DATE` by which waivers expire, YYYY-MM-DD (default: today, UTC)")
	f.BoolVar(&o.all, "all", false, "show all findings with all of their evidence, also known and waived ones")
	f.StringVar(&o.baseline, "baseline", "", "findings in `FILE` are known, and fail nothing")
	f.StringVar(&o.writeBaseline, "write-baseline", "", "write what is found to `FILE` if it is not there, else take out what is found no more; its findings are known")
	f.StringArrayVar(&o.reports, "report", nil, "write the same answer to a file as well, `FORMAT=FILE`; repeatable")
	f.StringVar(&o.contract, "contract", "", "check the repository of one tenant by the contract in `FILE`, which bulkhead contract export wrote in the hub")
	f.BoolVar(&o.guards, "guards", false, "check nothing; print what enforces on the clusters what admission can: policies and NetworkPolicies, as YAML")
	f.Lookup("strict").Usage = "exit 3 when anything is unproven"
	_ = c.RegisterFlagCompletionFunc("waivers", cobra.FixedCompletions([]string{waiversOfBase, waiversOfHead}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("fail-on", cobra.FixedCompletions(failLevels(), cobra.ShellCompDirectiveNoFileComp))
	c.Long += "\n\n" + strings.Replace(exitCodes(true, false), "  2 ", "  1  a finding is as bad as --fail-on says, or worse; the output is printed all the same\n  2 ", 1)
	c.Long = strings.Replace(c.Long, "incomplete, with --strict: something failed or is unresolved", "incomplete, with --strict: something is unproven", 1)
	c.Annotations = map[string]string{codesKey: "check"}
	return c
}

// checkFormats are the forms in which a check can be had; the first is the default.
func checkFormats() []string {
	return []string{"table", "json", "sarif", "junit", "github", "markdown"}
}

// failLevels are what --fail-on takes.
func failLevels() []string { return []string{"critical", "high", "medium", "low", "none"} }

// What --waivers takes.
const (
	waiversOfBase = "base"
	waiversOfHead = "head"
)

// checkWaivers refuses what --waivers does not take.
func checkWaivers(of string) error {
	if of != waiversOfBase && of != waiversOfHead {
		return usage("unknown --waivers "+term.Quote(of), "use base or head")
	}
	return nil
}

// checkFlags is what the flags of a check say, checked.
type checkFlags struct {
	now     time.Time
	reports []reportFile
}

func (o *checkOptions) flags() (out checkFlags, err error) {
	if !slices.Contains(failLevels(), o.failOn) {
		return out, usage("unknown --fail-on "+term.Quote(o.failOn), "use critical, high, medium, low or none")
	}
	if err := checkWaivers(o.waivers); err != nil {
		return out, err
	}
	for _, id := range o.rules {
		if !slices.Contains(ruleIDs(), id) && !strings.HasPrefix(id, v1alpha1.RulePrefix) {
			return out, usage("there is no rule "+term.Quote(id), near(id, ruleIDs()))
		}
	}
	if o.writeBaseline != "" && (len(o.names)+len(o.tenants)+len(o.rules) > 0 || o.base != "") {
		return out, usage("--write-baseline is about the whole fleet as it is", "leave out names of clusters, --tenant, --rule and --base")
	}
	if o.writeBaseline != "" && o.baseline != "" && o.writeBaseline != o.baseline {
		return out, usage("--baseline and --write-baseline name two files", "name one: --write-baseline reads it, too")
	}
	if out.reports, err = reportFiles(o.reports, checkFormats()); err != nil {
		return out, err
	}
	out.now, err = dateOf(o.now)
	return out, err
}

func ruleIDs() (out []string) {
	for _, r := range catalogue() {
		out = append(out, r.ID)
	}
	return out
}

func runCheck(ctx context.Context, o *checkOptions, s *streams) error {
	flags, err := o.flags()
	if err != nil {
		return err
	}
	known, err := o.readBaseline()
	if err != nil {
		return err
	}
	f, err := o.open(s)
	if err != nil {
		return err
	}
	defer f.close(ctx)
	look := f.survey
	if o.contract != "" {
		look = f.spoke
	}
	x, err := look(ctx, o)
	if err != nil {
		return err
	}
	if err := o.choose(x.head.Estate); err != nil {
		return err
	}
	if err := known.judgeBy(x.base, f.workspace, s); err != nil {
		return err
	}
	doc, err := x.check(ctx, o, flags.now, known)
	if err != nil {
		return err
	}
	f.tellStats()
	for _, k := range flags.reports {
		var out bytes.Buffer
		if err := doc.write(&out, k.format, o); err != nil {
			return err
		}
		if err := replaceFile(k.path, out.Bytes()); err != nil {
			return err
		}
	}
	if o.format == "table" {
		s.check(doc, o)
	} else if err := doc.write(s.out, o.format, o); err != nil {
		return err
	}
	return doc.objects(o)
}

// write writes the document in one of the formats.
func (d *CheckDocument) write(w io.Writer, format string, o *checkOptions) error {
	switch format {
	case "json":
		return writeJSON(w, d)
	case "sarif":
		return sarif.Write(w, sarif.Document{Version: version(), Rules: checkRules(), Findings: d.told(false), Anchor: d.anchor})
	case "junit":
		return junit.Write(w, junit.Compartments(&d.Report, o.fails))
	case "github":
		return github.Write(w, d.told(true))
	case "markdown":
		return markdown.Compartments(w, &d.Report, markdown.Check{Revision: d.Revision, Base: d.Base, Limits: d.Limits, Coverage: d.Coverage.String()})
	default:
		t := &streams{out: bufio.NewWriter(w)}
		t.check(d, o)
		return t.out.Flush()
	}
}

// told are the findings for formats that know nothing else: what is not known is among them. Fresh leaves out what the baseline or the base has.
func (d *CheckDocument) told(fresh bool) (out []finding.Finding) {
	for i := range d.Findings {
		if f := &d.Findings[i]; !fresh || f.New() {
			out = append(out, f.Finding)
		}
	}
	for i := range d.Unproven {
		if u := &d.Unproven[i]; !fresh || !u.Known {
			out = append(out, u.Tell())
		}
	}
	return out
}

// checkRules are all that a check may find something of.
func checkRules() []finding.Rule {
	out := waiver.Rules()
	for _, r := range catalogue() {
		out = append(out, described(&r))
	}
	return out
}

// described is a rule with all that there is to say about it in its text.
func described(r *rule.Rule) finding.Rule {
	out := r.Rule
	if out.Severity == "" {
		out.Severity = out.Level.Severity()
	}
	if r.Unless != "" {
		out.Why += "\n\nNo fault when: " + r.Unless
	}
	return out
}

// fails reports whether a finding gives exit code 1.
func (o *checkOptions) fails(f *verdict.Finding) bool {
	return o.failOn != "none" && f.New() && f.At().Rank() <= finding.Level(o.failOn).Rank()
}

// objects is the error of a check, nil when there is nothing to object to.
func (d *CheckDocument) objects(o *checkOptions) error {
	bad := 0
	for i := range d.Findings {
		if o.fails(&d.Findings[i]) {
			bad++
		}
	}
	holes := ""
	n := 0
	for i := range d.Unproven {
		if !d.Unproven[i].Known {
			n++
		}
	}
	if o.strict && n > 0 {
		holes = phrase.Count(n, "thing") + verb(n) + " unproven"
	}
	switch {
	case bad > 0:
		message := phrase.Count(bad, "finding") + verb(bad) + " of level " + o.failOn
		if o.failOn != string(finding.Critical) {
			message += " or worse"
		}
		if holes != "" {
			message += ", and " + holes
		}
		return &problemError{err: errors.New(message), hint: "bulkhead rules explain ID says more; a waiver accepts a finding until a day", code: codeFindings}
	case holes != "":
		return &problemError{err: fmt.Errorf("the answer is incomplete: %s", holes), code: codeIncomplete}
	}
	return nil
}

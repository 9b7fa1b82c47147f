package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/impact/part"
	"github.com/bulkhead-dev/bulkhead/impact/review"
	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/report/term"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// impactOptions are the flags of impact.
type impactOptions struct {
	fleetOptions
	reviewOptions
	base, head string // revisions; "" for the merge base, and for the files on disk
	shard      string // I/N
}

// reviewOptions are the flags that say how a review is decided and shown.
type reviewOptions struct {
	stat    bool
	explain []string
	only    string
	labels  []string
	failOn  string
	waivers string
	now     string
	reports []string // FORMAT=FILE
	format  string
	strict  bool
}

// bindReview adds the flags of a review that a command without a fleet has too.
func (o *reviewOptions) bindReview(c *cobra.Command) {
	f := c.Flags()
	f.BoolVar(&o.stat, "stat", false, "print just the table; with -o json stop after the matrix")
	f.StringVar(&o.only, "only", "", "show the share of one `CONCERN`: platform, cluster or tenant/NAME; gates judge the whole change all the same")
	f.StringArrayVar(&o.labels, "label", nil, "a `LABEL` of the pull request, which gates read as impact.labels; repeatable")
	f.StringVar(&o.failOn, "fail-on", "error", "which failed gates give exit code 1: error, warn or never")
	f.StringVar(&o.waivers, "waivers", waiversOfBase, "waivers count that are in both revisions, base, or all that are after the change, head")
	f.StringVar(&o.now, "now", "", "the `DATE` by which waivers expire, YYYY-MM-DD (default: today, UTC)")
	f.StringArrayVar(&o.reports, "report", nil, "write the same answer to a file as well, `FORMAT=FILE`; repeatable")
	_ = c.RegisterFlagCompletionFunc("fail-on", cobra.FixedCompletions([]string{"error", "warn", "never"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("waivers", cobra.FixedCompletions([]string{waiversOfBase, waiversOfHead}, cobra.ShellCompDirectiveNoFileComp))
}

func newImpactCmd(s *streams) *cobra.Command {
	var o impactOptions
	c := &cobra.Command{
		Use:   "impact [BASE [HEAD]]",
		Short: "What a change does, per cluster: for whom, why, how badly, and whether it may merge",
		Long: `Compares what Flux would apply before and after a change, object by object, on every cluster.

Without arguments: from where HEAD left the default branch to the files on disk, uncommitted
changes and new files included. With BASE: from there to the files on disk. With BASE and HEAD:
from the one commit to the other. --base and --head say the same, for scripts.

A change is no error. The exit code is 1 when a gate fails, or a waiver that is needed has expired:
errors only, or warnings too with --fail-on warn. A change cannot switch off the gate that it must
pass: gates hold as the base says. Nor does it accept what it brings itself: a waiver counts that is in
both revisions; --waivers head lets those of the change count.`,
		Example: `  bulkhead impact                            # this branch, as it is on disk
  bulkhead impact HEAD~1 HEAD                # the last commit
  bulkhead impact origin/main --stat         # the table alone
  bulkhead impact v1.4.0 v1.5.0 -o json
  bulkhead impact --report html=impact.html --report markdown=comment.md
  bulkhead impact --explain prod/Deployment/shop/web
  bulkhead impact --only tenant/billing --source ssh://git@git.example.com/acme/billing=../billing@main..HEAD`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 2 {
				return usage(fmt.Sprintf("impact takes two revisions at most, not %d arguments", len(args)), "bulkhead impact --help shows the forms")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.revisions(args); err != nil {
				return err
			}
			if o.shard != "" {
				if err := forMerge(cmd); err != nil {
					return err
				}
			}
			o.reviewOptions.format, o.reviewOptions.strict = o.fleetOptions.format, o.fleetOptions.strict
			return runImpact(cmd.Context(), &o, s)
		},
	}
	o.bind(c, impactFormats()...)
	o.bindReview(c)
	f := c.Flags()
	f.StringVar(&o.base, "base", "", "the `REVISION` before the change, like the argument BASE")
	f.StringVar(&o.head, "head", "", "the `REVISION` after it, like the argument HEAD")
	f.StringArrayVar(&o.explain, "explain", nil, "say why one object changes, `CLUSTER/KIND/NAMESPACE/NAME` (CLUSTER/KIND/NAME for one without a namespace); repeatable")
	f.StringVar(&o.shard, "shard", "", "compare only the share `I/N` of the clusters, and write a part for bulkhead impact merge instead of a review")
	c.AddCommand(newMergeCmd(s))
	return withCodes(c, true)
}

// revisions takes the arguments and the flags that say the same.
func (o *impactOptions) revisions(args []string) error {
	for i, at := range []*string{&o.base, &o.head} {
		if len(args) <= i {
			continue
		}
		if *at != "" {
			return usage("a revision is given twice, as argument "+term.Quote(args[i])+" and as flag "+term.Quote(*at), "leave one of them out")
		}
		*at = args[i]
	}
	return nil
}

func runImpact(ctx context.Context, o *impactOptions, s *streams) error {
	out, err := o.output()
	if err != nil {
		return err
	}
	shard, err := o.share()
	if err != nil {
		return err
	}
	f, err := o.open(s)
	if err != nil {
		return err
	}
	defer f.close(ctx)
	f.shard = shard
	x, err := f.compare(ctx, o.base, o.head)
	if err != nil {
		return err
	}
	p, err := x.part(o, shard)
	if err != nil {
		return err
	}
	f.tellStats()
	if shard.Of > 0 {
		return p.Encode(s.out)
	}
	return o.tell(ctx, s, []*part.Part{p}, out)
}

// tell writes the review of parts in all forms that the flags ask for. The error is its verdict, too.
func (o *reviewOptions) tell(ctx context.Context, s *streams, parts []*part.Part, out output) error {
	r := review.Of(ctx, parts, review.Options{Now: out.now, Labels: o.labels, Only: o.only, WaiversOfHead: o.waivers == waiversOfHead})
	if len(o.explain) > 0 {
		return s.explain(r, o.explain, o.format)
	}
	for _, k := range out.reports {
		if err := k.write(r); err != nil {
			return err
		}
	}
	if err := write(s.out, o.format, r, s.colour, o.stat); err != nil {
		return err
	}
	var holes error
	if failures, unresolved := review.Incomplete(parts); o.strict && failures+unresolved > 0 {
		holes = incomplete(failures, unresolved)
	}
	return cmp.Or(objects(r, o.failOn, holes), holes)
}

// output is what the flags of a review say, checked.
type output struct {
	reports []reportFile
	now     time.Time
}

func (o *reviewOptions) output() (out output, err error) {
	if name, ok := strings.CutPrefix(o.only, "tenant/"); o.only != "" && !slices.Contains([]string{"platform", "cluster"}, o.only) && (!ok || name == "") {
		return out, usage("unknown concern "+term.Quote(o.only), "use --only platform, --only cluster or --only tenant/NAME")
	}
	if !slices.Contains([]string{"error", "warn", "never"}, o.failOn) {
		return out, usage("unknown --fail-on "+term.Quote(o.failOn), "use error, warn or never")
	}
	if err := checkWaivers(o.waivers); err != nil {
		return out, err
	}
	if out.reports, err = reportFiles(o.reports, impactFormats()); err != nil {
		return out, err
	}
	out.now, err = dateOf(o.now)
	return out, err
}

// dateOf is the date of --now, by which waivers expire; today for "".
func dateOf(now string) (time.Time, error) {
	if now == "" {
		return time.Now().UTC(), nil
	}
	t, err := time.Parse(time.DateOnly, now)
	if err != nil {
		return t, usage("--now "+term.Quote(now)+" is no date", "as in --now 2026-01-31")
	}
	return t, nil
}

// objects is the error of a verdict, nil when there is nothing to object to. It tells of holes in the
// answer, too.
func objects(r *review.Review, failOn string, holes error) error {
	bad := r.Verdict.State == review.Failed || r.Verdict.State == review.Warned && failOn == "warn"
	if !bad || failOn == "never" {
		return nil
	}
	message := "the change does not pass"
	if n := len(r.Verdict.Reasons); n > 0 {
		message = fmt.Sprintf("the change does not pass %s", phrase.Count(n, "gate"))
	}
	if holes != nil {
		message += ", and " + holes.Error()
	}
	return &problemError{err: errors.New(message), hint: "a waiver or --fail-on lets it through; bulkhead impact --help says how", code: codeFindings}
}

// reportFile is one --report.
type reportFile struct{ format, path string }

// write replaces the file as a whole.
func (k reportFile) write(r *review.Review) error {
	var out bytes.Buffer
	if err := write(&out, k.format, r, false, false); err != nil {
		return err
	}
	return replaceFile(k.path, out.Bytes())
}

// comparison is two revisions and what is between them.
type comparison struct {
	base, head    *snapshot
	before, after *render.Result // nil for a revision without clusters
	branch        string
	files         []string // that differ
	spokes        []spoke
	report        *impact.Report
	stats         render.Stats
}

// part is what there is to say about a comparison, or about a shard of the fleet.
func (x *comparison) part(o *impactOptions, shard render.Shard) (*part.Part, error) {
	docs := [2]part.Version{{Rendered: x.before, Tree: x.base.tree}, {Rendered: x.after, Tree: x.head.tree}}
	for i := range docs {
		var err error
		if docs[i].Documents, err = render.Documents(docs[i].Tree); err != nil {
			return nil, err
		}
	}
	spokes, err := x.changedSpokes()
	if err != nil {
		return nil, err
	}
	redact := newRedactor()
	return part.Of(x.report, docs[0], docs[1], part.Options{
		Comparison: part.Comparison{
			Version: version(), Base: x.revision(x.base), Head: x.revision(x.head), Options: redact.Digest(o.rendered()), Files: x.files, Spokes: spokes,
		},
		Shard: part.Shard{Index: shard.Index, Of: shard.Of}, Stats: x.stats, Redact: redact, Owners: o.only != "",
	}), nil
}

// changedSpokes are the mapped repositories that change themselves, with their files that differ.
func (x *comparison) changedSpokes() (out []review.Spoke, err error) {
	for _, s := range x.spokes {
		k := review.Spoke{
			URL: s.url, Base: review.Revision{Name: s.before.rev, Commit: s.before.commit, Label: s.before.label()},
			Head: review.Revision{Name: s.after.rev, Commit: s.after.commit, Label: s.after.label()}, Before: s.before.tree, After: s.after.tree,
		}
		if k.Files, err = changedFiles(s.before.tree, s.after.tree); err != nil {
			return nil, fmt.Errorf("compare the files of %s: %w", s.url, err)
		}
		out = append(out, k)
	}
	return out, nil
}

// compare renders two revisions, the second with the builds of the first.
func (f *fleet) compare(ctx context.Context, base, head string) (*comparison, error) {
	x := &comparison{}
	var err error
	if f.opts.ranged() && base == "" && head == "" {
		x.base, err = f.workspace.at(ctx, "") // the hub stays as it is
	} else {
		x.base, err = f.base(ctx, base)
	}
	if err != nil {
		return nil, err
	}
	if x.head, err = f.workspace.at(ctx, head); err != nil {
		return nil, err
	}
	return x, f.between(ctx, x, base)
}

// between renders both sides of a comparison and compares them. Base is the revision that the user named for the first.
func (f *fleet) between(ctx context.Context, x *comparison, base string) error {
	f.twoSided = true
	if err := f.reach(x.base.tree); err != nil {
		return err
	}
	mapped, err := f.opts.sides(ctx, f.workspace, x.head.tree)
	if err != nil {
		return err
	}
	x.spokes = mapped.spokes
	if err := f.share(ctx, f.shard, []*tree.Tree{x.base.tree, x.head.tree}, mapped.before, mapped.after); err != nil {
		return err
	}
	var beside *snapshot
	if len(mapped.before)+len(mapped.after) == 0 {
		beside = x.head
	}
	err = f.renderBoth(ctx, x, base, mapped, beside)
	if errors.Is(err, render.ErrEntangled) {
		f.stats = render.Stats{}
		err = f.renderBoth(ctx, x, base, mapped, nil)
	}
	if err != nil {
		return err
	}
	if err := f.knowsVariables(x.before, x.after); err != nil {
		return err
	}
	x.branch, x.stats = f.branch, f.stats
	if x.files, err = changedFiles(x.base.tree, x.head.tree); err != nil {
		return fmt.Errorf("compare the files: %w", err)
	}
	x.report = impact.Between(x.before, x.after, impact.Options{Files: x.files})
	if x.after != nil {
		f.tellNotes(x.after)
	}
	return nil
}

// renderBoth renders the two revisions; one of them may be without clusters. What is the same in beside, if that is given,
// may be recalled.
func (f *fleet) renderBoth(ctx context.Context, x *comparison, base string, mapped sources, beside *snapshot) error {
	none := func(err error) bool { return errors.Is(err, render.ErrNoClusters) }
	f.render.Sources, f.beside = mapped.before, beside
	before, errBefore := f.first(ctx, x.base, base)
	f.beside = nil
	if errBefore != nil && !none(errBefore) {
		return fmt.Errorf("in %s: %w", x.base.label(), errBefore)
	}
	f.render.Sources = mapped.after
	after, errAfter := before, errBefore
	if !x.still() {
		after, errAfter = f.at(ctx, x.head, before)
	}
	if errAfter != nil && !none(errAfter) || errAfter != nil && errBefore != nil {
		return fmt.Errorf("in %s: %w", x.head.label(), errAfter)
	}
	x.before, x.after = before, after
	return nil
}

// still reports whether both sides are one commit with the same sources, so that the render of the one is that of
// the other.
func (x *comparison) still() bool {
	return x.base.commit != "" && x.base.commit == x.head.commit && len(x.spokes) == 0
}

// knowsVariables refuses variables for a cluster that neither side has.
func (f *fleet) knowsVariables(sides ...*render.Result) error {
	known := map[string]bool{}
	for _, r := range sides {
		if r != nil {
			for _, c := range r.Clusters {
				known[c.Name] = true
			}
			for _, e := range r.Entries {
				known[e.Cluster] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.render.Variables)) {
		if !known[name] {
			return usage("a --var is for cluster "+term.Quote(name)+", which does not exist", near(name, slices.Sorted(maps.Keys(known))))
		}
	}
	return nil
}

// base is the revision before the change: the one named, else where HEAD left
// the default branch.
func (f *fleet) base(ctx context.Context, rev string) (*snapshot, error) {
	if f.repo == nil {
		return nil, hinted(fmt.Errorf("%s is not a Git repository, and impact compares two revisions", f.dir), "run it in a clone, or name one: -C DIR")
	}
	if rev != "" {
		return f.workspace.at(ctx, rev)
	}
	branch, ok := f.repo.DefaultBranch()
	if f.opts.branch != "" {
		branch, ok = f.opts.branch, true
	}
	if !ok {
		return nil, usage("the repository has no default branch to compare with", "name a revision: bulkhead impact BASE")
	}
	c, err := f.repo.MergeBase(ctx, branch, "HEAD")
	if err != nil {
		return nil, err
	}
	return &snapshot{tree: c.Tree, rev: branch, fork: true, commit: c.Hash}, nil
}

func (x *comparison) revision(s *snapshot) review.Revision {
	return review.Revision{Name: s.rev, Commit: s.commit, MergeBase: s.fork, Branch: x.branch, Label: s.label()}
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/finding/baseline"
	"github.com/bulkhead-dev/bulkhead/impact/concern"
	"github.com/bulkhead-dev/bulkhead/impact/gate"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/policy"
	"github.com/bulkhead-dev/bulkhead/isolation/rule"
	"github.com/bulkhead-dev/bulkhead/isolation/survey"
	"github.com/bulkhead-dev/bulkhead/isolation/verdict"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/report/term"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// surveyed is a fleet that is ready for rules.
type surveyed struct {
	at, base     *snapshot // base is nil for none
	head, before *rule.Context
	rendered     *render.Result
	docs         v1alpha1.Documents
	earlier      v1alpha1.Documents // those of base
	tenant       string             // who looks, with its contract; "" for the platform
	asker        *policy.Asker      // nil until it is needed
}

// survey renders the revision, and the one before the change if one is named, and surveys them.
func (f *fleet) survey(ctx context.Context, o *checkOptions) (x *surveyed, err error) {
	x = &surveyed{}
	if x.at, err = f.workspace.at(ctx, o.rev); err != nil {
		return nil, err
	}
	allowed := x.at
	if o.base != "" {
		if x.base, err = f.workspace.at(ctx, o.base); err != nil {
			return nil, err
		}
		allowed, f.twoSided = x.base, true
	}
	spokes, err := f.ready(ctx, x.at.tree, allowed.tree)
	if err != nil {
		return nil, err
	}
	var before *render.Result
	if x.base != nil {
		f.render.Sources = spokes.before
		before, err = f.first(ctx, x.base, o.base)
		if err != nil && !errors.Is(err, render.ErrNoClusters) {
			return nil, fmt.Errorf("in %s: %w", x.base.label(), err)
		}
	}
	f.render.Sources = spokes.after
	if before == nil {
		x.rendered, err = f.first(ctx, x.at, o.rev)
	} else {
		x.rendered, err = f.at(ctx, x.at, before)
	}
	if err != nil {
		return nil, err
	}
	f.tellNotes(x.rendered)
	if before != nil {
		if x.before, x.earlier, err = f.context(before, x.base.tree); err != nil {
			return nil, fmt.Errorf("in %s: %w", x.base.label(), err)
		}
	}
	if x.head, x.docs, err = f.context(x.rendered, x.at.tree); err == nil {
		f.s.tellPacked(x.at.tree, x.docs)
	}
	return x, err
}

// ready makes ready what is beside the repository: what may be fetched, and other repositories.
func (f *fleet) ready(ctx context.Context, t, allowed *tree.Tree) (sources, error) {
	if err := f.reach(allowed); err != nil {
		return sources{}, err
	}
	if f.twoSided {
		return f.opts.sides(ctx, f.workspace, t)
	}
	all, err := f.opts.mapped(ctx, f.workspace, t)
	return sources{before: all, after: all}, err
}

// context is a rendered revision for rules.
func (f *fleet) context(r *render.Result, t *tree.Tree) (*rule.Context, v1alpha1.Documents, error) {
	docs, err := render.Documents(t)
	if err != nil {
		return nil, docs, err
	}
	judge := concern.New(concern.FleetOf(docs, t), nil, r)
	e, err := survey.Estate(r, survey.Options{
		Documents: docs, Hub: f.hubNames(r), Files: t,
		Environment: func(cluster string) (string, bool) {
			name, _ := judge.Environment(cluster)
			return name, gate.Production(name)
		},
	})
	if err != nil {
		return nil, docs, err
	}
	return rule.NewContext(e), docs, nil
}

// choose refuses names of clusters and tenants that are not there.
func (o *checkOptions) choose(e *estate.Estate) error {
	var clusters, tenants []string
	for _, c := range e.Clusters {
		clusters = append(clusters, c.Name)
	}
	for _, t := range e.Tenants {
		tenants = append(tenants, t.Name)
	}
	for _, name := range o.names {
		if !slices.Contains(clusters, name) {
			return usage("there is no cluster "+term.Quote(name), near(name, clusters))
		}
	}
	for _, name := range o.tenants {
		if !slices.Contains(tenants, name) {
			return usage("there is no tenant "+term.Quote(name), near(name, tenants))
		}
	}
	return nil
}

// check asks the rules, and puts what they say into a document.
func (x *surveyed) check(ctx context.Context, o *checkOptions, now time.Time, known *knownFindings) (*CheckDocument, error) {
	found, err := x.find(ctx, x.head, x.before)
	if err != nil {
		return nil, err
	}
	j, err := x.judge(ctx, o, found, now)
	if err != nil {
		return nil, err
	}
	all := j.all
	d := &CheckDocument{
		SchemaVersion: checkSchema, Revision: x.at.label(), Limits: checkLimits(), Coverage: render.CoverageOf(x.rendered.Clusters), Gone: []baseline.Entry{},
		anchor: x.anchor(), clusters: len(x.head.Clusters),
	}
	if x.base != nil {
		d.Base = x.base.label()
	}
	var marked []verdict.Finding
	add := func(list []finding.Finding, known bool) {
		for i := range list {
			marked = append(marked, verdict.Finding{Finding: list[i], Known: known})
		}
	}
	if err := known.settle(all, x.failing); err != nil {
		return nil, err
	}
	old, others := known.split(all)
	add(old, true)
	old, others = j.before.Split(others)
	verdict.Relocate(x.head.Estate, found, others)
	add(old, true)
	add(others, false)
	if known != nil {
		d.Gone = known.gone(all)
	}
	report := verdict.Of(x.head.Estate, found, marked)
	for i := range report.Unproven {
		report.Unproven[i].Known = report.Unproven[i].In(j.unproven)
	}
	d.Report = *report.Only(o.names, o.tenants, o.rules)
	return d, nil
}

// find asks the rules of the catalogue, those of the fleet's documents, and the policies that stand on the clusters. Before is what a change was made to;
// nil for no change.
func (x *surveyed) find(ctx context.Context, at, before *rule.Context) ([]rule.Found, error) {
	asker, err := x.asks()
	if err != nil {
		return nil, err
	}
	var earlier *estate.Estate
	if before != nil {
		earlier = before.Estate
	}
	asked, err := asker.Find(ctx, at.Estate, earlier)
	if err != nil {
		return nil, err
	}
	found := append(rule.Find(at, before), asked...)
	if before != nil {
		found = append(found, policy.Loosened(x.earlier.Rules, x.docs.Rules)...)
	}
	return x.within(found), nil
}

// asks is who asks the policies and the rules of documents, in both revisions: a change is judged by the rules before it, too.
func (x *surveyed) asks() (*policy.Asker, error) {
	if x.asker == nil {
		own, err := policy.Review(x.earlier.Rules, x.docs.Rules)
		if err != nil {
			return nil, err
		}
		x.asker = &policy.Asker{Rules: own}
	}
	return x.asker, nil
}

// within is what whoever looks may know of what is found: what is not in its files is not a tenant's to know.
func (x *surveyed) within(found []rule.Found) []rule.Found {
	if x.tenant == "" {
		return found
	}
	return slices.DeleteFunc(found, func(f rule.Found) bool { return f.Tenant == nil || f.Tenant.Name != x.tenant })
}

// failing reports whether something failed on a cluster, so that findings may be missing there; "" stands for all clusters.
func (x *surveyed) failing(cluster string) bool {
	return slices.ContainsFunc(x.rendered.Clusters, func(c *render.Cluster) bool { return (c.Name == cluster || cluster == "") && len(c.Failures) > 0 })
}

// anchor is a file of the repository for findings that are of none.
func (x *surveyed) anchor() string {
	if x.docs.Fleet != nil {
		return x.docs.Fleet.Place.File
	}
	for i := range x.docs.Clusters {
		return x.docs.Clusters[i].Place.File
	}
	for _, e := range x.rendered.Entries {
		if e.File != "" {
			return e.File
		}
	}
	return "README.md"
}

func labelsOf(clusters []v1alpha1.Cluster) map[string]map[string]string {
	out := map[string]map[string]string{}
	for i := range clusters {
		out[clusters[i].Name] = clusters[i].Labels
	}
	return out
}

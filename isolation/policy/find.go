package policy

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/rule"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

// Asker asks about estates. What it compiled and what was said it remembers from one to the next, so that revisions of a fleet share it. The zero value
// asks the policies on clusters alone.
type Asker struct {
	// Rules are those of [Compile].
	Rules    []*Document
	compiler Compiler
}

// Find is [Asker.Find] of a new one.
func Find(ctx context.Context, e, before *estate.Estate, rules []*Document, without ...string) ([]rule.Found, error) {
	return (&Asker{Rules: rules}).Find(ctx, e, before, without...)
}

// Find asks the policies that stand on each cluster, and the rules of documents, about all that appliers bring there, suspended ones and Helm's hooks
// among it. With the estate at another revision, before, an object that was there is updated and one that is gone is deleted; without, all are
// created. Rules in without are not asked. The result is sorted as [rule.Find] sorts.
//
// The error is that of a context that ended.
func (a *Asker) Find(ctx context.Context, e, before *estate.Estate, without ...string) ([]rule.Found, error) {
	return a.find(ctx, e, before, &scope{
		rules:    func(id string) bool { return !slices.Contains(without, id) },
		clusters: func(string) bool { return true },
		objects:  func(string, object.ID) bool { return true },
	})
}

// FindAgain is what [Asker.Find] finds of a revision that stays as it is, every object updated to what it was, as far as it is about what was found in another one, and by the same
// rules: of the rules in all it is what Find finds.
func (a *Asker) FindAgain(ctx context.Context, e *estate.Estate, found []rule.Found, all map[string]bool) ([]rule.Found, error) {
	type at struct {
		cluster string
		id      object.ID
	}
	rules, on, where := maps.Clone(all), map[string]bool{}, map[at]bool{}
	own := func(id string) bool {
		return id == Refused || id == Warned || strings.HasPrefix(id, v1alpha1.RulePrefix)
	}
	every := false // object
	for id := range all {
		every = every || own(id)
	}
	for i := range found {
		f := &found[i]
		if f.Cluster == nil && f.Unproven && own(f.Rule) { // its budget is spent, by the objects of all clusters
			rules[f.Rule], every = true, true
		}
		if f.Cluster == nil || f.ID == nil || f.Rule != Broken && !own(f.Rule) {
			continue
		}
		rules[f.Rule], on[f.Cluster.Name] = true, true
		if f.Rule != Broken {
			where[at{f.Cluster.Name, *f.ID}] = true
		}
	}
	return a.find(ctx, e, e, &scope{
		rules:    func(id string) bool { return rules[id] },
		clusters: func(name string) bool { return every || all[Broken] || on[name] },
		objects:  func(cluster string, id object.ID) bool { return every || where[at{cluster, id}] },
	})
}

// scope is what is asked, and about what.
type scope struct {
	rules    func(id string) bool
	clusters func(name string) bool
	objects  func(cluster string, id object.ID) bool
}

func (a *Asker) find(ctx context.Context, e, before *estate.Estate, in *scope) ([]rule.Found, error) {
	f := &finder{
		fleet: fleetValue(e), compiler: &a.compiler, in: in,
		rules: slices.DeleteFunc(slices.Clone(a.Rules), func(d *Document) bool { return !in.rules(d.ID()) }),
	}
	var jobs []job
	var out []rule.Found
	for _, c := range e.Clusters {
		if !in.clusters(c.Name) {
			continue
		}
		found, asked := f.cluster(e, c, before)
		out, jobs = append(out, found...), append(jobs, asked...)
	}
	l := newLedger(f.rules, len(jobs))
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range min(runtime.GOMAXPROCS(0), len(jobs)) {
		g.Go(func() error {
			for i := next.Add(1) - 1; i < int64(len(jobs)); i = next.Add(1) - 1 {
				if err := ctx.Err(); err != nil {
					return err
				}
				told, own := f.ask(ctx, &jobs[i], l)
				l.enter(int(i), told, own)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	out = append(out, l.found()...)
	slices.SortStableFunc(out, compare)
	return out, nil
}

func compare(a, b rule.Found) int {
	id := func(f *rule.Found) object.ID {
		if f.ID == nil {
			return object.ID{}
		}
		return *f.ID
	}
	cluster := func(f *rule.Found) string {
		if f.Cluster == nil {
			return ""
		}
		return f.Cluster.Name
	}
	return cmp.Or(cmp.Compare(cluster(&a), cluster(&b)), cmp.Compare(a.Level.Rank(), b.Level.Rank()), cmp.Compare(a.Rule, b.Rule), id(&a).Compare(id(&b)),
		cmp.Compare(a.Field, b.Field), cmp.Compare(a.Message, b.Message))
}

// finder looks at one estate.
type finder struct {
	in       *scope
	fleet    map[string]any
	compiler *Compiler
	rules    []*Document // of documents that are asked
}

// job is one object to ask about.
type job struct {
	on      *Cluster
	about   map[string]any // the cluster, for rules
	request *Request
	object  *estate.Object // nil for what is gone
	applier *estate.Applier
	tenant  *estate.Tenant
}

// cluster is what is wrong with the policies of a cluster, and what they are to be asked about.
func (f *finder) cluster(e *estate.Estate, c *estate.Cluster, before *estate.Estate) (out []rule.Found, jobs []job) {
	on := On(c, f.compiler)
	if f.in.rules(Broken) {
		for _, b := range on.broken {
			found := rule.Found{Rule: Broken, Object: b.object, Field: b.field, Hint: b.hint, Message: "the " + b.object.ID.Kind + " does not work: " + b.message}
			if b.idle {
				found.Level, found.Hint = finding.Info, "bring a binding, or take the policy out"
				found.Message = "the " + b.object.ID.Kind + " guards nothing: " + b.message
			}
			out = append(out, fill(found))
		}
	}
	if len(on.hooks)+len(f.rules) == 0 {
		return out, nil
	}
	var old *estate.Cluster
	if before != nil {
		old = before.Cluster(c.Name)
	}
	about := clusterValue(c)
	for _, a := range c.Appliers {
		for _, list := range [][]*estate.Object{a.Objects, a.Held, a.Hooks} {
			for _, o := range list {
				if f.in.objects(c.Name, o.ID) && !ignored(o) {
					jobs = append(jobs, job{on, about, requestOf(a, o.Object, inBefore(old, o)), o, a, o.Tenant})
				}
			}
		}
	}
	for _, gone := range deleted(c, old) {
		var t *estate.Tenant
		if gone.object.Tenant != nil {
			t = e.Tenant(gone.object.Tenant.Name)
		}
		jobs = append(jobs, job{on, about, requestOf(gone.by, nil, gone.object.Object), nil, gone.by, t})
	}
	return out, jobs
}

// ask is what policies and the rules of documents say of one object.
func (f *finder) ask(ctx context.Context, j *job, l *ledger) (told []rule.Found, own []answer) {
	q := j.on.ask(j.request)
	told = f.told(j.on.review(ctx, q), j.request)
	own = f.own(ctx, j.on, q, l, func() extras {
		return extras{"tenant": tenantValue(j.tenant, j.on.Cluster), "cluster": j.about, "applier": applierValue(j.applier), "fleet": f.fleet}
	})
	place := func(out *rule.Found) {
		out.Object, out.ID, out.Cluster, out.Tenant = j.object, &j.request.subject().ID, j.on.Cluster, j.tenant
		*out = fill(*out)
	}
	for i := range told {
		place(&told[i])
	}
	for i := range own {
		if own[i].found != nil {
			place(own[i].found)
		}
	}
	return told, own
}

// inBefore is the object as it was; nil when it was not.
func inBefore(before *estate.Cluster, o *estate.Object) *object.Object {
	if before == nil || o.Hook {
		return nil
	}
	if old := before.Get(o.ID); len(old) > 0 {
		return old[0].Object
	}
	return nil
}

// ignored reports whether Flux leaves an object alone.
//
// Source: kustomize-controller v1.9.5, which gives these to fluxcd/pkg/ssa as exclusions.
func ignored(o *estate.Object) bool {
	if o.Applier.Kind != estate.KustomizationKind {
		return false
	}
	for _, m := range []map[string]string{o.Annotations(), o.Labels()} {
		if strings.EqualFold(m["kustomize.toolkit.fluxcd.io/reconcile"], "disabled") || strings.EqualFold(m["kustomize.toolkit.fluxcd.io/ssa"], "ignore") {
			return true
		}
	}
	return false
}

// gone is an object that is taken away.
type gone struct {
	object *estate.Object
	by     *estate.Applier
}

// deleted are the objects that were there, are not, and were pruned.
func deleted(c, before *estate.Cluster) (out []gone) {
	if before == nil {
		return nil
	}
	seen := map[object.ID]bool{}
	for _, o := range before.Objects {
		if len(c.Get(o.ID)) > 0 || seen[o.ID] || ignored(o) {
			continue
		}
		seen[o.ID] = true
		by := o.Applier
		if i := slices.IndexFunc(c.Appliers, func(a *estate.Applier) bool { return a.Applier == by.Applier }); i >= 0 {
			by = c.Appliers[i]
		}
		if by.Prune || by.Kind != estate.KustomizationKind {
			out = append(out, gone{o, by})
		}
	}
	return out
}

// told are the findings of one object: one of what is refused, one of what is objected to, and one of what is not known.
func (f *finder) told(all []Verdict, r *Request) (out []rule.Found) {
	verb := "refuses it" // the same words for a new object and for one that was there, so that a review knows it again
	if r.Object == nil {
		verb = "refuses to delete it"
	}
	var refused, warned, unknown []Verdict
	for _, v := range all {
		switch {
		case v.Missing: // it is told of the binding
		case v.Unknown != "":
			unknown = append(unknown, v)
		case v.Action == Deny:
			refused = append(refused, v)
		default:
			warned = append(warned, v)
		}
	}
	if len(refused) > 0 && f.in.rules(Refused) {
		out = append(out, said(Refused, "ValidatingAdmissionPolicy %s "+verb+": %s", refused, Verdict.reason))
	}
	if len(warned) > 0 && f.in.rules(Warned) {
		out = append(out, said(Warned, "ValidatingAdmissionPolicy %s objects to it and lets it pass: %s", warned, Verdict.reason))
	}
	if len(unknown) > 0 && len(refused) == 0 && f.in.rules(Refused) {
		one := said(Refused, "whether ValidatingAdmissionPolicy %s refuses it is not known: %s", unknown, func(v Verdict) string { return v.Unknown })
		one.Unproven = true
		out = append(out, one)
	}
	return out
}

func (v Verdict) reason() string { return v.Public }

// said is a finding of what several policies say: the first in the message, all of them in the evidence.
func said(id, format string, all []Verdict, why func(Verdict) string) rule.Found {
	out := rule.Found{Rule: id}
	var names []string
	for _, v := range all {
		if name := v.Policy.ID.Name; !slices.Contains(names, name) {
			names = append(names, name)
		}
		step := finding.Step{Message: fmt.Sprintf("ValidatingAdmissionPolicy %s: %s", v.Policy.ID.Name, why(v)), Object: &v.Policy.ID}
		if v.Binding != nil {
			step.Message = fmt.Sprintf("ValidatingAdmissionPolicyBinding %s of policy %s: %s", v.Binding.ID.Name, v.Policy.ID.Name, why(v))
			step.Object = &v.Binding.ID
		}
		if !slices.ContainsFunc(out.Steps, func(s finding.Step) bool { return s.Message == step.Message }) {
			out.Steps = append(out.Steps, step)
		}
	}
	out.Message = fmt.Sprintf(format, names[0], why(all[0]))
	if n := len(names) - 1; n > 0 {
		out.Message += fmt.Sprintf(", and so for %s more", phrase.Count(n, "policy"))
	}
	return out
}

// own asks the rules of documents about an object, but for those whose budget is spent.
func (f *finder) own(ctx context.Context, on *Cluster, q *asked, l *ledger, more func() extras) (out []answer) {
	var with extras
	for i, d := range f.rules {
		if l.spent[i].Load() {
			continue
		}
		m, err := on.matches(q, d.program.accessor)
		if err != nil || !m.yes {
			continue // constraints were checked when the document was read
		}
		if with == nil {
			with = more()
		}
		a := answer{document: i}
		a.found, a.cost = d.ask(with.in(ctx), on, &call{program: d.program, asked: q, match: m, unknown: m.unknown})
		out = append(out, a)
	}
	return out
}

// fill takes from the catalogue what a finding does not say.
func fill(f rule.Found) rule.Found {
	for _, r := range Rules() {
		if r.ID == f.Rule {
			f.Level, f.Hint = cmp.Or(f.Level, r.Level), cmp.Or(f.Hint, r.Hint)
		}
	}
	if f.Object != nil {
		f.ID, f.Cluster, f.Tenant = &f.Object.ID, cmp.Or(f.Cluster, f.Object.Cluster), cmp.Or(f.Tenant, f.Object.Tenant)
	}
	return f
}

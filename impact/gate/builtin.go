package gate

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

// objection is why a change does not pass; the zero value is none.
type objection struct {
	message  string
	evidence []string
	clusters []string
}

// builtIn is a gate that needs no expression.
type builtIn struct {
	name     string
	severity finding.Severity
	off      bool   // unless the fleet names it
	asks     string // what it asks for, the message when it passes
	why      string
	hint     string
	check    func(v *Impact, with v1alpha1.Limits) objection
}

// builtIns are those of [v1alpha1.BuiltInGates], in their order.
func builtIns() []builtIn {
	return []builtIn{
		{
			name: "applies", severity: finding.Error, check: applies,
			asks: "no new failures, and nothing that the API server refuses",
			why:  "What fails is not applied, and what depends on it waits. The fleet stays half changed until somebody looks.",
			hint: "mend what fails, or give an object whose fixed field changes another name",
		},
		{
			name: v1alpha1.GateBudget, severity: finding.Error, off: true, check: budget,
			asks: "not more clusters or objects than the fleet allows at once",
			why:  "A change that touches too much at once cannot be read by anybody, and if it is wrong it is wrong everywhere.",
			hint: "split the change",
		},
		{
			name: "data-deletion", severity: finding.Error, check: dataDeletion,
			asks: "no deletion of data without a waiver",
			why:  "What is stored in a volume, a namespace or a custom resource goes with it, and Git cannot bring it back.",
			hint: "keep the object, or add a waiver for its rule that somebody approves",
		},
		{
			name: "prod-alone", severity: finding.Warning, check: prodAlone,
			asks: "no change of production together with another environment",
			why:  "A change is tried out in one environment before it reaches production.",
			hint: "split the change: production last, on its own",
		},
		{
			name: "tenant-boundary", severity: finding.Warning, check: tenantBoundary,
			asks: "a tenant's change touches only that tenant",
			why:  "All changed files belong to one tenant, so nobody else was asked. What belongs to others must not change by it.",
			hint: "scope the files to the tenant, or let the owners of the others approve",
		},
		{
			name: "unresolved", severity: finding.Warning, check: unresolved,
			asks: "nothing that cannot be known offline differs between the two revisions",
			why:  "What comes in there is not part of the review, and may be anything.",
			hint: "map the source with --source URL=PATH, allow it to be fetched, or look at it by hand",
		},
	}
}

func builtInOf(name string) *builtIn {
	all := builtIns()
	if i := slices.IndexFunc(all, func(b builtIn) bool { return b.name == name }); i >= 0 {
		return &all[i]
	}
	return nil
}

// result fills in r for a gate that adjusts b.
func (b *builtIn) result(v *Impact, g *v1alpha1.Gate, r Result) Result {
	r.BuiltIn = true
	r.Severity = cmp.Or(r.Severity, b.severity)
	r.Message = cmp.Or(oneLine(g.Message), b.asks)
	if o := b.check(v, g.With); o.message != "" {
		r.State = Failed
		r.Message = cmp.Or(oneLine(g.Message), oneLine(o.message))
		r.Evidence = lines(o.evidence)
		r.Clusters = unique(o.clusters)
	}
	return r
}

// unique is the list sorted, each text once; never nil.
func unique(list []string) []string {
	return append([]string{}, slices.Compact(slices.Sorted(slices.Values(list)))...)
}

// Production reports whether an environment is production by its name: "prod", "production" or "live" is
// one of its words, and no word says that it is not.
func Production(environment string) bool {
	words := strings.FieldsFunc(strings.ToLower(environment), func(r rune) bool { return !unicode.IsLetter(r) })
	is := func(names ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(names, w) })
	}
	return is("prod", "production", "live") && !is("non", "not", "pre")
}

func prodAlone(v *Impact, _ v1alpha1.Limits) objection {
	prod := slices.DeleteFunc(slices.Clone(v.Environments), func(e string) bool { return !Production(e) })
	if len(prod) == 0 || len(v.Environments) == 1 {
		return objection{}
	}
	var o objection
	var names, others []string
	for _, e := range v.Environments {
		names = names[:0]
		for i := range v.Clusters {
			if v.Clusters[i].Environment == e {
				names = append(names, v.Clusters[i].Name)
			}
		}
		o.clusters = append(o.clusters, names...)
		o.evidence = append(o.evidence, e+": "+phrase.Count(len(names), "cluster")+": "+phrase.List(names, 6))
		if e != prod[0] {
			others = append(others, e)
		}
	}
	o.message = prod[0] + " changes together with " + and(others)
	return o
}

func tenantBoundary(v *Impact, _ v1alpha1.Limits) objection {
	owner := ""
	for i, f := range v.Files {
		c := v.FileConcerns[f]
		if !strings.HasPrefix(c, tenantPrefix) || i > 0 && c != owner {
			return objection{}
		}
		owner = c
	}
	if owner == "" {
		return objection{}
	}
	var o objection
	var others []string
	for i := range v.Changes {
		c := &v.Changes[i]
		if c.Concern == owner {
			continue
		}
		whose := concernText(c.Concern)
		others = append(others, whose)
		o.clusters = append(o.clusters, c.Clusters...)
		o.evidence = append(o.evidence, nameOf(c.Kind, c.Namespace, c.Name)+" of "+whose+" is "+c.Change+" "+where(c.Clusters, v))
	}
	if len(o.evidence) > 0 {
		o.message = "all changed files are of " + concernText(owner) + ", but objects of " + and(unique(others)) + " change"
	}
	return o
}

const tenantPrefix = "tenant/"

// concernText is a concern in a sentence.
func concernText(c string) string {
	switch name, tenant := strings.CutPrefix(c, tenantPrefix); {
	case tenant:
		return "tenant " + name
	case c == "platform":
		return "the platform"
	case c == "cluster":
		return "single clusters"
	default:
		return "nobody"
	}
}

func budget(v *Impact, with v1alpha1.Limits) objection {
	var over []string
	for _, l := range []struct {
		count, limit int
		noun         string
	}{{v.Counts.Clusters, with.Clusters, "cluster"}, {v.Counts.Objects, with.Objects, "object"}} {
		if l.limit > 0 && l.count > l.limit {
			over = append(over, phrase.Count(l.count, l.noun)+" change, "+phrase.Count(l.limit, l.noun)+" may")
		}
	}
	if len(over) == 0 {
		return objection{}
	}
	o := objection{message: strings.Join(over, "; ")}
	largest := slices.Clone(v.Clusters)
	slices.SortStableFunc(largest, func(a, b Cluster) int { return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.Name, b.Name)) })
	for i := range largest {
		o.clusters = append(o.clusters, largest[i].Name)
		o.evidence = append(o.evidence, largest[i].Name+": "+phrase.Count(largest[i].Total, "object"))
	}
	return o
}

// dataDeletion looks for risks that delete, and for other ones that do so to kinds that hold data.
func dataDeletion(v *Impact, _ v1alpha1.Limits) objection {
	deletes := []string{"crd-deleted", "namespace-deleted", "pv-deleted", "pvc-deleted", "statefulset-deleted"}
	mayDelete := []string{"move-deletes", "object-recreated"}
	kinds := []string{"CustomResourceDefinition", "Namespace", "PersistentVolume", "PersistentVolumeClaim", "StatefulSet"}
	found := risks(v, func(r *Risk) bool {
		return slices.Contains(deletes, r.ID) && r.Severity != string(finding.Note) ||
			slices.Contains(mayDelete, r.ID) && slices.Contains(kinds, r.Kind) && r.Severity == string(finding.Error)
	})
	if n := len(found.evidence); n > 0 {
		found.message = phrase.Count(n, "deletion") + " of data without a waiver"
	}
	return found
}

// applies counts new failures as findings where there are some, since those can be waived.
func applies(v *Impact, _ v1alpha1.Limits) objection {
	const newFailure = "new-failure"
	o := risks(v, func(r *Risk) bool { return r.ID == "immutable-field" || r.ID == "apply-refused" })
	failing, refused := risks(v, func(r *Risk) bool { return r.ID == newFailure }), len(o.evidence)
	count := len(failing.evidence)
	if !slices.ContainsFunc(v.Risks, func(r Risk) bool { return r.ID == newFailure }) {
		count = v.Counts.NewFailures
		for _, f := range v.Failures {
			if f.New {
				failing.clusters = append(failing.clusters, f.Cluster)
				failing.evidence = append(failing.evidence, f.Applier+" on "+f.Cluster+": "+f.Message)
			}
		}
	}
	var parts []string
	if count > 0 {
		parts = append(parts, phrase.Count(count, "new failure"))
	}
	if refused > 0 {
		parts = append(parts, phrase.Count(refused, "change")+" that the API server refuses")
	}
	return objection{and(parts), append(failing.evidence, o.evidence...), append(failing.clusters, o.clusters...)}
}

func unresolved(v *Impact, _ v1alpha1.Limits) objection {
	if len(v.Unresolved) == 0 {
		return objection{}
	}
	var o objection
	at := map[string][]string{}
	for _, u := range v.Unresolved {
		o.clusters = append(o.clusters, u.Cluster)
		side := "before the change"
		if u.Change == "added" {
			side = "after the change"
		}
		what := u.Kind + " " + u.Subject + " is not known " + side
		at[what] = append(at[what], u.Cluster)
	}
	for _, what := range slices.Sorted(maps.Keys(at)) {
		o.evidence = append(o.evidence, what+", "+where(unique(at[what]), v))
	}
	o.message = phrase.Count(len(at), "part") + " cannot be known offline and " + phrase.Verb(len(at), "differs", "differ")
	return o
}

// risks are the open ones that are meant, as evidence.
func risks(v *Impact, meant func(*Risk) bool) (o objection) {
	for i := range v.Risks {
		r := &v.Risks[i]
		if r.Waived || !meant(r) {
			continue
		}
		o.clusters = append(o.clusters, r.Clusters...)
		o.evidence = append(o.evidence, r.Message+", "+where(r.Clusters, v))
	}
	return o
}

func where(clusters []string, v *Impact) string {
	if len(clusters) == 0 {
		return "on no cluster"
	}
	return phrase.Where(clusters, v.Counts.Fleet)
}

// nameOf is an object's name as people say it: "Deployment shop/web".
func nameOf(kind, namespace, name string) string {
	if namespace != "" {
		name = namespace + "/" + name
	}
	return kind + " " + name
}

// and joins "a", "b" and "c".
func and(list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	if len(list) > 4 {
		return phrase.List(list, 3)
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}

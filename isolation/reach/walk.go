package reach

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/permission"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

// maxGrants bounds what is looked at of one principal.
const maxGrants = 200_000

// walk finds the principals that a tenant reaches, in the order of the steps to them.
type walk struct {
	r      *Reach
	c      *estate.Cluster
	rights *permission.Closure
	seen   map[string]bool

	namespaces []string            // of the cluster, sorted; worked out when first needed
	accounts   map[string][]string // by namespace, sorted
}

// then are steps and those that follow, as a list of their own.
func then(steps []finding.Step, more ...finding.Step) []finding.Step {
	return append(slices.Clip(slices.Clone(steps)), more...)
}

func step(id *object.ID, format string, args ...any) finding.Step {
	return finding.Step{Message: fmt.Sprintf(format, args...), Object: id}
}

// granted tells of a grant.
func granted(g *permission.Grant) finding.Step {
	id := object.ID{Group: rbacv1.GroupName, Kind: "ClusterRoleBinding", Name: g.Binding}
	if g.Namespace != "" {
		id.Kind, id.Namespace = "RoleBinding", g.Namespace
	}
	role := "Role"
	if g.ClusterRole {
		role = "ClusterRole"
	}
	via := ""
	if names := g.Via(); len(names) > 0 {
		via = ", made of " + phrase.List(names, 6) + " by aggregation,"
	}
	what := phrase.List(g.Rule.Resources, 4)
	if len(g.Rule.NonResourceURLs) > 0 {
		what = phrase.List(g.Rule.NonResourceURLs, 4)
	}
	return step(&id, "%s %s gives it %s %s%s which allows %s of %s", id.Kind, strings.TrimPrefix(g.Namespace+"/"+g.Binding, "/"), role, g.Role, via, phrase.List(g.Rule.Verbs, 8), what)
}

// start takes what the tenant is given: the identities of its appliers, and its owners.
func (w *walk) start(p *estate.Compartment) {
	for _, a := range p.Appliers {
		id := a.ID()
		switch {
		case a.Target != w.c, a.Author != nil: // what the tenant makes is no gift: see applies
		case a.As.Kind == estate.RunsAsAccount:
			w.account(a.As.Account, true, step(&id, "%s applies files of tenant %s as account %s", a, p.Tenant.Name, a.As.Account))
		case a.As.Kind == estate.RunsAsKubeconfig:
			w.r.Unknown = append(w.r.Unknown, step(&id, "%s applies files of tenant %s as the user of a kubeconfig, whom Git does not know", a, p.Tenant.Name))
		default:
			w.everything(controllerOf(a), true, step(&id, "%s applies files of tenant %s as its controller, which may do everything", a, p.Tenant.Name))
		}
	}
	for _, s := range p.Tenant.Document.Spec.Owners {
		told := step(nil, "the document of tenant %s names the owner %s %s", p.Tenant.Name, strings.ToLower(s.Kind), s.Name)
		switch s.Kind {
		case rbacv1.ServiceAccountKind:
			w.account(estate.Account{Namespace: s.Namespace, Name: s.Name}, true, told)
		case rbacv1.GroupKind:
			w.add(&Principal{Kind: Person, Name: "group " + s.Name, Given: true, subject: permission.Person("", s.Name), Steps: []finding.Step{told}})
		default:
			w.add(&Principal{Kind: Person, Name: "user " + s.Name, Given: true, subject: permission.Person(s.Name), Steps: []finding.Step{told}})
		}
	}
}

func controllerOf(a *estate.Applier) string {
	switch a.Kind {
	case estate.HelmReleaseKind:
		return estate.HelmController
	case estate.ResourceSetKind:
		return estate.FluxOperator
	}
	return estate.KustomizeController
}

// add takes a principal unless it is known. The first way to it is the shortest.
func (w *walk) add(p *Principal) {
	key := p.String()
	if w.seen[key] {
		return
	}
	w.seen[key] = true
	if p.Kind != Everything && p.grants == nil {
		whole := false
		if p.grants, whole = w.rights.All(p.subject, maxGrants); !whole {
			p = &Principal{Kind: Everything, Name: "all rights", Given: p.Given, Steps: then(p.Steps, step(nil, "%s has more than %d rights, which are taken for all", p, maxGrants))}
		}
	}
	w.r.Principals = append(w.r.Principals, p)
}

// account takes a ServiceAccount. One that is given to the tenant counts without rights, too.
func (w *walk) account(a estate.Account, given bool, steps ...finding.Step) {
	w.add(&Principal{Kind: Account, Account: a, Given: given, subject: permission.Account(a.Namespace, a.Name), Steps: steps})
}

func (w *walk) everything(name string, given bool, steps ...finding.Step) {
	w.add(&Principal{Kind: Everything, Name: name, Given: given, Steps: steps})
}

// scope are the namespaces that a grant holds in.
func (w *walk) scope(g *permission.Grant) []string {
	if g.Namespace != "" {
		return []string{g.Namespace}
	}
	w.survey()
	return w.namespaces
}

// survey lists the namespaces of the cluster and their accounts: those that are applied, and those that only a binding names.
func (w *walk) survey() {
	if w.accounts != nil {
		return
	}
	w.accounts = map[string][]string{}
	spaces := map[string]bool{"default": true, "kube-system": true, "kube-public": true, "kube-node-lease": true}
	for _, o := range w.c.Objects {
		if o.ID.Namespace != "" {
			spaces[o.ID.Namespace] = true
		}
		if o.Is("", "Namespace") {
			spaces[o.ID.Name] = true
		}
	}
	for _, o := range w.c.Kind("", "ServiceAccount") {
		w.accounts[o.ID.Namespace] = append(w.accounts[o.ID.Namespace], o.ID.Name)
	}
	for namespace, names := range w.rights.Bound() {
		spaces[namespace] = true
		w.accounts[namespace] = append(w.accounts[namespace], names...)
	}
	for namespace, names := range w.accounts {
		slices.Sort(names)
		w.accounts[namespace] = slices.Compact(names)
	}
	w.namespaces = slices.Sorted(maps.Keys(spaces))
}

// all takes every account of a namespace that may do more than everybody.
func (w *walk) all(namespace string, steps []finding.Step, how string) {
	w.survey()
	for _, name := range w.accounts[namespace] {
		w.account(estate.Account{Namespace: namespace, Name: name}, false, then(steps, step(nil, "%s %s: account %s", how, namespace, name))...)
	}
}

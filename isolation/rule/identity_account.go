package rule

import (
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/permission"
	"github.com/bulkhead-dev/bulkhead/isolation/reach"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

// accountRules are about what accounts may do.
func accountRules() []Rule {
	return []Rule{
		{
			Rule: finding.Rule{
				ID: "IMP-002", Level: finding.High, Title: "The default account of Flux's controllers has rights",
				Why:  "What names no account acts as the default one of its namespace. It is a safe default only as long as it may do nothing; a binding for all service accounts arms it everywhere.",
				Hint: "take the default account out of the binding: name the accounts that need the role",
			},
			Boundary: true,
			Unless:   "The default is an account of the tenant's own under a name of its own, and its rights end at the tenant's namespaces.",
			Static:   "what an account may do follows from several objects",
			Source:   "kustomize-controller v1.9.5, helm-controller v1.6.4: --default-service-account; Kubernetes v1.36: groups of service accounts",

			compartment: armedDefault,
		},
		{
			Rule: finding.Rule{
				ID: "IMP-004", Level: finding.Critical, Title: "What a tenant is given may do more than its compartment",
				Why:  "The account that a tenant's files are applied as may do all that the files ask for. A right outside of the tenant's namespaces is the tenant's right.",
				Hint: "bind the account in the tenant's namespaces only, by RoleBindings to a role that fits: bulkhead-tenant does",
			},
			Boundary: true,
			Unless:   "The right is on kinds that the tenant's contract lists in clusterScoped.",
			Static:   "what an account may do follows from several objects",
			Source:   "Kubernetes v1.36: RBAC; what follows from a right is that of package reach",

			compartment: givenTooMuch,
		},
		{
			Rule: finding.Rule{
				ID: "IMP-005", Level: finding.Critical, Title: "A tenant can act as an account with rights outside of its compartment",
				Why:  "Who makes pods or appliers in a namespace acts as any account of it, whoever the account was meant for.",
				Hint: "move the account, and what uses it, to a namespace of the platform",
			},
			Boundary: true,
			Unless:   "The namespace is shared on purpose by those who trust each other.",
			Static:   "what an account may do follows from several objects",
			Source:   "Kubernetes v1.36: RBAC good practices, workload creation; what follows from a right is that of package reach",

			compartment: reachesTooMuch,
		},
		{
			Rule: finding.Rule{
				ID: "IMP-008", Level: finding.High, Title: "Two tenants, or a tenant and the platform, share an account",
				Why:  "Rights are an account's: who shares it has the rights of both, and nobody can take them from one alone.",
				Hint: "give each tenant an account of its own, and bind it in its own namespaces only",
			},
			Boundary: true,
			Static:   "several objects are compared",
			Source:   "Flux, multi-tenancy: an account for each tenant",
			cluster:  sharedAccounts,
		},
	}
}

// grantsLimit bounds what is looked at of one account.
const grantsLimit = 10_000

// bindingOf is the object that makes a grant.
func bindingOf(g *permission.Grant) object.ID {
	if g.Namespace == "" {
		return object.ID{Group: rbacv1.GroupName, Kind: "ClusterRoleBinding", Name: g.Binding}
	}
	return object.ID{Group: rbacv1.GroupName, Kind: "RoleBinding", Namespace: g.Namespace, Name: g.Binding}
}

// defaultAccounts are the names that the controllers of a cluster take for appliers that name no account.
func defaultAccounts(c *estate.Cluster) (out []string) {
	for _, k := range c.Controllers {
		if !slices.Contains([]string{estate.KustomizeController, estate.HelmController, estate.FluxOperator}, k.Name) {
			continue
		}
		if name, _ := k.Flag("--default-service-account"); name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

func armedDefault(_ *Context, p *estate.Compartment) (out []Found) {
	c := p.Cluster
	for _, name := range defaultAccounts(c) {
		seen := map[object.ID]bool{}
		for _, ns := range p.Namespaces {
			account := estate.Account{Namespace: ns, Name: name}
			grants, _ := c.Permissions().All(permission.Account(ns, name), grantsLimit)
			for i := range grants {
				g := &grants[i]
				id := bindingOf(g)
				own := p.Owns(g.Namespace)
				if seen[id] || everybodysGrant(g) || own && name != "default" || contracted(p, g) {
					continue
				}
				seen[id] = true
				for k := range grants { // one that says what is bad about it
					if bindingOf(&grants[k]) == id && slices.ContainsFunc(grants[k].Rule.Verbs, beyondReading) {
						g = &grants[k]
						break
					}
				}
				f := Found{
					ID: &id, Object: first(c.Get(id)),
					Message: fmt.Sprintf("%s, the default account of Flux in namespace %s of tenant %s, has rights: %s", account, ns, p.Tenant.Name, told(g)),
					Steps:   []finding.Step{{Message: "what names no account in namespace " + ns + " is applied as " + account.String()}, {Message: told(g), Object: &id}},
				}
				if !own && slices.ContainsFunc(g.Rule.Verbs, beyondReading) {
					f.Level = finding.Critical
				}
				out = append(out, f)
			}
		}
	}
	return out
}

// everybodysGrant reports whether Kubernetes gives a grant to everybody.
//
// Source: Kubernetes v1.36, bootstrappolicy ClusterRoleBindings.
func everybodysGrant(g *permission.Grant) bool {
	return g.Namespace == "" && strings.HasPrefix(g.Binding, "system:") && g.Role == g.Binding || len(g.Rule.Verbs) == 0
}

func first(list []*estate.Object) *estate.Object {
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

// told is a grant in words.
func told(g *permission.Grant) string {
	id := bindingOf(g)
	role := "Role"
	if g.ClusterRole {
		role = "ClusterRole"
	}
	what := g.Rule.Resources
	if len(what) == 0 {
		what = g.Rule.NonResourceURLs
	}
	return legibleUpTo(fmt.Sprintf("%s gives it %s %s, which allows %s of %s", short(id), role, g.Role, phrase.List(g.Rule.Verbs, 4), phrase.List(what, 4)), 300)
}

// contracted reports whether a grant everywhere is on nothing but kinds that the tenant's contract allows it.
func contracted(p *estate.Compartment, g *permission.Grant) bool {
	contract, known := p.Contract()
	if !known || g.Namespace != "" || len(g.Rule.Resources) == 0 || len(g.Rule.NonResourceURLs) > 0 {
		return false
	}
	for _, group := range g.Rule.APIGroups {
		for _, resource := range g.Rule.Resources {
			resource, _, _ = strings.Cut(resource, "/")
			allowed := false
			for _, gk := range contract.ClusterScoped {
				allowed = allowed || gk.Group == group && p.Cluster.Resource(gk.Group, gk.Kind) == resource
			}
			if !allowed {
				return false
			}
		}
	}
	return true
}

// surplus is what one binding gives beyond a compartment.
type surplus struct {
	binding object.ID
	first   reach.Excess
	who     []*reach.Principal
	level   finding.Level
}

// surpluses of a tenant, by binding, the nearest first: those of what it is given, those of whom it reaches without them, and all.
func surpluses(x *Context, p *estate.Compartment) (given, reached []*surplus, byBinding map[object.ID]*surplus) {
	byBinding = map[object.ID]*surplus{}
	defaults := defaultAccounts(p.Cluster)
	excess := x.Reach(p).Excess()
	for i := range excess {
		e := &excess[i]
		id := bindingOf(&e.Grant)
		s := byBinding[id]
		isDefault := e.Principal.Kind == reach.Account && !e.Principal.Given && p.Owns(e.Principal.Account.Namespace) && slices.Contains(defaults, e.Principal.Account.Name)
		if contracted(p, &e.Grant) || throughSurplus(e.Principal.Steps, byBinding) {
			continue
		}
		if s == nil {
			s = &surplus{binding: id, first: *e, level: finding.Info}
			byBinding[id] = s
			switch {
			case isDefault: // IMP-002 tells of it
			case e.Principal.Given:
				given = append(given, s)
			default:
				reached = append(reached, s)
			}
		}
		if !slices.Contains(s.who, e.Principal) {
			s.who = append(s.who, e.Principal)
		}
		if level := excessLevel(e); level.Rank() < s.level.Rank() || level == s.level && e.Write && !s.first.Write {
			s.level, s.first = level, *e
		}
	}
	return given, reached, byBinding
}

// throughSurplus reports whether a derivation goes through a binding that is told of already.
func throughSurplus(steps []finding.Step, byBinding map[object.ID]*surplus) bool {
	return slices.ContainsFunc(steps, func(s finding.Step) bool { return s.Object != nil && byBinding[*s.Object] != nil })
}

// clusterReads are resources of no namespace that tell little: to read them is no way to another tenant's things.
var clusterReads = []string{ //nolint:gochecknoglobals // a constant list
	"nodes", "namespaces", "customresourcedefinitions", "storageclasses", "ingressclasses", "gatewayclasses", "priorityclasses", "runtimeclasses", "csidrivers", "volumesnapshotclasses",
}

func excessLevel(e *reach.Excess) finding.Level {
	switch {
	case e.Write, e.Secrets:
		return finding.Critical
	case len(e.Grant.Rule.Resources) == 0, !slices.ContainsFunc(e.Grant.Rule.Resources, func(r string) bool { return !slices.Contains(clusterReads, r) }):
		return finding.Medium
	}
	return finding.High
}

func (s *surplus) found(p *estate.Compartment) Found {
	where := "on the whole cluster"
	if s.first.Namespace != "" {
		where = "in " + ownedNamespace(p.Cluster, s.first.Namespace)
	}
	does := "write"
	if !s.first.Write {
		does = "read"
	}
	others := ""
	if n := len(s.who) - 1; n > 0 {
		others = fmt.Sprintf(", like %s more,", phrase.Count(n, "account"))
	}
	who := fmt.Sprintf("%s%s of tenant %s may", s.first.Principal, others, p.Tenant.Name)
	if !s.first.Principal.Given {
		who = fmt.Sprintf("tenant %s can act as %s, which%s may", p.Tenant.Name, s.first.Principal, others)
	}
	return Found{
		Level: s.level, ID: &s.binding, Object: first(p.Cluster.Get(s.binding)), Steps: s.first.Steps,
		Message: fmt.Sprintf("%s %s %s: %s", who, does, where, told(&s.first.Grant)),
	}
}

func givenTooMuch(x *Context, p *estate.Compartment) (out []Found) {
	given, _, all := surpluses(x, p)
	for _, s := range given {
		out = append(out, s.found(p))
	}
	// Who reaches everything by a binding that is told of needs no second telling, nor does who is given the controller: IMP-001.
	if e := x.Reach(p).Everything(); e != nil && !e.Given && !throughSurplus(e.Steps, all) {
		out = append(out, Found{Message: fmt.Sprintf("tenant %s may do everything on the cluster: %s", p.Tenant.Name, e.Steps[len(e.Steps)-1].Message), Steps: e.Steps})
	}
	for _, s := range x.Reach(p).Unknown {
		out = append(out, Found{Unproven: true, Level: finding.Medium, Message: "what tenant " + p.Tenant.Name + " may do is not known: " + s.Message, Steps: []finding.Step{s}})
	}
	return out
}

func reachesTooMuch(x *Context, p *estate.Compartment) (out []Found) {
	_, reached, _ := surpluses(x, p)
	for _, s := range reached {
		out = append(out, s.found(p))
	}
	return out
}

func sharedAccounts(_ *Context, c *estate.Cluster) (out []Found) {
	users := map[estate.Account][]*estate.Applier{}
	var accounts []estate.Account
	for _, a := range c.Appliers {
		if a.As.Kind == estate.RunsAsAccount {
			if users[a.As.Account] == nil {
				accounts = append(accounts, a.As.Account)
			}
			users[a.As.Account] = append(users[a.As.Account], a)
		}
	}
	for _, account := range accounts {
		told := map[*estate.Tenant]bool{}
		for _, a := range users[account] {
			i := slices.IndexFunc(users[account], func(b *estate.Applier) bool { return b.Tenant != a.Tenant })
			if i < 0 || a.Tenant == nil || told[a.Tenant] {
				continue
			}
			told[a.Tenant] = true
			other, of := users[account][i], "the platform"
			if other.Tenant != nil {
				of = "tenant " + other.Tenant.Name
			}
			out = append(out, Found{
				Object: a.Object, ID: new(a.ID()), Field: "spec.serviceAccountName", Tenant: a.Tenant,
				Message: fmt.Sprintf("%s of tenant %s acts as %s, and so does %s of %s", a, a.Tenant.Name, account, other, of),
			})
		}
	}
	for _, g := range platformGrants(c) {
		if owner := c.Owner(g.namespace); owner != nil && owner.Tenant != g.to.Tenant {
			out = append(out, Found{
				Object: g.binding, Tenant: g.to.Tenant, Field: "subjects",
				Message: fmt.Sprintf("%s lets account %s of tenant %s write to namespace %s of tenant %s", short(g.binding.ID), g.account, g.to.Tenant.Name, g.namespace, owner.Tenant.Name),
			})
		}
	}
	return out
}

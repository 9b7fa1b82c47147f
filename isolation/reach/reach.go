// Package reach turns what a tenant is on a cluster into all that it can do there, step by step, see [Of].
//
// One invariant: what a tenant can do, directly or through others by the edges of this package, is in its reach, with the shortest derivation.
// Permissions that are granted outside of the objects of the cluster are not known to it.
package reach

import (
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/permission"
)

// Kind says what a principal is.
type Kind uint8

// The kinds.
const (
	// Account is a ServiceAccount.
	Account Kind = iota
	// Person is a user, or a group of users: an owner of the tenant.
	Person
	// Everything may do everything on the cluster: a controller of Flux with its stock binding, or who can give itself all rights.
	Everything
)

// Principal is one in whose name the tenant can act.
type Principal struct {
	Kind    Kind
	Account estate.Account // of Account
	Name    string         // of the others: "user alice", "group billing-team", "kustomize-controller", "all rights"
	// Steps lead to it, from what the tenant is given on; never empty.
	Steps []finding.Step
	// Given is true for what the tenant is given: an account of its appliers, an owner.
	Given bool

	subject permission.Subject
	grants  []permission.Grant
}

// String names it: "account billing-prod/flux", "user alice", "all rights".
func (p *Principal) String() string {
	if p.Kind == Account {
		return "account " + p.Account.String()
	}
	return p.Name
}

// Grants are all rights of the principal; of Everything there are none.
func (p *Principal) Grants() []permission.Grant { return slices.Clone(p.grants) }

// allows is the grant by the fewest steps that covers a request; nil for none.
func (p *Principal) allows(what permission.Request) (best *permission.Grant) {
	for i := range p.grants {
		if g := &p.grants[i]; g.Allows(what) && (best == nil || g.Shorter(best)) {
			best = g
		}
	}
	return best
}

// Reach is what a tenant can do on one cluster.
type Reach struct {
	Compartment *estate.Compartment
	// Principals in whose name the tenant can act, the nearest first.
	Principals []*Principal
	// Unknown are steps to those of whom Git does not know what they may do, such as the user of a kubeconfig.
	Unknown []finding.Step

	reads []read
}

// read is what a controller reads for whoever makes an applier in a namespace.
type read struct {
	namespace string
	resources []string
	steps     []finding.Step
}

// Excess is a right outside of the tenant's compartment.
type Excess struct {
	Principal *Principal
	// Namespace that is not the tenant's; "" for everywhere.
	Namespace string
	Grant     permission.Grant
	// Write is true when it allows more than to read, and Secrets when it allows to read Secrets.
	Write, Secrets bool
	// Steps lead to it; the last one is the grant.
	Steps []finding.Step
}

// Of works out the reach of a tenant on a cluster.
//
// Source: Flux's controllers as isolation of tenants has to see them: kustomize-controller v1.9.5 and helm-controller v1.6.4 read sources, Secrets and ConfigMaps
// with rights of their own; Kubernetes v1.36, RBAC good practices, for the rest of the edges.
func Of(p *estate.Compartment) *Reach {
	w := &walk{r: &Reach{Compartment: p}, c: p.Cluster, rights: p.Cluster.Permissions(), seen: map[string]bool{}}
	w.start(p)
	for i := 0; i < len(w.r.Principals) && i < maxPrincipals; i++ {
		if of := w.r.Principals[i]; of.Kind != Everything {
			w.expand(of)
		}
	}
	return w.r
}

// maxPrincipals bounds a walk. A tenant that reaches so many reaches all.
const maxPrincipals = 10_000

// May says whether the tenant can do something in somebody's name, by the shortest way; the last step is the grant.
func (r *Reach) May(what permission.Request) (steps []finding.Step, may bool) {
	for _, p := range r.Principals {
		if p.Kind == Everything {
			return p.Steps, true
		}
		if g := p.allows(what); g != nil {
			return then(p.Steps, granted(g)), true
		}
	}
	if what.Verb == "get" || what.Verb == "list" || what.Verb == "watch" {
		for i := range r.reads {
			if d := &r.reads[i]; d.namespace == what.Namespace && what.Group == "" && what.Subresource == "" && slices.Contains(d.resources, what.Resource) {
				return d.steps, true
			}
		}
	}
	return nil, false
}

// Excess are the rights outside of the compartment, by principal, then in the order of their bindings and rules. What everybody may who is logged in,
// such as to ask the API server what there is, is none, nor is what a principal of no namespace may that has all rights: see [Reach.Everything].
func (r *Reach) Excess() (out []Excess) {
	for _, p := range r.Principals {
		for i := range p.grants {
			g := &p.grants[i]
			if harmless(g) || r.Compartment.Owns(g.Namespace) {
				continue
			}
			e := Excess{Principal: p, Namespace: g.Namespace, Grant: *g, Write: writes(&g.Rule), Secrets: secrets(g)}
			if !e.Write && slices.Contains(r.Compartment.FluxNamespaces, g.Namespace) && p.Kind == Person {
				continue // the platform lets owners look at what applies their files
			}
			e.Steps = then(p.Steps, granted(g))
			out = append(out, e)
		}
	}
	return out
}

// Everything is the nearest principal that may do everything; nil when the tenant reaches none.
func (r *Reach) Everything() *Principal {
	for _, p := range r.Principals {
		if p.Kind == Everything {
			return p
		}
	}
	return nil
}

// everybodys are the bindings by which Kubernetes lets everybody who is logged in ask about itself and about the API.
//
// Source: Kubernetes v1.36, bootstrappolicy ClusterRoleBindings.
var everybodys = []string{"system:basic-user", "system:discovery", "system:public-info-viewer", "system:service-account-issuer-discovery"} //nolint:gochecknoglobals // a constant list

// harmless says whether a grant is one of everybody's, or allows nothing.
func harmless(g *permission.Grant) bool {
	return g.Namespace == "" && slices.Contains(everybodys, g.Binding) && g.Role == g.Binding || len(g.Rule.Verbs) == 0
}

func writes(rule *rbacv1.PolicyRule) bool {
	return slices.ContainsFunc(rule.Verbs, func(v string) bool { return v != "get" && v != "list" && v != "watch" })
}

func secrets(g *permission.Grant) bool {
	for _, verb := range []string{"get", "list", "watch"} {
		what := permission.Request{Verb: verb, Resource: "secrets", Namespace: g.Namespace}
		if len(g.Rule.ResourceNames) > 0 {
			what.Name = g.Rule.ResourceNames[0]
		}
		if g.Allows(what) {
			return true
		}
	}
	return false
}

// Package reach turns what a tenant is on a cluster into all that it can do there, step by step, see [Of].
//
// One invariant: what a tenant can do, directly or through others by the edges of this package, is in its reach, with the shortest derivation.
// Permissions that are granted outside of the objects of the cluster are not known to it.
package reach

import (
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
	Name    string         // of the others: "alice", "group billing-team", "kustomize-controller", "who may write webhook configurations"
	// Steps lead to it, from what the tenant is given on; never empty.
	Steps []finding.Step
	// Given is true for what the tenant is given: an account of its appliers, an owner.
	Given bool

	subject permission.Subject
}

// Reach is what a tenant can do on one cluster.
type Reach struct {
	Compartment *estate.Compartment
	// Principals in whose name the tenant can act, the nearest first.
	Principals []*Principal
	// Unknown are steps to those of whom Git does not know what they may do, such as the user of a kubeconfig.
	Unknown []finding.Step
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
func Of(p *estate.Compartment) *Reach { return &Reach{Compartment: p} }

// May says whether the tenant can do something in somebody's name, by the shortest way; the last step is the grant.
func (r *Reach) May(what permission.Request) (steps []finding.Step, may bool) { return nil, false }

// Excess are the rights outside of the compartment, by principal, namespace and binding. What everybody may who is logged in, such as to ask the API
// server what there is, is none.
func (r *Reach) Excess() []Excess { return nil }

// Everything is the principal that may do everything; nil when the tenant reaches none.
func (r *Reach) Everything() *Principal {
	for _, p := range r.Principals {
		if p.Kind == Everything {
			return p
		}
	}
	return nil
}

// Package estate is what stands on every cluster of a fleet, who brought it there, and whose it is: what the rules of isolation look at.
//
// It has no verb: package survey fills it from a render, rules read it. Its invariant: nothing in it changes once it is filled, so that rules
// may look at it from any number of goroutines.
package estate

import (
	"cmp"
	"slices"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// Estate is a fleet.
type Estate struct {
	Clusters []*Cluster // sorted by name
	Tenants  []*Tenant  // sorted by name
	// Hub are the names of the repository under review, as [Source.Name] has them.
	Hub []string
	// Files of the repository under review; nil when they are not at hand.
	Files *tree.Tree
	// Shown are the files that findings point to: Files, or those of a tenant who checks its own repository. Nil when they are not at hand.
	Shown *tree.Tree
	// Spoke is the name of the repository that Shown is of, when that is a tenant's.
	Spoke string
	// Declared are the Cluster documents, by name.
	Declared map[string]*v1alpha1.Cluster
}

// Cluster returns the one of that name, or nil.
func (e *Estate) Cluster(name string) *Cluster {
	i, ok := slices.BinarySearchFunc(e.Clusters, name, func(c *Cluster, n string) int { return cmp.Compare(c.Name, n) })
	if !ok {
		return nil
	}
	return e.Clusters[i]
}

// Tenant returns the one of that name, or nil.
func (e *Estate) Tenant(name string) *Tenant {
	i, ok := slices.BinarySearchFunc(e.Tenants, name, func(t *Tenant, n string) int { return cmp.Compare(t.Name, n) })
	if !ok {
		return nil
	}
	return e.Tenants[i]
}

// Tenant is a team whose files the platform does not trust.
type Tenant struct {
	Name string
	// Document says what it may have; of an inferred tenant, what was read off the files.
	Document *v1alpha1.Tenant
	// Inferred is true when no document says that it is a tenant. Its contract is then not known: hosts, registries, and all that a
	// contract lists.
	Inferred bool
	// Compartments of the tenant, sorted by cluster.
	Compartments []*Compartment
}

// Compartment is what a tenant has on one cluster: what it may reach there, and nothing else.
type Compartment struct {
	Tenant  *Tenant
	Cluster *Cluster
	// Namespaces that are the tenant's, sorted; all of its environments there.
	Namespaces []string
	// FluxNamespaces are those where the platform keeps the Flux objects by which the tenant is applied, sorted. They are none of Namespaces
	// when the tenant cannot write there.
	FluxNamespaces []string
	// Appliers that apply what the tenant decides.
	Appliers []*Applier
	// Settings of the tenant's environments there, in the order of the document. Namespaces of one are said in [Compartment.SettingsOf].
	Settings []Settings
}

// Settings are what the documents say of one environment of a tenant on a cluster, merged.
type Settings struct {
	v1alpha1.Settings
	Environment string
	Namespaces  []string
}

// Owns reports whether a namespace is the tenant's.
func (p *Compartment) Owns(namespace string) bool {
	_, ok := slices.BinarySearch(p.Namespaces, namespace)
	return ok
}

// SettingsOf are those of the environment that a namespace belongs to, or nil.
func (p *Compartment) SettingsOf(namespace string) *Settings {
	for i := range p.Settings {
		if slices.Contains(p.Settings[i].Namespaces, namespace) {
			return &p.Settings[i]
		}
	}
	return nil
}

// Contract of the tenant, and whether there is one: what an inferred tenant may have is not known.
func (p *Compartment) Contract() (v1alpha1.Contract, bool) {
	return p.Tenant.Document.Spec.Contract, !p.Tenant.Inferred
}

// Accounts are those that the tenant's appliers run as on the cluster, sorted, each once. A controller is none of them.
func (p *Compartment) Accounts() (out []Account) {
	for _, a := range p.Appliers {
		if a.Target == p.Cluster && a.As.Kind == RunsAsAccount && !slices.Contains(out, a.As.Account) {
			out = append(out, a.As.Account)
		}
	}
	slices.SortFunc(out, Account.Compare)
	return out
}

// Account is a ServiceAccount, whether the object exists or not.
type Account struct{ Namespace, Name string }

// String is NAMESPACE/NAME.
func (a Account) String() string { return a.Namespace + "/" + a.Name }

// Compare orders by namespace and name.
func (a Account) Compare(b Account) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// RunsAs says in which name an applier writes.
type RunsAs uint8

// The names.
const (
	// RunsAsController: as the controller itself, which the stock installation binds to cluster-admin.
	RunsAsController RunsAs = iota
	// RunsAsAccount: as a ServiceAccount of the target cluster.
	RunsAsAccount
	// RunsAsKubeconfig: as the user of a kubeconfig, whom Git does not know.
	RunsAsKubeconfig
)

// Identity is in whose name an applier writes.
type Identity struct {
	Kind RunsAs
	// Account of RunsAsAccount, on the target cluster.
	Account Account
	// ByDefault is true when the applier names no account, and a flag of the controller does.
	ByDefault bool
	// Unknown is true when Git does not say which flags the controller has.
	Unknown bool
}

// Gap is what is not known of a cluster.
type Gap struct {
	Applier object.Applier
	// Kind is one of render's kinds of what cannot be known, or "failure".
	Kind    string
	Subject string
	Reason  string
	Hint    string
	// Hides is true when any object may be behind it; false when only values are, such as those of an encrypted Secret.
	Hides bool
}

// Source is where an applier takes its files from.
type Source struct {
	Kind, Namespace, Name string // of the Flux object; "" when it is not known
	URL, Revision         string
	// Repository is HOST/PATH of the URL, by which repositories are told apart; "" when there is no URL.
	Repository string
}

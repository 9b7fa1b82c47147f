// Package advice says whether a fleet should move on to another layout.
//
// It turns figures about a repository into an [Advice]: the three ways side by side, an answer, and its reasons. Its
// invariant: every sentence follows from a figure and a threshold that docs/explain/layouts.md names. Start at [Of].
package advice

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/layout/shape"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

// The thresholds.
const (
	// FewTenants is how many a monorepo is good for, and FewClusters how many clusters.
	FewTenants  = 3
	FewClusters = 3
	// ManyTenants is from how many on a hub should not be written by hand.
	ManyTenants = 10
	// Often is how many of a hundred commits that change something are often, and Least how many there must be.
	Often = 10
	Least = 3
	// Telling is how many commits that change something make figures of history worth a decision.
	Telling = 10
)

// Figures are what is measured. The zero value is that of an empty fleet.
type Figures struct {
	Clusters     int `json:"clusters"`
	Environments int `json:"environments"`
	Tenants      int `json:"tenants"`
	// Repositories are this one and those of tenants.
	Repositories int `json:"repositories"`
	Appliers     int `json:"appliers"`
	// Objects on all clusters.
	Objects int `json:"objects"`
	// Files of the repository.
	Files int `json:"files"`
	// Read is how many of them some cluster reads; the next four are of those.
	Read int `json:"read"`
	// SeveralClusters is how many reach more than one cluster.
	SeveralClusters int `json:"severalClusters"`
	// SeveralTenants is how many reach more than one tenant.
	SeveralTenants int `json:"severalTenants"`
	// Together is how many reach production and another environment.
	Together int `json:"together"`
	// MixedFolders hold files or objects of several concerns.
	MixedFolders int `json:"mixedFolders"`
	// TenantFiles is the median of the number of files here that are of one tenant.
	TenantFiles int `json:"tenantFiles"`
	// TenantClusters is the median of the number of clusters that one tenant is on.
	TenantClusters int `json:"tenantClusters"`
}

// Isolation counts what keeps tenants apart, as far as the layout tells. It proves nothing.
type Isolation struct {
	// Appliers of tenants: Kustomizations and HelmReleases.
	Appliers int `json:"appliers"`
	// WithoutAccount have no serviceAccountName, and no default: they act with the rights of Flux itself.
	WithoutAccount int `json:"withoutAccount"`
	// InFluxSystem lie in the namespace of Flux itself.
	InFluxSystem int `json:"inFluxSystem"`
	// OwnSource apply a repository of the tenant's own.
	OwnSource int `json:"ownSource"`
}

// Past is what commits did.
type Past struct {
	// Compared is how many were looked at; Changing is how many of them changed something on a cluster.
	Compared, Changing int
	// Together reached production and another environment.
	Together int
	// SeveralTenants touched more than one tenant, SeveralClusters more than one cluster.
	SeveralTenants, SeveralClusters int
	// Shared is how many of those of Together changed a file that both read.
	Shared int
	// Through is the folder in which most of those of Shared changed such a file, ThroughCount how many; "" for none.
	Through      string
	ThroughCount int
}

// Facts are what advice is given on.
type Facts struct {
	Layout shape.Layout
	Figures
	Isolation Isolation
	Past      Past
	// Production is true when some cluster's environment is one of production.
	Production bool
	// Nameless are clusters without an environment, sorted.
	Nameless []string
	// Mixed are the folders with several concerns, the worst first.
	Mixed []shape.Folder
}

// Answer is what to do about the layout.
type Answer string

// The answers.
const (
	Stay          Answer = "stay"
	ToHubAndSpoke Answer = "hub-and-spoke"
	ToSelfService Answer = "self-service"
)

// String is the answer as one says it.
func (a Answer) String() string {
	switch a {
	case Stay:
		return "stay where you are"
	case ToHubAndSpoke:
		return "move to hub and spoke"
	case ToSelfService:
		return "move to a self-service platform"
	}
	return string(a)
}

// Advice is what to do, and why.
type Advice struct {
	Answer Answer `json:"answer" jsonschema:"enum=stay,enum=hub-and-spoke,enum=self-service"`
	// Reasons for the answer, the strongest first.
	Reasons []string `json:"reasons"`
	// First is what to do before anything else, whatever the answer; may be empty.
	First []string `json:"first"`
}

// Of gives advice.
func Of(f Facts) Advice {
	a := Advice{Answer: Stay, Reasons: []string{}, First: []string{}}
	switch f.Layout {
	case shape.Spoke:
		a.why("a tenant's repository is laid out by its tenant; ask the hub: run bulkhead assess there")
		return a
	case shape.SelfService:
		a.why("%s made of documents or templates, not by hand: there is nothing to move on to", phrase.Count(f.Tenants, "tenant")+" "+phrase.Verb(f.Tenants, "is", "are"))
	case shape.HubAndSpoke:
		a.hub(f)
	case shape.Mixed:
		a.mixed(f)
	case shape.SingleCluster, shape.Monorepo:
		a.monorepo(f)
	}
	a.past(f)
	a.first(f)
	return a
}

func (a *Advice) why(format string, args ...any) {
	a.Reasons = append(a.Reasons, fmt.Sprintf(format, args...))
}

func (a *Advice) do(format string, args ...any) {
	a.First = append(a.First, fmt.Sprintf(format, args...))
}

func (a *Advice) hub(f Facts) {
	each := ""
	if f.TenantFiles > 0 {
		each = ": each is " + phrase.Count(f.TenantFiles, "file") + " here"
	}
	if f.Tenants >= ManyTenants {
		a.Answer = ToSelfService
		a.why("%s, from %d on a hub should not be written by hand%s", phrase.Count(f.Tenants, "tenant"), ManyTenants, each)
		return
	}
	a.why("%s, and a hub of fewer than %d can be written by hand%s", phrase.Count(f.Tenants, "tenant"), ManyTenants, each)
}

func (a *Advice) mixed(f Facts) {
	switch {
	case f.Isolation.OwnSource > 0 && f.Tenants > 1:
		a.Answer = ToHubAndSpoke
		a.why("some of %s have repositories of their own, others are in this one: two ways to do one thing", phrase.Count(f.Tenants, "tenant"))
	default:
		a.Answer = ToSelfService
		a.why("some of %s are made of documents or templates, others by hand", phrase.Count(f.Tenants, "tenant"))
	}
}

func (a *Advice) monorepo(f Facts) {
	several := often(f.Past.SeveralTenants, f.Past.Changing)
	switch {
	case f.Tenants > FewTenants:
		a.Answer = ToHubAndSpoke
		a.why("%s share one repository, which is good for %d", phrase.Count(f.Tenants, "tenant"), FewTenants)
	case f.Tenants > 1 && several:
		a.Answer = ToHubAndSpoke
		a.why("%s touched more than one of %s", share(f.Past.SeveralTenants, f.Past.Changing), phrase.Count(f.Tenants, "tenant"))
	case f.Tenants == 0:
		a.why("no tenant is known, so a second repository would separate nobody; spec.concerns of the Fleet document says whose folders are")
	default:
		a.why("%s: one repository is good for %d", phrase.Count(f.Tenants, "tenant"), FewTenants)
	}
	if a.Answer == ToHubAndSpoke {
		if f.SeveralTenants > 0 {
			a.why("%d of %d files reach more than one tenant, and any commit can change them", f.SeveralTenants, f.Read)
		}
		if f.Tenants >= ManyTenants {
			a.why("with %d tenants or more, documents should make the hub: self-service is the step after", ManyTenants)
		}
	}
	if n := phrase.Count(f.Clusters, "cluster"); f.Clusters > FewClusters && a.Answer == Stay {
		a.why("%s are more than the %d that one repository is good for, but tenants, not clusters, are what a hub separates", n, FewClusters)
	}
}

// past says what history adds.
func (a *Advice) past(f Facts) {
	p := f.Past
	switch {
	case p.Compared == 0:
		a.why("no commit could be compared: this is said of the files alone")
		return
	case p.Changing < Telling:
		a.why("%s changed a cluster: too few to decide by, %d would do", phrase.Count(p.Changing, "commit"), Telling)
		return
	}
	if f.Tenants > 1 && f.Layout != shape.SelfService && !often(p.SeveralTenants, p.Changing) {
		a.why("%s touched more than one tenant", share(p.SeveralTenants, p.Changing))
	}
	if f.Environments == 0 && f.Clusters > 1 {
		a.why("%s changed more than one of %s", share(p.SeveralClusters, p.Changing), phrase.Count(f.Clusters, "cluster"))
	}
	if f.Production && f.Environments > 1 && !often(p.Together, p.Changing) {
		a.why("%s reached production together with another environment", share(p.Together, p.Changing))
	}
}

// first says what to do in any layout.
func (a *Advice) first(f Facts) {
	p := f.Past
	if often(p.Together, p.Changing) {
		text := share(p.Together, p.Changing) + " reached production together with another environment"
		switch {
		case p.Shared*2 < p.Together:
			text += fmt.Sprintf(", %d of them by a file for each: merge those one by one, and let the gate prod-alone hold the rest", p.Together-p.Shared)
		case p.Through == "":
			text += fmt.Sprintf(", %d of them by files that both read: give production a copy or a pinned ref of those", p.Shared)
		default:
			text += fmt.Sprintf(", %d of them by files in %s: give production a copy or a pinned ref of those", p.ThroughCount, p.Through)
		}
		a.do("%s", text)
	}
	if i := slices.IndexFunc(f.Mixed, ofTenant); i >= 0 {
		m := f.Mixed[i]
		var parts []string
		for _, s := range m.Concerns {
			parts = append(parts, fmt.Sprintf("%s (%s, %s)", s.Concern, phrase.Count(s.Files, "file"), phrase.Count(s.Objects, "object")))
		}
		a.do("take %s apart: it holds %s", folder(m.Path), phrase.List(parts, 3))
	}
	switch n := len(f.Nameless); {
	case f.Clusters < 2 || n == 0:
	case n == f.Clusters:
		a.do("name the environments (label env of the Cluster documents): no cluster has one, so nobody can say what reaches production")
	default:
		a.do("name the environment of %s (label env of %s): what reaches production together with %s is not counted",
			phrase.List(f.Nameless, 4), phrase.Verb(n, "its Cluster document", "their Cluster documents"), phrase.Verb(n, "it", "them"))
	}
	if n := f.Isolation.WithoutAccount; n > 0 {
		a.do("give %d of %s a serviceAccountName: without one %s with the rights of Flux itself", n, phrase.Count(f.Isolation.Appliers, "applier")+" of tenants", phrase.Verb(n, "it acts", "they act"))
	}
}

// ofTenant reports whether a folder holds something of a tenant.
func ofTenant(f shape.Folder) bool {
	return slices.ContainsFunc(f.Concerns, func(s shape.Share) bool { return strings.HasPrefix(s.Concern, "tenant/") })
}

// often reports whether n of all commits are often.
func often(n, all int) bool { return n >= Least && n*100 >= all*Often }

func share(n, all int) string {
	return fmt.Sprintf("%d of %s that changed a cluster", n, phrase.Count(all, "commit"))
}

func folder(p string) string {
	if p == "." {
		return "the root folder"
	}
	return p
}

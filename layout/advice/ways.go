package advice

import (
	"github.com/bulkhead-dev/bulkhead/layout/shape"
)

// Way is one of the three ways to lay out a fleet, with the figures that it has, or would have for the tenants and clusters there are.
type Way struct {
	Name string `json:"name"`
	// Here is true for the way that the repository is on, for two of them when it is a mix: its figures are measured, those of the others follow from the number of
	// tenants and clusters.
	Here bool `json:"here"`
	// Repositories in all.
	Repositories int `json:"repositories"`
	// TenantFiles is how many files of the platform's repository a new tenant is; -1 when nothing tells.
	TenantFiles int `json:"tenantFiles"`
	// Hands is true when people write those files.
	Hands bool `json:"hands"`
	// Exposed is how many files a tenant's commit can change that reach other tenants; where no tenant is known, that reach several clusters.
	Exposed int `json:"exposed"`
	// BestFor is who the way is made for.
	BestFor string `json:"bestFor"`
}

// Ways are the three ways, in growing order of size.
func Ways(f Facts) []Way {
	tenants := max(f.Tenants, 1)
	shared := f.SeveralTenants
	if f.Tenants < 2 {
		shared = f.SeveralClusters
	}
	per := max(f.TenantClusters, 1)
	if f.TenantClusters == 0 {
		per = max(f.Clusters, 1)
	}
	mono := Way{
		Name: "monorepo", Here: f.Layout == shape.Monorepo || f.Layout == shape.SingleCluster || f.Layout == shape.Mixed, Repositories: 1, TenantFiles: -1, Hands: true, Exposed: shared,
		BestFor: "1-3 clusters, one team",
	}
	hub := Way{
		Name: "hub and spoke", Here: f.Layout == shape.HubAndSpoke || f.Layout == shape.Mixed, Repositories: 1 + tenants, TenantFiles: per, Hands: true,
		BestFor: "several teams, kept apart",
	}
	self := Way{
		Name: "self-service platform", Here: f.Layout == shape.SelfService, Repositories: 1 + tenants, TenantFiles: 1,
		BestFor: "new tenants every week",
	}
	for _, w := range []*Way{&mono, &hub, &self} {
		if w.Here {
			w.Repositories = f.Repositories
			if f.TenantFiles > 0 {
				w.TenantFiles = f.TenantFiles
			}
		}
	}
	return []Way{mono, hub, self}
}

package rule

import (
	"fmt"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
)

// identityRules are about in whose name appliers write.
func identityRules() []Rule {
	return []Rule{
		{
			Rule: finding.Rule{
				ID: "IMP-001", Level: finding.Critical, Title: "What a tenant decides is applied as the controller",
				Why:  "An applier without an account writes as its controller, which the stock installation binds to cluster-admin: who writes its files owns the cluster.",
				Hint: "name an account of the tenant in spec.serviceAccountName, and start the controllers with --default-service-account",
			},
			Boundary: true,
			Source:   "kustomize-controller v1.9.5, helm-controller v1.6.4: impersonation of fluxcd/pkg/runtime/client",
			applier:  runsAsController,
		},
	}
}

func runsAsController(_ *Context, a *estate.Applier) []Found {
	if a.Tenant == nil || a.As.Kind != estate.RunsAsController {
		return nil
	}
	message := fmt.Sprintf("%s applies files of tenant %s as the controller", a, a.Tenant.Name)
	if a.As.Unknown {
		return one(Found{Message: message + ", unless a flag that Git does not show names an account", Field: "spec.serviceAccountName"})
	}
	return one(Found{Message: message, Field: "spec.serviceAccountName"})
}

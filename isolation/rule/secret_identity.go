package rule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
)

// identityAnnotations are those of a ServiceAccount that name an identity of a cloud.
//
// Source: EKS pod identity webhook, GKE and AKS workload identity; fluxcd/pkg/auth v0.54.3.
var identityAnnotations = []string{ //nolint:gochecknoglobals // a constant list
	"eks.amazonaws.com/role-arn", "iam.gke.io/gcp-service-account", "azure.workload.identity/client-id",
}

// identityOf is the identity of a cloud that an account acts as; "" for none.
func identityOf(account *estate.Object) string {
	annotations := account.Annotations()
	for _, name := range identityAnnotations {
		if v := annotations[name]; v != "" {
			return v
		}
	}
	return ""
}

// identityUsers are the tenants whose namespaces have accounts of an identity, on all clusters.
func identityUsers(x *Context) map[string][]*estate.Tenant {
	return once(x, "identity users", func() map[string][]*estate.Tenant {
		out := map[string][]*estate.Tenant{}
		for _, c := range x.Clusters {
			for _, o := range c.Kind("", "ServiceAccount") {
				id, t := identityOf(o), o.Tenant
				if p := c.Owner(o.ID.Namespace); t == nil && p != nil {
					t = p.Tenant
				}
				if id != "" && t != nil && !slices.Contains(out[id], t) {
					out[id] = append(out[id], t)
				}
			}
		}
		return out
	})
}

// cloudIdentity finds accounts with identities that the contract does not have, or that two tenants share.
func cloudIdentity(x *Context, o *estate.Object) []Found {
	if !o.Is("", "ServiceAccount") {
		return nil
	}
	identity := identityOf(o)
	if identity == "" {
		return nil
	}
	t := o.Tenant
	if p := o.Cluster.Owner(o.ID.Namespace); t == nil && p != nil {
		t = p.Tenant
	}
	if p := o.Compartment(); p != nil {
		contract, known := p.Contract()
		if known && !slices.ContainsFunc(contract.CloudIdentities, func(pattern string) bool { return wild(pattern, identity) }) {
			return one(Found{Message: fmt.Sprintf("account %s/%s of %s acts as %s, which is not in its contract", o.ID.Namespace, o.ID.Name, who(t), clipped(identity)), Field: "metadata.annotations"})
		}
	}
	for _, other := range identityUsers(x)[identity] {
		if t == nil || other == t {
			continue
		}
		found := Found{Message: fmt.Sprintf("account %s/%s of %s acts as %s, as accounts of %s do", o.ID.Namespace, o.ID.Name, who(t), clipped(identity), who(other)), Tenant: t, Field: "metadata.annotations"}
		if o.Tenant == nil {
			found.Level = finding.Medium // the platform meant it
		}
		return one(found)
	}
	return nil
}

// wild reports whether a text is as a pattern says, in which * is any text.
func wild(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	rest, ok := strings.CutPrefix(text, parts[0])
	if !ok || len(parts) == 1 {
		return ok && rest == ""
	}
	last := parts[len(parts)-1]
	for _, part := range parts[1 : len(parts)-1] {
		_, after, found := strings.Cut(rest, part)
		if !found {
			return false
		}
		rest = after
	}
	return strings.HasSuffix(rest, last)
}

// signsIn are the kinds that sign in to a cloud, the controllers that do it, and the providers by which they sign in as themselves.
//
// Source: source-controller v1.9.5 and notification-controller v1.9.3: without secretRef they ask fluxcd/pkg/auth.
var signsIn = map[string]struct { //nolint:gochecknoglobals // a constant table
	controller, field string
	providers         []string
}{
	estate.SourceGroup + "/GitRepository":     {estate.SourceController, "provider", []string{"azure", "aws", "gcp"}},
	estate.SourceGroup + "/OCIRepository":     {estate.SourceController, "provider", []string{"aws", "azure", "gcp"}},
	estate.SourceGroup + "/HelmRepository":    {estate.SourceController, "provider", []string{"aws", "azure", "gcp"}},
	estate.SourceGroup + "/Bucket":            {estate.SourceController, "provider", []string{"aws", "azure", "gcp"}},
	"image.toolkit.fluxcd.io/ImageRepository": {estate.ImageReflectorController, "provider", []string{"aws", "azure", "gcp"}},
	"notification.toolkit.fluxcd.io/Provider": {estate.NotificationController, "type", []string{"azuredevops", "azureeventhub", "googlepubsub"}},
}

// borrowedIdentity finds what of a tenant's makes a controller sign in as itself.
func borrowedIdentity(_ *Context, o *estate.Object) []Found {
	if o.Tenant == nil {
		return nil
	}
	how, ok := signsIn[o.ID.Group+"/"+o.ID.Kind]
	if !ok {
		return nil
	}
	provider := o.Text("spec", how.field)
	if !slices.Contains(how.providers, provider) || o.Text("spec", "serviceAccountName") != "" || o.Text("spec", "secretRef", "name") != "" {
		return nil
	}
	k := o.Cluster.Controller(how.controller)
	found := Found{Message: fmt.Sprintf("%s of %s signs in to %s as %s itself", o.ID, who(o.Tenant), provider, how.controller), Field: "spec." + how.field}
	if k == nil {
		found.Unproven = true
		found.Message += ", unless a flag that Git does not show names an account"
		return one(found)
	}
	if flag, _ := k.Flag("--default-service-account"); flag != "" {
		return nil
	}
	return one(found)
}

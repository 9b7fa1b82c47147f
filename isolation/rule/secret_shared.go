package rule

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
)

// copyAnnotations are those by which controllers copy a Secret from elsewhere.
//
// Source: Flux Operator ResourceSet; kubernetes-reflector; kubernetes-replicator.
var copyAnnotations = []string{ //nolint:gochecknoglobals // a constant list
	"fluxcd.controlplane.io/copyFrom", "reflector.v1.k8s.emberstack.com/reflects", "replicator.v1.mittwald.de/replicate-from",
}

// credentialKeys are keys of Secrets by which Flux signs in somewhere.
//
// Source: source-controller v1.9.5, spec.secretRef of each source.
var credentialKeys = []string{ //nolint:gochecknoglobals // a constant list
	"password", "bearerToken", "identity", ".dockerconfigjson", "githubAppPrivateKey", "accesskey", "secretkey", "accountKey", "sasKey", "clientSecret", "token",
}

// sharedCredentials finds credentials that stand in namespaces of several tenants, and those of the platform that a tenant's source uses.
func sharedCredentials(_ *Context, c *estate.Cluster) (out []Found) {
	users := map[string]map[*estate.Tenant]*estate.Object{} // origin of a credential
	for _, o := range slices.Concat(c.Kind("", "Secret"), c.Kind("external-secrets.io", "ExternalSecret")) {
		p := c.Owner(o.ID.Namespace)
		if p == nil {
			continue
		}
		for _, origin := range origins(o) {
			if users[origin] == nil {
				users[origin] = map[*estate.Tenant]*estate.Object{}
			}
			if users[origin][p.Tenant] == nil {
				users[origin][p.Tenant] = o
			}
		}
	}
	told := map[*estate.Object]bool{}
	for _, origin := range slices.Sorted(maps.Keys(users)) {
		of := users[origin]
		if len(of) < 2 {
			continue
		}
		tenants := slices.SortedFunc(maps.Keys(of), func(a, b *estate.Tenant) int { return cmp.Compare(a.Name, b.Name) })
		for i, t := range tenants {
			if told[of[t]] {
				continue
			}
			told[of[t]] = true
			other := tenants[(i+1)%len(tenants)]
			name, _, _ := strings.Cut(origin, "\x00")
			out = append(out, Found{
				Object: of[t], Tenant: t, Message: fmt.Sprintf("%s of %s and %s of %s are the same credential: %s", of[t].ID, who(t), of[other].ID, who(other), clipped(name)),
				Steps: []finding.Step{{Message: fmt.Sprintf("%s is %s", of[t].ID, clipped(name))}, {Message: fmt.Sprintf("%s is %s", of[other].ID, clipped(name))}},
			})
		}
	}
	return append(out, lentCredentials(c)...)
}

// origins tell where the credentials in a Secret are from. What follows a zero byte is not to be shown.
func origins(o *estate.Object) (out []string) {
	if o.ID.Kind == "ExternalSecret" {
		if o.Text("spec", "secretStoreRef", "kind") != "ClusterSecretStore" {
			return nil // a store of the namespace may be any
		}
		store := o.Text("spec", "secretStoreRef", "name")
		for _, el := range estate.List(o.Body().Map(), "spec", "dataFrom") {
			if key := estate.Text(el, "extract", "key"); key != "" {
				out = append(out, fmt.Sprintf("%s of ClusterSecretStore/%s", key, store))
			}
		}
		for _, el := range estate.List(o.Body().Map(), "spec", "data") {
			if key := estate.Text(el, "remoteRef", "key"); key != "" {
				out = append(out, strings.TrimSpace(fmt.Sprintf("%s of ClusterSecretStore/%s %s", key, store, estate.Text(el, "remoteRef", "property"))))
			}
		}
		return out
	}
	annotations := o.Annotations()
	for _, name := range copyAnnotations {
		if from := annotations[name]; from != "" {
			out = append(out, "a copy of "+from)
		}
	}
	for _, field := range []string{"data", "stringData"} {
		values, _ := o.At(field).(map[string]any)
		for _, key := range credentialKeys {
			if v, _ := values[key].(string); v != "" {
				out = append(out, fmt.Sprintf("the same %s\x00%x", key, sha256.Sum256([]byte(v))))
			}
		}
	}
	return out
}

// lentCredentials finds credentials of the platform that a tenant's source sends wherever it wants.
func lentCredentials(c *estate.Cluster) (out []Found) {
	for _, p := range c.Compartments {
		for _, a := range []string{"GitRepository", "OCIRepository", "HelmRepository", "Bucket"} {
			for _, o := range c.Kind(estate.SourceGroup, a) {
				name := o.Text("spec", "secretRef", "name")
				if o.Tenant != p.Tenant || name == "" {
					continue
				}
				makers := makersOf(c, "Secret", o.ID.Namespace, name)
				if len(makers) == 0 || slices.ContainsFunc(makers, func(m *estate.Object) bool { return m.Tenant != nil }) || guardsAddresses(c) {
					continue
				}
				out = append(out, Found{
					Object: o, Tenant: p.Tenant, Field: "spec.secretRef",
					Message: fmt.Sprintf("%s of %s sends Secret/%s/%s, which is the platform's, to the address that it names", o.ID, who(p.Tenant), o.ID.Namespace, clipped(name)),
				})
			}
		}
	}
	return out
}

// guardsAddresses reports whether an admission policy of the platform looks at the addresses of sources.
func guardsAddresses(c *estate.Cluster) bool {
	return slices.ContainsFunc(c.Kind("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"), func(o *estate.Object) bool {
		if o.Tenant != nil {
			return false
		}
		sources := slices.ContainsFunc(estate.List(o.Body().Map(), "spec", "matchConstraints", "resourceRules"), func(r map[string]any) bool {
			return slices.Contains(estate.Texts(r, "apiGroups"), estate.SourceGroup)
		})
		return sources && slices.ContainsFunc(estate.List(o.Body().Map(), "spec", "validations"), func(v map[string]any) bool {
			return strings.Contains(estate.Text(v, "expression"), "spec.url")
		})
	})
}

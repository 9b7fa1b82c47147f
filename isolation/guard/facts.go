package guard

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/tenant"
)

// facts are what the policies of a cluster hold against: all that they say is by namespace, or by the tenant that a namespace is of.
type facts struct {
	own        []string            // namespaces of tenants, sorted
	flux       []string            // namespaces of the platform with the Flux objects of one tenant each, sorted
	tenants    map[string]string   // namespace -> tenant
	owned      map[string][]string // tenant -> its namespaces
	accounts   map[string][]string // namespace -> accounts that appliers there may have
	urls       map[string][]string // tenant -> prefixes of URLs of sources, each with a / at its end
	hosts      map[string][]string // namespace -> patterns of hosts; of those with a contract about hosts
	registries map[string][]string // tenant -> prefixes of images
	clouds     map[string][]string // tenant -> regular expressions of cloud identities
	// article are the Flux objects of tenants in flux-system: name -> account. repositories are the URLs of all tenants' sources.
	article      map[string]string
	repositories []string
	platform     []string // user names
	fluxUsers    []string // user names of the controllers that write the status of sources
}

func gather(all []*tenant.Compartment, opts Options) *facts {
	f := &facts{
		tenants: map[string]string{}, owned: map[string][]string{}, accounts: map[string][]string{}, urls: map[string][]string{},
		hosts: map[string][]string{}, registries: map[string][]string{}, clouds: map[string][]string{}, article: map[string]string{},
	}
	for _, c := range all {
		f.add(c)
	}
	accounts := opts.Platform
	if len(accounts) == 0 {
		accounts = []string{fluxNamespace + "/kustomize-controller"}
	}
	for _, a := range accounts {
		f.platform = append(f.platform, user(a))
	}
	for _, name := range []string{"source-controller", "source-watcher"} {
		f.fluxUsers = append(f.fluxUsers, user(fluxNamespace+"/"+name))
	}
	for _, list := range []*[]string{&f.own, &f.flux, &f.repositories, &f.platform} {
		*list = distinct(*list)
	}
	for _, m := range []map[string][]string{f.owned, f.accounts, f.urls, f.hosts, f.registries, f.clouds} {
		for k := range m {
			m[k] = distinct(m[k])
		}
	}
	return f
}

func (f *facts) add(c *tenant.Compartment) {
	of, contract := c.Tenant.Name, &c.Tenant.Spec.Contract
	for _, ns := range c.Namespaces {
		f.own, f.tenants[ns], f.owned[of] = append(f.own, ns), of, append(f.owned[of], ns)
		if c.Settings.NestedFlux == v1alpha1.Pinned {
			f.accounts[ns] = append(f.accounts[ns], tenant.NestedAccount)
		}
		f.hosts[ns] = append(f.hosts[ns], lower(contract.Hosts)...)
		if len(f.hosts[ns]) == 0 {
			delete(f.hosts, ns)
		}
	}
	if c.Settings.Shape == v1alpha1.Isolated {
		ns := c.FluxNamespace()
		f.flux, f.tenants[ns], f.accounts[ns] = append(f.flux, ns), of, append(f.accounts[ns], c.Name())
	} else {
		f.article[c.Name()] = c.Name()
	}
	f.urls[of] = append(f.urls[of], prefixes(c.Tenant.Spec.URL())...)
	for _, u := range contract.SourceURLs {
		f.urls[of] = append(f.urls[of], prefixes(u)...)
	}
	f.repositories = append(f.repositories, prefixes(strings.ToLower(c.Tenant.Spec.URL()))...)
	for _, r := range contract.Registries {
		f.registries[of] = append(f.registries[of], strings.TrimSuffix(r, "/")+"/")
	}
	for _, id := range contract.CloudIdentities {
		f.clouds[of] = append(f.clouds[of], "^"+strings.ReplaceAll(regexp.QuoteMeta(id), `\*`, ".*")+"$")
	}
}

// prefixes of the URLs below one: with and without the ending that forges do not care about.
func prefixes(url string) []string {
	base := strings.TrimSuffix(strings.TrimSuffix(url, "/"), ".git")
	if base == "" {
		return nil
	}
	return []string{base + ".git/", base + "/"}
}

// user is the name of an account, NAMESPACE/NAME, as the API server knows it.
func user(account string) string {
	return "system:serviceaccount:" + strings.Replace(account, "/", ":", 1)
}

func lower(list []string) (out []string) {
	for _, s := range list {
		out = append(out, strings.ToLower(s))
	}
	return out
}

func distinct(list []string) []string {
	out := slices.Clone(list)
	slices.Sort(out)
	return slices.Compact(out)
}

// both are all namespaces that tenants or their Flux objects are in.
func (f *facts) both() []string { return distinct(slices.Concat(f.own, f.flux)) }

func join(list []string) string { return strings.Join(list, ", ") }

// text is a CEL string.
func text(s string) string { return strconv.QuoteToASCII(s) }

// list is a CEL list of strings.
func list(all []string) string {
	var out []string
	for _, s := range all {
		out = append(out, text(s))
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// lookup is a variable with what a map has for a key, and an empty list when it has nothing.
func lookup(name, key string, m map[string][]string) admissionv1.Variable {
	var lines []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if len(m[k]) > 0 {
			lines = append(lines, fmt.Sprintf("  %s: %s", text(k), list(m[k])))
		}
	}
	if len(lines) == 0 {
		return admissionv1.Variable{Name: name, Expression: "[]"}
	}
	return admissionv1.Variable{Name: name, Expression: "{\n" + strings.Join(lines, ",\n") + "\n}[?" + key + "].orValue([])"}
}

// tenantOf is the variable with the tenant of the namespace.
func (f *facts) tenantOf() admissionv1.Variable {
	var lines []string
	for _, ns := range f.both() {
		lines = append(lines, fmt.Sprintf("  %s: %s", text(ns), text(f.tenants[ns])))
	}
	return admissionv1.Variable{Name: "tenant", Expression: "{\n" + strings.Join(lines, ",\n") + "\n}[request.namespace]"}
}

// platformWrites is whether the platform asks.
func (f *facts) platformWrites() string {
	return "request.userInfo.username in " + list(f.platform)
}

// sortByName puts policies in their order.
func sortByName(all []policy) []policy {
	slices.SortFunc(all, func(a, b policy) int { return cmp.Compare(a.name, b.name) })
	return all
}

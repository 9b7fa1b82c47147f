package guard

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/tenant"
)

// facts are what the policies of a cluster hold against: its tenants, sorted by name, and nothing else that differs between clusters.
type facts []*fact

// fact is what the policies know of one tenant, each a list without order.
type fact struct {
	name       string
	namespaces []string
	flux       []string // the platform's namespaces with the Flux objects of the tenant
	article    []string // the tenant's Flux objects in flux-system, which are called as their accounts
	accounts   []string // that appliers may have, as NAMESPACE/NAME
	repository []string // URLs without an ending
	sources    []string // further URLs that sources may be below
	hosts      []string // patterns; of a contract about hosts
	registries []string // prefixes of images, each with a / at its end
	identities []string // regular expressions
	kinds      []string // of operators, as GROUP/KIND
	ingress    []string // classes; of a contract about them, as the next two
	storage    []string
	priority   []string
}

func gather(all []*tenant.Compartment) facts {
	var out facts
	for _, c := range all {
		i := slices.IndexFunc(out, func(f *fact) bool { return f.name == c.Tenant.Name })
		if i < 0 {
			i, out = len(out), append(out, &fact{name: c.Tenant.Name})
		}
		out[i].add(c)
	}
	for _, f := range out {
		for _, list := range []*[]string{&f.namespaces, &f.flux, &f.article, &f.accounts, &f.repository, &f.sources, &f.hosts, &f.registries, &f.identities, &f.kinds, &f.ingress, &f.storage, &f.priority} {
			*list = distinct(*list)
		}
	}
	slices.SortFunc(out, func(a, b *fact) int { return cmp.Compare(a.name, b.name) })
	return out
}

func (t *fact) add(c *tenant.Compartment) {
	contract := &c.Tenant.Spec.Contract
	t.namespaces = append(t.namespaces, c.Namespaces...)
	if c.Settings.NestedFlux == v1alpha1.Pinned {
		for _, ns := range c.Namespaces {
			t.accounts = append(t.accounts, ns+"/"+tenant.NestedAccount)
		}
	}
	if c.Settings.Shape == v1alpha1.Isolated {
		t.flux, t.accounts = append(t.flux, c.FluxNamespace()), append(t.accounts, c.FluxNamespace()+"/"+c.Name())
	} else {
		t.article = append(t.article, c.Name())
	}
	t.repository = append(t.repository, base(c.Tenant.Spec.URL()))
	for _, u := range contract.SourceURLs {
		t.sources = append(t.sources, base(u))
	}
	t.hosts = append(t.hosts, lower(contract.Hosts)...)
	for _, r := range contract.Registries {
		t.registries = append(t.registries, strings.TrimSuffix(r, "/")+"/")
	}
	for _, id := range contract.CloudIdentities {
		t.identities = append(t.identities, "^"+strings.ReplaceAll(regexp.QuoteMeta(id), `\*`, ".*")+"$")
	}
	for _, gk := range contract.OperatorKinds {
		t.kinds = append(t.kinds, gk.Group+"/"+gk.Kind)
	}
	t.ingress = append(t.ingress, contract.IngressClasses...)
	t.storage = append(t.storage, contract.StorageClasses...)
	t.priority = append(t.priority, contract.PriorityClasses...)
}

// longest is how long an expression may be, with some room.
//
// Source: cel-go v0.29, the limit of 100,000 code points for an expression, which the API server leaves as it is.
const longest = 90_000

// variables are what the policies know: "tenants", a list with a map for each of them. A long one is the sum of several variables before it.
func (f facts) variables() []admissionv1.Variable {
	all := f.literals()
	if len(all) == 1 {
		return []admissionv1.Variable{{Name: tenantsVariable, Expression: all[0]}}
	}
	var out []admissionv1.Variable
	var parts []string
	for i, part := range all {
		name := tenantsVariable + strconv.Itoa(i+1)
		out, parts = append(out, admissionv1.Variable{Name: name, Expression: part}), append(parts, "variables."+name)
	}
	return append(out, admissionv1.Variable{Name: tenantsVariable, Expression: strings.Join(parts, " + ")})
}

// literals are CEL lists, all of which may be an expression. None is empty, but for the one of no tenant at all.
func (f facts) literals() (out []string) {
	var part []string
	size := 0
	for _, t := range f {
		text := t.literal()
		if size += len(text); size > longest && len(part) > 0 {
			out, part, size = append(out, "[\n"+strings.Join(part, ",\n")+"\n]"), nil, len(text)
		}
		part = append(part, text)
	}
	if len(part) == 0 {
		return []string{"[]"}
	}
	return append(out, "[\n"+strings.Join(part, ",\n")+"\n]")
}

// literal is what the policies know of a tenant, as a CEL map in lines of its own. A list that is empty is left out.
func (t *fact) literal() string {
	lines := []string{"    \"name\": " + list([]string{t.name})}
	for _, l := range []struct {
		key    string
		values []string
	}{
		{"namespaces", t.namespaces},
		{"flux", t.flux},
		{"article", t.article},
		{"accounts", t.accounts},
		{"repository", t.repository},
		{"sources", t.sources},
		{"hosts", t.hosts},
		{"registries", t.registries},
		{"identities", t.identities},
		{"operatorKinds", t.kinds},
		{"ingressClasses", t.ingress},
		{"storageClasses", t.storage},
		{"priorityClasses", t.priority},
	} {
		if len(l.values) > 0 {
			lines = append(lines, "    "+text(l.key)+": "+list(l.values))
		}
	}
	return "  {\n" + strings.Join(lines, ",\n") + "\n  }"
}

// in are the namespaces that a policy holds in.
func (f facts) in(where place) []string {
	var out []string
	for _, t := range f {
		out = append(out, t.namespaces...)
		if where == ofTenantsAndFlux {
			out = append(out, t.flux...)
		}
	}
	return distinct(out)
}

const tenantsVariable = "tenants"

// known is the variable with what the policies know of all tenants, always the first one: [Patches] put it there.
func known() admissionv1.Variable { return facts(nil).variables()[0] }

// its is the variable with what they know of the tenant whose namespace it is. One that is nobody's is an error, and refused.
func its() admissionv1.Variable {
	return admissionv1.Variable{Name: "tenant", Expression: "variables.tenants.filter(t, request.namespace in " + allOf("t") + ")[0]"}
}

// listed is a list that a tenant may not have.
func listed(of, key string) string { return of + "[?'" + key + "'].orValue([])" }

// allOf are the namespaces of a tenant, and those with its Flux objects.
func allOf(of string) string { return "(" + of + ".namespaces + " + listed(of, "flux") + ")" }

// everybodys is whether a namespace is some tenant's, or has its Flux objects.
func everybodys(namespace string) string {
	return "variables.tenants.exists(t, " + namespace + " in " + allOf("t") + ")"
}

// base is a URL without the ending that forges do not care about.
func base(url string) string {
	return strings.TrimSuffix(strings.TrimSuffix(url, "/"), ".git")
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

// distinct are those of a list that say something, sorted.
func distinct(list []string) []string {
	out := slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == "" })
	slices.Sort(out)
	return slices.Compact(out)
}

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

// sortByName puts policies in their order.
func sortByName(all []policy) []policy {
	slices.SortFunc(all, func(a, b policy) int { return cmp.Compare(a.name, b.name) })
	return all
}

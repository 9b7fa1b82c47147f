package adopt

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/tenant"
)

// environments are words that name one at the end of a name.
func environments() []string {
	return []string{"dev", "development", "live", "preprod", "preview", "prd", "prod", "production", "qa", "sandbox", "stage", "staging", "stg", "test", "uat"}
}

// splitEnvironment takes the environment off the end of a name: "billing" and "prod" of "billing-prod".
func splitEnvironment(name string) (rest, environment string) {
	at := strings.LastIndexByte(name, '-')
	if at <= 0 || !slices.Contains(environments(), name[at+1:]) {
		return name, ""
	}
	return name[:at], name[at+1:]
}

// stem is what the names of a Kustomization and its source share, word by word, without an environment: "billing" of "billing-apps" and "billing-repo". With
// nothing in common it is the first name.
func stem(kustomization, source string) string {
	a, b := strings.Split(kustomization, "-"), strings.Split(source, "-")
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	name := kustomization
	if n > 0 {
		name = strings.Join(a[:n], "-")
	}
	name, _ = splitEnvironment(name)
	return name
}

// environmentOf a Kustomization: what its name has behind the tenant's, if that names an environment or bulkhead made it; else that of its cluster.
func (f *found) environmentOf() string {
	rest, ok := strings.CutPrefix(f.k.Name, f.tenant+"-")
	if ok && label(f.object, tenant.LabelManagedBy) == tenant.ManagedBy && environmentName(rest) {
		return rest
	}
	if _, env := splitEnvironment(f.k.Name); env != "" {
		return env
	}
	return clusterEnvironment(f.view)
}

// clusterEnvironment is that of the cluster, or the cluster's name when nothing tells.
func clusterEnvironment(v *view) string {
	if environmentName(v.Environment) {
		return v.Environment
	}
	return shortened(v.Name)
}

func environmentName(text string) bool {
	return len(text) <= v1alpha1.MaxEnvironmentName && len(validation.IsDNS1123Label(text)) == 0
}

// shortened makes a name of an environment.
func shortened(text string) string {
	out := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, strings.ToLower(text))
	out = strings.Trim(out[:min(len(out), v1alpha1.MaxEnvironmentName)], "-")
	if out == "" {
		return "main"
	}
	return out
}

// nameEnvironments gives each Kustomization of a tenant an environment, no two on one cluster the same.
func nameEnvironments(list []*found) {
	type place struct{ cluster, environment string }
	taken := map[place]bool{}
	for _, f := range list {
		env := f.environmentOf()
		if taken[place{f.view.Name, env}] {
			rest := strings.Trim(strings.TrimPrefix(f.k.Name, f.tenant), "-")
			env = shortened(rest)
		}
		for base, n := env, byte('2'); taken[place{f.view.Name, env}] && n <= '9'; n++ {
			env = shortened(base[:min(len(base), v1alpha1.MaxEnvironmentName-2)] + "-" + string(n))
		}
		taken[place{f.view.Name, env}] = true
		f.environment = env
	}
}

package tenant

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
)

// Compartment is one environment of a tenant on one cluster.
type Compartment struct {
	Tenant      *v1alpha1.Tenant
	Environment *v1alpha1.Environment
	Cluster     *v1alpha1.Cluster
	// Settings are all that were said, merged, with every default.
	Settings v1alpha1.Settings
	// Namespaces of the tenant, as the environment lists them; never empty.
	Namespaces []string
	// Path of the folder in the tenant's source, with "./" before it.
	Path string
}

// Name of the compartment's Flux objects and of its account.
func (c *Compartment) Name() string { return c.Tenant.Name + "-" + c.Environment.Name }

// FluxNamespace is where its Flux objects are.
func (c *Compartment) FluxNamespace() string { return c.Tenant.FluxNamespace(c.Settings.Shape) }

// Note is what the documents may not mean of the compartment; "" for nothing: that listed ClusterRoles stand in the place of the default one, and are none
// by which Kubernetes lets make workloads.
func (c *Compartment) Note() string {
	roles := c.Settings.ClusterRoles
	if slices.ContainsFunc([]string{v1alpha1.TenantRole, "admin", "edit"}, func(r string) bool { return slices.Contains(roles, r) }) {
		return ""
	}
	at := c.Tenant.At("spec.clusterRoles")
	return fmt.Sprintf("%s:%d: tenant %s: clusterRoles takes the place of %s: in %s its account may do what %s allows and nothing else; if that is not enough, list %[4]s, too",
		at.File, at.Line, c.Tenant.Name, v1alpha1.TenantRole, strings.Join(c.Namespaces, ", "), strings.Join(roles, ", "))
}

// Compartments are those of all tenants on all clusters, sorted by cluster, tenant, and the environment's place in its document. None is
// no error.
//
// The error is a [*v1alpha1.DocumentError]: a selector that selects nothing, a profile or cluster that does not exist, two tenants with one
// namespace, a name that becomes too long.
func Compartments(docs v1alpha1.Documents) ([]*Compartment, error) {
	f := &fleet{docs: docs}
	for i := range docs.Tenants {
		if err := f.add(&docs.Tenants[i]); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(f.all, func(a, b *Compartment) int {
		return cmp.Or(cmp.Compare(a.Cluster.Name, b.Cluster.Name), cmp.Compare(a.Tenant.Name, b.Tenant.Name))
	})
	if err := f.distinct(); err != nil {
		return nil, err
	}
	return f.all, nil
}

type fleet struct {
	docs v1alpha1.Documents
	all  []*Compartment
}

func problem(t *v1alpha1.Tenant, field, hint, format string, args ...any) error {
	at := t.At(field)
	return &v1alpha1.DocumentError{File: at.File, Line: at.Line, Message: fmt.Sprintf(format, args...), Hint: hint}
}

// add finds where a tenant is.
func (f *fleet) add(t *v1alpha1.Tenant) error {
	if len(f.docs.Clusters) == 0 {
		return problem(t, "spec.environments", "add one: bulkhead cluster add NAME --label env=prod", "tenant %s: the fleet has no Cluster document", t.Name)
	}
	base, err := f.common(t)
	if err != nil {
		return err
	}
	used := map[string]bool{}
	for i := range t.Spec.Environments {
		e, at := &t.Spec.Environments[i], fmt.Sprintf("spec.environments[%d]", i)
		selects, err := metav1.LabelSelectorAsSelector(&e.Clusters)
		if err != nil {
			return problem(t, at+".clusters", "", "tenant %s: %s.clusters: %v", t.Name, at, err)
		}
		everywhere, err := Merge(base, e.Settings) // most clusters add nothing to it
		if err != nil {
			return err
		}
		found := 0
		for k := range f.docs.Clusters {
			c := &f.docs.Clusters[k]
			if !selects.Matches(labels.Set(c.Labels)) {
				continue
			}
			found++
			used[c.Name] = true
			one, err := compartment(t, e, c, everywhere, at)
			if err != nil {
				return err
			}
			f.all = append(f.all, one)
		}
		if found == 0 {
			none := fmt.Sprintf("selects none of the %d clusters", len(f.docs.Clusters))
			if len(f.docs.Clusters) == 1 {
				none = "does not select the one cluster of the fleet"
			}
			return problem(t, at+".clusters", f.labelsHint(), "tenant %s: %s.clusters %s", t.Name, at, none)
		}
	}
	for i := range t.Spec.Clusters {
		if name := t.Spec.Clusters[i].Name; !used[name] {
			return problem(t, fmt.Sprintf("spec.clusters[%d].name", i), v1alpha1.DidYouMean(name, sortedKeys(used)),
				"tenant %s: spec.clusters[%d]: no environment of the tenant is on cluster %s", t.Name, i, name)
		}
	}
	return nil
}

// labelsHint says which labels there are to select.
func (f *fleet) labelsHint() string {
	seen := map[string]bool{}
	for i := range f.docs.Clusters {
		for k, v := range f.docs.Clusters[i].Labels {
			seen[k+"="+v] = true
		}
	}
	if len(seen) == 0 {
		return "no Cluster document has labels; {} selects all of them"
	}
	all := sortedKeys(seen)
	if len(all) > 12 {
		all = append(all[:12], "...")
	}
	return "labels of clusters: " + strings.Join(all, ", ")
}

// common is what holds for the tenant in all environments.
func (f *fleet) common(t *v1alpha1.Tenant) (v1alpha1.Settings, error) {
	all := []v1alpha1.Settings{v1alpha1.DefaultSettings()}
	name := t.Spec.Profile
	var own []v1alpha1.Profile
	if f.docs.Fleet != nil {
		spec := &f.docs.Fleet.Spec
		name = cmp.Or(name, spec.TenantDefaults.Profile)
		own = spec.Profiles
		all = append(all, spec.TenantDefaults.Settings)
	}
	if name != "" {
		known := v1alpha1.BuiltInProfiles()
		p, ok := v1alpha1.BuiltInProfile(name)
		for i := range own {
			known = append(known, own[i].Name)
			if own[i].Name == name {
				p, ok = own[i].Settings, true
			}
		}
		if !ok {
			return v1alpha1.Settings{}, problem(t, "spec.profile", v1alpha1.DidYouMean(name, known), "tenant %s: the fleet has no profile %s", t.Name, name)
		}
		all = append(all, p)
	}
	return Merge(append(all, t.Spec.Settings)...)
}

// compartment is environment e of t on cluster c, with the settings that hold on all clusters of the environment.
func compartment(t *v1alpha1.Tenant, e *v1alpha1.Environment, c *v1alpha1.Cluster, everywhere v1alpha1.Settings, at string) (*Compartment, error) {
	out := &Compartment{Tenant: t, Environment: e, Cluster: c, Settings: everywhere, Namespaces: t.NamespacesOf(e), Path: cmp.Or(e.Path, "deploy/"+e.Name)}
	for i := range t.Spec.Clusters {
		if own := &t.Spec.Clusters[i]; own.Name == c.Name {
			var err error
			if out.Settings, err = Merge(everywhere, own.Settings); err != nil {
				return nil, err
			}
			out.Path = cmp.Or(own.Path, out.Path)
		}
	}
	out.Path = "./" + strings.TrimPrefix(out.Path, "./")
	if out.Path == "./." {
		out.Path = "./"
	}
	if name := out.Name(); len(name) > validation.DNS1123LabelMaxLength {
		return nil, problem(t, at+".name", "shorten one of the two", "tenant %s: the name %s, made of the tenant's and the environment's, has more than %d letters", t.Name, name, validation.DNS1123LabelMaxLength)
	}
	if ns := out.Settings.Sync.TargetNamespace; ns != "" && !slices.Contains(out.Namespaces, ns) {
		return nil, problem(t, at+".namespaces", "its namespaces here: "+strings.Join(out.Namespaces, ", "), "tenant %s: sync.targetNamespace %s is none of its namespaces in environment %s", t.Name, ns, e.Name)
	}
	if roles := out.Settings.ClusterRoles; !slices.ContainsFunc(roles, func(r string) bool { return !slices.Contains(v1alpha1.AddedRoles(), r) }) {
		field := "spec.clusterRoles"
		if _, here := t.Lines[at+".clusterRoles"]; here {
			field = at + ".clusterRoles"
		}
		return nil, problem(t, field, "name it, too: clusterRoles: ["+strings.Join(append([]string{v1alpha1.TenantRole}, roles...), ", ")+"]",
			"tenant %s: clusterRoles takes the place of %s, and %s alone lets it make no workload in environment %s", t.Name, v1alpha1.TenantRole, strings.Join(roles, ", "), e.Name)
	}
	for _, name := range out.Settings.Sync.ClusterVariables {
		if _, ok := c.Spec.Variables[name]; !ok && !slices.Contains(v1alpha1.ReservedVariables(), name) {
			return nil, problem(t, at+".sync.clusterVariables", v1alpha1.DidYouMean(name, sortedKeys(c.Spec.Variables)),
				"tenant %s: sync.clusterVariables: cluster %s has no variable %s", t.Name, c.Name, name)
		}
	}
	return out, nil
}

// Merge puts settings over each other, the last one on top, as a strategic merge patch does.
//
// The error is one of a value that JSON cannot hold; what Decode gives has none.
func Merge(list ...v1alpha1.Settings) (v1alpha1.Settings, error) {
	merged := []byte("{}")
	for i := range list {
		over, err := json.Marshal(&list[i])
		if err != nil {
			return v1alpha1.Settings{}, fmt.Errorf("merge settings: %w", err)
		}
		if merged, err = strategicpatch.StrategicMergePatch(merged, over, v1alpha1.Settings{}); err != nil {
			return v1alpha1.Settings{}, fmt.Errorf("merge settings: %w", err)
		}
	}
	var out v1alpha1.Settings
	if err := json.Unmarshal(merged, &out); err != nil {
		return v1alpha1.Settings{}, fmt.Errorf("merge settings: %w", err)
	}
	return out, nil
}

// distinct wants each namespace of a cluster to be claimed once.
func (f *fleet) distinct() error {
	type claim struct{ cluster, namespace string }
	type claimed struct {
		c    *Compartment
		what string
	}
	seen := map[claim]claimed{}
	take := func(c *Compartment, ns, field, what string) error {
		first, taken := seen[claim{c.Cluster.Name, ns}]
		if !taken {
			seen[claim{c.Cluster.Name, ns}] = claimed{c, what}
			return nil
		}
		at := first.c.Tenant.Place
		return problem(c.Tenant, field, "give one of the two another name: environments[].namespaces",
			"tenant %s: namespace %s on cluster %s is %s and %s of tenant %s (%s:%d)", c.Tenant.Name, ns, c.Cluster.Name, what, first.what, first.c.Tenant.Name, at.File, at.Line)
	}
	type named struct{ cluster, namespace, name string }
	names := map[named]*Compartment{}
	ours := map[named]bool{} // namespaces of Flux objects, by tenant
	for _, c := range f.all {
		key := named{c.Cluster.Name, c.FluxNamespace(), c.Name()}
		if first := names[key]; first != nil {
			at := first.Tenant.Place
			return problem(c.Tenant, "metadata.name", "rename one of the two tenants or environments", "tenant %s: its Flux objects on cluster %s have the name %s, and so have those of tenant %s (%s:%d)",
				c.Tenant.Name, c.Cluster.Name, c.Name(), first.Tenant.Name, at.File, at.Line)
		}
		names[key] = c
		at := fmt.Sprintf("spec.environments[%d].namespaces", slices.IndexFunc(c.Tenant.Spec.Environments, func(e v1alpha1.Environment) bool { return e.Name == c.Environment.Name }))
		for _, ns := range c.Namespaces {
			if err := take(c, ns, at, "that of environment "+c.Environment.Name); err != nil {
				return err
			}
		}
		own := named{c.Cluster.Name, c.FluxNamespace(), c.Tenant.Name}
		if c.Settings.Shape == v1alpha1.Isolated && !ours[own] {
			ours[own] = true
			if err := take(c, c.FluxNamespace(), "metadata.name", "that of the Flux objects"); err != nil {
				return err
			}
		}
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

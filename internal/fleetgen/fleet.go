package fleetgen

import (
	"fmt"
	"maps"
	"strings"
)

// Fleet is a fleet of the benchmarks, with the changes whose impact is measured.
type Fleet struct {
	// Name is one of [Names].
	Name string
	// Clusters and Tenants are how many there are; every tenant is on every cluster.
	Clusters, Tenants int
	// Files are slash paths to content.
	Files map[string]string
	// Changes are commits to Files, each on its own.
	Changes []Change
}

// Change is one commit to a fleet.
type Change struct {
	// Name is a word for a branch: "base", "tenant".
	Name string
	// What says it in a few words.
	What string
	// Files are those that the commit writes: slash paths to content. None is an
	// empty commit.
	Files map[string]string
	// Builds is how many Kustomizations, counted on every cluster, apply something
	// else after it. Clusters is how many clusters they are on.
	Builds, Clusters int
}

// Names are the names that [Named] knows, small fleets first: clusters x tenants
// are 3x5, 20x30, 50x20, 200x50 and 1000x100. "peers" is that of [Peers].
func Names() []string { return []string{"S", "peers", "M", "L", "XL"} }

// Named makes the fleet of a name. An error says that there is none of that name.
func Named(name string) (Fleet, error) {
	sizes := map[string]Options{
		"S":  {Clusters: 3, Tenants: 5, Releases: true},
		"M":  {Clusters: 50, Tenants: 20, Releases: true},
		"L":  {Clusters: 200, Tenants: 50, Releases: true},
		"XL": {Clusters: 1000, Tenants: 100, Releases: true},
	}
	if o, ok := sizes[name]; ok {
		return generated(name, o), nil
	}
	if name == "peers" {
		return timed(20, 30), nil
	}
	return Fleet{}, fmt.Errorf("fleet %q: want one of %s", name, strings.Join(Names(), ", "))
}

// generated is the fleet of [Generate] and its changes. The last environment is
// the one that a change of one environment is made in.
func generated(name string, o Options) Fleet {
	f := Fleet{Name: name, Clusters: o.Clusters, Tenants: o.Tenants, Files: Generate(o)}
	envs := o.withDefaults().Environments
	last := len(envs) - 1
	some := (o.Clusters - last + len(envs) - 1) / len(envs) // clusters of that environment
	overlay := "apps/overlays/" + envs[last] + "/"
	quota := fmt.Sprintf("apiVersion: v1\nkind: ResourceQuota\nmetadata:\n  name: %s\nspec:\n  hard:\n    pods: \"20\"\n", Tenant(2))
	own := f.edit(overlay+Tenant(2)+"/kustomization.yaml", "- ../../../base/"+Tenant(2)+"\n", "- ../../../base/"+Tenant(2)+"\n- quota.yaml\n")
	own[overlay+Tenant(2)+"/quota.yaml"] = quota
	f.Changes = []Change{
		{"base", "one line of one tenant's base", f.edit("apps/base/"+Tenant(1)+"/deployment.yaml", "containerPort: 8001", "containerPort: 9001"), o.Clusters, o.Clusters},
		{"all", "one line that every tenant takes", f.edit("components/common/kustomization.yaml", "part-of: fleet", "part-of: float"), o.Clusters * o.Tenants, o.Clusters},
		{"overlay", "one line of one tenant in one environment", f.edit(overlay+Tenant(1)+"/resources.yaml", "memory: 128Mi", "memory: 256Mi"), some, some},
		// The cluster's own Kustomization applies the ConfigMap, the others take the variable.
		{"variable", "one variable of one cluster", f.edit("clusters/"+Cluster(0)+"/cluster-vars.yaml", "  region: ", "  region: x-"), o.Tenants + 1, 1},
		{"tenant", "a tenant adds an object in one environment", own, some, some},
		{"empty", "an empty commit", nil, 0, 0},
		{"readme", "a file that nothing reads", map[string]string{"README.md": "# Fleet\n"}, 0, 0},
	}
	return f
}

// timed is the fleet of [Peers] with the changes that other tools have been timed with.
func timed(clusters, apps int) Fleet {
	f := Fleet{Name: "peers", Clusters: clusters, Tenants: apps, Files: Peers(clusters, apps)}
	f.Changes = []Change{
		{"base", "one line of one application's base", f.edit("apps/base/a001/deployment.yaml", ":1.0.0", ":1.1.0"), clusters, clusters},
		{"variable", "one variable of one cluster", f.edit("clusters/c000/cluster-vars.yaml", "region: r0", "region: r9"), apps + 1, 1},
		{"empty", "an empty commit", nil, 0, 0},
	}
	return f
}

// edit is the file at path with the one occurrence of old replaced, alone.
func (f Fleet) edit(path, old, with string) map[string]string {
	return map[string]string{path: Replace(map[string]string{path: f.Files[path]}, path, old, with)[path]}
}

// After is the fleet's files after the change.
func (f Fleet) After(c Change) map[string]string {
	out := maps.Clone(f.Files)
	maps.Copy(out, c.Files)
	return out
}

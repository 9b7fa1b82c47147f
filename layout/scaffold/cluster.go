package scaffold

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
)

// Cluster is everything that a cluster adds to a fleet, but for what is generated: its document, its entry
// folder, and the overlays of its environment, unless
// [Options.Environments] has that. Its variable domain, which the platform's sample
// reads, is CLUSTER.FLEET.example if the cluster has none. What it makes of options and a
// cluster that [Fleet] refuses is undefined; see [CheckCluster].
func Cluster(o Options, c v1alpha1.Cluster) map[string]string {
	o = o.withDefaults()
	v := valuesOf(o, c)
	out := map[string]string{}
	fill(out, "cluster", v)
	switch o.Flux {
	case Bootstrap:
		fill(out, "flux-bootstrap", v)
	case Instance:
		fill(out, "flux-instance", v)
	case NoFlux:
	}
	if !slices.Contains(o.Environments, v.Environment) {
		maps.Copy(out, environment(o, v.Environment))
	}
	return out
}

// clusterValues are what the templates of a cluster are filled with.
type clusterValues struct {
	Options
	Cluster           string
	Environment       string
	Path              string
	KubernetesVersion string
	Ref               string // full name of the branch
	FluxVersion       string
	Monorepo          bool
	Labels, Variables []pair
}

func valuesOf(o Options, c v1alpha1.Cluster) clusterValues {
	variables := map[string]string{"domain": c.Name + "." + o.Name + ".example"}
	maps.Copy(variables, c.Spec.Variables)
	return clusterValues{
		Options: o, Cluster: c.Name, Environment: c.Labels[o.EnvironmentLabel], Path: folder(c),
		KubernetesVersion: c.Spec.KubernetesVersion, Ref: "refs/heads/" + o.Branch, FluxVersion: fluxVersion,
		Monorepo: o.Layout == v1alpha1.Monorepo, Labels: pairs(c.Labels), Variables: pairs(variables),
	}
}

// folder is where Flux starts on a cluster.
func folder(c v1alpha1.Cluster) string {
	return cmp.Or(c.Spec.Path, "clusters/"+c.Name)
}

// overlay is what the templates of an environment are filled with.
type overlay struct {
	App, Environment, Image, Tag string
	Replicas                     int
}

// environment is what an environment has of its own.
func environment(o Options, name string) map[string]string {
	out := map[string]string{}
	v := overlay{Environment: name, Image: image, Tag: imageTag, Replicas: replicas(name)}
	fill(out, "environment", v)
	if o.Layout == v1alpha1.Monorepo {
		fill(out, "environment-apps", v)
	}
	return out
}

// replicas is how many pods an app starts with: in production one may go.
func replicas(environment string) int {
	if strings.HasPrefix(environment, "prod") || environment == "live" {
		return 2
	}
	return 1
}

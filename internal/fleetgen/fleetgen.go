// Package fleetgen turns a few numbers into a synthetic Flux fleet for tests,
// benchmarks and the demo.
//
// One invariant: every source of a fleet resolves inside its own files, so that
// it renders without a network. See [Generate] and [Demo].
package fleetgen

import (
	_ "embed" // the templates
	"fmt"
	"strings"

	"golang.org/x/tools/txtar"
)

// ObjectsPerCluster is what each cluster of a generated fleet renders to beside
// its tenants: the GitRepository and Kustomization of its sync and the ConfigMap
// cluster-vars.
const ObjectsPerCluster = 3

// ObjectsPerTenant is what each tenant adds on each cluster: a Namespace, a Flux
// Kustomization and the eight objects of its base.
const ObjectsPerTenant = 10

// ObjectsPerRelease is what a HelmRelease adds on each cluster: itself, and the
// Deployment and the Service that its chart renders to.
const ObjectsPerRelease = 3

// Options says how large a fleet is. The zero value is the fleet of the
// benchmarks, 100 clusters of 20 tenants.
type Options struct {
	// Clusters is how many clusters there are; 100 when not positive.
	Clusters int
	// Tenants is how many tenants run on every cluster; 20 when not positive.
	Tenants int
	// Environments are DNS-1123 labels. Cluster i belongs to number i modulo
	// their count. Unset: staging, production.
	Environments []string
	// Regions are given to clusters in turn, one for each round of the
	// environments. Unset: eu-1, us-1, ap-1.
	Regions []string
	// URL is the repository's own, which every sync names. Unset:
	// https://git.example.com/acme/fleet.git.
	URL string
	// Releases gives every tenth tenant, from the first on, a HelmRelease of the
	// repository's own chart charts/cache.
	Releases bool
}

// withDefaults fills what is not set.
func (o Options) withDefaults() Options {
	if o.Clusters <= 0 {
		o.Clusters = 100
	}
	if o.Tenants <= 0 {
		o.Tenants = 20
	}
	if len(o.Environments) == 0 {
		o.Environments = []string{"staging", "production"}
	}
	if len(o.Regions) == 0 {
		o.Regions = []string{"eu-1", "us-1", "ap-1"}
	}
	if o.URL == "" {
		o.URL = "https://git.example.com/acme/fleet.git"
	}
	return o
}

// Environment is the environment of cluster number i.
func (o Options) Environment(i int) string {
	envs := o.withDefaults().Environments
	return envs[i%len(envs)]
}

// Objects is how many objects all clusters render to.
func (o Options) Objects() int {
	o = o.withDefaults()
	return o.Clusters * (ObjectsPerCluster + o.Tenants*ObjectsPerTenant + o.releases()*ObjectsPerRelease)
}

// releases is how many HelmReleases a cluster has.
func (o Options) releases() int {
	if !o.Releases {
		return 0
	}
	return (o.Tenants + releaseEvery - 1) / releaseEvery
}

// releaseEvery tenants, one brings a HelmRelease.
const releaseEvery = 10

// Cluster is the name of cluster number i, as in "c007".
func Cluster(i int) string { return fmt.Sprintf("c%03d", i) }

// Tenant is the name of tenant number i, as in "t007".
func Tenant(i int) string { return fmt.Sprintf("t%03d", i) }

var (
	//go:embed files/cluster.txtar
	clusterFiles string
	//go:embed files/tenant.txtar
	tenantFiles string
	//go:embed files/overlay.txtar
	overlayFiles string
	//go:embed files/release.txtar
	releaseFiles string
)

// Generate makes a fleet as files: slash paths from the repository's root to
// content. Equal options give equal files.
//
//	clusters/c000/flux-system/gotk-sync.yaml, kustomization.yaml
//	clusters/c000/cluster-vars.yaml     cluster_name, region, environment; domain on every second round
//	clusters/c000/tenants.yaml          per tenant: Namespace, Flux Kustomization
//	apps/base/t000/...                  eight objects; four hold variables in every third tenant, else two
//	apps/overlays/ENV/t000/...          patch, image tag, component
//	components/common/...               labels
//	charts/cache/...                    with Releases: a chart, and apps/base/t000/release.yaml
func Generate(o Options) map[string]string {
	o = o.withDefaults()
	files := map[string]string{}
	for i := range o.Clusters {
		round := i / len(o.Environments)
		c := values{"cluster": Cluster(i), "env": o.Environment(i), "region": o.Regions[round%len(o.Regions)], "url": o.URL}
		c["domain"] = ""
		if round%2 == 1 {
			c["domain"] = "\n  domain: " + c["region"] + ".example.com"
		}
		c.fill(files, clusterFiles)
		var tenants []string
		for j := range o.Tenants {
			c["tenant"] = Tenant(j)
			one := map[string]string{}
			c.fill(one, tenantOfCluster)
			tenants = append(tenants, one["tenant.yaml"])
		}
		files["clusters/"+Cluster(i)+"/tenants.yaml"] = strings.Join(tenants, "---\n")
	}
	for j := range o.Tenants {
		t := values{"tenant": Tenant(j), "port": fmt.Sprint(8000 + j), "region": "any", "owner": "platform@example.com", "release": ""}
		if j%3 == 0 {
			t["region"], t["owner"] = "${region}", Tenant(j)+"@${domain:=example.com}"
		}
		if o.Releases && j%releaseEvery == 0 {
			t["release"] = "\n- release.yaml"
			t.fill(files, releaseFiles)
		}
		t.fill(files, tenantFiles)
		for k, env := range o.Environments {
			t["env"], t["replicas"], t["tag"] = env, fmt.Sprint(k+1), fmt.Sprintf("1.%d.0", j)
			t.fill(files, overlayFiles)
		}
	}
	files["components/common/kustomization.yaml"] = component
	return files
}

const component = `apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
labels:
- pairs:
    app.kubernetes.io/part-of: fleet
  includeSelectors: false
`

const tenantOfCluster = `-- tenant.yaml --
apiVersion: v1
kind: Namespace
metadata:
  name: @tenant@
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: @tenant@
  namespace: flux-system
spec:
  interval: 10m
  path: ./apps/overlays/@env@/@tenant@
  prune: true
  targetNamespace: @tenant@
  sourceRef:
    kind: GitRepository
    name: flux-system
  postBuild:
    substituteFrom:
    - kind: ConfigMap
      name: cluster-vars
`

// values are what stands for the @name@ of a template.
type values map[string]string

// fill adds the files of a txtar template, names and contents filled in.
func (v values) fill(files map[string]string, template string) {
	var pairs []string
	for name, value := range v {
		pairs = append(pairs, "@"+name+"@", value)
	}
	r := strings.NewReplacer(pairs...)
	for _, f := range txtar.Parse([]byte(template)).Files {
		files[r.Replace(f.Name)] = r.Replace(string(f.Data))
	}
}

// Package scaffold turns a few options into the files of a new hub, monorepo or
// spoke.
//
// One invariant: what it makes renders as it is, with nothing failed and nothing
// unresolved. See [Fleet] and [Spoke].
package scaffold

import (
	"maps"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/layout"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// Flux is how Flux gets onto a cluster.
type Flux string

// The ways; the empty Flux is [Bootstrap].
const (
	// Bootstrap prepares what "flux bootstrap" completes.
	Bootstrap Flux = "bootstrap"
	// Instance is a FluxInstance of Flux Operator.
	Instance Flux = "instance"
	// NoFlux leaves Flux to others.
	NoFlux Flux = "none"
)

// CI is where changes are reviewed.
type CI string

// The forges; the empty CI is [GitHub].
const (
	// GitHub runs a workflow.
	GitHub CI = "github"
	// GitLab runs a pipeline.
	GitLab CI = "gitlab"
	// NoCI runs nothing.
	NoCI CI = "none"
)

const (
	// fluxVersion is what a FluxInstance installs: the release whose controllers are our engines.
	fluxVersion = "2.9.x"
	// The stand-in for the first app.
	image    = "ghcr.io/stefanprodan/podinfo"
	imageTag = "6.7.1"
)

// Options say what a fleet is. Name, URL and Owner are required.
type Options struct {
	// Name of the fleet, a DNS-1123 label.
	Name string
	// Layout of the repository. Unset: [v1alpha1.HubAndSpoke].
	Layout v1alpha1.Layout
	// URL that Flux clones the repository from: ssh or https, without a password.
	URL string
	// Branch that all clusters follow. Unset: main.
	Branch string
	// Owner of the platform in CODEOWNERS: @user, @org/team or an address.
	Owner string
	// Flux is how it gets onto the clusters. Unset: [Bootstrap].
	Flux Flux
	// CI is where changes are reviewed. Unset: [GitHub].
	CI CI
	// Clusters of the fleet, in any order. Their environments are their labels.
	Clusters []v1alpha1.Cluster
	// EnvironmentLabel names the label of a cluster that says its environment.
	// Unset: [v1alpha1.DefaultEnvironmentLabel].
	EnvironmentLabel string
	// Environments are those that have their overlays: [Cluster] makes none for them.
	Environments []string
}

// withDefaults fills what is not set.
func (o Options) withDefaults() Options {
	set(&o.Layout, v1alpha1.HubAndSpoke)
	set(&o.Branch, "main")
	set(&o.Flux, Bootstrap)
	set(&o.CI, GitHub)
	set(&o.EnvironmentLabel, v1alpha1.DefaultEnvironmentLabel)
	return o
}

func set[T ~string](field *T, value T) {
	if *field == "" {
		*field = value
	}
}

// Fleet is a hub or a monorepo with all its clusters: slash paths from the
// repository's root to content. The error is a [*ProblemError] about the first
// option that cannot be taken.
func Fleet(o Options) (map[string]string, error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	clusters := slices.SortedFunc(slices.Values(o.Clusters), func(a, b v1alpha1.Cluster) int {
		return strings.Compare(a.Name, b.Name)
	})
	values := struct {
		Options
		Monorepo     bool
		Clusters     []string
		Environments []string
		First        string // folder of the first cluster
		SSH          bool   // what Flux clones with
		Spoke        bool
		Guards       v1alpha1.Guards
	}{Options: o, Monorepo: o.Layout == v1alpha1.Monorepo, SSH: strings.HasPrefix(o.URL, "ssh:"), Guards: guards(clusters)}
	out := map[string]string{}
	for i, c := range clusters {
		maps.Copy(out, Cluster(o, c))
		values.Clusters = append(values.Clusters, c.Name)
		values.Environments = append(values.Environments, c.Labels[o.EnvironmentLabel])
		if i == 0 {
			values.First = folder(c)
		}
	}
	slices.Sort(values.Environments)
	values.Environments = slices.Compact(values.Environments)
	fill(out, "fleet", values)
	if values.Monorepo {
		fill(out, "app", app{App: "podinfo", Folder: "apps/base/podinfo", Monorepo: true})
	}
	fill(out, "owners", values)
	fill(out, "readme", values)
	review(out, o.CI, values)
	return out, generate(out)
}

// guards are on where every cluster can have them.
func guards(clusters []v1alpha1.Cluster) v1alpha1.Guards {
	if slices.ContainsFunc(clusters, func(c v1alpha1.Cluster) bool { return !layout.Guardable(c.Spec.KubernetesVersion) }) {
		return v1alpha1.GuardsOff
	}
	return v1alpha1.GuardsEnforce
}

// generate adds what follows from the documents.
func generate(out map[string]string) error {
	var all []v1alpha1.Documents
	for _, p := range slices.Sorted(maps.Keys(out)) {
		if strings.HasPrefix(p, "fleet/") {
			docs, err := v1alpha1.Decode(p, []byte(out[p]))
			if err != nil {
				return err
			}
			all = append(all, docs)
		}
	}
	docs, err := v1alpha1.Merge(all...)
	if err != nil {
		return err
	}
	change, err := layout.Plan(tree.FromMap(out), docs)
	if err != nil {
		return err
	}
	maps.Copy(out, change.Write)
	return nil
}

// app is what the template of an app is filled with.
type app struct {
	App, Folder string
	Monorepo    bool // it may use the variables of its cluster
}

// review adds what runs on each change.
func review(out map[string]string, ci CI, values any) {
	if ci != NoCI {
		fill(out, "ci-"+string(ci), values)
	}
}

// SpokeOptions say what a spoke is. Name, Environments and Owner are required.
type SpokeOptions struct {
	// Name of the tenant, a DNS-1123 label. Its first app has the same name.
	Name string
	// Environments are DNS-1123 labels, in the order in which a version goes through them.
	Environments []string
	// Owner of the spoke in CODEOWNERS: @user, @org/team or an address.
	Owner string
	// CI is where changes are reviewed. Unset: [GitHub].
	CI CI
	// Contract that the platform wrote for the tenant; "" when there is none yet.
	Contract string
}

// ContractFile is where a spoke has the contract that the platform wrote for it.
const ContractFile = ".bulkhead/contract.yaml"

// Spoke is a tenant's repository: slash paths from its root to content. The
// error is a [*ProblemError] about the first option that cannot be taken.
func Spoke(o SpokeOptions) (map[string]string, error) {
	set(&o.CI, GitHub)
	if err := o.check(); err != nil {
		return nil, err
	}
	values := struct {
		SpokeOptions
		First string
		Clone string // of the spoke, from a clone of the hub beside it
		Spoke bool
		File  string // with the contract
	}{o, o.Environments[0], "../" + o.Name, true, ContractFile}
	out := map[string]string{}
	if o.Contract != "" {
		out[ContractFile] = o.Contract
	}
	fill(out, "app", app{App: o.Name, Folder: "deploy/base"})
	for _, env := range o.Environments {
		fill(out, "spoke", overlay{App: o.Name, Environment: env, Image: image, Tag: imageTag, Replicas: replicas(env)})
	}
	fill(out, "owners-spoke", values)
	fill(out, "readme-spoke", values)
	review(out, o.CI, values)
	return out, nil
}

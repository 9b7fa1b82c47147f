package rule

import (
	"github.com/bulkhead-dev/bulkhead/finding"
)

// beforeBuild is why admission does not see what a kustomization does.
const beforeBuild = "it is about files before the build, of which the cluster sees the result only"

// buildRules are about how kustomize builds what a tenant decides.
func buildRules() []Rule {
	return []Rule{
		{
			Rule: finding.Rule{
				ID: "KUS-001", Level: finding.High, Title: "A build fetches from the network",
				Why:  "What a build fetches is no part of the source: nobody reviewed it, no digest pins it, and the controller asks from inside the cluster. --no-remote-bases stops Git alone, an address of HTTP is asked for whatever it says.",
				Hint: "copy the files into the source, or make a Flux source of the address and a Kustomization of its own",
			},
			Boundary: true, Unless: "the files are the platform's, from a vendor, on a cluster that allows it: then it is medium",
			Static: beforeBuild,
			Source: "kustomize API v0.21.1 fileloader.go; kustomize-controller v1.9.5 --no-remote-bases", applier: remoteBuild,
		},
		{
			Rule: finding.Rule{
				ID: "KUS-002", Level: finding.Critical, Title: "A tenant's build reads files of others",
				Why:  "A build may read every file of its artifact, whatever spec.path says. In a repository of many, a tenant so puts files of the platform or of another tenant into its own objects.",
				Hint: "give the tenant a repository of its own, or slices of this one by an ArtifactGenerator, so that its artifact holds its files only",
			},
			Boundary: true, Unless: "the folder is a base that is meant for everybody: let no applier have it as its path",
			Static: beforeBuild,
			Source: "kustomize-controller v1.9.5, fluxcd/pkg/kustomize v1.35.6 SecureBuild", applier: foreignReads,
		},
		{
			Rule: finding.Rule{
				ID: "KUS-003", Level: finding.Medium, Title: "A kustomization asks for what Flux does not run",
				Why:  "Charts, functions and plugins run on a laptop with flags. Flux refuses the build, and what is on the cluster stays as it was.",
				Hint: "install the chart by a HelmRelease, and commit what the plugin makes",
			},
			Static: beforeBuild,
			Source: "fluxcd/pkg/kustomize v1.35.6, the options of its build", applier: plugins,
		},
		{
			Rule: finding.Rule{
				ID: "KUS-004", Level: finding.Medium, Title: "The files that are applied are not those that were reviewed",
				Why:  "Submodules bring files of other repositories: what was reviewed there, and by whom, nothing here says.",
				Hint: "commit the files, or give the other repository a source of its own; say what to leave out in spec.ignore",
			},
			Unless: "the submodule is the same team's, and only documents are in it",
			Source: "source-controller v1.9.5 GitRepository", object: unreviewed,
		},
		{
			Rule: finding.Rule{
				ID: "KUS-005", Level: finding.Medium, Title: "A folder is applied as a whole, without a kustomization file",
				Why:  "Flux then applies every YAML file below, also one that was put there for another purpose. At the root of a repository with several concerns this takes in all of them.",
				Hint: "add a kustomization.yaml that lists what is applied, or point spec.path to a folder with one",
			},
			Static: beforeBuild, Unless: "the repository has one purpose, or the folder is a cluster's entry point",
			Source: "fluxcd/pkg/kustomize v1.35.6, the generator", applier: sweep,
		},
		{
			Rule: finding.Rule{
				ID: "KUS-006", Level: finding.Low, Title: "A kustomization uses a field of the past",
				Why:  "bases, vars, patchesStrategicMerge, patchesJson6902 and commonLabels are deprecated, and the last writes into selectors, which cannot be changed on the cluster.",
				Hint: "use resources, replacements, patches, and labels without includeSelectors; kustomize edit fix rewrites them",
			},
			Static: beforeBuild,
			Source: "kustomize API v0.21.1, types.Kustomization", applier: pastFields,
		},
	}
}

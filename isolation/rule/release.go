package rule

import (
	"slices"

	"github.com/bulkhead-dev/bulkhead/finding"
)

// helmSource is what the rules about releases follow.
const helmSource = "helm-controller v1.6.4 HelmRelease v2"

// releaseRules are about Helm releases.
func releaseRules() []Rule { return slices.Concat(releasePlaceRules(), releaseChartRules()) }

// releasePlaceRules are those about where a release and its objects go.
func releasePlaceRules() []Rule {
	return []Rule{
		{
			Rule: finding.Rule{
				ID: "HLM-001", Level: finding.Critical, Title: "A tenant's release goes to a namespace that is not its own",
				Why:  "spec.targetNamespace is where Helm puts all objects that name no namespace. Only the rights of the account stand between the tenant and that namespace.",
				Hint: "leave spec.targetNamespace out",
			},
			Boundary: true, Unless: "the release is the platform's",
			Source: helmSource, applier: releaseTarget,
		},
		{
			Rule: finding.Rule{
				ID: "HLM-002", Level: finding.High, Title: "A tenant's release is kept in a namespace that is not its own",
				Why:  "Helm keeps values and manifests of a release in a Secret of spec.storageNamespace: others there may read it, or change what the next upgrade starts from.",
				Hint: "leave spec.storageNamespace out",
			},
			Boundary: true, Source: helmSource, applier: releaseStorage,
		},
		{
			Rule: finding.Rule{
				ID: "HLM-003", Level: finding.Critical, Title: "A tenant's chart makes objects outside of the tenant's namespaces",
				Why:  "Templates say the namespace of each object themselves, and hooks run as objects of their own: what a chart makes for the cluster as a whole, or for others, is beyond the tenant.",
				Hint: "set the chart's values so that it stays in one namespace, or let the platform install it",
			},
			Boundary: true, Unless: "the contract names the kind in clusterScoped",
			Source: helmSource, object: chartedOutside,
		},
		{
			Rule: finding.Rule{
				ID: "HLM-004", Level: finding.High, Title: "A tenant's chart brings CustomResourceDefinitions",
				Why:  "A definition holds for the whole cluster: an upgrade of one tenant's chart changes, or breaks, the objects of all others.",
				Hint: "set spec.install.crds and spec.upgrade.crds to Skip, and let the platform apply the definitions",
			},
			Boundary: true, Unless: "the contract names CustomResourceDefinition in clusterScoped",
			Source: helmSource, applier: releaseCRDs,
		},
		{
			Rule: finding.Rule{
				ID: "HLM-005", Level: finding.High, Title: "Two releases are the same release to Helm",
				Why:  "Helm knows a release by its name and the namespace that it is kept in. Two HelmReleases with the same upgrade over each other, and when one goes, the other's objects go.",
				Hint: "give each a spec.releaseName of its own, or keep them in namespaces of their own",
			},
			Static: "two objects are compared",
			Source: "helm-controller v1.6.4, internal/release ShortenName", cluster: sharedReleases,
		},
	}
}

// releaseChartRules are those about namespaces, charts and drift.
func releaseChartRules() []Rule {
	return []Rule{
		{
			Rule: finding.Rule{
				ID: "HLM-006", Level: finding.High, Title: "A tenant's release makes a namespace",
				Why:  "A namespace that Helm makes has no quota, no policy and no label of the platform.",
				Hint: "set spec.install.createNamespace to false, and add the namespace to the tenant's document",
			},
			Boundary: true, Unless: "the release is the platform's",
			Source: helmSource, applier: releaseNamespace,
		},
		{
			Rule: finding.Rule{
				ID: "HLM-007", Level: finding.Medium, Title: "The version of a chart floats in production",
				Why:  "Helm upgrades as soon as the registry has a newer chart: no commit says so, and no commit takes it back.",
				Hint: "name one version, or a digest",
			},
			Unless: "the cluster is no production",
			Static: "whether a cluster is production is not known to its API server",
			Source: "source-controller v1.9.5 HelmChart and OCIRepository", applier: floatingChart,
		},
		{
			Rule: finding.Rule{
				ID: "HLM-008", Level: finding.Medium, Title: "A chart of a repository depends on charts that are elsewhere",
				Why:  "source-controller fetches the dependencies of Chart.yaml: neither the signature of the commit nor the list of allowed addresses covers them.",
				Hint: "commit the dependencies to charts/ and give them no repository",
			},
			Static: beforeBuild, Unless: "the dependencies are in charts/ already",
			Source: "source-controller v1.9.5, internal/helm/chart dependency_manager.go", applier: remoteDependencies,
		},
		{
			Rule: finding.Rule{
				ID: "HLM-009", Level: finding.Low, Title: "What is on the cluster may drift from the release",
				Why:  "What drift detection leaves out, and what hooks do as other accounts, is in no manifest that somebody reviewed.",
				Hint: "set spec.driftDetection.mode to enabled, and give each entry of ignore a target",
			},
			Unless: "the release is changed by a controller on purpose",
			Source: helmSource, applier: driftingRelease,
		},
	}
}

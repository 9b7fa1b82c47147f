package risk

import (
	"github.com/bulkhead-dev/bulkhead/finding"
)

// chartRules are about the charts of Helm releases, and how Helm handles them.
func chartRules() []rule {
	return []rule{
		{Rule: finding.Rule{
			ID: "chart-major", Severity: finding.Warning, Title: "A chart gets a new major version",
			Why:  "A major version breaks something by its own account: values that are called otherwise, objects that are replaced, steps to take before. Below 1.0.0 a minor version does.",
			Hint: "read the chart's notes on upgrading, and look at what is removed",
		}, change: chartVersion("chart-major")},
		{Rule: finding.Rule{
			ID: "chart-updated", Severity: finding.Note, Title: "A chart gets a new minor version or patch",
			Why:  "The objects of the release change with it, as the differences show.",
			Hint: "read the chart's changelog",
		}, change: chartVersion("chart-updated")},
		{Rule: finding.Rule{
			ID: "chart-downgraded", Severity: finding.Warning, Title: "A chart goes back to an older version",
			Why:  "Programs often cannot read data that a newer version wrote, and CRDs stay as the newer version made them.",
			Hint: "see that the older version can run on what the newer one left",
		}, change: chartVersion("chart-downgraded")},
		{Rule: finding.Rule{
			ID: "chart-changed", Severity: finding.Warning, Title: "A release is made of another chart",
			Why:  "A chart of another name is a new installation: Helm uninstalls the release first. One of the same name from elsewhere is whatever they put into it there.",
			Hint: "to keep what runs, keep the chart's name, or set upgrade.chartNameChangeStrategy: InPlaceUpdate",
		}, change: chartChanged},
		{Rule: finding.Rule{
			ID: "release-reinstalled", Severity: finding.Error, Title: "A release is uninstalled and installed again",
			Why:  "helm-controller knows a release by its name and its two namespaces. When one of them changes, it uninstalls the old one, and all its objects go.",
			Hint: "keep releaseName, targetNamespace and storageNamespace, or make a second HelmRelease and move over",
		}, change: releaseReinstalled},
		{Rule: finding.Rule{
			ID: "remediation-off", Severity: finding.Note, Title: "A failed upgrade is no longer rolled back or tried again",
			Why:  "Without remediation a release that fails stays as it is, half upgraded, until somebody looks.",
			Hint: "keep upgrade.remediation.retries, or upgrade.strategy RetryOnFailure",
		}, change: remediationOff},
		{Rule: finding.Rule{
			ID: "crd-policy-changed", Severity: finding.Warning, Title: "What an upgrade does with the CRDs of a chart changes",
			Why: "An upgrade that updates CRDs changes what others may use, and may drop versions that objects are stored in. One that no longer does " +
				"leaves old CRDs to the new program: a note.",
			Hint: "look at the CRDs of the new chart, and see who else uses them",
		}, change: crdPolicy},
	}
}

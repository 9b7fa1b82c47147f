package release

import (
	"crypto/sha256"
	"fmt"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
)

// Describe takes out of hr what decides its objects, with names by the controller's rules. It describes
// the steady state, an upgrade; set Upgrade to false, or use [DescribeInstall], for the first install.
//
// Source: helm-controller v1.6.4, internal/action newUpgrade, newInstall and crdPolicyOrDefault.
func Describe(hr *helmv2.HelmRelease) Release {
	up := hr.GetUpgrade()
	r := describe(hr)
	r.Upgrade = true
	r.DisableHooks, r.DisableSchemaValidation = up.DisableHooks, up.DisableSchemaValidation
	r.CRDs = policyOf(up.CRDs)
	r.PreserveValues = up.PreserveValues
	return r
}

// DescribeInstall is [Describe] for the first install.
func DescribeInstall(hr *helmv2.HelmRelease) Release {
	in := hr.GetInstall()
	r := describe(hr)
	r.DisableHooks, r.DisableSchemaValidation = in.DisableHooks, in.DisableSchemaValidation
	r.CRDs = policyOf(in.CRDs)
	return r
}

func describe(hr *helmv2.HelmRelease) Release {
	r := Release{
		Namespace:          hr.Namespace,
		Name:               hr.Name,
		ReleaseName:        NameOf(hr),
		ReleaseNamespace:   hr.GetReleaseNamespace(),
		StorageNamespace:   hr.GetStorageNamespace(),
		PostRenderers:      hr.Spec.PostRenderers,
		PostRenderStrategy: hr.GetPostRenderStrategy(),
		CommonMetadata:     hr.Spec.CommonMetadata,
		CreateNamespace:    hr.Spec.TargetNamespace != "" && hr.GetInstall().CreateNamespace,
		Tests:              hr.GetTest().Enable,
	}
	if f := hr.GetTest().Filters; f != nil {
		r.TestFilters = *f
	}
	return r
}

// policyOf is the policy that an unset or given one means. An unknown one stays, for the render to refuse.
func policyOf(p helmv2.CRDsPolicy) helmv2.CRDsPolicy {
	if p == "" {
		return helmv2.Create
	}
	return p
}

// NameOf is the name of the Helm release that hr makes: 53 characters at most.
func NameOf(hr *helmv2.HelmRelease) string { return ShortenName(hr.GetReleaseName()) }

// ShortenName makes a release name of more than 53 characters fit: its first 40, a dash, and the
// first 12 hexadecimal digits of its SHA-256.
//
// Source: helm-controller v1.6.4, internal/release/name.go.
func ShortenName(name string) string {
	const most, digits = 53, 12
	if len(name) <= most {
		return name
	}
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(name)))
	return name[:most-digits-1] + "-" + sum[:digits]
}

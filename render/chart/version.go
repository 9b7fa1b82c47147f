package chart

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/Masterminds/semver/v3"
	helmchart "helm.sh/helm/v4/pkg/chart/v2"
	"sigs.k8s.io/yaml"
)

// ErrNoVersion is wrapped by the error of [Pick] and [Find] when no version fits.
var ErrNoVersion = errors.New("no version fits")

// noVersionError is an [ErrNoVersion] in upstream's words.
type noVersionError string

func (e noVersionError) Error() string      { return string(e) }
func (noVersionError) Is(target error) bool { return target == ErrNoVersion }

// Exact says whether a version of a HelmChart names one version and not a range, so
// that an OCI repository is asked for it and not for its list. The rule is looser than
// semver: "v1.2.3" and "01.2.3" count, "1.2" is a range.
//
// Source: fluxcd/pkg/version v0.16.0 ParseVersion.
func Exact(version string) bool {
	_, err := parseVersion(version)
	return err == nil
}

// parseVersion is ParseVersion of fluxcd/pkg/version v0.16.0.
func parseVersion(v string) (*semver.Version, error) {
	if strings.Count(v, ".") < 2 {
		return nil, semver.ErrInvalidSemVer
	}
	return semver.NewVersion(v)
}

// Pick gives the one of versions that a HelmRepository of type oci resolves a version
// range to. Equal text goes first; else the highest version in the range, without
// prereleases unless the range names one. An empty range, or "*", is the latest stable version.
// What is no version is passed over. Helm stores "+" as "_" in a tag: versions has "+".
// An [Exact] version is not a range, and must be there. The error wraps [ErrNoVersion]
// when none fits.
//
// Source: source-controller v1.9.5 internal/helm/repository/oci_chart_repository.go.
func Pick(versions []string, constraint string) (string, error) {
	for _, v := range versions {
		if v == constraint && constraint != "" {
			return v, nil
		}
	}
	if Exact(constraint) {
		return "", noVersionError(fmt.Sprintf("could not locate a version matching provided version string %.80s", constraint))
	}
	c, err := parseConstraint(constraint)
	if err != nil {
		return "", err
	}
	var fit []*semver.Version
	for _, text := range versions {
		if v, err := parseVersion(text); err == nil && c.Check(v) {
			fit = append(fit, v)
		}
	}
	if len(fit) == 0 {
		return "", noVersionError(fmt.Sprintf("could not locate a version matching provided version string %.80s", constraint))
	}
	sort.Sort(sort.Reverse(semver.Collection(fit))) // upstream's sort decides between equal ones
	return fit[0].Original(), nil
}

func parseConstraint(constraint string) (*semver.Constraints, error) {
	if constraint == "" {
		constraint = "*"
	}
	c, err := semver.NewConstraint(constraint)
	if err != nil {
		return nil, fmt.Errorf("parse version range %.80q: %w", constraint, err)
	}
	return c, nil
}

// SetDigestVersion gives a copy of p with the version that helm-controller gives to a
// chart of an OCIRepository or ExternalArtifact: its build metadata are the first 12
// digits of the digest in the source's revision, "6.7.0@sha256:<hex>" or "sha256:<hex>".
// A revision without a digest leaves p as it is. A revision whose tag is another
// version than the chart's is an error.
//
// Source: helm-controller v1.6.4 helmrelease_controller.go mutateChartWithSourceRevision.
func SetDigestVersion(p *Package, revision string) (*Package, error) {
	if !strings.Contains(revision, ":") {
		return p, nil
	}
	v, err := semver.NewVersion(p.Version)
	if err != nil {
		return nil, fmt.Errorf("chart version %q: %w", p.Version, err)
	}
	digest := revision
	if tag, ok := tagVersion(revision); ok {
		name, rest, _ := strings.Cut(revision, "@")
		if strings.Count(revision, "@") != 1 || !tag.Equal(v) {
			return nil, fmt.Errorf("the source's revision %s does not match the chart's version %s", name, p.Version)
		}
		digest = rest
	}
	_, hex, _ := strings.Cut(digest, ":")
	if strings.Count(digest, ":") != 1 || len(hex) < 12 {
		return nil, fmt.Errorf("the source's revision %q is not one with a digest", revision)
	}
	version, err := withMetadata(p.Version, hex[:12])
	if err != nil {
		return nil, err
	}
	return p.withVersion(version)
}

// tagVersion is the version that a revision's tag says, if it says one. Tags have "_"
// for "+".
func tagVersion(revision string) (*semver.Version, bool) {
	tag := revision
	if before, _, ok := strings.Cut(revision, "@"); ok {
		tag = strings.ReplaceAll(before, "_", "+")
	}
	v, err := semver.NewVersion(tag)
	return v, err == nil
}

// withVersion is a copy of p whose Chart.yaml says another version.
func (p *Package) withVersion(version string) (*Package, error) {
	var m helmchart.Metadata
	out := *p
	out.Version, out.Files = version, nil
	at := -1
	for _, f := range p.Files {
		if f.Name != chartFile {
			out.Files = append(out.Files, f)
			continue
		}
		if err := decode(chartFile, f.Data, &m); err != nil {
			return nil, err
		}
		if at < 0 {
			at = len(out.Files)
			out.Files = append(out.Files, File{Name: chartFile})
		}
	}
	if at < 0 {
		return nil, fmt.Errorf("no %s in the chart", chartFile)
	}
	m.Version = version
	data, err := yaml.Marshal(&m)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", chartFile, err)
	}
	out.Files[at].Data = data
	out.Digest = digest(out.Files)
	return &out, nil
}

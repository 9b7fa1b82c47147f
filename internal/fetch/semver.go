package fetch

import (
	"regexp"
	"slices"
	"sort"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// tagName is what the distribution specification takes for a tag.
var tagName = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)

// chartLayer is the media type of a Helm chart in a registry.
const chartLayer = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"

// parseVersion reads a version as Flux does: three parts at least, a "v" before
// them or not, leading zeros taken.
//
// Source: fluxcd/pkg/version v0.16.0 ParseVersion.
func parseVersion(v string) (*semver.Version, error) {
	if strings.Count(v, ".") < 2 {
		return nil, semver.ErrInvalidSemVer
	}
	return semver.NewVersion(v)
}

// pickTag gives the tag of the highest version in a range.
//
// Source: source-controller v1.9.5 ocirepository_controller.go getTagBySemver.
func pickTag(tags []string, q OCIRequest) (string, error) {
	if q.SemverFilter != "" {
		match, err := regexp.Compile(q.SemverFilter)
		if err != nil {
			return "", fault(ErrInvalid, "semverFilter: %v", err)
		}
		tags = slices.DeleteFunc(slices.Clone(tags), func(t string) bool { return !match.MatchString(t) })
	}
	constraint, err := semver.NewConstraint(q.SemVer)
	if err != nil {
		return "", fault(ErrInvalid, "semver '%.80s' parse error: %v", q.SemVer, err)
	}
	chart := q.MediaType == chartLayer
	var best *semver.Version
	for _, t := range tags {
		if chart {
			t = strings.ReplaceAll(t, "_", "+")
		}
		v, err := parseVersion(t)
		if err != nil || !constraint.Check(v) || best != nil && !best.LessThan(v) {
			continue
		}
		best = v
	}
	if best == nil {
		return "", fault(ErrNotFound, "no match found for semver: %.80s", q.SemVer)
	}
	if chart {
		return strings.ReplaceAll(best.Original(), "+", "_"), nil
	}
	return best.Original(), nil
}

// chartVersions are the versions of a chart that a registry's tags stand for, the highest
// first.
//
// Source: helm v4.2.4 registry/client.go Tags.
func chartVersions(tags []string) []string {
	var versions []*semver.Version
	for _, t := range tags {
		if v, err := semver.StrictNewVersion(strings.ReplaceAll(t, "_", "+")); err == nil {
			versions = append(versions, v)
		}
	}
	sort.Sort(sort.Reverse(semver.Collection(versions))) // decides between equal ones
	texts := make([]string, len(versions))
	for i, v := range versions {
		texts[i] = v.String()
	}
	return texts
}

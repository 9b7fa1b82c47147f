package chart

import (
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
	helmchart "helm.sh/helm/v4/pkg/chart/v2"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/render/values"
)

// MaxIndex bounds the index of a HelmRepository, in bytes.
//
// Source: source-controller v1.9.5 internal/helm/helm.go.
const MaxIndex = 50 << 20

// ErrNoChart is wrapped by the error of [Find] when the index has no chart of that name.
var ErrNoChart = errors.New("no chart name found")

// IndexFile is what is needed of a HelmRepository's index. It is not changed once made.
type IndexFile struct {
	charts map[string]versions
}

// version is an entry of the index that is valid.
type version struct {
	text    string
	semver  *semver.Version // of text, while it is needed
	url     string          // of the first download, as written; empty when there is none
	digest  string          // hexadecimal SHA-256 of the archive, as written; may be empty
	created time.Time
}

type versions []version

// Index reads a repository's index, YAML or JSON. Entries that Helm calls invalid are
// left out; a field that Helm does not know is an error in YAML, as is an index of more
// than [MaxIndex], which wraps [ErrTooLarge].
//
// A YAML index is read entry by entry where its layout allows, which takes a tenth of the
// memory; the result is the same.
//
// Source: source-controller v1.9.5 internal/helm/repository/chart_repository.go
// IndexFromBytes, and Helm v4.2.4 pkg/repo/v1/index.go.
func Index(data []byte) (_ *IndexFile, err error) {
	defer recovered(&err)
	switch {
	case len(data) == 0:
		return nil, errors.New("the index is empty")
	case len(data) > MaxIndex:
		return nil, fmt.Errorf("index of %d bytes, %d are the limit: %w", len(data), MaxIndex, ErrTooLarge)
	}
	ix := &IndexFile{}
	var head *indexHead
	if json.Valid(data) {
		head, ix.charts, err = indexFromJSON(data)
	} else {
		head, ix.charts, err = indexFromYAML(data)
	}
	if err != nil {
		return nil, fmt.Errorf("read index: %w", err)
	}
	if head.APIVersion == "" {
		return nil, errors.New("read index: no apiVersion is said")
	}
	for _, list := range ix.charts {
		sort.Sort(sort.Reverse(list))
		for i := range list {
			list[i].semver = nil // their order is all that counts from here on
		}
	}
	return ix, nil
}

// indexHead is repo.IndexFile without its entries.
type indexHead struct {
	ServerInfo  map[string]any    `json:"serverInfo,omitempty"`
	APIVersion  string            `json:"apiVersion"`
	Generated   time.Time         `json:"generated"`
	PublicKeys  []string          `json:"publicKeys,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// indexEntry is repo.ChartVersion, with the fields that Helm admits but ignores.
type indexEntry struct {
	*helmchart.Metadata
	URLs                    []string  `json:"urls"`
	Created                 time.Time `json:"created"`
	Removed                 bool      `json:"removed,omitempty"`
	Digest                  string    `json:"digest,omitempty"`
	ChecksumDeprecated      string    `json:"checksum,omitempty"`
	EngineDeprecated        string    `json:"engine,omitempty"`
	TillerVersionDeprecated string    `json:"tillerVersion,omitempty"`
	URLDeprecated           string    `json:"url,omitempty"`
}

// lenientList is a list of versions in JSON, condensed as it is read, so that a whole index
// takes little memory beside its text.
type lenientList versions

// UnmarshalJSON reads a list of versions and keeps what is needed of it.
func (l *lenientList) UnmarshalJSON(data []byte) error {
	var entries []*indexEntry
	if err := json.Unmarshal(data, &entries); err != nil {
		return err
	}
	*l = lenientList(condense(entries))
	return nil
}

func indexFromJSON(data []byte) (*indexHead, map[string]versions, error) {
	var ix struct {
		indexHead
		Entries map[string]lenientList `json:"entries"`
	}
	if err := json.Unmarshal(data, &ix); err != nil {
		return nil, nil, err
	}
	charts := make(map[string]versions, len(ix.Entries))
	for name, list := range ix.Entries {
		charts[name] = versions(list)
	}
	return &ix.indexHead, charts, nil
}

func indexFromYAML(data []byte) (*indexHead, map[string]versions, error) {
	if head, charts, ok := indexByEntry(data); ok {
		return head, charts, nil
	}
	return indexAtOnce(data)
}

func indexAtOnce(data []byte) (*indexHead, map[string]versions, error) {
	if err := values.Bounded(data); err != nil {
		return nil, nil, err
	}
	var ix struct {
		indexHead
		// Not a type with a method of its own: the YAML reader looks at the fields to tell
		// the text 1.10 from a number.
		Entries map[string][]*indexEntry `json:"entries"`
	}
	if err := yaml.UnmarshalStrict(data, &ix); err != nil {
		return nil, nil, err
	}
	charts := make(map[string]versions, len(ix.Entries))
	for name, list := range ix.Entries {
		charts[name] = condense(list)
	}
	return &ix.indexHead, charts, nil
}

// condense keeps the valid ones of a chart's versions.
func condense(entries []*indexEntry) versions {
	kept := make(versions, 0, len(entries))
	for _, e := range entries {
		if e == nil {
			continue
		}
		if e.Metadata == nil {
			e.Metadata = &helmchart.Metadata{}
		}
		if e.APIVersion == "" {
			e.APIVersion = helmchart.APIVersionV1
		}
		if !indexable(e.Metadata) {
			continue
		}
		v, err := semver.NewVersion(e.Version)
		if err != nil {
			continue
		}
		one := version{text: strings.Clone(e.Version), semver: v, digest: e.Digest, created: e.Created}
		if len(e.URLs) > 0 {
			one.url = e.URLs[0]
			if one.url == "" {
				one.url = "." // an empty reference is the repository itself, not a missing one
			}
		}
		kept = append(kept, one)
	}
	return kept
}

// indexable is Helm's verdict on an entry: what breaks a chart, other than two
// dependencies of one name, which some registries' indexes say wrongly.
func indexable(m *helmchart.Metadata) bool {
	err := m.Validate()
	var invalid helmchart.ValidationError
	return err == nil ||
		errors.As(err, &invalid) && strings.HasPrefix(invalid.Error(), "validation: more than one dependency with name or alias")
}

// Len, Swap and Less sort as repo.ChartVersions do.
func (v versions) Len() int           { return len(v) }
func (v versions) Swap(i, j int)      { v[i], v[j] = v[j], v[i] }
func (v versions) Less(i, j int) bool { return v[i].semver.LessThan(v[j].semver) }

// Find gives what a HelmRepository resolves a chart's name and version to. Equal text
// goes first; else the highest version in the range, of equal ones the youngest. An
// empty range, or "*", is the latest stable version. The URL may be relative, see [ResolveURL];
// the digest is as the index has it, and may be empty. The error wraps [ErrNoChart] or
// [ErrNoVersion], and has upstream's words.
//
// Source: source-controller v1.9.5 internal/helm/repository/chart_repository.go
// getChartVersion.
func Find(ix *IndexFile, name, constraint string) (url, digest, version string, err error) {
	all, ok := ix.charts[name]
	switch {
	case !ok:
		return "", "", "", fmt.Errorf("%w: %.80s", ErrNoChart, name)
	case len(all) == 0:
		return "", "", "", noVersionError(fmt.Sprintf("no chart version found: %.80s", name))
	}
	found, err := find(all, constraint)
	switch {
	case errors.Is(err, ErrNoVersion):
		return "", "", "", noVersionError(fmt.Sprintf("no '%.80s' chart with version matching '%.80s' found", name, constraint))
	case err != nil:
		return "", "", "", err
	case found.url == "":
		return "", "", "", fmt.Errorf("chart '%.80s' has no downloadable URLs", name)
	}
	return found.url, found.digest, found.text, nil
}

func find(all versions, constraint string) (version, error) {
	for _, v := range all {
		if v.text == constraint && constraint != "" {
			return v, nil
		}
	}
	c, err := parseConstraint(constraint)
	if err != nil {
		return version{}, err
	}
	var fit versions
	for _, v := range all {
		if v.semver, err = parseVersion(v.text); err == nil && c.Check(v.semver) {
			fit = append(fit, v)
		}
	}
	if len(fit) == 0 {
		return version{}, fmt.Errorf("%w: none of %d in %.80q", ErrNoVersion, len(all), constraint)
	}
	sort.SliceStable(fit, func(i, j int) bool { // as upstream has it: not less is before
		if !fit[i].semver.Equal(fit[j].semver) {
			return !fit[i].semver.LessThan(fit[j].semver)
		}
		return !fit[i].created.Before(fit[j].created)
	})
	return fit[0], nil
}

// Charts gives the names of the charts and how many valid versions each has.
func (ix *IndexFile) Charts() map[string]int {
	counts := make(map[string]int, len(ix.charts))
	for name, v := range ix.charts {
		counts[name] = len(v)
	}
	return counts
}

package fetch

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	chart "helm.sh/helm/v4/pkg/chart/v2"
	"sigs.k8s.io/yaml"
)

// index is what counts of a Helm repository's index: versions by chart name, in
// the order of the file, newest first after sort.
type index map[string][]indexEntry

type indexEntry struct {
	Version string
	URLs    []string
	Digest  string
	Created time.Time
}

// indexFile is the file. Its fields are those of Helm, as a field that is none
// of them makes the file unreadable.
//
// Source: helm v4.2.4 pkg/repo/v1/index.go IndexFile and ChartVersion. The package
// itself links Helm's plugin runtime.
type indexFile struct {
	ServerInfo  map[string]any            `json:"serverInfo,omitempty"`
	APIVersion  string                    `json:"apiVersion"`
	Generated   time.Time                 `json:"generated"`
	Entries     map[string][]*indexRecord `json:"entries"`
	PublicKeys  []string                  `json:"publicKeys,omitempty"`
	Annotations map[string]string         `json:"annotations,omitempty"`
}

type indexRecord struct {
	*chart.Metadata
	URLs          []string  `json:"urls"`
	Created       time.Time `json:"created"`
	Removed       bool      `json:"removed,omitempty"`
	Digest        string    `json:"digest,omitempty"`
	Checksum      string    `json:"checksum,omitempty"`
	Engine        string    `json:"engine,omitempty"`
	TillerVersion string    `json:"tillerVersion,omitempty"`
	URL           string    `json:"url,omitempty"`
}

// parseIndex reads an index.yaml, JSON or YAML. Versions that are no chart's are
// left out.
//
// Source: source-controller v1.9.5 internal/helm/repository/chart_repository.go
// IndexFromBytes.
func parseIndex(data []byte) (index, error) {
	if len(data) == 0 {
		return nil, fault(ErrInvalid, "the index is empty")
	}
	var file indexFile
	var err error
	if json.Valid(data) {
		err = json.Unmarshal(data, &file)
	} else {
		err = yaml.UnmarshalStrict(data, &file)
	}
	if err != nil {
		return nil, fault(ErrInvalid, "the index cannot be read: %v", err)
	}
	if file.APIVersion == "" {
		return nil, fault(ErrInvalid, "the index has no API version")
	}
	out := make(index, len(file.Entries))
	for name, records := range file.Entries {
		list := make([]indexEntry, 0, len(records))
		for _, r := range records {
			if r == nil {
				continue
			}
			if r.Metadata == nil {
				r.Metadata = &chart.Metadata{}
			}
			if r.APIVersion == "" {
				r.APIVersion = chart.APIVersionV1
			}
			if !acceptable(r.Validate()) {
				continue
			}
			list = append(list, indexEntry{Version: r.Version, URLs: r.URLs, Digest: r.Digest, Created: r.Created})
		}
		sortEntries(list)
		out[name] = list
	}
	return out, nil
}

// acceptable reports whether a version with this fault stays in the index.
//
// Source: source-controller v1.9.5 ignoreSkippableChartValidationError.
func acceptable(err error) bool {
	var v chart.ValidationError
	return err == nil || errors.As(err, &v) && strings.HasPrefix(v.Error(), "validation: more than one dependency with name or alias")
}

// find gives the version of a chart that a version or range asks for: an exact
// one first, else the highest, and of equal ones the latest made.
//
// Source: source-controller v1.9.5 internal/helm/repository/chart_repository.go
// getChartVersion.
func (x index) find(name, want string) (indexEntry, error) {
	list, ok := x[name]
	if !ok {
		return indexEntry{}, fault(ErrNotFound, "no chart name found: %.80s", name)
	}
	if len(list) == 0 {
		return indexEntry{}, fault(ErrNotFound, "no chart version found for %.80s", name)
	}
	if want != "" {
		if i := slices.IndexFunc(list, func(e indexEntry) bool { return e.Version == want }); i >= 0 {
			return list[i], nil
		}
	}
	constraint, err := rangeOf(want)
	if err != nil {
		return indexEntry{}, err
	}
	var matched []candidate
	for _, e := range list {
		if v, err := parseVersion(e.Version); err == nil && constraint.Check(v) {
			matched = append(matched, candidate{v, e})
		}
	}
	if len(matched) == 0 {
		return indexEntry{}, fault(ErrNotFound, "no '%.80s' chart with version matching '%.80s' found", name, want)
	}
	return highest(matched), nil
}

// indexes keeps parsed indexes by digest: parsing is dearer than all the rest.
type indexes struct {
	mu   sync.Mutex
	kept map[string]index
}

// parsedBefore reads what an earlier run made of an index: much faster than YAML.
func parsedBefore(c *diskCache, digest string) (index, error) {
	e, ok := c.ref(parsedKey + digest)
	if !ok {
		return nil, fs.ErrNotExist
	}
	text, ok := c.blob(e.Digest)
	if !ok {
		return nil, fs.ErrNotExist
	}
	var x index
	err := json.Unmarshal(text, &x)
	return x, err
}

// maxIndexes bounds how many indexes are kept parsed.
const maxIndexes = 16

// parsedKey is that of a parsed index in the cache; the number is that of the form
// of index and of the rules of parseIndex.
const parsedKey = "parsed-index-1 "

func (x *indexes) of(c *diskCache, digest string, data []byte) (index, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if got, ok := x.kept[digest]; ok {
		return got, nil
	}
	parsed, err := parsedBefore(c, digest)
	if err != nil {
		if parsed, err = parseIndex(data); err != nil {
			return nil, err
		}
		if text, err := json.Marshal(parsed); err == nil {
			c.setRef(entry{Key: parsedKey + digest, Digest: c.put(text)})
		}
	}
	if x.kept == nil || len(x.kept) >= maxIndexes {
		x.kept = map[string]index{}
	}
	x.kept[digest] = parsed
	return parsed, nil
}

// HelmIndex fetches the index of a Helm repository: Data is the file, not parsed.
//
// Source: source-controller v1.9.5 internal/helm/repository/chart_repository.go
// DownloadIndex.
func (c *Client) HelmIndex(ctx context.Context, q IndexRequest) (*Artifact, error) {
	key, err := json.Marshal(q)
	if err != nil {
		return nil, c.explain(q.Repository, err)
	}
	j := job{key: "index " + string(key), what: cleanURL(q.Repository), ref: "index"}
	got, err := once(ctx, c, j, func(ctx context.Context, rep *report) (*Artifact, error) {
		base, err := parseHelmURL(q.Repository)
		if err != nil {
			return nil, err
		}
		data, digest, err := c.index(ctx, rep, base, c.age(q.Interval))
		if err != nil {
			return nil, err
		}
		return &Artifact{Digest: digest, Data: data, FromCache: !rep.started}, nil
	})
	if err != nil {
		return nil, err
	}
	return got.clone(), nil
}

func parseHelmURL(repository string) (*url.URL, error) {
	u, err := url.Parse(repository)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fault(ErrInvalid, "%s is not the URL of a Helm repository", cleanURL(repository))
	}
	return u, nil
}

// index gives the index of a repository and its digest.
func (c *Client) index(ctx context.Context, rep *report, base *url.URL, age time.Duration) ([]byte, string, error) {
	at := *base
	at.Path = strings.TrimRight(at.Path, "/") + "/index.yaml"
	at.RawPath = ""
	key := "index " + cleanURL(at.String())
	if at.RawQuery != "" { // part of what is asked for, but not to be kept in clear
		key += " " + digestOf([]byte(at.RawQuery))
	}
	if e, ok := c.cache.fresh(key, age); ok {
		if data, ok := c.cache.blob(e.Digest); ok {
			return data, e.Digest, nil
		}
	}
	if err := rep.online(); err != nil {
		return nil, "", err
	}
	client, prepare, err := c.helmClient(base, false)
	if err != nil {
		return nil, "", err
	}
	at.User = nil
	data, err := rep.get(ctx, client, ask{url: at.String(), limit: c.limits.Index, prepare: prepare})
	if err != nil {
		return nil, "", helmHint(err)
	}
	digest := c.cache.put(data)
	c.cache.setRef(entry{Key: key, Digest: digest})
	return data, digest, nil
}

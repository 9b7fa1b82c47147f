package fetch

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/bulkhead-dev/bulkhead/render/chart"
)

// indexes keeps parsed indexes by digest: parsing is dearer than all the rest.
type indexes struct {
	mu   sync.Mutex
	kept map[string]*chart.IndexFile
}

// maxIndexes bounds how many indexes are kept parsed.
const maxIndexes = 16

// parsedKey is that of a parsed index in the cache.
const parsedKey = "parsed-index-" + chart.SavedForm + " "

// get gives the index with a digest if this run or an earlier one has parsed it, else nil.
func (x *indexes) get(c *diskCache, digest string) *chart.IndexFile {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.known(c, digest)
}

// parse gives the index with a digest and this text.
func (x *indexes) parse(c *diskCache, digest string, text []byte) (*chart.IndexFile, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if got := x.known(c, digest); got != nil {
		return got, nil
	}
	parsed, err := chart.Index(text)
	if err != nil {
		return nil, chartFault(err)
	}
	if data, err := parsed.MarshalBinary(); err == nil {
		c.setRef(entry{Key: parsedKey + digest, Digest: c.put(data)})
	}
	x.keep(digest, parsed)
	return parsed, nil
}

func (x *indexes) known(c *diskCache, digest string) *chart.IndexFile {
	if got := x.kept[digest]; got != nil {
		return got
	}
	e, ok := c.ref(parsedKey + digest)
	if !ok {
		return nil
	}
	data, ok := c.blob(e.Digest)
	if !ok {
		return nil
	}
	parsed := &chart.IndexFile{}
	if parsed.UnmarshalBinary(data) != nil {
		return nil
	}
	x.keep(digest, parsed)
	return parsed
}

func (x *indexes) keep(digest string, parsed *chart.IndexFile) {
	if x.kept == nil || len(x.kept) >= maxIndexes {
		x.kept = map[string]*chart.IndexFile{}
	}
	x.kept[digest] = parsed
}

// chartFault gives an error of an index or a list of versions its kind.
func chartFault(err error) *Error {
	if errors.Is(err, chart.ErrNoChart) || errors.Is(err, chart.ErrNoVersion) {
		return fault(ErrNotFound, "%v", err)
	}
	return fault(ErrInvalid, "%v", err)
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
	at, key := indexAt(base)
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
	data, err := rep.get(ctx, client, ask{url: at, limit: c.limits.Index, prepare: prepare})
	if err != nil {
		return nil, "", helmHint(err)
	}
	digest := c.cache.put(data)
	c.cache.setRef(entry{Key: key, Digest: digest})
	return data, digest, nil
}

// indexAt gives the URL of a repository's index, without a user, and its key in the cache.
func indexAt(base *url.URL) (at, key string) {
	u := *base
	u.Path = strings.TrimRight(u.Path, "/") + "/index.yaml"
	u.RawPath, u.User = "", nil
	key = "index " + cleanURL(u.String())
	if u.RawQuery != "" { // part of what is asked for, but not to be kept in clear
		key += " " + digestOf([]byte(u.RawQuery))
	}
	return u.String(), key
}

// parsedIndex gives the index of a repository, parsed.
func (c *Client) parsedIndex(ctx context.Context, rep *report, base *url.URL, age time.Duration) (*chart.IndexFile, error) {
	_, key := indexAt(base)
	if e, ok := c.cache.fresh(key, age); ok {
		if parsed := c.indexes.get(c.cache, e.Digest); parsed != nil {
			return parsed, nil
		}
	}
	data, digest, err := c.index(ctx, rep, base, age)
	if err != nil {
		return nil, err
	}
	return c.indexes.parse(c.cache, digest, data)
}

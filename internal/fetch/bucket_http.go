package fetch

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"
)

// gcpAPI is where Google Cloud Storage answers.
const gcpAPI = "https://storage.googleapis.com"

// gcpStore is a bucket of Google Cloud Storage that anyone may read.
//
// Source: the JSON API, objects: list and objects: get, which source-controller
// v1.9.5 internal/bucket/gcp uses through Google's client.
type gcpStore struct {
	c      *Client
	rep    *report
	bucket string
	base   string
}

func (s *gcpStore) list(ctx context.Context, prefix string, visit func(key, etag string) error) error {
	for page := ""; ; {
		q := url.Values{"prefix": {prefix}, "fields": {"nextPageToken,items(name,etag)"}}
		if page != "" {
			q.Set("pageToken", page)
		}
		data, err := s.rep.get(ctx, s.c.http, ask{url: s.base + "/storage/v1/b/" + url.PathEscape(s.bucket) + "/o?" + q.Encode(), limit: s.c.limits.Manifest})
		if err != nil {
			return publicOnly(err)
		}
		var answer struct {
			NextPageToken string
			Items         []struct{ Name, ETag string }
		}
		if err := json.Unmarshal(data, &answer); err != nil {
			return fault(ErrInvalid, "the list of objects cannot be read: %v", err)
		}
		for _, o := range answer.Items {
			if err := visit(o.Name, o.ETag); err != nil {
				return err
			}
		}
		if answer.NextPageToken == "" || answer.NextPageToken == page {
			return nil
		}
		page = answer.NextPageToken
	}
}

func (s *gcpStore) get(ctx context.Context, key string, limit int64) ([]byte, string, error) {
	data, err := s.rep.get(ctx, s.c.http, ask{url: s.base + "/storage/v1/b/" + url.PathEscape(s.bucket) + "/o/" + url.PathEscape(key) + "?alt=media", limit: limit})
	return data, "", publicOnly(err)
}

// azureStore is a container of Azure Blob Storage that anyone may read.
//
// Source: the REST API, List Blobs and Get Blob, which source-controller v1.9.5
// internal/bucket/azure uses through Azure's client. Its revision holds the etags
// of Get Blob, in quotes.
type azureStore struct {
	c         *Client
	rep       *report
	container *url.URL
}

func (c *Client) openAzure(rep *report, q BucketRequest) (store, error) {
	u, err := url.Parse(q.Endpoint)
	if err != nil || u.Host == "" {
		return nil, fault(ErrInvalid, "endpoint %s is not a URL", cleanURL(q.Endpoint))
	}
	u.User = nil
	u.Path = strings.TrimRight(u.Path, "/") + "/" + q.Bucket
	return &azureStore{c: c, rep: rep, container: u}, nil
}

// azureVersion is that of the REST API; anonymous requests need one to list.
func azureVersion(r *http.Request) { r.Header.Set("x-ms-version", "2021-08-06") }

func (s *azureStore) list(ctx context.Context, prefix string, visit func(key, etag string) error) error {
	for marker := ""; ; {
		q := s.container.Query()
		q.Set("restype", "container")
		q.Set("comp", "list")
		q.Set("maxresults", "1000")
		if prefix != "" {
			q.Set("prefix", prefix)
		}
		if marker != "" {
			q.Set("marker", marker)
		}
		u := *s.container
		u.RawQuery = q.Encode()
		data, err := s.rep.get(ctx, s.c.http, ask{url: u.String(), limit: s.c.limits.Manifest, prepare: azureVersion})
		if err != nil {
			return publicOnly(err)
		}
		var answer struct {
			Blobs struct {
				Blob []struct {
					Name       string
					Properties struct{ Etag string }
				}
			}
			NextMarker string
		}
		if err := xml.Unmarshal(data, &answer); err != nil {
			return fault(ErrInvalid, "the list of blobs cannot be read: %v", err)
		}
		for _, b := range answer.Blobs.Blob {
			if err := visit(b.Name, b.Properties.Etag); err != nil {
				return err
			}
		}
		if answer.NextMarker == "" || answer.NextMarker == marker {
			return nil
		}
		marker = answer.NextMarker
	}
}

func (s *azureStore) get(ctx context.Context, key string, limit int64) ([]byte, string, error) {
	u := *s.container
	u.Path += "/" + key
	u.RawPath = ""
	etag := ""
	data, err := s.rep.get(ctx, s.c.http, ask{url: u.String(), limit: limit, prepare: azureVersion, show: func(h http.Header) { etag = h.Get("ETag") }})
	return data, etag, publicOnly(err)
}

// publicOnly says why a bucket with credentials cannot be read.
func publicOnly(err error) error {
	if e := as(err, ErrDenied); e != nil && e.Hint == "" {
		e.Hint = "of this provider only buckets that anyone may read are fetched; map the source to a folder"
	}
	return err
}

//go:build e2e && linux

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/bulkhead-dev/bulkhead/internal/fetch"
	"github.com/bulkhead-dev/bulkhead/internal/fleetcase"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/test/lab"
)

// buckets says whether the story serves any.
func (s *story) buckets() bool {
	return slices.ContainsFunc(s.served[:], func(one *fleetcase.Served) bool { return one != nil && len(one.Buckets()) > 0 })
}

// login puts the credentials of servers where the product's client looks for them, and
// returns what removes them.
func login(servers []*lab.S3) (func(), error) {
	type alias struct {
		URL       string `json:"url"`
		AccessKey string `json:"accessKey"`
		SecretKey string `json:"secretKey"`
	}
	aliases := map[string]alias{}
	for _, s := range servers {
		aliases[s.Endpoint] = alias{"http://" + s.Endpoint, s.AccessKey, s.SecretKey}
	}
	dir, err := os.MkdirTemp("", "bulkhead-e2e")
	if err != nil {
		return nil, err
	}
	forget := func() { _ = os.RemoveAll(dir) }
	data, err := json.Marshal(map[string]any{"version": "10", "aliases": aliases})
	if err == nil {
		err = errors.Join(os.WriteFile(filepath.Join(dir, "config.json"), data, 0o600), os.Setenv("MC_CONFIG_DIR", dir))
	}
	if err != nil {
		forget()
		return nil, err
	}
	return forget, nil
}

// fill makes the lane's buckets those of a story, none when it serves nothing.
func (l *lane) fill(ctx context.Context, served *fleetcase.Served) error {
	if l.S3 == nil {
		return nil
	}
	var buckets map[string]map[string]string
	if served != nil {
		buckets = served.Buckets()
	}
	if err := l.S3.Keep(ctx, slices.Collect(maps.Keys(buckets))...); err != nil {
		return err
	}
	for name, objects := range buckets {
		if err := l.S3.Fill(ctx, name, !strings.HasSuffix(name, "-private"), objects); err != nil {
			return err
		}
	}
	return nil
}

// Bucket implements [render.Fetch].
func (f *fetcher) Bucket(ctx context.Context, b *sourcev1.Bucket) (*render.Fetched, error) {
	q := fetch.BucketRequest{
		Provider: b.Spec.Provider, Endpoint: b.Spec.Endpoint, Bucket: b.Spec.BucketName, Prefix: b.Spec.Prefix,
		Region: b.Spec.Region, Insecure: b.Spec.Insecure, Ignore: b.Spec.Ignore,
	}
	if q.Endpoint == fleetcase.BucketHost && f.buckets != "" {
		q.Endpoint, q.Insecure = f.buckets, true
	}
	a, err := f.client.Bucket(ctx, q)
	got, err := f.answer(b.Spec.BucketName+" "+b.Spec.Prefix+" ", a, err)
	want, missing := f.served.Bucket(ctx, b)
	f.check("bucket "+b.Spec.BucketName, got, err, want, missing)
	return got, err
}

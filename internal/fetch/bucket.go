package fetch

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/fluxcd/pkg/sourceignore"
	"golang.org/x/sync/errgroup"
)

// store is one bucket of a provider.
type store interface {
	// list names the objects below a prefix. An error of visit ends it.
	list(ctx context.Context, prefix string, visit func(key, etag string) error) error
	// get reads an object and gives the etag it had then.
	get(ctx context.Context, key string, limit int64) (data []byte, etag string, err error)
}

// item is a file of a bucket, as the cache keeps it.
type item struct {
	Key    string `json:"key"`
	ETag   string `json:"etag"`
	Digest string `json:"digest"`
}

// Bucket fetches the files of a Bucket that its ignore rules leave, and
// .sourceignore itself, which is part of the artifact. Revision is the digest of
// names and etags. Of gcp and azure only buckets that anyone may read are
// supported.
//
// Source: source-controller v1.9.5 bucket_controller.go fetchEtagIndex and
// fetchIndexFiles.
func (c *Client) Bucket(ctx context.Context, q BucketRequest) (*Artifact, error) {
	key, err := json.Marshal(q)
	if err != nil {
		return nil, c.explain(q.Endpoint, err)
	}
	j := job{key: "bucket " + string(key), what: cleanEndpoint(q.Endpoint) + "/" + q.Bucket, ref: q.Prefix}
	got, err := once(ctx, c, j, func(ctx context.Context, rep *report) (*Artifact, error) { return c.bucket(ctx, rep, q, digestOf(key)) })
	if err != nil {
		return nil, err
	}
	return got.clone(), nil
}

// cleanEndpoint is an endpoint without credentials, and without a scheme.
func cleanEndpoint(s string) string {
	if !strings.Contains(s, "://") {
		s = "https://" + s
	}
	_, s, _ = strings.Cut(cleanURL(s), "://")
	return strings.TrimRight(s, "/")
}

func (c *Client) bucket(ctx context.Context, rep *report, q BucketRequest, request string) (*Artifact, error) {
	key := fmt.Sprintf("bucket %s/%s %s", cleanEndpoint(q.Endpoint), q.Bucket, request)
	if e, ok := c.cache.fresh(key, c.age(q.Interval)); ok {
		if a, ok := c.bucketFromCache(e); ok {
			return a, nil
		}
	}
	if err := rep.online(); err != nil {
		return nil, err
	}
	from, err := c.openBucket(rep, q)
	if err != nil {
		return nil, err
	}
	ignore, err := c.bucketIgnore(ctx, from)
	if err != nil {
		return nil, err
	}
	objects, err := c.bucketList(ctx, from, q, ignore)
	if err != nil {
		return nil, err
	}
	data, err := c.bucketGet(ctx, from, key, objects)
	if err != nil {
		return nil, err
	}
	objects = slices.DeleteFunc(objects, func(o item) bool { return o.Digest == "" }) // gone meanwhile
	a, err := c.bucketArtifact(objects, data, ignore)
	if err != nil {
		return nil, err
	}
	kept := bucketEntry{Objects: objects, Ignore: ignore}
	if listing, err := json.Marshal(kept); err == nil {
		c.cache.setRef(entry{Key: key, Digest: c.cache.put(listing)})
	}
	return a, nil
}

// bucketEntry is a bucket in the cache: what it held when it was read.
type bucketEntry struct {
	Objects []item `json:"objects"`
	Ignore  []byte `json:"ignore,omitempty"` // .sourceignore; nil if there is none
}

func (c *Client) bucketFromCache(e entry) (*Artifact, bool) {
	data, ok := c.cache.blob(e.Digest)
	var kept bucketEntry
	if !ok || json.Unmarshal(data, &kept) != nil {
		return nil, false
	}
	blobs := map[string][]byte{}
	for _, o := range kept.Objects {
		if blobs[o.Key], ok = c.cache.blob(o.Digest); !ok {
			return nil, false
		}
	}
	a, err := c.bucketArtifact(kept.Objects, blobs, kept.Ignore)
	if err != nil {
		return nil, false
	}
	a.FromCache = true
	return a, true
}

// bucketIgnore reads .sourceignore from the root of the bucket, nil if there is
// none.
func (c *Client) bucketIgnore(ctx context.Context, from store) ([]byte, error) {
	data, _, err := from.get(ctx, sourceignore.IgnoreFile, c.limits.Manifest)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err == nil && data == nil {
		data = []byte{}
	}
	return data, err
}

func (c *Client) bucketList(ctx context.Context, from store, q BucketRequest, ignore []byte) ([]item, error) {
	patterns := sourceignore.ReadPatterns(strings.NewReader(string(ignore)), nil)
	if q.Ignore != nil {
		patterns = append(patterns, sourceignore.ReadPatterns(strings.NewReader(*q.Ignore), nil)...)
	}
	matcher := sourceignore.NewMatcher(patterns)
	byKey := map[string]string{}
	seen := 0
	err := from.list(ctx, q.Prefix, func(key, etag string) error {
		if seen++; seen > 100*c.limits.Files {
			return fault(ErrInvalid, "more than %d objects", 100*c.limits.Files)
		}
		if strings.HasSuffix(key, "/") || key == sourceignore.IgnoreFile || matcher.Match(strings.Split(key, "/"), false) {
			return nil
		}
		if byKey[key] = etag; len(byKey) > c.limits.Files {
			return fault(ErrInvalid, "more than %d files", c.limits.Files)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	objects := make([]item, 0, len(byKey))
	for key, etag := range byKey {
		objects = append(objects, item{Key: key, ETag: etag})
	}
	slices.SortFunc(objects, func(a, b item) int { return strings.Compare(a.Key, b.Key) })
	return objects, nil
}

// bucketGet reads the objects, those with an etag that was seen before from the
// cache. It fills in their digests; one that is gone has none.
func (c *Client) bucketGet(ctx context.Context, from store, bucket string, objects []item) (map[string][]byte, error) {
	contents := make([][]byte, len(objects))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	var total budget
	total.left.Store(c.limits.Unpacked)
	for i := range objects {
		group.Go(func() (err error) {
			defer func() {
				if p := recover(); p != nil {
					err = fault(ErrInvalid, "get object: %v", p)
				}
			}()
			contents[i], err = c.bucketObject(ctx, from, bucket, &objects[i])
			if err == nil && !total.take(int64(len(contents[i]))) {
				err = fault(ErrInvalid, "files of more than %d bytes", c.limits.Unpacked)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	out := make(map[string][]byte, len(objects))
	for i, o := range objects {
		out[o.Key] = contents[i]
	}
	return out, nil
}

func (c *Client) bucketObject(ctx context.Context, from store, bucket string, o *item) ([]byte, error) {
	known := "object " + digestOf([]byte(bucket+"\x00"+o.Key+"\x00"+o.ETag))
	if e, ok := c.cache.ref(known); ok && o.ETag != "" {
		if data, ok := c.cache.blob(e.Digest); ok {
			o.Digest, o.ETag = e.Digest, cmp.Or(e.Value, o.ETag)
			return data, nil
		}
	}
	data, etag, err := from.get(ctx, o.Key, c.limits.Archive)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	o.Digest = c.cache.put(data)
	if o.ETag != "" {
		c.cache.setRef(entry{Key: known, Digest: o.Digest, Value: etag})
	}
	if etag != "" {
		o.ETag = etag
	}
	return data, nil
}

// bucketArtifact puts objects at their paths. Paths are made safe as upstream
// does: "../x" is "x".
//
// Source: cyphar/filepath-securejoin SecureJoin, in a folder without links, and
// source-controller v1.9.5 internal/index/digest.go.
func (c *Client) bucketArtifact(objects []item, data map[string][]byte, ignore []byte) (*Artifact, error) {
	files := &fileSet{limits: c.limits}
	sum := sha256.New()
	for _, o := range objects {
		_, _ = fmt.Fprintf(sum, "%s %s\n", o.Key, o.ETag)
		if err := files.add(strings.TrimPrefix(path.Clean("/"+o.Key), "/"), 0o600, data[o.Key]); err != nil {
			return nil, err
		}
	}
	if ignore != nil {
		if err := files.add(sourceignore.IgnoreFile, 0o600, ignore); err != nil {
			return nil, err
		}
	}
	digest := "sha256:" + hex.EncodeToString(sum.Sum(nil))
	return &Artifact{Revision: digest, Digest: digest, Files: files.sorted()}, nil
}

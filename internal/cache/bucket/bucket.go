// Package bucket opens the buckets that a cache is shared through, of S3, Google Cloud
// Storage, Azure Blob Storage or a folder. Start with [Parse].
package bucket

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/azureblob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/gcsblob"
	"gocloud.dev/blob/s3blob"
	"gocloud.dev/gcp"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
)

// Bucket is where one is, read from a URL and not yet opened.
type Bucket struct {
	url    *url.URL // as the driver wants it, without prefix
	prefix string   // "" or ends in "/"
}

// Parse reads the URL of a bucket. A path in it is put before the names of objects, except in
// that of a folder, which it names. Parameters are those of the driver in gocloud.dev.
//
//	s3://bucket/prefix?region=eu-central-1
//	s3://bucket?endpoint=https://minio.example.com&region=us-east-1
//	gs://bucket/prefix
//	azblob://container/prefix?storage_account=acme
//	file:///var/cache/bulkhead
//
// The error says what is wrong with it, and does not quote it.
func Parse(text string) (*Bucket, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("it is not a URL")
	}
	if u.User != nil {
		return nil, errors.New("it holds credentials: give them to the environment, as for the cloud's own tools")
	}
	b := &Bucket{url: u}
	q := u.Query()
	switch u.Scheme {
	case fileblob.Scheme:
		if u.Host != "" || !strings.HasPrefix(u.Path, "/") || u.Path == "/" {
			return nil, errors.New("a folder is written file:///absolute/path")
		}
		return b, nil
	case s3blob.Scheme:
		// Servers that are not Amazon's have no host for each bucket, and few know its newer checksums.
		for name, value := range map[string]string{"use_path_style": "true", "request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"} {
			if q.Has("endpoint") && !q.Has(name) && (name != "use_path_style" || !q.Has("s3ForcePathStyle")) {
				q.Set(name, value)
			}
		}
	case gcsblob.Scheme, azureblob.Scheme:
	default:
		return nil, errors.New("it begins with none of s3://, gs://, azblob:// and file:///")
	}
	if u.Host == "" {
		return nil, errors.New("it names no bucket")
	}
	b.prefix = strings.Trim(u.Path, "/")
	if p := strings.Trim(q.Get("prefix"), "/"); p != "" {
		b.prefix = strings.TrimPrefix(b.prefix+"/"+p, "/")
	}
	if b.prefix != "" {
		b.prefix += "/"
	}
	q.Del("prefix")
	u.Path, u.RawQuery = "", q.Encode()
	return b, nil
}

// String names the bucket, without parameters.
func (b *Bucket) String() string {
	if b.url.Scheme == fileblob.Scheme {
		return "file://" + b.url.Path
	}
	return strings.TrimSuffix(b.url.Scheme+"://"+b.url.Host+"/"+b.prefix, "/")
}

// Open opens the bucket with the credentials that the cloud's own library finds: in the
// environment, in the files of the user, or of the machine. It may ask the network for them,
// and run a program if the user's configuration of the cloud says so. Writable makes a
// folder that is not there.
func (b *Bucket) Open(ctx context.Context, writable bool) (*blob.Bucket, error) {
	var bucket *blob.Bucket
	var err error
	switch b.url.Scheme {
	case fileblob.Scheme:
		return b.openFolder(writable)
	case s3blob.Scheme:
		bucket, err = (&s3blob.URLOpener{}).OpenBucketURL(ctx, b.url)
	case gcsblob.Scheme:
		bucket, err = b.openGoogle(ctx)
	case azureblob.Scheme:
		bucket, err = blob.DefaultURLMux().OpenBucketURL(ctx, b.url)
	}
	if err != nil {
		return nil, fmt.Errorf("open bucket: %w", err)
	}
	if b.prefix != "" {
		bucket = blob.PrefixedBucket(bucket, b.prefix)
	}
	return bucket, nil
}

// openFolder leaves out the files with metadata, and writes beside the object: the folder may
// be on another file system than that of temporary files.
func (b *Bucket) openFolder(writable bool) (*blob.Bucket, error) {
	dir := filepath.FromSlash(b.url.Path)
	bucket, err := fileblob.OpenBucket(dir, &fileblob.Options{
		CreateDir: writable, DirFileMode: 0o777, NoTempDir: true, Metadata: fileblob.MetadataDontWrite,
	})
	if path, ok := errors.AsType[*os.PathError](err); ok {
		err = path.Err
	}
	if err != nil {
		return nil, fmt.Errorf("open folder: %w", err)
	}
	return bucket, nil
}

// openGoogle is what gcsblob does for a URL, but for the network of its own (the process's
// default is barred) and without what it prints to standard output.
func (b *Bucket) openGoogle(ctx context.Context) (*blob.Bucket, error) {
	transport := newTransport()
	q := b.url.Query()
	for name := range q {
		if name != "anonymous" {
			return nil, fmt.Errorf("unknown parameter %q", name)
		}
	}
	client := gcp.NewAnonymousHTTPClient(transport)
	if os.Getenv("STORAGE_EMULATOR_HOST") == "" && !slices.Contains([]string{"1", "true"}, q.Get("anonymous")) {
		ctx = context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Transport: transport})
		creds, err := google.FindDefaultCredentials(ctx, "https://www.googleapis.com/auth/devstorage.read_write")
		if err != nil {
			return nil, fmt.Errorf("find credentials: %w", err)
		}
		if client, err = gcp.NewHTTPClient(transport, gcp.CredentialsTokenSource(creds)); err != nil {
			return nil, err
		}
	}
	return gcsblob.OpenBucket(ctx, client, b.url.Host, nil)
}

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 32,
		IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
	}
}

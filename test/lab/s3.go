//go:build linux

package lab

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// S3 is a server of buckets, one for all clusters: Versity's gateway to a folder.
type S3 struct {
	Endpoint  string // HOST:PORT, over plain HTTP (insecure: true)
	AccessKey string
	SecretKey string

	client *minio.Client
	proxy  *httputil.ReverseProxy
}

// portS3 is where buckets are served, at the shared address.
const portS3 = 7070

func (l *Lab) startS3(ctx context.Context) error {
	s := &S3{Endpoint: l.shared(portS3), AccessKey: rand.Text(), SecretKey: rand.Text()}
	dir := filepath.Join(l.Dir, "s3")
	buckets, metadata := filepath.Join(dir, "buckets"), filepath.Join(dir, "metadata")
	if err := errors.Join(os.MkdirAll(buckets, 0o700), os.MkdirAll(metadata, 0o700)); err != nil {
		return err
	}
	// Beside the objects and not in extended attributes, which not every file system has.
	env := []string{"ROOT_ACCESS_KEY=" + s.AccessKey, "ROOT_SECRET_KEY=" + s.SecretKey}
	p, err := l.start("s3", env, l.program("s3", "versitygw"),
		"--port="+s.Endpoint, "--health=/health", "posix", "--sidecar="+metadata, buckets)
	if err != nil {
		return err
	}
	s.client, err = minio.New(s.Endpoint, &minio.Options{Creds: credentials.NewStaticV4(s.AccessKey, s.SecretKey, "")})
	if err != nil {
		return err
	}
	to := &url.URL{Scheme: "http", Host: s.Endpoint}
	s.proxy = &httputil.ReverseProxy{ErrorLog: log.New(io.Discard, "", 0), Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host // it is signed
		// Versity's gateway v1.8.0 compares the words UNSIGNED-PAYLOAD, which clients send over
		// TLS, with the sum of the body when nobody has signed; S3 does not.
		if r.In.Header.Get("Authorization") == "" && r.In.Header.Get("X-Amz-Content-Sha256") == "UNSIGNED-PAYLOAD" {
			r.Out.Header.Del("X-Amz-Content-Sha256")
		}
	}}
	l.S3 = s
	return l.waitHTTP(ctx, p, "http://"+s.Endpoint+"/health")
}

// ServeHTTP passes a request on, whatever host it names; see [Lab.Serve].
func (s *S3) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.proxy.ServeHTTP(w, r) }

// Credentials are the data of a Secret for a Bucket.
func (s *S3) Credentials() map[string][]byte {
	return map[string][]byte{"accesskey": []byte(s.AccessKey), "secretkey": []byte(s.SecretKey)}
}

// publicRead lets anyone list a bucket and read its objects.
const publicRead = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*",
"Action": ["s3:ListBucket", "s3:GetBucketLocation", "s3:GetObject"], "Resource": ["arn:aws:s3:::%[1]s", "arn:aws:s3:::%[1]s/*"]}]}`

// Fill makes a bucket hold these objects, by key, and no others. Anyone may read it if it
// is public.
func (s *S3) Fill(ctx context.Context, bucket string, public bool, objects map[string]string) error {
	exists, err := s.client.BucketExists(ctx, bucket)
	if err != nil {
		return fmt.Errorf("look for bucket %s: %w", bucket, err)
	}
	if !exists {
		if err := s.client.MakeBucket(ctx, bucket, minio.MakeBucketOptions{}); err != nil {
			return fmt.Errorf("make bucket %s: %w", bucket, err)
		}
		if public {
			if err := s.client.SetBucketPolicy(ctx, bucket, fmt.Sprintf(publicRead, bucket)); err != nil {
				return fmt.Errorf("let anyone read bucket %s: %w", bucket, err)
			}
		}
	}
	if err := s.prune(ctx, bucket, objects); err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(objects)) {
		data := objects[key]
		if _, err := s.client.PutObject(ctx, bucket, key, strings.NewReader(data), int64(len(data)), minio.PutObjectOptions{}); err != nil {
			return fmt.Errorf("put %s into bucket %s: %w", key, bucket, err)
		}
	}
	return nil
}

// Keep removes all buckets but these.
func (s *S3) Keep(ctx context.Context, buckets ...string) error {
	all, err := s.client.ListBuckets(ctx)
	if err != nil {
		return fmt.Errorf("list buckets: %w", err)
	}
	for _, b := range all {
		if slices.Contains(buckets, b.Name) {
			continue
		}
		if err := s.prune(ctx, b.Name, nil); err != nil {
			return err
		}
		if err := s.client.RemoveBucket(ctx, b.Name); err != nil {
			return fmt.Errorf("remove bucket %s: %w", b.Name, err)
		}
	}
	return nil
}

// prune removes the objects of a bucket that are not among those to keep; what lies below
// a key that ends in "/" goes before it.
func (s *S3) prune(ctx context.Context, bucket string, keep map[string]string) error {
	var keys []string
	for o := range s.client.ListObjectsIter(ctx, bucket, minio.ListObjectsOptions{Recursive: true}) {
		if o.Err != nil {
			return fmt.Errorf("list bucket %s: %w", bucket, o.Err)
		}
		if _, ok := keep[o.Key]; !ok {
			keys = append(keys, o.Key)
		}
	}
	slices.Sort(keys)
	for _, key := range slices.Backward(keys) {
		if err := s.client.RemoveObject(ctx, bucket, key, minio.RemoveObjectOptions{}); err != nil {
			return fmt.Errorf("remove %s from bucket %s: %w", key, bucket, err)
		}
	}
	return nil
}

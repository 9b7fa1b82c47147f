package fetch

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	minio "github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"
)

func (c *Client) openBucket(rep *report, q BucketRequest) (store, error) {
	switch q.Provider {
	case "", "generic", "aws":
		return c.openS3(rep, q)
	case "gcp":
		return &gcpStore{c: c, rep: rep, bucket: q.Bucket, base: gcpAPI}, nil
	case "azure":
		return c.openAzure(rep, q)
	}
	return nil, fault(ErrUnsupported, "bucket provider %.40q", q.Provider)
}

// s3Store is a bucket that speaks S3.
//
// Source: source-controller v1.9.5 internal/bucket/minio/minio.go.
type s3Store struct {
	rep    *report
	client *minio.Client
	bucket string
	host   string
}

func (c *Client) openS3(rep *report, q BucketRequest) (store, error) {
	if strings.Contains(q.Endpoint, "://") {
		return nil, fault(ErrInvalid, "endpoint %s is not a host", cleanURL(q.Endpoint))
	}
	client, err := minio.New(q.Endpoint, &minio.Options{
		Region:     q.Region,
		Secure:     !q.Insecure,
		Creds:      c.bucketCredentials(q),
		Transport:  c.guard,
		MaxRetries: 1, // the guard does
	})
	if err != nil {
		return nil, fault(ErrInvalid, "%v", err)
	}
	host, _, err := net.SplitHostPort(q.Endpoint)
	if err != nil {
		host = q.Endpoint
	}
	return &s3Store{rep: rep, client: client, bucket: q.Bucket, host: host}, nil
}

// bucketCredentials are those of the user for this endpoint: of mc's
// configuration if it has an alias with this URL; of AWS, from the environment
// or ~/.aws/credentials, for hosts of AWS; else none.
func (c *Client) bucketCredentials(q BucketRequest) *credentials.Credentials {
	u := url.URL{Scheme: "https", Host: q.Endpoint}
	if q.Insecure {
		u.Scheme = "http"
	}
	var got *credentials.Credentials
	if alias, ok := c.mcAlias(&u); ok {
		got = credentials.NewStaticV4(alias.AccessKey, alias.SecretKey, "")
	} else if s3utils.IsAmazonEndpoint(u) && u.Scheme == "https" {
		got = credentials.NewChainCredentials([]credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}})
	}
	if got != nil {
		if v, err := got.GetWithContext(nil); err == nil {
			c.secrets.add(v.SecretAccessKey, v.SessionToken)
		}
	}
	return got
}

type mcAlias struct {
	URL       string `json:"url"`
	AccessKey string `json:"accessKey"`
	SecretKey string `json:"secretKey"`
}

// mcAlias finds the entry of an endpoint in MinIO's ~/.mc/config.json.
func (c *Client) mcAlias(endpoint *url.URL) (mcAlias, bool) {
	dir := os.Getenv("MC_CONFIG_DIR")
	if dir == "" {
		if c.home == "" {
			return mcAlias{}, false
		}
		dir = filepath.Join(c.home, ".mc")
	}
	data, err := os.ReadFile(filepath.Join(dir, "config.json")) //nolint:gosec // the user's own file
	if err != nil {
		return mcAlias{}, false
	}
	var config struct {
		Aliases map[string]mcAlias `json:"aliases"`
	}
	if json.Unmarshal(data, &config) != nil {
		return mcAlias{}, false
	}
	for _, a := range config.Aliases {
		u, err := url.Parse(a.URL)
		if err == nil && sameOrigin(u, endpoint) && a.AccessKey != "" && a.SecretKey != "" {
			return a, true
		}
	}
	return mcAlias{}, false
}

func (s *s3Store) list(ctx context.Context, prefix string, visit func(key, etag string) error) error {
	exists, err := s.client.BucketExists(ctx, s.bucket)
	if err != nil {
		return s.explain(err)
	}
	if !exists {
		return fault(ErrNotFound, "bucket '%.80s' not found", s.bucket)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for o := range s.client.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{
		Recursive: true, Prefix: prefix, UseV1: s3utils.IsGoogleEndpoint(*s.client.EndpointURL()),
	}) {
		if o.Err != nil {
			return s.explain(o.Err)
		}
		if err := visit(o.Key, o.ETag); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (s *s3Store) get(ctx context.Context, key string, limit int64) ([]byte, string, error) {
	for try := 0; ; try++ {
		data, etag, err := s.getOnce(ctx, key, limit)
		if err == nil || try > 0 || !errors.Is(err, errBroken) {
			return data, etag, err
		}
	}
}

func (s *s3Store) getOnce(ctx context.Context, key string, limit int64) ([]byte, string, error) {
	body, info, _, err := (&minio.Core{Client: s.client}).GetObject(ctx, s.bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return nil, "", s.explain(err)
	}
	defer func() { _ = body.Close() }()
	data, err := s.rep.all(body, info.Size, limit)
	return data, info.ETag, err
}

// explain gives errors of S3 their kind.
func (s *s3Store) explain(err error) error {
	var e *Error
	var answer minio.ErrorResponse
	if errors.As(err, &e) || !errors.As(err, &answer) {
		return err
	}
	switch {
	case answer.Code == "NoSuchKey" || answer.Code == "NoSuchBucket" || answer.StatusCode == http.StatusNotFound:
		return fault(ErrNotFound, "%.200s", answer.Message)
	case answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden || answer.Code == "AccessDenied":
		d := &Error{Kind: ErrDenied, Host: normalHost(s.host), Text: answer.Code}
		d.Hint = "credentials are read from ~/.mc/config.json by the endpoint's URL, for AWS also from the environment and ~/.aws/credentials"
		return d
	}
	if answer.Code == minio.InvalidBucketName || answer.Code == minio.InvalidArgument {
		return fault(ErrInvalid, "%.200s", answer.Message)
	}
	return fault(ErrUnreachable, "%.60s: %.200s", answer.Code, answer.Message)
}

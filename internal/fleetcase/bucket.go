package fleetcase

import (
	"context"
	"crypto/md5" //nolint:gosec // G501: the etag of S3, no secret depends on it
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fluxcd/pkg/sourceignore"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/minio/minio-go/v7/pkg/s3utils"

	"github.com/bulkhead-dev/bulkhead/tree"
)

func (s *Served) addBucket(dir string, files map[string]tree.Blob) error {
	name := strings.TrimPrefix(dir, bucketDir)
	if name == "" {
		return errors.New("a bucket without a name")
	}
	s.buckets[name] = files
	return nil
}

// withoutFolders leaves out the keys that end in "/", which a tree cannot hold.
func withoutFolders(files map[string]tree.Blob) map[string]tree.Blob {
	files = maps.Clone(files)
	maps.DeleteFunc(files, func(key string, _ tree.Blob) bool { return strings.HasSuffix(key, "/") })
	return files
}

// Buckets are the objects at [BucketHost], by bucket and key.
func (s *Served) Buckets() map[string]map[string]string {
	all := map[string]map[string]string{}
	for name, objects := range s.buckets {
		all[name] = map[string]string{}
		for key, b := range objects {
			all[name][key] = b.Data
		}
	}
	return all
}

// Bucket answers for a Bucket: its objects below the prefix that no rule ignores, and
// .sourceignore. The revision is the one of the controller, with the MD5 sum of an
// object as its etag.
//
// Source: source-controller v1.9.5 bucket_controller.go fetchEtagIndex and
// internal/index/digest.go.
func (s *Served) Bucket(_ context.Context, b *sourcev1.Bucket) (*Answer, error) {
	if b.Spec.Endpoint != BucketHost {
		return nil, fmt.Errorf("%w: %s", ErrUnknown, b.Spec.Endpoint)
	}
	if err := s3utils.CheckValidBucketName(b.Spec.BucketName); err != nil {
		return nil, missing(err.Error())
	}
	objects, ok := s.buckets[b.Spec.BucketName]
	if !ok {
		return nil, missing(fmt.Sprintf("bucket '%s' not found", b.Spec.BucketName))
	}
	ignore := ""
	if b.Spec.Ignore != nil {
		ignore = *b.Spec.Ignore
	}
	asked := fmt.Sprintf("%q", []string{b.Spec.BucketName, b.Spec.Prefix, ignore})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answers[asked] == nil {
		s.answers[asked] = taken(objects, b.Spec.Prefix, ignore)
	}
	return s.answers[asked], nil
}

// taken is what of a bucket is in the artifact.
func taken(objects map[string]tree.Blob, prefix, ignore string) *Answer {
	rules := sourceignore.ReadPatterns(strings.NewReader(objects[sourceignore.IgnoreFile].Data), nil)
	matcher := sourceignore.NewMatcher(append(rules, sourceignore.ReadPatterns(strings.NewReader(ignore), nil)...))
	files := map[string]tree.Blob{}
	var index strings.Builder
	for _, key := range slices.Sorted(maps.Keys(objects)) {
		if key == sourceignore.IgnoreFile {
			files[key] = objects[key]
			continue
		}
		if !strings.HasPrefix(key, prefix) || strings.HasSuffix(key, "/") || matcher.Match(strings.Split(key, "/"), false) {
			continue
		}
		files[key] = objects[key]
		sum := md5.Sum([]byte(objects[key].Data)) //nolint:gosec // G401: as above
		fmt.Fprintf(&index, "%s %s\n", key, hex.EncodeToString(sum[:]))
	}
	return &Answer{Revision: digest([]byte(index.String())), Tree: tree.FromBlobs(files)}
}

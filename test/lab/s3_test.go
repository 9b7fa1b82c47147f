//go:build linux

package lab

import (
	"maps"
	"testing"

	"github.com/minio/minio-go/v7"
)

// holds is what a bucket holds, by key.
func (s *S3) holds(t *testing.T, bucket string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for o := range s.client.ListObjectsIter(t.Context(), bucket, minio.ListObjectsOptions{Recursive: true}) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		found[o.Key] = o.ETag
	}
	return found
}

// testBuckets fills a bucket twice, and takes all but one away.
func testBuckets(t *testing.T, s *S3) {
	t.Helper()
	const empty, a, b = "d41d8cd98f00b204e9800998ecf8427e", "0cc175b9c0f1b6a831c399e269772661", "92eb5ffee6ae2fec3ad71c777531578f"
	for _, step := range []struct{ objects, want map[string]string }{
		{map[string]string{"a b/": "", "a b/c%+d.yaml": "a", "deep/er/x": "a", "x": "a"}, map[string]string{"a b/": empty, "a b/c%+d.yaml": a, "deep/er/x": a, "x": a}},
		{map[string]string{"deep/er/y": "b", "x": "b"}, map[string]string{"deep/er/y": b, "x": b}},
		{nil, map[string]string{}},
	} {
		if err := s.Fill(t.Context(), "steps", true, step.objects); err != nil {
			t.Fatal(err)
		}
		if got := s.holds(t, "steps"); !maps.Equal(got, step.want) {
			t.Errorf("objects and their etags %v, want %v", got, step.want)
		}
	}
	if err := s.Keep(t.Context(), "steps"); err != nil {
		t.Fatal(err)
	}
	all, err := s.client.ListBuckets(t.Context())
	if err != nil || len(all) != 1 || all[0].Name != "steps" {
		t.Errorf("buckets %v, %v, want steps", all, err)
	}
}

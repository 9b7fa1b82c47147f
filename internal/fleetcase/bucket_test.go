package fleetcase

import (
	"errors"
	"slices"
	"strings"
	"testing"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/tree"
)

const store = `-- @bucket/fleet/apps/a.yaml --
a
-- @bucket/fleet/apps/ --
-- @bucket/fleet/apps2/b c.yaml --
b
-- before/@bucket/fleet/old/ --
-- after/@bucket/fleet/.sourceignore --
*.md
-- after/@bucket/fleet/apps/a.md --
m
-- before/@bucket/gone/ --
-- both/@bucket/empty/ --
`

func storeOf(t *testing.T, revision int) *Served {
	t.Helper()
	c, err := Parse("store.txtar", []byte(store))
	if err != nil {
		t.Fatal(err)
	}
	if !c.Two || !c.Serves() || len(c.Before)+len(c.After)+len(c.Others) != 0 {
		t.Errorf("two %v, serves %v, before %v, after %v, others %v", c.Two, c.Serves(), c.Before, c.After, c.Others)
	}
	s, err := c.Served(revision)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func bucket(name, prefix string, ignore *string) *sourcev1.Bucket {
	b := &sourcev1.Bucket{}
	b.Spec.Endpoint, b.Spec.BucketName, b.Spec.Prefix, b.Spec.Ignore = BucketHost, name, prefix, ignore
	return b
}

// TestBuckets: a bucket has the objects of its revision, keys that end in "/" among them,
// and may have none.
func TestBuckets(t *testing.T) {
	want := []map[string]map[string]string{
		{"fleet": {"apps/a.yaml": "a\n", "apps/": "", "apps2/b c.yaml": "b\n", "old/": ""}, "gone": {}, "empty": {}},
		{"fleet": {"apps/a.yaml": "a\n", "apps/": "", "apps2/b c.yaml": "b\n", ".sourceignore": "*.md\n", "apps/a.md": "m\n"}, "empty": {}},
	}
	for revision := range want {
		if diff := cmp.Diff(want[revision], storeOf(t, revision).Buckets()); diff != "" {
			t.Errorf("buckets of revision %d (-want +got):\n%s", revision, diff)
		}
	}
}

// TestBucketAnswers: the digests are those of lines of keys and MD5 sums, by sha256sum.
func TestBucketAnswers(t *testing.T) {
	const all = "sha256:5d06e709a585729b9033d762e47aab497380b3b7636b39e3d3f63936c578b9dd"
	rule, noRule := "!*.md\n/apps2", ""
	for name, c := range map[string]struct {
		revision int
		asked    *sourcev1.Bucket
		files    []string
		digest   string // "" is not looked at
		err      error
	}{
		"all":     {0, bucket("fleet", "", nil), []string{"apps/a.yaml", "apps2/b c.yaml"}, all, nil},
		"prefix":  {1, bucket("fleet", "apps", nil), []string{".sourceignore", "apps/a.yaml", "apps2/b c.yaml"}, all, nil},
		"folder":  {1, bucket("fleet", "apps/", &noRule), []string{".sourceignore", "apps/a.yaml"}, "", nil},
		"ignore":  {1, bucket("fleet", "", &rule), []string{".sourceignore", "apps/a.md", "apps/a.yaml"}, "", nil},
		"nothing": {0, bucket("fleet", "b", nil), nil, "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", nil},
		"empty":   {0, bucket("empty", "", nil), nil, "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", nil},
		"short":   {1, bucket("ab", "", nil), nil, "", ErrMissing},
		"missing": {1, bucket("gone", "", nil), nil, "", ErrMissing},
		"other":   {0, &sourcev1.Bucket{}, nil, "", ErrUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			s := storeOf(t, c.revision)
			got, err := s.Bucket(t.Context(), c.asked)
			if c.err != nil {
				if !errors.Is(err, c.err) {
					t.Errorf("error %v, want %v", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var files []string
			err = got.Tree.Walk(".", func(path string, e tree.Entry) error {
				if !e.IsDir() {
					files = append(files, path)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(files)
			if diff := cmp.Diff(c.files, files); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			if c.digest != "" && got.Revision != c.digest {
				t.Errorf("revision %s, want %s", got.Revision, c.digest)
			}
			if again, err := s.Bucket(t.Context(), c.asked); err != nil || again.Tree != got.Tree {
				t.Errorf("the same question has another tree (%v)", err)
			}
		})
	}
}

func TestBadBuckets(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"no key":            {"-- @bucket/a --\n", "not the path of a file"},
		"no name":           {"-- @bucket// --\n", "not the path of a file"},
		"key above":         {"-- @bucket/a/../ --\n", "not the path of a file"},
		"folder with data":  {"-- @bucket/a/b/ --\nx\n", "not the path of a file"},
		"folder twice":      {"-- @bucket/a/b/ --\n-- before/@bucket/a/b/ --\n", "that is there twice"},
		"file and folder":   {"-- @bucket/a/x --\n-- @bucket/a/x/y --\n", "files of after/@bucket/a"},
		"folder of a chart": {"-- @charts/web-1.0.0/templates/ --\n", "not the path of a file"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Parse("bad.txtar", []byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

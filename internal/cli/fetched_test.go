package cli

import (
	"io/fs"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/internal/fetch"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// TestFetched: what a render sees of an artifact, with its empty folders.
func TestFetched(t *testing.T) {
	dir := func(name string) fetch.File { return fetch.File{Name: name, Mode: fs.ModeDir | 0o755} }
	file := func(name string) fetch.File { return fetch.File{Name: name, Mode: 0o644, Data: []byte(name)} }
	for name, c := range map[string]struct {
		files []fetch.File
		want  []string
	}{
		"nothing":       {nil, nil},
		"one folder":    {[]fetch.File{dir("a")}, []string{"a/"}},
		"folder in one": {[]fetch.File{dir("a"), dir("a/b"), dir("a/b/c")}, []string{"a/", "a/b/", "a/b/c/"}},
		"file in one":   {[]fetch.File{dir("a"), dir("a/b"), file("a/b/c.yaml"), dir("d")}, []string{"a/", "a/b/", "a/b/c.yaml", "d/"}},
		"no folder":     {[]fetch.File{file("a/b/c.yaml"), file("d.yaml")}, []string{"a/", "a/b/", "a/b/c.yaml", "d.yaml"}},
		"one between":   {[]fetch.File{dir("a"), file("a/b/c/d.yaml"), dir("a/b/c")}, []string{"a/", "a/b/", "a/b/c/", "a/b/c/d.yaml"}},
	} {
		for range 2 { // in this order, and in the other one
			var got []string
			err := fetched(&fetch.Artifact{Files: c.files}).Tree.Walk(".", func(p string, e tree.Entry) error {
				if e.IsDir() {
					p += "/"
				}
				got = append(got, p)
				return nil
			})
			if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
				t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
			}
			c.files = slices.Clone(c.files)
			slices.Reverse(c.files)
		}
	}
}

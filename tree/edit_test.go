package tree

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// files are all files of t by path.
func filesOf(t *rapid.T, in *Tree) map[string]string {
	out := map[string]string{}
	if err := in.Walk(".", func(p string, e Entry) error {
		if e.IsDir() {
			return nil
		}
		data, err := in.ReadFile(p)
		out[p] = string(data)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestWith: an edited tree has the files, and the name, of the tree that is made of the same files.
func TestWith(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		path := rapid.SampledFrom([]string{"a", "b/a", "b/c", "b/d/a", "b/d/b", "e/f/g", "h"})
		text := rapid.SampledFrom([]string{"", "1", "2"})
		base := rapid.MapOf(path, text).Draw(t, "base")
		files := rapid.MapOf(path, text).Draw(t, "files")
		remove := rapid.SliceOf(path).Draw(t, "remove")
		want := maps.Clone(base)
		for _, p := range remove {
			delete(want, p)
		}
		maps.Copy(want, files)
		got := FromMap(base).With(files, remove...)
		if diff := cmp.Diff(want, filesOf(t, got)); diff != "" {
			t.Fatalf("-want +got:\n%s", diff)
		}
		if fresh := FromMap(want); got.ID() != fresh.ID() {
			t.Fatalf("the tree is named %s, want %s; files %v", got.ID(), fresh.ID(), slices.Sorted(maps.Keys(want)))
		}
		for _, p := range remove {
			if _, kept := files[p]; kept {
				continue
			}
			if _, err := got.Stat(p); err == nil {
				t.Fatalf("%s is there", p)
			}
		}
	})
}

// TestWithClash: a file cannot be a directory, too.
func TestWithClash(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"file over directory": {"a": "x"}, "directory over file": {"b/c": "x"}, "malformed": {"../c": "x"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := FromMap(map[string]string{"a/b": "1", "b": "2"}).With(files).ReadDir("."); err == nil {
				t.Error("no error")
			}
		})
	}
}

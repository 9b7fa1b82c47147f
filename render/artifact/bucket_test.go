package artifact

import (
	"errors"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// TestBucket: none of the default exclusions, only the root's ignore file, and
// that stays.
func TestBucket(t *testing.T) {
	objects := map[string]tree.Blob{
		".sourceignore": {Data: "*.md\n!keep.md\n/logs/"}, "a.yaml": {Data: "a"}, "b.md": {Data: "b"}, "logo.png": {Data: "l"}, ".git/config": {Data: "g"},
		".github/ci.yml": {Data: "c"}, "apps/a.yaml": {Data: "a"}, "apps/keep.md": {Data: "k"}, "apps/.sourceignore": {Data: "a.yaml"}, "apps2/x.yaml": {Data: "x"},
		"logs/a.log": {Data: "l"}, "apps/logs/a.log": {Data: "l"}, "link": {Mode: tree.Symlink, Data: "a.yaml"}, "module": {Mode: tree.Submodule}, "run.sh": {Mode: tree.Executable},
	}
	for name, c := range map[string]struct {
		spec Objects
		want []string
	}{
		"all": {Objects{}, []string{
			".git/", ".git/config", ".github/", ".github/ci.yml", ".sourceignore", "a.yaml", "apps/", "apps/.sourceignore", "apps/a.yaml", "apps/keep.md",
			"apps/logs/", "apps/logs/a.log", "apps2/", "apps2/x.yaml", "logo.png", "run.sh",
		}},
		"prefix is text":       {Objects{Prefix: "apps"}, []string{".sourceignore", "apps/", "apps/.sourceignore", "apps/a.yaml", "apps/keep.md", "apps/logs/", "apps/logs/a.log", "apps2/", "apps2/x.yaml"}},
		"prefix of a folder":   {Objects{Prefix: "apps/"}, []string{".sourceignore", "apps/", "apps/.sourceignore", "apps/a.yaml", "apps/keep.md", "apps/logs/", "apps/logs/a.log"}},
		"spec.ignore has more": {Objects{Prefix: "apps", Ignore: "**/logs\n!b.md\n.sourceignore"}, []string{".sourceignore", "apps/", "apps/a.yaml", "apps/keep.md", "apps2/", "apps2/x.yaml"}},
		"nothing":              {Objects{Prefix: "none"}, []string{".sourceignore"}},
	} {
		t.Run(name, func(t *testing.T) {
			view, err := Bucket(tree.FromBlobs(objects), c.spec)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, files(t, view)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

// TestOCI: the rules are those of Git, the default exclusions too.
func TestOCI(t *testing.T) {
	layer := map[string]string{"a.yaml": "a", "logo.png": "l", ".github/ci.yml": "c", "sub/b.yaml": "b", "sub/.sops.yaml": "s"}
	for name, c := range map[string]struct {
		ignore string
		more   map[string]string
		want   []string
	}{
		"defaults":       {"", nil, []string{"a.yaml", "sub/", "sub/b.yaml"}},
		"comment":        {"# none", nil, []string{"a.yaml", "sub/", "sub/b.yaml"}},
		"one pattern":    {"b.yaml", nil, []string{".github/", ".github/ci.yml", "a.yaml", "logo.png", "sub/", "sub/.sops.yaml"}},
		"ignore file":    {"", map[string]string{"sub/.sourceignore": "b.yaml"}, []string{".github/", ".github/ci.yml", "a.yaml", "logo.png", "sub/", "sub/.sops.yaml", "sub/.sourceignore"}},
		"version system": {"!.gitignore", map[string]string{".gitignore": "", ".gitmodules": ""}, []string{".github/", ".github/ci.yml", ".gitignore", "a.yaml", "logo.png", "sub/", "sub/.sops.yaml", "sub/b.yaml"}},
	} {
		t.Run(name, func(t *testing.T) {
			all := map[string]string{}
			for _, m := range []map[string]string{layer, c.more} {
				maps.Copy(all, m)
			}
			view, err := OCI(tree.FromMap(all), c.ignore)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, files(t, view)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

// TestCache: equal specs of a tree are one tree, unequal ones are not, and a
// failure can be asked for again.
func TestCache(t *testing.T) {
	base, other := tree.FromMap(map[string]string{"a/x": "1", "b/y": "2"}), tree.FromMap(map[string]string{"z": "3"})
	var c Cache
	all := map[*tree.Tree]string{}
	for _, spec := range []Spec{
		{},
		{Ignore: "a"},
		{Ignore: "b"},
		{Sparse: []string{"a", "b"}},
		{Sparse: []string{"a"}},
		{Include: []Include{{other, ".", "to"}}},
		{Include: []Include{{base, ".", "to"}}},
		{Include: []Include{{other, ".", "t"}}},
		{Ignore: `a""`},
	} {
		one, err := c.Git(base, spec)
		if err != nil {
			t.Fatal(err)
		}
		two, err := c.Git(base, spec)
		if err != nil || one != two {
			t.Errorf("%+v gives another tree the second time", spec)
		}
		all[one] = "seen"
	}
	for _, make := range []func() (*tree.Tree, error){
		func() (*tree.Tree, error) { return c.OCI(base, "") }, func() (*tree.Tree, error) { return c.OCI(base, "a") },
		func() (*tree.Tree, error) { return c.Bucket(base, Objects{}) }, func() (*tree.Tree, error) { return c.Bucket(base, Objects{Prefix: "a"}) },
		func() (*tree.Tree, error) { return c.Bucket(base, Objects{Ignore: "a"}) }, func() (*tree.Tree, error) { return c.Git(other, Spec{}) },
	} {
		one, err := make()
		if err != nil {
			t.Fatal(err)
		}
		all[one] = "seen"
	}
	if len(all) != 15 {
		t.Errorf("15 specs gave %d trees", len(all))
	}
	for range 2 {
		if _, err := c.Git(base, Spec{Sparse: []string{"missing"}}); err == nil || errors.Is(err, tree.ErrTooLarge) {
			t.Errorf("a missing folder: %v", err)
		}
	}
}

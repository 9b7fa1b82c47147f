package artifact

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fluxcd/pkg/sourceignore"
	"github.com/fluxcd/pkg/sourceignore/gitignore"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// sourceIgnoreFilter tells what is left out of an artifact.
//
// Source: fluxcd/pkg/artifact v0.20.0 storage/archive.go, SourceIgnoreFilter.
func sourceIgnoreFilter(ps []gitignore.Pattern, domain []string) func(p string, fi os.FileInfo) bool {
	matcher := sourceignore.NewDefaultMatcher(ps, domain)
	if len(ps) > 0 {
		ps = append(sourceignore.VCSPatterns(domain), ps...)
		matcher = sourceignore.NewMatcher(ps)
	}
	return func(p string, fi os.FileInfo) bool {
		return matcher.Match(strings.Split(p, string(filepath.Separator)), fi.IsDir())
	}
}

// archived lists what an artifact made of the folder holds once unpacked: files,
// and folders with a trailing slash.
//
// Source: source-controller v1.9.5 reconcileArtifact for the patterns, and
// fluxcd/pkg/artifact v0.20.0 storage/archive.go, Archive, for the walk.
func archived(dir string, ignore *string) ([]string, error) {
	domain := strings.Split(dir, string(filepath.Separator))
	ps, err := sourceignore.LoadIgnorePatterns(dir, domain)
	if err != nil {
		return nil, err
	}
	if ignore != nil {
		ps = append(ps, sourceignore.ReadPatterns(strings.NewReader(*ignore), domain)...)
	}
	filter := sourceIgnoreFilter(ps, domain)
	found := map[string]bool{}
	err = filepath.Walk(dir, func(p string, fi os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		if m := fi.Mode(); !m.IsRegular() && !m.IsDir() || filter(p, fi) {
			return nil
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		note(found, filepath.ToSlash(rel), fi.IsDir())
		return nil
	})
	return listOf(found), err
}

// note adds a path and its parents, which unpacking makes.
func note(found map[string]bool, p string, isDir bool) {
	if isDir {
		found[p+"/"] = true
	} else {
		found[p] = true
	}
	for p != "." {
		p = path.Dir(p)
		found[p+"/"] = true
	}
}

func listOf(found map[string]bool) []string {
	var out []string
	for p := range found {
		if p != "./" {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return out
}

func files(tb testing.TB, tr *tree.Tree) []string {
	tb.Helper()
	found := map[string]bool{}
	err := tr.Walk(".", func(p string, e tree.Entry) error {
		note(found, p, e.IsDir())
		if !e.IsDir() {
			_, err := tr.ReadFile(p)
			return err
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return listOf(found)
}

// patternLines are lines of .sourceignore files and of spec.ignore.
var patternLines = []string{
	"", "# comment", " ", "/*", "!/deploy", "!/deploy/", "*.yaml", "!*.yaml", "!keep.yaml", "deploy/", "deploy", "/deploy", "deploy/*",
	"**/sub", "sub/**", "deploy/**/a.yaml", "**", "*", "a.?aml", "[ab].yaml", "[!a].yaml", "\\#x", "\\!x", "a.yaml ", "a.yaml\\ ",
	"!.git/", "!.gitignore", "!/.github", ".sourceignore", "!logo.png", "/sub/", "//a.yaml", "sub/../a.yaml", "./a.yaml", "!", "/", "a.yaml\r",
}

func drawPatterns(t *rapid.T, label string) string {
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom(patternLines), 0, 4).Draw(t, label), "\n")
}

func drawBlobs(t *rapid.T) map[string]tree.Blob {
	blobs := map[string]tree.Blob{"a.yaml": {Data: "a"}}
	dirs := []string{"", "deploy/", "deploy/sub/", "sub/", "sub/deploy/", ".github/workflows/", "deploy/.circleci/", ".hidden/", ".gitfoo/", "deploy/.git/"}
	names := []string{
		"a.yaml", "b.yaml", "keep.yaml", "logo.png", "x.tar.gz", "a.zip", ".gitignore", ".gitmodules", ".gitattributes", ".travis.yml",
		"cloudbuild.yaml", ".sops.yaml", ".flux.yaml", ".goreleaser.yml", "#x", "!x", "deploy", ".git", "plain",
	}
	for range rapid.IntRange(0, 10).Draw(t, "files") {
		p := rapid.SampledFrom(dirs).Draw(t, "dir") + rapid.SampledFrom(names).Draw(t, "name")
		blobs[p] = tree.Blob{Mode: rapid.SampledFrom([]tree.Mode{tree.File, tree.File, tree.Executable}).Draw(t, "mode"), Data: p}
	}
	for range rapid.IntRange(0, 3).Draw(t, "ignore files") {
		blobs[rapid.SampledFrom(dirs).Draw(t, "dir")+".sourceignore"] = tree.Blob{Mode: tree.File, Data: drawPatterns(t, "patterns")}
	}
	links := []string{"a.yaml", "../a.yaml", "deploy", "../deploy/sub", "missing", ".sourceignore", "../.sourceignore", "patterns", "../patterns", "deploy/../patterns", "link", "link/a.yaml", "../../a.yaml", "/a.yaml"}
	for range rapid.IntRange(0, 3).Draw(t, "links") {
		p := rapid.SampledFrom(dirs).Draw(t, "dir") + rapid.SampledFrom([]string{"link", "link.yaml", ".sourceignore"}).Draw(t, "name")
		blobs[p] = tree.Blob{Mode: tree.Symlink, Data: rapid.SampledFrom(links).Draw(t, "target")}
	}
	if rapid.Bool().Draw(t, "patterns") {
		blobs["patterns"] = tree.Blob{Data: drawPatterns(t, "patterns")}
	}
	if rapid.Bool().Draw(t, "submodule") {
		blobs[rapid.SampledFrom(dirs).Draw(t, "dir")+"module"] = tree.Blob{Mode: tree.Submodule}
	}
	for p := range blobs { // a file hides no folder
		for other := range blobs {
			if strings.HasPrefix(other, p+"/") {
				delete(blobs, p)
			}
		}
	}
	return blobs
}

// TestGitLikeUpstream pins Git to upstream's patterns, matcher and walk
// on random folders with symlinks, submodules and ignore files at any level.
func TestGitLikeUpstream(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	check := func(rt *rapid.T) {
		n++
		tr := tree.FromBlobs(drawBlobs(rt))
		spec := Spec{}
		var ignore *string
		if rapid.Bool().Draw(rt, "spec.ignore") {
			spec.Ignore = drawPatterns(rt, "ignore")
			ignore = &spec.Ignore
		}
		tmp := filepath.Join(root, strconv.Itoa(n))
		writeTree(t, tr, tmp)
		defer os.RemoveAll(tmp)
		want, err := archived(tmp, ignore)
		if err != nil {
			rt.Skip(err) // a circle of links, say
		}
		view, err := Git(tr, spec)
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(want, files(t, view)); diff != "" {
			rt.Fatalf("files (-upstream +ours):\n%s", diff)
		}
	}
	for range 2 { // a draw takes 5 ms
		rapid.Check(t, check)
	}
	t.Logf("%d trees", n)
}

// TestSparseCheckout: a sparse checkout takes files whose path begins with one of
// the texts, letter by letter.
//
// Source: go-git v5 plumbing/format/index SkipUnless; source-controller v1.9.5
// gitCheckout, which trims "./", and validateSparseCheckoutPaths.
func TestSparseCheckout(t *testing.T) {
	tr := tree.FromBlobs(map[string]tree.Blob{
		"root.yaml": {Data: "r"}, ".sourceignore": {Data: "*.md"}, "README.md": {Data: "r"},
		"apps/a.yaml": {Data: "a"}, "apps/docs/x.md": {Data: "x"}, "apps2/b.yaml": {Data: "b"}, "apps.yaml": {Data: "c"},
		"infra/x/c.yaml": {Data: "c"}, "infra/y/c.yaml": {Data: "c"}, "modules/one": {Mode: tree.Submodule}, "link": {Mode: tree.Symlink, Data: "apps"},
	})
	for name, c := range map[string]struct {
		sparse string
		want   []string // nil: refused
	}{
		"prefix":              {"apps", []string{"apps.yaml", "apps/", "apps/a.yaml", "apps/docs/", "apps/docs/x.md", "apps2/", "apps2/b.yaml"}},
		"slash ends it":       {"apps/", []string{"apps/", "apps/a.yaml", "apps/docs/", "apps/docs/x.md"}},
		"dot slash":           {"./apps2", []string{"apps2/", "apps2/b.yaml"}},
		"two":                 {"infra/x\nroot.yaml", []string{"infra/", "infra/x/", "infra/x/c.yaml", "root.yaml"}},
		"everything":          {"./", []string{"apps.yaml", "apps/", "apps/a.yaml", "apps/docs/", "apps2/", "apps2/b.yaml", "infra/", "infra/x/", "infra/x/c.yaml", "infra/y/", "infra/y/c.yaml", "modules/", "modules/one/", "root.yaml", ".sourceignore"}},
		"with the root's own": {"apps\n.sourceignore", []string{".sourceignore", "apps.yaml", "apps/", "apps/a.yaml", "apps/docs/", "apps2/", "apps2/b.yaml"}},
		"a dot takes dots":    {".", []string{".sourceignore"}},
		"submodule":           {"modules", []string{"modules/", "modules/one/"}},
		"missing":             {"missing", nil},
		"one of two missing":  {"apps\nmissing", nil},
		"half a name":         {"app", nil},
		"absolute":            {"/apps", nil},
		"way round":           {"infra/../apps", nil},
		"above":               {"../apps", nil},
	} {
		t.Run(name, func(t *testing.T) {
			view, err := Git(tr, Spec{Sparse: strings.Split(c.sparse, "\n")})
			if c.want == nil {
				if err == nil || !strings.Contains(err.Error(), "does not exist in the repository") {
					t.Errorf("got %v, want an error that says the folder does not exist", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(c.want)
			if diff := cmp.Diff(c.want, files(t, view)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

// TestInclude: includes are put into the tree before the ignore rules are read,
// and never onto something.
func TestInclude(t *testing.T) {
	base := tree.FromBlobs(map[string]tree.Blob{
		"a.yaml": {Data: "a"}, "full/x.yaml": {Data: "x"}, "empty": {Mode: tree.Submodule},
	})
	other := tree.FromMap(map[string]string{"deploy/b.yaml": "b", "deploy/notes.md": "n", "deploy/.sourceignore": "*.md", "c.yaml": "c"})
	for name, c := range map[string]struct {
		mount Include
		want  []string // nil: refused
		exist bool
	}{
		"new folder":     {Include{other, "deploy", "new/deep"}, []string{"a.yaml", "empty/", "full/", "full/x.yaml", "new/", "new/deep/", "new/deep/.sourceignore", "new/deep/b.yaml"}, false},
		"beside others":  {Include{other, "deploy", "full/sub"}, []string{"a.yaml", "empty/", "full/", "full/sub/", "full/sub/.sourceignore", "full/sub/b.yaml", "full/x.yaml"}, false},
		"empty folder":   {Include{other, "deploy", "empty"}, []string{"a.yaml", "empty/", "empty/.sourceignore", "empty/b.yaml", "full/", "full/x.yaml"}, false},
		"the whole":      {Include{other, ".", "all"}, []string{"a.yaml", "all/", "all/c.yaml", "all/deploy/", "all/deploy/.sourceignore", "all/deploy/b.yaml", "empty/", "full/", "full/x.yaml"}, false},
		"full folder":    {Include{other, "deploy", "full"}, nil, true},
		"root":           {Include{other, "deploy", "."}, nil, true},
		"file":           {Include{other, "deploy", "a.yaml"}, nil, true},
		"below a file":   {Include{other, "deploy", "a.yaml/x"}, nil, true},
		"missing source": {Include{other, "missing", "new"}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			view, err := Git(base, Spec{Include: []Include{c.mount}})
			if c.want == nil {
				if err == nil || c.exist && !errors.Is(err, fs.ErrExist) {
					t.Errorf("got error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, files(t, view)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

func writeTree(t *testing.T, tr *tree.Tree, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	err := tr.Walk(".", func(p string, e tree.Entry) error {
		to := filepath.Join(dir, filepath.FromSlash(p))
		if e.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		data, err := tr.ReadFile(p)
		if err != nil {
			return err
		}
		if e.Mode == tree.Symlink {
			return os.Symlink(string(data), to)
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		mode := os.FileMode(0o644)
		if e.Mode == tree.Executable {
			mode = 0o755
		}
		return os.WriteFile(to, data, mode)
	})
	if err != nil {
		t.Fatal(err)
	}
}

package chart

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// entry is a file of an archive that a test makes.
type entry struct {
	name, data string
	kind       byte
	size       int64 // what the header says, when it is not the data's
}

// tarball packs entries as they are.
func tarball(tb testing.TB, entries ...entry) []byte {
	tb.Helper()
	var out bytes.Buffer
	zw := gzip.NewWriter(&out)
	tw := tar.NewWriter(zw)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Mode: 0o644, Size: int64(len(e.data)), Typeflag: e.kind}
		if e.kind == tar.TypeSymlink || e.kind == tar.TypeLink {
			h.Linkname, h.Size = e.data, 0
			e.data = ""
		}
		if e.size > 0 {
			h.Size = e.size
		}
		if err := tw.WriteHeader(h); err != nil {
			tb.Fatal(err)
		}
		if _, err := tw.Write([]byte(e.data)); err != nil {
			tb.Fatal(err)
		}
	}
	if err := tw.Flush(); err != nil && !slices.ContainsFunc(entries, func(e entry) bool { return e.size > 0 }) {
		tb.Fatal(err)
	}
	_ = tw.Close()
	if err := zw.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// packed packs the files of a chart, in order of their names.
func packed(tb testing.TB, folder string, files map[string]string) []byte {
	tb.Helper()
	var entries []entry
	for _, name := range slices.Sorted(maps.Keys(files)) {
		entries = append(entries, entry{name: folder + "/" + name, data: files[name]})
	}
	return tarball(tb, entries...)
}

// texts are the files of a package.
func texts(p *Package) map[string]string {
	out := map[string]string{}
	for _, f := range p.Files {
		out[f.Name] = string(f.Data)
	}
	return out
}

// under puts files below a folder.
func under(dir string, files map[string]string) map[string]string {
	out := map[string]string{}
	for name, data := range files {
		out[dir+"/"+name] = data
	}
	return out
}

// onDisk writes files below a new folder.
func onDisk(tb testing.TB, files map[string]string) string {
	tb.Helper()
	dir := tb.TempDir()
	for name, data := range files {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(data), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

// upstream packages a folder on disk with Helm's own functions, in the order that
// source-controller calls them in, and unpacks it again as helm-controller does.
func upstream(tb testing.TB, dir, version string, merged map[string]any) (map[string]string, error) {
	tb.Helper()
	c, err := loader.LoadDir(dir)
	if err != nil {
		return nil, err
	}
	if version != "" {
		c.Metadata.Version = version
	}
	if merged != nil {
		text, err := yaml.Marshal(merged)
		if err != nil {
			return nil, err
		}
		if len(merged) == 0 {
			text = nil
		}
		i := slices.IndexFunc(c.Raw, func(f *common.File) bool { return f.Name == "values.yaml" })
		if i < 0 {
			return nil, errors.New("no values.yaml")
		}
		c.Raw[i].Data = text
	}
	name, err := chartutil.Save(c, tb.TempDir())
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(name)
	if err != nil {
		tb.Fatal(err)
	}
	loaded, err := loader.LoadArchive(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, f := range loaded.Raw {
		out[f.Name] = string(f.Data)
	}
	return out, nil
}

// TestRepackLikeUpstream: what comes of a folder is, byte for byte, what Helm writes to
// disk and reads again.
func TestRepackLikeUpstream(t *testing.T) {
	t.Parallel()
	library := packed(t, "lib", map[string]string{
		"Chart.yaml": "apiVersion: v2\nname: library\nversion: 0.1.0\ntype: library\n", "templates/_x.tpl": "{{ define \"x\" }}{{ end }}", "values.yaml": "a: 1\n",
		"charts/deep/Chart.yaml": "apiVersion: v2\nname: deep\nversion: 0.0.1\n",
	})
	sound, broken := 0, 0
	rapid.Check(t, func(r *rapid.T) {
		files := drawChart(r, library)
		got, gotErr := FromTree(t.Context(), tree.FromMap(under("apps/app", files)), TreeSpec{Path: "apps/app"}, nil)
		if errors.Is(gotErr, ErrDependency) || gotErr != nil && strings.Contains(gotErr.Error(), "add dependency") {
			return
		}
		want, wantErr := upstream(t, onDisk(t, files), "", nil)
		if (gotErr == nil) != (wantErr == nil) {
			r.Fatalf("got error %v, upstream %v, for\n%v", gotErr, wantErr, files)
		}
		if gotErr != nil {
			broken++
			return
		}
		sound++
		if diff := cmp.Diff(want, texts(got)); diff != "" {
			r.Fatalf("files (-upstream +got):\n%s", diff)
		}
	})
	if sound < 5 {
		t.Errorf("%d sound charts are too few to tell, %d were broken", sound, broken)
	}
}

func drawChart(t *rapid.T, library []byte) map[string]string {
	// The first good ones are sound; of the others one comes now and then.
	pick := func(label string, good int, of ...string) string {
		if rapid.IntRange(0, 19).Draw(t, label+" is odd") > 0 {
			of = of[:good]
		}
		return rapid.SampledFrom(of).Draw(t, label)
	}
	api := pick("apiVersion", 5, "apiVersion: v2\n", "apiVersion: v2\n", "apiVersion: v1\n", "", "apiVersion: v3\n")
	files := map[string]string{
		"Chart.yaml": "# a comment\n" + api + "name: " + pick("name", 3, "app", "App-1.x", "a b", `a\b`, "..", "a/b") +
			"\nversion: " + pick("version", 5, "1.2.3", "v1.2", "\"1.2\"", "1.2.3-rc.1+b", "1.0", "x") +
			pick("more", 7, "", "\nappVersion: 1.10", "\nkubeVersion: '>=1.20'", "\nunknown: field", "\ntype: library", "\ndeprecated: true", "\nannotations: {a: b}",
				"\ndependencies:\n- {name: library, version: '*', repository: ''}\n", "\ndescription: \"a\\tb\"", "\ntype: other") + "\n",
	}
	optional := map[string][]string{ // the first is sound, of .helmignore the first three
		"values.yaml":                {"# kept\na: {b: [1, 2]}\n", "a: 1\n---\nb: 2\n", "\xef\xbb\xbfa: 1\n", "", "a: [\n"},
		"values.schema.json":         {"{}", "not json"},
		"Chart.lock":                 {"dependencies: []\ngenerated: \"2024-01-01T00:00:00Z\"\ndigest: x\n", "dependencies:\n- {name: library, repository: '', version: 0.1.0}\n"},
		"requirements.yaml":          {"dependencies: []\n", "dependencies:\n- {name: library, version: '*', repository: ''}\n"},
		"requirements.lock":          {"dependencies: []\n"},
		"templates/a.yaml":           {"kind: ConfigMap\n", "\xef\xbb\xbfkind: A\n"},
		"templates/.hidden":          {"x"},
		"templates/sub/.hidden":      {"x"},
		"templates/NOTES.txt":        {"thanks"},
		"crds/crd.yaml":              {"kind: CustomResourceDefinition\n"},
		"README.md":                  {"readme"},
		"docs/a.md":                  {"a"},
		".gitignore":                 {"*"},
		".helmignore":                {"*.md\n", "docs/\n", "# none\n", "!docs/a.md\n", "/README.md\ntemplates/sub\n", "**\n", "[\n", "charts/\n", "Chart.yaml\n", ".*\n"},
		"charts/library.tgz":         {string(library), "no archive"},
		"charts/_off.tgz":            {"no archive"},
		"charts/sub/Chart.yaml":      {"apiVersion: v2\nname: other-name\nversion: 0.2.0\n", "name: sub\n"},
		"charts/sub/values.yaml":     {"s: 1\n"},
		"charts/README.md":           {"readme"},
		"charts/x.tgz.prov":          {"signed"},
		"charts/sub/templates/a.txt": {"a"},
	}
	for _, name := range slices.Sorted(maps.Keys(optional)) {
		few := 3
		if strings.HasPrefix(name, "charts/sub/v") || strings.HasPrefix(name, "charts/sub/t") || strings.HasPrefix(name, "requirements") {
			few = 9
		}
		if rapid.IntRange(0, few).Draw(t, "has "+name) == 0 {
			good := min(1, len(optional[name]))
			if name == "values.yaml" || name == ".helmignore" {
				good = 3
			}
			files[name] = pick(name, good, optional[name]...)
		}
	}
	if rapid.IntRange(0, 29).Draw(t, "has metadata") == 0 {
		delete(files, "Chart.yaml")
	}
	return files
}

// TestValuesLikeUpstream: merged values files stand in values.yaml as Helm's encoder
// writes them.
func TestValuesLikeUpstream(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"Chart.yaml":  "apiVersion: v2\nname: app\nversion: v1.2\n",
		"values.yaml": "# gone\na: 1000000\nb: {c: [1, 2], d: e}\n",
		"prod.yaml":   "b: {c: [3], f: null}\nyes: no\n\"1\": 0x10\n",
	}
	got, err := FromTree(t.Context(), tree.FromMap(under("app", files)), TreeSpec{
		Path: "app", ValuesFiles: []string{"app/values.yaml", "/app/prod.yaml", "none.yaml"}, IgnoreMissingValuesFiles: true, Generation: 3,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	merged := map[string]any{"a": 1e6, "b": map[string]any{"c": []any{3.0}, "d": "e", "f": nil}, "true": false, "1": 16.0}
	want, err := upstream(t, onDisk(t, files), "1.2.0+3", merged)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, texts(got)); diff != "" {
		t.Errorf("files (-upstream +got):\n%s", diff)
	}
	if got.Version != "1.2.0+3" {
		t.Errorf("version %s, want 1.2.0+3", got.Version)
	}
	if diff := cmp.Diff([]string{"values file none.yaml is missing, and left out"}, got.Notes); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
}

// known has the charts of repositories, by "url name version".
type known map[string][]byte

func (k known) Chart(_ context.Context, repository, name, version string) ([]byte, error) {
	if data, ok := k[repository+" "+name+" "+version]; ok {
		return data, nil
	}
	return nil, errors.New("not found: " + repository + " " + name + " " + version)
}

// TestMain keeps Helm's warnings about old charts off the output.
func TestMain(m *testing.M) {
	log.SetOutput(io.Discard)
	os.Exit(m.Run())
}

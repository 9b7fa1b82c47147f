package chart

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/tree"
)

var chartYAML = entry{name: "app/Chart.yaml", data: metadata("app", "1.0.0")}

// zeros packs a file of n zero bytes: a thousandth of that.
func zeros(tb testing.TB, name string, n int64) []byte {
	tb.Helper()
	var out bytes.Buffer
	zw := gzip.NewWriter(&out)
	tw := tar.NewWriter(zw)
	if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: n}); err != nil {
		tb.Fatal(err)
	}
	if _, err := io.CopyN(tw, nothing{}, n); err != nil {
		tb.Fatal(err)
	}
	_ = tw.Close()
	_ = zw.Close()
	return out.Bytes()
}

type nothing struct{}

func (nothing) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestHostileArchives(t *testing.T) {
	t.Parallel()
	bomb := "a: &a " + strings.Repeat("x", 1<<10) + "\nb: &b [" + strings.Repeat("*a,", 1000) + "]\nc: [" + strings.Repeat("*b,", 1000) + "]\n"
	deep := chartYAML
	for range 20 {
		deep = entry{name: "app/charts/x.tgz", data: string(tarball(t, chartYAML, deep))}
	}
	nestedFolders := []entry{chartYAML}
	for at := "app/"; len(at) < 400; at += "charts/a/" {
		nestedFolders = append(nestedFolders, entry{name: at + "charts/a/Chart.yaml", data: metadata("a", "1.0.0")})
	}
	for name, c := range map[string]struct {
		data  []byte
		err   string
		large bool
	}{
		"nothing":                   {nil, "EOF", false},
		"no archive":                {[]byte("apiVersion: v2\nname: app\n"), "gzip: invalid header", false},
		"not a tarball":             {gzipped(t, "apiVersion: v2\nname: app\n"), "unexpected EOF", false},
		"cut off":                   {tarball(t, chartYAML)[:100], "unexpected EOF", false},
		"empty":                     {tarball(t), "no files in chart archive", false},
		"no metadata":               {tarball(t, entry{name: "app/values.yaml", data: "a: 1\n"}), "no Chart.yaml", false},
		"metadata outside":          {tarball(t, entry{name: "Chart.yaml", data: chartYAML.data}), "outside the base directory", false},
		"above the chart":           {tarball(t, chartYAML, entry{name: "app/../../etc/passwd", data: "x"}), "parent directory", false},
		"above the chart, windows":  {tarball(t, chartYAML, entry{name: `app\..\..\etc\passwd`, data: "x"}), "parent directory", false},
		"absolute":                  {tarball(t, chartYAML, entry{name: "app//etc/passwd", data: "x"}), "absolute path", false},
		"a drive":                   {tarball(t, chartYAML, entry{name: "app/c:/windows", data: "x"}), "illegally named", false},
		"name of no chart":          {tarball(t, entry{name: "app/Chart.yaml", data: metadata("../up", "1.0.0")}), `name "../up" is invalid`, false},
		"no version":                {tarball(t, entry{name: "app/Chart.yaml", data: "apiVersion: v2\nname: app\n"}), "version is required", false},
		"no name":                   {tarball(t, entry{name: "app/Chart.yaml", data: "version: 1.0.0\n"}), "name is required", false},
		"version that is none":      {tarball(t, entry{name: "app/Chart.yaml", data: metadata("app", "latest")}), `version "latest" is invalid`, false},
		"no YAML":                   {tarball(t, entry{name: "app/Chart.yaml", data: "a: ["}), "parse Chart.yaml", false},
		"values that are no YAML":   {tarball(t, chartYAML, entry{name: "app/values.yaml", data: "a: ["}), "cannot load values.yaml", false},
		"values that are a list":    {tarball(t, chartYAML, entry{name: "app/values.yaml", data: "[1]"}), "cannot load values.yaml", false},
		"a large file":              {tarball(t, chartYAML, entry{name: "app/big", data: strings.Repeat("x", MaxFile+1)}), "larger than the maximum file size", false},
		"a size that is not true":   {tarball(t, chartYAML, entry{name: "app/big", data: "x", size: 1 << 40}), "larger than the maximum", false},
		"aliases":                   {tarball(t, chartYAML, entry{name: "app/values.yaml", data: bomb}), "read values.yaml: YAML aliases expand", true},
		"aliases in a subchart":     {tarball(t, chartYAML, entry{name: "app/charts/x/Chart.yaml", data: bomb}), "read charts/x/Chart.yaml: YAML aliases", true},
		"aliases in a packed one":   {tarball(t, chartYAML, entry{name: "app/charts/x.tgz", data: string(tarball(t, entry{name: "x/Chart.yaml", data: bomb}))}), "charts/x.tgz: read Chart.yaml", true},
		"archives inside archives":  {[]byte(deep.data), "charts inside each other", true},
		"folders inside folders":    {tarball(t, nestedFolders...), "charts inside each other", true},
		"a long name":               {tarball(t, chartYAML, entry{name: "app/" + strings.Repeat("x", 5000)}), "file name of more than", true},
		"a subchart that is broken": {tarball(t, chartYAML, entry{name: "app/charts/x.tgz", data: "x"}), "unpack charts/x.tgz", false},
		"a subchart without a name": {tarball(t, chartYAML, entry{name: "app/charts/x/README.md", data: "x"}), "Chart.yaml file is missing", false},
	} {
		start := time.Now()
		_, err := FromArchive(t.Context(), c.data, ArchiveSpec{})
		if err == nil || !strings.Contains(err.Error(), c.err) || errors.Is(err, ErrTooLarge) != c.large {
			t.Errorf("%s: got %v, want %q, too large %v", name, err, c.err, c.large)
		}
		if took := time.Since(start); took > 5*time.Minute {
			t.Errorf("%s: took %v", name, took)
		}
		if c.large {
			continue
		}
		in := tree.FromMap(map[string]string{"app.tgz": string(c.data)})
		if _, err := FromTree(t.Context(), in, TreeSpec{Path: "app.tgz"}, nil); err == nil {
			t.Errorf("%s: no error from a tree", name)
		}
	}
}

// TestBudget: what Helm does not bound, with bounds that are small.
func TestBudget(t *testing.T) {
	t.Parallel()
	inner := string(zeros(t, "x/Chart.yaml", 2<<20))
	beside := []entry{chartYAML}
	for i := range 10 {
		beside = append(beside, entry{name: fmt.Sprintf("app/charts/x%d.tgz", i), data: inner})
	}
	many := []entry{chartYAML}
	for i := range 100 {
		many = append(many, entry{name: fmt.Sprintf("app/f%d", i)})
	}
	for name, c := range map[string]struct {
		data []byte
		err  string
	}{
		"a sound one":              {tarball(t, chartYAML), ""},
		"a file of zeros":          {zeros(t, "app/big", 20<<20), "more than 256 MiB"},
		"archives beside archives": {tarball(t, beside...), "more than 256 MiB"},
		"many files":               {tarball(t, many...), "more than 20000 files"},
		"not unpacked":             {tarball(t, chartYAML, entry{name: "app/files/x.tgz", data: inner}, entry{name: "app/charts/_x.tgz", data: inner}), ""},
	} {
		err := weigh(c.data, &budget{bytes: 10 << 20, files: 50}, 0)
		if c.err == "" && err != nil || c.err != "" && (!errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: got %v, want %q", name, err, c.err)
		}
	}
}

func gzipped(tb testing.TB, text string) []byte {
	tb.Helper()
	var out bytes.Buffer
	zw := gzip.NewWriter(&out)
	_, _ = zw.Write([]byte(text))
	if err := zw.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// TestOddArchives: what Helm takes, though a reader may wonder.
func TestOddArchives(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		entries []entry
		want    map[string]string
		notes   []string
	}{
		"any folder":    {[]entry{chartYAML, {name: "other/a.txt", data: "a"}}, map[string]string{"Chart.yaml": chartYAML.data, "a.txt": "a"}, nil},
		"windows":       {[]entry{{name: `app\Chart.yaml`, data: chartYAML.data}, {name: `app\a\b.txt`, data: "b"}}, map[string]string{"Chart.yaml": chartYAML.data, "a/b.txt": "b"}, nil},
		"not clean":     {[]entry{chartYAML, {name: "app/./a//b.txt", data: "b"}}, map[string]string{"Chart.yaml": chartYAML.data, "a/b.txt": "b"}, nil},
		"links":         {[]entry{chartYAML, {name: "app/a", data: "/etc/passwd", kind: tar.TypeSymlink}, {name: "app/b", data: "app/Chart.yaml", kind: tar.TypeLink}}, map[string]string{"Chart.yaml": chartYAML.data, "a": "", "b": ""}, nil},
		"folders":       {[]entry{chartYAML, {name: "app/templates/", kind: tar.TypeDir}}, map[string]string{"Chart.yaml": chartYAML.data}, nil},
		"twice":         {[]entry{chartYAML, {name: "app/values.yaml", data: "a: 1\n"}, {name: "app/values.yaml", data: "a: 2\n"}, {name: "app/values.yaml", data: "a: 3\n"}}, map[string]string{"Chart.yaml": chartYAML.data, "values.yaml": "a: 3\n"}, []string{"the chart has values.yaml twice; the last one counts"}},
		"apiVersion v3": {[]entry{{name: "app/Chart.yaml", data: "apiVersion: v3\nname: app\nversion: 1.0.0\n"}}, map[string]string{"Chart.yaml": "apiVersion: v3\nname: app\nversion: 1.0.0\n"}, nil},
	} {
		p, err := FromArchive(t.Context(), tarball(t, c.entries...), ArchiveSpec{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(c.want, texts(p)); diff != "" {
			t.Errorf("%s: files (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(c.notes, p.Notes); diff != "" {
			t.Errorf("%s: notes (-want +got):\n%s", name, diff)
		}
	}
}

// TestUnknownFormat: only an archive that lies in a source is asked for its format.
func TestUnknownFormat(t *testing.T) {
	t.Parallel()
	v3 := map[string]string{"Chart.yaml": "apiVersion: v3\nname: app\nversion: 1.0.0\n", "values.yaml": ""}
	files := under("app", v3)
	files["app.tgz"], files["v.yaml"] = string(packed(t, "app", v3)), "a: 1\n"
	in := tree.FromMap(files)
	if _, err := FromTree(t.Context(), in, TreeSpec{Path: "app"}, nil); err != nil {
		t.Errorf("a folder: %v", err)
	}
	if _, err := FromTree(t.Context(), in, TreeSpec{Path: "app.tgz"}, nil); err != nil {
		t.Errorf("an archive that is only copied: %v", err)
	}
	_, err := FromTree(t.Context(), in, TreeSpec{Path: "app.tgz", ValuesFiles: []string{"v.yaml"}}, nil)
	if err == nil || !strings.Contains(err.Error(), `app.tgz: Chart.yaml has apiVersion "v3"`) {
		t.Errorf("an archive that is packaged anew: got %v", err)
	}
}

func TestLargeFolders(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", MaxFile)
	base := map[string]string{"Chart.yaml": metadata("app", "1.0.0")}
	folder := func(more map[string]string) map[string]string {
		files := maps.Clone(base)
		maps.Copy(files, more)
		return files
	}
	most := map[string]string{}
	for i := range 20 {
		if !race { // a hundred megabytes take a minute
			most[fmt.Sprintf("files/%d", i)] = large
		}
	}
	rules := map[string]string{".helmignore": strings.Repeat("a*b\n", 1<<15)}
	for i := range 1000 {
		rules[fmt.Sprintf("f%d", i)] = ""
	}
	for name, c := range map[string]struct {
		files map[string]string
		err   string
	}{
		"a large file":         {folder(map[string]string{"big": large + "x"}), "big has 5242881 bytes, 5242880 are the limit"},
		"the largest file":     {folder(map[string]string{"big": large}), ""},
		"more than is loaded":  {folder(most), "decompressed chart is larger"},
		"rules times files":    {folder(rules), "too many together"},
		"large, but ignored":   {folder(map[string]string{"big": large + "x", ".helmignore": "big\n"}), ""},
		"rules with two stars": {folder(map[string]string{".helmignore": "**/x\n"}), "double-star"},
	} {
		if len(c.files) == len(base) {
			continue
		}
		_, err := FromTree(t.Context(), tree.FromMap(c.files), TreeSpec{Path: "."}, nil)
		if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: got %v, want %q", name, err, c.err)
		}
	}
}

func TestFromArtifact(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files map[string]string
		want  []string
		err   string
	}{
		"a folder":           {map[string]string{"app/Chart.yaml": metadata("app", "1.0.0"), "app/a/b.txt": "b", "app/.helmignore": "a\n"}, []string{".helmignore", "Chart.yaml", "a/b.txt"}, ""},
		"two folders":        {map[string]string{"app/Chart.yaml": metadata("app", "1.0.0"), "more/values.yaml": "a: 1\n"}, []string{"Chart.yaml", "values.yaml"}, ""},
		"a file in the root": {map[string]string{"Chart.yaml": metadata("app", "1.0.0"), "templates/a.yaml": "kind: A\n"}, nil, "Chart.yaml lies in the root"},
		"deeper":             {map[string]string{"charts/app/Chart.yaml": metadata("app", "1.0.0")}, nil, "Chart.yaml file is missing"},
		"nothing":            {map[string]string{}, nil, "no files"},
		"a large file":       {map[string]string{"app/Chart.yaml": strings.Repeat("x", MaxFile+1)}, nil, "app/Chart.yaml has 5242881 bytes"},
	} {
		p, err := FromArtifact(t.Context(), tree.FromMap(c.files))
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: got %v, want %q", name, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(c.want, slices.Sorted(maps.Keys(texts(p)))); diff != "" {
			t.Errorf("%s: files (-want +got):\n%s", name, diff)
		}
	}
}

func TestSetDigestVersion(t *testing.T) {
	t.Parallel()
	const hex = "0123456789abcdef"
	archive := packed(t, "app", map[string]string{"Chart.yaml": "# comment\n" + metadata("app", "v1.2.3+old") + "dependencies: [{name: d, version: 1.x, repository: x}]\n"})
	p, err := FromArchive(t.Context(), archive, ArchiveSpec{})
	if err != nil {
		t.Fatal(err)
	}
	for revision, want := range map[string]string{
		"1.2.3@sha256:" + hex:            "1.2.3+0123456789ab",
		"1.2.3_old@sha256:" + hex:        "1.2.3+0123456789ab",
		"v1.2.3@sha256:" + hex:           "1.2.3+0123456789ab",
		"latest@sha256:" + hex:           "1.2.3+0123456789ab",
		"sha256:" + hex:                  "1.2.3+0123456789ab",
		"1.2.4@sha256:" + hex:            "",
		"1.2.3@sha256:short":             "",
		"1.2.3@x@sha256:" + hex:          "",
		"sha256:" + hex + ":" + hex:      "",
		"no digest":                      "v1.2.3+old",
		"6.5.4":                          "v1.2.3+old",
		"1.2.3-rc.1@sha256:" + hex + "0": "",
	} {
		got, err := SetDigestVersion(p, revision)
		switch {
		case want == "" && err == nil:
			t.Errorf("%s: got %s, want an error", revision, got.Version)
		case want != "" && err != nil:
			t.Errorf("%s: %v", revision, err)
		case want != "" && (got.Version != want || !strings.Contains(texts(got)["Chart.yaml"], "version: "+want)):
			t.Errorf("%s: got %s, want %s, in\n%s", revision, got.Version, want, texts(got)["Chart.yaml"])
		case want != "" && want != p.Version && (got.Digest == p.Digest || !strings.Contains(texts(got)["Chart.yaml"], "name: d")):
			t.Errorf("%s: the digest or the dependencies are as before", revision)
		}
	}
	if p.Version != "v1.2.3+old" {
		t.Error("the package given was changed")
	}
}

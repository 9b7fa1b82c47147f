package chart

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/tree"
)

func metadata(name, version string) string {
	return fmt.Sprintf("apiVersion: v2\nname: %s\nversion: %s\n", name, version)
}

const revision = "main@sha1:0123456789abcdef0123456789abcdef01234567"

func TestVersions(t *testing.T) {
	t.Parallel()
	files := under("app", map[string]string{"Chart.yaml": metadata("app", "v1.2"), "values.yaml": "a: 1\n"})
	files["app.tgz"] = string(packed(t, "app", map[string]string{"Chart.yaml": metadata("app", "v1.2"), "values.yaml": "a: 1\n"}))
	files["prod.yaml"], files["README.md"] = "a: 2\n", "some text that is no archive"
	in := tree.FromMap(files)
	for name, c := range map[string]struct {
		spec         TreeSpec
		version, err string
	}{
		"as it is":                     {TreeSpec{Path: "app"}, "v1.2", ""},
		"by chart version":             {TreeSpec{Path: "./app/", ReconcileStrategy: "ChartVersion", Revision: revision}, "v1.2", ""},
		"by revision":                  {TreeSpec{Path: "app", ReconcileStrategy: "Revision", Revision: revision}, "1.2.0+0123456789ab", ""},
		"by digest of a bucket":        {TreeSpec{Path: "app", ReconcileStrategy: "Revision", Revision: "sha256:" + strings.Repeat("ef", 32)}, "1.2.0+efefefefefef", ""},
		"by old form of revision":      {TreeSpec{Path: "app", ReconcileStrategy: "Revision", Revision: "main/0123456789abcdef"}, "1.2.0+0123456789ab", ""},
		"by no revision":               {TreeSpec{Path: "app", ReconcileStrategy: "Revision"}, "", "too short"},
		"values":                       {TreeSpec{Path: "app", ValuesFiles: []string{"prod.yaml"}, Generation: 1}, "1.2.0+1", ""},
		"values and revision":          {TreeSpec{Path: "app", ValuesFiles: []string{"prod.yaml"}, Generation: 12, ReconcileStrategy: "Revision", Revision: revision}, "1.2.0+0123456789ab.12", ""},
		"the chart's own values":       {TreeSpec{Path: "app", ValuesFiles: []string{"./values.yaml"}, Generation: 12}, "v1.2", ""},
		"own values and others":        {TreeSpec{Path: "app", ValuesFiles: []string{"app/values.yaml", "prod.yaml"}, Generation: 2}, "1.2.0+2", ""},
		"an archive":                   {TreeSpec{Path: "app.tgz"}, "v1.2", ""},
		"an archive by revision":       {TreeSpec{Path: "app.tgz", ReconcileStrategy: "Revision", Revision: revision}, "1.2.0+0123456789ab", ""},
		"an archive with values":       {TreeSpec{Path: "app.tgz", ValuesFiles: []string{"prod.yaml"}, Generation: 4}, "1.2.0+4", ""},
		"missing values":               {TreeSpec{Path: "app", ValuesFiles: []string{"no.yaml"}}, "", "values file no.yaml is not in the source"},
		"values in the chart's folder": {TreeSpec{Path: "app", ValuesFiles: []string{"values.yaml", "prod.yaml"}}, "", "values file values.yaml is not in the source"},
		"missing values are ignored":   {TreeSpec{Path: "app", ValuesFiles: []string{"no.yaml"}, IgnoreMissingValuesFiles: true, Generation: 1}, "1.2.0+1", ""},
		"values are a folder":          {TreeSpec{Path: "app", ValuesFiles: []string{"app"}}, "", "values file app is a folder"},
		"no path":                      {TreeSpec{}, "", "path is empty"},
		"absolute path":                {TreeSpec{Path: "/app"}, "", "path is absolute"},
		"path out of the source":       {TreeSpec{Path: "../../app"}, "v1.2", ""}, // cut off at the root, as upstream does
		"no such path":                 {TreeSpec{Path: "apps"}, "", "apps"},
		"a file that is no archive":    {TreeSpec{Path: "README.md"}, "", "unpack README.md: gzip: invalid header"},
		"a folder that is no chart":    {TreeSpec{Path: "."}, "", "Chart.yaml"},
	} {
		p, err := FromTree(t.Context(), in, c.spec, nil)
		switch {
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%s: got error %v, want %q", name, err, c.err)
		case c.err == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.err == "" && p.Version != c.version:
			t.Errorf("%s: version %s, want %s", name, p.Version, c.version)
		case c.err == "" && !strings.Contains(texts(p)["Chart.yaml"], c.version):
			t.Errorf("%s: Chart.yaml does not say %s:\n%s", name, c.version, texts(p)["Chart.yaml"])
		}
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	chart := map[string]string{
		"Chart.yaml": metadata("app", "1.0.0"), "values.yaml": "# comment\na: {b: 1, c: 2}\nl: [1, 2]\n",
		"ci/prod.yaml": "a: {c: 3}\nl: [3]\n", "templates/values.yaml": "t: 1\n",
	}
	source := under("app", chart)
	in := tree.FromMap(source)
	archived := packed(t, "app", chart)
	const prod = "a:\n  c: 3\nl:\n- 3\n"
	for name, c := range map[string]struct {
		files           []string // from the chart's root
		missing         bool
		ofTree, ofChart string // "" where that is the same
	}{
		"none":              {ofTree: "# comment\na: {b: 1, c: 2}\nl: [1, 2]\n"},
		"replaced":          {files: []string{"ci/prod.yaml"}, ofTree: prod},
		"merged":            {files: []string{"values.yaml", "ci/prod.yaml"}, ofTree: "a:\n  b: 1\n  c: 3\nl:\n- 3\n"},
		"order counts":      {files: []string{"ci/prod.yaml", "values.yaml"}, ofTree: "a:\n  b: 1\n  c: 2\nl:\n- 1\n- 2\n"},
		"all missing":       {files: []string{"x.yaml", "y.yaml"}, missing: true, ofTree: ""},
		"missing":           {files: []string{"x.yaml"}, ofTree: "error: x.yaml is not in the source", ofChart: "error: x.yaml is not in the chart"},
		"a template":        {files: []string{"templates/values.yaml"}, ofTree: "t: 1\n", ofChart: "error: is not in the chart"},
		"one missing":       {files: []string{"x.yaml", "ci/prod.yaml"}, missing: true, ofTree: prod},
		"out of the source": {files: []string{"../../../app/ci/prod.yaml"}, ofTree: prod, ofChart: "error: is not in the chart"},
	} {
		fromTree := TreeSpec{Path: "app", IgnoreMissingValuesFiles: c.missing, Generation: 1}
		for _, f := range c.files {
			fromTree.ValuesFiles = append(fromTree.ValuesFiles, "app/"+f)
		}
		if c.ofChart == "" {
			c.ofChart = c.ofTree
		}
		isValues(t, name+", of a folder", valuesOf(FromTree(t.Context(), in, fromTree, nil)), c.ofTree)
		fromChart := ArchiveSpec{ValuesFiles: c.files, IgnoreMissingValuesFiles: c.missing, Generation: 1}
		isValues(t, name+", of an archive", valuesOf(FromArchive(t.Context(), archived, fromChart)), c.ofChart)
	}
}

// valuesOf is values.yaml of a package, or the error there is instead.
func valuesOf(p *Package, err error) string {
	if err != nil {
		return "error: " + err.Error()
	}
	return texts(p)["values.yaml"]
}

// isValues fails when got is neither the wanted text nor, where that begins with
// "error: ", an error with it.
func isValues(t *testing.T, name, got, want string) {
	t.Helper()
	message, wantErr := strings.CutPrefix(want, "error: ")
	if wantErr && strings.HasPrefix(got, "error: ") && strings.Contains(got, message) {
		return
	}
	if got != want {
		t.Errorf("%s: values.yaml is\n%s\nwant\n%s", name, got, want)
	}
}

func TestDependencies(t *testing.T) {
	t.Parallel()
	library := map[string]string{"Chart.yaml": metadata("library", "1.4.0"), "values.yaml": "l: 1\n"}
	deps := known{
		"https://charts.example/ redis 17.x.x":   packed(t, "redis", map[string]string{"Chart.yaml": metadata("redis", "17.3.0")}),
		"https://charts.example/ redis 17.1.0":   packed(t, "redis", map[string]string{"Chart.yaml": metadata("redis", "17.1.0")}),
		"oci://registry.example/c redis 17.1.0":  packed(t, "redis", map[string]string{"Chart.yaml": metadata("redis", "17.1.0")}),
		"https://charts.example/ broken 1.0.0":   []byte("not an archive"),
		"https://charts.example/ no-chart 1.0.0": packed(t, "x", map[string]string{"README.md": "x"}),
	}
	dep := func(name, repository, version string, more ...string) string {
		return fmt.Sprintf("- {name: %s, repository: %q, version: %q%s}\n", name, repository, version, strings.Join(more, ""))
	}
	for name, c := range map[string]struct {
		deps  string
		files map[string]string // of the source, the chart is in apps/app
		want  []string          // charts/ of the package
		err   string
		lacks bool
	}{
		"in the source": {
			deps: dep("library", "file://../../lib", "1.x"), files: under("lib", library),
			want: []string{"charts/library/Chart.yaml", "charts/library/values.yaml"},
		},
		"by an alias": {
			deps: dep("library", "file://../../lib", "1.x", ", alias: other"), files: under("lib", library),
			want: []string{"charts/other/Chart.yaml", "charts/other/values.yaml"},
		},
		"an archive in the source": {
			deps: dep("library", "file://../../lib.tgz", "1.x"), files: map[string]string{"lib.tgz": string(packed(t, "x", library))},
			want: []string{"charts/library/Chart.yaml", "charts/library/values.yaml"},
		},
		"above the source, cut off at its root": {
			deps: dep("library", "file://../../../../../lib", "*"), files: under("lib", library),
			want: []string{"charts/library/Chart.yaml", "charts/library/values.yaml"},
		},
		"not in the source":    {deps: dep("library", "file://../lib", "1.x"), err: "no chart at apps/lib"},
		"of another version":   {deps: dep("library", "file://../../lib", ">=2"), files: under("lib", library), err: `lib has version 1.4.0, ">=2" is wanted`},
		"with no such version": {deps: dep("library", "file://../../lib", "new"), files: under("lib", library), err: `version "new"`},
		"vendored as a folder": {
			deps: dep("library", "https://charts.example", "1.x"), files: under("apps/app/charts/library", library),
			want: []string{"charts/library/Chart.yaml", "charts/library/values.yaml"},
		},
		"vendored as an archive": {
			deps:  dep("library", "https://charts.example", "1.x"),
			files: map[string]string{"apps/app/charts/library-1.4.0.tgz": string(packed(t, "x", library))},
			want:  []string{"charts/library/Chart.yaml", "charts/library/values.yaml"},
		},
		"without a repository, in charts/ of another name": {
			deps: dep("one", "", "1.x") + dep("two", "", "1.x"), files: under("apps/app/charts/one", library), err: "no chart at apps/app/charts/two",
		},
		"remote":                {deps: dep("redis", "https://charts.example", "17.x.x"), want: []string{"charts/redis/Chart.yaml"}},
		"remote of a registry":  {deps: dep("redis", "oci://registry.example/c/", "17.1.0"), want: []string{"charts/redis/Chart.yaml"}},
		"remote, twice":         {deps: dep("redis", "https://charts.example", "17.x.x") + dep("redis", "https://charts.example", "17.1.0", ", alias: cache"), want: []string{"charts/cache/Chart.yaml", "charts/redis/Chart.yaml"}},
		"remote, not there":     {deps: dep("mysql", "https://charts.example", "1.0.0"), err: "not found: https://charts.example/ mysql 1.0.0", lacks: true},
		"remote, no archive":    {deps: dep("broken", "https://charts.example", "1.0.0"), err: "unpack chart of https://charts.example/"},
		"remote, no chart":      {deps: dep("no-chart", "https://charts.example", "1.0.0"), err: "Chart.yaml file is missing"},
		"alias of a repository": {deps: dep("redis", "@stable", "17.1.0"), err: "source-controller can read"},
		"ssh":                   {deps: dep("redis", "ssh://charts.example", "17.1.0"), err: "source-controller can read"},
		"the lock file counts": {
			deps:  dep("redis", "https://charts.example", "17.x.x"),
			files: map[string]string{"apps/app/Chart.lock": "dependencies:\n" + dep("redis", "https://charts.example", "17.1.0")},
			want:  []string{"Chart.lock", "charts/redis/Chart.yaml"},
		},
		"an empty entry of the lock file": {
			deps:  dep("redis", "https://charts.example", "17.x.x"),
			files: map[string]string{"apps/app/Chart.lock": "dependencies: [null]\n"}, err: "empty entry",
		},
		"as many as wanted, though others": { // as upstream: equal numbers are not looked at
			deps: dep("redis", "https://charts.example", "17.x.x"), files: under("apps/app/charts/library", library),
			want: []string{"charts/library/Chart.yaml", "charts/library/values.yaml"},
		},
	} {
		files := map[string]string{"apps/app/Chart.yaml": metadata("app", "1.0.0") + "dependencies:\n" + c.deps}
		maps.Copy(files, c.files)
		p, err := FromTree(t.Context(), tree.FromMap(files), TreeSpec{Path: "apps/app"}, deps)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) || errors.Is(err, ErrDependency) != c.lacks {
				t.Errorf("%s: got %v, want %q, lacking %v", name, err, c.err, c.lacks)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := slices.DeleteFunc(slices.Sorted(maps.Keys(texts(p))), func(name string) bool { return name == "Chart.yaml" })
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: files (-want +got):\n%s", name, diff)
		}
	}
}

func TestDependenciesNotAtHand(t *testing.T) {
	t.Parallel()
	in := tree.FromMap(map[string]string{"Chart.yaml": metadata("app", "1.0.0") + "dependencies: [{name: a, version: 1.x, repository: https://a.example}]\n"})
	if _, err := FromTree(t.Context(), in, TreeSpec{Path: "."}, nil); !errors.Is(err, ErrDependency) || !strings.Contains(err.Error(), "a 1.x of https://a.example/") {
		t.Errorf("got %v, want ErrDependency with what is wanted", err)
	}
	stop, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := FromTree(stop, in, TreeSpec{Path: "."}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestSymlinks(t *testing.T) {
	t.Parallel()
	link := func(to string) tree.Blob { return tree.Blob{Mode: tree.Symlink, Data: to} }
	file := func(data string) tree.Blob { return tree.Blob{Mode: tree.File, Data: data} }
	base := map[string]tree.Blob{"app/Chart.yaml": file(metadata("app", "1.0.0")), "shared/t/a.yaml": file("kind: A\n"), "shared/v.yaml": file("v: 1\n")}
	for name, c := range map[string]struct {
		path, from, to string // the chart, and one more link
		want           []string
		err            string
	}{
		"to a folder":            {"app", "app/templates", "../shared/t", []string{"Chart.yaml", "templates/a.yaml"}, ""},
		"to a file":              {"app", "app/values.yaml", "../shared/v.yaml", []string{"Chart.yaml", "values.yaml"}, ""},
		"in the path":            {"link", "link", "app", []string{"Chart.yaml"}, ""},
		"in the path, absolute":  {"link", "link", "/app", []string{"Chart.yaml"}, ""},
		"out of the source":      {"app", "app/values.yaml", "../../etc/passwd", nil, "follow values.yaml: app/values.yaml: symbolic link leads out of the source"},
		"to an absolute path":    {"app", "app/values.yaml", "/etc/passwd", nil, "leads out of the source"},
		"to nothing":             {"app", "app/values.yaml", "nothing", nil, "follow values.yaml"},
		"to itself":              {"app", "app/values.yaml", "values.yaml", nil, "more than 255 symbolic links"},
		"to its own folder":      {"app", "app/templates", ".", nil, "too deep"},
		"to the source's root":   {"app", "app/all", "..", nil, "too deep"},
		"ignored, but dangling":  {"app", "app/.helmignore", "../none", nil, "follow .helmignore"}, // as upstream: it is part of the chart
		"metadata by a link out": {"app", "app/requirements.yaml", "/etc/passwd", nil, "leads out of the source"},
	} {
		blobs := maps.Clone(base)
		blobs[c.from] = link(c.to)
		p, err := FromTree(t.Context(), tree.FromBlobs(blobs), TreeSpec{Path: c.path}, nil)
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

// TestTrace: a package holds for every tree that answers the same reads, and for no
// tree where one of its files, values files or dependencies differs.
func TestTrace(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"app/Chart.yaml":  metadata("app", "1.0.0") + "dependencies: [{name: library, version: 1.x, repository: 'file://../lib'}]\n",
		"app/values.yaml": "a: 1\n", "app/templates/a.yaml": "kind: A\n", "prod.yaml": "a: 2\n", "other/README.md": "x",
		"lib/Chart.yaml": metadata("library", "1.0.0"), "lib/templates/_a.tpl": "x",
	}
	rec := tree.Record(tree.FromMap(files))
	spec := TreeSpec{Path: "app", ValuesFiles: []string{"prod.yaml", "local.yaml"}, IgnoreMissingValuesFiles: true, Generation: 1}
	first, err := FromTree(t.Context(), rec, spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		path, data string
		holds      bool
	}{
		"elsewhere":           {"other/README.md", "y", true},
		"a new file":          {"other/new.yaml", "y", true},
		"a template":          {"app/templates/a.yaml", "kind: B\n", false},
		"a new template":      {"app/templates/b.yaml", "kind: B\n", false},
		"a values file":       {"prod.yaml", "a: 3\n", false},
		"an absent one":       {"local.yaml", "a: 3\n", false},
		"a dependency":        {"lib/templates/_a.tpl", "y", false},
		"new rules to ignore": {"app/.helmignore", "*.yaml\n", false},
		"old dependencies":    {"app/requirements.yaml", "dependencies: []\n", false},
	} {
		changed := maps.Clone(files)
		changed[c.path] = c.data
		if got := rec.Trace().Holds(tree.FromMap(changed)); got != c.holds {
			t.Errorf("%s: holds %v, want %v", name, got, c.holds)
		}
	}
	again, err := FromTree(t.Context(), tree.FromMap(files), spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("the same files, another package (-first +again):\n%s", diff)
	}
}

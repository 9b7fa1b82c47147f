package artifact

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	swv1 "github.com/fluxcd/source-watcher/api/v2/v1beta1"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulkhead-dev/bulkhead/tree"
)

func op(from, to string, more ...string) swv1.CopyOperation {
	o := swv1.CopyOperation{From: from, To: to}
	if len(more) > 0 {
		o.Strategy, o.Exclude = more[0], more[1:]
	}
	return o
}

// generator makes one artifact, app, of every source.
func generator(sources map[string]Source, ops ...swv1.CopyOperation) *swv1.ArtifactGenerator {
	g := &swv1.ArtifactGenerator{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "gen"}}
	for alias := range sources {
		g.Spec.Sources = append(g.Spec.Sources, swv1.SourceReference{Alias: alias, Kind: "GitRepository", Name: alias})
	}
	g.Spec.OutputArtifacts = []swv1.OutputArtifact{{Name: "app", Copy: ops}}
	return g
}

// flat maps each file to its content; folders without a file end with a slash.
func flat(tb testing.TB, tr *tree.Tree) map[string]string {
	tb.Helper()
	out := map[string]string{}
	for p, data := range contents(tb, tr) {
		if _, data, ok := strings.Cut(data, " "); ok {
			out[p] = data
		} else if entries, err := tr.ReadDir(strings.TrimSuffix(p, "/")); err != nil || len(entries) == 0 {
			out[p] = ""
		}
	}
	return out
}

// TestCopy has the examples of the documentation and the corners of each rule.
//
// Source: source-watcher docs/spec/v1beta1/artifactgenerators.md "Copy Operations".
func TestCopy(t *testing.T) {
	chart := pack(t, member{name: "podinfo/Chart.yaml", data: "name: podinfo"}, member{name: "podinfo/values.yaml", data: "a: 1"})
	sources := map[string]Source{
		"source": {Tree: tree.FromBlobs(map[string]tree.Blob{
			"config.yaml": {Data: "config"}, "configs/one.yaml": {Data: "1"}, "configs/two.yaml": {Data: "2"}, "configs/README.md": {Data: "r"},
			"configs/sub/three.yaml": {Data: "3"}, "configs/sub/testdata/x.yaml": {Data: "x"}, "configs/sub/deep/four.yaml": {Data: "4"}, "run.sh": {Data: "r", Mode: tree.Executable},
			"link.yaml": {Mode: tree.Symlink, Data: "config.yaml"}, "configs/module": {Mode: tree.Submodule}, "[x].yaml": {Data: "brackets"},
		})},
		"chart":  {Tree: tree.FromMap(map[string]string{"podinfo/Chart.yaml": "name: podinfo", "podinfo/values.yaml": "a: 1\nb:\n  c: 2\n  d: [1, 2]\n"})},
		"git":    {Tree: tree.FromMap(map[string]string{"values-prod.yaml": "b:\n  d: [3]\n  e: 5\n---\nf: x\n", "list.yaml": "- a\n", "bad.yaml": "password: [s3cret\n"})},
		"oci":    {Tree: tree.FromMap(map[string]string{"podinfo-6.7.0.tgz": chart, "deep/er/b.TAR.GZ": pack(t, member{name: "b"}), "deep/a.txt": "a", "evil.tgz": pack(t, member{name: "../x"}), "link.tgz": pack(t, member{name: "l", kind: tar.TypeSymlink, data: "x"})})},
		"hidden": {Tree: tree.FromMap(map[string]string{"a.yaml": "a", "logo.png": "l", ".github/ci.yml": "c", "sub/.sops.yaml": "s", ".sourceignore": "a.yaml", "sub/.gitignore": "x"})},
	}
	type ops = []swv1.CopyOperation
	for name, c := range map[string]struct {
		ops  ops
		want map[string]string // nil: err
		err  string
	}{
		"file to path":              {ops{op("@source/config.yaml", "@artifact/apps/app.yaml")}, map[string]string{"apps/app.yaml": "config"}, ""},
		"file to folder":            {ops{op("@source/config.yaml", "@artifact/apps/")}, map[string]string{"apps/config.yaml": "config"}, ""},
		"file to root":              {ops{op("@source/config.yaml", "@artifact/")}, map[string]string{"config.yaml": "config"}, ""},
		"file to old folder":        {ops{op("@source/run.sh", "@artifact/apps/"), op("@source/config.yaml", "@artifact/apps")}, map[string]string{"apps/run.sh": "r", "apps/config.yaml": "config"}, ""},
		"files to folder":           {ops{op("@source/configs/*.yaml", "@artifact/apps/")}, map[string]string{"apps/configs/one.yaml": "1", "apps/configs/two.yaml": "2"}, ""},
		"dir becomes a folder":      {ops{op("@source/configs/sub/", "@artifact/apps/")}, map[string]string{"apps/sub/three.yaml": "3", "apps/sub/testdata/x.yaml": "x", "apps/sub/deep/four.yaml": "4"}, ""},
		"slashes do not matter":     {ops{op("@source/configs/sub", "@artifact/apps")}, map[string]string{"apps/sub/three.yaml": "3", "apps/sub/testdata/x.yaml": "x", "apps/sub/deep/four.yaml": "4"}, ""},
		"contents with excludes":    {ops{op("@source/configs/**", "@artifact/apps/", "", "*.md", "**/testdata/**")}, map[string]string{"apps/one.yaml": "1", "apps/two.yaml": "2", "apps/sub/three.yaml": "3", "apps/sub/deep/four.yaml": "4", "apps/module/": ""}, ""},
		"exclude below from":        {ops{op("@source/configs/**", "@artifact/", "", "sub", "README.md", "module")}, map[string]string{"one.yaml": "1", "two.yaml": "2"}, ""},
		"exclude a path below from": {ops{op("@source/configs/**", "@artifact/", "", "sub/deep/**", "sub/testdata", "*.md", "/one.yaml", "./two.yaml", "module/")}, map[string]string{"one.yaml": "1", "two.yaml": "2", "sub/three.yaml": "3", "module/": ""}, ""},
		"exclude from the root":     {ops{op("@source/configs", "@artifact/", "", "configs/sub/**", "one.*", "configs/module")}, map[string]string{"configs/README.md": "r", "configs/two.yaml": "2"}, ""},
		"file is excluded":          {ops{op("@source/config.yaml", "@artifact/", "", "*.yaml"), op("@source/run.sh", "@artifact/")}, map[string]string{"run.sh": "r"}, ""},
		"folder by wildcard":        {ops{op("@source/configs/s*", "@artifact/")}, map[string]string{"configs/sub/three.yaml": "3", "configs/sub/testdata/x.yaml": "x", "configs/sub/deep/four.yaml": "4"}, ""},
		"two stars are one":         {ops{op("@source/**/three.yaml", "@artifact/")}, nil, "no file matches"},
		"one level":                 {ops{op("@source/*/sub/*.yaml", "@artifact/")}, map[string]string{"configs/sub/three.yaml": "3"}, ""},
		"later wins":                {ops{op("@source/configs/one.yaml", "@artifact/a.yaml"), op("@source/configs/two.yaml", "@artifact/a.yaml")}, map[string]string{"a.yaml": "2"}, ""},
		"empty artifact":            {nil, map[string]string{}, ""},

		"chart with values": {
			ops{op("@chart/", "@artifact/"), op("@git/values-prod.yaml", "@artifact/podinfo/values.yaml", "Merge")},
			map[string]string{"podinfo/Chart.yaml": "name: podinfo", "podinfo/values.yaml": "a: 1\nb:\n  c: 2\n  d:\n  - 3\n  e: 5\nf: x\n"},
			"",
		},
		"chart with other values":  {ops{op("@chart/", "@artifact/"), op("@source/config.yaml", "@artifact/podinfo/values.yaml")}, map[string]string{"podinfo/Chart.yaml": "name: podinfo", "podinfo/values.yaml": "config"}, ""},
		"merge without a base":     {ops{op("@git/values-prod.yaml", "@artifact/v.yaml", "Merge")}, map[string]string{"v.yaml": "b:\n  d: [3]\n  e: 5\n---\nf: x\n"}, ""},
		"merge folders":            {ops{op("@chart/podinfo/**", "@artifact/"), op("@chart/podinfo/**", "@artifact/", "Merge")}, map[string]string{"Chart.yaml": "name: podinfo\n", "values.yaml": "a: 1\nb:\n  c: 2\n  d:\n  - 1\n  - 2\n"}, ""},
		"merge a list":             {ops{op("@chart/", "@artifact/"), op("@git/list.yaml", "@artifact/podinfo/values.yaml", "Merge")}, nil, "source: a document is not a YAML map"},
		"merge onto a folder":      {ops{op("@chart/", "@artifact/"), op("@git/**", "@artifact/podinfo/values.yaml", "Merge")}, nil, "is a file"},
		"merge shows no content":   {ops{op("@chart/", "@artifact/"), op("@git/bad.yaml", "@artifact/podinfo/values.yaml", "Merge")}, nil, "not a YAML map"},
		"extract":                  {ops{op("@oci/podinfo-6.7.0.tgz", "@artifact/", "Extract")}, map[string]string{"podinfo/Chart.yaml": "name: podinfo", "podinfo/values.yaml": "a: 1"}, ""},
		"extract by wildcard":      {ops{op("@oci/**/*", "@artifact/x", "Extract", "evil.tgz", "link.tgz")}, map[string]string{"x/podinfo/Chart.yaml": "name: podinfo", "x/podinfo/values.yaml": "a: 1", "x/b": ""}, ""},
		"extract nothing":          {ops{op("@oci/deep/*.txt", "@artifact/x", "Extract")}, map[string]string{}, ""},
		"extract no archive":       {ops{op("@oci/deep/a.txt", "@artifact/", "Extract")}, nil, "not a .tar.gz or .tgz"},
		"extract a folder":         {ops{op("@oci/deep", "@artifact/", "Extract")}, nil, "is a directory"},
		"extract with a link":      {ops{op("@oci/link.tgz", "@artifact/", "Extract")}, nil, "symlink"},
		"extract an escape":        {ops{op("@oci/evil.tgz", "@artifact/a/b/", "Extract")}, nil, "invalid name"},
		"default exclusions":       {ops{op("@hidden/", "@artifact/")}, map[string]string{"a.yaml": "a", ".sourceignore": "a.yaml", "sub/": ""}, ""},
		"archives are left out":    {ops{op("@oci/deep", "@artifact/"), op("@oci/podinfo-6.7.0.tgz", "@artifact/x.tar.gz")}, map[string]string{"deep/er/b.TAR.GZ": pack(t, member{name: "b"}), "deep/a.txt": "a"}, ""},
		"a link is not there":      {ops{op("@source/link.yaml", "@artifact/")}, nil, "does not exist"},
		"missing file":             {ops{op("@source/none.yaml", "@artifact/")}, nil, "none.yaml does not exist"},
		"no match":                 {ops{op("@source/*.none", "@artifact/")}, nil, "no file matches"},
		"all excluded":             {ops{op("@source/configs/*.yaml", "@artifact/", "", "*.yaml")}, nil, "all files that match are excluded"},
		"unknown alias":            {ops{op("@none/a", "@artifact/")}, nil, `source alias "none" not found`},
		"empty alias":              {ops{op("@/a", "@artifact/")}, nil, `source alias "" not found`},
		"no alias":                 {ops{op("source/a", "@artifact/")}, nil, "from is not @alias/pattern"},
		"only an alias":            {ops{op("@source", "@artifact/")}, nil, "from is not @alias/pattern"},
		"from above":               {ops{op("@source/../../etc/passwd", "@artifact/")}, nil, "invalid"},
		"from above by wildcard":   {ops{op("@source/../../etc/*", "@artifact/")}, nil, "no file matches"},
		"from the root of disk":    {ops{op("@source//etc/passwd", "@artifact/")}, nil, "invalid"},
		"to above":                 {ops{op("@source/config.yaml", "../x")}, nil, "to does not start with @artifact/"},
		"to above the artifact":    {ops{op("@source/config.yaml", "@artifact/../x")}, nil, "to is not within the artifact"},
		"to round about":           {ops{op("@source/config.yaml", "@artifact/a/../x")}, nil, "to is not within the artifact"},
		"to the root of disk":      {ops{op("@source/config.yaml", "@artifact//etc/x")}, nil, "to is not within the artifact"},
		"to a source":              {ops{op("@source/config.yaml", "@source/x")}, nil, "to does not start with @artifact/"},
		"bad wildcard":             {ops{op("@source/[a", "@artifact/")}, nil, "syntax error"},
		"bad exclude":              {ops{op("@source/*", "@artifact/", "", "[a")}, nil, `invalid exclude pattern "[a"`},
		"glob bomb":                {ops{op("@source/"+strings.Repeat("{a,b}", 30)+"*", "@artifact/", "Extract")}, nil, "too large"},
		"exclude bomb":             {ops{op("@source/*", "@artifact/", "", strings.Repeat("{a,b}", 30))}, nil, "too large"},
		"nested exclude bomb":      {ops{op("@source/*", "@artifact/", "", "{"+strings.Repeat("{a,b},", 5000)+"}")}, nil, "too large"},
		"file on a folder":         {ops{op("@source/configs", "@artifact/"), op("@source/c*.yaml", "@artifact/"), op("@source/configs/sub/**", "@artifact/configs"), op("@chart/**", "@artifact/"), op("@source/configs/**", "@artifact/config.yaml")}, nil, "is a file"},
		"a file where a folder is": {ops{op("@source/configs", "@artifact/x"), op("@source/config.yaml", "@artifact/x/configs"), op("@source/config.yaml", "@artifact/x/configs/sub/"), op("@oci/**/b.*", "@artifact/", "Extract"), op("@source/configs/*", "@artifact/x"), op("@source/configs/sub", "@artifact/x/configs/one.yaml")}, nil, "is a file"},
	} {
		t.Run(name, func(t *testing.T) {
			made, err := Generate(t.Context(), generator(sources, c.ops...), sources)
			if c.want == nil {
				if err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "s3cret") {
					t.Errorf("got error %v, want %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, flat(t, made[0].Tree)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

// TestGenerateMetadata: names, labels and revisions.
func TestGenerateMetadata(t *testing.T) {
	sources := map[string]Source{
		"git": {Tree: tree.FromMap(map[string]string{"a.yaml": "a"}), Revision: "main@sha1:abc"},
		"oci": {Tree: tree.FromMap(map[string]string{"b.yaml": "b"}), Revision: "v1@sha256:def", OriginRevision: "main@sha1:abc"},
	}
	g := generator(sources)
	g.Spec.CommonMetadata = &swv1.CommonMetadata{Labels: map[string]string{"team": "a", "app.kubernetes.io/managed-by": "me"}, Annotations: map[string]string{"n": "v"}}
	copyA := []swv1.CopyOperation{op("@git/a.yaml", "@artifact/")}
	g.Spec.OutputArtifacts = []swv1.OutputArtifact{
		{Name: "plain", Copy: copyA},
		{Name: "revision", Revision: "@oci", Copy: copyA},
		{Name: "origin", OriginRevision: "@oci", Copy: copyA},
		{Name: "own", OriginRevision: "@git", Copy: copyA},
		{Name: "nobody", OriginRevision: "@none", Copy: copyA},
	}
	made, err := Generate(t.Context(), g, sources)
	if err != nil {
		t.Fatal(err)
	}
	labels, annotations := map[string]string{"team": "a", "app.kubernetes.io/managed-by": "me"}, map[string]string{"n": "v"}
	want := []Artifact{
		{Namespace: "apps", Name: "plain", Labels: labels, Annotations: annotations, Revision: "", OriginRevision: ""},
		{Namespace: "apps", Name: "revision", Labels: labels, Annotations: annotations, Revision: "v1@sha256:def", OriginRevision: ""},
		{Namespace: "apps", Name: "origin", Labels: labels, Annotations: annotations, Revision: "", OriginRevision: "main@sha1:abc"},
		{Namespace: "apps", Name: "own", Labels: labels, Annotations: annotations, Revision: "", OriginRevision: "main@sha1:abc"},
		{Namespace: "apps", Name: "nobody", Labels: labels, Annotations: annotations, Revision: "", OriginRevision: ""},
	}
	if diff := cmp.Diff(want, made, cmpopts.IgnoreFields(Artifact{}, "Tree", "origins")); diff != "" {
		t.Errorf("artifacts (-want +got):\n%s", diff)
	}
	g.Annotations = map[string]string{swv1.ReconcileAnnotation: "Disabled"}
	if _, err := Generate(t.Context(), g, sources); !errors.Is(err, ErrDisabled) {
		t.Errorf("disabled: %v", err)
	}
}

// TestArtifactName: the exclusions see the name of the artifact, as upstream stages
// in a folder of that name.
func TestArtifactName(t *testing.T) {
	sources := map[string]Source{"git": {Tree: tree.FromMap(map[string]string{"a.yaml": "a"})}}
	for name, want := range map[string]int{"app": 1, "app.zip": 0, "cloudbuild.yaml": 0, "zip": 1} {
		g := generator(sources, op("@git/**", "@artifact/"))
		g.Spec.OutputArtifacts[0].Name = name
		made, err := Generate(t.Context(), g, sources)
		if err != nil {
			t.Fatal(err)
		}
		if got := flat(t, made[0].Tree); len(got) != want {
			t.Errorf("artifact %s has %v", name, got)
		}
	}
}

func TestValidate(t *testing.T) {
	src := Source{Tree: tree.FromMap(map[string]string{"a": "a"})}
	ref := func(alias string) swv1.SourceReference { return swv1.SourceReference{Alias: alias} }
	for name, c := range map[string]struct {
		spec swv1.ArtifactGeneratorSpec
		err  string
	}{
		"alias twice":      {swv1.ArtifactGeneratorSpec{Sources: []swv1.SourceReference{ref("a"), ref("a")}}, `duplicate source alias "a"`},
		"source not ready": {swv1.ArtifactGeneratorSpec{Sources: []swv1.SourceReference{ref("b")}}, `source "b" is not ready`},
		"name twice":       {swv1.ArtifactGeneratorSpec{OutputArtifacts: []swv1.OutputArtifact{{Name: "x"}, {Name: "x"}}}, `duplicate artifact name "x"`},
		"revision":         {swv1.ArtifactGeneratorSpec{OutputArtifacts: []swv1.OutputArtifact{{Name: "x", Revision: "@none"}}}, `source alias "none" not found`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Generate(t.Context(), &swv1.ArtifactGenerator{Spec: c.spec}, map[string]Source{"a": src})
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("got error %v, want %q", err, c.err)
			}
		})
	}
}

func TestPathPattern(t *testing.T) {
	repo := Source{Tree: tree.FromMap(map[string]string{
		"apps/Auth/envs/Dev/a.yaml": "ad", "apps/Auth/envs/Prod/a.yaml": "ap", "apps/payments/envs/dev/p.yaml": "pd", "apps/ignore/envs/dev": "a file", "apps/auth/x": "x",
		"odd/.hidden/a": "", "odd2/my app/a": "", "odd3/" + strings.Repeat("a", 64) + "/a": "", "a.b/x/y": "", "acb/x/y": "",
	})}
	artifact := func(name string, ops ...swv1.CopyOperation) swv1.OutputArtifact {
		return swv1.OutputArtifact{Name: name, Copy: ops}
	}
	for name, c := range map[string]struct {
		pattern string
		make    []swv1.OutputArtifact
		want    []string // name {labels} files
		err     string
	}{
		"two captures": {
			"@repo/apps/{app}/envs/{env}",
			[]swv1.OutputArtifact{artifact("{app}-{env}", op("@repo/apps/{app}/envs/{env}/**", "@artifact/{env}/"))},
			[]string{"auth-dev map[app:auth env:dev] map[Dev/a.yaml:ad]", "auth-prod map[app:auth env:prod] map[Prod/a.yaml:ap]", "payments-dev map[app:payments env:dev] map[dev/p.yaml:pd]"},
			"",
		},
		"two artifacts each": {
			"@repo/apps/{app}/envs/dev",
			[]swv1.OutputArtifact{artifact("a-{app}"), artifact("b-{app}", op("@repo/apps/{app}/envs/dev/*", "@artifact/"))},
			[]string{"a-payments map[app:payments] map[]", "b-payments map[app:payments] map[apps/payments/envs/dev/p.yaml:pd]"},
			"",
		},
		"no capture":         {"@repo/a.b/x", []swv1.OutputArtifact{artifact("one")}, []string{"one map[] " + "map[]"}, ""},
		"a dot is a dot":     {"@repo/a.b/{x}", []swv1.OutputArtifact{artifact("o-{x}")}, []string{"o-x map[x:x] map[]"}, ""},
		"no folder":          {"@repo/none/{x}", []swv1.OutputArtifact{artifact("o-{x}")}, nil, ""},
		"collision":          {"@repo/apps/{app}", []swv1.OutputArtifact{artifact("{app}")}, nil, `directories "apps/Auth" and "apps/auth" both give the artifact name "auth"`},
		"constant name":      {"@repo/apps/{app}", []swv1.OutputArtifact{artifact("same")}, nil, "both give the artifact name"},
		"empty capture":      {"@repo/apps/{}", nil, nil, `"" is not the name of a capture`},
		"dash in a capture":  {"@repo/apps/{a-b}", nil, nil, "not the name of a capture"},
		"not closed":         {"@repo/apps/{app", nil, nil, "not closed"},
		"not opened":         {"@repo/apps/app}", nil, nil, "no opening one"},
		"capture twice":      {"@repo/{a}/{a}", nil, nil, `duplicate capture "a"`},
		"no label key":       {"@repo/{_a}", nil, nil, "not a valid label key"},
		"no alias":           {"apps/{app}", nil, nil, "not @alias/pattern"},
		"unknown alias":      {"@none/{app}", nil, nil, `source alias "none" not found`},
		"dot folder":         {"@repo/odd/{a}", []swv1.OutputArtifact{artifact("{a}")}, nil, "not a valid label value"},
		"space":              {"@repo/odd2/{a}", []swv1.OutputArtifact{artifact("{a}")}, nil, "not a valid label value"},
		"long":               {"@repo/odd3/{a}", []swv1.OutputArtifact{artifact("{a}")}, nil, "not a valid label value"},
		"bad name":           {"@repo/acb/{a}", []swv1.OutputArtifact{artifact("{a}..b")}, nil, "not a valid object name"},
		"unknown in name":    {"@repo/acb/{a}", []swv1.OutputArtifact{artifact("{b}")}, nil, `no capture "b"`},
		"unknown in from":    {"@repo/acb/{a}", []swv1.OutputArtifact{artifact("x", op("@repo/{b}", "@artifact/"))}, nil, `no capture "b"`},
		"unknown in to":      {"@repo/acb/{a}", []swv1.OutputArtifact{artifact("x", op("@repo/a", "@artifact/{b}"))}, nil, `no capture "b"`},
		"braces in from":     {"@repo/acb/{a}", []swv1.OutputArtifact{artifact("x", op("@repo/{a,b}", "@artifact/"))}, nil, "not the name of a capture"},
		"expression is text": {"@repo/(a|b).*{x}", []swv1.OutputArtifact{artifact("x")}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			sources := map[string]Source{"repo": repo}
			g := generator(sources)
			g.Spec.PathPattern, g.Spec.OutputArtifacts = c.pattern, c.make
			made, err := Generate(t.Context(), g, sources)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(err.Error(), fmt.Sprintf("pathPattern %q", c.pattern)) {
					t.Errorf("got error %v, want %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, a := range made {
				delete(a.Labels, "app.kubernetes.io/managed-by")
				got = append(got, fmt.Sprint(a.Name, " ", a.Labels, " ", flat(t, a.Tree)))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("artifacts (-want +got):\n%s", diff)
			}
		})
	}
}

// TestHostileGenerators: a generator that asks for too much is stopped soon.
func TestHostileGenerators(t *testing.T) {
	deep, wide := map[string]string{}, map[string]string{}
	for i := range 60 {
		deep[strings.Repeat("a/", i+1)+"f.tgz"] = ""
	}
	for i := range 3000 {
		wide[fmt.Sprintf("d%d/f", i)] = "x"
	}
	bomb := "a: &a [" + strings.Repeat("x, ", 8) + "x]\n"
	for i := 'b'; i <= 'j'; i++ {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", i, i, strings.Repeat(fmt.Sprintf("*%c, ", i-1), 9)+"x")
	}
	sources := map[string]Source{
		"deep": {Tree: tree.FromMap(deep)}, "wide": {Tree: tree.FromMap(wide)},
		"yaml": {Tree: tree.FromMap(map[string]string{"bomb.yaml": bomb, "docs.yaml": strings.Repeat("---\na: 1\n", 5_000), "deep.yaml": strings.Repeat("{a: ", 50_000), "big.yaml": strings.Repeat("#", maxMerges+1)})},
	}
	many := slices.Repeat([]swv1.CopyOperation{op("@wide/**", "@artifact/", "", "none")}, 100_000)
	for name, c := range map[string]struct {
		ops []swv1.CopyOperation
		ok  bool
	}{
		"stars without end":  {[]swv1.CopyOperation{op("@deep/"+strings.Repeat("**/a/", 40)+"*.tgz", "@artifact/", "Extract")}, false},
		"copies without end": {many, false},
		"costly excludes":    {slices.Repeat([]swv1.CopyOperation{op("@wide/**", "@artifact/", "", strings.Repeat("{x,y}", 11))}, 100), false},
		"aliases":            {[]swv1.CopyOperation{op("@yaml/bomb.yaml", "@artifact/a"), op("@yaml/bomb.yaml", "@artifact/a", "Merge")}, false},
		"many documents":     {[]swv1.CopyOperation{op("@yaml/docs.yaml", "@artifact/a"), op("@yaml/docs.yaml", "@artifact/a", "Merge")}, true},
		"nested flow":        {[]swv1.CopyOperation{op("@yaml/deep.yaml", "@artifact/a"), op("@yaml/deep.yaml", "@artifact/a", "Merge")}, false},
		"large merge":        {[]swv1.CopyOperation{op("@yaml/big.yaml", "@artifact/a"), op("@yaml/big.yaml", "@artifact/a", "Merge")}, false},
		"merges without end": {append([]swv1.CopyOperation{op("@yaml/docs.yaml", "@artifact/a")}, slices.Repeat([]swv1.CopyOperation{op("@yaml/docs.yaml", "@artifact/a", "Merge")}, 1000)...), false},
	} {
		t.Run(name, func(t *testing.T) {
			if raceDetector && strings.Contains(name, "end") {
				t.Skip("a million steps are slow with the race detector")
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err := Generate(ctx, generator(sources, c.ops...), sources)
			if (err == nil) != c.ok || ctx.Err() != nil {
				t.Errorf("got error %v (%v)", err, ctx.Err())
			}
		})
	}
}

// TestGenerateStops: a cancelled context ends it.
func TestGenerateStops(t *testing.T) {
	sources := map[string]Source{"git": {Tree: tree.FromMap(map[string]string{"a": "a"})}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Generate(ctx, generator(sources, op("@git/**", "@artifact/")), sources); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v", err)
	}
}

// TestFrom: each file of an artifact knows the file of a source that it is.
func TestFrom(t *testing.T) {
	sources := map[string]Source{
		"git": {Tree: tree.FromMap(map[string]string{"apps/a/x.yaml": "x: 1", "apps/b.yaml": "b: 1", "v.yaml": "v: 1"})},
		"oci": {Tree: tree.FromMap(map[string]string{"v.yaml": "v: 2"})},
	}
	g := generator(sources, op("@git/apps/**", "@artifact/deep/"), op("@git/v.yaml", "@artifact/v.yaml"))
	merge := op("@oci/v.yaml", "@artifact/v.yaml")
	merge.Strategy = swv1.MergeStrategy
	g.Spec.OutputArtifacts[0].Copy = append(g.Spec.OutputArtifacts[0].Copy, merge)
	made, err := Generate(t.Context(), g, sources)
	if err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]string{
		"deep/a/x.yaml": "git apps/a/x.yaml", "deep/a": "git apps/a", "deep/b.yaml": "git apps/b.yaml",
		"v.yaml": "", "none": "", "deep/none": "",
	} {
		got := ""
		if alias, source, ok := made[0].From(p); ok {
			got = alias + " " + source
		}
		if got != want {
			t.Errorf("%s is from %q, want %q", p, got, want)
		}
	}
}

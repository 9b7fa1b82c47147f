package fleetcase

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bulkhead-dev/bulkhead/tree"
)

const whole = `What it is about: prose.
That shows: https: and markers: are prose too.

source: https://git.example.com/acme/lib @lib
ref: tag v1.0.0 @old
ref: a tag in >=1.0.0 <2.0.0 @old
branch: main
var: a name=a value=b
var: a empty=
cluster: plain envs/plain envs/more
link: after/apps/link ../top.yaml
submodule: module
crlf: both/apps/both.yaml
bom: apps/both.yaml
show: * metadata.labels
show: ConfigMap data
no upstream: for a reason
lab: needs @extra
-- top.yaml --
top
-- both/apps/both.yaml --
x
y
-- both/both/deep.yaml --
-- before/apps/one.yaml --
before
-- after/apps/one.yaml --
after
-- after/new.yaml --
-- @old/apps/one.yaml --
old
-- @lib/lib.yaml --
-- @extra/a.yaml --
-- want --
wanted
`

func TestParse(t *testing.T) {
	got, err := Parse("some/whole.txtar", []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	shared := tree.Blob{Data: "\ufeffx\r\ny\r\n"}
	module := tree.Blob{Mode: tree.Submodule}
	want := &Case{
		Name: "whole", File: "some/whole.txtar", Two: true, Branch: "main", Want: "wanted\n",
		Comment: "What it is about: prose.\nThat shows: https: and markers: are prose too.",
		Before: map[string]tree.Blob{
			"top.yaml": {Data: "top\n"}, "apps/both.yaml": shared, "both/deep.yaml": {}, "apps/one.yaml": {Data: "before\n"}, "module": module,
		},
		After: map[string]tree.Blob{
			"top.yaml": {Data: "top\n"}, "apps/both.yaml": shared, "both/deep.yaml": {}, "apps/one.yaml": {Data: "after\n"}, "module": module,
			"new.yaml": {}, "apps/link": {Mode: tree.Symlink, Data: "../top.yaml"},
		},
		Others:    map[string]map[string]tree.Blob{"@old": {"apps/one.yaml": {Data: "old\n"}}, "@lib": {"lib.yaml": {}}, "@extra": {"a.yaml": {}}},
		Sources:   []Source{{"https://git.example.com/acme/lib", "@lib"}},
		Refs:      []Ref{{"tag v1.0.0", "@old"}, {"a tag in >=1.0.0 <2.0.0", "@old"}},
		Variables: map[string]map[string]string{"a": {"name": "a value=b", "empty": ""}},
		Clusters:  []Cluster{{"plain", []string{"envs/plain", "envs/more"}}},
		Directives: map[string][]string{
			"show": {"* metadata.labels", "ConfigMap data"}, "no upstream": {"for a reason"}, "lab": {"needs @extra"},
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Case{})); diff != "" {
		t.Errorf("case (-want +got):\n%s", diff)
	}
}

// TestOneRevision: with no name below before/ or after/ there is one revision.
func TestOneRevision(t *testing.T) {
	c, err := Parse("a", []byte("crlf: b.yaml\n-- a.yaml --\na\n-- both/b.yaml --\nb\n"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Two || len(c.After) != 2 || !cmp.Equal(c.Before, c.After) {
		t.Errorf("two revisions: %v; before %v, after %v", c.Two, c.Before, c.After)
	}
}

// TestEditOneRevision: what a directive does to one revision makes two.
func TestEditOneRevision(t *testing.T) {
	c, err := Parse("a", []byte("crlf: after/a.yaml\n-- a.yaml --\na\n"))
	if err != nil {
		t.Fatal(err)
	}
	if before, after := c.Before["a.yaml"].Data, c.After["a.yaml"].Data; !c.Two || before != "a\n" || after != "a\r\n" {
		t.Errorf("two revisions: %v; before %q, after %q", c.Two, before, after)
	}
}

func TestShort(t *testing.T) {
	const fleet = `-- eu/a.sync --
-- both/apps/web.ks --
path: ./web
targetNamespace: x
-- @old/b.sync --
sourceRef: {kind: Bucket, name: c}
-- after/b.sync --
-- want --
`
	c, err := Parse("a", []byte("ref: branch b @old\n"+fleet))
	if err != nil {
		t.Fatal(err)
	}
	const repository = `apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata:
  name: flux-system
  namespace: flux-system
spec:
  interval: 1m0s
  ref:
    branch: main
  url: https://git.example.com/acme/fleet.git
---
`
	ks := func(name, path, kind, source, more string) string {
		return "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata:\n  name: " + name + "\n  namespace: flux-system\n" +
			"spec:\n  interval: 10m0s\n  path: " + path + "\n  prune: true\n  sourceRef:\n    kind: " + kind + "\n    name: " + source + "\n" + more
	}
	const git, flux = "GitRepository", "flux-system"
	want := map[string]string{
		"clusters/eu/a/flux-system/gotk-sync.yaml": repository + ks(flux, "./clusters/eu/a", git, flux, ""),
		"apps/web.yaml":                         ks("web", "./web", git, flux, "  targetNamespace: x\n"),
		"clusters/b/flux-system/gotk-sync.yaml": repository + ks(flux, "./clusters/b", git, flux, ""),
	}
	got := map[string]string{}
	for p, b := range c.After {
		got[p] = b.Data
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files after (-want +got):\n%s", diff)
	}
	old := c.Others["@old"]["clusters/b/flux-system/gotk-sync.yaml"].Data
	if diff := cmp.Diff(repository+ks(flux, "./clusters/b", "Bucket", "c", ""), old); diff != "" {
		t.Errorf("file of another ref (-want +got):\n%s", diff)
	}
}

// TestBadFiles: an error names the file, the line at fault and the reason.
func TestBadFiles(t *testing.T) {
	const a = "-- a.yaml --\na: 1\n"
	for name, c := range map[string]struct{ text, want string }{
		"unknown word":               {"prose\nshows: x\n" + a, `bad.txtar:2: "shows: x": no directive is called "shows"`},
		"unknown no":                 {"no lab: x\n" + a, `:1: "no lab: x": no directive is called "no lab"`},
		"prose below":                {"show: * data\n\nShow: * data\n" + a, `:3: "Show: * data": prose below a directive`},
		"no value":                   {"branch:\n" + a, `:1: "branch:": a directive without a value`},
		"two branches":               {"branch: a\nbranch: b\n" + a, `:2: "branch: b": that is there twice`},
		"branch of two words":        {"branch: a b\n" + a, "want branch: NAME"},
		"source without files":       {"source: https://x @lib\n" + a, `:1: "source: https://x @lib": no files below @lib`},
		"source without folder":      {"source: https://x lib\n" + a, "want source: URL @DIR"},
		"source twice":               {"source: https://x @l\nsource: https://x @l\n" + a + "-- @l/a --\n", ":2: \"source: https://x @l\": that is there twice"},
		"ref without files":          {"ref: tag v1 @old\n" + a, "no files below @old"},
		"ref without kind":           {"ref: v1 @old\n" + a + "-- @old/a --\n", "want ref: REF @DIR"},
		"ref of no kind":             {"ref: tags v1 @old\n" + a + "-- @old/a --\n", "want ref: REF @DIR"},
		"ref without a range":        {"ref: a tag in @old\n" + a + "-- @old/a --\n", "want ref: REF @DIR"},
		"ref without folder":         {"ref: tag v1\n" + a, "want ref: REF @DIR"},
		"ref alone":                  {"ref: @old\n" + a + "-- @old/a --\n", "want ref: REF @DIR"},
		"ref twice":                  {"ref: tag v1 @o\nref: tag v1 @o\n" + a + "-- @o/a --\n", "that is there twice"},
		"variable without value":     {"var: a name\n" + a, "want var: CLUSTER NAME=VALUE"},
		"variable without name":      {"var: a =x\n" + a, "want var: CLUSTER NAME=VALUE"},
		"variable without cluster":   {"var: name=x\n" + a, "want var: CLUSTER NAME=VALUE"},
		"variable twice":             {"var: a b=1\nvar: a b=2\n" + a, `:2: "var: a b=2": that is there twice`},
		"cluster without path":       {"cluster: a\n" + a, "want cluster: NAME PATH..."},
		"link without target":        {"link: a\n" + a, "want link: PATH TARGET"},
		"link in the place of":       {"link: a.yaml x\n" + a, "that is there twice"},
		"link in the place of one":   {"link: x y\n-- after/x --\n", "that is there twice"},
		"link out":                   {"link: ../a x\n" + a, "not the path of a file"},
		"submodule in the place of":  {"submodule: a.yaml\n" + a, "that is there twice"},
		"crlf of nothing":            {"crlf: b.yaml\n" + a, `:1: "crlf: b.yaml": no file b.yaml`},
		"crlf of a shorthand":        {"crlf: a.sync\n-- a.sync --\n", "no file a.sync"},
		"bom of the other revision":  {"bom: before/a.yaml\n-- after/a.yaml --\n", "no file a.yaml"},
		"file twice":                 {"prose\n" + a + "-- b --\n" + a, `bad.txtar:5: "-- a.yaml --": that is there twice`},
		"file twice by shorthand":    {"-- x/a.ks --\n-- x/a.yaml --\n", `:2: "-- x/a.yaml --": that is there twice`},
		"file of both and of one":    {"-- both/a --\n-- before/a --\n", `:2: "-- before/a --": that is there twice`},
		"file of one and of both":    {"-- after/a --\n-- a --\n", `:2: "-- a --": that is there twice`},
		"want twice":                 {a + "-- want --\nx\n-- want --\ny\n", `:5: "-- want --": that is there twice`},
		"want twice, once empty":     {"-- want --\n-- want --\n", "that is there twice"},
		"marker with a space":        {a + "-- b.yaml -- \nb: 1\n", `:3: "-- b.yaml --": want -- NAME --`},
		"marker without one":         {a + "-- b.yaml--\n", `:3: "-- b.yaml--": want -- NAME --`},
		"folder for a file":          {"-- before --\n", `:1: "-- before --": not the path of a file`},
		"other folder for a file":    {"-- @lib --\n", "not the path of a file"},
		"absolute path":              {"-- /a --\n", "not the path of a file"},
		"path out":                   {"-- before/../a --\n", "not the path of a file"},
		"file and folder":            {"-- a --\n-- a/b --\n", "bad.txtar: files of after: "},
		"files that nobody names":    {a + "-- @lib/a --\n", `:3: "-- @lib/a --": no directive names @lib`},
		"shorthand that is no YAML":  {"-- a.sync --\n{\n", `:1: "-- a.sync --": `},
		"shorthand that is no map":   {"-- both/x/a.ks --\n- a\n", `:1: "-- both/x/a.ks --": `},
		"shorthand without its name": {"-- x/.ks --\n", "not the path of a file"},
		"sync without its name":      {"-- both/.sync --\n", "not the path of a file"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse("testdata/bad.txtar", []byte(c.text))
			if err == nil || got != nil {
				t.Fatalf("got %+v and error %v, want an error with %q", got, err, c.want)
			}
			if msg := err.Error(); !strings.HasPrefix(msg, "testdata/bad.txtar:") || !strings.Contains(msg, c.want) {
				t.Errorf("error %q, want one with %q", msg, c.want)
			}
		})
	}
}

func TestAll(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if cases, err := All(dir); err == nil {
		t.Errorf("an empty folder has the cases %v", cases)
	}
	write("a-b.txtar", "") // the path comes before that of a.txtar, the name after
	write("a.txtar", "")
	write("b.md", "bad: x\n")
	cases, err := All(dir)
	if err != nil || len(cases) != 2 || cases[0].Name != "a" || cases[1].Name != "a-b" {
		t.Errorf("cases %v, error %v, want a and a-b", cases, err)
	}
	write("c.txtar", "bad: x\n")
	write("d.txtar", "bad: y\n")
	if _, err := All(dir); err == nil || !strings.Contains(err.Error(), "c.txtar:1:") || !strings.Contains(err.Error(), "d.txtar:1:") {
		t.Errorf("error %v, want one that names c.txtar and d.txtar", err)
	}
}

// TestRewrite: all but what is wanted stays as it is, short forms and directives too.
func TestRewrite(t *testing.T) {
	const head, tail = "Prose.\nshow: * data\nvar: a b=c\n-- a.sync --\n", "-- before/x.ks --\npath: y\n"
	file := filepath.Join(t.TempDir(), "a.txtar")
	if err := os.WriteFile(file, []byte(head+"-- want --\nold\n"+tail), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Read(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"new\n", "newer\n"} {
		if err := c.Rewrite(want); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(head+tail+"-- want --\n"+want, string(got)); diff != "" {
			t.Errorf("file (-want +got):\n%s", diff)
		}
	}
	if c.Want != "old\n" {
		t.Errorf("the case wants %q, want it unchanged", c.Want)
	}
}

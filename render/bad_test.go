package render

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// noWorld makes the test fail when something asks the network, and leaves no
// program on the PATH but one that tells when it is run.
func noWorld(t *testing.T) {
	t.Helper()
	old := http.DefaultTransport
	http.DefaultTransport = refusing{t}
	t.Cleanup(func() { http.DefaultTransport = old })
	bin, ran := t.TempDir(), filepath.Join(t.TempDir(), "ran")
	for _, name := range []string{"git", "helm", "sh", "docker"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\necho ran >> "+ran+"\nexit 1\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin)
	t.Cleanup(func() {
		if _, err := os.Stat(ran); err == nil {
			t.Error("a program was run")
		}
	})
}

type refusing struct{ t *testing.T }

func (r refusing) RoundTrip(req *http.Request) (*http.Response, error) {
	r.t.Errorf("the network was asked for %s", req.URL)
	return nil, errors.New("no network here")
}

// oneCluster is a fleet whose only cluster is the folder app.
func oneCluster(t *testing.T, files map[string]string) map[string]string {
	t.Helper()
	files["clusters/c/flux-system/gotk-sync.yaml"] = syncOf(t, "c", []byte("path: ./app"))
	return files
}

// rendered renders within a generous time, whatever the input.
func rendered(t *testing.T, tr *tree.Tree) *Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	start := time.Now()
	r, err := Fleet(ctx, Repository{URL: ownURL, Tree: tr}, Options{})
	if err != nil {
		t.Fatalf("after %v: %v", time.Since(start), err)
	}
	return r
}

func alias(levels int) string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n") //nolint:dupword // a bomb
	for i := 1; i < levels; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	return b.String()
}

// TestBadInput: each is a failure of the one Kustomization, with a file and a
// message, or an unresolved entry; nothing is fetched or run, in bounded time and memory.
func TestBadInput(t *testing.T) {
	const configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: x}\n"
	bomb := configMap + alias(9)
	for name, c := range map[string]struct {
		files   map[string]string
		want    string // in the failure's message
		file    string // of the failure; "" is any
		unknown string // or the subject of the unresolved entry
	}{
		"missing path":           {files: map[string]string{"other/a.yaml": configMap}, want: "path not found: app", file: "app"},
		"broken YAML":            {files: map[string]string{"app/a.yaml": "kind: [\n"}, want: "app/a.yaml", file: "app/a.yaml"},
		"broken YAML below":      {files: map[string]string{"app/kustomization.yaml": "resources: [../base]\n", "base/kustomization.yaml": "resources: [b.yaml]\n", "base/b.yaml": "kind: [\n"}, want: "b.yaml"},
		"broken kustomization":   {files: map[string]string{"app/kustomization.yaml": "resources: [\n"}, want: "parse app/kustomization.yaml", file: "app/kustomization.yaml"},
		"binary":                 {files: map[string]string{"app/a.yaml": "\x00\x01\xff\xfe\x00"}, want: "app/a.yaml", file: "app/a.yaml"},
		"a circle":               {files: map[string]string{"app/kustomization.yaml": "resources: [../base]\n", "base/kustomization.yaml": "resources: [../app]\n"}, want: "cycle"},
		"itself":                 {files: map[string]string{"app/kustomization.yaml": "resources: [.]\n"}, want: "cycle"},
		"a component in circles": {files: map[string]string{"app/kustomization.yaml": "components: [../c]\n", "c/kustomization.yaml": "kind: Component\napiVersion: kustomize.config.k8s.io/v1alpha1\ncomponents: [../c]\n"}, want: "cycle"},
		"bomb as resource":       {files: map[string]string{"app/kustomization.yaml": "resources: [a.yaml]\n", "app/a.yaml": bomb}, want: "app/a.yaml: aliases expand", file: "app/a.yaml"},
		"bomb in a scan":         {files: map[string]string{"app/a.yaml": bomb}, want: "app/a.yaml: aliases expand", file: "app/a.yaml"},
		"bomb as kustomization":  {files: map[string]string{"app/kustomization.yaml": alias(9)}, want: "app/kustomization.yaml: aliases expand", file: "app/kustomization.yaml"},
		"bomb below":             {files: map[string]string{"app/kustomization.yaml": "resources: [../base]\n", "base/kustomization.yaml": alias(9)}, want: "base/kustomization.yaml: aliases expand", file: "base/kustomization.yaml"},
		"bomb as patch":          {files: map[string]string{"app/kustomization.yaml": "resources: [a.yaml]\npatches: [{path: p.yaml}]\n", "app/a.yaml": configMap, "app/p.yaml": bomb}, want: "app/p.yaml: aliases expand", file: "app/p.yaml"},
		"bomb as inline patch":   {files: map[string]string{"app/kustomization.yaml": "resources: [a.yaml]\npatches:\n- patch: |-\n    " + strings.ReplaceAll(bomb, "\n", "\n    ") + "\n", "app/a.yaml": configMap}, want: "aliases expand"},
		"bomb by merge keys":     {files: map[string]string{"app/a.yaml": configMap + mergeKeys(24)}, want: "app/a.yaml"},
		"an anchor in itself":    {files: map[string]string{"app/a.yaml": configMap + "data: &d {a: *d}\n"}, want: "app/a.yaml"},
		"a file of 33 MiB":       {files: map[string]string{"app/a.yaml": configMap + "# " + strings.Repeat("x", 33<<20)}, want: "app/a.yaml", file: "app/a.yaml"},
		"a generator of 33 MiB":  {files: map[string]string{"app/kustomization.yaml": "configMapGenerator: [{name: a, files: [big]}]\n", "app/big": strings.Repeat("x", 33<<20)}, want: "too large"},
		"deep nesting":           {files: map[string]string{"app/a.yaml": configMap + "data: " + strings.Repeat("[", 20_000) + "\n"}, want: "app/a.yaml"},
		"an http file":           {files: map[string]string{"app/kustomization.yaml": "resources: ['http://example.com/a.yaml']\n"}, unknown: "http://example.com/a.yaml"},
		"an upper-case scheme":   {files: map[string]string{"app/kustomization.yaml": "resources: ['HTTPS://example.com/a.yaml']\n"}, unknown: "HTTPS://example.com/a.yaml"},
		"an escaped scheme":      {files: map[string]string{"app/kustomization.yaml": "resources: [\"h\\x74tps:\\x2f/example.com/a.yaml\"]\n"}, unknown: "https://example.com/a.yaml"},
		"a git URL":              {files: map[string]string{"app/kustomization.yaml": "resources: ['https://example.com/acme/base.git//x?ref=main']\n"}, unknown: "https://example.com/acme/base.git//x?ref=main"},
		"git over ssh":           {files: map[string]string{"app/kustomization.yaml": "resources: ['git@example.com:acme/base']\n"}, unknown: "git@example.com:acme/base"},
		"git by prefix":          {files: map[string]string{"app/kustomization.yaml": "resources: ['git::https://example.com/acme/base']\n"}, unknown: "git::https://example.com/acme/base"},
		"a folder with _git":     {files: map[string]string{"app/kustomization.yaml": "resources: ['example.com/_git/base']\n"}, want: "kustomize build failed"},
		"git by suffix":          {files: map[string]string{"app/kustomization.yaml": "resources: ['example.com/acme/base.git']\n"}, want: "kustomize build failed"},
		"a local .git folder":    {files: map[string]string{"app/kustomization.yaml": "resources: ['/tmp/base.git//x']\n"}, want: "kustomize build failed"},
		"git by file scheme":     {files: map[string]string{"app/kustomization.yaml": "resources: ['file:///tmp/base.git']\n"}, unknown: "file:///tmp/base.git"},
		"github without scheme":  {files: map[string]string{"app/kustomization.yaml": "bases: ['GitHub.com/acme/base']\n"}, unknown: "GitHub.com/acme/base"},
		"an http component":      {files: map[string]string{"app/kustomization.yaml": "components: ['https://example.com/c']\n"}, unknown: "https://example.com/c"},
		"an http patch":          {files: map[string]string{"app/kustomization.yaml": "resources: [a.yaml]\npatches: [{path: 'https://example.com/p.yaml'}]\n", "app/a.yaml": configMap}, unknown: "https://example.com/p.yaml"},
		"an old http patch":      {files: map[string]string{"app/kustomization.yaml": "resources: [a.yaml]\npatchesStrategicMerge: ['https://example.com/p.yaml']\n", "app/a.yaml": configMap}, unknown: "https://example.com/p.yaml"},
		"an http JSON patch":     {files: map[string]string{"app/kustomization.yaml": "resources: [a.yaml]\npatchesJson6902: [{path: 'https://example.com/p.yaml', target: {kind: ConfigMap, name: a, version: v1}}]\n", "app/a.yaml": configMap}, unknown: "https://example.com/p.yaml"},
		"an http generator":      {files: map[string]string{"app/kustomization.yaml": "configMapGenerator: [{name: a, files: ['k=https://example.com/f']}]\n"}, unknown: "k=https://example.com/f"},
		"an http env file":       {files: map[string]string{"app/kustomization.yaml": "secretGenerator: [{name: a, envs: ['https://example.com/f']}]\n"}, unknown: "https://example.com/f"},
		"an http schema":         {files: map[string]string{"app/kustomization.yaml": "resources: [a.yaml]\nopenapi: {path: 'https://example.com/s.json'}\n", "app/a.yaml": configMap}, unknown: "https://example.com/s.json"},
		"an http CRD":            {files: map[string]string{"app/kustomization.yaml": "resources: [a.yaml]\ncrds: ['https://example.com/s.json']\n", "app/a.yaml": configMap}, unknown: "https://example.com/s.json"},
		"an http configuration":  {files: map[string]string{"app/kustomization.yaml": "resources: [a.yaml]\nconfigurations: ['https://example.com/s.yaml']\n", "app/a.yaml": configMap}, unknown: "https://example.com/s.yaml"},
		"an http transformer":    {files: map[string]string{"app/kustomization.yaml": "resources: [a.yaml]\ntransformers: ['https://example.com/t.yaml']\n", "app/a.yaml": configMap}, unknown: "https://example.com/t.yaml"},
		"an http replacement":    {files: map[string]string{"app/kustomization.yaml": "resources: [a.yaml]\nreplacements: [{path: 'https://example.com/r.yaml'}]\n", "app/a.yaml": configMap}, unknown: "https://example.com/r.yaml"},
		"in a transformer":       {files: map[string]string{"app/kustomization.yaml": "resources: [a.yaml]\ntransformers:\n- |-\n  apiVersion: builtin\n  kind: PatchTransformer\n  metadata: {name: p}\n  path: https://example.com/p.yaml\n", "app/a.yaml": configMap}, unknown: "https://example.com/p.yaml"},
		"in a generator's file":  {files: map[string]string{"app/kustomization.yaml": "generators: [g.yaml]\n", "app/g.yaml": "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: g}\nfiles: ['k=https://example.com/f']\n"}, unknown: "k=https://example.com/f"},
		"a chart":                {files: map[string]string{"app/kustomization.yaml": "helmCharts: [{name: a, repo: 'https://example.com'}]\n"}, want: "must specify --enable-helm"},
		"an exec function":       {files: map[string]string{"app/kustomization.yaml": "resources: [a.yaml]\ntransformers: [f.yaml]\n", "app/a.yaml": configMap, "app/f.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: f\n  annotations: {config.kubernetes.io/function: '{exec: {path: ./git}}'}\n"}, want: "plugin"},
		"outside":                {files: map[string]string{"app/kustomization.yaml": "resources: [../../../../etc/passwd]\n"}, want: "path is outside of the source"},
		"absolute":               {files: map[string]string{"app/kustomization.yaml": "resources: [/etc/passwd]\n"}, want: "path is outside of the source"},
		"an upper-case key":      {files: map[string]string{"app/kustomization.yaml": "resources: [../b]\n", "b/kustomization.yaml": "resources: [a.yaml]\npatches: [{PATH: 'https://example.com/p.yaml'}]\n", "b/a.yaml": configMap}, unknown: "https://example.com/p.yaml"},
		"a key with a long s":    {files: map[string]string{"app/kustomization.yaml": "resources: [../b]\n", "b/kustomization.yaml": "reſources: ['https://example.com/p.yaml']\n"}, unknown: "https://example.com/p.yaml"},
		"escaped below":          {files: map[string]string{"app/kustomization.yaml": "resources: [../b]\n", "b/kustomization.yaml": "resources: [\"h\\x74tps:\\x2f/example.com/a.yaml\"]\n"}, unknown: "https://example.com/a.yaml"},
		"plugins in a folder":    {files: map[string]string{"app/kustomization.yaml": "resources: [a.yaml]\ntransformers: [../t]\n", "app/a.yaml": configMap, "t/kustomization.yaml": "resources: [t.yaml]\npatches:\n- {path: p.yaml, target: {kind: PatchTransformer}}\n", "t/t.yaml": "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: p}\npath: x\n", "t/p.yaml": "- {op: replace, path: /path, value: 'https://example.com/p.yaml'}\n"}, unknown: "../t (a folder of plugin configurations)"},
		"an escaped bomb":        {files: map[string]string{"app/kustomization.yaml": "resources: [a.yaml]\npatches: [{patch: \"" + escaped(bomb) + "\"}]\n", "app/a.yaml": configMap}, want: "aliases expand"},
		"a bomb two levels in":   {files: map[string]string{"app/kustomization.yaml": "resources: [a.yaml]\ntransformers:\n- |-\n  {apiVersion: builtin, kind: PatchTransformer, metadata: {name: p}, patch: \"" + escaped(bomb) + "\"}\n", "app/a.yaml": configMap}, want: "aliases expand"},
		"a bomb in UTF-16":       {files: map[string]string{"app/a.yaml": wide(bomb)}, want: "app/a.yaml"},
		"a file as path":         {files: map[string]string{"app": configMap}, want: "app"},
		"a name with a slash":    {files: map[string]string{"app/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a/b, namespace: x}\n"}, want: "slash"},
	} {
		t.Run(name, func(t *testing.T) {
			noWorld(t)
			r := rendered(t, tree.FromMap(oneCluster(t, c.files)))
			cluster := r.Cluster("c")
			if c.unknown != "" {
				if len(cluster.Unresolved) == 0 || cluster.Unresolved[0].Kind != UnresolvedRemote || cluster.Unresolved[0].Subject != c.unknown || len(cluster.Failures) > 0 {
					t.Errorf("got unresolved %v and failures %v, want %s unresolved", cluster.Unresolved, cluster.Failures, c.unknown)
				}
				return
			}
			if len(cluster.Failures) != 1 {
				t.Fatalf("got failures %v, want one", cluster.Failures)
			}
			f := cluster.Failures[0]
			if !strings.Contains(f.Message, c.want) || len(f.Message) > 1000 {
				t.Errorf("message %.300q of %d bytes, want one with %q", f.Message, len(f.Message), c.want)
			}
			if c.file != "" && f.File != c.file {
				t.Errorf("file %q, want %q", f.File, c.file)
			}
		})
	}
}

// escaped is text for a YAML string in double quotes that hides what it says.
func escaped(s string) string {
	return strings.NewReplacer("\n", `\n`, "&", `\x26`, "*", `\x2a`).Replace(s)
}

// wide is text in UTF-16.
func wide(s string) string {
	out := []byte{0xff, 0xfe}
	for _, c := range []byte(s) {
		out = append(out, c, 0)
	}
	return string(out)
}

// mergeKeys doubles a map at each level, by merge keys.
func mergeKeys(levels int) string {
	var b strings.Builder
	b.WriteString("m0: &m0 {k: v}\n")
	for i := 1; i < levels; i++ {
		fmt.Fprintf(&b, "m%d: &m%d {a: {<<: *m%d}, b: {<<: *m%d}}\n", i, i, i-1, i-1)
	}
	return b.String()
}

// TestUnsettledSaysWhy: a source that leaves out what its own cluster builds from comes and goes, and what fails then is told.
func TestUnsettledSaysWhy(t *testing.T) {
	files := map[string]string{
		"clusters/c/flux-system/gotk-sync.yaml": `apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: flux-system, namespace: flux-system}
spec: {interval: 1m, url: "https://git.example.com/acme/fleet", ref: {branch: main}, sparseCheckout: [clusters/c]}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: flux-system, namespace: flux-system}
spec: {interval: 10m, path: ./clusters/c, prune: true, sourceRef: {kind: GitRepository, name: flux-system}}
`,
		"clusters/c/flux-system/kustomization.yaml": "resources: [gotk-sync.yaml]\n",
		"clusters/c/kustomization.yaml":             "resources: [flux-system, ../../shared]\n",
		"shared/kustomization.yaml":                 "resources: [cm.yaml]\n",
		"shared/cm.yaml":                            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shared, namespace: default}\n",
	}
	r, err := Fleet(t.Context(), Repository{URL: "https://git.example.com/acme/fleet", Tree: tree.FromMap(files)}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range r.Clusters[0].Failures {
		all = append(all, f.Stage+": "+f.Message)
	}
	text := strings.Join(all, "\n")
	for _, want := range []string{"build: kustomize build failed: ", "shared", "does not settle"} {
		if !strings.Contains(text, want) {
			t.Errorf("the failures do not say %q:\n%s", want, text)
		}
	}
}

// TestSymlinksOut: no symlink leads out of the tree, or to anything.
func TestSymlinksOut(t *testing.T) {
	noWorld(t)
	const sync = "clusters/c/flux-system/gotk-sync.yaml"
	for name, link := range map[string]map[string]tree.Blob{
		"file":      {"app/kustomization.yaml": {Data: "resources: [a.yaml]\n"}, "app/a.yaml": {Mode: tree.Symlink, Data: "/etc/passwd"}},
		"folder":    {"app/kustomization.yaml": {Data: "resources: [etc/passwd]\n"}, "app/etc": {Mode: tree.Symlink, Data: "../../../../../../../etc"}},
		"own":       {"app/kustomization.yaml": {Mode: tree.Symlink, Data: "/etc/passwd"}, "app/a.yaml": {Data: "kind: [\n"}},
		"generator": {"app/kustomization.yaml": {Data: "configMapGenerator: [{name: a, files: [x]}]\n"}, "app/x": {Mode: tree.Symlink, Data: "/etc/passwd"}},
	} {
		t.Run(name, func(t *testing.T) {
			link[sync] = tree.Blob{Data: syncOf(t, "c", []byte("path: ./app"))}
			link["fleet"] = tree.Blob{Mode: tree.Symlink, Data: "/etc"}
			r := rendered(t, tree.FromBlobs(link))
			if c := r.Cluster("c"); len(c.Failures) != 1 || c.Objects.Len() > 0 || strings.Contains(c.Failures[0].Message, "root:") {
				t.Errorf("got failures %v and %d objects, want one failure", c.Failures, c.Objects.Len())
			}
		})
	}
}

// TestLargeFileBeside: a file too large, of a kind that discovery looks into, does not
// stop the others.
func TestLargeFileBeside(t *testing.T) {
	files := oneCluster(t, map[string]string{
		"app/a.yaml":     "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: x}\n",
		"dump/huge.yaml": strings.Repeat("kind: FluxInstance\n---\n", 40<<20/23),
		"fleet.yaml":     strings.Repeat("- sync:\n  instance:\n", 40_000),
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r := rendered(t, tree.FromMap(files))
	runtime.ReadMemStats(&after)
	if c := r.Cluster("c"); len(c.Failures) > 0 || c.Objects.Len() != 1 {
		t.Errorf("got failures %v and %d objects, want one object", c.Failures, c.Objects.Len())
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<30 {
		t.Errorf("%d MiB were allocated", used>>20)
	}
}

// TestSubstitutionBombs: values that hold each other, or replace each letter of each
// other, are refused before they use up the memory.
func TestSubstitutionBombs(t *testing.T) {
	const configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: x}\n"
	long, deep := strings.Repeat("a", 300_000), 200_000
	if raceDetector {
		deep /= 20
	}
	post := func(t *testing.T) string {
		t.Helper()
		return syncOf(t, "c", []byte("path: ./app\npostBuild: {substitute: {v: "+long+", w: b}}"))
	}
	for name, c := range map[string]struct {
		text, want string
	}{
		"replace each letter": {"${v//a/${v}}", "more than 8 MiB"},
		"often":               {strings.Repeat("${v} ", 10_000), "more than 8 MiB"},
		"nested defaults":     {strings.Repeat("${x:=", deep) + strings.Repeat("}", deep), ""},
		"nested, not closed":  {strings.Repeat("${x:=", deep), "envsubst"},
		"nested functions":    {strings.Repeat("${w//b/", deep) + strings.Repeat("}", deep), ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := rendered(t, tree.FromMap(map[string]string{"clusters/c/flux-system/gotk-sync.yaml": post(t), "app/a.yaml": configMap + "data: {k: '" + c.text + "'}\n"}))
			failures := r.Cluster("c").Failures
			if c.want != "" && (len(failures) != 1 || !strings.Contains(failures[0].Message, c.want)) {
				t.Errorf("got failures %.300v, want one with %q", failures, c.want)
			}
		})
	}
	t.Run("doubling", func(t *testing.T) {
		if raceDetector {
			t.Skip("megabytes of text take the race detector a minute")
		}
		ks := "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: 'k${tail}', namespace: flux-system}\n" +
			"spec:\n  interval: 1m\n  prune: true\n  path: ./app\n  sourceRef: {kind: GitRepository, name: flux-system}\n" +
			"  postBuild: {substitute: {tail: 'x${tail}', v: '${v}${v}'}}\n"
		r := rendered(t, tree.FromMap(map[string]string{
			"clusters/c/flux-system/gotk-sync.yaml": syncOf(t, "c", []byte("path: ./app\npostBuild: {substitute: {tail: x, v: aa}}")), "app/a.yaml": ks,
		}))
		if failures := r.Cluster("c").Failures; len(failures) != 1 {
			t.Errorf("got failures %.300v, want one", failures)
		}
	})
}

// TestCancelled: the end of the context is the end of the render, with its error.
func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Fleet(ctx, Repository{Tree: tree.FromMap(oneCluster(t, map[string]string{"app/a.yaml": ""}))}, Options{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// TestSecretsStaySecret: the value of a Secret is in no text that a render gives,
// wherever it is put and whatever breaks over it.
func TestSecretsStaySecret(t *testing.T) {
	const marker = "hunter2-marker"
	const ks = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: NAME, namespace: flux-system}\n" +
		"spec:\n  interval: 1m\n  prune: true\n  path: ./NAME\n  sourceRef: {kind: GitRepository, name: flux-system}\n"
	const from = "  postBuild: {substituteFrom: [{kind: Secret, name: values}]}\n"
	named := func(name string) string { return strings.ReplaceAll(ks, "NAME", name) }
	configMap := func(data string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: x}\ndata: {" + data + "}\n"
	}
	values := func(v string) string {
		return "apiVersion: v1\nkind: Secret\nmetadata: {name: values, namespace: flux-system}\ndata: {token: " +
			base64.StdEncoding.EncodeToString([]byte(v)) + "}\n"
	}
	for name, files := range map[string]map[string]string{
		"breaks YAML":            {"app/s.yaml": values("a: b: {" + marker), "app/k.yaml": named("use") + from, "use/a.yaml": configMap("k: '${token}'")},
		"tab":                    {"app/s.yaml": values("\t" + marker), "app/k.yaml": named("use") + from, "use/a.yaml": configMap("k: '${token}'")},
		"alias":                  {"app/s.yaml": values("*" + marker), "app/k.yaml": named("use") + from, "use/a.yaml": configMap("k: '${token}'")},
		"tag":                    {"app/s.yaml": values("!!int " + marker), "app/k.yaml": named("use") + from, "use/a.yaml": configMap("k: '${token}'")},
		"key twice":              {"app/s.yaml": values(marker), "app/k.yaml": named("use") + from, "use/a.yaml": configMap("'${token}': a, " + marker + ": b")},
		"instead of a map":       {"app/s.yaml": values(marker), "app/k.yaml": named("use") + from, "use/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: '${token}'\n"},
		"as kind":                {"app/s.yaml": values(marker + "/a/b"), "app/k.yaml": named("use") + from, "use/a.yaml": "apiVersion: '${token}'\nkind: A\nmetadata: {name: a, namespace: x}\n"},
		"as name":                {"app/s.yaml": values(marker + "/x"), "app/k.yaml": named("use") + from, "use/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '${token}', namespace: x}\n"},
		"equal names":            {"app/s.yaml": values(marker), "app/k.yaml": named("use") + from, "use/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '${token}', namespace: x}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a${token}, namespace: x}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: 'a" + "${token}', namespace: '${token:0:1}'}\n"},
		"in a path":              {"app/s.yaml": values(marker), "app/k.yaml": named("use") + from, "use/k.yaml": strings.Replace(named("deep"), "./deep", "./${token}", 1)},
		"in a patch":             {"app/s.yaml": values(marker), "app/k.yaml": named("use") + from, "use/k.yaml": named("deep") + "  patches: [{patch: 'a: [${token}'}]\n", "deep/a.yaml": configMap("k: v")},
		"in a patch's path":      {"app/s.yaml": values(marker), "app/k.yaml": named("use") + from, "use/k.yaml": named("deep") + "  patches: [{patch: '[{\"op\": \"remove\", \"path\": \"/data/${token}\"}]', target: {kind: ConfigMap}}]\n", "deep/a.yaml": configMap("k: v")},
		"in a component":         {"app/s.yaml": values(marker), "app/k.yaml": named("use") + from, "use/k.yaml": named("deep") + "  components: ['${token}']\n", "deep/a.yaml": configMap("k: v")},
		"in a source's URL":      {"app/s.yaml": values(marker), "app/k.yaml": named("use") + from, "use/k.yaml": strings.ReplaceAll(named("deep"), "name: flux-system}", "name: other}") + "---\napiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: other, namespace: flux-system}\nspec: {interval: 1m, url: 'https://user:${token}@example.com/x'}\n"},
		"in a source's ref":      {"app/s.yaml": values(marker), "app/k.yaml": named("use") + from, "use/k.yaml": strings.ReplaceAll(named("deep"), "name: flux-system}", "name: other}") + "---\napiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: other, namespace: flux-system}\nspec: {interval: 1m, url: '" + ownURL + "', ref: {tag: '${token}'}}\n"},
		"in a source's name":     {"app/s.yaml": values(marker), "app/k.yaml": named("use") + from, "use/k.yaml": strings.ReplaceAll(named("deep"), "name: flux-system}", "name: '${token}'}")},
		"in a reference":         {"app/s.yaml": values(marker), "app/k.yaml": named("use") + from, "use/k.yaml": named("deep") + "  postBuild: {substituteFrom: [{kind: Secret, name: '${token}'}, {kind: Secret, name: 'x${token}', optional: true}]}\n", "deep/a.yaml": configMap("k: '${y}'")},
		"in a variable":          {"app/s.yaml": values(marker), "app/k.yaml": named("use") + from, "use/k.yaml": named("deep") + "  postBuild: {substitute: {k: 'a: b: {${token}'}}\n", "deep/a.yaml": configMap("k: '${k}'")},
		"in a wrong type":        {"app/s.yaml": values(marker), "app/k.yaml": named("use") + from, "use/k.yaml": named("deep") + "  timeout: '${token}'\n"},
		"a plain Secret twice":   {"app/kustomization.yaml": "namespace: x\nresources: [a.yaml, b.yaml]\n", "app/a.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: one}\nstringData: {k: " + marker + "}\n", "app/b.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: two}\nstringData: {k: " + marker + "}\n"},
		"a patch to a Secret":    {"app/kustomization.yaml": "resources: [a.yaml]\npatches:\n- patch: |-\n    kind: Secret\n    stringData: {k: " + marker + "\n", "app/a.yaml": configMap("k: v")},
		"a patch without target": {"app/kustomization.yaml": "resources: [a.yaml]\npatches:\n- patch: |-\n    apiVersion: v1\n    kind: Secret\n    metadata: {name: nobody}\n    stringData: {k: " + marker + "}\n", "app/a.yaml": configMap("k: v")},
		"a wrong patch":          {"app/kustomization.yaml": "resources: [a.yaml]\npatches:\n- patch: |-\n    apiVersion: v1\n    kind: Secret\n    metadata: {name: a, namespace: x}\n    stringData: [" + marker + "]\n", "app/a.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: x}\nstringData: {k: " + marker + "}\n"},
		"an odd Secret":          {"app/kustomization.yaml": "resources: [a.yaml]\nnamespace: y\nreplacements: [{source: {kind: Secret, name: a, fieldPath: stringData.k.l}, targets: [{select: {kind: Secret}, fieldPaths: [stringData.z]}]}]\n", "app/a.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: x}\nstringData: {k: " + marker + "}\n"},
		"a literal":              {"app/kustomization.yaml": "secretGenerator: [{name: a, literals: [good=" + marker + ", " + marker + "]}]\n"},
		"an env file":            {"app/kustomization.yaml": "secretGenerator: [{name: a, envs: [e]}]\n", "app/e": "k e y=" + marker + "\n"},
		"a merged literal":       {"app/kustomization.yaml": "secretGenerator: [{name: a, literals: [k=" + marker + ", k=" + marker + "]}]\n"},
		"a broken Secret":        {"app/a.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: x}\nstringData: " + marker + "\n  k: v\n"},
		"metadata of a Secret":   {"app/a.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {namespace: x, annotations: {kubectl.kubernetes.io/last-applied-configuration: " + marker + "}}\nstringData: {k: v}\n"},
		"a label on a Secret":    {"app/kustomization.yaml": "resources: [a.yaml]\nlabels: [{pairs: {a: b}, fields: [{path: stringData/k/l, create: true}]}]\n", "app/a.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: x}\nstringData: {k: " + marker + "}\n"},
	} {
		t.Run(name, func(t *testing.T) {
			r := rendered(t, tree.FromMap(oneCluster(t, files)))
			out := textOf(r)
			if strings.Contains(out, marker) || strings.Contains(out, base64.StdEncoding.EncodeToString([]byte(marker))) {
				t.Errorf("a secret value is shown:\n%s", out)
			}
			if testing.Verbose() {
				t.Log(out)
			}
		})
	}
}

// textOf is every text of a render that a report shows beside the objects.
func textOf(r *Result) string {
	var out bytes.Buffer
	say := func(w io.Writer, v any) { fmt.Fprintf(w, "%+v\n", v) }
	for _, n := range r.Notes {
		say(&out, n)
	}
	for _, c := range r.Clusters {
		for _, f := range c.Failures {
			say(&out, f)
		}
		for _, u := range c.Unresolved {
			say(&out, u)
		}
		for _, n := range c.Notes {
			say(&out, n)
		}
	}
	return out.String()
}

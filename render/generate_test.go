package render

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/kustomize"
	fluxkustomize "github.com/fluxcd/pkg/kustomize"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// manifests are what a YAML file of a repository may hold, objects or not.
var manifests = []string{
	"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\ndata: {a: b}\n",
	"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: two}\n",
	`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "json"}}`,
	"kind: ConfigMap\nmetadata: {name: no-api-version}\n",
	"apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: item}}\n",
	"\ufeffapiVersion: v1\r\nkind: ConfigMap\r\nmetadata: {name: bom}\r\n",
	"apiVersion: v1\nkind: ConfigMap\nmetadata: &m {name: anchors}\ndata: {<<: *m}\n",
	"apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: nested}\nspec: {path: ./x}\n",
	"apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n",
	"", "# only a comment\n", "---\n", "---\n---\n# nothing\n---\n", "null\n",
	"replicas: 3\nimage: {tag: v1}\n",
	"{{ if .Values.on }}\nkind: ConfigMap\n{{ end }}\n",
	"apiVersion: v1\nkind: Pod\nmetadata: {generateName: x-}\n",
	"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: [a, b]}\n",
	"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\nmetadata: {name: y}\n",
	"a: [\n", "- a\n- b\n", "plain text\n", "\tkind: ConfigMap\n", "%YAML 9.9\n---\n", "kind: *unknown\n",
	"apiVersion: v1\nkind: ConfigMapList\nitems:\n- {data: {a: b}}\n",
}

// kustomizations are what a kustomization file may hold, good or not.
var kustomizations = []string{
	"resources: [one.yaml]\n",
	"apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n- one.yaml\n- two.yml\n",
	"", "# only a comment\n", "{}\n", "resources: []\n", "resources:\n# - one.yaml\n", "null\n",
	"resources: [one.yaml]\n---\nresources: [two.yml]\n",
	"---\n# nothing\n---\nresources: [one.yaml]\n",
	"Resources: [one.yaml]\nNAMEPREFIX: x-\n",
	"resources: [one.yaml]\nunknown: {field: 1}\n",
	"resources: [one.yaml]\nresources: [two.yml]\n",
	"apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [one.yaml]\n",
	"apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps}\nspec: {path: ./apps}\n",
	"resources: [y, no, 1]\n", "resources: one.yaml\n", "resources: [{a: b}]\n", "- one.yaml\n", "resources: [\n", "namespace: 7\n",
	"resources: [one.yaml]\nimages:\n- {name: app, newTag: v1, digest: 'sha256:0000'}\n- {name: other, newName: moved}\n",
	"resources: [one.yaml]\ncomponents: [../c]\npatches:\n- patch: '{}'\n  target: {kind: ConfigMap}\n",
	"namespace: own\nnamePrefix: pre-\nnameSuffix: -post\nresources: [one.yaml]\n",
	"configMapGenerator:\n- {name: made, literals: [a=b]}\n",
	"bases: [../c]\nbuildMetadata: [managedByLabel]\n",
	"commonLabels: {a: b}\nlabels:\n- {pairs: {c: d}, includeSelectors: true}\nvars:\n- {name: V, objref: {kind: ConfigMap, name: one, apiVersion: v1}}\nresources: [one.yaml]\n",
	"metadata: {name: x, annotations: {internal: 'true'}}\nresources: [one.yaml]\nreplicas: [{name: a, count: 3}]\n",
	"openapi: {path: schema.json}\nsortOptions: {order: legacy}\nreplacements: [{path: r.yaml}]\n",
}

func drawFiles(t *rapid.T) map[string]string {
	files := map[string]string{"README.md": "# a repository\n", "keep/x.txt": ""}
	dirs := []string{"", "a/", "a/b/", "a/b/deep/er/", "c/", ".h/", "kustomization.yaml/", "ab/"}
	names := []string{"one.yaml", "two.yml", "three.json", ".four.yaml", "values.yaml", "notes.txt", "five.YAML", "six.yaml.bak", "UP.yml"}
	for range rapid.IntRange(0, 8).Draw(t, "files") {
		p := rapid.SampledFrom(dirs).Draw(t, "dir") + rapid.SampledFrom(names).Draw(t, "name")
		pool := manifests[:14] // good ones
		if rapid.IntRange(0, 9).Draw(t, "any") == 0 {
			pool = manifests
		}
		files[p] = rapid.SampledFrom(pool).Draw(t, "content")
	}
	for range rapid.IntRange(0, 4).Draw(t, "kustomizations") {
		p := rapid.SampledFrom(dirs).Draw(t, "dir") + rapid.SampledFrom([]string{"kustomization.yaml", "kustomization.yml", "Kustomization"}).Draw(t, "name")
		files[p] = rapid.SampledFrom(kustomizations).Draw(t, "content")
	}
	for p := range files { // a file hides no folder
		for other := range files {
			if strings.HasPrefix(other, p+"/") {
				delete(files, p)
			}
		}
	}
	return files
}

func drawSpec(t *rapid.T) kustomizev1.KustomizationSpec {
	maybe := func(label string, values ...string) string {
		return rapid.SampledFrom(append(values, "", "", "")).Draw(t, label)
	}
	some := func(label string, values ...string) []string {
		return rapid.SliceOfN(rapid.SampledFrom(values), 0, 2).Draw(t, label)
	}
	s := kustomizev1.KustomizationSpec{
		TargetNamespace: maybe("targetNamespace", "apps", "_placeholder"),
		NamePrefix:      maybe("namePrefix", "p-"),
		NameSuffix:      maybe("nameSuffix", "-s", "-${v}"),
		Components: some("components", "c", "../c", "./../c/", "../../c", "../../../c", "missing", "../a/one.yaml", ".", "a//b",
			"/c", "https://example.com/c", "github.com/acme/c", ""),
		IgnoreMissingComponents: rapid.Bool().Draw(t, "ignoreMissingComponents"),
	}
	for _, target := range some("patches", "", "ConfigMap") {
		p := kustomize.Patch{Patch: "- op: add\n  path: /data/x\n  value: 'y'\n"}
		if target != "" {
			p.Target = &kustomize.Selector{Group: "g", Version: "v1", Kind: target, Name: "o.*", Namespace: "n", LabelSelector: "a=b", AnnotationSelector: "c"}
		}
		s.Patches = append(s.Patches, p)
	}
	for _, name := range some("images", "app", "other", "third") {
		s.Images = append(s.Images, kustomize.Image{
			Name: name, NewName: maybe("newName", "moved"), NewTag: maybe("newTag", "v2"), Digest: maybe("digest", "sha256:1111"),
		})
	}
	for _, m := range some("buildMetadata", "originAnnotations", "managedByLabel", "transformerAnnotations") {
		s.BuildMetadata = append(s.BuildMetadata, kustomizev1.BuildMetadataOption(m))
	}
	return s
}

// TestGenerateLikeUpstream pins generate to the original on random folders.
//
// Source: fluxcd/pkg/kustomize v1.35.6, Generator.GenerateManifest, run on disk.
func TestGenerateLikeUpstream(t *testing.T) {
	oneGoroutine(t)
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	n, failed := 0, 0
	check := func(rt *rapid.T) {
		n++
		tr := tree.FromMap(drawFiles(rt))
		spec := drawSpec(rt)
		dir := rapid.SampledFrom([]string{".", ".", "a", "a", "a/b", "c", ".h", "ab", "missing"}).Draw(rt, "path")
		tmp := filepath.Join(root, strconv.Itoa(n))
		writeTree(t, tr, tmp)
		defer os.RemoveAll(tmp)

		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&kustomizev1.Kustomization{Spec: spec})
		if err != nil {
			rt.Fatal(err)
		}
		g := fluxkustomize.NewGenerator(tmp, unstructured.Unstructured{Object: content})
		want, wantFile, _, wantErr := g.GenerateManifest(filepath.Join(tmp, dir))
		if wantErr == nil {
			if wantFile, err = filepath.Rel(tmp, wantFile); err != nil {
				rt.Fatal(err)
			}
		} else {
			failed++
		}

		s := newBuildSpec(&spec, dir, Profile{})
		got, gotFile, gotErr := generate(tree.Record(tr), newInspector(), &s)
		if (gotErr != nil) != (wantErr != nil) {
			rt.Fatalf("error %v, upstream says %v", gotErr, wantErr)
		}
		if wantErr != nil {
			return
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			rt.Fatalf("manifest (-upstream +ours):\n%s", diff)
		}
		if gotFile != filepath.ToSlash(wantFile) {
			rt.Fatalf("file %s, upstream says %s", gotFile, wantFile)
		}
	}
	for range 5 { // a draw takes 2 ms
		rapid.Check(t, check)
	}
	t.Logf("%d trees, %d of them refused", n, failed)
	if n > 50 && (failed == 0 || failed > n*3/4) {
		t.Errorf("%d of %d trees were refused: the test sees too little", failed, n)
	}
}

func newInspector() *inspector {
	return &inspector{files: map[tree.Hash]*inspected{}, decoded: map[tree.Hash]error{}}
}

// TestGenerateReadsWhatItUses checks that the trace of a generation decides it:
// a change that the trace does not see gives the same manifest.
func TestGenerateReadsWhatItUses(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		files := drawFiles(rt)
		spec := drawSpec(rt)
		s := newBuildSpec(&spec, rapid.SampledFrom([]string{".", "a", "a/b", "c"}).Draw(rt, "path"), Profile{})
		rec := tree.Record(tree.FromMap(files))
		want, _, wantErr := generate(rec, newInspector(), &s)

		changed, more := maps.Clone(files), drawFiles(rt)
		for _, p := range slices.Sorted(maps.Keys(more)) {
			clash := slices.ContainsFunc(slices.Collect(maps.Keys(changed)), func(other string) bool {
				return strings.HasPrefix(other, p+"/") || strings.HasPrefix(p, other+"/")
			})
			if !clash && rapid.Bool().Draw(rt, "take") {
				changed[p] = more[p]
			}
		}
		other := tree.FromMap(changed)
		if !rec.Trace().Holds(other) {
			return
		}
		got, _, gotErr := generate(tree.Record(other), newInspector(), &s)
		if (gotErr != nil) != (wantErr != nil) || string(got) != string(want) {
			rt.Fatalf("the trace holds, and yet %v\n%s\nbecame %v\n%s", wantErr, want, gotErr, got)
		}
	})
}

package fleetgen

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fluxcd/pkg/envsubst"
	fluxkustomize "github.com/fluxcd/pkg/kustomize"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

func TestGenerateDeterministic(t *testing.T) {
	o := Options{Clusters: 5, Tenants: 4}
	if diff := cmp.Diff(Generate(o), Generate(o)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Demo(), Demo()); diff != "" {
		t.Error(diff)
	}
}

// TestGenerateDefault counts the fleet of the benchmarks.
func TestGenerateDefault(t *testing.T) {
	files := Generate(Options{})
	count := map[string]int{}
	for name := range files {
		count[strings.SplitN(name, "/", 3)[0]]++
	}
	want := map[string]int{
		"clusters":   100 * 4, // gotk-sync, kustomization, cluster-vars, tenants
		"apps":       20 * (9 + 2*2),
		"components": 1,
	}
	if diff := cmp.Diff(want, count); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if got := (Options{}).Objects(); got != 100*(3+200) {
		t.Errorf("Objects is %d", got)
	}
	if n := len(documents(t, files["clusters/c099/tenants.yaml"])); n != 2*20 {
		t.Errorf("c099 has %d tenant documents, want 40", n)
	}
	checkFiles(t, files)
}

// TestFleetsBuild builds every cluster as Flux does: the sync's path first, with
// the kustomization.yaml that kustomize-controller generates, then the path of
// each Kustomization found.
func TestFleetsBuild(t *testing.T) {
	story := Demo()
	small := Options{Clusters: 4, Tenants: 3, Environments: []string{"dev", "staging", "prod"}}
	for name, c := range map[string]struct {
		files map[string]string
		want  map[string]int // cluster -> objects
	}{
		"generated": {Generate(small), map[string]int{"c000": 33, "c001": 33, "c002": 33, "c003": 33}},
		"demo before": {story.Before, map[string]int{
			"dev-eu-1": 25, "prod-db-01": 15, "prod-us-east-1": 24, "staging-eu-1": 24,
		}},
		"demo after": {story.After, map[string]int{
			"dev-eu-1": 25, "prod-db-01": 15, "prod-us-east-1": 24, "staging-eu-1": 24,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			checkFiles(t, c.files)
			got := map[string]int{}
			for cluster, objects := range render(t, c.files) {
				got[cluster] = len(objects)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("objects (-want +got):\n%s", diff)
			}
		})
	}
	if got, want := small.Objects(), 4*33; got != want {
		t.Errorf("Objects is %d, want %d", got, want)
	}
}

// TestDemo checks that the story is what it says: one line of one file, two
// clusters, one of them by surprise.
func TestDemo(t *testing.T) {
	s := Demo()
	for name := range s.Before {
		if changed := s.Before[name] != s.After[name]; changed != (name == s.File) {
			t.Errorf("%s: changed is %t", name, changed)
		}
	}
	if len(s.Before) != len(s.After) {
		t.Errorf("%d files before, %d after", len(s.Before), len(s.After))
	}
	before, after := strings.Split(s.Before[s.File], "\n"), strings.Split(s.After[s.File], "\n")
	lines := 0
	for i := range before {
		if before[i] != after[i] {
			lines++
		}
	}
	if len(before) != len(after) || lines != 1 {
		t.Errorf("%d lines changed, want 1", lines)
	}
	old, changed := render(t, s.Before), render(t, s.After)
	if diff := cmp.Diff(s.Clusters, slices.Sorted(maps.Keys(old))); diff != "" {
		t.Errorf("clusters (-want +got):\n%s", diff)
	}
	var hit []string
	for _, c := range s.Clusters {
		if !maps.Equal(old[c], changed[c]) {
			hit = append(hit, c)
		}
	}
	if diff := cmp.Diff(s.Hit, hit); diff != "" {
		t.Errorf("clusters hit (-want +got):\n%s", diff)
	}
	// No folder or file that prod-db-01 names says "logging".
	for _, name := range []string{"clusters/prod-db-01/infrastructure.yaml", "infrastructure/overlays/db/kustomization.yaml"} {
		if strings.Contains(s.Before[name], "logging") {
			t.Errorf("%s gives the surprise away", name)
		}
	}
	// What breaks there: the old agent tolerates the taint, the new one doesn't.
	const taint = "value: database"
	if a := old["prod-db-01"]["DaemonSet/logging/vector"]; !strings.Contains(a, taint) {
		t.Errorf("vector does not run on database nodes:\n%s", a)
	}
	b, ok := changed["prod-db-01"]["DaemonSet/logging/fluent-bit"]
	if !ok || strings.Contains(b, taint) {
		t.Errorf("fluent-bit is not there or runs on database nodes:\n%s", b)
	}
	if _, stays := changed["prod-db-01"]["DaemonSet/logging/vector"]; stays {
		t.Error("vector is still on prod-db-01")
	}
}

func TestReplace(t *testing.T) {
	files := map[string]string{"a": "x y", "b": "x x"}
	if diff := cmp.Diff(map[string]string{"a": "z y", "b": "x x"}, Replace(files, "a", "x", "z")); diff != "" {
		t.Error(diff)
	}
	if files["a"] != "x y" {
		t.Error("Replace changed what it was given")
	}
	for _, path := range []string{"b", "c"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", path)
				}
			}()
			Replace(files, path, "x", "z")
		}()
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	files := map[string]string{"a/b/c.yaml": "c: 1\n", "d": ""}
	if err := Write(dir, files); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			data, readErr := os.ReadFile(filepath.Join(dir, p))
			got[p], err = string(data), readErr
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(files, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if err := Write(dir, map[string]string{"e": ""}); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("a folder in use: %v", err)
	}
	if err := Write(filepath.Join(dir, "nowhere"), files); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing folder: %v", err)
	}
	for _, name := range []string{"", ".", "../x", "/x", "a//b", "a/../b"} {
		empty := t.TempDir()
		if err := Write(empty, map[string]string{"a": "", name: ""}); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%q: %v", name, err)
		}
		if left, err := os.ReadDir(empty); err != nil || len(left) > 0 {
			t.Errorf("%q: left %v, %v", name, left, err)
		}
	}
	if err := Write(t.TempDir(), map[string]string{"a": "", "a/b": ""}); err == nil {
		t.Error("a path that is a file and a folder: no error")
	}
}

// checkFiles parses every file, but for templates of charts, and looks for what
// kustomizations name.
func checkFiles(t *testing.T, files map[string]string) {
	t.Helper()
	for name, content := range files {
		if strings.Contains(name, "/templates/") {
			continue
		}
		for _, doc := range documents(t, content) {
			if path.Base(name) != "kustomization.yaml" {
				continue
			}
			var entries []string
			for _, field := range []string{"resources", "components"} {
				list, _, err := unstructured.NestedStringSlice(doc, field)
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				entries = append(entries, list...)
			}
			for _, e := range entries {
				p := path.Join(path.Dir(name), e)
				_, file := files[p]
				_, folder := files[p+"/kustomization.yaml"]
				if !file && !folder {
					t.Errorf("%s: %s does not exist", name, e)
				}
			}
		}
	}
}

// documents parses YAML; a document that is no mapping is left out.
func documents(t *testing.T, content string) []map[string]any {
	t.Helper()
	var out []map[string]any
	for text := range strings.SplitSeq("\n"+content, "\n---\n") {
		var doc any
		if err := yaml.UnmarshalStrict([]byte(text), &doc); err != nil {
			t.Fatalf("%v:\n%s", err, text)
		}
		if m, ok := doc.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// render builds each cluster's sync path and the paths of the Kustomizations in
// it, and substitutes strictly: cluster -> kind/namespace/name -> YAML.
func render(t *testing.T, files map[string]string) map[string]map[string]string {
	t.Helper()
	dir := t.TempDir()
	if err := Write(dir, files); err != nil {
		t.Fatal(err)
	}
	out := map[string]map[string]string{}
	for name := range files {
		if !strings.HasSuffix(name, "/flux-system/gotk-sync.yaml") {
			continue
		}
		objects := map[string]string{}
		root := path.Dir(path.Dir(name))
		vars, _, err := unstructured.NestedStringMap(documents(t, files[root+"/cluster-vars.yaml"])[0], "data")
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range build(t, dir, root, "").Resources() {
			objects[key(r.GetKind(), r.GetNamespace(), r.GetName())] = r.MustYaml()
			if r.GetGvk().Group != "kustomize.toolkit.fluxcd.io" || r.GetName() == "flux-system" {
				continue
			}
			m, err := r.Map()
			if err != nil {
				t.Fatal(err)
			}
			spec, _ := m["spec"].(map[string]any)
			folder, _ := spec["path"].(string)
			ns, _ := spec["targetNamespace"].(string)
			for _, r := range build(t, dir, folder, ns).Resources() {
				k := key(r.GetKind(), r.GetNamespace(), r.GetName())
				if _, twice := objects[k]; twice {
					t.Errorf("%s: %s occurs twice", root, k)
				}
				objects[k], err = envsubst.Eval(r.MustYaml(), func(name string) (string, bool) {
					v, ok := vars[name]
					return v, ok
				})
				if err != nil {
					t.Errorf("%s: %s: %v", root, k, err)
				}
			}
		}
		out[path.Base(root)] = objects
	}
	return out
}

func key(kind, namespace, name string) string {
	return strings.TrimSuffix(kind+"/"+namespace, "/") + "/" + name
}

// build runs Flux's generator and kustomize on a folder, and leaves the folder
// as it was.
func build(t *testing.T, dir, folder, namespace string) resmap.ResMap {
	t.Helper()
	at := filepath.Join(dir, folder)
	ks := unstructured.Unstructured{Object: map[string]any{
		"spec": map[string]any{"targetNamespace": namespace},
	}}
	action, err := fluxkustomize.NewGenerator(dir, ks).WriteFile(at)
	if err != nil {
		t.Fatalf("%s: %v", folder, err)
	}
	m, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), at)
	if err != nil {
		t.Fatalf("%s: %v", folder, err)
	}
	if err := fluxkustomize.CleanDirectory(at, action); err != nil {
		t.Fatal(err)
	}
	return m
}

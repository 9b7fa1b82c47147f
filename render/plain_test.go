package render

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// many are manifests that are fine alone and may not be together, or fail in a build
// only.
var many = []string{
	"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one, namespace: default}\n",
	"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: two, annotations: {config.kubernetes.io/local-config: 'true'}}\n",
	"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: two, annotations: {config.kubernetes.io/local-config: 'false'}}\n",
	"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: three, annotations: {\"config.kubern\\x65tes.io/local-config\": 'true'}}\n",
	"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: four, annotations: {a: \"\\u003c\"}}\n",
	"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: new, annotations: {internal.config.kubernetes.io/previousNames: one, internal.config.kubernetes.io/previousKinds: ConfigMap, internal.config.kubernetes.io/previousNamespaces: default}}\n",
	"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: v, annotations: {kustomize.toolkit.fluxcd.io/substitute: disabled}}\ndata: {a: '${b}'}\n",
	"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: dollar, labels: {}, annotations:}\ndata: {a: '${b}', c: 1.0, d: [], e: {}, f: ~, g: 1e3, h: 0x1F, i: 2001-01-01}\n",
	"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec: {template: {spec: {containers: [{name: a, envFrom: [{configMapRef: {name: one}}]}], volumes: [{configMap: {name: two}}]}}}\n",
	"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: bad}\nspec: {template: {spec: {containers: [{name: a, env: x}]}}}\n",
	"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: worse}\nspec: words\n",
	"apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: r, namespace: a}\nsubjects: [{kind: ServiceAccount, name: s, namespace: b}]\nroleRef: {kind: Role, name: one, apiGroup: rbac.authorization.k8s.io}\n",
	"apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: r}\nsubjects: [{kind: ServiceAccount, name: s, namespace: }]\n",
	"apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: r}\nsubjects: [s]\n",
	"apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: s, namespace: b}\n",
	"apiVersion: v1\nkind: Namespace\nmetadata: {name: n}\n", "apiVersion: v1\nkind: Namespace\nmetadata: {name: n, namespace: other}\n",
	"apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w, namespace: a}\n---\napiVersion: example.com/v2\nkind: Widget\nmetadata: {name: w, namespace: a}\n",
	"apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: p}\nspec: {volumeName: one}\n",
	"apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  volumes:\n  - configMap:\n",
	"apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {name: hook}\nwebhooks: [{clientConfig: {service: {name: a, namespace: b}}}, {clientConfig: {service: {namespace: b}}}]\n",
	"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 7}\n", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, labels: {a: 1}}\n",
	"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ''}\n", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n- \n",
	"# c\napiVersion: v1 # c\nkind: ConfigMap\n# d\nmetadata:\n  name: comments # e\n# end\n",
}

func drawPlain(t *rapid.T) map[string]string {
	files := map[string]string{"README.md": "# a repository\n"}
	dirs := []string{"a", "a/b", "a/b/c", "d", "a/e"}
	pool := slices.Concat(manifests[:14], many)
	rare := max(0, rapid.IntRange(-2, 3).Draw(t, "rare"))
	for i := range rapid.IntRange(0, 12).Draw(t, "files") {
		name := rapid.SampledFrom([]string{"one.yaml", "two.yml", "three.yaml", "four.yaml", "five.yaml"}).Draw(t, "name")
		content := fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c%d}\ndata: {a: '${x%d}'}\n", i, i)
		if rapid.IntRange(0, 3).Draw(t, "special") < rare {
			content = rapid.SampledFrom(pool).Draw(t, "content")
		}
		if rapid.IntRange(0, 9).Draw(t, "large") == 0 {
			for k := range rapid.IntRange(20, 60).Draw(t, "documents") {
				content += fmt.Sprintf("\n--- \n# %d\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: l%d-%d}\ndata: {b: |\n    x\n}\n", k, i, k)
				if rapid.IntRange(0, 19).Draw(t, "inside") == 0 {
					content += "\n---\n" + rapid.SampledFrom(pool).Draw(t, "content")
				}
			}
			content = strings.ReplaceAll(content, "{b: |\n    x\n}", "\n  b: |\n    x\n")
		}
		files[rapid.SampledFrom(dirs).Draw(t, "dir")+"/"+name] = content
	}
	for range rapid.IntRange(0, 3).Draw(t, "kustomizations") {
		var content string
		if rapid.IntRange(0, 9).Draw(t, "any") == 0 {
			content = rapid.SampledFrom(kustomizations).Draw(t, "kustomization")
		} else {
			list := rapid.SliceOfN(rapid.SampledFrom([]string{
				"one.yaml", "./two.yml", "three.yaml", "b", "../e", "c", "./c/", "../d", "../../d/one.yaml", "..", ".", "../a", "four.yaml",
				"../../../x", "/artifact/a/one.yaml", "https://example.com/x.yaml", "none", "kustomization.yaml",
			}), 1, 4).Draw(t, "resources")
			content = "resources: [" + strings.Join(list, ", ") + "]\n"
		}
		files[rapid.SampledFrom(dirs).Draw(t, "dir")+"/"+rapid.SampledFrom([]string{"kustomization.yaml", "kustomization.yaml", "Kustomization"}).Draw(t, "name")] = content
	}
	return files
}

// TestPlainLikeKustomize: whatever is built in batches is byte for byte what kustomize
// makes of the whole, with the same origins; and it is decided by what was read.
func TestPlainLikeKustomize(t *testing.T) {
	oneGoroutine(t)
	n, fast, failed := 0, 0, 0
	check := func(rt *rapid.T) {
		n++
		tr := tree.FromMap(drawPlain(rt))
		inspect := newInspector()
		spec := buildSpec{Path: rapid.SampledFrom([]string{".", "a", "a", "a/b"}).Draw(rt, "path")}
		got := &build{spec: spec, tree: tr}
		rec := tree.Record(tr)
		plain := got.plain(t.Context(), rec, inspect)
		want := &build{spec: spec, tree: tr}
		whole := tree.Record(tr)
		want.make(t.Context(), whole, inspect)
		if want.err != nil {
			failed++
		}
		if !plain {
			return
		}
		fast++
		sameBuilds(rt, want, got)
		if diff := cmp.Diff(want.findOrigins(inspect), got.findOrigins(inspect)); diff != "" {
			rt.Fatalf("origins (-kustomize +ours):\n%s", diff)
		}
		if other := tree.FromMap(drawPlain(rt)); rec.Trace().Holds(other) {
			again := &build{spec: spec, tree: other}
			again.make(t.Context(), tree.Record(other), newInspector())
			sameBuilds(rt, again, got)
		}
	}
	for range 5 { // a draw takes 2 ms
		rapid.Check(t, check)
	}
	t.Logf("%d trees, %d built in batches, %d refused by kustomize", n, fast, failed)
	if n > 50 && (fast < n/10 || failed < n/20) {
		t.Error("the test sees too little")
	}
}

func sameBuilds(t rapid.TB, want, got *build) {
	if want.err != nil {
		t.Fatalf("kustomize says: %v", want.err)
	}
	show := func(b *build) (out []string) {
		for _, it := range b.items {
			out = append(out, fmt.Sprintf("%#v %v %v %s", it.id, it.optOut, it.usage != nil, it.json))
		}
		return out
	}
	if diff := cmp.Diff(show(want), show(got)); diff != "" {
		t.Fatalf("(-kustomize +ours):\n%s", diff)
	}
	if len(want.remotes) > 0 || want.lenient {
		t.Fatal("kustomize left something out")
	}
}

// TestPlainTaken: the usual folders are built in batches, and what is equal in two
// revisions is the same.
func TestPlainTaken(t *testing.T) {
	files := map[string]string{"c/sub/kustomization.yaml": "resources: [x.yaml]\n", "c/sub/x.yaml": manifests[0]}
	for i := range 200 {
		files[fmt.Sprintf("c/%03d.yaml", i)] = fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c%d}\n", i)
	}
	inspect := newInspector()
	first := runBuild(t.Context(), tree.FromMap(files), inspect, buildSpec{Path: "c"}, nil)
	files["c/017.yaml"] = strings.Replace(files["c/017.yaml"], "c17", "other", 1)
	second := runBuild(t.Context(), tree.FromMap(files), inspect, buildSpec{Path: "c"}, nil)
	if len(first.batches) < 2 || len(first.items) != 201 || len(second.items) != 201 {
		t.Fatalf("%d batches, %d and %d items: %v %v", len(first.batches), len(first.items), len(second.items), first.err, second.err)
	}
	same := 0
	for i := range first.items {
		if first.items[i] == second.items[i] {
			same++
		}
	}
	if same < 100 {
		t.Errorf("%d items are the same", same)
	}
	if moved := runBuild(t.Context(), tree.FromMap(files), inspect, buildSpec{Path: "c", TargetNamespace: "x"}, nil); moved.batches != nil {
		t.Error("a build with a target namespace is not plain")
	}
}

// TestPlainNot: a second kustomization file refuses the folder, whatever is in it.
func TestPlainNot(t *testing.T) {
	for _, second := range []string{"resources: [one.yaml]\n", "openapi: {path: schema.json}\n", "a: [\n", ""} {
		files := map[string]string{"a/one.yaml": manifests[0], "a/kustomization.yaml": "resources: [one.yaml]\n", "a/Kustomization": second, "b/kustomization.yaml": "resources: [../a]\n"}
		for _, dir := range []string{"a", "b"} {
			got := runBuild(t.Context(), tree.FromMap(files), newInspector(), buildSpec{Path: dir}, nil)
			if got.err == nil || got.batches != nil {
				t.Errorf("%s beside %q is built: %v", dir, second, got.err)
			}
		}
	}
}

func BenchmarkPlain(b *testing.B) {
	for _, n := range []int{30, 150, 600, 3000} {
		files := map[string]string{}
		for i := range n {
			files[fmt.Sprintf("c/%04d.yaml", i)] = fmt.Sprintf("apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app-%d\n  namespace: apps\n"+
				"spec:\n  replicas: 2\n  template:\n    spec:\n      containers:\n      - name: app\n        image: ghcr.io/example/app:1.0\n        envFrom:\n        - configMapRef:\n            name: settings\n", i)
		}
		tr := tree.FromMap(files)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if got := runBuild(b.Context(), tr, newInspector(), buildSpec{Path: "c"}, nil); got.err != nil || len(got.batches) == 0 {
					b.Fatal(got.err)
				}
			}
		})
		b.Run(fmt.Sprintf("%d-at-once", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				got := &build{spec: buildSpec{Path: "c"}, tree: tr}
				if got.make(b.Context(), tree.Record(tr), newInspector()); got.err != nil {
					b.Fatal(got.err)
				}
			}
		})
	}
}

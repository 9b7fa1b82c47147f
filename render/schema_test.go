package render

import (
	"maps"
	"testing"

	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/kustomize/kyaml/openapi"
	kyaml "sigs.k8s.io/kustomize/kyaml/yaml"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// TestScopesWithoutSchema: the scope of every kind is the same before the schema is
// parsed and after.
func TestScopesWithoutSchema(t *testing.T) {
	defer useSchema(ownSchema)()
	kinds := map[kyaml.TypeMeta]bool{{APIVersion: "example.com/v1", Kind: "Widget"}: true, {Kind: "Node"}: true, {}: true}
	for gvk := range scheme.Scheme.AllKnownTypes() {
		kinds[kyaml.TypeMeta{APIVersion: gvk.GroupVersion().String(), Kind: gvk.Kind}] = true
	}
	for _, d := range openapi.Schema().Definitions {
		list, _ := d.Extensions["x-kubernetes-group-version-kind"].([]any)
		for _, e := range list {
			m, _ := e.(map[string]any)
			version, _ := m["version"].(string)
			if g, _ := m["group"].(string); g != "" {
				version = g + "/" + version
			}
			kind, _ := m["kind"].(string)
			kinds[kyaml.TypeMeta{APIVersion: version, Kind: kind}] = true
		}
	}
	if len(kinds) < 700 {
		t.Fatalf("only %d kinds", len(kinds))
	}
	type scope struct{ namespaced, known bool }
	all := func() map[kyaml.TypeMeta]scope {
		out := map[kyaml.TypeMeta]scope{}
		for k := range kinds {
			namespaced, known := openapi.IsNamespaceScoped(k)
			out[k] = scope{namespaced, known}
		}
		return out
	}
	parsed := all()
	preloadSchema()
	if before := all(); !maps.Equal(before, parsed) {
		for k := range kinds {
			if before[k] != parsed[k] {
				t.Errorf("%v: %v before, %v after parsing", k, before[k], parsed[k])
			}
		}
	}
}

func TestDemand(t *testing.T) {
	const merge, jsonPatch = "kind: ConfigMap\napiVersion: v1\nmetadata: {name: a}\ndata: {a: b}\n", "- {op: remove, path: /data}\n"
	for name, c := range map[string]struct {
		kustomization string
		want          demand
	}{
		"plain":               {"resources: [a.yaml]\nnamespace: x\nlabels: [{pairs: {a: b}}]\n", scopesOnly},
		"json patch":          {"patches: [{target: {kind: ConfigMap}, patch: '[{op: remove, path: /data}]'}]\n", scopesOnly},
		"json patch as YAML":  {"patches:\n- target: {kind: ConfigMap}\n  patch: |\n    - {op: remove, path: /data}\n", scopesOnly},
		"json patch in file":  {"patches: [{target: {kind: ConfigMap}, path: json.yaml}]\n", scopesOnly},
		"no patches":          {"patches: []\n", scopesOnly},
		"null patches":        {"patches:\n", scopesOnly},
		"merge patch":         {"patches:\n- patch: |\n    kind: ConfigMap\n    apiVersion: v1\n    metadata: {name: a}\n", merging},
		"merge patch in file": {"patches: [{path: merge.yaml}]\n", merging},
		"no file":             {"patches: [{path: none.yaml}]\n", merging},
		"two after each other": {
			"patches:\n- target: {kind: ConfigMap}\n  patch: '[{op: remove, path: /data}]'\n- path: merge.yaml\n", merging,
		},
		"another spelling":  {"Patches: []\n", merging},
		"spelling inside":   {"patches: [{patch: '[]', PATCH: x}]\n", merging},
		"both":              {"patches: [{patch: '[]', path: x}]\n", merging},
		"not a list":        {"patches: x\n", merging},
		"old field":         {"patchesStrategicMerge: [merge.yaml]\n", merging},
		"transformers":      {"transformers: [t.yaml]\n", merging},
		"no transformers":   {"transformers: []\n", scopesOnly},
		"generators":        {"generators: [t.yaml]\n", merging},
		"schema":            {"openapi: {path: x}\n", ownSchema},
		"schema and more":   {"openapi: {path: x}\npatches: [{path: merge.yaml}]\n", ownSchema},
		"joined lines":      {"? \"pat\\\nches\"\n: [{path: merge.yaml}]\n", merging},
		"joined otherwise":  {"? \"pat\\\r\nches\"\n: [{path: merge.yaml}]\n", merging},
		"escape":            {"\"p\\x61tches\": [{path: merge.yaml}]\n", merging},
		"sign":              {"\"open\\u212ai\": x\npatche\u017f: [{path: merge.yaml}]\n", merging},
		"no YAML":           {"patches: [\n", merging},
		"json patch parsed": {"patchesJson6902: [{target: {kind: ConfigMap, name: a, version: v1}, patch: '[]'}]\n", scopesOnly},
	} {
		t.Run(name, func(t *testing.T) {
			tr := tree.FromMap(map[string]string{"kustomization.yaml": c.kustomization, "merge.yaml": merge, "json.yaml": jsonPatch})
			f := &artifactFS{in: tree.Record(tr), inspect: newInspector()}
			if _, err := f.ReadFile("kustomization.yaml"); (err != nil) != (c.want > scopesOnly) {
				t.Errorf("reading gives %v", err)
			}
			if f.asks != c.want {
				t.Errorf("asks for %d, want %d", f.asks, c.want)
			}
			var m map[string]any
			if yaml.Unmarshal([]byte(c.kustomization), &m) == nil {
				if d, _ := demandOf(m); d > c.want {
					t.Errorf("its fields ask for %d, want %d", d, c.want)
				}
			}
		})
	}
}

// TestMergeParsesSchema: a build that merges has the schema parsed, and others leave
// it alone.
func TestMergeParsesSchema(t *testing.T) {
	useSchema(ownSchema)() // nothing parsed
	tr := tree.FromMap(map[string]string{
		"plain/kustomization.yaml": "resources: [a.yaml]\n",
		"plain/a.yaml":             "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {template: {spec: {containers: [{name: x, image: a}, {name: y, image: b}]}}}\n",
		"merged/kustomization.yaml": "resources: [../plain]\npatches:\n- patch: |\n    apiVersion: apps/v1\n    kind: Deployment\n    metadata: {name: a}\n" +
			"    spec: {template: {spec: {containers: [{name: y, image: c}]}}}\n",
	})
	plain := runBuild(t.Context(), tr, newInspector(), buildSpec{Path: "plain"}, nil)
	if plain.err != nil || schemaAtHand() != scopesOnly {
		t.Fatalf("%v, and the schema is %d", plain.err, schemaAtHand())
	}
	merged := runBuild(t.Context(), tr, newInspector(), buildSpec{Path: "merged"}, nil)
	if merged.err != nil || schemaAtHand() != merging {
		t.Fatalf("%v, and the schema is %d", merged.err, schemaAtHand())
	}
	const want = `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a"},"spec":{"template":{"spec":{"containers":[{"image":"c","name":"y"},{"image":"a","name":"x"}]}}}}`
	if got := string(merged.items[0].json); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

package render

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/fluxcd/pkg/ssa/normalize"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// admitted is what admit says of a manifest, normalised as the controller does.
func admitted(t *testing.T, manifest string) string {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(manifest), &u.Object); err != nil {
		t.Fatal(err)
	}
	before := u.Object
	if err := normalize.UnstructuredList([]*unstructured.Unstructured{u}); err != nil {
		t.Fatal(err)
	}
	return admit(u, !sameMap(before, u.Object), false)
}

// TestAdmitWords checks messages in full; the cases of testdata hold their beginning.
func TestAdmitWords(t *testing.T) {
	for name, c := range map[string]struct{ manifest, want string }{
		"number in a ConfigMap": {
			"{apiVersion: v1, kind: ConfigMap, metadata: {name: cm, namespace: x}, data: {val: 1}}",
			"ConfigMap/x/cm dry-run failed: failed to create typed patch object (x/cm; /v1, Kind=ConfigMap): .data.val: expected string, got &value.valueUnstructured{Value:1}",
		},
		"an unknown field beside a wrong type": {
			"{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: x}, spec: {replicas: '1', replicass: 2}}",
			"Deployment/x/web dry-run failed: failed to create typed patch object (x/web; apps/v1, Kind=Deployment): errors: " +
				".spec.replicas: expected numeric (int or float), got string .spec.replicass: field not declared in schema",
		},
		"an unknown field alone is dropped": {
			"{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: x}, spec: {replicas: 1, replicass: 2}}", "",
		},
		"an unknown field where nothing is dropped": {
			"{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: r}, rules: [{verbs: [get], verb: put}]}",
			"ClusterRole/r dry-run failed: failed to create typed patch object (/r; rbac.authorization.k8s.io/v1, Kind=ClusterRole): .rules[0].verb: field not declared in schema",
		},
		"text that is no quantity": {
			"{apiVersion: v1, kind: ResourceQuota, metadata: {name: q, namespace: x}, spec: {hard: {pods: many}}}",
			"ResourceQuota/x/q dry-run failed: failed to convert new object (x/q; /v1, Kind=ResourceQuota) to proper version: unable to convert unstructured object to /v1, Kind=ResourceQuota: " +
				"quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
		},
		"several faults": {
			"{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: x}, data: {b: '@@@@@', a: 'YQ==', c: 'abc@'}}",
			"Secret/x/s dry-run failed: failed to convert new object (x/s; /v1, Kind=Secret) to proper version: unable to convert unstructured object to /v1, Kind=Secret: illegal base64 data at input byte 0",
		},
		"a number in a Secret is not shown": {
			"{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: x}, stringData: {pin: 1234}}",
			"Secret/x/s dry-run failed: failed to create typed patch object (x/s; /v1, Kind=Secret): .stringData.pin: expected string, got another type, which is not shown",
		},
		"a wrong type in a CustomResourceDefinition": {
			"{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: a.b.c}, spec: {scope: 1}}",
			"CustomResourceDefinition/a.b.c dry-run failed: failed to create typed patch object (/a.b.c; apiextensions.k8s.io/v1, Kind=CustomResourceDefinition): " +
				"json: cannot unmarshal number into Go struct field CustomResourceDefinitionSpec.spec.scope of type v1.ResourceScope",
		},
		"metadata of a kind that is not built in": {
			"{apiVersion: example.com/v1, kind: Widget, metadata: {name: w, namespace: x, annotations: {a: 1}}}",
			"Widget/x/w dry-run failed: failed to create typed patch object (x/w; example.com/v1, Kind=Widget): .metadata.annotations.a: expected string, got &value.valueUnstructured{Value:1}",
		},
		"annotations that are too large": {
			"{apiVersion: v1, kind: ConfigMap, metadata: {name: cm, namespace: x, annotations: {a: '" + strings.Repeat("a", 150<<10) + "', b: '" + strings.Repeat("b", 150<<10) + "'}}}",
			`ConfigMap/x/cm dry-run failed (Invalid): ConfigMap "cm" is invalid: metadata.annotations: Too long: may not be more than 262144 bytes`,
		},
		"annotations that are large": {
			"{apiVersion: v1, kind: ConfigMap, metadata: {name: cm, namespace: x, annotations: {a: '" + strings.Repeat("a", 150<<10) + "', b: '" + strings.Repeat("b", 100<<10) + "'}}}", "",
		},
	} {
		if got := admitted(t, c.manifest); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

// TestOrdinaryIsValid: metadata that spares the rules breaks none of them.
func TestOrdinaryIsValid(t *testing.T) {
	text := rapid.OneOf(rapid.StringMatching(`[a-zA-Z0-9][a-zA-Z0-9._-]{0,5}`), rapid.StringMatching(`[a-zA-Z0-9._/-]{0,5}`),
		rapid.StringMatching(`[a-z0-9]{1,4}(\.[a-z0-9-]{1,4}){0,2}/[a-zA-Z0-9._-]{1,4}`), rapid.StringMatching(`[a-z0-9]{60,66}`), rapid.String())
	hits := 0
	rapid.Check(t, func(t *rapid.T) {
		meta := map[string]any{"name": rapid.StringMatching(`[a-z0-9][a-z0-9-]{0,9}[a-z0-9.%/-]`).Draw(t, "name")}
		for _, field := range []string{"labels", "annotations"} {
			m := map[string]any{}
			for range rapid.IntRange(0, 2).Draw(t, field) {
				m[text.Draw(t, "key")] = text.Draw(t, "value")
			}
			meta[field] = m
		}
		if !ordinary(meta) {
			return
		}
		hits++
		var typed metav1.ObjectMeta
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(meta, &typed); err != nil {
			t.Fatalf("%v: %v", meta, err)
		}
		if errs := validation.ValidateObjectMetaAccessor(&typed, false, segment, field.NewPath("metadata")); len(errs) > 0 {
			t.Fatalf("%v: %v", meta, errs)
		}
	})
	t.Logf("%d were ordinary", hits)
}

// TestNewestKubernetes keeps the release in step with the module that has its types.
func TestNewestKubernetes(t *testing.T) {
	gomod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`k8s\.io/client-go v0\.(\d+)\.`).FindSubmatch(gomod)
	if want := fmt.Sprintf("%d", newestKubernetes[1]); m == nil || string(m[1]) != want {
		t.Errorf("go.mod has client-go %q, newestKubernetes is 1.%s", m, want)
	}
}

// TestVerdictsShared: the same object on many clusters is decoded once, and each
// cluster has its failure.
func TestVerdictsShared(t *testing.T) {
	files := map[string]string{"apps/cm.yaml": "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: x}, data: {a: 1}}"}
	var declared []Declared
	for i := range 5 {
		name := fmt.Sprintf("c%d", i)
		files["clusters/"+name+"/apps.yaml"] = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps, namespace: flux-system}\n" +
			"spec: {interval: 1m, prune: true, path: ./apps, sourceRef: {kind: GitRepository, name: flux-system}}\n"
		declared = append(declared, Declared{Name: name, Paths: []string{"clusters/" + name}})
	}
	r, err := Fleet(t.Context(), Repository{URL: ownURL, Tree: tree.FromMap(files)}, Options{Clusters: declared})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range r.Clusters {
		if len(c.Failures) != 1 || c.Failures[0].File != "apps/cm.yaml" || c.Failures[0].Hint == "" {
			t.Errorf("%s: failures %+v", c.Name, c.Failures)
		}
	}
}

// TestVariableOfAnApplierAbove: a Kustomization that is made with unknown variables
// may hold their names as values, which say nothing about types.
func TestVariableOfAnApplierAbove(t *testing.T) {
	ks := func(name, path, post string) string {
		return "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: " + name + ", namespace: flux-system}\n" +
			"spec: {interval: 1m, prune: true, path: " + path + ", sourceRef: {kind: GitRepository, name: flux-system}, postBuild: " + post + "}\n"
	}
	files := map[string]string{
		"clusters/a/up.yaml": ks("up", "./up", "{substituteFrom: [{kind: Secret, name: elsewhere}]}"),
		"up/down.yaml":       ks("down", "./down", `{substitute: {count: "${count}"}}`),
		"down/web.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: x}\nspec:\n  replicas: ${count}\n" +
			"  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec: {containers: [{name: web, image: registry.k8s.io/pause:3.10}]}\n",
	}
	r, err := Fleet(t.Context(), Repository{URL: ownURL, Tree: tree.FromMap(files)}, Options{Clusters: []Declared{{Name: "a", Paths: []string{"clusters/a"}}}})
	if err != nil {
		t.Fatal(err)
	}
	if c := r.Clusters[0]; len(c.Failures) > 0 || c.Objects.Len() != 3 {
		t.Errorf("%d objects, failures %+v", c.Objects.Len(), c.Failures)
	}
}

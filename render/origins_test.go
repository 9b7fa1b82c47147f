package render

import (
	"strings"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// additions are what kustomizations say beside their resources.
var additions = []string{
	"namespace: other\n", "namePrefix: p-\n", "nameSuffix: -s\n", "commonLabels: {a: b}\n", "commonAnnotations: {a: b}\n", "labels: [{pairs: {c: d}}]\n",
	"images: [{name: a, newTag: '2'}]\n", "replicas: [{name: d, count: 3}]\n", "components: [../e]\n", "components: [./e, ../d]\n", "sortOptions: {order: legacy}\n",
	"sortOptions: {order: fifo}\n", "buildMetadata: [originAnnotations]\n", "configMapGenerator: [{name: g, literals: [a=b]}]\n",
	"configMapGenerator: [{name: one, behavior: merge, literals: [a=b]}]\n", "generatorOptions: {disableNameSuffixHash: true}\n",
	"patches: [{patch: 'apiVersion: v1\n\n    kind: ConfigMap\n\n    metadata: {name: c0}\n\n    $patch: delete'}]\n",
	"patches: [{target: {kind: ConfigMap}, patch: '[{op: replace, path: /metadata/name, value: same}]'}]\n",
	"patches: [{target: {kind: ConfigMap, name: c0}, options: {allowNameChange: true}, patch: '[{op: replace, path: /metadata/name, value: c1}]'}]\n",
	"patches: [{target: {name: c0}, options: {allowKindChange: true}, patch: '[{op: replace, path: /kind, value: Secret}]'}]\n",
	"patches: [{target: {kind: ConfigMap}, patch: '[{op: add, path: /metadata/annotations, value: {x: y}}]'}]\n",
	"patches: [{target: {kind: ConfigMap}, patch: '[{op: remove, path: /metadata/annotations}]'}]\n",
	"replacements: [{source: {kind: ConfigMap, name: c0, fieldPath: metadata.name}, targets: [{select: {kind: ConfigMap, name: c1}, fieldPaths: [metadata.name]}]}]\n",
	"crds: [one.yaml]\n", "vars: []\n", "configurations: []\n", "helmGlobals: {chartHome: x}\n",
}

// TestListedOrigins: what is read off the lists of kustomizations is what kustomize says.
func TestListedOrigins(t *testing.T) {
	oneGoroutine(t)
	n, listed, built := 0, 0, 0
	check := func(rt *rapid.T) {
		n++
		files := drawPlain(rt)
		for name, content := range files {
			if strings.HasSuffix(strings.ToLower(name), "/kustomization.yaml") && strings.HasPrefix(content, "resources:") {
				for _, more := range rapid.SliceOfN(rapid.SampledFrom(additions), 0, 2).Draw(rt, "additions of "+name) {
					content += more
				}
				files[name] = content
			}
		}
		if rapid.Bool().Draw(rt, "component") {
			files["a/e/kustomization.yaml"] = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [in.yaml]\npatches: [{target: {kind: ConfigMap}, patch: '[{op: add, path: /data/z, value: y}]'}]\n"
			files["a/e/in.yaml"] = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: inside}\ndata: {a: b}\n"
		}
		inspect := newInspector()
		spec := buildSpec{Path: rapid.SampledFrom([]string{".", "a", "a", "a/b"}).Draw(rt, "path")}
		switch rapid.IntRange(0, 7).Draw(rt, "spec") {
		case 0:
			spec.TargetNamespace = "there"
		case 1:
			spec.NamePrefix = "x-"
		case 2:
			spec.Components = []string{"./e"}
		}
		tr := tree.FromMap(files)
		b := &build{spec: spec, tree: tr}
		b.make(t.Context(), tree.Record(tr), inspect)
		if b.err != nil {
			return
		}
		built++
		got := b.listedOrigins(inspect)
		if got == nil {
			return
		}
		listed++
		if diff := cmp.Diff(b.builtOrigins(inspect), got); diff != "" {
			rt.Fatalf("origins (-kustomize +ours):\n%s", diff)
		}
	}
	for range 10 { // a draw takes few milliseconds
		rapid.Check(t, check)
	}
	t.Logf("%d trees, %d that kustomize builds, %d of them listed", n, built, listed)
	if n > 100 && listed < built/10 {
		t.Error("the test sees too little")
	}
}

// TestListedOriginsOnCorpora is the same law on real fleets.
func TestListedOriginsOnCorpora(t *testing.T) {
	if raceDetector {
		t.Skip("left to the run without the race detector: make differential")
	}
	listed, all := 0, 0
	for _, bundle := range corpora(t) {
		tr := checkout(t, bundle)
		if _, err := entryPoints(t.Context(), tr, &Options{}, &Cache{}); err != nil {
			continue
		}
		e, evals := settled(t, tr, Options{})
		seen := map[*build]bool{}
		for _, key := range sortedKeys(evals) {
			a := evals[key].applier
			if a.Kind != kustomizev1.KustomizationKind || a.build == nil || a.build.err != nil || seen[a.build] || len(a.build.batches) > 0 || len(seen) > 400 {
				continue
			}
			seen[a.build] = true
			all++
			got := a.build.listedOrigins(e.cache.inspect)
			if got == nil {
				continue
			}
			listed++
			if diff := cmp.Diff(a.build.builtOrigins(e.cache.inspect), got); diff != "" {
				t.Errorf("%s: %s: origins (-kustomize +ours):\n%s", bundle, a, diff)
			}
		}
	}
	t.Logf("%d of %d builds that are not plain are listed", listed, all)
}

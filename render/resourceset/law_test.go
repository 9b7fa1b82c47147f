package resourceset

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func drawSet(t *rapid.T) (rs map[string]any, providers []map[string]any) {
	values := func() map[string]any {
		return map[string]any{"name": rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name"), "n": rapid.Int64Range(0, 3).Draw(t, "n")}
	}
	spec := map[string]any{}
	if rapid.Bool().Draw(t, "inputs") {
		inputs := []any{}
		for range rapid.IntRange(0, 3).Draw(t, "sets") {
			inputs = append(inputs, values())
		}
		spec["inputs"] = inputs
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "providers") {
		providers = append(providers, map[string]any{
			"apiVersion": apiVersion, "kind": providerKind,
			"metadata": map[string]any{"name": fmt.Sprint("p", i), "namespace": "apps", "labels": map[string]any{"all": "yes"}},
			"spec":     map[string]any{"type": "Static", "defaultValues": values()},
		})
	}
	if rapid.Bool().Draw(t, "from") {
		spec["inputsFrom"] = []any{map[string]any{"selector": map[string]any{"matchLabels": map[string]any{"all": "yes"}}}}
	}
	templates := []string{
		`<< get inputs "name" | default "none" >>`, "fixed", `x-<< inputs.id >>`, `<< inputs.provider.name >>`, `<< get inputs "n" >>`, `<< keys inputs | join "" | lower >>`,
	}
	var resources []any
	for range rapid.IntRange(1, 3).Draw(t, "resources") {
		resources = append(resources, map[string]any{
			"apiVersion": "v1", "kind": rapid.SampledFrom([]string{"ConfigMap", "Secret"}).Draw(t, "kind"),
			"metadata": map[string]any{"name": "o-" + rapid.SampledFrom(templates).Draw(t, "template"), "namespace": "x"},
			"data":     map[string]any{"v": "v" + rapid.SampledFrom(templates).Draw(t, "value")},
		})
	}
	spec["resources"] = resources
	return map[string]any{"metadata": map[string]any{"name": "r", "namespace": "apps"}, "spec": spec}, providers
}

// TestLaws: equal input gives equal output, also in parallel and with the providers
// in another order; no object is there twice; every object has its owner's labels;
// and what says that it is known does not depend on the ids.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rs, providers := drawSet(rt)
		before := copyOf(rs)
		render := func() string { return report(Render(t.Context(), rs, Among(providers))) }
		first := render()
		var wg sync.WaitGroup
		again := make([]string, 3)
		for i := range again {
			wg.Go(func() { again[i] = render() })
		}
		wg.Wait()
		for i := range len(providers) / 2 {
			j := len(providers) - 1 - i
			providers[i], providers[j] = providers[j], providers[i]
		}
		for _, other := range append(again, render()) {
			if diff := cmp.Diff(first, other); diff != "" {
				rt.Fatalf("(-first +again):\n%s", diff)
			}
		}
		if !cmp.Equal(before, any(rs)) {
			rt.Fatal("the ResourceSet was changed")
		}
		out, err := Render(t.Context(), rs, Among(providers))
		if err != nil {
			rt.Fatal(err)
		}
		seen := map[string]bool{}
		for _, o := range out.Objects {
			if id := identity(o.Value); seen[id] {
				rt.Fatalf("%s is there twice", id)
			} else {
				seen[id] = true
			}
			if text(o.Value, "metadata", "labels", ownerLabel+"name") != "r" || text(o.Value, "metadata", "labels", ownerLabel+"namespace") != "apps" {
				rt.Fatalf("%s has no owner", identity(o.Value))
			}
			value := text(o.Value, "data", "v")
			if digits := strings.TrimPrefix(value, "vx-"); value != digits && len(o.Unknown) == 0 {
				rt.Fatalf("%s holds an id, and says that it is known", identity(o.Value))
			}
		}
	})
}

// TestPermuteCounts: there are as many sets as the product of the providers', each
// another one.
func TestPermuteCounts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var all []*provider
		want := 1
		for i := range rapid.IntRange(1, 4).Draw(rt, "providers") {
			p := &provider{kind: kind, namespace: "x", name: fmt.Sprint("p", i)}
			for j := range rapid.IntRange(0, 4).Draw(rt, "sets") {
				p.set(map[string]any{"v": j}, true)
			}
			want *= len(p.sets)
			all = append(all, p)
		}
		sets, err := permute(all)
		if err != nil || len(sets) != want {
			rt.Fatal(len(sets), want, err)
		}
		seen, ids := map[string]bool{}, map[string]bool{}
		for _, s := range sets {
			values := s.with("")
			ids[fmt.Sprint(values["id"])] = true
			delete(values, "id")
			seen[fmt.Sprint(values)] = true
		}
		if len(seen) != want || len(ids) != want {
			rt.Fatalf("%d sets and %d ids of %d", len(seen), len(ids), want)
		}
	})
}

// FuzzTemplate takes anything for a template: no panic, no endless run, and the
// same again the second time.
func FuzzTemplate(f *testing.F) {
	for _, action := range []string{
		`<< inputs.a >>`, `<< range inputs.list >><< . >><< end >>`, `<< define "a" >><< template "a" >><< end >><< template "a" >>`, `<< toYaml inputs | nindent 4 >>`,
		`<< printf "%*d" 5 5 >>`, `<< repeat 5 "a" | trunc -2 >>`, `<< dig "a" "b" "c" inputs >>`, `<< regexReplaceAll "(" "a" "b" >>`, `<< chunk 0 inputs.list >>`, `<<<<>>>>`, `<< randInt 5 1 >>`,
		`<< slice inputs.list 5 1 >>`, `<< substr 5 1 "abc" >>`, `<< div 1 0 >>`, `<< fromJson "[[" >>`, `<< ago "x" >>`, `<< durationRound 5 >>`, `<< set inputs "a" inputs >>`, `<< call inputs.a >>`,
	} {
		f.Add(configMap(action))
		f.Add(action)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rs := templated(text, map[string]any{"a": "x", "list": []any{int64(1), "b", map[string]any{"c": nil}}})
		first := report(Render(t.Context(), rs, nil))
		if again := report(Render(t.Context(), rs, nil)); again != first {
			t.Errorf("first\n%s\nthen\n%s", first, again)
		}
	})
}

// FuzzSet takes anything for a ResourceSet and its providers.
func FuzzSet(f *testing.F) {
	f.Add([]byte("spec: {inputs: [{a: b}], resources: [{apiVersion: v1, kind: ConfigMap, metadata: {name: << inputs.a >>}}]}"))
	f.Add([]byte("metadata: {name: a-b}\nspec: {inputStrategy: {name: Permute}, inputs: [{}], inputsFrom: [{selector: {}}], steps: [{name: a, resources: []}]}"))
	f.Add([]byte("spec: {commonMetadata: {labels: {a: b}}, dependsOn: [{}], resourcesTemplate: 5}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rs, err := document(data)
		if err != nil {
			return
		}
		provider := map[string]any{"apiVersion": apiVersion, "kind": providerKind, "metadata": map[string]any{"name": "p"}, "spec": rs["spec"]}
		_ = report(Render(t.Context(), rs, Among([]map[string]any{provider, rs, nil})))
	})
}

// BenchmarkRender renders 10 resources for 500 tenants.
func BenchmarkRender(b *testing.B) {
	var inputs, resources []any
	for i := range 500 {
		inputs = append(inputs, map[string]any{"tenant": fmt.Sprint("t", i), "replicas": int64(i)})
	}
	for i := range 10 {
		resources = append(resources, map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": fmt.Sprintf("c%d-<< inputs.tenant >>", i), "namespace": "<< inputs.tenant >>"},
			"data": map[string]any{"replicas": "<< inputs.replicas | int | quote >>", "tenant": "<< inputs.tenant | upper | quote >>"},
		})
	}
	rs := map[string]any{"metadata": map[string]any{"name": "r", "namespace": "apps"}, "spec": map[string]any{"inputs": inputs, "resources": resources}}
	b.ReportAllocs()
	for b.Loop() {
		out, err := Render(b.Context(), rs, nil)
		if err != nil || len(out.Objects) != 5000 {
			b.Fatal(err)
		}
	}
}

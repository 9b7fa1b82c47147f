package cause

import (
	"testing"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// FuzzFiles looks into kustomization files and manifests that hold anything.
func FuzzFiles(f *testing.F) {
	f.Add("resources: [a.yaml, ../b]\npatches: [{path: p.yaml, target: {name: '('}}]\n", "kind: ConfigMap\nmetadata: {name: a}\n")
	f.Add("bases: [x]\nconfigMapGenerator: [{name: a, files: [k=v, =, a]}]\ncommonLabels: {a: b}\nreplicas: [{name: a}]", "items: [1, {kind: ConfigMap}]\nkind: List")
	f.Add("patchesStrategicMerge: [p.yaml, \"kind: ConfigMap\\nmetadata: {name: a}\"]\nopenapi: {path: x}", "kind: [ConfigMap]\nmetadata: 7\n---\n{")
	f.Add("a: &a [*a]\nresources: 7", "a: &a [x,x]\nb: &b [*a,*a]\nkind: ConfigMap\nmetadata: {name: '${a}'}")
	f.Fuzz(func(t *testing.T, kustomization, manifest string) {
		before := map[string]string{"d/kustomization.yaml": kustomization, "d/a.yaml": "kind: ConfigMap\nmetadata: {name: a}\ndata: {a: b}\n", "d/p.yaml": manifest}
		after := map[string]string{"d/kustomization.yaml": manifest, "d/a.yaml": manifest, "d/p.yaml": kustomization}
		finder := New(nil, nil, nil, Options{Files: []string{"d/a.yaml"}, Before: tree.FromMap(before), After: tree.FromMap(after)})
		content := map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "a"}}
		o, err := object.New(object.NewBody(content), object.Origin{Cluster: "c", File: "d/a.yaml"})
		if err != nil {
			t.Fatal(err)
		}
		ch := &impact.Change{Cluster: "c", Kind: impact.Changed, ID: o.ID, Before: o, After: o}
		if got := finder.Of(ch); got != nil {
			t.Errorf("nobody renders it, and yet: %v", got)
		}
		s := finder.subject(ch)
		_, _ = finder.kustomizationDiff("d/kustomization.yaml").touch(finder, s, "d/kustomization.yaml", &way{})
		_ = finder.docDiff("d/a.yaml", o.ID)
		for _, in := range []*side{finder.before, finder.after} {
			for _, m := range in.kustomization("d/kustomization.yaml").mentions {
				if m.edge.patch != nil {
					_ = finder.aims(s, m.edge.patch, "d")
				}
				_ = s.generated(m.edge, "d/kustomization.yaml")
			}
		}
	})
}

package render

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/internal/fleetcase"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// widgets is a fleet with an overlay that brings a schema and one that does not;
// both patch a list of a custom resource.
func widgets(t *testing.T) *fleetCase {
	t.Helper()
	c, err := fleetcase.Read("testdata/cases/39-openapi.txtar")
	if err != nil {
		t.Fatal(err)
	}
	return prepare(t, c)
}

// widgetOf is what a build made of the Widget.
func widgetOf(t *testing.T, b *build) string {
	t.Helper()
	if b.err != nil || len(b.items) != 1 {
		t.Fatalf("build %s: %d objects, %v", b.spec.Path, len(b.items), b.err)
	}
	_, spec, _ := strings.Cut(string(b.items[0].json), `"spec":`)
	return spec
}

// TestOpenAPIStaysInItsBuild: a schema that one build brings holds for that build
// only, also for one that runs at the same time; and both give what upstream gives.
func TestOpenAPIStaysInItsBuild(t *testing.T) {
	c := widgets(t)
	folders := []string{"replaced", "merged", "nested"}
	want := map[string]string{
		"replaced": `{"parts":[{"count":5,"name":"door"}]}}`,
		"merged":   `{"parts":[{"count":5,"name":"door"},{"count":4,"name":"wheel"}]}}`,
		"nested":   `{"parts":[{"count":5,"name":"door"},{"count":4,"name":"wheel"}]}}`,
	}
	if !raceDetector {
		d := disks{}
		for _, folder := range folders {
			ks := &kustomizev1.Kustomization{Spec: kustomizev1.KustomizationSpec{Path: folder}}
			ks.Name, ks.Namespace = "a", "b"
			objects, err := upstream(t, ks, d.of(t, c.repo.Tree), clusterReader{}, Profile{})
			if err != nil {
				t.Fatal(err)
			}
			if got := plain1(t, objects[0].Object["spec"]) + "}"; got != want[folder] {
				t.Errorf("upstream makes %s of %s, want %s", got, folder, want[folder])
			}
		}
		preloadSchema()
	}
	rounds := 25 // each parses two schemas
	if raceDetector {
		rounds = 4
	}
	inspect := newInspector()
	var all sync.WaitGroup
	got := make([]map[string]string, rounds)
	for i := range got {
		got[i] = map[string]string{}
		var mu sync.Mutex
		for _, folder := range folders[:2] {
			all.Go(func() {
				b := runBuild(t.Context(), c.repo.Tree, inspect, buildSpec{Path: folder}, nil)
				mu.Lock()
				defer mu.Unlock()
				if b.err != nil || len(b.items) != 1 {
					got[i][folder] = fmt.Sprint(b.err)
					return
				}
				_, got[i][folder], _ = strings.Cut(string(b.items[0].json), `"spec":`)
			})
		}
	}
	all.Wait()
	delete(want, "nested")
	for i := range got {
		if diff := cmp.Diff(want, got[i]); diff != "" {
			t.Fatalf("round %d (-want +got):\n%s", i, diff)
		}
	}
}

// TestBadSchema: a schema that does not parse fails its own build and no other.
func TestBadSchema(t *testing.T) {
	c := widgets(t)
	for name, schemaFile := range map[string]string{
		"no JSON": "{", "empty": "", "a list": "[]", "definitions wrong": `{"definitions": {"a": 7}}`, "null": "null",
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"merged/schema.json": schemaFile}
			for p, b := range c.Before {
				if files[p] == "" && p != "merged/schema.json" {
					files[p] = b.Data
				}
			}
			tr := tree.FromMap(files)
			runBuild(t.Context(), tr, newInspector(), buildSpec{Path: "merged"}, nil) // any answer will do
			after := runBuild(t.Context(), tr, newInspector(), buildSpec{Path: "replaced"}, nil)
			if got := widgetOf(t, after); got != `{"parts":[{"count":5,"name":"door"}]}}` {
				t.Errorf("the build after it makes %s", got)
			}
		})
	}
}

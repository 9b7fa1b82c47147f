package impact

import (
	"strings"
	"testing"

	"github.com/fluxcd/pkg/ssa/normalize"
	"golang.org/x/tools/txtar"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/object"
)

// sent is a manifest as the controller sends it.
func sent(t *testing.T, manifest string) *object.Object {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(manifest), &u.Object); err != nil {
		t.Fatal(err)
	}
	if err := normalize.UnstructuredList([]*unstructured.Unstructured{u}); err != nil {
		t.Fatal(err)
	}
	o, err := object.New(object.NewBody(u.Object), object.Origin{})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestImmutable judges the updates of testdata/immutable.txtar, which says how they are
// written. Each rule has one that it refuses, and each kind one that is taken.
func TestImmutable(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/immutable.txtar")
	if err != nil {
		t.Fatal(err)
	}
	table := fixedKinds()
	refuses, taken := map[string]bool{}, map[string]bool{}
	for _, f := range archive.Files {
		t.Run(f.Name, func(t *testing.T) {
			text, want := string(f.Data), ""
			if line, rest, ok := strings.Cut(text, "\n"); ok && strings.HasPrefix(line, "#= ") {
				want, text = strings.TrimPrefix(line, "#= "), rest
			}
			first, second, _ := strings.Cut(text, "\n---\n")
			before, after := sent(t, first), sent(t, second)
			got := ""
			if found := table.refused(before, after); len(found) > 0 {
				got = found[0].field + " " + found[0].says
				if found[0].maybe != "" {
					got = "? " + got
				}
			}
			if got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			u := update{before.Body().Map(), after.Body().Map()}
			for _, r := range table.of(before.ID) {
				if (r.when == nil || r.when(u)) && len(r.compare(before.Body(), after.Body(), u)) > 0 {
					refuses[r.kind+" "+r.field+r.source] = true
				}
			}
			if want == "" {
				kind := strings.TrimPrefix(before.ID.Group+"/"+before.ID.Kind, "/")
				taken[kind] = true
			}
		})
	}
	for _, r := range fixedFields() {
		if !refuses[r.kind+" "+r.field+r.source] {
			t.Errorf("nothing shows what the rule for %s %s refuses (%s)", r.kind, r.field, r.source)
		}
		if !taken[r.kind] {
			t.Errorf("no update of %s is taken", r.kind)
		}
	}
}

// TestOtherVersion: the server converts what was applied in another version.
func TestOtherVersion(t *testing.T) {
	before := sent(t, "{apiVersion: storage.k8s.io/v1beta1, kind: VolumeAttributesClass, metadata: {name: a}, driverName: a}")
	after := sent(t, "{apiVersion: storage.k8s.io/v1, kind: VolumeAttributesClass, metadata: {name: a}, driverName: b}")
	if found := fixedKinds().refused(before, after); found != nil {
		t.Errorf("got %v", found)
	}
}

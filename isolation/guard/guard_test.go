package guard_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/isolation/guard"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/tenant"
)

// made are the guards that the documents of an archive stand for.
func made(t *testing.T, name string) []*object.Object {
	t.Helper()
	a, err := txtar.ParseFile("testdata/" + name + ".txtar")
	if err != nil {
		t.Fatal(err)
	}
	var all []v1alpha1.Documents
	for _, f := range a.Files {
		if f.Name != "want.yaml" {
			docs, err := v1alpha1.Decode(f.Name, f.Data)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, docs)
		}
	}
	docs, err := v1alpha1.Merge(all...)
	if err != nil {
		t.Fatal(err)
	}
	compartments, err := tenant.Compartments(docs)
	if err != nil {
		t.Fatal(err)
	}
	_, opts := guard.Mode(docs.Fleet)
	objects, err := guard.Objects("prod", compartments, opts)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// TestObjects: each archive in testdata has documents, and the guards they stand for; with UPDATE=1 they are written.
func TestObjects(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no archives", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			for i, o := range made(t, name) {
				data, err := yaml.Marshal(o.Body().Map())
				if err != nil {
					t.Fatal(err)
				}
				if i > 0 {
					b.WriteString("---\n")
				}
				b.Write(data)
			}
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for i := range a.Files {
				f := &a.Files[i]
				switch {
				case f.Name != "want.yaml":
				case os.Getenv("UPDATE") != "":
					f.Data = []byte(b.String())
					if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
						t.Fatal(err)
					}
				default:
					if diff := cmp.Diff(string(f.Data), b.String()); diff != "" {
						t.Errorf("guards (-want +got):\n%s", diff)
					}
				}
			}
		})
	}
}

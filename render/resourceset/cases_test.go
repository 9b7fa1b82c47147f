package resourceset

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// objectsOf decodes the documents of a YAML file as the API server gives them:
// whole numbers are int64.
func objectsOf(tb testing.TB, data []byte) []map[string]any {
	tb.Helper()
	var out []map[string]any
	list, err := read(data)
	if err != nil {
		tb.Fatal(err)
	}
	for _, u := range list {
		out = append(out, u.Object)
	}
	return out
}

// document decodes a ResourceSet, whatever is in it.
func document(data []byte) (map[string]any, error) {
	m := map[string]any{}
	err := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096).Decode(&m)
	return m, err
}

// report is all of an output.
func report(out *Output, err error) string {
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "inputs: %d\n", out.Inputs)
	for _, s := range out.Steps {
		fmt.Fprintf(&b, "step: %+v\n", s)
	}
	for _, d := range out.DependsOn {
		fmt.Fprintf(&b, "depends on: %+v\n", d)
	}
	for _, u := range out.Unknown {
		fmt.Fprintf(&b, "unknown: %s\n", u)
	}
	for _, n := range out.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	for _, o := range out.Objects {
		fmt.Fprintf(&b, "---\n# step %d, %s, input %d\n", o.Step, o.From, o.Input)
		for _, u := range o.Unknown {
			fmt.Fprintf(&b, "# unknown: %s\n", u)
		}
		data, err := yaml.Marshal(o.Value)
		if err != nil {
			data = []byte(err.Error())
		}
		b.Write(data)
	}
	return b.String()
}

// TestCases renders testdata/cases/*.txtar. UPDATE=1 writes what is wanted anew.
func TestCases(t *testing.T) {
	names, err := filepath.Glob("testdata/cases/*.txtar")
	if err != nil || len(names) < 12 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files := map[string][]byte{}
			for _, f := range a.Files {
				files[f.Name] = f.Data
			}
			rs, err := document(files["resourceset.yaml"])
			if err != nil {
				t.Fatal(err)
			}
			before := copyOf(rs)
			got := report(Render(t.Context(), rs, Among(objectsOf(t, files["providers.yaml"]))))
			if diff := cmp.Diff(before, any(rs)); diff != "" {
				t.Errorf("the ResourceSet was changed:\n%s", diff)
			}
			if os.Getenv("UPDATE") != "" {
				delete(files, "want")
				for i, f := range a.Files {
					if f.Name == "want" {
						a.Files = a.Files[:i]
					}
				}
				a.Files = append(a.Files, txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(name, txtar.Format(a), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(files["want"]), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

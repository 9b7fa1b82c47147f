package object

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// golden runs make on every case in testdata/dir and compares the result with the file named out.
// UPDATE=1 rewrites that file.
func golden(t *testing.T, dir, out string, run func(t *testing.T, files map[string]string) string) {
	t.Helper()
	cases, err := filepath.Glob(filepath.Join("testdata", dir, "*.txtar"))
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases in testdata/%s (%v)", dir, err)
	}
	for _, file := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			files := map[string]string{}
			for _, f := range ar.Files {
				files[f.Name] = string(f.Data)
			}
			got := run(t, files)
			if diff := cmp.Diff(files[out], got); diff != "" && os.Getenv("UPDATE") == "" {
				t.Errorf("%s (-want +got):\n%s", out, diff)
			}
			for i, f := range ar.Files {
				if f.Name == out && os.Getenv("UPDATE") != "" && string(f.Data) != got {
					ar.Files[i].Data = []byte(got)
					if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}

func TestDiffGolden(t *testing.T) {
	golden(t, "diff", "edits.json", func(t *testing.T, files map[string]string) string {
		t.Helper()
		a, b := NewBody(parse(t, files["a.yaml"])), NewBody(parse(t, files["b.yaml"]))
		checkLaws(t, a, b)
		var out bytes.Buffer
		for _, e := range Diff(a, b, DiffOptions{}) {
			line, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			out.Write(append(line, '\n'))
		}
		return out.String()
	})
}

func TestRedactGolden(t *testing.T) {
	golden(t, "redact", "want.yaml", func(t *testing.T, files map[string]string) string {
		t.Helper()
		b := NewBodySensitive(parse(t, files["body.yaml"]), strings.Fields(files["sensitive"]))
		r := NewRedactor([]byte("salt"))
		got := r.Body(b)
		// An edit that adds the same things must show the same marks.
		patched, err := Patch(nil, r.Edits(b, Diff(nil, b, DiffOptions{})))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(got, patched.Map()); diff != "" {
			t.Errorf("Body and Edits disagree (-body +edits):\n%s", diff)
		}
		out, err := yaml.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	})
}

// parse reads a YAML map the way unstructured content is read: whole numbers are int64.
func parse(tb testing.TB, doc string) map[string]any {
	tb.Helper()
	data, err := yaml.YAMLToJSON([]byte(doc))
	if err != nil {
		tb.Fatal(err)
	}
	var m map[string]any
	if err := utiljson.Unmarshal(data, &m); err != nil {
		tb.Fatal(err)
	}
	return m
}

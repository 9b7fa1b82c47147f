package object

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/tools/txtar"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// FuzzBodies reads two JSON documents and a sensitive value, and checks every law that
// does not depend on what is in them.
func FuzzBodies(f *testing.F) {
	seed(f)
	f.Add([]byte(`{"a":[[[]]],"b":1e400}`), []byte(`{"a":[[[null]]],"b":-0.0}`), "1")
	f.Add([]byte(`{"finalizers":["a",1,null]}`), []byte(`{"finalizers":[null,"a"]}`), "null")
	f.Add([]byte(`{"ports":[{"port":1},{"port":1.0}]}`), []byte(`{"ports":[]}`), "port")
	f.Fuzz(func(t *testing.T, x, y []byte, sensitive string) {
		var a, b map[string]any
		if utiljson.Unmarshal(x, &a) != nil || utiljson.Unmarshal(y, &b) != nil {
			return
		}
		left, right := NewBodySensitive(a, []string{sensitive}), NewBody(b)
		checkLaws(t, left, right)

		r := NewRedactor([]byte("salt"))
		edits := Diff(left, right, DiffOptions{})
		if got := r.Edits(left, edits, right); len(got) != len(edits) {
			t.Errorf("%d of %d edits are left", len(got), len(edits))
		}
		once := r.Body(left)
		if hashOf(once) != hashOf(r.Body(left)) {
			t.Error("redacting twice gives two results")
		}
		if o, err := New(left, Origin{}); err == nil {
			if id, err := ParseID(o.ID.String()); err != nil || id != o.ID {
				t.Errorf("ParseID(%q) = %#v, %v; want %#v", o.ID, id, err, o.ID)
			}
		}
	})
}

// seed adds the documents of the golden cases.
func seed(f *testing.F) {
	f.Helper()
	cases, _ := filepath.Glob("testdata/*/*.txtar")
	for _, file := range cases {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		docs := [2][]byte{[]byte("{}"), []byte("{}")}
		for _, part := range txtar.Parse(data).Files {
			doc, err := yaml.YAMLToJSON(part.Data)
			if err != nil {
				continue
			}
			switch part.Name {
			case "a.yaml", "body.yaml":
				docs[0] = doc
			case "b.yaml":
				docs[1] = doc
			}
		}
		f.Add(docs[0], docs[1], "hunter2")
	}
}

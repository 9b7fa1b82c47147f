package policy_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/policy"
)

// TestFind runs testdata/*.txtar: what appliers bring, before and now, rules, and what is found. UPDATE=1 writes the last.
func TestFind(t *testing.T) {
	cases, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			now, old := map[string][]byte{}, map[string][]byte{}
			var rules []byte
			want := -1
			for i, f := range ar.Files {
				before, isOld := strings.CutPrefix(f.Name, "before/")
				switch {
				case isOld:
					old[before] = f.Data
				case f.Name == "rules.yaml":
					rules = f.Data
				case f.Name == "found":
					want = i
				default:
					now[f.Name] = f.Data
				}
			}
			got := find(t, now, old, rules)
			if os.Getenv("UPDATE") != "" {
				if want < 0 {
					ar.Files, want = append(ar.Files, txtar.File{Name: "found"}), len(ar.Files)
				}
				ar.Files[want].Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(ar), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want < 0 {
				t.Fatal("the case says not what is found")
			}
			if diff := cmp.Diff(string(ar.Files[want].Data), got); diff != "" {
				t.Errorf("found (-want +got):\n%s", diff)
			}
		})
	}
}

// find is what is found, or the error of the rules.
func find(t *testing.T, now, old map[string][]byte, rules []byte) string {
	t.Helper()
	docs, err := v1alpha1.Decode("fleet/rules.yaml", rules)
	var compiled []*policy.Document
	if err == nil {
		compiled, err = policy.Compile(docs.Rules)
	}
	if wrong, ok := errors.AsType[*v1alpha1.DocumentError](err); ok {
		return wrong.Error() + "\n  " + wrong.Hint + "\n"
	} else if err != nil {
		t.Fatal(err)
	}
	var before *estate.Estate
	if len(old) > 0 {
		before = world(t, old)
	}
	found, err := policy.Find(t.Context(), world(t, now), before, compiled)
	if err != nil {
		t.Fatal(err)
	}
	for i := range found {
		f := &found[i]
		if f.Message == "" || strings.ContainsAny(f.Message, "\n\r\x1b") || strings.HasSuffix(f.Message, ".") || f.Level == "" || f.Cluster == nil || f.ID == nil {
			t.Errorf("finding %+v", f)
		}
		for _, text := range append([]finding.Step{{Message: f.Message}}, f.Steps...) {
			if strings.Contains(text.Message, "hunter2") || strings.Contains(text.Message, "aHVudGVyMg") {
				t.Errorf("a secret is told: %s", text.Message)
			}
		}
	}
	return told(found)
}

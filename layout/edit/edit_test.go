package edit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/tools/txtar"
)

// TestCases edits each input of testdata/cases.txtar; "set LINE VALUE PATH", "append LINE ITEM FIELD" or "remove LINE" is its first line.
func TestCases(t *testing.T) {
	ar, err := txtar.ParseFile("testdata/cases.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range ar.Files {
		t.Run(f.Name, func(t *testing.T) {
			input, want, _ := bytes.Cut(f.Data, []byte("=====\n"))
			head, text, _ := bytes.Cut(input, []byte("\n"))
			got := string(run(t, strings.Fields(string(head)), text))
			if os.Getenv("UPDATE") != "" {
				ar.Files[i].Data = append(append(bytes.Clone(input), "=====\n"...), got...)
			} else if got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile("testdata/cases.txtar", txtar.Format(ar), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func run(t *testing.T, args []string, text []byte) []byte {
	t.Helper()
	line := 1
	if args[1] == "4" {
		line = 4
	}
	var out []byte
	var err error
	switch args[0] {
	case "set":
		out, err = Set(text, line, args[2], args[3:]...)
	case "append":
		out, err = Append(text, line, args[2], args[3])
	case "remove":
		var others bool
		if out, others, err = Remove(text, line); err == nil && !others {
			return []byte("nothing is left\n")
		}
	}
	if err != nil {
		return []byte("error: " + err.Error() + "\n")
	}
	return out
}

// FuzzSet: whatever the text, an edit changes nothing but what it was to change, or there is an error.
func FuzzSet(f *testing.F) {
	ar, err := txtar.ParseFile("testdata/cases.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range ar.Files {
		input, _, _ := bytes.Cut(c.Data, []byte("=====\n"))
		_, text, _ := bytes.Cut(input, []byte("\n"))
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		watchdog := time.AfterFunc(10*time.Second, func() { panic(fmt.Sprintf("takes too long: %q", text)) })
		defer watchdog.Stop()
		out, err := Set([]byte(text), 1, "Draining", "spec", "lifecycle", "phase")
		if err == nil {
			n, err := document(out, 1)
			if err != nil {
				t.Fatal(err)
			}
			var got map[string]any
			if err := n.Decode(&got); err != nil {
				t.Fatal(err)
			}
			spec, _ := got["spec"].(map[string]any)
			life, _ := spec["lifecycle"].(map[string]any)
			if life["phase"] != "Draining" {
				t.Fatalf("not set in:\n%s", out)
			}
			again, err := Set(out, 1, "Draining", "spec", "lifecycle", "phase")
			if errors.Is(err, ErrByHand) { // line breaks of its own
				return
			}
			if err != nil || !bytes.Equal(again, out) {
				t.Fatalf("once more gives %v:\n%s\nafter:\n%s", err, again, out)
			}
		}
		if out, err := Append([]byte(text), 1, "item", "resources"); err == nil {
			var before, after struct{ Resources []any }
			errBefore := yaml.Unmarshal([]byte(text), &before)
			if err := yaml.Unmarshal(out, &after); err == nil && errBefore == nil && len(after.Resources) != len(before.Resources)+1 {
				t.Fatalf("%d resources, then %d:\n%s", len(before.Resources), len(after.Resources), out)
			}
		}
		_, _, _ = Remove([]byte(text), 1)
	})
}

// TestRefuses: what cannot be edited safely is not edited.
func TestRefuses(t *testing.T) {
	for _, text := range []string{"- a\n", "spec: &x {a: 1}\nother: *x\n", "spec: 7\n", "spec:\n  lifecycle:\n    phase: |\n      x\n"} {
		if out, err := Set([]byte(text), 1, "Draining", "spec", "lifecycle", "phase"); err == nil {
			t.Errorf("%q became %q", text, out)
		} else if !errors.Is(err, ErrByHand) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

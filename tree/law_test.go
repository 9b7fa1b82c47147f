package tree_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bulkhead-dev/bulkhead/tree"
)

var paths = []string{"a", "b", "c/a", "c/b", "c/d/a", "c/d/b", "e/a", "e/f/g/a", "h", "c.d"}

// draw makes a random set of files.
func draw(t *rapid.T) map[string]tree.Blob {
	files := map[string]tree.Blob{}
	for _, p := range paths {
		if rapid.Bool().Draw(t, "has "+p) {
			files[p] = drawBlob(t)
		}
	}
	return files
}

func drawBlob(t *rapid.T) tree.Blob {
	return tree.Blob{
		Mode: rapid.SampledFrom([]tree.Mode{tree.File, tree.File, tree.Executable, tree.Symlink, tree.Submodule}).Draw(t, "mode"),
		Data: rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, "data"),
	}
}

func drawKeep(t *rapid.T, label string) func(string, tree.Entry) bool {
	kept := map[string]bool{}
	for _, p := range append(slices.Clone(paths), "c", "c/d", "e", "e/f", "e/f/g") {
		kept[p] = rapid.Bool().Draw(t, label+" "+p)
	}
	return func(path string, _ tree.Entry) bool { return kept[path] }
}

func leaves(tr *tree.Tree) []string {
	var list []string
	_ = tr.Walk(".", func(path string, e tree.Entry) error {
		if e.Mode != tree.Directory {
			list = append(list, path)
		}
		return nil
	})
	return list
}

func TestFilterLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		files := draw(t)
		tr := tree.FromBlobs(files)
		all := func(string, tree.Entry) bool { return true }
		if tr.Filter(all).ID() != tr.ID() {
			t.Fatal("keeping everything made another tree")
		}
		f, g := drawKeep(t, "f"), drawKeep(t, "g")
		var want []string
		for _, p := range slices.Sorted(maps.Keys(files)) {
			if f(p, tree.Entry{}) {
				want = append(want, p)
			}
		}
		got := leaves(tr.Filter(f))
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("files of the filtered tree (-want +got):\n%s", diff)
		}
		both := tr.Filter(func(p string, e tree.Entry) bool { return f(p, e) && g(p, e) })
		if diff := cmp.Diff(leaves(both), leaves(tr.Filter(f).Filter(g))); diff != "" {
			t.Fatalf("filter by both, filter by one and the other:\n%s", diff)
		}
		if diff := cmp.Diff(tr.Filter(f).ID(), tr.Filter(f).Filter(f).ID()); diff != "" {
			t.Fatalf("filtering again by the same changed the tree:\n%s", diff)
		}
		// A directory is there exactly if it is kept, or something below it is.
		view := tr.Filter(f)
		_ = tr.Walk(".", func(path string, e tree.Entry) error {
			below := f(path, e)
			if e.Mode == tree.Directory {
				_ = tr.Walk(path, func(p string, e tree.Entry) error {
					below = below || f(p, e)
					return nil
				})
			}
			if _, err := view.Stat(path); (err == nil) != below {
				t.Fatalf("Stat(%q) error %v, want it there: %v", path, err, below)
			}
			return nil
		})
	})
}

func TestMountLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base, sub := draw(t), draw(t)
		want := maps.Clone(base)
		for p, b := range sub {
			want["new/at/"+p] = b
		}
		view, err := tree.FromBlobs(base).Mount("new/at", tree.FromBlobs(sub))
		if err != nil {
			t.Fatal(err)
		}
		if len(sub) > 0 && view.ID() != tree.FromBlobs(want).ID() {
			t.Fatal("mounting differs from putting the files there")
		}
		back, err := view.Sub("new/at")
		if err != nil {
			t.Fatal(err)
		}
		if back.ID() != tree.FromBlobs(sub).ID() {
			t.Fatal("what was mounted is another tree")
		}
	})
}

// TestHoldsLaw: a trace holds exactly if every answer it has recorded is the same in the other tree.
func TestHoldsLaw(t *testing.T) {
	asked := append(slices.Clone(paths), ".", "c", "c/d", "e", "e/f", "absent", "a/below", "c/absent", "../bad")
	rapid.Check(t, func(t *rapid.T) {
		files := draw(t)
		before := tree.FromBlobs(files)
		after := maps.Clone(files)
		for range rapid.IntRange(0, 3).Draw(t, "changes") {
			p := rapid.SampledFrom(paths).Draw(t, "path")
			if rapid.Bool().Draw(t, "remove") {
				delete(after, p)
			} else {
				after[p] = drawBlob(t)
			}
		}
		changed := tree.FromBlobs(after)
		if rapid.Bool().Draw(t, "hashes unknown") {
			changed = tree.New(&counting{tr: changed}, tree.Hash{})
		}
		rec, differs := tree.Record(before), false
		for range rapid.IntRange(0, 6).Draw(t, "reads") {
			p := rapid.SampledFrom(asked).Draw(t, "asked")
			kind := rapid.SampledFrom([]tree.ReadKind{tree.Content, tree.Listing, tree.Existence}).Draw(t, "kind")
			if ask(rec, p, kind) != ask(changed, p, kind) {
				differs = true
			}
		}
		tr := rec.Trace()
		if !tr.Holds(before) {
			t.Fatalf("%v does not hold where it was recorded", tr)
		}
		if tr.Holds(changed) == differs {
			t.Fatalf("Holds = %v, but answers differ: %v\ntrace %v\nbefore %v\nafter %v", !differs, differs, tr, files, after)
		}
	})
}

type reader interface {
	Stat(string) (tree.Entry, error)
	ReadDir(string) ([]tree.Entry, error)
	ReadFile(string) ([]byte, error)
}

// ask gives the answer as text.
func ask(r reader, path string, kind tree.ReadKind) string {
	answer, err := "", error(nil)
	switch kind {
	case tree.Content:
		var data []byte
		data, err = r.ReadFile(path)
		answer = "content " + string(data)
	case tree.Listing:
		var list []tree.Entry
		list, err = r.ReadDir(path)
		for _, e := range list {
			answer += e.Mode.String() + " " + e.Name + "\n"
		}
	case tree.Existence:
		var e tree.Entry
		e, err = r.Stat(path)
		answer = e.Mode.String()
	}
	if err != nil {
		text := err.Error()
		return "error" + text[strings.LastIndex(text, ": "):]
	}
	return answer
}

func TestTraceOrder(t *testing.T) {
	rec := tree.Record(tree.FromMap(map[string]string{"b": "1", "a/c": "2"}))
	for range 2 {
		_, _ = rec.ReadFile("b")
		_, _ = rec.Stat("b")
		_, _ = rec.ReadDir("a")
		_, _ = rec.ReadFile("absent")
		_, _ = rec.ReadFile("../absent")
		_, _ = rec.HashOf("b")
	}
	var got []string
	for _, r := range rec.Trace() {
		got = append(got, r.Path)
	}
	if diff := cmp.Diff([]string{"a", "absent", "b", "b"}, got); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
	if h := rec.Trace()[1].Hash; !h.IsZero() {
		t.Errorf("hash of what is absent = %v, want zero", h)
	}
}

package render

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bulkhead-dev/bulkhead/internal/fleetgen"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// revisions renders one after the other, each as what comes after the one before. It gives what was said of them, and how many
// clusters were carried over, of how many.
func revisions(tb testing.TB, opts Options, apart bool, repos ...Repository) (out [][]string, carried, all int) {
	tb.Helper()
	opts.Cache, opts.Before = &Cache{}, nil
	for _, repo := range repos {
		if apart {
			opts.Cache = &Cache{} // nothing of the revision before can be used
		}
		r, err := Fleet(tb.Context(), repo, opts)
		if err != nil {
			out, opts.Before = append(out, []string{err.Error()}), nil
			continue
		}
		out, opts.Before = append(out, certain(report(tb, r))), r
		for _, c := range r.Clusters {
			if all++; c.footing != nil && c.footing.carried {
				carried++
			}
		}
	}
	return out, carried, all
}

// certain leaves out of a report what builds that failed have read: how far one comes may depend on the use of the schema
// that the builds before it made, which says in what order the files are read.
func certain(report []string) []string {
	failed := false
	return slices.DeleteFunc(report, func(line string) bool {
		if strings.HasPrefix(line, "  ") && !strings.HasPrefix(line, "    ") {
			failed = strings.Contains(line, " Failed of ")
		}
		return failed && strings.HasPrefix(line, "    reads ")
	})
}

// holdCarry checks that revisions are what they are when nothing is carried over.
func holdCarry(tb rapid.TB, of testing.TB, opts Options, repos ...Repository) (carried, all int) {
	tb.Helper()
	want, none, _ := revisions(of, opts, true, repos...)
	got, carried, all := revisions(of, opts, false, repos...)
	if none != 0 {
		tb.Fatal("what was rendered with another cache was carried over")
	}
	for i := range want {
		if diff := cmp.Diff(want[i], got[i]); diff != "" {
			tb.Fatalf("revision %d (-in full +carried over):\n%s", i, diff)
		}
	}
	return carried, all
}

// mutate changes some files at random.
func mutate(rt *rapid.T, files map[string]tree.Blob, paths []string) map[string]tree.Blob {
	changed := maps.Clone(files)
	names := slices.Sorted(maps.Keys(mutations))
	for range rapid.IntRange(1, 3).Draw(rt, "changes") {
		p := rapid.SampledFrom(paths).Draw(rt, "path")
		b, there := changed[p]
		if !there {
			continue
		}
		switch how := rapid.SampledFrom(append(names, "removed", "moved")).Draw(rt, "how"); how {
		case "removed":
			delete(changed, p)
		case "moved":
			changed[p+".moved.yaml"] = b
			delete(changed, p)
		default:
			b.Data = mutations[how](b.Data)
			changed[p] = b
		}
	}
	return changed
}

// TestCarriedFleets: what is carried over from one revision to the next, and on, is what a render in full makes.
func TestCarriedFleets(t *testing.T) {
	files := map[string]tree.Blob{}
	for name, data := range fleetgen.Generate(fleetgen.Options{Clusters: 3, Tenants: 3}) {
		files[name] = tree.Blob{Mode: tree.File, Data: data}
	}
	paths := slices.Sorted(maps.Keys(files))
	repo := func(files map[string]tree.Blob) Repository { return Repository{Tree: tree.FromBlobs(files)} }
	n, many, carried, all := 0, 25, 0, 0
	if raceDetector {
		many = 5
	}
	rapid.Check(t, func(rt *rapid.T) {
		if n++; n > many {
			return // each takes 0.3 s
		}
		once := mutate(rt, files, paths)
		some, of := holdCarry(rt, t, Options{}, repo(files), repo(once), repo(mutate(rt, once, paths)), repo(files))
		carried, all = carried+some, all+of
	})
	t.Logf("%d of %d clusters are carried over", carried, all)
	if carried < all/8 {
		t.Error("the test sees too little")
	}
}

// TestCarriedCases holds that for random changes of every case.
func TestCarriedCases(t *testing.T) {
	carried, all := 0, 0
	for i, c := range allCases(t) {
		if raceDetector && i%4 > 0 || len(c.Before) == 0 {
			continue // enough of them
		}
		paths := slices.Sorted(maps.Keys(c.Before))
		t.Run(c.Name, func(t *testing.T) {
			n := 0
			rapid.Check(t, func(rt *rapid.T) {
				if n++; n > 8 {
					return // some take a second
				}
				changed := c.repo
				changed.Tree = tree.FromBlobs(mutate(rt, c.Before, paths))
				some, of := holdCarry(rt, t, c.opts, c.repo, changed, c.repo)
				carried, all = carried+some, all+of
			})
		})
	}
	t.Logf("%d of %d clusters are carried over", carried, all)
	if carried < all/10 {
		t.Error("the test sees too little")
	}
}

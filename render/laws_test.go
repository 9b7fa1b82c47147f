package render

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bulkhead-dev/bulkhead/internal/fleetgen"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// report is all of a render that an equal render must have, in its order.
func report(tb testing.TB, r *Result) []string {
	tb.Helper()
	out := []string{fmt.Sprintf("notes %v", r.Notes)}
	for _, c := range r.Clusters {
		out = append(out, fmt.Sprintf("cluster %s %v profile %+v notes %v conflicts %v", c.Name, c.Labels, c.Profile, c.Notes, c.Conflicts))
		for _, a := range c.Appliers {
			out = append(out, fmt.Sprintf("  %s %s of %s on %s source %v path %s %t%t%t chain %v depends %v", a.Applier, a.State, a.Home, a.Target,
				a.Source, a.Path, a.Own, a.Pinned, a.Refused, a.Chain, a.DependsOn))
			for i, o := range a.Objects {
				out = append(out, fmt.Sprintf("    %s %s %v in %s", o.ID, o.Body().Hash(), o.Origin, a.File(i)))
			}
			for _, o := range a.Held {
				out = append(out, fmt.Sprintf("    held %s %s", o.ID, o.Body().Hash()))
			}
			out = append(out, fmt.Sprintf("    reads %v", a.Reads()))
		}
		for o := range c.Objects.All() {
			out = append(out, fmt.Sprintf("  object %s %s %v", o.ID, o.Body().Hash(), o.Body().Sensitive()))
		}
		for _, f := range c.Failures {
			out = append(out, fmt.Sprintf("  failure %+v", f))
		}
		for _, u := range c.Unresolved {
			out = append(out, fmt.Sprintf("  unresolved %+v", u))
		}
	}
	return out
}

func mustRender(tb testing.TB, repo Repository, opts Options) []string {
	tb.Helper()
	r, err := Fleet(tb.Context(), repo, opts)
	if err != nil {
		return []string{err.Error()}
	}
	return report(tb, r)
}

// oneGoroutine skips a test that starts no other goroutine under the race detector, which has nothing to see in it; "make hermetic" runs it without.
func oneGoroutine(tb testing.TB) {
	tb.Helper()
	if raceDetector {
		tb.Skip("left to the run without the race detector: make hermetic")
	}
}

// TestEqualInputEqualResult renders every case again: on one core and on
// eight, without a cache and with one that has everything: equal to the last word.
func TestEqualInputEqualResult(t *testing.T) {
	for i, c := range allCases(t) {
		if raceDetector && i%4 > 0 {
			continue // enough of them
		}
		t.Run(c.Name, func(t *testing.T) {
			want := mustRender(t, c.repo, c.opts)
			cache, store := &Cache{}, &memoryStore{}
			for again, opts := range map[string]Options{
				"on one core": {Parallel: 1}, "on eight": {Parallel: 8}, "cached": {Cache: cache}, "cached again": {Cache: cache},
				"stored": {Cache: &Cache{Store: store}}, "stored again": {Cache: &Cache{Store: store}},
			} {
				all := c.opts
				all.Parallel, all.Cache = opts.Parallel, opts.Cache
				if diff := cmp.Diff(want, mustRender(t, c.repo, all)); diff != "" {
					t.Fatalf("%s (-first +second):\n%s", again, diff)
				}
			}
		})
	}
}

// mutations change one file of a generated fleet.
var mutations = map[string]func(data string) string{
	"empty":   func(string) string { return "" },
	"comment": func(data string) string { return data + "# a comment\n" },
	"broken":  func(data string) string { return data + "\n  - : [\n" },
	"another object": func(data string) string {
		return data + "---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: extra, namespace: x}}\n"
	},
	"no variable":    func(data string) string { return strings.ReplaceAll(data, "${", "$${") },
	"a new variable": func(data string) string { return strings.ReplaceAll(data, "region", "nowhere") },
	"other values": func(data string) string {
		return strings.ReplaceAll(strings.ReplaceAll(data, "eu-1", "eu-2"), "1", "2")
	},
	"other paths": func(data string) string { return strings.ReplaceAll(data, "staging", "production") },
	"suspended": func(data string) string {
		return strings.ReplaceAll(data, "  prune: true", "  prune: true\n  suspend: true")
	},
	"prefixed": func(data string) string { return data + "namePrefix: p-\n" },
}

// TestCacheIsInvisible: a render that uses the cache of another revision gives
// what one from nothing gives.
func TestCacheIsInvisible(t *testing.T) {
	files := fleetgen.Generate(fleetgen.Options{Clusters: 3, Tenants: 2})
	paths := slices.Sorted(maps.Keys(files))
	names := slices.Sorted(maps.Keys(mutations))
	cache, store := &Cache{}, &memoryStore{}
	original := Repository{Tree: tree.FromMap(files)}
	want := mustRender(t, original, Options{Cache: cache})
	mustRender(t, original, Options{Cache: &Cache{Store: store}})
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		if n++; n > 60 || raceDetector && n > 10 {
			return // each takes 0.2 s
		}
		changed := maps.Clone(files)
		for range rapid.IntRange(1, 3).Draw(rt, "changes") {
			p := rapid.SampledFrom(paths).Draw(rt, "path")
			switch how := rapid.SampledFrom(append(names, "removed", "moved", "hidden")).Draw(rt, "how"); how {
			case "removed":
				delete(changed, p)
			case "moved":
				changed[p+".moved.yaml"] = changed[p]
				delete(changed, p)
			case "hidden":
				changed[".sourceignore"] = p + "\n"
			default:
				changed[p] = mutations[how](changed[p])
			}
		}
		repo := Repository{Tree: tree.FromMap(changed)}
		cold := mustRender(t, repo, Options{})
		for name, with := range map[string]*Cache{"with the cache": cache, "with the store": {Store: store}} {
			if diff := cmp.Diff(cold, mustRender(t, repo, Options{Cache: with})); diff != "" {
				rt.Fatalf("%s (-cold +warm):\n%s", name, diff)
			}
		}
	})
	if diff := cmp.Diff(want, mustRender(t, original, Options{Cache: cache})); diff != "" {
		t.Errorf("the original again (-first +again):\n%s", diff)
	}
}

// memoryStore is a [Store] of this process.
type memoryStore struct {
	mu      sync.Mutex
	entries map[[32]byte][]byte
	hits    int
}

func (s *memoryStore) Get(_ context.Context, key [32]byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entries[key] != nil {
		s.hits++
	}
	return s.entries[key]
}

func (s *memoryStore) Put(key [32]byte, value []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entries == nil {
		s.entries = map[[32]byte][]byte{}
	}
	s.entries[key] = slices.Clone(value)
}

func (s *memoryStore) Replace(key [32]byte, value []byte) { s.Put(key, value) }

// TestRecordsAreUsed: a second run evaluates nothing, and one after a change what rests on it.
func TestRecordsAreUsed(t *testing.T) {
	files := fleetgen.Generate(fleetgen.Options{Clusters: 3, Tenants: 4})
	store := &memoryStore{}
	work := func(files map[string]string) Stats {
		r, err := Fleet(t.Context(), Repository{Tree: tree.FromMap(files)}, Options{Cache: &Cache{Store: store}})
		if err != nil {
			t.Fatal(err)
		}
		return r.Stats
	}
	first := work(files)
	if first.EvaluationsRun < first.Evaluations || first.BuildsRun == 0 {
		t.Errorf("the first run: %+v", first)
	}
	if again := work(files); again.EvaluationsRun != 0 || again.BuildsRun != 0 || again.Evaluations != first.Evaluations {
		t.Errorf("the second run: %+v, want nothing run", again)
	}
	changed := fleetgen.Replace(files, "apps/base/t002/service.yaml", "port: 80\n", "port: 81\n")
	if after := work(changed); after.EvaluationsRun != 3 || after.BuildsRun != 2 {
		t.Errorf("a change of one base: %+v, want 3 evaluations run, with 2 builds", after)
	}
}

// brokenStore gives back something else than was put there.
type brokenStore struct {
	memoryStore
	how func([]byte) []byte
}

func (s *brokenStore) Get(ctx context.Context, key [32]byte) []byte {
	return s.how(slices.Clone(s.memoryStore.Get(ctx, key)))
}

// TestBrokenStore: what cannot be read is made again.
func TestBrokenStore(t *testing.T) {
	repo := Repository{Tree: tree.FromMap(fleetgen.Generate(fleetgen.Options{Clusters: 2, Tenants: 2}))}
	want := mustRender(t, repo, Options{})
	for name, how := range map[string]func([]byte) []byte{
		"cut":     func(data []byte) []byte { return data[:len(data)/2] },
		"longer":  func(data []byte) []byte { return append(data, 1, 2, 3) },
		"nothing": func([]byte) []byte { return []byte{} },
		"answer":  func([]byte) []byte { return []byte{answer, 0xff} },
		"asking":  func([]byte) []byte { return []byte{questions, 0xff, 0xff, 0xff, 0xff, 0x0f, 1} },
		"always the same question": func([]byte) []byte {
			return asking(questions, tree.Trace{{Path: "x", Kind: tree.Content}})
		},
		"zeros": func(data []byte) []byte { return make([]byte, len(data)) },
	} {
		store := &brokenStore{how: how}
		for range 2 {
			if diff := cmp.Diff(want, mustRender(t, repo, Options{Cache: &Cache{Store: store}})); diff != "" {
				t.Fatalf("%s (-without +with the store):\n%s", name, diff)
			}
		}
	}
}

// replaced is a [Store] that counts what changes with time.
type replaced struct {
	memoryStore
	n atomic.Int64
}

func (s *replaced) Replace(key [32]byte, value []byte) {
	s.n.Add(1)
	s.memoryStore.Replace(key, value)
}

// TestStatesAreWrittenOnce: who finds a cluster as it is known writes nothing, whatever order its appliers come in.
func TestStatesAreWrittenOnce(t *testing.T) {
	files := fleetgen.Generate(fleetgen.Options{Clusters: 2, Tenants: 2})
	for i := range 2 {
		files["clusters/"+fleetgen.Cluster(i)+"/second.yaml"] = `apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: second, namespace: flux-system}
spec: {interval: 1m, url: "https://git.example.com/acme/fleet.git", ref: {branch: main}, ignore: "/docs"}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: second, namespace: flux-system}
spec: {interval: 1m, path: ./second, prune: true, sourceRef: {kind: GitRepository, name: second}}
`
	}
	files["second/cm.yaml"] = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: second, namespace: default}\n"
	store := &replaced{}
	for run := range 6 {
		cache := &Cache{Store: store, Engine: "test"}
		if _, err := Fleet(t.Context(), Repository{URL: "https://git.example.com/acme/fleet", Tree: tree.FromMap(files)}, Options{Cache: cache}); err != nil {
			t.Fatal(err)
		}
		switch n := store.n.Swap(0); {
		case run == 0 && n == 0:
			t.Error("nothing is written")
		case run > 0 && n > 0:
			t.Errorf("run %d writes %d entries again", run, n)
		}
	}
}

// TestBaseStaysKnown: however many commits change a cluster, what it was before them is not forgotten.
func TestBaseStaysKnown(t *testing.T) {
	base := fleetgen.Generate(fleetgen.Options{Clusters: 2, Tenants: 2})
	store := &replaced{}
	pair := func(head map[string]string) *Result {
		t.Helper()
		opts := Options{Cache: &Cache{Store: store, Engine: "test"}}
		repo := func(files map[string]string) Repository {
			return Repository{URL: "https://git.example.com/acme/fleet", Tree: tree.FromMap(files)}
		}
		other := repo(head)
		first := opts
		first.Beside = &other
		before, err := Fleet(t.Context(), repo(base), first)
		if err != nil {
			t.Fatal(err)
		}
		opts.Before = before
		if _, err := Fleet(t.Context(), other, opts); err != nil {
			t.Fatal(err)
		}
		return before
	}
	file := "clusters/" + fleetgen.Cluster(0) + "/commit.yaml"
	for i := range 3 * maxSettled {
		head := maps.Clone(base)
		head[file] = fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: commit, namespace: default}\ndata: {n: \"%d\"}\n", i)
		before := pair(head)
		for at, c := range before.Clusters {
			if got, want := c.Recalled != nil, i > 0 && at > 0; got != want {
				t.Errorf("commit %d, %s: recalled %v, want %v", i, c.Name, got, want)
			}
		}
		if before = pair(base); before.Clusters[0].Recalled == nil {
			t.Fatalf("after %d commits the base is not known", i+1)
		}
	}
}

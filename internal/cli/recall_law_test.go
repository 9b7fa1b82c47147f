package cli

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bulkhead-dev/bulkhead/impact/part"
	"github.com/bulkhead-dev/bulkhead/internal/fleetcase"
	"github.com/bulkhead-dev/bulkhead/internal/fleetgen"
	"github.com/bulkhead-dev/bulkhead/internal/fleetstory"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// kept is a [render.Store] of this process.
type kept struct{ all sync.Map }

func (m *kept) Get(_ context.Context, key [32]byte) []byte {
	value, _ := m.all.Load(key)
	data, _ := value.([]byte)
	return data
}

func (m *kept) Put(key [32]byte, value []byte) { m.all.Store(key, value) }

func (m *kept) Replace(key [32]byte, value []byte) { m.Put(key, value) }

// holdRecall checks that what is said with the store of earlier runs, and with what the first revision leaves to the second, is what is
// said of two that are rendered from nothing, in every format. It gives how many
// clusters were recalled, and how many there were.
func holdRecall(t tester, c *fleetcase.Case) (recalled, all int) {
	t.Helper()
	store := &kept{}
	back, same, still := *c, *c, *c
	back.Before, back.After = c.After, c.Before
	still.After, same.Before = c.Before, c.After
	for i, k := range []*fleetcase.Case{&still, c, c, &back, &same, &still, c} {
		cold, err := fleetstory.TellWith(t.Context(), k, fleetstory.Options{Apart: true})
		if errors.Is(err, render.ErrNoClusters) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		warm, err := fleetstory.TellWith(t.Context(), k, fleetstory.Options{Store: store})
		if err != nil {
			t.Fatalf("run %d: %v", i, err)
		}
		for _, r := range []*render.Result{warm.Before, warm.After} {
			for _, k := range r.Clusters {
				if all++; k.Recalled != nil {
					recalled++
				}
			}
		}
		want, got := outcome(t, []*part.Part{partOf(t, cold, render.Shard{}, "")}, ""), outcome(t, []*part.Part{partOf(t, warm, render.Shard{}, "")}, "")
		for form := range want {
			if diff := cmp.Diff(want[form], got[form]); diff != "" {
				t.Fatalf("run %d, %s (-without +with the store):\n%s", i, form, diff)
			}
		}
	}
	return recalled, all
}

// TestRecalledCases holds the law for every fleet that impact is tested with.
func TestRecalledCases(t *testing.T) {
	cases, err := fleetcase.All(filepath.Join("..", "..", "impact", "testdata", "cases"))
	if err != nil {
		t.Fatal(err)
	}
	var recalled, all atomic.Int64
	t.Run("cases", func(t *testing.T) {
		for _, c := range cases {
			t.Run(c.Name, func(t *testing.T) {
				t.Parallel()
				n, of := holdRecall(t, c)
				recalled.Add(int64(n))
				all.Add(int64(of))
			})
		}
	})
	t.Logf("%d of %d clusters are recalled", recalled.Load(), all.Load())
	if recalled.Load() < all.Load()/10 {
		t.Error("the test sees too little")
	}
}

// TestRecalledFleets holds it for synthetic fleets and random changes.
func TestRecalledFleets(t *testing.T) {
	n, recalled, all := 0, 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		if n++; n > 12 {
			return // each takes a second
		}
		some, of := holdRecall(rt, drawFleet(rt))
		recalled, all = recalled+some, all+of
	})
	t.Logf("%d of %d clusters are recalled", recalled, all)
	if recalled < all/4 {
		t.Error("the test sees too little")
	}
}

// TestRecalledEntangled: when a cluster reaches another one from now on, both revisions have to be rendered in full.
func TestRecalledEntangled(t *testing.T) {
	files := fleetgen.Generate(fleetgen.Options{Clusters: 3, Tenants: 1})
	a, b := fleetgen.Cluster(0), fleetgen.Cluster(1)
	linked := maps.Clone(files)
	mutations["a hub"](linked, a, b, 1)
	before := render.Repository{URL: fleetcase.URL, Tree: tree.FromBlobs(blobs(files))}
	after := before
	after.Tree = tree.FromBlobs(blobs(linked))
	store := &kept{}
	opts := func(beside *render.Repository) render.Options {
		return render.Options{Cache: &render.Cache{Store: store, Engine: "test"}, Beside: beside}
	}
	for _, r := range []render.Repository{before, after} { // an earlier run of each
		if _, err := render.Fleet(t.Context(), r, opts(nil)); err != nil {
			t.Fatal(err)
		}
	}
	first, err := render.Fleet(t.Context(), before, opts(&after))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{a: false, b: true, fleetgen.Cluster(2): true} {
		if got := first.Cluster(name).Recalled != nil; got != want {
			t.Errorf("%s is recalled: %v, want %v", name, got, want)
		}
	}
	second := opts(nil)
	second.Before = first
	if _, err := render.Fleet(t.Context(), after, second); !errors.Is(err, render.ErrEntangled) {
		t.Errorf("the second revision: %v, want %v", err, render.ErrEntangled)
	}
	again, err := render.Fleet(t.Context(), after, opts(&after))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{a, b} {
		if again.Cluster(name).Recalled != nil {
			t.Errorf("%s is linked, and recalled", name)
		}
	}
}

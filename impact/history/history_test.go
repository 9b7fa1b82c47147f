package history_test

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/impact/concern"
	"github.com/bulkhead-dev/bulkhead/impact/history"
	"github.com/bulkhead-dev/bulkhead/impact/part"
	"github.com/bulkhead-dev/bulkhead/impact/review"
	"github.com/bulkhead-dev/bulkhead/internal/fleetcase"
	"github.com/bulkhead-dev/bulkhead/internal/fleetstory"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// TestLikeReview holds, for every fleet that impact and concern are tested with, that history finds the clusters, environments and tenants
// that a review finds.
func TestLikeReview(t *testing.T) {
	changing, tenants := 0, 0
	for _, dir := range []string{"testdata", filepath.Join("concern", "testdata")} {
		cases, err := fleetcase.All(filepath.Join("..", dir, "cases"))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cases {
			t.Run(c.Name, func(t *testing.T) {
				s, err := fleetstory.Tell(t.Context(), c)
				if err != nil {
					t.Fatal(err)
				}
				for _, before := range []*render.Result{s.Before, nil} { // as the first commit with clusters is
					s.Before, s.Report = before, impact.Between(before, s.After, impact.Options{Files: s.Files})
					got := alike(t, s)
					if len(got.Clusters) > 0 {
						changing++
					}
					tenants += len(got.Tenants)
				}
			})
		}
	}
	if changing == 0 || tenants == 0 {
		t.Errorf("%d cases change a cluster, %d tenants: the test compares nothing", changing, tenants)
	}
}

func alike(t *testing.T, s *fleetstory.Story) history.Commit {
	t.Helper()
	docs, err := render.Documents(s.Trees[1])
	if err != nil {
		t.Fatal(err)
	}
	got := history.Of(history.Version{Rendered: s.Before, Tree: s.Trees[0]}, history.Version{Rendered: s.After, Tree: s.Trees[1]}, s.Files, docs)
	p := part.Of(s.Report, part.Version{Rendered: s.Before, Tree: s.Trees[0]}, part.Version{Rendered: s.After, Tree: s.Trees[1], Documents: docs},
		part.Options{Redact: object.NewRedactor([]byte("salt")), Comparison: part.Comparison{Files: s.Files}})
	r := review.Of(t.Context(), []*part.Part{p}, review.Options{Now: time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)})
	want := history.Commit{Clusters: []string{}, Environments: []string{}, Tenants: []string{}, Files: len(s.Files), Shared: got.Shared}
	for i := range p.Clusters {
		k := &p.Clusters[i]
		want.Objects += k.Counts.Total()
		if k.Counts.Total()+len(k.Withheld)+len(k.Unknown) > 0 {
			want.Clusters = append(want.Clusters, k.Name)
			want.Environments = append(want.Environments, k.Environment)
		}
	}
	for i := range r.Groups {
		if name, ok := concern.Concern(r.Groups[i].Concern).TenantName(); ok {
			want.Tenants = append(want.Tenants, name)
		}
	}
	for _, list := range []*[]string{&want.Environments, &want.Tenants} {
		slices.Sort(*list)
		*list = slices.DeleteFunc(slices.Compact(*list), func(s string) bool { return s == "" })
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("history (-review +history):\n%s", diff)
	}
	return got
}

func TestSpread(t *testing.T) {
	got := history.SpreadOf([]int{0, 1, 2, 5, 6, 20, 21, 1, 1, 0})
	want := history.Spread{None: 2, One: 3, Few: 2, Many: 2, More: 1, Median: 1, P90: 20, Max: 21}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("spread (-want +got):\n%s", diff)
	}
	if got := history.SpreadOf(nil); got != (history.Spread{}) {
		t.Errorf("spread of nothing: %+v", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.IntRange(0, 30), 1, 40).Draw(t, "values")
		s := history.SpreadOf(values)
		upTo := func(limit int) (n int) {
			for _, v := range values {
				if v <= limit {
					n++
				}
			}
			return n
		}
		switch {
		case s.None+s.One+s.Few+s.Many+s.More != len(values):
			t.Fatalf("%+v of %v does not add up", s, values)
		case upTo(s.Median)*2 < len(values) || upTo(s.Median-1)*2 >= len(values):
			t.Fatalf("median %d of %v", s.Median, values)
		case upTo(s.P90)*10 < len(values)*9 || upTo(s.P90-1)*10 >= len(values)*9:
			t.Fatalf("nine of ten of %v: %d", values, s.P90)
		case s.Max != slices.Max(values):
			t.Fatalf("max %d of %v", s.Max, values)
		}
	})
}

func TestSum(t *testing.T) {
	both := func(clusters int, shared ...string) history.Commit {
		return history.Commit{Clusters: make([]string, clusters), Environments: []string{"dev", "prod"}, Shared: shared}
	}
	commits := []history.Commit{
		both(2, "base/a/x.yaml", "base/a/y.yaml", "root.yaml"),
		both(3, "base/b/x.yaml"),
		both(2),
		both(2, "base/a/z.yaml", "other/z.yaml"),
		{Clusters: []string{"prod"}, Environments: []string{"prod"}, Tenants: []string{"a", "b"}},
		{Clusters: []string{"dev", "test"}, Environments: []string{"dev", "test"}},
		{},
	}
	got := history.Sum(commits)
	want := history.Figures{
		Compared: 7, Changing: 6, Together: 4, Shared: 3, SeveralTenants: 1, SeveralClusters: 5,
		Mostly:   history.CommonFolder{Path: "base/a", Commits: 2},
		Clusters: history.Spread{None: 1, One: 1, Few: 5, Median: 2, P90: 3, Max: 3}, Environments: history.Spread{None: 1, One: 1, Few: 5, Median: 2, P90: 2, Max: 2},
		Tenants: history.Spread{None: 6, Few: 1, P90: 2, Max: 2},
		Through: []history.CommonFolder{{Path: "base/a", Commits: 2}, {Path: ".", Commits: 1}, {Path: "base/b", Commits: 1}, {Path: "other", Commits: 1}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sum (-want +got):\n%s", diff)
	}
	slices.Reverse(commits)
	if diff := cmp.Diff(got, history.Sum(commits)); diff != "" {
		t.Errorf("the order of commits makes a difference (-as they are +reversed):\n%s", diff)
	}
}

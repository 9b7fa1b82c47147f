package cause_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/internal/fleetcase"
	"github.com/bulkhead-dev/bulkhead/internal/fleetgen"
	"github.com/bulkhead-dev/bulkhead/internal/fleetstory"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// compared renders a fleet before a commit, and gives what renders it after.
func compared(tb testing.TB, before map[string]string) func(after map[string]string) *story {
	tb.Helper()
	cache := &render.Cache{}
	repo := render.Repository{URL: fleetcase.URL, Tree: tree.FromMap(before)}
	first := rendered(tb, repo, render.Options{Cache: cache})
	return func(after map[string]string) *story {
		s := &story{before: first, treeBefore: tree.FromMap(before), treeAfter: tree.FromMap(after), files: fleetstory.Differing(before, after)}
		repo.Tree = s.treeAfter
		s.after = rendered(tb, repo, render.Options{Cache: cache, Before: first})
		s.report = impact.Between(first, s.after, impact.Options{Files: s.files})
		return s
	}
}

var word = regexp.MustCompile(`[A-Za-z0-9]+`)

// TestOneFile changes one word in one file of a fleet, or takes a file away: that file is the one
// cause of every change.
func TestOneFile(t *testing.T) {
	files := fleetgen.Generate(fleetgen.Options{Clusters: 2, Tenants: 2})
	names := slices.Sorted(maps.Keys(files))
	commit, seen := compared(t, files), 0
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.SampledFrom(names).Draw(rt, "file")
		after := maps.Clone(files)
		if rapid.IntRange(0, 5).Draw(rt, "what") == 0 {
			delete(after, name)
		} else {
			at := rapid.SampledFrom(word.FindAllStringIndex(files[name], -1)).Draw(rt, "at")
			to := rapid.SampledFrom([]string{"1", "2", "x", "default", "t001", "staging", "c001"}).Draw(rt, "to")
			after[name] = files[name][:at[0]] + to + files[name][at[1]:]
		}
		s := commit(after)
		f := s.finder()
		for _, c := range s.report.Clusters {
			for _, ch := range c.Changes {
				seen++
				got := f.Of(ch)
				if len(got) != 1 || got[0].File != name {
					rt.Errorf("%s %s on %s: caused by %v, want %s", ch.Kind, ch.ID, ch.Cluster, got, name)
				}
			}
		}
		checkLaws(t, s)
	})
	if seen == 0 {
		t.Error("nothing changed at all")
	}
	t.Logf("%d changes", seen)
}

// TestFarFiles changes two files, one of which has no bearing on the changes of the other.
func TestFarFiles(t *testing.T) {
	files := fleetgen.Generate(fleetgen.Options{Clusters: 4, Tenants: 3})
	after := maps.Clone(files)
	for i := range 3 {
		name := fmt.Sprintf("apps/base/%s/deployment.yaml", fleetgen.Tenant(i))
		after[name] = strings.Replace(files[name], "containerPort: 80", "containerPort: 81", 1)
	}
	s := compared(t, files)(after)
	if len(s.report.Groups) == 0 {
		t.Fatal("nothing changed")
	}
	f := s.finder()
	for _, g := range s.report.Groups {
		for _, ch := range g.Changes {
			got := f.Of(ch)
			if len(got) != 1 || !strings.Contains(got[0].File, "/"+ch.ID.Namespace+"/") || !got[0].Direct {
				t.Errorf("%s on %s: caused by %v", ch.ID, ch.Cluster, got)
			}
		}
	}
}

// BenchmarkOf finds the causes of 20 changed objects on each of 200 clusters.
func BenchmarkOf(b *testing.B) {
	files := fleetgen.Generate(fleetgen.Options{Clusters: 200, Tenants: 20})
	own, patches := maps.Clone(files), maps.Clone(files)
	for i := range 20 {
		name := fmt.Sprintf("apps/base/%s/deployment.yaml", fleetgen.Tenant(i))
		own[name] = strings.Replace(files[name], "containerPort: 80", "containerPort: 81", 1)
		for _, env := range []string{"staging", "production"} {
			name := fmt.Sprintf("apps/overlays/%s/%s/resources.yaml", env, fleetgen.Tenant(i))
			patches[name] = strings.Replace(files[name], "memory: 128Mi", "memory: 256Mi", 1)
		}
	}
	vars := maps.Clone(files)
	for i := range 200 {
		name := fmt.Sprintf("clusters/%s/cluster-vars.yaml", fleetgen.Cluster(i))
		vars[name] = strings.Replace(files[name], "region: ", "region: x-", 1)
	}
	commit := compared(b, files)
	for name, after := range map[string]map[string]string{"own": own, "patches": patches, "variables": vars} {
		b.Run(name, func(b *testing.B) {
			s := commit(after)
			n := 0
			for _, c := range s.report.Clusters {
				n += len(c.Changes)
			}
			if n < 200*20 {
				b.Fatalf("%d changes", n)
			}
			b.ReportAllocs()
			for b.Loop() {
				f := s.finder()
				for _, c := range s.report.Clusters {
					for _, ch := range c.Changes {
						if len(f.Of(ch)) == 0 {
							b.Fatalf("no cause for %s on %s", ch.ID, ch.Cluster)
						}
					}
				}
			}
			b.ReportMetric(float64(n), "changes")
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(n), "µs/change")
		})
	}
}

package fleetgen

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestNamed counts the fleets of the benchmarks.
func TestNamed(t *testing.T) {
	for name, want := range map[string]struct{ clusters, tenants, files, releases int }{
		"S":     {3, 5, 3*4 + 5*13 + 1 + 4 + 1, 1},
		"peers": {20, 30, 20*4 + 30*6 + 1 + 4 + 10, 10},
		"M":     {50, 20, 50*4 + 20*13 + 1 + 4 + 2, 2},
		"L":     {200, 50, 200*4 + 50*13 + 1 + 4 + 5, 5},
	} {
		f, err := Named(name)
		if err != nil {
			t.Fatal(err)
		}
		releases := 0
		for path := range f.Files {
			if strings.HasSuffix(path, "/release.yaml") {
				releases++
			}
		}
		got := struct{ clusters, tenants, files, releases int }{f.Clusters, f.Tenants, len(f.Files), releases}
		if got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
		if !slices.Contains(Names(), name) || f.Name != name {
			t.Errorf("%s: named %s, and not in %v", name, f.Name, Names())
		}
	}
	if _, err := Named("XXL"); err == nil || !strings.Contains(err.Error(), "S, peers, M, L, XL") {
		t.Errorf("XXL: %v", err)
	}
}

// TestPeersSame holds the fleet that others were timed with to its bytes: times of
// another fleet could not be compared with theirs.
func TestPeersSame(t *testing.T) {
	files := Peers(20, 30)
	h := sha256.New()
	for _, path := range slices.Sorted(maps.Keys(files)) {
		_, _ = fmt.Fprintf(h, "%s %d\n%s", path, len(files[path]), files[path])
	}
	const want = "21458e6b0ce935c97124bcfc0f3d9629a816e42c48583935a50d2442a3d34342"
	if got := fmt.Sprintf("%x", h.Sum(nil)); got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
	checkFiles(t, files)
}

// TestChanges builds a fleet as Flux does before and after each change, and counts
// what differs: the numbers that the benchmarks print beside their times.
func TestChanges(t *testing.T) {
	for _, f := range []Fleet{
		generated("small", Options{Clusters: 3, Tenants: 3, Releases: true}),
		timed(3, 2),
	} {
		checkFiles(t, f.Files)
		before := render(t, f.Files)
		for _, c := range f.Changes {
			after := render(t, f.After(c))
			clusters, builds := map[string]bool{}, map[string]bool{}
			for cluster := range before {
				differs := func(key string) {
					if before[cluster][key] == after[cluster][key] {
						return
					}
					clusters[cluster] = true
					builds[cluster+"/"+strings.Split(key, "/")[1]] = true // its namespace: one for each Kustomization
				}
				for key := range before[cluster] {
					differs(key)
				}
				for key := range after[cluster] {
					differs(key)
				}
			}
			if diff := cmp.Diff([]int{c.Clusters, c.Builds}, []int{len(clusters), len(builds)}); diff != "" {
				t.Errorf("%s %s: clusters and builds (-want +got):\n%s", f.Name, c.Name, diff)
			}
		}
	}
}

// TestReleases checks that a release adds what Objects counts, without a chart
// rendered: itself.
func TestReleases(t *testing.T) {
	plain, with := Options{Clusters: 2, Tenants: 11}, Options{Clusters: 2, Tenants: 11, Releases: true}
	if got := with.Objects() - plain.Objects(); got != 2*2*ObjectsPerRelease {
		t.Errorf("releases add %d objects", got)
	}
	a, b := render(t, Generate(plain)), render(t, Generate(with))
	for cluster := range a {
		if len(b[cluster]) != len(a[cluster])+2 || b[cluster]["HelmRelease/t010/t010-cache"] == "" {
			t.Errorf("%s: %d objects, without releases %d", cluster, len(b[cluster]), len(a[cluster]))
		}
	}
}

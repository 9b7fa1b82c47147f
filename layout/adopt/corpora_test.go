package adopt_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/internal/git"
	"github.com/bulkhead-dev/bulkhead/layout/adopt"
	"github.com/bulkhead-dev/bulkhead/render"
)

// TestCorpora adopts the tenants of public fleets, and logs what differs. Tenants that are known to be in them must be found, and each object of
// a tenant is accounted for once on its cluster.
func TestCorpora(t *testing.T) {
	if raceDetector || testing.Short() {
		t.Skip("SKIPPED: takes minutes with the race detector; 'make corpora' runs it without")
	}
	dir := os.Getenv("BULKHEAD_CORPORA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "corpora")
	}
	bundles, err := filepath.Glob(filepath.Join(dir, "*.bundle"))
	if err != nil || len(bundles) == 0 {
		t.Skipf("SKIPPED: no bundles in %s; set BULKHEAD_CORPORA to a folder of Git bundles of fleets", dir)
	}
	want := map[string]string{"fluxcd+flux2-multi-tenancy": "dev-team", "aws-samples+flux-eks-gitops-config": "podinfo-team"}
	for _, bundle := range bundles {
		name := strings.TrimSuffix(filepath.Base(bundle), ".bundle")
		t.Run(name, func(t *testing.T) {
			bundle, err := filepath.Abs(bundle)
			if err != nil {
				t.Fatal(err)
			}
			adoptBundle(t, bundle, want[name])
		})
	}
}

func adoptBundle(t *testing.T, bundle, want string) {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "git", "clone", "-q", bundle, dir).CombinedOutput(); err != nil {
		t.Fatalf("git clone: %v\n%s", err, out)
	}
	files, err := git.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	fleet, err := render.Fleet(t.Context(), render.Repository{Tree: files, Revision: "main"}, render.Options{})
	if err != nil {
		t.Logf("no fleet: %v", err)
		return
	}
	opts := adopt.Options{Repository: render.RepositoryName}
	for _, e := range fleet.Entries {
		if u := render.RepositoryName(e.URL); u != "" {
			opts.Hub = append(opts.Hub, u)
		}
	}
	clusters := adoptable(fleet)
	r, err := adopt.Tenants(clusters, opts)
	if err != nil {
		t.Fatal(err)
	}
	found := want == ""
	for i := range r.Tenants {
		found = found || r.Tenants[i].Document.Name == want
		n := map[adopt.State]int{}
		seen := map[string]bool{}
		for k := range r.Tenants[i].Objects {
			c := &r.Tenants[i].Objects[k]
			n[c.State]++
			if key := c.Cluster + " " + c.ID().String(); c.There != nil && seen[key] {
				t.Errorf("%s is accounted for twice", key)
			} else if c.There != nil {
				seen[key] = true
			}
		}
		t.Logf("tenant %s: %d equal, %d differ, %d renamed, %d only there, %d new", r.Tenants[i].Document.Name, n[adopt.Equal], n[adopt.Differs], n[adopt.Renamed], n[adopt.Only], n[adopt.New])
	}
	if !found {
		t.Errorf("tenant %s is not among %d that were found", want, len(r.Tenants))
	}
	for _, l := range r.LeftOut {
		t.Logf("left out: %s on %q: %s", l.Name, l.Cluster, l.Why)
	}
	if testing.Verbose() {
		t.Log("\n" + resultText(t, r))
	}
	again(t, clusters, opts, r)
}

// again holds that the documents are known once they are there, and that no second ones are made.
func again(t *testing.T, clusters []adopt.Cluster, opts adopt.Options, r *adopt.Result) {
	t.Helper()
	opts.Documents = v1alpha1.Documents{Clusters: r.Clusters}
	for i := range r.Tenants {
		opts.Documents.Tenants = append(opts.Documents.Tenants, r.Tenants[i].Document)
	}
	second, err := adopt.Tenants(clusters, opts)
	if err != nil {
		t.Fatal(err)
	}
	if len(second.Tenants) > 0 || len(second.Documented) != len(r.Tenants) {
		t.Errorf("%d new documents the second time, %d known", len(second.Tenants), len(second.Documented))
	}
}

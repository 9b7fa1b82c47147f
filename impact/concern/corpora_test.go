package concern_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/impact/concern"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// TestCorpora judges every object of public fleets of several shapes. Each answer has its reason, and
// what is not one cluster's has the same answer on all clusters that have it from the same file.
func TestCorpora(t *testing.T) {
	if raceDetector || testing.Short() {
		t.Skip("SKIPPED: takes minutes with the race detector; 'make corpora' runs it without")
	}
	dir := os.Getenv("BULKHEAD_CORPORA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "corpora")
	}
	for _, c := range []struct {
		name string
		want map[concern.Concern]bool // that some object must be of
	}{
		{"fluxcd+flux2-multi-tenancy", map[concern.Concern]bool{concern.Tenant("dev-team"): true, concern.Platform: true, concern.Cluster: true}},
		{"fluxcd+flux2-kustomize-helm-example", map[concern.Concern]bool{concern.Tenant("dev-team"): true, concern.Cluster: true}},
		{"fluxcd+flux2-hub-spoke-example", map[concern.Concern]bool{concern.Tenant("dev-team"): true, concern.Platform: true}},
		{"PingCAP-QE+ee-ops", map[concern.Concern]bool{concern.Platform: true, concern.Cluster: true}},
		{"wahooli+gitops-repo", map[concern.Concern]bool{concern.Platform: true, concern.Cluster: true}},
		{"monosense-io+k8s-gitops", map[concern.Concern]bool{concern.Platform: true, concern.Cluster: true}},
		{"aws-samples+eks-saas-gitops", map[concern.Concern]bool{concern.Tenant("basic"): true, concern.Platform: true}},
		{"aws-samples+flux-eks-gitops-config", map[concern.Concern]bool{concern.Tenant("podinfo-team"): true, concern.Platform: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bundle, err := filepath.Abs(filepath.Join(dir, c.name+".bundle"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(bundle); err != nil {
				t.Skipf("SKIPPED: no %s; set BULKHEAD_CORPORA to a folder of Git bundles of fleets", bundle)
			}
			r, err := render.Fleet(t.Context(), render.Repository{Tree: checkout(t, bundle), Revision: "main"}, render.Options{})
			if err != nil {
				t.Fatal(err)
			}
			counts := judgeAll(t, r)
			for want := range c.want {
				if counts[want] == 0 {
					t.Errorf("no object is of %s: %v", want, counts)
				}
			}
			t.Logf("objects by concern: %v", counts)
		})
	}
}

func judgeAll(t *testing.T, r *render.Result) map[concern.Concern]int {
	t.Helper()
	j := concern.New(concern.Fleet{}, nil, r)
	counts, reasons := map[concern.Concern]int{}, map[string]int{}
	for _, g := range impact.Between(nil, r, impact.Options{}).Groups {
		answers := map[string]concern.Concern{}
		for _, ch := range g.Changes {
			c, why := j.Of(ch)
			if why == "" || c == "" {
				t.Errorf("%s on %s: %q because %q", ch.ID, ch.Cluster, c, why)
			}
			counts[c]++
			reasons[fmt.Sprintf("%s %s: %s %s", c, why, ch.Cluster, ch.ID)]++
			file := ch.After.Origin.File
			if other, ok := answers[file]; ok && other != c && c != concern.Cluster && other != concern.Cluster {
				t.Errorf("%s of %s: %s and %s", ch.ID, file, c, other)
			}
			answers[file] = c
		}
	}
	if testing.Verbose() {
		var lines []string
		for line := range reasons {
			lines = append(lines, line)
		}
		slices.Sort(lines)
		t.Log(strings.Join(lines, "\n"))
	}
	return counts
}

// checkout reads the files of a bundle's main branch; symlinks are left out.
func checkout(t *testing.T, bundle string) *tree.Tree {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.CommandContext(t.Context(), "git", "clone", "-q", bundle, dir).CombinedOutput()
	if err != nil {
		t.Fatalf("git clone: %v\n%s", err, out)
	}
	files := map[string]string{}
	err = filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == ".git" {
			return filepath.SkipDir
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		files[filepath.ToSlash(rel)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree.FromMap(files)
}

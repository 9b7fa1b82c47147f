//go:build e2e && linux

package e2e

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// TestCorpora plays public fleets as they are. They lie beside the repository, as Git
// bundles, or where BULKHEAD_CORPORA says.
func TestCorpora(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: -short leaves out public fleets")
	}
	dir := os.Getenv("BULKHEAD_CORPORA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "corpora")
	}
	bundles, err := filepath.Glob(filepath.Join(dir, "*.bundle"))
	if err != nil || len(bundles) == 0 {
		t.Skipf("SKIPPED: no corpora in %s; set BULKHEAD_CORPORA to a folder of Git bundles of fleets", dir)
	}
	for _, bundle := range bundles {
		name := strings.TrimSuffix(filepath.Base(bundle), ".bundle")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := ofBundle(t, name, bundle)
			if err := s.render(t); err != nil {
				t.Skipf("SKIPPED: it has no cluster of its own: %v", err)
			}
			for _, cluster := range s.clusters() {
				t.Run(cluster, func(t *testing.T) {
					t.Parallel()
					if why := s.outside(cluster); why != "" {
						seen.skip(s.name, cluster, why)
						t.Skipf("it needs something from outside: %s", why)
					}
					play(t, s, cluster)
				})
			}
		})
	}
}

func ofBundle(t *testing.T, name, bundle string) *story {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "git", "clone", "-q", bundle, dir).CombinedOutput(); err != nil {
		t.Fatalf("clone %s: %v\n%s", bundle, err, out)
	}
	files := map[string]tree.Blob{}
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil || d.IsDir() || strings.HasPrefix(rel, ".git"+string(filepath.Separator)) {
			return err
		}
		if d.Type()&os.ModeSymlink != 0 {
			target, err := os.Readlink(p)
			files[filepath.ToSlash(rel)] = tree.Blob{Mode: tree.Symlink, Data: target}
			return err
		}
		data, err := os.ReadFile(p)
		files[filepath.ToSlash(rel)] = tree.Blob{Mode: tree.File, Data: string(data)}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &story{name: "corpora/" + name, files: [2]map[string]tree.Blob{files, files}, public: true}
	switch name { // no entry point of any kind: they are parts of other repositories
	case "aws-samples+flux-eks-gitops-config-tenant":
		s.opts.Clusters = []render.Declared{{Name: "production", Paths: []string{"production"}}, {Name: "test", Paths: []string{"test"}}}
	case "giantswarm+gitops-template":
		s.opts.Clusters = []render.Declared{{Name: "MC_NAME", Paths: []string{"management-clusters/MC_NAME"}}}
	}
	return s
}

// outside is what the render of a cluster lacks, other than releases of charts, which are
// objects like others to the controller that is tested here.
func (s *story) outside(cluster string) string {
	if e := s.result[0].Cluster(cluster).Entry; e.URL != "" {
		if u, err := url.Parse(e.URL); err != nil || u.Host == "" {
			return "a source; the URL of its own is one that source-controller refuses: " + e.URL
		}
	}
	for _, u := range s.result[0].Cluster(cluster).Unresolved {
		if u.Kind != render.UnresolvedChart {
			return u.Applier.String() + ": " + u.Kind + " " + u.Subject
		}
	}
	return ""
}

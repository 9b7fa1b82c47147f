//go:build e2e && linux

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/fleetcase"
	"github.com/bulkhead-dev/bulkhead/render/chart"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// publicCharts are repositories with charts that the Go module proxy serves at a fixed
// version, with the folder of the charts and the URLs by which other charts depend on them.
func publicCharts() []chartModule {
	return []chartModule{
		{"fluxcd+flagger", "github.com/fluxcd/flagger@v1.36.1", "charts", []string{"https://flagger.app"}},
		{"kubernetes+ingress-nginx", "k8s.io/ingress-nginx@v0.0.0-20240708192948-52c50467d67d", "charts", nil},
		{"kubernetes-sigs+metrics-server", "sigs.k8s.io/metrics-server@v0.9.0", "charts", nil},
		{"kyverno+kyverno", "github.com/kyverno/kyverno@v1.14.4", "charts", nil},
		{"stefanprodan+podinfo", "github.com/stefanprodan/podinfo@v1.8.1-0.20250910200901-e86405a8674e", "charts", nil},
		{"prometheus-community+helm-charts", "github.com/prometheus-community/helm-charts@v0.0.0-20260828105119-ed5d7d9b5933", "charts", []string{"https://prometheus-community.github.io/helm-charts"}},
		{"grafana+helm-charts", "github.com/grafana/helm-charts@v0.0.0-20260820194520-7a0ab968961a", "charts", []string{"https://grafana.github.io/helm-charts"}},
		{"grafana-community+helm-charts", "github.com/grafana-community/helm-charts@v0.0.0-20260829030558-dbf9f4fb5fa1", "charts", []string{"https://grafana-community.github.io/helm-charts"}},
		{"argoproj+argo-helm", "github.com/argoproj/argo-helm@v0.0.0-20260904222229-3bbb4305eea9", "charts", []string{"https://argoproj.github.io/argo-helm"}},
		{"kedacore+charts", "github.com/kedacore/charts@v2.20.3-0.20260903105638-fe065f4d8938+incompatible", ".", nil},
		{"metallb+metallb", "go.universe.tf/metallb@v0.16.2", "charts", nil},
		{"cilium+cilium", "github.com/cilium/cilium@v1.20.2", "install/kubernetes", nil},
		{"vmware-tanzu+helm-charts", "github.com/vmware-tanzu/helm-charts@v0.0.0-20260916040517-6b2197350079", "charts", nil},
	}
}

type chartModule struct {
	name, module, folder string
	urls                 []string
}

// TestCharts installs public charts as they are, one on each cluster, with their default
// values. A chart that refuses those is refused by both sides, with the same words.
func TestCharts(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: -short leaves out charts")
	}
	all := publicCharts()
	known := chartSources{}
	trees := make([]*tree.Tree, len(all))
	for i, m := range all {
		trees[i] = m.download(t)
		for _, url := range m.urls {
			known[strings.TrimSuffix(url, "/")] = trees[i]
		}
	}
	for i, m := range all {
		if trees[i] == nil {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			s := ofCharts(t, m.name, trees[i], known)
			if err := s.render(t); err != nil {
				t.Fatal(err)
			}
			for _, f := range s.faults {
				t.Error(f)
			}
			seen.play(s.name)
			playAll(t, s)
		})
	}
}

// download gets the folder of charts; nil where the Go module proxy cannot be reached.
func (m chartModule) download(t *testing.T) *tree.Tree {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", m.module)
	cmd.Dir = t.TempDir()
	out, err := cmd.Output()
	var got struct{ Dir, Error string }
	if json.Unmarshal(out, &got) != nil || got.Dir == "" {
		t.Logf("SKIPPED: %s is not to be had: %s %v", m.module, got.Error, err)
		return nil
	}
	root := filepath.Join(got.Dir, filepath.FromSlash(m.folder))
	blobs := map[string]tree.Blob{}
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(p)
		blobs[filepath.ToSlash(rel)] = tree.Blob{Mode: tree.File, Data: string(data)}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree.FromBlobs(blobs)
}

// chartSources are folders with charts, by the URL of the repository that they stand for.
type chartSources map[string]*tree.Tree

// Chart implements [chart.Dependencies].
func (k chartSources) Chart(ctx context.Context, repository, name, version string) ([]byte, error) {
	t := k[strings.TrimSuffix(repository, "/")]
	if t == nil {
		return nil, errors.New("not to be had")
	}
	at, err := chart.Mirrored(t, name, version)
	if err != nil {
		return nil, err
	}
	pkg, err := chart.FromTree(ctx, t, chart.TreeSpec{Path: at}, k)
	if err != nil {
		return nil, err
	}
	return pkg.Archive()
}

// ofCharts is a fleet with one cluster for each chart.
func ofCharts(t *testing.T, name string, charts *tree.Tree, known chartSources) *story {
	t.Helper()
	entries, err := charts.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	packages, files := map[string][]byte{}, map[string]tree.Blob{}
	for _, e := range entries {
		if _, err := charts.Stat(path.Join(e.Name, "Chart.yaml")); !e.IsDir() || err != nil {
			continue
		}
		data, version, err := packed(t.Context(), charts, e.Name, known)
		switch {
		case errors.Is(err, chart.ErrDependency):
			seen.skip("charts/"+name, e.Name, err.Error())
			continue
		case err != nil:
			t.Fatalf("%s: %v", e.Name, err)
		case data == nil:
			continue
		}
		packages[e.Name] = data
		dir := "clusters/" + e.Name + "/"
		sync, err := fleetcase.Sync(e.Name, nil)
		if err != nil {
			t.Fatal(err)
		}
		files[dir+"flux-system/gotk-sync.yaml"] = tree.Blob{Data: sync}
		files[dir+"release.yaml"] = tree.Blob{Data: fmt.Sprintf(releaseFile, fleetcase.ChartsURL, e.Name, version)}
	}
	s := &story{name: "charts/" + name, url: fleetcase.URL, files: [2]map[string]tree.Blob{files, files}}
	if s.served[0], err = fleetcase.Charts(packages); err != nil {
		t.Fatal(err)
	}
	s.served[1] = s.served[0]
	return s
}

// packed is a chart as its repository serves it; nil for a library.
func packed(ctx context.Context, charts *tree.Tree, name string, known chartSources) ([]byte, string, error) {
	pkg, err := chart.FromTree(ctx, charts, chart.TreeSpec{Path: name}, known)
	if err != nil {
		return nil, "", err
	}
	for _, f := range pkg.Files {
		if f.Name == "Chart.yaml" && strings.Contains(string(f.Data), "type: library") {
			return nil, "", nil
		}
	}
	data, err := pkg.Archive()
	return data, pkg.Version, err
}

// releaseFile is a repository and a release of one of its charts. Nothing is waited for
// but hooks: who gives a Service its address does not run here.
const releaseFile = `apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: public, namespace: flux-system}
spec: {interval: 1h, url: %q}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: %[2]s, namespace: flux-system}
spec:
  interval: 1h
  timeout: 1m
  releaseName: public
  targetNamespace: public
  install: {createNamespace: true, disableWait: true}
  chart: {spec: {chart: %[2]s, version: %[3]q, sourceRef: {kind: HelmRepository, name: public}}}
`

package release

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/loader/archive"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	kubefake "helm.sh/helm/v4/pkg/kube/fake"
	helmrelease "helm.sh/helm/v4/pkg/release/v1"
)

// plainHelm renders in with Helm's own functions on the chart as it is.
func plainHelm(in *Input) (rel *helmrelease.Release, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	var files []*archive.BufferedFile
	for _, f := range in.Files {
		files = append(files, &archive.BufferedFile{Name: f.Name, Data: bytes.Clone(f.Data)})
	}
	c, err := loader.LoadFiles(files)
	if err != nil {
		return nil, err
	}
	caps, err := capabilitiesOf(in)
	if err != nil {
		return nil, err
	}
	install := action.NewInstall(&action.Configuration{KubeClient: &kubefake.PrintingKubeClient{Out: io.Discard}, Capabilities: caps})
	install.DryRunStrategy = action.DryRunServer
	install.ReleaseName, install.Namespace = in.Release.ReleaseName, in.Release.ReleaseNamespace
	install.IsUpgrade = in.Release.Upgrade
	install.SkipSchemaValidation = in.Release.DisableSchemaValidation
	install.PostRenderer = &postRenderer{release: &in.Release, nodes: 1 << 20}
	if s := in.Release.PostRenderStrategy; s != "" {
		install.PostRenderStrategy = action.PostRenderStrategy(s)
	}
	vals, _ := cloned(map[string]any(in.Values)).(map[string]any)
	if len(c.CRDObjects()) > 0 {
		if err := chartutil.ProcessDependencies(c, vals); err != nil {
			return nil, err
		}
	}
	out, err := install.Run(c, vals)
	if err != nil {
		return nil, err
	}
	rel, _ = out.(*helmrelease.Release)
	return rel, nil
}

// compareWithHelm fails when this package gives Helm anything else to apply than Helm alone.
func compareWithHelm(t *testing.T, in Input) (failed bool) {
	t.Helper()
	want, wantErr := plainHelm(&in)
	r := new(Renderer)
	limits := in.Limits.orDefaults()
	l, _ := r.charts.get(in.Files, limits)
	if l.err != nil {
		if wantErr == nil {
			t.Errorf("load: %v; Helm loads it", l.err)
		}
		return true
	}
	caps, err := capabilitiesOf(&in)
	if err != nil {
		t.Fatal(err)
	}
	pass := &run{loaded: l, in: &in, release: &in.Release, limits: limits, caps: caps, meter: newMeter(t.Context(), limits)}
	got, err := pass.helm(t.Context())
	if (err != nil) != (wantErr != nil) {
		t.Errorf("error %v, Helm's %v", err, wantErr)
		return true
	}
	if err != nil {
		t.Logf("fails: %v", pass.failure(err))
		if diff := cmp.Diff(ordered(wantErr.Error()), ordered(pass.unmarked(err.Error()))); diff != "" {
			t.Errorf("error: -want +got\n%s", diff)
		}
		return true
	}
	if diff := cmp.Diff(want.Manifest, got.Manifest); diff != "" {
		t.Errorf("manifest: -want +got\n%s", diff)
	}
	if diff := cmp.Diff(hookTexts(want), hookTexts(got)); diff != "" {
		t.Errorf("hooks: -want +got\n%s", diff)
	}
	if diff := cmp.Diff(want.Info.Notes, got.Info.Notes); diff != "" {
		t.Errorf("notes: -want +got\n%s", diff)
	}
	return false
}

func hookTexts(rel *helmrelease.Release) (out []string) {
	for _, h := range rel.Hooks {
		out = append(out, fmt.Sprintf("%s %s %v %d\n%s", h.Path, h.Name, h.Events, h.Weight, h.Manifest))
	}
	return out
}

// TestLikeHelm compares with Helm on the cases of this package that draw nothing from chance. An upgrade's
// revision is left as Helm has it.
func TestLikeHelm(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			in := inputOf(t, archive)
			if strings.HasPrefix(filepath.Base(file), "unknowable") || strings.HasPrefix(filepath.Base(file), "limit") {
				t.Skip("Helm gives something else each time, or never ends")
			}
			in.Release.Upgrade = false
			compareWithHelm(t, in)
		})
	}
}

// TestLikeHelmOnItsCharts compares on every chart that Helm tests itself with.
func TestLikeHelmOnItsCharts(t *testing.T) {
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "helm.sh/helm/v4").Output()
	if err != nil {
		t.Skipf("the module is not at hand: %v", err)
	}
	if charts, broken := compareCharts(t, filepath.Join(strings.TrimSpace(string(dir)), "pkg")); charts < 30 || charts-broken < 20 {
		t.Errorf("%d charts, %d of them broken: the test compares too little", charts, broken)
	}
}

// TestLikeHelmOnCharts compares on the charts below the folder that BULKHEAD_CHARTS names.
func TestLikeHelmOnCharts(t *testing.T) {
	dir := os.Getenv("BULKHEAD_CHARTS")
	if dir == "" {
		t.Skip("BULKHEAD_CHARTS is not set")
	}
	charts, broken := compareCharts(t, dir)
	t.Logf("%d charts, %d of them broken", charts, broken)
}

func compareCharts(t *testing.T, root string) (charts, broken int) {
	t.Helper()
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "Chart.yaml" || d.IsDir() {
			return err
		}
		files := readChart(t, filepath.Dir(p))
		name, _ := filepath.Rel(root, filepath.Dir(p))
		t.Run(name, func(t *testing.T) {
			in := inputFor(files, nil)
			in.Release.Upgrade = false
			charts++
			if unstable(&in) {
				if _, err := Render(t.Context(), in); err != nil {
					t.Logf("fails: %v", err)
				}
				return
			}
			if compareWithHelm(t, in) {
				broken++
			}
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return charts, broken
}

// unstable reports whether Helm alone gives something else each time.
func unstable(in *Input) bool {
	a, errA := plainHelm(in)
	b, errB := plainHelm(in)
	if errA != nil || errB != nil {
		return false
	}
	return a.Manifest != b.Manifest || !slices.Equal(hookTexts(a), hookTexts(b))
}

func readChart(t *testing.T, dir string) (files []File) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(p)
		if errors.Is(err, fs.ErrPermission) {
			return nil
		}
		name, relErr := filepath.Rel(dir, p)
		files = append(files, File{Name: filepath.ToSlash(name), Data: data})
		return errors.Join(err, relErr)
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

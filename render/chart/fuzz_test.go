package chart

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
	"helm.sh/helm/v4/pkg/chart/loader/archive"
	"helm.sh/helm/v4/pkg/chart/v2/loader"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// checkPackage holds a package to what its documentation says.
func checkPackage(t *testing.T, p *Package) {
	t.Helper()
	files := make([]*archive.BufferedFile, len(p.Files))
	for i, f := range p.Files {
		files[i] = &archive.BufferedFile{Name: f.Name, Data: f.Data}
		if f.Name == ".." || strings.HasPrefix(f.Name, "../") || strings.HasPrefix(f.Name, "/") || i > 0 && p.Files[i-1].Name > f.Name {
			t.Errorf("file %q leads out of the chart, or is out of order", f.Name)
		}
	}
	c, err := loader.LoadFiles(files)
	if err != nil {
		t.Fatalf("Helm does not load the package: %v", err)
	}
	if c.Name() != p.Name || c.Metadata.Version != p.Version {
		t.Errorf("Helm loads %s %s, the package says %s %s", c.Name(), c.Metadata.Version, p.Name, p.Version)
	}
	if p.Digest != digest(p.Files) {
		t.Error("the digest is not that of the files")
	}
}

// soon fails what takes longer than anything so small may.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// FuzzFromArchive takes anything for the tarball of a chart.
func FuzzFromArchive(f *testing.F) {
	plain := func(entries ...entry) []byte { return unzipped(f, tarball(f, entries...)) }
	f.Add(plain(chartYAML, entry{name: "app/values.yaml", data: "a: 1\n"}, entry{name: "app/prod.yaml", data: "a: 2\n"}), "prod.yaml")
	f.Add(plain(chartYAML, entry{name: `app\x\..\..\y`, data: "1"}), "")
	f.Add(plain(chartYAML, entry{name: "app/charts/x.tgz", data: string(tarball(f, chartYAML))}, entry{name: "app/Chart.lock", data: "dependencies: []\n"}), "values.yaml")
	f.Add(plain(entry{name: "a/Chart.yaml", data: "name: a\nversion: 1.0.0\n"}, entry{name: "a/requirements.yaml", data: "dependencies: [{name: b}]\n"}), "")
	f.Fuzz(func(t *testing.T, data []byte, values string) {
		spec := ArchiveSpec{Generation: 1, IgnoreMissingValuesFiles: true}
		if values != "" {
			spec.ValuesFiles = strings.Split(values, ",")
		}
		p, err := FromArchive(soon(t), gzipped(t, string(data)), spec)
		if err != nil {
			return
		}
		checkPackage(t, p)
		if q, err := SetDigestVersion(p, "sha256:0123456789abcdef"); err == nil && !requires(p) {
			checkPackage(t, q)
		}
	})
}

// requires says whether requirements.yaml is there, which may say a version of its own.
func requires(p *Package) bool {
	return slices.ContainsFunc(p.Files, func(f File) bool { return f.Name == requirementsFile })
}

func unzipped(tb testing.TB, data []byte) []byte {
	tb.Helper()
	var out bytes.Buffer
	r, err := gzipReader(data)
	if err == nil {
		_, err = out.ReadFrom(r)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// FuzzFromTree takes a txtar archive for a source with a chart in app/. A file whose name ends in "@" is a
// symbolic link.
func FuzzFromTree(f *testing.F) {
	for _, seed := range []string{
		"-- app/Chart.yaml --\napiVersion: v2\nname: app\nversion: 1.0.0\n-- app/values.yaml --\na: 1\n-- prod.yaml --\na: 2\n",
		"-- app/Chart.yaml --\nname: app\nversion: 1.0.0\n-- app/requirements.yaml --\ndependencies:\n- {name: lib, version: '*', repository: 'file://../lib'}\n-- lib/Chart.yaml --\nname: lib\nversion: v1\n",
		"-- app/Chart.yaml --\napiVersion: v2\nname: app\nversion: 1.0.0\n-- app/.helmignore --\n!*.md\n/a\nb/\n-- app/templates@ --\n../app\n-- app/Chart.lock --\ndependencies: [null]\n",
		"-- app/Chart.yaml --\napiVersion: v2\nname: a\nversion: 1.0.0\ndependencies: [{name: b, alias: c, version: '>0', repository: 'https://x'}]\n-- app/charts/d/Chart.yaml --\nname: d\nversion: 0.1\n",
	} {
		f.Add([]byte(seed), "prod.yaml")
	}
	remote := packed(f, "b", map[string]string{"Chart.yaml": metadata("b", "1.0.0")})
	f.Fuzz(func(t *testing.T, data []byte, values string) {
		blobs := map[string]tree.Blob{}
		for _, file := range txtar.Parse(data).Files {
			name, isLink := strings.CutSuffix(file.Name, "@")
			b := tree.Blob{Mode: tree.File, Data: string(file.Data)}
			if isLink {
				b = tree.Blob{Mode: tree.Symlink, Data: strings.TrimSpace(string(file.Data))}
			}
			blobs[name] = b
		}
		in := tree.FromBlobs(blobs)
		if _, err := in.Stat("."); err != nil {
			return
		}
		spec := TreeSpec{Path: "app", Generation: 1, IgnoreMissingValuesFiles: true}
		if values != "" {
			spec.ValuesFiles = strings.Split(values, ",")
		}
		p, err := FromTree(soon(t), in, spec, always(remote))
		again, errAgain := FromTree(soon(t), in, spec, always(remote))
		if fmt.Sprint(err) != fmt.Sprint(errAgain) || err == nil && p.Digest != again.Digest {
			t.Errorf("two answers: %v and %v", err, errAgain)
		}
		if errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if err == nil {
			checkPackage(t, p)
		}
	})
}

// always has one chart for every question.
type always []byte

func (a always) Chart(context.Context, string, string, string) ([]byte, error) { return a, nil }

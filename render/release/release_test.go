package release

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"sigs.k8s.io/yaml"
)

// TestCases renders each archive of testdata: chart/ is the chart, release.yaml the HelmRelease, want what
// comes out of it. "install: true" in settings.yaml takes the first install.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			in := inputOf(t, archive)
			got := describeOutput(t, in)
			want := ""
			for i, f := range archive.Files {
				if f.Name == "want" {
					want = string(f.Data)
					archive.Files = append(archive.Files[:i], archive.Files[i+1:]...)
					break
				}
			}
			if os.Getenv("UPDATE") != "" {
				archive.Files = append(archive.Files, txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(file, txtar.Format(archive), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

type settings struct {
	Install     bool     `json:"install"`
	Kubernetes  string   `json:"kubernetes"`
	APIVersions []string `json:"apiVersions"`
	Sensitive   []string `json:"sensitive"`
	Limits      Limits   `json:"limits"`
}

func inputOf(tb testing.TB, archive *txtar.Archive) Input {
	tb.Helper()
	hr := &helmv2.HelmRelease{}
	set := settings{Kubernetes: "v1.35.2"}
	var in Input
	for _, f := range archive.Files {
		var err error
		switch name, ok := strings.CutPrefix(f.Name, "chart/"); {
		case ok:
			data := f.Data
			if strings.HasPrefix(filepath.Base(name), "crlf") {
				data = bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n"))
			}
			in.Files = append(in.Files, File{Name: name, Data: data})
		case f.Name == "release.yaml":
			err = yaml.UnmarshalStrict(f.Data, hr)
		case f.Name == "settings.yaml":
			err = yaml.UnmarshalStrict(f.Data, &set)
		}
		if err != nil {
			tb.Fatalf("%s: %v", f.Name, err)
		}
	}
	if hr.Name == "" {
		hr.Name, hr.Namespace = "app", "team"
	}
	in.Release = Describe(hr)
	if set.Install {
		in.Release = DescribeInstall(hr)
	}
	in.Values = hr.GetValues()
	in.Kubernetes, in.APIVersions, in.Sensitive, in.Limits = set.Kubernetes, set.APIVersions, set.Sensitive, set.Limits
	return in
}

// describeOutput is the render of in as a reader can check it.
func describeOutput(tb testing.TB, in Input) string {
	tb.Helper()
	out, err := Render(tb.Context(), in)
	if err != nil {
		if _, ok := errors.AsType[*Error](err); !ok {
			tb.Fatalf("not an *Error: %v", err)
		}
		return fmt.Sprintf("error: %s\n", strings.TrimSpace(err.Error()))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# chart %s %s, uses %+v\n", out.Chart.Name, out.Chart.Version, out.Uses)
	for _, n := range out.Notes {
		fmt.Fprintf(&b, "# note: %s\n", n)
	}
	show := func(what string, o *Object) {
		text, err := yaml.JSONToYAML(o.JSON)
		if err != nil {
			tb.Fatal(err)
		}
		fmt.Fprintf(&b, "--- # %s", what)
		if o.File != "" {
			fmt.Fprintf(&b, " %s", o.File)
		}
		if o.DefaultedNamespace {
			b.WriteString(" defaulted")
		}
		if o.Keep {
			b.WriteString(" keep")
		}
		if len(o.Unknowable) > 0 {
			fmt.Fprintf(&b, " unknowable %q", o.Unknowable)
		}
		fmt.Fprintf(&b, "\n%s", text)
	}
	if out.Namespace != nil {
		show("namespace", out.Namespace)
	}
	for i := range out.CRDs {
		show("crd", &out.CRDs[i])
	}
	for i := range out.Hooks {
		h := &out.Hooks[i]
		show(fmt.Sprintf("hook %q weight %d delete %q test %t runs %t", h.Events, h.Weight, h.DeletePolicies, h.Test, h.Runs), &h.Object)
	}
	for i := range out.Objects {
		show("object", &out.Objects[i])
	}
	return b.String()
}

// chartOf is a chart of the given templates, with names such as "templates/a.yaml".
func chartOf(templates ...string) []File {
	files := []File{{Name: "Chart.yaml", Data: []byte("apiVersion: v2\nname: c\nversion: 1.0.0\n")}}
	for i := 0; i+1 < len(templates); i += 2 {
		files = append(files, File{Name: templates[i], Data: []byte(templates[i+1])})
	}
	return files
}

func inputFor(files []File, values Values) Input {
	hr := &helmv2.HelmRelease{}
	hr.Name, hr.Namespace = "app", "team"
	return Input{Files: files, Values: values, Release: Describe(hr), Kubernetes: "v1.35.2"}
}

func mustRender(tb testing.TB, in Input) *Output {
	tb.Helper()
	out, err := Render(context.Background(), in)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

func mustJSON(tb testing.TB, v any) string {
	tb.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return string(data)
}

package adopt_test

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/impact/concern"
	"github.com/bulkhead-dev/bulkhead/layout/adopt"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// TestCases adopts the fleets in testdata. A line "only: NAME" before the files takes that tenant, "hub: URL" is the hub's own. The file
// "want" holds the documents and the differences; UPDATE=1 rewrites it.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			opts := adopt.Options{Repository: render.RepositoryName}
			for line := range strings.Lines(string(ar.Comment)) {
				if name, ok := strings.CutPrefix(strings.TrimSpace(line), "only: "); ok {
					opts.Only = append(opts.Only, name)
				}
				if url, ok := strings.CutPrefix(strings.TrimSpace(line), "hub: "); ok {
					opts.Hub = append(opts.Hub, render.RepositoryName(url))
				}
			}
			content, want := map[string]string{}, -1
			for i, f := range ar.Files {
				if f.Name == "want" {
					want = i
					continue
				}
				content[f.Name] = string(f.Data)
			}
			got := adoptedText(t, tree.FromMap(content), opts)
			if want < 0 {
				want, ar.Files = len(ar.Files), append(ar.Files, txtar.File{Name: "want"})
			}
			diff := cmp.Diff(string(ar.Files[want].Data), got)
			if diff == "" {
				return
			}
			if os.Getenv("UPDATE") == "" {
				t.Fatalf("(-want +got), UPDATE=1 rewrites it:\n%s", diff)
			}
			ar.Files[want].Data = []byte(got)
			if err := os.WriteFile(file, txtar.Format(ar), 0o600); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func adoptedText(t *testing.T, files *tree.Tree, opts adopt.Options) string {
	t.Helper()
	docs, err := render.Documents(files)
	if err != nil {
		t.Fatal(err)
	}
	opts.Documents = docs
	r, err := adopt.Tenants(clustersOf(t, files), opts)
	if err != nil {
		t.Fatal(err)
	}
	return resultText(t, r)
}

// clustersOf are the clusters of a fleet, rendered.
func clustersOf(t *testing.T, files *tree.Tree) []adopt.Cluster {
	t.Helper()
	r, err := render.Fleet(t.Context(), render.Repository{Tree: files, Revision: "files"}, render.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return adoptable(r)
}

func adoptable(r *render.Result) (out []adopt.Cluster) {
	j := concern.New(concern.Fleet{}, nil, r)
	for _, c := range r.Clusters {
		env, _ := j.Environment(c.Name)
		a := adopt.Cluster{Name: c.Name, Environment: env}
		for _, e := range r.Entries {
			if e.Cluster == c.Name {
				a.Paths, a.FluxNamespace = append(a.Paths, path.Join(e.Prefix, e.Path)), e.Namespace
			}
		}
		for o := range c.Objects.All() {
			a.Objects = append(a.Objects, o)
		}
		out = append(out, a)
	}
	return out
}

func resultText(t *testing.T, r *adopt.Result) string {
	t.Helper()
	var b bytes.Buffer
	spec := func(kind, name string, v any) {
		data, err := yaml.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %s\n  %s\n", kind, name, strings.ReplaceAll(strings.TrimSpace(string(data)), "\n", "\n  "))
	}
	for i := range r.Clusters {
		spec("Cluster", r.Clusters[i].Name+" "+fmt.Sprint(r.Clusters[i].Labels), r.Clusters[i].Spec)
	}
	for _, a := range r.Tenants {
		spec("Tenant", a.Document.Name, a.Document.Spec)
		for i := range a.Objects {
			fmt.Fprintln(&b, comparedText(&a.Objects[i]))
		}
		for _, n := range a.Notes {
			fmt.Fprintf(&b, "note: %s\n", n)
		}
	}
	for _, name := range r.Documented {
		fmt.Fprintf(&b, "documented %s\n", name)
	}
	for _, l := range r.LeftOut {
		fmt.Fprintf(&b, "left out %s on %q: %s; hint: %s\n", l.Name, l.Cluster, l.Why, l.Hint)
	}
	return b.String()
}

func comparedText(c *adopt.Compared) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s %s", c.Cluster, c.State, c.ID())
	if c.State == adopt.Renamed {
		fmt.Fprintf(&b, " to %s", c.Ours.ID)
	}
	if c.Why != "" {
		fmt.Fprintf(&b, "\n    (%s)", c.Why)
	}
	for _, e := range c.Edits {
		fmt.Fprintf(&b, "\n    %s %s: %v -> %v", e.Op, e.Path, e.From, e.To)
	}
	return b.String()
}

package concern_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/impact/concern"
	"github.com/bulkhead-dev/bulkhead/internal/fleetcase"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// TestCases judges every object of the fleets in testdata/cases, and every file of them. A
// directive "show: PATTERN CONCERN" is a line of the concerns map, "show: label NAME" the label
// of environments. UPDATE=1 rewrites what is wanted.
func TestCases(t *testing.T) {
	cases, err := fleetcase.All(filepath.Join("testdata", "cases"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			got := judged(t, c)
			if again := judged(t, c); got != again {
				t.Errorf("two runs differ:\n%s", cmp.Diff(got, again))
			}
			diff := cmp.Diff(c.Want, got)
			if diff == "" {
				return
			}
			if os.Getenv("UPDATE") == "" {
				t.Fatalf("concerns (-want +got), UPDATE=1 rewrites it:\n%s", diff)
			}
			if err := c.Rewrite(got); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// judged is one line for each object and each file.
func judged(t *testing.T, c *fleetcase.Case) string {
	t.Helper()
	after := rendered(t, c)
	docs, err := render.Documents(tree.FromBlobs(c.After))
	if err != nil {
		t.Fatal(err)
	}
	f := concern.Fleet{Tenants: docs.Tenants, Clusters: docs.Clusters, Concerns: map[string]string{}}
	for _, line := range c.Directives["show"] {
		left, right, _ := strings.Cut(line, " ")
		if left == "label" {
			f.EnvironmentLabel = right
			continue
		}
		f.Concerns[left] = right
	}
	j := concern.New(f, nil, after)
	var out bytes.Buffer
	for _, cl := range after.Clusters {
		name, inferred := j.Environment(cl.Name)
		fmt.Fprintf(&out, "%s: environment %q, inferred %v\n", cl.Name, name, inferred)
	}
	for _, g := range impact.Between(nil, after, impact.Options{}).Groups {
		lines, last := []string{}, ""
		for _, ch := range g.Changes {
			of, why := j.Of(ch)
			if line := fmt.Sprintf("%s: %s", of, why); line != last {
				lines, last = append(lines, ch.Cluster+" "+ch.ID.String()+" "+line), line
			} else {
				lines[len(lines)-1] = ch.Cluster + "," + lines[len(lines)-1]
			}
		}
		out.WriteString(strings.Join(lines, "\n") + "\n")
	}
	var files []string
	for p := range c.After {
		files = append(files, p)
	}
	slices.Sort(files)
	for _, p := range files {
		of, why := j.OfFile(p)
		fmt.Fprintf(&out, "file %s %s: %s\n", p, of, why)
	}
	return out.String()
}

func rendered(t *testing.T, c *fleetcase.Case) *render.Result {
	t.Helper()
	repo := render.Repository{URL: fleetcase.URL, Branch: c.Branch, Revision: "main@sha1:0", Tree: tree.FromBlobs(c.After)}
	opts := render.Options{Variables: c.Variables}
	for _, s := range c.Sources {
		opts.Sources = append(opts.Sources, render.Repository{URL: s.URL, Tree: tree.FromBlobs(c.Others[s.Dir]), Revision: "main@sha1:" + s.Dir[1:]})
	}
	for _, d := range c.Clusters {
		opts.Clusters = append(opts.Clusters, render.Declared{Name: d.Name, Paths: d.Paths})
	}
	if c.Serves() {
		s, err := c.Served(1)
		if err != nil {
			t.Fatal(err)
		}
		opts.Fetch = served{s}
	}
	r, err := render.Fleet(t.Context(), repo, opts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// served is a [render.Fetch] of what a case serves.
type served struct{ *fleetcase.Served }

func (s served) OCI(ctx context.Context, r *sourcev1.OCIRepository) (*render.Fetched, error) {
	return told(s.Served.OCI(ctx, r))
}

func (s served) Chart(ctx context.Context, r *sourcev1.HelmRepository, name, version string) (*render.Fetched, error) {
	return told(s.Served.Chart(ctx, r, name, version))
}

func (s served) Bucket(ctx context.Context, b *sourcev1.Bucket) (*render.Fetched, error) {
	return told(s.Served.Bucket(ctx, b))
}

func (served) Git(_ context.Context, g *sourcev1.GitRepository) (*render.Fetched, error) {
	return told(nil, fmt.Errorf("%w: %s", fleetcase.ErrUnknown, g.Spec.URL))
}

func told(a *fleetcase.Answer, err error) (*render.Fetched, error) {
	if err != nil {
		return nil, &render.FetchError{Reason: err.Error(), Invalid: errors.Is(err, fleetcase.ErrMissing)}
	}
	return &render.Fetched{Revision: a.Revision, Tree: a.Tree, Data: a.Data}, nil
}

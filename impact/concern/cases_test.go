package concern_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/impact/concern"
	"github.com/bulkhead-dev/bulkhead/internal/fleetcase"
	"github.com/bulkhead-dev/bulkhead/internal/fleetstory"
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
	f.Trees = []*tree.Tree{tree.FromBlobs(c.After)}
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
		of, why := concern.OfFile([]concern.File{j.File(p)})
		fmt.Fprintf(&out, "file %s %s: %s\n", p, of, why)
	}
	return out.String()
}

func rendered(t *testing.T, c *fleetcase.Case) *render.Result {
	t.Helper()
	s, err := fleetstory.Tell(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return s.After
}

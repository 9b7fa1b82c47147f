package cause_test

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
	"github.com/bulkhead-dev/bulkhead/impact/cause"
	"github.com/bulkhead-dev/bulkhead/internal/fleetcase"
	"github.com/bulkhead-dev/bulkhead/internal/fleetstory"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// TestCases tells the causes of every change in the fleets of testdata/cases; the laws hold for
// those and the fleets of the package above. UPDATE=1 rewrites what is wanted.
func TestCases(t *testing.T) {
	cases, err := fleetcase.All(filepath.Join("testdata", "cases"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			s := tell(t, c)
			checkLaws(t, s)
			got := s.causes()
			diff := cmp.Diff(c.Want, got)
			if diff == "" {
				return
			}
			if os.Getenv("UPDATE") == "" {
				t.Fatalf("causes (-want +got), UPDATE=1 rewrites it:\n%s", diff)
			}
			if err := c.Rewrite(got); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestOtherCases checks the laws on the fleets of package impact, and that nearly all changes of those
// whose commit changes a file are explained. The others are changes of a registry or a bucket.
func TestOtherCases(t *testing.T) {
	cases, err := fleetcase.All(filepath.Join("..", "testdata", "cases"))
	if err != nil {
		t.Fatal(err)
	}
	told, silent := 0, 0
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			s := tell(t, c)
			checkLaws(t, s)
			for _, g := range s.report.Groups {
				if len(s.files) == 0 {
					continue
				}
				if len(s.finder().Of(g.First())) > 0 {
					told++
				} else {
					silent++
					t.Logf("no cause: %s %s on %s; files %v", g.First().Kind, g.First().ID, g.Clusters, s.files)
				}
			}
		})
	}
	t.Logf("%d groups with causes, %d without", told, silent)
	if silent > 2 { // of a bucket that loses an object, and of a chart that is packed anew
		t.Errorf("%d of %d groups have no cause", silent, told+silent)
	}
}

// story is a fleet before and after a commit.
type story struct {
	before, after         *render.Result
	treeBefore, treeAfter *tree.Tree
	report                *impact.Report
	files                 []string
}

func (s *story) finder() *cause.Finder {
	return cause.New(s.before, s.after, s.report, cause.Options{Files: s.files, Before: s.treeBefore, After: s.treeAfter})
}

// causes are all of them, by group of equal changes.
func (s *story) causes() string {
	var out bytes.Buffer
	f := s.finder()
	for _, c := range s.report.Clusters {
		for _, failure := range c.Failures {
			fmt.Fprintf(&out, "%s: failure %s: %s\n", c.Name, failure.Applier, failure.Message)
		}
	}
	for _, g := range s.report.Groups {
		last := ""
		for _, ch := range g.Changes {
			text := printed(f.Of(ch), ch.Cluster)
			if text == last {
				continue
			}
			last = text
			fmt.Fprintf(&out, "%s: %s %s\n%s", ch.Cluster, ch.Kind, ch.ID, text)
		}
	}
	return out.String()
}

func printed(list []cause.Cause, cluster string) string {
	if len(list) == 0 {
		return "  no cause\n"
	}
	var out strings.Builder
	for _, c := range list {
		out.WriteString("  " + c.File)
		if c.Direct {
			out.WriteString(" (direct)")
		}
		for _, step := range c.Via {
			if step.Kind == "cluster" && step.Text == cluster {
				continue
			}
			out.WriteString(" -> " + step.Kind + " " + step.Text)
		}
		out.WriteByte('\n')
	}
	return out.String()
}

// checkLaws checks what Of promises of every change.
func checkLaws(tb testing.TB, s *story) {
	tb.Helper()
	f, asked := s.finder(), 0
	for _, c := range s.report.Clusters {
		for _, ch := range c.Changes {
			got := f.Of(ch)
			if asked++; asked < 20 {
				if diff := cmp.Diff(got, s.finder().Of(ch)); diff != "" {
					tb.Errorf("%s on %s: it depends on what was asked before:\n%s", ch.ID, ch.Cluster, diff)
				}
			}
			if len(got) > cause.MaxCauses {
				tb.Errorf("%s on %s: %d causes", ch.ID, ch.Cluster, len(got))
			}
			for _, one := range got {
				if !slices.Contains(s.files, one.File) {
					tb.Errorf("%s on %s: %s does not differ", ch.ID, ch.Cluster, one.File)
				}
				if n := len(one.Via); n < 2 || n > cause.MaxSteps || one.Via[n-1].Kind != "cluster" || one.Via[n-1].Text != ch.Cluster {
					tb.Errorf("%s on %s: the way is %v", ch.ID, ch.Cluster, one.Via)
				}
			}
		}
	}
}

// tell renders both sides of a case and compares them.
func tell(t *testing.T, c *fleetcase.Case) *story {
	t.Helper()
	s, err := fleetstory.Tell(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return &story{before: s.Before, after: s.After, treeBefore: s.Trees[0], treeAfter: s.Trees[1], files: s.Files, report: s.Report}
}

func rendered(tb testing.TB, repo render.Repository, opts render.Options) *render.Result {
	tb.Helper()
	r, err := render.Fleet(tb.Context(), repo, opts)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

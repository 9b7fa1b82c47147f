package impact_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/internal/fleetcase"
	"github.com/bulkhead-dev/bulkhead/internal/fleetstory"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// ownURL is the repository of the fleets in testdata/cases.
const ownURL = fleetcase.URL

// TestCases compares the two fleets of every file in testdata/cases, see
// [fleetcase.Parse]. UPDATE=1 rewrites what is wanted. The laws of [checkLaws] hold too.
func TestCases(t *testing.T) {
	cases, err := fleetcase.All(filepath.Join("testdata", "cases"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			s := tell(t, c)
			got := printReport(s.report)
			checkLaws(t, s.before, s.after, s.opts)
			if diff := cmp.Diff(c.Want, got); diff == "" {
				return
			} else if os.Getenv("UPDATE") == "" {
				t.Fatalf("report (-want +got), UPDATE=1 rewrites it:\n%s", diff)
			}
			if err := c.Rewrite(got); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// story is what became of a fleet before and after a commit.
type story struct {
	opts   impact.Options // Files are the files that differ
	before *render.Result
	after  *render.Result
	report *impact.Report
}

// tell renders both sides of a case, the second as what comes after the first, and
// compares them.
func tell(t *testing.T, c *fleetcase.Case) *story {
	t.Helper()
	s, err := fleetstory.Tell(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return &story{opts: impact.Options{Files: s.Files}, before: s.Before, after: s.After, report: s.Report}
}

func fleet(tb testing.TB, repo render.Repository, files map[string]string, opts render.Options) *render.Result {
	tb.Helper()
	repo.Tree = tree.FromMap(files)
	return rendered(tb, repo, opts)
}

func rendered(tb testing.TB, repo render.Repository, opts render.Options) *render.Result {
	tb.Helper()
	r, err := render.Fleet(tb.Context(), repo, opts)
	if err != nil {
		tb.Fatalf("render: %v", err)
	}
	return r
}

// printReport writes a report, one fact a line.
func printReport(r *impact.Report) string {
	var out bytes.Buffer
	for _, c := range r.Clusters {
		n := c.Counts
		fmt.Fprintf(&out, "%s +%d -%d ~%d >%d", c.Name, n.Added, n.Removed, n.Changed, n.Moved)
		for _, mark := range []struct {
			on   bool
			text string
		}{
			{n.Failures > 0, fmt.Sprintf(" failures %d", n.Failures)},
			{n.Unresolved > 0, fmt.Sprintf(" unresolved %d", n.Unresolved)},
			{c.Appeared, " appeared"},
			{c.Gone, " gone"},
		} {
			if mark.on {
				out.WriteString(mark.text)
			}
		}
		out.WriteByte('\n')
		for _, w := range c.Withheld {
			fmt.Fprintf(&out, "  withheld %s %s -> %s, objects %d: %s", w.Applier, state(w.Before), state(w.After), w.Objects, w.Why)
			if w.Under != (object.Applier{}) {
				fmt.Fprintf(&out, " (under %s)", w.Under)
			}
			out.WriteByte('\n')
		}
		for _, u := range c.Unknown {
			fmt.Fprintf(&out, "  unknown %s %s of %s: %s\n", u.Kind, u.Subject, u.Applier, u.Reason)
		}
		for _, f := range c.Failures {
			fmt.Fprintf(&out, "  failure %s %s: %s\n", f.Applier, f.Stage, f.Message)
		}
		for _, note := range c.Notes {
			fmt.Fprintf(&out, "  note %s\n", note)
		}
	}
	for _, g := range r.Groups {
		printGroup(&out, g)
	}
	for _, w := range r.Waits {
		fmt.Fprintf(&out, "wait %s %s: %v read %v\n", w.Cluster, w.Source.Revision, w.Appliers, w.Files)
	}
	for _, f := range r.Unread {
		fmt.Fprintf(&out, "unread %s\n", f)
	}
	return out.String()
}

func state(s render.State) string {
	if s == "" {
		return "(none)"
	}
	return string(s)
}

func printGroup(out *bytes.Buffer, g *impact.Group) {
	ch := g.First()
	fmt.Fprintf(out, "%s: %s %s by %s", strings.Join(g.Clusters, ", "), ch.Kind, ch.ID, ch.Owner())
	if ch.Kind == impact.Moved {
		fmt.Fprintf(out, " from %s", ch.Before.Origin.Owner())
	}
	if ch.Replaces != nil {
		fmt.Fprintf(out, ", replaces %s", ch.Replaces.Name)
	}
	out.WriteByte('\n')
	if ch.Fate != "" || ch.Why != "" {
		fmt.Fprintf(out, "  %s: %s\n", ch.Fate, ch.Why)
	}
	for _, e := range ch.Edits {
		fmt.Fprintf(out, "  %s %s -> %s\n", e, value(e.From), value(e.To))
	}
}

func value(v any) string {
	if v == nil {
		return "()"
	}
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

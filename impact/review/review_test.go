package review_test

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/impact/part"
	"github.com/bulkhead-dev/bulkhead/impact/review"
	"github.com/bulkhead-dev/bulkhead/internal/fleetcase"
	"github.com/bulkhead-dev/bulkhead/internal/fleetstory"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/tree"
)

func reviewed(t *testing.T, s *fleetstory.Story, only string) *review.Review {
	t.Helper()
	p := part.Of(s.Report, part.Version{Rendered: s.Before, Tree: s.Trees[0]}, part.Version{Rendered: s.After, Tree: s.Trees[1]},
		part.Options{Redact: object.NewRedactor([]byte("salt")), Comparison: part.Comparison{Files: s.Files}, Owners: only != ""})
	return review.Of(t.Context(), []*part.Part{p}, review.Options{Only: only, Now: time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)})
}

// TestLaws holds, for every fleet that impact is tested with, that a review adds up: no change is lost or told
// twice, sums are those of their parts, and the concerns apart are the whole.
func TestLaws(t *testing.T) {
	cases, err := fleetcase.All(filepath.Join("..", "testdata", "cases"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			s, err := fleetstory.Tell(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			r := reviewed(t, s, "")
			checkChanges(t, s.Report, r)
			checkSums(t, r)
			checkFindings(t, r)
			parts := 0
			for _, k := range r.Concerns {
				part := reviewed(t, s, k.Name)
				checkSums(t, part)
				parts += len(part.Groups)
				for i := range part.Groups {
					if part.Groups[i].Concern != k.Name {
						t.Errorf("the share of %s has %s of %s", k.Name, part.Groups[i].Name, part.Groups[i].Concern)
					}
				}
			}
			if parts != len(r.Groups) {
				t.Errorf("%d groups of the concerns apart, %d in all", parts, len(r.Groups))
			}
			same := &fleetstory.Story{Before: s.After, After: s.After, Trees: [2]*tree.Tree{s.Trees[1], s.Trees[1]}, Report: impact.Between(s.After, s.After, impact.Options{})}
			if none := reviewed(t, same, ""); len(none.Groups)+len(none.Findings)+len(none.Matrix) > 0 || none.Verdict.State != review.Passed {
				t.Errorf("nothing changes, and the review has %d groups, %d findings, verdict %s", len(none.Groups), len(none.Findings), none.Verdict.State)
			}
		})
	}
}

// checkChanges holds the groups against the report.
func checkChanges(t *testing.T, report *impact.Report, r *review.Review) {
	t.Helper()
	want, got := map[string]int{}, map[string]int{}
	for _, c := range report.Clusters {
		for _, ch := range c.Changes {
			want[c.Name+" "+string(ch.Kind)+" "+ch.ID.String()]++
		}
	}
	keys := map[string]bool{}
	for i := range r.Groups {
		g := &r.Groups[i]
		for _, c := range g.Clusters {
			got[c+" "+string(g.Kind)+" "+g.ID.String()]++
			if e, err := r.Explain(c + "/" + g.ID.String()); err != nil || e.Cluster != c || e.ID != g.ID {
				t.Errorf("explain %s/%s: %v", c, g.ID, err)
			}
		}
		if keys[g.Key] {
			t.Errorf("two groups have the key %s", g.Key)
		}
		keys[g.Key] = true
		if !slices.IsSorted(g.Clusters) || g.Concern == "" || g.ConcernWhy == "" || g.Name == "" {
			t.Errorf("group %+v", g)
		}
		for _, k := range g.Causes {
			if !slices.Contains(r.Files, k.File) || len(k.Via) == 0 {
				t.Errorf("%s because of %s, which does not differ, via %q", g.Name, k.File, k.Via)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changes (-report +groups):\n%s", diff)
	}
}

// checkSums holds clusters, concerns and cells against each other.
func checkSums(t *testing.T, r *review.Review) {
	t.Helper()
	var clusters, concerns, cells int
	for _, c := range r.Clusters {
		clusters += c.Total()
	}
	for _, k := range r.Concerns {
		concerns += k.Total()
	}
	for _, c := range r.Matrix {
		cells += c.Total()
	}
	if clusters != concerns || clusters != cells {
		t.Errorf("%d objects by cluster, %d by concern, %d in the matrix", clusters, concerns, cells)
	}
	var inEnvironments []string
	for _, e := range r.Environments {
		inEnvironments = append(inEnvironments, e.Clusters...)
	}
	for i, c := range r.Clusters {
		if inEnvironments[i] != c.Name {
			t.Errorf("the clusters of the environments are %q", inEnvironments)
		}
	}
	if len(r.Headlines) == 0 {
		t.Error("no headline")
	}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back review.Review
	if err := json.Unmarshal(data, &back); err == nil && back.Verdict.State != r.Verdict.State {
		t.Error("the review does not survive JSON")
	}
	if strings.Contains(string(data), ":null") && !strings.Contains(string(data), `"from":null`) && !strings.Contains(string(data), `"to":null`) {
		t.Error("the review has a null")
	}
}

// checkFindings: the worst come first, each has its rule, and those of an object are in its groups.
func checkFindings(t *testing.T, r *review.Review) {
	t.Helper()
	rules := map[string]bool{}
	for _, k := range r.Rules {
		rules[k.ID] = true
	}
	seen := map[string]bool{}
	worst := finding.Severity("")
	inGroups := 0
	for i := range r.Groups {
		inGroups += len(r.Groups[i].Risks)
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		if !rules[f.Rule] {
			t.Errorf("no rule %s", f.Rule)
		}
		if i > 0 && f.Severity.Rank() < r.Findings[i-1].Severity.Rank() {
			t.Errorf("%s comes after %s", f.Message, r.Findings[i-1].Message)
		}
		if p := f.Fingerprint() + f.Message; seen[p] {
			t.Errorf("twice: %s", f.Message)
		} else {
			seen[p] = true
		}
		if !slices.IsSorted(f.Clusters) || f.Message == "" || strings.ContainsAny(f.Message, "\n\r") {
			t.Errorf("finding %+v", f)
		}
		worst = finding.Worst(worst, f.Severity)
	}
	if inGroups > len(r.Findings) {
		t.Errorf("%d risks in groups, %d findings", inGroups, len(r.Findings))
	}
	for _, c := range r.Clusters {
		if c.Severity.Rank() < worst.Rank() {
			t.Errorf("%s is %s, and the worst finding %s", c.Name, c.Severity, worst)
		}
	}
}

package survey_test

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/internal/git"
	"github.com/bulkhead-dev/bulkhead/isolation/rule"
	"github.com/bulkhead-dev/bulkhead/isolation/survey"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// bundles are the public fleets that are at hand.
func bundles(t *testing.T) []string {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIPPED: takes minutes; 'make corpora' runs it")
	}
	dir := cmp.Or(os.Getenv("BULKHEAD_CORPORA"), filepath.Join("..", "..", "..", "shared", "corpora"))
	list, err := filepath.Glob(filepath.Join(dir, "*.bundle"))
	if err != nil || len(list) == 0 {
		t.Skipf("SKIPPED: no bundles in %s; set BULKHEAD_CORPORA to a folder of Git bundles of fleets", dir)
	}
	return list
}

// opened is a bundle as files and as a render; nil when it is no fleet.
func opened(t *testing.T, bundle string) (*tree.Tree, *render.Result) {
	t.Helper()
	bundle, err := filepath.Abs(bundle)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "git", "clone", "-q", bundle, dir).CombinedOutput(); err != nil {
		t.Fatalf("git clone: %v\n%s", err, out)
	}
	files, err := git.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := render.Fleet(t.Context(), render.Repository{Tree: files, Revision: "main"}, render.Options{})
	if err != nil {
		t.Logf("no fleet: %v", err)
		return nil, nil
	}
	return files, r
}

// TestCorpora surveys public fleets and asks every rule: nothing breaks, the same fleet gives the same findings, every object is in the estate, and
// what a finding says is fit to print. It logs what is found.
func TestCorpora(t *testing.T) {
	for _, bundle := range bundles(t) {
		t.Run(strings.TrimSuffix(filepath.Base(bundle), ".bundle"), func(t *testing.T) {
			files, r := opened(t, bundle)
			if r == nil {
				return
			}
			began := time.Now()
			x := surveyed(t, files, r)
			found := rule.Find(x, nil)
			took := time.Since(began)
			objects := 0
			for _, c := range r.Clusters {
				for _, a := range c.Appliers {
					objects += len(a.Objects)
				}
			}
			for _, c := range x.Clusters {
				objects -= len(c.Objects)
			}
			if objects != 0 {
				t.Errorf("%d objects are not in the estate", objects)
			}
			again := rule.Find(surveyed(t, files, r), nil)
			if one, two := told(found), told(again); one != two {
				t.Errorf("a second look finds something else:\n%s\n%s", one, two)
			}
			check(t, found)
			tell(t, x, found, took)
		})
	}
}

func surveyed(t *testing.T, files *tree.Tree, r *render.Result) *rule.Context {
	t.Helper()
	e, err := survey.Estate(r, survey.Options{Files: files, Environment: func(string) (string, bool) { return "prod", true }})
	if err != nil {
		t.Fatal(err)
	}
	return rule.NewContext(e)
}

// check holds findings to their form.
func check(t *testing.T, found []rule.Found) {
	t.Helper()
	for i := range found {
		f := &found[i]
		if f.Message == "" || strings.HasSuffix(f.Message, ".") || strings.ContainsAny(f.Message, "\n\r") || f.Level.Rank() >= len(finding.Levels()) {
			t.Errorf("%s: a message that is not one line, or no level: %q %q", f.Rule, f.Level, f.Message)
		}
	}
}

func tell(t *testing.T, x *rule.Context, found []rule.Found, took time.Duration) {
	t.Helper()
	rules, unproven := map[string]int{}, 0
	for i := range found {
		if found[i].Unproven {
			unproven++
		} else {
			rules[found[i].Rule+" "+string(found[i].Level)]++
		}
	}
	var names []string
	for _, tn := range x.Tenants {
		names = append(names, fmt.Sprintf("%s (%d)", tn.Name, len(tn.Compartments)))
	}
	t.Logf("%d clusters, tenants %v, %d found, %d unproven, %s", len(x.Clusters), names, len(found)-unproven, unproven, took.Round(time.Millisecond))
	for _, id := range slices.Sorted(maps.Keys(rules)) {
		t.Logf("  %s: %d", id, rules[id])
	}
	if os.Getenv("TELL") != "" {
		t.Log(told(found))
	}
}

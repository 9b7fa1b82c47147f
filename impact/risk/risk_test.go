package risk

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/internal/fleetcase"
	"github.com/bulkhead-dev/bulkhead/internal/fleetstory"
	"github.com/bulkhead-dev/bulkhead/render"
)

// samples are the folders of testdata: one for each rule, with a fleet that has its risk and one that has not.
const samples = "testdata"

// TestSamples renders testdata/RULE/bad.txtar and good.txtar, see [fleetcase.Parse], and lists all risks of
// the change between their two revisions. UPDATE=1 rewrites what is wanted.
func TestSamples(t *testing.T) {
	for _, r := range Rules() {
		t.Run(r.ID, func(t *testing.T) {
			for _, name := range []string{"bad", "good"} {
				t.Run(name, func(t *testing.T) {
					s := sampleOf(t, r.ID, name)
					found := Assess(s.before, s.after, s.report)
					of := slices.ContainsFunc(found, func(k Risk) bool { return k.Rule == r.ID })
					if of != (name == "bad") {
						t.Errorf("finds a risk of %s: %v", r.ID, of)
					}
					wants(t, s, printRisks(found))
					for _, k := range found {
						checkText(t, k)
					}
				})
			}
		})
	}
}

// TestSampleFolders: each folder of testdata has the name of a rule.
func TestSampleFolders(t *testing.T) {
	known := map[string]bool{}
	for _, r := range Rules() {
		known[r.ID] = true
	}
	entries, err := os.ReadDir(samples)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !known[e.Name()] && e.Name() != "rapid" && e.Name() != "fuzz" {
			t.Errorf("%s/%s: no rule is called that", samples, e.Name())
		}
	}
}

// TestRuleOff: without a rule exactly its risks are gone, and the others stay as they are.
func TestRuleOff(t *testing.T) {
	for _, r := range Rules() {
		s := sampleOf(t, r.ID, "bad")
		all := Assess(s.before, s.after, s.report)
		rest := slices.DeleteFunc(catalogue(), func(x rule) bool { return x.ID == r.ID })
		want := slices.DeleteFunc(slices.Clone(all), func(k Risk) bool { return k.Rule == r.ID })
		if diff := cmp.Diff(printRisks(want), printRisks(assess(s.before, s.after, s.report, rest))); diff != "" {
			t.Errorf("risks without %s (-want +got):\n%s", r.ID, diff)
		}
		if len(want) == len(all) {
			t.Errorf("bad sample of %s has no risk of it", r.ID)
		}
	}
}

// TestRules looks at the catalogue itself.
func TestRules(t *testing.T) {
	id := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	seen := map[string]bool{}
	for _, r := range Rules() {
		if !id.MatchString(r.ID) || seen[r.ID] {
			t.Errorf("rule %q: want an ID of its own, of lower-case words with dashes", r.ID)
		}
		seen[r.ID] = true
		if r.Severity.Rank() > 2 {
			t.Errorf("%s: no severity is called %q", r.ID, r.Severity)
		}
		for what, text := range map[string]string{"title": r.Title, "why": r.Why, "hint": r.Hint} {
			if text == "" || strings.ContainsAny(text, "\n|") || strings.TrimSpace(text) != text || strings.HasSuffix(text, ".") != (what == "why") {
				t.Errorf("%s: its %s %q: want one line, only why with a full stop", r.ID, what, text)
			}
		}
	}
	for _, r := range catalogue() {
		if r.change == nil && r.withheld == nil {
			t.Errorf("%s looks at nothing", r.ID)
		}
	}
}

// checkText looks at the texts of one risk.
func checkText(t *testing.T, k Risk) {
	t.Helper()
	if k.Message == "" || strings.HasSuffix(k.Message, ".") && !strings.HasSuffix(k.Message, "...") || len([]rune(k.Message)) > 200 {
		t.Errorf("%s: message %q: want 1 to 200 characters, no full stop", k.Rule, k.Message)
	}
	for _, s := range []string{k.Message, k.Hint, k.Field} {
		if plain(s) != s {
			t.Errorf("%s: %q: has characters that do not print", k.Rule, s)
		}
		if strings.Contains(s, "hunter2") || strings.Contains(s, "aHVudGVyMg") {
			t.Errorf("%s: %q: tells the secret of the samples", k.Rule, s)
		}
	}
	if k.Severity.Rank() > 2 || k.Hint == "" || (k.Change == nil) == (k.Withheld == nil) {
		t.Errorf("%s: severity %q, hint %q, change %v, withheld %v", k.Rule, k.Severity, k.Hint, k.Change != nil, k.Withheld != nil)
	}
}

// printRisks writes risks, one a line.
func printRisks(risks []Risk) string {
	var out strings.Builder
	for _, k := range risks {
		of := ""
		if k.Change != nil {
			of = k.Change.ID.String()
		} else if k.Withheld != nil {
			of = k.Withheld.Applier.String()
		}
		fmt.Fprintf(&out, "%s %s %s %s", k.Cluster, k.Severity, k.Rule, of)
		if k.Field != "" {
			out.WriteString(" " + k.Field)
		}
		out.WriteString(": " + k.Message + "\n")
	}
	return out.String()
}

// sample is a case, rendered on both sides.
type sample struct {
	*fleetcase.Case
	before, after *render.Result
	report        *impact.Report
}

// rendered keeps the samples: each is read and rendered once.
var rendered = struct {
	sync.Mutex
	samples map[string]*sample
}{samples: map[string]*sample{}}

// sampleOf reads and renders testdata/RULE/NAME.txtar.
func sampleOf(t *testing.T, rule, name string) *sample {
	t.Helper()
	file := filepath.Join(samples, rule, name+".txtar")
	rendered.Lock()
	defer rendered.Unlock()
	if s := rendered.samples[file]; s != nil {
		return s
	}
	c, err := fleetcase.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	s := tell(t, c)
	rendered.samples[file] = s
	return s
}

func wants(t *testing.T, s *sample, got string) {
	t.Helper()
	if diff := cmp.Diff(s.Want, got); diff == "" {
		return
	} else if os.Getenv("UPDATE") == "" {
		t.Fatalf("risks (-want +got), UPDATE=1 rewrites them:\n%s", diff)
	}
	if err := s.Rewrite(got); err != nil {
		t.Fatal(err)
	}
	s.Want = got
}

// tell renders both sides of a case, the second as what comes after the first, and compares them.
func tell(t *testing.T, c *fleetcase.Case) *sample {
	t.Helper()
	s, err := fleetstory.Tell(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return &sample{Case: c, before: s.Before, after: s.After, report: s.Report}
}

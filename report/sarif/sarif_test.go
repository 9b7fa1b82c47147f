package sarif_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/report/sarif"
)

func sample() sarif.Document {
	claim := &object.ID{Kind: "PersistentVolumeClaim", Namespace: "billing", Name: "ledger"}
	return sarif.Document{
		Version: "1.2.3", Base: "https://git.example.com/acme/fleet",
		Rules: []finding.Rule{
			{ID: "pvc-deleted", Severity: finding.Error, Title: "A PersistentVolumeClaim is deleted", Why: "Its volume goes with it.", Hint: "keep it"},
			{ID: "IMP-001", Level: finding.Critical, Title: "What a tenant decides is applied as the controller", Why: "Who writes its files owns the cluster.", Hint: "name an account"},
			{ID: "NET-001", Level: finding.Info, Title: "Silent", Why: "A rule that found nothing is declared, too."},
			{ID: "image-major", Severity: finding.Warning, Title: "An image changes its major version", Why: "It may not read what was written."},
		},
		Findings: []finding.Finding{
			{
				Rule: "image-major", Severity: finding.Note, Message: "image web goes from 3.9.1 to 4.0.0", Clusters: []string{"dev-1"}, Concern: "tenant/billing",
				Object: &object.ID{Group: "apps", Kind: "Deployment", Namespace: "billing", Name: "web"}, Field: "spec.template.spec.containers[name=web].image",
				File: "apps/billing base/50%/web.yaml", Line: 12,
				Waived: &finding.Waived{Name: "major", File: "fleet/waivers.yaml", Reason: "tried out", Approver: "jane", Expires: "2027-01-31"},
			},
			{Rule: "pvc-deleted", Severity: finding.Error, Message: "the claim is deleted", Hint: "keep it", Clusters: []string{"prod-1", "prod-2"}, Object: claim},
			{Rule: "pvc-deleted", Severity: finding.Error, Message: "the claim is deleted", Clusters: []string{"prod-3"}, Object: claim, File: "a:b/pvc.yaml"},
			{Rule: "gate/prod-alone", Severity: finding.Warning, Message: "prod changes together with dev", Clusters: []string{}},
			{
				Rule: "IMP-001", Severity: finding.Error, Level: finding.Critical, Message: "it is applied as the controller", Clusters: []string{"prod-1"}, Concern: "tenant/billing",
				Object: &object.ID{Group: "kustomize.toolkit.fluxcd.io", Kind: "Kustomization", Namespace: "flux-system", Name: "billing"}, File: "clusters/prod/billing.yaml", Line: 3,
				Steps: []finding.Step{{Message: "it names no account", File: "clusters/prod/billing.yaml", Line: 5}, {Message: "the controller is [bound](x) to cluster-admin"}},
			},
			{Rule: "unread", Message: "see [here](https://evil.example) and ::error::x\r\n{0}", Clusters: []string{"dev-1"}},
		},
	}
}

func write(tb testing.TB, doc sarif.Document) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := sarif.Write(&b, doc); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// validator is the published schema.
func validator(tb testing.TB) func(log []byte) error {
	tb.Helper()
	data, err := os.ReadFile("testdata/sarif-schema-2.1.0.json")
	if err != nil {
		tb.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		tb.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft4)
	c.AssertFormat()
	if err := c.AddResource("sarif.json", doc); err != nil {
		tb.Fatal(err)
	}
	s, err := c.Compile("sarif.json")
	if err != nil {
		tb.Fatal(err)
	}
	return func(log []byte) error {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(log))
		if err != nil {
			return err
		}
		return s.Validate(v)
	}
}

func TestGolden(t *testing.T) {
	validate := validator(t)
	anchored := sample()
	anchored.Anchor, anchored.Base, anchored.Version = "fleet/fleet.yaml", "", ""
	for name, doc := range map[string]sarif.Document{"sample": sample(), "anchored": anchored, "empty": {}} {
		t.Run(name, func(t *testing.T) {
			got := write(t, doc)
			if err := validate(got); err != nil {
				t.Errorf("%#v", err)
			}
			file := "testdata/" + name + ".sarif"
			if os.Getenv("UPDATE") != "" {
				if err := os.WriteFile(file, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestValidatorBites: the schema and its formats are asserted.
func TestValidatorBites(t *testing.T) {
	validate := validator(t)
	good := write(t, sample())
	for old, wrong := range map[string]string{
		`"level": "error"`: `"level": "bad"`, `"ruleIndex": 3`: `"ruleIndex": "3"`, `"uri": "fleet/`: `"uri": "%zz fleet/`, `"kind": "external"`: `"kind": "x"`,
	} {
		bad := bytes.Replace(good, []byte(old), []byte(wrong), 1)
		if bytes.Equal(bad, good) || validate(bad) == nil {
			t.Errorf("%s is accepted", wrong)
		}
	}
}

// TestSameInAnyOrder: the log does not depend on the order of findings and rules, and Write changes neither.
func TestSameInAnyOrder(t *testing.T) {
	doc := sample()
	want := write(t, doc)
	slices.Reverse(doc.Findings)
	slices.Reverse(doc.Rules)
	first := doc.Findings[0].Message
	if diff := cmp.Diff(string(want), string(write(t, doc))); diff != "" {
		t.Errorf("-forward +backward:\n%s", diff)
	}
	if doc.Findings[0].Message != first {
		t.Error("the findings given are sorted")
	}
}

// TestAnchored: with an anchor each result has a file, which is what GitHub wants of all of them.
func TestAnchored(t *testing.T) {
	doc := sample()
	doc.Anchor = "fleet/fleet.yaml"
	var log struct {
		Runs []struct {
			Results []struct {
				RuleID              string
				RuleIndex           int
				PartialFingerprints map[string]string
				Locations           []struct {
					PhysicalLocation struct{ ArtifactLocation struct{ URI string } }
				}
			}
			Tool struct {
				Driver struct{ Rules []struct{ ID string } }
			}
		}
	}
	if err := json.Unmarshal(write(t, doc), &log); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, r := range log.Runs[0].Results {
		if len(r.Locations) != 1 || r.Locations[0].PhysicalLocation.ArtifactLocation.URI == "" {
			t.Errorf("%s has no file", r.RuleID)
		}
		if id := log.Runs[0].Tool.Driver.Rules[r.RuleIndex].ID; id != r.RuleID {
			t.Errorf("the rule of %s is %s", r.RuleID, id)
		}
		if id := r.PartialFingerprints["primaryLocationLineHash"]; len(id) != 32 || seen[id] {
			t.Errorf("fingerprint %q of %s", id, r.RuleID)
		} else {
			seen[id] = true
		}
	}
	if len(seen) != len(doc.Findings) {
		t.Errorf("%d results of %d findings", len(seen), len(doc.Findings))
	}
}

// TestManyClusters: a finding of a whole fleet stays small, and names all clusters once.
func TestManyClusters(t *testing.T) {
	f := finding.Finding{Rule: "a", Severity: finding.Error, Message: "m"}
	for i := range 1000 {
		f.Clusters = append(f.Clusters, fmt.Sprintf("cluster-%04d", i))
	}
	got := string(write(t, sarif.Document{Findings: []finding.Finding{f}}))
	if n := strings.Count(got, `"fullyQualifiedName"`); n != 50 {
		t.Errorf("%d places", n)
	}
	if n := strings.Count(got, `"cluster-0999"`); n != 1 {
		t.Errorf("the last cluster is named %d times", n)
	}
}

// FuzzWrite: whatever is in the texts, the log is valid by the schema and holds the finding.
func FuzzWrite(f *testing.F) {
	validate := validator(f)
	for _, s := range []string{"", "a", "a:b", "//x", "[a](b)", "\x00\xff", "../..", "javascript:alert(1)", "::error::x\n", "%41 %", "\u202e"} {
		f.Add(s, s, s, 3)
		f.Add("pvc-deleted", s, "dir/"+s, -1)
	}
	f.Fuzz(func(t *testing.T, rule, message, file string, line int) {
		got := write(t, sarif.Document{Anchor: message, Base: file, Version: message, Findings: []finding.Finding{{
			Rule: rule, Severity: finding.Severity(rule), Message: message, Hint: message, Clusters: []string{message, message}, File: file, Line: line,
			Level: finding.Level(rule), Steps: []finding.Step{{Message: message, File: file, Line: line}, {}},
			Object: &object.ID{Kind: rule, Name: message}, Field: file, Waived: &finding.Waived{Name: rule, File: file, Reason: message},
		}}})
		if err := validate(got); err != nil {
			t.Fatalf("%#v\n%s", err, got)
		}
		var log struct {
			Runs []struct {
				Results []struct{ Message struct{ Text string } }
			}
		}
		if err := json.Unmarshal(got, &log); err != nil || !utf8.Valid(got) || len(log.Runs[0].Results) != 1 {
			t.Fatalf("%v: %s", err, got)
		}
		if text := log.Runs[0].Results[0].Message.Text; text == "" || strings.Contains(text, "](") {
			t.Fatalf("message %q", text)
		}
	})
}

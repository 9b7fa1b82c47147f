package junit_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact/review"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/report/junit"
)

func write(tb testing.TB, suites []junit.Suite) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := junit.Write(&b, suites); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// node is any XML element.
type node struct {
	XMLName xml.Name
	Attrs   []xml.Attr `xml:",any,attr"`
	Nodes   []node     `xml:",any"`
	Text    string     `xml:",chardata"`
}

func (n *node) attr(name string) (string, bool) {
	for _, a := range n.Attrs {
		if a.Name.Local == name {
			return a.Value, true
		}
	}
	return "", false
}

// rule is what Jenkins' junit-10.xsd says of an element, with file and line of a case, which GitLab and pytest know.
type rule struct {
	required, optional, children []string
}

var rules = map[string]rule{
	"testsuites": {nil, []string{"name", "tests", "failures", "errors"}, []string{"testsuite"}},
	"testsuite":  {[]string{"name", "tests"}, []string{"failures", "errors", "skipped"}, []string{"properties", "testcase"}},
	"properties": {nil, nil, []string{"property"}},
	"property":   {[]string{"name", "value"}, nil, nil},
	"testcase":   {[]string{"name", "classname"}, []string{"file", "line"}, []string{"skipped", "failure", "system-out"}},
	"skipped":    {[]string{"message"}, nil, nil},
	"failure":    {[]string{"message", "type"}, nil, nil},
	"system-out": {nil, nil, nil},
}

// check holds a document against the rules, and the sums against what they are of.
func check(doc []byte) error {
	d := xml.NewDecoder(bytes.NewReader(bytes.TrimSpace(doc)))
	var top node
	if err := d.Decode(&top); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("there is more after the document: %w", err)
	}
	if top.XMLName.Local != "testsuites" {
		return fmt.Errorf("the document is a %s", top.XMLName.Local)
	}
	return walk(&top)
}

func walk(n *node) error {
	name := n.XMLName.Local
	r, known := rules[name]
	if !known {
		return fmt.Errorf("element %s", name)
	}
	for _, a := range r.required {
		if _, ok := n.attr(a); !ok {
			return fmt.Errorf("%s without %s", name, a)
		}
	}
	for _, a := range n.Attrs {
		if !strings.Contains(" "+strings.Join(append(r.required, r.optional...), " ")+" ", " "+a.Name.Local+" ") {
			return fmt.Errorf("%s with %s", name, a.Name.Local)
		}
	}
	last, counts := -1, map[string]int{}
	for i := range n.Nodes {
		c := &n.Nodes[i]
		order := strings.Index(strings.Join(r.children, " ")+" ", c.XMLName.Local+" ")
		if order < 0 || order < last {
			return fmt.Errorf("%s in %s", c.XMLName.Local, name)
		}
		last = order
		counts["tests"]++
		for j := range c.Nodes {
			counts[c.Nodes[j].XMLName.Local]++
		}
		if err := walk(c); err != nil {
			return err
		}
	}
	if name != "testsuite" {
		return nil
	}
	if len(n.Nodes) > 0 && n.Nodes[0].XMLName.Local == "properties" {
		counts["tests"]--
	}
	for attr, of := range map[string]string{"tests": "tests", "failures": "failure", "skipped": "skipped", "errors": "error"} {
		if v, _ := n.attr(attr); v != fmt.Sprint(counts[of]) {
			return fmt.Errorf("%s=%s of %d", attr, v, counts[of])
		}
	}
	return nil
}

func sample() *review.Review {
	waived := &finding.Waived{Name: "queue", File: "fleet/w.yaml", Reason: "it is drained", Approver: "dana", Expires: "2026-12-31"}
	apps := object.Applier{Kind: "Kustomization", Namespace: "flux-system", Name: "apps"}
	return &review.Review{
		Base: review.Revision{Name: "main", Label: "main (merge base)"}, Head: review.Revision{Label: "the files on disk"},
		Verdict: review.Verdict{State: review.Failed}, Only: "tenant/billing",
		Clusters: []review.Cluster{
			{Name: "idle", Environment: "dev"},
			{Name: "dev-1", Environment: "dev", Touched: true},
			{Name: "dev-2", Environment: "dev", Touched: true},
			{Name: "prod-1", Environment: "prod", Touched: true, Severity: finding.Error},
			{Name: "prod-2", Touched: true},
		},
		Details: &review.Details{
			Gates: []review.Gate{
				{Name: "no-friday", Severity: finding.Warning, State: review.Broken, Message: "cannot be evaluated: no such key: prod", Expr: "x", File: "fleet/gates.yaml", Line: 12},
				{Name: "prod-alone", Severity: finding.Error, State: review.Failed, BuiltIn: true, Message: "prod changes together with dev", Evidence: []string{"dev: 2 clusters", "prod: 1 cluster"}},
				{Name: "big", Severity: finding.Note, State: review.Failed, Message: "large"},
				{Name: "data-deletion", Severity: finding.Error, State: review.Waived, Message: "1 deletion", Waived: waived},
				{Name: "applies", Severity: finding.Error, State: review.Passed, Message: "no new failures"},
			},
			Findings: []finding.Finding{
				{Rule: "pvc-deleted", Severity: finding.Error, Message: "PersistentVolumeClaim billing/ledger is deleted", Clusters: []string{"prod-1"}},
				{Rule: "rbac-widened", Severity: finding.Error, Message: "it may <do> more & \"more\"", Clusters: []string{"prod-1"}},
				{Rule: "gate/prod-alone", Severity: finding.Error, Message: "gate prod-alone: no", Clusters: []string{"dev-1", "prod-1"}},
				{Rule: "image-major", Severity: finding.Warning, Message: "image web goes to 4", Clusters: []string{"dev-1", "prod-1"}},
				{Rule: "statefulset-deleted", Severity: finding.Error, Message: "queue is deleted", Clusters: []string{"dev-1"}, Waived: waived},
				{Rule: "waiver-expired", Severity: finding.Warning, Message: "waiver old has expired", Clusters: []string{}},
				{Rule: review.NewFailure, Severity: finding.Error, Message: "infra fails: no such file", Clusters: []string{"prod-2"}},
			},
			Failures: []review.Failure{
				{New: true, Failure: render.Failure{Cluster: "dev-2", Applier: apps, Stage: "build", Message: "no such file"}},
				{New: true, Failure: render.Failure{Cluster: "prod-2", Applier: apps, Stage: "build", Message: "told by its finding"}},
				{Failure: render.Failure{Cluster: "dev-1", Applier: apps, Stage: "chart", Message: "no chart"}},
			},
		},
	}
}

func TestGolden(t *testing.T) {
	stat := sample()
	stat.Details = nil
	for name, r := range map[string]*review.Review{"sample": sample(), "stat": stat, "empty": {}} {
		t.Run(name, func(t *testing.T) {
			got := write(t, junit.Suites(r))
			if err := check(got); err != nil {
				t.Error(err)
			}
			file := "testdata/" + name + ".xml"
			if os.Getenv("UPDATE") != "" {
				if err := os.MkdirAll("testdata", 0o700); err != nil {
					t.Fatal(err)
				}
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

// TestCheckBites: the rules see what is wrong.
func TestCheckBites(t *testing.T) {
	good := string(write(t, junit.Suites(sample())))
	for old, wrong := range map[string]string{
		` tests="5"`: ` tests="4"`, `<failure message`: `<failure massage`, `</testsuites>`: `</testsuites><a/>`, ` classname="bulkhead.gates"`: ``,
		` type="error"`: ` kind="error"`, `<properties>`: `<properties><a/>`, ` skipped="2"`: ` skipped="0"`,
	} {
		if bad := strings.Replace(good, old, wrong, 1); bad == good || check([]byte(bad)) == nil {
			t.Errorf("%s is accepted", wrong)
		}
	}
}

func TestSuites(t *testing.T) {
	var got []string
	for _, s := range junit.Suites(sample()) {
		for _, c := range s.Cases {
			line := s.Name + " " + c.Name
			switch {
			case c.Failure != "":
				line += " fails: " + c.Failure
			case c.Skipped != "":
				line += " skipped: " + c.Skipped
			}
			got = append(got, line)
		}
	}
	want := []string{
		"gates no-friday fails: cannot be evaluated: no such key: prod",
		"gates prod-alone fails: prod changes together with dev",
		"gates big skipped: note: large",
		"gates data-deletion skipped: waived until 2026-12-31 by dana: it is drained",
		"gates applies",
		"clusters fleet",
		"clusters idle skipped: nothing changes",
		"clusters dev-1",
		"clusters dev-2 fails: new failure: Kustomization/flux-system/apps: build: no such file",
		"clusters prod-1 fails: error: pvc-deleted: PersistentVolumeClaim billing/ledger is deleted (and 1 more)",
		"clusters prod-2 fails: error: new-failure: infra fails: no such file",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// FuzzWrite: whatever is in the texts, a reader of XML finds it again, but for what XML cannot hold.
func FuzzWrite(f *testing.F) {
	for _, s := range []string{"", "a", "<b>&amp;]]>", "\x00\x1b[31m", "\xff\xed\xa0\x80", "\ufffe\uffff", "a\r\nb\tc", "\u2028\U0001f600", "<!DOCTYPE x [<!ENTITY a 'b'>]>"} {
		f.Add(s, s, s, 3)
	}
	f.Fuzz(func(t *testing.T, name, message, detail string, line int) {
		got := write(t, []junit.Suite{{Name: name, Properties: []junit.Property{{Name: name, Value: message}}, Cases: []junit.Case{
			{Class: message, Name: name, File: detail, Line: line, Failure: message, Detail: detail, Kind: name},
			{Class: detail, Name: name, Skipped: detail, Detail: detail},
			{},
		}}})
		if err := check(got); err != nil || !utf8.Valid(got) {
			t.Fatalf("%v: %q", err, got)
		}
		var back struct {
			Suites []struct {
				Name string `xml:"name,attr"`
			} `xml:"testsuite"`
		}
		if err := xml.Unmarshal(got, &back); err != nil {
			t.Fatal(err)
		}
		clean := strings.IndexFunc(name, func(c rune) bool { return c < ' ' || c == utf8.RuneError || c == '\ufffe' || c == '\uffff' }) < 0
		if clean && back.Suites[0].Name != name {
			t.Fatalf("%q came back as %q", name, back.Suites[0].Name)
		}
	})
}

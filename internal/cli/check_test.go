package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/finding/baseline"
	"github.com/bulkhead-dev/bulkhead/report/reporttest"
)

func sampleCheck(text func(string) string) *CheckDocument {
	return &CheckDocument{
		SchemaVersion: checkSchema, Revision: text("HEAD"), Report: *reporttest.Compartments(text), Limits: checkLimits(),
		Gone: []baseline.Entry{{Fingerprint: "0", Rule: "IMP-001", Object: text("Kustomization/a"), Clusters: []string{text("prod")}}}, anchor: "README.md", clusters: 2,
	}
}

// TestCheckHostile: in every format, names and messages stay names and messages.
func TestCheckHostile(t *testing.T) {
	for _, p := range reporttest.Payloads() {
		d := sampleCheck(func(s string) string { return p + s + p })
		for _, format := range checkFormats() {
			var out bytes.Buffer
			if err := d.write(&out, format, &checkOptions{failOn: "high", all: true}); err != nil {
				t.Fatalf("%.40q as %s: %v", p, format, err)
			}
			if !utf8.Valid(out.Bytes()) {
				t.Errorf("%.40q as %s is not UTF-8", p, format)
			}
			switch format {
			case "json", "sarif":
				if !json.Valid(out.Bytes()) {
					t.Errorf("%.40q as %s is no JSON", p, format)
				}
			case "table":
				for line := range strings.SplitSeq(out.String(), "\n") {
					if strings.ContainsFunc(line, unicode.IsControl) || strings.Contains(line, "##[") || strings.Contains(line, "##vso[") || strings.HasPrefix(line, " ") && strings.HasPrefix(strings.TrimSpace(line), "::") {
						t.Errorf("%.40q: a terminal or a build log would obey %q", p, line)
					}
				}
			case "github":
				for line := range strings.Lines(out.String()) {
					if !strings.HasPrefix(line, "::error ") && !strings.HasPrefix(line, "::warning ") && !strings.HasPrefix(line, "::notice ") {
						t.Errorf("%.40q: line %q is no command of ours", p, line)
					}
				}
			}
		}
	}
}

// TestCheckExit: the exit code follows from what is new, and from what is not known.
func TestCheckExit(t *testing.T) {
	plain := func(s string) string { return s }
	for name, c := range map[string]struct {
		failOn string
		strict bool
		drop   finding.Level // findings that are left out
		want   int
	}{
		"a critical finding":                      {failOn: "high", want: codeFindings},
		"only critical ones":                      {failOn: "critical", want: codeFindings},
		"none counts":                             {failOn: "none"},
		"known and waived ones do not count":      {failOn: "high", drop: finding.Critical},
		"a low one counts":                        {failOn: "low", drop: finding.Critical, want: codeFindings},
		"unproven counts when strict":             {failOn: "none", strict: true, want: codeIncomplete},
		"findings come before what is not proven": {failOn: "high", strict: true, want: codeFindings},
	} {
		t.Run(name, func(t *testing.T) {
			d := sampleCheck(plain)
			if c.drop != "" {
				d.Findings = d.Findings[1:]
			}
			s := newStreams(&bytes.Buffer{}, &bytes.Buffer{})
			if got := s.exit(d.objects(&checkOptions{failOn: c.failOn, fleetOptions: fleetOptions{strict: c.strict}})); got != c.want {
				t.Errorf("exit code %d, want %d", got, c.want)
			}
		})
	}
}

// TestCheckNeverProven: no line about a tenant with anything unproven has the word.
func TestCheckNeverProven(t *testing.T) {
	var out bytes.Buffer
	if err := sampleCheck(func(s string) string { return s }).write(&out, "table", &checkOptions{failOn: "high"}); err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(out.String(), "\n") {
		if strings.HasPrefix(line, "billing ") && (strings.Contains(line, " proven") || strings.Contains(line, "isolated")) {
			t.Errorf("%q", line)
		}
	}
	if strings.Contains(out.String(), "isolated") {
		t.Errorf("isolated:\n%s", out.String())
	}
}

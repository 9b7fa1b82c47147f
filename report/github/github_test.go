package github_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/report/github"
)

func write(tb testing.TB, findings []finding.Finding) string {
	tb.Helper()
	var b strings.Builder
	if err := github.Write(&b, findings); err != nil {
		tb.Fatal(err)
	}
	return b.String()
}

func TestWrite(t *testing.T) {
	waived := finding.Finding{Rule: "w", Severity: finding.Error, Message: "accepted", Waived: &finding.Waived{Name: "w"}}
	for name, c := range map[string]struct {
		findings []finding.Finding
		want     string
	}{
		"none":   {nil, ""},
		"waived": {[]finding.Finding{waived}, ""},
		"levels": {
			[]finding.Finding{
				{Rule: "c", Severity: finding.Note, Message: "third"},
				{Rule: "a", Severity: finding.Warning, Message: "second"},
				{Rule: "d", Message: "second, too"},
				{Rule: "b", Severity: finding.Error, Message: "first"},
				waived,
			},
			"::error title=b::first\n::warning title=a::second\n::warning title=d::second, too\n::notice title=c::third\n",
		},
		"all of it": {
			[]finding.Finding{{Rule: "pvc-deleted", Severity: finding.Error, Message: "claim is deleted", Hint: "keep it", Clusters: []string{"a", "b"}, File: "apps/pvc.yaml", Line: 7}},
			"::error file=apps/pvc.yaml,line=7,title=pvc-deleted::claim is deleted%0AClusters: a, b%0AHint: keep it\n",
		},
		"no line": {
			[]finding.Finding{{Rule: "a", Severity: finding.Error, Message: "m", File: "f.yaml"}, {Rule: "b", Severity: finding.Error, Message: "m", Line: 3}},
			"::error file=f.yaml,title=a::m\n::error title=b::m\n",
		},
		"escaped": {
			[]finding.Finding{{Rule: "gate/a", Severity: finding.Error, Message: "50%\r\n::set-output name=x::y", File: "a:b,c%0A.yaml", Line: 1}},
			"::error file=a%3Ab%2Cc%250A.yaml,line=1,title=gate/a::50%25  ::set-output name=x::y\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, write(t, c.findings)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestMost: GitHub shows ten of a level; the tenth tells of the others.
func TestMost(t *testing.T) {
	for count, want := range map[int][2]string{
		10: {"10", "::error title=r09::m"},
		11: {"10", "::error title=bulkhead::2 more errors: see the report"},
		99: {"10", "::error title=bulkhead::90 more errors: see the report"},
	} {
		var fs []finding.Finding
		for i := range count {
			fs = append(fs, finding.Finding{Rule: fmt.Sprintf("r%02d", i), Severity: finding.Error, Message: "m"})
		}
		before := slices.Clone(fs)
		slices.Reverse(fs)
		lines := strings.Split(strings.TrimSuffix(write(t, fs), "\n"), "\n")
		if got := [2]string{fmt.Sprint(len(lines)), lines[len(lines)-1]}; got != want {
			t.Errorf("%d findings: got %v, want %v", count, got, want)
		}
		slices.Reverse(fs)
		if diff := cmp.Diff(before, fs); diff != "" {
			t.Errorf("what was given is changed:\n%s", diff)
		}
	}
}

// parse reads a line as the runner does: the name up to the first space, properties at commas, and
// everything unescaped.
func parse(line string) (name string, properties map[string]string, message string, ok bool) {
	rest, ok := strings.CutPrefix(strings.TrimLeft(line, " \t"), "::")
	if !ok {
		return "", nil, "", false
	}
	head, message, ok := strings.Cut(rest, "::")
	name, list, _ := strings.Cut(head, " ")
	properties = map[string]string{}
	for p := range strings.SplitSeq(list, ",") {
		if k, v, found := strings.Cut(p, "="); found {
			properties[k] = strings.NewReplacer("%0D", "\r", "%0A", "\n", "%3A", ":", "%2C", ",", "%25", "%").Replace(v)
		}
	}
	return name, properties, strings.NewReplacer("%0D", "\r", "%0A", "\n", "%25", "%").Replace(message), ok
}

// FuzzWrite: hostile texts make one command of the known names each, and come back as they were.
func FuzzWrite(f *testing.F) {
	for _, s := range []string{"", "a", "x\n::error::y", "\r::add-mask::*", "##[command]x", "::stop-commands::t", "%0A::debug::", "a,file=b", "\u2028::error::", "\x00\x1b[31m", "\xff", "%25", "a::b"} {
		f.Add(s, s, s, s)
	}
	f.Fuzz(func(t *testing.T, rule, message, file, cluster string) {
		fs := []finding.Finding{
			{Rule: rule, Severity: finding.Error, Message: message, File: file, Line: 1, Clusters: []string{cluster}, Hint: message},
			{Rule: rule, Severity: finding.Severity(message), Message: rule, Hint: cluster},
		}
		out := write(t, fs)
		if strings.Count(out, "\n") != 2 || !strings.HasSuffix(out, "\n") {
			t.Fatalf("not two lines: %q", out)
		}
		for line := range strings.Lines(out) {
			line = strings.TrimSuffix(line, "\n")
			name, properties, text, ok := parse(line)
			if !ok || !slices.Contains([]string{"error", "warning", "notice"}, name) {
				t.Fatalf("command %q of %q", name, line)
			}
			for k := range properties {
				if !slices.Contains([]string{"file", "line", "title"}, k) {
					t.Fatalf("property %q of %q", k, line)
				}
			}
			if strings.ContainsFunc(line, func(c rune) bool { return c < ' ' || c == 0x7f }) || strings.Count(text, "\n") > 2 {
				t.Fatalf("control characters in %q", line)
			}
		}
		if clean := strings.IndexFunc(file, func(c rune) bool { return c < ' ' || c > '~' }) < 0; clean && file != "" && len(file) < 2000 {
			if _, properties, _, _ := parse(strings.SplitN(out, "\n", 2)[0]); properties["file"] != file {
				t.Fatalf("file %q came back as %q", file, properties["file"])
			}
		}
	})
}

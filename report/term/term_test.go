package term

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestSafe(t *testing.T) {
	for text, want := range map[string]string{
		"plain/ä.yaml":     "plain/ä.yaml",
		"a\x1b[2Jb":        `a\x1b[2Jb`,
		"two\nlines\ttab":  `two\nlines\ttab`,
		"c1 \u009b":        `c1 \u009b`,
		"\u202eback":       `\u202eback`,
		"broken \xff byte": `broken \xff byte`,
		"line\u2028end":    `line\u2028end`,
	} {
		if got := Safe(text); got != want {
			t.Errorf("safe(%q) = %s, want %s", text, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		if got := Safe(string(rapid.SliceOf(rapid.Byte()).Draw(t, "text"))); strings.ContainsFunc(got, unsafe) {
			t.Fatalf("%q is not safe", got)
		}
	})
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	table := Table{{"NAME", "N", "TEXT"}, {"ä\x1b", "5", "x"}, {"longer", "12", ""}}
	table.Write(&out, false, nil)
	want := "NAME     N  TEXT\nä\\x1b    5  x\nlonger  12\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
	out.Reset()
	table.Write(&out, true, func(row, column int) Code {
		if row == 1 && column == 1 {
			return Red
		}
		return ""
	})
	want = "\x1b[1mNAME     N  TEXT\x1b[0m\nä\\x1b    \x1b[31m5\x1b[0m  x\nlonger  12\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("coloured table (-want +got):\n%s", diff)
	}
	if n := Width(Colour(true).Look(Red, "äb") + "c"); n != 3 {
		t.Errorf("width %d of three characters", n)
	}
}

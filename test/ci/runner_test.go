package ci

import (
	"regexp"
	"strings"
	"testing"
)

// command is what a line of the log makes the runner of GitHub do.
type command struct{ name, properties, message string }

// property is the value of one of the properties, "" when it is not there.
func (c command) property(name string) string {
	for p := range strings.SplitSeq(c.properties, ",") {
		if k, v, ok := strings.Cut(strings.TrimSpace(p), "="); ok && k == name {
			return v
		}
	}
	return ""
}

var (
	current = regexp.MustCompile(`^\s*::([^ :]+)(?: ([^:]*(?::[^:]+)*?))?::(.*)$`)
	former  = regexp.MustCompile(`##\[([^\] ]+)([^\]]*)\](.*)$`)
)

// commandsOf reads a log as the runner does. Commands are "::name properties::message" at the start
// of a line, or "##[name properties]message" anywhere in it; ::stop-commands::TOKEN holds
// them up until ::TOKEN::. Source: ActionCommand.cs and ActionCommandManager.cs of actions/runner.
func commandsOf(log string) (out []command) {
	stopped := ""
	for line := range strings.Lines(log) {
		line = strings.TrimRight(line, "\r\n")
		c := command{}
		if m := current.FindStringSubmatch(line); m != nil {
			c = command{m[1], m[2], m[3]}
		} else if m := former.FindStringSubmatch(line); m != nil {
			c = command{m[1], m[2], m[3]}
		}
		switch {
		case c.name == "":
		case stopped != "":
			if c.name == stopped {
				stopped = ""
			}
		case c.name == "stop-commands":
			stopped = c.message
		default:
			out = append(out, c)
		}
	}
	return out
}

func TestCommandsOf(t *testing.T) {
	t.Parallel()
	log := "a\n  ::error title=x,file=a::b\n::stop-commands::tok\n::warning::no\n##[error]no\n::tok::\nbefore ##[debug]old\n::notice::c\nx ::error::no\n"
	want := []command{{"error", "title=x,file=a", "b"}, {"debug", "", "old"}, {"notice", "", "c"}}
	got := commandsOf(log)
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("command %d is %v, want %v", i, got[i], want[i])
		}
	}
}

// outputsOf reads a file of GITHUB_OUTPUT as the runner does.
func outputsOf(t *testing.T, text string) map[string]string {
	t.Helper()
	out := map[string]string{}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i := 0; i < len(lines) && text != ""; i++ {
		name, end, ok := strings.Cut(lines[i], "<<")
		if !ok {
			t.Fatalf("line %d of the outputs is not NAME<<END: %q", i+1, lines[i])
		}
		var value []string
		for i++; i < len(lines) && lines[i] != end; i++ {
			value = append(value, lines[i])
		}
		if i == len(lines) {
			t.Fatalf("the output %s does not end", name)
		}
		out[name] = strings.Join(value, "\n")
	}
	return out
}

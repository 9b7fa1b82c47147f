package git_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/internal/git"
)

// TestHistory compares with git log --first-parent.
func TestHistory(t *testing.T) {
	r := history(t)
	for i := range 3 {
		r.write(map[string]string{"c": fmt.Sprint(i)})
		r.git("add", "-A")
		r.git("commit", "-q", "-m", fmt.Sprintf("\n\nchange %d\n\nbody", i))
	}
	for _, most := range []int{0, 1, 2, 50} {
		got, err := r.open().History(t.Context(), "HEAD", most)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, s := range got {
			before := ""
			if s.Before != nil {
				before = s.Before.Hash
			}
			lines = append(lines, strings.TrimRight(s.Commit.Hash+" "+s.Subject+" "+before, " "))
			if s.Cut {
				t.Errorf("%s is said to be cut", s.Commit.Hash)
			}
		}
		want := r.git("log", "--first-parent", "--format=%H %s", fmt.Sprintf("--max-count=%d", most))
		var wanted []string
		for line := range strings.Lines(want) {
			line = strings.TrimRight(line, "\n")
			hash, _, _ := strings.Cut(line, " ")
			parents := strings.Fields(r.git("log", "-1", "--format=%P", hash))
			if len(parents) > 0 {
				line += " " + parents[0]
			}
			wanted = append(wanted, line)
		}
		if diff := cmp.Diff(wanted, lines); diff != "" {
			t.Errorf("the last %d (-want +got):\n%s", most, diff)
		}
	}
	if _, err := r.open().History(t.Context(), "nothing", 1); err == nil {
		t.Error("a revision that is not there has a history")
	}
	if s, err := r.open().Step(t.Context(), "HEAD~1"); err != nil || s.Subject != "change 1" || s.Before.Hash != r.git("rev-parse", "HEAD~2") {
		t.Errorf("step of HEAD~1: %+v, %v", s, err)
	}
}

func TestHistoryOfShallow(t *testing.T) {
	r := newRepo(t)
	for i := range 4 {
		r.commit(map[string]string{"a": fmt.Sprint(i)})
	}
	s := repo{t, filepath.Join(t.TempDir(), "shallow")}
	r.git("clone", "-q", "--depth=2", "file://"+r.dir, s.dir)
	steps, err := s.open().History(t.Context(), "HEAD", 50)
	if err != nil {
		t.Fatal(err)
	}
	shown := func(s git.Step) string { return fmt.Sprint(s.Cut, s.Before != nil) }
	if len(steps) != 2 || shown(steps[0]) != "false true" || shown(steps[1]) != "true false" {
		t.Errorf("history of a shallow clone: %v", steps)
	}
}

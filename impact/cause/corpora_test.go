package cause_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// TestCommitPairs finds the causes of every change of real commits. Nothing in them changes but files, so all
// changes have a cause.
func TestCommitPairs(t *testing.T) {
	if raceDetector || testing.Short() {
		t.Skip("SKIPPED: takes minutes with the race detector; 'make corpora' runs it without")
	}
	dir := os.Getenv("BULKHEAD_CORPORA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "corpora")
	}
	data, err := os.ReadFile(filepath.Join(dir, "commits.tsv"))
	if err != nil {
		t.Skipf("SKIPPED: no commits.tsv in %s; set BULKHEAD_CORPORA to a folder of Git bundles of fleets", dir)
	}
	byRepository := map[string][]string{}
	for i, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		row := strings.Split(line, "\t")
		if i > 0 && len(row) > 1 {
			byRepository[row[0]] = append(byRepository[row[0]], row[1])
		}
	}
	sum := tally{}
	for _, repository := range slices.Sorted(maps.Keys(byRepository)) {
		bundle, err := filepath.Abs(filepath.Join(dir, strings.ReplaceAll(repository, "/", "+")+".bundle"))
		if err != nil {
			t.Fatal(err)
		}
		c := &clone{dir: t.TempDir(), blobs: map[string]string{}}
		c.git(t, nil, "clone", "-q", "--no-checkout", bundle, ".")
		cache := &render.Cache{}
		for _, pair := range byRepository[repository] {
			t.Run(repository+" "+pair, func(t *testing.T) {
				before, after := "origin/pair/"+pair+"-base", "origin/pair/"+pair+"-head"
				s := &story{}
				for line := range strings.Lines(string(c.git(t, nil, "diff", "--no-renames", "--name-only", before, after))) {
					s.files = append(s.files, strings.TrimSpace(line))
				}
				s.treeBefore, s.treeAfter = c.tree(t, before), c.tree(t, after)
				s.before = rendered(t, render.Repository{Tree: s.treeBefore, Revision: before}, render.Options{Cache: cache})
				s.after = rendered(t, render.Repository{Tree: s.treeAfter, Revision: after}, render.Options{Cache: cache, Before: s.before})
				s.report = impact.Between(s.before, s.after, impact.Options{Files: s.files})
				checkLaws(t, s)
				sum.add(t, s)
			})
		}
	}
	t.Logf("%d changes: %d with one cause, %d with several (%d in all), %d without; %d direct", sum.changes, sum.one, sum.several, sum.causes, sum.none, sum.direct)
	if sum.none > 0 {
		t.Errorf("%d changes have no cause", sum.none)
	}
}

type tally struct{ changes, one, several, none, causes, direct int }

func (n *tally) add(t *testing.T, s *story) {
	t.Helper()
	f := s.finder()
	for _, c := range s.report.Clusters {
		for _, ch := range c.Changes {
			got := f.Of(ch)
			n.changes++
			n.causes += len(got)
			switch len(got) {
			case 0:
				n.none++
				t.Errorf("no cause: %s %s on %s", ch.Kind, ch.ID, ch.Cluster)
			case 1:
				n.one++
			default:
				n.several++
			}
			if len(got) > 0 && got[0].Direct {
				n.direct++
			}
			if len(s.files) == 1 && len(got) == 1 && got[0].File != s.files[0] {
				t.Errorf("%s on %s: %v", ch.ID, ch.Cluster, got)
			}
		}
	}
	if testing.Verbose() {
		t.Log("\n" + s.causes())
	}
}

// clone is a repository that the git program reads.
type clone struct {
	dir   string
	blobs map[string]string // by hash, of all revisions read so far
}

func (c *clone) git(t *testing.T, stdin io.Reader, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir, cmd.Stdin = c.dir, stdin
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", cmd, err)
	}
	return out
}

// tree reads all files of a revision.
func (c *clone) tree(t *testing.T, ref string) *tree.Tree {
	t.Helper()
	modes := map[string]tree.Mode{"100644": tree.File, "100755": tree.Executable, "120000": tree.Symlink, "160000": tree.Submodule}
	files, hashes := map[string]tree.Blob{}, map[string]string{}
	var missing bytes.Buffer
	for line := range strings.SplitSeq(strings.TrimSuffix(string(c.git(t, nil, "ls-tree", "-r", "-z", ref)), "\x00"), "\x00") {
		head, path, _ := strings.Cut(line, "\t")
		f := strings.Fields(head)
		files[path], hashes[path] = tree.Blob{Mode: modes[f[0]]}, f[2]
		if _, ok := c.blobs[f[2]]; !ok && f[1] == "blob" {
			fmt.Fprintln(&missing, f[2])
		}
	}
	if missing.Len() > 0 {
		c.read(t, c.git(t, &missing, "cat-file", "--batch"))
	}
	for path, b := range files {
		files[path] = tree.Blob{Mode: b.Mode, Data: c.blobs[hashes[path]]}
	}
	return tree.FromBlobs(files)
}

// read takes blobs from what git cat-file --batch prints.
func (c *clone) read(t *testing.T, batch []byte) {
	t.Helper()
	in := bufio.NewReader(bytes.NewReader(batch))
	for {
		head, err := in.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return
		}
		f := strings.Fields(head)
		size, err := strconv.Atoi(f[len(f)-1])
		if err != nil {
			t.Fatalf("git cat-file: %s", head)
		}
		data := make([]byte, size+1)
		if _, err := io.ReadFull(in, data); err != nil {
			t.Fatal(err)
		}
		c.blobs[f[0]] = string(data[:size])
	}
}

package impact_test

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// TestCommitPairs compares real commits of public fleets with what an independent
// renderer measured, as commits.tsv beside the bundles tells. Where we differ,
// testdata/pairs.tsv says what we report and who is right.
func TestCommitPairs(t *testing.T) {
	if raceDetector {
		t.Skip("SKIPPED: takes minutes with the race detector; 'make differential' runs it without")
	}
	dir := os.Getenv("BULKHEAD_CORPORA")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "corpora")
	}
	pairs := readTSV(t, filepath.Join(dir, "commits.tsv"), 10)
	if pairs == nil {
		t.Skipf("SKIPPED: no commits.tsv in %s; set BULKHEAD_CORPORA to a folder of Git bundles of fleets", dir)
	}
	ours := map[string][]string{}
	for _, row := range readTSV(t, filepath.Join("testdata", "pairs.tsv"), 4) {
		ours[row[0]+" "+row[1]] = row
		if !slices.ContainsFunc(pairs, func(p []string) bool { return p[0] == row[0] && p[1] == row[1] }) {
			t.Errorf("testdata/pairs.tsv explains %s %s, which is not in commits.tsv", row[0], row[1])
		}
	}
	byRepository := map[string][][]string{}
	for _, row := range pairs {
		byRepository[row[0]] = append(byRepository[row[0]], row)
	}
	agreed := 0
	for _, repository := range slices.Sorted(maps.Keys(byRepository)) {
		c := &clone{dir: t.TempDir(), blobs: map[string]string{}}
		c.git(t, nil, "clone", "-q", "--no-checkout", filepath.Join(abs(t, dir), strings.ReplaceAll(repository, "/", "+")+".bundle"), ".")
		cache := &render.Cache{}
		for _, row := range byRepository[repository] {
			name := row[0] + " " + row[1]
			t.Run(name, func(t *testing.T) {
				before := c.render(t, "origin/pair/"+row[1]+"-base", render.Options{Cache: cache})
				after := c.render(t, "origin/pair/"+row[1]+"-head", render.Options{Cache: cache, Before: before})
				checkLaws(t, before, after, impact.Options{})
				report := impact.Between(before, after, impact.Options{})
				checkIncident(t, name, report)
				if comparePair(t, row, ours[name], report) {
					agreed++
				}
			})
		}
	}
	t.Logf("%d pairs, %d as the table says, %d explained in testdata/pairs.tsv", len(pairs), agreed, len(ours))
}

// comparePair compares a report with the row of commits.tsv, or where we differ
// with that of testdata/pairs.tsv. It is true when the former holds.
func comparePair(t *testing.T, row, own []string, report *impact.Report) bool {
	t.Helper()
	got, table := summary(report), row[6]
	switch {
	case row[5] == "NONE":
		table = ""
		if own == nil && !quiet(report) {
			t.Errorf("affects no cluster, and yet:\n%s", printReport(report))
		}
	case !cell.MatchString(strings.Split(table, "; ")[0]): // not measured, read only
		table = row[5]
		if own == nil {
			got = strings.Join(affected(report), ", ")
		}
	}
	switch {
	case own == nil && got != table:
		t.Errorf("got %q, the table says %q: %s\n%s", got, table, row[9], printReport(report))
	case own != nil && got != own[2]:
		t.Errorf("we said %q, and now %q; the table says %q, and we explained: %s", own[2], got, table, own[3])
	case own != nil && got == table:
		t.Errorf("testdata/pairs.tsv says that we differ from the table, and we don't: %q", got)
	}
	return own == nil && !t.Failed()
}

// checkIncident checks what the numbers do not say of some pairs.
func checkIncident(t *testing.T, name string, r *impact.Report) {
	t.Helper()
	deleted := map[impact.Kind]int{}
	var failures, notes []string
	for _, c := range r.Clusters {
		notes = append(notes, c.Notes...)
		for _, f := range c.Failures {
			failures = append(failures, f.Message)
		}
		for _, ch := range c.Changes {
			if ch.Fate == impact.Deleted {
				deleted[ch.Kind]++
			}
		}
	}
	holds := func(list []string, text string) {
		if !strings.Contains(strings.Join(list, "\n"), text) {
			t.Errorf("no %q in %q", text, list)
		}
	}
	switch name {
	case "PingCAP-QE/ee-ops 11", "PingCAP-QE/ee-ops 16", "PingCAP-QE/ee-ops 18":
		if len(deleted) > 0 {
			t.Errorf("apps of prod2 fails and nothing is pruned, but %v are deleted", deleted)
		}
		holds(failures, map[string]string{"11": "namespace.yaml", "16": "namespace transformation produces ID conflict", "18": "already registered id"}[name[len(name)-2:]])
	case "PingCAP-QE/ee-ops 17":
		holds(failures, "apps/Deployment/goproxy namespace not specified")
	case "wahooli/gitops-repo 09":
		holds(notes, "Kustomization/flux-system/flux-system prunes itself")
	case "wahooli/gitops-repo 13":
		// A generated ConfigMap, which comes again under another name.
		if want := map[impact.Kind]int{impact.Removed: 1}; !maps.Equal(deleted, want) {
			t.Errorf("deleted are %v, want %v", deleted, want)
		}
	}
}

// readTSV reads the rows of a table below its head; nil when there is no file.
func readTSV(t *testing.T, file string, columns int) [][]string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	var rows [][]string
	for i, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		row := strings.Split(line, "\t")
		if len(row) != columns {
			t.Fatalf("%s:%d has %d columns, want %d", file, i+1, len(row), columns)
		}
		if i > 0 {
			rows = append(rows, row)
		}
	}
	return rows
}

func abs(t *testing.T, dir string) string {
	t.Helper()
	out, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

var cell = regexp.MustCompile(`^(\S+) \+(\d+) -(\d+) ~(\d+)$`)

// affected are the clusters on which something changes, or may.
func affected(r *impact.Report) []string {
	var out []string
	for _, c := range r.Clusters {
		if len(c.Changes)+len(c.Withheld)+len(c.Unknown) > 0 {
			out = append(out, c.Name)
		}
	}
	return out
}

// summary is one line: per cluster what commits.tsv counts, then the moved
// objects, the number of unknown things and the withheld appliers, if any.
func summary(r *impact.Report) string {
	var out []string
	for _, c := range r.Clusters {
		text := ""
		if n := c.Counts; n.Total() > 0 {
			text = fmt.Sprintf(" +%d -%d ~%d", n.Added, n.Removed, n.Changed)
			if n.Moved > 0 {
				text += fmt.Sprintf(" >%d", n.Moved)
			}
		}
		if len(c.Unknown) > 0 {
			text += fmt.Sprintf(" unknown %d", len(c.Unknown))
		}
		for _, w := range c.Withheld {
			if w.Under.Name == "" {
				text += fmt.Sprintf(" withheld %s %s->%s", w.Applier.Name, state(w.Before), state(w.After))
			}
		}
		if text != "" {
			out = append(out, c.Name+text)
		}
	}
	return strings.Join(out, "; ")
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
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, &stderr)
	}
	return out
}

func (c *clone) render(t *testing.T, ref string, opts render.Options) *render.Result {
	t.Helper()
	r, err := render.Fleet(t.Context(), render.Repository{Tree: c.tree(t, ref), Revision: ref}, opts)
	if err != nil {
		t.Fatalf("render %s: %v", ref, err)
	}
	return r
}

// tree reads all files of a revision.
func (c *clone) tree(t *testing.T, ref string) *tree.Tree {
	t.Helper()
	type entry struct{ mode, hash, path string }
	var entries []entry
	var missing bytes.Buffer
	for line := range strings.SplitSeq(strings.TrimSuffix(string(c.git(t, nil, "ls-tree", "-r", "-z", ref)), "\x00"), "\x00") {
		head, path, _ := strings.Cut(line, "\t")
		f := strings.Fields(head)
		e := entry{f[0], f[2], path}
		entries = append(entries, e)
		if _, ok := c.blobs[e.hash]; !ok && f[1] == "blob" {
			fmt.Fprintln(&missing, e.hash)
		}
	}
	if missing.Len() > 0 {
		c.read(t, c.git(t, &missing, "cat-file", "--batch"))
	}
	files := map[string]tree.Blob{}
	for _, e := range entries {
		modes := map[string]tree.Mode{"100644": tree.File, "100755": tree.Executable, "120000": tree.Symlink, "160000": tree.Submodule}
		files[e.path] = tree.Blob{Mode: modes[e.mode], Data: c.blobs[e.hash]}
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

// TestTableIsSorted keeps testdata/pairs.tsv readable.
func TestTableIsSorted(t *testing.T) {
	rows := readTSV(t, filepath.Join("testdata", "pairs.tsv"), 4)
	if len(rows) == 0 {
		t.Fatal("testdata/pairs.tsv is empty")
	}
	if !slices.IsSortedFunc(rows, func(a, b []string) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) }) {
		t.Error("testdata/pairs.tsv is not sorted by repository and pair")
	}
}

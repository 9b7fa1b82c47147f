package impact_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// ownURL is the repository of the fleets in testdata/cases.
const ownURL = "https://git.example.com/acme/fleet.git"

// TestCases compares the two fleets of every file in testdata/cases, see
// [readStory]. UPDATE=1 rewrites what is wanted. The laws of [checkLaws] hold too.
func TestCases(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "cases", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := readStory(t, archive)
			s.render(t)
			got := printReport(s.report)
			checkLaws(t, s.before, s.after, s.opts)
			if diff := cmp.Diff(s.want, got); diff == "" {
				return
			} else if os.Getenv("UPDATE") == "" {
				t.Fatalf("report (-want +got), UPDATE=1 rewrites it:\n%s", diff)
			}
			archive.Files = slices.DeleteFunc(archive.Files, func(f txtar.File) bool { return f.Name == "want" })
			archive.Files = append(archive.Files, txtar.File{Name: "want", Data: []byte(got)})
			if err := os.WriteFile(file, txtar.Format(archive), 0o600); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// story is a fleet before and after a commit.
type story struct {
	files  [2]map[string]string
	repo   render.Repository
	want   string
	opts   impact.Options // Files are the files that differ
	before *render.Result
	after  *render.Result
	report *impact.Report
}

// readStory reads a fleet before and after a commit: files below before/, after/,
// and below both/ those of the two. Two endings are short for Flux objects, the
// file holds the fields of the spec that differ:
//
//	NAME.sync          what flux bootstrap writes to clusters/NAME/flux-system/gotk-sync.yaml
//	FOLDER/NAME.ks     FOLDER/NAME.yaml: Kustomization flux-system/NAME of ./apps/NAME, with prune
//
// Lines of the comment that begin with "ref:" name another ref of the repository
// and the folder that holds its files: "ref: tag v1.0.0 @v1".
func readStory(t *testing.T, archive *txtar.Archive) *story {
	t.Helper()
	s := &story{files: [2]map[string]string{{}, {}}, repo: render.Repository{URL: ownURL, Revision: "main@sha1:0"}}
	others := map[string]map[string]string{}
	for _, f := range archive.Files {
		if f.Name == "want" {
			s.want = string(f.Data)
			continue
		}
		side, name, _ := strings.Cut(f.Name, "/")
		name, data := expand(t, name, f.Data)
		switch side {
		case "both":
			s.files[0][name], s.files[1][name] = data, data
		case "before":
			s.files[0][name] = data
		case "after":
			s.files[1][name] = data
		default:
			if others[side] == nil {
				others[side] = map[string]string{}
			}
			others[side][name] = data
		}
	}
	refs := fakeRefs{}
	for line := range strings.Lines(string(archive.Comment)) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "ref: "); ok {
			ref, dir, _ := strings.Cut(rest, " @")
			if others["@"+dir] == nil {
				t.Fatalf("no files below @%s", dir)
			}
			refs[ref] = tree.FromMap(others["@"+dir])
		}
	}
	if len(refs) > 0 {
		s.repo.Refs = refs
	}
	s.opts.Files = differing(s.files[0], s.files[1])
	return s
}

// differing lists the files that are not the same in both.
func differing(a, b map[string]string) []string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	maps.DeleteFunc(all, func(name, _ string) bool {
		x, inA := a[name]
		y, inB := b[name]
		return x == y && inA == inB
	})
	return slices.Sorted(maps.Keys(all))
}

// expand writes out a file with one of the short endings.
func expand(t *testing.T, name string, data []byte) (file, content string) {
	t.Helper()
	if cluster, ok := strings.CutSuffix(name, ".sync"); ok {
		repo := "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata:\n  name: flux-system\n  namespace: flux-system\n" +
			"spec:\n  interval: 1m0s\n  ref:\n    branch: main\n  url: " + ownURL + "\n---\n"
		return "clusters/" + cluster + "/flux-system/gotk-sync.yaml", repo + kustomization(t, "flux-system", "./clusters/"+cluster, data)
	}
	if file, ok := strings.CutSuffix(name, ".ks"); ok {
		return file + ".yaml", kustomization(t, path.Base(file), "./apps/"+path.Base(file), data)
	}
	return name, string(data)
}

// kustomization is a Flux Kustomization with some fields of its spec set otherwise.
func kustomization(t *testing.T, name, dir string, fields []byte) string {
	t.Helper()
	spec := map[string]any{
		"interval": "10m0s", "path": dir, "prune": true,
		"sourceRef": map[string]any{"kind": "GitRepository", "name": "flux-system"},
	}
	if err := yaml.Unmarshal(fields, &spec); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	data, err := yaml.Marshal(map[string]any{
		"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
		"metadata": map[string]any{"name": name, "namespace": "flux-system"}, "spec": spec,
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// render renders both sides, the second as what comes after the first.
func (s *story) render(t *testing.T) {
	t.Helper()
	cache := &render.Cache{}
	s.before = fleet(t, s.repo, s.files[0], render.Options{Cache: cache})
	s.after = fleet(t, s.repo, s.files[1], render.Options{Cache: cache, Before: s.before})
	s.report = impact.Between(s.before, s.after, s.opts)
}

func fleet(tb testing.TB, repo render.Repository, files map[string]string, opts render.Options) *render.Result {
	tb.Helper()
	repo.Tree = tree.FromMap(files)
	r, err := render.Fleet(tb.Context(), repo, opts)
	if err != nil {
		tb.Fatalf("render: %v", err)
	}
	return r
}

// fakeRefs has other refs of the repository, as "tag NAME" or "branch NAME".
type fakeRefs map[string]*tree.Tree

func (r fakeRefs) Resolve(_ context.Context, ref sourcev1.GitRepositoryRef) (*tree.Tree, string, error) {
	name := "branch " + ref.Branch
	if ref.Tag != "" {
		name = "tag " + ref.Tag
	}
	if t := r[name]; t != nil {
		return t, name + "@sha1:1", nil
	}
	return nil, "", fmt.Errorf("open %s: %w", name, render.ErrNoRef)
}

// printReport writes a report, one fact a line.
func printReport(r *impact.Report) string {
	var out bytes.Buffer
	for _, c := range r.Clusters {
		n := c.Counts
		fmt.Fprintf(&out, "%s +%d -%d ~%d >%d", c.Name, n.Added, n.Removed, n.Changed, n.Moved)
		for _, mark := range []struct {
			on   bool
			text string
		}{
			{n.Failures > 0, fmt.Sprintf(" failures %d", n.Failures)},
			{n.Unresolved > 0, fmt.Sprintf(" unresolved %d", n.Unresolved)},
			{c.Appeared, " appeared"},
			{c.Gone, " gone"},
		} {
			if mark.on {
				out.WriteString(mark.text)
			}
		}
		out.WriteByte('\n')
		for _, w := range c.Withheld {
			fmt.Fprintf(&out, "  withheld %s %s -> %s, objects %d: %s", w.Applier, state(w.Before), state(w.After), w.Objects, w.Why)
			if w.Under != (object.Applier{}) {
				fmt.Fprintf(&out, " (under %s)", w.Under)
			}
			out.WriteByte('\n')
		}
		for _, u := range c.Unknown {
			fmt.Fprintf(&out, "  unknown %s %s of %s: %s\n", u.Kind, u.Subject, u.Applier, u.Reason)
		}
		for _, f := range c.Failures {
			fmt.Fprintf(&out, "  failure %s %s: %s\n", f.Applier, f.Stage, f.Message)
		}
		for _, note := range c.Notes {
			fmt.Fprintf(&out, "  note %s\n", note)
		}
	}
	for _, g := range r.Groups {
		printGroup(&out, g)
	}
	for _, w := range r.Waits {
		fmt.Fprintf(&out, "wait %s %s: %v read %v\n", w.Cluster, w.Source.Revision, w.Appliers, w.Files)
	}
	for _, f := range r.Unread {
		fmt.Fprintf(&out, "unread %s\n", f)
	}
	return out.String()
}

func state(s render.State) string {
	if s == "" {
		return "(none)"
	}
	return string(s)
}

func printGroup(out *bytes.Buffer, g *impact.Group) {
	ch := g.First()
	fmt.Fprintf(out, "%s: %s %s by %s", strings.Join(g.Clusters, ", "), ch.Kind, ch.ID, ch.Owner())
	if ch.Kind == impact.Moved {
		fmt.Fprintf(out, " from %s", ch.Before.Origin.Owner())
	}
	if ch.Replaces != nil {
		fmt.Fprintf(out, ", replaces %s", ch.Replaces.Name)
	}
	out.WriteByte('\n')
	if ch.Fate != "" || ch.Why != "" {
		fmt.Fprintf(out, "  %s: %s\n", ch.Fate, ch.Why)
	}
	for _, e := range ch.Edits {
		fmt.Fprintf(out, "  %s %s -> %s\n", e, value(e.From), value(e.To))
	}
}

func value(v any) string {
	if v == nil {
		return "()"
	}
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

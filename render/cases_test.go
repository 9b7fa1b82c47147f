package render

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// ownURL is the repository of the fleets in testdata/cases.
const ownURL = "https://git.example.com/acme/fleet.git"

// fleetCase is one file of testdata/cases: a fleet and what it renders to. Its
// number is that of flux-semantics' catalogue. A file NAME.sync is short for what
// flux bootstrap writes to clusters/NAME/flux-system/gotk-sync.yaml; it holds the
// fields of the Kustomization's spec that differ. Lines of the comment that begin
// with one of these words are directives:
//
//	show: KIND FIELD...        fields of objects of that kind, or of * for all, to print
//	var: CLUSTER NAME=VALUE    Options.Variables
//	cluster: NAME PATH...      Options.Clusters
//	source: URL @DIR           Options.Sources, with the files below @DIR
//	ref: REF @DIR              another ref of the repository, as refText prints it
//	branch: NAME               Repository.Branch
//	link: PATH TARGET          a symlink;  submodule: PATH;  crlf: PATH;  bom: PATH
//	no upstream: REASON        leaves out the comparison with the controller's own pipeline
//
// In a wanted line "…" stands for any text.
type fleetCase struct {
	archive *txtar.Archive
	blobs   map[string]tree.Blob            // of the repository
	others  map[string]map[string]tree.Blob // "@dir" -> files
	repo    Repository
	opts    Options
	show    map[string][]string
	want    string
	skip    string // reason for no comparison with upstream
}

// TestCases renders every fleet of testdata/cases. UPDATE=1 rewrites what is wanted.
func TestCases(t *testing.T) {
	for name, file := range caseFiles(t) {
		t.Run(name, func(t *testing.T) {
			c := readCase(t, file)
			got := c.render(t)
			diff := cmp.Diff(merge(c.want, got), got)
			switch {
			case diff == "":
			case os.Getenv("UPDATE") != "":
				c.update(t, file, got)
			default:
				t.Errorf("result (-want +got), UPDATE=1 rewrites it:\n%s", diff)
			}
		})
	}
}

// TestCasesLikeUpstream builds each Kustomization of testdata/cases once more with
// the controller's own pipeline, as TestLikeUpstreamOnCorpora does.
func TestCasesLikeUpstream(t *testing.T) {
	if raceDetector {
		t.Skip("left to the run without the race detector: make differential")
	}
	compared := 0
	for name, file := range caseFiles(t) {
		t.Run(name, func(t *testing.T) {
			c := readCase(t, file)
			if c.skip != "" {
				t.Skip(c.skip)
			}
			compared += c.compare(t)
		})
	}
	t.Logf("%d Kustomizations compared with upstream", compared)
}

// caseFiles are the files of testdata/cases by name.
func caseFiles(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "cases", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	cases := map[string]string{}
	for _, f := range files {
		cases[strings.TrimSuffix(filepath.Base(f), ".txtar")] = f
	}
	return cases
}

func readCase(t *testing.T, file string) *fleetCase {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c := &fleetCase{archive: archive, blobs: map[string]tree.Blob{}, others: map[string]map[string]tree.Blob{}, show: map[string][]string{}}
	c.opts.Variables = map[string]map[string]string{}
	for _, f := range archive.Files {
		name, into := f.Name, c.blobs
		if dir, rest, ok := strings.Cut(name, "/"); ok && strings.HasPrefix(dir, "@") {
			if c.others[dir] == nil {
				c.others[dir] = map[string]tree.Blob{}
			}
			name, into = rest, c.others[dir]
		}
		cluster, isSync := strings.CutSuffix(name, ".sync")
		switch {
		case name == "want":
			c.want = string(f.Data)
		case isSync:
			into["clusters/"+cluster+"/flux-system/gotk-sync.yaml"] = tree.Blob{Data: syncOf(t, cluster, f.Data)}
		default:
			into[name] = tree.Blob{Data: string(f.Data)}
		}
	}
	c.repo = Repository{URL: ownURL, Revision: "main@sha1:0"}
	refs := fakeRefs{}
	for line := range strings.Lines(string(archive.Comment)) {
		word, rest, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if ok {
			c.directive(t, refs, word, strings.TrimSpace(rest))
		}
	}
	c.repo.Tree = tree.FromBlobs(c.blobs)
	if len(refs) > 0 {
		c.repo.Refs = refs
	}
	return c
}

func (c *fleetCase) directive(t *testing.T, refs fakeRefs, word, rest string) {
	t.Helper()
	f := strings.Fields(rest)
	last := f[len(f)-1]
	switch word {
	case "show":
		c.show[f[0]] = f[1:]
	case "var":
		name, value, _ := strings.Cut(strings.TrimPrefix(rest, f[0]+" "), "=")
		if c.opts.Variables[f[0]] == nil {
			c.opts.Variables[f[0]] = map[string]string{}
		}
		c.opts.Variables[f[0]][name] = value
	case "cluster":
		c.opts.Clusters = append(c.opts.Clusters, Declared{Name: f[0], Paths: f[1:]})
	case "source":
		c.opts.Sources = append(c.opts.Sources, Repository{URL: f[0], Tree: c.other(t, last), Revision: "main@sha1:" + last[1:]})
	case "ref":
		refs[strings.TrimSuffix(rest, " "+last)] = c.other(t, last)
	case "branch":
		c.repo.Branch = rest
	case "link":
		c.blobs[f[0]] = tree.Blob{Mode: tree.Symlink, Data: last}
	case "submodule":
		c.blobs[rest] = tree.Blob{Mode: tree.Submodule}
	case "crlf":
		c.blobs[rest] = tree.Blob{Data: strings.ReplaceAll(c.blobs[rest].Data, "\n", "\r\n")}
	case "bom":
		c.blobs[rest] = tree.Blob{Data: "\ufeff" + c.blobs[rest].Data}
	case "no upstream":
		c.skip = rest
	}
}

func (c *fleetCase) other(t *testing.T, dir string) *tree.Tree {
	t.Helper()
	if c.others[dir] == nil {
		t.Fatalf("no files below %s", dir)
	}
	return tree.FromBlobs(c.others[dir])
}

// syncOf is a gotk-sync.yaml as flux bootstrap writes it, with some fields of the
// Kustomization's spec set otherwise.
func syncOf(t *testing.T, cluster string, fields []byte) string {
	t.Helper()
	spec := map[string]any{
		"interval": "10m0s", "path": "./clusters/" + cluster, "prune": true,
		"sourceRef": map[string]any{"kind": "GitRepository", "name": "flux-system"},
	}
	if err := yaml.Unmarshal(fields, &spec); err != nil {
		t.Fatal(err)
	}
	data, err := yaml.Marshal(map[string]any{
		"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
		"metadata": map[string]any{"name": "flux-system", "namespace": "flux-system"}, "spec": spec,
	})
	if err != nil {
		t.Fatal(err)
	}
	return "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata:\n  name: flux-system\n  namespace: flux-system\n" +
		"spec:\n  interval: 1m0s\n  ref:\n    branch: main\n  url: " + ownURL + "\n---\n" + string(data)
}

// fakeRefs has other refs of the repository, by what refText says of them.
type fakeRefs map[string]*tree.Tree

func (r fakeRefs) Resolve(_ context.Context, ref sourcev1.GitRepositoryRef) (*tree.Tree, string, error) {
	if t := r[refText(ref)]; t != nil {
		return t, refText(ref) + "@sha1:1", nil
	}
	return nil, "", fmt.Errorf("open %s: %w", refText(ref), ErrNoRef)
}

// render prints what is rendered, one fact a line.
func (c *fleetCase) render(t *testing.T) string {
	t.Helper()
	r, err := Fleet(t.Context(), c.repo, c.opts)
	var out bytes.Buffer
	if err != nil {
		fmt.Fprintf(&out, "error %v\n", err)
		return out.String()
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&out, "note %s: %s\n", n.Subject, n.Message)
	}
	for _, cluster := range r.Clusters {
		c.printCluster(t, &out, cluster)
	}
	return out.String()
}

func (c *fleetCase) printCluster(t *testing.T, out *bytes.Buffer, cluster *Cluster) {
	t.Helper()
	fmt.Fprintf(out, "cluster %s\n", cluster.Name)
	if profile := plain1(t, cluster.Profile); profile != "{}" {
		fmt.Fprintf(out, "  profile %s\n", profile)
	}
	for _, a := range cluster.Appliers {
		fmt.Fprintf(out, "  %s %s", a.Applier, a.State)
		if a.Pinned {
			out.WriteString(" pinned")
		}
		if a.Refused {
			out.WriteString(" refused")
		}
		if a.Home != a.Target {
			fmt.Fprintf(out, " of %s", a.Home)
		}
		fmt.Fprintln(out)
		for _, o := range a.Held {
			fmt.Fprintf(out, "    held %s\n", o.ID)
		}
	}
	for o := range cluster.Objects.All() {
		if o.ID.Name == "flux-system" && strings.HasSuffix(o.ID.Group, ".toolkit.fluxcd.io") {
			continue // the sync itself
		}
		fmt.Fprintf(out, "  object %s\n", o.ID)
		for _, field := range append(slices.Clone(c.show["*"]), c.show[o.ID.Kind]...) {
			if v := at(withoutOwner(o), strings.Split(field, ".")...); v != nil {
				fmt.Fprintf(out, "    %s %s\n", field, plain1(t, v))
			}
		}
	}
	for _, conflict := range cluster.Conflicts {
		fmt.Fprintf(out, "  conflict %s of %v\n", conflict.ID, conflict.Owners)
	}
	for _, f := range cluster.Failures {
		fmt.Fprintf(out, "  failure %s %s in %q: %s\n", f.Applier.Name, f.Stage, f.File, f.Message)
	}
	for _, u := range cluster.Unresolved {
		fmt.Fprintf(out, "  unresolved %s %s %s\n", u.Applier.Name, u.Kind, u.Subject)
	}
	for _, n := range cluster.Notes {
		fmt.Fprintf(out, "  note %s: %s\n", n.Subject, n.Message)
	}
}

// withoutOwner is the content of o without the labels that every object has.
func withoutOwner(o *object.Object) map[string]any {
	content := maps.Clone(o.Body().Map())
	meta, _ := content["metadata"].(map[string]any)
	labels, _ := meta["labels"].(map[string]any)
	meta, labels = maps.Clone(meta), maps.Clone(labels)
	maps.DeleteFunc(labels, func(k string, _ any) bool { return strings.HasPrefix(k, "kustomize.toolkit.fluxcd.io/name") })
	if meta["labels"] = labels; len(labels) == 0 {
		delete(meta, "labels")
	}
	content["metadata"] = meta
	return content
}

func plain1(t *testing.T, v any) string {
	t.Helper()
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out.String())
}

// merge puts the lines of got in the place of those of want that they match.
func merge(want, got string) string {
	left, right := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range left {
		if i < len(right) && matches(left[i], right[i]) {
			left[i] = right[i]
		}
	}
	return strings.Join(left, "\n")
}

func matches(want, got string) bool {
	parts := strings.Split(want, "…")
	for i, p := range parts {
		at := strings.Index(got, p)
		if at < 0 || i == 0 && at > 0 {
			return false
		}
		got = got[at+len(p):]
	}
	return got == "" || parts[len(parts)-1] == "" && len(parts) > 1
}

// update writes got into the file, with long lines cut and good ones kept.
func (c *fleetCase) update(t *testing.T, file, got string) {
	t.Helper()
	const most = 170
	old := strings.Split(c.want, "\n")
	lines := strings.Split(got, "\n")
	for i, line := range lines {
		if k := slices.IndexFunc(old, func(w string) bool { return matches(w, line) }); k >= 0 {
			lines[i] = old[k]
		} else if len(line) > most && strings.HasPrefix(line, "  failure ") {
			lines[i] = strings.ToValidUTF8(line[:most], "") + "…"
		}
	}
	c.archive.Files = slices.DeleteFunc(c.archive.Files, func(f txtar.File) bool { return f.Name == "want" })
	c.archive.Files = append(c.archive.Files, txtar.File{Name: "want", Data: []byte(strings.Join(lines, "\n"))})
	if err := os.WriteFile(file, txtar.Format(c.archive), 0o600); err != nil {
		t.Fatal(err)
	}
}

// compare builds every Kustomization with the controller's own pipeline, those that
// are alike once, and says how many those were.
func (c *fleetCase) compare(t *testing.T) int {
	t.Helper()
	e, evals := settledRepo(t, c.repo, c.opts)
	defer preloadSchema() // upstream leaves no schema behind
	now := index{}
	for _, key := range sortedKeys(evals) {
		for _, o := range evals[key].applied() {
			now.add(o.Origin.Cluster, o)
		}
	}
	d, done := disks{}, map[string]bool{}
	for _, key := range sortedKeys(evals) {
		ev := evals[key]
		if ev.ks == nil {
			continue
		}
		alike := plain1(t, []any{fmt.Sprintf("%p", ev.applier.build), ev.ks.Spec.PostBuild, ev.ks.Spec.CommonMetadata, ev.applier.Namespace, ev.ks.Spec.Decryption})
		if !done[alike] && compareWithUpstream(t, e, ev, now[key.home], d) {
			done[alike] = true
		}
	}
	return len(done)
}

// TestCaseNumbers: every case of the catalogue's parts on files, build and
// substitution has a file.
func TestCaseNumbers(t *testing.T) {
	have := map[string]bool{}
	for name := range caseFiles(t) {
		for n := range strings.SplitSeq(name, "-") {
			have[n] = true
		}
	}
	for n := 1; n <= 67; n++ {
		if !have[fmt.Sprintf("%02d", n)] {
			t.Errorf("no file for case %02d", n)
		}
	}
}

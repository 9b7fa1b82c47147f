package render

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/internal/fleetcase"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// ownURL is the repository of the fleets in testdata/cases.
const ownURL = fleetcase.URL

// fleetCase is one file of testdata/cases, see [fleetcase.Parse]: a fleet and what
// it renders to. Its number is that of flux-semantics' catalogue. Two directives
// are for these tests alone:
//
//	show: KIND FIELD...        fields of objects of that kind, or of * for all, to print
//	no upstream: REASON        leaves out the comparison with the controller's own pipeline
//
// In a wanted line "…" stands for any text.
type fleetCase struct {
	*fleetcase.Case
	repo Repository
	opts Options
	show map[string][]string
}

// TestCases renders every fleet of testdata/cases. UPDATE=1 rewrites what is wanted.
func TestCases(t *testing.T) {
	for _, c := range allCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			got := c.render(t)
			diff := cmp.Diff(merge(c.Want, got), got)
			switch {
			case diff == "":
			case os.Getenv("UPDATE") != "":
				c.update(t, got)
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
	for _, c := range allCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			if reason := c.Directives["no upstream"]; reason != nil {
				t.Skip(reason)
			}
			compared += c.compare(t)
		})
	}
	t.Logf("%d Kustomizations compared with upstream", compared)
}

// allCases are the files of testdata/cases.
func allCases(tb testing.TB) []*fleetCase {
	tb.Helper()
	all, err := fleetcase.All(filepath.Join("testdata", "cases"))
	if err != nil {
		tb.Fatal(err)
	}
	cases := make([]*fleetCase, len(all))
	for i, c := range all {
		cases[i] = prepare(tb, c)
	}
	return cases
}

// prepare makes of a case what [Fleet] takes.
func prepare(tb testing.TB, c *fleetcase.Case) *fleetCase {
	tb.Helper()
	if c.Two {
		tb.Fatalf("%s has two revisions, which is for impact/testdata/cases", c.File)
	}
	other := func(dir string) *tree.Tree { return tree.FromBlobs(c.Others[dir]) }
	p := &fleetCase{Case: c, show: map[string][]string{}}
	p.repo = Repository{URL: fleetcase.URL, Tree: tree.FromBlobs(c.Before), Branch: c.Branch, Revision: "main@sha1:0"}
	if len(c.Refs) > 0 {
		refs := fakeRefs{}
		for _, r := range c.Refs {
			refs[r.Ref] = other(r.Dir)
		}
		p.repo.Refs = refs
	}
	p.opts.Variables = c.Variables
	for _, s := range c.Sources {
		p.opts.Sources = append(p.opts.Sources, Repository{URL: s.URL, Tree: other(s.Dir), Revision: "main@sha1:" + s.Dir[1:]})
	}
	for _, d := range c.Clusters {
		p.opts.Clusters = append(p.opts.Clusters, Declared{Name: d.Name, Paths: d.Paths})
	}
	if c.Serves() {
		served, err := c.Served(0)
		if err != nil {
			tb.Fatal(err)
		}
		p.opts.Fetch = servedCase{served}
	}
	for _, line := range c.Directives["show"] {
		f := strings.Fields(line)
		p.show[f[0]] = f[1:]
	}
	return p
}

// servedCase is a [Fetch] of what a case serves in one revision.
type servedCase struct{ *fleetcase.Served }

func (s servedCase) OCI(ctx context.Context, r *sourcev1.OCIRepository) (*Fetched, error) {
	return told(s.Served.OCI(ctx, r))
}

func (s servedCase) Chart(ctx context.Context, r *sourcev1.HelmRepository, name, version string) (*Fetched, error) {
	return told(s.Served.Chart(ctx, r, name, version))
}

func (s servedCase) Bucket(ctx context.Context, b *sourcev1.Bucket) (*Fetched, error) {
	return told(s.Served.Bucket(ctx, b))
}

func (servedCase) Git(_ context.Context, g *sourcev1.GitRepository) (*Fetched, error) {
	return told(nil, fmt.Errorf("%w: %s", fleetcase.ErrUnknown, g.Spec.URL))
}

func told(a *fleetcase.Answer, err error) (*Fetched, error) {
	if err != nil {
		return nil, &FetchError{Reason: err.Error(), Invalid: errors.Is(err, fleetcase.ErrMissing)}
	}
	return &Fetched{Revision: a.Revision, Tree: a.Tree, Data: a.Data}, nil
}

// syncOf is [fleetcase.Sync].
func syncOf(t *testing.T, cluster string, fields []byte) string {
	t.Helper()
	sync, err := fleetcase.Sync(cluster, fields)
	if err != nil {
		t.Fatal(err)
	}
	return sync
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
func (c *fleetCase) update(t *testing.T, got string) {
	t.Helper()
	const most = 170
	old := strings.Split(c.Want, "\n")
	lines := strings.Split(got, "\n")
	for i, line := range lines {
		if k := slices.IndexFunc(old, func(w string) bool { return matches(w, line) }); k >= 0 {
			lines[i] = old[k]
		} else if len(line) > most && strings.HasPrefix(line, "  failure ") {
			lines[i] = strings.ToValidUTF8(line[:most], "") + "…"
		}
	}
	if err := c.Rewrite(strings.Join(lines, "\n")); err != nil {
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
		if !done[alike] && compareWithUpstream(t, e, ev, now.on(key.home), d) {
			done[alike] = true
		}
	}
	return len(done)
}

// TestCaseNumbers: every case of the catalogue's parts on files, build and
// substitution has a file.
func TestCaseNumbers(t *testing.T) {
	have := map[string]bool{}
	for _, c := range allCases(t) {
		for n := range strings.SplitSeq(c.Name, "-") {
			have[n] = true
		}
	}
	for n := 1; n <= 67; n++ {
		if !have[fmt.Sprintf("%02d", n)] {
			t.Errorf("no file for case %02d", n)
		}
	}
}

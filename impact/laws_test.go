package impact_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/internal/fleetgen"
	"github.com/bulkhead-dev/bulkhead/internal/fleetstory"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// tester is what testing.T and rapid.T share.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
}

// checkLaws checks what Between promises about any two renders.
func checkLaws(t tester, before, after *render.Result, opts impact.Options) {
	t.Helper()
	there, back := impact.Between(before, after, opts), impact.Between(after, before, opts)
	if diff := cmp.Diff(printReport(there), printReport(impact.Between(before, after, opts))); diff != "" {
		t.Errorf("Between twice differs:\n%s", diff)
	}
	for _, r := range []*render.Result{before, after} {
		if self := impact.Between(r, r, impact.Options{}); !quiet(self) {
			t.Errorf("Between(a, a) is not empty:\n%s", printReport(self))
		}
	}
	// An entry point that prunes itself leaves nothing, which no way back undoes.
	if diff := cmp.Diff(plain(there, false), plain(back, true)); !prunesItself(there) && !prunesItself(back) && diff != "" {
		t.Errorf("Between(b, a) is no mirror (-there +back):\n%s", diff)
	}
	for _, r := range []*impact.Report{there, back} {
		checkCounts(t, r)
		checkGroups(t, r)
	}
	checkPatches(t, there)
}

func prunesItself(r *impact.Report) bool {
	return slices.ContainsFunc(r.Clusters, func(c *impact.Cluster) bool {
		return slices.ContainsFunc(c.Notes, func(n string) bool { return strings.HasSuffix(n, "deletes everything that it applied") })
	})
}

// quiet reports whether a report tells of no change at all.
func quiet(r *impact.Report) bool {
	for _, c := range r.Clusters {
		if len(c.Changes)+len(c.Withheld)+len(c.Unknown)+len(c.Notes) > 0 || c.Appeared || c.Gone || c.Counts.Total() > 0 {
			return false
		}
	}
	return len(r.Groups)+len(r.Waits)+len(r.Unread) == 0
}

// checkCounts compares the numbers of each cluster with what they count.
func checkCounts(t tester, r *impact.Report) {
	t.Helper()
	for _, c := range r.Clusters {
		got := impact.Counts{Failures: len(c.Failures), Unresolved: len(c.Unresolved)}
		seen := map[object.ID]bool{}
		for _, ch := range c.Changes {
			if seen[ch.ID] {
				t.Errorf("%s: two changes of %s", c.Name, ch.ID)
			}
			seen[ch.ID] = true
			switch ch.Kind {
			case impact.Added:
				got.Added++
			case impact.Removed:
				got.Removed++
			case impact.Changed:
				got.Changed++
			case impact.Moved:
				got.Moved++
			}
			checkChange(t, ch)
		}
		if got != c.Counts || got.Total() != len(c.Changes) {
			t.Errorf("%s: counts are %+v, the changes say %+v", c.Name, c.Counts, got)
		}
	}
}

// checkChange checks that a change has what its kind promises.
func checkChange(t tester, ch *impact.Change) {
	t.Helper()
	if (ch.Before == nil) != (ch.Kind == impact.Added) || (ch.After == nil) != (ch.Kind == impact.Removed) {
		t.Errorf("%s %s on %s: before %v, after %v", ch.Kind, ch.ID, ch.Cluster, ch.Before, ch.After)
	}
	if len(ch.Edits) == 0 && ch.Kind == impact.Changed && ch.Recreated == "" || len(ch.Edits) > 0 && (ch.Kind == impact.Added || ch.Kind == impact.Removed) {
		t.Errorf("%s %s on %s has %d edits", ch.Kind, ch.ID, ch.Cluster, len(ch.Edits))
	}
	if fated := ch.Kind == impact.Removed; fated && (ch.Fate == "" || ch.Why == "") || (ch.Kind == impact.Added || ch.Kind == impact.Changed) && ch.Fate != "" {
		t.Errorf("%s %s on %s has fate %q because %q", ch.Kind, ch.ID, ch.Cluster, ch.Fate, ch.Why)
	}
}

// checkGroups checks that every change is in exactly one group, and that those of
// a group are the same.
func checkGroups(t tester, r *impact.Report) {
	t.Helper()
	left := map[*impact.Change]bool{}
	for _, c := range r.Clusters {
		for _, ch := range c.Changes {
			left[ch] = true
		}
	}
	for _, g := range r.Groups {
		if len(g.Clusters) != len(g.Changes) || !slices.IsSorted(g.Clusters) {
			t.Errorf("group of %s: clusters %v, %d changes", g.First().ID, g.Clusters, len(g.Changes))
		}
		first := g.First()
		for i, ch := range g.Changes {
			if !left[ch] || ch.Cluster != g.Clusters[i] {
				t.Errorf("change of %s on %s: in two groups, in no cluster, or in the wrong place", ch.ID, ch.Cluster)
			}
			delete(left, ch)
			if ch.Kind != first.Kind || ch.ID != first.ID || ch.Owner() != first.Owner() || ch.Fate != first.Fate || !slices.Equal(edits(ch.Edits, false), edits(first.Edits, false)) {
				t.Errorf("group of %s: the change on %s differs from that on %s", ch.ID, ch.Cluster, first.Cluster)
			}
			if ch.Kind == impact.Added && ch.After.Body().Hash() != first.After.Body().Hash() {
				t.Errorf("group of %s: added differently on %s and %s", ch.ID, ch.Cluster, first.Cluster)
			}
		}
	}
	for ch := range left {
		t.Errorf("change of %s on %s is in no group", ch.ID, ch.Cluster)
	}
}

// checkPatches checks that the edits of a change lead from before to after.
func checkPatches(t tester, r *impact.Report) {
	t.Helper()
	for _, g := range r.Groups {
		if g.First().Kind != impact.Changed {
			continue
		}
		for _, ch := range g.Changes {
			got, err := object.Patch(ch.Before.Body(), ch.Edits)
			if err != nil {
				t.Errorf("patch %s on %s: %v", ch.ID, ch.Cluster, err)
				continue
			}
			if rest := object.Diff(got, ch.After.Body(), object.DiffOptions{IgnoreOrder: true}); len(rest) > 0 {
				t.Errorf("patch %s on %s leaves %v", ch.ID, ch.Cluster, rest)
			}
		}
	}
}

// plain is a report without what has no mirror image: fates, owners of one side,
// reasons, what was found after the change. Mirrored it says the opposite.
func plain(r *impact.Report, mirrored bool) []string {
	var out []string
	flip := func(k impact.Kind) impact.Kind {
		switch {
		case mirrored && k == impact.Added:
			return impact.Removed
		case mirrored && k == impact.Removed:
			return impact.Added
		}
		return k
	}
	for _, c := range r.Clusters {
		here := func(format string, args ...any) { out = append(out, c.Name+" "+fmt.Sprintf(format, args...)) }
		appeared, gone := c.Appeared, c.Gone
		if mirrored {
			appeared, gone = gone, appeared
		}
		here("appeared %t gone %t", appeared, gone)
		for _, ch := range c.Changes {
			replaces := ""
			if ch.Replaces != nil {
				replaces = ch.Replaces.String()
			}
			here("%s %s %s %s", flip(ch.Kind), ch.ID, replaces, strings.Join(edits(ch.Edits, mirrored), ", "))
		}
		for _, w := range c.Withheld {
			before, after := w.Before, w.After
			if mirrored {
				before, after = after, before
			}
			here("withheld %s %s %s %d %s", w.Applier, before, after, w.Objects, w.Under)
		}
		for _, u := range c.Unknown {
			here("unknown %s %v", flip(u.Kind), u.Unresolved)
		}
	}
	for _, w := range r.Waits {
		out = append(out, fmt.Sprintf("wait %v", w))
	}
	slices.Sort(out)
	return append(out, r.Unread...)
}

// edits are sorted texts without positions in lists, which depend on the side.
func edits(list []object.Edit, mirrored bool) []string {
	out := make([]string, len(list))
	for i, e := range list {
		if mirrored {
			e.From, e.To = e.To, e.From
			switch e.Op {
			case object.Add:
				e.Op = object.Remove
			case object.Remove:
				e.Op = object.Add
			case object.Replace, object.Reorder:
			}
		}
		p := slices.Clone(e.Path)
		for k := range p {
			if p[k].Kind == object.Index {
				p[k].Index = 0
			}
		}
		out[i] = e.Op.String() + " " + p.String() + " " + value(e.From) + " " + value(e.To)
	}
	slices.Sort(out)
	return out
}

// TestLaws checks the laws on random fleets and random commits to them.
func TestLaws(t *testing.T) {
	demo := fleetgen.Demo()
	generated := fleetgen.Generate(fleetgen.Options{Clusters: 3, Tenants: 2})
	caches := map[string]*render.Cache{"demo": {}, "generated": {}}
	var kinds [8]int
	ran := 0
	rapid.Check(t, func(rt *rapid.T) {
		if ran++; raceDetector && ran > 30 {
			return // the race detector makes each take half a second
		}
		name := rapid.SampledFrom([]string{"demo", "generated"}).Draw(rt, "fleet")
		files := generated
		if name == "demo" {
			files = demo.Before
		}
		files = mutate(rt, files, rapid.IntRange(0, 2).Draw(rt, "mutations before"))
		after := mutate(rt, files, rapid.IntRange(1, 4).Draw(rt, "mutations"))
		draw := func(files map[string]string, before *render.Result) *render.Result {
			r, err := render.Fleet(t.Context(), render.Repository{URL: ownURL, Tree: tree.FromMap(files)},
				render.Options{Cache: caches[name], Before: before})
			if err != nil {
				rt.Skip(err) // no cluster is left
			}
			return r
		}
		a := draw(files, nil)
		b := draw(after, a)
		checkLaws(rt, a, b, impact.Options{Files: fleetstory.Differing(files, after)})
		for i, happened := range outcomes(impact.Between(a, b, impact.Options{})) {
			if happened {
				kinds[i]++
			}
		}
	})
	t.Logf("cases with added, removed, changed, moved, withheld, unknown, appeared or gone, nothing: %v", kinds)
}

func outcomes(r *impact.Report) [8]bool {
	out := [8]bool{7: quiet(r)}
	for _, c := range r.Clusters {
		for i, on := range []bool{
			c.Counts.Added > 0, c.Counts.Removed > 0, c.Counts.Changed > 0, c.Counts.Moved > 0,
			len(c.Withheld) > 0, len(c.Unknown) > 0, c.Appeared || c.Gone,
		} {
			out[i] = out[i] || on
		}
	}
	return out
}

// TestNil checks that no fleet at all is a fleet without clusters.
func TestNil(t *testing.T) {
	r := fleet(t, render.Repository{URL: ownURL}, fleetgen.Generate(fleetgen.Options{Clusters: 2, Tenants: 1}), render.Options{})
	checkLaws(t, nil, nil, impact.Options{})
	checkLaws(t, nil, r, impact.Options{})
	if c := impact.Between(nil, r, impact.Options{}).Clusters[0]; !c.Appeared || c.Counts.Added != r.Clusters[0].Objects.Len() {
		t.Errorf("a cluster that is new has counts %+v, appeared %t; it has %d objects", c.Counts, c.Appeared, r.Clusters[0].Objects.Len())
	}
}

// TestOrder checks that the result does not depend on how the work was spread.
func TestOrder(t *testing.T) {
	story := fleetgen.Demo()
	var first string
	for i := range 4 {
		opts := render.Options{Parallel: 1 + i}
		a := fleet(t, render.Repository{URL: ownURL}, story.Before, opts)
		b := fleet(t, render.Repository{URL: ownURL}, story.After, opts)
		text := printReport(impact.Between(a, b, impact.Options{Files: []string{story.File}}))
		if i == 0 {
			first = text
		} else if diff := cmp.Diff(first, text); diff != "" {
			t.Errorf("with %d builds at once:\n%s", 1+i, diff)
		}
	}
}

// mutate makes random commits to a fleet, as people do them, typos included.
func mutate(t *rapid.T, files map[string]string, n int) map[string]string {
	files = maps.Clone(files)
	for range n {
		names := slices.Sorted(maps.Keys(files))
		name := rapid.SampledFrom(names).Draw(t, "file")
		edit := rapid.SampledFrom(mutations).Draw(t, "mutation")
		edit.make(t, files, name)
	}
	return files
}

// mutation changes a fleet at one of its files.
type mutation struct {
	name string
	make func(t *rapid.T, files map[string]string, name string)
}

func (m mutation) String() string { return m.name }

var mutations = []mutation{
	{"set a value", func(t *rapid.T, files map[string]string, name string) {
		with := rapid.SampledFrom([]string{"other", "7", "true", "${region}", "${nobody_knows}", "\"\""}).Draw(t, "value")
		onLine(t, files, name, ": ", func(line string) string { return line[:strings.Index(line, ": ")+2] + with })
	}},
	{"drop a line", func(t *rapid.T, files map[string]string, name string) {
		onLine(t, files, name, "- ", func(string) string { return "" })
	}},
	{"drop a file", func(_ *rapid.T, files map[string]string, name string) { delete(files, name) }},
	{"add an object", func(t *rapid.T, files map[string]string, name string) {
		dir := name[:strings.LastIndex(name, "/")+1]
		object := rapid.SampledFrom([]string{"one", "two"}).Draw(t, "object")
		files[dir+"added-"+object+".yaml"] = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: added-" + object + "\n  namespace: x\n"
		if list, ok := files[dir+"kustomization.yaml"]; ok {
			files[dir+"kustomization.yaml"] = strings.Replace(list, "resources:\n", "resources:\n- added-"+object+".yaml\n", 1)
		}
	}},
	{"flip prune", replaceOne("prune: true", "prune: false")},
	{"suspend", replaceOne("prune: true", "prune: true\n  suspend: true")},
	{"orphan", replaceOne("prune: true", "prune: true\n  deletionPolicy: Orphan")},
	{"write elsewhere", replaceOne("prune: true", "prune: true\n  kubeConfig:\n    secretRef:\n      name: spoke-kubeconfig")},
	{"depend on itself", replaceOne("prune: true", "prune: true\n  dependsOn:\n  - name: t000")},
	{"rename a Kustomization", replaceOne("\n  namespace: flux-system\nspec:", "-renamed\n  namespace: flux-system\nspec:")},
	{"another path", replaceOne("path: ./apps/overlays/staging/t000", "path: ./apps/overlays/staging/t001")},
	{"another source", replaceOne("kind: GitRepository\n    name: flux-system", "kind: OCIRepository\n    name: flux-system")},
	{"a remote base", replaceOne("resources:\n", "resources:\n- https://github.com/acme/base//deploy?ref=v1\n")},
	{"a generator", replaceOne("resources:\n", "configMapGenerator:\n- name: made\n  literals: [a=1]\nresources:\n")},
	{"drop a cluster", func(t *rapid.T, files map[string]string, _ string) {
		dir := rapid.SampledFrom(clusterDirs(files)).Draw(t, "cluster")
		maps.DeleteFunc(files, func(name, _ string) bool { return strings.HasPrefix(name, dir) })
	}},
	{"copy a cluster", func(t *rapid.T, files map[string]string, _ string) {
		dir := rapid.SampledFrom(clusterDirs(files)).Draw(t, "cluster")
		for name, data := range maps.Clone(files) {
			if rest, ok := strings.CutPrefix(name, dir); ok {
				files["clusters/copy/"+rest] = strings.ReplaceAll(data, "./"+dir[:len(dir)-1], "./clusters/copy")
			}
		}
	}},
	{"move a file", func(t *rapid.T, files map[string]string, name string) {
		to := rapid.SampledFrom(slices.Sorted(maps.Keys(files))).Draw(t, "to")
		to = to[:strings.LastIndex(to, "/")+1] + name[strings.LastIndex(name, "/")+1:]
		if _, taken := files[to]; !taken {
			files[to] = files[name]
			delete(files, name)
		}
	}},
	{"break the YAML", func(_ *rapid.T, files map[string]string, name string) { files[name] += "\n{a: [\n" }},
}

// clusterDirs are the folders of clusters, with a slash.
func clusterDirs(files map[string]string) []string {
	dirs := []string{"clusters/none/"}
	for name := range files {
		if dir, ok := strings.CutSuffix(name, "flux-system/gotk-sync.yaml"); ok {
			dirs = append(dirs, dir)
		}
	}
	slices.Sort(dirs)
	return dirs
}

// replaceOne replaces text once, in the first file at or after name that has it.
func replaceOne(old, with string) func(*rapid.T, map[string]string, string) {
	return func(_ *rapid.T, files map[string]string, name string) {
		names := slices.Sorted(maps.Keys(files))
		at := slices.Index(names, name)
		for _, n := range append(slices.Clone(names[at:]), names[:at]...) {
			if strings.Contains(files[n], old) {
				files[n] = strings.Replace(files[n], old, with, 1)
				return
			}
		}
	}
}

// onLine changes one of the lines that hold text; "" drops the line.
func onLine(t *rapid.T, files map[string]string, name, text string, change func(string) string) {
	lines := strings.Split(files[name], "\n")
	var at []int
	for i, line := range lines {
		if strings.Contains(line, text) {
			at = append(at, i)
		}
	}
	if len(at) == 0 {
		return
	}
	i := rapid.SampledFrom(at).Draw(t, "line")
	if line := change(lines[i]); line != "" {
		lines[i] = line
	} else {
		lines = slices.Delete(lines, i, i+1)
	}
	files[name] = strings.Join(lines, "\n")
}

//go:build e2e && linux

package e2e

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// page is what the suite writes its table into, between two marks.
var page = filepath.FromSlash("../../docs/explain/fidelity.md")

// record collects the verdicts of a run.
type record struct {
	mu       sync.Mutex
	verdicts map[string]map[string]*verdict // by story and cluster
	outside  map[string]map[string]string   // clusters of public fleets that need something from outside
	stories  int                            // that there are
	played   map[string]bool                // of those
}

// seen is filled by the tests and read at the end of the run.
var seen = &record{verdicts: map[string]map[string]*verdict{}, outside: map[string]map[string]string{}}

func (r *record) add(story, cluster string, v *verdict) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.verdicts[story] == nil {
		r.verdicts[story] = map[string]*verdict{}
	}
	r.verdicts[story][cluster] = v
}

func (r *record) skip(story, cluster, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.outside[story] == nil {
		r.outside[story] = map[string]string{}
	}
	r.outside[story][cluster] = why
}

// play notes that a story is played, all its clusters or some.
func (r *record) play(story string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.played == nil {
		r.played = map[string]bool{}
	}
	r.played[story] = true
}

// table is one line for each story whose name begins with prefix.
func (r *record) table(prefix string) string {
	var b strings.Builder
	b.WriteString("| case | clusters | appliers | objects | failures | changes | not known | state |\n|---|--:|--:|--:|--:|--:|--:|---|\n")
	var sum verdict
	clusters, stories := 0, 0
	for _, name := range slices.Sorted(maps.Keys(r.verdicts)) {
		short, ok := strings.CutPrefix(name, prefix)
		if !ok {
			continue
		}
		var v verdict
		for _, cluster := range slices.Sorted(maps.Keys(r.verdicts[name])) {
			v.join(r.verdicts[name][cluster])
		}
		clusters += len(r.verdicts[name])
		stories++
		sum.join(&v)
		fmt.Fprintf(&b, "| %s | %d | %s |\n", short, len(r.verdicts[name]), v.cells())
	}
	fmt.Fprintf(&b, "| **%d** | **%d** | %s |\n", stories, clusters, sum.cells())
	return b.String()
}

func (v *verdict) join(o *verdict) {
	v.appliers += o.appliers
	v.objects += o.objects
	v.failures += o.failures
	v.changes += o.changes
	v.unresolved = append(v.unresolved, o.unresolved...)
	v.differences = append(v.differences, o.differences...)
}

func (v *verdict) cells() string {
	state := "equal"
	switch {
	case len(v.differences) > 0:
		state = "**differs**"
	case v.appliers+v.objects+v.failures+v.changes == 0:
		state = "not known"
	}
	return fmt.Sprintf("%d | %d | %d | %d | %d | %s", v.appliers, v.objects, v.failures, v.changes, len(v.unresolved), state)
}

// reasons lists what is not known, once each, with the stories that it is in.
func (r *record) reasons(prefix string) string {
	stories := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(r.verdicts)) {
		short, ok := strings.CutPrefix(name, prefix)
		if !ok {
			continue
		}
		for _, v := range r.verdicts[name] {
			for _, u := range v.unresolved {
				_, why, _ := strings.Cut(u, ": ")
				if !slices.Contains(stories[why], short) {
					stories[why] = append(stories[why], short)
				}
			}
		}
	}
	var b strings.Builder
	for _, why := range slices.SortedFunc(maps.Keys(stories), func(a, b string) int {
		return cmp.Or(len(stories[b])-len(stories[a]), strings.Compare(a, b))
	}) {
		names := stories[why]
		slices.Sort(names)
		fmt.Fprintf(&b, "- %s (%s)\n", strings.TrimSpace(strings.ReplaceAll(why, "\n", " ")), strings.Join(names, ", "))
	}
	return b.String()
}

// close holds the table in the documentation against this run, if it was a whole one, or
// with UPDATE=1 rewrites it.
func (r *record) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	charts := 0
	for name := range r.played {
		if strings.HasPrefix(name, "charts/") {
			charts++
		}
	}
	whole := r.stories > 0 && len(r.played)-charts == r.stories
	corpora := 0
	for name := range r.verdicts {
		if strings.HasPrefix(name, "corpora/") {
			corpora++
		}
	}
	data, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	text := string(data)
	var all strings.Builder
	for _, group := range [][2]string{{"render/", "`render/testdata/cases`"}, {"impact/", "`impact/testdata/cases`, two revisions each"}, {"e2e/", "`test/e2e/testdata`"}} {
		fmt.Fprintf(&all, "### %s\n\n%s\n", group[1], r.table(group[0]))
		if reasons := r.reasons(group[0]); reasons != "" {
			fmt.Fprintf(&all, "What is not known:\n\n%s\n", reasons)
		}
		if left := r.left(group[0]); left != "" {
			fmt.Fprintf(&all, "Not played:\n\n%s\n", left)
		}
	}
	want := replace(text, "cases", all.String())
	if os.Getenv("UPDATE") != "" {
		if !whole {
			want = text // a part of the suite says nothing of the rest
		}
		if corpora > 0 && whole && !testing.Short() {
			want = replace(want, "corpora", r.public("corpora/", "Clusters that need something from outside, with the first thing that they lack"))
		}
		if charts == len(publicCharts()) {
			want = replace(want, "charts", r.public("charts/", "Charts that depend on one that is not at hand"))
		}
		return os.WriteFile(page, []byte(want), 0o644)
	}
	said := states(text)
	if saw := states(want); whole && !maps.Equal(saw, said) {
		return fmt.Errorf("%s does not say what this run saw; UPDATE=1 rewrites it", filepath.Clean(page))
	} else if !whole && testing.Short() && !given("test.run") {
		for name, state := range saw {
			if said[name] != state {
				return fmt.Errorf("%s says %q of %s, and this run saw %q; a whole run with UPDATE=1 rewrites it", filepath.Clean(page), said[name], name, state)
			}
		}
	}
	return nil
}

// states are the last columns of the tables of cases: numbers may differ from run to run
// where the order of events is open.
func states(text string) map[string]string {
	_, text, _ = strings.Cut(text, "<!-- cases -->")
	text, _, _ = strings.Cut(text, "<!-- /cases -->")
	found := map[string]string{}
	for line := range strings.Lines(text) {
		if cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|"); len(cells) == 8 && !strings.Contains(line, "**") {
			found[strings.TrimSpace(cells[0])] = strings.TrimSpace(cells[7])
		}
	}
	return found
}

// public is the table of public fleets or charts, and the list of those left out.
func (r *record) public(prefix, lacking string) string {
	var b strings.Builder
	b.WriteString(r.table(prefix))
	if left := r.left(prefix); left != "" {
		fmt.Fprintf(&b, "\n%s:\n\n%s", lacking, left)
	}
	return b.String()
}

// left lists what was not played, and why.
func (r *record) left(prefix string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(r.outside)) {
		short, ok := strings.CutPrefix(name, prefix)
		for _, cluster := range slices.Sorted(maps.Keys(r.outside[name])) {
			if what := strings.TrimSuffix(short+", "+cluster, ", "); ok {
				fmt.Fprintf(&b, "- %s: %s\n", what, r.outside[name][cluster])
			}
		}
	}
	return b.String()
}

// replace puts text between the marks of that name.
func replace(in, name, text string) string {
	begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->"
	before, rest, ok := strings.Cut(in, begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return in + "\n" + begin + text + end + "\n"
	}
	return before + begin + "\n" + text + "\n" + end + after
}

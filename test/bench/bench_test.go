package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/internal/fleetgen"
)

// TestReal measures the real program, and upstream, on the smallest fleet: what the
// checks and the patterns expect is what they print.
func TestReal(t *testing.T) {
	program := filepath.Join(t.TempDir(), "bulkhead")
	build := exec.Command("go", "build", "-o", program, "./cmd/bulkhead")
	build.Dir = "../.." // a module of its own
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var stdout, stderr bytes.Buffer
	err := run(t.Context(), []string{"-sizes", "S", "-runs", "1", "-upstream", "3", "-o", "json", "-bulkhead", program, "-tools", t.TempDir()}, &stdout, &stderr)
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	var r report
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	f := r.Fleets[0]
	if want := 1 + 7; len(f.Results) != want || f.Builds != 18 || f.Releases != 3 {
		t.Errorf("%s: %d results, want %d", f, len(f.Results), want)
	}
	for _, result := range f.Results {
		for state, c := range map[string]*cost{"cold": result.Cold, "warm": result.Warm} {
			if c == nil && state == "warm" {
				continue // this bulkhead has no store
			}
			if c.CPU <= 0 || c.Wall <= 0 || c.PeakBytes <= 0 || c.Runs != 1 {
				t.Errorf("%s, %s: %+v", result.Job, state, c)
			}
			if c.Asked < f.Builds || c.Run < 0 || c.Run > c.Asked {
				t.Errorf("%s, %s: %d of %d builds: are those words of --stats still?", result.Job, state, c.Run, c.Asked)
			}
		}
	}
	if len(f.Peers) != 2 {
		t.Fatalf("%d ways of upstream", len(f.Peers))
	}
	for _, p := range f.Peers {
		if p.Cost.Run != 18 || p.Of != 18 || p.Cost.CPU <= 0 || p.share() != 1 {
			t.Errorf("%s: %+v", p.Name, p)
		}
	}
}

// TestStore checks with a program that has --cache, and only writes down what it
// found there, that cold begins with an empty store, and warm with what one render
// of the base left, whatever other runs added to theirs.
func TestStore(t *testing.T) {
	dir := t.TempDir()
	log, program := filepath.Join(dir, "log"), filepath.Join(dir, "bulkhead")
	f, err := fleetgen.Named("S")
	if err != nil {
		t.Fatal(err)
	}
	f.Changes = f.Changes[:2]
	script := "#!/bin/sh\n[ $2 = --help ] && { echo '      --cache DIR|off   x'; exit; }\nfor store; do :; done\n" +
		"echo $1 $(cat \"$store\"/* 2>/dev/null) >>" + log + "\necho $1 >\"$store/$(wc -l <" + log + ")\"\n" +
		"[ $1 = impact ] && echo '3 of 3 clusters change: x'\necho coverage: appliers 18/18 built\n"
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	b, err := find(t.Context(), program, t.TempDir())
	if err != nil || !b.store {
		t.Fatalf("store %t, %v", b.store, err)
	}
	b.runs, b.patience, b.only, b.progress = 2, 1e6, regexp.MustCompile("render|base"), t.Logf
	results, err := b.jobs(t.Context(), f, dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != 2 {
		t.Errorf("%d results, want those of render and base", len(results))
	}
	for _, r := range results {
		if r.Cold == nil || r.Warm == nil || r.Cold.Runs != 2 || r.Warm.Runs != 2 {
			t.Errorf("%s: cold %+v, warm %+v", r.Job, r.Cold, r.Warm)
		}
	}
	want := "render\n" // fills the store
	for _, job := range []string{"render", "impact"} {
		want += strings.Repeat(job+"\n", 2) + strings.Repeat(job+" render\n", 2) // cold, then warm
	}
	got, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("what was asked, and the store then (-want +got):\n%s", diff)
	}
}

// TestRepository commits a fleet and reads it back.
func TestRepository(t *testing.T) {
	f, err := fleetgen.Named("S")
	if err != nil {
		t.Fatal(err)
	}
	git := func(dir string, args ...string) string {
		t.Helper()
		out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
		return string(out)
	}
	one, two := t.TempDir(), t.TempDir()
	for _, dir := range []string{one, two} {
		if err := commit(t.Context(), dir, f); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := git(one, "show-ref"), git(two, "show-ref"); a != b {
		t.Errorf("the same fleet, other commits:\n%s\n%s", a, b)
	}
	if n := strings.Count(git(one, "ls-tree", "-r", base), "\n"); n != len(f.Files) {
		t.Errorf("%d files, want %d", n, len(f.Files))
	}
	for _, c := range f.Changes {
		if n := strings.Count(git(one, "diff", "--name-only", base, c.Name), "\n"); n != len(c.Files) {
			t.Errorf("%s: %d files differ, want %d", c.Name, n, len(c.Files))
		}
		for path, content := range c.Files {
			if got := git(one, "show", c.Name+":"+path); got != content {
				t.Errorf("%s: %s: %s", c.Name, path, cmp.Diff(content, got))
			}
		}
	}
	git(one, "fsck", "--strict")
}

func TestPaths(t *testing.T) {
	for _, name := range []string{"S", "peers"} {
		f, err := fleetgen.Named(name)
		if err != nil {
			t.Fatal(err)
		}
		list := paths(f.Files, "clusters/c001")
		if len(list) != f.Tenants+1 {
			t.Errorf("%s: %d paths, want %d: %v", name, len(list), f.Tenants+1, list)
		}
		for _, p := range list {
			if _, ok := f.Files[p+"/kustomization.yaml"]; !ok && p != "clusters/c001" {
				t.Errorf("%s: nothing to build at %s", name, p)
			}
		}
		if got := entry(f.Files, "clusters/c001"); !strings.Contains(got, "- cluster-vars.yaml\n- flux-system\n") && !strings.Contains(got, "- apps.yaml\n- cluster-vars.yaml\n- flux-system\n") {
			t.Errorf("%s: entry:\n%s", name, got)
		}
	}
}

func TestChecks(t *testing.T) {
	f := fleetgen.Fleet{Clusters: 3, Tenants: 5}
	for tail, right := range map[string]bool{
		"coverage: appliers 21/21 built\n": true, "coverage: appliers 20/21 built\n": false, "coverage: appliers 3/3 built\n": false, "": false,
	} {
		if err := rendered(f)("", tail); (err == nil) != right {
			t.Errorf("%q: %v", tail, err)
		}
	}
	for _, c := range []struct {
		head     string
		clusters int
		right    bool
	}{
		{"3 of 3 clusters change: c000, c001\n", 3, true},
		{"1 of 3 clusters changes: c000\n", 1, true},
		{"1 of 3 clusters changes: c000\n", 3, false},
		{"no cluster is changed\n", 0, true},
		{"no cluster is changed\n", 1, false},
		{"1 of 3 clusters changes: c000\n", 0, false},
		{"", 0, false},
	} {
		if err := changed(fleetgen.Change{Clusters: c.clusters})(c.head, ""); (err == nil) != c.right {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestMiddle(t *testing.T) {
	for want, all := range map[float64][]float64{1: {1}, 2: {2, 3}, 3: {9, 3, 1}, 4: {5, 4, 4, 6}} {
		var costs []cost
		for _, cpu := range all {
			costs = append(costs, cost{Runs: 1, CPU: cpu})
		}
		if got := middle(costs); got.CPU != want || got.Runs != len(all) {
			t.Errorf("%v: %+v, want %v", all, got, want)
		}
	}
}

// sampleReport has every case of a table: no store, an estimate, fewer runs.
func sampleReport(warm bool) report {
	r := report{Machine: host{CPU: "A CPU", Cores: 2, MemoryMiB: 24 << 10, System: "linux/amd64", Versions: "bulkhead v1, go go1"}}
	for _, name := range []string{"XL", "peers", "S", "M", "L"} { // in no order
		n := map[string]int{"S": 3, "peers": 20, "M": 50, "L": 200, "XL": 1000}[name]
		f := fleet{Name: name, Clusters: n, Tenants: 10, Builds: n * 11, Releases: n}
		for _, job := range []string{"render", "impact: base", "impact: tenant"} {
			affected := map[string]int{"render": n * 11, "impact: base": n, "impact: tenant": n / 2}[job]
			res := result{Job: job, Affected: affected, Cold: &cost{Runs: 3, Wall: float64(n) / 9, CPU: float64(n) / 7, PeakBytes: int64(n) << 20, ChildrenBytes: 5 << 20, Asked: n * 12, Run: n}}
			if warm {
				res.Warm = &cost{Runs: 3, Wall: float64(n) / 90, CPU: float64(affected+5) / 70, PeakBytes: int64(n) << 19, Asked: -1, Run: -1}
			}
			f.Results = append(f.Results, res)
		}
		measured := min(n, 50)
		if name == "XL" {
			f.Results[0].Cold.Runs = 1
		}
		f.Peers = []peer{{Name: "kustomize build", Of: n * 11, Clusters: measured, Cost: cost{Runs: 1, Wall: 3, CPU: 4.2, PeakBytes: 60 << 20, Asked: measured * 11, Run: measured * 11}}}
		r.add(f)
	}
	return r
}

// golden compares with a file of testdata, or writes it with UPDATE=1.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestText(t *testing.T) {
	got := sampleReport(false).text()
	for line := range strings.Lines(got) {
		if len(strings.TrimSuffix(line, "\n")) > 120 {
			t.Errorf("wider than 120 columns: %s", line)
		}
	}
	golden(t, "text.txt", got)
}

func TestMarkdown(t *testing.T) { golden(t, "table.md", sampleReport(true).markdown()) }

func TestPlot(t *testing.T) {
	for _, warm := range []bool{true, false} {
		all, state := sampleReport(warm).curves("impact: base", "impact: tenant")
		if (state == "warm") != warm {
			t.Errorf("the plot is %s", state)
		}
		drawing := plot(all, "Impact, "+state)
		d := xml.NewDecoder(strings.NewReader(drawing))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%v:\n%s", err, drawing)
			}
		}
		if n := strings.Count(drawing, "<circle"); n != 2*4+2 { // peers is no point, and two for the names
			t.Errorf("%d dots", n)
		}
		if warm {
			golden(t, "plot.svg", drawing)
		}
	}
	if got := plot(nil, "none"); got != "" {
		t.Errorf("nothing measured: %s", got)
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	page := filepath.Join(dir, "performance.md")
	r := sampleReport(true)
	if err := r.write(dir); err == nil {
		t.Error("no page: no error")
	}
	if err := os.WriteFile(page, []byte("# Page\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.write(dir); err == nil || !strings.Contains(err.Error(), "measured") {
		t.Errorf("no marks: %v", err)
	}
	if err := os.WriteFile(page, []byte("before\n"+pageBegin+"old\n"+pageEnd+"after\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // twice gives the same
		if err := r.write(dir); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff("before\n"+pageBegin+r.markdown()+pageEnd+"after\n", string(got)); diff != "" {
			t.Error(diff)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "performance.svg")); err != nil {
		t.Error(err)
	}
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{{"-o", "yaml"}, {"-jobs", "("}, {"-runs", "0"}, {"more"}, {"-what"}, {"-sizes", "S", "-bulkhead", "/nowhere"}} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
	// Results of an earlier run are printed as they are.
	data, err := json.Marshal(sampleReport(true))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "earlier.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-sizes", "", "-from", file}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sampleReport(true).text(), out.String()); diff != "" {
		t.Error(diff)
	}
}

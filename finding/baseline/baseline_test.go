package baseline_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/finding/baseline"
	"github.com/bulkhead-dev/bulkhead/object"
)

// draw findings of which many are alike.
func draw(t *rapid.T, label string) []finding.Finding {
	one := rapid.Custom(func(t *rapid.T) finding.Finding {
		f := finding.Finding{
			Rule: rapid.SampledFrom([]string{"IMP-001", "RBC-001"}).Draw(t, "rule"), Level: finding.High, Severity: finding.Error,
			Message: rapid.SampledFrom([]string{"m", "n"}).Draw(t, "message"), Concern: rapid.SampledFrom([]string{"platform", "tenant/a"}).Draw(t, "concern"),
			Clusters: rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"c1", "c2", "c3"}), 0, 3, rapid.ID).Draw(t, "clusters"),
		}
		slices.Sort(f.Clusters)
		if rapid.Bool().Draw(t, "object") {
			f.Object = &object.ID{Kind: "Role", Namespace: "n", Name: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "name")}
		}
		if rapid.IntRange(0, 4).Draw(t, "waived") == 0 {
			f.Waived = &finding.Waived{Name: "w"}
		}
		return f
	})
	return rapid.SliceOfN(one, 0, 12).Draw(t, label)
}

// counts are the findings by fingerprint and cluster.
func counts(b *baseline.Baseline) map[[2]string]int {
	out := map[[2]string]int{}
	for _, e := range b.Entries() {
		clusters := e.Clusters
		if len(clusters) == 0 {
			clusters = []string{""}
		}
		for _, c := range clusters {
			out[[2]string{e.Fingerprint, c}] += max(e.Count, 1)
		}
	}
	return out
}

// TestOnlyShrinks: whatever is found, nothing is added, and what was written is what is read.
func TestOnlyShrinks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		was, now := draw(t, "was"), draw(t, "now")
		b := baseline.Of(was)
		kept := rapid.SampledFrom([]string{"", "c1", "none"}).Draw(t, "kept")
		less := b.Shrink(now, func(c string) bool { return c == kept })
		before, after := counts(b), counts(less)
		for k, n := range after {
			if n > before[k] {
				t.Fatalf("%v grows from %d to %d", k, before[k], n)
			}
		}
		for k, n := range before {
			if k[1] == kept && after[k] != n {
				t.Fatalf("%v is to be kept, and shrinks from %d to %d", k, n, after[k])
			}
		}
		text, err := less.Encode()
		if err != nil {
			t.Fatal(err)
		}
		read, err := baseline.Decode(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		again, err := read.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(text), string(again)); diff != "" {
			t.Fatalf("-written +read:\n%s", diff)
		}
		bare := b.Shrink(now, nil)
		if len(bare.Gone(now)) > 0 {
			t.Fatalf("what shrank still holds what is gone: %v", bare.Gone(now))
		}
	})
}

// TestSplit: no finding gets lost on any cluster, a baseline knows all that it was made of, and one that has shrunk tells the same.
func TestSplit(t *testing.T) {
	places := func(list []finding.Finding) (out []string) {
		for i := range list {
			f := list[i]
			clusters := f.Clusters
			if len(clusters) == 0 {
				clusters = []string{""}
			}
			for _, c := range clusters {
				f.Clusters = nil
				out = append(out, f.Fingerprint()+f.Message+c+f.Concern)
			}
		}
		slices.Sort(out)
		return out
	}
	rapid.Check(t, func(t *rapid.T) {
		was, now := draw(t, "was"), draw(t, "now")
		b := baseline.Of(was)
		known, others := b.Split(now)
		if diff := cmp.Diff(places(now), places(slices.Concat(known, others))); diff != "" {
			t.Fatalf("-found +split:\n%s", diff)
		}
		for i := range known {
			if !known[i].Open() {
				t.Fatal("a waived finding is known")
			}
		}
		less, rest := b.Shrink(now, nil).Split(now)
		if diff := cmp.Diff([][]finding.Finding{known, others}, [][]finding.Finding{less, rest}); diff != "" {
			t.Fatalf("-before +after it has shrunk:\n%s", diff)
		}
		_, fresh := b.Split(was)
		if i := slices.IndexFunc(fresh, func(f finding.Finding) bool { return f.Open() }); i >= 0 {
			t.Fatalf("%v is in the baseline and not known", fresh[i])
		}
		if gone := b.Gone(was); len(gone) > 0 {
			t.Fatalf("%v is found, and said to be gone", gone)
		}
	})
}

func TestFurtherCluster(t *testing.T) {
	f := finding.Finding{Rule: "IMP-001", Level: finding.Critical, Severity: finding.Error, Message: "m", Clusters: []string{"a", "b"}, Object: &object.ID{Kind: "Kustomization", Name: "x"}}
	b := baseline.Of([]finding.Finding{f})
	f.Clusters = []string{"b", "c"}
	known, others := b.Split([]finding.Finding{f})
	if len(known) != 1 || len(others) != 1 || known[0].Clusters[0] != "b" || others[0].Clusters[0] != "c" {
		t.Errorf("known %v, others %v", known, others)
	}
	gone := b.Gone([]finding.Finding{f})
	if len(gone) != 1 || !slices.Equal(gone[0].Clusters, []string{"a"}) {
		t.Errorf("gone %v", gone)
	}
	two := []finding.Finding{f, f}
	two[1].Message = "another of the same kind"
	if known, _ := b.Split(two); len(known) != 0 {
		t.Errorf("one is known, and two are found: %v", known)
	}
}

func TestDecode(t *testing.T) {
	const head = `{"baseline":"bulkhead.dev/baseline/v1"}` + "\n"
	for text, want := range map[string]string{
		"":                                 "the file is empty",
		"x":                                "line 1: want ",
		`{"baseline":"bulkhead.dev/v2"}`:   "line 1: want ",
		head + "x":                         "line 2: it is no entry of a baseline",
		head + `{"fingerprint":"a"}`:       "line 2: an entry has a fingerprint and a rule",
		head + `{"fingerprint":"a","x":1}`: "line 2: it is no entry of a baseline: json: unknown field",
		head + `{"fingerprint":"a"} {}`:    "line 2: there is more than one entry on it",
		head + `{"fingerprint":"a","rule":"b","count":-1}`: "line 2: an entry has",
	} {
		_, err := baseline.Decode([]byte(text))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	// What a merge leaves twice counts once.
	b, err := baseline.Decode([]byte(head + "\n" + `{"fingerprint":"a","rule":"R","clusters":["x","y"]}` + "\n" + `{"fingerprint":"a","rule":"R","clusters":["y"]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []baseline.Entry{{Fingerprint: "a", Rule: "R", Clusters: []string{"x", "y"}}}
	if diff := cmp.Diff(want, b.Entries()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// FuzzDecode: whatever is read can be written and read again.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("{\"baseline\":\"bulkhead.dev/baseline/v1\"}\n{\"fingerprint\":\"a\",\"rule\":\"b\",\"clusters\":[\"x\",\"\"],\"count\":2}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := baseline.Decode(data)
		if err != nil {
			return
		}
		text, err := b.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := baseline.Decode(text)
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if diff := cmp.Diff(b.Entries(), again.Entries()); diff != "" {
			t.Fatalf("-want +got:\n%s", diff)
		}
	})
}

// TestBefore: what says the same as before a change is known, and what says something else, or is worse, is not.
func TestBefore(t *testing.T) {
	was := finding.Finding{Rule: "RBC-001", Level: finding.Medium, Severity: finding.Warning, Message: "may read secrets", Clusters: []string{"c1"}, Object: &object.ID{Kind: "Role", Name: "x"}}
	worse, other, wider := was, was, was
	worse.Level, worse.Severity = finding.High, finding.Error
	other.Message = "may read secrets and make pods"
	wider.Clusters = []string{"c1", "c2"}
	before := baseline.Before([]finding.Finding{was})
	for name, c := range map[string]struct {
		now           finding.Finding
		known, others int
	}{
		"the same": {was, 1, 0}, "worse": {worse, 0, 1}, "says more": {other, 0, 1}, "on a further cluster": {wider, 1, 1},
	} {
		known, others := before.Split([]finding.Finding{c.now})
		if len(known) != c.known || len(others) != c.others {
			t.Errorf("%s: known %+v, others %+v", name, known, others)
		}
	}
	if known, _ := baseline.Of([]finding.Finding{was}).Split([]finding.Finding{worse}); len(known) != 1 {
		t.Error("a file of known findings tells levels apart")
	}
}

// TestAdds counts what one file has more than another, by cluster.
func TestAdds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		was, more := draw(t, "was"), draw(t, "more")
		a, b := baseline.Of(was), baseline.Of(append(slices.Clone(was), more...))
		want := 0
		for k, n := range counts(b) {
			want += n - counts(a)[k]
		}
		if got := b.Adds(a); got != want {
			t.Errorf("%d more, want %d", got, want)
		}
		if got := a.Adds(b); got != 0 {
			t.Errorf("%d more in the smaller one", got)
		}
	})
}

package waiver_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/finding/waiver"
	"github.com/bulkhead-dev/bulkhead/object"
)

// TestReview is what a change may do to the waivers that judge it.
func TestReview(t *testing.T) {
	const one, both = "rules: [pvc-deleted], scope: {clusters: {names: [prod-1]}}", "rules: [pvc-deleted], scope: {clusters: {names: [prod-1, prod-2]}}"
	for name, c := range map[string]struct {
		before, after []string
		want          string
	}{
		"it was there":       {[]string{both}, []string{both}, "pvc-deleted prod-1,prod-2 by w0"},
		"it comes with it":   {nil, []string{both}, "pvc-deleted prod-1,prod-2 pending w0\nwaiver-pending prod-1,prod-2 note fleet/waivers.yaml:2 waiver w0 comes with this change, and 1 finding that it would accept stays open in its review"},
		"it comes before":    {nil, []string{"rules: [other], expires: 2026-06-01"}, "pvc-deleted prod-1,prod-2\nwaiver-unused  note fleet/waivers.yaml:2 waiver w0 comes with this change, and accepts nothing yet"},
		"it becomes wider":   {[]string{one}, []string{both}, "pvc-deleted prod-1 by w0\npvc-deleted prod-2 pending w0\nwaiver-pending prod-2 note fleet/waivers.yaml:2 waiver w0 comes with this change, and 1 finding that it would accept stays open in its review"},
		"it becomes smaller": {[]string{both}, []string{one}, "pvc-deleted prod-1 by w0\npvc-deleted prod-2"},
		"it goes":            {[]string{both}, nil, "pvc-deleted prod-1,prod-2"},
		"it is renewed":      {[]string{both + ", expires: 2026-03-09"}, []string{both}, "pvc-deleted prod-1,prod-2 pending w0\nwaiver-pending prod-1,prod-2 note fleet/waivers.yaml:2 waiver w0 comes with this change, and 1 finding that it would accept stays open in its review"},
		"another took over":  {[]string{one, "rules: [other], expires: 2026-06-01"}, []string{"rules: [other], expires: 2026-06-01", one}, "pvc-deleted prod-1 by w1\npvc-deleted prod-2\nwaiver-unused  warning fleet/waivers.yaml:2 waiver w0 accepts nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			before, after := waiver.Revision{Waivers: decode(t, c.before...), ClusterLabels: labels}, waiver.Revision{Waivers: decode(t, c.after...), ClusterLabels: labels}
			got := waiver.Review([]finding.Finding{claim("prod-1", "prod-2")}, before, after, noon)
			lines := strings.Split(show(got), "\n")
			for i := range got {
				if p := got[i].Pending; p != nil {
					lines[i] += " pending " + p.Name
				}
			}
			if diff := cmp.Diff(c.want, strings.Join(lines, "\n")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestReviewOfLabels: a cluster that a change moves under a waiver is not under it in the review of the change.
func TestReviewOfLabels(t *testing.T) {
	docs := decode(t, "rules: [pvc-deleted], scope: {clusters: {matchLabels: {env: dev}}}")
	moved := maps.Clone(labels)
	moved["prod-1"] = map[string]string{"env": "dev"}
	got := waiver.Review([]finding.Finding{claim("prod-1")}, waiver.Revision{Waivers: docs, ClusterLabels: labels}, waiver.Revision{Waivers: docs, ClusterLabels: moved}, noon)
	if got[0].Waived != nil || got[0].Pending == nil {
		t.Errorf("it is accepted: %+v", got[0])
	}
}

// TestReviewOfKnown: a waiver that comes for what stood open before the change is not told of.
func TestReviewOfKnown(t *testing.T) {
	after := waiver.Revision{Waivers: decode(t, "rules: [pvc-deleted]"), ClusterLabels: labels}
	before := waiver.Revision{ClusterLabels: labels, Known: func(f *finding.Finding) bool { return f.Object.Name == "ledger" }}
	other := claim("dev-1")
	other.Object = &object.ID{Kind: "PersistentVolumeClaim", Name: "new"}
	for want, found := range map[int][]finding.Finding{1: {claim("prod-1")}, 3: {claim("prod-1"), other}} {
		got := waiver.Review(found, before, after, noon)
		if len(got) != want || got[0].Pending == nil || !got[0].Open() {
			t.Errorf("want %d: %s", want, show(got))
		}
	}
}

// TestReviewLaws: what a review accepts is what both revisions accept, nothing gets lost, and without a change a review is the same as [waiver.Apply].
func TestReviewLaws(t *testing.T) {
	spec := rapid.Custom(func(t *rapid.T) string {
		out := "rules: [" + strings.Join(subset(t, []string{"pvc-deleted", "QUO-001"}), ", ") + "]"
		if out == "rules: []" {
			out = "rules: [pvc-deleted]"
		}
		if names := subset(t, []string{"dev-1", "prod-1", "prod-2"}); len(names) > 0 {
			out += ", scope: {clusters: {names: [" + strings.Join(names, ", ") + "]}}"
		}
		return out + ", expires: " + rapid.SampledFrom([]string{"2026-03-01", "2026-03-12", "2026-08-01"}).Draw(t, "expires")
	})
	rapid.Check(t, func(t *rapid.T) {
		revision := func(label string) waiver.Revision {
			env := rapid.SampledFrom([]string{"dev", "prod"}).Draw(t, label+" env")
			return waiver.Revision{Waivers: decode(t, rapid.SliceOfN(spec, 0, 3).Draw(t, label)...), ClusterLabels: map[string]map[string]string{"dev-1": {"env": env}}}
		}
		before, after := revision("before"), revision("after")
		var found []finding.Finding
		for i := range rapid.IntRange(0, 3).Draw(t, "findings") {
			f := claim(subset(t, []string{"dev-1", "prod-1", "prod-2"})...)
			if rapid.Bool().Draw(t, "levelled") {
				f = levelled("QUO-001", finding.High, f.Clusters...)
			}
			f.Object.Name = fmt.Sprint(i)
			found = append(found, f)
		}
		accepted := func(list []finding.Finding) map[string]bool {
			out := map[string]bool{}
			for _, f := range list {
				for _, c := range append([]string{""}, f.Clusters...) {
					if f.Object != nil && f.Waived != nil && (c != "" || len(f.Clusters) == 0) {
						out[f.Rule+f.Object.Name+c] = true
					}
				}
			}
			return out
		}
		review := waiver.Review(found, before, after, noon)
		got := accepted(review)
		was := accepted(waiver.Apply(found, before.Waivers, before.ClusterLabels, noon))
		is := accepted(waiver.Apply(found, after.Waivers, after.ClusterLabels, noon))
		maps.DeleteFunc(is, func(k string, _ bool) bool { return !was[k] })
		if diff := cmp.Diff(is, got); diff != "" {
			t.Errorf("a review accepts what not both accept (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(pairs(found), pairs(review)); diff != "" {
			t.Errorf("lost or new (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(waiver.Apply(found, after.Waivers, after.ClusterLabels, noon), waiver.Review(found, after, after, noon)); diff != "" {
			t.Errorf("without a change (-want +got):\n%s", diff)
		}
	})
}

package waiver

import (
	"slices"
	"time"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/finding"
)

// Revision is the waivers of a revision, and the labels of its Cluster documents, by name.
type Revision struct {
	Waivers       []v1alpha1.Waiver
	ClusterLabels map[string]map[string]string
	// Known reports whether a finding stood open in the revision; nil for none. A waiver that comes for what is open already is not told of.
	Known func(*finding.Finding) bool
}

// Review is [Apply] for a change: what is found after it is accepted where a waiver covers it that was there before, and one that is there after. So
// no change accepts what it brings: not by a waiver of its own, not by a wider scope, a later day or another label of a cluster. What only waivers of the change cover
// stays open, and says so in its Pending. Faults are those of the waivers after.
func Review(findings []finding.Finding, before, after Revision, now time.Time) []finding.Finding {
	earlier, later := readAll(before.Waivers, now), readAll(after.Waivers, now)
	for _, w := range later {
		w.fresh = !slices.ContainsFunc(earlier, func(e *waiver) bool { return e.Name == w.Name })
	}
	return apply(findings, later, after.ClusterLabels, func(part *finding.Finding, all []*waiver) []finding.Finding {
		bare := *part
		bare.Waived = nil
		out := split(&bare, earlier, before.ClusterLabels)
		for i := range out {
			if out[i].Waived != nil {
				out[i].Waived = part.Waived
				continue
			}
			out[i].Pending = part.Waived
			if at := slices.IndexFunc(all, func(w *waiver) bool { return w.Name == part.Waived.Name && w.Place.File == part.Waived.File }); at >= 0 {
				all[at].wait(&out[i], before.Known)
			}
		}
		return out
	})
}

// wait notes that f would be covered if the waiver had been there before, but for where it is known.
func (w *waiver) wait(f *finding.Finding, known func(*finding.Finding) bool) {
	clusters := slices.DeleteFunc(slices.Clone(f.Clusters), func(c string) bool {
		one := *f
		one.Clusters = []string{c}
		return known != nil && known(&one)
	})
	if len(f.Clusters) > 0 && len(clusters) == 0 || len(f.Clusters) == 0 && known != nil && known(f) {
		return
	}
	w.note(w.pending, f, clusters)
	for _, c := range clusters {
		w.open[c] = true
	}
}

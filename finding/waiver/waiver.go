// Package waiver marks the findings that somebody accepted.
//
// It turns findings and the [v1alpha1.Waiver] documents of a fleet into findings with their waivers, and
// faults of the waivers. Its invariant: no finding gets lost on any cluster. Start at [Apply].
package waiver

import (
	"fmt"
	"path"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

// The rules of what [Apply] finds.
const (
	Expired = "waiver-expired"
	Unused  = "waiver-unused"
	Soon    = "waiver-soon"
)

// SoonDays is how many days before its end a waiver that is used is told of.
const SoonDays = 14

// Rules are those of [Apply], sorted by ID.
func Rules() []finding.Rule {
	return []finding.Rule{
		{
			ID: Expired, Severity: finding.Warning, Title: "A waiver has expired",
			Why:  "What it accepted counts again. It is an error when there is something that it would accept.",
			Hint: "cure what it accepted, renew it with a new approval, or delete it",
		},
		{
			ID: Soon, Severity: finding.Note, Title: "A waiver that is needed expires soon",
			Why:  fmt.Sprintf("In %d days or less, what it accepts counts again.", SoonDays),
			Hint: "cure what it accepts, or renew it with a new approval",
		},
		{
			ID: Unused, Severity: finding.Warning, Title: "A waiver accepts nothing",
			Why:  "What it is for is not there. It would accept something later that nobody looked at.",
			Hint: "delete it, or mend its rules and scope",
		},
	}
}

// Apply marks what the waivers cover at that time, and appends what is wrong with the waivers, in
// their order. A finding of several clusters, of which only some are covered, becomes several: those that
// are covered, by waiver, then the open one. The first waiver that covers it counts. Findings that
// are waived already stay so, and earlier findings of [Rules] are dropped, so that Apply may be
// called again when there are more findings. ClusterLabels are those of the Cluster documents, by name.
// Nothing given is changed.
func Apply(findings []finding.Finding, waivers []v1alpha1.Waiver, clusterLabels map[string]map[string]string, now time.Time) []finding.Finding {
	all := make([]*waiver, len(waivers))
	for i := range waivers {
		all[i] = read(&waivers[i], now)
	}
	var out []finding.Finding
	for i := range findings {
		f := &findings[i]
		switch f.Rule {
		case Expired, Unused, Soon:
			continue
		}
		out = append(out, split(f, all, clusterLabels)...)
	}
	for _, w := range all {
		out = append(out, w.faults()...)
	}
	return out
}

// waiver is a document that is ready to be asked, and what it was used for.
type waiver struct {
	*v1alpha1.Waiver
	require []labels.Requirement
	left    int             // days until the last day; negative when it has expired
	covered map[string]bool // findings
	at      map[string]bool // clusters
	broken  bool            // its date or its selector cannot be read, which Decode does not let through
}

func read(doc *v1alpha1.Waiver, now time.Time) *waiver {
	w := &waiver{Waiver: doc, covered: map[string]bool{}, at: map[string]bool{}}
	last, err := doc.Spec.Expires.Time()
	w.broken = err != nil
	w.left = int(last.Sub(now.UTC().Truncate(24*time.Hour)).Hours() / 24)
	for _, l := range doc.Spec.Scope.Clusters.MatchExpressions {
		r, err := l.Requirement()
		if err != nil {
			w.broken = true
			break
		}
		w.require = append(w.require, *r)
	}
	return w
}

func (w *waiver) expired() bool { return w.left < 0 || w.broken }

// split marks f, or its parts.
func split(f *finding.Finding, all []*waiver, clusterLabels map[string]map[string]string) []finding.Finding {
	whole := *f
	whole.Clusters = append([]string{}, f.Clusters...)
	var candidates []*waiver
	for _, w := range all {
		if w.meant(f) {
			candidates = append(candidates, w)
		}
	}
	if len(f.Clusters) > 0 {
		return parts(whole, candidates, clusterLabels)
	}
	// It is about the fleet as a whole; a waiver of some clusters is not.
	candidates = slices.DeleteFunc(candidates, func(w *waiver) bool { return !w.Spec.Scope.Clusters.IsZero() })
	for _, w := range candidates {
		if !w.expired() && whole.Waived == nil {
			whole.Waived = w.mark()
		}
	}
	for _, w := range candidates {
		if !w.expired() || whole.Waived == nil {
			w.use(f)
		}
	}
	return []finding.Finding{whole}
}

// parts of a finding by the first waiver of each cluster, the open one last; a finding that is
// waived already has one part. Expired waivers only remember what they would cover.
func parts(whole finding.Finding, candidates []*waiver, clusterLabels map[string]map[string]string) (out []finding.Finding) {
	by := make([][]string, len(candidates)+1) // the last is for open ones
	for _, name := range whole.Clusters {
		var active, expired []int
		for i, w := range candidates {
			switch {
			case !w.selects(name, clusterLabels[name]):
			case w.expired():
				expired = append(expired, i)
			default:
				active = append(active, i)
			}
		}
		first, used := len(candidates), active
		if len(active) > 0 && whole.Waived == nil {
			first = active[0]
		}
		if len(active) == 0 && whole.Waived == nil {
			used = expired
		}
		by[first] = append(by[first], name)
		for _, i := range used {
			candidates[i].use(&whole, name)
		}
	}
	for i, names := range by {
		if len(names) == 0 {
			continue
		}
		part := whole
		part.Clusters = names
		if i < len(candidates) {
			part.Waived = candidates[i].mark()
		}
		out = append(out, part)
	}
	return out
}

// use notes that the waiver covers f on these clusters. The parts of a finding count as one.
func (w *waiver) use(f *finding.Finding, clusters ...string) {
	one := *f
	one.Clusters = nil
	w.covered[one.Fingerprint()+f.Message] = true
	for _, c := range clusters {
		w.at[c] = true
	}
}

func (w *waiver) mark() *finding.Waived {
	s := &w.Spec
	return &finding.Waived{Name: w.Name, File: w.Place.File, Reason: s.Reason, Approver: s.Approver, Expires: string(s.Expires)}
}

// meant reports whether the waiver is about such a finding, clusters aside.
func (w *waiver) meant(f *finding.Finding) bool {
	s := &w.Spec
	return slices.Contains(s.Rules, f.Rule) &&
		(len(s.Scope.Concerns) == 0 || slices.Contains(s.Scope.Concerns, f.Concern)) &&
		(len(s.Scope.Objects) == 0 || f.Object != nil && slices.ContainsFunc(s.Scope.Objects, func(p v1alpha1.ObjectPattern) bool { return covers(p, f.Object) }))
}

// covers reports whether each part of the pattern that is set matches. A pattern that is none matches nothing.
func covers(p v1alpha1.ObjectPattern, id *object.ID) bool {
	for _, part := range [][2]string{{p.Kind, id.Kind}, {p.Namespace, id.Namespace}, {p.Name, id.Name}} {
		if ok, err := path.Match(part[0], part[1]); part[0] != "" && (!ok || err != nil) {
			return false
		}
	}
	return true
}

// selects reports whether the cluster is in scope.
func (w *waiver) selects(name string, set map[string]string) bool {
	s := &w.Spec.Scope.Clusters
	if len(s.Names) > 0 && !slices.Contains(s.Names, name) {
		return false
	}
	for k, v := range s.MatchLabels {
		if got, ok := set[k]; !ok || got != v {
			return false
		}
	}
	return !slices.ContainsFunc(w.require, func(r labels.Requirement) bool { return !r.Matches(labels.Set(set)) })
}

// faults are what is wrong with the waiver: at most one.
func (w *waiver) faults() []finding.Finding {
	f := finding.Finding{File: w.Place.File, Line: w.Place.Line, Clusters: []string{}}
	for c := range w.at {
		f.Clusters = append(f.Clusters, c)
	}
	slices.Sort(f.Clusters)
	who, covered := "waiver "+w.Name, len(w.covered)
	switch {
	case w.expired() && covered > 0:
		f.Rule, f.Severity = Expired, finding.Error
		f.Message = fmt.Sprintf("%s has expired on %s, and %s that it would accept %s open",
			who, w.Spec.Expires, phrase.Count(covered, "finding"), phrase.Verb(covered, "is", "are"))
	case w.expired():
		f.Rule, f.Severity = Expired, finding.Warning
		f.Message = fmt.Sprintf("%s has expired on %s", who, w.Spec.Expires)
	case covered == 0:
		f.Rule, f.Severity = Unused, finding.Warning
		f.Message = who + " accepts nothing"
	case w.left <= SoonDays:
		f.Rule, f.Severity = Soon, finding.Note
		f.Message = fmt.Sprintf("%s accepts %s and ends on %s, %s", who, phrase.Count(covered, "finding"), w.Spec.Expires, when(w.left))
	default:
		return nil
	}
	for _, r := range Rules() {
		if r.ID == f.Rule {
			f.Hint = r.Hint
		}
	}
	return []finding.Finding{f}
}

// when says how many days are left.
func when(left int) string {
	switch left {
	case 0:
		return "today"
	case 1:
		return "tomorrow"
	default:
		return "in " + phrase.Count(left, "day")
	}
}

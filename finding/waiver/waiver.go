// Package waiver marks the findings that somebody accepted.
//
// It turns findings and the [v1alpha1.Waiver] documents of a fleet into findings with their waivers, and
// faults of the waivers. Its invariant: no finding gets lost on any cluster. Start at [Apply].
package waiver

import (
	"cmp"
	"fmt"
	"maps"
	"math"
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
	Pending = "waiver-pending"
	Refused = "waiver-refused"
	Soon    = "waiver-soon"
	TooLong = "waiver-too-long"
	Unused  = "waiver-unused"
)

// SoonDays is how many days before its end a waiver that is used is told of.
const SoonDays = 14

// MostDays is how many days before its end, at the most, a waiver covers findings of a rule and level; false when no waiver does. A finding without
// a level has no bound.
func MostDays(rule string, level finding.Level) (days int, may bool) {
	switch level {
	case "":
		return math.MaxInt, true
	case finding.Critical: // by two approvers
		return 14, slices.Contains(waivable, rule)
	case finding.High:
		return 30, true
	case finding.Medium:
		return 90, true
	case finding.Low, finding.Info:
	}
	return 180, true
}

// waivable are the rules whose critical findings may be accepted. NSB-002 is about kinds without a namespace, some of which a tenant that the platform
// trusts with them needs.
var waivable = []string{"NSB-002"} //nolint:gochecknoglobals // a constant list

// Rules are those of [Apply], sorted by ID.
func Rules() []finding.Rule {
	return []finding.Rule{
		{
			ID: Expired, Severity: finding.Warning, Title: "A waiver has expired",
			Why:  "What it accepted counts again. It is an error when there is something that it would accept.",
			Hint: "cure what it accepted, renew it with a new approval, or delete it",
		},
		{
			ID: Pending, Severity: finding.Note, Title: "A waiver comes with the change that needs it",
			Why:  "A change does not accept what it brings itself: in its own review only the waivers count that were there before it, and are there after it.",
			Hint: "merge the waiver first, in a change of its own; or give --waivers head where the owners of the waivers have to approve every change of them",
		},
		{
			ID: Refused, Severity: finding.Error, Title: "A waiver names what cannot be waived",
			Why:  "A critical finding is a cluster, or all of another tenant, that is open to be taken over. No reason makes up for that, and so it stays open.",
			Hint: "cure what is found, and take the rule out of the waiver",
		},
		{
			ID: Soon, Severity: finding.Note, Title: "A waiver that is needed expires soon",
			Why:  fmt.Sprintf("In %d days or less, what it accepts counts again.", SoonDays),
			Hint: "cure what it accepts, or renew it with a new approval",
		},
		{
			ID: TooLong, Severity: finding.Warning, Title: "A waiver goes on for longer than its findings allow",
			Why:  "The worse a finding is, the sooner somebody has to look at it again: 30 days for the level high, 90 for medium, 180 for low and info. Until its end is as near, the waiver does not cover it.",
			Hint: "let it expire sooner, and renew it when it is still needed",
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
// called again when there are more findings. A finding with a level is covered within the bounds of [MostDays] only. ClusterLabels are those of the Cluster documents, by name.
// Nothing given is changed.
func Apply(findings []finding.Finding, waivers []v1alpha1.Waiver, clusterLabels map[string]map[string]string, now time.Time) []finding.Finding {
	return apply(findings, readAll(waivers, now), clusterLabels, func(part *finding.Finding, _ []*waiver) []finding.Finding { return []finding.Finding{*part} })
}

// apply marks what the waivers cover, and appends their faults. Marked tells what becomes of a part that one of them covers.
func apply(findings []finding.Finding, all []*waiver, clusterLabels map[string]map[string]string, marked func(part *finding.Finding, all []*waiver) []finding.Finding) []finding.Finding {
	var out []finding.Finding
	for i := range findings {
		f := &findings[i]
		switch f.Rule {
		case Expired, Pending, Refused, Soon, TooLong, Unused:
			continue
		}
		for _, part := range split(f, all, clusterLabels) {
			if part.Waived == nil || f.Waived != nil {
				out = append(out, part)
				continue
			}
			out = append(out, marked(&part, all)...)
		}
	}
	for _, w := range all {
		out = append(out, w.faults()...)
	}
	return out
}

func readAll(waivers []v1alpha1.Waiver, now time.Time) []*waiver {
	all := make([]*waiver, len(waivers))
	for i := range waivers {
		all[i] = read(&waivers[i], now)
	}
	return all
}

// waiver is a document that is ready to be asked, and what it was used for.
type waiver struct {
	*v1alpha1.Waiver
	require []labels.Requirement
	left    int             // days until the last day; negative when it has expired
	covered map[string]bool // findings
	refused map[string]bool // findings that no waiver covers
	fresh   bool            // it comes with the change under review
	alone   bool            // one of refused would be covered if a second person had accepted it
	early   map[string]bool // findings that it does not cover yet
	level   finding.Level   // the worst of early
	pending map[string]bool // findings that it covers and no waiver did before the change
	open    map[string]bool // clusters of pending
	at      map[string]bool // clusters
	broken  bool            // its date or its selector cannot be read, which Decode does not let through
}

func read(doc *v1alpha1.Waiver, now time.Time) *waiver {
	w := &waiver{Waiver: doc, covered: map[string]bool{}, refused: map[string]bool{}, early: map[string]bool{}, pending: map[string]bool{}, open: map[string]bool{}, at: map[string]bool{}}
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
		if w.meant(f) && w.may(f, clusterLabels) {
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

// use notes that the waiver covers f on these clusters.
func (w *waiver) use(f *finding.Finding, clusters ...string) {
	w.note(w.covered, f, clusters)
}

// note adds f on these clusters to one of the waiver's sets. The parts of a finding count as one.
func (w *waiver) note(set map[string]bool, f *finding.Finding, clusters []string) {
	one := *f
	one.Clusters = nil
	set[one.Fingerprint()+f.Message] = true
	for _, c := range clusters {
		w.at[c] = true
	}
}

// may reports whether the level of a finding that is meant lets the waiver cover it, and notes when it does not. It is the same for a finding that
// another waiver covers: a fault of this one stays one.
func (w *waiver) may(f *finding.Finding, clusterLabels map[string]map[string]string) bool {
	most, may := MostDays(f.Rule, f.Level)
	alone := may && f.Level == finding.Critical && w.Spec.SecondApprover == ""
	if alone {
		may = false
	}
	if may && (w.left <= most || w.broken) {
		return true
	}
	var at []string
	for _, name := range f.Clusters {
		if w.selects(name, clusterLabels[name]) {
			at = append(at, name)
		}
	}
	switch {
	case len(f.Clusters) > 0 && len(at) == 0, len(f.Clusters) == 0 && !w.Spec.Scope.Clusters.IsZero():
	case !may:
		w.note(w.refused, f, at)
		w.alone = w.alone || alone
	default:
		w.note(w.early, f, at)
		if w.level == "" || f.Level.Rank() < w.level.Rank() {
			w.level = f.Level
		}
	}
	return false
}

func (w *waiver) mark() *finding.Waived {
	s := &w.Spec
	approver := s.Approver
	if s.SecondApprover != "" {
		approver += " and " + s.SecondApprover
	}
	return &finding.Waived{Name: w.Name, File: w.Place.File, Reason: s.Reason, Approver: approver, Expires: string(s.Expires)}
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
	case len(w.refused) > 0:
		n := len(w.refused)
		f.Rule, f.Severity = Refused, finding.Error
		f.Message = fmt.Sprintf("%s is for %s of level critical, which %s open", who, phrase.Count(n, "finding"), phrase.Verb(n, "stays", "stay"))
		if w.alone {
			f.Message += " without a second approver"
			f.Hint = "have somebody else look at it, and name them in spec.secondApprover"
		}
	case w.expired():
		f.Rule, f.Severity = Expired, finding.Warning
		f.Message = fmt.Sprintf("%s has expired on %s", who, w.Spec.Expires)
	case len(w.early) > 0:
		n := len(w.early)
		f.Rule, f.Severity = TooLong, finding.Warning
		worst := ", the worst"
		if n == 1 {
			worst = ""
		}
		f.Message = fmt.Sprintf("%s ends on %s, %s, which is too far ahead for %s%s of level %s", who, w.Spec.Expires, when(w.left), phrase.Count(n, "finding"), worst, w.level)
	case len(w.pending) > 0:
		n := len(w.pending)
		f.Rule, f.Severity, f.Clusters = Pending, finding.Note, append([]string{}, slices.Sorted(maps.Keys(w.open))...)
		f.Message = fmt.Sprintf("%s comes with this change, and %s that it would accept %s open in its review", who, phrase.Count(n, "finding"), phrase.Verb(n, "stays", "stay"))
	case covered == 0 && w.fresh:
		f.Rule, f.Severity = Unused, finding.Note
		f.Message, f.Hint = who+" comes with this change, and accepts nothing yet", "merge what needs it next, or leave the waiver out"
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
			f.Hint = cmp.Or(f.Hint, r.Hint)
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

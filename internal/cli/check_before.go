package cli

import (
	"context"
	"time"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/finding/baseline"
	"github.com/bulkhead-dev/bulkhead/finding/waiver"
	"github.com/bulkhead-dev/bulkhead/isolation/rule"
	"github.com/bulkhead-dev/bulkhead/isolation/verdict"
)

// judgement is the findings with what is accepted of them, and what a change is measured by.
type judgement struct {
	all      []finding.Finding
	before   *baseline.Baseline // what stands open before the change, as far as the change has it too
	unproven []verdict.Open     // and what is not known there
}

// judge tells which findings are accepted. With a base, its waivers judge as well.
func (x *surveyed) judge(ctx context.Context, o *checkOptions, found []rule.Found, now time.Time) (*judgement, error) {
	all, head := verdict.Findings(x.head.Estate, found), waiversOf(x.docs)
	j := &judgement{before: baseline.Before(nil)}
	if x.base == nil {
		j.all = waiver.Apply(all, head.Waivers, head.ClusterLabels, now)
		return j, nil
	}
	base := waiversOf(x.earlier)
	if x.before != nil {
		earlier, err := x.findAgain(ctx, found, base.Waivers)
		if err != nil {
			return nil, err
		}
		j.measure(x.before, earlier, base, now)
	}
	if o.waivers == waiversOfHead {
		base = head
	}
	base.Known = func(f *finding.Finding) bool {
		_, others := j.before.Split([]finding.Finding{*f})
		return len(others) == 0
	}
	j.all = waiver.Review(all, base, head, now)
	return j, nil
}

// measure is by what was found before the change.
func (j *judgement) measure(at *rule.Context, found []rule.Found, waivers waiver.Revision, now time.Time) {
	j.before = baseline.Before(waiver.Apply(verdict.Placeless(found), waivers.Waivers, waivers.ClusterLabels, now))
	j.unproven = verdict.Unknown(at.Estate, found)
}

// findAgain asks the revision before the change what may be known of it: the rules that found something after it, and those of its waivers, whose faults
// depend on all that they cover. What other rules find there is in no answer, so that a review costs what is found in it.
func (x *surveyed) findAgain(ctx context.Context, found []rule.Found, waivers []v1alpha1.Waiver) ([]rule.Found, error) {
	covered := map[string]bool{}
	for i := range waivers {
		for _, id := range waivers[i].Spec.Rules {
			covered[id] = true
		}
	}
	ids := map[string]bool{verdict.GapRule: true}
	for id := range covered {
		ids[id] = true
	}
	for i := range found {
		ids[found[i].Rule] = true
	}
	asker, err := x.asks()
	if err != nil {
		return nil, err
	}
	asked, err := asker.FindAgain(ctx, x.before.Estate, found, covered)
	if err != nil {
		return nil, err
	}
	return x.within(append(rule.FindOf(x.before, ids), asked...)), nil
}

// waiversOf are the waivers of documents that are about isolation.
func waiversOf(docs v1alpha1.Documents) waiver.Revision {
	return waiver.Revision{Waivers: waiver.About(docs.Waivers, waiver.Isolation), ClusterLabels: labelsOf(docs.Clusters)}
}

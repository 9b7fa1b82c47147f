package impact

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// refusal is why the API server refuses what an applier applies, from a stage on:
// objects of earlier stages are written, and nothing is pruned. What then becomes of
// appliers among the objects is not followed: they are taken to be as rendered.
type refusal struct {
	stage render.Stage
	why   string // "" when the render has failures that say so
	waits bool   // it is not applied at all: what it depends on fails
}

func (r *refusal) of(applier object.Applier) string {
	if r.why == "" {
		return applier.String() + " is refused by the API server after the change"
	}
	if r.waits {
		return applier.String() + " waits for " + r.why
	}
	return applier.String() + ": the apply will be refused: " + r.why
}

// wait finds the appliers after the change that depend on one that fails, also through
// others: they are not reconciled until that is fixed.
//
// Source: kustomize-controller v1.9.5 and helm-controller v1.6.4, checkDependencies.
func (p *pair) wait() {
	for again := true; again; {
		again = false
		for k, a := range p.after.appliers {
			if r := p.refusal(a); r != nil && r.stage == render.Definitions || !settled(a) {
				continue
			}
			for _, id := range a.DependsOn {
				d := p.after.appliers[key{k.home, id}]
				if d == nil || d.State != render.Failed && p.refusal(d) == nil {
					continue
				}
				p.refused[k] = refusal{stage: render.Definitions, why: id.String() + ", which fails", waits: true}
				again = true
				break
			}
		}
	}
}

// refusal is that of an applier after the change; nil for none that is known.
func (p *pair) refusal(k *render.Applier) *refusal {
	r, ok := p.refused[key{k.Home, k.Applier}]
	switch {
	case !k.Refused && !ok:
		return nil
	case k.Refused && (!ok || k.RefusedStage <= r.stage):
		return &refusal{stage: k.RefusedStage}
	}
	return &r
}

// refuse finds the updates of a cluster that the API server will refuse: an object
// that was applied before, and of which a field changes that may not.
func (p *pair) refuse(c *compared) {
	for _, kind := range []Kind{Changed, Moved} { // what an old owner prunes depends on its own refusal
		for _, ch := range c.Changes {
			if ch.Kind != kind || ch.Refused+ch.Recreated != "" || len(p.fixed.of(ch.ID)) == 0 || !live(ch.ID, c.a) {
				continue
			}
			for _, k := range c.b.owners[ch.ID] {
				if after := c.b.of(ch.ID, k); !skips(after) {
					p.update(c, ch, k, after)
				} else if kind == Changed && len(c.b.owners[ch.ID]) == 1 {
					ch.Refused = "it is there, and marked so that it is not applied again"
				}
			}
		}
	}
	slices.SortFunc(c.Refused, func(a, b object.Applier) int { return strings.Compare(a.String(), b.String()) })
	c.Refused = slices.Compact(c.Refused)
}

// update judges one object as one of its owners applies it after the change.
func (p *pair) update(c *compared, ch *Change, k *render.Applier, after *object.Object) {
	var found []finding
	before := c.a.owners[ch.ID]
	for _, old := range before { // with several, which one is live is not known: all have to agree
		f := p.fixed.refused(c.a.of(ch.ID, old), after)
		if len(f) == 0 {
			return
		}
		if len(found) == 0 || f[0].maybe != "" {
			found = f
		}
	}
	what := fmt.Sprintf("%s %s %s", ch.ID, found[0].field, found[0].says)
	switch {
	case found[0].maybe != "":
		c.Notes = append(c.Notes, "the API server may refuse a change: "+what+"; "+found[0].maybe)
	case forced(k, c.a.of(ch.ID, before[0]), after):
		ch.Recreated = "force is on, and " + what
	case p.vacated(ch, c) != nil:
		ch.Recreated = what + ", so that it cannot be taken over until " + p.vacated(ch, c).String() + " has deleted it"
	default:
		hint := "give it another name, or let it be deleted and created again: annotate it kustomize.toolkit.fluxcd.io/force: enabled"
		if lost := loses(ch.ID); lost != "" {
			hint += ", which also deletes " + lost
		}
		c.Failures = append(c.Failures, render.Failure{
			Cluster: c.Name, Applier: k.Applier, Stage: "apply", File: ch.After.Origin.File,
			Message: "the apply will be refused: " + what, Hint: hint,
		})
		at, stage := key{k.Home, k.Applier}, render.StageOf(after)
		if r, ok := p.refused[at]; !ok || stage < r.stage {
			p.refused[at] = refusal{stage: stage, why: what}
		}
		c.Refused = append(c.Refused, k.Applier)
	}
}

// vacated is the owner that deletes a moved object; nil when none is certain to. The
// refusal of its update ends with that.
func (p *pair) vacated(ch *Change, c *compared) *render.Applier {
	for _, k := range c.a.owners[ch.ID] {
		if p.leaves(ch, k, c.b) {
			if f, _ := p.collected(c.a.of(ch.ID, k), k); f == Deleted {
				return k
			}
		}
	}
	return nil
}

// leaves reports whether an applier no longer owns a moved object.
func (p *pair) leaves(ch *Change, k *render.Applier, after owned) bool {
	return ch.Kind == Moved && !slices.ContainsFunc(after.owners[ch.ID], func(a *render.Applier) bool { return a.Home == k.Home && a.Applier == k.Applier })
}

// live reports whether an object stands on the cluster as the side renders it.
func live(id object.ID, before owned) bool {
	for _, k := range before.owners[id] {
		o := before.of(id, k)
		if skips(o) || k.Refused && render.StageOf(o) >= k.RefusedStage {
			return false
		}
	}
	return len(before.owners[id]) > 0
}

// withhold marks the changes of refused appliers, and notes objects that are deleted to
// be created again while their stage is refused: they stay deleted.
func (p *pair) withhold(c *compared) {
	for _, ch := range c.Changes {
		if ch.Kind == Removed {
			continue
		}
		by := p.refusedBy(ch, c.b)
		switch {
		case by != nil && (ch.Recreated == "" || by.stage < render.StageOf(ch.After)):
			ch.Refused, ch.Recreated = by.of(ch.After.Origin.Owner()), ""
		case ch.Recreated != "" && !strings.Contains(ch.Recreated, "installed anew"):
			note := ch.ID.String() + " is deleted and created again: " + ch.Recreated
			if by != nil {
				note = ch.ID.String() + " may be deleted and not created again: " + ch.Recreated + ", but " + by.of(ch.After.Origin.Owner())
			}
			if lost := loses(ch.ID); lost != "" {
				note += "; with it goes " + lost
			}
			c.Notes = append(c.Notes, note)
		}
	}
	if now := p.after.clusters[c.Name]; now != nil {
		for _, k := range now.Appliers {
			old := p.before.appliers[key{k.Home, k.Applier}]
			if k.Refused && (old == nil || !old.Refused) && !slices.Contains(c.Refused, k.Applier) {
				c.Refused = append(c.Refused, k.Applier)
			}
		}
	}
	slices.SortFunc(c.Refused, func(a, b object.Applier) int { return strings.Compare(a.String(), b.String()) })
}

// refusedBy is the refusal that keeps a change from the cluster; nil when one of the
// object's owners applies it.
func (p *pair) refusedBy(ch *Change, after owned) (by *refusal) {
	for _, k := range after.owners[ch.ID] {
		r := p.refusal(k)
		if r == nil || r.stage > render.StageOf(ch.After) {
			return nil
		}
		by = r
	}
	return by
}

// forced reports whether the controller deletes an object whose update is refused, to
// create it anew.
//
// Source: fluxcd/pkg/ssa v0.76.2 shouldForceApply.
func forced(k *render.Applier, before, after *object.Object) bool {
	return k.Force || marked(before, "force", "enabled") || marked(after, "force", "enabled")
}

// skips reports whether a marker keeps the controller from applying an object that is
// there.
//
// Source: kustomize-controller v1.9.5 apply, ExclusionSelector and IfNotPresentSelector.
func skips(o *object.Object) bool {
	return marked(o, "reconcile", "disabled") || marked(o, "ssa", "Ignore") || marked(o, "ssa", "IfNotPresent")
}

// marked reports whether a label or annotation of Flux has a value, in whatever case.
func marked(o *object.Object, name, value string) bool {
	for _, field := range []string{"labels", "annotations"} {
		if s, ok := at(o.Body().Map(), "metadata", field, "kustomize.toolkit.fluxcd.io/"+name).(string); ok && strings.EqualFold(s, value) {
			return true
		}
	}
	return false
}

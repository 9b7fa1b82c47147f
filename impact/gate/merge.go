package gate

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/finding"
)

// RuleChanged is the rule of what [Merge] finds.
const RuleChanged = "gate-changed"

// Merge is the gates that a change must pass: those before it, as they are there, then those that it
// adds. A change cannot switch off, weaken or rewrite what judges it: that is a finding,
// and takes effect once it is merged. A gate that is disabled before holds as the change has it.
func Merge(base, head []v1alpha1.Gate) ([]v1alpha1.Gate, []finding.Finding) {
	var out []v1alpha1.Gate
	var found []finding.Finding
	for i := range base {
		b, h := base[i], gateOf(head, base[i].Name)
		switch {
		case b.Disabled && h != nil:
			b = *h
		case b.Disabled && builtInOf(b.Name) != nil:
			continue // it is on again, as by default
		case b.Disabled:
		default:
			if how := weakened(&b, h); how != "" {
				found = append(found, changed(&b, h, how))
			}
		}
		out = append(out, b)
	}
	for i := range head {
		h := head[i]
		if gateOf(base, h.Name) != nil {
			continue
		}
		b := builtInOf(h.Name)
		if b == nil || b.off {
			out = append(out, h)
			continue
		}
		// A built-in gate that nobody named before holds as by default, or more strictly.
		before := v1alpha1.Gate{Name: h.Name, Place: h.Place}
		if how := weakened(&before, &h); how != "" {
			found = append(found, changed(&before, &h, how))
			h = before
		}
		out = append(out, h)
	}
	return out, found
}

func gateOf(gates []v1alpha1.Gate, name string) *v1alpha1.Gate {
	if i := slices.IndexFunc(gates, func(g v1alpha1.Gate) bool { return g.Name == name }); i >= 0 {
		return &gates[i]
	}
	return nil
}

// weakened says how head asks for less than base, or for what cannot be compared with it; "" when it
// does not. Head is nil when it does not name the gate.
func weakened(base, head *v1alpha1.Gate) string {
	if head == nil {
		b := builtInOf(base.Name)
		if b == nil || b.off || base.Expr != "" {
			return "removed"
		}
		head = &v1alpha1.Gate{Name: base.Name} // as by default
	}
	before, after := severityOf(base), severityOf(head)
	switch {
	case head.Disabled:
		return "disabled"
	case head.Expr != base.Expr:
		return "given another expression"
	case after.Rank() > before.Rank():
		return fmt.Sprintf("made a %s instead of %s", after, before)
	case looser(base.With.Clusters, head.With.Clusters), looser(base.With.Objects, head.With.Objects):
		return "given a larger limit"
	default:
		return ""
	}
}

func looser(before, after int) bool { return before > 0 && (after == 0 || after > before) }

func severityOf(g *v1alpha1.Gate) finding.Severity {
	own := finding.Error
	if b := builtInOf(g.Name); b != nil && g.Expr == "" {
		own = b.severity
	}
	return cmp.Or(finding.Severity(g.Severity), own)
}

func changed(base, head *v1alpha1.Gate, how string) finding.Finding {
	f := finding.Finding{
		Rule: RuleChanged, Severity: finding.Warning, Clusters: []string{},
		Message: fmt.Sprintf("gate %s is %s by this change, which is judged by the gate as it was", base.Name, how),
		Hint:    "let those who own the gates approve it, in a change of its own", File: base.Place.File,
	}
	if head != nil {
		f.File, f.Line = head.Place.File, head.Place.Line
	}
	return f
}

package policy

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/rule"
)

// Review makes ready the rules that judge a change: those after it, then those before it that it takes out or changes. So no change gets rid of the rule that it must
// pass. Of two versions of a rule the worse answer counts. A rule before that does not compile judged nothing, and is left out; the error is that of
// [Compile], about one after.
func Review(before, after []v1alpha1.Rule) ([]*Document, error) {
	out, err := Compile(after)
	if err != nil {
		return nil, err
	}
	for _, c := range changed(before, after) {
		one, err := Compile([]v1alpha1.Rule{*c.before})
		if err != nil {
			continue
		}
		one[0].earlier = true
		out = append(out, one...)
	}
	return out, nil
}

// Loosened tells of the rules that a change takes out or changes, sorted by name.
func Loosened(before, after []v1alpha1.Rule) (out []rule.Found) {
	for _, c := range changed(before, after) {
		f := rule.Found{Rule: Changed, Message: fmt.Sprintf("Rule %s of %s is taken out; in this review it judges all the same", c.before.Name, c.before.Place.File)}
		if c.after != nil {
			f.Level, f.File, f.Line = finding.Low, c.after.Place.File, c.after.Place.Line
			f.Message = fmt.Sprintf("Rule %s changes; in this review what it was before judges as well", c.before.Name)
		}
		out = append(out, fill(f))
	}
	slices.SortFunc(out, func(a, b rule.Found) int { return cmp.Compare(a.Message, b.Message) })
	return out
}

// change is a rule that is not what it was; after is nil when it is no more.
type change struct{ before, after *v1alpha1.Rule }

func changed(before, after []v1alpha1.Rule) (out []change) {
	for i := range before {
		c := change{before: &before[i]}
		if at := slices.IndexFunc(after, func(r v1alpha1.Rule) bool { return r.Name == before[i].Name }); at >= 0 {
			c.after = &after[at]
		}
		if c.after == nil || !reflect.DeepEqual(judging(c.before), judging(c.after)) {
			out = append(out, c)
		}
	}
	return out
}

// judging is what decides of a rule: all but its words.
func judging(r *v1alpha1.Rule) v1alpha1.RuleSpec {
	s := *r.Spec.DeepCopy()
	s.Title, s.Why, s.Hint = "", "", ""
	for i := range s.Validations {
		s.Validations[i].Message, s.Validations[i].MessageExpression = "", ""
	}
	return s
}

// worse reports whether what a rule says is worse than what another version of it says: something found is worse than what is not known.
func worse(a, b *rule.Found) bool {
	if a.Unproven != b.Unproven {
		return b.Unproven
	}
	return a.Level.Rank() < b.Level.Rank()
}

package waiver

import (
	"slices"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
)

// About is the part of the waivers that is about some rules: what they say of others is left out, and so are waivers that then name none. A command passes
// the rules that it asks, so that a waiver of another command's is not said to accept nothing.
func About(waivers []v1alpha1.Waiver, mine func(rule string) bool) (out []v1alpha1.Waiver) {
	for _, w := range waivers {
		w.Spec.Rules = slices.DeleteFunc(slices.Clone(w.Spec.Rules), func(id string) bool { return !mine(id) })
		if len(w.Spec.Rules) > 0 {
			out = append(out, w)
		}
	}
	return out
}

// Isolation reports whether an ID is that of a rule about isolation: a group in capitals, and a number.
func Isolation(rule string) bool { return rule != "" && rule[0] >= 'A' && rule[0] <= 'Z' }

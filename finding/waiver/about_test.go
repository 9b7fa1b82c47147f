package waiver_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/finding/waiver"
)

func TestAbout(t *testing.T) {
	all := make([]v1alpha1.Waiver, 3)
	all[0].Spec.Rules, all[1].Spec.Rules, all[2].Spec.Rules = []string{"pvc-deleted", "IMP-001"}, []string{"gate/a"}, []string{"NET-001"}
	rules := func(list []v1alpha1.Waiver) (out [][]string) {
		for _, w := range list {
			out = append(out, w.Spec.Rules)
		}
		return out
	}
	if diff := cmp.Diff([][]string{{"IMP-001"}, {"NET-001"}}, rules(waiver.About(all, waiver.Isolation))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	others := waiver.About(all, func(id string) bool { return !waiver.Isolation(id) })
	if diff := cmp.Diff([][]string{{"pvc-deleted"}, {"gate/a"}}, rules(others)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(all[0].Spec.Rules) != 2 {
		t.Error("what was given is changed")
	}
}

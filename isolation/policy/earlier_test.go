package policy_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/isolation/policy"
)

// TestReview: a change is judged by the rules that it takes out or weakens, and by its own; the worse answer counts, and what changed is told.
func TestReview(t *testing.T) {
	rule := func(level, expr, message string) string {
		return head + "  level: " + level + "\n  validations: [{expression: \"" + expr + "\", message: " + message + "}]\n"
	}
	const earlier = "; Rule small, as it was before this change: "
	for name, c := range map[string]struct{ before, after, found, told string }{
		"none":                       {"", "", "", ""},
		"a new one":                  {"", rule("high", "false", "new"), "high new; Rule small: new", ""},
		"the same":                   {rule("high", "false", "a"), rule("high", "false", "a"), "high a; Rule small: a", ""},
		"in other words":             {rule("high", "false", "a"), rule("high", "false", "b"), "high b; Rule small: b", ""},
		"taken out":                  {rule("high", "false", "a"), "", "high a" + earlier + "a", "medium Rule small of fleet/rules.yaml is taken out; in this review it judges all the same"},
		"weakened":                   {rule("high", "false", "a"), rule("high", "true", "a"), "high a" + earlier + "a", "low Rule small changes; in this review what it was before judges as well"},
		"of a lower level":           {rule("high", "false", "a"), rule("low", "false", "b"), "high a" + earlier + "a", "low Rule small changes; in this review what it was before judges as well"},
		"of a higher level":          {rule("low", "false", "a"), rule("high", "false", "b"), "high b; Rule small: b", "low Rule small changes; in this review what it was before judges as well"},
		"stronger":                   {rule("high", "true", "a"), rule("high", "false", "b"), "high b; Rule small: b", "low Rule small changes; in this review what it was before judges as well"},
		"mended":                     {rule("high", "objct == 1", "a"), rule("high", "false", "b"), "high b; Rule small: b", "low Rule small changes; in this review what it was before judges as well"},
		"broken, and then taken out": {rule("high", "objct == 1", "a"), "", "", "medium Rule small of fleet/rules.yaml is taken out; in this review it judges all the same"},
	} {
		t.Run(name, func(t *testing.T) {
			var docs [2]v1alpha1.Documents
			for i, text := range []string{c.before, c.after} {
				var err error
				if docs[i], err = v1alpha1.Decode("fleet/rules.yaml", []byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			rules, err := policy.Review(docs[0].Rules, docs[1].Rules)
			if err != nil {
				t.Fatal(err)
			}
			found, err := policy.Find(t.Context(), world(t, map[string][]byte{"platform.yaml": []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: b}\n")}), nil, rules)
			if err != nil {
				t.Fatal(err)
			}
			var got, told []string
			for i := range found {
				text := string(found[i].Level) + " " + found[i].Message
				for _, s := range found[i].Steps {
					text += "; " + s.Message
				}
				got = append(got, text)
			}
			for _, f := range policy.Loosened(docs[0].Rules, docs[1].Rules) {
				told = append(told, string(f.Level)+" "+f.Message)
			}
			if diff := cmp.Diff(c.found, strings.Join(got, "\n")); diff != "" {
				t.Errorf("found (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.told, strings.Join(told, "\n")); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
		})
	}
	docs, err := v1alpha1.Decode("fleet/rules.yaml", []byte(rule("high", "objct == 1", "a")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := policy.Review(nil, docs.Rules); err == nil {
		t.Error("a rule of the change that does not compile is let pass")
	}
}

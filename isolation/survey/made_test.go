package survey_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/isolation/rule"
)

// TestMade: what a document asks for breaks no rule about identity, namespaces and references.
func TestMade(t *testing.T) {
	f := newFleet(t)
	for name, settings := range map[string]string{
		"article":        "  shape: Article\n",
		"pinned":         "  nestedFlux: Pinned\n",
		"article pinned": "  shape: Article\n  nestedFlux: Pinned\n",
		"owners":         "  owners: [{kind: Group, name: billing-team, apiGroup: rbac.authorization.k8s.io}]\n  ownerClusterRole: edit\n",
		"admin":          "  clusterRoles: [admin]\n",
		"variables":      "  sync: {clusterVariables: [domain], substitute: {a: b}}\n",
		"two namespaces": "",
		"suspended":      "  lifecycle: {phase: Suspended, keepData: true}\n",
		"draining":       "  lifecycle: {phase: Draining}\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{"hub/fleet/tenants/billing.yaml": "apiVersion: bulkhead.dev/v1alpha1\nkind: Tenant\nmetadata: {name: billing}\nspec:\n" + settings +
				"  repository: {url: \"https://git.example.com/acme/billing\", ref: {tag: v1.0.0}}\n  environments:\n  - {name: prod, clusters: {matchLabels: {env: prod}}}\n"}
			if name == "two namespaces" {
				files["hub/fleet/tenants/billing.yaml"] = strings.Replace(files["hub/fleet/tenants/billing.yaml"], "{name: prod,", "{name: prod, namespaces: [billing-a, billing-b],", 1)
				files["billing/deploy/prod/app.yaml"] = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: billing-a}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b, namespace: billing-b}\n"
			}
			found := rule.Find(f.with(t, files), nil)
			found = slices.DeleteFunc(found, func(f rule.Found) bool {
				return !slices.Contains([]string{"IMP", "NSB", "REF", "NST", "OPR"}, f.Rule[:3])
			})
			if len(found) > 0 {
				t.Errorf("found: %s", told(found))
			}
		})
	}
}

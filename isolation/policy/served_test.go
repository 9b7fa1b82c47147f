package policy_test

import (
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/isolation/policy"
)

// TestOldCluster: where the API server does not know the kinds, that is told once, whatever else is wrong with the policies, and none of them is asked.
func TestOldCluster(t *testing.T) {
	const text = `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: none}
spec:
  matchConstraints: {resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]}
  validations: [{expression: "false"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: typo}
spec: {validations: [{expression: "objct"}]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: none}
spec: {policyName: none, validationActions: [Deny]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: a, namespace: a}
`
	for minor, want := range map[int]string{
		0: "POL-001 POL-003", 36: "POL-001 POL-003", 30: "POL-001 POL-003",
		29: "POL-003", 28: "POL-003",
	} {
		e := world(t, map[string][]byte{"platform.yaml": []byte(text)})
		e.Clusters[0].Minor = minor
		found, err := policy.Find(t.Context(), e, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for i := range found {
			got = append(got, found[i].Rule)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("1.%d: found %s", minor, told(found))
		}
		if minor == 28 {
			const message = "the ValidatingAdmissionPolicy does not work: Kubernetes 1.28 does not know the kind, which is there from 1.30 on: the API server refuses all that are brought to the cluster, " +
				"2 policies and 1 binding, and their appliers stall"
			if found[0].Message != message || !strings.HasPrefix(found[0].Hint, "upgrade the cluster to 1.30 or later, ") {
				t.Errorf("message %q, hint %q", found[0].Message, found[0].Hint)
			}
		}
	}
}

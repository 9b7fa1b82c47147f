package policy_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/policy"
)

// fleetOf is a cluster with many objects and policies about single kinds; with wide, each third is about every object.
func fleetOf(count, policies int, wide bool) map[string][]byte {
	var p, o bytes.Buffer
	resources := []string{"deployments", "services", "configmaps", "ingresses", "secrets"}
	p.WriteString("apiVersion: v1\nkind: Namespace\nmetadata: {name: billing-prod, labels: {team: billing}}\n")
	for i := range policies {
		resource := resources[i%len(resources)]
		if wide && i%3 == 0 {
			resource = "\"*\""
		}
		fmt.Fprintf(&p, `---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: p%d}
spec:
  matchConstraints: {resourceRules: [{apiGroups: ["*"], apiVersions: ["*"], operations: [CREATE, UPDATE], resources: [%s]}]}
  variables: [{name: labels, expression: "has(object.metadata.labels) ? object.metadata.labels : {}"}]
  validations:
  - {expression: "!('p%d' in variables.labels) && object.metadata.name != 'p%d'", message: not this}
  - {expression: "!has(object.spec) || !has(object.spec.template) || object.spec.template.spec.containers.all(c, !c.image.startsWith('bad%d/'))", messageExpression: "'bad image in ' + namespaceObject.metadata.labels.team"}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: p%d}
spec: {policyName: p%d, validationActions: [Deny], matchResources: {namespaceSelector: {matchLabels: {team: billing}}}}
`, i, resource, i, i, i, i, i)
	}
	for i := range count {
		meta := fmt.Sprintf("{name: x%d, namespace: billing-prod, labels: {app: x}}", i)
		switch i % 4 {
		case 0:
			fmt.Fprintf(&o, "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: %s\nspec: {selector: {matchLabels: {app: x}}, template: {metadata: {labels: {app: x}}, spec: {containers: [{name: x, image: \"good/x:v1\"}]}}}\n", meta)
		case 1:
			fmt.Fprintf(&o, "---\napiVersion: v1\nkind: Service\nmetadata: %s\nspec: {ports: [{port: 80}]}\n", meta)
		case 2:
			fmt.Fprintf(&o, "---\napiVersion: v1\nkind: ConfigMap\nmetadata: %s\ndata: {a: b}\n", meta)
		default:
			fmt.Fprintf(&o, "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: %s\nspec: {rules: [{host: a.example.com}]}\n", meta)
		}
	}
	return map[string][]byte{"platform.yaml": p.Bytes(), "billing.yaml": bytes.TrimPrefix(o.Bytes(), []byte("---\n"))}
}

// BenchmarkFind is 2,000 objects and 20 policies, compiled anew each time; on a hundred clusters the objects are the same.
func BenchmarkFind(b *testing.B) {
	for name, clusters := range map[string]int{"narrow": 1, "wide": 1, "hundred": 100} {
		b.Run(name, func(b *testing.B) {
			e := &estate.Estate{}
			files := fleetOf(2000/clusters, 20, name != "narrow")
			for i := range clusters {
				c := world(b, files).Clusters[0]
				c.Name = fmt.Sprintf("c%03d", i)
				e.Clusters = append(e.Clusters, c)
			}
			for b.Loop() {
				if found, err := policy.Find(b.Context(), e, nil, nil); err != nil || len(found) > 0 {
					b.Fatal(err, told(found))
				}
			}
		})
	}
}

// BenchmarkOn is what a cluster costs before it is asked anything: its policies are compiled.
func BenchmarkOn(b *testing.B) {
	e := world(b, fleetOf(1, 20, true))
	for b.Loop() {
		policy.On(e.Clusters[0], &policy.Compiler{})
	}
}

package policy_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/policy"
	"github.com/bulkhead-dev/bulkhead/isolation/rule"
	"github.com/bulkhead-dev/bulkhead/object"
)

const head = "apiVersion: bulkhead.dev/v1alpha1\nkind: Rule\nmetadata: {name: small}\nspec:\n  title: A ConfigMap is small\n" +
	"  matchConstraints: {resourceRules: [{apiGroups: [\"\"], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]}\n"

func compiled(tb testing.TB, text string) []*policy.Document {
	tb.Helper()
	docs, err := v1alpha1.Decode("fleet/rules.yaml", []byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	out, err := policy.Compile(docs.Rules)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// TestPolicyOfRule: a rule that reads nothing but what admission has says the same as the policy that it stands for.
func TestPolicyOfRule(t *testing.T) {
	rules := compiled(t, head+"  level: high\n  matchConditions: [{name: a, expression: \"request.operation == 'CREATE'\"}]\n  variables: [{name: n, expression: object.data.size()}]\n"+
		"  validations: [{expression: variables.n < 2, messageExpression: \"string(variables.n) + ' keys'\"}, {expression: \"true\", message: m}]\n")
	p, b, err := rules[0].Policy()
	if err != nil {
		t.Fatal(err)
	}
	if p.Name != "small" || b.Spec.PolicyName != "small" || !slices.Equal(b.Spec.ValidationActions, []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny}) || *p.Spec.FailurePolicy != admissionregistrationv1.Fail {
		t.Errorf("policy %+v, binding %+v", p, b)
	}
	e := world(t, map[string][]byte{"billing.yaml": []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: billing-prod}\ndata: {a: b, c: d}\n")})
	by, err := policy.Find(t.Context(), e, nil, rules)
	if err != nil || len(by) != 1 || by[0].Rule != "rule/small" || by[0].Message != "2 keys" || by[0].Level != finding.High {
		t.Fatalf("found %s, %v", told(by), err)
	}
	for _, o := range []any{p, b} {
		m, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
		if err != nil {
			t.Fatal(err)
		}
		made, err := object.New(object.NewBody(m), object.Origin{})
		if err != nil {
			t.Fatal(err)
		}
		c := e.Clusters[0]
		on := *c.Objects[0]
		on.Object = made
		e = world(t, map[string][]byte{"billing.yaml": []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: billing-prod}\ndata: {a: b, c: d}\n")})
		e.Clusters[0].Objects = append(e.Clusters[0].Objects, append(c.Objects[1:], &on)...)
	}
	on, err := policy.Find(t.Context(), e, nil, nil)
	if err != nil || len(on) != 1 || on[0].Message != "ValidatingAdmissionPolicy small refuses it: 2 keys" {
		t.Errorf("found %s, %v", told(on), err)
	}
}

// TestStaticRule: a rule over what no cluster knows is no policy, and the catalogue says so.
func TestStaticRule(t *testing.T) {
	for expr, static := range map[string]bool{
		"object.metadata.name != 'a'": false, "authorizer.requestResource.check('get').allowed()": false, "tenant == null": true, "cluster.production": true,
		"applier.path == 'a'": true, "fleet.tenants.size() > 1": true, "['a'].all(tenant, tenant == 'a')": false,
	} {
		d := compiled(t, head+"  level: low\n  validations: [{expression: \""+expr+"\"}]\n")[0]
		_, b, err := d.Policy()
		if errors.Is(err, policy.ErrStatic) != static || (d.Rule().Static != "") != static {
			t.Errorf("%s: %v, %q", expr, err, d.Rule().Static)
		}
		if !static && !slices.Equal(b.Spec.ValidationActions, []admissionregistrationv1.ValidationAction{admissionregistrationv1.Warn, admissionregistrationv1.Audit}) {
			t.Errorf("actions %v of a rule of level low", b.Spec.ValidationActions)
		}
	}
}

// TestRules are complete, and none is one of the catalogue.
func TestRules(t *testing.T) {
	for _, r := range policy.Rules() {
		if r.Title == "" || r.Why == "" || r.Hint == "" || r.Severity != r.Level.Severity() || r.Source == "" {
			t.Errorf("rule %+v", r)
		}
		if slices.ContainsFunc(rule.Rules(), func(other rule.Rule) bool { return other.ID == r.ID }) {
			t.Errorf("%s is in the catalogue", r.ID)
		}
	}
}

// TestWithout leaves rules out, and a context that ended is an error.
func TestWithout(t *testing.T) {
	e := world(t, fleetOf(40, 3, true))
	for _, o := range e.Clusters[0].Objects {
		if o.ID.Kind == "ValidatingAdmissionPolicy" {
			o.Body().Map()["spec"].(map[string]any)["validations"] = []any{map[string]any{"expression": "false"}}
		}
	}
	all, err := policy.Find(t.Context(), e, nil, compiled(t, head+"  level: low\n  validations: [{expression: \"false\"}]\n"))
	if err != nil || len(all) < 40 {
		t.Fatalf("%d found, %v", len(all), err)
	}
	some, err := policy.Find(t.Context(), e, nil, compiled(t, head+"  level: low\n  validations: [{expression: \"false\"}]\n"), policy.Refused, "rule/small")
	if err != nil || len(some) > 0 {
		t.Errorf("found %s, %v", told(some), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := policy.Find(ctx, e, nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// FuzzExpression: no expression, of a policy or a rule, and no object makes it panic; what is found is one line, twice the same.
func FuzzExpression(f *testing.F) {
	for _, expr := range []string{
		"object.data.a == 'b'", "tenant.name", "object.data.map(k, v, k + v).join(',') != ''", "{'a': object}.a.metadata.labels['x'] == dyn(1)", "authorizer.group('').resource('a').check('get').reason() != ''",
		"object.list.all(e, e.x in [object, null])", "has(object.metadata.annotations) ? quantity(object.data.a).isGreaterThan(quantity('1')) : params == null", "variables.v == object", "\x00", "((((", "oldObject == null",
		"[1,2,3].map(i, object.list[i % 2].x).exists(x, x == 'y')", "fleet.clusters.map(c, c.labels).all(l, l.all(k, l[k] != ''))", "string(object.data) == ''", "object.list + object.list == []",
	} {
		f.Add(expr, "{\"a\": \"b\"}")
	}
	f.Add("object.data.x > 1", "{\"x\": null, \"y\": [[], {}, 1.5, \"\\n\"]}")
	f.Fuzz(func(t *testing.T, expr, data string) {
		if len(expr) > 2000 || len(data) > 2000 {
			return
		}
		e := hostile(t, expr, data)
		if e == nil {
			return
		}
		var rules []*policy.Document
		doc := v1alpha1.Rule{Spec: v1alpha1.RuleSpec{Level: "low", Title: "t", Validations: []v1alpha1.RuleValidation{{Expression: expr, MessageExpression: expr}}}}
		doc.Name = "fuzz"
		doc.Spec.MatchConstraints.ResourceRules = []admissionregistrationv1.NamedRuleWithOperations{{RuleWithOperations: admissionregistrationv1.RuleWithOperations{
			Operations: []admissionregistrationv1.OperationType{"*"}, Rule: admissionregistrationv1.Rule{APIGroups: []string{"*"}, APIVersions: []string{"*"}, Resources: []string{"*"}},
		}}}
		if list, err := policy.Compile([]v1alpha1.Rule{doc}); err == nil {
			rules = list
		}
		one, err := policy.Find(t.Context(), e, nil, rules)
		if err != nil {
			t.Fatal(err)
		}
		two, err := policy.Find(t.Context(), e, nil, rules)
		if err != nil || told(one) != told(two) {
			t.Fatalf("%v, first %s\nthen %s", err, told(one), told(two))
		}
		for i := range one {
			if line := one[i].Message; line == "" || slices.ContainsFunc([]byte(line), func(c byte) bool { return c < ' ' }) {
				t.Fatalf("message %q", line)
			}
		}
	})
}

// TestHowTo: the rules of the how-to compile, and do what it says.
func TestHowTo(t *testing.T) {
	page, err := os.ReadFile("../../docs/how-to/rules-of-your-own.md")
	if err != nil {
		t.Fatal(err)
	}
	var rules []*policy.Document
	for block := range strings.SplitSeq(string(page), "```yaml\n") {
		text, _, _ := strings.Cut(block, "```")
		if strings.Contains(text, "kind: Rule") {
			rules = append(rules, compiled(t, text)...)
		}
	}
	if len(rules) != 2 {
		t.Fatalf("%d rules", len(rules))
	}
	found, err := policy.Find(t.Context(), world(t, map[string][]byte{"billing.yaml": []byte(`apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: billing-prod}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: billing-flux}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: billing-prod}
spec: {rules: [{host: billing.example.com}, {host: auth.example.com}, {}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: none, namespace: billing-prod}
`)}), nil, rules)
	if err != nil {
		t.Fatal(err)
	}
	const want = `rule/own-hosts high of billing networking.k8s.io/Ingress/billing-prod/web
  billing claims auth.example.com, * on prod
rule/workload-owner medium of billing apps/Deployment/billing-prod/web
  Deployment web has no owner
`
	if diff := cmp.Diff(want, told(found)); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
}

package guard_test

import (
	"slices"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/cel/environment"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/object"
)

// guards are policies as the API server compiles them, with the namespaces of their bindings.
type guards struct {
	policies  []*admissionregistrationv1.ValidatingAdmissionPolicy
	validator map[string]validating.Validator
	in        map[string][]string
}

func into(t *testing.T, o *object.Object, v any) {
	t.Helper()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Body().Map(), v, true); err != nil {
		t.Fatalf("%s: %v", o.ID, err)
	}
}

func compile(t *testing.T, objects []*object.Object) *guards {
	t.Helper()
	g := &guards{validator: map[string]validating.Validator{}, in: map[string][]string{}}
	for _, o := range objects {
		switch o.ID.Kind {
		case "ValidatingAdmissionPolicy":
			p := &admissionregistrationv1.ValidatingAdmissionPolicy{}
			into(t, o, p)
			g.policies, g.validator[p.Name] = append(g.policies, p), compiled(t, p)
		case "ValidatingAdmissionPolicyBinding":
			b := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{}
			into(t, o, b)
			g.in[b.Spec.PolicyName] = append(g.in[b.Spec.PolicyName], b.Spec.MatchResources.NamespaceSelector.MatchExpressions[0].Values...)
		}
	}
	return g
}

// compiled follows k8s.io/apiserver v0.36.4, compilePolicy of the plugin.
func compiled(t *testing.T, p *admissionregistrationv1.ValidatingAdmissionPolicy) validating.Validator {
	t.Helper()
	c, err := cel.NewCompositedCompiler(environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()))
	if err != nil {
		t.Fatal(err)
	}
	opts := cel.OptionalVariableDeclarations{HasAuthorizer: true}
	for _, v := range p.Spec.Variables {
		if r := c.CompileAndStoreVariable(&validating.Variable{Name: v.Name, Expression: v.Expression}, opts, environment.NewExpressions); r.Error != nil {
			t.Errorf("%s: variable %s: %.300v", p.Name, v.Name, r.Error)
		}
	}
	var conditions, checks []cel.ExpressionAccessor
	for i := range p.Spec.MatchConditions {
		conditions = append(conditions, (*matchconditions.MatchCondition)(&p.Spec.MatchConditions[i]))
	}
	for i := range p.Spec.Validations {
		v := &p.Spec.Validations[i]
		checks = append(checks, &validating.ValidationCondition{Expression: v.Expression, Message: v.Message, Reason: v.Reason})
	}
	when, must := c.CompileCondition(conditions, opts, environment.NewExpressions), c.CompileCondition(checks, opts, environment.NewExpressions)
	for _, err := range append(when.CompilationErrors(), must.CompilationErrors()...) {
		t.Errorf("%s: %v", p.Name, err)
	}
	none := c.CompileCondition(nil, opts, environment.NewExpressions)
	return validating.NewValidator(must, matchconditions.NewMatcher(when, p.Spec.FailurePolicy, "policy", "validate", p.Name), none, none, p.Spec.FailurePolicy, nil)
}

// ask is what somebody wants of the API server.
type ask struct {
	user        string // of NAMESPACE/NAME
	resource    string // "kustomizations.kustomize.toolkit.fluxcd.io", with /status behind it for that
	old, new    string // YAML; no old is CREATE, no new is DELETE
	terminating bool   // the namespace goes
}

func read(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	if text == "" {
		return nil
	}
	u := &unstructured.Unstructured{}
	if err := yaml.UnmarshalStrict([]byte(text), &u.Object); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return u
}

// refused are the messages of the policies that refuse, with the name of each.
func (g *guards) refused(t *testing.T, a ask) (out []string) {
	t.Helper()
	old, now := read(t, a.old), read(t, a.new)
	op, some := admission.Update, now
	if old == nil {
		op = admission.Create
	} else if now == nil {
		op, some = admission.Delete, old
	}
	resource, sub, _ := strings.Cut(a.resource, "/")
	gvk := some.GroupVersionKind()
	name, _, _ := strings.Cut(resource, ".")
	gvr := schema.GroupVersionResource{Group: gvk.Group, Version: gvk.Version, Resource: name}
	ns, of, _ := strings.Cut(a.user, "/")
	who := &user.DefaultInfo{Name: "system:serviceaccount:" + ns + ":" + of, Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + ns, "system:authenticated"}}
	namespace := some.GetNamespace()
	if name == "namespaces" {
		namespace = some.GetName()
	}
	attr := &admission.VersionedAttributes{
		Attributes:    admission.NewAttributesRecord(typedNil(now), typedNil(old), gvk, some.GetNamespace(), some.GetName(), gvr, sub, op, nil, false, who),
		VersionedKind: gvk, VersionedObject: typedNil(now), VersionedOldObject: typedNil(old),
	}
	object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}, Status: corev1.NamespaceStatus{Phase: corev1.NamespaceActive}}
	if a.terminating {
		object.Status.Phase = corev1.NamespaceTerminating
	}
	for _, p := range g.policies {
		wide := some.GetNamespace() == "" && name != "namespaces"
		if !matches(p, gvr, sub, op, old, now) || !wide && !slices.Contains(g.in[p.Name], namespace) {
			continue
		}
		result := g.validator[p.Name].Validate(t.Context(), gvr, attr, nil, object, celconfig.RuntimeCELCostBudget, nil)
		for _, d := range result.Decisions {
			if d.Evaluation == validating.EvalError {
				t.Errorf("%s: %s of %s: %s", p.Name, op, some.GetName(), d.Message)
			}
			if d.Action == validating.ActionDeny {
				out = append(out, p.Name+": "+d.Message)
			}
		}
	}
	return out
}

func typedNil(u *unstructured.Unstructured) runtime.Object {
	if u == nil {
		return nil
	}
	return u
}

func matches(p *admissionregistrationv1.ValidatingAdmissionPolicy, gvr schema.GroupVersionResource, sub string, op admission.Operation, objects ...*unstructured.Unstructured) bool {
	has := func(list []string, want string) bool {
		return slices.Contains(list, want) || slices.Contains(list, "*")
	}
	name := gvr.Resource
	if sub != "" {
		name += "/" + sub
	}
	if !slices.ContainsFunc(p.Spec.MatchConstraints.ResourceRules, func(r admissionregistrationv1.NamedRuleWithOperations) bool {
		return has(r.APIGroups, gvr.Group) && has(r.APIVersions, gvr.Version) && slices.Contains(r.Operations, admissionregistrationv1.OperationType(op)) &&
			(slices.Contains(r.Resources, name) || sub == "" && slices.Contains(r.Resources, "*") || sub != "" && slices.Contains(r.Resources, "*/"+sub))
	}) {
		return false
	}
	selector := p.Spec.MatchConstraints.ObjectSelector
	if selector == nil {
		return true
	}
	s, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && slices.ContainsFunc(objects, func(o *unstructured.Unstructured) bool { return o != nil && s.Matches(labels.Set(o.GetLabels())) })
}

// Package guard turns the compartments of a cluster into what holds them at run time, see [Objects].
//
// It makes admission policies, NetworkPolicies and flags. One invariant: a guard lets through what a controller writes of metadata, finalizers and status,
// by comparing the object with the one before, and what it refuses it refuses whoever asks; only objects that are the platform's are told apart by who writes.
package guard

import (
	"cmp"
	"fmt"
	"slices"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/tenant"
)

const (
	// AnnotationRules on a policy lists the rules of the catalogue that it enforces.
	AnnotationRules = "bulkhead.dev/rules"
	// AnnotationHolds on a policy or a binding says what of a cluster goes into it: its tenants, or their namespaces. See [Patches].
	AnnotationHolds = "bulkhead.dev/holds"
	// MinMinor is the minor version of Kubernetes that has ValidatingAdmissionPolicy in v1.
	MinMinor = 30
	// fluxNamespace is where Flux is, and the platform's own appliers.
	fluxNamespace = "flux-system"
)

// Options of [Objects].
type Options struct {
	// Audit only warns and records what would be refused.
	Audit bool
	// Platform are the accounts that apply the platform's objects, as NAMESPACE/NAME. Unset: that of kustomize-controller.
	Platform []string
}

// Objects are the guards of a cluster: a policy and its binding for each thing that tenants may not do there, and, unless they only warn, the NetworkPolicies
// of Flux's own pods. They are sorted by kind and name. All compartments are of that cluster; none gives none.
//
// The error is about an object that Kubernetes would refuse.
func Objects(cluster string, compartments []*tenant.Compartment, opts Options) ([]*object.Object, error) {
	if len(compartments) == 0 {
		return nil, nil
	}
	return objects(cluster, gather(compartments), opts)
}

// Base are the guards of every cluster, in force nowhere: the policies know no tenant and the bindings select no namespace. With [Patches] they are [Objects].
//
// The error is about an object that Kubernetes would refuse.
func Base(opts Options) ([]*object.Object, error) { return objects("", nil, opts) }

func objects(cluster string, f facts, opts Options) ([]*object.Object, error) {
	var made []runtime.Object
	for _, p := range opts.writers().policies() {
		made = append(made, p.policy(f))
		for _, b := range p.bindings(f, opts.Audit) {
			made = append(made, b)
		}
	}
	if !opts.Audit {
		for _, n := range networks() {
			made = append(made, n)
		}
	}
	var out []*object.Object
	for _, v := range made {
		o, err := convert(v, cluster)
		if err != nil {
			return nil, fmt.Errorf("guards of cluster %s: %w", cluster, err)
		}
		out = append(out, o)
	}
	slices.SortStableFunc(out, func(a, b *object.Object) int {
		return cmp.Or(cmp.Compare(b.ID.Group, a.ID.Group), a.ID.Compare(b.ID)) // NetworkPolicies first: they are few
	})
	return out, nil
}

// convert makes an object without what only servers set.
func convert(v runtime.Object, cluster string) (*object.Object, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(v)
	if err != nil {
		return nil, fmt.Errorf("convert %T: %w", v, err)
	}
	delete(content, "status")
	if meta, ok := content["metadata"].(map[string]any); ok {
		delete(meta, "creationTimestamp")
	}
	return object.New(object.NewBody(content), object.Origin{Cluster: cluster})
}

// policy is one thing that tenants may not do.
type policy struct {
	name string
	// why is for who reads the policy in the cluster.
	why string
	// on are the resources that it looks at.
	on []admissionv1.NamedRuleWithOperations
	// labelled narrows it to objects with these labels, before or after the request.
	labelled map[string]string
	// if are conditions: all of them, or the policy does not apply.
	conditions []admissionv1.MatchCondition
	variables  []admissionv1.Variable
	checks     []check
	// in says where it holds. What is in no namespace it holds for wherever it is, but for Namespaces.
	in place
	// andFlux: it holds in flux-system, too.
	andFlux bool
}

// place is where policies hold.
type place string

const (
	ofTenants        place = "namespaces"
	ofTenantsAndFlux place = "namespaces-and-flux" // those with the tenants' Flux objects, too
)

// nameLabel is the one label of a namespace that nobody can change.
const nameLabel = "kubernetes.io/metadata.name"

// requirement selects the namespaces of a place. Every namespace has the label, so that to want none of it selects nothing.
func (f facts) requirement(where place) metav1.LabelSelectorRequirement {
	switch {
	case where == fluxNamespace:
		return metav1.LabelSelectorRequirement{Key: nameLabel, Operator: metav1.LabelSelectorOpIn, Values: []string{fluxNamespace}}
	case len(f) == 0:
		return metav1.LabelSelectorRequirement{Key: nameLabel, Operator: metav1.LabelSelectorOpDoesNotExist}
	}
	return metav1.LabelSelectorRequirement{Key: nameLabel, Operator: metav1.LabelSelectorOpIn, Values: f.in(where)}
}

// check is one validation.
type check struct {
	rules   []string // of the catalogue
	must    string   // an expression
	message string   // when it is not so
}

func labels() map[string]string { return map[string]string{tenant.LabelManagedBy: tenant.ManagedBy} }

// rules of all checks, sorted.
func (p *policy) rules() []string {
	var out []string
	for i := range p.checks {
		out = append(out, p.checks[i].rules...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// policy is the object.
func (p *policy) policy(f facts) *admissionv1.ValidatingAdmissionPolicy {
	fail, equivalent := admissionv1.Fail, admissionv1.Equivalent
	out := &admissionv1.ValidatingAdmissionPolicy{
		TypeMeta: metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "ValidatingAdmissionPolicy"},
		ObjectMeta: metav1.ObjectMeta{Name: p.name, Labels: labels(), Annotations: map[string]string{
			AnnotationRules: join(p.rules()), "bulkhead.dev/why": p.why,
		}},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			FailurePolicy:    &fail,
			MatchConstraints: &admissionv1.MatchResources{MatchPolicy: &equivalent, ResourceRules: p.on},
			MatchConditions:  p.conditions, Variables: p.variables,
		},
	}
	if len(p.variables) > 0 && p.variables[0].Name == tenantsVariable {
		out.Spec.Variables = slices.Concat(f.variables(), p.variables[1:])
		out.Annotations[AnnotationHolds] = tenantsVariable
	}
	if p.labelled != nil {
		out.Spec.MatchConstraints.ObjectSelector = &metav1.LabelSelector{MatchLabels: p.labelled}
	}
	// Not the default reason, Invalid: by that Flux knows a field that cannot be changed, and with force it deletes the object.
	reason := metav1.StatusReasonForbidden
	for i := range p.checks {
		c := &p.checks[i]
		out.Spec.Validations = append(out.Spec.Validations, admissionv1.Validation{Expression: c.must, Message: c.message + " (" + join(c.rules) + ")", Reason: &reason})
	}
	return out
}

// bindings put the policy in force.
func (p *policy) bindings(f facts, audit bool) []*admissionv1.ValidatingAdmissionPolicyBinding {
	out := []*admissionv1.ValidatingAdmissionPolicyBinding{p.binding(p.name, p.in, f, audit)}
	if p.andFlux {
		out = append(out, p.binding(p.name+"-flux", fluxNamespace, f, audit))
	}
	return out
}

func (p *policy) binding(name string, where place, f facts, audit bool) *admissionv1.ValidatingAdmissionPolicyBinding {
	actions := []admissionv1.ValidationAction{admissionv1.Deny}
	if audit {
		actions = []admissionv1.ValidationAction{admissionv1.Audit, admissionv1.Warn}
	}
	out := &admissionv1.ValidatingAdmissionPolicyBinding{
		TypeMeta:   metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "ValidatingAdmissionPolicyBinding"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels()},
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: p.name, ValidationActions: actions,
			MatchResources: &admissionv1.MatchResources{NamespaceSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{f.requirement(where)}}},
		},
	}
	if where != fluxNamespace {
		out.Annotations = map[string]string{AnnotationHolds: string(where)}
	}
	return out
}

// on is one rule about resources in namespaces, in any version of their group: an older version has the same fields, and must be no way round.
func on(group string, operations []admissionv1.OperationType, resources ...string) admissionv1.NamedRuleWithOperations {
	scope := admissionv1.NamespacedScope
	return admissionv1.NamedRuleWithOperations{RuleWithOperations: admissionv1.RuleWithOperations{
		Operations: operations, Rule: admissionv1.Rule{APIGroups: []string{group}, APIVersions: []string{"*"}, Resources: resources, Scope: &scope},
	}}
}

// wide is [on] for what is in no namespace.
func wide(group string, operations []admissionv1.OperationType, resources ...string) admissionv1.NamedRuleWithOperations {
	scope, out := admissionv1.ClusterScope, on(group, operations, resources...)
	out.Scope = &scope
	return out
}

// typed is [on] twice: the version first that the API server shall check the types of the expressions by.
func typed(group, version string, operations []admissionv1.OperationType, resources ...string) []admissionv1.NamedRuleWithOperations {
	all := on(group, operations, resources...)
	one := on(group, operations, resources...)
	one.APIVersions = []string{version}
	return []admissionv1.NamedRuleWithOperations{one, all}
}

func writes() []admissionv1.OperationType {
	return []admissionv1.OperationType{admissionv1.Create, admissionv1.Update}
}

func allWrites() []admissionv1.OperationType { return append(writes(), admissionv1.Delete) }

// specChanged lets through what does not touch the spec: finalizers, and metadata of objects that are older than the policy.
func specChanged() []admissionv1.MatchCondition {
	return []admissionv1.MatchCondition{{Name: "spec-changes", Expression: "request.operation == 'CREATE' || object.spec != oldObject.spec"}}
}

// Mode of a fleet: whether it has guards, and whether they only warn.
func Mode(f *v1alpha1.Fleet) (has bool, opts Options) {
	if f == nil {
		return false, Options{}
	}
	return f.Spec.Guards == v1alpha1.GuardsEnforce || f.Spec.Guards == v1alpha1.GuardsAudit,
		Options{Audit: f.Spec.Guards == v1alpha1.GuardsAudit, Platform: f.Spec.PlatformAccounts}
}

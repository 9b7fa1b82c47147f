package v1alpha1

import (
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// MaxRuleExpr is the longest expression of a Rule, in bytes.
	MaxRuleExpr = 16 << 10
	// MaxRuleParts are the most validations, variables and conditions that a Rule has of each.
	MaxRuleParts = 64
)

// Rule is something that must hold of every object that is brought to a cluster, in the words of a ValidatingAdmissionPolicy.
//
// Source: ValidatingAdmissionPolicy of Kubernetes v1.36, admissionregistration.k8s.io/v1.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=bulkhead
// +kubebuilder:printcolumn:name="Level",type="string",JSONPath=".spec.level"
// +kubebuilder:printcolumn:name="Title",type="string",JSONPath=".spec.title"
type Rule struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says what must hold of what. Required.
	// +required
	Spec RuleSpec `json:"spec"`
	// Place is set by Decode.
	Place Place `json:"-"`
	// Lines are set by Decode: where the fields are in the file, as in "spec.validations[0].expression".
	Lines map[string]int `json:"-"`
}

// ID is what findings of the rule, and waivers of them, call it: rule/NAME.
func (r *Rule) ID() string { return RulePrefix + r.Name }

// RulePrefix begins the ID of a rule that a document describes.
const RulePrefix = "rule/"

// At is the place of a field, or of the nearest one around it.
func (r *Rule) At(field string) Place {
	for ; field != ""; field = field[:max(strings.LastIndexAny(field, ".["), 0)] {
		if line, ok := r.Lines[field]; ok {
			return Place{File: r.Place.File, Line: line}
		}
	}
	return r.Place
}

// RuleSpec is what a user says about a rule. Expressions are CEL over object, oldObject, request, namespaceObject, authorizer and variables, as those of
// a ValidatingAdmissionPolicy, and over tenant, cluster, applier and fleet, which no cluster knows.
type RuleSpec struct {
	// Level of what the rule finds: critical, high, medium, low or info. Required.
	// +required
	Level RuleLevel `json:"level"`
	// Title is a few words: "A workload has an owner". Required.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Title string `json:"title"`
	// Why says in a sentence or two what happens when it does not hold.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Why string `json:"why,omitempty"`
	// Hint is the cure, in one line, in the imperative.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Hint string `json:"hint,omitempty"`
	// MatchConstraints say which objects are looked at, and in which operations, as those of a ValidatingAdmissionPolicy. Required, with resourceRules.
	// +required
	MatchConstraints admissionregistrationv1.MatchResources `json:"matchConstraints"`
	// MatchConditions all hold for what is looked at.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	MatchConditions []RuleCondition `json:"matchConditions,omitempty"`
	// Variables are expressions with names, which later ones read as variables.NAME.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Variables []RuleVariable `json:"variables,omitempty"`
	// Validations all hold for an object that the rule has nothing against. Required.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Validations []RuleValidation `json:"validations"`
}

// RuleLevel says how bad it is when a rule does not hold.
// +kubebuilder:validation:Enum=critical;high;medium;low;info
type RuleLevel string

// RuleLevels lists the levels, worst first.
func RuleLevels() []string { return []string{"critical", "high", "medium", "low", "info"} }

// RuleCondition narrows down what a rule looks at.
type RuleCondition struct {
	// Name tells conditions apart. Required.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	Name string `json:"name"`
	// Expression of CEL, true for what the rule looks at. Required.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=16384
	Expression string `json:"expression"`
}

// RuleVariable is an expression with a name.
type RuleVariable struct {
	// Name is an identifier of CEL. Required.
	// +required
	// +kubebuilder:validation:Pattern="^[A-Za-z_][A-Za-z0-9_]*$"
	// +kubebuilder:validation:MaxLength=128
	Name string `json:"name"`
	// Expression of CEL, worked out when it is asked for, once for an object. Required.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=16384
	Expression string `json:"expression"`
}

// RuleValidation is one thing that must hold.
type RuleValidation struct {
	// Expression of CEL, true for an object that the rule has nothing against. Required.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=16384
	Expression string `json:"expression"`
	// Message says what is wrong, in one line. Unset: the expression.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
	// MessageExpression of CEL makes the message; it knows no authorizer. Where it fails or gives no text, message holds.
	// +optional
	// +kubebuilder:validation:MaxLength=16384
	MessageExpression string `json:"messageExpression,omitempty"`
}

package policy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/policy/generic"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/predicates/rules"
	celconfig "k8s.io/apiserver/pkg/apis/cel"

	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/object"
)

// Action is what comes of a policy that objects.
type Action string

// The actions, worst first.
const (
	Deny  Action = "Deny"
	Warn  Action = "Warn"
	Audit Action = "Audit"
)

// Verdict is what one policy has against an object.
type Verdict struct {
	Policy *estate.Object
	// Binding is nil when the policy itself cannot be used.
	Binding *estate.Object
	Action  Action
	// Message is the API server's. It may hold what the object holds, and several lines.
	Message string
	// Public is Message without values, in one line.
	Public string
	Reason metav1.StatusReason
	// Unknown says why it is not known whether the policy objects; "" when it does.
	Unknown string
	// Missing is true when it objects for want of parameters.
	Missing bool
}

// Text is what the API server says of a denied request, behind "is forbidden: ".
//
// Source: Kubernetes v1.36, k8s.io/apiserver/pkg/admission/plugin/policy/validating/dispatcher.go.
func (v *Verdict) Text() string {
	if v.Binding == nil {
		return fmt.Sprintf("ValidatingAdmissionPolicy '%s' denied request: %s", v.Policy.ID.Name, v.Message)
	}
	return fmt.Sprintf("ValidatingAdmissionPolicy '%s' with binding '%s' denied request: %s", v.Policy.ID.Name, v.Binding.ID.Name, v.Message)
}

// exempt are resources that no policy is asked about.
//
// Source: Kubernetes v1.36, k8s.io/apiserver/pkg/admission/plugin/policy/generic/plugin.go and pkg/kubeapiserver/admission/exclusion.
func exempt(attr admission.Attributes) bool {
	if rules.IsExemptAdmissionConfigurationResource(attr) {
		return !strings.HasSuffix(attr.GetKind().Kind, "WebhookConfiguration")
	}
	return attr.GetKind().Group == "authorization.k8s.io" || attr.GetKind() == (schema.GroupVersionKind{Group: "authentication.k8s.io", Version: "v1", Kind: "TokenReview"})
}

// Review asks all policies of the cluster about a request. The verdicts are in the order of the policies' names; none means that it passes. Those of
// several validations of one policy are all there, in their order.
func (c *Cluster) Review(ctx context.Context, r *Request) []Verdict { return c.review(ctx, c.ask(r)) }

func (c *Cluster) review(ctx context.Context, q *asked) (out []Verdict) {
	if exempt(q.attr) {
		return nil
	}
	for _, h := range c.hooks {
		if len(h.bindings) == 0 {
			continue
		}
		for _, v := range c.hook(ctx, h, q) {
			v.Policy = h.object
			if v.Public == "" {
				v.Public = oneLine(v.Message)
			}
			out = append(out, v)
		}
	}
	return out
}

// match is what a policy makes of an object before its expressions are asked.
type match struct {
	yes      bool
	resource schema.GroupVersionResource
	kind     schema.GroupVersionKind
	// unknown says why it is not known whether it is meant.
	unknown string
}

// matches asks the matcher of the API server. Of a namespace that nobody brings only the name is known, and so whether a selector of other labels
// selects it is not.
func (c *Cluster) matches(q *asked, p generic.PolicyAccessor) (match, error) {
	m := p.GetMatchConstraints()
	if q.guessed && !nameOnly(m.NamespaceSelector) {
		all := *m
		all.NamespaceSelector = &metav1.LabelSelector{}
		yes, resource, kind, err := c.matcher.DefinitionMatches(q.attr, q.kinds, constrained{p, &all})
		return match{yes, resource, kind, "nobody brings Namespace " + q.space.Name + ", by whose labels it is selected"}, err
	}
	yes, resource, kind, err := c.matcher.DefinitionMatches(q.attr, q.kinds, p)
	return match{yes: yes, resource: resource, kind: kind}, err
}

// constrained is a policy with other constraints.
type constrained struct {
	generic.PolicyAccessor
	constraints *admissionregistrationv1.MatchResources
}

// GetMatchConstraints are the other ones.
func (c constrained) GetMatchConstraints() *admissionregistrationv1.MatchResources {
	return c.constraints
}

// nameOnly reports whether a selector asks for nothing but the name of a namespace.
func nameOnly(s *metav1.LabelSelector) bool {
	if s == nil {
		return true
	}
	for k := range s.MatchLabels {
		if k != corev1.LabelMetadataName {
			return false
		}
	}
	return !slices.ContainsFunc(s.MatchExpressions, func(r metav1.LabelSelectorRequirement) bool { return r.Key != corev1.LabelMetadataName })
}

// hook asks one policy, in the order of the API server's dispatcher, which takes informers and answers with one error.
//
// Source: Kubernetes v1.36, k8s.io/apiserver/pkg/admission/plugin/policy/validating/dispatcher.go.
func (c *Cluster) hook(ctx context.Context, h *hook, q *asked) (out []Verdict) {
	config := func(b *binding, err error, missing bool) {
		if !failing(h.program.policy) {
			return
		}
		v := Verdict{Action: Deny, Missing: missing, Message: "failed to configure policy: " + err.Error()}
		if b != nil {
			v.Binding, v.Message = b.object, "failed to configure binding: "+err.Error()
		}
		out = append(out, v)
	}
	m, err := c.matches(q, h.program.accessor)
	switch {
	case err != nil:
		config(nil, err, false)
		return out
	case !m.yes:
		return nil
	}
	if k := h.program.policy.Spec.ParamKind; k != nil {
		if _, _, known := c.paramKind(k); !known {
			_, _, err := c.paramsOf(h, h.bindings[0], "")
			if err != nil {
				config(nil, err, true)
			}
			return out
		}
	}
	for _, b := range h.bindings {
		bm := match{yes: true}
		if b.doc.Spec.MatchResources != nil {
			bm, err = c.matches(q, constrained{h.program.accessor, b.doc.Spec.MatchResources})
		}
		if err != nil {
			config(b, err, false)
			continue
		}
		if !bm.yes {
			continue
		}
		list, missing, err := c.paramsOf(h, b, q.attr.GetNamespace())
		if err != nil {
			config(b, err, missing)
			continue
		}
		for _, p := range list {
			unknown := m.unknown
			if unknown == "" {
				unknown = bm.unknown
			}
			out = append(out, c.bound(ctx, b, &call{h.program, q, m, p, unknown})...)
		}
	}
	return out
}

// call is a question to one policy about an object that it matches.
type call struct {
	program *program
	asked   *asked
	match   match
	with    params
	unknown string // why it is not known whether it matches
}

// bound asks a policy with parameters, and says what its binding makes of the answers.
func (c *Cluster) bound(ctx context.Context, b *binding, v *call) (out []Verdict) {
	for _, a := range c.evaluate(ctx, v) {
		a.Binding = b.object
		if a.Action != "" { // whatever the binding says
			out = append(out, a)
			continue
		}
		for _, action := range b.doc.Spec.ValidationActions {
			a.Action = Action(action)
			out = append(out, a)
		}
	}
	return out
}

// answer is [Cluster.evaluate] without a memory.
func (c *Cluster) answer(ctx context.Context, v *call) (out []Verdict) {
	p, q, m, with, unknown := v.program, v.asked, v.match, v.with, v.unknown
	now, fineNow := q.now().versioned(m.kind)
	old, fineOld := q.old().versioned(m.kind)
	if unknown == "" {
		unknown = doubt(p, q, with, fineNow && fineOld)
	}
	if !fineNow || !fineOld {
		return []Verdict{{Unknown: unknown}}
	}
	versioned := &admission.VersionedAttributes{Attributes: q.attr, VersionedKind: m.kind, VersionedObject: now, VersionedOldObject: old}
	r := p.validator.Validate(context.WithValue(ctx, outcomeKey{}, &outcome{}), m.resource, versioned, with.object, q.space, celconfig.RuntimeCELCostBudget, permissions{c.Permissions()})
	if len(r.Decisions) == 0 && len(p.policy.Spec.Validations) > 0 && unknown == absent(q) {
		unknown = "" // the conditions say that the policy is not about it, and they do not see the namespace
	}
	secret := with.secret || confidential(q.Object) || confidential(q.Old)
	for i := range r.Decisions {
		d := &r.Decisions[i]
		if d.Evaluation == validating.EvalError && p.foreign && strings.Contains(d.Message, "cost") {
			return []Verdict{{Unknown: "the policy is a tenant's, and asking it costs too much"}}
		}
		if d.Evaluation == validating.EvalError && (q.now().lacks(d.Message) || q.old().lacks(d.Message)) {
			return []Verdict{{Unknown: "an expression reads a field that is not in Git and may be on the cluster: " + public(p, i, d, true)}}
		}
		if d.Action == validating.ActionDeny {
			out = append(out, Verdict{Message: d.Message, Reason: d.Reason, Public: public(p, i, d, secret), Unknown: unknown})
		}
	}
	for i := range r.AuditAnnotations {
		if a := &r.AuditAnnotations[i]; a.Action == validating.AuditAnnotationActionError {
			out = append(out, Verdict{Action: Deny, Message: a.Error, Public: fmt.Sprintf("audit annotation %s cannot be made", oneLine(a.Key)), Unknown: unknown})
		}
	}
	if len(out) == 0 && unknown != "" {
		return []Verdict{{Unknown: unknown}}
	}
	return out
}

// confidential reports whether an object holds what must not be printed.
func confidential(o *object.Object) bool {
	return o != nil && (o.ID.Group == "" && o.ID.Kind == "Secret" || len(o.Body().Sensitive()) > 0)
}

// doubt says what a policy may read that is not known; "" for nothing. What no expression names, none reads.
func doubt(p *program, q *asked, with params, convertible bool) string {
	switch {
	case !convertible:
		return "the policy asks for another version of " + q.subject().ID.Kind + ", which only the cluster makes"
	case q.Unknown && p.may("authorizer", "userInfo"):
		return "it depends on who applies the object, which is not known"
	case q.guessed && p.may("namespaceObject"):
		return absent(q)
	case (q.now().isSealed() || q.old().isSealed()) && p.may("data", "Data"):
		return "values of the object are encrypted"
	case with.sealed && p.may("params"):
		return "values of the parameters are not known"
	}
	return ""
}

// absent is the doubt about a namespace of which only the name is known; "" when there is none.
//
// Source: Kubernetes v1.36, k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions/matcher.go, which gives conditions no namespaceObject.
func absent(q *asked) string {
	if !q.guessed {
		return ""
	}
	return "nobody brings Namespace " + q.space.Name + ", which an expression reads"
}

// public is what may be printed of an answer, in one line: of a secret object the words of the policy, not what its expressions make of it.
func public(p *program, i int, d *validating.PolicyDecision, secret bool) string {
	if !secret || i >= len(p.policy.Spec.Validations) {
		if secret {
			return "an expression fails"
		}
		return oneLine(d.Message)
	}
	v := &p.policy.Spec.Validations[i]
	switch {
	case d.Evaluation == validating.EvalError:
		return "expression '" + oneLine(v.Expression) + "' resulted in an error"
	case v.Message != "":
		return oneLine(v.Message)
	}
	return "failed expression: " + oneLine(v.Expression)
}

package policy

import (
	"context"

	celtypes "github.com/google/cel-go/common/types"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apiserver/pkg/admission"
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
)

// nothing is an evaluator of no expressions.
type nothing struct{}

// ForInput gives no results.
func (nothing) ForInput(_ context.Context, _ *admission.VersionedAttributes, _ *admissionv1.AdmissionRequest, _ plugincel.OptionalVariableBindings, _ *corev1.Namespace, budget int64) ([]plugincel.EvaluationResult, int64, error) { //nolint:revive // the interface is the API server's
	return nil, budget, nil
}

// CompilationErrors are none.
func (nothing) CompilationErrors() []error { return nil }

// outcome of the validations of one policy for one object. It travels in the context.
type outcome struct{ passed bool }

type outcomeKey struct{}

// noting is an evaluator of validations that notes whether all hold.
type noting struct{ plugincel.ConditionEvaluator }

// ForInput is that of the API server.
func (n noting) ForInput(ctx context.Context, a *admission.VersionedAttributes, r *admissionv1.AdmissionRequest, v plugincel.OptionalVariableBindings, ns *corev1.Namespace, budget int64) ([]plugincel.EvaluationResult, int64, error) { //nolint:revive // the interface is the API server's
	out, left, err := n.ConditionEvaluator.ForInput(ctx, a, r, v, ns, budget)
	if o, ok := ctx.Value(outcomeKey{}).(*outcome); ok {
		o.passed = err == nil
		for i := range out {
			o.passed = o.passed && out[i].Error == nil && out[i].EvalResult == celtypes.True
		}
	}
	return out, left, err
}

// spoken is an evaluator of messages. The API server makes those of validations that hold too, to no end but that they may use up the budget. Where
// they cannot they are left out, which halves the time.
type spoken struct {
	plugincel.ConditionEvaluator
	most int // programs that run
}

// ForInput is that of the API server, or nothing where nobody reads it.
func (s spoken) ForInput(ctx context.Context, a *admission.VersionedAttributes, r *admissionv1.AdmissionRequest, v plugincel.OptionalVariableBindings, ns *corev1.Namespace, budget int64) ([]plugincel.EvaluationResult, int64, error) { //nolint:revive // the interface is the API server's
	// A program ends at the first step over its own limit: one limit more is for those steps.
	if o, ok := ctx.Value(outcomeKey{}).(*outcome); ok && o.passed && budget > int64(s.most+1)*celconfig.PerCallLimit {
		return nil, budget, nil
	}
	return s.ConditionEvaluator.ForInput(ctx, a, r, v, ns, budget)
}

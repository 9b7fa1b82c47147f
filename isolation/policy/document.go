package policy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/cel/environment"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/builtin"
	"github.com/bulkhead-dev/bulkhead/isolation/rule"
)

// Document is a Rule document that is ready to be asked.
type Document struct {
	doc     *v1alpha1.Rule
	program *program
	portable
	earlier bool // it is what a rule was before a change
}

// portable says whether a rule can be a policy on a cluster.
type portable struct {
	// extra is why it cannot; "" when it can.
	extra string
}

// Compile makes rules ready, in their order. The error is a [*v1alpha1.DocumentError] about the first expression that does not compile, with its
// place.
func Compile(docs []v1alpha1.Rule) ([]*Document, error) {
	wide, err := extended()
	if err != nil {
		return nil, err
	}
	more, few := newDialect(wide, true), plain(variety{})
	var out []*Document
	for i := range docs {
		d, err := compileDocument(&docs[i], more, few)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

func compileDocument(doc *v1alpha1.Rule, more, few dialect) (*Document, error) {
	p := policyOf(doc)
	d := &Document{doc: doc, program: compile(p, more)}
	if len(d.program.faults) > 0 {
		return nil, documentError(doc, d.program.faults[0])
	}
	narrow, err := few.compiler(len(p.Spec.Variables) > 0)
	if err != nil {
		return nil, err
	}
	if _, faults := build(p, narrow, environment.NewExpressions); len(faults) > 0 {
		d.extra = faults[0].field + ": " + faults[0].message
	}
	return d, nil
}

// documentError is what is wrong with a field of a document.
func documentError(doc *v1alpha1.Rule, f fault) error {
	at := doc.At(f.field)
	e := &v1alpha1.DocumentError{File: at.File, Line: at.Line, Message: f.field + ": " + f.message}
	if e.File == "" {
		e.File = doc.ID()
	}
	if _, rest, undeclared := strings.Cut(f.message, "undeclared reference to '"); undeclared {
		name, _, _ := strings.Cut(rest, "'")
		e.Hint = v1alpha1.DidYouMean(name, []string{
			"applier", "authorizer", "cluster", "fleet", "namespaceObject", "object", "oldObject", "request", "tenant", "variables",
		})
	} else if _, rest, undefined := strings.Cut(f.message, "undefined field '"); undefined {
		name, _, _ := strings.Cut(rest, "'")
		e.Hint = v1alpha1.DidYouMean(name, fieldNames(doc))
	} else if strings.Contains(f.message, "must evaluate to") {
		e.Hint = "a validation and a condition are true or false, a message is a text"
	} else {
		e.Hint = "expressions are CEL, as in a ValidatingAdmissionPolicy; docs/how-to/rules-of-your-own.md lists what they may read"
	}
	return e
}

// fieldNames are those of the variables that only rules have, and of the rule's own.
func fieldNames(doc *v1alpha1.Rule) (out []string) {
	for _, t := range extraTypes() {
		for name := range t.Fields {
			out = append(out, name)
		}
	}
	for _, v := range doc.Spec.Variables {
		out = append(out, v.Name)
	}
	return sorted(out)
}

// ID of the rule: rule/NAME.
func (d *Document) ID() string { return d.doc.ID() }

// step is the evidence for what the rule says. The file of an earlier revision is not at hand.
func (d *Document) step(says string) finding.Step {
	if d.earlier {
		return finding.Step{Message: fmt.Sprintf("Rule %s, as it was before this change: %s", d.doc.Name, says)}
	}
	return finding.Step{Message: fmt.Sprintf("Rule %s: %s", d.doc.Name, says), File: d.doc.Place.File, Line: d.doc.Place.Line}
}

// ask asks the rule about an object; nil for nothing. The cost is in CEL's units.
func (d *Document) ask(ctx context.Context, on *Cluster, c *call) (found *rule.Found, cost int64) {
	s := &spending{}
	all := on.evaluate(s.in(ctx), c)
	switch {
	case s.over():
		f := d.unknown(dear)
		return &f, s.cost
	case len(all) == 0:
		return nil, s.cost
	case all[0].Unknown != "":
		f := d.unknown(all[0].Unknown)
		return &f, s.cost
	}
	found = &rule.Found{Rule: d.ID(), Level: finding.Level(d.doc.Spec.Level), Hint: oneLine(d.doc.Spec.Hint), Message: all[0].Public}
	for _, v := range all {
		found.Steps = append(found.Steps, d.step(v.Public))
	}
	return found, s.cost
}

// unknown is the finding of a rule that cannot be judged.
func (d *Document) unknown(why string) rule.Found {
	return rule.Found{
		Rule: d.ID(), Level: finding.Level(d.doc.Spec.Level), Hint: oneLine(d.doc.Spec.Hint), Unproven: true,
		Message: fmt.Sprintf("whether it holds that %s is not known: %s", oneLine(d.doc.Spec.Title), why),
	}
}

// Rule is the entry that the rule has in the catalogue.
func (d *Document) Rule() rule.Rule {
	s := &d.doc.Spec
	level := finding.Level(s.Level)
	out := rule.Rule{Rule: finding.Rule{ID: d.ID(), Severity: level.Severity(), Level: level, Title: oneLine(s.Title), Why: oneLine(s.Why), Hint: oneLine(s.Hint)}}
	if d.extra != "" {
		out.Static = "it reads what no cluster knows"
	}
	return out
}

// ErrStatic is of a rule that no policy on a cluster can stand for.
var ErrStatic = errors.New("the rule reads tenant, cluster, applier or fleet, which no cluster knows")

// Policy is the rule as a policy with its binding, for a cluster to enforce. What is critical, high or medium is denied there; of the rest people are
// warned. The error wraps [ErrStatic] for a rule that reads what no cluster knows.
func (d *Document) Policy() (*admissionregistrationv1.ValidatingAdmissionPolicy, *admissionregistrationv1.ValidatingAdmissionPolicyBinding, error) {
	if d.extra != "" {
		return nil, nil, fmt.Errorf("make a policy of %s: %w: %s", d.ID(), ErrStatic, d.extra)
	}
	p := policyOf(d.doc)
	complete(p.Spec.MatchConstraints)
	actions := []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny}
	if l := finding.Level(d.doc.Spec.Level); l == finding.Low || l == finding.Info {
		actions = []admissionregistrationv1.ValidationAction{admissionregistrationv1.Warn, admissionregistrationv1.Audit}
	}
	return p, &admissionregistrationv1.ValidatingAdmissionPolicyBinding{
		TypeMeta:   metav1.TypeMeta{APIVersion: admissionregistrationv1.SchemeGroupVersion.String(), Kind: "ValidatingAdmissionPolicyBinding"},
		ObjectMeta: metav1.ObjectMeta{Name: p.Name, Labels: p.Labels},
		Spec:       admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{PolicyName: p.Name, ValidationActions: actions},
	}, nil
}

// managed is the label of what a program makes.
const managed = "app.kubernetes.io/managed-by"

// policyOf is the policy that a rule would be on a cluster.
func policyOf(doc *v1alpha1.Rule) *admissionregistrationv1.ValidatingAdmissionPolicy {
	s := &doc.Spec
	fail := admissionregistrationv1.Fail
	p := &admissionregistrationv1.ValidatingAdmissionPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: admissionregistrationv1.SchemeGroupVersion.String(), Kind: "ValidatingAdmissionPolicy"},
		ObjectMeta: metav1.ObjectMeta{Name: doc.Name, Labels: map[string]string{managed: "bulkhead"}},
		Spec:       admissionregistrationv1.ValidatingAdmissionPolicySpec{FailurePolicy: &fail, MatchConstraints: s.MatchConstraints.DeepCopy()},
	}
	for _, c := range s.MatchConditions {
		p.Spec.MatchConditions = append(p.Spec.MatchConditions, admissionregistrationv1.MatchCondition{Name: c.Name, Expression: c.Expression})
	}
	for _, v := range s.Variables {
		p.Spec.Variables = append(p.Spec.Variables, admissionregistrationv1.Variable{Name: v.Name, Expression: v.Expression})
	}
	for _, v := range s.Validations {
		p.Spec.Validations = append(p.Spec.Validations, admissionregistrationv1.Validation{
			Expression: v.Expression, Message: strings.TrimSpace(v.Message), MessageExpression: v.MessageExpression,
		})
	}
	return p
}

// extended is the environment of the newest API server with the variables that only rules have.
var extended = sync.OnceValues(func() (*environment.EnvSet, error) { //nolint:gochecknoglobals // a constant that takes milliseconds to make
	old := version.MajorMinor(1, 0)
	types := extraTypes()
	options := environment.VersionedOptions{IntroducedVersion: old, DeclTypes: types}
	for _, t := range types {
		if name, top := extraNames[t.TypeName()]; top {
			options.EnvOptions = append(options.EnvOptions, cel.Variable(name, t.CelType()))
		}
	}
	return environment.MustBaseEnvSet(version.MajorMinor(1, builtin.Newest)).Extend(options)
})

// extras are the values of the variables that only rules have, by name. They travel in the context, as the API server's evaluator has no place for
// more than its own.
type extras map[string]any

type extrasKey struct{}

// in is the context for an evaluation of rules.
func (e extras) in(ctx context.Context) context.Context {
	return context.WithValue(ctx, extrasKey{}, e)
}

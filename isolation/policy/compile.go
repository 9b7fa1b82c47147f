package policy

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/version"
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/generic"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"

	"github.com/bulkhead-dev/bulkhead/isolation/builtin"
)

// Compiler makes programs of policies, of equal ones once, and remembers what they said: a fleet has the same policy on many clusters. The zero value is ready, and may be used by
// many goroutines.
type Compiler struct {
	mu       sync.Mutex
	programs map[[sha256.Size]byte]func() *program
	dialects map[variety]dialect
	memo     memo
}

// program is a policy that is ready to be asked.
type program struct {
	policy    *admissionregistrationv1.ValidatingAdmissionPolicy
	accessor  generic.PolicyAccessor
	validator validating.Validator
	text      string // all expressions, to see what they may read
	// foreign is true for one that a tenant brings.
	foreign bool
	// alone is true when answers depend on more than the request, and are not remembered.
	alone bool
	// faults are why the API server refuses the policy; a policy with some is never asked.
	faults []fault
}

// fault is what is wrong with a field of a policy.
type fault struct {
	field   string // as in "spec.validations[0].expression"
	message string // one line
}

// variety is what dialects of policies differ by: the minor version of Kubernetes, and whether somebody wrote it whom nobody trusts.
type variety struct {
	minor   int
	foreign bool
}

// compile gives the program of a policy on a cluster of Kubernetes 1.MINOR; 0 is the newest that is known.
func (c *Compiler) compile(p *admissionregistrationv1.ValidatingAdmissionPolicy, v variety) *program {
	data, err := json.Marshal(p.Spec)
	if err != nil {
		return &program{policy: p, faults: []fault{{"spec", oneLine(err.Error())}}}
	}
	key := sha256.Sum256(fmt.Appendf(nil, "%v %s %s", v, p.Name, data))
	c.mu.Lock()
	if c.programs == nil {
		c.programs, c.dialects = map[[sha256.Size]byte]func() *program{}, map[variety]dialect{}
	}
	of := c.programs[key]
	if of == nil {
		d, known := c.dialects[v]
		if !known {
			d = plain(v)
			c.dialects[v] = d
		}
		of = sync.OnceValue(func() *program {
			out := compile(p, d)
			out.foreign = v.foreign
			return out
		})
		c.programs[key] = of
	}
	c.mu.Unlock()
	return of()
}

// dialect is which words expressions may use.
type dialect struct {
	// fresh makes a compiler.
	fresh func() (*plugincel.CompositedCompiler, error)
	// shared is one for all policies without variables: making one takes milliseconds.
	shared func() (*plugincel.CompositedCompiler, error)
	more   bool
	// err is why there is none.
	err error
}

// newDialect is that of an environment, over more variables than admission has when more is set.
func newDialect(env *environment.EnvSet, more bool) dialect {
	fresh := func() (*plugincel.CompositedCompiler, error) {
		c, err := plugincel.NewCompositedCompiler(env)
		if err == nil {
			wrap(c)
		}
		return c, err
	}
	return dialect{fresh: fresh, shared: sync.OnceValues(fresh), more: more}
}

// compiler is one for a policy. One with variables keeps them.
func (d dialect) compiler(variables bool) (*plugincel.CompositedCompiler, error) {
	switch {
	case d.err != nil:
		return nil, d.err
	case variables:
		return d.fresh()
	}
	return d.shared()
}

// foreignCost is what one expression of a tenant's policy may cost, a twentieth of what the API server spends: a fleet has many objects, and a tenant
// must not hold up the check of all.
const foreignCost = celconfig.PerCallLimit / 20

// plain is the dialect of an API server: it takes no expression that the one before would not run.
//
// Source: Kubernetes v1.36, k8s.io/apiserver/pkg/cel/environment, DefaultCompatibilityVersion.
func plain(v variety) dialect {
	minor := v.minor
	if minor == 0 {
		minor = builtin.Newest
	}
	env := environment.MustBaseEnvSet(version.MajorMinor(1, uint(max(minor, 2)-1)))
	if v.foreign {
		var err error
		if env, err = env.Extend(environment.VersionedOptions{IntroducedVersion: version.MajorMinor(1, 0), ProgramOptions: []cel.ProgramOption{cel.CostLimit(foreignCost)}}); err != nil {
			return dialect{err: err}
		}
	}
	return newDialect(env, false)
}

// compile follows compilePolicy of the API server, which is not exported, with its parts, which are. Expressions are checked first, as they are when
// a policy is made.
//
// Source: Kubernetes v1.36, k8s.io/apiserver/pkg/admission/plugin/policy/validating/plugin.go, compilePolicy.
func compile(p *admissionregistrationv1.ValidatingAdmissionPolicy, d dialect) *program {
	p = p.DeepCopy()
	complete(p.Spec.MatchConstraints)
	out := &program{policy: p, accessor: validating.NewValidatingAdmissionPolicyAccessor(p), text: texts(&p.Spec), faults: shape(&p.Spec)}
	out.alone = d.more || out.may("authorizer")
	if len(out.faults) > 0 {
		return out
	}
	c, err := d.compiler(len(p.Spec.Variables) > 0)
	if err != nil {
		out.faults = []fault{{"spec", oneLine(err.Error())}}
		return out
	}
	if _, out.faults = build(p, c, environment.NewExpressions); len(out.faults) > 0 {
		return out
	}
	out.validator, out.faults = build(p, c, environment.StoredExpressions)
	return out
}

// shape is what the API server wants of a policy beside expressions that compile.
//
// Source: Kubernetes v1.36, pkg/apis/admissionregistration/validation.
func shape(s *admissionregistrationv1.ValidatingAdmissionPolicySpec) (out []fault) {
	if s.MatchConstraints == nil || len(s.MatchConstraints.ResourceRules) == 0 {
		out = append(out, fault{"spec.matchConstraints", "no resourceRules say which objects it is about"})
	}
	if len(s.Validations)+len(s.AuditAnnotations) == 0 {
		out = append(out, fault{"spec.validations", "it has neither validations nor auditAnnotations"})
	}
	if f := s.FailurePolicy; f != nil && *f != admissionregistrationv1.Fail && *f != admissionregistrationv1.Ignore {
		out = append(out, fault{"spec.failurePolicy", "it is neither Fail nor Ignore"})
	}
	return out
}

// build compiles the expressions of a policy.
func build(p *admissionregistrationv1.ValidatingAdmissionPolicy, c *plugincel.CompositedCompiler, mode environment.Type) (validating.Validator, []fault) {
	b := builder{compiler: c, mode: mode}
	all := plugincel.OptionalVariableDeclarations{HasParams: p.Spec.ParamKind != nil, HasAuthorizer: true}
	some := plugincel.OptionalVariableDeclarations{HasParams: p.Spec.ParamKind != nil}
	for i, v := range p.Spec.Variables {
		r := c.CompileAndStoreVariable(&validating.Variable{Name: v.Name, Expression: v.Expression}, all, mode)
		if r.Error != nil {
			b.fault(fmt.Sprintf("spec.variables[%d].expression", i), r.Error)
		}
	}
	var validations, messages, annotations, conditions []plugincel.ExpressionAccessor
	speaks := 0
	for i := range p.Spec.Validations {
		v := &p.Spec.Validations[i]
		validations = append(validations, &validating.ValidationCondition{Expression: v.Expression, Message: v.Message, Reason: v.Reason})
		var m plugincel.ExpressionAccessor
		if v.MessageExpression != "" {
			m = &validating.MessageExpressionCondition{MessageExpression: v.MessageExpression}
			speaks++
		}
		messages = append(messages, m)
	}
	for _, a := range p.Spec.AuditAnnotations {
		annotations = append(annotations, &validating.AuditAnnotationCondition{Key: a.Key, ValueExpression: a.ValueExpression})
	}
	for i := range p.Spec.MatchConditions {
		conditions = append(conditions, (*matchconditions.MatchCondition)(&p.Spec.MatchConditions[i]))
	}
	if speaks == 0 {
		messages = nil
	}
	var matcher matchconditions.Matcher
	if filter := b.conditions("spec.matchConditions[%d].expression", conditions, all); len(conditions) > 0 {
		matcher = matchconditions.NewMatcher(filter, p.Spec.FailurePolicy, "policy", "validate", p.Name)
	}
	return validating.NewValidator(
		noting{b.conditions("spec.validations[%d].expression", validations, all)}, matcher,
		b.conditions("spec.auditAnnotations[%d].valueExpression", annotations, all),
		spoken{b.conditions("spec.validations[%d].messageExpression", messages, some), speaks + len(p.Spec.Variables)},
		p.Spec.FailurePolicy, nil,
	), b.faults
}

// builder gathers what is wrong with the expressions of one policy.
type builder struct {
	compiler *plugincel.CompositedCompiler
	mode     environment.Type
	faults   []fault
}

// conditions compiles a list of expressions, of which some may be nil. Of none it is an evaluator that does nothing, which spares the making of
// what expressions read.
func (b *builder) conditions(field string, list []plugincel.ExpressionAccessor, vars plugincel.OptionalVariableDeclarations) plugincel.ConditionEvaluator {
	if len(list) == 0 {
		return nothing{}
	}
	if b.mode == environment.StoredExpressions { // which knows more than the other mode, in which they were checked
		return b.compiler.CompileCondition(list, vars, b.mode)
	}
	for i, e := range list {
		if e == nil {
			continue
		}
		if r := b.compiler.CompileCELExpression(e, vars, b.mode); r.Error != nil {
			b.fault(fmt.Sprintf(field, i), r.Error)
		}
	}
	return nothing{}
}

func (b *builder) fault(field string, err error) {
	b.faults = append(b.faults, fault{field, issue(err)})
}

// issue is what CEL says of an expression: its first complaint, in one line.
func issue(err error) string {
	text := strings.TrimPrefix(err.Error(), "compilation failed: ")
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "ERROR: <input>:"); ok {
			row, rest, _ := strings.Cut(rest, ":")
			column, message, _ := strings.Cut(rest, ": ")
			return oneLine(fmt.Sprintf("line %s, column %s: %s", row, column, strings.ReplaceAll(message, " (in container '')", "")))
		}
	}
	return oneLine(text)
}

// complete fills in what the API server fills in.
//
// Source: Kubernetes v1.36, pkg/apis/admissionregistration/v1/defaults.go.
func complete(m *admissionregistrationv1.MatchResources) {
	if m == nil {
		return
	}
	if m.MatchPolicy == nil {
		equivalent := admissionregistrationv1.Equivalent
		m.MatchPolicy = &equivalent
	}
	if m.NamespaceSelector == nil {
		m.NamespaceSelector = &metav1.LabelSelector{}
	}
	if m.ObjectSelector == nil {
		m.ObjectSelector = &metav1.LabelSelector{}
	}
}

// texts are all expressions of a policy.
func texts(s *admissionregistrationv1.ValidatingAdmissionPolicySpec) string {
	var b strings.Builder
	add := func(list ...string) {
		for _, t := range list {
			b.WriteString(t + "\n")
		}
	}
	for _, v := range s.Variables {
		add(v.Expression)
	}
	for _, c := range s.MatchConditions {
		add(c.Expression)
	}
	for _, v := range s.Validations {
		add(v.Expression, v.MessageExpression)
	}
	for _, a := range s.AuditAnnotations {
		add(a.ValueExpression)
	}
	return b.String()
}

// may reports whether an expression may read one of these: what is not named in its text it cannot read.
func (p *program) may(read ...string) bool {
	for _, word := range read {
		if strings.Contains(p.text, word) {
			return true
		}
	}
	return false
}

// oneLine is text without control characters, and not too long.
func oneLine(text string) string {
	const most = 400
	text = strings.Join(strings.FieldsFunc(text, func(c rune) bool { return c < ' ' || c == 0x7f || c == ' ' }), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return strings.TrimSuffix(text, ".")
}

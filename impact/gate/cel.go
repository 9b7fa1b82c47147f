package gate

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"regexp/syntax"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/overloads"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/ext"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
)

const (
	// MaxCost of one evaluation, in the units of CEL: about one for each step and each byte of a text
	// that is made. A question to each of 10,000 changes takes some 10 for each of them.
	MaxCost = 5_000_000
	// mostText that replace may make, in bytes.
	mostText = 1 << 20
)

// environment is what expressions may use: the value impact, the standard functions and macros, and
// those on strings.
var environment = sync.OnceValues(func() (*cel.Env, error) { //nolint:gochecknoglobals // a constant that takes milliseconds to make
	return cel.NewEnv(
		ext.NativeTypes(reflect.TypeFor[Impact](), ext.ParseStructTags(true)),
		cel.Variable("impact", cel.ObjectType("gate.Impact")),
		ext.Strings(ext.StringsVersion(0)),
		replace(),
		cel.ParserExpressionSizeLimit(v1alpha1.MaxExpr),
	)
})

// replace is the function of that name, with a bound to what it makes.
func replace() cel.EnvOption {
	bounded := func(args ...ref.Val) ref.Val {
		text, old, by := fmt.Sprint(args[0].Value()), fmt.Sprint(args[1].Value()), fmt.Sprint(args[2].Value())
		n := -1
		if len(args) > 3 {
			limit, ok := args[3].Value().(int64)
			if !ok {
				return types.MaybeNoSuchOverloadErr(args[3])
			}
			n = int(max(min(limit, mostText), -1))
		}
		found := strings.Count(text, old)
		if n >= 0 {
			found = min(found, n)
		}
		if len(text)+found*len(by) > mostText {
			return types.NewErr("replace makes more than %d bytes", mostText)
		}
		return types.String(strings.Replace(text, old, by, n))
	}
	texts := []*cel.Type{cel.StringType, cel.StringType, cel.StringType}
	return cel.Function("replace",
		cel.MemberOverload("string_replace_string_string", texts, cel.StringType, cel.FunctionBinding(bounded)),
		cel.MemberOverload("string_replace_string_string_int", append(texts[:3:3], cel.IntType), cel.StringType, cel.FunctionBinding(bounded)),
	)
}

// compile makes a program of an expression. The error is one line.
func compile(expr string) (cel.Program, error) {
	env, err := environment()
	if err != nil {
		return nil, err
	}
	ast, issues := env.Compile(expr)
	if issues != nil && issues.Err() != nil {
		return nil, fault(issues.Errors(), expr)
	}
	if t := ast.OutputType(); !t.IsExactType(cel.BoolType) && !t.IsExactType(cel.DynType) {
		return nil, fmt.Errorf("the expression is of type %s, want bool", oneLine(t.String()))
	}
	return env.Program(ast, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(MaxCost), cel.CostTracking(costs{}), cel.InterruptCheckFrequency(100))
}

// fault is the first of the errors with its column, and line if there are several.
func fault(all []*common.Error, expr string) error {
	if len(all) == 0 {
		return errors.New("the expression has a fault")
	}
	text := oneLine(strings.ReplaceAll(all[0].Message, " (in container '')", ""))
	at := fmt.Sprintf("column %d", all[0].Location.Column()+1)
	if strings.Contains(strings.TrimSpace(expr), "\n") {
		at = fmt.Sprintf("line %d, %s", all[0].Location.Line(), at)
	}
	return fmt.Errorf("%s: %s", at, text)
}

// evaluate says whether the expression is true of v. The error is one line.
func evaluate(ctx context.Context, v *Impact, expr string) (bool, error) {
	program, err := compile(expr)
	if err != nil {
		return false, err
	}
	val, _, err := program.ContextEval(ctx, map[string]any{"impact": *v})
	if err != nil {
		return false, errors.New(oneLine(err.Error()))
	}
	ok, is := val.Value().(bool)
	if !is {
		return false, fmt.Errorf("the expression is of type %s, want bool", oneLine(val.Type().TypeName()))
	}
	return ok, nil
}

// costs counts the bytes that functions on strings read and make, and the states of regular expressions:
// CEL itself takes its extensions for free, a sum of strings for a tenth, and "(a?){500}" for short.
// The states of the first hundred are remembered.
type costs map[string]uint64

// CallCost is nil for a call that CEL counts itself.
func (c costs) CallCost(function, _ string, args []ref.Val, result ref.Val) *uint64 {
	var cost uint64
	switch function {
	case operators.Add:
		if _, text := result.(types.String); !text {
			return nil
		}
		cost = 1 + sizeOf(result)
	case "indexOf", "lastIndexOf":
		cost = 1 + (1+sizeOf(args[0]))*(1+sizeOf(args[1]))
	case overloads.Matches:
		text, pattern := args[0], args[len(args)-1]
		n := c.states(pattern)
		cost = 1 + n + sizeOf(text)*n/20
	case "charAt", "lowerAscii", "upperAscii", "replace", "split", "substring", "trim":
		cost = 1 + sizeOf(args[0]) + sizeOf(result)
	default:
		return nil
	}
	return &cost
}

// states of the machine that runs a regular expression; 1 for a faulty one, which is never run.
func (c costs) states(pattern ref.Val) uint64 {
	text, _ := pattern.Value().(string)
	if n, known := c[text]; known {
		return n
	}
	n := uint64(1)
	if re, err := syntax.Parse(text, syntax.Perl); err == nil {
		if prog, err := syntax.Compile(re.Simplify()); err == nil {
			n += uint64(len(prog.Inst))
		}
	}
	if len(c) < 100 {
		c[text] = n
	}
	return n
}

func sizeOf(v ref.Val) uint64 {
	s, ok := v.(traits.Sizer)
	if !ok {
		return 1
	}
	n, ok := s.Size().Value().(int64)
	if !ok || n < 0 {
		return 1
	}
	return uint64(n)
}

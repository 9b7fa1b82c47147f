package policy

import (
	"context"
	"maps"
	"slices"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/interpreter"
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"
)

// wrap makes a compiler whose programs read their values through [activation].
func wrap(c *plugincel.CompositedCompiler) {
	w := wrapped{c.Compiler}
	c.Compiler, c.ConditionCompiler = w, w
}

type wrapped struct{ inner plugincel.Compiler }

// CompileCELExpression is that of the API server with another way to values.
func (w wrapped) CompileCELExpression(e plugincel.ExpressionAccessor, vars plugincel.OptionalVariableDeclarations, mode environment.Type) plugincel.CompilationResult {
	r := w.inner.CompileCELExpression(e, vars, mode)
	if r.Program != nil {
		r.Program = knowing{r.Program}
	}
	return r
}

// CompileCondition is that of the API server, over such programs.
func (w wrapped) CompileCondition(list []plugincel.ExpressionAccessor, vars plugincel.OptionalVariableDeclarations, mode environment.Type) plugincel.ConditionEvaluator {
	results := make([]plugincel.CompilationResult, len(list))
	for i, e := range list {
		if e != nil {
			results[i] = w.CompileCELExpression(e, vars, mode)
		}
	}
	return plugincel.NewCondition(results)
}

// knowing is a program that finds the extras in its context.
type knowing struct{ cel.Program }

// ContextEval evaluates over what admission gives, in order, and the extras. It ends as soon as the context does, or when the object has cost too much: CEL
// itself then leaves only the innermost loop.
func (p knowing) ContextEval(ctx context.Context, input any) (ref.Val, *cel.EvalDetails, error) {
	inner, ok := input.(interpreter.Activation)
	if !ok {
		return p.Program.ContextEval(ctx, input)
	}
	s, _ := ctx.Value(spendingKey{}).(*spending)
	if s.over() {
		return nil, nil, errDear
	}
	e, _ := ctx.Value(extrasKey{}).(extras)
	out, details, err := p.Eval(&activation{Activation: inner, more: e, spending: s, done: ctx.Done()})
	s.add(details)
	return out, details, err
}

// activation gives values by name: the API server's first. Maps are in the order of their keys: in which order an expression goes through a map is
// chance on a cluster, and must not be here.
type activation struct {
	interpreter.Activation
	more     extras
	spending *spending
	done     <-chan struct{}
	turns    int // of loops
}

// ResolveName finds a value. By the name that loops ask for at each turn it ends the evaluation.
func (a *activation) ResolveName(name string) (any, bool) {
	if name == "#interrupted" {
		a.turn()
		return nil, false
	}
	v, ok := a.Activation.ResolveName(name)
	if !ok {
		v, ok = a.more[name]
	}
	return ordered(v, a.spending), ok
}

// turn of a loop ends the evaluation as [spending.take] does.
func (a *activation) turn() {
	a.turns++
	a.spending.take(0)
	if a.turns%celconfig.CheckFrequency != 0 {
		return
	}
	select {
	case <-a.done:
		panic(interpreter.EvalCancelledError{Message: "operation interrupted", Cause: interpreter.ContextCancelled})
	default:
	}
}

// ordered is a value whose maps go by their keys, also those inside it.
func ordered(v any, s *spending) any {
	switch v := v.(type) {
	case map[string]any:
		if m, ok := types.DefaultTypeAdapter.NativeToValue(v).(traits.Mapper); ok && v != nil {
			return orderedMap{m, v, s}
		}
	case []any:
		if l, ok := types.DefaultTypeAdapter.NativeToValue(v).(traits.Lister); ok {
			return orderedList{l, v, s}
		}
	}
	return v
}

func orderedValue(v any, s *spending) ref.Val {
	return types.DefaultTypeAdapter.NativeToValue(ordered(v, s))
}

// orderedMap is CEL's map, but for the order, and for what CEL does not count: the sorting, and what is inside of what is compared.
type orderedMap struct {
	traits.Mapper
	m     map[string]any
	spent *spending
}

// Equal is CEL's.
func (o orderedMap) Equal(other ref.Val) ref.Val {
	o.spent.take(values(o.m))
	return o.Mapper.Equal(other)
}

// Find is the value of a key.
func (o orderedMap) Find(key ref.Val) (ref.Val, bool) {
	k, ok := key.(types.String)
	if !ok {
		return o.Mapper.Find(key)
	}
	v, found := o.m[string(k)]
	if !found {
		return nil, false
	}
	return orderedValue(v, o.spent), true
}

// Get is the value of a key, or CEL's error.
func (o orderedMap) Get(key ref.Val) ref.Val {
	if v, found := o.Find(key); found {
		return v
	}
	return o.Mapper.Get(key)
}

// Iterator goes by keys.
func (o orderedMap) Iterator() traits.Iterator {
	o.spent.take(len(o.m))
	keys, _ := types.DefaultTypeAdapter.NativeToValue(slices.Sorted(maps.Keys(o.m))).(traits.Lister)
	return keys.Iterator()
}

// orderedList is CEL's list, with such maps in it.
type orderedList struct {
	traits.Lister
	list  []any
	spent *spending
}

// Equal is CEL's.
func (o orderedList) Equal(other ref.Val) ref.Val {
	o.spent.take(values(o.list))
	return o.Lister.Equal(other)
}

// Get is the element at an index, or CEL's error.
func (o orderedList) Get(index ref.Val) ref.Val {
	if i, ok := index.(types.Int); ok && i >= 0 && int(i) < len(o.list) {
		return orderedValue(o.list[i], o.spent)
	}
	return o.Lister.Get(index)
}

// Iterator goes through the elements.
func (o orderedList) Iterator() traits.Iterator {
	return &listIterator{Iterator: o.Lister.Iterator(), list: o.list, spent: o.spent}
}

// listIterator counts beside CEL's.
type listIterator struct {
	traits.Iterator
	list  []any
	next  int
	spent *spending
}

// Next is the next element.
func (i *listIterator) Next() ref.Val {
	if i.Iterator.Next() == nil || i.next >= len(i.list) {
		return nil
	}
	v := orderedValue(i.list[i.next], i.spent)
	i.next++
	return v
}

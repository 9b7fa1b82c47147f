package policy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/interpreter"
	celconfig "k8s.io/apiserver/pkg/apis/cel"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/rule"
)

// budget is what one Rule document may cost for all objects together, in CEL's own units: what the API server spends on two objects at most. A common
// rule costs 7 to 25 for an object, half a million for 100 clusters with 20 tenants of 10 objects each; to look for one of 20 tenants in fleet costs 143, and
// for one of 100 clusters 706. A core takes some four millions in a second.
const budget = 2 * celconfig.RuntimeCELCostBudget

// mostOfOne is what one object may cost. What costs more is over a limit of the API server, which looks only after an expression with all its variables.
const mostOfOne = celconfig.RuntimeCELCostBudget + celconfig.RuntimeCELCostBudgetMatchConditions

// dear is why a rule has no answer.
const dear = "asking costs too much"

var errDear = errors.New(dear)

// spending is what a rule costs for one object. It travels in the context, and belongs to one goroutine.
type spending struct{ cost int64 }

type spendingKey struct{}

// in is the context for the evaluations that count.
func (s *spending) in(ctx context.Context) context.Context {
	return context.WithValue(ctx, spendingKey{}, s)
}

func (s *spending) over() bool { return s != nil && s.cost > mostOfOne }

// add counts an evaluation.
func (s *spending) add(d *cel.EvalDetails) {
	if s == nil {
		return
	}
	cost := uint64(celconfig.PerCallLimit)
	if c := d.ActualCost(); c != nil {
		cost = *c
	}
	s.cost += int64(min(cost, mostOfOne+1))
}

// take counts what CEL does not, and ends the evaluation of an object that costs too much. The panic is CEL's own way to end, from which it recovers.
func (s *spending) take(n int) {
	if s == nil {
		return
	}
	s.cost += int64(n)
	if s.over() {
		panic(interpreter.EvalCancelledError{Message: dear, Cause: interpreter.CostLimitExceeded})
	}
}

// values is how many there are in one, itself among them.
func values(v any) int {
	n := 1
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			n += values(e)
		}
	case []any:
		for _, e := range v {
			n += values(e)
		}
	}
	return n
}

// answer is what a document says of an object.
type answer struct {
	document int // its index
	cost     int64
	found    *rule.Found // nil for nothing
}

// ledger takes answers in any order and counts them in that of the objects, so that what is judged within the budget depends on no goroutine.
type ledger struct {
	rules []*Document
	spent []atomic.Bool // by document: nothing more is asked

	mu   sync.Mutex
	sums []int64 // by document
	next int     // the first object that is not counted
	own  [][]answer
	done []bool
	all  [][]rule.Found // by object
}

func newLedger(rules []*Document, objects int) *ledger {
	return &ledger{
		rules: rules, spent: make([]atomic.Bool, len(rules)), sums: make([]int64, len(rules)),
		own: make([][]answer, objects), done: make([]bool, objects), all: make([][]rule.Found, objects),
	}
}

// enter notes what is found of an object, and counts as far as it can. What was answered after the budget was spent does not count.
func (l *ledger) enter(i int, told []rule.Found, own []answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all[i], l.own[i], l.done[i] = told, own, true
	for ; l.next < len(l.done) && l.done[l.next]; l.next++ {
		l.count(l.next)
	}
}

func (l *ledger) count(i int) {
	from := len(l.all[i])
	for _, a := range l.own[i] {
		l.sums[a.document] += a.cost
		if l.sums[a.document] > budget {
			l.spent[a.document].Store(true)
		}
		if a.found == nil || l.spent[a.document].Load() {
			continue
		}
		same := slices.IndexFunc(l.all[i][from:], func(f rule.Found) bool { return f.Rule == a.found.Rule })
		switch {
		case same < 0:
			l.all[i] = append(l.all[i], *a.found)
		case worse(a.found, &l.all[i][from+same]):
			l.all[i][from+same] = *a.found
		}
	}
	l.own[i] = nil
}

// found is all that is found, in the order of the objects, and then one for each rule that was not asked about all of them.
func (l *ledger) found() []rule.Found {
	out := slices.Concat(l.all...)
	for i, d := range l.rules {
		if l.spent[i].Load() {
			out = append(out, d.unasked())
		}
	}
	return out
}

// unasked is what is found of a rule whose budget is spent. It is about the whole fleet: of which objects it is not known, a change elsewhere may change.
func (d *Document) unasked() rule.Found {
	at := d.doc.Place
	which := fmt.Sprintf("Rule %s of %s:%d", d.doc.Name, at.File, at.Line)
	if d.earlier {
		which += ", as it was before this change,"
	}
	f := d.unknown(fmt.Sprintf("%s about all objects of the fleet: the budget of %s is spent", dear, which))
	f.Hint = "let matchConstraints and matchConditions leave out what it is not about, and let it not go through the whole fleet for each object"
	f.Steps = []finding.Step{d.step(f.Message)}
	if !d.earlier {
		f.File, f.Line = at.File, at.Line
	}
	return f
}

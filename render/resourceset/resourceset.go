// Package resourceset turns a ResourceSet and its inputs into the objects that
// Flux Operator would apply. It is written from the operator's public
// documentation alone; what that leaves open is said where it matters. See
// [Render].
package resourceset

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Ref is an entry of spec.inputsFrom: a name or a selector.
type Ref struct {
	Namespace string // that of the ResourceSet
	Name      string
	Selector  *metav1.LabelSelector
}

// Lookup gives the ResourceSetInputProvider objects that ref selects, see [Among].
// None is no error.
type Lookup func(ref Ref) ([]map[string]any, error)

// Output is what the operator applies for a ResourceSet, as far as is known
// without a cluster.
type Output struct {
	// Objects are in the order of Steps, and in a step: spec.resources as written,
	// each for every input set, then spec.resourcesTemplate. No two have the same
	// group, kind, namespace and name.
	Objects []Object
	Steps   []Step // in the order they are applied; one where spec.steps is not used
	// DependsOn is spec.dependsOn.
	DependsOn []Dependency
	// Inputs is the number of input sets that are known.
	Inputs int
	// Unknown says why there may be other objects than these, or of other names:
	// what only the cluster knows. Empty: the set is complete.
	Unknown []string
	// Notes are for people: what is odd, yet known.
	Notes []string
}

// Object is a rendered object, with the labels and annotations that the operator
// adds. One without a namespace is left without: its scope is not known here.
type Object struct {
	Value map[string]any
	Step  int    // index in Output.Steps
	From  string // "resources[2]", "resourcesTemplate" or the like: where it is written
	Input int    // index of the input set
	// Unknown says which parts of the object only the cluster knows; what Value has
	// there is a stand-in, the same for equal input. Sorted.
	Unknown []string
}

// Step is a stage of the apply.
type Step struct {
	Name    string // empty: what is outside of spec.steps
	Timeout string // as written
	Wait    bool   // health checks end the step
}

// Dependency is an object that must exist, or be ready, before anything is applied.
type Dependency struct {
	APIVersion, Kind, Namespace, Name string
	Ready                             bool // or has a readiness expression
}

// Render gives the objects of a ResourceSet (fluxcd.controlplane.io/v1); rs is
// not changed. providers may be nil if there is no spec.inputsFrom.
//
// Without inputs and inputsFrom the resources are rendered once. With an
// inputsFrom that gives no input set nothing is rendered: the operator then
// deletes all that it had applied, which is a note.
//
// The error is what the operator fails with: it names the resource and, for a
// template, the line. It wraps [ErrTooLarge] when the templates ask for more than
// is borne here.
//
// Source: Flux Operator, ResourceSet and ResourceSetInputProvider documentation.
func Render(ctx context.Context, rs map[string]any, providers Lookup) (*Output, error) {
	r := &renderer{ctx: ctx, out: &Output{}, name: text(rs, "metadata", "name"), namespace: text(rs, "metadata", "namespace"), seen: map[string]string{}}
	r.engine = newEngine()
	r.meter = &meter{ctx: ctx, steps: maxSteps, work: maxWork}
	var ok bool
	if r.spec, ok = rs["spec"].(map[string]any); !ok {
		return nil, errors.New("spec is missing")
	}
	if err := r.common(); err != nil {
		return nil, err
	}
	if err := r.dependsOn(); err != nil {
		return nil, err
	}
	sets, err := r.inputSets(providers)
	if err != nil {
		return nil, err
	}
	r.out.Inputs = len(sets)
	if len(sets) == 0 && len(r.out.Unknown) == 0 {
		r.note("its providers give no input set: nothing is applied, and everything that was is deleted")
	}
	stages, err := r.stages()
	if err != nil {
		return nil, err
	}
	for i, s := range stages {
		r.out.Steps = append(r.out.Steps, s.Step)
		for _, src := range s.sources {
			if err := r.render(i, src, sets); err != nil {
				return nil, err
			}
		}
	}
	return r.out, nil
}

// renderer renders one ResourceSet.
type renderer struct {
	ctx             context.Context // lives as long as one call
	engine          *engine
	meter           *meter
	out             *Output
	spec            map[string]any
	name, namespace string
	labels          map[string]string // commonMetadata
	annotations     map[string]string
	seen            map[string]string // identity -> From of the object that was first
	written, runs   int               // bytes of templates' output, and how many there were
	permuted        bool
}

func (r *renderer) note(format string, args ...any) {
	r.out.Notes = add(r.out.Notes, fmt.Sprintf(format, args...))
}

func (r *renderer) unknown(format string, args ...any) {
	r.out.Unknown = add(r.out.Unknown, fmt.Sprintf(format, args...))
}

func add(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// stage is a step and what is rendered in it.
type stage struct {
	Step
	sources []source
}

// source is a template, and where it is written.
type source struct{ from, text string }

// stages are the ResourceSet's own resources, if there are any, and its steps.
func (r *renderer) stages() ([]stage, error) {
	wait, _ := r.spec["wait"].(bool)
	own, err := sourcesOf(r.spec, "")
	if err != nil {
		return nil, err
	}
	steps, err := list(r.spec, "steps")
	if err != nil {
		return nil, err
	}
	var out []stage
	if len(own) > 0 || len(steps) == 0 {
		out = append(out, stage{Step{Wait: wait || len(steps) > 0}, own})
	}
	for i, entry := range steps {
		step, ok := entry.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("spec.steps[%d] is not an object", i)
		}
		sources, err := sourcesOf(step, fmt.Sprintf("steps[%d].", i))
		if err != nil {
			return nil, err
		}
		out = append(out, stage{Step{text(step, "name"), text(step, "timeout"), wait || i < len(steps)-1}, sources})
	}
	return out, nil
}

// common reads spec.commonMetadata.
func (r *renderer) common() error {
	for field, into := range map[string]*map[string]string{"labels": &r.labels, "annotations": &r.annotations} {
		m, _ := at(r.spec, "commonMetadata", field).(map[string]any)
		*into = make(map[string]string, len(m))
		for k, v := range m {
			s, ok := v.(string)
			if !ok {
				return fmt.Errorf("spec.commonMetadata.%s: %s is not a text", field, k)
			}
			(*into)[k] = s
		}
	}
	return nil
}

func (r *renderer) dependsOn() error {
	entries, err := list(r.spec, "dependsOn")
	if err != nil {
		return err
	}
	for i, entry := range entries {
		m, _ := entry.(map[string]any)
		d := Dependency{text(m, "apiVersion"), text(m, "kind"), text(m, "namespace"), text(m, "name"), text(m, "readyExpr") != ""}
		if d.Kind == "" || d.Name == "" || d.APIVersion == "" {
			return fmt.Errorf("spec.dependsOn[%d] needs apiVersion, kind and name", i)
		}
		if ready, _ := m["ready"].(bool); ready {
			d.Ready = true
		}
		r.out.DependsOn = append(r.out.DependsOn, d)
	}
	return nil
}

func at(m map[string]any, path ...string) any {
	var v any = m
	for _, key := range path {
		inner, _ := v.(map[string]any)
		v = inner[key]
	}
	return v
}

func text(m map[string]any, path ...string) string {
	s, _ := at(m, path...).(string)
	return s
}

// list is a field that is a list, or absent.
func list(m map[string]any, field string) ([]any, error) {
	v, ok := m[field]
	if !ok || v == nil {
		return nil, nil
	}
	l, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("spec.%s is not a list", strings.TrimPrefix(field, "."))
	}
	return l, nil
}

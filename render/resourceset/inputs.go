package resourceset

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
)

const (
	apiVersion   = "fluxcd.controlplane.io/v1"
	kind         = "ResourceSet"
	providerKind = "ResourceSetInputProvider"
)

// maxPermutations is the operator's bound.
const maxPermutations = 10_000

// inputSet is what "inputs" stands for in a template, but for the ids.
type inputSet struct {
	values map[string]any
	// ids are the places of the ids that the operator makes: "" for inputs.id, else
	// the key of inputs whose id it is. The value names the set, and differs between
	// any two of them.
	ids map[string]string
}

// with gives the values with stand-ins for the ids, a copy. Each salt gives others.
func (s inputSet) with(salt string) map[string]any {
	values, _ := copyOf(s.values).(map[string]any)
	for key, name := range s.ids {
		sum := sha256.Sum256([]byte(salt + "\x00" + name))
		id := strconv.FormatUint(uint64(binary.BigEndian.Uint32(sum[:])), 10)
		if inner, ok := values[key].(map[string]any); ok && key != "" {
			inner["id"] = id
		} else {
			values["id"] = id
		}
	}
	return values
}

// provider is an object that provides inputs.
type provider struct {
	kind, namespace, name string
	sets                  []inputSet
}

// set adds a set, with what the operator adds to it.
func (p *provider) set(values map[string]any, id bool) {
	s := inputSet{values: map[string]any{}, ids: map[string]string{}}
	maps.Copy(s.values, values)
	s.values["provider"] = map[string]any{"apiVersion": apiVersion, "kind": p.kind, "name": p.name, "namespace": p.namespace}
	if id {
		s.ids[""] = fmt.Sprintf("%s/%s/%s/%d", p.kind, p.namespace, p.name, len(p.sets))
	}
	p.sets = append(p.sets, s)
}

// inputSets gives all input sets.
func (r *renderer) inputSets(providers Lookup) ([]inputSet, error) {
	own := &provider{kind: kind, namespace: r.namespace, name: r.name}
	inputs, err := list(r.spec, "inputs")
	if err != nil {
		return nil, err
	}
	for i, entry := range inputs {
		values, ok := entry.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("spec.inputs[%d] is not an object", i)
		}
		// An id that is written is kept, as in the documentation's example.
		_, written := values["id"]
		own.set(values, !written)
	}
	refs, err := list(r.spec, "inputsFrom")
	if err != nil {
		return nil, err
	}
	if len(inputs) == 0 && len(refs) == 0 {
		own.set(nil, true)
		return own.sets, nil
	}
	var all []*provider
	if len(inputs) > 0 {
		all = append(all, own)
	}
	found, complete, err := r.inputsFrom(refs, providers)
	if err != nil {
		return nil, err
	}
	all = append(all, found...)
	switch strategy := text(r.spec, "inputStrategy", "name"); strategy {
	case "", "Flatten":
		var sets []inputSet
		for _, p := range all {
			sets = append(sets, p.sets...)
		}
		return sets, nil
	case "Permute":
		if !complete {
			return nil, nil // one unknown factor, and no product is known
		}
		r.permuted = true
		return permute(all)
	default:
		return nil, fmt.Errorf("spec.inputStrategy: name %q is neither Flatten nor Permute", strategy)
	}
}

// inputsFrom gives the providers that are selected and known, each once, and
// whether these are all.
func (r *renderer) inputsFrom(refs []any, providers Lookup) (found []*provider, complete bool, err error) {
	seen := map[string]bool{}
	complete = true
	for i, entry := range refs {
		ref, err := r.ref(entry)
		if err != nil {
			return nil, false, fmt.Errorf("spec.inputsFrom[%d]: %w", i, err)
		}
		var objects []map[string]any
		if providers != nil {
			if objects, err = providers(ref); err != nil {
				return nil, false, fmt.Errorf("spec.inputsFrom[%d]: %w", i, err)
			}
		}
		if ref.Name != "" && len(objects) == 0 {
			r.unknown("%s %s/%s is not in the repository", providerKind, ref.Namespace, ref.Name)
			complete = false
		}
		if ref.Name == "" && len(objects) == 0 {
			r.note("spec.inputsFrom[%d] selects no %s of the repository", i, providerKind)
		}
		objects = slices.Clone(objects)
		slices.SortStableFunc(objects, func(a, b map[string]any) int {
			return cmp.Compare(text(a, "metadata", "name"), text(b, "metadata", "name"))
		})
		for _, o := range objects {
			name := text(o, "metadata", "name")
			if seen[name] {
				continue
			}
			seen[name] = true
			p, why := static(o, ref.Namespace)
			if why != "" {
				r.unknown("%s %s/%s %s", providerKind, ref.Namespace, name, why)
				complete = false
				continue
			}
			found = append(found, p)
		}
	}
	return found, complete, nil
}

func (r *renderer) ref(entry any) (Ref, error) {
	m, ok := entry.(map[string]any)
	if !ok {
		return Ref{}, errors.New("is not an object")
	}
	if k := text(m, "kind"); k != "" && k != providerKind {
		return Ref{}, fmt.Errorf("kind %q is not %s", k, providerKind)
	}
	ref := Ref{Namespace: r.namespace, Name: text(m, "name")}
	raw, hasSelector := m["selector"].(map[string]any)
	switch {
	case hasSelector == (ref.Name != ""):
		return Ref{}, errors.New("needs either a name or a selector")
	case hasSelector:
		ref.Selector = &metav1.LabelSelector{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(raw, ref.Selector); err != nil {
			return Ref{}, fmt.Errorf("selector: %w", err)
		}
	}
	return ref, nil
}

// static reads a provider whose inputs are written in it; why says why those of
// another one are not known.
func static(o map[string]any, namespace string) (p *provider, why string) {
	if t := text(o, "spec", "type"); t != "Static" {
		return nil, fmt.Sprintf("of type %q asks another service", t)
	}
	if strings.EqualFold(text(o, "metadata", "annotations", reconcileAnnotation), "disabled") {
		return nil, "is disabled: its inputs are those it had before"
	}
	p = &provider{kind: providerKind, namespace: namespace, name: text(o, "metadata", "name")}
	values, _ := at(o, "spec", "defaultValues").(map[string]any)
	p.set(values, true) // the id is made of the provider's UID
	return p, ""
}

// permute gives every combination of one set of each provider; the last provider's
// sets vary first.
func permute(all []*provider) ([]inputSet, error) {
	total, keys := 1, map[string]string{}
	for _, p := range all {
		if total *= len(p.sets); total > maxPermutations {
			return nil, fmt.Errorf("spec.inputStrategy: more than %d permutations", maxPermutations)
		}
		key := normalize(p.name)
		if other, ok := keys[key]; ok {
			return nil, fmt.Errorf("spec.inputStrategy: %s and %s have the same key %q", other, p.name, key)
		}
		keys[key] = p.name
	}
	if len(all) == 0 {
		return nil, nil
	}
	sets := make([]inputSet, 0, total)
	for i := range total {
		s := inputSet{values: map[string]any{}, ids: map[string]string{}}
		var names []string
		for rest, j := i, len(all)-1; j >= 0; j-- {
			p := all[j]
			one := p.sets[rest%len(p.sets)]
			rest /= len(p.sets)
			key := normalize(p.name)
			s.values[key] = one.values
			if id, ok := one.ids[""]; ok {
				s.ids[key] = id
			}
			names = append(names, strconv.Itoa(rest), p.name)
		}
		s.ids[""] = fmt.Sprintf("%d of %s", i, strings.Join(names, ","))
		sets = append(sets, s)
	}
	return sets, nil
}

// normalize turns the name of an object into a key that templates can use.
//
// Source: Flux Operator documentation, "Input strategy".
func normalize(name string) string {
	words := strings.FieldsFunc(strings.ToLower(name), func(c rune) bool {
		return c == '_' || c == ' ' || c > ' ' && c < 0x7f && (c < '0' || c > '9') && (c < 'a' || c > 'z')
	})
	for i, w := range words {
		words[i] = strings.Map(func(c rune) rune {
			if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' {
				return c
			}
			return -1
		}, w)
	}
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), "_")
}

// Among is a [Lookup] in a list of objects of any kind, namespace and order.
func Among(objects []map[string]any) Lookup {
	return func(ref Ref) ([]map[string]any, error) {
		selector := labels.Nothing()
		if ref.Selector != nil {
			var err error
			if selector, err = metav1.LabelSelectorAsSelector(ref.Selector); err != nil {
				return nil, fmt.Errorf("selector: %w", err)
			}
		}
		var found []map[string]any
		for _, o := range objects {
			group, _, _ := strings.Cut(text(o, "apiVersion"), "/")
			if group != "fluxcd.controlplane.io" || text(o, "kind") != providerKind || text(o, "metadata", "namespace") != ref.Namespace {
				continue
			}
			have := labels.Set{}
			m, _ := at(o, "metadata", "labels").(map[string]any)
			for k, v := range m {
				have[k], _ = v.(string)
			}
			if ref.Name != "" && text(o, "metadata", "name") == ref.Name || ref.Name == "" && selector.Matches(have) {
				found = append(found, o)
			}
		}
		return found, nil
	}
}

// copyOf copies JSON-like data, so that a template that changes its inputs changes
// nobody else's.
func copyOf(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = copyOf(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = copyOf(e)
		}
		return out
	}
	return v
}

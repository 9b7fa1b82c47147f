package resourceset

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	sprig "github.com/go-task/slim-sprig/v3"
	"sigs.k8s.io/yaml"
)

// run is one execution of a template.
type run struct {
	meter  *meter
	inputs map[string]any
	salt   string
	depth  int      // templates that are being executed
	doubts []string // functions whose result here may not be the operator's
}

// maxCalls bounds how deep templates call each other.
const maxCalls = 1000

func (r *run) enter() error {
	if r.depth++; r.depth > maxCalls {
		return fmt.Errorf("templates call each other %d times: %w", maxCalls, ErrTooLarge)
	}
	return r.meter.step()
}

// order gives the keys of a map, sorted one way or the other.
func (r *run) order(m map[string]any) []string {
	sorted := slices.Sorted(maps.Keys(m))
	if r.salt != "" {
		slices.Reverse(sorted)
	}
	return sorted
}

// functions are what templates may call: the hermetic ones of slim-sprig, inputs,
// toYaml and slugify, each within bounds. What depends on the clock or on chance
// gives a stand-in. current is the run that the template is executed in.
//
// Source: Flux Operator documentation, "Templating functions"; slim-sprig v3.0.0.
func functions(current func() *run) template.FuncMap {
	all := sprig.HermeticTxtFuncMap()
	maps.Copy(all, template.FuncMap{
		"print": fmt.Sprint, "println": fmt.Sprintln, "html": template.HTMLEscaper, "js": template.JSEscaper, "urlquery": template.URLQueryEscaper,
		"toYaml": toYAML,
	})
	guarded := template.FuncMap{}
	for name, f := range all {
		guarded[name] = guard(current, f)
		if strings.Contains(strings.ToLower(name), "regex") || strings.HasSuffix(strings.ToLower(name), "uniq") || strings.HasSuffix(strings.ToLower(name), "without") {
			guarded[name] = costly(current, guarded[name])
		}
	}
	for _, more := range []template.FuncMap{lists(), texts()} {
		for name, f := range more {
			guarded[name] = guard(current, f)
		}
	}
	for name, f := range replacements() {
		guarded[name] = costly(current, guard(current, f))
	}
	guarded["inputs"] = func() map[string]any { return current().inputs }
	guarded["slugify"] = func(s string) (string, error) {
		if strings.IndexFunc(s, func(c rune) bool { return c > '~' || strings.ContainsRune("&@'\"", c) }) >= 0 {
			current().doubts = add(current().doubts, "slugify")
		}
		return slugify(s), current().meter.value(s)
	}
	// The clock and chance: see differs.
	guarded["ago"] = func(any) string { return stand(current(), "ago") + "s" }
	guarded["durationRound"] = guard(current, func(v any) (string, error) {
		if _, ok := v.(time.Time); ok {
			return stand(current(), "durationRound") + "s", nil
		}
		return durationRound(v), nil
	})
	guarded["randInt"] = func(from, to int) (int, error) {
		if to <= from {
			return 0, fmt.Errorf("randInt: %d is not below %d", from, to)
		}
		n, _ := strconv.Atoi(stand(current(), "randInt"))
		return from + n%(to-from), nil
	}
	// A map has no order: see differs.
	guarded["keys"] = guard(current, func(maps ...map[string]any) []string {
		var out []string
		for _, m := range maps {
			out = append(out, current().order(m)...)
		}
		return out
	})
	guarded["values"] = guard(current, func(m map[string]any) []any {
		var out []any
		for _, k := range current().order(m) {
			out = append(out, m[k])
		}
		return out
	})
	guarded[enterName] = func() (string, error) { return "", current().enter() }
	guarded[leaveName] = func() string { current().depth--; return "" }
	guarded[tickName] = func() (string, error) { return "", current().meter.step() }
	guarded[checkName] = func(v any) (any, error) { return v, current().meter.value(v) }
	return guarded
}

// stand is a number that only depends on the salt of the run, and what it is for.
func stand(r *run, name string) string {
	s := inputSet{values: map[string]any{}, ids: map[string]string{"": name}}
	id, _ := s.with(r.salt)["id"].(string)
	return id
}

// guard counts a call and bounds what goes in and out.
func guard(current func() *run, f any) any {
	v := reflect.ValueOf(f)
	return reflect.MakeFunc(withError(v.Type()), func(args []reflect.Value) []reflect.Value {
		m := current().meter
		err := m.step()
		values := make([]any, len(args))
		for i, a := range args {
			values[i] = a.Interface()
		}
		if err == nil {
			err = m.value(values...)
		}
		if err != nil {
			return result(v.Type(), reflect.Value{}, err)
		}
		var out []reflect.Value
		if v.Type().IsVariadic() {
			out = v.CallSlice(args)
		} else {
			out = v.Call(args)
		}
		if len(out) == 2 && !out[1].IsNil() {
			err, _ = reflect.TypeAssert[error](out[1])
			return result(v.Type(), out[0], err)
		}
		return result(v.Type(), out[0], m.value(out[0].Interface()))
	}).Interface()
}

// costly spends more for functions that compare everything they are given with
// everything else of it; f is guarded.
func costly(current func() *run, f any) any {
	v := reflect.ValueOf(f)
	return reflect.MakeFunc(v.Type(), func(args []reflect.Value) []reflect.Value {
		size := 0
		for _, a := range args {
			left := maxValue
			measure(a, &left, 0)
			size += maxValue - left
		}
		if err := current().meter.spend(size * (size / 64)); err != nil {
			return result(v.Type(), reflect.Value{}, err)
		}
		if v.Type().IsVariadic() {
			return v.CallSlice(args)
		}
		return v.Call(args)
	}).Interface()
}

// withError is the type of a function that may fail, too.
func withError(t reflect.Type) reflect.Type {
	in := make([]reflect.Type, t.NumIn())
	for i := range in {
		in[i] = t.In(i)
	}
	return reflect.FuncOf(in, []reflect.Type{t.Out(0), reflect.TypeFor[error]()}, t.IsVariadic())
}

func result(t reflect.Type, out reflect.Value, err error) []reflect.Value {
	if !out.IsValid() {
		out = reflect.Zero(t.Out(0))
	}
	e := reflect.Zero(reflect.TypeFor[error]())
	if err != nil {
		e = reflect.ValueOf(&err).Elem()
	}
	return []reflect.Value{out, e}
}

// toYAML writes a value as YAML, without the newline at the end.
func toYAML(v any) (string, error) {
	data, err := yaml.Marshal(v)
	return strings.TrimSuffix(string(data), "\n"), err
}

// durationRound is slim-sprig's, without the clock.
func durationRound(v any) string {
	return original[func(any) string]("durationRound")(v)
}

// slugify makes a text fit for the value of a label: lower case letters, digits,
// dashes and underscores, 63 at most.
//
// Source: Flux Operator documentation, "Templating functions", which says what it
// is for; how other characters are spelt is not documented.
func slugify(s string) string {
	var b strings.Builder
	for _, c := range strings.ToLower(s) {
		switch {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_':
			b.WriteRune(c)
		case !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() >= 1024 {
			break
		}
	}
	out := strings.Trim(b.String(), "-_")
	if len(out) > 63 {
		out = strings.Trim(out[:63], "-_")
	}
	return out
}

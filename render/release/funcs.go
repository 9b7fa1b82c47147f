package release

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
	"helm.sh/helm/v4/pkg/chart/common"
)

// growing are functions whose result may be longer than what they are given, or as long and kept. Each call
// is a step, and its operands and its result are bytes.
var growing = []string{ //nolint:gochecknoglobals // a constant list
	"append", "b32enc", "b64enc", "b32dec", "b64dec", "camelcase", "cat", "chunk", "concat", "deepCopy", "dict", "indent",
	"initial", "join", "kebabcase", "list", "merge", "mergeOverwrite", "mustAppend", "mustChunk", "mustDeepCopy", "mustMerge", "mustMergeOverwrite",
	"mustPrepend", "mustPush", "mustRegexFindAll", "mustRegexMatch", "mustRegexFind", "mustRegexReplaceAll", "mustRegexReplaceAllLiteral",
	"mustRegexSplit", "mustReverse", "mustToPrettyJson", "mustToRawJson", "mustUniq", "mustWithout", "nindent", "nospace", "omit", "pick",
	"pluck", "prepend", "push", "quote", "regexFind", "regexFindAll", "regexMatch", "regexReplaceAll", "regexReplaceAllLiteral", "regexSplit",
	"repeat", "replace", "rest", "reverse", "seq", "set", "sha1sum", "sha256sum", "sha512sum", "snakecase", "sortAlpha", "split", "splitList",
	"splitn", "squote", "swapcase", "title", "toPrettyJson", "toRawJson", "toString", "toStrings", "trunc", "tuple", "uniq", "until", "untilStep",
	"upper", "lower", "without", "wrap", "wrapWith", "decryptAES", "derivePassword", "semverCompare",
}

// functions are what the templates of one run may call, where that differs from Helm's own.
func (r *run) functions() template.FuncMap {
	sprigs := sprig.TxtFuncMap()
	out := template.FuncMap{}
	for _, name := range growing {
		out[name] = r.metered(name, sprigs[name])
	}
	out["print"] = r.metered("print", fmt.Sprint)
	out["println"] = r.metered("println", fmt.Sprintln)
	out["printf"] = r.metered("printf", fmt.Sprintf)
	out["html"] = r.metered("html", template.HTMLEscaper)
	out["js"] = r.metered("js", template.JSEscaper)
	out["urlquery"] = r.metered("urlquery", template.URLQueryEscaper)
	maps.Copy(out, r.unknowable(sprigs))
	m := r.loaded.marks
	out[m.file] = r.file
	out[m.tick] = func() (string, error) { return "", r.meter.step(1) }
	out[m.enter] = func(dot reflect.Value, text ...int) (string, error) {
		if err := r.meter.enter(text...); err != nil {
			return "", err
		}
		return "", r.meter.spend(weight(dot, 2))
	}
	out[m.leave] = func(text ...int) string { r.meter.leave(text...); return "" }
	out[m.text] = r.text
	return out
}

// file notes that the template file with that index runs, unless it is only included by another.
// The engine runs each file once, with .Template.Name set to it.
func (r *run) file(index int, root reflect.Value) (string, error) {
	if err := r.meter.step(1); err != nil {
		return "", err
	}
	r.meter.rewind(r.loaded.longest)
	context, ok := tableOf(root)
	if !ok || index < 0 || index >= len(r.loaded.files) {
		return "", nil
	}
	about, _ := tableOf(reflect.ValueOf(context["Template"]))
	name, _ := about["Name"].(string)
	if r.done[name] || !strings.HasSuffix(name, "/"+r.loaded.files[index]) {
		return "", nil
	}
	r.current = name
	r.done[name] = true
	r.settle(context)
	return "", nil
}

// tableOf is v as a map. Helm's contexts are maps of a type of its own.
func tableOf(v reflect.Value) (map[string]any, bool) {
	for v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if !v.IsValid() {
		return nil, false
	}
	switch m := v.Interface().(type) {
	case map[string]any:
		return m, true
	case common.Values:
		return m, true
	default:
		return nil, false
	}
}

// text prepares a text that tpl is about to run.
func (r *run) text(v string) (string, error) {
	if err := r.meter.step(1); err != nil {
		return "", err
	}
	if err := r.meter.spend(len(v)); err != nil {
		return "", err
	}
	if !strings.Contains(v, "{{") {
		return v, nil
	}
	known := r.texts[v]
	if known == nil {
		s, err := scanned(v, &r.loaded.marks)
		if errors.Is(err, errNested) {
			return "", r.meter.stop("%s", err)
		}
		known = &instrumented{text: v}
		if err == nil {
			known.put, known.longest = s.put, s.longest
			if s.frames[0].solid {
				known.put = slices.Insert(known.put, 0, insertion{0, fmt.Sprintf("{{%s . %d}}", r.loaded.marks.enter, len(v))})
				known.put = append(known.put, insertion{len(v), fmt.Sprintf("{{%s %d}}", r.loaded.marks.leave, len(v))})
			}
		}
		r.texts[v] = known
	}
	r.meter.widen(known.longest)
	return spliced(v, known.put), nil
}

// metered is f, with each call counted. Panics with the meter's error, which text/template turns into one.
func (r *run) metered(name string, f any) any {
	fn := reflect.ValueOf(f)
	return reflect.MakeFunc(fn.Type(), func(args []reflect.Value) []reflect.Value {
		r.check(r.meter.step(1))
		size := 0
		for _, a := range args {
			size += weight(a, 1)
		}
		r.check(r.meter.spend(size))
		r.check(r.bounded(name, args, size))
		var out []reflect.Value
		if fn.Type().IsVariadic() {
			out = fn.CallSlice(args)
		} else {
			out = fn.Call(args)
		}
		if out[0].Kind() == reflect.String || out[0].Kind() == reflect.Slice {
			r.check(r.meter.spend(weight(out[0], 0)))
		}
		return out
	}).Interface()
}

func (r *run) check(err error) {
	if err != nil {
		panic(err)
	}
}

// bounded refuses, before it happens, a call that makes far more than it is given.
func (r *run) bounded(name string, args []reflect.Value, size int) error {
	m := r.meter
	number := func(i int) int { return int(args[i].Int()) }
	switch name {
	case "repeat":
		return m.afford(number(0), args[1].Len())
	case "indent", "nindent":
		return m.afford(number(0), 1+strings.Count(args[1].String(), "\n"))
	case "replace":
		return m.afford(1+strings.Count(args[2].String(), args[0].String()), args[1].Len())
	case "until":
		return r.counted(0, number(0), 1)
	case "untilStep":
		return r.counted(number(0), number(1), number(2))
	case "seq":
		p := args[0]
		switch p.Len() {
		case 1:
			return r.counted(1, int(p.Index(0).Int()), 1)
		case 2:
			return r.counted(int(p.Index(0).Int()), int(p.Index(1).Int()), 1)
		case 3:
			return r.counted(int(p.Index(0).Int()), int(p.Index(2).Int()), int(p.Index(1).Int()))
		}
	case "join":
		return m.afford(size, 1+args[0].Len())
	case "wrapWith":
		return m.afford(args[2].Len(), 1+args[1].Len())
	case "printf":
		return r.formatted(args[0].String(), size)
	case "regexReplaceAll", "mustRegexReplaceAll", "regexReplaceAllLiteral", "mustRegexReplaceAllLiteral":
		return m.afford(1+args[1].Len(), 1+args[2].Len())
	case "derivePassword":
		return m.step(50_000) // scrypt
	}
	return nil
}

// counted refuses a list of numbers that is too long.
func (r *run) counted(start, stop, step int) error {
	if step == 0 {
		return nil
	}
	n := (float64(stop) - float64(start)) / float64(step)
	if n < 0 {
		n = -n
	}
	if n > float64(r.meter.bytes/16) {
		return r.meter.stop("its templates make more than %d bytes", r.meter.limits.Bytes)
	}
	return r.meter.step(int(n) / 16)
}

// formatted refuses a format whose verbs, each with all operands or the greatest width that fmt takes, make too much.
func (r *run) formatted(format string, size int) error {
	verbs := strings.Count(format, "%")
	if strings.ContainsAny(format, "0123456789*") {
		return r.meter.afford(verbs, size+widest(format))
	}
	return nil
}

// widest is the sum of the numbers in a format, each no more than fmt takes, or that for every "*".
func widest(format string) int {
	const most = 1_000_000
	sum, n := 0, 0
	for i := range len(format) {
		switch c := format[i]; {
		case c >= '0' && c <= '9':
			n = min(most, n*10+int(c-'0'))
		case c == '*':
			sum += most
		default:
			sum, n = sum+n, 0
		}
	}
	return sum + n
}

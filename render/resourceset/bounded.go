package resourceset

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"text/template"
	"time"

	sprig "github.com/go-task/slim-sprig/v3"
)

// fits says whether n times size is a value's size.
func fits(n, size int) error {
	if n > 0 && size > 0 && n > maxValue/size {
		return fmt.Errorf("a value of more than %d bytes: %w", maxValue, ErrTooLarge)
	}
	return nil
}

// original is the function of slim-sprig of that name and type.
func original[F any](name string) F {
	f, _ := sprig.GenericFuncMap()[name].(F)
	return f
}

// lists are the functions that make lists of a length that they are told.
func lists() template.FuncMap {
	count := func(start, stop, step int) error {
		if step != 0 && math.Abs(float64(stop)-float64(start))/math.Abs(float64(step)) > maxItems {
			return fmt.Errorf("a list of more than %d items: %w", maxItems, ErrTooLarge)
		}
		return nil
	}
	until, untilStep := original[func(int) []int]("until"), original[func(int, int, int) []int]("untilStep")
	seq := original[func(...int) string]("seq")
	return template.FuncMap{
		"until": func(n int) ([]int, error) { return later(count(0, n, 1), func() []int { return until(n) }) },
		"untilStep": func(a, b, c int) ([]int, error) {
			return later(count(a, b, c), func() []int { return untilStep(a, b, c) })
		},
		"seq": func(p ...int) (string, error) {
			var err error
			switch len(p) {
			case 1:
				err = count(1, p[0], 1)
			case 2:
				err = count(p[0], p[1], 1)
			case 3:
				err = count(p[0], p[2], p[1])
			}
			return later(err, func() string { return seq(p...) })
		},
	}
}

// texts are the functions that make texts of a length that they are told.
func texts() template.FuncMap {
	replace, join := original[func(string, string, string) string]("replace"), original[func(string, any) string]("join")
	indent, nindent := original[func(int, string) string]("indent"), original[func(int, string) string]("nindent")
	return template.FuncMap{
		"repeat": func(n int, s string) (string, error) {
			if n < 0 {
				return "", fmt.Errorf("repeat %d times", n)
			}
			return later(fits(n, len(s)), func() string { return strings.Repeat(s, n) })
		},
		"replace": func(old, with, s string) (string, error) {
			return later(fits(strings.Count(s, old)+1, len(with)), func() string { return replace(old, with, s) })
		},
		"indent": func(n int, s string) (string, error) {
			return later(fits(strings.Count(s, "\n")+1, n), func() string { return indent(n, s) })
		},
		"nindent": func(n int, s string) (string, error) {
			return later(fits(strings.Count(s, "\n")+1, n), func() string { return nindent(n, s) })
		},
		"join": func(sep string, v any) (string, error) {
			n := 1
			if k := reflect.ValueOf(v); k.Kind() == reflect.Slice || k.Kind() == reflect.Array {
				n = k.Len()
			}
			return later(fits(n, len(sep)), func() string { return join(sep, v) })
		},
		"printf": func(format string, args ...any) (string, error) {
			return later(widths(format, args), func() string { return fmt.Sprintf(format, args...) })
		},
		// The time zone is that of the operator's container.
		"toDate":     func(layout, s string) time.Time { t, _ := time.ParseInLocation(layout, s, time.UTC); return t },
		"mustToDate": func(layout, s string) (time.Time, error) { return time.ParseInLocation(layout, s, time.UTC) },
	}
}

// replacements are the functions whose result can be the product of what they are
// given.
func replacements() template.FuncMap {
	funcs := template.FuncMap{}
	for _, name := range []string{"regexReplaceAll", "mustRegexReplaceAll", "regexReplaceAllLiteral", "mustRegexReplaceAllLiteral"} {
		funcs[name] = func(expr, s, with string) (string, error) {
			re, err := regexp.Compile(expr)
			if err != nil {
				return "", err
			}
			total, refs := len(s), strings.Count(with, "$")
			for _, m := range re.FindAllStringIndex(s, -1) {
				if total += len(with) + refs*(m[1]-m[0]); total > maxValue {
					return "", fits(2, maxValue)
				}
			}
			if strings.HasSuffix(name, "Literal") {
				return re.ReplaceAllLiteralString(s, with), nil
			}
			return re.ReplaceAllString(s, with), nil
		}
	}
	return funcs
}

// later is f's result, unless there is an error before.
func later[T any](err error, f func() T) (T, error) {
	if err != nil {
		var zero T
		return zero, err
	}
	return f(), nil
}

// verb is the begin of a verb in a format, up to its width and precision.
var verb = regexp.MustCompile(`%[-+# 0]*(?:\[\d+\])?(\d*)(?:\.(?:\[\d+\])?(\d*))?`)

// widths bounds the padding that a format asks for.
func widths(format string, args []any) error {
	total := 0
	for _, m := range verb.FindAllStringSubmatch(format, -1) {
		for _, digits := range m[1:] {
			n, _ := strconv.Atoi(digits)
			if total += n; n < 0 || n > maxValue || total > maxValue {
				return fits(2, maxValue)
			}
		}
	}
	if strings.Contains(format, "*") {
		for _, a := range args {
			if n, ok := a.(int); ok && (n > maxValue/max(1, len(args)) || n < -maxValue/max(1, len(args))) {
				return fits(2, maxValue)
			}
		}
	}
	// One argument may be written many times: %[1]s.
	size := 0
	for _, a := range args {
		left := maxValue
		measure(reflect.ValueOf(a), &left, 0)
		size = max(size, maxValue-left)
	}
	return fits(strings.Count(format, "%[")+1, size)
}

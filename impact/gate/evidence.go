package gate

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/bulkhead-dev/bulkhead/phrase"
)

var selection = regexp.MustCompile(`\bimpact(\.[a-zA-Z]+)+`)

// values says what the parts of impact are that an expression reads: a line for each number and
// list, in the order of the expression. Of lists of structs only the length is told.
func values(v *Impact, expr string) []string {
	var out []string
	seen := map[string]bool{}
	for _, path := range selection.FindAllString(expr, -1) {
		name, value := "impact", reflect.ValueOf(*v)
		for part := range strings.SplitSeq(strings.TrimPrefix(path, "impact."), ".") {
			field, ok := fieldOf(value, part)
			if !ok {
				break // a function, such as size
			}
			name, value = name+"."+part, field
		}
		if text := told(value); text != "" && !seen[name] {
			seen[name] = true
			out = append(out, name+" is "+text)
		}
	}
	return lines(out)
}

// fieldOf is the field of a struct with that name in expressions.
func fieldOf(v reflect.Value, name string) (reflect.Value, bool) {
	if v.Kind() != reflect.Struct {
		return reflect.Value{}, false
	}
	for f, field := range v.Fields() {
		if f.Tag.Get("cel") == name {
			return field, true
		}
	}
	return reflect.Value{}, false
}

func told(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Int:
		return fmt.Sprint(v.Int())
	case reflect.Map:
		return "a map of " + phrase.Count(v.Len(), "entry")
	case reflect.Slice:
		list, ok := reflect.TypeAssert[[]string](v)
		switch {
		case v.Len() == 0:
			return "an empty list"
		case ok:
			return phrase.List(list, 8)
		}
		return "a list of " + fmt.Sprint(v.Len())
	default:
		return ""
	}
}

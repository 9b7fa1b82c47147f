package object

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// Path leads from the root of a content to a value in it. The empty path is the root.
type Path []Step

// Step is one step of a [Path]: exactly one way down, given by Kind.
type Step struct {
	Kind StepKind
	// Field is the key of a map; for Field only.
	Field string
	// Keys picks the one element of a list that has these values, in the order of the merge key;
	// for Key only. A single KeyValue without a name picks a scalar element by its value.
	Keys []KeyValue
	// Index counts the elements of a list from 0; for Index only.
	Index int
}

// StepKind says what a [Step] goes by. The zero value is no step.
type StepKind uint8

// The ways down, in the order in which paths sort.
const (
	Field StepKind = iota + 1 // the key of a map
	Key                       // the merge key of a list's element
	Index                     // the position in a list
)

// KeyValue is a field of a list's element, and its value: nil, bool, int64, float64 or string.
type KeyValue struct {
	Name  string
	Value any
}

// String prints the path as people write it, and prints different paths differently:
//
//	spec.template.spec.containers[name=app].ports[containerPort=80,protocol=TCP]
//	metadata.annotations["a.b/c"]
//	metadata.finalizers[=kubernetes]
//	spec.rules[2].verbs
//
// Field names other than letters, digits, "_" and "-" (the first not being a digit) are quoted as JSON strings, and so
// are strings in a selector that would read as a number or another word of JSON.
// A namespace that is empty is left out of a selector. The root is "".
func (p Path) String() string {
	var buf []byte
	for _, s := range p {
		buf = s.append(buf)
	}
	return string(buf)
}

// MarshalJSON writes [Path.String] as a JSON string.
func (p Path) MarshalJSON() ([]byte, error) { return json.Marshal(p.String()) }

// Compare orders paths step by step, a parent before what is below it; fields by bytes,
// indexes by number, and fields before keys before indexes. It is negative when p comes first.
func (p Path) Compare(other Path) int { return slices.CompareFunc(p, other, Step.Compare) }

// Compare orders the steps below one parent, see [Path.Compare].
func (s Step) Compare(other Step) int {
	if c := cmp.Compare(s.Kind, other.Kind); c != 0 {
		return c
	}
	switch s.Kind {
	case Field:
		return strings.Compare(s.Field, other.Field)
	case Index:
		return cmp.Compare(s.Index, other.Index)
	default:
		return slices.CompareFunc(s.Keys, other.Keys, func(a, b KeyValue) int {
			return cmp.Or(strings.Compare(a.Name, b.Name), compareScalars(a.Value, b.Value))
		})
	}
}

func (s Step) append(buf []byte) []byte {
	switch s.Kind {
	case Field:
		if !plainField(s.Field) {
			return append(appendText(append(buf, '['), s.Field), ']')
		}
		if len(buf) > 0 {
			buf = append(buf, '.')
		}
		return append(buf, s.Field...)
	case Index:
		return append(strconv.AppendInt(append(buf, '['), int64(s.Index), 10), ']')
	default:
		return appendSelector(buf, s.Keys)
	}
}

func appendSelector(buf []byte, keys []KeyValue) []byte {
	buf = append(buf, '[')
	first := true
	for _, kv := range keys {
		if d, ok := keyDefaults[kv.Name]; ok && d == "" && kv.Value == "" {
			continue
		}
		if !first {
			buf = append(buf, ',')
		}
		first = false
		if kv.Name == "" || plainField(kv.Name) {
			buf = append(buf, kv.Name...)
		} else {
			buf = appendText(buf, kv.Name)
		}
		buf = append(buf, '=')
		if s, ok := kv.Value.(string); ok && plainValue(s) {
			buf = append(buf, s...)
		} else {
			buf = append(buf, canonical(kv.Value)...)
		}
	}
	return append(buf, ']')
}

// plainField says whether a field name prints without quotes.
func plainField(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_':
		case i > 0 && (c >= '0' && c <= '9' || c == '-'):
		default:
			return false
		}
	}
	return s != ""
}

// plainValue says whether a string in a selector prints without quotes: it must not look like the end of the
// selector, nor like a value that is not a string.
func plainValue(s string) bool {
	if s == "" || s == "null" || s == "true" || s == "false" {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == 0x7f || strings.IndexByte(`"\[],={}`, c) >= 0 {
			return false
		}
	}
	_, err := strconv.ParseFloat(s, 64)
	return err != nil
}

// compareScalars orders null, booleans, numbers, strings, and then all else by canonical JSON.
func compareScalars(a, b any) int {
	ra, rb := rank(a), rank(b)
	if ra != rb {
		return cmp.Compare(ra, rb)
	}
	switch a := a.(type) {
	case string:
		if b, ok := b.(string); ok {
			return strings.Compare(a, b)
		}
	case int64:
		if b, ok := b.(int64); ok {
			return cmp.Compare(a, b)
		}
	}
	if ra == 2 {
		return cmp.Or(cmp.Compare(asFloat(a), asFloat(b)), strings.Compare(canonical(a), canonical(b)))
	}
	return strings.Compare(canonical(a), canonical(b))
}

func rank(v any) int {
	switch v.(type) {
	case nil:
		return 0
	case bool:
		return 1
	case int64, float64:
		return 2
	case string:
		return 3
	default:
		return 4
	}
}

func asFloat(v any) float64 {
	if i, ok := v.(int64); ok {
		return float64(i)
	}
	f, _ := v.(float64)
	return f
}

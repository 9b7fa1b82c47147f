package release

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Values are a chart's values as Helm takes them: maps, lists, strings, booleans, nil and numbers. Numbers are
// float64 when they come from YAML or JSON, as Helm reads them, and int64 when from a targetPath. Both types
// survive JSON: a float64 is written with a point or an exponent, an int64 without.
//
// Values read from JSON of another origin, in which 3 may stand for a float64, should be unmarshalled into a map instead.
type Values map[string]any

// MarshalJSON writes sorted keys. A type that Helm's values do not have is an error.
func (v Values) MarshalJSON() ([]byte, error) {
	if v == nil {
		return []byte("null"), nil
	}
	var b bytes.Buffer
	if err := appendValue(&b, map[string]any(v), 0); err != nil {
		return nil, fmt.Errorf("write values: %w", err)
	}
	return b.Bytes(), nil
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (v *Values) UnmarshalJSON(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var m map[string]any
	if err := dec.Decode(&m); err != nil {
		return fmt.Errorf("read values: %w", err)
	}
	typed, err := typeNumbers(m)
	if err != nil {
		return fmt.Errorf("read values: %w", err)
	}
	*v, _ = typed.(map[string]any)
	return nil
}

const maxValuesDepth = 1000

func appendValue(b *bytes.Buffer, v any, depth int) error {
	if depth > maxValuesDepth {
		return errors.New("values nest too deep")
	}
	switch v := v.(type) {
	case map[string]any:
		b.WriteByte('{')
		for i, k := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := appendText(b, k); err != nil {
				return err
			}
			b.WriteByte(':')
			if err := appendValue(b, v[k], depth+1); err != nil {
				return err
			}
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := appendValue(b, e, depth+1); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return errors.New("a number is not finite")
		}
		s := strconv.FormatFloat(v, 'g', -1, 64)
		if !strings.ContainsAny(s, ".e") {
			s += ".0"
		}
		b.WriteString(s)
	case int64:
		b.WriteString(strconv.FormatInt(v, 10))
	case int:
		b.WriteString(strconv.Itoa(v))
	case string:
		return appendText(b, v)
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case nil:
		b.WriteString("null")
	default:
		return fmt.Errorf("a value has type %T", v)
	}
	return nil
}

func appendText(b *bytes.Buffer, s string) error {
	text, err := json.Marshal(s)
	b.Write(text)
	return err
}

// typeNumbers replaces each number by the type that it was written from.
func typeNumbers(v any) (any, error) {
	var err error
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if v[k], err = typeNumbers(e); err != nil {
				return nil, err
			}
		}
	case []any:
		for i, e := range v {
			if v[i], err = typeNumbers(e); err != nil {
				return nil, err
			}
		}
	case json.Number:
		if !strings.ContainsAny(string(v), ".eE") {
			if n, err := strconv.ParseInt(string(v), 10, 64); err == nil {
				return n, nil
			}
		}
		return v.Float64()
	}
	return v, nil
}

// cloned copies v, with plain ints as int64.
func cloned(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = cloned(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = cloned(e)
		}
		return out
	case int:
		return int64(v)
	default:
		return v
	}
}

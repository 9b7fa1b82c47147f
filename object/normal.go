package object

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
)

// normalize is v made of nothing but nil, bool, int64, finite float64, string, []any and map[string]any,
// and whether that needed a change. It never writes into v: what changes is copied.
func normalize(v any) (any, bool) {
	switch v := v.(type) {
	case nil, bool, int64, string:
		return v, false
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return notFinite(v), true
		}
		return v, false
	case map[string]any:
		return normalizeMap(v)
	case []any:
		return normalizeList(v)
	case json.Number:
		return number(string(v)), true
	default:
		return foreign(v), true
	}
}

func normalizeMap(m map[string]any) (map[string]any, bool) {
	out, cloned := m, false
	for k, v := range m {
		w, changed := normalize(v)
		if !changed {
			continue
		}
		if !cloned {
			out, cloned = maps.Clone(m), true
		}
		out[k] = w
	}
	return out, cloned
}

func normalizeList(l []any) ([]any, bool) {
	out, cloned := l, false
	for i, v := range l {
		w, changed := normalize(v)
		if !changed {
			continue
		}
		if !cloned {
			out, cloned = slices.Clone(l), true
		}
		out[i] = w
	}
	return out, cloned
}

// number reads the text of a JSON number; text that is none stays a string.
func number(s string) any {
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return i
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return s
	}
	return f
}

// notFinite is the YAML 1.2 spelling of a number that JSON cannot hold.
func notFinite(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return ".inf"
	case math.IsInf(f, -1):
		return "-.inf"
	default:
		return ".nan"
	}
}

// foreign normalises a value of a type that unstructured content does not have.
func foreign(v any) any {
	if _, ok := v.(json.Marshaler); ok {
		return throughJSON(v)
	}
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Bool:
		return r.Bool()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return r.Int()
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		u := r.Uint()
		if u > math.MaxInt64 {
			return float64(u)
		}
		return int64(u)
	case reflect.Float32, reflect.Float64:
		f, _ := normalize(r.Float())
		return f
	case reflect.String:
		return r.String()
	case reflect.Slice:
		if r.Type().Elem().Kind() == reflect.Uint8 {
			return base64.StdEncoding.EncodeToString(r.Bytes())
		}
		return foreignList(r)
	case reflect.Array:
		return foreignList(r)
	case reflect.Map:
		out := make(map[string]any, r.Len())
		for it := r.MapRange(); it.Next(); {
			out[fmt.Sprint(it.Key().Interface())], _ = normalize(it.Value().Interface())
		}
		return out
	default:
		return throughJSON(v)
	}
}

func foreignList(r reflect.Value) []any {
	out := make([]any, r.Len())
	for i := range out {
		out[i], _ = normalize(r.Index(i).Interface())
	}
	return out
}

// throughJSON is what encoding/json makes of v; the name of its type if that is an error.
func throughJSON(v any) any {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%T", v)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var out any
	if d.Decode(&out) != nil {
		return fmt.Sprintf("%T", v)
	}
	out, _ = normalize(out)
	return out
}

package object

import (
	"fmt"
	"strings"
	"testing"
)

// crd makes a content like that of a big CustomResourceDefinition: about 1 MB of JSON. Every nth
// description differs from those of another version.
func crd(version string, nth int) map[string]any {
	count := 0
	describe := func() string {
		count++
		if count%nth == 0 {
			return version + strings.Repeat(" word", 12)
		}
		return strings.Repeat("word ", 12)
	}
	var schema func(depth int) map[string]any
	schema = func(depth int) map[string]any {
		if depth == 0 {
			return map[string]any{"type": "string", "description": describe(), "enum": []any{"A", "B", "C"}}
		}
		props, required := map[string]any{}, []any{}
		for i := range 7 {
			name := fmt.Sprintf("field%d", i)
			props[name] = schema(depth - 1)
			required = append(required, name)
		}
		return map[string]any{"type": "object", "description": describe(), "properties": props, "required": required}
	}
	return map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": "things.example.com"},
		"spec": map[string]any{"versions": []any{
			map[string]any{"name": "v1", "schema": schema(4)},
			map[string]any{"name": "v2", "schema": schema(4)},
			map[string]any{"name": "v3", "schema": schema(4)},
		}},
	}
}

func BenchmarkDiff(b *testing.B) {
	for name, nth := range map[string]int{"few": 500, "all": 1} {
		b.Run(name, func(b *testing.B) {
			x, y := NewBody(crd("one", nth)), NewBody(crd("two", nth))
			b.SetBytes(int64(len(canonical(x.Map()))))
			b.ReportAllocs()
			for b.Loop() {
				Diff(x, y, DiffOptions{})
			}
		})
	}
}

func BenchmarkHash(b *testing.B) {
	content := crd("one", 500)
	b.SetBytes(int64(len(canonical(content))))
	b.ReportAllocs()
	for b.Loop() {
		NewBody(content).Hash()
	}
}

func BenchmarkRedact(b *testing.B) {
	var values []string
	for i := range 20 {
		values = append(values, fmt.Sprintf("sensitive-%d", i))
	}
	body := NewBodySensitive(crd("one", 500), values)
	b.SetBytes(int64(len(canonical(body.Map()))))
	r := NewRedactor(nil)
	for b.Loop() {
		r.Body(body)
	}
}

func BenchmarkNewSet(b *testing.B) {
	objs := make([]*Object, 100_000)
	for i := range objs {
		objs[i] = pod(b, fmt.Sprintf("pod-%d", i*7919%len(objs)), "")
	}
	for b.Loop() {
		NewSet(objs...)
	}
}

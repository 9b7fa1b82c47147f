package release

import (
	"errors"
	"strings"
	"testing"
)

func TestSchemaElsewhere(t *testing.T) {
	tests := map[string]struct {
		schema, values string
		note, fails    string
	}{
		"remote definition": {
			`{"properties": {"a": {"$ref": "https://example.invalid/defs.json#/definitions/x"}, "b": {"type": "string"}}}`,
			`{"a": 1, "b": 2}`, "", "at '/b': got number, want string",
		},
		"remote, else met": {
			`{"properties": {"a": {"$ref": "https://example.invalid/defs.json#/definitions/x"}, "b": {"$ref": "http://other.invalid/"}}}`,
			`{"a": 1}`, "values.schema.json of c refers to https://example.invalid/defs.json, which is not read: what it demands is not checked", "",
		},
		"relative to an id": {
			`{"$id": "https://example.invalid/schemas/root.json", "properties": {"a": {"$ref": "defs.json"}, "b": {"$ref": "#/$defs/own"}}, "$defs": {"own": {"type": "string"}}}`,
			`{"b": 1}`, "", "at '/b': got number, want string",
		},
		"own draft": {
			`{"$schema": "https://example.invalid/draft", "type": "object"}`, `{}`, "https://example.invalid/draft", "",
		},
		"a file": {
			`{"properties": {"a": {"$ref": "file:///etc/passwd"}}}`, `{}`, "", "schema",
		},
		"a neighbour": {
			`{"properties": {"a": {"$ref": "other.json"}}}`, `{}`, "", "schema",
		},
		"a name": {
			`{"properties": {"a": {"$ref": "urn:x:y"}}}`, `{"a": 1}`, "", "",
		},
		"no schema": {
			`{"properties": `, `{}`, "", "unexpected EOF",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var values Values
			if err := values.UnmarshalJSON([]byte(tt.values)); err != nil {
				t.Fatal(err)
			}
			out, err := Render(t.Context(), inputFor(chartOf("values.schema.json", tt.schema), values))
			if tt.fails != "" {
				var e *Error
				if !errors.As(err, &e) || e.Stage != StageValues || !strings.Contains(e.Message, tt.fails) {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(strings.Join(out.Notes, "\n"), tt.note) {
				t.Errorf("notes %q", out.Notes)
			}
		})
	}
}

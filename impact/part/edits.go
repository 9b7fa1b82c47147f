package part

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/bulkhead-dev/bulkhead/object"
)

// Edits are those of a change. In JSON each has its path step by step, so that it can be read again: a step is a field's name,
// a position, or the keys of an element.
type Edits []object.Edit

// edit is the JSON form.
type edit struct {
	Path []step `json:"path"`
	Op   string `json:"op"`
	From any    `json:"from"`
	To   any    `json:"to"`
}

type step struct {
	Field *string    `json:"field,omitempty"`
	Index *int       `json:"index,omitempty"`
	Keys  []keyValue `json:"keys,omitempty"`
}

type keyValue struct {
	Name  string `json:"name"`
	Value any    `json:"value"`
}

// MarshalJSON implements [json.Marshaler].
func (l Edits) MarshalJSON() ([]byte, error) {
	out := make([]edit, 0, len(l))
	for _, e := range l {
		k := edit{Path: []step{}, Op: e.Op.String(), From: e.From, To: e.To}
		for _, s := range e.Path {
			switch s.Kind {
			case object.Field:
				k.Path = append(k.Path, step{Field: &s.Field})
			case object.Index:
				k.Path = append(k.Path, step{Index: &s.Index})
			default:
				keys := []keyValue{}
				for _, kv := range s.Keys {
					keys = append(keys, keyValue{kv.Name, kv.Value})
				}
				k.Path = append(k.Path, step{Keys: keys})
			}
		}
		out = append(out, k)
	}
	return json.Marshal(out)
}

// UnmarshalJSON implements [json.Unmarshaler].
func (l *Edits) UnmarshalJSON(data []byte) error {
	var in []edit
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return fmt.Errorf("read edits: %w", err)
	}
	*l = make(Edits, 0, len(in))
	for _, k := range in {
		e := object.Edit{From: plain(k.From), To: plain(k.To)}
		for op := object.Add; op <= object.Reorder; op++ {
			if op.String() == k.Op {
				e.Op = op
			}
		}
		if e.Op == 0 {
			return fmt.Errorf("read edits: there is no operation %q", k.Op)
		}
		for _, s := range k.Path {
			switch {
			case s.Field != nil:
				e.Path = append(e.Path, object.Step{Kind: object.Field, Field: *s.Field})
			case s.Index != nil:
				e.Path = append(e.Path, object.Step{Kind: object.Index, Index: *s.Index})
			default:
				to := object.Step{Kind: object.Key}
				for _, kv := range s.Keys {
					to.Keys = append(to.Keys, object.KeyValue{Name: kv.Name, Value: plain(kv.Value)})
				}
				e.Path = append(e.Path, to)
			}
		}
		*l = append(*l, e)
	}
	return nil
}

// plain is a value with its numbers as contents have them: whole ones as int64, others as float64.
func plain(v any) any {
	switch c := v.(type) {
	case json.Number:
		if n, err := strconv.ParseInt(string(c), 10, 64); err == nil {
			return n
		}
		if strings.ContainsAny(string(c), ".eE") {
			if f, err := c.Float64(); err == nil {
				return f
			}
		}
		return c
	case []any:
		for i := range c {
			c[i] = plain(c[i])
		}
	case map[string]any:
		for k := range c {
			c[k] = plain(c[k])
		}
	}
	return v
}

package v1alpha1

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// reader reads the nodes of one document strictly into values.
type reader struct {
	file     string
	line     int            // where the document starts
	lines    map[string]int // field, as in "spec.paths[1]" -> line
	expanded int            // values reached through aliases and merge keys
}

// field is one entry of a mapping.
type field struct {
	name  string
	line  int
	value *yaml.Node
}

// errorAt places a message at a field, or at the nearest one around it.
func (r *reader) errorAt(at, message, hint string) error {
	line := r.line
	for at != "" {
		if l, ok := r.lines[at]; ok {
			line = l
			break
		}
		at = at[:max(strings.LastIndexAny(at, ".["), 0)]
	}
	return &DocumentError{File: r.file, Line: line, Message: message, Hint: hint}
}

// into sets v from n. At names the field; the document itself is "".
func (r *reader) into(n *yaml.Node, v reflect.Value, at string) error {
	n, err := r.follow(n)
	if err != nil {
		return err
	}
	if own, ok := reflect.TypeAssert[json.Unmarshaler](v.Addr()); ok {
		return r.intoOwn(n, own, at)
	}
	if meta, ok := reflect.TypeAssert[*metav1.ObjectMeta](v.Addr()); ok {
		return r.intoMetadata(n, meta, at)
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return r.into(n, v.Elem(), at)
	case reflect.Struct:
		return r.intoStruct(n, v, at)
	case reflect.Map:
		return r.intoMap(n, v, at)
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			return r.wrongType(n, at, "a list")
		}
		v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
		for i, item := range n.Content {
			place := fmt.Sprintf("%s[%d]", at, i)
			r.lines[place] = item.Line
			if err := r.into(item, v.Index(i), place); err != nil {
				return err
			}
		}
		return nil
	case reflect.Bool:
		yes, no := strings.EqualFold(n.Value, "true"), strings.EqualFold(n.Value, "false")
		if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" || !yes && !no {
			return r.wrongType(n, at, "true or false")
		}
		v.SetBool(yes)
		return nil
	case reflect.Int, reflect.Int32, reflect.Int64:
		i, err := strconv.Atoi(n.Value)
		if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" || err != nil || v.OverflowInt(int64(i)) {
			return r.wrongType(n, at, "a whole number")
		}
		v.SetInt(int64(i))
		return nil
	default:
		date := n.ShortTag() == "!!timestamp" && v.Type() == reflect.TypeFor[Date]()
		if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" && !date {
			return r.wrongType(n, at, "a string")
		}
		v.SetString(n.Value)
		return nil
	}
}

// intoStruct fills the fields of v by their JSON names. A null leaves a field
// as it is, as Kubernetes does.
func (r *reader) intoStruct(n *yaml.Node, v reflect.Value, at string) error {
	known := map[string]reflect.Value{}
	fieldsOf(v, known)
	fields, err := r.fields(n, at, 0)
	if err != nil {
		return err
	}
	for _, f := range fields {
		place := join(at, f.name)
		to, ok := known[f.name]
		if !ok && place == "status" {
			continue // of an object that comes from a cluster
		}
		if !ok {
			r.lines[place] = f.line
			return r.errorAt(place, "unknown field "+clip(place), DidYouMean(f.name, slices.Sorted(maps.Keys(known))))
		}
		value, err := r.follow(f.value)
		if err != nil {
			return err
		}
		if value.ShortTag() == "!!null" {
			continue
		}
		if err := r.into(value, to, place); err != nil {
			return err
		}
	}
	return nil
}

// fieldsOf collects the fields of a struct by their JSON names, with those of the structs in it that are inline.
func fieldsOf(v reflect.Value, into map[string]reflect.Value) {
	for i := range v.NumField() {
		name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		switch {
		case options == "inline":
			fieldsOf(v.Field(i), into)
		case name != "-" && name != "":
			into[name] = v.Field(i)
		}
	}
}

// serverFields are the fields of metadata that the API server sets. They are passed over, so that an object may be read as
// the cluster has it.
func serverFields() []string {
	return []string{"creationTimestamp", "finalizers", "generation", "managedFields", "ownerReferences", "resourceVersion", "selfLink", "uid"}
}

// intoMetadata reads what a document says of itself.
func (r *reader) intoMetadata(n *yaml.Node, into *metav1.ObjectMeta, at string) error {
	fields, err := r.fields(n, at, 0)
	if err != nil {
		return err
	}
	known := map[string]any{"name": &into.Name, "labels": &into.Labels, "annotations": &into.Annotations}
	for _, f := range fields {
		place := join(at, f.name)
		to, ok := known[f.name]
		switch {
		case ok && f.value.ShortTag() == "!!null":
		case ok:
			if err := r.into(f.value, reflect.ValueOf(to).Elem(), place); err != nil {
				return err
			}
		case at != "metadata" || !slices.Contains(serverFields(), f.name):
			return r.errorAt(place, "unknown field "+clip(place), DidYouMean(f.name, slices.Sorted(maps.Keys(known))))
		}
	}
	return nil
}

// intoMap fills a map whose keys are text.
func (r *reader) intoMap(n *yaml.Node, v reflect.Value, at string) error {
	fields, err := r.fields(n, at, 0)
	if err != nil {
		return err
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(fields)))
	for _, f := range fields {
		elem := reflect.New(v.Type().Elem()).Elem()
		if err := r.into(f.value, elem, join(at, f.name)); err != nil {
			return err
		}
		v.SetMapIndex(reflect.ValueOf(f.name).Convert(v.Type().Key()), elem)
	}
	return nil
}

// intoOwn reads a type that has its own way to be written, as durations and quantities have.
func (r *reader) intoOwn(n *yaml.Node, own json.Unmarshaler, at string) error {
	v, err := r.value(n, at, 0)
	if err != nil {
		return err
	}
	data, err := json.Marshal(v)
	if err != nil {
		return r.errorAt(at, err.Error(), "")
	}
	if err := own.UnmarshalJSON(data); err == nil {
		return nil
	}
	what, hint := "a value", ""
	switch own.(type) {
	case *metav1.Duration:
		what, hint = "a duration", "as in 90s, 5m or 1h30m"
	case *resource.Quantity:
		what, hint = "a quantity", `as in 500m, 2, 4Gi or "10"`
	case *intstr.IntOrString:
		what, hint = "a number or a name", "as in 8080 or http"
	}
	found := "a list"
	switch n.Kind {
	case yaml.ScalarNode:
		found = clip(n.Value)
	case yaml.MappingNode:
		found = "a mapping"
	default:
	}
	return &DocumentError{File: r.file, Line: n.Line, Message: fmt.Sprintf("%s: want %s, found %s", clip(at), what, found), Hint: hint}
}

// value makes n plain: maps, lists, strings, bools, numbers, nil. The items of a
// list go by the name of the list.
func (r *reader) value(n *yaml.Node, at string, depth int) (any, error) {
	if depth > MaxDepth {
		return nil, r.errorAt(at, fmt.Sprintf("values are nested deeper than %d", MaxDepth), "")
	}
	n, err := r.follow(n)
	if err != nil {
		return nil, err
	}
	switch n.Kind {
	case yaml.MappingNode:
		fields, err := r.fields(n, at, depth)
		if err != nil {
			return nil, err
		}
		m := make(map[string]any, len(fields))
		for _, f := range fields {
			if m[f.name], err = r.value(f.value, join(at, f.name), depth+1); err != nil {
				return nil, err
			}
		}
		return m, nil
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			if list[i], err = r.value(item, at, depth+1); err != nil {
				return nil, err
			}
		}
		return list, nil
	default:
		return r.scalar(n, at)
	}
}

// scalar is the plain value of a scalar node; dates stay text, as JSON has none.
func (r *reader) scalar(n *yaml.Node, at string) (any, error) {
	switch n.ShortTag() {
	case "!!null":
		return nil, nil
	case "!!bool", "!!int", "!!float":
		var v any
		err := n.Decode(&v)
		f, float := v.(float64)
		if err != nil || float && (math.IsNaN(f) || math.IsInf(f, 0)) {
			message := fmt.Sprintf("%s: %s is not a value of JSON", clip(at), clip(n.Value))
			return nil, &DocumentError{File: r.file, Line: n.Line, Message: message, Hint: "put it between quotes"}
		}
		return v, nil
	default:
		return n.Value, nil
	}
}

// fields lists the entries of mapping n, each name once: written ones first,
// then those that merge keys add. It notes the line of each.
func (r *reader) fields(n *yaml.Node, at string, depth int) ([]field, error) {
	if n.Kind != yaml.MappingNode {
		return nil, r.wrongType(n, at, "a mapping")
	}
	if depth > MaxDepth {
		return nil, r.errorAt(at, fmt.Sprintf("values are nested deeper than %d", MaxDepth), "")
	}
	var out []field
	var merges []*yaml.Node
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, err := r.follow(n.Content[i])
		if err != nil {
			return nil, err
		}
		line := n.Content[i].Line
		if key.Kind != yaml.ScalarNode {
			return nil, &DocumentError{File: r.file, Line: line, Message: "a field name is not text"}
		}
		if key.ShortTag() == "!!merge" {
			merges = append(merges, n.Content[i+1])
			continue
		}
		place := join(at, key.Value)
		if first, twice := seen[key.Value]; twice {
			return nil, &DocumentError{
				File: r.file, Line: line,
				Message: fmt.Sprintf("field %s occurs twice: here and on line %d", clip(place), first),
				Hint:    "remove one of the two",
			}
		}
		seen[key.Value] = line
		r.lines[place] = line
		out = append(out, field{key.Value, line, n.Content[i+1]})
	}
	for _, m := range merges {
		more, err := r.merged(m, at, depth)
		if err != nil {
			return nil, err
		}
		for _, f := range more {
			if _, written := seen[f.name]; !written {
				seen[f.name] = f.line
				r.lines[join(at, f.name)] = f.line
				out = append(out, f)
			}
		}
	}
	return out, nil
}

// merged lists what a merge key adds: the fields of a mapping or of several,
// the first of which wins.
func (r *reader) merged(n *yaml.Node, at string, depth int) ([]field, error) {
	n, err := r.follow(n)
	if err != nil {
		return nil, err
	}
	from := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		from = n.Content
	}
	var out []field
	for _, m := range from {
		if m, err = r.follow(m); err != nil {
			return nil, err
		}
		fields, err := r.fields(m, at, depth+1)
		if err != nil {
			return nil, err
		}
		if err := r.expand(m, len(fields)); err != nil {
			return nil, err
		}
		for _, f := range fields {
			if !slices.ContainsFunc(out, func(o field) bool { return o.name == f.name }) {
				out = append(out, f)
			}
		}
	}
	return out, nil
}

// follow is the node an alias stands for, or n itself. Whatever an alias brings
// in counts against MaxExpanded, with all that aliases inside it bring in.
func (r *reader) follow(n *yaml.Node) (*yaml.Node, error) {
	if n.Kind != yaml.AliasNode {
		return n, nil
	}
	return n.Alias, r.expand(n, size(n.Alias, MaxExpanded))
}

func (r *reader) expand(n *yaml.Node, values int) error {
	if r.expanded += values; r.expanded <= MaxExpanded {
		return nil
	}
	return &DocumentError{
		File: r.file, Line: n.Line,
		Message: fmt.Sprintf("YAML aliases stand for more than %d values", MaxExpanded),
		Hint:    "write the values out",
	}
}

// size counts the values written in n up to limit, not following aliases.
func size(n *yaml.Node, limit int) int {
	total := 1
	for _, c := range n.Content {
		if total >= limit {
			break
		}
		total += size(c, limit-total)
	}
	return total
}

// wrongType says what n is instead of what is wanted.
func (r *reader) wrongType(n *yaml.Node, at, want string) error {
	found, hint := "", ""
	switch {
	case n.Kind == yaml.MappingNode:
		found = "a mapping"
	case n.Kind == yaml.SequenceNode:
		found = "a list"
	case n.ShortTag() == "!!null":
		found = "nothing"
	case n.ShortTag() == "!!str":
		found = "a string"
	case n.ShortTag() == "!!bool":
		found = "a truth value"
	case n.ShortTag() == "!!int", n.ShortTag() == "!!float":
		found = "a number"
	default:
		found = "a value of type " + clip(n.ShortTag())
	}
	switch {
	case want != "a string" || n.Kind != yaml.ScalarNode:
		if want == "a whole number" && found == "a string" {
			hint = "write it in digits, without quotes"
		}
	case found == "nothing":
		hint = `write "" if it is meant to be empty`
	default:
		hint = "put it between quotes"
	}
	if at == "" {
		at = "the document"
	}
	message := fmt.Sprintf("%s: want %s, found %s", clip(at), want, found)
	return &DocumentError{File: r.file, Line: n.Line, Message: message, Hint: hint}
}

// join is the name of a field inside another. It stays short whatever the user
// wrote, as there is one for every value of a file.
func join(at, name string) string {
	switch {
	case at == "":
		return clip(name)
	case len(at) > 200:
		return at
	}
	return at + "." + clip(name)
}

// clip keeps what a user wrote short enough for a message, on one line.
func clip(s string) string {
	const most = 120
	s = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, s)
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

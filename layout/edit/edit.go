// Package edit changes single values in the text of a YAML file, and keeps every other byte: comments, order and spaces that people
// wrote, see [Set] and [Append].
//
// One invariant: what an edited text means is what the old one meant, but for the change that was asked for; else there is an error and
// no text.
package edit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// ErrByHand means that the text is written in a way that this package cannot edit safely.
var ErrByHand = errors.New("it is written in a way that only its author can change")

// Set gives the text with another value at a path of fields in the document that starts at a line, counted from 1. Fields that are
// missing on the way are made. The value is true, false, a number or a plain word.
func Set(data []byte, line int, value string, path ...string) ([]byte, error) {
	doc, err := document(data, line)
	if err != nil {
		return nil, err
	}
	var v any
	if err := yaml.Unmarshal([]byte(value), &v); err != nil {
		return nil, fmt.Errorf("set %s: %w", strings.Join(path, "."), err)
	}
	out, err := set(data, doc, value, path)
	if err != nil {
		return nil, err
	}
	return out, same(data, out, line, func(m map[string]any) { put(m, v, path) })
}

// Append gives the text with one more item at the end of a list of plain words, in the document that starts at a line. A list
// that is missing is made at the end of the document.
func Append(data []byte, line int, item, field string) ([]byte, error) {
	doc, err := document(data, line)
	if err != nil {
		return nil, err
	}
	list := child(doc, field)
	l := lines(data)
	switch {
	case list == nil:
		l.insert(last(doc), indent(doc.Column-1)+field+":", indent(doc.Column-1)+"- "+item)
	case list.Kind != yaml.SequenceNode:
		return nil, fmt.Errorf("add %s to %s: %w", item, field, ErrByHand)
	case list.Style&yaml.FlowStyle != 0:
		at := l.offset(list.Line, list.Column)
		rest := ""
		if len(list.Content) > 0 {
			rest = ", "
		}
		l.text = l.text[:at+1] + item + rest + l.text[at+1:] // the order of a flow list is not worth finding its end
	default:
		l.insert(last(list), indent(list.Column-1)+"- "+item)
	}
	out := []byte(l.text)
	return out, same(data, out, line, func(m map[string]any) {
		old, _ := m[field].([]any)
		if list != nil && list.Style&yaml.FlowStyle != 0 {
			m[field] = append([]any{item}, old...)
			return
		}
		m[field] = append(old, item)
	})
}

// document is the mapping of the document that starts at or after a line.
func document(data []byte, line int) (*yaml.Node, error) {
	for dec := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var n yaml.Node
		if err := dec.Decode(&n); errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("no document starts at line %d", line)
		} else if err != nil {
			return nil, fmt.Errorf("read YAML: %w", err)
		}
		if len(n.Content) == 1 && n.Content[0].Line >= line {
			if n.Content[0].Kind != yaml.MappingNode {
				return nil, ErrByHand
			}
			return n.Content[0], nil
		}
	}
}

func child(n *yaml.Node, field string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == field {
			return n.Content[i+1]
		}
	}
	return nil
}

// set finds the place of a value.
func set(data []byte, n *yaml.Node, value string, path []string) ([]byte, error) {
	l := lines(data)
	next := child(n, path[0])
	switch {
	case n.Kind != yaml.MappingNode:
		return nil, ErrByHand
	case next == nil:
		for i := len(path) - 1; i > 0; i-- {
			value = "{" + path[i] + ": " + value + "}"
		}
		text := path[0] + ": " + value
		switch {
		case n.Style&yaml.FlowStyle != 0:
			at := l.offset(n.Line, n.Column)
			if len(n.Content) > 0 {
				text += ", "
			}
			l.text = l.text[:at+1] + text + l.text[at+1:]
		case len(n.Content) == 0:
			return nil, ErrByHand
		default:
			l.insert(l.above(n.Content[0].Line), indent(n.Content[0].Column-1)+text)
		}
		return []byte(l.text), nil
	case len(path) > 1:
		return set(data, next, value, path[1:])
	case next.Kind != yaml.ScalarNode || next.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 || next.Anchor != "" || next.Tag == "!!null":
		return nil, ErrByHand
	}
	at, old := l.offset(next.Line, next.Column), next.Value
	if quotes := map[yaml.Style]string{yaml.DoubleQuotedStyle: `"`, yaml.SingleQuotedStyle: "'"}; quotes[next.Style] != "" {
		old = quotes[next.Style] + old + quotes[next.Style]
	}
	if !strings.HasPrefix(l.text[at:], old) {
		return nil, ErrByHand
	}
	l.text = l.text[:at] + value + l.text[at+len(old):]
	return []byte(l.text), nil
}

// put is what set does, on the value.
func put(m map[string]any, v any, path []string) {
	for _, field := range path[:len(path)-1] {
		next, ok := m[field].(map[string]any)
		if !ok {
			next = map[string]any{}
			m[field] = next
		}
		m = next
	}
	m[path[len(path)-1]] = v
}

// last is the last line of what n holds.
func last(n *yaml.Node) int {
	most := n.Line
	if n.Kind == yaml.ScalarNode {
		most += strings.Count(strings.TrimSuffix(n.Value, "\n"), "\n")
		if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
			most++
		}
	}
	for _, c := range n.Content {
		most = max(most, last(c))
	}
	return most
}

// same wants the edited text to mean the old one with the change in one document, and nothing else.
func same(before, after []byte, line int, change func(map[string]any)) error {
	want, err := values(before)
	if err != nil {
		return err
	}
	got, err := values(after)
	if err != nil {
		return ErrByHand
	}
	for i := range want {
		if want[i].line >= line && want[i].line > 0 {
			m, ok := want[i].value.(map[string]any)
			if !ok {
				return ErrByHand
			}
			change(m)
			break
		}
	}
	if len(got) != len(want) {
		return ErrByHand
	}
	for i := range got {
		if !reflect.DeepEqual(got[i].value, want[i].value) {
			return ErrByHand
		}
	}
	return nil
}

type valued struct {
	line  int // 0 for an empty document
	value any
}

func values(data []byte) (out []valued, err error) {
	for dec := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var n yaml.Node
		if err := dec.Decode(&n); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return nil, fmt.Errorf("read YAML: %w", err)
		}
		var v valued
		if len(n.Content) > 0 {
			v.line = n.Content[0].Line
		}
		if err := n.Decode(&v.value); err != nil {
			return nil, fmt.Errorf("read YAML: %w", err)
		}
		out = append(out, v)
	}
}

// text is YAML by lines.
type text struct{ text string }

func lines(data []byte) *text { return &text{string(data)} }

// offset is where a line and a column, counted from 1 in characters, are.
func (t *text) offset(line, column int) int {
	at := 0
	for ; line > 1; line-- {
		at += strings.IndexByte(t.text[at:], '\n') + 1
	}
	for ; column > 1; column-- {
		_, size := utf8.DecodeRuneInString(t.text[at:])
		at += size
	}
	return at
}

// above is the line before a line and before the comments that belong to it.
func (t *text) above(line int) int {
	all := strings.Split(t.text, "\n")
	for line = min(line, len(all)) - 1; line > 0 && strings.HasPrefix(strings.TrimLeft(all[line-1], " "), "#"); line-- {
	}
	return line
}

// insert puts whole lines after a line.
func (t *text) insert(after int, added ...string) {
	at := 0
	for ; after > 0 && at < len(t.text); after-- {
		end := strings.IndexByte(t.text[at:], '\n')
		if end < 0 {
			t.text += "\n"
			at = len(t.text)
			break
		}
		at += end + 1
	}
	eol := "\n"
	if strings.Contains(t.text, "\r\n") {
		eol = "\r\n"
	}
	t.text = t.text[:at] + strings.Join(added, eol) + eol + t.text[at:]
}

func indent(n int) string { return strings.Repeat(" ", n) }

// Remove gives the text without the document that starts at a line, and false when no other document is left.
func Remove(data []byte, line int) ([]byte, bool, error) {
	all, err := values(data)
	if err != nil {
		return nil, false, err
	}
	which, others := -1, 0
	for i, v := range all {
		switch {
		case v.line >= line && which < 0:
			which = i
		case v.line > 0:
			others++
		}
	}
	if which < 0 {
		return nil, false, fmt.Errorf("no document starts at line %d", line)
	}
	if others == 0 {
		return nil, false, nil
	}
	var out []string
	from, to := 0, 0
	split := strings.SplitAfter(string(data), "\n")
	for i, l := range split { // the separators around the document
		if strings.HasPrefix(l, "---") {
			if i+1 < all[which].line {
				from = i
			} else if to == 0 {
				to = i
			}
		}
	}
	if to == 0 {
		to = len(split)
	}
	out = append(append(out, split[:from]...), split[to:]...)
	text := []byte(strings.Join(out, ""))
	left, err := values(text)
	if err != nil {
		return nil, false, ErrByHand
	}
	kept := func(list []valued, skip int) (out []any) {
		for i, v := range list {
			if i != skip && v.line > 0 {
				out = append(out, v.value)
			}
		}
		return out
	}
	if !reflect.DeepEqual(kept(left, -1), kept(all, which)) {
		return nil, false, ErrByHand
	}
	return text, true, nil
}

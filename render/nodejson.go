package render

import (
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kustomize/api/resource"
)

// jsonOf is res.MarshalJSON, which prints the object as YAML and reads that again. For
// what certainly comes back as it was, it is written straight from the nodes.
func jsonOf(res *resource.Resource) ([]byte, error) {
	var w nodeWriter
	if node := res.YNode(); node != nil && node.Kind == yaml.MappingNode && w.node(node, false) {
		return w.out, nil
	}
	return res.MarshalJSON()
}

type nodeWriter struct{ out []byte }

// node adds n; false when only its way through text tells what becomes of it. flow is
// true inside of [] and {}.
func (w *nodeWriter) node(n *yaml.Node, flow bool) bool {
	flow = flow || n.Style&yaml.FlowStyle != 0
	if n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 || !harmless(n, flow) {
		return false
	}
	switch n.Kind {
	case yaml.MappingNode:
		return (n.Tag == "" || n.Tag == "!!map") && w.mapping(n, flow)
	case yaml.SequenceNode:
		w.out = append(w.out, '[')
		for i, c := range n.Content {
			if i > 0 {
				w.out = append(w.out, ',')
			}
			if !w.node(c, flow) {
				return false
			}
		}
		w.out = append(w.out, ']')
		return n.Tag == "" || n.Tag == "!!seq"
	case yaml.ScalarNode:
		return w.scalar(n, flow)
	case yaml.DocumentNode, yaml.AliasNode:
	}
	return false
}

// harmless reports whether the comments of n can be left out. Printing one at the wrong
// place moves it into the object, or breaks the text.
func harmless(n *yaml.Node, flow bool) bool {
	if n.HeadComment == "" && n.LineComment == "" && n.FootComment == "" {
		return true
	}
	if flow || n.Kind != yaml.ScalarNode || n.FootComment != "" || strings.Contains(n.Value, "\n") || n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return false
	}
	for _, comment := range []string{n.HeadComment, n.LineComment} {
		if comment != "" && comment[0] != '#' || !printable(comment, false) { // of one line
			return false
		}
	}
	return true
}

func (w *nodeWriter) mapping(n *yaml.Node, flow bool) bool {
	type field struct{ key, value *yaml.Node }
	fields := make([]field, 0, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Kind != yaml.ScalarNode || k.Anchor != "" || k.Style&yaml.TaggedStyle != 0 || !harmless(k, flow) || k.LineComment != "" ||
			!isText(k) || len(k.Value) > 100 || k.Value == "<<" || !printable(k.Value, false) {
			return false
		}
		fields = append(fields, field{k, n.Content[i+1]})
	}
	slices.SortFunc(fields, func(a, b field) int { return cmp.Compare(a.key.Value, b.key.Value) })
	w.out = append(w.out, '{')
	for i, f := range fields {
		if i > 0 {
			if fields[i-1].key.Value == f.key.Value {
				return false
			}
			w.out = append(w.out, ',')
		}
		w.text(f.key.Value)
		w.out = append(w.out, ':')
		if !w.node(f.value, flow) {
			return false
		}
	}
	w.out = append(w.out, '}')
	return len(n.Content)%2 == 0
}

// isText reports whether a scalar is text, and stays that.
func isText(n *yaml.Node) bool {
	return (n.Tag == "" || n.Tag == "!!str") && n.ShortTag() == "!!str"
}

// The numbers that come out of a printer as they went in.
var (
	wholeNumber   = regexp.MustCompile(`^(?:0|-?[1-9][0-9]{0,17})$`)
	decimalNumber = regexp.MustCompile(`^-?[1-9][0-9]{0,9}\.[0-9]{1,5}$|^0\.[0-9]{1,5}$`)
)

func (w *nodeWriter) scalar(n *yaml.Node, flow bool) bool {
	if isText(n) {
		if !textKept(n) {
			return false
		}
		w.text(n.Value)
		return true
	}
	tag := n.ShortTag()
	if n.Style != 0 || n.Tag != "" && n.Tag != tag {
		return false
	}
	switch {
	case tag == "!!bool" && (n.Value == "true" || n.Value == "false"):
		w.out = append(w.out, n.Value...)
	case tag == "!!null" && (n.Value == "null" || n.Value == "~" || n.Value == "" && !flow):
		w.out = append(w.out, "null"...)
	case tag == "!!int" && wholeNumber.MatchString(n.Value):
		w.out = append(w.out, n.Value...)
	case tag == "!!float" && decimalNumber.MatchString(n.Value):
		f, err := strconv.ParseFloat(n.Value, 64)
		if err != nil {
			return false
		}
		data, err := json.Marshal(f)
		w.out = append(w.out, data...)
		return err == nil
	default:
		return false
	}
	return (&yaml.Node{Kind: yaml.ScalarNode, Value: n.Value}).ShortTag() == tag
}

// textKept reports whether the text of n is read as it is printed.
func textKept(n *yaml.Node) bool {
	if !strings.Contains(n.Value, "\n") {
		return printable(n.Value, true) && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0
	}
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.FoldedStyle) != 0 || strings.IndexByte(" \n", n.Value[0]) >= 0 {
		return false
	}
	for line := range strings.SplitSeq(n.Value, "\n") {
		if !printable(line, true) || line != "" && line[0] == '\t' {
			return false
		}
	}
	return true
}

// printable reports whether s has letters and signs only that YAML prints as they are,
// or as an escape that is read as the same; and tabs, if asked for.
func printable(s string, tabs bool) bool {
	for _, r := range s {
		switch {
		case r >= ' ' && r <= '~', r == '\t' && tabs:
		case r < 0xa0, r > 0xd7ff, r == 0x2028, r == 0x2029:
			return false
		}
	}
	return utf8.ValidString(s)
}

func (w *nodeWriter) text(s string) {
	if consistsOf(s, &printBytes) {
		w.out = appendString(w.out, s)
		return
	}
	data, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string
	}
	w.out = append(w.out, data...)
}

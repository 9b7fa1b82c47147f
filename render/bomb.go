package render

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// maxExpanded bounds the nodes of a YAML file after its aliases are expanded.
const maxExpanded = 2_000_000

// marks reports whether data holds the mark of an anchor or alias, & or *, in a
// place where YAML could take it for one. It says yes too often, never too rarely.
func marks(data []byte, mark byte) bool {
	for at := 0; ; at++ {
		i := bytes.IndexByte(data[at:], mark)
		if i < 0 {
			return false
		}
		at += i
		before := at == 0 || bytes.IndexByte([]byte(" \t\n\r[]{},:-?!\xbf"), data[at-1]) >= 0 // or a byte order mark
		after := at+1 < len(data) && bytes.IndexByte([]byte(" \t\n\r[]{},*"), data[at+1]) < 0
		if before && after {
			return true
		}
	}
}

// suspicious reports whether data may hold anchors and aliases: by their marks,
// or in a spelling that hides them, an escape or UTF-16.
func suspicious(data []byte) bool {
	return marks(data, '&') && marks(data, '*') || disguised(data)
}

// disguised reports whether data may spell text otherwise than byte by byte.
func disguised(data []byte) bool {
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return true
	}
	for _, escape := range []string{`\x`, `\u`, `\U`} {
		if bytes.Contains(data, []byte(escape)) {
			return true
		}
	}
	return false
}

// bomb refuses a YAML file whose aliases expand beyond all measure: kustomize
// copies what an alias stands for, without a limit. That goes for YAML inside it,
// too, such as an inline patch, or one in an inline transformer.
func (in *inspector) bomb(p string, data []byte) error { return defuse(p, data, 4) }

func defuse(p string, data []byte, deeper int) error {
	if deeper == 0 || !suspicious(data) {
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	total := 0
	for {
		var doc yaml.Node
		if err := dec.Decode(&doc); err != nil {
			return nil //nolint:nilerr // the end, or what kustomize will report in its own words
		}
		total += expanded(&doc, map[*yaml.Node]int{})
		if total > maxExpanded {
			return fmt.Errorf("%s: aliases expand to more than %d nodes", p, maxExpanded)
		}
		if err := defuseInside(p, &doc, deeper-1); err != nil {
			return err
		}
	}
}

func defuseInside(p string, n *yaml.Node, deeper int) error {
	if n.Kind == yaml.ScalarNode {
		return defuse(p, []byte(n.Value), deeper)
	}
	for _, c := range n.Content {
		if err := defuseInside(p, c, deeper); err != nil {
			return err
		}
	}
	return nil
}

// expanded counts the nodes below n with each alias expanded, stopping early
// above the limit. sizes keeps the answers of anchored nodes.
func expanded(n *yaml.Node, sizes map[*yaml.Node]int) int {
	if n.Kind == yaml.AliasNode {
		if n.Alias == nil {
			return 1
		}
		return expanded(n.Alias, sizes)
	}
	if size, ok := sizes[n]; ok {
		return size
	}
	if n.Anchor != "" {
		sizes[n] = maxExpanded + 1 // an alias inside its own anchor never ends
	}
	size := 1
	for _, c := range n.Content {
		if size += expanded(c, sizes); size > maxExpanded {
			size = maxExpanded + 1
			break
		}
	}
	if n.Anchor != "" {
		sizes[n] = size
	}
	return size
}

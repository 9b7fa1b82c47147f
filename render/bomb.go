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

// bomb refuses a YAML file whose aliases expand beyond all measure: kustomize
// copies what an alias stands for, without a limit.
func (in *inspector) bomb(p string, data []byte) error {
	if !marks(data, '&') || !marks(data, '*') {
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
	}
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

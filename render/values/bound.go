package values

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// maxExpanded bounds a YAML document after its aliases are expanded: in bytes, where
// a scalar counts its text and a little more for its place.
const (
	maxExpanded = 64 << 20
	perNode     = 16
)

// Bounded refuses YAML whose aliases expand beyond all measure. Helm and Flux turn
// YAML into JSON before they read it, where every alias is a copy of what it stands
// for: nine lines can ask for terabytes. What is not YAML passes. The error wraps
// [tree.ErrTooLarge] and quotes nothing of data.
func Bounded(data []byte) error {
	if !mayAlias(data) {
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	total := 0
	for {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err // it cannot be measured
		}
		if total += expanded(&doc, map[*yaml.Node]int{}); total > maxExpanded {
			return fmt.Errorf("YAML aliases expand to more than %d MiB: %w", maxExpanded>>20, tree.ErrTooLarge)
		}
	}
}

// mayAlias reports whether data may hold anchors and aliases. It says yes too often,
// never too rarely.
func mayAlias(data []byte) bool {
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return true // UTF-16 spells everything otherwise
	}
	return bytes.IndexByte(data, '&') >= 0 && bytes.IndexByte(data, '*') >= 0
}

// expanded measures n with each alias expanded, stopping early above the limit. sizes
// keeps the answers of anchored nodes.
func expanded(n *yaml.Node, sizes map[*yaml.Node]int) int {
	if n.Kind == yaml.AliasNode {
		if n.Alias == nil {
			return perNode
		}
		return expanded(n.Alias, sizes)
	}
	if size, ok := sizes[n]; ok {
		return size
	}
	if n.Anchor != "" {
		sizes[n] = maxExpanded + 1 // an alias inside its own anchor never ends
	}
	size := len(n.Value) + perNode
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

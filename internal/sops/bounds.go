package sops

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/getsops/sops/v3"
	"go.yaml.in/yaml/v3"
)

// The engine trusts what it reads: it follows YAML aliases without end, calls
// itself for each level of nesting, compiles a regular expression anew for each
// value and copies a list for each of its elements. These bounds keep its work to
// some seconds. Files that people wrote are far below.
const (
	maxSize      = 16 << 20       // bytes of a file
	maxDepth     = 500            // levels of nesting
	maxNodes     = 2_000_000      // YAML nodes and comment lines, once aliases are replaced
	maxPairs     = 200_000_000    // pairs of keys of one mapping: YAML keys are compared with each other
	maxDocuments = 10_000         // YAML documents
	maxLines     = 20_000         // lines of an INI file, whose reader is quadratic in them
	maxMoves     = 500_000_000    // elements moved to take the metadata out of a file
	maxMarks     = 100_000        // of "__", which nests metadata in INI and dotenv
	maxKeys      = 1_000          // master keys
	maxKeyText   = 1 << 20        // bytes of all encrypted data keys
	maxMatch     = 20_000_000     // instructions of regular expressions to compile
	maxOut       = 128 << 20      // bytes of plain text, with indentation
	maxCopied    = 20_000_000_000 // bytes copied to write JSON
)

// checkInput is for what happens while the file is read.
func checkInput(data []byte, f Format) error {
	if len(data) > maxSize {
		return fmt.Errorf("%w: %d bytes", ErrTooLarge, len(data))
	}
	switch f {
	case YAML:
		return checkYAML(data)
	case Dotenv, INI:
		lines := bytes.Count(data, []byte("\n")) + 1
		if f == INI && lines > maxLines {
			return fmt.Errorf("%w: %d lines", ErrTooLarge, lines)
		}
		metadata := bytes.Count(data, []byte("sops_"))
		if metadata*lines > maxMoves || bytes.Count(data, []byte("__")) > maxMarks {
			return fmt.Errorf("%w: it has too much metadata", ErrTooLarge)
		}
	case JSON, Binary:
		if jsonDepth(data) > maxDepth {
			return fmt.Errorf("%w: it nests too deep", ErrTooLarge)
		}
	}
	return nil
}

// jsonDepth is the deepest nesting of JSON, right or wrong.
func jsonDepth(data []byte) int {
	depth, deepest := 0, 0
	quoted := false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case quoted:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

// checkYAML counts nodes as the engine will see them, in all documents.
func checkYAML(data []byte) error {
	d := yaml.NewDecoder(bytes.NewReader(data))
	w := yamlWalk{weights: map[*yaml.Node]weight{}}
	var total weight
	for number := 1; ; number++ {
		var document yaml.Node
		if err := d.Decode(&document); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return ErrMalformed
		}
		if number > maxDocuments {
			return fmt.Errorf("%w: it has too many documents", ErrTooLarge)
		}
		below, err := w.weigh(&document, 0)
		if err != nil {
			return err
		}
		if err := total.add(below); err != nil {
			return err
		}
		if len(document.Content) == 1 && metadataKeys(document.Content[0])*len(document.Content[0].Content) > maxMoves {
			return fmt.Errorf("%w: it has too much metadata", ErrTooLarge)
		}
	}
}

// metadataKeys counts the keys sops of a mapping.
func metadataKeys(n *yaml.Node) int {
	count := 0
	for i := 0; i < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.Value == "sops" {
			count++
		}
	}
	return count
}

// weight is the work that a node makes, with all below it.
type weight struct {
	nodes int // nodes and lines of comments; -1 while they are counted
	pairs int // pairs of keys
}

func (w *weight) add(v weight) error {
	w.nodes += v.nodes
	w.pairs += v.pairs
	if w.nodes > maxNodes || w.pairs > maxPairs {
		return fmt.Errorf("%w: it has too many values", ErrTooLarge)
	}
	return nil
}

type yamlWalk struct {
	weights map[*yaml.Node]weight // of what aliases stand for
}

// weigh adds up n and all below it, each alias as what it stands for.
func (w *yamlWalk) weigh(n *yaml.Node, depth int) (weight, error) {
	if depth > maxDepth {
		return weight{}, fmt.Errorf("%w: it nests too deep", ErrTooLarge)
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if known, ok := w.weights[n]; ok && known.nodes < 0 {
		return weight{}, fmt.Errorf("%w: an alias holds itself", ErrMalformed)
	} else if ok {
		return known, nil
	}
	if n.Anchor != "" {
		w.weights[n] = weight{nodes: -1}
	}
	sum := weight{nodes: 1 + comments(n.HeadComment) + comments(n.LineComment) + comments(n.FootComment)}
	if n.Kind == yaml.MappingNode {
		sum.pairs = len(n.Content) / 2 * len(n.Content) / 4
	}
	for _, child := range n.Content {
		below, err := w.weigh(child, depth+1)
		if err != nil {
			return weight{}, err
		}
		if err := sum.add(below); err != nil {
			return weight{}, err
		}
	}
	if n.Anchor != "" {
		w.weights[n] = sum
	}
	return sum, nil
}

func comments(text string) int {
	if text == "" {
		return 0
	}
	return 1 + strings.Count(text, "\n")
}

// checkKeys is for opening the data key.
func checkKeys(groups []sops.KeyGroup) error {
	count, length := 0, 0
	for _, group := range groups {
		for _, key := range group {
			count++
			length += len(key.EncryptedDataKey())
		}
	}
	if count > maxKeys || length > maxKeyText {
		return fmt.Errorf("%w: it has too many keys", ErrTooLarge)
	}
	return nil
}

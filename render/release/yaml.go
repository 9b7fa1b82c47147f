package release

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	sigsyaml "sigs.k8s.io/yaml"
)

// plainYAML refuses YAML whose aliases expand to more than limit nodes: kustomize and Helm copy what an alias stands for.
// What is no YAML passes; who reads it says so.
func plainYAML(name string, data []byte, limit int) error {
	if !bytes.ContainsRune(data, '*') || !bytes.ContainsRune(data, '&') {
		return nil
	}
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	total := 0
	for {
		text, err := reader.Read()
		if err != nil {
			return nil //nolint:nilerr // the end
		}
		var doc yaml.Node
		if yaml.Unmarshal(text, &doc) != nil {
			continue
		}
		if total += expanded(&doc, map[*yaml.Node]int{}, limit); total > limit {
			return fmt.Errorf("%w: aliases of %s expand to more than %d nodes", ErrLimit, name, limit)
		}
	}
}

// expanded counts the nodes below n with each alias expanded, stopping above limit.
func expanded(n *yaml.Node, sizes map[*yaml.Node]int, limit int) int {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	if size, ok := sizes[n]; ok {
		return size
	}
	if n.Anchor != "" {
		sizes[n] = limit + 1 // an alias inside its own anchor never ends
	}
	size := 1
	for _, c := range n.Content {
		if size += expanded(c, sizes, limit); size > limit {
			size = limit + 1
			break
		}
	}
	if n.Anchor != "" {
		sizes[n] = size
	}
	return size
}

// document is one object of a stream, with the template that "# Source:" names.
type document struct {
	file    string
	content map[string]any
}

// documents reads a stream of manifests as Helm's client does: YAML 1.1, empty documents left out, lists flattened.
//
// Source: k8s.io/cli-runtime v0.36.4, pkg/resource StreamVisitor and FlattenListVisitor.
func documents(data []byte, nodes int) ([]document, error) {
	if err := plainYAML("a manifest", data, nodes); err != nil {
		return nil, err
	}
	var out []document
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	for {
		text, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("error parsing: %w", err)
		}
		d := document{file: sourceOf(text)}
		raw, err := sigsyaml.YAMLToJSON(text)
		if err != nil {
			return nil, &Error{Stage: StagePostRender, File: d.file, Message: fmt.Sprintf("error parsing: %v", err)}
		}
		if raw = bytes.TrimSpace(raw); len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
			continue
		}
		objects, err := decoded(raw)
		if err != nil {
			return nil, &Error{Stage: StagePostRender, File: d.file, Message: err.Error()}
		}
		for _, o := range objects {
			out = append(out, document{d.file, o})
		}
	}
}

// decoded reads one object, or those of a list.
func decoded(raw []byte) ([]map[string]any, error) {
	first, _, err := unstructured.UnstructuredJSONScheme.Decode(raw, nil, nil)
	if runtime.IsMissingKind(err) {
		return nil, errors.New("Object 'Kind' is missing")
	}
	if err != nil {
		return nil, fmt.Errorf("decode object: %w", err)
	}
	var out []map[string]any
	for queue := []runtime.Object{first}; len(queue) > 0; queue = queue[1:] {
		switch o := queue[0].(type) {
		case *unstructured.Unstructured:
			if !o.IsList() {
				out = append(out, o.Object)
				continue
			}
			items, err := o.ToList()
			if err != nil {
				return nil, fmt.Errorf("read list: %w", err)
			}
			queue = append(queue, items)
		case *unstructured.UnstructuredList:
			for i := range o.Items {
				queue = append(queue, &o.Items[i])
			}
		}
	}
	return out, nil
}

// sourceOf reads the comment that Helm puts at the head of a document.
func sourceOf(text []byte) string {
	for range 2 {
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		if file, ok := strings.CutPrefix(string(line), "# Source: "); ok {
			return strings.TrimSuffix(file, "\r")
		}
		text = rest
	}
	return ""
}

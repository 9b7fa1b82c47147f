package artifact

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// merged gives the YAML of over laid over base. Maps are merged, key by key, and
// everything else of over replaces what base has, as Helm does with values. The
// documents of a file are one after the other laid over each other.
//
// Source: source-watcher internal/builder/merge.go.
func merged(base, over []byte) ([]byte, error) {
	o, err := valuesOf(over)
	if err != nil {
		return nil, fmt.Errorf("source: %w", err)
	}
	b, err := valuesOf(base)
	if err != nil {
		return nil, fmt.Errorf("destination: %w", err)
	}
	return yaml.Marshal(layOver(b, o))
}

func valuesOf(data []byte) (map[string]any, error) {
	out := map[string]any{}
	for docs := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data))); ; {
		raw, err := docs.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read YAML document: %w", err)
		}
		doc := map[string]any{}
		if err := yaml.Unmarshal(raw, &doc); err != nil {
			// The cause may quote the file, which may hold a secret.
			return nil, errors.New("a document is not a YAML map")
		}
		out = layOver(out, doc)
	}
}

// layOver puts over into base, which it changes.
func layOver(base, over map[string]any) map[string]any {
	for k, v := range over {
		above, isMap := v.(map[string]any)
		below, wasMap := base[k].(map[string]any)
		if isMap && wasMap {
			layOver(below, above)
		} else {
			base[k] = v
		}
	}
	return base
}

package render

import (
	"bytes"
	"path"

	"go.yaml.in/yaml/v3"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// plugins refuses the configuration of a built-in generator, transformer or
// validator that has kustomize fetch something. p is the kustomization file that
// lists the entries. A folder of configurations is refused as a whole: what they
// say is known only once they are built.
func (f *artifactFS) plugins(p string, entries []string) error {
	for _, entry := range entries {
		if url := remoteInPlugin([]byte(entry)); url != "" {
			return &remoteError{file: p, url: url}
		}
		at, ok := rel(path.Join(artifactRoot, path.Dir(p), entry))
		if !ok {
			continue // kustomize refuses it
		}
		e, err := f.in.Stat(at)
		if err != nil || e.Mode == tree.Symlink {
			continue // inline, or kustomize reports it
		}
		if e.IsDir() {
			return &remoteError{file: p, url: entry + " (a folder of plugin configurations)"}
		}
		data, err := f.in.ReadFile(at)
		if err != nil {
			return err
		}
		if url := remoteInPlugin(data); url != "" {
			return &remoteError{file: at, url: url}
		}
	}
	return nil
}

// remoteInPlugin is a remote reference in the fields that plugins load files by.
func remoteInPlugin(data []byte) string {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var doc yaml.Node
		if dec.Decode(&doc) != nil {
			return ""
		}
		if url := remoteInNode(&doc); url != "" {
			return url
		}
	}
}

func remoteInNode(n *yaml.Node) string {
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 1 {
			for _, s := range scalars(c) {
				if found := remoteIn(map[string]any{n.Content[i-1].Value: s}, "path", "paths", "files", "envs", "env"); len(found) > 0 {
					return found[0]
				}
			}
		}
		if url := remoteInNode(c); url != "" {
			return url
		}
	}
	return ""
}

// scalars are the texts of a scalar or of a list of them.
func scalars(n *yaml.Node) []string {
	for n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	if n.Kind == yaml.ScalarNode {
		return []string{n.Value}
	}
	var out []string
	for _, c := range n.Content {
		if c.Kind == yaml.AliasNode && c.Alias != nil {
			c = c.Alias
		}
		if n.Kind == yaml.SequenceNode && c.Kind == yaml.ScalarNode {
			out = append(out, c.Value)
		}
	}
	return out
}

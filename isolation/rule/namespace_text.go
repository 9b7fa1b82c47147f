package rule

import (
	"bufio"
	"bytes"
	"path"
	"slices"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// maxText is the largest file whose text is looked at, in bytes.
const maxText = 1 << 20

// text is one file that a tenant's applier has read, as far as it is YAML.
type text struct {
	path string
	hash tree.Hash
	docs []any
	// large is true when the file is too large to be taken apart; directives and variables then say whether it may hold some.
	large, directives, variables bool
}

// texts are files, by path.
type texts []text

// readTexts are the files that an applier has read; nil when its source is not at hand. What is no YAML is left out.
func readTexts(x *Context, a *estate.Applier) (out texts) {
	if a.Files == nil {
		return nil
	}
	for _, r := range a.Reads {
		if r.Kind != tree.Content || r.Hash.IsZero() {
			continue
		}
		of := once(x, "text "+r.Hash.String(), func() text { return parseText(a.Files, r.Path) })
		of.path, of.hash = r.Path, r.Hash
		if of.large || len(of.docs) > 0 {
			out = append(out, of)
		}
	}
	return out
}

// named are the documents of the file that a directive in a folder names. Of a directive that was moved away from its folder, it may be any file of that
// name.
func (t texts) named(dir, name string) []any {
	for i := range t {
		if t[i].path == path.Join(dir, name) {
			return t[i].docs
		}
	}
	var out []any
	for i := range t {
		if path.Base(t[i].path) == path.Base(name) {
			out = append(out, t[i].docs...)
		}
	}
	return out
}

func parseText(files *tree.Tree, name string) (out text) {
	data, err := files.ReadFile(name)
	if err != nil {
		return out // a folder
	}
	if len(data) > maxText {
		has := func(word string) bool { return bytes.Contains(data, []byte(word)) }
		return text{large: true, directives: isKustomization(name) || has("builtin") || has(internalPrefix), variables: has("${")}
	}
	return text{docs: documents(data)}
}

// documents of YAML; none of what is none.
func documents(data []byte) (out []any) {
	docs := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	for {
		doc, err := docs.Read()
		if err != nil {
			return out
		}
		var v any
		if yaml.Unmarshal(doc, &v) == nil && v != nil {
			out = append(out, v)
		}
	}
}

// snippets are the YAML that a field of a kustomization file holds as text.
func snippets(s string) []any {
	if s == "" || len(s) > maxText {
		return nil
	}
	return documents([]byte(s))
}

// isKustomization reports whether a path is that of a kustomization file.
//
// Source: kustomize API v0.21.1, konfig.RecognizedKustomizationFileNames.
func isKustomization(p string) bool {
	return slices.Contains([]string{"kustomization.yaml", "kustomization.yml", "Kustomization"}, path.Base(p))
}

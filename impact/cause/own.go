package cause

import (
	"bytes"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	yamlutil "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/kustomize/api/konfig"

	"github.com/bulkhead-dev/bulkhead/object"
)

// document is one object of a manifest.
type document struct {
	kind, name string
	body       *object.Body
}

// maxDocuments bounds the documents of a file that are looked at.
const maxDocuments = 2000

// parsed are the documents of a file; none when it is missing, too large or no YAML.
func (s *side) parsed(file string) []document {
	if s == nil || file == "" {
		return nil
	}
	if docs, ok := s.documents[file]; ok {
		return docs
	}
	var docs []document
	if data, ok := s.text(file); ok {
		docs = parse(data)
	}
	s.documents[file] = docs
	return docs
}

func parse(data []byte) []document {
	var out []document
	dec := yamlutil.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096)
	for range maxDocuments {
		m := map[string]any{}
		if err := dec.Decode(&m); err != nil {
			if _, syntax := err.(yamlutil.YAMLSyntaxError); syntax { //nolint:errorlint // never wrapped by the decoder
				continue
			}
			return out
		}
		if items, ok := m["items"].([]any); ok && strings.HasSuffix(textAt(m, "kind"), "List") {
			for _, item := range items[:min(len(items), maxDocuments)] {
				if inner, ok := item.(map[string]any); ok {
					out = append(out, newDocument(inner))
				}
			}
			continue
		}
		if m["kind"] != nil {
			out = append(out, newDocument(m))
		}
	}
	return out
}

func newDocument(m map[string]any) document {
	name, _, _ := unstructured.NestedString(m, "metadata", "name")
	return document{textAt(m, "kind"), name, object.NewBody(m)}
}

func textAt(m map[string]any, fields ...string) string {
	s, _, _ := unstructured.NestedString(m, fields...)
	return s
}

// docKey is an object in a file.
type docKey struct{ file, kind, name string }

// docDiff is what differs in a file of one object.
type docDiff struct {
	known   bool          // false when the file does not tell: the whole of it counts
	changed bool          // what it says of the object differs
	edits   []object.Edit // nil when the object came or went
	whole   bool          // it came or went
}

// docDiff compares what both revisions of a file say of an object.
func (f *Finder) docDiff(file string, id object.ID) docDiff {
	k := docKey{file, id.Kind, id.Name}
	if d, ok := f.docs[k]; ok {
		return d
	}
	d := docDiff{}
	a, okA := find(f.before.parsed(file), id)
	b, okB := find(f.after.parsed(file), id)
	switch {
	case okA != okB:
		d = docDiff{known: true, changed: true, whole: true}
	case okA && a.Hash() != b.Hash():
		d = docDiff{known: true, changed: true, edits: object.Diff(a, b, object.DiffOptions{})}
	case okA:
		d.known = true
	}
	f.docs[k] = d
	return d
}

// find an object among documents: by its name, else the one of its kind whose name is part of the
// object's, since a kustomization may put something around it or Flux fill in a part.
func find(docs []document, id object.ID) (*object.Body, bool) {
	var near *object.Body
	for _, d := range docs {
		switch {
		case d.kind != id.Kind:
		case d.name == id.Name:
			return d.body, true
		case near == nil && d.name != "" && (strings.Contains(id.Name, d.name) || strings.Contains(d.name, "${")):
			near = d.body
		}
	}
	return near, near != nil
}

// own are the object's own files among those that differ, and whether they explain the whole
// change.
func (f *Finder) own(s *subject) (out []candidate, covered bool) {
	for i := range s.legs {
		l := &s.legs[i]
		if l.file == "" || !f.changed[l.file] || l.build == nil || i == 0 && s.ch.Before == nil || i == 1 && s.ch.After == nil {
			continue
		}
		if isKustomization(l.file) { // of a generator, see touch: here only when it came or went as a whole
			if f.kustomizationDiff(l.file).whole {
				out = append(out, candidate{file: l.file, via: append(l.build.connected().up(l.file), applierStep(l)), rank: rankOwn, sure: sure, direct: true})
				covered = true
			}
			continue
		}
		id := s.ch.ID
		if o := []*object.Object{s.ch.Before, s.ch.After}[i]; o != nil {
			id = o.ID
		}
		d := f.docDiff(l.file, id)
		if d.known && !d.changed {
			continue
		}
		var via []Step
		if l.applier.Kind == kindKustomization {
			via = l.build.connected().up(l.file)
		}
		out = append(out, candidate{file: l.file, via: append(via, applierStep(l)), rank: rankOwn, sure: sure, direct: true})
		covered = covered || !d.known && l.applier.Kind == kindKustomization || d.whole || d.known && covers(d.edits, s.ch.Edits)
	}
	return out, covered
}

func isKustomization(file string) bool {
	return slices.Contains(konfig.RecognizedKustomizationFileNames(), path.Base(file))
}

func applierStep(l *leg) Step { return Step{stepApplier, l.applier.String()} }

// covers reports whether each of the edits of an object is below or above one of its file.
func covers(file, edits []object.Edit) bool {
	for _, e := range edits {
		if !slices.ContainsFunc(file, func(own object.Edit) bool {
			n := min(len(own.Path), len(e.Path))
			return own.Path[:n].Compare(e.Path[:n]) == 0
		}) {
			return false
		}
	}
	return len(edits) > 0
}

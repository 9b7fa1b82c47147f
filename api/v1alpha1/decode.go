package v1alpha1

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Decode reads the documents of one YAML file. Path is the slash path used in
// errors; data holds any number of documents. Those of other API groups, and
// those that are no Kubernetes objects, are skipped; a file with none of ours
// gives empty Documents. The text is UTF-8.
//
// The error is a [*DocumentError] about the first fault found: broken YAML, an
// unknown or repeated field, a value of the wrong type, a missing or bad name,
// a path outside the tree, an unknown kind or version of our group, two
// documents with one name, or more than [MaxFile], [MaxExpanded] and [MaxDepth]
// allow.
func Decode(path string, data []byte) (Documents, error) {
	if len(data) > MaxFile {
		return Documents{}, &DocumentError{
			File:    path,
			Message: fmt.Sprintf("the file has %d bytes, more than the %d a file of documents may have", len(data), MaxFile),
			Hint:    "split it into several files",
		}
	}
	if err := checkText(path, data); err != nil {
		return Documents{}, err
	}
	var all []Documents
	expanded := 0
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var doc yaml.Node
		if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
			return Merge(all...)
		} else if err != nil {
			return Documents{}, syntaxError(path, data, err)
		}
		if len(doc.Content) == 0 {
			continue
		}
		r := &reader{file: path, line: doc.Content[0].Line, lines: map[string]int{}, expanded: expanded}
		docs, err := r.document(doc.Content[0])
		if err != nil {
			return Documents{}, err
		}
		expanded = r.expanded
		all = append(all, docs)
	}
}

// Merge puts the documents of several files together, in the order given. The
// error is a [*DocumentError] that names both places when two documents of a kind have one name, or
// when there are two fleets.
func Merge(files ...Documents) (Documents, error) {
	var out Documents
	seen := map[string]Place{}
	claim := func(kind, name string, at Place) error {
		key := kind + "/" + name
		message := fmt.Sprintf("%s %q is declared twice", kind, name)
		if kind == KindFleet {
			key, message = kind, "a second Fleet is declared"
		}
		first, taken := seen[key]
		if !taken {
			seen[key] = at
			return nil
		}
		return &DocumentError{
			File: at.File, Line: at.Line,
			Message: fmt.Sprintf("%s: here and at %s:%d", message, first.File, first.Line),
			Hint:    "remove or rename one of the two",
		}
	}
	for _, f := range files {
		if f.Fleet != nil {
			if err := claim(KindFleet, f.Fleet.Name, f.Fleet.Place); err != nil {
				return Documents{}, err
			}
			out.Fleet = f.Fleet
		}
		for _, c := range f.Clusters {
			if err := claim(KindCluster, c.Name, c.Place); err != nil {
				return Documents{}, err
			}
		}
		for _, t := range f.Tenants {
			if err := claim(KindTenant, t.Name, t.Place); err != nil {
				return Documents{}, err
			}
		}
		for _, w := range f.Waivers {
			if err := claim(KindWaiver, w.Name, w.Place); err != nil {
				return Documents{}, err
			}
		}
		for i := range f.Rules {
			if err := claim(KindRule, f.Rules[i].Name, f.Rules[i].Place); err != nil {
				return Documents{}, err
			}
		}
		out.Clusters = append(out.Clusters, f.Clusters...)
		out.Tenants = append(out.Tenants, f.Tenants...)
		out.Waivers = append(out.Waivers, f.Waivers...)
		out.Rules = append(out.Rules, f.Rules...)
	}
	return out, nil
}

// document reads one document, or nothing if it is not ours.
func (r *reader) document(root *yaml.Node) (Documents, error) {
	kind, err := r.kind(root)
	if kind == "" || err != nil {
		return Documents{}, err
	}
	at := Place{File: r.file, Line: root.Line}
	switch kind {
	case KindFleet:
		f := &Fleet{Place: at}
		if err := r.into(root, reflect.ValueOf(f).Elem(), ""); err != nil {
			return Documents{}, err
		}
		return Documents{Fleet: f}, r.checkFleet(f)
	case KindCluster:
		c := Cluster{Place: at}
		if err := r.into(root, reflect.ValueOf(&c).Elem(), ""); err != nil {
			return Documents{}, err
		}
		err := r.checkCluster(&c)
		return Documents{Clusters: []Cluster{c}}, err
	case KindWaiver:
		w := Waiver{Place: at}
		if err := r.into(root, reflect.ValueOf(&w).Elem(), ""); err != nil {
			return Documents{}, err
		}
		return Documents{Waivers: []Waiver{w}}, r.checkWaiver(&w)
	case KindRule:
		d := Rule{Place: at, Lines: r.lines}
		if err := r.into(root, reflect.ValueOf(&d).Elem(), ""); err != nil {
			return Documents{}, err
		}
		return Documents{Rules: []Rule{d}}, r.checkRule(&d)
	default:
		t := Tenant{Place: at}
		if err := r.into(root, reflect.ValueOf(&t).Elem(), ""); err != nil {
			return Documents{}, err
		}
		return Documents{Tenants: []Tenant{t}}, r.checkTenant(&t)
	}
}

// kind names which of our kinds the document is, or "" for a document that is
// not ours. A document that says one of our kinds and no apiVersion is taken
// for a mistake, not for somebody else's.
func (r *reader) kind(root *yaml.Node) (string, error) {
	apiVersion, kind := r.scalarOf(root, "apiVersion"), r.scalarOf(root, "kind")
	group, _, _ := strings.Cut(apiVersion, "/")
	kinds := []string{KindCluster, KindFleet, KindRule, KindTenant, KindWaiver}
	switch {
	case apiVersion == "" && slices.Contains(kinds, kind):
		return "", r.errorAt("kind", "apiVersion is missing", "add apiVersion: "+APIVersion)
	case group != Group && slices.Contains(kinds, kind) && distance(group, Group) <= 2:
		return "", r.errorAt("apiVersion", fmt.Sprintf("unknown group %s", clip(group)), "write "+APIVersion)
	case group != Group:
		return "", nil
	case apiVersion != APIVersion:
		return "", r.errorAt("apiVersion", fmt.Sprintf("unknown version %s", clip(apiVersion)), "write "+APIVersion)
	case kind == "":
		return "", r.errorAt("kind", "kind is missing", "one of "+strings.Join(kinds, ", "))
	case !slices.Contains(kinds, kind):
		return "", r.errorAt("kind", fmt.Sprintf("unknown kind %s", clip(kind)), DidYouMean(kind, kinds))
	}
	return kind, nil
}

// scalarOf is the text of a top-level field, or "" when it has none.
func (r *reader) scalarOf(root *yaml.Node, name string) string {
	if root.Kind != yaml.MappingNode {
		return ""
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		v := root.Content[i+1]
		if v.Kind == yaml.AliasNode {
			v = v.Alias
		}
		if root.Content[i].Value == name && v.Kind == yaml.ScalarNode && v.ShortTag() != "!!null" {
			r.lines[name] = root.Content[i].Line
			return v.Value
		}
	}
	return ""
}

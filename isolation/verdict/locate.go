package verdict

import (
	"bytes"
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"golang.org/x/sync/errgroup"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/rule"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/tree"
)

const (
	mostBytes = 4 << 20 // of a file in which a line is looked for
	mostUp    = 8       // appliers that are asked for a file of the hub
)

// spot is where an object is from: a file of the repository under review.
type spot struct {
	file string
	id   object.ID // that is looked for in the file
	// by is the applier that brings the object from elsewhere; nil for what is in the file itself.
	by *estate.Applier
	// pinned is true when the file is that of another revision, so that its lines are not those of the files at hand.
	pinned bool
}

// locate fills in files and lines. To find a file may cost a build, so that they are worked out side by side.
func locate(e *estate.Estate, found []*rule.Found, out []finding.Finding) {
	spots := make([]spot, len(out))
	var all errgroup.Group
	all.SetLimit(runtime.GOMAXPROCS(0))
	for i, f := range found {
		if out[i].File != "" || f.Object == nil {
			continue
		}
		all.Go(func() error {
			spots[i] = spotOf(f.Object)
			return nil
		})
	}
	_ = all.Wait() // no error is ever given
	files := map[string][]document{}
	for i := range out {
		s := &spots[i]
		if s.file == "" {
			continue
		}
		line := 0
		if !s.pinned {
			if _, read := files[s.file]; !read {
				files[s.file] = documentsOf(e.Files, s.file)
			}
			line = lineOf(files[s.file], s.id)
		}
		out[i].File, out[i].Line = s.file, line
		if s.by != nil && s.by.Kind != estate.HelmReleaseKind {
			first := finding.Step{Message: fmt.Sprintf("%s brings %s from %s", s.by, found[i].Object.ID, cmp.Or(s.by.Source.URL, "elsewhere")), File: s.file, Line: line}
			out[i].Steps = slices.Insert(out[i].Steps, 0, first)
		}
	}
}

// spotOf is where an object is from. What is not from the repository under review is where the applier that brings it is.
func spotOf(o *estate.Object) spot {
	if file := o.File(); file != "" {
		s := spot{file: file, id: o.ID, pinned: o.Applier.Pinned}
		if o.Applier.Kind == estate.HelmReleaseKind { // what a chart makes is from the file of the release
			s.id = o.Applier.ID()
		}
		return s
	}
	a := o.Applier
	for range mostUp {
		if a == nil || a.Object == nil {
			return spot{}
		}
		if file := a.Object.File(); file != "" {
			return spot{file: file, id: a.ID(), by: a, pinned: a.Object.Applier.Pinned}
		}
		a = a.Object.Applier
	}
	return spot{}
}

// document is an object as a file has it.
type document struct {
	id   object.ID
	line int
}

// documentsOf are the objects of a file, with the lines where they begin; as far as it can be read.
func documentsOf(t *tree.Tree, file string) (out []document) {
	if t == nil {
		return nil
	}
	data, err := t.ReadFile(file)
	if err != nil || len(data) > mostBytes {
		return nil
	}
	for dec := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var n yaml.Node
		if dec.Decode(&n) != nil { // the end, or what is no YAML
			return out
		}
		if len(n.Content) == 1 {
			out = append(out, documentsIn(n.Content[0])...)
		}
	}
}

func documentsIn(n *yaml.Node) (out []document) {
	if items := child(n, "items"); items != nil && strings.HasSuffix(text(n, "kind"), "List") {
		for _, item := range items.Content {
			out = append(out, documentsIn(item)...)
		}
		return out
	}
	if n.Kind != yaml.MappingNode {
		return nil
	}
	group, _, ok := strings.Cut(text(n, "apiVersion"), "/")
	if !ok {
		group = ""
	}
	meta := child(n, "metadata")
	return []document{{object.ID{Group: group, Kind: text(n, "kind"), Namespace: text(meta, "namespace"), Name: text(meta, "name")}, n.Line}}
}

// lineOf is the line of an object: of that kind, name and namespace, else of that kind and name, else of the only one of that kind; 0 for none.
func lineOf(list []document, id object.ID) int {
	named, kind := 0, []int{}
	for _, d := range list {
		switch {
		case d.id == id:
			return d.line
		case d.id.Kind != id.Kind || d.id.Group != id.Group:
			continue
		case d.id.Name == id.Name && named == 0:
			named = d.line
		}
		kind = append(kind, d.line)
	}
	if named == 0 && len(kind) == 1 {
		return kind[0]
	}
	return named
}

func child(n *yaml.Node, field string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == field {
			return n.Content[i+1]
		}
	}
	return nil
}

func text(n *yaml.Node, field string) string {
	if c := child(n, field); c != nil {
		return c.Value
	}
	return ""
}

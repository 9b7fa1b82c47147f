package resourceset

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"

	"sigs.k8s.io/yaml"
)

// The functions that are put into the parsed templates. They are not in the
// documentation, and to call them does no harm.
const (
	tickName  = "bulkheadTick"  // at the begin of a body that can be run again
	enterName = "bulkheadEnter" // at the begin of a template
	leaveName = "bulkheadLeave" // at its end
	checkName = "bulkheadCheck" // on every value that is written
)

// maxText bounds a template, in bytes: an API server takes no larger object.
const maxText = 3 << 19

// engine parses templates and runs them, one at a time.
type engine struct {
	base *template.Template // with the functions
	now  *run
}

func newEngine() *engine {
	e := &engine{}
	e.base = template.New("").Delims("<<", ">>").Option("missingkey=error").Funcs(functions(func() *run { return e.now }))
	return e
}

// parsed is a template that is ready for any number of runs.
type parsed struct {
	source
	engine   *engine
	template *template.Template
	grafter
}

// parse parses a template and puts the bounds into the parsed tree, so that
// neither white space nor the lines of errors change.
func (e *engine) parse(src source) (*parsed, error) {
	if len(src.text) > maxText {
		return nil, fmt.Errorf("%s has %d bytes: %w", src.from, len(src.text), ErrTooLarge)
	}
	p := &parsed{source: src, engine: e}
	own, err := e.base.Clone()
	if err != nil {
		return nil, err
	}
	t, err := own.New(src.from).Parse(src.text)
	if err != nil {
		return nil, templateError{err}
	}
	for _, each := range t.Templates() {
		if each.Tree != nil {
			p.list(each.Root)
			each.Root.Nodes = append([]parse.Node{call(enterName, each.Root.Pos)}, append(each.Root.Nodes, call(leaveName, each.Root.Pos))...)
		}
	}
	p.template = t
	return p, nil
}

func call(name string, at parse.Pos) *parse.ActionNode {
	return &parse.ActionNode{NodeType: parse.NodeAction, Pos: at, Pipe: &parse.PipeNode{NodeType: parse.NodePipe, Pos: at, Cmds: []*parse.CommandNode{command(name, at)}}}
}

func command(name string, at parse.Pos) *parse.CommandNode {
	return &parse.CommandNode{NodeType: parse.NodeCommand, Pos: at, Args: []parse.Node{parse.NewIdentifier(name).SetPos(at)}}
}

// grafter puts the bounds into a parsed template, and sees what it asks for.
type grafter struct {
	varies bool // an id, the clock, chance or the order of a map may be in what it writes
	inner  bool // a field of inputs as a whole may be, which has an id if inputs are permuted
}

func (g *grafter) list(l *parse.ListNode) {
	if l == nil {
		return
	}
	for _, n := range l.Nodes {
		switch n := n.(type) {
		case *parse.ActionNode:
			g.pipe(n.Pipe)
			if len(n.Pipe.Decl) == 0 {
				n.Pipe.Cmds = append(n.Pipe.Cmds, command(checkName, n.Pos))
			}
		case *parse.IfNode:
			g.branch(&n.BranchNode)
		case *parse.WithNode:
			g.branch(&n.BranchNode)
		case *parse.RangeNode:
			g.branch(&n.BranchNode)
			n.List.Nodes = append([]parse.Node{call(tickName, n.Pos)}, n.List.Nodes...)
		case *parse.TemplateNode:
			if n.Pipe != nil {
				g.pipe(n.Pipe)
			}
		}
	}
}

func (g *grafter) branch(b *parse.BranchNode) {
	g.pipe(b.Pipe)
	g.list(b.List)
	g.list(b.ElseList)
}

func (g *grafter) pipe(p *parse.PipeNode) {
	for _, c := range p.Cmds {
		for _, a := range c.Args {
			g.arg(a)
		}
	}
}

func (g *grafter) arg(n parse.Node) {
	switch n := n.(type) {
	case *parse.IdentifierNode:
		switch n.Ident {
		case "inputs", "ago", "randInt", "durationRound", "keys", "values":
			g.varies = true
		}
	case *parse.ChainNode:
		g.varies = g.varies || slices.Contains(n.Field, "id")
		if id, ok := n.Node.(*parse.IdentifierNode); !ok || id.Ident != "inputs" {
			g.arg(n.Node)
		}
		g.inner = g.inner || len(n.Field) == 1
	case *parse.PipeNode:
		g.pipe(n)
	}
}

// execute runs the template for one input set; each salt gives other stand-ins.
// doubts are functions whose result may not be the operator's.
func (p *parsed) execute(m *meter, set inputSet, salt string) (out []byte, doubts []string, err error) {
	now := &run{meter: m, inputs: set.with(salt), salt: salt}
	p.engine.now = now
	w := &writer{}
	if err := p.template.Execute(w, nil); err != nil {
		return nil, nil, templateError{err}
	}
	return w.Bytes(), now.doubts, nil
}

// templateError is an error of text/template without what is the same in all.
type templateError struct{ err error }

func (e templateError) Error() string { return strings.TrimPrefix(e.err.Error(), "template: ") }
func (e templateError) Unwrap() error { return e.err }

// writer keeps what a template writes, up to a bound.
type writer struct{ bytes.Buffer }

func (w *writer) Write(p []byte) (int, error) {
	if w.Len()+len(p) > maxValue {
		return 0, fmt.Errorf("output of more than %d bytes: %w", maxValue, ErrTooLarge)
	}
	return w.Buffer.Write(p)
}

// sourcesOf are the templates of spec or of a step: each item of resources as
// YAML, then resourcesTemplate.
func sourcesOf(m map[string]any, prefix string) ([]source, error) {
	resources, err := list(m, "resources")
	if err != nil {
		return nil, err
	}
	var out []source
	for i, resource := range resources {
		from := fmt.Sprintf("%sresources[%d]", prefix, i)
		if _, ok := resource.(map[string]any); !ok {
			return nil, fmt.Errorf("spec.%s is not an object", from)
		}
		data, err := yaml.Marshal(resource)
		if err != nil {
			return nil, fmt.Errorf("spec.%s: %w", from, err)
		}
		out = append(out, source{from, string(data)})
	}
	if t := text(m, "resourcesTemplate"); t != "" {
		out = append(out, source{prefix + "resourcesTemplate", t})
	}
	return out, nil
}

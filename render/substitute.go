package render

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/fluxcd/pkg/envsubst"
	"github.com/fluxcd/pkg/envsubst/parse"
	kyaml "sigs.k8s.io/kustomize/kyaml/yaml"
	"sigs.k8s.io/yaml"
)

const (
	substituteKey = "kustomize.toolkit.fluxcd.io/substitute"
	disabled      = "disabled"
)

// variables are what postBuild of one Kustomization supplies.
type variables struct {
	values    map[string]string
	sensitive map[string]bool // names whose value came from a Secret
	open      []string        // references that are not in Git: there may be more variables
	strict    bool            // an unset variable is an error
	always    bool            // substituteStrategy: Always
	off       bool            // spec.postBuild is not set
}

func (v *variables) run() bool {
	return !v.off && (len(v.values) > 0 || v.always || len(v.open) > 0)
}

// usage is how the text of one object uses variables.
type usage struct {
	template *envsubst.Template
	parsed   parse.Node
	err      error
	names    []string        // sorted
	fallback map[string]bool // every use of the name brings a default
	spliced  func() *spliced // made when it is first asked for; nil when there is none
}

// newUsage parses the YAML text of an object given as JSON.
//
// Source: fluxcd/pkg/kustomize v1.35.6 SubstituteVariables: the input of the
// substitution is Resource.AsYAML, which is this very conversion.
func newUsage(data []byte) *usage {
	u := &usage{fallback: map[string]bool{}}
	text, err := yaml.JSONToYAML(data)
	if err != nil {
		u.err = err
		return u
	}
	if u.template, u.err = envsubst.Parse(string(text)); u.err != nil {
		u.err = fmt.Errorf("variable substitution failed: %w", u.err)
		return u
	}
	parsed, err := parse.Parse(string(text))
	if err != nil {
		u.err = err
		return u
	}
	u.parsed = parsed.Root
	u.collect(parsed.Root)
	u.names = slices.Sorted(maps.Keys(u.fallback))
	u.spliced = sync.OnceValue(func() *spliced { return splice(string(text)) })
	return u
}

func (u *usage) collect(n parse.Node) {
	switch n := n.(type) {
	case *parse.ListNode:
		for _, c := range n.Nodes {
			u.collect(c)
		}
	case *parse.FuncNode:
		byDefault := slices.Contains(defaultOperators, n.Name)
		if before, seen := u.fallback[n.Param]; seen {
			byDefault = byDefault && before
		}
		u.fallback[n.Param] = byDefault
		for _, c := range n.Args {
			u.collect(c)
		}
	}
}

// defaultOperators tolerate an unset variable.
//
// Source: fluxcd/pkg/envsubst v1.7.1, isDefaultOp.
var defaultOperators = []string{"-", "+", "=", "?", ":-", ":+", ":=", ":?"} //nolint:gochecknoglobals // a constant list

// key tells apart what substitution makes of the object: the values of the
// variables that it really uses.
func (u *usage) key(v *variables) string {
	var b strings.Builder
	for _, n := range u.names {
		value, ok := v.values[n]
		fmt.Fprintf(&b, "%s\x00%t%t\x00%s\x00", n, ok, v.sensitive[n], value)
	}
	fmt.Fprintf(&b, "%t%t%t", v.strict, v.run(), len(v.open) > 0)
	return b.String()
}

// varName is what the controller demands of every variable's name.
//
// Source: fluxcd/pkg/kustomize v1.35.6, varsubRegex.
var varName = regexp.MustCompile("^[_[:alpha:]][_[:alpha:][:digit:]]*$")

// check reports a variable whose name stops every substitution.
func (v *variables) check() error {
	for _, n := range slices.Sorted(maps.Keys(v.values)) {
		if !varName.MatchString(n) {
			return fmt.Errorf("envsubst error: '%s' var name is invalid, must match '%s'", n, varName)
		}
	}
	return nil
}

// substitute executes the object's text. unknown lists the variables whose value
// is not in Git: each stays as ${name}, or gives way to its default.
//
// Source: fluxcd/pkg/kustomize v1.35.6, SubstituteVariables and varSubstitution.
func (u *usage) substitute(v *variables) (data []byte, unknown []string, err error) {
	if u.err != nil {
		return nil, nil, fmt.Errorf("envsubst error: %w", u.err)
	}
	if v.size(u.parsed) > maxSubstituted {
		return nil, nil, fmt.Errorf("envsubst error: the object would have more than %d MiB", maxSubstituted>>20)
	}
	missing := map[string]bool{}
	mapping := func(name string) (string, bool) {
		value, ok := v.values[name]
		switch {
		case ok:
			return value, true
		case len(v.open) == 0:
			return "", !v.strict
		}
		missing[name] = true
		if u.fallback[name] {
			return "", true
		}
		return "${" + name + "}", true
	}
	if s := u.spliced(); s != nil {
		if data, ok := s.fill(mapping); ok {
			return data, slices.Sorted(maps.Keys(missing)), nil
		}
		clear(missing)
	}
	text, err := u.template.Execute(mapping)
	unknown = slices.Sorted(maps.Keys(missing))
	if err != nil {
		return nil, unknown, fmt.Errorf("envsubst error: variable substitution failed: %w", err)
	}
	data, err = wholeWay(text)
	return data, unknown, err
}

// wholeWay is the object that the controller makes of substituted text.
func wholeWay(text string) ([]byte, error) {
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("envsubst error: YAMLToJSON: %w", hideValues(err))
	}
	// The controller reads the result into a kustomize node and prints that.
	var node kyaml.RNode
	if err := node.UnmarshalJSON(data); err != nil {
		return nil, fmt.Errorf("UnmarshalJSON: %w", err)
	}
	return node.MarshalJSON()
}

// maxSubstituted bounds the text of an object after substitution, in bytes: some
// times what an API server accepts. Values that hold each other may double with
// every level of Kustomizations.
const maxSubstituted = 8 << 20

// size is the most bytes that n may execute to.
func (v *variables) size(n parse.Node) int {
	const enough = maxSubstituted + 1
	sum := 0
	switch n := n.(type) {
	case *parse.TextNode:
		sum = len(n.Value)
	case *parse.ListNode:
		for _, c := range n.Nodes {
			sum = min(sum+v.size(c), enough)
		}
	case *parse.FuncNode:
		value := len(v.values[n.Param])
		for _, c := range n.Args {
			sum = min(sum+v.size(c), enough)
		}
		if n.Name == "//" { // replaces each match, and those may be single letters
			sum *= value
		}
		sum += value + len(n.Param) + len("${}")
	}
	return min(sum, enough)
}

// hideValues keeps the position of a YAML error and drops what it quotes: the
// text may hold a secret.
func hideValues(err error) error {
	msg := err.Error()
	if i := strings.IndexByte(msg, '`'); i >= 0 {
		msg = msg[:i] + "…"
	}
	return errors.New(msg)
}

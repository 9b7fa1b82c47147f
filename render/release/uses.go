package release

import (
	"regexp"
	"slices"
	"strings"

	chart "helm.sh/helm/v4/pkg/chart/v2"
)

// dumpers print, or take apart by computed keys, whatever they are given.
var dumpers = []string{ //nolint:gochecknoglobals // a constant list
	"toYaml", "mustToYaml", "toYamlPretty", "toJson", "mustToJson", "toPrettyJson", "mustToPrettyJson", "toRawJson",
	"mustToRawJson", "toToml", "mustToToml", "print", "printf", "println", "toString", "quote", "squote", "cat", "get", "index",
	"values", "pick", "omit", "dig", "pluck", "range", "deepCopy", "mustDeepCopy", "merge", "mergeOverwrite", "mustMerge", "mustMergeOverwrite",
	"html", "js", "urlquery", "toStrings", "join",
}

// watch notes whether an action hands the root context as a whole to one of the dumpers.
func (s *scanner) watch(tokens []token) {
	if s.dumps {
		return
	}
	dumper := false
	root := false
	for i, t := range tokens {
		text := s.in[t.start:t.end]
		switch {
		case t.kind == 'i' && slices.Contains(dumpers, text):
			dumper = true
		case text == "$", text == "." && s.atRoot():
			alone := i+1 == len(tokens) || tokens[i+1].start != t.end || s.in[tokens[i+1].start] != '.'
			root = root || alone && !s.passed(tokens[:i])
		}
	}
	s.dumps = dumper && root
}

// passed reports whether the operand after tokens only goes on to another template, where what it is used
// for is seen, or into a dict for that purpose.
func (s *scanner) passed(before []token) bool {
	depth := 0
	for i, t := range slices.Backward(before) {
		switch t.kind {
		case ')':
			depth++
		case '(', '|':
			if depth--; depth < 0 {
				return false
			}
		case 'i':
			if depth > 0 {
				continue
			}
			word := s.in[t.start:t.end]
			if word == "include" || word == "tpl" || word == "template" || word == "dict" || word == "list" || word == "set" || word == "block" {
				return true
			}
			if i == 0 || slices.Contains(dumpers, word) {
				return false
			}
		}
	}
	return false
}

// atRoot reports whether the dot is the root context here.
func (s *scanner) atRoot() bool {
	return !slices.ContainsFunc(s.frames, func(f frame) bool {
		return f.word == "range" || f.word == "with" || f.word == "define" || f.word == "block"
	})
}

const capabilities = "Capabilities"

var known = regexp.MustCompile(`\bCapabilities\.(KubeVersion|APIVersions|HelmVersion)\b`)

// usesOf says what a text that may be a template reads of .Capabilities.
func usesOf(text string) Uses {
	all := strings.Count(text, capabilities)
	if all == 0 {
		return Uses{}
	}
	var u Uses
	found := known.FindAllStringSubmatch(text, -1)
	for _, m := range found {
		u.KubeVersion = u.KubeVersion || m[1] == "KubeVersion"
		u.APIVersions = u.APIVersions || m[1] == "APIVersions"
	}
	if all > len(found) { // by another name, or by a computed one
		return Uses{KubeVersion: true, APIVersions: true}
	}
	return u
}

func (u Uses) or(v Uses) Uses {
	return Uses{KubeVersion: u.KubeVersion || v.KubeVersion, APIVersions: u.APIVersions || v.APIVersions}
}

// chartUses says what a chart and its dependencies read, with the default values.
func chartUses(c *chart.Chart) Uses {
	var u Uses
	if c.IsRoot() && c.Metadata.KubeVersion != "" {
		u.KubeVersion = true
	}
	for _, f := range c.Templates {
		u = u.or(usesOf(string(f.Data)))
		s := &scanner{in: string(f.Data), m: &marks{}}
		if s.dump() {
			u = Uses{KubeVersion: true, APIVersions: true}
		}
	}
	for _, f := range c.Files { // a template may run one with tpl
		if strings.Contains(string(f.Data), "{{") {
			u = u.or(usesOf(string(f.Data)))
		}
	}
	u = u.or(valueUses(c.Values))
	for _, d := range c.Dependencies() {
		u = u.or(chartUses(d))
	}
	return u
}

// dump reports whether the template hands its root context to a dumper.
func (s *scanner) dump() bool {
	s.frames = []frame{{word: "main"}}
	for {
		x := strings.Index(s.in[s.pos:], "{{")
		if x < 0 {
			return s.dumps
		}
		s.pos += x
		if err := s.action(); err != nil {
			return false
		}
	}
}

// valueUses says what the strings of a value would read, run as templates.
func valueUses(v any) Uses {
	var u Uses
	switch v := v.(type) {
	case string:
		u = usesOf(v)
	case map[string]any:
		for k, e := range v {
			u = u.or(usesOf(k)).or(valueUses(e))
		}
	case []any:
		for _, e := range v {
			u = u.or(valueUses(e))
		}
	}
	return u
}

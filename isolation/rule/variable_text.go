package rule

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// variableUse is one place where a file uses a variable.
type variableUse struct {
	File, Name string
	// Operator before the default: "", ":-", ":=", ":?" and the like.
	Operator, Default string
	Line              int
	// Manifest is true in a document that is an object: others reach the cluster in the text of one, or in base64, where nothing is substituted.
	Manifest bool
}

// variableText is ${NAME} with what may follow, and the dollar before it that makes it plain text.
//
// Source: fluxcd/pkg/envsubst v1.7.1.
var variableText = regexp.MustCompile(`\$?\$\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-=?+])([^}]*))?[^}]*\}`)

var documentEnd = []byte("\n---") //nolint:gochecknoglobals // a constant

// variableUses are those of the YAML files that the build of an applier has read, in the order of the files.
func variableUses(x *Context, a *estate.Applier) (out []variableUse) {
	if a.Files == nil {
		return nil
	}
	for _, r := range a.Reads {
		if ext := path.Ext(r.Path); r.Kind != tree.Content || r.Hash.IsZero() || ext != ".yaml" && ext != ".yml" && ext != ".json" {
			continue
		}
		uses := once(x, "variables "+r.Hash.String(), func() []variableUse {
			data, err := a.Files.ReadFile(r.Path)
			if err != nil || len(data) > maxParsed {
				return nil
			}
			return usesIn(data)
		})
		for _, u := range uses {
			u.File = r.Path
			out = append(out, u)
		}
	}
	return out
}

func usesIn(data []byte) (out []variableUse) {
	if !bytes.Contains(data, []byte("${")) {
		return nil
	}
	line := 1
	const kind = "kind:"
	for doc := range bytes.SplitSeq(data, documentEnd) {
		if !bytes.Contains(doc, []byte("kustomize.toolkit.fluxcd.io/substitute: disabled")) {
			manifest := bytes.HasPrefix(doc, []byte(kind)) || bytes.Contains(doc, []byte("\n"+kind))
			for _, m := range variableText.FindAllSubmatchIndex(doc, -1) {
				if bytes.HasPrefix(doc[m[0]:], []byte("$$")) {
					continue
				}
				u := variableUse{Name: string(doc[m[2]:m[3]]), Manifest: manifest, Line: line + bytes.Count(doc[:m[0]], []byte("\n"))}
				if m[4] >= 0 {
					u.Operator, u.Default = string(doc[m[4]:m[5]]), string(doc[m[6]:m[7]])
				}
				out = append(out, u)
			}
		}
		line += bytes.Count(doc, []byte("\n")) + 1
	}
	return out
}

var (
	// production is a default that points at production.
	production = regexp.MustCompile(`(?i)^["']?prod(uction)?([^a-z].*)?$`)
	// tellsApart are names of variables that tell clusters apart.
	tellsApart = regexp.MustCompile(`(?i)(^|_)(env|environment|stage|tier|cluster|cluster_name|region|domain)$`)
)

// unsafeVariables finds variables without a value, and defaults that stand for another cluster.
func unsafeVariables(x *Context, a *estate.Applier) []Found {
	k := a.Kustomization
	if k == nil || k.Spec.PostBuild == nil {
		return nil
	}
	found := Found{Field: "spec.postBuild"}
	say := func(u variableUse, level finding.Level, format string, args ...any) {
		found.Steps = append(found.Steps, finding.Step{Message: fmt.Sprintf(format, args...), File: fileOfSource(a, u.File), Line: u.Line})
		if found.Level == "" || level.Rank() < found.Level.Rank() {
			found.Level = level
		}
	}
	defined, known := definedVariables(x, a)
	strict := strictVariables(x, a)
	seen := map[variableUse]bool{}
	for _, u := range variableUses(x, a) {
		once := u
		if once.Line = 0; seen[once] || !u.Manifest {
			continue
		}
		seen[once] = true
		switch {
		case strings.HasSuffix(u.Operator, "?"):
			say(u, finding.Medium, "${%s%s...} in %s is a default to Flux, and no error", u.Name, u.Operator, u.File)
		case u.Operator == "" && !strict && known && !defined[u.Name]:
			say(u, finding.Medium, "${%s} in %s is not defined and becomes empty", u.Name, u.File)
		case u.Operator == "" || defined[u.Name] || strings.HasSuffix(u.Operator, "+"):
		case production.MatchString(u.Default):
			say(u, finding.High, "${%s} in %s is production where it is not defined, as here", u.Name, u.File)
		case u.Default != "" && tellsApart.MatchString(u.Name):
			say(u, finding.Medium, "${%s} in %s tells clusters apart, and is its default here", u.Name, u.File)
		}
	}
	for _, g := range a.Home.Gaps {
		if g.Applier == a.Applier && g.Kind == "failure" && g.Subject == "substitute" {
			say(variableUse{}, finding.Medium, "the controller fails: %s", clipped(g.Reason))
		}
	}
	if len(found.Steps) == 0 {
		return nil
	}
	texts := make([]string, len(found.Steps))
	for i := range texts {
		texts[i] = found.Steps[i].Message
	}
	found.Message, found.File, found.Line = fmt.Sprintf("%s: %s", a, phrase.List(texts, 2)), found.Steps[0].File, found.Steps[0].Line
	return one(found)
}

// definedVariables are the names that an applier's postBuild has values for, and whether all are known.
func definedVariables(x *Context, a *estate.Applier) (names map[string]bool, known bool) {
	names, known = map[string]bool{}, true
	for name := range a.Kustomization.Spec.PostBuild.Substitute {
		names[name] = true
	}
	for _, r := range valueRefs(a) {
		list := a.Home.Get(object.ID{Kind: r.Kind, Namespace: a.Namespace, Name: r.Name})
		known = known && len(list) > 0
		for _, o := range list {
			for _, field := range []string{"data", "stringData"} {
				data, _ := o.At(field).(map[string]any)
				for name := range data {
					names[name] = true
				}
			}
		}
		if d := x.Declared[a.Home.Name]; d != nil && len(list) == 0 {
			for name := range d.Spec.Variables {
				names[name] = true
			}
		}
	}
	return names, known
}

// strictVariables reports whether the controller refuses variables without a value.
//
// Source: kustomize-controller v1.9.5, StrictPostBuildSubstitutions.
func strictVariables(x *Context, a *estate.Applier) bool {
	if d := x.Declared[a.Home.Name]; d != nil && d.Spec.Lockdown.StrictPostBuildSubstitutions != nil {
		return *d.Spec.Lockdown.StrictPostBuildSubstitutions
	}
	k := a.Controller()
	if k == nil {
		return true
	}
	if on, set := k.Gate("StrictPostBuildSubstitutions"); set {
		return on
	}
	return !k.Before(1, 9, 0)
}

// shortest is the length in bytes of a value that is told from what happens to be the same.
const shortest = 6

// spilledSecret finds values of Secrets in other objects. The message names the field and never the value.
func spilledSecret(_ *Context, o *estate.Object) []Found {
	if o.ID.Kind == "Secret" || o.ID.Kind == "SealedSecret" {
		return nil
	}
	values := o.Body().Sensitive()
	if o.Applier != nil && o.Applier.Kind == estate.HelmReleaseKind { // all values of the release: what is short is found by chance
		values = slices.DeleteFunc(values, func(v string) bool { return len(v) < shortest })
	}
	values = slices.DeleteFunc(values, func(v string) bool { return strings.HasPrefix(v, "-----BEGIN CERTIFICATE-----") })
	if len(values) == 0 {
		return nil
	}
	field := fieldWith(o.Body().Map(), values, 0)
	if field == "" {
		return nil
	}
	found := Found{Message: fmt.Sprintf("%s holds a value of a Secret in %s", o.ID, clipped(field)), Field: clipped(field)}
	if o.Tenant == nil && !estate.FluxGroup(o.ID.Group) && o.Cluster.Owner(o.ID.Namespace) == nil {
		found.Level = finding.Medium
	}
	return one(found)
}

// fieldWith is the path of the first text, by the order of keys, that has one of the values in it; "" for none.
func fieldWith(v any, values []string, depth int) string {
	if depth > 100 {
		return ""
	}
	join := func(at, below string) string { // below is "." for the value itself
		switch {
		case below == ".":
			return at
		case below[0] == '[':
			return at + below
		}
		return at + "." + below
	}
	switch v := v.(type) {
	case string:
		if slices.ContainsFunc(values, func(s string) bool { return strings.Contains(v, s) }) {
			return "."
		}
	case []any:
		for i, el := range v {
			if below := fieldWith(el, values, depth+1); below != "" {
				return join(fmt.Sprintf("[%d]", i), below)
			}
		}
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			if below := fieldWith(v[k], values, depth+1); below != "" {
				return join(k, below)
			}
		}
	}
	return ""
}

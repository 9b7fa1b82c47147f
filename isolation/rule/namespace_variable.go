package rule

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/envsubst/parse"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
)

func structureRule() Rule {
	return Rule{
		Rule: finding.Rule{
			ID: "NSB-005", Level: finding.Critical, Title: "A variable decides the structure of a tenant's object",
			Why:  "Variables are put in after the build, into the text, keys included. A field that only they make was not there when target namespace and patches of the platform looked for it.",
			Hint: "write kind, name, namespace, account and all keys without variables",
		},
		Boundary: true,
		Unless:   "The value is one that the platform writes into the tenant's Kustomization, and a name is made of it.",
		Static:   "it is about files before the build",
		Source:   "fluxcd/pkg/kustomize v1.35.6, SubstituteVariables: the input is the YAML of each object",
		applier:  structure,
	}
}

// placedVariable is a variable in a place that says what an object is.
type placedVariable struct {
	what string
	// name of the variable when it stands alone, and its value is no one's but the platform's who sets it; "" when it brings a value of its own, or
	// stands where none may.
	name string
}

func structure(x *Context, a *estate.Applier) []Found {
	if a.Tenant == nil || a.Kustomization == nil || !substitutes(a.Kustomization.Spec.PostBuild) {
		return nil
	}
	f, unread := Found{}, ""
	for _, t := range readTexts(x, a) {
		if t.large {
			if t.variables {
				unread = t.path
			}
			continue
		}
		list := once(x, "structure "+t.hash.String()+fmt.Sprint(isKustomization(t.path)), func() (out []placedVariable) {
			for _, doc := range t.docs {
				out = append(out, structural(doc, isKustomization(t.path))...)
			}
			return out
		})
		for _, p := range list {
			if _, set := a.Kustomization.Spec.PostBuild.Substitute[p.name]; p.name != "" && set && a.Author == nil {
				continue
			}
			f.Steps = append(f.Steps, finding.Step{Message: legible(t.path) + ": " + p.what, File: ownFile(a, t.path)})
			f.File = cmp.Or(f.File, ownFile(a, t.path))
		}
	}
	switch {
	case len(f.Steps) == 0 && unread != "":
		return one(Found{Unproven: true, Message: fmt.Sprintf("%s of tenant %s: %s is too large to be looked at for variables", a, a.Tenant.Name, legible(unread))})
	case len(f.Steps) == 0:
		return nil
	}
	f.Message = fmt.Sprintf("%s of tenant %s: variables decide what its objects are: %s", a, a.Tenant.Name, f.Steps[0].Message)
	if n := len(f.Steps) - 1; n > 0 {
		f.Message += fmt.Sprintf(", and %d more", n)
	}
	return one(f)
}

// substitutes reports whether variables are put in.
func substitutes(p *kustomizev1.PostBuild) bool {
	return p != nil && (len(p.Substitute)+len(p.SubstituteFrom) > 0 || p.SubstituteStrategy == kustomizev1.SubstituteStrategyAlways)
}

// structural looks at one document: an object, a patch, or a kustomization file. What is neither may be anything that a ConfigMap is made of.
func structural(doc any, kustomization bool) (out []placedVariable) {
	m, ok := doc.(map[string]any)
	if !ok {
		return patched(doc)
	}
	if kustomization {
		for _, field := range []string{"namespace", "namePrefix", "nameSuffix"} {
			out = append(out, valued(field, m[field], field != "namespace")...)
		}
		for _, list := range []string{"patches", "patchesJson6902"} {
			for _, p := range estate.List(m, list) {
				for _, doc := range snippets(estate.Text(p, "patch")) {
					out = append(out, structural(doc, false)...)
				}
			}
		}
		return out
	}
	if !slices.ContainsFunc(slices.Collect(maps.Keys(m)), func(k string) bool {
		return strings.HasPrefix(k, "apiVersion") || strings.HasPrefix(k, "kind") || strings.HasPrefix(k, "metadata")
	}) || substitutionOff(m) {
		return nil
	}
	for _, field := range []string{"apiVersion", "kind"} {
		for _, p := range valued(field, m[field], false) {
			out = append(out, placedVariable{what: p.what})
		}
	}
	out = append(out, valued("metadata.name", estate.At(m, "metadata", "name"), true)...)
	out = append(out, valued("metadata.namespace", estate.At(m, "metadata", "namespace"), false)...)
	for _, field := range append([]string{"sourceRef"}, fluxFields...) {
		out = append(out, valued("spec."+field, estate.At(m, "spec", field), false)...)
	}
	for _, field := range []string{"roleRef", "subjects"} {
		out = append(out, valued(field, m[field], false)...)
	}
	return append(out, keyed("", m)...)
}

// patched are the variables that a JSON patch puts where they decide what an object is.
func patched(doc any) (out []placedVariable) {
	list, _ := doc.([]any)
	for _, op := range list {
		p := estate.Text(op, "path")
		if len(variablesIn(p)) > 0 {
			out = append(out, placedVariable{what: "the path of a patch holds a variable"})
		}
		value := estate.At(op, "value")
		switch p {
		case "/metadata":
			out = append(out, valued("a patch of metadata.namespace", estate.At(value, "namespace"), false)...)
		case "/spec":
			for _, field := range fluxFields {
				out = append(out, valued("a patch of spec."+field, estate.At(value, field), false)...)
			}
		default:
			if pointed(strings.TrimPrefix(p, "/"), "") != 0 {
				out = append(out, valued("a patch of "+p, value, false)...)
			}
		}
	}
	return out
}

// substitutionOff reports whether variables of an object are left alone.
//
// Source: fluxcd/pkg/kustomize v1.35.6, SubstituteVariables: a label or an annotation.
func substitutionOff(m map[string]any) bool {
	const key = "kustomize.toolkit.fluxcd.io/substitute"
	return estate.Text(m, "metadata", "annotations", key) == "disabled" || estate.Text(m, "metadata", "labels", key) == "disabled"
}

// valued are the variables of a field and of what is in it. Where lax is set, those without a value of their own are fine.
func valued(field string, v any, lax bool) (out []placedVariable) {
	switch v := v.(type) {
	case string:
		for _, u := range variablesIn(v) {
			if !lax || u.name == "" {
				out = append(out, placedVariable{what: fmt.Sprintf("%s holds the variable %s", field, u.what), name: u.name})
			}
		}
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			out = append(out, valued(field+"."+k, v[k], lax)...)
		}
	case []any:
		for i, el := range v {
			out = append(out, valued(fmt.Sprintf("%s[%d]", field, i), el, lax)...)
		}
	}
	return out
}

// keyed are the variables in keys, and those that are open at the end of a value: they end somewhere else in the text. Keys of the data of a ConfigMap
// or Secret are no structure.
func keyed(at string, v any) (out []placedVariable) {
	switch v := v.(type) {
	case string:
		if i := strings.LastIndex(v, "${"); i >= 0 && !strings.Contains(v[i:], "}") && !strings.HasSuffix(v[:i], "$") {
			out = append(out, placedVariable{what: strings.TrimPrefix(at, ".") + " begins a variable that ends elsewhere"})
		}
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if len(variablesIn(k)) > 0 && at != ".data" && at != ".stringData" {
				out = append(out, placedVariable{what: fmt.Sprintf("the key %.80q holds a variable", k)})
			}
			out = append(out, keyed(at+"."+k, v[k])...)
		}
	case []any:
		for i, el := range v {
			out = append(out, keyed(fmt.Sprintf("%s[%d]", at, i), el)...)
		}
	}
	return out
}

// variablesIn are those of a text. What cannot be parsed alone may be a part of one, and stands for one.
func variablesIn(s string) []placedVariable {
	if !strings.Contains(s, "${") || len(s) > maxText {
		return nil
	}
	t, err := parse.Parse(s)
	if err != nil {
		return []placedVariable{{what: "in a text that is no whole variable"}}
	}
	return nodes(t.Root, nil)
}

func nodes(n parse.Node, out []placedVariable) []placedVariable {
	switch n := n.(type) {
	case *parse.ListNode:
		for _, c := range n.Nodes {
			out = nodes(c, out)
		}
	case *parse.FuncNode:
		p := placedVariable{what: fmt.Sprintf("%.80q", n.Param), name: n.Param}
		if n.Name != "" {
			p.what, p.name = p.what+" with a value or a change of the file's own", ""
		}
		out = append(out, p)
	}
	return out
}

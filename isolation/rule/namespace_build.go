package rule

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
)

// buildOverrideRules are about files that undo what the platform sets on what they make.
func buildOverrideRules() []Rule {
	return []Rule{
		{
			Rule: finding.Rule{
				ID: "NSB-004", Level: finding.High, Title: "A tenant's build undoes what the platform's Kustomization sets",
				Why:  "Target namespace and patches of a Kustomization are fields of the tenant's own kustomization file, and some of kustomize's directives run after them: what they write stays.",
				Hint: "take the directive out of the tenant's files; what holds in any case is what the account may do",
			},
			Boundary: true,
			Unless:   "The directive touches other fields only, such as labels.",
			Static:   "it is about files before the build",
			Source:   "kustomize API v0.21.1: order of the transformers, tried with fluxcd/pkg/kustomize v1.35.6",
			applier:  overrides,
		},
		structureRule(),
	}
}

// touches is what a directive may write to.
type touches uint8

const (
	touchesNamespace touches = 1 << iota
	touchesIdentity          // of a Flux object: its account, target or cluster
	touchesKind
)

// override is one directive that may undo what the platform sets.
type override struct {
	what    string
	touches touches
}

func overrides(x *Context, a *estate.Applier) []Found {
	if a.Tenant == nil || a.Kustomization == nil {
		return nil
	}
	spec := &a.Kustomization.Spec
	guards := touchesKind
	if spec.TargetNamespace != "" {
		guards |= touchesNamespace
	}
	if len(spec.Patches) > 0 {
		guards |= touchesIdentity
	}
	f, unread := Found{}, ""
	files := readTexts(x, a)
	for i := range files {
		t := &files[i]
		if t.large {
			if t.directives {
				unread = t.path
			}
			continue
		}
		for _, o := range files.overrides(t) {
			if o.touches&guards == 0 {
				continue
			}
			f.Steps = append(f.Steps, finding.Step{Message: legible(t.path) + ": " + o.what, File: ownFile(a, t.path)})
			f.File = cmp.Or(f.File, ownFile(a, t.path))
		}
	}
	switch {
	case len(f.Steps) == 0 && unread != "":
		return one(Found{Unproven: true, Message: fmt.Sprintf("%s of tenant %s: %s is too large to be looked at for directives that undo what the platform sets", a, a.Tenant.Name, legible(unread))})
	case len(f.Steps) == 0:
		return nil
	}
	f.Message = fmt.Sprintf("%s of tenant %s: its files can undo what the platform sets: %s", a, a.Tenant.Name, f.Steps[0].Message)
	if n := len(f.Steps) - 1; n > 0 {
		f.Message += fmt.Sprintf(", and %d more", n)
	}
	if p := a.Compartment(); spec.TargetNamespace != "" && slices.ContainsFunc(a.Objects, func(o *estate.Object) bool { return o.ID.Namespace != "" && !p.Owns(o.ID.Namespace) }) {
		f.Level = finding.Critical
	}
	return one(f)
}

// ownFile is the path of a file of an applier's source in the repository under review; "" when it is in another one.
func ownFile(a *estate.Applier, file string) string {
	if !a.Own {
		return ""
	}
	return path.Join(a.Prefix, file)
}

// overrides are those of one file. Files that it names are among those that were read, and found there.
func (t texts) overrides(in *text) (out []override) {
	for _, doc := range in.docs {
		m, ok := doc.(map[string]any)
		if !ok { // a JSON patch: the directive that names it counts
			continue
		}
		switch {
		case isKustomization(in.path):
			out = append(out, t.file(path.Dir(in.path), m)...)
		case estate.Text(m, "apiVersion") == "builtin":
			out = append(out, t.transformer(path.Dir(in.path), m)...)
		case m["apiVersion"] == nil && m["kind"] == nil:
			out = append(out, configuration(m)...)
		}
		out = append(out, internalAnnotations(m)...)
	}
	return out
}

// fileOverrides are those of a kustomization file.
func (t texts) file(dir string, m map[string]any) (out []override) {
	for _, entry := range estate.Texts(m, "transformers") {
		for _, doc := range snippets(entry) { // a path is a text and no map
			if inline, ok := doc.(map[string]any); ok {
				out = append(out, t.transformer(dir, inline)...)
			}
		}
	}
	for _, p := range estate.List(m, "patchesJson6902") {
		if hit := t.operations(dir, p, estate.Text(p, "patch")); hit != 0 {
			out = append(out, override{"patchesJson6902 " + written(hit), hit})
		}
	}
	out = append(out, t.replacements(dir, m)...)
	if name := estate.Text(m, "openapi", "path"); name != "" && t.namesScopes(dir, name) {
		out = append(out, override{"openapi says which kinds are of no namespace", touchesNamespace})
	}
	return out
}

// transformer is a builtin one, which runs after the platform's fields.
func (t texts) transformer(dir string, m map[string]any) (out []override) {
	kind := estate.Text(m, "kind")
	var hit touches
	switch kind {
	case "NamespaceTransformer":
		hit = touchesNamespace
	case "ReplacementTransformer":
		return t.replacements(dir, m)
	case "PatchTransformer", "PatchJson6902Transformer":
		hit = t.operations(dir, m, cmp.Or(estate.Text(m, "patch"), estate.Text(m, "jsonOp")))
	case "PatchStrategicMergeTransformer":
		for _, p := range append(estate.Texts(m, "paths"), estate.Text(m, "patches")) {
			for _, doc := range append(snippets(p), t.named(dir, p)...) {
				hit |= merges(doc)
			}
		}
	}
	for _, s := range estate.List(m, "fieldSpecs") {
		hit |= pointed(estate.Text(s, "path"), estate.Text(s, "kind"))
	}
	if hit == 0 {
		return nil
	}
	return []override{{fmt.Sprintf("transformer %s %s", legible(kind), written(hit)), hit}}
}

// operations are what a patch touches: its operations, or its fields when it is a merge. It is said there, or in the file that it names.
func (t texts) operations(dir string, m map[string]any, inline string) (hit touches) {
	docs := snippets(inline)
	if name := estate.Text(m, "path"); inline == "" && name != "" {
		docs = t.named(dir, name)
	}
	kind := estate.Text(m, "target", "kind")
	for _, doc := range docs {
		list, ok := doc.([]any)
		if !ok {
			hit |= merges(doc)
		}
		for _, v := range list {
			op := estate.Text(v, "op")
			if op != "test" {
				hit |= pointed(strings.TrimPrefix(estate.Text(v, "path"), "/"), kind)
			}
			if op == "move" {
				hit |= pointed(strings.TrimPrefix(estate.Text(v, "from"), "/"), kind)
			}
		}
	}
	return hit
}

// merges are what a strategic merge touches. Names and namespaces it cannot change.
//
// Source: kustomize API v0.21.1, Resource.ApplySmPatch.
func merges(patch any) (hit touches) {
	spec, _ := estate.At(patch, "spec").(map[string]any)
	for _, field := range fluxFields {
		if _, ok := spec[field]; ok && fluxKind(estate.Text(patch, "kind")) {
			hit |= touchesIdentity
		}
	}
	return hit
}

// fluxFields are what the platform may have set in a Flux object.
var fluxFields = []string{"serviceAccountName", "targetNamespace", "kubeConfig"} //nolint:gochecknoglobals // a constant list

// fluxKind reports whether a kind, or a pattern of kinds, may be one of Flux's appliers.
func fluxKind(kind string) bool {
	if kind == "" {
		return true
	}
	re, err := regexp.Compile("^(?:" + kind + ")$")
	return err != nil || slices.ContainsFunc([]string{estate.KustomizationKind, estate.HelmReleaseKind, estate.ResourceSetKind}, re.MatchString)
}

// pointed is what a path touches, with slashes or dots between its fields; kind may be a pattern, or "" for all.
func pointed(p, kind string) (hit touches) {
	fields := strings.FieldsFunc(p, func(r rune) bool { return r == '/' || r == '.' })
	under := func(want ...string) bool { // p is that field, or one around it
		return len(fields) <= len(want) && slices.EqualFunc(fields, want[:len(fields)], func(a, b string) bool { return a == b || a == "*" })
	}
	switch {
	case under("metadata", "namespace"):
		hit |= touchesNamespace
	case under("kind"), under("apiVersion"):
		hit |= touchesKind
	}
	for _, field := range fluxFields {
		if fluxKind(kind) && (under("spec", field) || len(fields) > 2 && fields[0] == "spec" && fields[1] == field) {
			hit |= touchesIdentity
		}
	}
	return hit
}

// replacements of a kustomization file or of a transformer.
func (t texts) replacements(dir string, m map[string]any) (out []override) {
	all := estate.List(m, "replacements")
	for _, r := range all {
		name := estate.Text(r, "path")
		if name == "" {
			continue
		}
		for _, doc := range t.named(dir, name) {
			list, ok := doc.([]any)
			if !ok {
				list = []any{doc}
			}
			for _, el := range list {
				m, _ := el.(map[string]any)
				all = append(all, m)
			}
		}
	}
	for _, r := range all {
		for _, target := range estate.List(r, "targets") {
			var hit touches
			for _, field := range estate.Texts(target, "fieldPaths") {
				hit |= pointed(field, estate.Text(target, "select", "kind"))
			}
			if hit != 0 {
				out = append(out, override{"a replacement " + written(hit), hit})
			}
		}
	}
	return out
}

// configuration of transformers: it may have the name's prefix put before the namespace.
func configuration(m map[string]any) (out []override) {
	for _, key := range []string{"namePrefix", "nameSuffix", "commonLabels", "commonAnnotations", "images", "replicas", "varReference"} {
		for _, spec := range estate.List(m, key) {
			if hit := pointed(estate.Text(spec, "path"), estate.Text(spec, "kind")); hit != 0 {
				out = append(out, override{fmt.Sprintf("the configuration of %s %s", key, written(hit)), hit})
			}
		}
	}
	return out
}

const internalPrefix = "internal.config.kubernetes.io/"

// internalAnnotations are kustomize's own notes. One says that an object is a chart's, and keeps its namespace.
//
// Source: kustomize API v0.21.1, NamespaceTransformer skips what is helm-generated.
func internalAnnotations(m map[string]any) []override {
	for _, at := range [][]string{{"metadata", "annotations"}, {"commonAnnotations"}} {
		annotations, _ := estate.At(m, at...).(map[string]any)
		for key := range annotations {
			if strings.HasPrefix(key, internalPrefix) {
				return []override{{"an annotation of " + internalPrefix + " takes an object out of the build's rules", touchesNamespace}}
			}
		}
	}
	return nil
}

// namesScopes reports whether a schema of OpenAPI says which kinds there are in namespaces: its paths do, its definitions do not. One that cannot be
// read may.
func (t texts) namesScopes(dir, name string) bool {
	docs := t.named(dir, name)
	return len(docs) == 0 || slices.ContainsFunc(docs, func(doc any) bool {
		paths, _ := estate.At(doc, "paths").(map[string]any)
		return len(paths) > 0
	})
}

func written(hit touches) string {
	var list []string
	for _, t := range []struct {
		touches
		name string
	}{{touchesNamespace, "namespaces"}, {touchesKind, "kinds"}, {touchesIdentity, "accounts, targets or clusters of Flux objects"}} {
		if hit&t.touches != 0 {
			list = append(list, t.name)
		}
	}
	return "writes " + strings.Join(list, " and ")
}

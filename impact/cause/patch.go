package cause

import (
	"path"
	"regexp"
	"slices"
	"strings"

	kustypes "sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/resid"
)

// hashSuffix is what generators put behind a name.
//
// Source: kustomize api/hasher: the suffix is ten characters.
var hashSuffix = regexp.MustCompile(`-[0-9a-z]{10}$`)

// generated reports whether the object is what a generator of a kustomization file makes, or merges
// into. A prefix or suffix may stand around the generator's name, unless another generator there, or where
// the object is from, has the whole name.
func (s *subject) generated(g edge, file string) bool {
	if s.ch.ID.Kind != g.kind || s.ch.ID.Group != "" || g.name == "" {
		return false
	}
	plain := hashSuffix.ReplaceAllString(s.ch.ID.Name, "")
	exact := func(name string) bool { return name == plain || name == s.ch.ID.Name }
	if exact(g.name) || !strings.Contains(plain, g.name) {
		return exact(g.name)
	}
	for i := range s.legs {
		for _, k := range []string{file, s.legs[i].file} {
			if s.legs[i].side == nil || !isKustomization(k) {
				continue
			}
			c := &s.legs[i].side.kustomization(k).content
			if slices.ContainsFunc(c.ConfigMapGenerator, func(o kustypes.ConfigMapArgs) bool { return g.kind == "ConfigMap" && exact(o.Name) }) ||
				slices.ContainsFunc(c.SecretGenerator, func(o kustypes.SecretArgs) bool { return g.kind == "Secret" && exact(o.Name) }) {
				return false
			}
		}
	}
	return isKustomization(s.legs[0].file) || isKustomization(s.legs[1].file)
}

// mentions reports whether an edit has a text that begins with the name: a reference to what is generated.
func (s *subject) mentions(name string) bool {
	if name == "" {
		return false
	}
	if s.values == nil {
		s.values = map[string]bool{}
		for _, e := range s.ch.Edits {
			gather(e.From, s.values, 0)
			gather(e.To, s.values, 0)
			for _, step := range e.Path {
				for _, kv := range step.Keys {
					gather(kv.Value, s.values, 0)
				}
			}
		}
	}
	for v := range s.values {
		if strings.Contains(v, name) {
			return true
		}
	}
	return false
}

// gather takes the short texts out of a value.
func gather(v any, into map[string]bool, depth int) {
	if depth > 16 || len(into) > 256 {
		return
	}
	switch v := v.(type) {
	case string:
		if len(v) <= 512 {
			into[v] = true
		}
	case map[string]any:
		for _, inner := range v {
			gather(inner, into, depth+1)
		}
	case []any:
		for _, inner := range v {
			gather(inner, into, depth+1)
		}
	}
}

// aims is how sure it is that a patch of a kustomization in dir is for the object: by its target, else
// by the object that it names itself.
func (f *Finder) aims(s *subject, p *kustypes.Patch, dir string) strength {
	if p.Target != nil {
		return s.selected(p.Target)
	}
	var docs []document
	if p.Path != "" {
		file := path.Join(dir, p.Path)
		docs = append(slices.Clone(f.before.parsed(file)), f.after.parsed(file)...)
	} else {
		docs = parse([]byte(p.Patch))
	}
	if len(docs) == 0 {
		return likely
	}
	for _, d := range docs {
		if d.kind == s.ch.ID.Kind && s.named(d.name) {
			return sure
		}
	}
	return unlikely
}

// selected reports whether a selector picks the object. Names count as they are in the end,
// and as they are in the object's own file.
//
// Source: kustomize api/types SelectorRegex, v0.21.1; labels and annotations are not looked at.
func (s *subject) selected(t *kustypes.Selector) strength {
	re, err := kustypes.NewSelectorRegex(t)
	if err != nil {
		return likely
	}
	version := ""
	if s.ch.After != nil {
		version = s.ch.After.Version
	} else if s.ch.Before != nil {
		version = s.ch.Before.Version
	}
	if !re.MatchGvk(resid.NewGvk(s.ch.ID.Group, version, s.ch.ID.Kind)) {
		return unlikely
	}
	if !slices.ContainsFunc(s.names, re.MatchName) {
		return unlikely
	}
	if t.LabelSelector != "" || t.AnnotationSelector != "" || !re.MatchNamespace(s.ch.ID.Namespace) {
		return likely
	}
	return sure
}

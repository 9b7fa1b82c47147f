package rule

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// promoted is something in a manifest that goes from environment to environment, and by what an overlay may set it.
type promoted struct {
	what       string // "the version of chart podinfo"
	kind, name string // of the object that says it
	image      string // without tag; "" for what is no image
	word       string // of a patch that sets it; "" for any
	level      finding.Level
	line       int
}

// sharedBase looks for files that production and other clusters read through one ref of the repository, and that say what is promoted.
func sharedBase(x *Context) (out []Found) {
	if x.Files == nil {
		return nil
	}
	r := readsOf(x)
	for _, file := range r.paths {
		readers := following(r.files[file])
		production, others := sides(readers)
		if len(production) == 0 || len(others) == 0 {
			continue
		}
		var what []string
		worst, line, whole := finding.Medium, 0, true
		for _, m := range manifestsOf(x, file) {
			for _, p := range promotes(m) {
				if overlaid(x, production, others, &p) || overlaid(x, others, production, &p) {
					continue
				}
				if line == 0 || p.level.Rank() < worst.Rank() {
					line = p.line
				}
				if p.level.Rank() < worst.Rank() {
					worst = p.level
				}
				if !slices.Contains(what, p.what) {
					what = append(what, p.what)
				}
				whole = whole && wholes[p.kind]
			}
		}
		if len(what) > 0 {
			hint := ""
			if whole {
				hint = "give production another tag of the repository, or each environment a file of its own: a role or a definition has no field that an overlay could hold back"
			}
			out = append(out, Found{
				Level: worst, Hint: hint, File: file, Line: line,
				Message: fmt.Sprintf("%s gives %s to %s and to %s in one step", file, phrase.List(what, 3), phrase.List(clusterNames(targets(production)), 3), phrase.List(clusterNames(targets(others)), 3)),
			})
		}
	}
	return out
}

// wholes are kinds that are promoted as a whole.
var wholes = map[string]bool{ //nolint:gochecknoglobals // a constant table
	"Role": true, "ClusterRole": true, "RoleBinding": true, "ClusterRoleBinding": true, "CustomResourceDefinition": true,
}

// sides are the appliers on clusters of production, and on those of another environment. A cluster of which nothing is known is neither.
func sides(appliers []*estate.Applier) (production, others []*estate.Applier) {
	for _, a := range appliers {
		switch {
		case a.Target.Production:
			production = append(production, a)
		case a.Target.Environment != "":
			others = append(others, a)
		}
	}
	return production, others
}

// promotes are the things in a manifest that are promoted.
func promotes(m *manifest) (out []promoted) {
	kind, name := m.kind(), m.name()
	add := func(level finding.Level, what, word string, line int) {
		out = append(out, promoted{what: what, kind: kind, name: name, word: word, level: level, line: line})
	}
	text := func(fields ...string) string {
		v := estate.At(m.content, fields...)
		s, ok := v.(string)
		if v != nil && !ok {
			s = fmt.Sprint(v)
		}
		if strings.Contains(s, "${") { // each cluster says it by a variable
			return ""
		}
		return s
	}
	switch {
	case m.kustomization():
		return kustomized(m)
	case m.group() == estate.HelmGroup && kind == estate.HelmReleaseKind:
		if text("spec", "chart", "spec", "version") != "" {
			add(finding.High, "the version of chart "+text("spec", "chart", "spec", "chart"), "version", m.line("spec", "chart", "spec", "version"))
		}
	case m.group() == estate.SourceGroup:
		for _, field := range []string{"tag", "semver", "digest", "commit"} {
			if text("spec", "ref", field) != "" {
				add(finding.High, "the "+field+" of "+kind+" "+name, "ref", m.line("spec", "ref", field))
			}
		}
	case m.group() == "apiextensions.k8s.io":
		add(finding.High, "the definition "+name, "", m.line())
	case m.group() == "rbac.authorization.k8s.io":
		add(finding.Medium, kind+" "+name, "", m.line())
	case m.group() == "apps" || m.group() == "batch" || m.group() == "" && kind == "Pod":
		if text("spec", "replicas") != "" {
			add(finding.Medium, "the replicas of "+kind+" "+name, "replicas", m.line("spec", "replicas"))
		}
		for _, image := range imagesBelow(m.content, 0) {
			if base := bare(image); base != image && !strings.Contains(image, "${") {
				out = append(out, promoted{what: "the image of " + kind + " " + name, kind: kind, name: name, image: base, word: "image", level: finding.High, line: m.line("spec")})
			}
		}
	}
	return out
}

// kustomized are the images and replicas that a kustomization file says.
func kustomized(m *manifest) (out []promoted) {
	for _, i := range estate.List(m.content, "images") {
		if name := estate.Text(i, "name"); name != "" && (i["newTag"] != nil || i["digest"] != nil) {
			out = append(out, promoted{what: "the tag of image " + name, image: name, word: "image", level: finding.High, line: m.line("images")})
		}
	}
	for _, r := range estate.List(m.content, "replicas") {
		if name := estate.Text(r, "name"); name != "" {
			out = append(out, promoted{what: "the replicas of " + name, name: name, word: "replicas", level: finding.Medium, line: m.line("replicas")})
		}
	}
	return out
}

// imagesBelow are the images of the containers below a value.
func imagesBelow(v any, depth int) (out []string) {
	if depth > 12 {
		return nil
	}
	switch v := v.(type) {
	case map[string]any:
		for _, field := range []string{"containers", "initContainers"} {
			for _, c := range estate.List(v, field) {
				if image := estate.Text(c, "image"); image != "" {
					out = append(out, image)
				}
			}
		}
		for _, field := range []string{"spec", "template", "jobTemplate"} {
			out = append(out, imagesBelow(v[field], depth+1)...)
		}
	}
	return out
}

// bare is an image without tag and digest.
func bare(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if i := strings.LastIndex(image, ":"); i > strings.LastIndex(image, "/") {
		image = image[:i]
	}
	return image
}

// overlaid says whether each of the appliers sets the thing by files, or by patches of its own, that the other side does not have.
func overlaid(x *Context, appliers, others []*estate.Applier, p *promoted) bool {
	for _, a := range appliers {
		if a.Kustomization != nil && flux(a, p) {
			continue
		}
		own := false
		for _, file := range alone(x, a, others) {
			if slices.ContainsFunc(manifestsOf(x, file), func(m *manifest) bool { return setBy(x, file, m, p) }) {
				own = true
				break
			}
		}
		if !own {
			return false
		}
	}
	return true
}

// flux says whether an applier's own patches or images set the thing.
func flux(a *estate.Applier, p *promoted) bool {
	for _, i := range a.Kustomization.Spec.Images {
		if p.image != "" && i.Name == p.image {
			return true
		}
	}
	for i := range a.Kustomization.Spec.Patches {
		patch := &a.Kustomization.Spec.Patches[i]
		if t := patch.Target; t != nil && aims(t.Kind, t.Name, p) && strings.Contains(patch.Patch, p.word) || t == nil && mentions(patch.Patch, p) {
			return true
		}
	}
	return false
}

// alone are the files that an applier reads and that none of the others does.
func alone(x *Context, a *estate.Applier, others []*estate.Applier) []string {
	r := readsOf(x)
	all := once(x, fmt.Sprintf("files %p", a), func() (out []string) {
		for _, read := range a.Reads {
			if file := path.Join(a.Prefix, read.Path); read.Kind == tree.Content && yamlFile(file) {
				out = append(out, file)
			}
		}
		return out
	})
	return slices.DeleteFunc(slices.Clone(all), func(file string) bool {
		return slices.ContainsFunc(r.files[file], func(b *estate.Applier) bool { return slices.Contains(others, b) })
	})
}

// setBy says whether a manifest of an overlay sets the thing: a patch of the object, or a kustomization file that names it.
func setBy(x *Context, file string, m *manifest, p *promoted) bool {
	if !m.kustomization() {
		return p.name != "" && m.name() == p.name && (p.kind == "" || m.kind() == p.kind) && (p.word == "" || hasField(m.content, p.word))
	}
	if p.image != "" && slices.ContainsFunc(estate.List(m.content, "images"), func(i map[string]any) bool { return estate.Text(i, "name") == p.image }) {
		return true
	}
	if p.word == "replicas" && slices.ContainsFunc(estate.List(m.content, "replicas"), func(r map[string]any) bool { return estate.Text(r, "name") == p.name }) {
		return true
	}
	for _, field := range []string{"patches", "patchesJson6902"} {
		for _, patch := range estate.List(m.content, field) {
			text := estate.Text(patch, "patch")
			if at := estate.Text(patch, "path"); at != "" && x.Files != nil {
				data, _ := x.Files.ReadFile(path.Join(path.Dir(file), at)) // one that is not there sets nothing
				text = string(data)
			}
			if target, ok := patch["target"].(map[string]any); ok {
				if aims(estate.Text(target, "kind"), estate.Text(target, "name"), p) && strings.Contains(text, p.word) {
					return true
				}
			} else if mentions(text, p) {
				return true
			}
		}
	}
	return slices.ContainsFunc(estate.Texts(m.content, "patchesStrategicMerge"), func(text string) bool { return mentions(text, p) })
}

// hasField says whether there is a field of that name anywhere below a value. What YAML refers to by an alias is as often there as it is referred to.
func hasField(v any, name string) bool {
	switch v := v.(type) {
	case map[string]any:
		for k, el := range v {
			if k == name || hasField(el, name) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, func(el any) bool { return hasField(el, name) })
	}
	return false
}

// aims says whether a target of a patch is the object. Kinds and names of targets are regular expressions of the whole.
func aims(kind, name string, p *promoted) bool {
	if p.name == "" || kind == "" && name == "" {
		return false
	}
	return whole(kind, p.kind) && whole(name, p.name)
}

func whole(pattern, text string) bool {
	if pattern == "" || pattern == text || text == "" {
		return true
	}
	if len(pattern) > 200 {
		return false
	}
	re, err := regexp.Compile("^(" + pattern + ")$")
	return err == nil && re.MatchString(text)
}

func mentions(patch string, p *promoted) bool {
	return p.name != "" && strings.Contains(patch, p.name) && strings.Contains(patch, p.kind) && strings.Contains(patch, p.word)
}

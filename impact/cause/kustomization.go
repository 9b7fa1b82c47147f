package cause

import (
	"encoding/json"
	"path"
	"reflect"
	"slices"
	"strings"

	kustypes "sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/object"
)

// kustomization is one kustomization file; its content is zero when there is none, or it does not parse.
type kustomization struct {
	exists   bool
	content  kustypes.Kustomization
	mentions []mention
}

// mention is a file or folder that a kustomization names.
type mention struct {
	path string // from the repository's root
	edge edge   // without from
}

func (s *side) kustomization(file string) *kustomization {
	if k := s.kustomizations[file]; k != nil {
		return k
	}
	k := &kustomization{}
	s.kustomizations[file] = k
	data, ok := s.text(file)
	if k.exists = ok; ok && yaml.Unmarshal(data, &k.content) == nil {
		renew(&k.content)
		k.mention(path.Dir(file))
	}
	return k
}

// renew moves what stands in deprecated fields to those that took their place.
//
// Source: kustomize api/types Kustomization.FixKustomization and FixKustomizationPreMarshalling, v0.21.1.
func renew(k *kustypes.Kustomization) {
	//nolint:staticcheck // SA1019: the deprecated fields are what this is about
	resources, images, json, merges, labels := k.Bases, k.ImageTags, k.PatchesJson6902, k.PatchesStrategicMerge, k.CommonLabels
	//nolint:staticcheck // SA1019: as above
	k.Bases, k.ImageTags, k.PatchesJson6902, k.PatchesStrategicMerge, k.CommonLabels = nil, nil, nil, nil, nil
	k.Resources = append(k.Resources, resources...)
	k.Images = append(k.Images, images...)
	k.Patches = append(k.Patches, json...)
	for _, p := range merges {
		if strings.Contains(string(p), "\n") {
			k.Patches = append(k.Patches, kustypes.Patch{Patch: string(p)})
		} else {
			k.Patches = append(k.Patches, kustypes.Patch{Path: string(p)})
		}
	}
	if len(labels) > 0 {
		k.Labels = append(k.Labels, kustypes.Label{Pairs: labels, IncludeSelectors: true})
	}
}

// mention lists what the file names, in a stable order.
func (k *kustomization) mention(dir string) {
	add := func(entry string, e edge) {
		if entry != "" && len(entry) < 4096 && !strings.Contains(entry, "\n") {
			k.mentions = append(k.mentions, mention{path.Join(dir, entry), e})
		}
	}
	c := &k.content
	for _, r := range c.Resources {
		add(r, edge{role: asResource})
	}
	for _, r := range c.Components {
		add(r, edge{role: asComponent})
	}
	for i := range c.Patches {
		add(c.Patches[i].Path, edge{role: asPatch, patch: &c.Patches[i]})
	}
	for _, r := range c.Replacements {
		add(r.Path, edge{role: asOther})
	}
	for _, r := range slices.Concat(c.Generators, c.Transformers, c.Validators, c.Configurations, c.Crds) {
		add(r, edge{role: asOther})
	}
	add(c.OpenAPI["path"], edge{role: asOther})
	for i := range c.ConfigMapGenerator {
		inputs(&c.ConfigMapGenerator[i].GeneratorArgs, "ConfigMap", add)
	}
	for i := range c.SecretGenerator {
		inputs(&c.SecretGenerator[i].GeneratorArgs, "Secret", add)
	}
}

func inputs(g *kustypes.GeneratorArgs, kind string, add func(string, edge)) {
	for _, f := range g.FileSources {
		if _, file, ok := strings.Cut(f, "="); ok {
			f = file
		}
		add(f, edge{role: asInput, kind: kind, name: g.Name})
	}
	for _, f := range append(slices.Clone(g.EnvSources), g.EnvSource) {
		add(f, edge{role: asInput, kind: kind, name: g.Name})
	}
}

// kustomizationDiff is what differs between both revisions of a kustomization file.
type kustomizationDiff struct {
	whole     bool            // it is new or gone
	entries   map[string]bool // paths of resources that came or went
	patches   []kustypes.Patch
	generated []edge // what generators make that differ
	replicas  []string
	// the rest, by what it touches
	identity, labels, annotations, images, components, rest bool
}

func (f *Finder) kustomizationDiff(file string) *kustomizationDiff {
	if d := f.diffs[file]; d != nil {
		return d
	}
	ka, kb := f.before.kustomization(file), f.after.kustomization(file)
	a, b := ka.content, kb.content
	d := &kustomizationDiff{whole: ka.exists != kb.exists, entries: map[string]bool{}}
	f.diffs[file] = d
	dir := path.Dir(file)
	for _, r := range odd(a.Resources, b.Resources) {
		p := path.Join(dir, r)
		d.entries[p] = true
		for _, k := range inFolder(p) {
			d.entries[k] = true
		}
	}
	d.patches = odd(a.Patches, b.Patches)
	for _, g := range odd(a.ConfigMapGenerator, b.ConfigMapGenerator) {
		d.generated = append(d.generated, edge{kind: "ConfigMap", name: g.Name})
	}
	for _, g := range odd(a.SecretGenerator, b.SecretGenerator) {
		d.generated = append(d.generated, edge{kind: "Secret", name: g.Name})
	}
	for _, r := range odd(a.Replicas, b.Replicas) {
		d.replicas = append(d.replicas, r.Name)
	}
	d.identity = a.Namespace != b.Namespace || a.NamePrefix != b.NamePrefix || a.NameSuffix != b.NameSuffix
	d.labels = !same(a.Labels, b.Labels)
	d.annotations = !same(a.CommonAnnotations, b.CommonAnnotations)
	d.images = !same(a.Images, b.Images)
	d.components = !same(a.Components, b.Components)
	for _, k := range []*kustypes.Kustomization{&a, &b} { // what is told above
		k.Resources, k.Patches = nil, nil
		k.ConfigMapGenerator, k.SecretGenerator, k.Replicas, k.Components = nil, nil, nil, nil
		k.Namespace, k.NamePrefix, k.NameSuffix = "", "", ""
		k.Labels, k.CommonAnnotations, k.Images = nil, nil, nil
		k.TypeMeta, k.MetaData = kustypes.TypeMeta{}, nil
	}
	d.rest = !same(a, b)
	return d
}

func same(a, b any) bool { return reflect.DeepEqual(a, b) || text(a) == text(b) }

func text(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(data)
}

// odd are the values that only one of two lists has.
func odd[T any](a, b []T) []T {
	count := map[string]int{}
	for _, v := range a {
		count[text(v)]++
	}
	for _, v := range b {
		count[text(v)]--
	}
	var out []T
	for _, list := range [][]T{a, b} {
		for _, v := range list {
			if t := text(v); count[t] != 0 {
				count[t] = 0
				out = append(out, v)
			}
		}
	}
	return out
}

// touch is how sure it is that the change of a kustomization file on the way changes the object.
func (d *kustomizationDiff) touch(f *Finder, s *subject, file string, w *way) (strength, bool) {
	added := s.ch.Before == nil || s.ch.After == nil || s.ch.Before.ID != s.ch.After.ID
	if d.whole {
		return sure, false
	}
	for p := range d.entries {
		if w.above[p] {
			return sure, false
		}
	}
	for _, g := range d.generated {
		if s.generated(g, file) {
			return sure, true
		}
		if s.mentions(g.name) {
			return sure, false
		}
	}
	best := unlikely
	for i := range d.patches {
		best = max(best, f.aims(s, &d.patches[i], path.Dir(file)))
	}
	switch {
	case best == sure,
		d.identity && (added || s.edits("namespace", "name")),
		d.labels && (added || s.edits("labels", "selector")),
		d.annotations && (added || s.edits("annotations")),
		d.images && s.edits("image"),
		slices.ContainsFunc(d.replicas, s.named) && s.edits("replicas"):
		return sure, false
	case d.components, d.rest, d.identity, best == likely:
		return likely, false
	}
	return possible, false
}

// edits reports whether one of the edits goes through a field whose name holds one of the words.
func (s *subject) edits(wordsOf ...string) bool {
	for _, e := range s.ch.Edits {
		for _, step := range e.Path {
			for _, w := range wordsOf {
				if step.Kind == object.Field && strings.Contains(strings.ToLower(step.Field), w) {
					return true
				}
			}
		}
		for _, w := range wordsOf { // a whole container came or went
			if holdsField(e.From, w, 0) || holdsField(e.To, w, 0) {
				return true
			}
		}
	}
	return false
}

func holdsField(v any, word string, depth int) bool {
	if depth > 16 {
		return false
	}
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			if strings.Contains(strings.ToLower(k), word) || holdsField(inner, word, depth+1) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, func(inner any) bool { return holdsField(inner, word, depth+1) })
	}
	return false
}

func (s *subject) named(name string) bool { return slices.Contains(s.names, name) }

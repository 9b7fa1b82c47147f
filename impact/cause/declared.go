package cause

import (
	"cmp"
	"slices"
	"strings"

	kustypes "sigs.k8s.io/kustomize/api/types"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/render"
)

// fromDocuments are the files of Bulkhead's own documents that differ, for the clusters whose
// document differs: it holds variables and says where the cluster starts.
func (f *Finder) fromDocuments(s *subject) []candidate {
	f.readDocuments()
	var out []candidate
	for _, l := range s.owners() {
		for _, file := range f.declaredIn[l.applier.Home] {
			out = append(out, candidate{file: file, via: []Step{applierStep(&l)}, rank: rankDeclared, sure: possible})
		}
	}
	return out
}

// readDocuments finds the clusters whose document differs, with its files.
func (f *Finder) readDocuments() {
	if f.declaredIn != nil {
		return
	}
	f.declaredIn = map[string][]string{}
	if !slices.ContainsFunc(f.files, func(p string) bool { return strings.HasPrefix(p, "fleet/") }) {
		return
	}
	docs := [2]map[string]*v1alpha1.Cluster{}
	for i, s := range []*side{f.before, f.after} {
		docs[i] = map[string]*v1alpha1.Cluster{}
		if all, err := render.Documents(s.tree); err == nil {
			for j := range all.Clusters {
				docs[i][all.Clusters[j].Name] = &all.Clusters[j]
			}
		}
	}
	for i := range docs {
		for name, c := range docs[i] {
			other := docs[1-i][name]
			if other != nil && same(c.Spec, other.Spec) {
				continue
			}
			if f.changed[c.Place.File] && !slices.Contains(f.declaredIn[name], c.Place.File) {
				f.declaredIn[name] = append(f.declaredIn[name], c.Place.File)
				slices.SortFunc(f.declaredIn[name], cmp.Compare)
			}
		}
	}
}

func mapAt(m map[string]any, fields ...string) map[string]any {
	for _, f := range fields {
		m, _ = m[f].(map[string]any)
	}
	return m
}

func textOf(m map[string]any, field string) string {
	s, _ := m[field].(string)
	return s
}

// listAt is a list of maps; other elements are left out.
func listAt(m map[string]any, fields ...string) []map[string]any {
	list, _ := mapAt(m, fields[:len(fields)-1]...)[fields[len(fields)-1]].([]any)
	var out []map[string]any
	for _, v := range list[:min(len(list), maxDocuments)] {
		if inner, ok := v.(map[string]any); ok {
			out = append(out, inner)
		}
	}
	return out
}

// patchOf is a patch of a Flux Kustomization's spec.
func patchOf(m map[string]any) kustypes.Patch {
	p := kustypes.Patch{Patch: textOf(m, "patch")}
	if t := mapAt(m, "target"); t != nil {
		p.Target = &kustypes.Selector{LabelSelector: textOf(t, "labelSelector"), AnnotationSelector: textOf(t, "annotationSelector")}
		p.Target.Group, p.Target.Version, p.Target.Kind = textOf(t, "group"), textOf(t, "version"), textOf(t, "kind")
		p.Target.Name, p.Target.Namespace = textOf(t, "name"), textOf(t, "namespace")
	}
	return p
}

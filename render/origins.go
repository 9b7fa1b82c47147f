package render

import (
	"context"
	"slices"

	kustypes "sigs.k8s.io/kustomize/api/types"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// findOrigins gives the file of each item, "" where that is not known: what the kustomization files list, where
// that is certain, else what kustomize says when it builds once more with origin annotations. The objects themselves stay as
// they are.
func (b *build) findOrigins(inspect *inspector) []string {
	files := make([]string, len(b.items))
	if b.err != nil {
		return files
	}
	if len(b.batches) > 0 {
		if files := b.plainOrigins(); files != nil {
			return files
		}
	}
	if files := b.listedOrigins(inspect); files != nil {
		return files
	}
	return b.builtOrigins(inspect)
}

// builtOrigins are those that kustomize writes down.
func (b *build) builtOrigins(inspect *inspector) []string {
	files := make([]string, len(b.items))
	again := &build{spec: b.spec, tree: b.tree, decrypt: b.decrypt}
	again.spec.origins = true
	m, err := kustomized(context.Background(), tree.Record(b.tree), inspect, again, b.lenient)
	if err != nil || m.Size() != len(files) {
		return files
	}
	for i, res := range m.Resources() {
		origin, err := res.GetOrigin()
		if err != nil || origin == nil {
			continue
		}
		file := origin.Path
		if file == "" {
			file = origin.ConfiguredIn
		}
		if p, ok := rel(artifactRoot + "/" + b.spec.Path + "/" + file); ok && file != "" && origin.Repo == "" {
			files[i] = p
		}
	}
	return files
}

// plainOrigins counts the objects of each file of a plain build; nil when the counts
// do not add up.
func (b *build) plainOrigins() []string {
	var out []string
	for _, name := range b.files {
		data, err := b.tree.ReadFile(name)
		if err != nil {
			return nil
		}
		objects, err := decoded(data)
		if err != nil {
			return nil
		}
		for range objects {
			out = append(out, name)
		}
	}
	if len(out) != len(b.items) {
		return nil
	}
	return out
}

// listedOrigins are the files of the objects in the order in which kustomizations list them. Kustomize keeps it,
// and what is there in the end is what was there at first, as long as nothing makes objects or sorts them; as many with the same kinds and
// names prove that none was deleted or called otherwise. It gives nil when that is not so.
//
// Source: kustomize v0.21.1 api/internal/target/kusttarget.go accumulateTarget: resources, then components, in their order.
func (b *build) listedOrigins(inspect *inspector) []string {
	s := &b.spec
	if b.decrypt != nil || s.origins || len(b.remotes) > 0 {
		return nil
	}
	rec := tree.Record(b.tree)
	kus, name, err := generated(rec, inspect, s, false)
	if err != nil {
		return nil
	}
	w := &plainWalk{fsys: &artifactFS{in: rec, inspect: inspect, overlay: map[string][]byte{name: {}}}, seen: map[string]bool{}, any: true}
	if !w.kustomization(kus, artifactRoot+"/"+s.Path, nil) {
		return nil
	}
	var out []string
	for i, file := range w.files {
		names, ok := inspect.namesIn(file)
		if !ok || len(out)+len(names) > len(b.items) {
			return nil
		}
		for _, n := range names {
			if id := b.items[len(out)].id; n != (named{id.Kind, id.Name}) {
				return nil
			}
			out = append(out, w.names[i])
		}
	}
	if len(out) != len(b.items) {
		return nil
	}
	return out
}

// makes leaves of a kustomization what makes objects, sorts them, or gives them other names.
func makes(kus *kustypes.Kustomization) kustypes.Kustomization {
	rest := *kus
	rest.Components, rest.Patches, rest.PatchesStrategicMerge, rest.PatchesJson6902 = nil, nil, nil, nil         //nolint:staticcheck // repositories use them
	rest.Images, rest.Replicas, rest.Labels, rest.CommonLabels, rest.CommonAnnotations = nil, nil, nil, nil, nil //nolint:staticcheck // repositories use them
	rest.Namespace, rest.OpenAPI, rest.Crds, rest.Replacements = "", nil, nil, nil
	return rest
}

// named is what an object is called, whatever its namespace.
type named struct{ kind, name string }

// namesIn are the objects of a file, in their order; false for one that cannot be read. What was read once is known.
func (in *inspector) namesIn(file []byte) (names []named, ok bool) {
	h := tree.HashBlob(file)
	in.mu.Lock()
	names, ok = in.names[h]
	in.mu.Unlock()
	if ok {
		return names, true
	}
	objects, err := decoded(file)
	if err != nil {
		return nil, false
	}
	for _, o := range objects {
		names = append(names, named{o.GetKind(), o.GetName()})
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.names == nil {
		in.names = map[tree.Hash][]named{}
	}
	in.names[h] = slices.Clip(names)
	return names, true
}

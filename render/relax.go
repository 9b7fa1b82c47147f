package render

import (
	"bytes"
	"regexp"

	kustypes "sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/kio"
	"sigs.k8s.io/yaml"
)

// relax gives the strategic-merge patches of a kustomization file an explicit
// target, so that one whose object would have come from a remote base is passed
// over instead of failing the build. Where the object is at hand the patch does
// what it did. A file that does not parse comes back as it is.
func (in *inspector) relax(data []byte, read func(name string) ([]byte, error)) []byte {
	var m map[string]any
	if yaml.Unmarshal(data, &m) != nil {
		return data
	}
	var kus kustypes.Kustomization
	if yaml.Unmarshal(data, &kus) != nil {
		return data
	}
	var patches []kustypes.Patch
	for _, p := range kus.PatchesStrategicMerge { //nolint:staticcheck // deprecated, and still in use
		patches = append(patches, targeted(string(p), read)...)
	}
	for _, p := range kus.Patches {
		switch {
		case p.Target != nil:
			patches = append(patches, p)
		case p.Path != "":
			patches = append(patches, targeted(p.Path, read)...)
		default:
			patches = append(patches, targeted(p.Patch, read)...)
		}
	}
	if len(patches) == 0 {
		return data
	}
	delete(m, "patchesStrategicMerge")
	m["patches"] = patches
	out, err := yaml.Marshal(m)
	if err != nil {
		return data
	}
	return out
}

// targeted makes one patch with a target of each document of a patch, given
// inline or as a file.
func targeted(patch string, read func(name string) ([]byte, error)) []kustypes.Patch {
	text := []byte(patch)
	if content, err := read(patch); err == nil {
		text = content
	}
	nodes, err := (&kio.ByteReader{Reader: bytes.NewReader(text), OmitReaderAnnotations: true}).Read()
	if err != nil {
		return []kustypes.Patch{{Patch: patch}}
	}
	var out []kustypes.Patch
	for _, n := range nodes {
		body, err := n.String()
		if err != nil {
			continue
		}
		target := &kustypes.Selector{}
		target.Kind = n.GetKind()
		target.Name = regexp.QuoteMeta(n.GetName())
		target.Namespace = regexp.QuoteMeta(n.GetNamespace())
		out = append(out, kustypes.Patch{Patch: body, Target: target})
	}
	return out
}

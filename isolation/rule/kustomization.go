package rule

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// maxParsed bounds the size in bytes of a file that rules parse. A bigger one is not looked into.
const maxParsed = 1 << 20

// kustomizationNames are the files in which kustomize looks for what to do in a folder.
//
// Source: kustomize API v0.21.1, konfig.RecognizedKustomizationFileNames.
var kustomizationNames = []string{"kustomization.yaml", "kustomization.yml", "Kustomization"} //nolint:gochecknoglobals // a constant list

// kustomizationFile is a file that says how a folder is built.
type kustomizationFile struct {
	// Path is a slash path from the root of the source.
	Path string
	// Doc is what it says. Keys of its top are in lower case, as kustomize does not tell the case of letters apart.
	Doc map[string]any
}

// kustomizationsOf are the kustomization files that the build of an applier has read, sorted by path. What does not parse is left out.
func kustomizationsOf(x *Context, a *estate.Applier) (out []kustomizationFile) {
	if a.Kind != estate.KustomizationKind || a.Files == nil {
		return nil
	}
	for _, r := range a.Reads {
		if r.Kind != tree.Content || r.Hash.IsZero() || !slices.Contains(kustomizationNames, path.Base(r.Path)) {
			continue
		}
		// Many clusters build the same files: each content is parsed once.
		doc := once(x, "kustomization "+r.Hash.String(), func() map[string]any {
			data, err := a.Files.ReadFile(r.Path)
			if err != nil || len(data) > maxParsed {
				return nil
			}
			var raw map[string]any
			if yaml.Unmarshal(data, &raw) != nil {
				return nil
			}
			doc := make(map[string]any, len(raw))
			for k, v := range raw {
				doc[strings.ToLower(k)] = v
			}
			return doc
		})
		if doc != nil {
			out = append(out, kustomizationFile{Path: r.Path, Doc: doc})
		}
	}
	return out
}

// buildRef is an entry of a kustomization that names something to read.
type buildRef struct {
	// Field like "patches[0].path".
	Field string
	Entry string
}

// refs are the entries of a kustomization that name files, folders and addresses, in a fixed order. What is written into the kustomization itself is none.
func (f kustomizationFile) refs() (out []buildRef) {
	add := func(field, entry string) {
		if entry != "" && !strings.Contains(entry, "\n") {
			out = append(out, buildRef{field, entry})
		}
	}
	for _, key := range []string{"resources", "bases", "components", "patchesStrategicMerge", "transformers", "generators", "validators", "crds", "configurations"} {
		list, _ := f.Doc[strings.ToLower(key)].([]any)
		for i, el := range list {
			entry, _ := el.(string)
			add(fmt.Sprintf("%s[%d]", key, i), entry)
		}
	}
	for _, key := range []string{"patches", "patchesJson6902", "replacements"} {
		for i, el := range estate.List(f.Doc, strings.ToLower(key)) {
			add(fmt.Sprintf("%s[%d].path", key, i), estate.Text(el, "path"))
		}
	}
	add("openapi.path", estate.Text(f.Doc, "openapi", "path"))
	for _, key := range []string{"configMapGenerator", "secretGenerator"} {
		for i, el := range estate.List(f.Doc, strings.ToLower(key)) {
			for _, field := range []string{"files", "envs"} {
				for j, entry := range estate.Texts(el, field) {
					if k, file, named := strings.Cut(entry, "="); field == "files" && named && !strings.Contains(k, "://") {
						entry = file
					}
					add(fmt.Sprintf("%s[%d].%s[%d]", key, i, field, j), entry)
				}
			}
			add(fmt.Sprintf("%s[%d].env", key, i), estate.Text(el, "env"))
		}
	}
	return out
}

// fileOfSource is the path of a file of an applier's source in the repository under review; "" when it is in another one.
func fileOfSource(a *estate.Applier, file string) string {
	if !a.Own {
		return ""
	}
	return path.Join(a.Prefix, file)
}

package shape

import (
	"bytes"
	"fmt"
	"path"

	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// maxRead bounds the files that are looked into, in bytes.
const maxRead = 1 << 20

// found is what files look like.
type found struct {
	kustomizations, charts, manifests, syncs int
	first                                    map[string]string // of each kind, a file
}

func (f *found) see(kind, file string, n *int) {
	*n++
	if f.first[kind] == "" {
		f.first[kind] = file
	}
}

// spoke tells a tenant's repository from what is none.
func spoke(t *tree.Tree) (Shape, error) {
	f := found{first: map[string]string{}}
	err := t.Walk(".", func(p string, e tree.Entry) error {
		if e.Mode != tree.File && e.Mode != tree.Executable {
			return nil
		}
		data := []byte(nil)
		if ext := path.Ext(p); ext == ".yaml" || ext == ".yml" {
			var err error
			if data, err = t.ReadFile(p); err != nil {
				return err
			}
		}
		f.look(p, data)
		return nil
	})
	switch {
	case err != nil:
		return Shape{}, err
	case f.kustomizations+f.charts+f.manifests == 0:
		return Shape{}, ErrNothing
	case f.syncs > 0:
		return Shape{}, fmt.Errorf("%w: %s, the first is %s", ErrNoEntry, phrase.Count(f.syncs, "file")+" with a Flux Kustomization", f.first["sync"])
	}
	s := Shape{Layout: Spoke, Evidence: []Evidence{{Text: "nothing here says where a cluster starts, and no Flux Kustomization is in it: a hub applies it"}}}
	for _, k := range []struct {
		n          int
		kind, noun string
	}{{f.kustomizations, "kustomization", "kustomization file"}, {f.charts, "chart", "chart"}, {f.manifests, "manifest", "manifest"}} {
		if k.n > 0 {
			s.add(Evidence{f.first[k.kind], phrase.Count(k.n, k.noun)})
		}
	}
	return s, nil
}

// look counts what a file is. Data is that of YAML.
func (f *found) look(p string, data []byte) {
	switch {
	case isKustomization(p):
		f.see("kustomization", p, &f.kustomizations)
		return
	case path.Base(p) == "Chart.yaml":
		f.see("chart", p, &f.charts)
		return
	}
	if len(data) > maxRead {
		return
	}
	manifest, sync := false, false
	for doc := range bytes.SplitSeq(data, []byte("\n---")) {
		api, kind := field(doc, "apiVersion:"), field(doc, "kind:")
		manifest = manifest || api != "" && kind != ""
		sync = sync || kind == "Kustomization" && len(api) > len(fluxGroup) && api[:len(fluxGroup)] == fluxGroup
	}
	if manifest {
		f.see("manifest", p, &f.manifests)
	}
	if sync {
		f.see("sync", p, &f.syncs)
	}
}

const fluxGroup = "kustomize.toolkit.fluxcd.io/"

// field is the value of a field at the start of a line; "" for none.
func field(doc []byte, name string) string {
	for line := range bytes.Lines(doc) {
		if rest, ok := bytes.CutPrefix(line, []byte(name)); ok {
			return string(bytes.Trim(rest, " \t\r\n\"'"))
		}
	}
	return ""
}

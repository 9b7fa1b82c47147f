package cli

import (
	"bytes"
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"go.yaml.in/yaml/v3"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/layout"
	"github.com/bulkhead-dev/bulkhead/render/artifact"
	"github.com/bulkhead-dev/bulkhead/tenant"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// syncDocument is what a sync of a cluster may be made of: a source, the Kustomization of it, or a FluxInstance.
type syncDocument struct {
	Kind string
	Spec struct {
		Path           string
		SparseCheckout []string `yaml:"sparseCheckout"`
		Ignore         string
		Sync           *struct{ Kind, Path string }
	}
}

// clusterSync says which files a cluster gets: those of a source, from a folder of it on.
type clusterSync struct {
	at   v1alpha1.Place
	kind string // of the source
	path string // clean
	spec artifact.Spec
}

// outside are the files outside of its own folder that what is generated for a cluster reads.
func outside(t *tree.Tree, docs v1alpha1.Documents, c *v1alpha1.Cluster) (out []string) {
	dir := path.Join(c.Spec.EntryPaths()[0], layout.TenantsDir)
	if _, err := t.Stat(path.Join(dir, layout.GuardsDir)); err == nil {
		out = append(out, layout.GuardsDir)
	}
	for i := range docs.Tenants {
		_, file := tenant.SecretName(&docs.Tenants[i])
		if _, err := t.Stat(path.Join(dir, docs.Tenants[i].Name+".yaml")); err == nil && file != "" && !slices.Contains(out, file) {
			out = append(out, file)
		}
	}
	return out
}

// packed says of clusters whose artifact does not hold all that is generated for them reads: Flux would build nothing there. The error, a
// [*v1alpha1.DocumentError], is about one that Git proves; notes are about artifacts that are packed by other means.
func packed(t *tree.Tree, docs v1alpha1.Documents) (notes []string, err error) {
	for i := range docs.Clusters {
		c := &docs.Clusters[i]
		needs := outside(t, docs, c)
		if len(needs) == 0 {
			continue
		}
		entry := c.Spec.EntryPaths()[0]
		for _, s := range syncs(t, entry) {
			switch {
			case s.kind == sourcev1.GitRepositoryKind && s.path == entry:
				if err := s.holds(t, c.Name, needs); err != nil {
					return nil, err
				}
			case s.path == "." || strings.HasSuffix(entry, "/"+s.path):
				notes = append(notes, fmt.Sprintf("%s:%d: cluster %s starts in folder %s of its %s, so that this seems to hold %s alone, and what is generated there reads %s outside of it: pack the whole repository and start at ./%s, "+
					"or set spec.guards of the Fleet document to Off; an artifact that holds what kustomize makes of the folder needs neither",
					s.at.File, s.at.Line, c.Name, s.path, s.kind, strings.TrimSuffix(strings.TrimSuffix(entry, s.path), "/"), strings.Join(needs, ", "), entry))
			}
		}
	}
	return notes, nil
}

// tellPacked passes on what packed finds, as remarks.
func (s *streams) tellPacked(t *tree.Tree, docs v1alpha1.Documents) {
	notes, err := packed(t, docs)
	if err != nil {
		notes = append(notes, err.Error()+"; "+hintOf(err))
	}
	for _, note := range notes {
		s.note("%s", note)
	}
}

// holds wants files to be in the artifact of a GitRepository.
func (s *clusterSync) holds(t *tree.Tree, cluster string, files []string) error {
	made, err := artifact.Git(t, s.spec)
	if err != nil {
		return nil //nolint:nilerr // the render tells it, with all around it
	}
	for _, file := range files {
		if _, err := made.Stat(file); err == nil {
			continue
		}
		folder, or := path.Dir(file), ""
		if file == layout.GuardsDir {
			folder, or = file, ", or set spec.guards of the Fleet document to Off"
		}
		hint := "take /" + file + " out of what spec.ignore and .sourceignore leave out" + or
		if len(s.spec.Sparse) > 0 {
			hint = "add " + folder + " to spec.sparseCheckout" + or
		}
		return &v1alpha1.DocumentError{
			File: s.at.File, Line: s.at.Line, Hint: hint,
			Message: fmt.Sprintf("the GitRepository that cluster %s starts from leaves out %s, which what is generated there reads: Flux would build nothing", cluster, file),
		}
	}
	return nil
}

// syncs are those in the folder of a cluster: what flux bootstrap writes, and FluxInstances.
func syncs(t *tree.Tree, entry string) (out []*clusterSync) {
	_ = t.Walk(entry, func(p string, e tree.Entry) error {
		if ext := path.Ext(p); e.IsDir() || ext != ".yaml" && ext != ".yml" || strings.HasPrefix(p, path.Join(entry, layout.TenantsDir)+"/") {
			return nil
		}
		data, err := t.ReadFile(p)
		if err != nil || len(data) > v1alpha1.MaxFile {
			return nil //nolint:nilerr // the render tells it
		}
		if path.Base(p) == "gotk-sync.yaml" || bytes.Contains(data, []byte("kind: FluxInstance")) {
			out = append(out, syncsOf(p, data)...)
		}
		return nil
	})
	return out
}

func syncsOf(file string, data []byte) (out []*clusterSync) {
	s := &clusterSync{}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var node yaml.Node
		var d syncDocument
		if decoder.Decode(&node) != nil {
			break
		}
		if node.Decode(&d) != nil {
			continue
		}
		at := v1alpha1.Place{File: file, Line: node.Line}
		switch {
		case d.Kind == "FluxInstance" && d.Spec.Sync != nil:
			out = append(out, &clusterSync{at: at, kind: cmp.Or(d.Spec.Sync.Kind, sourcev1.GitRepositoryKind), path: path.Clean("./" + d.Spec.Sync.Path)})
		case d.Kind == "Kustomization":
			s.path = path.Clean("./" + d.Spec.Path)
		case slices.Contains([]string{sourcev1.GitRepositoryKind, sourcev1.OCIRepositoryKind, sourcev1.BucketKind}, d.Kind):
			s.at, s.kind, s.spec = at, d.Kind, artifact.Spec{Sparse: d.Spec.SparseCheckout, Ignore: d.Spec.Ignore}
		}
	}
	if s.kind != "" && s.path != "" {
		out = append(out, s)
	}
	return out
}

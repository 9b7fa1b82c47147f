package cli

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/layout"
	"github.com/bulkhead-dev/bulkhead/layout/edit"
	"github.com/bulkhead-dev/bulkhead/layout/scaffold"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// start is what a new cluster has of its own: made as its neighbours are, when those were made by init; else a kustomization file. That
// lists what Flux has applied without one, too: what is there and not listed would be deleted from the cluster, Flux's own objects among it.
func (x *session) start(c *v1alpha1.Cluster) (map[string]string, error) {
	at := path.Join(c.Spec.Path, "kustomization.yaml")
	made := map[string]string{at: "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: []\n"}
	if o, like := x.neighbour(); like {
		if err := scaffold.CheckCluster(o, *c); err != nil {
			return nil, problemOf(err, "")
		}
		made = scaffold.Cluster(o, *c)
	}
	if layout.KustomizationFile(x.before.tree, c.Spec.Path) != "" {
		delete(made, at)
		return made, nil
	}
	there, err := applied(x.before.tree, c.Spec.Path)
	if err != nil {
		return nil, err
	}
	var k struct{ Resources []string }
	if err := yaml.Unmarshal([]byte(made[at]), &k); err != nil {
		return nil, fmt.Errorf("read what is made for %s: %w", c.Name, err)
	}
	for _, name := range there {
		if slices.Contains(k.Resources, name) {
			continue
		}
		text, err := edit.Append([]byte(made[at]), 1, name, "resources")
		if err != nil {
			return nil, fmt.Errorf("list %s in %s: %w", name, at, err)
		}
		made[at] = string(text)
	}
	return made, nil
}

// applied is what Flux applies of a folder without a kustomization file: below it, folders that have one, and files of YAML.
//
// Source: fluxcd/pkg/kustomize v1.35, scanManifests.
func applied(t *tree.Tree, dir string) (out []string, err error) {
	if _, err := t.Stat(dir); err != nil {
		return nil, nil //nolint:nilerr // nothing is there
	}
	err = t.Walk(dir, func(p string, e tree.Entry) error {
		name := strings.TrimPrefix(p, dir+"/")
		switch ext := path.Ext(p); {
		case e.IsDir() && layout.KustomizationFile(t, p) != "":
			out = append(out, name)
			return fs.SkipDir
		case !e.IsDir() && (ext == ".yaml" || ext == ".yml"):
			out = append(out, name)
		}
		return nil
	})
	return out, err
}

// flux says whether the folder of a cluster has, or gets, what flux bootstrap or a FluxInstance makes.
func (x *session) flux(dir string) bool {
	for _, p := range []string{"flux-system/kustomization.yaml", "flux-system/gotk-sync.yaml", "flux-instance.yaml"} {
		p = path.Join(dir, p)
		_, err := x.before.tree.Stat(p)
		if err == nil || x.files[p] != "" {
			return true
		}
	}
	return false
}

// neighbour is how the clusters of the fleet were made, and false when that was not by init.
func (x *session) neighbour() (scaffold.Options, bool) {
	t := x.before.tree
	o := scaffold.Options{Layout: v1alpha1.Monorepo, Flux: scaffold.NoFlux, Name: "fleet"}
	if f := x.docs.Fleet; f != nil {
		o.Name, o.Layout, o.EnvironmentLabel = f.Name, cmp.Or(f.Spec.Layout, o.Layout), f.Spec.EnvironmentLabel
	}
	entries, err := t.ReadDir("infrastructure/overlays")
	if err != nil {
		return o, false
	}
	for _, e := range entries {
		o.Environments = append(o.Environments, e.Name)
	}
	for i := range x.docs.Clusters {
		dir := x.docs.Clusters[i].Spec.EntryPaths()[0]
		if _, err := t.Stat(path.Join(dir, "infrastructure.yaml")); err != nil {
			continue
		}
		if data, err := t.ReadFile(path.Join(dir, "flux-system/gotk-sync.yaml")); err == nil {
			for doc := range strings.SplitSeq(string(data), "\n---") {
				var g sourcev1.GitRepository
				if yaml.Unmarshal([]byte(doc), &g) == nil && g.Kind == sourcev1.GitRepositoryKind && g.Spec.Reference != nil {
					o.Flux, o.URL, o.Branch = scaffold.Bootstrap, g.Spec.URL, g.Spec.Reference.Branch
				}
			}
		} else if data, err := t.ReadFile(path.Join(dir, "flux-instance.yaml")); err == nil {
			var f struct {
				Spec struct{ Sync struct{ URL, Ref string } }
			}
			if yaml.Unmarshal(data, &f) == nil {
				o.Flux, o.URL, o.Branch = scaffold.Instance, f.Spec.Sync.URL, strings.TrimPrefix(f.Spec.Sync.Ref, "refs/heads/")
			}
		}
		return o, true
	}
	return o, false
}

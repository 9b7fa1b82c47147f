package rule

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// entries looks for clusters whose sync starts elsewhere than where they are declared to, and for folders among those of clusters at which none starts.
func entries(x *Context) (out []Found) {
	for _, name := range slices.Sorted(maps.Keys(x.Declared)) {
		c := x.Cluster(name)
		paths := x.Declared[name].Spec.EntryPaths()
		if c == nil || len(paths) == 0 {
			continue
		}
		out = append(out, syncs(c, paths)...)
	}
	if x.Files == nil {
		return out
	}
	folders := entryFolders(x)
	for _, parent := range parents(folders) {
		out = append(out, orphans(x, parent, folders)...)
	}
	return out
}

// syncs compares what a cluster's own sync starts at with where it is declared to start.
func syncs(c *estate.Cluster, paths []string) (out []Found) {
	wanted := func(p string) bool {
		return slices.ContainsFunc(paths, func(w string) bool { return path.Clean(strings.TrimPrefix(w, "./")) == p })
	}
	say := func(o *estate.Object, p, field string) {
		out = append(out, Found{Message: fmt.Sprintf("Flux on cluster %s starts at %s, and the cluster is declared at %s", c.Name, p, phrase.List(paths, 3)), Object: o, Cluster: c, Field: field})
	}
	for _, o := range c.Kind(estate.OperatorGroup, "FluxInstance") {
		if p := o.Text("spec", "sync", "path"); p != "" && !wanted(clean(p)) && sameSource(o.Text("spec", "sync", "url"), c) {
			say(o, clean(p), "spec.sync.path")
		}
	}
	for _, o := range c.Kind(estate.KustomizeGroup, estate.KustomizationKind) {
		if o.ID.Name != c.FluxNamespace || o.ID.Namespace != c.FluxNamespace || o.Text("spec", "sourceRef", "name") != c.FluxNamespace {
			continue
		}
		if p := clean(cmp.Or(o.Text("spec", "path"), ".")); !wanted(p) {
			say(o, p, "spec.path")
		}
	}
	return out
}

func clean(p string) string { return path.Clean(strings.TrimPrefix(p, "./")) }

// sameSource says whether a sync is from the repository that the cluster starts from, as far as that is known.
func sameSource(url string, c *estate.Cluster) bool {
	for _, a := range c.Homed {
		if len(a.Chain) == 0 && a.Source.URL != "" && url != "" {
			return strings.TrimSuffix(url, ".git") == strings.TrimSuffix(a.Source.URL, ".git")
		}
	}
	return true
}

// parents are the folders that hold the entry folders of at least half of the clusters, sorted.
func parents(folders map[string][]*estate.Cluster) (out []string) {
	n := map[string]int{}
	for dir := range folders {
		n[path.Dir(dir)]++
	}
	for dir, noteMoved := range n {
		if dir != "." && 2*noteMoved >= len(folders) {
			out = append(out, dir)
		}
	}
	slices.Sort(out)
	return out
}

// orphans are folders beside those where clusters start, which look the same and at which none starts.
func orphans(x *Context, parent string, folders map[string][]*estate.Cluster) (out []Found) {
	entries, err := x.Files.ReadDir(parent)
	if err != nil {
		return nil
	}
	r := readsOf(x)
	for _, e := range entries {
		dir := path.Join(parent, e.Name)
		if !e.IsDir() || entryOf(x, dir) != "" || strings.HasPrefix(e.Name, ".") || strings.HasPrefix(e.Name, "_") || r.below(dir) || !looksLikeEntry(x, dir) {
			continue
		}
		holds := slices.ContainsFunc(slices.Collect(maps.Keys(folders)), func(f string) bool { return strings.HasPrefix(f, dir+"/") })
		if !holds && !shareable(e.Name) {
			out = append(out, Found{Level: finding.Medium, Message: fmt.Sprintf("no cluster starts at %s, where Flux objects are", dir), File: path.Join(dir, "kustomization.yaml")})
		}
	}
	return out
}

// shareable says whether a folder beside those of clusters is for none of them.
func shareable(name string) bool {
	switch strings.ToLower(name) {
	case "base", "bases", "common", "shared", "default", "template", "templates", "components", "overlays", "example", "archive":
		return true
	}
	return false
}

// below says whether some cluster reads a file in a folder.
func (r *readings) below(dir string) bool {
	i, _ := slices.BinarySearch(r.paths, dir+"/")
	return i < len(r.paths) && strings.HasPrefix(r.paths[i], dir+"/")
}

// looksLikeEntry says whether a folder has what Flux would start with: its own folder, or Flux objects.
func looksLikeEntry(x *Context, dir string) bool {
	if e, err := x.Files.Stat(path.Join(dir, "flux-system")); err == nil && e.IsDir() {
		return true
	}
	found := false
	list, err := x.Files.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, e := range list {
		if e.Mode == tree.File && !found {
			found = slices.ContainsFunc(manifestsOf(x, path.Join(dir, e.Name)), func(m *manifest) bool { return estate.FluxGroup(m.group()) })
		}
	}
	return found
}

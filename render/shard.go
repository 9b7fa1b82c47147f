package render

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"path"
	"slices"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// Shard is one of several shares of a fleet, each of which another machine renders.
type Shard struct {
	Index int // from 1
	Of    int // shares in all
}

// Skip tells the clusters that are of other shards, for [Options]. Where a cluster goes follows from its name, so
// that a new cluster moves no other one; linked clusters, see [Linked], go together.
func (s Shard) Skip(linked []string) func(cluster string) bool {
	first := ""
	if len(linked) > 0 {
		first = slices.Min(linked)
	}
	return func(cluster string) bool {
		if slices.Contains(linked, cluster) {
			cluster = first
		}
		sum := sha256.Sum256([]byte(cluster))
		return binary.BigEndian.Uint64(sum[:8])%uint64(max(s.Of, 1)) != uint64(s.Index-1) //nolint:gosec // both are small and positive
	}
}

// Linked are the clusters that may write to each other by spec.kubeConfig, sorted: what one of them applies to
// another is known only where both are rendered. It reads the text of the trees, all revisions of the repository and of what
// sources lead to, and takes too many rather than too few: a kubeConfig in the folder of a cluster links that cluster with each that is
// named anywhere in the folder; one that lies elsewhere, or has a variable, links all. What is fetched is not looked at.
func Linked(ctx context.Context, declared []Declared, hub []*tree.Tree, sources ...*tree.Tree) ([]string, error) {
	l := &links{plain: map[tree.Hash]bool{}, folders: map[string]string{}, linked: map[string]bool{}}
	for _, t := range hub {
		f, err := entryPoints(ctx, t, &Options{Clusters: declared}, &Cache{})
		if err != nil {
			continue // one revision may be without clusters; whoever renders it reports what else is wrong
		}
		for _, e := range f.entries {
			l.folders[path.Join(e.Prefix, e.Path)] = e.Cluster
		}
	}
	names := slices.Compact(slices.Sorted(maps.Values(l.folders)))
	for _, t := range append(slices.Clone(hub), sources...) {
		if err := t.Walk(".", func(p string, e tree.Entry) error { return l.look(t, p, e) }); err != nil {
			return nil, fmt.Errorf("look for kubeConfigs: %w", err)
		}
	}
	for _, t := range hub {
		if err := l.follow(t, names); err != nil {
			return nil, fmt.Errorf("look for the clusters that kubeConfigs name: %w", err)
		}
	}
	if l.all {
		return names, nil
	}
	return slices.Sorted(maps.Keys(l.linked)), nil
}

// links is what the text of trees says of kubeConfigs.
type links struct {
	folders map[string]string  // where clusters start, from the repository's root -> cluster
	plain   map[tree.Hash]bool // contents without any
	hubs    []string           // folders with one
	linked  map[string]bool    // clusters
	all     bool               // any cluster may be linked
}

// look looks for kubeConfigs in a file.
func (l *links) look(t *tree.Tree, p string, e tree.Entry) error {
	if l.all || e.Mode != tree.File && e.Mode != tree.Executable || l.plain[e.Hash] && !e.Hash.IsZero() {
		return nil
	}
	data, err := t.ReadFile(p)
	if err != nil {
		return nil //nolint:nilerr // whoever reads it reports it
	}
	links, variable := linking(data)
	l.plain[e.Hash] = !links
	if !links {
		return nil
	}
	folder := path.Dir(p)
	for folder != "." && l.folders[folder] == "" {
		folder = path.Dir(folder)
	}
	if l.all = folder == "." || variable; !l.all && !slices.Contains(l.hubs, folder) {
		l.hubs = append(l.hubs, folder)
	}
	return nil
}

// follow links the clusters that start in folders with kubeConfigs, and those that these name.
func (l *links) follow(t *tree.Tree, names []string) error {
	for _, folder := range l.hubs {
		l.linked[l.folders[folder]] = true
		if s, err := t.Stat(folder); l.all || err != nil || !s.IsDir() {
			continue // it is in the other revision only
		}
		err := t.Walk(folder, func(p string, e tree.Entry) error {
			if e.Mode != tree.File && e.Mode != tree.Executable {
				return nil
			}
			data, err := t.ReadFile(p)
			if err != nil {
				return nil //nolint:nilerr // whoever reads it reports it
			}
			for _, name := range names {
				if !l.linked[name] && bytes.Contains(data, []byte(name)) {
					l.linked[name] = true
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// linking reports whether a text has a kubeConfig that is no field of a schema, and whether a variable or a template
// is near it.
func linking(data []byte) (links, variable bool) {
	if !bytes.Contains(data, []byte(kubeConfigField)) {
		return false, false
	}
	for doc := range bytes.SplitSeq(data, []byte("\n---")) {
		if bytes.Contains(doc, []byte(kubeConfigField)) && !bytes.Contains(doc, []byte("kind: CustomResourceDefinition")) {
			links = true
			variable = variable || bytes.Contains(doc, []byte("${")) || bytes.Contains(doc, []byte("<<")) || bytes.Contains(doc, []byte("{{"))
		}
	}
	return links, variable
}

const kubeConfigField = "kubeConfig"

// evaluated are the entries that are neither skipped nor recalled nor carried over.
func (e *engine) evaluated() []*Entry {
	if e.opts.Skip == nil && len(e.recalled)+len(e.carried) == 0 {
		return e.fleet.entries
	}
	return slices.DeleteFunc(slices.Clone(e.fleet.entries), func(entry *Entry) bool {
		return e.skips(entry.Cluster) || e.recalled[entry.Cluster] != nil || e.carried[entry.Cluster] != nil
	})
}

// sorted are the entries by cluster.
func (f *fleet) sorted() []*Entry {
	return slices.SortedStableFunc(slices.Values(f.entries), func(a, b *Entry) int { return cmp.Compare(a.Cluster, b.Cluster) })
}

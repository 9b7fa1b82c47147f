package render

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// documentsDir is where a hub keeps Bulkhead's own documents.
const documentsDir = "fleet"

// Documents reads Bulkhead's documents from the folder fleet/ of t; none is no
// error. The error, if any, wraps a [v1alpha1.DocumentError].
func Documents(t *tree.Tree) (v1alpha1.Documents, error) {
	if e, err := t.Stat(documentsDir); errors.Is(err, fs.ErrNotExist) || err == nil && !e.IsDir() {
		return v1alpha1.Documents{}, nil
	}
	var all []v1alpha1.Documents
	err := t.Walk(documentsDir, func(p string, e tree.Entry) error {
		if e.IsDir() || e.Mode == tree.Symlink || path.Ext(p) != ".yaml" && path.Ext(p) != ".yml" {
			return nil
		}
		data, err := t.ReadFile(p)
		if err != nil {
			return err
		}
		docs, err := v1alpha1.Decode(p, data)
		if err != nil {
			return err
		}
		all = append(all, docs)
		return nil
	})
	if err != nil {
		return v1alpha1.Documents{}, err
	}
	return v1alpha1.Merge(all...)
}

// fleet is what is known before anything is rendered.
type fleet struct {
	entries   []*Entry
	variables map[string]map[string]string
	lockdown  map[string]v1alpha1.Lockdown
	apis      map[string]apis
	notes     []Note
}

// entryPoints are those of the Cluster documents when there are some, else the
// discovered ones, and in both cases those that the caller declares.
func entryPoints(ctx context.Context, t *tree.Tree, opts *Options, c *Cache) (*fleet, error) {
	docs, err := Documents(t)
	if err != nil {
		return nil, err
	}
	f := &fleet{variables: map[string]map[string]string{}, lockdown: map[string]v1alpha1.Lockdown{}, apis: map[string]apis{}}
	found, notes, err := discover(ctx, t, c)
	if err != nil {
		return nil, err
	}
	if len(docs.Clusters) > 0 {
		for _, c := range docs.Clusters {
			f.declare(Declared{
				Name: c.Name, Paths: c.Spec.EntryPaths(), Labels: c.Labels, Ref: fluxRef(c.Spec.Ref),
				APIVersions: c.Spec.APIVersions, KubernetesVersion: c.Spec.KubernetesVersion,
			}, found)
			f.variables[c.Name] = maps.Clone(c.Spec.Variables)
			f.lockdown[c.Name] = c.Spec.Lockdown
		}
	} else {
		f.entries, f.notes = slices.Clone(found), notes // found is still asked when others are declared
	}
	for _, c := range opts.Clusters {
		f.entries = slices.DeleteFunc(f.entries, func(e *Entry) bool { return e.Cluster == c.Name })
		f.declare(c, found)
	}
	f.carry(t, opts.Before)
	for cluster, values := range opts.Variables {
		if f.variables[cluster] == nil {
			f.variables[cluster] = map[string]string{}
		}
		maps.Copy(f.variables[cluster], values)
	}
	if len(f.entries) == 0 {
		return nil, fmt.Errorf("%w: there is no %s, no FluxInstance with a sync, and no Cluster document under %s/", ErrNoClusters, syncFile, documentsDir)
	}
	for cluster := range opts.Variables {
		if !slices.ContainsFunc(f.entries, func(e *Entry) bool { return e.Cluster == cluster }) {
			return nil, fmt.Errorf("variables are given for cluster %q, which does not exist; the clusters are %v", cluster, f.names())
		}
	}
	return f, nil
}

func (f *fleet) names() []string {
	var names []string
	for _, e := range f.entries {
		names = append(names, e.Cluster)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// declare adds the entries of one declared cluster. Where the repository holds a
// sync of that folder, the entry is that of the sync.
func (f *fleet) declare(c Declared, found []*Entry) {
	if len(c.APIVersions) > 0 || c.KubernetesVersion != "" {
		f.apis[c.Name] = apis{c.APIVersions, c.KubernetesVersion}
	}
	for _, dir := range c.Paths {
		e := declared(c.Name, dir)
		for _, known := range found {
			if path.Join(known.Prefix, known.Path) == path.Join(e.Prefix, e.Path) {
				same := *known
				e = &same
			}
		}
		folder := path.Join(e.Prefix, e.Path)
		f.entries = slices.DeleteFunc(f.entries, func(o *Entry) bool { // discovered under another name
			return o.Cluster != c.Name && !o.declared && path.Join(o.Prefix, o.Path) == folder
		})
		f.notes = slices.DeleteFunc(slices.Clone(f.notes), func(n Note) bool { return n.Subject == folder })
		e.Cluster, e.Labels, e.declared = c.Name, c.Labels, true
		if c.Ref != nil {
			e.Ref, e.fixedRef = c.Ref, true
		}
		f.entries = append(f.entries, e)
	}
}

// carry adds the entries that an earlier revision had and whose folder is left.
func (f *fleet) carry(t *tree.Tree, before *Result) {
	if before == nil {
		return
	}
	for _, e := range before.Entries { // of several of a cluster, the first
		if slices.Contains(f.names(), e.Cluster) {
			continue
		}
		s, err := t.Stat(path.Join(e.Prefix, e.Path))
		if err != nil || !s.IsDir() || e.Path == "." {
			continue
		}
		f.entries = append(f.entries, e)
		f.notes = append(f.notes, Note{e.Cluster, "its sync is no longer in the repository; Flux on it goes on with " + e.Path})
	}
}

func fluxRef(r *v1alpha1.Ref) *sourcev1.GitRepositoryRef {
	if r == nil || *r == (v1alpha1.Ref{}) {
		return nil
	}
	return &sourcev1.GitRepositoryRef{Branch: r.Branch, Tag: r.Tag, SemVer: r.SemVer, Name: r.Name, Commit: r.Commit}
}

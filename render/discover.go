package render

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	yamlutil "k8s.io/apimachinery/pkg/util/yaml"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// Entry is where a cluster starts: a source and a folder in it.
type Entry struct {
	Cluster string
	Labels  map[string]string
	File    string // slash path of the file that says so; "" for a declared one
	// Prefix is the folder of the repository that stands for the source's root:
	// "." but for repositories that hold several others as folders.
	Prefix    string
	Path      string // slash path of the entry folder, from Prefix
	Namespace string // of the sync's source and Kustomization
	// SourceKind of the sync: GitRepository, or OCIRepository or Bucket, when what is
	// synced is packed from the repository.
	SourceKind string
	Source     string // name of that source
	URL        string // "" when not known; of a Bucket endpoint/name
	Ref        *sourcev1.GitRepositoryRef

	declared bool                       // by a Cluster document or a flag
	fixedRef bool                       // Ref comes from a Cluster document or a flag, not from the sync
	root     *unstructured.Unstructured // the sync's Kustomization
	instance *instance
}

const (
	syncFile      = "gotk-sync.yaml" // as flux bootstrap writes it
	fluxNamespace = "flux-system"
	// maxScanned bounds the files that discovery looks into, in bytes.
	maxScanned   = 1 << 20
	maxDocuments = 10_000
)

// discover finds the entry points of every cluster in t: flux bootstrap's
// gotk-sync.yaml, and the sync of a FluxInstance, also in the values of a
// HelmRelease. Without any, folders of a folder named clusters that hold Flux
// Kustomizations of flux-system are taken. Entries are sorted by file.
func discover(ctx context.Context, t *tree.Tree, c *Cache) (entries []*Entry, notes []Note, err error) {
	d := &discovery{tree: t, cache: c}
	found, _, err := c.survey(ctx, t)
	if err != nil {
		return nil, nil, err
	}
	for _, f := range found {
		d.file(f)
	}
	d.merge()
	if len(d.entries) == 0 {
		d.guess()
	}
	name(d.entries)
	return d.entries, d.notes, nil
}

type discovery struct {
	tree    *tree.Tree
	cache   *Cache
	entries []*Entry
	notes   []Note
	flux    []string // files with Flux Kustomizations, for guess
}

// file takes what a file says of entry points.
func (d *discovery) file(f landmark) {
	if f.Flux {
		d.flux = append(d.flux, f.Path)
	}
	if !f.Sync && !f.Instance {
		return
	}
	docs := d.documents(f.Path)
	if f.Sync {
		d.bootstrap(f.Path, docs)
	} else {
		d.fluxInstance(f.Path, docs)
	}
}

// documents of a file, which nobody changes. Those of a sync are asked for in each revision.
func (d *discovery) documents(file string) []*unstructured.Unstructured {
	h, err := d.tree.HashOf(file)
	if known, ok := d.cache.documents.Load(h); ok && err == nil && !h.IsZero() {
		docs, _ := known.([]*unstructured.Unstructured)
		return docs
	}
	data, errRead := d.tree.ReadFile(file)
	if errRead != nil {
		return nil // it could be read a moment ago
	}
	docs := documents(data)
	if err == nil && !h.IsZero() {
		d.cache.documents.Store(h, docs)
	}
	return docs
}

// bootstrap reads what flux bootstrap wrote next to an entry folder. An empty
// file is one that bootstrap has yet to fill: the folder around tells the path.
func (d *discovery) bootstrap(p string, docs []*unstructured.Unstructured) {
	e := &Entry{File: p, Prefix: ".", Namespace: fluxNamespace, SourceKind: sourcev1.GitRepositoryKind, Source: fluxNamespace, Path: path.Dir(path.Dir(p))}
	var source *unstructured.Unstructured
	for _, u := range docs {
		switch u.GetKind() {
		case "Kustomization":
			if e.root == nil {
				e.root = u
			}
		case sourcev1.GitRepositoryKind, sourcev1.OCIRepositoryKind, sourcev1.BucketKind:
			source = u
		}
	}
	if e.root != nil {
		spec, _, _ := unstructured.NestedString(e.root.Object, "spec", "path")
		if strings.Contains(spec, "${") {
			d.notes = append(d.notes, Note{p, "is a template: its path is " + spec + "; declare the clusters made from it"})
			return
		}
		e.Path = clamp(spec)
		e.Namespace = e.root.GetNamespace()
		e.Source, _, _ = unstructured.NestedString(e.root.Object, "spec", "sourceRef", "name")
		d.prefix(e)
	}
	if source != nil {
		e.SourceKind = source.GetKind()
	}
	switch e.SourceKind {
	case sourcev1.OCIRepositoryKind:
		e.URL = textAt(source.Object, "spec", "url")
	case sourcev1.BucketKind:
		e.URL = bucketURL(textAt(source.Object, "spec", "endpoint"), textAt(source.Object, "spec", "bucketName"))
	default:
		if source != nil {
			e.URL, e.Ref = gitRef(source)
		}
	}
	d.entry(e)
}

// entry takes an entry. One that syncs from an artifact is an entry of this
// repository when the artifact is packed from it: when its folder is here.
func (d *discovery) entry(e *Entry) {
	if e.SourceKind != sourcev1.GitRepositoryKind {
		d.prefix(e)
		from := e.SourceKind + " " + withoutUser(e.URL)
		if s, err := d.tree.Stat(path.Join(e.Prefix, e.Path)); err != nil || !s.IsDir() {
			d.notes = append(d.notes, Note{e.File, "syncs from folder " + e.Path + " of " + from + ", which is not in this repository; declare the cluster with its path"})
			return
		}
		d.notes = append(d.notes, Note{e.File, "syncs from " + from + ", taken to be packed from this repository: a change lands when it is pushed there"})
	}
	d.entries = append(d.entries, e)
}

// prefix finds the folder that stands for the source's root, when the entry
// folder is not where the sync says but the sync's own file lies in such a one.
func (d *discovery) prefix(e *Entry) {
	if s, err := d.tree.Stat(e.Path); err == nil && s.IsDir() {
		return
	}
	folder := path.Dir(e.File)
	for folder != "." {
		folder = path.Dir(folder)
		if s, err := d.tree.Stat(path.Join(folder, e.Path)); err == nil && s.IsDir() && folder != "." {
			e.Prefix = folder
			return
		}
	}
	// A template of a cluster: its own folder says what lies beside it.
	if top, _, ok := strings.Cut(e.Path, "/"); ok {
		if before, _, found := strings.Cut("/"+e.File, "/"+top+"/"); found && before != "" {
			e.Prefix = strings.TrimPrefix(before, "/")
		}
	}
}

func gitRef(repo *unstructured.Unstructured) (string, *sourcev1.GitRepositoryRef) {
	var typed sourcev1.GitRepository
	if decode(repo.Object, &typed) != nil {
		url, _, _ := unstructured.NestedString(repo.Object, "spec", "url")
		return url, nil
	}
	return typed.Spec.URL, typed.Spec.Reference
}

func (d *discovery) fluxInstance(p string, docs []*unstructured.Unstructured) {
	for _, u := range docs {
		i := &instance{}
		namespace := u.GetNamespace()
		switch u.GetKind() {
		case "FluxInstance":
			i.spec, _ = u.Object["spec"].(map[string]any)
		case "HelmRelease":
			i.spec, _ = at(u.Object, "spec", "values", "instance").(map[string]any)
			if target := textAt(u.Object, "spec", "targetNamespace"); target != "" {
				namespace = target
			}
		}
		sync := i.sync()
		if sync == nil {
			continue
		}
		if namespace == "" {
			namespace = fluxNamespace
		}
		source := textAt(sync, "name")
		if source == "" {
			source = namespace // Flux Operator's default
		}
		kind := cmp.Or(textAt(sync, "kind"), sourcev1.GitRepositoryKind)
		e := &Entry{
			File: p, Prefix: ".", Path: clamp(textAt(sync, "path")), Namespace: namespace, SourceKind: kind, Source: source,
			URL: textAt(sync, "url"), instance: i,
		}
		switch kind {
		case sourcev1.GitRepositoryKind:
			e.Ref = i.ref()
		case sourcev1.BucketKind:
			e.URL = bucketURL(e.URL, textAt(sync, "ref"))
		}
		d.entry(e)
	}
}

// merge makes one entry of a FluxInstance and flux bootstrap's sync of the same
// folder: a cluster on its way from the one to the other.
func (d *discovery) merge() {
	byFolder := map[string]*Entry{}
	for _, e := range d.entries {
		if e.instance == nil {
			byFolder[path.Join(e.Prefix, e.Path)] = e
		}
	}
	d.entries = slices.DeleteFunc(d.entries, func(e *Entry) bool {
		same := byFolder[path.Join(e.Prefix, e.Path)]
		if e.instance == nil || same == nil {
			return false
		}
		same.instance = e.instance
		return true
	})
}

// guess takes each folder of a folder named clusters that holds Flux objects, and
// those beside it that have a kustomization file: clusters may inherit from each
// other.
func (d *discovery) guess() {
	seen := map[string]bool{}
	for _, file := range d.flux {
		parts := strings.Split(path.Dir(file), "/")
		i := slices.Index(parts, "clusters")
		if i < 0 || i+1 >= len(parts) {
			continue
		}
		before, all := path.Join(parts[:i]...), path.Join(parts[:i+1]...)
		dir := path.Join(all, parts[i+1])
		prefix := "."
		if before != "" && !d.reaches(".", dir) && d.reaches(before, dir) {
			prefix = before
		}
		entries, err := d.tree.ReadDir(all)
		if err != nil {
			continue
		}
		for _, e := range entries {
			folder := path.Join(all, e.Name)
			if seen[folder] || !e.IsDir() || folder != dir && !isUnit(d.tree, folder) {
				continue
			}
			seen[folder] = true
			entry := declared("", folder)
			if prefix != "." {
				entry.Prefix, entry.Path = prefix, strings.TrimPrefix(folder, prefix+"/")
			}
			d.entries = append(d.entries, entry)
			d.notes = append(d.notes, Note{folder, "is taken for a cluster's entry folder: nothing in the repository says so"})
		}
	}
}

// reaches reports whether a path that the Flux Kustomizations in dir name exists
// below root.
func (d *discovery) reaches(root, dir string) bool {
	for _, file := range d.flux {
		if !strings.HasPrefix(file, dir+"/") {
			continue
		}
		data, err := d.tree.ReadFile(file)
		if err != nil {
			continue
		}
		for _, u := range documents(data) {
			p := textAt(u.Object, "spec", "path")
			if _, err := d.tree.Stat(path.Join(root, clamp(p))); u.GetKind() == "Kustomization" && p != "" && err == nil {
				return true
			}
		}
	}
	return false
}

// declared is the entry of a cluster that somebody names by its folder. Two
// slashes part the folder that stands for the source's root from the path in it.
func declared(cluster, dir string) *Entry {
	e := &Entry{Cluster: cluster, Prefix: ".", Path: clamp(dir), Namespace: fluxNamespace, SourceKind: sourcev1.GitRepositoryKind, Source: fluxNamespace}
	if root, p, ok := strings.Cut(dir, "//"); ok {
		e.Prefix, e.Path = clamp(root), clamp(p)
	}
	return e
}

// name gives each entry without one the shortest tail of its path that tells
// it apart, with dashes for slashes.
func name(entries []*Entry) {
	for depth := 1; depth < 8; depth++ {
		taken := map[string][]*Entry{}
		for _, e := range entries {
			n := tail(e, depth)
			taken[n] = append(taken[n], e)
		}
		for n, list := range taken {
			if len(list) == 1 && list[0].Cluster == "" {
				list[0].Cluster = n
			}
		}
	}
	for i, e := range entries {
		if e.Cluster == "" {
			e.Cluster = fmt.Sprintf("%s-%d", tail(e, 1), i+1)
		}
	}
}

func tail(e *Entry, depth int) string {
	p := e.Path
	if dir := path.Dir(e.File); path.Base(e.File) == syncFile && dir != "." {
		p = strings.TrimSuffix(dir, "/"+fluxNamespace) // the path inside may be a copy of another cluster's
	}
	if p == "." {
		return "root"
	}
	parts := strings.Split(p, "/")
	return strings.Join(parts[max(0, len(parts)-depth):], "-")
}

// clamp turns spec.path into a slash path from the source's root. What leads
// above the root stays at the root.
//
// Source: securejoin.SecureJoin, as kustomize-controller calls it; the tree has
// no symlinks.
func clamp(p string) string {
	if p = strings.TrimPrefix(path.Clean("/"+p), "/"); p != "" {
		return p
	}
	return "."
}

// documents are the objects of a YAML file; what is not an object is left out.
func documents(data []byte) []*unstructured.Unstructured {
	var out []*unstructured.Unstructured
	dec := yamlutil.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096)
	for range maxDocuments {
		m := map[string]any{}
		err := dec.Decode(&m)
		if err != nil {
			if _, syntax := err.(yamlutil.YAMLSyntaxError); syntax { //nolint:errorlint // never wrapped by the decoder
				continue
			}
			return out
		}
		u := &unstructured.Unstructured{Object: m}
		if u.GetKind() != "" {
			out = append(out, u)
		}
	}
	return out
}

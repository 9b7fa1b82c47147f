package layout

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/layout/edit"
	"github.com/bulkhead-dev/bulkhead/tenant"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// Change is what a repository needs to be as its documents say.
type Change struct {
	// Write are files with their new content, Delete files that go. No path is in both.
	Write  map[string]string
	Delete []string // sorted
	// Included are those of the files to write that people wrote, and that get a line for what is generated.
	Included []string // sorted
	// Foreign are files that stand in the way. As long as there are some nothing should be written.
	Foreign []Foreign // sorted by path
	// Notes are what the documents may not mean, of the tenants' files that are written: each once, in the order of clusters.
	Notes []string
}

// Empty says that the repository is as its documents say.
func (c *Change) Empty() bool { return len(c.Write)+len(c.Delete)+len(c.Foreign) == 0 }

// Tree is t after the change.
func (c *Change) Tree(t *tree.Tree) *tree.Tree { return t.With(c.Write, c.Delete...) }

// Foreign is a file where a generated one has to be, or was, and that is not as it was generated.
type Foreign struct {
	Path   string
	Edited bool   // it was generated, and edited since; else it is somebody else's
	Have   string // its content
	Want   string // what would be there; "" for nothing
}

// Plan compares a repository with what its documents stand for. Files in overwrite may be replaced, whatever they are.
//
// The error is a [*v1alpha1.DocumentError], or what reading the tree gave.
func Plan(t *tree.Tree, docs v1alpha1.Documents, overwrite ...string) (*Change, error) {
	all, err := tenant.Compartments(docs)
	if err != nil {
		return nil, err
	}
	files, err := files(docs, all)
	if err != nil {
		return nil, err
	}
	data, _, err := read(t, IndexFile)
	if err != nil {
		return nil, err
	}
	old, err := readIndex(data)
	if err != nil {
		return nil, err
	}
	p := &planner{t: t, c: &Change{Write: map[string]string{}}, old: old, next: index{}, overwrite: overwrite}
	for _, f := range files {
		if err := p.want(f.Path, f.Content); err != nil {
			return nil, err
		}
		p.next[f.Path] = digest(f.Content)
	}
	for _, at := range slices.Sorted(maps.Keys(old)) {
		if _, kept := p.next[at]; !kept {
			if err := p.want(at, ""); err != nil {
				return nil, err
			}
		}
	}
	if text := p.next.String(); len(p.next)+len(old) > 0 && text != string(data) {
		p.c.Write[IndexFile] = text
	}
	for i := range docs.Clusters {
		if err := p.include(docs.Clusters[i].Spec.EntryPaths()[0]); err != nil {
			return nil, err
		}
	}
	if err := p.credentials(all); err != nil {
		return nil, err
	}
	for _, c := range all {
		_, written := p.c.Write[path.Join(c.Cluster.Spec.EntryPaths()[0], TenantsDir, c.Tenant.Name+".yaml")]
		if note := c.Note(); written && note != "" && !slices.Contains(p.c.Notes, note) {
			p.c.Notes = append(p.c.Notes, note)
		}
	}
	return p.c, nil
}

type planner struct {
	t         *tree.Tree
	c         *Change
	old, next index
	overwrite []string
}

// want sees to a generated file; no content means that there is none any more.
func (p *planner) want(at, content string) error {
	have, there, err := read(p.t, at)
	if err != nil {
		return fmt.Errorf("read %s: %w", at, err)
	}
	known, listed := p.old[at]
	switch {
	case !there && content == "", there && content == string(have):
		return nil
	case there && known != digest(string(have)) && !slices.Contains(p.overwrite, at):
		p.c.Foreign = append(p.c.Foreign, Foreign{Path: at, Edited: listed, Have: string(have), Want: content})
		slices.SortFunc(p.c.Foreign, func(a, b Foreign) int { return strings.Compare(a.Path, b.Path) })
	case content == "":
		p.c.Delete = append(p.c.Delete, at)
	default:
		p.c.Write[at] = content
	}
	return nil
}

// KustomizationFile is the path of the kustomization file of a folder, "" when it has none.
//
// Source: kustomize/api v0.21.1, konfig.RecognizedKustomizationFileNames.
func KustomizationFile(t *tree.Tree, dir string) string {
	for _, name := range []string{kustomizationFile, "kustomization.yml", "Kustomization"} {
		at := path.Join(dir, name)
		if e, err := t.Stat(at); err == nil && !e.IsDir() {
			return at
		}
	}
	return ""
}

// include lists what is generated in the kustomization file of a cluster's folder. Without one, kustomize-controller takes all files
// in the folder, and those of tenants by their own kustomization file.
//
// Source: kustomize-controller v1.9.5, generateKustomization of fluxcd/pkg/kustomize.
func (p *planner) include(dir string) error {
	at := KustomizationFile(p.t, dir)
	if at == "" {
		return nil
	}
	data, _, err := read(p.t, at)
	if err != nil {
		return err
	}
	var k struct {
		Resources []string `yaml:"resources"`
	}
	if err := yaml.Unmarshal(data, &k); err != nil {
		return &v1alpha1.DocumentError{File: at, Message: "no kustomization file: " + firstLine(err), Hint: "correct it: what is generated is listed there"}
	}
	out := data
	for _, name := range []string{TenantsDir, VariablesFile} {
		made := path.Join(dir, name)
		if name == TenantsDir {
			made = path.Join(made, kustomizationFile)
		}
		listed := slices.ContainsFunc(k.Resources, func(r string) bool { return path.Clean(r) == name })
		if _, wanted := p.next[made]; !wanted || listed {
			continue
		}
		if out, err = edit.Append(out, 1, name, "resources"); err != nil {
			hint := "add it by hand: resources: [..., " + name + "]"
			return &v1alpha1.DocumentError{File: at, Message: fmt.Sprintf("add %s: %v", name, err), Hint: hint}
		}
	}
	if !bytes.Equal(out, data) {
		p.c.Write[at] = string(out)
		p.c.Included = append(p.c.Included, at)
	}
	return nil
}

// credentials wants the files with Secrets of tenants to be there, encrypted, and of the right name.
func (p *planner) credentials(all []*tenant.Compartment) error {
	for _, c := range all {
		name, file := tenant.SecretName(c.Tenant)
		if file == "" {
			continue
		}
		if err := p.secret(file, name, c.FluxNamespace()); err != nil {
			at := c.Tenant.At("spec.repository.credentials")
			if c.Tenant.Spec.Artifact != nil {
				at = c.Tenant.At("spec.artifact.credentials")
			}
			return &v1alpha1.DocumentError{
				File: at.File, Line: at.Line, Message: fmt.Sprintf("credentials of tenant %s: %s %v", c.Tenant.Name, file, err),
				Hint: fmt.Sprintf("a Secret %s in namespace %s, encrypted by sops with --encrypted-regex '^(data|stringData)$'", name, c.FluxNamespace()),
			}
		}
	}
	return nil
}

func (p *planner) secret(file, name, namespace string) error {
	data, there, err := read(p.t, file)
	switch {
	case err != nil:
		return errors.New("cannot be read")
	case !there:
		return errors.New("does not exist")
	}
	var s struct {
		Kind     string
		Metadata struct{ Name, Namespace string }
		SOPS     map[string]any `yaml:"sops"`
	}
	switch err := yaml.Unmarshal(data, &s); {
	case err != nil || s.Kind != "Secret":
		return errors.New("holds no Secret")
	case len(s.SOPS) == 0:
		return errors.New("is not encrypted")
	case s.Metadata.Name != name || s.Metadata.Namespace != namespace:
		return fmt.Errorf("holds Secret %s in namespace %s", s.Metadata.Name, s.Metadata.Namespace)
	}
	return nil
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// Package layout turns the documents of a fleet into the files of its repository, see [Files], and says what has to be
// written for it, see [Plan].
//
// One invariant: a file that this package did not make, or that somebody has edited since, is never among those to write or delete.
package layout

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/tenant"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// Names of what is made in the folder of a cluster.
const (
	// TenantsDir is the folder with a file for each tenant.
	TenantsDir = "tenants"
	// VariablesFile is the ConfigMap that postBuild.substituteFrom of the platform's Kustomizations reads.
	VariablesFile = "variables.yaml"
	// VariablesName is the name of that ConfigMap.
	VariablesName = "cluster-variables"

	kustomizationFile = "kustomization.yaml"
	platformFile      = "platform.yaml"
)

// File is a generated file.
type File struct {
	Path    string // slash path from the root of the repository
	Content string
}

// Files are all files that the documents stand for, sorted by path: for each cluster its variables, and a folder of its tenants with a file for
// each. A cluster without tenants has that folder, too, in a hub. When the fleet has guards, they are in [GuardsDir], and each cluster with tenants says whom
// they hold there.
//
// The error is a [*v1alpha1.DocumentError] for documents that contradict each other.
func Files(docs v1alpha1.Documents) ([]File, error) {
	all, err := tenant.Compartments(docs)
	if err != nil {
		return nil, err
	}
	return files(docs, all)
}

// files are those that documents with these compartments stand for.
func files(docs v1alpha1.Documents, all []*tenant.Compartment) ([]File, error) {
	byCluster := map[string][]*tenant.Compartment{}
	for _, c := range all {
		byCluster[c.Cluster.Name] = append(byCluster[c.Cluster.Name], c)
	}
	hub := docs.Fleet != nil && docs.Fleet.Spec.Layout == v1alpha1.HubAndSpoke
	var out []File
	guarded := false
	for i := range docs.Clusters {
		c := &docs.Clusters[i]
		dir := c.Spec.EntryPaths()[0]
		if len(c.Spec.Variables) > 0 {
			f, err := variables(docs.Fleet, c)
			if err != nil {
				return nil, err
			}
			out = append(out, f)
		}
		here := byCluster[c.Name]
		if !hub && len(here) == 0 {
			continue
		}
		dir = path.Join(dir, TenantsDir)
		guards, err := guards(docs.Fleet, c, path.Join(dir, GuardsDir), here)
		if err != nil {
			return nil, err
		}
		files, err := tenants(dir, c.Name, len(guards) > 0, here)
		if err != nil {
			return nil, err
		}
		out = append(append(out, files...), guards...)
		guarded = guarded || len(guards) > 0
	}
	if guarded {
		base, err := guardBase(docs.Fleet)
		if err != nil {
			return nil, err
		}
		out = append(out, base...)
	}
	slices.SortFunc(out, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	for i := 1; i < len(out); i++ {
		if out[i].Path == out[i-1].Path {
			return nil, &v1alpha1.DocumentError{File: docs.Clusters[0].Place.File, Message: "two clusters share the folder of " + out[i].Path, Hint: "give each its own spec.path"}
		}
	}
	return out, nil
}

// tenants is the folder of a cluster's tenants, in which guards are a folder.
func tenants(dir, cluster string, guarded bool, all []*tenant.Compartment) ([]File, error) {
	shared, err := tenant.Platform(cluster)
	if err != nil {
		return nil, err
	}
	list := []string{platformFile}
	platform, err := manifests("the fleet's documents", shared)
	if err != nil {
		return nil, err
	}
	out := []File{{path.Join(dir, platformFile), platform}}
	if guarded {
		list = append(list, GuardsDir)
	}
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].Tenant == all[0].Tenant {
			n++
		}
		of := all[0].Tenant
		objects, err := tenant.Objects(all[:n])
		if err != nil {
			return nil, err
		}
		text, err := manifests(of.Place.File, objects)
		if err != nil {
			return nil, err
		}
		name := of.Name + ".yaml"
		if slices.Contains([]string{platformFile, kustomizationFile}, name) {
			at := of.At("metadata.name")
			return nil, &v1alpha1.DocumentError{File: at.File, Line: at.Line, Message: fmt.Sprintf("a tenant cannot be called %s: the file of that name beside it is another", of.Name), Hint: "rename it"}
		}
		out = append(out, File{path.Join(dir, name), text})
		list = append(list, name)
		if _, file := tenant.SecretName(of); file != "" {
			list = append(list, strings.Repeat("../", strings.Count(dir, "/")+1)+file)
		}
		all = all[n:]
	}
	slices.Sort(list[1:])
	return append(out, File{path.Join(dir, kustomizationFile), kustomization(slices.Compact(list)...)}), nil
}

// kustomization is a kustomization file.
func kustomization(resources ...string) string {
	return header("the fleet's documents") + "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n- " + strings.Join(resources, "\n- ") + "\n"
}

// header says what a file is, and what to do instead of editing it.
func header(from string) string {
	return "# Generated by bulkhead from " + from + ". Edit that, then run: bulkhead generate\n"
}

// manifests is a file of objects.
func manifests(from string, objects []*object.Object) (string, error) {
	var b strings.Builder
	_, _ = b.WriteString(header(from))
	for i, o := range objects {
		data, err := yaml.Marshal(o.Body().Map())
		if err != nil {
			return "", fmt.Errorf("write %s: %w", o.ID, err)
		}
		if i > 0 {
			_, _ = b.WriteString("---\n")
		}
		_, _ = b.Write(data)
	}
	return b.String(), nil
}

// variables is the ConfigMap of a cluster, with its name and its environment.
func variables(f *v1alpha1.Fleet, c *v1alpha1.Cluster) (File, error) {
	label := v1alpha1.DefaultEnvironmentLabel
	if f != nil {
		label = cmp.Or(f.Spec.EnvironmentLabel, label)
	}
	data := map[string]string{"cluster_name": c.Name, "environment": c.Labels[label]}
	maps.Copy(data, c.Spec.Variables)
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Name: VariablesName, Namespace: "flux-system", Labels: map[string]string{tenant.LabelManagedBy: tenant.ManagedBy}},
		Data:       data,
	})
	if err != nil {
		return File{}, fmt.Errorf("write the variables of %s: %w", c.Name, err)
	}
	if meta, ok := content["metadata"].(map[string]any); ok {
		delete(meta, "creationTimestamp")
	}
	text, err := yaml.Marshal(content)
	return File{path.Join(c.Spec.EntryPaths()[0], VariablesFile), header(c.Place.File) + string(text)}, err
}

// read is a file of t, and false when there is none.
func read(t *tree.Tree, p string) ([]byte, bool, error) {
	data, err := t.ReadFile(p)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	return bytes.Clone(data), err == nil, err
}

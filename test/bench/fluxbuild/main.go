// Command fluxbuild builds clusters of a fleet with upstream's library as
// kustomize-controller does, and as flux build does: one Kustomization after the
// other, each from nothing.
//
//	fluxbuild FOLDER clusters/c000 clusters/c001 ...
//
// It prints how many builds it made, and how many objects they gave. Charts are not
// rendered.
//
// Source: kustomize-controller v1.9, internal/controller, generate, build and
// substitute; fluxcd/flux2 v2.9, internal/build.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	fluxkustomize "github.com/fluxcd/pkg/kustomize"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/kustomize/api/resmap"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "fluxbuild:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) < 2 {
		return errors.New("want a folder and the entry folders of clusters")
	}
	builds, objects := 0, 0
	for _, entry := range args[1:] {
		c := cluster{root: args[0]}
		if err := c.build(ctx, kustomization("flux-system", entry)); err != nil {
			return err
		}
		for len(c.found) > 0 {
			next := c.found[0]
			c.found = c.found[1:]
			if err := c.build(ctx, next); err != nil {
				return err
			}
		}
		builds, objects = builds+c.builds, objects+c.objects
	}
	fmt.Printf("%d builds, %d objects\n", builds, objects)
	return nil
}

// kustomization is what flux bootstrap makes for a cluster.
func kustomization(name, path string) unstructured.Unstructured {
	return unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
		"metadata": map[string]any{"name": name, "namespace": "flux-system"},
		"spec":     map[string]any{"path": path},
	}}
}

// cluster is what has been applied to one cluster.
type cluster struct {
	client.Client // of which only Get is called
	root          string
	found         []unstructured.Unstructured // Kustomizations to build
	configs       []corev1.ConfigMap
	builds        int
	objects       int
}

// build builds one Kustomization.
func (c *cluster) build(ctx context.Context, ks unstructured.Unstructured) (err error) {
	name := ks.GetName()
	path, _, err := unstructured.NestedString(ks.Object, "spec", "path")
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	dir := filepath.Join(c.root, path)
	action, err := fluxkustomize.NewGenerator(c.root, ks).WriteFile(dir, fluxkustomize.WithSaveOriginalKustomization())
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer func() { err = errors.Join(err, fluxkustomize.CleanDirectory(dir, action)) }()
	m, err := fluxkustomize.SecureBuild(c.root, dir, false)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if _, substitutes, _ := unstructured.NestedMap(ks.Object, "spec", "postBuild"); substitutes {
		for _, res := range m.Resources() {
			out, err := fluxkustomize.SubstituteVariables(ctx, c, ks, res, fluxkustomize.SubstituteWithStrict(true))
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if out != nil {
				if _, err := m.Replace(res); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
		}
	}
	if _, err := m.AsYaml(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	c.builds, c.objects = c.builds+1, c.objects+m.Size()
	return c.apply(m)
}

// apply keeps what later builds need: ConfigMaps, and Kustomizations to build.
func (c *cluster) apply(m resmap.ResMap) error {
	for _, res := range m.Resources() {
		object, err := res.Map()
		if err != nil {
			return err
		}
		switch {
		case res.GetKind() == "ConfigMap" && res.GetNamespace() == "flux-system":
			var config corev1.ConfigMap
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object, &config); err != nil {
				return err
			}
			c.configs = append(c.configs, config)
		case res.GetKind() == "Kustomization" && res.GetName() != "flux-system":
			c.found = append(c.found, unstructured.Unstructured{Object: object})
		}
	}
	return nil
}

// Get answers for the ConfigMaps that have been applied.
func (c *cluster) Get(_ context.Context, key client.ObjectKey, to client.Object, _ ...client.GetOption) error {
	for _, config := range c.configs {
		if out, ok := to.(*corev1.ConfigMap); ok && client.ObjectKeyFromObject(&config) == key {
			config.DeepCopyInto(out)
			return nil
		}
	}
	return fmt.Errorf("get %s: there is none", key)
}

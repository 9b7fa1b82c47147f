//go:build e2e && linux

package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/test/lab"
)

// foreign defines kinds that are on real clusters by other means than Git, without a
// schema: those of Flux that the lab has no controller for, and for a public fleet all
// that a chart would bring and the versions of Flux's kinds that it was written for.
func (l *lane) foreign(ctx context.Context, s *story, c *render.Cluster, on *lab.Cluster, roots []*unstructured.Unstructured) error {
	groups := []string{"source.extensions.fluxcd.io", "image.toolkit.fluxcd.io", "fluxcd.controlplane.io"}
	definitions, err := list(ctx, on, "apiextensions.k8s.io/v1", "CustomResourceDefinition")
	if err != nil {
		return err
	}
	known := map[string]*unstructured.Unstructured{} // by group and kind
	for i := range definitions {
		group, _, _ := unstructured.NestedString(definitions[i].Object, "spec", "group")
		kind, _, _ := unstructured.NestedString(definitions[i].Object, "spec", "names", "kind")
		known[group+"/"+kind] = &definitions[i]
	}
	listed := func(gv schema.GroupVersion, kind string) bool {
		apis, _, _ := unstructured.NestedStringSlice(s.document(c.Name), "spec", "apiVersions")
		return slices.Contains(apis, gv.String()) || slices.Contains(apis, gv.String()+"/"+kind)
	}
	rendered, changed := map[string]bool{}, map[string]bool{}
	need := func(apiVersion, kind string, namespaced bool) {
		gv, err := schema.ParseGroupVersion(apiVersion)
		if err != nil || rendered[gv.Group+"/"+kind] || builtIn(gv.Group) ||
			!s.public && !slices.Contains(groups, gv.Group) && !listed(gv, kind) {
			return
		}
		key := gv.Group + "/" + kind
		if known[key] == nil && slices.ContainsFunc(c.Failures, func(f render.Failure) bool {
			return strings.Contains(f.Message, fmt.Sprintf("no matches for kind %q", kind))
		}) {
			return // it is said to be unknown
		}
		if known[key] == nil {
			known[key] = definition(gv.Group, gv.Version, kind, namespaced)
			changed[key] = true
		} else if addVersion(known[key], gv.Version) {
			changed[key] = true
		}
	}
	for o := range c.Objects.All() {
		if o.ID.Kind == "CustomResourceDefinition" && !strings.Contains(o.ID.Name, "toolkit.fluxcd.io") {
			group, _, _ := unstructured.NestedString(o.Body().Map(), "spec", "group")
			kind, _, _ := unstructured.NestedString(o.Body().Map(), "spec", "names", "kind")
			rendered[group+"/"+kind] = true
		}
	}
	for _, o := range roots {
		need(o.GetAPIVersion(), o.GetKind(), true)
	}
	for _, a := range c.Appliers {
		for _, o := range slices.Concat(a.Objects, a.Held) {
			need(o.APIVersion(), o.ID.Kind, o.ID.Namespace != "")
		}
	}
	for key := range changed {
		crd := known[key]
		crd.SetManagedFields(nil)
		crd.SetResourceVersion("")
		unstructured.RemoveNestedField(crd.Object, "status")
		if err := on.Apply(ctx, crd); err != nil {
			return err
		}
		l.stale = true
	}
	return nil
}

// document is the Cluster document of a cluster; nil without one.
func (s *story) document(cluster string) map[string]any {
	for _, p := range slices.Sorted(maps.Keys(s.files[0])) {
		if !strings.HasPrefix(p, "fleet/") {
			continue
		}
		objects, err := decode(s.files[0][p])
		if err != nil {
			continue
		}
		for _, o := range objects {
			if o.GetKind() == "Cluster" && o.GetName() == cluster {
				return o.Object
			}
		}
	}
	return nil
}

// builtIn says whether a group is the API server's own.
func builtIn(group string) bool {
	own := []string{
		"admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "authentication.k8s.io", "authorization.k8s.io",
		"certificates.k8s.io", "coordination.k8s.io", "discovery.k8s.io", "events.k8s.io", "flowcontrol.apiserver.k8s.io", "internal.apiserver.k8s.io",
		"networking.k8s.io", "node.k8s.io", "rbac.authorization.k8s.io", "resource.k8s.io", "scheduling.k8s.io", "storage.k8s.io",
	}
	return !strings.Contains(group, ".") || slices.Contains(own, group)
}

// addVersion adds a version without a schema and says whether it was missing.
func addVersion(crd *unstructured.Unstructured, name string) bool {
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	for _, v := range versions {
		if m, _ := v.(map[string]any); m["name"] == name {
			return false
		}
	}
	more, _, _ := unstructured.NestedSlice(definition("x", name, "X", true).Object, "spec", "versions")
	more[0].(map[string]any)["storage"] = false //nolint:forcetypeassert // definition makes it so
	_ = unstructured.SetNestedSlice(crd.Object, append(versions, more...), "spec", "versions")
	return true
}

func definition(group, version, kind string, namespaced bool) *unstructured.Unstructured {
	plural, scope := strings.ToLower(kind)+"s", "Cluster"
	if namespaced {
		scope = "Namespaced"
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{
			"name": plural + "." + group,
			// Groups below k8s.io want it.
			"annotations": map[string]any{"api-approved.kubernetes.io": "unapproved, for a test"},
		},
		"spec": map[string]any{
			"group": group, "scope": scope,
			"names": map[string]any{"kind": kind, "plural": plural},
			"versions": []any{map[string]any{
				"name": version, "served": true, "storage": true,
				"subresources": map[string]any{"status": map[string]any{}},
				"schema":       map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
			}},
		},
	}}
}

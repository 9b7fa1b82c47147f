//go:build e2e && linux

package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	cliobject "github.com/fluxcd/cli-utils/pkg/object"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/test/lab"
)

// state is what a cluster holds when it has settled.
type state struct {
	appliers map[object.Applier]*applier
	objects  map[object.ID]*unstructured.Unstructured // that exist, of those asked for
	hooks    map[object.ID]*unstructured.Unstructured // the same of hooks
}

// applier is a Kustomization or HelmRelease as its controller left it.
type applier struct {
	ready     lab.ConditionOf
	inventory map[object.ID]string // to the version
	suspended bool
	unhealthy bool // its objects are applied, and it waits for them
}

// observe waits for what is being deleted, for a while, and reads a cluster. It says
// whether it had to wait.
func (l *lane) observe(ctx context.Context, on *lab.Cluster, ask, hooks map[object.ID]string) (*state, bool, error) {
	waited := false
	for deadline := time.Now().Add(20 * time.Second); ; {
		s, err := l.read(ctx, on, ask, hooks)
		if err != nil || time.Now().After(deadline) {
			return s, waited, err
		}
		going := false
		for _, o := range s.objects {
			going = going || o.GetDeletionTimestamp() != nil
		}
		if !going {
			return s, waited, nil
		}
		waited = true
		select {
		case <-ctx.Done():
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// read reads all appliers of the hub and, on the cluster that they write to, the objects
// of their inventories and those asked for, each in the version that it was applied or
// rendered in.
func (l *lane) read(ctx context.Context, on *lab.Cluster, ask, hooks map[object.ID]string) (*state, error) {
	s := &state{appliers: map[object.Applier]*applier{}}
	all, err := l.appliers(ctx)
	if err != nil {
		return nil, err
	}
	// A client of its own, since the kinds that there are change from story to story.
	c, err := client.New(on.Config, client.Options{Scheme: runtime.NewScheme()})
	if err != nil {
		return nil, err
	}
	sources := l.unready(ctx)
	want := map[object.ID]string{}
	maps.Copy(want, ask)
	for i := range all {
		o := &all[i]
		a := &applier{ready: lab.Condition(o, "Ready"), inventory: map[object.ID]string{}, suspended: suspended(o)}
		if slices.Contains([]string{"ArtifactFailed", "SourceNotReady"}, a.ready.Reason) {
			a.ready.Message += sources
		}
		a.unhealthy = a.ready.Reason == "HealthCheckFailed" || strings.Contains(lab.Condition(o, "Reconciling").Message, "health check")
		s.appliers[object.Applier{Kind: o.GetKind(), Namespace: o.GetNamespace(), Name: o.GetName()}] = a
		entries, _, _ := unstructured.NestedSlice(o.Object, "status", "inventory", "entries")
		for _, e := range entries {
			m, _ := e.(map[string]any)
			text, _ := m["id"].(string)
			version, _ := m["v"].(string)
			id, err := cliobject.ParseObjMetadata(text)
			if err != nil {
				return nil, fmt.Errorf("inventory of %s: %w", o.GetName(), err)
			}
			mine := object.ID{Group: id.GroupKind.Group, Kind: id.GroupKind.Kind, Namespace: id.Namespace, Name: id.Name}
			if namespaced, err := apiutil.IsGVKNamespaced(id.GroupKind.WithVersion(version), c.RESTMapper()); err == nil && !namespaced {
				mine.Namespace = "" // a template may have one all the same
			}
			a.inventory[mine] = version
			want[mine] = version
		}
	}
	if s.objects, err = existing(ctx, c, want); err != nil {
		return nil, err
	}
	s.hooks, err = existing(ctx, c, hooks)
	return s, err
}

// unready is what the sources say that are not ready.
func (l *lane) unready(ctx context.Context) string {
	said := ""
	for _, kind := range []string{"GitRepository", "OCIRepository", "Bucket", "HelmRepository", "HelmChart"} {
		all, err := list(ctx, l.hub, sourceAPI, kind)
		if err != nil {
			continue
		}
		for i := range all {
			if r := lab.Condition(&all[i], "Ready"); r.Status != "True" && !passive(&all[i]) {
				said += fmt.Sprintf(" [%s: %s %s]", all[i].GetName(), r.Reason, r.Message)
			}
		}
	}
	return said
}

// existing gets those objects that there are.
func existing(ctx context.Context, c client.Client, want map[object.ID]string) (map[object.ID]*unstructured.Unstructured, error) {
	found := map[object.ID]*unstructured.Unstructured{}
	for id, version := range want {
		o := &unstructured.Unstructured{}
		o.SetGroupVersionKind(schema.GroupVersionKind{Group: id.Group, Version: version, Kind: id.Kind})
		err := c.Get(ctx, client.ObjectKey{Namespace: id.Namespace, Name: id.Name}, o)
		switch {
		case err == nil:
			found[id] = o
		case client.IgnoreNotFound(err) == nil, meta.IsNoMatchError(err), id.Name == "":
		case strings.Contains(err.Error(), "the server could not find the requested resource"):
		case strings.Contains(err.Error(), "an empty namespace may not be set"), strings.Contains(err.Error(), "a namespace must be specified"):
		default:
			return nil, fmt.Errorf("get %s: %w", id, err)
		}
	}
	return found, nil
}

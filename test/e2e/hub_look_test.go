//go:build e2e && linux

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/test/lab"
)

// settled waits until the clusters, both if none is named, have applied what was pushed, and all their Kustomizations are ready or suspended.
func (h *hub) settled(t *testing.T, clusters ...string) time.Duration {
	t.Helper()
	if len(clusters) == 0 {
		clusters = []string{"a", "b"}
	}
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), hubTime)
	defer cancel()
	for _, cluster := range clusters {
		err := h.Wait(ctx, cluster+" to settle", func(ctx context.Context) (bool, error) {
			revisions := map[string]string{}
			sources, err := list(ctx, h.Cluster(cluster), sourceAPI, "GitRepository")
			if err != nil {
				return false, err
			}
			for i := range sources {
				revisions[sources[i].GetNamespace()+"/"+sources[i].GetName()], _, _ = unstructured.NestedString(sources[i].Object, "status", "artifact", "revision")
			}
			all, err := list(ctx, h.Cluster(cluster), kustomizeAPI, "Kustomization")
			if err != nil {
				return false, err
			}
			for i := range all {
				if err := h.waits(&all[i], revisions); err != nil {
					return false, err
				}
			}
			return len(all) > 0, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return time.Since(start).Round(100 * time.Millisecond)
}

// waits says what a Kustomization lacks to be settled.
func (h *hub) waits(o *unstructured.Unstructured, revisions map[string]string) error {
	name := o.GetNamespace() + "/" + o.GetName()
	applied, _, _ := unstructured.NestedString(o.Object, "status", "lastAppliedRevision")
	observed, _, _ := unstructured.NestedInt64(o.Object, "status", "observedGeneration")
	ready, want := lab.Condition(o, "Ready"), revisions[name]
	if o.GetNamespace() == lab.FluxNamespace {
		want = "main@sha1:" + h.pushed
	}
	switch {
	case suspended(o), h.broken[o.GetNamespace()]:
		return nil
	case o.GetDeletionTimestamp() != nil, ready.Status != "True", observed != o.GetGeneration(), applied != want:
		return fmt.Errorf("%s: Ready=%s %s %s, at %s, wanted %s, sources %v", name, ready.Status, ready.Reason, ready.Message, applied, want, revisions)
	}
	return nil
}

// snapshot is the metadata of everything that a cluster holds, in all kinds that can be listed, but for events and leases.
func (h *hub) snapshot(t *testing.T, cluster string) map[object.ID]metav1.PartialObjectMetadata {
	t.Helper()
	config := rest.CopyConfig(h.Cluster(cluster).Config)
	config.WarningHandler = rest.NoWarnings{}
	d, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	groups, err := d.ServerPreferredResources()
	if err != nil {
		t.Fatal(err)
	}
	c, err := metadata.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	found := map[object.ID]metav1.PartialObjectMetadata{}
	for _, g := range groups {
		gv, err := schema.ParseGroupVersion(g.GroupVersion)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range g.APIResources {
			if !slices.Contains(r.Verbs, "list") || r.Kind == "Event" || r.Kind == "Lease" {
				continue
			}
			all, err := c.Resource(gv.WithResource(r.Name)).List(t.Context(), metav1.ListOptions{})
			if err != nil {
				t.Fatalf("list %s of %s: %v", r.Name, g.GroupVersion, err)
			}
			for _, o := range all.Items {
				found[object.ID{Group: gv.Group, Kind: r.Kind, Namespace: o.Namespace, Name: o.Name}] = o
			}
		}
	}
	return found
}

// remaining is what a cluster has of a tenant: by its label, and all that is in its namespaces.
func (h *hub) remaining(t *testing.T, cluster, tenant string) []string {
	t.Helper()
	mine := []string{tenant + "-flux", tenant + "-" + environments[cluster]}
	var out []string
	for id, o := range h.snapshot(t, cluster) {
		inside := slices.Contains(mine, id.Namespace) || id.Kind == "Namespace" && slices.Contains(mine, id.Name)
		if (inside || o.Labels["toolkit.fluxcd.io/tenant"] == tenant) && !everywhere(id) {
			out = append(out, id.String())
		}
	}
	slices.Sort(out)
	return out
}

// everywhere are the objects that Kubernetes puts into each namespace.
func everywhere(id object.ID) bool {
	return id.Kind == "ServiceAccount" && id.Name == "default" || id.Kind == "ConfigMap" && id.Name == "kube-root-ca.crt"
}

// added are the objects that came, without those that others own and what the API server makes for a Service.
func added(before, after map[object.ID]metav1.PartialObjectMetadata) []string {
	var out []string
	for id, o := range after {
		if _, was := before[id]; !was && !everywhere(id) && len(o.OwnerReferences) == 0 && id.Kind != "Endpoints" && id.Kind != "IPAddress" {
			out = append(out, id.String())
		}
	}
	slices.Sort(out)
	return out
}

// kinds lists the objects of some kinds in a namespace.
func (h *hub) kinds(t *testing.T, cluster, namespace string, kinds ...string) []string {
	t.Helper()
	var out []string
	for id := range h.snapshot(t, cluster) {
		kind := strings.TrimPrefix(id.Group+"/"+id.Kind, "/")
		if id.Namespace == namespace && slices.Contains(kinds, kind) && !everywhere(id) {
			out = append(out, id.String())
		}
	}
	slices.Sort(out)
	return out
}

// gone waits, for a while, until nothing of a kind is left of a tenant, or nothing at all, and returns how long it took.
func (h *hub) gone(t *testing.T, tenant, kind string) time.Duration {
	t.Helper()
	return max(h.goneOn(t, tenant, kind, "a"), h.goneOn(t, tenant, kind, "b"))
}

func (h *hub) goneOn(t *testing.T, tenant, kind, cluster string) time.Duration {
	t.Helper()
	start := time.Now()
	h.until(t, func() bool {
		return !slices.ContainsFunc(h.remaining(t, cluster, tenant), func(id string) bool { return strings.Contains(id, kind+"/") })
	})
	return time.Since(start).Round(100 * time.Millisecond)
}

// leaves waits, for a while, until no more than n objects are left of a tenant, and returns them.
func (h *hub) leaves(t *testing.T, cluster, tenant string, n int) (left []string) {
	t.Helper()
	h.until(t, func() bool {
		left = h.remaining(t, cluster, tenant)
		return len(left) <= n
	})
	return left
}

// until waits for something that the caller checks afterwards.
func (h *hub) until(t *testing.T, ready func() bool) {
	t.Helper()
	for deadline := time.Now().Add(hubTime); !ready() && time.Now().Before(deadline); {
		time.Sleep(200 * time.Millisecond)
	}
}

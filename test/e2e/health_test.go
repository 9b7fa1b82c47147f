//go:build e2e && linux

package e2e

import (
	"context"
	"encoding/json"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulkhead-dev/bulkhead/test/lab"
)

// healthy are the kinds whose controllers do not run here, with the status of one that is
// ready. What waits for them then goes on, as it does on a cluster that works.
func healthy() map[[2]string]func(o *unstructured.Unstructured) map[string]any {
	condition := func(kind string) map[string]any {
		return map[string]any{"type": kind, "status": "True", "reason": "Lab", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}
	}
	progressed := condition("Progressing")
	progressed["reason"] = "NewReplicaSetAvailable" // without it a Deployment counts as under way
	replicas := func(o *unstructured.Unstructured) int64 {
		n, found, _ := unstructured.NestedInt64(o.Object, "spec", "replicas")
		if !found {
			n = 1
		}
		return n
	}
	return map[[2]string]func(*unstructured.Unstructured) map[string]any{
		{"apps/v1", "Deployment"}: func(o *unstructured.Unstructured) map[string]any {
			n := replicas(o)
			return map[string]any{
				"observedGeneration": o.GetGeneration(), "replicas": n, "updatedReplicas": n, "readyReplicas": n, "availableReplicas": n,
				"conditions": []any{condition("Available"), progressed},
			}
		},
		{"apps/v1", "StatefulSet"}: func(o *unstructured.Unstructured) map[string]any {
			n := replicas(o)
			return map[string]any{
				"observedGeneration": o.GetGeneration(), "replicas": n, "updatedReplicas": n, "readyReplicas": n, "currentReplicas": n,
				"availableReplicas": n, "currentRevision": "lab", "updateRevision": "lab",
			}
		},
		{"apps/v1", "DaemonSet"}: func(o *unstructured.Unstructured) map[string]any {
			return map[string]any{
				"observedGeneration": o.GetGeneration(), "desiredNumberScheduled": int64(0), "currentNumberScheduled": int64(0),
				"numberMisscheduled": int64(0), "numberReady": int64(0),
			}
		},
		{"batch/v1", "Job"}: func(*unstructured.Unstructured) map[string]any {
			return map[string]any{
				"startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:00:01Z", "succeeded": int64(1),
				"conditions": []any{condition("SuccessCriteriaMet"), condition("Complete")},
			}
		},
		{"v1", "PersistentVolumeClaim"}: func(*unstructured.Unstructured) map[string]any {
			return map[string]any{"phase": "Bound"}
		},
		{"v1", "Pod"}: func(*unstructured.Unstructured) map[string]any {
			return map[string]any{"phase": "Succeeded", "conditions": []any{condition("Ready")}}
		},
		{helmAPI, "HelmRelease"}: func(o *unstructured.Unstructured) map[string]any {
			return map[string]any{"observedGeneration": o.GetGeneration(), "conditions": []any{condition("Ready")}}
		},
	}
}

// care keeps workloads ready until ctx ends, and HelmReleases where no helm-controller
// looks after them.
func care(ctx context.Context, on *lab.Cluster, charts bool) {
	done := map[types.UID]int64{} // generation whose status is written
	kinds := healthy()
	if charts {
		delete(kinds, [2]string{helmAPI, "HelmRelease"})
	}
	for ctx.Err() == nil {
		for kind, status := range kinds {
			all, err := list(ctx, on, kind[0], kind[1])
			if err != nil {
				continue
			}
			for i := range all {
				o := &all[i]
				if g, ok := done[o.GetUID()]; ok && g == o.GetGeneration() {
					continue
				}
				patch, err := json.Marshal(map[string]any{"status": status(o)})
				if err == nil && on.Client.Status().Patch(ctx, o, client.RawPatch(types.MergePatchType, patch)) == nil {
					done[o.GetUID()] = o.GetGeneration()
				}
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(400 * time.Millisecond):
		}
	}
}

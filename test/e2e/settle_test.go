//go:build e2e && linux

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulkhead-dev/bulkhead/test/lab"
)

// unanswered is the status of a Kustomization that no controller has looked at.
const unanswered = "(unanswered)"

const (
	requestedAt = "reconcile.fluxcd.io/requestedAt"
	// rounds of asking all appliers to reconcile until nothing changes any more.
	rounds = 12
	// growing is how many times as many rounds there are while appliers appear, and endless the
	// number of them that is more than the render follows in a chain without end.
	growing = 3
	endless = 40
	// patience with one round. An applier that waits for the health of its objects longer
	// than that has applied them.
	patience      = 8 * time.Second
	shortPatience = 2 * time.Second
	// dependencyTime is two rounds of the controllers' --requeue-dependency.
	dependencyTime = 1200 * time.Millisecond
)

// settle asks every source and every applier to reconcile, again and again, until a
// round changes nothing. That is where the fleet ends up in hours, with its intervals.
// It says whether they did come to rest.
func (l *lane) settle(ctx context.Context, round *int, limit int) (bool, error) {
	*round++
	sources, err := l.sources(ctx, strconv.Itoa(*round))
	if err != nil {
		return false, err
	}
	seen, calm, err := l.calm(ctx)
	if err != nil || calm && len(seen) == 1 {
		return calm, err
	}
	last, most, same := strings.Join(append(seen, sources...), "\n"), 0, 0
	for n := growing * limit; limit > 0 && n > 0; n-- {
		*round++
		token := strconv.Itoa(*round)
		sources, err := l.sources(ctx, token)
		if err != nil {
			return false, err
		}
		seen, err := l.round(ctx, token)
		if err != nil {
			return false, err
		}
		if len(seen) == 1 && !strings.Contains(seen[0], unanswered) {
			return true, nil // nobody whom it could wait for, and nobody who waits for it
		}
		if len(seen) > endless {
			return false, nil
		}
		if len(seen) <= most {
			limit--
		}
		most = max(most, len(seen))
		now := strings.Join(append(seen, sources...), "\n")
		if same++; now != last {
			same = 0
		}
		if same > 0 && !strings.Contains(now, unanswered) {
			return true, nil
		}
		if same > 1 {
			return false, nil // who has not answered three times never will
		}
		last = now
	}
	return false, nil // what is compared is the last round
}

// calm waits, for a short while, until the appliers have answered by themselves: to their
// specs, and to the revisions that their sources have. A round after which all is as it was
// before it is the end, so that most fleets need one.
func (l *lane) calm(ctx context.Context) (seen []string, calm bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, shortPatience)
	defer cancel()
	err = l.Wait(ctx, "the appliers to answer", func(ctx context.Context) (bool, error) {
		revisions := map[string]string{}
		for _, kind := range []string{"GitRepository", "OCIRepository", "Bucket"} {
			all, err := list(ctx, l.hub, sourceAPI, kind)
			if err != nil {
				return false, err
			}
			for i := range all {
				revision, _, _ := unstructured.NestedString(all[i].Object, "status", "artifact", "revision")
				revisions[kind+"/"+all[i].GetNamespace()+"/"+all[i].GetName()] = revision
			}
		}
		all, err := l.appliers(ctx)
		if err != nil {
			return false, err
		}
		seen, calm = nil, len(all) > 0
		for i := range all {
			calm = calm && answered(&all[i], revisions)
			seen = append(seen, signature(&all[i]))
		}
		slices.Sort(seen)
		return calm, nil
	})
	if ctx.Err() != nil && l.Err() == nil {
		err = nil // the rounds will tell
	}
	return seen, calm, err
}

// answered says whether an applier has reconciled its spec and the revision of its source.
func answered(o *unstructured.Unstructured, revisions map[string]string) bool {
	if suspended(o) {
		return true
	}
	ready := lab.Condition(o, "Ready")
	observed, _, _ := unstructured.NestedInt64(o.Object, "status", "observedGeneration")
	if ready.Status != "True" && ready.Status != "False" || observed != o.GetGeneration() || o.GetDeletionTimestamp() != nil {
		return false
	}
	if o.GetKind() != "Kustomization" {
		return true
	}
	ref, _, _ := unstructured.NestedStringMap(o.Object, "spec", "sourceRef")
	namespace := ref["namespace"]
	if namespace == "" {
		namespace = o.GetNamespace()
	}
	attempted, _, _ := unstructured.NestedString(o.Object, "status", "lastAttemptedRevision")
	return attempted == revisions[ref["kind"]+"/"+namespace+"/"+ref["name"]]
}

func list(ctx context.Context, on *lab.Cluster, apiVersion, kind string) ([]unstructured.Unstructured, error) {
	var l unstructured.UnstructuredList
	l.SetAPIVersion(apiVersion)
	l.SetKind(kind + "List")
	err := on.Client.List(ctx, &l)
	return l.Items, err
}

const (
	sourceAPI    = "source.toolkit.fluxcd.io/v1"
	kustomizeAPI = "kustomize.toolkit.fluxcd.io/v1"
	helmAPI      = "helm.toolkit.fluxcd.io/v2"
)

func kick(ctx context.Context, on *lab.Cluster, o *unstructured.Unstructured, token string) error {
	patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, requestedAt, token)
	return client.IgnoreNotFound(on.Client.Patch(ctx, o.DeepCopy(), client.RawPatch(types.MergePatchType, patch)))
}

func suspended(o *unstructured.Unstructured) bool {
	s, _, _ := unstructured.NestedBool(o.Object, "spec", "suspend")
	return s
}

// handled says whether an object has done what it was asked for, or sleeps.
func handled(o *unstructured.Unstructured, token string) bool {
	at, _, _ := unstructured.NestedString(o.Object, "status", "lastHandledReconcileAt")
	return suspended(o) || at == token && lab.Condition(o, "Ready").Status != "Unknown" && lab.Condition(o, "Ready").Status != ""
}

// sources asks the sources and waits for them, then for the charts that are made of them.
// It returns what they have.
func (l *lane) sources(ctx context.Context, token string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	steps := [][]string{{"GitRepository"}}
	if l.charts != nil || l.served.Load() != nil {
		steps = [][]string{{"GitRepository", "OCIRepository", "Bucket", "HelmRepository"}, {"HelmChart"}}
	}
	var seen []string
	for _, kinds := range steps {
		var step []string
		err := l.Wait(ctx, "the sources", func(ctx context.Context) (bool, error) {
			ready := true
			step = nil
			for _, kind := range kinds {
				all, err := list(ctx, l.hub, sourceAPI, kind)
				if err != nil {
					return false, err
				}
				for i := range all {
					o := &all[i]
					if o.GetAnnotations()[requestedAt] != token {
						if err := kick(ctx, l.hub, o, token); err != nil {
							return false, err
						}
					}
					ready = ready && (handled(o, token) || passive(o))
					revision, _, _ := unstructured.NestedString(o.Object, "status", "artifact", "revision")
					step = append(step, fmt.Sprintln(kind, o.GetNamespace(), o.GetName(), revision, lab.Condition(o, "Ready").Status))
				}
			}
			return ready, nil
		})
		if err != nil {
			return nil, err
		}
		seen = append(seen, step...)
	}
	return seen, nil
}

// passive says whether a source is one that no controller answers for.
func passive(o *unstructured.Unstructured) bool {
	kind, _, _ := unstructured.NestedString(o.Object, "spec", "type")
	return o.GetKind() == "HelmRepository" && kind == "oci"
}

// appliers are the Kustomizations, and the HelmReleases when their controller runs.
func (l *lane) appliers(ctx context.Context) ([]unstructured.Unstructured, error) {
	all, err := list(ctx, l.hub, kustomizeAPI, "Kustomization")
	if err != nil || l.charts == nil {
		return all, err
	}
	releases, err := list(ctx, l.hub, helmAPI, "HelmRelease")
	return append(all, releases...), err
}

// round asks the appliers, those too that appear meanwhile, waits for them, and
// returns what it saw.
func (l *lane) round(ctx context.Context, token string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var seen []string
	var calm time.Time // since when all have answered
	err := l.Wait(ctx, "the appliers", func(ctx context.Context) (bool, error) {
		all, err := l.appliers(ctx)
		if err != nil {
			return false, err
		}
		ready, waiting := true, false
		seen = seen[:0]
		for i := range all {
			o := &all[i]
			if o.GetAnnotations()[requestedAt] != token {
				if err := kick(ctx, l.hub, o, token); err != nil {
					return false, err
				}
			}
			ready = ready && handled(o, token) && o.GetDeletionTimestamp() == nil
			waiting = waiting || lab.Condition(o, "Ready").Reason == "DependencyNotReady"
			seen = append(seen, signature(o))
		}
		switch {
		case !ready:
			calm = time.Time{}
		case calm.IsZero():
			calm = time.Now()
		}
		// A dependency that was at work itself is looked at once more by whoever waits for it.
		return ready && (!waiting || time.Since(calm) > dependencyTime), nil
	})
	slices.Sort(seen)
	if err != nil && ctx.Err() != nil && l.Err() == nil {
		err = nil // some wait for health, or for what never comes
	}
	return seen, err
}

// signature is what a round may not change.
func signature(o *unstructured.Unstructured) string {
	status, _ := o.Object["status"].(map[string]any)
	revision := status["lastAppliedRevision"]
	ready := lab.Condition(o, "Ready")
	inventory, _ := json.Marshal(status["inventory"])
	spec, _ := json.Marshal(o.Object["spec"])
	if ready.Status == "" && !suspended(o) {
		ready.Status = unanswered
	}
	if attempted := status["lastAttemptedRevision"]; attempted != nil {
		revision = fmt.Sprint(attempted, status["lastReleaseRevision"])
	}
	return fmt.Sprintln(o.GetKind(), o.GetNamespace(), o.GetName(), o.GetGeneration(), ready.Status, ready.Reason, revision, string(inventory), string(spec))
}

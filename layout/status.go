package layout

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/tenant"
)

// Status is the Kustomizations of one cluster, as they are there.
type Status []kustomizev1.Kustomization

// ReadStatus reads what "kubectl get kustomizations.kustomize.toolkit.fluxcd.io -A -o yaml" prints, or -o json: a List, or the objects one after the other.
// Objects of other kinds are passed over.
func ReadStatus(data []byte) (Status, error) {
	var out Status
	dec := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096)
	for {
		var content map[string]any
		if err := dec.Decode(&content); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return nil, fmt.Errorf("read the objects of a cluster: %w", err)
		}
		items, list := content["items"].([]any)
		if !list {
			items = []any{content}
		}
		for _, it := range items {
			m, _ := it.(map[string]any)
			if kind, _ := m["kind"].(string); kind != kustomizev1.KustomizationKind {
				continue
			}
			if v, _ := m["apiVersion"].(string); !strings.HasPrefix(v, kustomizev1.GroupVersion.Group+"/") {
				continue
			}
			var k kustomizev1.Kustomization
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(m, &k); err != nil {
				return nil, fmt.Errorf("read a Kustomization: %w", err)
			}
			out = append(out, k)
		}
	}
}

// find is the Kustomization of a compartment, nil when it is not there.
func (s Status) find(c *tenant.Compartment) *kustomizev1.Kustomization {
	for i := range s {
		if s[i].Namespace == c.FluxNamespace() && s[i].Name == c.Name() {
			return &s[i]
		}
	}
	return nil
}

// SuspendedOn is nil when the cluster has taken the phase Suspended: nothing new comes from the tenant's source there, what is to be kept is
// marked, and the Kustomization is awake, so that it takes away what it applied.
func SuspendedOn(s Status, c *tenant.Compartment) error {
	k := s.find(c)
	name := c.FluxNamespace() + "/" + c.Name()
	switch {
	case k == nil:
		return fmt.Errorf("Kustomization %s is not there", name) //nolint:staticcheck // a kind has a capital
	case k.Annotations[tenant.AnnotationPhase] != string(v1alpha1.Suspended):
		return fmt.Errorf("Kustomization %s is not of a tenant that is suspended", name) //nolint:staticcheck // a kind has a capital
	case k.Spec.Suspend:
		return fmt.Errorf("Kustomization %s has spec.suspend: it would leave behind what it applied", name) //nolint:staticcheck // a kind has a capital
	case c.Tenant.Spec.Lifecycle.KeepData:
		marks := len(k.Spec.Patches) > 0 && strings.Contains(k.Spec.Patches[len(k.Spec.Patches)-1].Patch, "prune: disabled")
		ready := false
		for _, cond := range k.Status.Conditions {
			ready = ready || cond.Type == "Ready" && cond.Status == "True" && cond.ObservedGeneration == k.Generation
		}
		if !marks || !ready || k.Status.ObservedGeneration != k.Generation {
			return fmt.Errorf("Kustomization %s has not marked what is to be kept", name) //nolint:staticcheck // a kind has a capital
		}
	}
	return nil
}

// DrainedOn is nil when the cluster has taken the phase Draining: the Kustomization, whose finalizer takes away what it applied, is gone. What is told of
// the cluster must hold other Kustomizations, as a fleet's own is always there.
func DrainedOn(s Status, c *tenant.Compartment) error {
	name := c.FluxNamespace() + "/" + c.Name()
	switch k := s.find(c); {
	case k != nil && !k.DeletionTimestamp.IsZero():
		return fmt.Errorf("Kustomization %s is still taking away what it applied", name) //nolint:staticcheck // a kind has a capital
	case k != nil:
		return fmt.Errorf("Kustomization %s is still there", name) //nolint:staticcheck // a kind has a capital
	case len(s) == 0:
		return errors.New("no Kustomization at all, not even that of the cluster itself: is it the right cluster?")
	}
	return nil
}

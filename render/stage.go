package render

import (
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	ssautil "github.com/fluxcd/pkg/ssa/utils"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/bulkhead-dev/bulkhead/object"
)

// Stage is when in one reconciliation the controller applies an object. A stage is
// written as a whole or, when the API server refuses one of its objects, not at
// all; the stages after it are then not written either, and nothing is pruned. Kinds
// of --custom-apply-stage-kinds are taken to be in the last stage.
//
// Source: fluxcd/pkg/ssa v0.76.2 manager_apply.go ApplyAllStaged.
type Stage uint8

// The stages, in their order.
const (
	Definitions Stage = iota // CustomResourceDefinitions, Namespaces, ClusterRoles
	Classes                  // kinds whose name ends in Class
	Rest
)

// StageOf is the stage in which o is applied.
func StageOf(o *object.Object) Stage {
	return stageOf(&unstructured.Unstructured{Object: map[string]any{"apiVersion": o.APIVersion(), "kind": o.ID.Kind}})
}

func stageOf(u *unstructured.Unstructured) Stage {
	switch {
	case ssautil.IsClusterDefinition(u):
		return Definitions
	case ssautil.IsClassDefinition(u):
		return Classes
	}
	return Rest
}

// refuse notes that the API server refuses an object of that stage.
func (a *Applier) refuse(s Stage) {
	if !a.Refused || s < a.RefusedStage {
		a.Refused, a.RefusedStage = true, s
	}
}

// skipped reports whether a marker keeps the controller from applying an object,
// be it there or not.
//
// Source: kustomize-controller v1.9.5 apply, ExclusionSelector.
func skipped(u *unstructured.Unstructured) bool {
	return ssautil.AnyInMetadata(u, map[string]string{
		kustomizev1.GroupVersion.Group + "/reconcile": kustomizev1.DisabledValue,
		kustomizev1.GroupVersion.Group + "/ssa":       kustomizev1.IgnoreValue,
	})
}

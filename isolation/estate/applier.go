package estate

import (
	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// The kinds of appliers.
const (
	KustomizationKind = "Kustomization"
	HelmReleaseKind   = "HelmRelease"
	ResourceSetKind   = "ResourceSet"
)

// State says how far an applier could be evaluated; the values are render's.
type State string

// The states.
const (
	Built      State = "Built"
	Failed     State = "Failed"
	Unresolved State = "Unresolved"
	Suspended  State = "Suspended"
)

// Applier is an object that makes a controller write to a cluster.
type Applier struct {
	object.Applier
	// Home holds the object, Target is written to. They differ with spec.kubeConfig.
	Home, Target *Cluster
	// Object is the applier itself, as Home has it; nil when what makes it is not in Git, as the sync that "flux bootstrap" made.
	Object *Object
	// Kustomization or Release is Object, decoded; nil for other kinds, and without Object.
	Kustomization *kustomizev1.Kustomization
	HelmRelease   *helmv2.HelmRelease
	// Chain of the appliers that lead to it, outermost first.
	Chain []object.Applier
	// Parent is the last of Chain; nil when it is not known.
	Parent *Applier
	// Author wrote the applier object; nil for the platform.
	Author *Tenant
	// Tenant decides what it applies; nil for the platform. An author decides always.
	Tenant *Tenant
	State  State
	Source Source
	// Path is the slash path of its folder, from the root of its source.
	Path string
	// Own is true when its source is the repository under review, of which Prefix is then the root: "." but for repositories that hold others.
	Own    bool
	Prefix string
	// Pinned is true when it follows another ref of the repository under review.
	Pinned bool
	As     Identity
	// Prune, DeletionPolicy and Force are as Flux takes them, with its defaults.
	Prune          bool
	DeletionPolicy string
	Force          bool
	// ReleaseName, ReleaseNamespace and StorageNamespace are of the Helm release; "" for other kinds. ChartName and ChartVersion are "" when the
	// chart is not known.
	ReleaseName, ReleaseNamespace, StorageNamespace, ChartName, ChartVersion string
	// InstallCRDs and UpgradeCRDs say what becomes of a release's CRDs: Skip, Create or CreateReplace.
	InstallCRDs, UpgradeCRDs string
	// Definitions are the CustomResourceDefinitions in the crds/ folders of a release's chart, sorted, also those that another applier brings: they are no
	// objects of the release then, but it may still replace them.
	Definitions []string
	// Objects that it applies; those that it would apply when it is not suspended; Helm's hooks.
	Objects, Held, Hooks []*Object
	// Reads are the files and folders of its source that its build asked for.
	Reads tree.Trace
	// Files of its source, at the revision that it follows; nil when they are not at hand.
	Files *tree.Tree
}

// FluxGroup is the API group of the applier's kind; "" for one that is not Flux's.
func (a *Applier) FluxGroup() string {
	switch a.Kind {
	case KustomizationKind:
		return KustomizeGroup
	case HelmReleaseKind:
		return HelmGroup
	case ResourceSetKind:
		return OperatorGroup
	}
	return ""
}

// ID of the applier object.
func (a *Applier) ID() object.ID {
	return object.ID{Group: a.FluxGroup(), Kind: a.Kind, Namespace: a.Namespace, Name: a.Name}
}

// Spec of the object; nil when it is not known.
func (a *Applier) Spec() map[string]any {
	if a.Object == nil {
		return nil
	}
	spec, _ := a.Object.At("spec").(map[string]any)
	return spec
}

// Compartment is that of the tenant that decides what it applies, on the cluster that it writes to; nil for the platform's.
func (a *Applier) Compartment() *Compartment {
	if a.Tenant == nil {
		return nil
	}
	return a.Target.Compartment(a.Tenant)
}

// Controller is what runs the applier on its home cluster; nil when Git does not say.
func (a *Applier) Controller() *Controller {
	switch a.Kind {
	case KustomizationKind:
		return a.Home.Controller(KustomizeController)
	case HelmReleaseKind:
		return a.Home.Controller(HelmController)
	case ResourceSetKind:
		return a.Home.Controller(FluxOperator)
	}
	return nil
}

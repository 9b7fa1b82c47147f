// Package release turns a chart and a HelmRelease into the objects that helm-controller would apply.
//
// It runs Helm itself, without a cluster, and the post-renderers of helm-controller. Its invariant: equal
// [Input] gives equal [Output], byte for byte. What a template draws from chance, the clock or the cluster is
// replaced by a stable value and reported on the objects that it reaches. Start at [Describe] and [Renderer.Render].
package release

import (
	"context"
	"errors"
	"fmt"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
)

// File is one file of a chart package. Name is a slash path from the chart's root, such as "Chart.yaml",
// "templates/a.yaml" or "charts/sub/Chart.yaml".
type File struct {
	Name string `json:"name"`
	Data []byte `json:"data,omitempty"`
}

// Input is all that decides what a release holds. It survives encoding/json, so that a worker process can be
// given one. The order of Files does not count, nor does that of APIVersions.
type Input struct {
	// Files are those of the packaged chart, as source-controller stores it: version and default values settled.
	Files []File `json:"files"`
	// Values are what helm-controller composes of spec.valuesFrom and spec.values.
	Values Values `json:"values,omitempty"`
	// Release is what of the HelmRelease counts.
	Release Release `json:"release"`
	// Kubernetes is the version of the cluster, such as "1.35" or "v1.35.2-eks-1"; "" is the newest that Helm knows.
	Kubernetes string `json:"kubernetes,omitempty"`
	// APIVersions are what the cluster serves, "group/version" and "group/version/Kind"; none means the groups
	// and versions that Helm knows without a cluster.
	APIVersions []string `json:"apiVersions,omitempty"`
	// Sensitive are texts that no error and no note may show, such as values from Secrets.
	Sensitive []string `json:"sensitive,omitempty"`
	// Limits bound what the chart may cost.
	Limits Limits `json:"limits,omitzero"`
}

// Release is what of a HelmRelease decides the objects. Make it with [Describe].
type Release struct {
	// Namespace and Name are those of the HelmRelease object, which the origin labels show.
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// ReleaseName and ReleaseNamespace are what Helm is told.
	ReleaseName      string `json:"releaseName"`
	ReleaseNamespace string `json:"releaseNamespace"`
	// StorageNamespace is where Helm keeps the release's history. It decides no object.
	StorageNamespace string `json:"storageNamespace,omitempty"`
	// Upgrade says that the release exists already, which is the steady state: .Release.IsUpgrade.
	Upgrade bool `json:"upgrade,omitempty"`

	PostRenderers      []helmv2.PostRenderer     `json:"postRenderers,omitempty"`
	PostRenderStrategy helmv2.PostRenderStrategy `json:"postRenderStrategy,omitempty"`
	CommonMetadata     *helmv2.CommonMetadata    `json:"commonMetadata,omitempty"`

	// DisableHooks says that the action runs no hook. Hooks are rendered all the same.
	DisableHooks bool `json:"disableHooks,omitempty"`
	// DisableSchemaValidation leaves out the check against values.schema.json.
	DisableSchemaValidation bool `json:"disableSchemaValidation,omitempty"`
	// CRDs is the policy for the crds/ folders, never empty when made by Describe. The caller applies it.
	CRDs helmv2.CRDsPolicy `json:"crds,omitempty"`
	// CreateNamespace says that an install makes the release's namespace.
	CreateNamespace bool `json:"createNamespace,omitempty"`
	// PreserveValues says that an upgrade starts from the values of the last release, which only the cluster knows.
	PreserveValues bool `json:"preserveValues,omitempty"`
	// Tests says that spec.test is enabled, with TestFilters to choose among the tests.
	Tests       bool            `json:"tests,omitempty"`
	TestFilters []helmv2.Filter `json:"testFilters,omitempty"`
}

// Limits bound one render. A zero field means the default.
type Limits struct {
	// Steps is how many loop rounds, calls of templates and costly calls of functions the templates may take
	// together; 1,000,000 by default.
	Steps int `json:"steps,omitempty"`
	// Bytes is how much text the functions of the templates may make together; 256 MiB by default.
	Bytes int `json:"bytes,omitempty"`
	// Depth is how deep calls of templates may nest; 1,000 by default.
	Depth int `json:"depth,omitempty"`
	// Files is the size of the chart's files together; 100 MiB by default, which is Helm's own bound.
	Files int `json:"files,omitempty"`
	// Nodes is how many nodes one YAML file may hold with its aliases expanded; 2,000,000 by default.
	Nodes int `json:"nodes,omitempty"`
}

// Stages of a render, in their order.
const (
	StageChart      = "chart"      // the chart can't be loaded, or does not fit the cluster
	StageValues     = "values"     // the values do not meet the chart's schema or its dependencies
	StageTemplate   = "template"   // a template fails, or gives no YAML
	StagePostRender = "postrender" // the post-renderers, or what of it reaches the cluster
	StageLimit      = "limit"      // the chart costs more than Limits allow: the controller might go on
)

// Error says why a release has no objects. Other than at StageLimit, the controller would fail too.
// The text holds none of the texts that the input calls sensitive.
type Error struct {
	Stage   string `json:"stage"`
	File    string `json:"file,omitempty"` // the template as Helm names it, such as "nginx/templates/svc.yaml"
	Line    int    `json:"line,omitempty"` // from 1; 0 when not known
	Message string `json:"message"`        // Helm's words
	// Unknowable are the lookups in the cluster that had found nothing here when it came to that, sorted: on
	// a real one they may have found something, and the release may well render.
	Unknowable []string `json:"unknowable,omitempty"`
}

// Error gives stage, place and message.
func (e *Error) Error() string {
	switch {
	case e.File == "":
		return fmt.Sprintf("render %s: %s", e.Stage, e.Message)
	case e.Line == 0:
		return fmt.Sprintf("render %s: %s: %s", e.Stage, e.File, e.Message)
	default:
		return fmt.Sprintf("render %s: %s:%d: %s", e.Stage, e.File, e.Line, e.Message)
	}
}

// ErrLimit is what an [Error] of StageLimit wraps.
var ErrLimit = errors.New("the chart costs more than it may")

// Unwrap gives [ErrLimit] at StageLimit, else nothing.
func (e *Error) Unwrap() error {
	if e.Stage == StageLimit {
		return ErrLimit
	}
	return nil
}

// Renderer renders releases. The zero value works; it keeps the charts it loaded last, so one is
// best used for all. Its methods may be called by any number of goroutines at once.
type Renderer struct {
	// Guard runs each step that kustomize takes part in. It must see to it that kustomize's global schema does
	// not change meanwhile, and is parsed where merges says that objects may be merged. Without one, such steps
	// run one at a time within the process.
	Guard func(merges bool, run func() error) error

	charts charts
}

// Render gives the objects of a release. The error is a *[Error], or that of ctx.
func (r *Renderer) Render(ctx context.Context, in Input) (*Output, error) {
	return r.render(ctx, in)
}

// Render is that of a new [Renderer].
func Render(ctx context.Context, in Input) (*Output, error) {
	return new(Renderer).Render(ctx, in)
}

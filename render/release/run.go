package release

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	kubefake "helm.sh/helm/v4/pkg/kube/fake"
	helmrelease "helm.sh/helm/v4/pkg/release/v1"
	k8sversion "k8s.io/apimachinery/pkg/util/version"
)

// run is one pass of Helm over a chart. It belongs to one goroutine.
type run struct {
	loaded  *loaded
	in      *Input
	release *Release
	limits  Limits
	caps    *common.Capabilities
	guard   func(bool, func() error) error
	meter   *meter
	vary    string // the function whose values are the other ones this time, or ""

	current string                     // the template file that runs
	done    map[string]bool            // files that ran
	texts   map[string]*instrumented   // what tpl was given
	used    map[string]map[string]bool // unknowable function -> files that called it
	calls   map[[sha256.Size]byte]int
	post    *postRenderer
	chart   *chart.Chart // this pass's own
}

// helm runs the action of the controller without a cluster.
//
// Source: helm-controller v1.6.4, internal/action newInstall, newUpgrade and applyCRDs. Both actions render alike, up to
// .Release. The dry run is the one that asks a server, with a client that has none and capabilities that are
// given: the other kind adds every API version that Helm knows.
func (r *run) helm(ctx context.Context) (rel *helmrelease.Release, err error) {
	defer func() {
		if p := recover(); p != nil {
			rel, err = nil, fmt.Errorf("recovered from panic in Helm: %v", p)
		}
	}()
	r.done, r.texts, r.used = map[string]bool{}, map[string]*instrumented{}, map[string]map[string]bool{}
	r.calls, r.current = map[[sha256.Size]byte]int{}, ""
	r.meter.rewind(r.loaded.longest)
	r.chart = copied(r.loaded.chart)
	r.post = &postRenderer{release: r.release, guard: r.guard, nodes: r.limits.Nodes}
	install := action.NewInstall(&action.Configuration{
		KubeClient:          &kubefake.PrintingKubeClient{Out: io.Discard, LogOutput: io.Discard},
		Capabilities:        r.caps,
		CustomTemplateFuncs: r.functions(),
	})
	install.DryRunStrategy = action.DryRunServer
	install.ReleaseName = r.release.ReleaseName
	install.Namespace = r.release.ReleaseNamespace
	install.IsUpgrade = r.release.Upgrade && r.vary != installName
	install.SkipCRDs = true
	install.DisableHooks = r.release.DisableHooks
	install.SkipSchemaValidation = r.release.DisableSchemaValidation
	install.PostRenderer = r.post
	install.PostRenderStrategy = action.PostRenderStrategy(r.release.PostRenderStrategy)
	if install.PostRenderStrategy == "" {
		install.PostRenderStrategy = action.PostRenderStrategyCombined
	}
	vals, _ := cloned(map[string]any(r.in.Values)).(map[string]any)
	if len(r.chart.CRDObjects()) > 0 && r.release.CRDs != helmv2.Skip {
		// The controller looks for CRDs first, and Helm then processes the dependencies once more.
		if err := chartutil.ProcessDependencies(r.chart, vals); err != nil {
			return nil, fmt.Errorf("chart dependencies processing failed: %w", err)
		}
	}
	releaser, err := install.RunWithContext(ctx, r.chart, vals)
	if err != nil {
		return nil, err
	}
	rel, ok := releaser.(*helmrelease.Release)
	if !ok {
		return nil, errors.New("only the Chart API v2 is supported")
	}
	return rel, nil
}

// capabilitiesOf is what the cluster of in says of itself. Without a version or API versions, Helm's own.
//
// Source: helm.sh/helm/v4 v4.2.4, pkg/action/action.go getCapabilities.
func capabilitiesOf(in *Input) (*common.Capabilities, error) {
	caps := common.DefaultCapabilities.Copy()
	if in.Kubernetes != "" {
		v, err := kubeVersion(in.Kubernetes)
		if err != nil {
			return nil, &Error{Stage: StageChart, Message: fmt.Sprintf("read the Kubernetes version: %v", err)}
		}
		caps.KubeVersion = v
	}
	if len(in.APIVersions) > 0 {
		caps.APIVersions = slices.Compact(slices.Sorted(slices.Values(in.APIVersions)))
	}
	return caps, nil
}

func kubeVersion(s string) (common.KubeVersion, error) {
	v, err := k8sversion.ParseGeneric(s)
	if err != nil {
		return common.KubeVersion{}, err
	}
	text := "v" + strings.TrimPrefix(s, "v")
	if strings.Count(text, ".") == 1 { // "1.35", which no server says of itself
		text += ".0"
	}
	return common.KubeVersion{Version: text, Major: fmt.Sprint(v.Major()), Minor: fmt.Sprint(v.Minor())}, nil
}

func (r *Renderer) render(ctx context.Context, in Input) (*Output, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	in.Limits = in.Limits.orDefaults()
	hide := redactor(in.Sensitive)
	l, _ := r.charts.get(in.Files, in.Limits)
	if l.err != nil {
		return nil, hide.error(l.err)
	}
	caps, err := capabilitiesOf(&in)
	if err != nil {
		return nil, err
	}
	pass := &run{loaded: l, in: &in, release: &in.Release, limits: in.Limits, caps: caps, guard: r.Guard, meter: newMeter(ctx, in.Limits)}
	out, err := pass.output(ctx)
	if err != nil {
		return nil, hide.error(pass.doubted(err))
	}
	used := pass.used
	if in.Release.Upgrade && (l.revision || mentions(map[string]any(in.Values), "Revision")) {
		used[revisionName] = map[string]bool{}
	}
	if in.Release.Upgrade && (l.install || mentions(map[string]any(in.Values), "IsInstall") || mentions(map[string]any(in.Values), "IsUpgrade")) {
		used[installName] = map[string]bool{}
	}
	for _, name := range slices.Sorted(maps.Keys(used)) {
		if err := pass.blame(ctx, out, name, used[name]); err != nil {
			return nil, hide.error(err)
		}
	}
	out.Uses = l.uses.or(valueUses(map[string]any(in.Values)))
	out.note(&in, l, hide)
	return out, nil
}

// output runs Helm once and reads what it gives.
func (r *run) output(ctx context.Context) (*Output, error) {
	rel, err := r.helm(ctx)
	if r.meter.err != nil {
		return nil, r.meter.err
	}
	if err != nil {
		return nil, r.failure(err)
	}
	out, err := r.collect(rel)
	if err != nil {
		return nil, r.failure(err)
	}
	return out, nil
}

// doubted adds to a failure the lookups that came before it: they found nothing.
func (r *run) doubted(err error) error {
	var e *Error
	if !errors.As(err, &e) || e.Stage != StageTemplate && e.Stage != StagePostRender {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(r.used)) {
		if strings.HasPrefix(name, "lookup ") {
			e.Unknowable = append(e.Unknowable, name)
		}
	}
	return err
}

// blame finds the objects of out that one unknowable function reaches, and names it there. Those of a lookup are all
// of the files that look up. For the others, Helm runs once more with other values of that function: what then
// differs depends on it. When that run fails, all objects of the files that call it may.
func (r *run) blame(ctx context.Context, out *Output, name string, files map[string]bool) error {
	mark := func(reached func(o *Object) bool) {
		for _, o := range out.all() {
			if reached(o) {
				o.Unknowable = append(o.Unknowable, name)
				slices.Sort(o.Unknowable)
			}
		}
	}
	if strings.HasPrefix(name, "lookup ") {
		mark(func(o *Object) bool { return files[o.File] })
		return nil
	}
	pass := *r
	pass.vary = name
	other, err := pass.output(ctx)
	if r.meter.err != nil {
		return r.meter.err
	}
	if err != nil {
		mark(func(o *Object) bool { return name == revisionName || name == installName || files[o.File] })
		return nil //nolint:nilerr // the other values do not suit the chart
	}
	same := map[string]int{}
	for _, o := range other.all() {
		same[o.File+"\x00"+string(o.JSON)]++
	}
	mark(func(o *Object) bool {
		key := o.File + "\x00" + string(o.JSON)
		same[key]--
		return same[key] < 0
	})
	return nil
}

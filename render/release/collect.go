package release

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"helm.sh/helm/v4/pkg/kube"
	helmrelease "helm.sh/helm/v4/pkg/release/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// collect reads the objects out of a release.
func (r *run) collect(rel *helmrelease.Release) (*Output, error) {
	m := r.loaded.chart.Metadata
	out := &Output{Chart: Chart{
		Name: m.Name, Version: m.Version, AppVersion: m.AppVersion, KubeVersion: m.KubeVersion, Type: m.Type, Deprecated: m.Deprecated,
	}}
	docs, err := documents([]byte(rel.Manifest), r.limits.Nodes)
	if err != nil {
		return nil, err
	}
	for _, d := range docs {
		o, err := r.object(d, true)
		if err != nil {
			return nil, err
		}
		out.Objects = append(out.Objects, *o)
	}
	// Source: helm.sh/helm/v4 v4.2.4, pkg/action/hooks.go hookByWeight.
	slices.SortStableFunc(rel.Hooks, func(a, b *helmrelease.Hook) int {
		return cmp.Or(cmp.Compare(a.Weight, b.Weight), cmp.Compare(a.Name, b.Name))
	})
	for _, h := range rel.Hooks {
		if err := r.hook(out, h); err != nil {
			return nil, err
		}
	}
	if err := r.crds(out); err != nil {
		return nil, err
	}
	if r.release.CreateNamespace {
		if out.Namespace, err = namespace(r.release.ReleaseNamespace); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// object is what Helm sends of a document. Those of the release get Helm's label and annotations; hooks do not.
//
// Source: helm.sh/helm/v4 v4.2.4, pkg/action/validate.go setMetadataVisitor; the namespace is that of
// k8s.io/cli-runtime v0.36.4 SetNamespace; keep is pkg/action/resource_policy.go.
func (r *run) object(d document, owned bool) (*Object, error) {
	u := &unstructured.Unstructured{Object: d.content}
	o := &Object{File: d.file}
	annotations := u.GetAnnotations()
	o.Keep = strings.ToLower(strings.TrimSpace(annotations[kube.ResourcePolicyAnno])) == kube.KeepPolicy
	if _, ok := u.Object["metadata"].(map[string]any); !ok {
		u.Object["metadata"] = map[string]any{}
	}
	if owned {
		u.SetLabels(merged(u.GetLabels(), map[string]string{"app.kubernetes.io/managed-by": "Helm"}))
		u.SetAnnotations(merged(annotations, map[string]string{
			"meta.helm.sh/release-name":      r.release.ReleaseName,
			"meta.helm.sh/release-namespace": r.release.ReleaseNamespace,
		}))
	}
	if u.GetNamespace() == "" {
		u.SetNamespace(r.release.ReleaseNamespace)
		o.DefaultedNamespace = true
	}
	data, err := json.Marshal(u.Object)
	if err != nil {
		return nil, &Error{Stage: StagePostRender, File: d.file, Message: fmt.Sprintf("%s %q: %v", u.GetKind(), u.GetName(), err)}
	}
	o.JSON = data
	return o, nil
}

func merged(a, b map[string]string) map[string]string {
	out := make(map[string]string, len(a)+len(b))
	maps.Copy(out, a)
	maps.Copy(out, b)
	return out
}

func (r *run) hook(out *Output, h *helmrelease.Hook) error {
	docs, err := documents([]byte(h.Manifest), r.limits.Nodes)
	if err != nil {
		return inFile(err, h.Path)
	}
	for _, d := range docs {
		d.file = h.Path
		o, err := r.object(d, false)
		if err != nil {
			return err
		}
		hook := Hook{Object: *o, Weight: h.Weight}
		for _, e := range h.Events {
			hook.Events = append(hook.Events, e.String())
			hook.Test = hook.Test || e == helmrelease.HookTest
			hook.Runs = hook.Runs || r.runs(e, h.Name)
		}
		for _, p := range h.DeletePolicies {
			hook.DeletePolicies = append(hook.DeletePolicies, p.String())
		}
		if len(hook.DeletePolicies) == 0 {
			hook.DeletePolicies = []string{helmrelease.HookBeforeHookCreation.String()}
		}
		out.Hooks = append(out.Hooks, hook)
	}
	return nil
}

// runs reports whether the action, or the tests after it, run the hooks of an event.
//
// Source: helm.sh/helm/v4 v4.2.4, pkg/action install.go, upgrade.go and release_testing.go.
func (r *run) runs(e helmrelease.HookEvent, name string) bool {
	switch e {
	case helmrelease.HookPreInstall, helmrelease.HookPostInstall:
		return !r.release.Upgrade && !r.release.DisableHooks
	case helmrelease.HookPreUpgrade, helmrelease.HookPostUpgrade:
		return r.release.Upgrade && !r.release.DisableHooks
	case helmrelease.HookTest:
		return r.release.Tests && wanted(r.release.TestFilters, name)
	default:
		return false
	}
}

// wanted reports whether the filters let a test run: none that excludes it, and one that names it if any names one.
func wanted(filters []helmv2.Filter, name string) bool {
	named, listed := false, false
	for _, f := range filters {
		switch {
		case f.Exclude && f.Name == name:
			return false
		case !f.Exclude:
			named = true
			listed = listed || f.Name == name
		}
	}
	return !named || listed
}

// crds reads the crds/ folders of the chart and of the subcharts that are enabled.
//
// Source: helm-controller v1.6.4, internal/action/crds.go.
func (r *run) crds(out *Output) error {
	switch r.release.CRDs {
	case "", helmv2.Skip, helmv2.Create, helmv2.CreateReplace:
	default:
		return &Error{Stage: StageChart, Message: fmt.Sprintf("invalid CRD upgrade policy '%s', valid values are '%s', '%s' or '%s'",
			r.release.CRDs, helmv2.Skip, helmv2.Create, helmv2.CreateReplace)}
	}
	for _, c := range r.chart.CRDObjects() {
		docs, err := documents(c.File.Data, r.limits.Nodes)
		if err != nil {
			if r.release.CRDs == helmv2.Skip {
				continue
			}
			return inFile(err, c.Filename)
		}
		for _, d := range docs {
			u := &unstructured.Unstructured{Object: d.content}
			gvk := u.GroupVersionKind()
			if gvk.Group != "apiextensions.k8s.io" || gvk.Kind != "CustomResourceDefinition" {
				out.Notes = append(out.Notes, fmt.Sprintf("%s: %s %q is left out: crds/ is for CustomResourceDefinitions", c.Filename, gvk.Kind, u.GetName()))
				continue
			}
			u.SetLabels(merged(u.GetLabels(), originLabels(r.release)))
			data, err := json.Marshal(u.Object)
			if err != nil {
				return err
			}
			out.CRDs = append(out.CRDs, Object{JSON: data, File: c.Filename})
		}
	}
	return nil
}

// inFile says of an error which file it is about.
func inFile(err error, file string) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return &Error{Stage: StageChart, File: file, Message: e.Message}
	}
	return err
}

// namespace is what install.createNamespace makes.
//
// Source: helm.sh/helm/v4 v4.2.4, pkg/action/install.go RunWithContext.
func namespace(name string) (*Object, error) {
	data, err := json.Marshal(&corev1.Namespace{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"name": name}},
	})
	if err != nil {
		return nil, err
	}
	var content map[string]any
	if err := json.Unmarshal(data, &content); err != nil {
		return nil, err
	}
	data, err = json.Marshal(content)
	return &Object{JSON: data}, err
}

// all are the objects and hooks of out, which templates make.
func (o *Output) all() []*Object {
	var out []*Object
	for i := range o.Objects {
		out = append(out, &o.Objects[i])
	}
	for i := range o.Hooks {
		out = append(out, &o.Hooks[i].Object)
	}
	return out
}

package resourceset

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	ssautil "github.com/fluxcd/pkg/ssa/utils"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Annotations of resources that the operator acts on.
const (
	reconcileAnnotation = "fluxcd.controlplane.io/reconcile"
	copyAnnotation      = "fluxcd.controlplane.io/copyFrom"
	convertAnnotation   = "fluxcd.controlplane.io/convertKubeConfigFrom"
	checksumAnnotation  = "fluxcd.controlplane.io/checksumFrom"
)

// ownerLabel is the begin of the labels that name the ResourceSet of an object.
const ownerLabel = "resourceset.fluxcd.controlplane.io/"

// render adds the objects of one template, for every input set.
func (r *renderer) render(step int, src source, sets []inputSet) error {
	p, err := r.engine.parse(src)
	if err != nil {
		return fmt.Errorf("spec.%w", err)
	}
	for i, set := range sets {
		if r.runs++; r.runs > maxRuns {
			return fmt.Errorf("spec.%s: more than %d templates to render: %w", src.from, maxRuns, ErrTooLarge)
		}
		objects, doubts, err := r.execute(p, set)
		if err != nil {
			return fmt.Errorf("input set %d: %w", i, err)
		}
		for _, o := range objects {
			o.Step, o.From, o.Input = step, src.from, i
			for _, f := range doubts {
				o.Unknown = add(o.Unknown, "what "+f+" gives")
			}
			if err := r.object(o); err != nil {
				return fmt.Errorf("input set %d: spec.%s: %w", i, src.from, err)
			}
		}
	}
	return nil
}

// execute gives the objects of a template for one input set. Those that would be
// others with other ids, at another time or with other luck say so.
func (r *renderer) execute(p *parsed, set inputSet) ([]Object, []string, error) {
	data, doubts, err := p.execute(r.meter, set, "")
	if err != nil {
		return nil, nil, fmt.Errorf("spec.%w", err)
	}
	if r.written += len(data); r.written > maxWritten {
		return nil, nil, fmt.Errorf("spec.%s: output of more than %d bytes: %w", p.from, maxWritten, ErrTooLarge)
	}
	list, err := read(data)
	if err != nil {
		return nil, nil, fmt.Errorf("spec.%s: %w", p.from, err)
	}
	objects := make([]Object, len(list))
	for i, u := range list {
		objects[i].Value = u.Object
	}
	if p.varies || p.inner && r.permuted {
		err = r.compare(p, set, data, objects)
	}
	return objects, doubts, err
}

// compare renders once more, with other stand-ins, and says what differs.
func (r *renderer) compare(p *parsed, set inputSet, data []byte, objects []Object) error {
	again, _, err := p.execute(r.meter, set, "other")
	switch {
	case errors.Is(err, ErrTooLarge) || r.ctx.Err() != nil:
		return fmt.Errorf("spec.%w", err)
	case err == nil && bytes.Equal(again, data):
		return nil
	}
	var others []*unstructured.Unstructured
	if err == nil {
		others, err = read(again)
	}
	if len(others) != len(objects) || err != nil {
		r.unknown("how many objects spec.%s gives depends on what only the cluster knows, such as inputs.id", p.from)
		return nil //nolint:nilerr // with other stand-ins it would fail: that is unknown, too
	}
	for i := range objects {
		objects[i].Unknown = differs(nil, "", objects[i].Value, others[i].Object)
		if identity(objects[i].Value) != identity(others[i].Object) {
			r.unknown("the name of the %s of spec.%s is made of what only the cluster knows, such as inputs.id", text(objects[i].Value, "kind"), p.from)
		}
	}
	return nil
}

// read decodes what a template wrote, as the appliers of Flux do.
func read(data []byte) (objects []*unstructured.Unstructured, err error) {
	defer func() {
		if p := recover(); p != nil { // a list in a list
			err = fmt.Errorf("read the objects: %v", p)
		}
	}()
	return ssautil.ReadObjects(bytes.NewReader(data))
}

// object adds an object, unless it is disabled or there is one of that name.
func (r *renderer) object(o Object) error {
	u := unstructured.Unstructured{Object: o.Value}
	if !ssautil.IsKubernetesObject(&u) {
		return fmt.Errorf("an item of a list needs apiVersion, kind and name")
	}
	id := identity(o.Value)
	for _, field := range []string{"labels", "annotations"} {
		if _, _, err := unstructured.NestedStringMap(o.Value, "metadata", field); err != nil {
			return fmt.Errorf("%s: metadata.%s has a value that is not a text", id, field)
		}
	}
	annotations := u.GetAnnotations()
	if strings.EqualFold(annotations[reconcileAnnotation], "disabled") {
		return nil
	}
	if _, ok := r.seen[id]; ok {
		return nil
	}
	if r.seen[id] = o.From; len(r.seen) > maxObjects {
		return fmt.Errorf("more than %d objects: %w", maxObjects, ErrTooLarge)
	}
	o.Unknown = append(o.Unknown, onCluster(o.Value, annotations)...)
	slices.Sort(o.Unknown)

	labels := u.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[ownerLabel+"name"], labels[ownerLabel+"namespace"] = r.name, r.namespace
	maps.Copy(labels, r.labels)
	u.SetLabels(labels)
	if len(r.annotations) > 0 {
		if annotations == nil {
			annotations = map[string]string{}
		}
		maps.Copy(annotations, r.annotations)
		u.SetAnnotations(annotations)
	}
	r.out.Objects = append(r.out.Objects, o)
	return nil
}

// onCluster says which fields the operator fills from objects of the cluster.
//
// Source: Flux Operator documentation, "Copying data from existing ConfigMaps and
// Secrets" and "Running Jobs with ResourceSet Steps".
func onCluster(o map[string]any, annotations map[string]string) []string {
	var out []string
	core := text(o, "apiVersion") == "v1"
	if from, ok := annotations[copyAnnotation]; ok && core && (text(o, "kind") == "ConfigMap" || text(o, "kind") == "Secret") {
		out = append(out, "data, which is copied from "+from)
	}
	if from, ok := annotations[convertAnnotation]; ok && core && text(o, "kind") == "ConfigMap" {
		out = append(out, "data, which is made of the kubeconfig in "+from)
	}
	for _, path := range [][]string{{"metadata"}, {"spec", "template", "metadata"}, {"spec", "jobTemplate", "spec", "template", "metadata"}} {
		if from, ok := at(o, append(path, "annotations", checksumAnnotation)...).(string); ok {
			out = append(out, strings.Join(path, ".")+".annotations, which get the checksum of "+from)
		}
	}
	return out
}

// identity is group, kind, namespace and name: what an object is by.
func identity(o map[string]any) string {
	group, _, ok := strings.Cut(text(o, "apiVersion"), "/")
	if !ok {
		group = ""
	}
	return strings.Join([]string{group, text(o, "kind"), text(o, "metadata", "namespace"), text(o, "metadata", "name")}, "/")
}

// maxDiffering bounds the paths that an object names one by one.
const maxDiffering = 20

// differs adds the paths at which two objects are not equal.
func differs(paths []string, path string, a, b any) []string {
	if len(paths) > maxDiffering || reflect.DeepEqual(a, b) {
		return paths
	}
	if len(paths) == maxDiffering {
		return append(paths, "more")
	}
	switch x := a.(type) {
	case map[string]any:
		if y, ok := b.(map[string]any); ok {
			keys := slices.Sorted(maps.Keys(x))
			for k := range y {
				if _, ok := x[k]; !ok {
					keys = append(keys, k)
				}
			}
			slices.Sort(keys)
			for _, k := range keys {
				paths = differs(paths, strings.TrimPrefix(path+"."+k, "."), x[k], y[k])
			}
			return paths
		}
	case []any:
		if y, ok := b.([]any); ok && len(x) == len(y) {
			for i := range x {
				paths = differs(paths, path+"["+strconv.Itoa(i)+"]", x[i], y[i])
			}
			return paths
		}
	}
	return append(paths, path)
}

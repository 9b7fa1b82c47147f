//go:build e2e && linux

package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"

	"github.com/bulkhead-dev/bulkhead/object"
)

// The managers of the fields that the controllers apply.
const (
	kustomizeManager = "kustomize-controller"
	helmManager      = "helm-controller"
)

// managerOf is the manager of an applier's fields.
func managerOf(a object.Applier) string {
	if a.Kind == "HelmRelease" {
		return helmManager
	}
	return kustomizeManager
}

// owned is what a controller applied to an object: the fields that the API server
// holds it for the manager of. Defaults and what others wrote are none of them.
func owned(o *unstructured.Unstructured, manager string) (*fieldpath.Set, string, error) {
	for _, m := range o.GetManagedFields() {
		if m.Manager != manager || m.Operation != "Apply" || m.Subresource != "" || m.FieldsV1 == nil {
			continue
		}
		set := &fieldpath.Set{}
		return set, m.APIVersion, set.FromJSON(bytes.NewReader(m.FieldsV1.GetRawBytes()))
	}
	return nil, "", nil
}

// comparison finds how what was sent differs from what is owned.
type comparison struct{ found []string }

func (c *comparison) add(path []string, format string, args ...any) {
	c.found = append(c.found, strings.Join(path, ".")+": "+fmt.Sprintf(format, args...))
}

// diffFields compares an object as it is rendered with the live one, over the fields that
// the controller owns, in both directions.
func diffFields(sent map[string]any, live *unstructured.Unstructured, manager string) []string {
	set, _, err := owned(live, manager)
	if err != nil {
		return []string{err.Error()}
	}
	if set == nil {
		return []string{"the controller has applied none of its fields"}
	}
	c := &comparison{}
	c.walk(nil, set, withText(live), sent)
	return c.found
}

// withText is the content of an object; that of a Secret with the text which the API
// server made into data.
func withText(o *unstructured.Unstructured) map[string]any {
	data, _, _ := unstructured.NestedStringMap(o.Object, "data")
	if o.GetKind() != "Secret" || o.GroupVersionKind().Group != "" {
		return o.Object
	}
	text := map[string]any{}
	for k, v := range data {
		if plain, err := base64.StdEncoding.DecodeString(v); err == nil {
			text[k] = string(plain)
		}
	}
	content := maps.Clone(o.Object)
	content["stringData"] = text
	return content
}

// implied are fields that name the object, which nobody owns.
var implied = []string{"apiVersion", "kind", "metadata.name", "metadata.namespace", "metadata.creationTimestamp", "status"}

func (c *comparison) walk(path []string, set *fieldpath.Set, live, sent any) {
	covered := map[string]bool{} // fields of sent, or indexes of its items
	elements := map[string]fieldpath.PathElement{}
	set.Members.Iterate(func(e fieldpath.PathElement) { elements[e.String()] = e })
	set.Children.Iterate(func(e fieldpath.PathElement) { elements[e.String()] = e })
	for _, name := range slices.Sorted(keysOf(elements)) {
		e := elements[name]
		at := append(slices.Clone(path), strings.TrimPrefix(name, "."))
		lv, _, there := find(live, e, true)
		sv, key, have := find(sent, e, false)
		switch {
		case !have:
			c.add(at, "applied %s, not rendered", text(lv))
			continue
		case !there && !zero(sv):
			c.add(at, "owned but gone")
			continue
		}
		covered[key] = true
		if !there || sv == nil {
			continue // the server drops zeros, and what is null is left to its default
		}
		if below, ok := set.Children.Get(e); ok {
			c.walk(at, below, lv, sv)
			continue
		}
		if name == ".targetPort" && same(sv, 0) {
			continue // its zero, which the server takes for the port
		}
		if !same(lv, sv) {
			c.add(at, "applied %s, rendered %s", text(lv), text(sv))
		}
	}
	switch sent := sent.(type) {
	case map[string]any:
		for k, v := range sent {
			at := append(slices.Clone(path), k)
			if l, list := v.([]any); list && len(l) == 0 {
				continue // an empty list has no items to own
			}
			if !covered[k] && v != nil && !slices.Contains(implied, strings.Join(at, ".")) {
				c.add(at, "rendered %s, not applied", text(v))
			}
		}
	case []any:
		for i, v := range sent {
			if !covered[fmt.Sprint(i)] {
				c.add(append(slices.Clone(path), fmt.Sprint(i)), "rendered %s, not applied", text(v))
			}
		}
	}
}

// zero says whether a value is one that the API server leaves out of what it stores.
func zero(v any) bool {
	switch v := plain(v).(type) {
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	default:
		return v == nil || v == "" || v == false || v == 0.0
	}
}

func keysOf(m map[string]fieldpath.PathElement) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// find looks a path element up in a value. An item of a list whose key the author left
// to its default (a port's protocol) is found all the same.
func find(in any, e fieldpath.PathElement, exact bool) (v any, key string, ok bool) {
	switch {
	case e.FieldName != nil:
		m, isMap := in.(map[string]any)
		v, ok = m[*e.FieldName]
		return v, *e.FieldName, isMap && ok
	case e.Index != nil:
		l, _ := in.([]any)
		if *e.Index < len(l) {
			return l[*e.Index], fmt.Sprint(*e.Index), true
		}
	case e.Value != nil:
		l, _ := in.([]any)
		for i, item := range l {
			if same(item, (*e.Value).Unstructured()) {
				return item, fmt.Sprint(i), true
			}
		}
	case e.Key != nil:
		l, _ := in.([]any)
		for i, item := range l {
			m, _ := item.(map[string]any)
			if matches(m, *e.Key, exact) {
				return item, fmt.Sprint(i), true
			}
		}
	}
	return nil, "", false
}

func matches(item map[string]any, key value.FieldList, exact bool) bool {
	if item == nil {
		return false
	}
	for _, f := range key {
		v, ok := item[f.Name]
		if !ok && !exact {
			continue
		}
		if !ok || !same(v, f.Value.Unstructured()) {
			return false
		}
	}
	return true
}

// same compares values as the API server does: numbers by value, quantities by amount.
// What was sent as an empty map or list says that the field is there; what the server
// puts into it is not the author's.
func same(live, sent any) bool {
	live, sent = plain(live), plain(sent)
	if reflect.DeepEqual(live, sent) {
		return true
	}
	switch s := sent.(type) {
	case map[string]any:
		l, ok := live.(map[string]any)
		if ok && len(s) == 0 {
			return true
		}
		// An atomic map or an item of an atomic list is held with its defaults.
		for k, v := range s {
			if lv, have := l[k]; v != nil && (!have || !same(lv, v)) {
				return false
			}
		}
		return ok
	case []any:
		if len(s) == 0 && live == nil {
			return true
		}
		l, ok := live.([]any)
		if !ok || len(l) != len(s) {
			return false
		}
		for i := range s {
			if !same(l[i], s[i]) {
				return false
			}
		}
		return true
	}
	a, errA := resource.ParseQuantity(fmt.Sprint(live))
	b, errB := resource.ParseQuantity(fmt.Sprint(sent))
	return errA == nil && errB == nil && a.Cmp(b) == 0 && live != nil && sent != nil
}

func plain(v any) any {
	switch n := v.(type) {
	case int:
		return float64(n)
	case int64:
		return float64(n)
	}
	return v
}

func text(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	if len(data) > 160 {
		data = append(data[:160:160], "…"...)
	}
	return string(data)
}

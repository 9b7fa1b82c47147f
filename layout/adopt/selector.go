package adopt

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
)

// selecting is the simplest selector for the labels in, and for none of those out: one label, the one named first before others; that
// and another; values of one label; that and values of another. False when there is none.
func selecting(in, out []map[string]string, first string) (*metav1.LabelSelector, bool) {
	fits := func(s *metav1.LabelSelector) bool {
		selects, err := metav1.LabelSelectorAsSelector(s)
		matches := func(l map[string]string) bool { return selects.Matches(labels.Set(l)) }
		return err == nil && !slices.ContainsFunc(in, func(l map[string]string) bool { return !matches(l) }) && !slices.ContainsFunc(out, matches)
	}
	var tries []*metav1.LabelSelector
	keys := slices.Sorted(maps.Keys(in[0]))
	if _, ok := in[0][first]; ok {
		keys = append([]string{first}, slices.DeleteFunc(keys, func(k string) bool { return k == first })...)
	}
	one := func(key string) map[string]string { return map[string]string{key: in[0][key]} }
	among := func(key string) []metav1.LabelSelectorRequirement {
		var values []string
		for _, l := range in {
			if v, ok := l[key]; ok && !slices.Contains(values, v) {
				values = append(values, v)
			}
		}
		slices.Sort(values)
		return []metav1.LabelSelectorRequirement{{Key: key, Operator: metav1.LabelSelectorOpIn, Values: values}}
	}
	for _, key := range keys {
		tries = append(tries, &metav1.LabelSelector{MatchLabels: one(key)})
	}
	for _, key := range keys[min(1, len(keys)):] {
		both := one(key)
		maps.Copy(both, one(keys[0]))
		tries = append(tries, &metav1.LabelSelector{MatchLabels: both})
	}
	for _, key := range keys {
		tries = append(tries, &metav1.LabelSelector{MatchExpressions: among(key)})
	}
	for _, key := range keys[min(1, len(keys)):] {
		tries = append(tries, &metav1.LabelSelector{MatchLabels: one(keys[0]), MatchExpressions: among(key)})
	}
	if len(out) == 0 {
		tries = append(tries, &metav1.LabelSelector{})
	}
	for _, s := range tries {
		if fits(s) {
			return s, true
		}
	}
	return nil, false
}

// settingsMap is settings as JSON has them.
func settingsMap(s *v1alpha1.Settings) (map[string]any, error) {
	data, err := json.Marshal(s)
	out := map[string]any{}
	if err == nil {
		err = json.Unmarshal(data, &out)
	}
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	return out, nil
}

func fromMap(m map[string]any, s *v1alpha1.Settings) error {
	data, err := json.Marshal(m)
	if err == nil {
		err = json.Unmarshal(data, s)
	}
	if err != nil {
		return fmt.Errorf("write settings: %w", err)
	}
	return nil
}

// over is a with b on top, map by map.
func over(a, b map[string]any) map[string]any {
	out := maps.Clone(a)
	for k, v := range b {
		x, ok := out[k].(map[string]any)
		y, also := v.(map[string]any)
		if ok && also {
			v = over(x, y)
		}
		out[k] = v
	}
	return out
}

// shared is what both say.
func shared(a, b map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range a {
		x, ok := v.(map[string]any)
		y, also := b[k].(map[string]any)
		switch {
		case ok && also:
			if both := shared(x, y); len(both) > 0 {
				out[k] = both
			}
		case reflect.DeepEqual(v, b[k]):
			out[k] = v
		}
	}
	return out
}

// without is what a says and b does not.
func without(a, b map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range a {
		x, ok := v.(map[string]any)
		y, also := b[k].(map[string]any)
		switch {
		case ok && also:
			if rest := without(x, y); len(rest) > 0 {
				out[k] = rest
			}
		case !reflect.DeepEqual(v, b[k]):
			out[k] = v
		}
	}
	return out
}

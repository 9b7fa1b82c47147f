package object

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	resourcev1 "k8s.io/api/resource/v1"
	storagev1 "k8s.io/api/storage/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// TestMergeKeysCoverKubernetes compares the table with the tags of the API types.
func TestMergeKeysCoverKubernetes(t *testing.T) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		admissionv1.AddToScheme, appsv1.AddToScheme, autoscalingv2.AddToScheme, batchv1.AddToScheme,
		certificatesv1.AddToScheme, corev1.AddToScheme, discoveryv1.AddToScheme, networkingv1.AddToScheme,
		policyv1.AddToScheme, rbacv1.AddToScheme, resourcev1.AddToScheme, storagev1.AddToScheme,
		apiextensionsv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	seen, checked := map[reflect.Type]bool{}, map[string]bool{}
	for _, typ := range scheme.AllKnownTypes() {
		walkTags(typ, seen, func(f reflect.StructField) {
			field, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			strategy := f.Tag.Get("patchStrategy")
			key := f.Tag.Get("patchMergeKey")
			switch {
			case key != "":
				checked[field+" by "+key] = true
				if !slices.ContainsFunc(mergeKeys[field], func(names []string) bool { return names[0] == key }) {
					t.Errorf("%s of %s is merged by %s, the table has %v", field, f.Type, key, mergeKeys[field])
				}
			case strings.Contains(strategy, "merge") && f.Type.Kind() == reflect.Slice:
				checked[field+" by value"] = true
				if !scalarSets[field] {
					t.Errorf("%s is merged by value, the table does not have it", field)
				}
			}
		})
	}
	if len(checked) < 20 || !checked["ports by containerPort"] || !checked["ports by port"] || !checked["finalizers by value"] {
		t.Errorf("the walk found too little: %v", checked)
	}
}

// walkTags calls fn for each field of each struct that t leads to.
func walkTags(t reflect.Type, seen map[reflect.Type]bool, fn func(reflect.StructField)) {
	switch t.Kind() { //nolint:exhaustive // other kinds lead nowhere
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		walkTags(t.Elem(), seen, fn)
	case reflect.Struct:
		if seen[t] {
			return
		}
		seen[t] = true
		for field := range t.Fields() {
			fn(field)
			walkTags(field.Type, seen, fn)
		}
	}
}

func TestKeyDefaults(t *testing.T) {
	a := NewBody(parse(t, "{ports: [{port: 53}, {port: 53, protocol: UDP}]}"))
	b := NewBody(parse(t, "{ports: [{port: 53, protocol: UDP, name: dns}, {port: 53, protocol: TCP}]}"))
	var got []string
	for _, e := range Diff(a, b, DiffOptions{}) {
		got = append(got, e.String())
	}
	want := []string{
		"reorder ports",
		"add ports[port=53,protocol=TCP].protocol",
		"add ports[port=53,protocol=UDP].name",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	checkLaws(t, a, b)
}

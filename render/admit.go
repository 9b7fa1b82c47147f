package render

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	ssaerrors "github.com/fluxcd/pkg/ssa/errors"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	kube "k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/kubernetes/scheme"
)

// admit says why the API server refuses an object as the controller sends it, in
// the controller's words; "" when nothing is wrong with its types and metadata.
// Normalised is true when it went through its Go type, and so has the right types;
// secret when the message must not hold a value.
//
// Source: fluxcd/pkg/ssa v0.76.2 dryRunApply; k8s.io/apimachinery v0.36.4
// managedfields structuredMergeManager.Apply; k8s.io/apiserver v0.36.3 rest.BeforeCreate.
func admit(u *unstructured.Unstructured, normalised, secret bool) string {
	var err error
	if !normalised {
		err = typeError(u)
	}
	if err == nil {
		err = metadataError(u)
	}
	if err == nil {
		return ""
	}
	return withoutValue(ssaerrors.NewDryRunErr(err, u).Error(), secret || u.GetKind() == "Secret")
}

// admitRelease is admit in the words of Helm, which applies server-side.
//
// Source: helm.sh/helm/v4 v4.2.4 pkg/kube/client.go patchResourceServerSide.
func admitRelease(u *unstructured.Unstructured, secret bool) string {
	err := typeError(u)
	if err == nil {
		err = metadataError(u)
	}
	if err == nil {
		return ""
	}
	msg := fmt.Sprintf("server-side apply failed for object %s/%s %s: %s", u.GetNamespace(), u.GetName(), u.GroupVersionKind(), err)
	return withoutValue(msg, secret || u.GetKind() == "Secret")
}

// withoutValue is what the API server says, without the value that it says it of.
func withoutValue(msg string, secret bool) string {
	const sent = "got &value.valueUnstructured{" // how a typed patch prints a value
	if i := strings.Index(msg, sent); i >= 0 && secret {
		msg = msg[:i] + "got another type, which is not shown"
	}
	return clean(errors.New(msg))
}

// typeError is what the API server says of an object of a built-in kind that does
// not fit its type: first the typed patch, which knows no other fields either, then
// the conversion to the Go type.
func typeError(u *unstructured.Unstructured) error {
	gvk := u.GroupVersionKind()
	typed, err := scheme.Scheme.New(gvk)
	if err != nil && gvk == crdKind {
		typed, err = &apiextensionsv1.CustomResourceDefinition{}, nil
	}
	if err != nil {
		return nil //nolint:nilerr // not built in: its schema is in its CRD
	}
	if err = runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(u.Object, typed, true); err == nil {
		return nil
	}
	if patch := patchError(u, gvk); patch != nil {
		return patch
	}
	if runtime.IsStrictDecodingError(err) {
		return nil
	}
	if again, _ := scheme.Scheme.New(gvk); again != nil {
		// Of several faults in one map the converter names any, this always the first.
		var wrong *json.UnmarshalTypeError
		data, _ := u.MarshalJSON()
		if first := json.Unmarshal(data, again); first != nil && !errors.As(first, &wrong) {
			err = first
		}
	}
	return fmt.Errorf("failed to convert new object (%s/%s; %s) to proper version: unable to convert unstructured object to %s: %w",
		u.GetNamespace(), u.GetName(), gvk, gvk, err)
}

var crdKind = apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition") //nolint:gochecknoglobals // a constant

// patchError is what server-side apply says of an object whose fields are of wrong
// types or not in the schema of the built-in kind gvk. No module of ours has the
// schema of CustomResourceDefinition: it is decoded, and other fields are let pass.
func patchError(u *unstructured.Unstructured, gvk kube.GroupVersionKind) error {
	if gvk == crdKind {
		data, _ := u.MarshalJSON()
		if err := json.Unmarshal(data, &apiextensionsv1.CustomResourceDefinition{}); err != nil {
			return patchRefused(u, err.Error())
		}
		return nil
	}
	return typedError(u, u)
}

// typedError is what the schemas of built-in kinds say of like, told of u. At a field
// that is not declared they give up the rest of a map, whose order is chance, so
// that they are asked until all that they may say has been said.
func typedError(u, like *unstructured.Unstructured) error {
	const often = 256
	var said []string
	for range often {
		_, err := builtinTypes().ObjectToTyped(like)
		if err == nil || strings.HasPrefix(err.Error(), "no corresponding type") {
			return nil
		}
		for line := range strings.Lines(err.Error()) {
			if line = strings.TrimSpace(line); line != "errors:" && !slices.Contains(said, line) {
				said = append(said, line)
			}
		}
		if !strings.Contains(err.Error(), "field not declared in schema") {
			break
		}
	}
	slices.Sort(said)
	if len(said) > 1 {
		said = append([]string{"errors:"}, said...)
	}
	return patchRefused(u, strings.Join(said, " "))
}

func patchRefused(u *unstructured.Unstructured, why string) error {
	return fmt.Errorf("failed to create typed patch object (%s/%s; %s): %s", u.GetNamespace(), u.GetName(), u.GroupVersionKind(), why)
}

// builtinTypes are the schemas of the built-in kinds; it takes a tenth of a second to
// read them.
//
//nolint:gochecknoglobals // a constant made on first use
var builtinTypes = sync.OnceValue(func() managedfields.TypeConverter { return applyconfigurations.NewTypeConverter(scheme.Scheme) })

// metadataError is what the API server says of metadata that it refuses on every
// kind.
//
// Source: k8s.io/apimachinery v0.36.4 pkg/api/validation/objectmeta.go, with the
// rule for names that all kinds share.
func metadataError(u *unstructured.Unstructured) error {
	data, _ := u.Object["metadata"].(map[string]any)
	if ordinary(data) {
		return nil
	}
	if data["managedFields"] != nil {
		return apierrors.NewBadRequest("metadata.managedFields must be nil")
	}
	var meta metav1.ObjectMeta
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(data, &meta); err != nil {
		// ConfigMap stands in for the kind: all have the same metadata.
		some := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": data}}
		if said := typedError(u, some); said != nil {
			return said
		}
		return patchRefused(u, err.Error())
	}
	meta.Namespace = "" // whether one belongs here depends on the cluster
	errs := validation.ValidateObjectMetaAccessor(&meta, false, segment, field.NewPath("metadata"))
	if len(errs) == 0 {
		return nil
	}
	slices.SortFunc(errs, func(a, b *field.Error) int { return strings.Compare(a.Error(), b.Error()) })
	return apierrors.NewInvalid(u.GroupVersionKind().GroupKind(), u.GetName(), errs)
}

// segment is the rule for names that all kinds share, but for the slash, which no
// object of ours has.
func segment(name string, _ bool) []string {
	return content.IsPathSegmentName(strings.ReplaceAll(name, "/", ""))
}

// ordinary reports whether metadata is of the plain form that nearly all objects
// have and that is certainly valid, which spares the rules' regular expressions.
func ordinary(meta map[string]any) bool {
	for k, v := range meta {
		switch k {
		case "name", "namespace":
			if s, ok := v.(string); !ok || !plainText(s, false) {
				return false
			}
		case "labels":
			if !ordinaryMap(v, func(value string) bool { return value == "" || plainText(value, true) }) {
				return false
			}
		case "annotations":
			size := 0
			if !ordinaryMap(v, func(value string) bool { size += len(value); return size < validation.TotalAnnotationSizeLimitB/2 }) {
				return false
			}
		default:
			if v != nil {
				return false
			}
		}
	}
	return true
}

// ordinaryMap reports whether v is a map of 256 strings at most, with plain keys and
// values that are fine.
func ordinaryMap(v any, fine func(string) bool) bool {
	m, ok := v.(map[string]any)
	if !ok || len(m) > 256 {
		return v == nil
	}
	for k, v := range m {
		s, ok := v.(string)
		prefix, name, prefixed := strings.Cut(k, "/")
		if !prefixed {
			prefix, name = "x", k
		}
		if !ok || !plainText(name, true) || !plainDomain(prefix) || !fine(s) {
			return false
		}
	}
	return true
}

// plainText reports whether s has 63 letters, digits and dashes at most, with a
// letter or digit at both ends; capitals, dots and underscores where free is true.
func plainText(s string, free bool) bool {
	if s == "" || len(s) > 63 || !alphanumeric(s[0], free) || !alphanumeric(s[len(s)-1], free) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !alphanumeric(c, free) && c != '-' && (!free || c != '.' && c != '_') {
			return false
		}
	}
	return true
}

func plainDomain(s string) bool {
	for part := range strings.SplitSeq(s, ".") {
		if !plainText(part, false) {
			return false
		}
	}
	return len(s) <= 253
}

func alphanumeric(c byte, capitals bool) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || capitals && c >= 'A' && c <= 'Z'
}

// sameMap reports whether a and b are one map: normalisation puts another one in
// its place when the object went through its Go type.
func sameMap(a, b map[string]any) bool {
	return reflect.ValueOf(a).UnsafePointer() == reflect.ValueOf(b).UnsafePointer()
}

// refusals reports the objects of the build that the API server refuses. What the
// cluster alone knows is left out: ciphertext, and values of unknown variables.
func (v *evaluator) refusals(b *build, done []*finished) {
	for i, f := range done {
		if f.verdicts == nil || f.sops != plain || len(f.unknown) > 0 {
			continue
		}
		for k, msg := range f.verdicts {
			if msg == "" || v.out.node.open && holdsVariable(f.bodies[k].Map()) {
				continue
			}
			u := &unstructured.Unstructured{Object: f.bodies[k].Map()}
			if skipped(u) {
				continue
			}
			hint := ""
			if strings.Contains(msg, "expected string, got") {
				hint = "quote the value; a variable needs quotes that survive it, as in ${quote}${name}${quote} with quote: '\"'"
			}
			v.refuse(fileOf(b, i), hint, msg, stageOf(u))
		}
	}
}

// holdsVariable reports whether a text in v may be a variable of an applier above.
func holdsVariable(v any) bool {
	switch v := v.(type) {
	case string:
		return strings.Contains(v, "${")
	case map[string]any:
		for k, e := range v {
			if holdsVariable(k) || holdsVariable(e) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, holdsVariable)
	}
	return false
}

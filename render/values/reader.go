package values

import (
	"context"
	"encoding/base64"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/fluxcd/pkg/apis/meta"
	"github.com/fluxcd/pkg/chartutil"
	"helm.sh/helm/v4/pkg/strvals"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client" //nolint:depguard // the interface that Flux reads through; no client is made

	"github.com/bulkhead-dev/bulkhead/tree"
)

const (
	kindConfigMap = "ConfigMap"
	kindSecret    = "Secret"
)

// Bounds on what one composition may do.
const (
	maxData     = 64 << 20  // bytes of the data that the references name, each time it is named
	maxMerges   = 100 << 20 // references, times the values that there are by then
	maxElements = 1 << 20   // list elements that "[n]" in all target paths and values asks for
)

// targetPath is what the HelmRelease's CRD admits, in 250 characters at most.
//
// Source: fluxcd/pkg/apis/meta v1.30.2 reference_types.go.
var targetPath = regexp.MustCompile(`^([a-zA-Z0-9_\-.\\\/]|\[[0-9]{1,5}\])+$`)

const maxTargetPath = 250

// source is a ConfigMap or Secret that was looked up.
type source struct {
	found bool
	data  map[string]string
	err   error
}

// reader is the client that Flux reads ConfigMaps and Secrets through. It can do
// nothing else.
type reader struct {
	client.Client
	namespace string
	get       Lookup
	kept      map[string]source // by kind/name
}

// Get fills in obj, which is a ConfigMap or a Secret.
func (c *reader) Get(ctx context.Context, key client.ObjectKey, obj client.Object, _ ...client.GetOption) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	switch obj := obj.(type) {
	case *corev1.ConfigMap:
		s := c.source(kindConfigMap, key.Name)
		obj.Data = s.data
		return s.orNotFound("configmaps", key.Name)
	case *corev1.Secret:
		s := c.source(kindSecret, key.Name)
		obj.Data = make(map[string][]byte, len(s.data))
		for k, v := range s.data {
			obj.Data[k] = []byte(v)
		}
		return s.orNotFound("secrets", key.Name)
	}
	return fmt.Errorf("get %T: only ConfigMaps and Secrets can be read", obj)
}

func (s source) orNotFound(resource, name string) error {
	if s.err == nil && !s.found {
		return apierrors.NewNotFound(schema.GroupResource{Resource: resource}, name)
	}
	return s.err
}

// source looks an object up once.
func (c *reader) source(kind, name string) source {
	key := kind + "/" + name
	if s, ok := c.kept[key]; ok {
		return s
	}
	var s source
	obj, err := c.get(kind, c.namespace, name)
	switch {
	case err != nil:
		s.err = fmt.Errorf("look up %s %s/%s: %w", kind, c.namespace, name, err)
	case obj != nil:
		s.found = true
		if s.data, err = Data(kind, obj); err != nil {
			s.err = fmt.Errorf("read %s %s/%s: %w", kind, c.namespace, name, err)
		}
	}
	c.kept[key] = s
	return s
}

// Data gives what the API server stores under data for the manifest of a ConfigMap or
// Secret, decoded. A Secret's stringData wins over its data. The error names the key
// that is wrong, and no value.
//
// Source: Kubernetes v1.36 pkg/apis/core/v1/conversion.go Convert_v1_Secret_To_core_Secret.
func Data(kind string, manifest map[string]any) (map[string]string, error) {
	data := map[string]string{}
	if err := each(manifest, "data", func(key, value string) error {
		if kind == kindSecret {
			decoded, err := base64.StdEncoding.DecodeString(value)
			if err != nil {
				return fmt.Errorf("data.%s is not base64", key)
			}
			value = string(decoded)
		}
		data[key] = value
		return nil
	}); err != nil || kind != kindSecret {
		return data, err
	}
	return data, each(manifest, "stringData", func(key, value string) error {
		data[key] = value
		return nil
	})
}

func each(manifest map[string]any, field string, do func(key, value string) error) error {
	switch m := manifest[field].(type) {
	case nil:
		return nil
	case map[string]any:
		for key, v := range m {
			text, ok := v.(string)
			if !ok && v != nil {
				return fmt.Errorf("%s.%s is not a string", field, key)
			}
			if err := do(key, text); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("%s is not a map", field)
}

// admit refuses references that the API server would not admit, and those that would
// take all the time or memory there is.
func (c *reader) admit(ctx context.Context, inline map[string]any, refs []meta.ValuesReference) error {
	data, elements, merges := 0, 0, 0
	width := nodes(inline)
	for _, ref := range refs {
		if err := ctx.Err(); err != nil {
			return err
		}
		name := types.NamespacedName{Namespace: c.namespace, Name: ref.Name}
		wrong := func(err error) error {
			return chartutil.NewErrValuesReference(name, ref, chartutil.ErrValueMerge, err)
		}
		if ref.TargetPath != "" && (len(ref.TargetPath) > maxTargetPath || !targetPath.MatchString(ref.TargetPath)) {
			return wrong(fmt.Errorf("targetPath %.260q is not one that the HelmRelease's schema admits", ref.TargetPath))
		}
		if ref.Kind != kindConfigMap && ref.Kind != kindSecret {
			continue // Flux says what is wrong with it
		}
		text := c.source(ref.Kind, ref.Name).data[ref.GetValuesKey()]
		if data += len(text); data > maxData {
			return wrong(fmt.Errorf("all references name more than %d MiB: %w", maxData>>20, tree.ErrTooLarge))
		}
		if merges += width; merges > maxMerges {
			return wrong(fmt.Errorf("too many references for this many values: %w", tree.ErrTooLarge))
		}
		if ref.TargetPath == "" {
			width += len(text) / 4 // a value takes more, with its key
			if err := Bounded([]byte(text)); err != nil {
				return withoutSecrets(chartutil.NewErrValuesReference(name, ref, chartutil.ErrValuesDataRead, err))
			}
			continue
		}
		elements += listElements(ref.TargetPath)
		if !ref.Literal {
			elements += listElements(text)
		}
		if elements > maxElements {
			return wrong(fmt.Errorf("list indexes ask for more than %d elements: %w", maxElements, tree.ErrTooLarge))
		}
	}
	return nil
}

// nodes counts the maps, lists and scalars of v.
func nodes(v any) int {
	n := 1
	switch v := v.(type) {
	case map[string]any:
		for _, inner := range v {
			n += nodes(inner)
		}
	case []any:
		for _, inner := range v {
			n += nodes(inner)
		}
	}
	return n
}

// listElements is how many elements the indexes in a line of Helm's --set syntax can
// ask for. Helm bounds each index, but neither their sum nor their number: lines of a
// megabyte can ask for a hundred gigabytes.
func listElements(line string) int {
	total := 0
	for {
		_, rest, ok := strings.Cut(line, "[")
		if !ok {
			return total
		}
		line = rest
		end := 0
		for end < len(line) && (line[end] >= '0' && line[end] <= '9' || line[end] == '+' || line[end] == '\\') {
			end++
		}
		n, err := strconv.Atoi(strings.ReplaceAll(line[:end], `\`, ""))
		if err != nil || n < 0 || n > strvals.MaxIndex {
			continue // no index, or one that Helm refuses
		}
		total += n + 1
	}
}

// number spells a number as YAML does.
func number(v any) string {
	switch v := v.(type) {
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

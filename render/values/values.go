package values

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/fluxcd/pkg/apis/meta"
	"github.com/fluxcd/pkg/chartutil"
	"github.com/go-logr/logr"
	"helm.sh/helm/v4/pkg/chart/common"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// Lookup gives a ConfigMap or Secret as its manifest has it, for a Secret with data,
// stringData or both. There is none when the map is nil. [Compose] passes errors on.
type Lookup func(kind, namespace, name string) (map[string]any, error)

// Compose gives the values of a release: those of the references in their order, with
// the inline values merged in as Flux does. The references are in namespace. Nothing
// given is changed, the result may be empty.
//
// sensitive has the texts that came from Secrets, sorted: strings, and numbers of four
// digits or more, as they stand in the result.
//
// The error wraps what get returned; else it is a [*chartutil.ErrValuesReference] that
// names the reference, and wraps one of that package's reasons. It quotes nothing that
// a Secret holds.
//
// Source: fluxcd/pkg/chartutil v1.27.2 ChartValuesFromReferences, as helm-controller
// v1.6.4 calls it.
func Compose(
	ctx context.Context, namespace string, values map[string]any, refs []meta.ValuesReference, get Lookup,
) (composed map[string]any, sensitive []string, err error) {
	defer func() {
		if r := recover(); r != nil {
			composed, sensitive, err = nil, nil, errors.New("compose values: the values parser gave up")
		}
	}()
	c := &reader{namespace: namespace, get: get, kept: map[string]source{}}
	if err := c.admit(ctx, values, refs); err != nil {
		return nil, nil, fmt.Errorf("compose values: %w", err)
	}
	// Flux sets a targetPath in the inline values themselves, and relies on that.
	inline, _ := clone(values).(map[string]any)
	result, err := chartutil.ChartValuesFromReferences(ctx, logr.Discard(), c, namespace, inline, refs...)
	if err != nil {
		return nil, nil, fmt.Errorf("compose values: %w", withoutSecrets(err))
	}
	return result.AsMap(), c.sensitive(refs), nil
}

// withoutSecrets drops the cause of an error about a Secret's data: parsers quote what
// they cannot read.
func withoutSecrets(err error) error {
	var ref *chartutil.ErrValuesReference
	if errors.As(err, &ref) && ref.Kind == kindSecret && !errors.Is(err, chartutil.ErrResourceNotFound) && !errors.Is(err, tree.ErrTooLarge) {
		clean := *ref
		clean.Err = nil
		return &clean
	}
	return err
}

// sensitive lists what the Secrets of refs have put into the values.
func (c *reader) sensitive(refs []meta.ValuesReference) []string {
	found := map[string]bool{}
	for _, ref := range refs {
		if ref.Kind != kindSecret {
			continue
		}
		data, ok := c.kept[ref.Kind+"/"+ref.Name].data[ref.GetValuesKey()]
		if !ok {
			continue
		}
		if ref.TargetPath == "" {
			if read, err := common.ReadValues([]byte(data)); err == nil {
				leaves(read.AsMap(), found)
			}
			continue
		}
		into := common.Values{}
		set := chartutil.ReplacePathValue
		if ref.Literal {
			set = chartutil.ReplacePathLiteralValue
		}
		if set(into, ref.TargetPath, data) == nil {
			leaves(into.AsMap(), found)
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// shortest is how many digits a number has that counts as secret by itself.
const shortest = 4

// leaves collects the strings and long numbers in v.
func leaves(v any, found map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for _, inner := range v {
			leaves(inner, found)
		}
	case []any:
		for _, inner := range v {
			leaves(inner, found)
		}
	case string:
		if v != "" {
			found[v] = true
		}
	case float64, int64:
		text := number(v)
		if len(text) >= shortest {
			found[text] = true
		}
	}
}

// clone copies the maps and lists of v.
func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, inner := range v {
			out[k] = clone(inner)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, inner := range v {
			out[i] = clone(inner)
		}
		return out
	}
	return v
}

package chart

import (
	"bytes"
	"fmt"
	"path"

	"helm.sh/helm/v4/pkg/chart/common"
	helmchart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
)

// mergeChartValues merges values files of the chart itself. The result is not nil.
//
// Source: source-controller v1.9.5 internal/helm/chart/builder_remote.go
// mergeChartValues; its MergeMaps is Helm's.
func mergeChartValues(c *helmchart.Chart, spec ArchiveSpec, notes *[]string) (map[string]any, error) {
	merged := map[string]any{}
	for _, p := range spec.ValuesFiles {
		name := path.Clean(p)
		if name == valuesFile {
			merged = loader.MergeMaps(merged, c.Values)
			continue
		}
		data := chartData(c, name)
		if data == nil {
			if spec.IgnoreMissingValuesFiles {
				*notes = append(*notes, missingNote(p))
				continue
			}
			return nil, fmt.Errorf("values file %s is not in the chart", p)
		}
		read := map[string]any{}
		if err := decode(p, data, &read); err != nil {
			return nil, err
		}
		merged = loader.MergeMaps(merged, read)
	}
	return merged, nil
}

// chartData is a file of the chart that is not a template, nil when there is none.
func chartData(c *helmchart.Chart, name string) []byte {
	for _, f := range c.Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}

func missingNote(p string) string {
	return fmt.Sprintf("values file %s is missing, and left out", p)
}

// overwriteValues makes merged the default values of the chart; nil leaves them.
//
// Source: source-controller v1.9.5 internal/helm/chart/metadata.go
// OverwriteChartDefaultValues.
func overwriteValues(c *helmchart.Chart, merged map[string]any) error {
	if merged == nil {
		return nil
	}
	var text bytes.Buffer
	if len(merged) > 0 {
		if err := common.Values(merged).Encode(&text); err != nil {
			return fmt.Errorf("write %s: %w", valuesFile, err)
		}
	}
	for _, f := range c.Raw {
		if f.Name == valuesFile {
			f.Data = text.Bytes()
			c.Values = common.Values(merged).AsMap()
			return nil
		}
	}
	return fmt.Errorf("the chart has no %s, which values files could replace", valuesFile)
}

package rule

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

// pastFieldNames are fields of a kustomization that are deprecated, and what took their place.
//
// Source: kustomize API v0.21.1, types.Kustomization.
var pastFieldNames = [][2]string{ //nolint:gochecknoglobals // a constant table
	{"bases", "resources"}, {"vars", "replacements"}, {"patchesStrategicMerge", "patches"}, {"patchesJson6902", "patches"}, {"commonLabels", "labels"},
}

func pastFields(x *Context, a *estate.Applier) []Found {
	var names []string
	var steps []finding.Step
	for _, f := range kustomizationsOf(x, a) {
		for _, past := range pastFieldNames {
			if f.Doc[strings.ToLower(past[0])] == nil {
				continue
			}
			if !slices.Contains(names, past[0]) {
				names = append(names, past[0])
			}
			steps = append(steps, finding.Step{Message: fmt.Sprintf("%s has %s: write %s", f.Path, past[0], past[1]), File: fileOfSource(a, f.Path)})
		}
	}
	if len(steps) == 0 {
		return nil
	}
	return one(Found{Message: fmt.Sprintf("%s builds with %s, which %s deprecated", a, phrase.List(names, 5), phrase.Verb(len(names), "is", "are")), Steps: steps, File: steps[0].File})
}

// plugins finds charts, functions and plugins in the kustomizations of an applier.
func plugins(x *Context, a *estate.Applier) []Found {
	var names []string
	var steps []finding.Step
	add := func(f kustomizationFile, what string) {
		names = append(names, what)
		steps = append(steps, finding.Step{Message: fmt.Sprintf("%s asks for %s", f.Path, what), File: fileOfSource(a, f.Path)})
	}
	for _, f := range kustomizationsOf(x, a) {
		for _, key := range []string{"helmCharts", "helmChartInflationGenerator"} {
			if list, _ := f.Doc[strings.ToLower(key)].([]any); len(list) > 0 {
				add(f, key)
			}
		}
		for _, key := range []string{"generators", "transformers", "validators"} {
			for _, entry := range estate.Texts(f.Doc, key) {
				if what := plugin(inlined(a, f, entry)); what != "" {
					add(f, fmt.Sprintf("%s in %s", what, key))
				}
			}
		}
	}
	if len(steps) == 0 {
		return nil
	}
	return one(Found{Message: fmt.Sprintf("%s builds with %s, which Flux does not run", a, phrase.List(names, 3)), Steps: steps, File: steps[0].File})
}

// inlined is the configuration of a plugin: an entry itself, or the file that it names; "" when that is not at hand.
func inlined(a *estate.Applier, f kustomizationFile, entry string) string {
	if strings.Contains(entry, "\n") || fetched(entry) {
		return entry
	}
	data, err := a.Files.ReadFile(path.Join(path.Dir(f.Path), entry))
	if err != nil || len(data) > maxParsed {
		return ""
	}
	return string(data)
}

// plugin says what an entry that is written into the kustomization would run; "" for a built-in of kustomize.
func plugin(entry string) string {
	var doc map[string]any
	if len(entry) > maxParsed || yaml.Unmarshal([]byte(entry), &doc) != nil {
		return ""
	}
	for _, name := range []string{"config.kubernetes.io/function", "config.k8s.io/function"} {
		if estate.Text(doc, "metadata", "annotations", name) != "" {
			return "a function"
		}
	}
	if estate.Text(doc, "kind") == "HelmChartInflationGenerator" {
		return "HelmChartInflationGenerator"
	}
	if v := estate.Text(doc, "apiVersion"); v != "" && v != "builtin" {
		return "the plugin " + clipped(v+"/"+estate.Text(doc, "kind"))
	}
	return ""
}

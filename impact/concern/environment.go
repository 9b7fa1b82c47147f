package concern

import (
	"maps"
	"slices"
	"strings"
	"unicode"
)

// Environment is the environment that a cluster belongs to: the label of its Cluster document
// that [Fleet] names, else "environment" or "stage". Without labels it is read off the cluster's
// name, and inferred is true: "prod" for prod-eu-1. It is "" when nothing tells.
func (j *Judge) Environment(cluster string) (name string, inferred bool) {
	labels := j.clusterLabels(cluster)
	first := j.fleet.EnvironmentLabel
	if first == "" {
		first = "env"
	}
	for _, key := range []string{first, "environment", "stage"} {
		if v := labels[key]; v != "" {
			return v, false
		}
	}
	name = environmentOf(cluster)
	return name, name != ""
}

// clusterLabels are those of the Cluster document, over those of the render.
func (j *Judge) clusterLabels(cluster string) map[string]string {
	if l := j.labels[cluster]; l != nil {
		return l
	}
	if c := j.view.cluster(cluster); c != nil {
		return c.Labels
	}
	return nil
}

// environments are what the words of a cluster's name stand for.
var environments = map[string]string{ //nolint:gochecknoglobals // a constant table
	"prod": "prod", "production": "prod", "live": "prod", "prd": "prod",
	"stag": "staging", "staging": "staging", "stage": "staging", "stg": "staging", "preprod": "staging", "uat": "staging",
	"dev": "dev", "devel": "dev", "development": "dev",
	"test": "test", "testing": "test", "tst": "test", "qa": "qa", "lab": "lab", "sandbox": "sandbox", "preview": "preview", "nonprod": "nonprod",
}

// environmentOf reads the environment off a name: of its first word that names one, numbers behind the word
// aside.
func environmentOf(name string) string {
	list := words(name)
	for i, w := range list {
		env := environments[w]
		if env == "prod" && i > 0 { // "pre-prod", "non-prod"
			if joined := environments[list[i-1]+"prod"]; joined != "" {
				return joined
			}
		}
		if env != "" {
			return env
		}
	}
	return ""
}

// words of a name in lower case, without digits at their ends.
func words(name string) []string {
	list := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for i := range list {
		list[i] = strings.TrimRight(list[i], "0123456789")
	}
	return list
}

// isEnvironment reports whether a name is that of an environment and nothing else.
func isEnvironment(name string) bool {
	for _, w := range words(name) {
		if environments[w] == "" && w != "" && w != "pre" && w != "non" {
			return false
		}
	}
	return environmentOf(name) != ""
}

// stripEnvironment takes the environment off the end or the beginning of a name: "billing" of "billing-prod".
func stripEnvironment(name string) string {
	for _, word := range slices.Sorted(maps.Keys(environments)) {
		if rest, ok := strings.CutSuffix(name, "-"+word); ok && rest != "" {
			return rest
		}
		if rest, ok := strings.CutPrefix(name, word+"-"); ok && rest != "" {
			return rest
		}
	}
	return name
}

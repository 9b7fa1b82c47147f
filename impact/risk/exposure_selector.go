package risk

import (
	"maps"
	"slices"
)

// demand is what a label selector asks of one label.
type demand struct {
	key, operator string // In, NotIn, Exists, DoesNotExist
	values        []string
}

// demands are those of a label selector: no demands select everything. Nothing meets what is no demand.
func demands(selector map[string]any) []demand {
	var out []demand
	for _, k := range sortedKeys(dict(selector, "matchLabels")) {
		if v, ok := dict(selector, "matchLabels")[k].(string); ok {
			out = append(out, demand{k, "In", []string{v}})
		}
	}
	for _, e := range list(selector, "matchExpressions") {
		m, _ := e.(map[string]any)
		d := demand{text(m, "key"), text(m, "operator"), texts(m, "values")}
		if len(d.values) > mostDemands {
			d.operator = "" // nothing is known to meet it
		}
		out = append(out, d)
	}
	return out
}

// selects reports whether labels meet a selector; an empty one selects everything.
func selects(selector map[string]any, labels map[string]string) bool {
	for _, d := range demands(selector) {
		if !d.met(labels) {
			return false
		}
	}
	return true
}

func (d demand) met(labels map[string]string) bool {
	v, has := labels[d.key]
	switch d.operator {
	case "In":
		return has && slices.Contains(d.values, v)
	case "NotIn":
		return !has || !slices.Contains(d.values, v)
	case "Exists":
		return has
	case "DoesNotExist":
		return !has
	}
	return false
}

// follows reports whether whatever meets d is sure to meet other.
func (d demand) follows(other demand) bool {
	if d.key != other.key {
		return false
	}
	within := func(a, b []string) bool {
		return !slices.ContainsFunc(a, func(v string) bool { return !slices.Contains(b, v) })
	}
	switch other.operator {
	case "In":
		return d.operator == "In" && within(d.values, other.values)
	case "Exists":
		return d.operator == "In" || d.operator == "Exists"
	case "DoesNotExist":
		return d.operator == "DoesNotExist"
	case "NotIn":
		switch d.operator {
		case "DoesNotExist":
			return true
		case "NotIn":
			return within(other.values, d.values)
		case "In":
			return !slices.ContainsFunc(d.values, func(v string) bool { return slices.Contains(other.values, v) })
		}
	}
	return false
}

// mostDemands bounds how many demands of two selectors are compared, and values of one.
const mostDemands = 100

// among reports whether whatever meets all of a is sure to meet all of b: b selects no less. False may
// also mean that it is not seen.
func among(a, b []demand) bool {
	if len(a) > mostDemands || len(b) > mostDemands {
		return false
	}
	for _, other := range b {
		if !slices.ContainsFunc(a, func(d demand) bool { return d.follows(other) }) {
			return false
		}
	}
	return true
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

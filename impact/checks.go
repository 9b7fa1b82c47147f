package impact

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/bulkhead-dev/bulkhead/object"
)

// completions of a Job is fixed, unless the Job is indexed and changes its parallelism
// with it. Both are 1 when neither is set.
func completions(u update) []finding {
	was, is := at(u.before, "spec", "completions"), at(u.after, "spec", "completions")
	wide := at(u.after, "spec", "parallelism")
	switch {
	case was == nil && is == nil, opaque(was), opaque(is):
		return nil // the live value is left as it is
	case was == nil && at(u.before, "spec", "parallelism") == nil:
		was = int64(1)
	case is == nil && wide == nil && at(u.before, "spec", "parallelism") != nil:
		is = int64(1) // both are taken away, and get their default again
	}
	if equal(was, is) {
		return nil
	}
	if at(u.after, "spec", "completionMode") == "Indexed" {
		if is == nil || wide != nil && equal(is, wide) || wide == nil && equal(is, int64(1)) {
			return nil
		}
		return []finding{{field: "spec.completions", says: "can only change together with spec.parallelism"}}
	}
	return []finding{{field: "spec.completions", says: immutable}}
}

// leavesRolling: a strategy without parameters gets those of a rolling update by
// default. As they are nobody's, they stay when the type changes, and other types may
// not have them. A StatefulSet gets them only when it names no type.
func leavesRolling(field, to string) func(update) []finding {
	return func(u update) []finding {
		was, is := at(u.before, "spec", field, "type"), at(u.after, "spec", field, "type")
		filled := was == nil || was == "" || was == "RollingUpdate" && to == "Recreate"
		if !filled || is != to || at(u.before, "spec", field, "rollingUpdate") != nil || at(u.after, "spec", field, "rollingUpdate") != nil {
			return nil
		}
		return []finding{{field: "spec." + field + ".rollingUpdate", says: "keeps its defaults, which " + to + " may not have"}}
	}
}

// podDeadline may be set once, and then only become less.
func podDeadline(u update) []finding {
	was, had := at(u.before, "spec", "activeDeadlineSeconds").(int64)
	is, has := at(u.after, "spec", "activeDeadlineSeconds").(int64)
	if had && (!has || is > was) {
		return []finding{{field: "spec.activeDeadlineSeconds", says: "can only become less"}}
	}
	return nil
}

// podTolerations may only be added to; tolerationSeconds may change.
func podTolerations(u update) []finding {
	read := func(m map[string]any) (out []any) {
		list, _ := at(m, "spec", "tolerations").([]any)
		for _, e := range list {
			t, ok := e.(map[string]any)
			if !ok || opaque(t) {
				continue
			}
			t = maps.Clone(t)
			delete(t, "tolerationSeconds")
			if t["operator"] == nil {
				t["operator"] = "Equal"
			}
			out = append(out, t)
		}
		return out
	}
	is := read(u.after)
	for _, t := range read(u.before) {
		if !slices.ContainsFunc(is, func(o any) bool { return equal(t, o) }) {
			return []finding{{field: "spec.tolerations", says: "can only be added to"}}
		}
	}
	return nil
}

// claimShrinks: the size of a claim may only grow, or shrink to what it has got so far
// when it could not grow.
func claimShrinks(u update) []finding {
	size := func(m map[string]any) (resource.Quantity, bool) {
		s, ok := at(m, "spec", "resources", "requests", "storage").(string)
		q, err := resource.ParseQuantity(s)
		return q, ok && err == nil
	}
	was, had := size(u.before)
	is, has := size(u.after)
	if had && has && is.Cmp(was) < 0 {
		return []finding{{field: "spec.resources.requests.storage", says: "can only grow"}}
	}
	return nil
}

// volumeAffinity may be set once; then only old names of labels may become new ones.
func volumeAffinity(u update) []finding {
	was, is := at(u.before, "spec", "nodeAffinity"), at(u.after, "spec", "nodeAffinity")
	if was == nil || equal(was, is) || opaque(was) || opaque(is) {
		return nil
	}
	f := finding{field: "spec.nodeAffinity", says: immutable}
	if strings.Contains(fmt.Sprint(was), "beta.kubernetes.io/") {
		f.maybe = "names of labels may become those that are no longer beta"
	}
	return []finding{f}
}

// serviceAddresses: what a Service was given stays, unless it is or becomes an
// ExternalName. One that Git never set or no longer sets is kept as it is.
func serviceAddresses(u update) []finding {
	if serviceType(u.before) == "ExternalName" || serviceType(u.after) == "ExternalName" {
		return nil
	}
	var out []finding
	was, is := clusterIP(u.before), clusterIP(u.after)
	switch {
	case is == "" || was == is || opaque(was) || opaque(is):
	case was == "" && is != "None":
		out = append(out, finding{field: "spec.clusterIP", says: immutable, maybe: "which address the Service was given is not known here"})
	default:
		out = append(out, finding{field: "spec.clusterIP", says: immutable})
	}
	if was == "None" || is == "None" {
		return out // of a headless Service the families may change
	}
	families := func(m map[string]any) (string, bool) {
		list, _ := at(m, "spec", "ipFamilies").([]any)
		if len(list) == 0 {
			return "", false
		}
		s, ok := list[0].(string)
		return s, ok
	}
	first, had := families(u.before)
	now, has := families(u.after)
	if had && has && first != now {
		out = append(out, finding{field: "spec.ipFamilies", says: "cannot change the first one"})
	}
	return out
}

func serviceType(m map[string]any) string {
	if s, ok := at(m, "spec", "type").(string); ok && s != "" {
		return s
	}
	return "ClusterIP"
}

func clusterIP(m map[string]any) string {
	if s, _ := at(m, "spec", "clusterIP").(string); s != "" {
		return s
	}
	list, _ := at(m, "spec", "clusterIPs").([]any)
	if len(list) == 0 {
		return ""
	}
	s, _ := list[0].(string)
	return s
}

// serviceBalancer: a load balancer keeps its class, and the port of its health check.
func serviceBalancer(u update) []finding {
	if serviceType(u.before) != "LoadBalancer" || serviceType(u.after) != "LoadBalancer" {
		return nil
	}
	var out []finding
	was, is := at(u.before, "spec", "loadBalancerClass"), at(u.after, "spec", "loadBalancerClass")
	if !equal(was, is) && !opaque(was) && !opaque(is) {
		f := finding{field: "spec.loadBalancerClass", says: immutable}
		if was == nil {
			f.maybe = "the cluster may have set one"
		}
		out = append(out, f)
	}
	local := func(m map[string]any) bool { return at(m, "spec", "externalTrafficPolicy") == "Local" }
	was, is = at(u.before, "spec", "healthCheckNodePort"), at(u.after, "spec", "healthCheckNodePort")
	if local(u.before) && local(u.after) && is != nil && !equal(is, int64(0)) && !equal(was, is) {
		f := finding{field: "spec.healthCheckNodePort", says: immutable}
		if was == nil {
			f.maybe = "which port the Service was given is not known here"
		}
		out = append(out, f)
	}
	return out
}

// quotaScopes are compared as a set.
func quotaScopes(u update) []finding {
	set := func(m map[string]any) []string {
		list, _ := at(m, "spec", "scopes").([]any)
		var out []string
		for _, e := range list {
			out = append(out, fmt.Sprint(e))
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	was, is := set(u.before), set(u.after)
	if slices.Equal(was, is) || opaque(at(u.before, "spec", "scopes")) || opaque(at(u.after, "spec", "scopes")) {
		return nil
	}
	return []finding{{field: "spec.scopes", says: immutable}}
}

// storedVersions: a version that objects were stored in has to stay, served or not. The
// one that a CustomResourceDefinition stored in until now is certain to be among them.
func storedVersions(u update) []finding {
	names := map[string]bool{}
	for _, v := range versions(u.after) {
		name, _ := v["name"].(string)
		names[name] = true
	}
	for _, v := range versions(u.before) {
		name, _ := v["name"].(string)
		if on, _ := v["storage"].(bool); on && !names[name] {
			return []finding{{field: "spec.versions", says: "must keep " + name + ", which objects are stored in"}}
		}
	}
	return nil
}

func versions(crd map[string]any) (out []map[string]any) {
	list, _ := at(crd, "spec", "versions").([]any)
	for _, e := range list {
		if m, ok := e.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// serviceRanges may get a second one; the first stays.
func serviceRanges(u update) []finding {
	was, _ := at(u.before, "spec", "cidrs").([]any)
	is, _ := at(u.after, "spec", "cidrs").([]any)
	if equal(was, is) || len(was) == 1 && len(is) == 2 && was[0] == is[0] || opaque(was) || opaque(is) {
		return nil
	}
	return []finding{{field: "spec.cidrs", says: immutable}}
}

// loses says what force deletes together with an object of that kind, "" for nothing
// that does not come back.
func loses(id object.ID) string {
	switch id.Group + "/" + id.Kind {
	case "/PersistentVolumeClaim":
		return "the data of its volume, unless that is retained"
	case "apiextensions.k8s.io/CustomResourceDefinition":
		return "all objects of its kind"
	}
	return ""
}

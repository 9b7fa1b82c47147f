package risk

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The words that policies are drawn from, and a request for each combination of them and of one word that no
// policy spells out.
var (
	someVerbs     = []string{"get", "create"}
	someGroups    = []string{"", "apps"}
	someResources = []string{"pods", "pods/exec", "nodes/exec"}
	someNames     = []string{"a", "b"}
	someURLs      = []string{"/metrics", "/metrics/x", "/healthz"}
)

// request is what somebody asks the API server for.
type request struct{ verb, group, resource, name, url string }

func requests() (out []request) {
	for _, verb := range append(slices.Clone(someVerbs), "other") {
		for _, group := range append(slices.Clone(someGroups), "other") {
			for _, resource := range append(slices.Clone(someResources), "other", "other/exec", "other/other") {
				for _, name := range append(slices.Clone(someNames), "", "other") {
					out = append(out, request{verb: verb, group: group, resource: resource, name: name})
				}
			}
		}
		for _, url := range append(slices.Clone(someURLs), "/other", "/metrics/other", "/metricsother") {
			out = append(out, request{verb: verb, url: url})
		}
	}
	return out
}

// allows is the API server's answer, written down once more from RuleAllows of its RBAC authorizer.
func allows(p policy, r request) bool {
	if !p.verbs["*"] && !p.verbs[r.verb] {
		return false
	}
	if r.url != "" {
		for u := range p.urls {
			if u == "*" || u == r.url || strings.HasSuffix(u, "*") && strings.HasPrefix(r.url, strings.TrimRight(u, "*")) {
				return true
			}
		}
		return false
	}
	resource := p.resources["*"] || p.resources[r.resource]
	if _, sub, ok := strings.Cut(r.resource, "/"); ok {
		resource = resource || p.resources["*/"+sub]
	}
	return resource && (p.groups["*"] || p.groups[r.group]) && (len(p.names) == 0 || p.names[r.name])
}

func drawPolicies(t *rapid.T, label string) []policy {
	set := func(words []string, least int) map[string]bool {
		out := map[string]bool{}
		for _, w := range rapid.SliceOfN(rapid.SampledFrom(words), least, 2).Draw(t, label) {
			out[w] = true
		}
		return out
	}
	var out []policy
	for range rapid.IntRange(0, 3).Draw(t, label) {
		p := policy{verbs: set(append(slices.Clone(someVerbs), "*"), 1)}
		if rapid.IntRange(0, 3).Draw(t, label) == 0 {
			p.urls = set(append(slices.Clone(someURLs), "/metrics*", "*"), 1)
		} else {
			p.groups = set(append(slices.Clone(someGroups), "*"), 1)
			p.resources = set(append(slices.Clone(someResources), "*", "*/exec"), 1)
			p.names = set(someNames, 0)
		}
		out = append(out, p)
	}
	return out
}

// nearly is some of a list with one thing drawn anew, so that both are about the same.
func nearly(t *rapid.T, list []policy) []policy {
	out := slices.Clone(list)
	if len(out) == 0 || rapid.IntRange(0, 3).Draw(t, "all new") == 0 {
		return drawPolicies(t, "after")
	}
	i := rapid.IntRange(0, len(out)-1).Draw(t, "which")
	p := out[i]
	set := func(words ...string) map[string]bool {
		return map[string]bool{rapid.SampledFrom(words).Draw(t, "word"): true}
	}
	switch rapid.IntRange(0, 4).Draw(t, "what") {
	case 0:
		p.verbs = set("get", "create", "*")
	case 1:
		if p.names = nil; rapid.Bool().Draw(t, "named") {
			p.names = set("a", "b")
		}
	case 2:
		p.resources = set("pods", "pods/exec", "*", "*/exec")
	case 3:
		p.groups = set("", "apps", "*")
	case 4:
		if len(p.urls) > 0 {
			p.urls = set("/metrics", "/metrics*", "*", "/healthz")
		}
	}
	if len(p.urls) > 0 {
		p.groups, p.resources, p.names = nil, nil, nil
	}
	out[i] = p
	return out
}

// TestWidenedAgainstRequests: something is widened exactly when some request is allowed after and was not before.
func TestWidenedAgainstRequests(t *testing.T) {
	all := requests()
	rapid.Check(t, func(t *rapid.T) {
		before := drawPolicies(t, "before")
		after := nearly(t, before)
		allowed := func(list []policy, r request) bool {
			return slices.ContainsFunc(list, func(p policy) bool { return allows(p, r) })
		}
		i := slices.IndexFunc(all, func(r request) bool { return allowed(after, r) && !allowed(before, r) })
		more, whole := widened(before, after)
		if !whole {
			t.Fatal("so few policies are too many")
		}
		if (len(more) > 0) != (i >= 0) {
			t.Fatalf("before %v\nafter %v\nwidened by %v, first request %d", before, after, more, i)
		}
	})
}

// TestWidenedLaws: nothing is wider than itself, than itself and more, or when it has less than before; what is
// new is as wide as all of it.
func TestWidenedLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawPolicies(t, "a"), drawPolicies(t, "b")
		both := slices.Concat(a, b)
		for name, pair := range map[string][2][]policy{"itself": {a, a}, "the union": {both, a}, "nothing": {a, nil}, "another order": {both, slices.Concat(b, a)}} {
			if more, _ := widened(pair[0], pair[1]); len(more) > 0 {
				t.Fatalf("%s: widened by %v", name, more)
			}
		}
		all, _ := widened(nil, a)
		for _, g := range all {
			if !slices.ContainsFunc(a, func(p policy) bool { return p.covers(g) }) {
				t.Fatalf("%v grants %v, which none of it covers", a, g)
			}
		}
	})
}

// TestWidenedBounded: a role that names thousands of everything is not compared, and told to be so.
func TestWidenedBounded(t *testing.T) {
	many := map[string]bool{}
	for i := range 2000 {
		many[fmt.Sprint(i)] = true
	}
	p := policy{verbs: many, groups: many, resources: many, names: many}
	if more, whole := widened(nil, []policy{p}); whole || more != nil {
		t.Errorf("widened: %d grants, whole %v", len(more), whole)
	}
	if more, whole := widened([]policy{p}, []policy{p}); !whole || more != nil {
		t.Errorf("what does not change: %d grants, whole %v", len(more), whole)
	}
}

func TestMight(t *testing.T) {
	for rule, want := range map[string]might{
		"get /metrics":                  plainRead,
		"* *":                           powerful, // all URLs
		"list|pods|":                    plainRead,
		"get|secrets|":                  powerful,
		"get|secrets|one":               plainRead,
		"update|deployments.apps|":      ordinary,
		"create|pods/exec|":             powerful,
		"create|*/exec|":                powerful,
		"get|nodes/proxy|":              powerful,
		"create|serviceaccounts/token|": powerful,
		"impersonate|users|eve":         boundless,
		"bind|clusterroles.rbac.authorization.k8s.io|": boundless,
		"*|roles.rbac.authorization.k8s.io|":           boundless,
		"*|*.*|":                                       boundless,
		"get|*.*|":                                     powerful, // secrets too
		"*|widgets.acme.com|":                          ordinary,
		"*|*.acme.com|":                                ordinary,
		"*|deployments.apps|":                          powerful,
	} {
		g := grant{}
		if verb, rest, ok := strings.Cut(rule, "|"); ok {
			on, name, _ := strings.Cut(rest, "|")
			resource, group, _ := strings.Cut(on, ".")
			g = grant{verb: verb, group: group, resource: resource, name: name, named: name != ""}
		} else {
			verb, url, _ := strings.Cut(rule, " ")
			g = grant{verb: verb, url: url}
		}
		if got := g.might(); got != want {
			t.Errorf("%s: %d, want %d", rule, got, want)
		}
	}
}

func TestWorded(t *testing.T) {
	more, _ := widened(nil, policies([]any{
		map[string]any{"verbs": []any{"get", "list"}, "apiGroups": []any{"", "apps"}, "resources": []any{"pods"}},
		map[string]any{"verbs": []any{"get"}, "nonResourceURLs": []any{"/metrics"}},
		map[string]any{"verbs": []any{"get"}, "apiGroups": []any{""}, "resources": []any{"secrets"}, "resourceNames": []any{"one"}},
		"no rule",
		map[string]any{"verbs": "get"},
	}))
	got := worded(more)
	slices.Sort(got)
	want := []string{"get /metrics", "get secrets named one", "get/list pods", "get/list pods.apps"}
	if !slices.Equal(got, want) {
		t.Errorf("worded: %q, want %q", got, want)
	}
}

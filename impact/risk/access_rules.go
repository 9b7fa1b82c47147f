package risk

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// policy is one rule of a role.
type policy struct {
	verbs, groups, resources, names, urls map[string]bool
}

// policies reads a list of rules; what is no rule is left out.
func policies(rules []any) []policy {
	var out []policy
	for _, r := range rules {
		m, _ := r.(map[string]any)
		set := func(field string) map[string]bool {
			s := map[string]bool{}
			for _, v := range texts(m, field) {
				s[v] = true
			}
			return s
		}
		p := policy{set("verbs"), set("apiGroups"), set("resources"), set("resourceNames"), set("nonResourceURLs")}
		if len(p.verbs) > 0 && (len(p.urls) > 0 || len(p.groups) > 0 && len(p.resources) > 0) {
			out = append(out, p)
		}
	}
	return out
}

// grant is a policy of one verb on one resource, or URL.
type grant struct {
	verb, group, resource string
	name                  string // of the object; counts only when named
	named                 bool
	url                   string // of no resource; then all but verb is empty
}

// covers reports whether p allows all that g does. A union of policies never covers what none of
// them does alone: the parts of a grant that are wildcards also stand for names that no policy spells out.
//
// Source: k8s.io/component-helpers v0.36.3 auth/rbac/validation Covers, k8s.io/kubernetes v1.36.3
// plugin/pkg/auth/authorizer/rbac RuleAllows.
func (p policy) covers(g grant) bool {
	switch {
	case !p.verbs["*"] && !p.verbs[g.verb]:
		return false
	case g.url != "":
		for u := range p.urls {
			if u == g.url || strings.HasSuffix(u, "*") && strings.HasPrefix(g.url, strings.TrimRight(u, "*")) {
				return true
			}
		}
		return false
	case !p.groups["*"] && !p.groups[g.group], len(p.names) > 0 && (!g.named || !p.names[g.name]):
		return false
	case p.resources["*"] || p.resources[g.resource]:
		return true
	}
	_, sub, ok := strings.Cut(g.resource, "/")
	return ok && p.resources["*/"+sub]
}

// key is the same for equal policies.
func (p policy) key() string {
	var parts [][]string
	for _, s := range []map[string]bool{p.verbs, p.groups, p.resources, p.names, p.urls} {
		parts = append(parts, slices.Sorted(maps.Keys(s)))
	}
	return fmt.Sprintf("%q", parts)
}

// each calls do with every grant of p until that is false, in no fixed order, and reports whether it never was.
func (p policy) each(do func(grant) bool) bool {
	for verb := range p.verbs {
		for u := range p.urls {
			if u != "" && !do(grant{verb: verb, url: u}) {
				return false
			}
		}
		for group := range p.groups {
			for resource := range p.resources {
				g := grant{verb: verb, group: group, resource: resource}
				if len(p.names) == 0 && !do(g) {
					return false
				}
				for name := range p.names {
					g.name, g.named = name, true
					if !do(g) {
						return false
					}
				}
			}
		}
	}
	return true
}

// mostCompared bounds the work of one comparison: hostile roles name thousands of everything.
const mostCompared = 1 << 17

// widened is what the policies of after allow and those of before do not, the mightiest first. When there
// is too much to compare it is nothing, and whole is false.
func widened(before, after []policy) (more []grant, whole bool) {
	had := map[string]bool{}
	for _, p := range before {
		had[p.key()] = true
	}
	left := mostCompared
	seen := map[grant]bool{}
	whole = true
	for _, p := range after {
		if had[p.key()] {
			continue
		}
		whole = p.each(func(g grant) bool {
			left -= 1 + len(before)
			if g.url != "" {
				for _, b := range before {
					left -= len(b.urls)
				}
			}
			if left < 0 {
				return false
			}
			if !seen[g] && !slices.ContainsFunc(before, func(b policy) bool { return b.covers(g) }) {
				seen[g] = true
			}
			return true
		}) && whole
	}
	if !whole {
		return nil, false
	}
	return slices.SortedFunc(maps.Keys(seen), compareGrants), true
}

// might says how far a grant leads.
type might int

const (
	plainRead might = iota // to look at what is no secret
	ordinary
	powerful // to secrets, into containers, to tokens
	boundless
)

// might is what a grant leads to.
//
// Source: kubernetes.io "Role Based Access Control Good Practices", privilege escalation risks.
func (g grant) might() might {
	all := func(s string) bool { return s == "*" }
	oneOf := func(s string, of ...string) bool { return all(s) || slices.Contains(of, s) }
	resource, sub, _ := strings.Cut(g.resource, "/")
	core := oneOf(g.group, "")
	reads := slices.Contains([]string{"get", "list", "watch"}, g.verb)
	switch {
	case g.url != "":
		if all(g.verb) && (all(g.url) || g.url == "/*") {
			return powerful
		}
		return plainRead
	case all(g.group) && all(g.resource) && !reads, oneOf(g.verb, "impersonate") && core && oneOf(resource, "users", "groups", "serviceaccounts") && sub == "",
		oneOf(g.verb, "escalate", "bind") && oneOf(g.group, "rbac.authorization.k8s.io") && oneOf(resource, "roles", "clusterroles", "rolebindings", "clusterrolebindings"):
		return boundless
	case slices.Contains([]string{"impersonate", "escalate", "bind"}, g.verb):
		return boundless
	case core && sub == "" && oneOf(resource, "secrets") && (reads || all(g.verb)) && !g.named:
		return powerful
	case core && oneOf(resource, "pods") && slices.Contains([]string{"exec", "attach", "ephemeralcontainers"}, sub),
		core && oneOf(resource, "nodes") && sub == "proxy",
		core && oneOf(resource, "serviceaccounts") && sub == "token" && oneOf(g.verb, "create"):
		return powerful
	case (all(g.verb) || all(g.resource)) && (core || !strings.Contains(g.group, ".") || strings.HasSuffix(g.group, ".k8s.io")):
		return powerful
	case reads:
		return plainRead
	}
	return ordinary
}

// mightiest is the most that grants lead to.
func mightiest(grants []grant) might {
	m := plainRead
	for _, g := range grants {
		m = max(m, g.might())
	}
	return m
}

func compareGrants(a, b grant) int {
	return cmp.Or(
		cmp.Compare(b.might(), a.might()), cmp.Compare(a.url, b.url), cmp.Compare(a.group, b.group), cmp.Compare(a.resource, b.resource),
		rankBool(a.named)-rankBool(b.named), cmp.Compare(a.name, b.name), cmp.Compare(a.verb, b.verb),
	)
}

// String is what a grant lets do: "get secrets", "create deployments.apps", "update leases.coordination.k8s.io
// named lock", "get /metrics".
func (g grant) String() string {
	if g.url != "" {
		return g.verb + " " + g.url
	}
	s := g.resource
	if g.group != "" {
		s += "." + g.group
	}
	if g.named {
		s += " named " + g.name
	}
	return g.verb + " " + s
}

// worded lists grants in their order, those that differ in the verb alone as one: "get/list/watch secrets".
func worded(grants []grant) []string {
	var order []string
	verbs := map[string][]string{}
	for _, g := range grants {
		_, on, _ := strings.Cut(g.String(), " ")
		if verbs[on] == nil {
			order = append(order, on)
		}
		verbs[on] = append(verbs[on], g.verb)
	}
	for i, on := range order {
		order[i] = strings.Join(verbs[on], "/") + " " + on
	}
	return order
}

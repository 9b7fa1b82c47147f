package rule

import (
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/permission"
)

// applierResources are the kinds that make a controller write: group and resource.
func applierResources() [][2]string {
	return [][2]string{{estate.KustomizeGroup, "kustomizations"}, {estate.HelmGroup, "helmreleases"}}
}

func toDo(verb, group, resource string) permission.Request {
	return permission.Request{Verb: verb, Group: group, Resource: resource}
}

// mayAnywhere says whether a tenant has a right in one of its namespaces, or in those of its Flux objects, and by which steps. That it reaches
// everything by another fault is no right.
func mayAnywhere(x *Context, p *estate.Compartment, what permission.Request) (steps []finding.Step, may bool) {
	r := x.Reach(p)
	for _, ns := range slices.Concat(p.Namespaces, p.FluxNamespaces) {
		what.Namespace = ns
		if g, steps := r.Right(what); g != nil {
			return steps, true
		}
	}
	return nil, false
}

// reachesAnywhere is mayAnywhere by whatever way.
func reachesAnywhere(x *Context, p *estate.Compartment, what permission.Request) bool {
	r := x.Reach(p)
	return slices.ContainsFunc(slices.Concat(p.Namespaces, p.FluxNamespaces), func(ns string) bool {
		what.Namespace = ns
		_, may := r.May(what)
		return may
	})
}

// allowsWord says whether a list of a rule names a word, or all of them.
func allowsWord(list []string, word string) bool {
	return slices.Contains(list, rbacv1.VerbAll) || slices.Contains(list, word)
}

// covers says whether a rule allows one of the verbs on a resource, "pods" or "pods/exec", of any name.
//
// Source: Kubernetes v1.36, plugin/pkg/auth/authorizer/rbac, RuleAllows.
func covers(r *rbacv1.PolicyRule, group, resource string, verbs ...string) bool {
	if !allowsWord(r.APIGroups, group) || !slices.ContainsFunc(verbs, func(v string) bool { return allowsWord(r.Verbs, v) }) {
		return false
	}
	if allowsWord(r.Resources, resource) {
		return true
	}
	for i := range resource {
		if resource[i] == '/' {
			return slices.Contains(r.Resources, "*"+resource[i:])
		}
	}
	return false
}

// onlyReads reports whether a rule changes nothing.
func onlyReads(r *rbacv1.PolicyRule) bool {
	for _, v := range r.Verbs {
		if v != "get" && v != "list" && v != "watch" {
			return false
		}
	}
	return true
}

// writing are the verbs that change an object that is there.
func writing() []string { return []string{"update", "patch", "delete", "deletecollection"} }

// everything reports whether a rule allows all there is.
func everything(r *rbacv1.PolicyRule) bool {
	all := func(list []string) bool { return slices.Contains(list, rbacv1.VerbAll) }
	return all(r.Verbs) && all(r.APIGroups) && all(r.Resources) && len(r.ResourceNames) == 0
}

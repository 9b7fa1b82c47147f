package rule

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/permission"
	"github.com/bulkhead-dev/bulkhead/isolation/reach"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

// gains compares what each tenant may do on each cluster.
func gains(x, before *Context) (out []Found) {
	for _, c := range x.Clusters {
		was := before.Cluster(c.Name)
		if was == nil {
			continue // a new cluster is judged by the rules about what stands there
		}
		for _, p := range c.Compartments {
			var old *estate.Compartment
			for _, q := range was.Compartments {
				if q.Tenant.Name == p.Tenant.Name {
					old = q
				}
			}
			out = append(out, gainsOutside(x, before, p, old)...)
			if old != nil && !agreed(p, old) {
				out = append(out, gainsInside(p, old)...)
			}
		}
	}
	return out
}

// agreed says whether the tenant's document changes along.
func agreed(p, old *estate.Compartment) bool {
	return !p.Tenant.Inferred && p.Tenant.Document != nil && old.Tenant.Document != nil && !reflect.DeepEqual(p.Tenant.Document.Spec, old.Tenant.Document.Spec)
}

// gainsOutside are the rights outside of the compartment that are new.
func gainsOutside(x, before *Context, p, old *estate.Compartment) (out []Found) {
	had := map[string]bool{}
	if old != nil {
		r := before.Reach(old)
		for _, e := range r.Excess() {
			had[excessKey(&e)] = true
		}
		if r.Everything() != nil {
			return nil // there is no more
		}
	}
	r := x.Reach(p)
	if all := r.Everything(); all != nil {
		return one(Found{
			Level: finding.Critical, Cluster: p.Cluster, Tenant: p.Tenant, Steps: all.Steps,
			Message: fmt.Sprintf("tenant %s comes to act as %s, who may do everything on cluster %s", p.Tenant.Name, all.Name, p.Cluster.Name),
		})
	}
	for _, e := range r.Excess() {
		if had[excessKey(&e)] {
			continue
		}
		had[excessKey(&e)] = true
		level := finding.High
		if e.Write || e.Secrets {
			level = finding.Critical
		}
		where := "on the whole cluster"
		if e.Namespace != "" {
			where = "in " + e.Namespace
		}
		out = append(out, Found{
			Level: level, Cluster: p.Cluster, Tenant: p.Tenant, Steps: e.Steps,
			Message: fmt.Sprintf("tenant %s comes to %s %s, by %s", p.Tenant.Name, ruleText(&e.Grant.Rule), where, grantText(&e.Grant)),
		})
	}
	return out
}

func excessKey(e *reach.Excess) string {
	return strings.Join([]string{e.Principal.Account.String(), e.Principal.Name, e.Namespace, fmt.Sprint(e.Grant.Rule.Verbs, e.Grant.Rule.APIGroups, e.Grant.Rule.Resources, e.Grant.Rule.ResourceNames, e.Grant.Rule.NonResourceURLs)}, "\x00")
}

// gainsInside are the rights in the tenant's own namespaces that its accounts did not have. Those of an account that is new are new.
func gainsInside(p, old *estate.Compartment) (out []Found) {
	now, was := p.Cluster.Permissions(), old.Cluster.Permissions()
	for _, account := range p.Accounts() {
		who := permission.Account(account.Namespace, account.Name)
		for _, ns := range p.Namespaces {
			var gained []string
			var by *permission.Grant
			for _, g := range now.Rights(who, ns) {
				if g.Namespace == "" {
					continue // of the whole cluster: see gainsOutside
				}
				for _, what := range requests(&g.Rule, ns) {
					if _, had := was.May(who, what); had {
						continue
					}
					if text := verbText(what.Verb) + " " + cmp.Or(resourceText(what), "everything"); !slices.Contains(gained, text) {
						gained = append(gained, text)
					}
					if by == nil {
						by = &g
					}
				}
			}
			if by != nil {
				slices.Sort(gained)
				out = append(out, Found{
					Cluster: p.Cluster, Tenant: p.Tenant,
					Message: fmt.Sprintf("account %s of tenant %s comes to %s in %s, by %s", account, p.Tenant.Name, phrase.List(gained, 4), ns, grantText(by)),
				})
			}
		}
	}
	return out
}

// requests are what a rule allows in a namespace, one of each verb, group, resource and name, with * as it stands.
func requests(rule *rbacv1.PolicyRule, namespace string) (out []permission.Request) {
	names := rule.ResourceNames
	if len(names) == 0 {
		names = []string{""}
	}
	for _, verb := range rule.Verbs {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				resource, sub, _ := strings.Cut(resource, "/")
				for _, name := range names {
					out = append(out, permission.Request{Verb: verb, Group: group, Resource: resource, Subresource: sub, Namespace: namespace, Name: name})
				}
			}
		}
	}
	return out
}

func resourceText(what permission.Request) string {
	text := what.Resource
	if what.Subresource != "" {
		text += "/" + what.Subresource
	}
	if text == "*" && what.Group != "" && what.Group != "*" {
		return "all of " + what.Group
	}
	if text == "*" {
		return ""
	}
	return text
}

func verbText(verb string) string {
	if verb == "*" {
		return "do all with"
	}
	return verb
}

func ruleText(rule *rbacv1.PolicyRule) string {
	what := append(slices.Clone(rule.Resources), rule.NonResourceURLs...)
	return strings.ReplaceAll(phrase.List(rule.Verbs, 3)+" "+phrase.List(what, 3), "*", "all")
}

func grantText(g *permission.Grant) string {
	kind, role := "RoleBinding", "Role"
	if g.Namespace == "" {
		kind = "ClusterRoleBinding"
	}
	if g.ClusterRole {
		role = "ClusterRole"
	}
	text := fmt.Sprintf("%s %s to %s %s", kind, g.Binding, role, g.Role)
	if via := g.Via(); len(via) > 0 {
		text += ", which collects " + phrase.List(via, 3)
	}
	return text
}

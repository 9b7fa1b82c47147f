package rule

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/permission"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

// labelTenant says whose an object is; "flux create tenant" and bulkhead write it.
const labelTenant = "toolkit.fluxcd.io/tenant"

// foreignVariables finds what a tenant's applier reads of others. What Git does not show is a gap of the render, and none of this rule.
func foreignVariables(_ *Context, a *estate.Applier) (out []Found) {
	p := a.Compartment()
	if a.Author == nil || p == nil {
		return nil
	}
	for _, r := range valueRefs(a) {
		makers := makersOf(a.Home, r.Kind, a.Namespace, r.Name)
		if len(makers) == 0 || slices.ContainsFunc(makers, func(o *estate.Object) bool { return o.Tenant == a.Author }) {
			continue
		}
		owner := makers[0].Tenant
		if owner == nil && r.Kind == "ConfigMap" && p.Owns(a.Namespace) {
			continue
		}
		found := Found{
			Message: fmt.Sprintf("%s of %s reads %s/%s/%s, which is %s", a, who(a.Author), r.Kind, a.Namespace, clipped(r.Name), whose(owner)), Field: r.Field,
			Steps: []finding.Step{{Message: fmt.Sprintf("%s makes %s", who(owner), makers[0].ID)}},
		}
		if a.As.Kind == estate.RunsAsAccount {
			grant, may := a.Home.Permissions().May(permission.Account(a.As.Account.Namespace, a.As.Account.Name), permission.Request{
				Verb: "get", Resource: a.Home.Resource("", r.Kind), Namespace: a.Namespace, Name: r.Name,
			})
			if may {
				found.Level = finding.Low
				found.Steps = append(found.Steps, finding.Step{Message: fmt.Sprintf("account %s may read it by itself, by binding %s", a.As.Account, grant.Binding)})
			}
		}
		out = append(out, found)
	}
	return out
}

// secretName is what names of secrets have in them.
var secretName = regexp.MustCompile(`(?i)(passwo?r?d|passwd|secret|token|api_?key|private_?key|credential)`)

// secretVariables finds Secrets that an applier of the platform hands to a tenant's files.
func secretVariables(_ *Context, a *estate.Applier) (out []Found) {
	if a.Author != nil || a.Tenant == nil {
		return nil
	}
	for _, r := range valueRefs(a) {
		if r.Kind != "Secret" || slices.ContainsFunc(makersOf(a.Home, r.Kind, a.Namespace, r.Name), func(o *estate.Object) bool {
			return o.Tenant == a.Tenant || o.Labels()[labelTenant] == a.Tenant.Name
		}) {
			continue
		}
		out = append(out, Found{Message: fmt.Sprintf("%s hands what is in Secret/%s/%s to the files of %s", a, a.Namespace, clipped(r.Name), who(a.Tenant)), Field: r.Field})
	}
	if k := a.Kustomization; k != nil && k.Spec.PostBuild != nil {
		var names []string
		for name, value := range k.Spec.PostBuild.Substitute {
			if value != "" && secretName.MatchString(name) {
				names = append(names, clipped(name))
			}
		}
		if len(names) > 0 {
			slices.Sort(names)
			out = append(out, Found{Message: fmt.Sprintf("%s hands %s to the files of %s, by %s a secret", a, phrase.List(names, 3), who(a.Tenant), phrase.Verb(len(names), "its name", "their names")), Field: "spec.postBuild.substitute"})
		}
	}
	return out
}

// writableVariables finds objects with variables of the platform that a tenant may write.
func writableVariables(x *Context, a *estate.Applier) (out []Found) {
	if a.Author != nil {
		return nil
	}
	for _, r := range valueRefs(a) {
		if !openVariables(x, a) {
			return nil
		}
		for _, p := range a.Home.Compartments {
			steps, may := mayWrite(x, p, a.Home.Resource("", r.Kind), a.Namespace, r.Name)
			if !may {
				continue
			}
			found := Found{
				Message: fmt.Sprintf("%s takes values from %s/%s/%s, which %s may write", a, r.Kind, a.Namespace, clipped(r.Name), who(p.Tenant)),
				Field:   r.Field, Tenant: p.Tenant, Steps: steps,
			}
			if a.Tenant == p.Tenant && !platformText(a) {
				found.Level = finding.Low
			}
			out = append(out, found)
		}
	}
	return out
}

// mayWrite says whether a tenant may change, or make, an object that an applier reads. Of who may do everything other rules tell.
func mayWrite(x *Context, p *estate.Compartment, resource, namespace, name string) ([]finding.Step, bool) {
	if x.Reach(p).Everything() != nil {
		return nil, false
	}
	for _, verb := range []string{"update", "patch", "create"} {
		what := permission.Request{Verb: verb, Resource: resource, Namespace: namespace, Name: name}
		if verb == "create" {
			what.Name = ""
		}
		if steps, may := x.Reach(p).May(what); may {
			return steps, true
		}
	}
	return nil, false
}

// platformText reports whether text of the platform is among what is substituted in: patches of the Kustomization are.
func platformText(a *estate.Applier) bool {
	if a.Kustomization == nil {
		return true // values of a chart
	}
	return slices.ContainsFunc(estate.List(a.Spec(), "patches"), func(p map[string]any) bool { return strings.Contains(estate.Text(p, "patch"), "${") })
}

// openVariables reports whether the files of an applier use a variable that spec.postBuild.substitute does not set: that one wins.
func openVariables(x *Context, a *estate.Applier) bool {
	if a.Kustomization == nil || a.Files == nil {
		return true
	}
	for _, u := range variableUses(x, a) {
		if _, set := a.Kustomization.Spec.PostBuild.Substitute[u.Name]; !set {
			return true
		}
	}
	return platformText(a)
}

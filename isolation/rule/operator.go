package rule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/permission"
)

// operatorRules are about Flux Operator and generators of artifacts.
func operatorRules() []Rule {
	return append([]Rule{
		{
			Rule: finding.Rule{
				ID: "OPR-001", Level: finding.Critical, Title: "A tenant's ResourceSet is applied as the operator",
				Why:  "A ResourceSet without an account writes as Flux Operator, which may do everything: who writes it owns the cluster.",
				Hint: "name an account of the tenant in spec.serviceAccountName, and start the operator with --default-service-account",
			},
			Boundary: true,
			Source:   "Flux Operator, ResourceSet fluxcd.controlplane.io/v1: spec.serviceAccountName",
			applier:  runsAsOperator,
		},
		{
			Rule: finding.Rule{
				ID: "OPR-002", Level: finding.High, Title: "A ResourceSet copies what is another namespace's",
				Why:  "The operator copies the Secret or ConfigMap that the annotation names, from any namespace that its account may read: the copy is the tenant's to read.",
				Hint: "copy only what is public; make a Secret of its own for each tenant",
			},
			Boundary: true,
			Unless:   "The platform copies a ConfigMap, or it is flux-runtime-info.",
			Source:   "Flux Operator: annotations copyFrom, convertKubeConfigFrom and checksumFrom of fluxcd.controlplane.io",
			object:   copied,
		},
		{
			Rule: finding.Rule{
				ID: "OPR-003", Level: finding.High, Title: "A tenant's ResourceSet reads objects of others by an expression",
				Why:  "The operator evaluates readyExpr over any object of any kind with rights of its own, and the tenant sees whether it holds: value by value, it reads what is in there.",
				Hint: "take readyExpr out, and let an admission policy keep dependencies in the own namespace",
			},
			Boundary: true,
			Unless:   "The dependency has no expression, or is a CustomResourceDefinition.",
			Source:   "Flux Operator, ResourceSet fluxcd.controlplane.io/v1: spec.dependsOn",
			object:   operatorOracle,
		},
	}, inputRules()...)
}

func runsAsOperator(_ *Context, a *estate.Applier) []Found {
	if a.Tenant == nil || a.Kind != estate.ResourceSetKind || a.As.Kind != estate.RunsAsController {
		return nil
	}
	message := fmt.Sprintf("%s applies what tenant %s decides as the operator", a, a.Tenant.Name)
	if a.As.Unknown {
		message += ", unless a flag that Git does not show names an account"
	}
	return one(Found{Message: message, Field: "spec.serviceAccountName"})
}

// origin is what an annotation of the operator names.
type origin struct{ annotation, kind, namespace, name string }

// annotated are the origins of an object, in the order of the annotations.
func annotated(o *estate.Object) (out []origin) {
	annotations := o.Annotations()
	for _, name := range []string{"copyFrom", "convertKubeConfigFrom", "checksumFrom"} {
		for one := range strings.SplitSeq(annotations[estate.OperatorGroup+"/"+name], ",") {
			parts := strings.Split(strings.TrimSpace(one), "/")
			switch len(parts) {
			case 2:
				kind := o.ID.Kind
				if name == "convertKubeConfigFrom" {
					kind = "Secret"
				}
				out = append(out, origin{name, kind, parts[0], parts[1]})
			case 3:
				out = append(out, origin{name, parts[0], parts[1], parts[2]})
			}
		}
	}
	return out
}

func copied(_ *Context, o *estate.Object) (out []Found) {
	if o.Applier.Kind != estate.ResourceSetKind {
		return nil
	}
	for _, from := range annotated(o) {
		if from.namespace == o.ID.Namespace || from.name == "flux-runtime-info" {
			continue
		}
		field := "metadata.annotations[" + estate.OperatorGroup + "/" + from.annotation + "]"
		if o.Tenant == nil {
			p := o.Cluster.Owner(o.ID.Namespace)
			if p == nil || from.kind != "Secret" || from.annotation == "checksumFrom" || p.Owns(from.namespace) || from.namespace != o.Cluster.FluxNamespace && slices.Contains(p.FluxNamespaces, from.namespace) {
				continue
			}
			out = append(out, Found{Field: field, Tenant: p.Tenant, Message: fmt.Sprintf("%s gives tenant %s a copy of Secret %s/%s", short(o.ID), p.Tenant.Name, legible(from.namespace), legible(from.name))})
			continue
		}
		if !foreign(o, from.namespace) {
			continue
		}
		f := Found{Field: field, Message: fmt.Sprintf("%s of tenant %s takes %s %s from %s", short(o.ID), o.Tenant.Name, legible(from.kind), legible(from.name), apartFrom(from.namespace))}
		if !mayRead(o.Applier, from) {
			f.Level = finding.Medium
			f.Message += stalls(o.Applier)
		}
		out = append(out, f)
	}
	return out
}

// mayRead reports whether an applier's account may read what an annotation names.
func mayRead(a *estate.Applier, from origin) bool {
	if a.As.Kind != estate.RunsAsAccount || !a.Target.Entered {
		return true
	}
	_, may := a.Target.Permissions().May(permission.Account(a.As.Account.Namespace, a.As.Account.Name),
		permission.Request{Verb: "get", Resource: a.Target.Resource("", from.kind), Namespace: from.namespace, Name: from.name})
	return may
}

func operatorOracle(_ *Context, o *estate.Object) (out []Found) {
	if o.Tenant == nil || !o.Is(estate.OperatorGroup, "ResourceSet") {
		return nil
	}
	for i, d := range estate.List(o.At("spec"), "dependsOn") {
		kind, ns := estate.Text(d, "kind"), estate.Text(d, "namespace")
		if estate.Text(d, "readyExpr") == "" || kind == "CustomResourceDefinition" {
			continue
		}
		where := ", which is of no namespace"
		switch {
		case ns == "" && !clusterKind(o.Cluster, estate.Text(d, "apiVersion"), kind), ns != "" && !foreign(o, ns):
			continue
		case ns != "":
			where = " in " + apartFrom(ns)
		}
		out = append(out, Found{
			Field:   fmt.Sprintf("spec.dependsOn[%d].readyExpr", i),
			Message: fmt.Sprintf("%s of tenant %s reads by an expression %s %s%s", short(o.ID), o.Tenant.Name, legible(kind), legible(estate.Text(d, "name")), where),
		})
	}
	return out
}

// clusterKind reports whether a kind is of no namespace; what is not known may be.
func clusterKind(c *estate.Cluster, apiVersion, kind string) bool {
	group, _, ok := strings.Cut(apiVersion, "/")
	if !ok {
		group = ""
	}
	namespaced, known := c.Namespaced(group, kind)
	return !known || !namespaced
}

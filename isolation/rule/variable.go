package rule

import (
	"cmp"
	"fmt"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/object"
)

// substitution is what the rules about variables follow.
const substitution = "fluxcd/pkg/kustomize v1.35.6 LoadVariables and SubstituteVariables, helm-controller v1.6.4 spec.valuesFrom"

// variableRules are about variables and values that come from the cluster.
func variableRules() []Rule {
	return []Rule{
		{
			Rule: finding.Rule{
				ID: "VAR-001", Level: finding.High, Title: "A tenant's applier reads a Secret or ConfigMap that is not the tenant's",
				Why:  "The controller reads what substituteFrom and valuesFrom name in its own name: what the tenant's account may read does not matter. The value ends up where the tenant's files put it.",
				Hint: "keep what is the platform's in namespaces of its own, and give tenants ConfigMaps without secrets",
			},
			Boundary: true, Unless: "the ConfigMap is in the tenant's namespace, which publishes it to the tenant; a Secret that the tenant's account may read by itself is low",
			Static: "two objects are compared",
			Source: substitution, applier: foreignVariables,
		},
		{
			Rule: finding.Rule{
				ID: "VAR-002", Level: finding.High, Title: "The platform hands secret variables to files of a tenant",
				Why:  "Each file of the tenant may print each variable: into a ConfigMap, a label, the name of a host.",
				Hint: "hand over a ConfigMap without secrets, and let workloads mount the Secret",
			},
			Boundary: true, Unless: "the Secret is the tenant's: its label toolkit.fluxcd.io/tenant says so",
			Static: "whose the files are is not in the object",
			Source: substitution, applier: secretVariables,
		},
		{
			Rule: finding.Rule{
				ID: "VAR-003", Level: finding.High, Title: "A tenant may write the variables of the platform",
				Why:  "What the platform's files say then depends on an object that the tenant changes: hosts, environments, and whole fields.",
				Hint: "write the values into spec.postBuild.substitute, which wins, or keep the object in flux-system",
			},
			Boundary: true, Unless: "only the tenant's own files use them: then it is low",
			Static: "it depends on roles and bindings",
			Source: substitution, applier: writableVariables,
		},
		{
			Rule: finding.Rule{
				ID: "VAR-004", Level: finding.Medium, Title: "A variable is not defined, or has a default that hides it",
				Why:  "On a cluster that does not define it, the variable is empty or the default: a staging cluster that takes the default is configured as production.",
				Hint: "define the variable on each cluster, without a default for what tells clusters apart; write $${...} for what is no variable",
			},
			Static: beforeBuild, Unless: "the text is a shell's: write $${...}, or annotate the object with kustomize.toolkit.fluxcd.io/substitute: disabled",
			Source: "fluxcd/pkg/envsubst v1.7.1; kustomize-controller v1.9.5 StrictPostBuildSubstitutions", applier: unsafeVariables,
		},
		{
			Rule: finding.Rule{
				ID: "VAR-005", Level: finding.High, Title: "The value of a Secret is in an object that is none",
				Why:  "Who may read ConfigMaps, pods or Flux objects may not read Secrets. Here the value is among what they read, and in what is logged of it.",
				Hint: "refer to the Secret by secretKeyRef or a volume",
			},
			Boundary: true, Unless: "the value is public, as a certificate is",
			Static: "the cluster does not know where a value comes from",
			Source: substitution, object: spilledSecret,
		},
	}
}

// valueRef names a Secret or ConfigMap that a controller reads for an applier.
type valueRef struct {
	Kind, Name, Field string
}

// valueRefs of an applier, in their order.
func valueRefs(a *estate.Applier) (out []valueRef) {
	if k := a.Kustomization; k != nil && k.Spec.PostBuild != nil {
		for i, r := range k.Spec.PostBuild.SubstituteFrom {
			out = append(out, valueRef{r.Kind, r.Name, fmt.Sprintf("spec.postBuild.substituteFrom[%d]", i)})
		}
	}
	if h := a.HelmRelease; h != nil {
		for i, r := range h.Spec.ValuesFrom {
			out = append(out, valueRef{r.Kind, r.Name, fmt.Sprintf("spec.valuesFrom[%d]", i)})
		}
	}
	return out
}

// makersOf are the objects of a cluster that make a Secret or a ConfigMap: it itself, and for Secrets what controllers make them of.
func makersOf(c *estate.Cluster, kind, namespace, name string) (out []*estate.Object) {
	out = append(out, c.Get(object.ID{Kind: kind, Namespace: namespace, Name: name})...)
	if kind != "Secret" {
		return out
	}
	out = append(out, c.Get(object.ID{Group: "bitnami.com", Kind: "SealedSecret", Namespace: namespace, Name: name})...)
	for _, o := range c.Kind("external-secrets.io", "ExternalSecret") {
		if o.ID.Namespace == namespace && cmp.Or(o.Text("spec", "target", "name"), o.ID.Name) == name {
			out = append(out, o)
		}
	}
	return out
}

package guard

import (
	"fmt"
	"strings"

	"github.com/fluxcd/pkg/apis/kustomize"

	"github.com/bulkhead-dev/bulkhead/tenant"
)

// Patches make of [Base] the guards of a cluster: what the policies know of its tenants, and the namespaces that the bindings select. A namespace is a line of
// its own, and a tenant some that follow each other. All compartments are of that cluster; none gives none.
func Patches(compartments []*tenant.Compartment) []kustomize.Patch {
	if len(compartments) == 0 {
		return nil
	}
	f := gather(compartments)
	variables := f.variables()
	last := len(variables) - 1
	var text strings.Builder
	_, _ = fmt.Fprintf(&text, "- op: replace\n  path: /spec/variables/0/expression\n  value: |-\n%s\n", indent(variables[last].Expression, "    "))
	for i := last - 1; i >= 0; i-- { // each is put before those that are there
		_, _ = fmt.Fprintf(&text, "- op: add\n  path: /spec/variables/0\n  value:\n    name: %s\n    expression: |-\n%s\n", variables[i].Name, indent(variables[i].Expression, "      "))
	}
	out := []kustomize.Patch{{Target: &kustomize.Selector{Kind: "ValidatingAdmissionPolicy", AnnotationSelector: AnnotationHolds + "=" + tenantsVariable}, Patch: text.String()}}
	for _, where := range []place{ofTenants, ofTenantsAndFlux} {
		r := f.requirement(where)
		out = append(out, kustomize.Patch{
			Target: &kustomize.Selector{Kind: "ValidatingAdmissionPolicyBinding", AnnotationSelector: AnnotationHolds + "=" + string(where)},
			Patch: fmt.Sprintf("- op: replace\n  path: /spec/matchResources/namespaceSelector/matchExpressions/0\n  value:\n    key: %s\n    operator: %s\n    values:\n    - %s\n",
				r.Key, r.Operator, strings.Join(r.Values, "\n    - ")),
		})
	}
	return out
}

func indent(s, by string) string { return by + strings.ReplaceAll(s, "\n", "\n"+by) }

package v1alpha1

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

var celName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// checkRule checks what can be told without CEL; isolation/policy compiles the expressions.
func (r *reader) checkRule(d *Rule) error {
	if err := r.checkMetadata(&d.ObjectMeta); err != nil {
		return err
	}
	s := &d.Spec
	switch {
	case s.Level == "":
		return r.errorAt("spec.level", "spec.level is missing", "one of "+strings.Join(RuleLevels(), ", "))
	case !slices.Contains(RuleLevels(), string(s.Level)):
		return r.errorAt("spec.level", fmt.Sprintf("spec.level: unknown level %s", clip(string(s.Level))), DidYouMean(string(s.Level), RuleLevels()))
	case strings.TrimSpace(s.Title) == "":
		return r.errorAt("spec.title", "spec.title is missing", `what holds, in a few words, as in "A workload has an owner"`)
	}
	for _, f := range []struct {
		at, value string
		most      int
	}{{"spec.title", s.Title, 128}, {"spec.hint", s.Hint, 512}, {"spec.why", strings.ReplaceAll(s.Why, "\n", " "), 2048}} {
		if err := r.checkLine(f.at, f.value, f.most); err != nil {
			return err
		}
	}
	if err := r.checkMatch(&s.MatchConstraints); err != nil {
		return err
	}
	return r.checkExpressions(s)
}

// checkLine wants one line of a bounded length.
func (r *reader) checkLine(at, value string, most int) error {
	switch {
	case strings.ContainsFunc(value, control):
		return r.errorAt(at, at+" is not one line", "")
	case len(value) > most:
		return r.errorAt(at, fmt.Sprintf("%s has %d bytes, more than the %d it may have", at, len(value), most), "")
	}
	return nil
}

// checkMatch wants rules for resources, and words that Kubernetes knows.
//
// Source: Kubernetes v1.36, pkg/apis/admissionregistration/validation.
func (r *reader) checkMatch(m *admissionregistrationv1.MatchResources) error {
	const at = "spec.matchConstraints"
	if len(m.ResourceRules) == 0 {
		return r.errorAt(at+".resourceRules", at+".resourceRules is missing",
			"which objects the rule looks at, as in [{apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}]")
	}
	for i := range m.ResourceRules {
		if err := r.checkResourceRule(&m.ResourceRules[i], fmt.Sprintf("%s.resourceRules[%d]", at, i)); err != nil {
			return err
		}
	}
	for i := range m.ExcludeResourceRules {
		if err := r.checkResourceRule(&m.ExcludeResourceRules[i], fmt.Sprintf("%s.excludeResourceRules[%d]", at, i)); err != nil {
			return err
		}
	}
	policies := []string{string(admissionregistrationv1.Equivalent), string(admissionregistrationv1.Exact)}
	if p := m.MatchPolicy; p != nil && !slices.Contains(policies, string(*p)) {
		return r.errorAt(at+".matchPolicy", fmt.Sprintf("%s.matchPolicy: unknown value %s", at, clip(string(*p))), DidYouMean(string(*p), policies))
	}
	for _, s := range []struct {
		field string
		is    *metav1.LabelSelector
	}{{"namespaceSelector", m.NamespaceSelector}, {"objectSelector", m.ObjectSelector}} {
		if _, err := metav1.LabelSelectorAsSelector(s.is); s.is != nil && err != nil {
			return r.errorAt(at+"."+s.field, at+"."+s.field+": no condition on labels", clip(err.Error()))
		}
	}
	return nil
}

func (r *reader) checkResourceRule(n *admissionregistrationv1.NamedRuleWithOperations, at string) error {
	operations := make([]string, len(n.Operations))
	for i, o := range n.Operations {
		operations[i] = string(o)
	}
	for _, f := range []struct {
		field, hint string
		list        []string
	}{
		{"apiGroups", `as in [apps], [""] for the core, ["*"] for all`, n.APIGroups},
		{"apiVersions", `as in [v1], or ["*"] for all`, n.APIVersions},
		{"operations", "as in [CREATE, UPDATE]", operations},
		{"resources", `as in [deployments], or ["*"] for all`, n.Resources},
	} {
		if len(f.list) == 0 {
			return r.errorAt(at+"."+f.field, at+"."+f.field+" is missing", f.hint)
		}
		if f.field != "resources" && slices.Contains(f.list, "*") && len(f.list) > 1 {
			return r.errorAt(at+"."+f.field, at+"."+f.field+": beside * nothing else may stand", "write * alone")
		}
	}
	known := []string{"*", "CREATE", "UPDATE", "DELETE", "CONNECT"}
	for i, o := range operations {
		if !slices.Contains(known, o) {
			place := fmt.Sprintf("%s.operations[%d]", at, i)
			return r.errorAt(place, fmt.Sprintf("%s: unknown operation %s", place, clip(o)), DidYouMean(o, known))
		}
	}
	scopes := []string{"*", "Cluster", "Namespaced"}
	if n.Scope != nil && !slices.Contains(scopes, string(*n.Scope)) {
		return r.errorAt(at+".scope", fmt.Sprintf("%s.scope: unknown scope %s", at, clip(string(*n.Scope))), DidYouMean(string(*n.Scope), scopes))
	}
	return nil
}

// checkExpressions wants each named part once, and expressions where some are required.
func (r *reader) checkExpressions(s *RuleSpec) error {
	if len(s.Validations) == 0 {
		return r.errorAt("spec.validations", "spec.validations is missing", "what must hold, as in [{expression: \"has(object.metadata.labels)\"}]")
	}
	var parts []part
	for i, c := range s.MatchConditions {
		at := fmt.Sprintf("spec.matchConditions[%d]", i)
		if len(validation.IsQualifiedName(c.Name)) > 0 {
			return r.errorAt(at+".name", fmt.Sprintf("%s.name: %q is no name", at, clip(c.Name)), "letters, digits, '-', '_' and '.', as in only-production")
		}
		parts = append(parts, part{at, "condition " + c.Name, c.Expression})
	}
	for i, v := range s.Variables {
		at := fmt.Sprintf("spec.variables[%d]", i)
		if !celName.MatchString(v.Name) || len(v.Name) > 128 {
			return r.errorAt(at+".name", fmt.Sprintf("%s.name: %q is no name of a variable", at, clip(v.Name)), "letters, digits and '_', not a digit first")
		}
		parts = append(parts, part{at, "variable " + v.Name, v.Expression})
	}
	for i, v := range s.Validations {
		at := fmt.Sprintf("spec.validations[%d]", i)
		parts = append(parts, part{at, "", v.Expression})
		if err := r.checkLine(at+".message", strings.TrimSpace(v.Message), 1024); err != nil {
			return err
		}
		if len(v.MessageExpression) > MaxRuleExpr {
			return r.tooLong(at+".messageExpression", v.MessageExpression)
		}
	}
	for _, f := range []struct {
		at    string
		count int
	}{{"spec.matchConditions", len(s.MatchConditions)}, {"spec.variables", len(s.Variables)}, {"spec.validations", len(s.Validations)}} {
		if f.count > MaxRuleParts {
			return r.errorAt(f.at, fmt.Sprintf("%s: %d are more than the %d there may be", f.at, f.count, MaxRuleParts), "split the rule")
		}
	}
	return r.checkParts(parts)
}

// part is one expression of a rule, with its name where it has one.
type part struct{ at, name, expression string }

func (r *reader) checkParts(parts []part) error {
	seen := map[string]bool{}
	for _, p := range parts {
		switch {
		case strings.TrimSpace(p.expression) == "":
			return r.errorAt(p.at+".expression", p.at+".expression is missing", "")
		case len(p.expression) > MaxRuleExpr:
			return r.tooLong(p.at+".expression", p.expression)
		case p.name != "" && seen[p.name]:
			return r.errorAt(p.at+".name", fmt.Sprintf("%s.name: %s occurs twice", p.at, clip(p.name)), "remove or rename one of the two")
		}
		seen[p.name] = true
	}
	return nil
}

func (r *reader) tooLong(at, expression string) error {
	return r.errorAt(at, fmt.Sprintf("%s has %d bytes, more than the %d an expression may have", at, len(expression), MaxRuleExpr), "split it with variables")
}

package risk

import (
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

const rbacGroup = "rbac.authorization.k8s.io"

// accessRules are about who may do what with the API server.
func accessRules() []rule {
	k := bindings{}
	return []rule{
		{Rule: finding.Rule{
			ID: "rbac-widened", Severity: finding.Warning, Title: "A role grants more",
			Why: "Whoever holds the role may do it at once. Wildcards, impersonate, escalate and bind, secrets, a shell in a pod and tokens lead to " +
				"what others own, and are errors. A role that is new grants nothing until it is bound, and is told one step lower.",
			Hint: "name the verbs, resources and objects that are needed, and no wildcards",
		}, change: k.roleWidened},
		{Rule: finding.Rule{
			ID: "rbac-bound", Severity: finding.Warning, Title: "Somebody gets a role",
			Why: "The subjects may do at once what the role grants. To give away cluster-admin or a role without bounds, or anything to everybody, is an error; " +
				"a role that only reads what is no secret is a note.",
			Hint: "bind a narrow role, in one namespace, to one service account",
		}, change: k.roleBound},
		{Rule: finding.Rule{
			ID: "rbac-aggregated", Severity: finding.Warning, Title: "The rules of a role become part of others",
			Why:  "A ClusterRole with a label rbac.authorization.k8s.io/aggregate-to-edit, for instance, adds its rules to the role edit, for all who hold that in any namespace.",
			Hint: "leave the label out, and bind the role to those who need it",
		}, change: roleAggregated},
	}
}

// objectLabels are the labels of an object that are texts, as labels are.
func objectLabels(o *object.Object) map[string]string {
	out := map[string]string{}
	for k, v := range dict(body(o), "metadata", "labels") {
		if s, ok := v.(string); ok {
			out[k] = s
		}
	}
	return out
}

// rulesOf are the policies of a role on a cluster. Those of a role that is put together of others are theirs,
// as far as they are rendered. Nil for no object.
func rulesOf(c *render.Cluster, o *object.Object) []policy {
	if o == nil {
		return nil
	}
	selectors := list(body(o), "aggregationRule", "clusterRoleSelectors")
	if o.ID.Kind != "ClusterRole" || len(selectors) == 0 || c == nil {
		return policies(list(body(o), "rules"))
	}
	var out []policy
	for other := range c.Objects.All() {
		if other.ID.Group != rbacGroup || other.ID.Kind != "ClusterRole" || other.ID == o.ID || dict(body(other), "aggregationRule") != nil {
			continue
		}
		for _, s := range selectors {
			if sel, ok := s.(map[string]any); ok && selects(sel, objectLabels(other)) {
				out = append(out, policies(list(body(other), "rules"))...)
				break
			}
		}
	}
	return out
}

func isRole(ch *impact.Change) bool {
	return isKind(ch, rbacGroup, "Role") || isKind(ch, rbacGroup, "ClusterRole")
}

func (k bindings) roleWidened(x *context, ch *impact.Change) []Risk {
	if !isRole(ch) || ch.After == nil {
		return nil
	}
	more, whole := widened(rulesOf(x.before, ch.Before), rulesOf(x.after, ch.After))
	if len(more) == 0 && whole {
		return nil
	}
	does := "grants more"
	if ch.Before == nil {
		does = "grants"
	}
	r := told(ch, "rules", "%s %s: %s%s", called(ch), does, shownFew(ch, worded(more)), k.holders(x.after, ch))
	r.Severity = severityOf(mightiest(more))
	if !whole {
		r = told(ch, "rules", "%s has too many rules to compare: it may grant anything", called(ch))
		r.Severity = finding.Error
	}
	if ch.Before == nil && k.holders(x.before, ch) == "" {
		r.Severity = lower(r.Severity)
	}
	return []Risk{r}
}

// severityOf is how bad it is that a role grants something more.
func severityOf(m might) finding.Severity {
	if m >= powerful {
		return finding.Error
	}
	return finding.Warning
}

// lower is the next severity.
func lower(s finding.Severity) finding.Severity {
	if s == finding.Error {
		return finding.Warning
	}
	return finding.Note
}

// holders says who holds the role of a change on a cluster, "" for nobody that is rendered.
func (k bindings) holders(c *render.Cluster, ch *impact.Change) string {
	var names []string
	for _, b := range k.of(c) {
		if b.role == ch.ID.Name && b.kind == ch.ID.Kind && (b.kind == "ClusterRole" || b.namespace == ch.ID.Namespace) {
			for _, s := range b.subjects {
				names = append(names, s.String())
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) == 0 {
		return ""
	}
	return " (to " + shownFew(ch, names) + ")"
}

const aggregateTo = rbacGroup + "/aggregate-to-"

func roleAggregated(_ *context, ch *impact.Change) []Risk {
	if !isKind(ch, rbacGroup, "ClusterRole") || ch.After == nil {
		return nil
	}
	rules := policies(list(body(ch.After), "rules"))
	grants, _ := widened(nil, rules)
	if len(rules) == 0 {
		return nil
	}
	var out []Risk
	was, is := objectLabels(ch.Before), objectLabels(ch.After)
	for _, label := range sortedKeys(is) {
		to, ok := strings.CutPrefix(label, aggregateTo)
		if !ok || is[label] != "true" || was[label] == "true" {
			continue
		}
		k := told(ch, path(fields("metadata", "labels", label)).String(), "%s adds its rules to the role %s, for all who hold that: %s",
			called(ch), show(ch, to), shownFew(ch, worded(grants)))
		k.Severity = severityOf(mightiest(grants))
		if ch.Before == nil {
			k.Severity = lower(k.Severity)
		}
		out = append(out, k)
	}
	return out
}

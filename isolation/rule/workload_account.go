package rule

import (
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/permission"
	"github.com/bulkhead-dev/bulkhead/object"
)

func accountRule() Rule {
	return Rule{
		Rule: finding.Rule{
			ID: "WRK-003", Level: finding.High, Title: "A pod holds the token of a powerful account",
			Why:  "Who breaks into the pod takes the token from its file and does what the account may: read Secrets, start pods, change rights. An account that deploys is worth the whole namespace.",
			Hint: "run the pod as an account of its own without rights, and set automountServiceAccountToken: false",
		},
		Unless: "the workload is an operator that has to call the API",
		Static: "rights are worked out from all roles and bindings of the cluster",
		Source: "Kubernetes v1.36: plugin/pkg/admission/serviceaccount, and RBAC",
		object: powerfulAccount,
	}
}

// power is something that a workload has no need of.
type power struct {
	what      string
	verbs     []string
	group     string
	resources []string
}

// powers are looked through in this order: the worst first.
var powers = []power{ //nolint:gochecknoglobals // a constant table
	{"act as others", []string{"impersonate"}, "", []string{"users", "groups", "serviceaccounts"}},
	{"change rights", []string{"create", "update", "patch", "bind", "escalate"}, "rbac.authorization.k8s.io", []string{"roles", "clusterroles", "rolebindings", "clusterrolebindings"}},
	{"make tokens of accounts", []string{"create"}, "", []string{"serviceaccounts/token"}},
	{"change admission", []string{"create", "update", "patch"}, "admissionregistration.k8s.io", []string{"mutatingwebhookconfigurations", "validatingwebhookconfigurations", "mutatingadmissionpolicies"}},
	{"read Secrets", []string{"get", "list", "watch"}, "", []string{"secrets"}},
	{"write Secrets", []string{"create", "update", "patch"}, "", []string{"secrets"}},
	{"run commands in pods", []string{"create", "get"}, "", []string{"pods/exec", "pods/attach"}},
	{"reach nodes", []string{"get", "create", "update", "patch"}, "", []string{"nodes/proxy"}},
	{"start pods", []string{"create", "update", "patch"}, "", []string{"pods", "replicationcontrollers"}},
	{"start pods", []string{"create", "update", "patch"}, "apps", []string{"daemonsets", "deployments", "replicasets", "statefulsets"}},
	{"start pods", []string{"create", "update", "patch"}, "batch", []string{"cronjobs", "jobs"}},
	{"make Flux apply", []string{"create", "update", "patch"}, estate.KustomizeGroup, []string{"kustomizations"}},
	{"make Flux apply", []string{"create", "update", "patch"}, estate.HelmGroup, []string{"helmreleases"}},
	{"make Flux apply", []string{"create", "update", "patch"}, estate.OperatorGroup, []string{"resourcesets", "fluxinstances"}},
	{"change namespaces", []string{"update", "patch"}, "", []string{"namespaces"}},
	{"open the network", []string{"create", "update", "patch", "delete"}, "networking.k8s.io", []string{"networkpolicies"}},
}

// in is the place of the first power that a rule of RBAC gives; len(powers) for none. A Secret that is named is one that the pod may mount as well.
func in(r *rbacv1.PolicyRule) int {
	has := func(list []string, word string) bool {
		return slices.Contains(list, "*") || slices.Contains(list, word)
	}
	for i := range powers {
		w := &powers[i]
		if w.what == "read Secrets" && len(r.ResourceNames) > 0 || !has(r.APIGroups, w.group) {
			continue
		}
		if slices.ContainsFunc(w.verbs, func(v string) bool { return has(r.Verbs, v) }) &&
			slices.ContainsFunc(w.resources, func(res string) bool {
				_, sub, isSub := strings.Cut(res, "/")
				return has(r.Resources, res) || isSub && slices.Contains(r.Resources, "*/"+sub)
			}) {
			return i
		}
	}
	return len(powers)
}

// capacity is what an account may do beyond what every account may.
type capacity struct {
	grant     permission.Grant
	namespace string // where it holds; "" for everywhere
	power     int    // place in powers; len(powers) when it is none of them
}

func powerfulAccount(x *Context, o *estate.Object) []Found {
	if o.Tenant == nil {
		return nil
	}
	of, ok := podOf(o)
	if !ok {
		return nil
	}
	field, mounted := of.token()
	if !mounted {
		return nil
	}
	account := of.account()
	best := capacityOf(x, o.Cluster, account)
	if best == nil {
		return nil
	}
	where := "on the whole cluster"
	if best.namespace != "" {
		where = "in namespace " + best.namespace
	}
	what := fmt.Sprintf("%s %s", legible(strings.Join(best.grant.Rule.Verbs, ", ")), legible(strings.Join(slices.Concat(best.grant.Rule.Resources, best.grant.Rule.NonResourceURLs), ", ")))
	f := Found{Field: field, Level: finding.Low}
	if best.power < len(powers) {
		f.Level, what = finding.High, powers[best.power].what
	}
	f.Message = fmt.Sprintf("%s holds the token of account %s, which may %s %s", brief(o), account, what, where)
	f.Steps = []finding.Step{
		{Message: fmt.Sprintf("%s runs as account %s, and its token is mounted", brief(o), account)},
		{Message: bound(&best.grant)},
		{Message: fmt.Sprintf("the role allows to %s %s", what, where)},
	}
	return one(f)
}

// bound says by what a grant is given.
func bound(g *permission.Grant) string {
	kind, name := "ClusterRoleBinding", g.Binding
	if g.Namespace != "" {
		kind, name = "RoleBinding", g.Namespace+"/"+g.Binding
	}
	role := "Role"
	if g.ClusterRole {
		role = "ClusterRole"
	}
	return fmt.Sprintf("%s %s gives it %s %s", kind, name, role, g.Role)
}

// token reports whether the pod has a token of its account, and by which field.
//
// Source: Kubernetes v1.36, plugin/pkg/admission/serviceaccount, ShouldAutomount: the pod's word, else its account's, else yes.
func (p pod) token() (field string, mounted bool) {
	for at, v := range p.volumes() {
		for i, s := range estate.List(v, "projected", "sources") {
			if s["serviceAccountToken"] != nil {
				return fmt.Sprintf("%s.projected.sources[%d].serviceAccountToken", at, i), true
			}
		}
	}
	field = p.field("serviceAccountName")
	if yes, said := p.spec["automountServiceAccountToken"].(bool); said {
		return field, yes
	}
	account := p.account()
	for _, sa := range p.object.Cluster.Get(object.ID{Kind: "ServiceAccount", Namespace: account.Namespace, Name: account.Name}) {
		if sa.At("automountServiceAccountToken") == false {
			return field, false
		}
	}
	return field, true
}

// capacityOf is the worst that an account may beyond what every account may; nil for nothing.
func capacityOf(x *Context, c *estate.Cluster, account estate.Account) *capacity {
	return once(x, "WRK-003 "+c.Name+" "+account.String(), func() *capacity {
		closure, who := c.Permissions(), permission.Account(account.Namespace, account.Name)
		anybody := permission.Subject{Groups: []string{"system:serviceaccounts", "system:authenticated"}}
		var best *capacity
		for _, ns := range append([]string{""}, bindingNamespaces(x, c)...) {
			usual := map[[3]string]bool{}
			for _, g := range closure.Rights(anybody, ns) {
				usual[[3]string{g.Namespace, g.Binding, g.Role}] = true
			}
			for _, g := range closure.Rights(who, ns) {
				if g.Namespace != ns || usual[[3]string{g.Namespace, g.Binding, g.Role}] || len(g.Rule.Verbs) == 0 {
					continue
				}
				if at := in(&g.Rule); best == nil || at < best.power {
					best = &capacity{g, ns, at}
				}
			}
		}
		return best
	})
}

// bindingNamespaces are those with a RoleBinding, sorted. Those that Kubernetes makes itself bind no account of a tenant.
func bindingNamespaces(x *Context, c *estate.Cluster) []string {
	return once(x, "namespaces of bindings "+c.Name, func() (out []string) {
		for _, o := range c.Kind(rbacv1.GroupName, "RoleBinding") {
			out = append(out, o.ID.Namespace)
		}
		slices.Sort(out)
		return slices.Compact(out)
	})
}

package reach

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/permission"
)

// resource is a kind as RBAC names it.
type resource struct{ group, name string }

// Tables of what leads further. Those without a namespace give the cluster away.
var (
	// podMakers make pods, which run as any account of their namespace.
	podMakers = []resource{ //nolint:gochecknoglobals // a constant table
		{"", "pods"}, {"", "replicationcontrollers"}, {"", "podtemplates"}, {"apps", "deployments"}, {"apps", "daemonsets"}, {"apps", "statefulsets"}, {"apps", "replicasets"}, {"batch", "jobs"}, {"batch", "cronjobs"},
	}
	// podEntries lead into pods that run.
	podEntries = []string{"exec", "attach", "ephemeralcontainers"} //nolint:gochecknoglobals // a constant list
	sources    = []string{                                         //nolint:gochecknoglobals // a constant list
		"gitrepositories", "ocirepositories", "buckets", "helmrepositories", "helmcharts", "externalartifacts",
	}
	// takers are what lets its writer act as others, or change what others write.
	//
	// Source: Kubernetes v1.36, "Role Based Access Control Good Practices", privilege escalation risks.
	takers = []struct { //nolint:gochecknoglobals // a constant table
		resource
		sub   string
		verbs []string
	}{
		{resource{"admissionregistration.k8s.io", "mutatingwebhookconfigurations"}, "", []string{"create", "update", "patch"}},
		{resource{"admissionregistration.k8s.io", "validatingwebhookconfigurations"}, "", []string{"create", "update", "patch"}},
		{resource{"admissionregistration.k8s.io", "mutatingadmissionpolicies"}, "", []string{"create", "update", "patch"}},
		{resource{"apiregistration.k8s.io", "apiservices"}, "", []string{"create", "update", "patch"}},
		{resource{"apiextensions.k8s.io", "customresourcedefinitions"}, "", []string{"create", "update", "patch"}},
		{resource{"", "nodes"}, "proxy", []string{"get", "create"}},
		{resource{"", "persistentvolumes"}, "", []string{"create"}},
		{resource{"certificates.k8s.io", "certificatesigningrequests"}, "approval", []string{"update", "patch"}},
	}
)

// expand takes what follows from the rights of a principal.
func (w *walk) expand(p *Principal) {
	for i := range p.grants {
		g := &p.grants[i]
		if harmless(g) {
			continue
		}
		steps := then(p.Steps, granted(g))
		if g.Namespace == "" && w.takes(g, steps) {
			return
		}
		if !opens(g) {
			continue
		}
		for _, ns := range w.scope(g) {
			w.impersonates(g, ns, steps)
			w.runs(p, g, ns, steps)
			w.applies(g, ns, steps)
			w.feeds(g, ns, steps)
			w.binds(p, g, ns, steps)
		}
	}
}

// opens says whether a grant may lead further at all: most do not, and those that hold everywhere are looked at in each namespace.
func opens(g *permission.Grant) bool {
	if !writes(&g.Rule) && !secrets(g) && !slices.Contains(g.Rule.Resources, "*") && !slices.Contains(g.Rule.Resources, "pods/exec") && !slices.Contains(g.Rule.Resources, "pods/attach") {
		return false // those two are entered by get, too
	}
	return slices.ContainsFunc(g.Rule.APIGroups, func(group string) bool {
		return slices.Contains([]string{"*", "", "apps", "batch", rbacv1.GroupName, estate.KustomizeGroup, estate.HelmGroup, estate.SourceGroup, estate.OperatorGroup}, group)
	})
}

// can says whether a grant covers one of the verbs on a resource in a namespace, under some name.
func can(g *permission.Grant, namespace string, r resource, sub string, verbs ...string) bool {
	for _, verb := range verbs {
		what := permission.Request{Verb: verb, Group: r.group, Resource: r.name, Subresource: sub, Namespace: namespace}
		if len(g.Rule.ResourceNames) > 0 && verb != "create" { // what is created has no name yet when it is authorised
			what.Name = g.Rule.ResourceNames[0]
		}
		if g.Allows(what) {
			return true
		}
	}
	return false
}

// takes are the grants without a namespace that give the cluster away.
func (w *walk) takes(g *permission.Grant, steps []finding.Step) bool {
	for _, t := range takers {
		if can(g, "", t.resource, t.sub, t.verbs...) {
			name := t.name
			if t.sub != "" {
				name += "/" + t.sub
			}
			w.everything("all rights", false, then(steps, step(nil, "who may write %s can take the cluster over", name))...)
			return true
		}
	}
	rbac := func(name string) resource { return resource{rbacv1.GroupName, name} }
	switch {
	case can(g, "", rbac("clusterroles"), "", "escalate"), can(g, "", rbac("clusterroles"), "", "bind") && len(g.Rule.ResourceNames) == 0:
		w.everything("all rights", false, then(steps, step(nil, "who may bind or widen any ClusterRole can give itself all rights"))...)
		return true
	case can(g, "", resource{"", "users"}, "", "impersonate") && len(g.Rule.ResourceNames) == 0, can(g, "", resource{"", "groups"}, "", "impersonate") && len(g.Rule.ResourceNames) == 0:
		w.everything("all rights", false, then(steps, step(nil, "who may impersonate anybody may do what anybody may"))...)
		return true
	}
	return false
}

// impersonates are the ways to an account by its name.
func (w *walk) impersonates(g *permission.Grant, ns string, steps []finding.Step) {
	accounts := resource{"", "serviceaccounts"}
	token := can(g, ns, accounts, "token", "create") || namedToken(g, ns)
	if !token && !can(g, ns, accounts, "", "impersonate", "impersonate:serviceaccount", "impersonate:scheduled-node", "impersonate:arbitrary-node") {
		return
	}
	how := "who may impersonate accounts acts as any account of namespace"
	if token {
		how = "who may make tokens of accounts acts as any account of namespace"
	}
	if len(g.Rule.ResourceNames) == 0 {
		w.all(ns, steps, how)
		return
	}
	for _, name := range g.Rule.ResourceNames {
		w.account(estate.Account{Namespace: ns, Name: name}, false, then(steps, step(nil, "which is account %s/%s", ns, name))...)
	}
}

// namedToken is the one create that has a name: that of the account.
func namedToken(g *permission.Grant, ns string) bool {
	return slices.ContainsFunc(g.Rule.ResourceNames, func(name string) bool {
		return g.Allows(permission.Request{Verb: "create", Resource: "serviceaccounts", Subresource: "token", Namespace: ns, Name: name})
	})
}

// runs are the ways to accounts through pods and through Secrets with their tokens.
func (w *walk) runs(p *Principal, g *permission.Grant, ns string, steps []finding.Step) {
	for _, maker := range podMakers {
		if can(g, ns, maker, "", "create", "update", "patch") {
			w.all(ns, steps, "a pod runs as any account of namespace")
			return
		}
	}
	for _, sub := range podEntries {
		if can(g, ns, resource{"", "pods"}, sub, "create", "update", "patch", "get") && (sub != "ephemeralcontainers" || can(g, ns, resource{"", "pods"}, sub, "update", "patch")) {
			w.all(ns, steps, "who gets into the pods acts as the accounts of namespace")
			return
		}
	}
	if !can(g, ns, resource{"", "secrets"}, "", "create", "get", "list", "watch") {
		return
	}
	reads := p.allows(permission.Request{Verb: "get", Resource: "secrets", Namespace: ns}) != nil
	if reads && can(g, ns, resource{"", "secrets"}, "", "create") {
		w.all(ns, steps, "who makes and reads Secrets gets the tokens of the accounts of namespace")
		return
	}
	for _, o := range w.c.Kind("", "Secret") {
		if o.ID.Namespace != ns || o.Text("type") != "kubernetes.io/service-account-token" {
			continue
		}
		if can(g, ns, resource{"", "secrets"}, "", "get", "list", "watch") {
			account := estate.Account{Namespace: ns, Name: o.Annotations()["kubernetes.io/service-account.name"]}
			w.account(account, false, then(steps, step(&o.ID, "Secret %s/%s holds a token of account %s", ns, o.ID.Name, account))...)
		}
	}
}

// applies are the ways through Flux: an applier writes as any account of its namespace, and reads its Secrets.
func (w *walk) applies(g *permission.Grant, ns string, steps []finding.Step) {
	for _, kind := range []struct {
		resource
		controller string
		minor      int // version 1.MINOR that knows kubeConfig.configMapRef; 0 for none
	}{
		{resource{estate.KustomizeGroup, "kustomizations"}, estate.KustomizeController, 7},
		{resource{estate.HelmGroup, "helmreleases"}, estate.HelmController, 4},
		{resource{estate.OperatorGroup, "resourcesets"}, estate.FluxOperator, 0},
	} {
		if !can(g, ns, kind.resource, "", "create", "update", "patch") || !w.runsHere(kind.controller) {
			continue
		}
		w.all(ns, steps, "who makes "+kind.name+" applies as any account of namespace")
		w.r.reads = append(w.r.reads, read{ns, []string{"secrets", "configmaps"}, then(steps, step(nil, "%s reads Secrets and ConfigMaps of namespace %s for it, whatever the account may", kind.controller, ns))})
		k := w.c.Controller(kind.controller)
		if k == nil {
			w.r.Unknown = append(w.r.Unknown, step(nil, "Git does not show %s: without --default-service-account it applies with all rights what names no account in namespace %s", kind.controller, ns))
			continue
		}
		if flag, _ := k.Flag("--default-service-account"); flag == "" {
			w.everything(kind.controller, false, then(steps, step(&k.Object.ID, "%s has no --default-service-account: what names no account is applied with all rights", kind.controller))...)
			continue
		}
		if flag, _ := k.Flag("--default-kubeconfig-service-account"); flag == "" && kind.minor > 0 && !k.Before(1, kind.minor, 0) {
			w.everything(kind.controller, false, then(steps, step(&k.Object.ID, "%s has no --default-kubeconfig-service-account: its own identity stands in for a kubeConfig that names none", kind.controller))...)
		}
	}
}

// runsHere says whether a controller may be on the cluster: Flux Operator is there only when Git shows it.
func (w *walk) runsHere(controller string) bool {
	return controller != estate.FluxOperator || w.c.Controller(controller) != nil || len(w.c.Kind(estate.OperatorGroup, "FluxInstance")) > 0
}

// feeds are the ways through sources: who writes one decides what its appliers apply.
func (w *walk) feeds(g *permission.Grant, ns string, steps []finding.Step) {
	for _, source := range sources {
		status := can(g, ns, resource{estate.SourceGroup, source}, "status", "update", "patch")
		if !status && !can(g, ns, resource{estate.SourceGroup, source}, "", "update", "patch") {
			continue
		}
		for _, a := range w.c.Homed {
			if a.Source.Namespace != ns || a.Target != w.c || strings.ToLower(a.Source.Kind) != singular(source) {
				continue
			}
			id := a.ID()
			told := step(&id, "%s applies what %s %s/%s gives it", a, a.Source.Kind, ns, a.Source.Name)
			switch a.As.Kind {
			case estate.RunsAsAccount:
				w.account(a.As.Account, false, then(steps, told)...)
			case estate.RunsAsController:
				w.everything(controllerOf(a), false, then(steps, told)...)
			case estate.RunsAsKubeconfig:
			}
		}
	}
}

// singular of a resource of Flux's sources.
func singular(plural string) string {
	if s, ok := strings.CutSuffix(plural, "ies"); ok {
		return s + "y"
	}
	return strings.TrimSuffix(plural, "s")
}

// binds are the ways to more rights in a namespace: who may bind any role there, or widen one.
func (w *walk) binds(p *Principal, g *permission.Grant, ns string, steps []finding.Step) {
	rbac := func(name string) resource { return resource{rbacv1.GroupName, name} }
	binding := func(verb string) bool {
		return p.allows(permission.Request{Verb: verb, Group: rbacv1.GroupName, Resource: "rolebindings", Namespace: ns}) != nil
	}
	role := func() bool {
		return p.allows(permission.Request{Verb: "update", Group: rbacv1.GroupName, Resource: "roles", Namespace: ns}) != nil
	}
	switch {
	case len(g.Rule.ResourceNames) > 0:
		return
	case can(g, ns, rbac("clusterroles"), "", "bind") && (binding("create") || binding("update") || binding("patch")):
	case can(g, ns, rbac("roles"), "", "escalate") && role():
	default:
		return
	}
	w.add(&Principal{
		Kind: Person, Name: "all rights in namespace " + ns,
		Steps: then(steps, step(nil, "who may bind or widen any role in namespace %s can give itself all rights there", ns)),
		grants: []permission.Grant{{
			Binding: "any", Namespace: ns, Role: "cluster-admin", ClusterRole: true,
			Rule: rbacv1.PolicyRule{Verbs: []string{"*"}, APIGroups: []string{"*"}, Resources: []string{"*"}},
		}},
	})
}

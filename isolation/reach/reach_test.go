package reach_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/permission"
	"github.com/bulkhead-dev/bulkhead/isolation/reach"
	"github.com/bulkhead-dev/bulkhead/object"
)

// cluster holds the objects of a text, and one tenant whose applier runs as shop-flux/shop.
func cluster(tb tester, text string, controllers ...*estate.Controller) *estate.Compartment {
	tb.Helper()
	c := &estate.Cluster{Name: "prod", Minor: 36, Controllers: controllers}
	for doc := range strings.SplitSeq(text, "\n---\n") {
		if strings.TrimSpace(doc) == "" {
			continue
		}
		var content map[string]any
		if err := yaml.Unmarshal([]byte(doc), &content); err != nil {
			tb.Fatalf("%v in %s", err, doc)
		}
		o, err := object.New(object.NewBody(content), object.Origin{})
		if err != nil {
			tb.Fatal(err)
		}
		c.Objects = append(c.Objects, &estate.Object{Object: o, Cluster: c})
	}
	t := &estate.Tenant{Name: "shop", Document: &v1alpha1.Tenant{}}
	p := &estate.Compartment{Tenant: t, Cluster: c, Namespaces: []string{"shop-prod"}, FluxNamespaces: []string{"shop-flux"}}
	p.Appliers = []*estate.Applier{{
		Applier: object.Applier{Kind: "Kustomization", Namespace: "shop-flux", Name: "shop"}, Home: c, Target: c, Tenant: t,
		As: estate.Identity{Kind: estate.RunsAsAccount, Account: estate.Account{Namespace: "shop-flux", Name: "shop"}},
	}}
	c.Appliers, c.Homed = p.Appliers, p.Appliers
	c.Compartments = []*estate.Compartment{p}
	return p
}

func role(name, rules string) string {
	return fmt.Sprintf("apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: %s}\nrules: [%s]\n---\n", name, rules)
}

// bind gives the tenant's account a ClusterRole in a namespace, or everywhere.
func bind(namespace, role, subjects string) string {
	if subjects == "" {
		subjects = "{kind: ServiceAccount, name: shop, namespace: shop-flux}"
	}
	kind, meta := "ClusterRoleBinding", "name: "+role
	if namespace != "" {
		kind, meta = "RoleBinding", "name: "+role+", namespace: "+namespace
	}
	return fmt.Sprintf("apiVersion: rbac.authorization.k8s.io/v1\nkind: %s\nmetadata: {%s}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: %s}\nsubjects: [%s]\n---\n", kind, meta, role, subjects)
}

// strong is an account in the tenant's namespace that may do everything.
const strong = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: backup}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}\nsubjects: [{kind: ServiceAccount, name: backup, namespace: shop-prod}]\n---\n"

func locked(name string) *estate.Controller {
	return &estate.Controller{Name: name, Version: "v1.9.5", Args: []string{"--default-service-account=default", "--default-kubeconfig-service-account=default"}}
}

// deleteNode is what only those may do who may do everything.
var deleteNode = permission.Request{Verb: "delete", Resource: "nodes", Name: "a"}

// TestEdges: each way further leads to all rights, and the same without the right that opens it does not.
func TestEdges(t *testing.T) {
	flux := []*estate.Controller{locked(estate.KustomizeController), locked(estate.HelmController)}
	open := &estate.Controller{Name: estate.KustomizeController, Object: &estate.Object{Object: &object.Object{ID: object.ID{Group: "apps", Kind: "Deployment", Namespace: "flux-system", Name: "kustomize-controller"}}}}
	for name, c := range map[string]struct {
		rules       string
		namespace   string // "" for everywhere
		more        string
		controllers []*estate.Controller
		want        bool
		step        string // in the derivation
	}{
		"nothing":                  {rules: "{apiGroups: [''], resources: [configmaps], verbs: ['*']}", namespace: "shop-prod", more: strong},
		"all":                      {rules: "{apiGroups: ['*'], resources: ['*'], verbs: ['*']}", want: true, step: "ClusterRoleBinding r gives it ClusterRole r"},
		"pods":                     {rules: "{apiGroups: [''], resources: [pods], verbs: [create]}", namespace: "shop-prod", more: strong, want: true, step: "a pod runs as any account of namespace shop-prod: account backup"},
		"deployments":              {rules: "{apiGroups: [apps], resources: [deployments], verbs: [patch]}", namespace: "shop-prod", more: strong, want: true},
		"pods elsewhere":           {rules: "{apiGroups: [''], resources: [pods], verbs: [create]}", namespace: "other", more: strong},
		"read pods":                {rules: "{apiGroups: [''], resources: [pods], verbs: [get, list]}", namespace: "shop-prod", more: strong},
		"exec":                     {rules: "{apiGroups: [''], resources: [pods/exec], verbs: [create]}", namespace: "shop-prod", more: strong, want: true},
		"logs":                     {rules: "{apiGroups: [''], resources: [pods/log], verbs: [get]}", namespace: "shop-prod", more: strong},
		"token":                    {rules: "{apiGroups: [''], resources: [serviceaccounts/token], verbs: [create]}", namespace: "shop-prod", more: strong, want: true},
		"token of one":             {rules: "{apiGroups: [''], resources: [serviceaccounts/token], verbs: [create], resourceNames: [backup]}", namespace: "shop-prod", more: strong, want: true},
		"token of another":         {rules: "{apiGroups: [''], resources: [serviceaccounts/token], verbs: [create], resourceNames: [web]}", namespace: "shop-prod", more: strong},
		"impersonate":              {rules: "{apiGroups: [''], resources: [serviceaccounts], verbs: [impersonate]}", namespace: "shop-prod", more: strong, want: true},
		"impersonate users":        {rules: "{apiGroups: [''], resources: [users], verbs: [impersonate]}", want: true},
		"token secrets":            {rules: "{apiGroups: [''], resources: [secrets], verbs: [get, create]}", namespace: "shop-prod", more: strong, want: true},
		"write secrets only":       {rules: "{apiGroups: [''], resources: [secrets], verbs: [create]}", namespace: "shop-prod", more: strong},
		"bind":                     {rules: "{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [bind]}", want: true},
		"escalate":                 {rules: "{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [escalate]}", want: true},
		"webhooks":                 {rules: "{apiGroups: [admissionregistration.k8s.io], resources: [mutatingwebhookconfigurations], verbs: [update]}", want: true},
		"read webhooks":            {rules: "{apiGroups: [admissionregistration.k8s.io], resources: [mutatingwebhookconfigurations], verbs: [get]}"},
		"nodes/proxy":              {rules: "{apiGroups: [''], resources: [nodes/proxy], verbs: [get]}", want: true},
		"nodes":                    {rules: "{apiGroups: [''], resources: [nodes], verbs: [get]}"},
		"persistentvolumes":        {rules: "{apiGroups: [''], resources: [persistentvolumes], verbs: [create]}", want: true},
		"kustomizations, locked":   {rules: "{apiGroups: [kustomize.toolkit.fluxcd.io], resources: [kustomizations], verbs: [create]}", namespace: "shop-prod", controllers: flux},
		"kustomizations, account":  {rules: "{apiGroups: [kustomize.toolkit.fluxcd.io], resources: [kustomizations], verbs: [create]}", namespace: "shop-prod", controllers: flux, more: strong, want: true},
		"kustomizations, open":     {rules: "{apiGroups: [kustomize.toolkit.fluxcd.io], resources: ['*'], verbs: [create]}", namespace: "shop-prod", controllers: []*estate.Controller{open}, want: true, step: "kustomize-controller has no --default-service-account"},
		"all rights in namespaces": {rules: "{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles, rolebindings], verbs: ['*']}", namespace: "shop-prod", more: strong, want: true, step: "can give itself all rights there"},
		"aggregated":               {rules: "", namespace: "shop-prod", more: strong + bind("shop-prod", "edit", ""), want: true},
		"view":                     {rules: "", namespace: "shop-prod", more: strong + bind("shop-prod", "view", "")},
	} {
		t.Run(name, func(t *testing.T) {
			r := reach.Of(cluster(t, role("r", c.rules)+bind(c.namespace, "r", "")+c.more, c.controllers...))
			steps, may := r.May(deleteNode)
			if may != c.want {
				t.Fatalf("all rights: %v, want %v: %s\nprincipals: %v", may, c.want, told(steps), r.Principals)
			}
			if c.step != "" && !strings.Contains(told(steps), c.step) {
				t.Errorf("the derivation has no step %q:\n%s", c.step, told(steps))
			}
			if may && len(steps) < 2 {
				t.Errorf("a derivation of %d steps: %s", len(steps), told(steps))
			}
		})
	}
}

func told(steps []finding.Step) string {
	var b strings.Builder
	for _, s := range steps {
		b.WriteString("\n  " + s.Message)
	}
	return b.String()
}

// TestSources: who writes a source acts as what applies it.
func TestSources(t *testing.T) {
	for _, rules := range []string{
		"{apiGroups: [source.toolkit.fluxcd.io], resources: [gitrepositories], verbs: [patch]}",
		"{apiGroups: [source.toolkit.fluxcd.io], resources: ['*/status'], verbs: [update]}",
	} {
		p := cluster(t, role("r", rules)+bind("flux-system", "r", ""))
		c := p.Cluster
		c.Homed = append(c.Homed, &estate.Applier{
			Applier: object.Applier{Kind: "Kustomization", Namespace: "flux-system", Name: "infra"}, Home: c, Target: c,
			Source: estate.Source{Kind: "GitRepository", Namespace: "flux-system", Name: "flux-system"}, As: estate.Identity{Kind: estate.RunsAsController},
		})
		if steps, may := reach.Of(p).May(deleteNode); !may || !strings.Contains(told(steps), "Kustomization/flux-system/infra applies what GitRepository flux-system/flux-system gives it") {
			t.Errorf("%s: %v %s", rules, may, told(steps))
		}
	}
}

// TestExcess tells what is outside, and not what is the tenant's own or everybody's.
func TestExcess(t *testing.T) {
	p := cluster(t, role("r", "{apiGroups: [''], resources: [configmaps], verbs: [create]}")+role("s", "{apiGroups: [''], resources: [secrets], verbs: [get]}")+
		bind("shop-prod", "r", "")+bind("auth-prod", "r", "")+bind("", "s", ""))
	got := ""
	for _, e := range reach.Of(p).Excess() {
		got += fmt.Sprintf("%q %s write %v secrets %v\n", e.Namespace, e.Grant.Role, e.Write, e.Secrets)
	}
	if want := "\"auth-prod\" r write true secrets false\n\"\" s write false secrets true\n"; got != want && got != "\"\" s write false secrets true\n\"auth-prod\" r write true secrets false\n" {
		t.Errorf("got\n%s want\n%s", got, want)
	}
}

// TestLaws: more rights never mean less reach, and what the closure of permissions allows the account is in the reach.
func TestLaws(t *testing.T) {
	verbs := []string{"get", "list", "create", "update", "patch", "delete", "bind", "escalate", "impersonate", "*"}
	resources := []string{"pods", "pods/exec", "secrets", "configmaps", "serviceaccounts", "serviceaccounts/token", "roles", "clusterroles", "rolebindings", "kustomizations", "deployments", "nodes", "*", "*/status"}
	groups := []string{"", "apps", "rbac.authorization.k8s.io", "kustomize.toolkit.fluxcd.io", "*"}
	spaces := []string{"shop-prod", "auth-prod", "kube-system", ""}
	rapid.Check(t, func(t *rapid.T) {
		var text string
		for i := range rapid.IntRange(1, 6).Draw(t, "roles") {
			list := func(from []string, what string) string {
				return "['" + strings.Join(rapid.SliceOfN(rapid.SampledFrom(from), 1, 3).Draw(t, what), "', '") + "']"
			}
			name := fmt.Sprintf("r%d", i)
			text += role(name, fmt.Sprintf("{apiGroups: %s, resources: %s, verbs: %s}", list(groups, "groups"), list(resources, "resources"), list(verbs, "verbs")))
			subject := rapid.SampledFrom([]string{"", "{kind: ServiceAccount, name: a, namespace: shop-prod}", "{kind: ServiceAccount, name: b, namespace: auth-prod}"}).Draw(t, "subject")
			text += bind(rapid.SampledFrom(spaces).Draw(t, "namespace"), name, subject)
		}
		more := bind("shop-prod", "edit", "")
		few, many := reach.Of(cluster(t, text)), reach.Of(cluster(t, text+more))
		for range 20 {
			what := permission.Request{
				Verb: rapid.SampledFrom(verbs[:8]).Draw(t, "verb"), Group: rapid.SampledFrom(groups[:4]).Draw(t, "group"),
				Resource: rapid.SampledFrom([]string{"pods", "secrets", "configmaps", "roles", "deployments", "nodes"}).Draw(t, "resource"), Namespace: rapid.SampledFrom(spaces).Draw(t, "at"),
			}
			_, before := few.May(what)
			_, after := many.May(what)
			if before && !after {
				t.Fatalf("%+v is lost by a further binding", what)
			}
			_, direct := few.Compartment.Cluster.Permissions().May(permission.Account("shop-flux", "shop"), what)
			if direct && !before {
				t.Fatalf("%+v is allowed and not in the reach", what)
			}
		}
		for _, p := range few.Principals {
			if len(p.Steps) == 0 || p.Given == (len(p.Steps) > 1) {
				t.Fatalf("%s: given %v, %d steps", p, p.Given, len(p.Steps))
			}
		}
	})
}

// tester is what cluster needs of a test.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// BenchmarkOf is a cluster of 10,000 roles that are bound in as many namespaces, with aggregation in circles.
func BenchmarkOf(b *testing.B) {
	var text strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&text, "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: r%d, labels: {a%d: b}}\naggregationRule: {clusterRoleSelectors: [{matchLabels: {a%d: b}}]}\n---\n", i, i%100, (i+1)%100)
		text.WriteString(bind(fmt.Sprintf("n%d", i), fmt.Sprintf("r%d", i), ""))
	}
	text.WriteString(bind("", "edit", ""))
	p := cluster(b, text.String(), locked(estate.KustomizeController), locked(estate.HelmController))
	for b.Loop() {
		if r := reach.Of(p); len(r.Principals) == 0 {
			b.Fatal("no principal")
		}
	}
}

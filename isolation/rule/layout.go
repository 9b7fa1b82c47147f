package rule

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

const ofFiles = "it is about files before the build"

// layoutRules are about how the repository is laid out.
func layoutRules() []Rule {
	return append(tangleRules(), []Rule{
		{
			Rule: finding.Rule{
				ID: "LAY-003", Level: finding.Medium, Title: "Branches stand for environments",
				Why:  "What is merged from branch to branch drags along what was not meant, and nobody sees in one place what production has.",
				Hint: "keep one branch, a folder for each environment, and give production a tag or a range of versions",
			},
			Unless: "The branches are of releases, or the fleet promotes by branch on purpose.",
			Static: "several clusters are compared",
			Source: "source-controller v1.9.5: spec.ref",
			fleet:  environmentBranches,
		},
		{
			Rule: finding.Rule{
				ID: "LAY-006", Level: finding.Medium, Title: "The hub brings workloads of a tenant",
				Why:  "The tenant's workloads are changed by the platform's reviews and applied with the platform's rights.",
				Hint: "move them to the tenant's repository; the hub keeps what bounds the tenant",
			},
			Unless: "The platform runs a sidecar or an agent there.",
			Source: "Flux guide, Ways of structuring your repositories",
			object: hubWorkload,
		},
		{
			Rule: finding.Rule{
				ID: "LAY-007", Level: finding.High, Title: "A tenant brings what is the platform's",
				Why:  "Definitions, webhooks, controllers and policies hold for everybody on the cluster, and the tenant decides over them.",
				Hint: "move it to the hub, or allow the kind in the contract's clusterScoped",
			},
			Unless:  "The contract allows the kind, or the installation keeps to the tenant's namespace.",
			Source:  "Flux guide, Ways of structuring your repositories",
			object:  platformKind,
			applier: platformChart,
		},
		{
			Rule: finding.Rule{
				ID: "LAY-008", Level: finding.Medium, Title: "One applier brings controllers and tenants' workloads",
				Why:  "One object that fails stops the others: a tenant's mistake keeps the platform's controllers from being updated.",
				Hint: "split it into appliers for the platform, for tenants, and for what is the cluster's own",
			},
			Unless:  "The cluster is tiny.",
			Static:  "several objects are compared",
			Source:  "kustomize-controller v1.9.5: an applier is ready as a whole or not at all",
			applier: mixed,
		},
		{
			Rule: finding.Rule{
				ID: "LAY-011", Level: finding.Medium, Title: "Anybody may change where Flux starts",
				Why:  "Who changes the folder at which Flux starts, the fleet's documents or its waivers changes what every tenant may do.",
				Hint: "give the paths to the platform's team in CODEOWNERS, and protect the branch",
			},
			Unless: "The forge has rules of its own that Git does not show.",
			Static: ofFiles,
			Source: "CODEOWNERS of GitHub and GitLab",
			fleet:  unprotected,
		},
	}...)
}

// environmentWords are the names of environments, to one word for each.
var environmentWords = map[string]string{ //nolint:gochecknoglobals // a constant table
	"dev": "dev", "develop": "dev", "development": "dev", "test": "test", "testing": "test", "qa": "qa", "int": "int", "integration": "int",
	"staging": "staging", "stage": "staging", "stg": "staging", "uat": "uat", "preprod": "preprod", "pre-prod": "preprod", "nonprod": "nonprod", "non-prod": "nonprod",
	"prod": "prod", "production": "prod", "prd": "prod", "live": "prod", "sandbox": "sandbox", "demo": "demo",
}

// environmentBranch is the environment that a branch stands for; "" for none.
func environmentBranch(branch string) string {
	last := path.Base(branch)
	for _, prefix := range []string{"env-", "environment-", "cluster-"} {
		last = strings.TrimPrefix(last, prefix)
	}
	return environmentWords[strings.ToLower(last)]
}

// environmentBranches looks at what the sources of one repository follow.
func environmentBranches(x *Context) (out []Found) {
	type use struct {
		branches map[string][]string // to clusters
		first    *estate.Object
		line     []string
	}
	uses := map[string]*use{}
	for _, c := range x.Clusters {
		for _, a := range c.Appliers {
			if a.Source.Kind != "GitRepository" || a.Source.Repository == "" {
				continue
			}
			for _, o := range a.Home.Get(object.ID{Group: estate.SourceGroup, Kind: "GitRepository", Namespace: a.Source.Namespace, Name: a.Source.Name}) {
				branch := o.Text("spec", "ref", "branch")
				if branch == "" || o.Text("spec", "ref", "tag")+o.Text("spec", "ref", "semver")+o.Text("spec", "ref", "commit")+o.Text("spec", "ref", "name") != "" {
					continue
				}
				u := uses[a.Source.Repository]
				if u == nil {
					u = &use{branches: map[string][]string{}, first: o}
					uses[a.Source.Repository] = u
				}
				if !slices.Contains(u.branches[branch], c.Name) {
					u.branches[branch] = append(u.branches[branch], c.Name)
				}
				if !slices.Contains(u.line, branch) {
					u.line = append(u.line, branch)
				}
			}
		}
	}
	for repository, u := range uses {
		if len(u.line) < 2 || !slices.ContainsFunc(u.line, func(b string) bool { return environmentBranch(b) != "" }) {
			continue
		}
		slices.Sort(u.line)
		out = append(out, Found{Message: fmt.Sprintf("%s is followed by its branches %s", repository, phrase.List(u.line, 4)), Object: u.first, Tenant: u.first.Tenant, Field: "spec.ref.branch"})
	}
	return out
}

// makesPods says whether an object makes pods, or a release of a chart.
func makesPods(o *estate.Object) bool {
	switch o.ID.Group {
	case "":
		return o.ID.Kind == "Pod" || o.ID.Kind == "ReplicationController"
	case "apps", "batch":
		return o.ID.Kind != "ControllerRevision"
	case estate.HelmGroup:
		return true
	case "serving.knative.dev":
		return o.ID.Kind == "Service"
	case "argoproj.io":
		return o.ID.Kind == "Rollout"
	}
	return false
}

func hubWorkload(_ *Context, o *estate.Object) []Found {
	if o.Tenant != nil || !makesPods(o) || !o.Applier.Own || o.Applier.Kind != estate.KustomizationKind {
		return nil
	}
	p := o.Cluster.Owner(o.ID.Namespace)
	if p == nil {
		return nil
	}
	return one(Found{Message: fmt.Sprintf("%s in a namespace of tenant %s comes from the hub, by %s", o.ID, p.Tenant.Name, o.Applier), Tenant: p.Tenant})
}

// platformKinds are kinds that hold for a whole cluster, by group; an empty list is all kinds of the group.
var platformKinds = map[string][]string{ //nolint:gochecknoglobals // a constant table
	"apiextensions.k8s.io":         {"CustomResourceDefinition"},
	"apiregistration.k8s.io":       {"APIService"},
	"admissionregistration.k8s.io": {},
	"storage.k8s.io":               {"StorageClass", "CSIDriver", "VolumeAttributesClass"},
	"networking.k8s.io":            {"IngressClass"},
	"gateway.networking.k8s.io":    {"GatewayClass"},
	"scheduling.k8s.io":            {"PriorityClass"},
	"node.k8s.io":                  {"RuntimeClass"},
	"flowcontrol.apiserver.k8s.io": {},
	"cert-manager.io":              {"ClusterIssuer"},
	"external-secrets.io":          {"ClusterSecretStore", "ClusterExternalSecret"},
	"kyverno.io":                   {"ClusterPolicy", "ClusterCleanupPolicy"},
	"policies.kyverno.io":          {"ValidatingPolicy", "MutatingPolicy", "GeneratingPolicy", "DeletingPolicy", "ImageValidatingPolicy"},
	"templates.gatekeeper.sh":      {},
	"constraints.gatekeeper.sh":    {},
	"cilium.io":                    {"CiliumClusterwideNetworkPolicy"},
	"policy.networking.k8s.io":     {},
	"operators.coreos.com":         {},
	estate.OperatorGroup:           {"FluxInstance"},
	"argoproj.io":                  {"ApplicationSet", "AppProject"},
	"capsule.clastix.io":           {"Tenant"},
	"pkg.crossplane.io":            {},
}

func platformKind(_ *Context, o *estate.Object) []Found {
	if o.Tenant == nil {
		return nil
	}
	kinds, known := platformKinds[o.ID.Group]
	if !known || len(kinds) > 0 && !slices.Contains(kinds, o.ID.Kind) || allowedKind(o) {
		return nil
	}
	return one(Found{Message: fmt.Sprintf("tenant %s brings %s, which holds for the whole cluster", o.Tenant.Name, o.ID)})
}

// allowedKind says whether the contract of the tenant who wrote an object allows its kind.
func allowedKind(o *estate.Object) bool {
	p := o.Compartment()
	if p == nil {
		return false
	}
	contract, known := p.Contract()
	if !known {
		return false
	}
	for _, k := range contract.ClusterScoped {
		if k.Group == o.ID.Group && (k.Kind == o.ID.Kind || k.Kind == "*") {
			return true
		}
	}
	return false
}

// platformCharts are charts of controllers that serve a whole cluster.
var platformCharts = []string{ //nolint:gochecknoglobals // a constant list
	"aws-ebs-csi-driver", "aws-load-balancer-controller", "argo-cd", "calico", "cert-manager", "cilium", "cluster-autoscaler", "contour", "crossplane",
	"external-dns", "external-secrets", "falco", "flux-operator", "flux2", "gatekeeper", "haproxy-ingress", "ingress-nginx", "istiod", "base", "karpenter", "keda",
	"kong", "kube-prometheus-stack", "kubernetes-replicator", "kyverno", "kyverno-policies", "linkerd-control-plane", "longhorn", "metallb", "metrics-server", "nginx-ingress", "node-feature-discovery",
	"opa", "prometheus-operator", "reflector", "reloader", "rook-ceph", "sealed-secrets", "tigera-operator", "traefik", "velero", "vault-secrets-operator",
}

func platformChart(_ *Context, a *estate.Applier) []Found {
	if a.Tenant == nil || a.HelmRelease == nil {
		return nil
	}
	name := chartOf(a)
	if name == "base" && !strings.Contains(a.Source.URL, "istio") || !slices.Contains(platformCharts, name) {
		return nil
	}
	return one(Found{Message: fmt.Sprintf("tenant %s installs %s, which serves the whole cluster", a.Tenant.Name, name), Field: "spec.chart"})
}

// chartOf is the name of the chart of a release: of the chart itself, else as the release or its source has it.
func chartOf(a *estate.Applier) string {
	switch {
	case a.ChartName != "":
		return a.ChartName
	case a.HelmRelease.Spec.Chart != nil:
		return path.Base(a.HelmRelease.Spec.Chart.Spec.Chart)
	case a.HelmRelease.Spec.ChartRef != nil:
		if a.Source.URL != "" {
			return path.Base(a.Source.URL)
		}
		for _, o := range a.Home.Get(object.ID{Group: estate.SourceGroup, Kind: a.Source.Kind, Namespace: a.Source.Namespace, Name: a.Source.Name}) {
			return path.Base(o.Text("spec", "url"))
		}
		return a.HelmRelease.Spec.ChartRef.Name
	}
	return ""
}

func mixed(_ *Context, a *estate.Applier) []Found {
	if a.Tenant != nil || a.Kind == estate.HelmReleaseKind {
		return nil
	}
	controllers, tenants := 0, 0
	for _, o := range a.Objects {
		switch {
		case o.Is("apiextensions.k8s.io", "CustomResourceDefinition"):
			controllers++
		case !makesPods(o) || o.ID.Namespace == "":
		case o.Cluster.Owner(o.ID.Namespace) != nil:
			tenants++
		default:
			controllers++
		}
	}
	if controllers == 0 || tenants == 0 {
		return nil
	}
	return one(Found{Message: fmt.Sprintf("%s brings %s of the platform and %s of tenants", a, phrase.Count(controllers, "controller"), phrase.Count(tenants, "workload"))})
}

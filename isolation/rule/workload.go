package rule

import (
	"fmt"
	"sync"

	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/object"
)

// workloadRules are about what pods may do on their nodes, in whose name they run, and what they are made of.
func workloadRules() []Rule {
	return []Rule{
		{
			Rule: finding.Rule{
				ID: "WRK-001", Level: finding.High, Title: "A pod breaks the Pod Security level of its tenant",
				Why:  "Where the namespace enforces the level, the pod is refused and the workload does not start. Where it does not, the pod may take over its node, and with it the pods of all tenants there.",
				Hint: "change what the message names, or give the environment another level: podSecurity in the Tenant document",
			},
			Boundary: true,
			Unless:   "the cluster exempts the namespace or the runtime class from Pod Security",
			Source:   "Kubernetes v1.36: k8s.io/pod-security-admission/policy, its own checks",
			object:   podSecurityBroken,
		},
		{
			Rule: finding.Rule{
				ID: "WRK-002", Level: finding.High, Title: "A namespace of a tenant does not enforce its Pod Security level",
				Why:  "Without the label the API server admits any pod: a privileged one takes over its node, and with it the pods of all tenants there.",
				Hint: "set the label pod-security.kubernetes.io/enforce on the namespace, from the hub",
			},
			Boundary:    true,
			Unless:      "another admission policy of the platform refuses the same pods",
			Source:      "Kubernetes v1.36: k8s.io/pod-security-admission/api",
			compartment: podSecurityMissing,
		},
		accountRule(), imageRule(), placeRule(), storageRule(),
	}
}

// podChecks are the checks of Pod Security, and what they said of a content: the same pods are on many clusters.
type podChecks struct {
	policy.Evaluator
	said sync.Map // of podQuestion: the answer
}

type podQuestion struct {
	body *object.Body
	at   api.LevelVersion
}

func podChecksOf(x *Context) *podChecks {
	return once(x, "pod security", func() *podChecks {
		e, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
		if err != nil { // of their table, which is Kubernetes' own
			return &podChecks{}
		}
		return &podChecks{Evaluator: e}
	})
}

// faults are what a pod breaks a level by, "" for nothing, and whether that is known.
func (c *podChecks) faults(p pod, at api.LevelVersion) (string, bool) {
	type answer struct {
		faults string
		known  bool
	}
	key := podQuestion{p.object.Body(), at}
	if v, ok := c.said.Load(key); ok {
		a, _ := v.(answer)
		return a.faults, a.known
	}
	var a answer
	if template, ok := p.decode(); ok && c.Evaluator != nil {
		result := policy.AggregateCheckResults(c.EvaluatePod(at, &template.ObjectMeta, &template.Spec))
		a = answer{result.ForbiddenDetail(), true}
	}
	c.said.Store(key, a)
	return a.faults, a.known
}

// podSecurityOf is the level that pods of a tenant may not break in a namespace. What an inferred tenant may have is not known: the level that
// its namespace enforces, or else baseline, which keeps pods away from their nodes.
func podSecurityOf(p *estate.Compartment, namespace string) api.Level {
	if p.Tenant.Inferred {
		if ns := p.Cluster.Namespace(namespace); ns != nil && ns.Tenant == nil && ns.Labels()[api.EnforceLevelLabel] != "" {
			return enforced(ns)
		}
		return api.LevelBaseline
	}
	if s := p.SettingsOf(namespace); s != nil && s.PodSecurity != "" {
		return api.Level(s.PodSecurity)
	}
	return api.Level(v1alpha1.Restricted)
}

// enforced is the level that a namespace enforces. An unknown one is taken for restricted, as the API server does.
func enforced(ns *estate.Object) api.Level {
	label, set := ns.Labels()[api.EnforceLevelLabel]
	if !set {
		return api.LevelPrivileged
	}
	level, err := api.ParseLevel(label)
	if err != nil {
		return api.LevelRestricted
	}
	return level
}

// podSecurityVersion is that of the cluster, the newest when it is not known.
func podSecurityVersion(c *estate.Cluster) api.Version {
	if c.Minor == 0 {
		return api.LatestVersion()
	}
	return api.MajorMinorVersion(1, c.Minor)
}

func podSecurityBroken(x *Context, o *estate.Object) []Found {
	if o.Tenant == nil {
		return nil
	}
	of, ok := podOf(o)
	if !ok {
		return nil
	}
	p := o.Compartment()
	if p == nil {
		return nil
	}
	level := podSecurityOf(p, o.ID.Namespace)
	if level == api.LevelPrivileged {
		return nil
	}
	faults, known := podChecksOf(x).faults(of, api.LevelVersion{Level: level, Version: podSecurityVersion(o.Cluster)})
	switch {
	case !known:
		return one(Found{Field: of.at, Unproven: true, Message: fmt.Sprintf("%s cannot be read as a pod, so whether it keeps to %s is not known", brief(o), level)})
	case faults != "":
		return one(Found{Field: of.at, Message: fmt.Sprintf("%s of tenant %s breaks the Pod Security level %s: %s", brief(o), o.Tenant.Name, level, legibleUpTo(faults, 400))})
	}
	return nil
}

// strictness orders the levels, the loosest first.
func strictness(level api.Level) int {
	switch level {
	case api.LevelPrivileged:
		return 0
	case api.LevelBaseline:
		return 1
	case api.LevelRestricted:
		return 2
	}
	return 2
}

func podSecurityMissing(_ *Context, p *estate.Compartment) (out []Found) {
	for _, name := range p.Namespaces {
		want, ns := podSecurityOf(p, name), p.Cluster.Namespace(name)
		if ns == nil {
			out = append(out, Found{
				ID: namespaceID(name), Unproven: true,
				Message: fmt.Sprintf("namespace %s of tenant %s is not in Git, so whether it enforces %s is not known", name, p.Tenant.Name, want),
			})
			continue
		}
		if strictness(enforced(ns)) >= strictness(want) {
			continue
		}
		f := Found{Object: ns, Field: `metadata.labels["` + api.EnforceLevelLabel + `"]`}
		if label := ns.Labels()[api.EnforceLevelLabel]; label == "" {
			f.Message = fmt.Sprintf("namespace %s of tenant %s enforces no Pod Security level, and %s is the tenant's", name, p.Tenant.Name, want)
		} else {
			f.Message = fmt.Sprintf("namespace %s of tenant %s enforces %s, and %s is the tenant's", name, p.Tenant.Name, legible(label), want)
		}
		out = append(out, f)
	}
	return out
}

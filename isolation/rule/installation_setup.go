package rule

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
)

// installedRules are about what stands around the controllers.
func installedRules() []Rule {
	return []Rule{
		{
			Rule: finding.Rule{
				ID: "CTL-006", Level: finding.High, Title: "Flux's own pods are open to the cluster",
				Why:  "source-controller and source-watcher hand out artifacts without asking who wants them, and notification-controller takes events from anybody: a pod of one tenant reads the sources of all.",
				Hint: "apply Flux's NetworkPolicies to its namespace, or set spec.cluster.networkPolicy of the FluxInstance",
			},
			Boundary: true, Static: "the policies and the pods are different objects", Source: "source-controller v1.9.5, notification-controller v1.9.3; the NetworkPolicies of flux2 v2.9",
			Unless:  "another kind of policy, which bulkhead does not read, closes the namespace",
			cluster: openPods,
		},
		{
			Rule: finding.Rule{
				ID: "CTL-007", Level: finding.High, Title: "A tenant may forge artifacts",
				Why:  "With the gate ExternalArtifact appliers take what the status of an ExternalArtifact points to, by address and digest alone: who writes that status decides what is applied.",
				Hint: "take the right on externalartifacts/status from the tenant, or leave the gate off",
			},
			Boundary: true, Static: "it is about flags and rights together", Source: "kustomize-controller v1.9.5, helm-controller v1.6.4: ExternalArtifact",
			Unless:  "never while the tenant may write the status",
			cluster: forgedArtifacts,
		},
		{
			Rule: finding.Rule{
				ID: "CTL-008", Level: finding.Medium, Title: "Tenants can keep all workers of a controller waiting",
				Why:  "An applier that waits holds a worker until its objects are ready or time is up. With as many of them as there are workers, broken pods of tenants stop what the platform has to roll out.",
				Hint: "raise --concurrent, or give tenants controllers of their own: spec.shard of the tenants, and a shard of the controllers",
			},
			Static: "it is about how the controllers are started", Source: "kustomize-controller v1.9.5 and helm-controller v1.6.4, --concurrent; Flux's \"Sharding and horizontal scaling\"",
			Unless:  "tenants' objects get ready in seconds",
			cluster: sharedLane,
		},
	}
}

// fluxPod is what is known of a controller's pods.
type fluxPod struct {
	controller *estate.Controller
	labels     labels.Set
}

func openPods(_ *Context, c *estate.Cluster) (out []Found) {
	if len(served(c)) == 0 || !runsFlux(c) {
		return nil
	}
	seen := map[*estate.Object]bool{}
	for _, k := range c.Controllers {
		switch k.Name {
		case estate.SourceController, estate.SourceWatcher, estate.NotificationController:
		default:
			continue
		}
		if k.Object.Is(estate.OperatorGroup, "FluxInstance") {
			if on, set := k.Object.At("spec", "cluster", "networkPolicy").(bool); set && !on && !seen[k.Object] && !unreadPolicies(c, k.Account.Namespace) {
				seen[k.Object] = true
				out = append(out, Found{Message: fmt.Sprintf("FluxInstance %s makes no NetworkPolicies", k.Object.ID.Name), Object: k.Object, Field: "spec.cluster.networkPolicy"})
			}
			continue
		}
		pod := fluxPod{k, labels.Set{}}
		set, _ := k.Object.At("spec", "template", "metadata", "labels").(map[string]any)
		for name, v := range set {
			if s, ok := v.(string); ok {
				pod.labels[name] = s
			}
		}
		if reason := pod.open(c); reason != "" {
			out = append(out, Found{Message: fmt.Sprintf("%s %s", k.Name, reason), Object: k.Object})
		}
	}
	return append(out, notShown(c, estate.SourceController)...)
}

// unreadPolicies reports whether policies fence a namespace in that are of a kind which is not read.
func unreadPolicies(c *estate.Cluster, namespace string) bool {
	for _, gk := range [][2]string{
		{"cilium.io", "CiliumNetworkPolicy"},
		{"cilium.io", "CiliumClusterwideNetworkPolicy"},
		{"projectcalico.org", "NetworkPolicy"},
		{"projectcalico.org", "GlobalNetworkPolicy"},
		{"crd.projectcalico.org", "NetworkPolicy"},
		{"crd.projectcalico.org", "GlobalNetworkPolicy"},
		{"policy.networking.k8s.io", "AdminNetworkPolicy"},
		{"networking.k8s.io", "NetworkPolicy"},
	} {
		for _, o := range c.Kind(gk[0], gk[1]) {
			if o.Tenant == nil && (o.ID.Namespace == "" || o.ID.Namespace == namespace) {
				return true
			}
		}
	}
	return false
}

// open says how the pods can be reached from other namespaces; "" when they cannot.
func (p *fluxPod) open(c *estate.Cluster) string {
	namespace, isolated := p.controller.Object.ID.Namespace, false
	for _, o := range c.Kind("networking.k8s.io", "NetworkPolicy") {
		var policy networkingv1.NetworkPolicy
		if o.ID.Namespace != namespace || !o.Into(&policy) {
			continue
		}
		selector, err := metav1.LabelSelectorAsSelector(&policy.Spec.PodSelector)
		if err != nil || !selector.Matches(p.labels) {
			continue
		}
		if len(policy.Spec.PolicyTypes) > 0 && !slices.Contains(policy.Spec.PolicyTypes, networkingv1.PolicyTypeIngress) {
			continue
		}
		isolated = true
		for i := range policy.Spec.Ingress {
			if p.controller.Name != estate.NotificationController && serves(&policy.Spec.Ingress[i]) {
				return fmt.Sprintf("serves artifacts to all namespaces by NetworkPolicy %s", o.ID.Name)
			}
		}
	}
	if !isolated && !otherFences(c, namespace) {
		return "can be reached from all namespaces: no NetworkPolicy selects its pods"
	}
	return ""
}

// otherFences is unreadPolicies without the kind that is read.
func otherFences(c *estate.Cluster, namespace string) bool {
	return unreadPolicies(c, namespace) && !slices.ContainsFunc(c.Kind("networking.k8s.io", "NetworkPolicy"), func(o *estate.Object) bool {
		return o.Tenant == nil && o.ID.Namespace == namespace
	})
}

// serves reports whether a rule lets every namespace reach the port of the artifacts.
//
// Source: source-controller v1.9.5, --storage-addr, port 9090 by the name http.
func serves(rule *networkingv1.NetworkPolicyIngressRule) bool {
	everyone := len(rule.From) == 0 || slices.ContainsFunc(rule.From, func(peer networkingv1.NetworkPolicyPeer) bool {
		empty := func(s *metav1.LabelSelector) bool { return len(s.MatchLabels)+len(s.MatchExpressions) == 0 }
		return peer.NamespaceSelector != nil && empty(peer.NamespaceSelector) && (peer.PodSelector == nil || empty(peer.PodSelector)) ||
			peer.IPBlock != nil && (peer.IPBlock.CIDR == "0.0.0.0/0" || peer.IPBlock.CIDR == "::/0")
	})
	return everyone && (len(rule.Ports) == 0 || slices.ContainsFunc(rule.Ports, func(port networkingv1.NetworkPolicyPort) bool {
		if port.Port == nil {
			return true
		}
		first := port.Port.IntVal
		return port.Port.StrVal == "http" || first == 9090 || port.EndPort != nil && first <= 9090 && 9090 <= *port.EndPort
	}))
}

func forgedArtifacts(x *Context, c *estate.Cluster) (out []Found) {
	var gated *estate.Controller
	for _, k := range c.Controllers {
		if on, _ := k.Gate("ExternalArtifact"); on && gated == nil && (k.Name == estate.KustomizeController || k.Name == estate.HelmController) {
			gated = k
		}
	}
	if gated == nil {
		return nil
	}
	for _, p := range c.Compartments {
		for _, verb := range []string{"patch", "update"} {
			what := toDo(verb, estate.SourceGroup, "externalartifacts")
			what.Subresource = "status"
			steps, may := mayAnywhere(x, p, what)
			if !may {
				continue
			}
			out = append(out, Found{
				Message: fmt.Sprintf("tenant %s may %s the status of ExternalArtifacts, and %s applies what it points to", p.Tenant.Name, verb, gated.Name),
				Object:  gated.Object, Field: startField(gated.Object), Tenant: p.Tenant, Steps: steps,
			})
			break
		}
	}
	return out
}

// sharedLane counts the tenants' appliers that wait and are no shard's against the workers of their controller.
func sharedLane(_ *Context, c *estate.Cluster) (out []Found) {
	for _, name := range []string{estate.KustomizeController, estate.HelmController} {
		k := c.Controller(name)
		if k == nil || k.Shard {
			continue
		}
		workers := 4
		if v, set := k.Flag("--concurrent"); set {
			if n, err := strconv.Atoi(v); err == nil {
				workers = n
			}
		}
		waiting := 0
		for _, a := range c.Homed {
			if a.Tenant != nil && a.Controller() == k && waits(a) {
				waiting++
			}
		}
		if waiting >= workers {
			out = append(out, Found{
				Message: fmt.Sprintf("%s has %d workers for the platform and for %d appliers of tenants that wait", name, workers, waiting),
				Object:  k.Object, Field: startField(k.Object),
			})
		}
	}
	return out
}

// waits reports whether an applier keeps a worker of the main controller for more than a minute when its objects do not get ready.
func waits(a *estate.Applier) bool {
	if a.Object == nil || a.Object.Labels()["sharding.fluxcd.io/key"] != "" {
		return false
	}
	timeout := func(d *metav1.Duration, unset time.Duration) bool {
		if d != nil {
			unset = d.Duration
		}
		return unset > time.Minute
	}
	switch {
	case a.Kustomization != nil:
		s := &a.Kustomization.Spec
		return (s.Wait || len(s.HealthChecks) > 0) && timeout(s.Timeout, s.Interval.Duration)
	case a.HelmRelease != nil:
		s := &a.HelmRelease.Spec
		return (s.Install == nil || !s.Install.DisableWait) && timeout(s.Timeout, 5*time.Minute)
	}
	return false
}

//go:build e2e && linux

package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulkhead-dev/bulkhead/test/lab"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// scenarios are those of the catalogue of isolation, in its order. Their page is docs/reference/scenarios.md.
func scenarios() []*scenario {
	return slices.Concat(boundaryScenarios(), guardScenarios(), sharedScenarios())
}

// boundaryScenarios are about what a spoke brings beside what it should.
func boundaryScenarios() []*scenario {
	return []*scenario{
		{
			id: "A1", findings: map[string]int{"IMP-001": 1, "IMP-006": 1, "NSB-002": 1, "SRC-001": 1},
			evidence: "the account default of the tenant's namespace may do everything on the cluster",
			works:    func(ctx context.Context, c *stageOf) error { return c.rules(ctx, c.files.name+"-prod:default") },
			appliers: []string{"TENANT-flux/TENANT-prod"}, says: []string{"forbidden", "clusterrolebindings", `"system:serviceaccount:TENANT-flux:TENANT-prod"`},
			refusal: "the account of the tenant is forbidden the ClusterRoleBinding; an admission policy refuses the Kustomization without an account, and the repository beside the platform's",
			tries: []try{
				{"flux-system/kustomize-controller", "{apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization, metadata: {name: TENANT-team-apps, namespace: flux-system}, spec: {interval: 5m, prune: true, sourceRef: {kind: GitRepository, name: TENANT-team-repo}}}", "IMP-001"},
				{"flux-system/kustomize-controller", "{apiVersion: source.toolkit.fluxcd.io/v1, kind: GitRepository, metadata: {name: TENANT-team-repo, namespace: flux-system}, spec: {interval: 1m, url: 'https://git.example.com/acme/TENANT'}}", "IMP-006"},
			},
		},
		{
			id: "A2", findings: map[string]int{"NSB-001": 4, "NSB-004": 4},
			evidence: "four ConfigMaps of the tenant are in kube-system",
			works: func(ctx context.Context, c *stageOf) error {
				for _, way := range []string{"transformer", "replacement", "patch", "annotation"} {
					if _, err := c.get(ctx, "v1", "ConfigMap", "kube-system", c.files.name+"-"+way); err != nil {
						return err
					}
				}
				return nil
			},
			appliers: []string{"TENANT-flux/TENANT-transformer", "TENANT-flux/TENANT-replacement", "TENANT-flux/TENANT-patch", "TENANT-flux/TENANT-annotation"},
			says:     []string{"forbidden", `"system:serviceaccount:TENANT-flux:TENANT-`, `in the namespace "kube-system"`},
			refusal:  "the account of the tenant is forbidden to write to kube-system",
		},
		{
			id: "A3", findings: map[string]int{"NSB-005": 1, "NSB-001": 1, "NSB-002": 1, "NST-003": 1},
			evidence: "a ConfigMap of the tenant is in kube-system, and its account may do everything, though the platform's patch takes bindings out",
			works: func(ctx context.Context, c *stageOf) error {
				if _, err := c.get(ctx, "v1", "ConfigMap", "kube-system", c.files.name+"-far"); err != nil {
					return err
				}
				return c.rules(ctx, c.files.name+"-prod:robot")
			},
			appliers: []string{"TENANT-flux/TENANT-prod"}, says: []string{"forbidden", `"system:serviceaccount:TENANT-flux:TENANT-prod"`},
			refusal: "the account of the tenant is forbidden both",
		},
		{
			id: "A4", findings: map[string]int{"NST-001": 1, "CTL-002": 1, "RBC-011": 1},
			evidence: "the account default of the tenant's namespace may do everything on the cluster",
			works:    func(ctx context.Context, c *stageOf) error { return c.rules(ctx, c.files.name+"-prod:default") },
			appliers: []string{"TENANT-flux/TENANT-prod"}, says: []string{"ValidatingAdmissionPolicy 'bulkhead-kustomizations'", "NST-001"},
			refusal: "an admission policy refuses the Kustomization without an account",
			fine: func(ctx context.Context, c *stageOf) error {
				_, err := c.get(ctx, "v1", "ConfigMap", c.files.name+"-prod", "nested")
				return err
			},
		},
		{
			id: "A5", findings: map[string]int{"RBC-005": 1, "NSB-006": 1, "WRK-001": 1, "NSB-007": 1}, lockedOpen: true,
			evidence: "the namespace enforces no Pod Security any more, and has a privileged pod with the node's files",
			works: func(ctx context.Context, c *stageOf) error {
				ns, err := c.get(ctx, "v1", "Namespace", "", c.files.name+"-prod")
				if err != nil {
					return err
				}
				if level := ns.GetLabels()["pod-security.kubernetes.io/enforce"]; level != "privileged" {
					return fmt.Errorf("it enforces %s", level)
				}
				_, err = c.get(ctx, "v1", "Pod", c.files.name+"-prod", "node")
				return err
			},
			appliers: []string{"TENANT-flux/TENANT-prod"}, says: []string{"ValidatingAdmissionPolicy 'bulkhead-namespaces'", "NSB-007"},
			refusal: "an admission policy refuses the label, though the account may write it; Pod Security then refuses the pod",
		},
	}
}

// guardScenarios are about what holds a tenant in, and about what controllers do for it.
func guardScenarios() []*scenario {
	return []*scenario{
		{
			id: "A6", findings: map[string]int{"OWN-002": 1, "OWN-004": 1, "RBC-012": 1},
			refusal: "an admission policy lets nobody but the platform write what has the platform's label",
			tries: []try{
				{"flux-system/helm-controller", "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: bulkhead, namespace: TENANT-prod}, spec: {policyTypes: [Egress]}}", "OWN-002"},
				{"flux-system/helm-controller", "{apiVersion: v1, kind: ResourceQuota, metadata: {name: bulkhead, namespace: TENANT-prod}, spec: {hard: {pods: 1k}}}", "RBC-012"},
			},
		},
		{
			id: "A7", findings: map[string]int{"SEC-001": 1, "SEC-002": 1},
			evidence: "a Secret in the tenant's namespace has the platform's password in the clear",
			works: func(ctx context.Context, c *stageOf) error {
				return c.holds(ctx, "copy", "correct-horse")
			},
			appliers: []string{"TENANT-flux/TENANT-prod"}, says: []string{"decrypt", "copy"},
			refusal: "the tenant's Kustomization has the tenant's key, which does not open it; an admission policy refuses one that names no key",
			fine:    func(ctx context.Context, c *stageOf) error { return c.holds(ctx, "copy", "battery-staple") },
			tries: []try{
				{"TENANT-flux/TENANT-prod", "{apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization, metadata: {name: replay, namespace: TENANT-prod}, spec: {interval: 1m, prune: true, serviceAccountName: flux, decryption: {provider: sops}, sourceRef: {kind: GitRepository, name: own}}}", "SEC-002"},
			},
		},
		{
			id: "A8", findings: map[string]int{"REF-002": 1, "REF-003": 1, "VAR-005": 1},
			refusal: "an admission policy refuses a dependency on another namespace, and any expression over one",
			tries: []try{
				{"TENANT-flux/TENANT-prod", "{apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization, metadata: {name: wait, namespace: TENANT-prod}, spec: {interval: 1m, prune: true, serviceAccountName: flux, dependsOn: [{name: a, namespace: TENANT-other-flux}], sourceRef: {kind: GitRepository, name: own}}}", "REF-002"},
				{"TENANT-flux/TENANT-prod", "{apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization, metadata: {name: wait, namespace: TENANT-prod}, spec: {interval: 1m, prune: true, serviceAccountName: flux, dependsOn: [{name: a, readyExpr: 'true'}], sourceRef: {kind: GitRepository, name: own}}}", "REF-003"},
				{"TENANT-flux/TENANT-prod", "{apiVersion: helm.toolkit.fluxcd.io/v2, kind: HelmRelease, metadata: {name: wait, namespace: TENANT-prod}, spec: {interval: 1m, serviceAccountName: flux, dependsOn: [{name: a, readyExpr: 'true'}], chartRef: {kind: OCIRepository, name: own}}}", "REF-003"},
			},
		},
		{
			id: "A9", findings: map[string]int{"RMT-001": 1, "RMT-002": 1, "CTL-004": 1},
			refusal: "an admission policy refuses spec.kubeConfig; the controllers have a default account for it",
			tries: []try{
				{"TENANT-flux/TENANT-prod", "{apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization, metadata: {name: elsewhere, namespace: TENANT-prod}, spec: {interval: 1m, prune: true, serviceAccountName: flux, kubeConfig: {secretRef: {name: elsewhere}}, sourceRef: {kind: GitRepository, name: own}}}", "RMT-001"},
				{"TENANT-flux/TENANT-prod", "{apiVersion: helm.toolkit.fluxcd.io/v2, kind: HelmRelease, metadata: {name: elsewhere, namespace: TENANT-prod}, spec: {interval: 1m, serviceAccountName: flux, kubeConfig: {secretRef: {name: elsewhere}}, chartRef: {kind: OCIRepository, name: own}}}", "RMT-001"},
			},
		},
		{
			id: "A10", findings: map[string]int{"KUS-001": 1, "SRC-006": 1},
			refusal: "static only: no admission sees a build, so the commit is refused",
		},
		{
			id: "A11", findings: map[string]int{"SEC-005": 1, "IMG-001": 1, "NST-004": 1},
			before:   imaged,
			evidence: "the tenant's automation has pushed a commit to the branch main of the fleet's repository, with another image in a file of the platform",
			works:    func(_ context.Context, c *stageOf) error { return c.automated("hub", "main", entry+"extra.yaml") },
			appliers: []string{"TENANT-flux/TENANT-prod"}, says: []string{"ValidatingAdmissionPolicy 'bulkhead-sources'", "NST-004"},
			refusal: "an admission policy refuses the source, which is not in the contract",
			fine: func(_ context.Context, c *stageOf) error {
				return c.automated("spoke", "images", "deploy/prod/app.yaml")
			},
			tries: []try{
				{"TENANT-flux/TENANT-prod", "{apiVersion: source.toolkit.fluxcd.io/v1, kind: GitRepository, metadata: {name: fleet, namespace: TENANT-prod}, spec: {interval: 1m, url: 'https://git.example.com/acme/TENANT-hub', secretRef: {name: TENANT-push}}}", "NST-004"},
				{"TENANT-flux/TENANT-prod", "{apiVersion: image.toolkit.fluxcd.io/v1, kind: ImageUpdateAutomation, metadata: {name: fleet, namespace: TENANT-prod}, spec: {interval: 30m, sourceRef: {kind: GitRepository, name: TENANT-hub, namespace: flux-system}, git: {commit: {author: {email: bot@example.com}}}}}", "IMG-001"},
			},
		},
	}
}

// sharedScenarios are about what a tenant has in common with others.
func sharedScenarios() []*scenario {
	return []*scenario{
		{
			id: "A12", findings: map[string]int{"KUS-002": 1, "SRC-008": 1},
			evidence: "the tenant's namespace has the platform's settings, and another tenant's recipe",
			works: func(ctx context.Context, c *stageOf) error {
				for _, name := range []string{c.files.name + "-settings", "recipe"} {
					if _, err := c.get(ctx, "v1", "ConfigMap", c.files.name+"-prod", name); err != nil {
						return err
					}
				}
				return nil
			},
			appliers: []string{"TENANT-flux/TENANT-prod"}, says: []string{"kustomize build failed"},
			refusal: "the tenant's repository has the tenant's files only, and the build fails",
		},
		{
			id: "A13", findings: map[string]int{"REF-001": 1, "REF-005": 1, "REF-006": 1, "CTL-001": 1},
			evidence: "the other tenant's objects are in the tenant's namespace, its events at the tenant's hook, and the webhook wakes the platform's source",
			works:    stolen,
			appliers: []string{"TENANT-flux/TENANT-prod"}, says: []string{"ValidatingAdmissionPolicy 'bulkhead-"},
			refusal: "admission policies refuse the Kustomization, the Alert and the Receiver",
			tries: []try{
				{"TENANT-flux/TENANT-prod", "{apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization, metadata: {name: peek, namespace: TENANT-prod}, spec: {interval: 1m, prune: true, serviceAccountName: flux, sourceRef: {kind: GitRepository, name: TENANT-other-prod, namespace: TENANT-other-flux}}}", "REF-001"},
				{"TENANT-flux/TENANT-prod", "{apiVersion: notification.toolkit.fluxcd.io/v1beta3, kind: Alert, metadata: {name: listen, namespace: TENANT-prod}, spec: {providerRef: {name: hook}, eventSources: [{kind: GitRepository, name: '*', namespace: TENANT-other-flux}]}}", "REF-005"},
				{"TENANT-flux/TENANT-prod", "{apiVersion: notification.toolkit.fluxcd.io/v1, kind: Receiver, metadata: {name: trigger, namespace: TENANT-prod}, spec: {type: generic, secretRef: {name: token}, resources: [{kind: GitRepository, name: TENANT-hub, namespace: flux-system}]}}", "REF-006"},
			},
		},
		{
			id: "A14", findings: map[string]int{"HLM-001": 1, "HLM-002": 1, "HLM-003": 1, "HLM-004": 1},
			evidence: "the release is kept in another tenant's namespace, the platform's definition is the tenant's, and there is a ClusterRole with all rights",
			works:    released,
			appliers: []string{"TENANT-flux/TENANT-prod"}, says: []string{"ValidatingAdmissionPolicy 'bulkhead-helmreleases'", "HLM-001"},
			refusal: "an admission policy refuses the release",
			fine: func(ctx context.Context, c *stageOf) error {
				_, err := c.get(ctx, "v1", "ConfigMap", c.files.name+"-prod", "nested")
				return err
			},
		},
		{
			id: "A15", findings: map[string]int{"IMP-005": 1, "NST-002": 1}, latent: []string{"IMP-005"}, lockedOpen: true,
			evidence: "the tenant has made a ClusterRole with all rights",
			works: func(ctx context.Context, c *stageOf) error {
				_, err := c.get(ctx, "rbac.authorization.k8s.io/v1", "ClusterRole", "", c.files.name+"-took")
				return err
			},
			appliers: []string{"TENANT-flux/TENANT-prod"}, says: []string{"ValidatingAdmissionPolicy 'bulkhead-kustomizations'", "NST-002"},
			refusal: "an admission policy refuses the Kustomization with the operator's account",
		},
	}
}

// rules is nil when an account, NAMESPACE:NAME, may do everything.
func (c *stageOf) rules(ctx context.Context, account string) error {
	may, err := c.may(ctx, account, "*", "*", "*")
	if err == nil && !may {
		err = fmt.Errorf("%s may not do everything", account)
	}
	return err
}

// may asks the API server what an account may do.
func (c *stageOf) may(ctx context.Context, account, verb, group, resource string) (bool, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(authorizationv1.AddToScheme(scheme), corev1.AddToScheme(scheme)); err != nil {
		return false, err
	}
	typed, err := client.New(c.Config, client.Options{Scheme: scheme})
	if err != nil {
		return false, err
	}
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: "system:serviceaccount:" + account, ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: verb, Group: group, Resource: resource},
	}}
	err = typed.Create(ctx, review)
	return review.Status.Allowed, err
}

func stolen(ctx context.Context, c *stageOf) error {
	o, err := c.get(ctx, "v1", "ConfigMap", c.files.name+"-prod", "recipe")
	if err != nil {
		return err
	}
	if o.Object["data"] == nil {
		return fmt.Errorf("%s is empty", o.GetName())
	}
	r, err := c.get(ctx, "notification.toolkit.fluxcd.io/v1", "Receiver", c.files.name+"-prod", "trigger")
	if err != nil {
		return err
	}
	if err := c.trigger(ctx, r); err != nil {
		return err
	}
	return c.event(ctx)
}

// trigger calls the webhook of a Receiver, and sees that the platform's source was woken.
func (c *stageOf) trigger(ctx context.Context, receiver *unstructured.Unstructured) error {
	at, _, _ := unstructured.NestedString(receiver.Object, "status", "webhookPath")
	if at == "" {
		return fmt.Errorf("the Receiver has no path: %v", lab.Condition(receiver, "Ready"))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.ReceiverURL(at), strings.NewReader("{}"))
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	if err := res.Body.Close(); err != nil {
		return err
	}
	source, err := c.get(ctx, sourceAPI, "GitRepository", lab.FluxNamespace, c.files.name+"-hub")
	if err != nil {
		return err
	}
	if source.GetAnnotations()["reconcile.fluxcd.io/requestedAt"] == "" {
		return fmt.Errorf("the webhook answers %s, and nobody has asked for %s", res.Status, source.GetName())
	}
	return nil
}

// event is nil when the tenant's hook has heard of the other tenant's source. It makes one from time to time.
func (c *stageOf) event(ctx context.Context) error {
	c.mu.Lock()
	heard := c.heard["/"+c.files.name]
	c.mu.Unlock()
	if heard > 0 {
		return nil
	}
	if time.Since(c.pushed) > 3*time.Second {
		c.pushed = time.Now()
		files := c.files.of("other")
		files["commit"] = tree.Blob{Data: c.pushed.String()}
		if _, err := c.Git.Push(ctx, c.files.url("other"), "main", files); err != nil {
			return err
		}
		source, err := c.get(ctx, sourceAPI, "GitRepository", c.files.name+"-other-prod", c.files.name+"-other-prod")
		if err != nil {
			return err
		}
		source.SetAnnotations(map[string]string{"reconcile.fluxcd.io/requestedAt": c.pushed.String()})
		if err := c.Client.Update(ctx, source); err != nil {
			return err
		}
	}
	return errors.New("the hook has heard nothing")
}

// holds is nil when a Secret in the tenant's namespace has a password.
func (c *stageOf) holds(ctx context.Context, name, password string) error {
	o, err := c.get(ctx, "v1", "Secret", c.files.name+"-prod", name)
	if err != nil {
		return err
	}
	have, _, _ := unstructured.NestedString(o.Object, "data", "password")
	if want := base64.StdEncoding.EncodeToString([]byte(password)); sha256.Sum256([]byte(have)) != sha256.Sum256([]byte(want)) {
		return fmt.Errorf("Secret %s has another password", name)
	}
	return nil
}

func released(ctx context.Context, c *stageOf) error {
	if _, err := c.get(ctx, "v1", "Secret", c.files.name+"-other-prod", "sh.helm.release.v1."+c.files.name+"-other-prod-app.v1"); err != nil {
		return err
	}
	if _, err := c.get(ctx, "rbac.authorization.k8s.io/v1", "ClusterRole", "", c.files.name+"-took"); err != nil {
		return err
	}
	crd, err := c.get(ctx, "apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "gadgets."+c.files.name+".example.com")
	if err != nil {
		return err
	}
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	first, _ := versions[0].(map[string]any)
	if of, _, _ := unstructured.NestedString(first, "schema", "openAPIV3Schema", "description"); of != "the tenant's" {
		return fmt.Errorf("the definition is %s", of)
	}
	return nil
}

//go:build e2e && linux

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/bulkhead-dev/bulkhead/test/lab"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// scenarios are those of the catalogue of isolation, in its order.
func scenarios() []*scenario {
	return []*scenario{
		{
			id: "A1", findings: map[string]int{"IMP-001": 1, "IMP-006": 1, "NSB-002": 1, "SRC-001": 1},
			evidence: "the account default of the tenant's namespace may do everything on the cluster",
			works:    func(ctx context.Context, c *stageOf) error { return c.rules(ctx, c.files.name+"-prod:default") },
			applier:  "TENANT-flux/TENANT-prod", says: []string{"forbidden", "clusterrolebindings", `"system:serviceaccount:TENANT-flux:TENANT-prod"`},
			refusal: "the account of the tenant is forbidden the ClusterRoleBinding; an admission policy refuses the Kustomization without an account, and the repository beside the platform's",
			tries: []try{
				{"flux-system/kustomize-controller", "{apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization, metadata: {name: TENANT-team-apps, namespace: flux-system}, spec: {interval: 5m, prune: true, sourceRef: {kind: GitRepository, name: TENANT-team-repo}}}", "IMP-001"},
				{"flux-system/kustomize-controller", "{apiVersion: source.toolkit.fluxcd.io/v1, kind: GitRepository, metadata: {name: TENANT-team-repo, namespace: flux-system}, spec: {interval: 1m, url: 'https://git.example.com/acme/TENANT'}}", "IMP-006"},
			},
		},
		{
			id: "A4", findings: map[string]int{"NST-001": 1, "CTL-002": 1, "RBC-011": 1},
			evidence: "the account default of the tenant's namespace may do everything on the cluster",
			works:    func(ctx context.Context, c *stageOf) error { return c.rules(ctx, c.files.name+"-prod:default") },
			applier:  "TENANT-flux/TENANT-prod", says: []string{"ValidatingAdmissionPolicy 'bulkhead-kustomizations'", "NST-001"},
			refusal: "an admission policy refuses the Kustomization without an account",
			fine: func(ctx context.Context, c *stageOf) error {
				_, err := c.get(ctx, "v1", "ConfigMap", c.files.name+"-prod", "nested")
				return err
			},
		},
		{
			id: "A5", findings: map[string]int{"RBC-005": 1, "NSB-006": 1, "WRK-001": 1},
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
			applier: "TENANT-flux/TENANT-prod", says: []string{"ValidatingAdmissionPolicy 'bulkhead-namespaces'", "NSB-007"},
			refusal: "an admission policy refuses the label, though the account may write it; Pod Security then refuses the pod",
		},
		{
			id: "A13", findings: map[string]int{"REF-001": 1, "REF-005": 1, "REF-006": 1, "CTL-001": 1},
			evidence: "the other tenant's objects are in the tenant's namespace, its events at the tenant's hook, and the webhook wakes the platform's source",
			works:    stolen,
			applier:  "TENANT-flux/TENANT-prod", says: []string{"ValidatingAdmissionPolicy 'bulkhead-"},
			refusal: "admission policies refuse the Kustomization, the Alert and the Receiver",
			tries: []try{
				{"TENANT-flux/TENANT-prod", "{apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization, metadata: {name: peek, namespace: TENANT-prod}, spec: {interval: 1m, prune: true, serviceAccountName: flux, sourceRef: {kind: GitRepository, name: TENANT-other-prod, namespace: TENANT-other-flux}}}", "REF-001"},
				{"TENANT-flux/TENANT-prod", "{apiVersion: notification.toolkit.fluxcd.io/v1beta3, kind: Alert, metadata: {name: listen, namespace: TENANT-prod}, spec: {providerRef: {name: hook}, eventSources: [{kind: GitRepository, name: '*', namespace: TENANT-other-flux}]}}", "REF-005"},
				{"TENANT-flux/TENANT-prod", "{apiVersion: notification.toolkit.fluxcd.io/v1, kind: Receiver, metadata: {name: trigger, namespace: TENANT-prod}, spec: {type: generic, secretRef: {name: token}, resources: [{kind: GitRepository, name: TENANT-hub, namespace: flux-system}]}}", "REF-006"},
			},
		},
		{
			id: "A15", findings: map[string]int{"IMP-005": 1, "NST-002": 1}, lockedOpen: true,
			evidence: "the tenant has made a ClusterRole with all rights",
			works: func(ctx context.Context, c *stageOf) error {
				_, err := c.get(ctx, "rbac.authorization.k8s.io/v1", "ClusterRole", "", c.files.name+"-took")
				return err
			},
			applier: "TENANT-flux/TENANT-prod", says: []string{"ValidatingAdmissionPolicy 'bulkhead-kustomizations'", "NST-002"},
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
		if err := c.Cluster.Client.Update(ctx, source); err != nil {
			return err
		}
	}
	return errors.New("the hook has heard nothing")
}

//go:build linux

package lab

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// fleet is the repository of the platform team; the arguments are the forge's SSH
// address, the deploy key of the team's repository as a Secret, and the registry.
const fleetTenant = `
{apiVersion: v1, kind: Namespace, metadata: {name: team1}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: team1, namespace: team1}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: team1, namespace: team1}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin}
subjects: [{kind: ServiceAccount, name: team1, namespace: team1}]
---
%[2]s
kind: GitRepository
apiVersion: source.toolkit.fluxcd.io/v1
metadata: {name: team1, namespace: team1}
spec: {interval: 1h, url: "%[1]s/platform/team1.git", ref: {branch: main}, secretRef: {name: team1-git}}
---
kind: Kustomization
apiVersion: kustomize.toolkit.fluxcd.io/v1
metadata: {name: team1, namespace: team1}
spec: {interval: 1h, prune: true, wait: true, timeout: 1m, serviceAccountName: team1, sourceRef: {kind: GitRepository, name: team1}}
---
kind: OCIRepository
apiVersion: source.toolkit.fluxcd.io/v1
metadata: {name: web, namespace: team1}
spec:
  interval: 1h
  url: oci://%[3]s/charts/web
  ref: {tag: 1.0.0}
  insecure: true
  layerSelector: {mediaType: application/vnd.cncf.helm.chart.content.v1.tar+gzip, operation: copy}
---
kind: HelmRelease
apiVersion: helm.toolkit.fluxcd.io/v2
metadata: {name: chart, namespace: team1}
spec: {interval: 1h, serviceAccountName: team1, chartRef: {kind: OCIRepository, name: web}, values: {replicas: 2}}
`

// fleetInfra is what a cluster holds of its own.
const fleetInfra = `{apiVersion: v1, kind: ConfigMap, metadata: {name: info, namespace: default}, data: {cluster: "${cluster}", revision: "%d"}}`

// fleetCluster is the entry point of a cluster.
const fleetCluster = `
kind: Kustomization
apiVersion: kustomize.toolkit.fluxcd.io/v1
metadata: {name: infra, namespace: flux-system}
spec: {interval: 1h, path: infra, prune: true, serviceAccountName: kustomize-controller, sourceRef: {kind: GitRepository, name: fleet}, postBuild: {substitute: {cluster: "%s"}}}
---
kind: Kustomization
apiVersion: kustomize.toolkit.fluxcd.io/v1
metadata: {name: tenants, namespace: flux-system}
spec: {interval: 1h, path: tenants, prune: true, serviceAccountName: kustomize-controller, sourceRef: {kind: GitRepository, name: fleet}, dependsOn: [{name: infra}]}
`

// bootstrap is what flux bootstrap leaves on a cluster; the arguments are the forge and
// the cluster.
const bootstrap = `
kind: GitRepository
apiVersion: source.toolkit.fluxcd.io/v1
metadata: {name: fleet, namespace: flux-system}
spec: {interval: 1h, url: "%s/platform/fleet.git", ref: {branch: main}, secretRef: {name: fleet}}
---
kind: Kustomization
apiVersion: kustomize.toolkit.fluxcd.io/v1
metadata: {name: fleet, namespace: flux-system}
spec: {interval: 1h, path: "clusters/%s", prune: true, serviceAccountName: kustomize-controller, sourceRef: {kind: GitRepository, name: fleet}}
---
kind: Receiver
apiVersion: notification.toolkit.fluxcd.io/v1
metadata: {name: fleet, namespace: flux-system}
spec: {type: github, events: [push], secretRef: {name: hook}, resources: [{kind: GitRepository, name: fleet}]}
`

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: "%s", namespace: team1}
spec:
  replicas: %s
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: registry.example.com/web:1}]}
`

// TestScenario plays a platform with a tenant on two clusters: forge, deploy key, webhook,
// workloads that become ready, a chart, and a tenant that reaches too far.
func TestScenario(t *testing.T) {
	l := Start(t, Clusters("a", "b"), WithForge(), WithHelm(), WithNotifications(), WithWorkloads(), Lockdown())
	a, b := l.Cluster("a"), l.Cluster("b")
	if err := l.Forge.CreateOrg(t.Context(), "platform"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"platform/fleet", "platform/team1"} {
		if err := l.Forge.CreateRepo(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	key, err := l.Forge.DeployKey(t.Context(), "platform/team1")
	if err != nil {
		t.Fatal(err)
	}
	l.pushOCI(t, "charts/web:1.0.0", "helm", map[string]string{
		"web/Chart.yaml":       "{apiVersion: v2, name: web, version: 1.0.0}",
		"web/values.yaml":      "replicas: 1",
		"web/templates/a.yaml": fmt.Sprintf(deployment, "{{ .Release.Name }}", "{{ .Values.replicas }}"),
	})
	fleet := map[string]string{
		"clusters/a/all.yaml": fmt.Sprintf(fleetCluster, "a"),
		"clusters/b/all.yaml": fmt.Sprintf(fleetCluster, "b"),
		"tenants/team1.yaml":  fmt.Sprintf(fleetTenant, l.Forge.SSH, secret("team1", "team1-git", key), l.Registry),
	}
	push := func(revision int) string {
		t.Helper()
		fleet["infra/info.yaml"] = fmt.Sprintf(fleetInfra, revision)
		commit, err := l.Forge.Push(t.Context(), "platform/fleet", "main", files(fleet))
		if err != nil {
			t.Fatal(err)
		}
		return commit
	}
	commit := push(1)
	team := map[string]string{"web.yaml": fmt.Sprintf(deployment, "web", "2")}
	if _, err := l.Forge.Push(t.Context(), "platform/team1", "main", files(team)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*Cluster{a, b} {
		c.apply(t, secret(FluxNamespace, "fleet", l.Forge.Credentials())+secret(FluxNamespace, "hook", map[string][]byte{"token": []byte("s3cret")})+
			fmt.Sprintf(bootstrap, l.Forge.URL, c.Name))
	}
	for _, c := range []*Cluster{a, b} {
		c.eventually(t, newObject(kustomizeV1, "Kustomization", FluxNamespace, "infra"), ready("True", commit))
		c.eventually(t, newObject(kustomizeV1, "Kustomization", "team1", "team1"), ready("True", ""))
		c.eventually(t, newObject("helm.toolkit.fluxcd.io/v2", "HelmRelease", "team1", "chart"), ready("True", "Helm install succeeded"))
		for _, name := range []string{"web", "chart"} {
			c.eventually(t, newObject("apps/v1", "Deployment", "team1", name), field("2", "status", "readyReplicas"))
		}
		c.eventually(t, newObject("v1", "ConfigMap", "default", "info"), field(c.Name, "data", "cluster"))
	}

	// A push reaches a, whose Receiver the forge knows, and not b.
	a.eventually(t, newObject("notification.toolkit.fluxcd.io/v1", "Receiver", FluxNamespace, "fleet"), ready("True", ""))
	receiver := a.get(t, newObject("notification.toolkit.fluxcd.io/v1", "Receiver", FluxNamespace, "fleet"))
	path, _, _ := unstructured.NestedString(receiver.Object, "status", "webhookPath")
	if err := l.Forge.Hook(t.Context(), "platform/fleet", a.ReceiverURL(path), "s3cret"); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	push(2)
	a.eventually(t, newObject("v1", "ConfigMap", "default", "info"), field("2", "data", "revision"))
	t.Logf("from push to applied, by webhook: %s", time.Since(begin).Round(10*time.Millisecond))
	if err := field("1", "data", "revision")(b.get(t, newObject("v1", "ConfigMap", "default", "info"))); err != nil {
		t.Errorf("on b, which has no webhook: %v", err)
	}

	// The tenant writes outside of its namespace.
	team = maps.Clone(team)
	team["reach.yaml"] = "{apiVersion: v1, kind: ConfigMap, metadata: {name: reach, namespace: kube-system}}"
	if _, err := l.Forge.Push(t.Context(), "platform/team1", "main", files(team)); err != nil {
		t.Fatal(err)
	}
	source := a.get(t, newObject(sourceV1, "GitRepository", "team1", "team1"))
	source.SetAnnotations(map[string]string{"reconcile.fluxcd.io/requestedAt": "now"})
	if err := a.Client.Update(t.Context(), source, client.FieldOwner("flux")); err != nil {
		t.Fatal(err)
	}
	a.eventually(t, newObject(kustomizeV1, "Kustomization", "team1", "team1"),
		ready("False", `User "system:serviceaccount:team1:team1" cannot patch resource "configmaps" in API group "" in the namespace "kube-system"`))
	if a.get(t, newObject("v1", "ConfigMap", "kube-system", "reach")) != nil {
		t.Error("the tenant wrote to kube-system")
	}
	memory, err := l.Memory()
	t.Logf("%d processes take %d MiB (%v)", len(l.Processes()), memory>>20, err)
}

// field wants the value of a field, as text.
func field(want string, path ...string) func(*unstructured.Unstructured) error {
	return func(o *unstructured.Unstructured) error {
		if got, _, _ := unstructured.NestedFieldNoCopy(o.Object, path...); fmt.Sprint(got) != want {
			return fmt.Errorf("%s is %v, want %s", strings.Join(path, "."), got, want)
		}
		return nil
	}
}

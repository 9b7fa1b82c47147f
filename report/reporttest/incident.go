package reporttest

import (
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/impact/review"
	"github.com/bulkhead-dev/bulkhead/render"
)

// empty is a change that no cluster sees.
func empty() *review.Review {
	r := start(cluster("dev-eu-1", "dev"), cluster("prod-eu-1", "prod"))
	r.Files, r.Unread = []string{"README.md"}, []string{"README.md"}
	r.Headlines = []review.Headline{{Text: "Nothing changes on any of 2 clusters"}}
	r.Gates = []review.Gate{{Name: "prod-alone", Severity: finding.Error, State: review.Passed, Message: "prod changes alone", BuiltIn: true, Evidence: []string{}}}
	r.Coverage = render.Coverage{Appliers: 6, Built: 6}
	r.Stats = render.Stats{Builds: 12, BuildsRun: 3, Rounds: 2}
	return finish(r)
}

const incidentFile = "infrastructure/base/logging/kustomization.yaml"

// incident is the story of the README: a line that is meant for dev goes to production.
func incident() *review.Review {
	r := start(cluster("dev-eu-1", "dev"), cluster("staging-eu-1", "staging"), cluster("prod-db-01", "prod"), cluster("prod-us-east-1", "prod"))
	r.Files = []string{incidentFile}
	hit := []string{"dev-eu-1", "prod-db-01", "prod-us-east-1"}
	chain := []string{"Kustomization/flux-system/flux-system", "Kustomization/flux-system/infrastructure"}
	causes := func() []review.Cause {
		return []review.Cause{{File: incidentFile, Via: []string{
			"infrastructure/base/logging/kustomization.yaml", "infrastructure/overlays/dev/kustomization.yaml",
			"Kustomization/flux-system/infrastructure", "dev-eu-1",
		}}}
	}
	old := group(impact.Removed, "apps/DaemonSet/logging/fluent-bit", "platform", hit...)
	old.Fate, old.Why = impact.Deleted, "Kustomization/flux-system/infrastructure prunes"
	old.Before = side("infrastructure/base/fluent-bit/daemonset.yaml", chain...)
	old.Diff = whole("-", agent("fluent-bit", "docker.io/fluent/fluent-bit:4.1.0", ""))
	old.Risks = []finding.Finding{risk("daemonset-deleted", "", "DaemonSet logging/fluent-bit is deleted: its pods stop on every node")}
	config := group(impact.Removed, "ConfigMap/logging/fluent-bit", "platform", hit...)
	config.Fate, config.Why, config.Before = old.Fate, old.Why, side("infrastructure/base/fluent-bit/config.yaml", chain...)
	config.Diff = whole("-", "apiVersion: v1\ndata:\n  fluent-bit.yaml: |\n    pipeline:\n      inputs:\n      - name: tail\nkind: ConfigMap\nmetadata:\n  name: fluent-bit\n  namespace: logging")
	fresh := group(impact.Added, "apps/DaemonSet/logging/vector", "platform", hit...)
	fresh.After = side("infrastructure/base/vector/daemonset.yaml", chain...)
	fresh.Diff = whole("+", agent("vector", "docker.io/timberio/vector:0.50.0", "\n        securityContext:\n          privileged: true"))
	fresh.Risks = []finding.Finding{risk("container-privileged", "spec.template.spec.containers[name=vector].securityContext.privileged", "container vector of DaemonSet logging/vector is privileged")}
	role := group(impact.Changed, "rbac.authorization.k8s.io/ClusterRole/log-reader", "platform", hit...)
	role.Before, role.After = side("infrastructure/base/logging/rbac.yaml", chain...), side("infrastructure/base/logging/rbac.yaml", chain...)
	role.Risks = []finding.Finding{risk("rbac-widened", "rules[0].resources", "ClusterRole log-reader may get, list and watch nodes as well")}
	role.Diff = difference(`
@4
 metadata:
   name: log-reader
 rules:
-- apiGroups: [""]
-  resources: [namespaces, pods]
+- apiGroups: [""]
+  resources: [namespaces, nodes, pods]
   verbs: [get, list, watch]`)
	audit := group(impact.Removed, "ConfigMap/logging/audit-log", "cluster", "prod-db-01")
	audit.Fate, audit.Why, audit.Before = old.Fate, old.Why, side("infrastructure/overlays/db/audit.yaml", chain...)
	audit.Diff = whole("-", "apiVersion: v1\ndata:\n  audit.conf: |\n    path: /var/log/postgresql\nkind: ConfigMap\nmetadata:\n  name: audit-log\n  namespace: logging")
	r.Groups = []review.Group{old, config, fresh, role, audit}
	for i := range r.Groups {
		r.Groups[i].Causes = causes()
	}
	r.Headlines = []review.Headline{
		{Severity: finding.Error, Text: "DaemonSet logging/fluent-bit is deleted on 3 clusters, 2 of them prod"},
		{Text: "3 of 4 clusters change: dev-eu-1, prod-db-01, prod-us-east-1; 13 objects"},
	}
	r.Gates = []review.Gate{
		{
			Name: "prod-alone", Severity: finding.Error, State: review.Failed, BuiltIn: true,
			Message:  "prod changes together with dev: split the change, dev first",
			Evidence: []string{"prod: prod-db-01, prod-us-east-1", "dev: dev-eu-1", incidentFile},
		},
		{Name: "tenant-scope", Severity: finding.Error, State: review.Passed, BuiltIn: true, Message: "a tenant's change touches only that tenant", Evidence: []string{}},
		{Name: "no-data-loss", Severity: finding.Error, State: review.Passed, BuiltIn: true, Message: "no data is deleted without a waiver", Evidence: []string{}},
	}
	r.Coverage = render.Coverage{Appliers: 12, Built: 12}
	r.Stats = render.Stats{Builds: 24, BuildsRun: 9, Substitutions: 40, Substituted: 12, Rounds: 2}
	return finish(r)
}

// agent is the DaemonSet of a logging agent.
func agent(name, image, more string) string {
	return strings.NewReplacer("NAME", name, "IMAGE", image, "MORE", more).Replace(`
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: NAME
  namespace: logging
spec:
  selector:
    matchLabels:
      app.kubernetes.io/name: NAME
  template:
    metadata:
      labels:
        app.kubernetes.io/name: NAME
    spec:
      containers:
      - name: NAME
        image: IMAGE
        resources:
          limits:
            memory: 128MiMORE
      serviceAccountName: NAME
      tolerations:
      - key: node-role.kubernetes.io/control-plane
        operator: Exists
`)
}

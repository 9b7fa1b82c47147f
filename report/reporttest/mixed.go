package reporttest

import (
	"fmt"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/impact/review"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// mixed has at least one of everything that a review can hold.
func mixed() *review.Review {
	var all []review.Cluster
	for _, e := range []struct {
		env   string
		count int
	}{{"dev", 3}, {"staging", 4}, {"prod", 6}} {
		for i := range e.count {
			all = append(all, cluster(fmt.Sprintf("%s-%s-%d", e.env, []string{"eu", "us"}[i%2], i/2+1), e.env))
		}
	}
	r := start(all...)
	for i := range r.Clusters {
		switch r.Clusters[i].Name {
		case "staging-us-2":
			r.Clusters[i].Gone = true
		case "prod-us-3":
			r.Clusters[i].Appeared = true
		}
	}
	r.Files = []string{"apps/billing/base/deployment.yaml", "apps/billing/base/pvc.yaml", "apps/checkout/values.yaml", "clusters/prod-eu-1/apps.yaml", "docs/runbook.md", "infrastructure/base/ingress/release.yaml"}
	r.Spokes = []review.Spoke{{
		URL: "https://git.example.com/checkout/deploy", Base: review.Revision{Name: "main", Commit: "1f0e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c", Label: "main"},
		Head: review.Revision{Label: "the files on disk"}, Files: []string{"deploy/cart.yaml"},
	}}
	r.Groups = mixedGroups()
	r.Gates = mixedGates()
	r.Headlines = []review.Headline{
		{Severity: finding.Error, Text: "PersistentVolumeClaim billing/ledger is deleted on prod-eu-1 and prod-us-1: its volume goes with it"},
		{Severity: finding.Error, Text: "2 gates fail: prod-alone, no-friday"},
		{Severity: finding.Warning, Text: "Nothing can be said about 2 appliers on prod-eu-2"},
		{Text: "6 files change 11 objects on 12 of 13 clusters"},
	}
	mixedUnknown(r)
	r.Coverage = render.Coverage{Appliers: 78, Built: 71, Failures: 2, Sources: 1, Remotes: 1, Variables: 2, Encrypted: 1, Charts: 1, Values: 1, Other: 0}
	r.Stats = render.Stats{Builds: 156, BuildsRun: 31, Substitutions: 420, Substituted: 77, Releases: 24, ReleasesRun: 6, Rounds: 3}
	return finish(r)
}

func waived() *finding.Waived {
	return &finding.Waived{Name: "checkout-migration", File: "fleet/waivers/checkout.yaml", Reason: "the old queue is drained", Approver: "dana@acme.example", Expires: "2026-12-31"}
}

func mixedGroups() []review.Group {
	const apps, infra, root = "Kustomization/flux-system/apps", "Kustomization/flux-system/infrastructure", "Kustomization/flux-system/flux-system"
	pvc := group(impact.Removed, "PersistentVolumeClaim/billing/ledger", "tenant/billing", "prod-eu-1", "prod-us-1")
	pvc.Fate, pvc.Why, pvc.Before = impact.Deleted, apps+" prunes", side("apps/billing/base/pvc.yaml", root, apps)
	pvc.Risks = []finding.Finding{risk("pvc-deleted", "", "PersistentVolumeClaim billing/ledger is deleted, and its volume with it")}
	pvc.Causes = []review.Cause{{File: "apps/billing/base/pvc.yaml", Via: []string{"apps/billing/base/kustomization.yaml", apps, "prod-eu-1"}}}
	pvc.Diff = whole("-", "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: ledger\n  namespace: billing\nspec:\n  accessModes: [ReadWriteOnce]\n  resources:\n    requests:\n      storage: 200Gi")

	web := group(impact.Changed, "apps/Deployment/billing/web", "tenant/billing", "dev-eu-1", "dev-us-1", "staging-eu-1", "prod-eu-1", "prod-us-1", "prod-eu-2")
	web.Before, web.After = side("apps/billing/base/deployment.yaml", root, apps), side("apps/billing/base/deployment.yaml", root, apps)
	web.Risks = []finding.Finding{
		risk("immutable-field", "spec.selector", "spec.selector of Deployment billing/web cannot change"),
		risk("image-major", "spec.template.spec.containers[name=web].image", "image registry.example.com/billing/web goes from 3.9.1 to 4.0.0"),
		risk("limits-removed", "spec.template.spec.containers[name=web].resources.limits", "container web of Deployment billing/web has no limits any more"),
	}
	web.Refused = "spec.selector: Invalid value: field is immutable"
	web.Causes = []review.Cause{
		{File: "apps/billing/base/deployment.yaml", Via: []string{"apps/billing/base/kustomization.yaml", "apps/billing/overlays/dev/kustomization.yaml", apps, "dev-eu-1"}},
		{File: "clusters/prod-eu-1/apps.yaml", Via: []string{root, apps, "prod-eu-1"}},
	}
	web.Edits = []object.Edit{
		{Path: object.Path{{Kind: object.Field, Field: "spec"}, {Kind: object.Field, Field: "replicas"}}, Op: object.Replace, From: int64(3), To: int64(4)},
		{Path: object.Path{{Kind: object.Field, Field: "spec"}, {Kind: object.Field, Field: "template"}}, Op: object.Add, To: map[string]any{"image": "web:4.0.0"}},
	}
	web.Diff = webDiff()

	queue := group(impact.Removed, "apps/StatefulSet/checkout/queue", "tenant/checkout", "staging-eu-1", "staging-us-1")
	queue.Fate, queue.Why, queue.Before = impact.Orphaned, "prune is off", side("apps/checkout/queue.yaml", root, apps)
	queue.Risks = []finding.Finding{risk("pvc-deleted", "", "claims of StatefulSet checkout/queue are left without an owner")}
	queue.Risks[0].Waived = waived()
	queue.Diff = whole("-", "apiVersion: apps/v1\nkind: StatefulSet\nmetadata:\n  name: queue\n  namespace: checkout")

	cart := group(impact.Moved, "apps/Deployment/checkout/cart", "tenant/checkout", "prod-eu-1", "prod-eu-2", "prod-eu-3")
	cart.Fate, cart.Why = impact.Unsure, "which of the two reconciles first depends on the cluster"
	cart.Before, cart.After = side("apps/checkout/cart.yaml", root, apps), side("apps/checkout/cart.yaml", root, "HelmRelease/checkout/cart")
	cart.Risks = []finding.Finding{risk("owner-moved", "", "Deployment checkout/cart moves from Kustomization/flux-system/apps to HelmRelease/checkout/cart"), risk("replicas-zero", "spec.replicas", "Deployment checkout/cart is scaled from 2 to 0")}
	cart.Causes = []review.Cause{{Source: "https://git.example.com/checkout/deploy", File: "deploy/cart.yaml", Via: []string{"HelmRelease/checkout/cart", "prod-eu-1"}}}
	cart.Diff = difference(" spec:\n-  replicas: 2\n+  replicas: 0\n   selector: {}")

	class := group(impact.Changed, "networking.k8s.io/IngressClass/nginx", "platform", "dev-eu-1", "dev-us-1", "dev-eu-2", "staging-eu-1", "staging-us-1", "staging-eu-2", "prod-eu-1", "prod-us-1", "prod-eu-2", "prod-us-2", "prod-eu-3")
	class.Before, class.After = side("infrastructure/base/ingress/release.yaml", root, infra), side("infrastructure/base/ingress/release.yaml", root, infra)
	class.Recreated, class.Causes = "spec.controller cannot change, and force is on", []review.Cause{{File: "infrastructure/base/ingress/release.yaml", Via: []string{infra, "dev-eu-1"}}}
	class.Risks = []finding.Finding{risk("immutable-field", "spec.controller", "IngressClass nginx is deleted and created again")}
	class.Diff = difference(" spec:\n-  controller: k8s.io/ingress-nginx\n+  controller: example.com/ingress")

	newMap, oldMap := group(impact.Added, "ConfigMap/checkout/settings-7h2k9d4f5g", "tenant/checkout", "prod-eu-1"), group(impact.Removed, "ConfigMap/checkout/settings-2b8m6c9t4k", "tenant/checkout", "prod-eu-1")
	newMap.Replaces, oldMap.Replaces = &oldMap.ID, &newMap.ID
	newMap.After, oldMap.Before = side("apps/checkout/kustomization.yaml", root, apps), side("apps/checkout/kustomization.yaml", root, apps)
	oldMap.Fate, oldMap.Why = impact.Deleted, apps+" prunes"
	newMap.Diff, oldMap.Diff = whole("+", "data:\n  mode: \"fast\""), whole("-", "data:\n  mode: \"safe\"")

	source := group(impact.Changed, "source.toolkit.fluxcd.io/GitRepository/checkout/checkout", "cluster", "prod-eu-1")
	source.Risks = []finding.Finding{risk("source-ref-changed", "spec.ref", "GitRepository checkout/checkout follows tag v2.0.0 instead of v1.9.3")}
	source.Diff = difference("@7\n   ref:\n-    tag: v1.9.3\n+    tag: v2.0.0")

	crd := group(impact.Changed, "apiextensions.k8s.io/CustomResourceDefinition/widgets.example.com", "platform", "dev-eu-1", "prod-us-3")
	crd.Diff = review.Diff{Lines: []review.Line{}, Summary: "52,428,800 bytes -> 52,428,801 bytes"}
	long := group(impact.Changed, "ConfigMap/monitoring/dashboards", "platform", "dev-eu-1")
	long.Risks = []finding.Finding{risk("workload-restart", "", "Deployment monitoring/grafana restarts")}
	var text strings.Builder
	for i := range 400 {
		fmt.Fprintf(&text, "-    \"panel\": \"requests %d\",\n+    \"panel\": \"requests per second %d\",\n", i, i)
	}
	long.Diff = difference(text.String())
	long.Diff.Omitted = 4211
	return []review.Group{pvc, web, queue, cart, class, newMap, oldMap, source, crd, long}
}

func webDiff() review.Diff {
	return difference(`
@4
 metadata:
   name: web
   namespace: billing
 spec:
-  replicas: 3
+  replicas: 4
   selector:
     matchLabels:
-      app: web
+      app.kubernetes.io/name: web
   template:
@31
       containers:
       - name: web
-        image: registry.example.com/billing/web:3.9.1
+        image: registry.example.com/billing/web:4.0.0
         ports:
         - containerPort: 8080
-        resources:
-          limits:
-            cpu: 500m
-            memory: 256Mi
         readinessProbe:
           httpGet:`)
}

func mixedGates() []review.Gate {
	return []review.Gate{
		{Name: "prod-alone", Severity: finding.Error, State: review.Failed, BuiltIn: true, Message: "prod changes together with dev and staging: split the change", Evidence: []string{"prod: 6 clusters", "staging: 4 clusters", "dev: 3 clusters"}},
		{Name: "no-friday", Severity: finding.Warning, State: review.Broken, Message: "no production change on a Friday", Expr: "!impact.labels.exists(l, l == 'friday') || size(impact.environments['prod'].clusters) == 0", Evidence: []string{"no such key: prod"}, File: "fleet/gates.yaml", Line: 12},
		{Name: "budget", Severity: finding.Warning, State: review.Failed, Message: "at most 10 clusters in one change", Expr: "size(impact.clusters) <= 10", Evidence: []string{"12 clusters change"}, File: "fleet/gates.yaml", Line: 21},
		{Name: "no-data-loss", Severity: finding.Error, State: review.Waived, BuiltIn: true, Message: "StatefulSet checkout/queue is deleted with its data", Evidence: []string{"StatefulSet/checkout/queue on staging-eu-1, staging-us-1"}, Waived: waived()},
		{Name: "tenant-scope", Severity: finding.Error, State: review.Passed, BuiltIn: true, Message: "a tenant's change touches only that tenant", Evidence: []string{}},
	}
}

func mixedUnknown(r *review.Review) {
	apps, cart := object.Applier{Kind: "Kustomization", Namespace: "flux-system", Name: "apps"}, object.Applier{Kind: "HelmRelease", Namespace: "checkout", Name: "cart"}
	monitoring := object.Applier{Kind: "Kustomization", Namespace: "flux-system", Name: "monitoring"}
	r.Withheld = []review.Withheld{
		{Cluster: "prod-eu-2", Applier: monitoring, Before: render.Built, After: render.Incomplete, Objects: 14, Why: "its source is not at hand after the change"},
		{Cluster: "prod-eu-2", Applier: object.Applier{Kind: "HelmRelease", Namespace: "monitoring", Name: "grafana"}, Before: render.Built, Objects: 9, Why: "nothing is known about what makes it", Under: &monitoring},
	}
	r.Waits = []review.Wait{{Cluster: "prod-us-2", Source: object.Source{URL: "ssh://git@git.example.com/acme/fleet", Revision: "v1.4.0"}, Appliers: []object.Applier{apps}, Files: []string{"apps/billing/base/deployment.yaml"}}}
	r.Failures = []review.Failure{
		{New: true, Failure: render.Failure{Cluster: "staging-us-2", Applier: apps, Stage: "substitute", File: "apps/billing/base/deployment.yaml", Line: 12, Message: "variable not set (strict mode): \"replicas\"", Hint: "add it to the ConfigMap cluster-settings"}},
		{Failure: render.Failure{Cluster: "dev-eu-1", Applier: cart, Stage: "chart", Message: "no chart cart 9.9.9 in the repository"}},
	}
	r.Unresolved = []render.Unresolved{
		{Cluster: "prod-eu-2", Applier: monitoring, Kind: render.UnresolvedSource, Subject: "https://git.example.com/monitoring", Reason: "the repository is not at hand", Hint: "map it with --source URL=PATH"},
		{Cluster: "dev-eu-1", Applier: apps, Kind: render.UnresolvedVariable, Subject: "domain", Reason: "Secret flux-system/cluster-secrets is not in Git"},
	}
	r.Unknown = []review.Unknown{{Change: impact.Added, Unresolved: r.Unresolved[0]}, {Change: impact.Removed, Unresolved: render.Unresolved{Cluster: "dev-us-1", Applier: apps, Kind: render.UnresolvedRemote, Subject: "https://example.com/base?ref=v1", Reason: "remote bases are not fetched"}}}
	r.Unread = []string{"docs/runbook.md"}
	r.Notes = []review.Note{{Cluster: "prod-us-3", Note: render.Note{Subject: "prod-us-3", Message: "the cluster is new: all of its objects are added at once"}}, {Cluster: "", Note: render.Note{Subject: "fleet/fleet.yaml", Message: "no gate asks for a second reviewer"}}}
	failed := risk("failure-new", "", "Kustomization/flux-system/apps fails on staging-us-2: variable not set")
	failed.Clusters, failed.File, failed.Line = []string{"staging-us-2"}, "apps/billing/base/deployment.yaml", 12
	expired := risk("waiver-expired", "", "waiver ingress-2025 has expired on 2026-01-31")
	expired.Clusters, expired.File, expired.Line = []string{}, "fleet/waivers/ingress.yaml", 1
	r.Findings = []finding.Finding{failed, expired}
}

package reporttest

import (
	"fmt"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/impact/review"
	"github.com/bulkhead-dev/bulkhead/render"
)

// Fleet is a change to a fleet of that many clusters in three environments, with that many tenants and groups.
// It is the same for the same numbers.
func Fleet(clusterCount, tenants, groups int) *review.Review {
	envs := []string{"dev", "staging", "prod"}
	regions := []string{"eu-west", "us-east", "ap-south"}
	var all []review.Cluster
	var names []string
	for i := range clusterCount {
		env := envs[i%len(envs)]
		c := cluster(fmt.Sprintf("%s-%s-%03d", env, regions[i/3%len(regions)], i), env)
		c.Labels["region"] = regions[i/3%len(regions)]
		all, names = append(all, c), append(names, c.Name)
	}
	r := start(all...)
	for i := range groups {
		r.Groups = append(r.Groups, fleetGroup(i, tenants, names))
	}
	for i := range min(groups, 60) {
		r.Files = append(r.Files, fmt.Sprintf("apps/team-%02d/base/deployment.yaml", i))
	}
	r.Headlines = []review.Headline{
		{Severity: finding.Error, Text: fmt.Sprintf("%d environments change together", len(envs))},
		{Text: fmt.Sprintf("%d files change %d objects on %d clusters", len(r.Files), groups, clusterCount)},
	}
	r.Gates = []review.Gate{
		{Name: "prod-alone", Severity: finding.Error, State: review.Failed, BuiltIn: true, Message: "prod changes together with dev and staging", Evidence: []string{"3 environments"}},
		{Name: "budget", Severity: finding.Warning, State: review.Failed, Message: "at most 50 clusters in one change", Expr: "size(impact.clusters) <= 50", Evidence: []string{fmt.Sprintf("%d clusters change", clusterCount)}, File: "fleet/gates.yaml", Line: 3},
	}
	r.Coverage = render.Coverage{Appliers: clusterCount * 12, Built: clusterCount * 12}
	r.Stats = render.Stats{Builds: clusterCount * 24, BuildsRun: tenants * 4, Rounds: 3}
	return finish(r)
}

// fleetGroup is the i-th group: its size, owner, kind and risks follow from i.
func fleetGroup(i, tenants int, names []string) review.Group {
	concern, tenant := "platform", (i+i/40)%tenants
	switch {
	case i%10 == 0:
		concern = "cluster"
	case i%10 < 8:
		concern = fmt.Sprintf("tenant/team-%02d", tenant)
	}
	size := 1 + i*7%min(len(names), 60)
	if concern == "cluster" {
		size = 1
	}
	var clusters []string
	for k := range size {
		clusters = append(clusters, names[(i*13+k)%len(names)])
	}
	kinds := []impact.Kind{impact.Changed, impact.Changed, impact.Added, impact.Changed, impact.Removed, impact.Changed, impact.Moved}
	kind := kinds[i%len(kinds)]
	g := group(kind, fmt.Sprintf("apps/Deployment/team-%02d/service-%04d", tenant, i), concern, clusters...)
	from := side(fmt.Sprintf("apps/team-%02d/base/deployment.yaml", i%60), "Kustomization/flux-system/flux-system", "Kustomization/flux-system/apps")
	if kind != impact.Added {
		g.Before = from
	}
	if kind != impact.Removed {
		g.After = from
	}
	if kind == impact.Removed {
		g.Fate, g.Why = impact.Deleted, "Kustomization/flux-system/apps prunes"
	}
	g.Causes = []review.Cause{{File: from.File, Via: []string{"apps/base/kustomization.yaml", "Kustomization/flux-system/apps", clusters[0]}}}
	switch {
	case i%37 == 0:
		g.Risks = append(g.Risks, risk("immutable-field", "spec.selector", "spec.selector of Deployment "+g.Name+" cannot change"))
	case i%11 == 0:
		g.Risks = append(g.Risks, risk("image-major", "spec.template.spec.containers[name=app].image", fmt.Sprintf("image app-%d goes from 1.9 to 2.0", i)))
	case i%3 == 0:
		g.Risks = append(g.Risks, risk("workload-restart", "", "Deployment "+g.Name+" restarts"))
	}
	g.Diff = fleetDiff(i, kind)
	return g
}

func fleetDiff(i int, kind impact.Kind) review.Diff {
	text := fmt.Sprintf("spec:\n  replicas: %d\n  template:\n    spec:\n      containers:\n      - name: app\n        image: registry.example.com/app-%d:1.9", i%5, i)
	switch kind {
	case impact.Added:
		return whole("+", text)
	case impact.Removed:
		return whole("-", text)
	default:
		var more strings.Builder
		for k := range i % 40 {
			fmt.Fprintf(&more, "\n-          value: \"%d\"\n+          value: \"%d\"\n         - name: VARIABLE_%d", k, k+1, k)
		}
		return difference(fmt.Sprintf("@12\n spec:\n   template:\n-        image: registry.example.com/app-%d:1.9\n+        image: registry.example.com/app-%d:2.0\n         env:%s", i, i, more.String()))
	}
}

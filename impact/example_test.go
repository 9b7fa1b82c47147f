package impact_test

import (
	"context"
	"fmt"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// A fleet of two clusters that share a base, before and after one line of it changes.
func ExampleBetween() {
	files := map[string]string{"base/limits.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: limits, namespace: shop}\ndata: {workers: \"4\"}\n"}
	for _, cluster := range []string{"dev", "prod"} {
		files["clusters/"+cluster+"/flux-system/gotk-sync.yaml"] = `apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: flux-system, namespace: flux-system}
spec: {interval: 1m, url: https://git.example.com/acme/fleet, ref: {branch: main}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: flux-system, namespace: flux-system}
spec: {interval: 10m, path: ./clusters/` + cluster + `, prune: true, sourceRef: {kind: GitRepository, name: flux-system}}
`
		files["clusters/"+cluster+"/kustomization.yaml"] = "resources: [flux-system/gotk-sync.yaml, ../../base/limits.yaml]\n"
	}
	ctx, repo, opts := context.Background(), render.Repository{URL: "https://git.example.com/acme/fleet"}, render.Options{Cache: &render.Cache{}}

	repo.Tree = tree.FromMap(files)
	before, err := render.Fleet(ctx, repo, opts)
	if err != nil {
		fmt.Println(err)
		return
	}
	files["base/limits.yaml"] = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: limits, namespace: shop}\ndata: {workers: \"8\"}\n"
	repo.Tree, opts.Before = tree.FromMap(files), before
	after, err := render.Fleet(ctx, repo, opts)
	if err != nil {
		fmt.Println(err)
		return
	}

	report := impact.Between(before, after, impact.Options{Files: []string{"base/limits.yaml"}})
	for _, g := range report.Groups {
		fmt.Println(g.First().Kind, g.First().ID, "on", g.Clusters)
		for _, e := range g.First().Edits {
			fmt.Println("  ", e.Path, e.From, "->", e.To)
		}
	}
	// Output:
	// changed ConfigMap/shop/limits on [dev prod]
	//    data.workers 4 -> 8
}

package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bulkhead-dev/bulkhead/internal/fleetcase"
	"github.com/bulkhead-dev/bulkhead/internal/fleetgen"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// mutation changes the files of a fleet in one way, on clusters a and b.
type mutation func(files map[string]string, a, b string, n int)

// mutations are what the changes of [TestMergedFleets] are put together of: what is asked of one cluster, and what is
// asked across them.
var mutations = map[string]mutation{
	"a base": func(f map[string]string, _, _ string, n int) {
		reworded(f, "apps/base/t000/deployment.yaml", "image:", fmt.Sprintf("image: registry.example/x:%d #", n))
	},
	"an overlay": func(f map[string]string, _, _ string, _ int) { delete(f, "apps/overlays/staging/t000/resources.yaml") },
	"a variable": func(f map[string]string, a, _ string, n int) {
		reworded(f, "clusters/"+a+"/cluster-vars.yaml", "region:", fmt.Sprintf("region: r%d #", n))
	},
	"a tenant": func(f map[string]string, a, _ string, _ int) { delete(f, "clusters/"+a+"/tenants.yaml") },
	"a cluster": func(f map[string]string, a, _ string, _ int) {
		delete(f, "clusters/"+a+"/flux-system/gotk-sync.yaml")
		delete(f, "clusters/"+a+"/flux-system/kustomization.yaml")
	},
	"a new file": func(f map[string]string, a, _ string, n int) { f["clusters/"+a+"/extra.yaml"] = configMap("extra", n) },
	"unread":     func(f map[string]string, _, _ string, n int) { f["docs/"+fmt.Sprint(n)+".md"] = "text" },
	"a failure":  func(f map[string]string, a, _ string, _ int) { f["clusters/"+a+"/broken.yaml"] = "a: [" },
	"a tenant's file": func(f map[string]string, a, _ string, n int) {
		f["tenants/billing/cm-"+a+".yaml"] = configMap("billing", n)
		f["tenants/billing/kustomization.yaml"] = "resources: [cm-" + a + ".yaml]\n"
		f["clusters/"+a+"/billing.yaml"] = kustomization("billing", "./tenants/billing", "")
	},
	"a secret": func(f map[string]string, a, b string, n int) {
		for _, c := range []string{a, b} {
			f["clusters/"+c+"/secret.yaml"] = strings.Replace(strings.Replace(configMap("token", n), "ConfigMap", "Secret", 1), "data:", "stringData:", 1)
		}
	},
	"the file of another cluster": func(f map[string]string, a, b string, n int) {
		f["clusters/"+b+"/shared/cm.yaml"] = configMap("of-"+b, n)
		f["clusters/"+b+"/shared/kustomization.yaml"] = "resources: [cm.yaml]\n"
		f["clusters/"+a+"/borrowed.yaml"] = kustomization("borrowed", "./clusters/"+b+"/shared", "")
	},
	"a file named like a cluster": func(f map[string]string, a, b string, n int) {
		f["shared/"+b+"/cm.yaml"] = configMap("named", n)
		f["clusters/"+a+"/named.yaml"] = kustomization("named", "./shared/"+b, "")
		f["clusters/"+b+"/named.yaml"] = kustomization("named", "./shared/"+b, "")
	},
	"a hub": func(f map[string]string, a, b string, n int) {
		f["shared/remote/cm.yaml"] = configMap("remote", n)
		f["clusters/"+a+"/remote.yaml"] = kustomization("remote", "./shared/remote", "  kubeConfig:\n    secretRef:\n      name: "+b+"-kubeconfig\n")
	},
	"two hubs": func(f map[string]string, a, b string, n int) {
		f["shared/remote/cm.yaml"] = configMap("remote", n)
		for _, c := range []string{a, b} {
			f["clusters/"+c+"/edge.yaml"] = kustomization("edge", "./shared/remote", "  kubeConfig:\n    secretRef:\n      name: edge-kubeconfig\n")
		}
	},
	"a platform team": func(f map[string]string, a, b string, n int) {
		f["clusters/"+a+"/team.yaml"] = "apiVersion: v1\nkind: Namespace\nmetadata: {name: flux-system, labels: {toolkit.fluxcd.io/tenant: sre}}\n"
		f["clusters/"+b+"/of-team.yaml"] = strings.Replace(configMap("of-team", n), "name: of-team", "name: of-team\n  labels: {toolkit.fluxcd.io/tenant: sre}", 1)
	},
	"a spoke": func(f map[string]string, a, b string, n int) {
		for i, c := range []string{a, b} {
			f["clusters/"+c+"/spoke.yaml"] = fmt.Sprintf(`apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: shop, namespace: shop}
spec: {interval: %dm, url: "https://git.example.com/acme/shop.git"}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: shop, namespace: shop}
spec: {interval: 10m, path: ./, prune: true, serviceAccountName: shop%d, sourceRef: {kind: GitRepository, name: shop}}
`, n+1, i)
		}
	},
	"gates": func(f map[string]string, a, _ string, _ int) {
		f["fleet/fleet.yaml"] = `apiVersion: bulkhead.dev/v1alpha1
kind: Fleet
metadata: {name: acme}
spec:
  gates:
  - {name: budget, with: {clusters: 2}}
  - {name: narrow, expr: "impact.counts.objects < 20 && impact.unread.size() == 0", message: "too much", severity: warning}
  - {name: files, expr: "impact.files.all(f, !(f in impact.fileConcerns) || impact.fileConcerns[f] != 'cluster')", message: "one cluster alone"}
`
		f["fleet/waiver.yaml"] = `apiVersion: bulkhead.dev/v1alpha1
kind: Waiver
metadata: {name: w}
spec: {rules: [gate/budget, variable-changed], scope: {clusters: {names: [` + a + `]}}, reason: known for a long time, approver: me, expires: "2026-03-01"}
`
	},
}

func reworded(f map[string]string, file, from, to string) {
	if text, ok := f[file]; ok {
		f[file] = strings.Replace(text, from, to, 1)
	}
}

func configMap(name string, n int) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: %s\n  namespace: default\ndata:\n  n: \"%d %s\"\n", name, n, strings.Repeat("secret", 2))
}

func kustomization(name, folder, more string) string {
	return "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata:\n  name: " + name + "\n  namespace: flux-system\nspec:\n  interval: 10m\n  path: " + folder +
		"\n  prune: true\n  sourceRef:\n    kind: GitRepository\n    name: flux-system\n" + more
}

// TestMergedFleets holds the law for synthetic fleets, random changes of one or of several files, and random numbers of
// shards, also more than there are clusters.
func TestMergedFleets(t *testing.T) {
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		if n++; n > 25 {
			return // each takes 0.7 s
		}
		holdLaw(rt, drawFleet(rt), rapid.IntRange(1, 9).Draw(rt, "shards"))
	})
}

// drawFleet draws a fleet of few clusters and a change of it.
func drawFleet(rt *rapid.T) *fleetcase.Case {
	names := slices.Sorted(maps.Keys(mutations))
	clusters := rapid.IntRange(1, 6).Draw(rt, "clusters")
	before := fleetgen.Generate(fleetgen.Options{Clusters: clusters, Tenants: 2})
	mutate := func(files map[string]string, label string, most int) {
		for _, name := range rapid.SliceOfN(rapid.SampledFrom(names), 0, most).Draw(rt, label) {
			a, b := rapid.IntRange(0, clusters-1).Draw(rt, "a"), rapid.IntRange(0, clusters-1).Draw(rt, "b")
			mutations[name](files, fleetgen.Cluster(a), fleetgen.Cluster(b), rapid.IntRange(0, 9).Draw(rt, "n"))
		}
	}
	mutate(before, "before", 5)
	after := maps.Clone(before)
	mutate(after, "after", 4)
	return &fleetcase.Case{Name: "random", Before: blobs(before), After: blobs(after)}
}

func blobs(files map[string]string) map[string]tree.Blob {
	out := map[string]tree.Blob{}
	for name, text := range files {
		out[name] = tree.Blob{Mode: tree.File, Data: text}
	}
	return out
}

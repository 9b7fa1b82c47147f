package adopt_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/layout/adopt"
	"github.com/bulkhead-dev/bulkhead/tenant"
)

// TestOwn holds that what bulkhead itself has made is adopted without a difference: the document that is found stands for the same objects.
func TestOwn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		docs := drawDocuments(t)
		clusters := generated(t, docs)
		r, err := adopt.Tenants(clusters, adopt.Options{Documents: v1alpha1.Documents{Clusters: docs.Clusters}})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.LeftOut) > 0 || len(r.Tenants) != len(docs.Tenants) {
			t.Fatalf("%d tenants of %d, left out: %+v", len(r.Tenants), len(docs.Tenants), r.LeftOut)
		}
		for i := range r.Tenants {
			for k := range r.Tenants[i].Objects {
				if c := &r.Tenants[i].Objects[k]; c.State != adopt.Equal {
					text, err := yaml.Marshal(r.Tenants[i].Document.Spec)
					t.Fatalf("%s\n%s%v", comparedText(c), text, err)
				}
			}
		}
		slices.Reverse(clusters)
		for i := range clusters {
			slices.Reverse(clusters[i].Objects)
		}
		turned, err := adopt.Tenants(clusters, adopt.Options{Documents: v1alpha1.Documents{Clusters: docs.Clusters}})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(specs(t, r), specs(t, turned)); diff != "" {
			t.Fatalf("the order of clusters and objects counts:\n%s", diff)
		}
	})
}

func specs(t *rapid.T, r *adopt.Result) string {
	out := ""
	for i := range r.Tenants {
		text, err := yaml.Marshal(r.Tenants[i].Document.Spec)
		if err != nil {
			t.Fatal(err)
		}
		out += string(text)
	}
	return out
}

// generated are the objects of all tenants on each cluster.
func generated(t *rapid.T, docs v1alpha1.Documents) (out []adopt.Cluster) {
	all, err := tenant.Compartments(docs)
	if err != nil {
		t.Fatal(err)
	}
	for i := range docs.Clusters {
		c := adopt.Cluster{Name: docs.Clusters[i].Name, Environment: docs.Clusters[i].Labels["env"], Paths: docs.Clusters[i].Spec.EntryPaths()}
		for k := range docs.Tenants {
			var here []*tenant.Compartment
			for _, one := range all {
				if one.Cluster.Name == c.Name && one.Tenant.Name == docs.Tenants[k].Name {
					here = append(here, one)
				}
			}
			objects, err := tenant.Objects(here)
			if err != nil {
				t.Fatal(err)
			}
			c.Objects = append(c.Objects, objects...)
		}
		out = append(out, c)
	}
	return out
}

// drawDocuments are two clusters of prod, one of staging, and tenants with an environment for some of them.
func drawDocuments(t *rapid.T) v1alpha1.Documents {
	text := ""
	for name, env := range map[string]string{"prod-eu": "prod", "prod-us": "prod", "staging": "staging"} {
		text += fmt.Sprintf("apiVersion: bulkhead.dev/v1alpha1\nkind: Cluster\nmetadata: {name: %s, labels: {env: %s, cluster: %s}}\nspec: {path: clusters/%s}\n---\n", name, env, name, name)
	}
	for i := range rapid.IntRange(1, 2).Draw(t, "tenants") {
		text += drawTenant(t, fmt.Sprintf("team-%d", i)) + "---\n"
	}
	docs, err := v1alpha1.Decode("fleet.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return docs
}

func drawTenant(t *rapid.T, name string) string {
	pick := func(label string, of ...string) string { return rapid.SampledFrom(of).Draw(t, name+" "+label) }
	source := pick("source",
		`repository: {url: "ssh://git@github.com/acme/apps", secretRef: {name: key}, ignore: "*.md"}`,
		`repository: {url: "https://github.com/acme/apps", ref: {tag: v1}, provider: github}`,
		`artifact: {url: "oci://ghcr.io/acme/apps", ref: {semver: "1.x"}, verify: {provider: cosign}}`)
	out := "apiVersion: bulkhead.dev/v1alpha1\nkind: Tenant\nmetadata: {name: " + name + "}\nspec:\n  " + source + "\n"
	out += pick("owners", "", "  owners: [{kind: Group, name: devs}, {kind: User, name: jane@acme.example}]\n", "  owners: [{kind: ServiceAccount, name: bot, namespace: bots}]\n  ownerClusterRole: edit\n")
	out += pick("shape", "", "  shape: Article\n")
	out += "  environments:\n"
	for _, env := range []string{"prod", "staging"} {
		selects := pick(env, "{matchLabels: {env: "+env+"}}", "{matchLabels: {env: "+env+", cluster: "+map[string]string{"prod": "prod-us", "staging": "staging"}[env]+"}}")
		out += "  - name: " + env + "\n    clusters: " + selects + "\n"
		out += pick(env+" path", "", "    path: ./\n", "    path: deploy/here\n")
		out += pick(env+" namespaces", "", "    namespaces: ["+name+"-a-"+env+", "+name+"-b-"+env+"]\n")
		out += drawSettings(pick, env)
	}
	return out
}

func drawSettings(pick func(string, ...string) string, env string) string {
	out := pick(env+" quota", "", "    quota: {requests.cpu: 3500m, count/jobs.batch: \"7\"}\n")
	out += pick(env+" limits", "", "    limitRange: [{type: Container, default: {memory: 1Gi}}, {type: Pod, max: {cpu: \"2\"}}]\n")
	out += pick(env+" security", "", "    podSecurity: baseline\n", "    podSecurity: privileged\n")
	out += pick(env+" network", "", "    network: {default: Allow}\n", "    network: {egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}\n", "    network: {ingress: [{from: [{podSelector: {}}]}]}\n")
	out += pick(env+" roles", "", "    clusterRoles: [bulkhead-tenant, extra]\n", "    nestedFlux: Pinned\n")
	out += pick(env+" shard", "", "    shard: shard1\n")
	out += pick(env+" labels", "", "    labels: {cost: \"1\"}\n    annotations: {acme.example/contact: jane}\n")
	return out + pick(env+" sync", "", "    sync: {interval: 10m, sourceInterval: 30s, retryInterval: 1m, timeout: 90s, prune: false, wait: false, force: true}\n",
		"    sync: {deletionPolicy: Orphan, suspend: true, substitute: {a: b, cost: \"${x}\"}}\n",
		"    sync: {deletionPolicy: MirrorPrune, clusterVariables: [cluster_name], decryption: {provider: sops, secretRef: {name: age}}}\n")
}

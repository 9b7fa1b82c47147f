package survey_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/guard"
	"github.com/bulkhead-dev/bulkhead/isolation/policy"
	"github.com/bulkhead-dev/bulkhead/isolation/rule"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/tenant"
)

// lawDocuments are how many fleets the law is tried on, each with the one before it as what was there.
const lawDocuments = 24

// drawTenant is a document of a tenant that asks for no less isolation than there is by default: no other ClusterRole, no lower Pod Security, no open network.
// Its files in the spoke fit each of them: they name a namespace where it has several.
func drawTenant(t *rapid.T, name string) map[string]string {
	pick := func(label string, of ...string) string { return rapid.SampledFrom(of).Draw(t, name+" "+label) }
	document := "apiVersion: bulkhead.dev/v1alpha1\nkind: Tenant\nmetadata: {name: " + name + "}\nspec:\n  repository: {url: \"https://git.example.com/acme/" + name +
		pick("ending", "", ".git", "/") + "\", ref: {tag: v1.0.0}}\n"
	document += pick("owners", "", "  owners: [{kind: Group, name: "+name+"-devs}]\n", "  owners: [{kind: User, name: "+name+"@example.com}, {kind: Group, name: "+name+"-devs}]\n")
	document += pick("shape", "", "", "  shape: Article\n")
	document += pick("nested", "", "", "  nestedFlux: Pinned\n")
	document += pick("shard", "", "", "  shard: shard1\n")
	document += pick("quota", "", "  quota: {requests.cpu: 3500m, pods: \"30\"}\n")
	document += pick("labels", "", "  labels: {cost: \"1\"}\n  annotations: {acme.example/contact: jane}\n")
	document += pick("network", "", "  network: {ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress}}}]}]}\n", "  network: {egress: [{to: [{ipBlock: {cidr: 203.0.113.0/24}}]}]}\n")
	document += pick("sync", "", "  sync: {interval: 10m, retryInterval: 1m, timeout: 90s, wait: false, prune: true}\n", "  sync: {clusterVariables: [domain], substitute: {a: b}}\n")
	document += pick("lifecycle", "", "", "  lifecycle: {phase: Suspended}\n", "  lifecycle: {phase: Suspended, keepData: true}\n", "  lifecycle: {phase: Draining}\n")
	document += pick("contract", "  contract: {hosts: [\""+name+".example.com\", \"*."+name+".example.com\"], registries: [ghcr.io/acme/"+name+"/]}\n",
		"  contract: {registries: [ghcr.io/acme/"+name+"], sourceURLs: [\"oci://ghcr.io/acme/"+name+"/\"], cloudIdentities: [\"arn:aws:iam::111122223333:role/"+name+"-*\"]}\n")
	files := map[string]string{}
	document += "  environments:\n  - name: prod\n    clusters: {matchLabels: {env: prod}}\n"
	if several := pick("namespaces", "", "", "several"); several != "" {
		document += fmt.Sprintf("    namespaces: [%s-a, %[1]s-b]\n", name)
		files[name+"/deploy/prod/app.yaml"] = fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: %s-a}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b, namespace: %[1]s-b}\n", name)
	}
	files["hub/fleet/tenants/"+name+".yaml"] = document
	return files
}

// guarded is the fleet of the samples with guards.
func guarded(t *testing.T) *fleet {
	t.Helper()
	f := newFleet(t)
	f.hub["fleet/fleet.yaml"] = strings.Replace(f.hub["fleet/fleet.yaml"], "guards: Off", "guards: Enforce", 1)
	return f
}

// TestLaw: nothing is found in what documents of tenants stand for, and nothing of it is unproven. The guards are those of package guard whatever way they took; they
// refuse nothing that the platform's account writes of it: when it is made, and when the tenants are then changed, suspended, drained or taken away.
func TestLaw(t *testing.T) {
	f := guarded(t)
	tenants := rapid.Custom(func(t *rapid.T) map[string]string {
		files := drawTenant(t, "billing")
		maps.Copy(files, drawTenant(t, "auth"))
		return files
	})
	fleets, states := make([]map[string]string, lawDocuments), make([]*rule.Context, lawDocuments)
	for i := range fleets {
		fleets[i] = tenants.Example(i)
		if i%8 == 7 { // a tenant that is taken away
			fleets[i]["hub/fleet/tenants/billing.yaml"] = ""
		}
		states[i] = f.with(t, fleets[i])
	}
	refused := refusedOf(t, states)
	for i, files := range fleets {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			found := append(rule.Find(states[i], nil), refused[i]...)
			found = slices.DeleteFunc(found, func(f rule.Found) bool { // of a suspended source nobody but the cluster knows what it holds
				return f.Rule == "NST-005" && f.Level == finding.Info && strings.Contains(f.Message, "the source is suspended")
			})
			if len(found) > 0 {
				t.Errorf("found: %s\nin %s\n%s", told(found), files["hub/fleet/tenants/billing.yaml"], files["hub/fleet/tenants/auth.yaml"])
			}
			sameGuards(t, f, states[i], files)
		})
	}
}

// refusedOf is what the guards refuse of each state: when it is made, and when the one after it was there before. Many are asked about as one fleet of
// clusters, whose equal policies are compiled once.
func refusedOf(t *testing.T, states []*rule.Context) [][]rule.Found {
	t.Helper()
	out := make([][]rule.Found, len(states))
	find := func(first, step int, was bool) {
		all, before, of := &estate.Estate{}, &estate.Estate{}, map[*estate.Cluster]int{}
		for i := first; i < len(states); i += step {
			now, old := states[i].Clusters, states[(i+1)%len(states)].Clusters
			if len(now) != 1 || len(old) != 1 {
				t.Fatalf("%d and %d clusters, want one of each", len(now), len(old))
			}
			if was { // a cluster was what has its name
				now[0].Name, old[0].Name = fmt.Sprintf("prod-%02d", i), fmt.Sprintf("prod-%02d", i)
				before.Clusters = append(before.Clusters, old[0])
			}
			all.Clusters, of[now[0]] = append(all.Clusters, now[0]), i
		}
		found, err := policy.Find(t.Context(), all, before, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range found {
			out[of[one.Cluster]] = append(out[of[one.Cluster]], one)
		}
	}
	find(0, 1, false)
	find(0, 2, true) // each state is in it once: as what is, or as what was
	find(1, 2, true)
	for _, x := range states {
		x.Clusters[0].Name = "prod"
	}
	return out
}

// TestBeforeFlux: guards leave nothing unproven on a cluster whose Namespace flux-system nobody brings yet: "flux bootstrap" commits it.
func TestBeforeFlux(t *testing.T) {
	x := guarded(t).with(t, map[string]string{"hub/clusters/prod/flux-system/gotk-components.yaml": "# written by flux bootstrap\n"})
	found, err := policy.Find(t.Context(), x.Estate, nil, nil)
	if err != nil || len(found) > 0 {
		t.Errorf("found: %s, %v", told(found), err)
	}
}

// sameGuards compares the guards that a render of the generated files gives with those that package guard makes.
func sameGuards(t *testing.T, f *fleet, x *rule.Context, files map[string]string) {
	t.Helper()
	hub := &fleet{maps.Clone(f.base), f.hub, nil}
	maps.Copy(hub.base, files)
	docs := documents(t, hub)
	all, err := tenant.Compartments(docs)
	if err != nil {
		t.Fatal(err)
	}
	_, opts := guard.Mode(docs.Fleet)
	want, err := guard.Objects("prod", all, opts)
	if err != nil {
		t.Fatal(err)
	}
	got := map[object.ID]*object.Object{}
	for _, kind := range []string{"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"} {
		for _, o := range x.Clusters[0].Kind("admissionregistration.k8s.io", kind) {
			got[o.ID] = o.Object
		}
	}
	want = slices.DeleteFunc(want, func(o *object.Object) bool { return o.ID.Kind == "NetworkPolicy" })
	if len(got) != len(want) || len(want) < 40 {
		t.Errorf("%d guards on the cluster, of %d", len(got), len(want))
	}
	for _, o := range want {
		there := got[o.ID]
		if there == nil {
			t.Fatalf("%s is not on the cluster", o.ID)
		}
		if diff := cmp.Diff(said(o), said(there)); diff != "" {
			t.Fatalf("%s is not what the cluster gets:\n%s", o.ID, diff)
		}
	}
}

// said is an object without what its applier puts on it.
func said(o *object.Object) map[string]any {
	out := maps.Clone(o.Body().Map())
	if meta, ok := out["metadata"].(map[string]any); ok {
		meta = maps.Clone(meta)
		delete(meta, "labels")
		delete(meta, "creationTimestamp")
		out["metadata"] = meta
	}
	return out
}

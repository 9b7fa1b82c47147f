package layout

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/tree"
)

const fleetText = `apiVersion: bulkhead.dev/v1alpha1
kind: Fleet
metadata: {name: acme}
spec: {layout: HubAndSpoke}
---
apiVersion: bulkhead.dev/v1alpha1
kind: Cluster
metadata: {name: one, labels: {env: prod}}
spec: {path: clusters/one, variables: {domain: one.example}}
---
apiVersion: bulkhead.dev/v1alpha1
kind: Cluster
metadata: {name: two, labels: {env: dev}}
spec: {path: clusters/two}
---
apiVersion: bulkhead.dev/v1alpha1
kind: Tenant
metadata: {name: billing}
spec:
  repository: {url: "ssh://git@git.example.com/acme/billing"}
  environments: [{name: prod, clusters: {matchLabels: {env: prod}}}]
`

func documents(t *testing.T, text string) v1alpha1.Documents {
	t.Helper()
	docs, err := v1alpha1.Decode("fleet/fleet.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

func plan(t *testing.T, files map[string]string, text string, overwrite ...string) *Change {
	t.Helper()
	c, err := Plan(tree.FromMap(files), documents(t, text), overwrite...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// apply is the files after a change.
func apply(files map[string]string, c *Change) map[string]string {
	out := maps.Clone(files)
	maps.Copy(out, c.Write)
	for _, p := range c.Delete {
		delete(out, p)
	}
	return out
}

// TestPlan writes what is missing, then has nothing to do, and deletes what it made when the document goes.
func TestPlan(t *testing.T) {
	files := map[string]string{"README.md": "ours"}
	c := plan(t, files, fleetText)
	want := []string{
		"clusters/one/tenants/billing.yaml", "clusters/one/tenants/kustomization.yaml", "clusters/one/tenants/platform.yaml", "clusters/one/variables.yaml",
		"clusters/two/tenants/kustomization.yaml", "clusters/two/tenants/platform.yaml", IndexFile,
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(c.Write))); diff != "" || len(c.Delete)+len(c.Foreign) > 0 {
		t.Errorf("-want +got:\n%s%v", diff, c)
	}
	files = apply(files, c)
	if c := plan(t, files, fleetText); !c.Empty() {
		t.Errorf("once more: %v", c)
	}
	without := strings.Split(fleetText, "---\n")
	gone := plan(t, files, strings.Join(without[:3], "---\n"))
	if diff := cmp.Diff([]string{"clusters/one/tenants/billing.yaml"}, gone.Delete); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	nothing := apply(files, plan(t, files, without[0]))
	if diff := cmp.Diff([]string{"README.md", IndexFile}, slices.Sorted(maps.Keys(nothing))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestNotes: a list of ClusterRoles that leaves the tenant unable to make workloads is told once, when its file is written.
func TestNotes(t *testing.T) {
	for roles, want := range map[string]bool{
		"clusterRoles: [scraper]":                  true,
		"clusterRoles: [bulkhead-tenant, scraper]": false,
		"clusterRoles: [edit]":                     false,
		"podSecurity: baseline":                    false,
	} {
		text := strings.Replace(fleetText, "name: prod,", "name: prod, "+roles+",", 1)
		c := plan(t, nil, text)
		if got := strings.Join(c.Notes, "\n"); want != strings.HasPrefix(got, "fleet/fleet.yaml:") || want != strings.Contains(got, "takes the place of bulkhead-tenant: in billing-prod its account may do what scraper allows") || len(c.Notes) > 1 {
			t.Errorf("%s: %q", roles, got)
		}
		if again := plan(t, apply(map[string]string{}, c), text); len(again.Notes) > 0 {
			t.Errorf("%s: nothing is written, and still: %v", roles, again.Notes)
		}
	}
}

// TestForeign: what somebody edited, or made, is neither written nor deleted, until it is given up.
func TestForeign(t *testing.T) {
	files := apply(map[string]string{}, plan(t, nil, fleetText))
	const of, made = "clusters/one/tenants/billing.yaml", "clusters/two/tenants/platform.yaml"
	for name, c := range map[string]struct {
		file   string
		change func(map[string]string)
		text   string
		edited bool
	}{
		"edited":               {of, func(f map[string]string) { f[of] += "# mine\n" }, strings.Replace(fleetText, "name: prod,", "name: prod, podSecurity: baseline,", 1), true},
		"edited, nothing new":  {of, func(f map[string]string) { f[of] += "# mine\n" }, fleetText, true},
		"edited, tenant gone":  {of, func(f map[string]string) { f[of] += "# mine\n" }, strings.Join(strings.Split(fleetText, "---\n")[:3], "---\n"), true},
		"somebody else's":      {made, func(f map[string]string) { f[made] = "kind: Other\n"; f[IndexFile] = "" }, fleetText, false},
		"index gone, the same": {"", func(f map[string]string) { delete(f, IndexFile) }, fleetText, false},
	} {
		t.Run(name, func(t *testing.T) {
			have := maps.Clone(files)
			c.change(have)
			got := plan(t, have, c.text)
			if c.file == "" {
				if len(got.Foreign) > 0 || len(got.Write) != 1 {
					t.Errorf("%v", got)
				}
				return
			}
			if len(got.Foreign) != 1 || got.Foreign[0].Path != c.file || got.Foreign[0].Edited != c.edited || got.Foreign[0].Have != have[c.file] {
				t.Fatalf("%+v", got.Foreign)
			}
			if _, written := got.Write[c.file]; written || slices.Contains(got.Delete, c.file) {
				t.Error("it is written all the same")
			}
			if again := plan(t, have, c.text, c.file); len(again.Foreign) > 0 {
				t.Errorf("given up: %v", again.Foreign)
			}
		})
	}
}

// TestInclude adds what is generated to a kustomization file, once, and keeps the rest of it.
func TestInclude(t *testing.T) {
	const own = "# What runs here.\nresources:\n- flux-system # Flux\npatches: []\n"
	files := map[string]string{"clusters/one/kustomization.yaml": own, "clusters/two/kustomization.yaml": "resources: [./tenants/]\n"}
	c := plan(t, files, fleetText)
	want := "# What runs here.\nresources:\n- flux-system # Flux\n- tenants\n- variables.yaml\npatches: []\n"
	if got := c.Write["clusters/one/kustomization.yaml"]; got != want {
		t.Errorf("got:\n%s", got)
	}
	if diff := cmp.Diff([]string{"clusters/one/kustomization.yaml"}, c.Included); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if c := plan(t, apply(files, c), fleetText); !c.Empty() {
		t.Errorf("once more: %v", c)
	}
}

// TestPlanErrors: each says where and what to do.
func TestPlanErrors(t *testing.T) {
	secret := strings.Replace(fleetText, `billing"}`, `billing", secretRef: {name: key}, credentials: secrets/billing.yaml}`, 1)
	const sealed = "kind: Secret\nmetadata: {name: key, namespace: billing-flux}\nsops: {mac: x}\n"
	for name, c := range map[string]struct {
		files map[string]string
		text  string
		want  string
	}{
		"merge marks":            {map[string]string{IndexFile: indexHeader + "<<<<<<< HEAD\n"}, fleetText, IndexFile + ":2: the line names no file"},
		"odd kustomization":      {map[string]string{"clusters/one/kustomization.yaml": "resources: {a: b}\n"}, fleetText, "clusters/one/kustomization.yaml: no kustomization file"},
		"two in a folder":        {nil, strings.Replace(fleetText, "clusters/two", "clusters/one", 1), "two clusters share the folder"},
		"no credentials":         {nil, secret, "fleet/fleet.yaml:20: credentials of tenant billing: secrets/billing.yaml does not exist"},
		"no Secret":              {map[string]string{"secrets/billing.yaml": "kind: ConfigMap\n"}, secret, "holds no Secret"},
		"plain credentials":      {map[string]string{"secrets/billing.yaml": "kind: Secret\n"}, secret, "is not encrypted"},
		"credentials of another": {map[string]string{"secrets/billing.yaml": strings.Replace(sealed, "billing-flux", "billing", 1)}, secret, "holds Secret key in namespace billing"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Plan(tree.FromMap(c.files), documents(t, c.text))
			var d *v1alpha1.DocumentError
			if !errors.As(err, &d) || !strings.Contains(d.Error(), c.want) || d.Hint == "" {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	c := plan(t, map[string]string{"secrets/billing.yaml": sealed}, secret)
	if got := c.Write["clusters/one/tenants/kustomization.yaml"]; !strings.Contains(got, "- ../../../secrets/billing.yaml\n") {
		t.Errorf("the credentials are not listed:\n%s", got)
	}
}

// TestReadStatus reads what kubectl prints.
func TestReadStatus(t *testing.T) {
	const one = `{"apiVersion":"kustomize.toolkit.fluxcd.io/v1","kind":"Kustomization","metadata":{"name":"a","namespace":"b"},"spec":{"suspend":true}}`
	for name, c := range map[string]struct {
		text string
		want int
	}{
		"nothing": {"", 0}, "one": {one, 1}, "a list": {`{"kind":"List","items":[` + one + "," + one + `]}`, 2}, "two documents": {one + "\n---\n" + one, 2},
		"others": {"kind: Kustomization\napiVersion: kustomize.config.k8s.io/v1beta1\n---\nkind: Secret\n", 0},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ReadStatus([]byte(c.text))
			if err != nil || len(got) != c.want {
				t.Errorf("%d, %v", len(got), err)
			}
		})
	}
	for _, text := range []string{"{", `{"kind":"Kustomization","apiVersion":"kustomize.toolkit.fluxcd.io/v1","spec":7}`} {
		if _, err := ReadStatus([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// FuzzIndex reads any index.
func FuzzIndex(f *testing.F) {
	f.Add(indexHeader + strings.Repeat("a", 64) + "  a/b\n")
	f.Add("<<<<<<< HEAD\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		x, err := readIndex([]byte(text))
		if err != nil {
			return
		}
		again, err := readIndex([]byte(x.String()))
		if err != nil || !maps.Equal(x, again) {
			t.Errorf("%v, then %v, %v", x, again, err)
		}
	})
}

// TestGuards: a fleet that asks for guards has them once, and whom they hold beside the tenants of each cluster; a cluster that is too old for them is named.
func TestGuards(t *testing.T) {
	const text = `apiVersion: bulkhead.dev/v1alpha1
kind: Fleet
metadata: {name: acme}
spec: {layout: HubAndSpoke, guards: %s}
---
apiVersion: bulkhead.dev/v1alpha1
kind: Cluster
metadata: {name: one}
spec: {path: clusters/one, kubernetesVersion: "1.%d"}
---
apiVersion: bulkhead.dev/v1alpha1
kind: Tenant
metadata: {name: %s}
spec: {repository: {url: "https://git.example.com/acme/billing"}, environments: [{name: prod, clusters: {}}]}
`
	for _, c := range []struct {
		guards string
		minor  int
		tenant string
		want   string // in what clusters share, or in the error
	}{
		{"Enforce", 30, "billing", "- Deny\n"},
		{"Audit", 36, "billing", "- Audit\n  - Warn\n"},
		{"Off", 36, "billing", ""},
		{"Enforce", 29, "billing", "cluster one has Kubernetes 1.29, and guards need 1.30"},
		{"Enforce", 36, "platform", "a tenant cannot be called platform"},
		{"Enforce", 36, "guards", "- Deny\n"},
	} {
		docs, err := v1alpha1.Decode("fleet/all.yaml", fmt.Appendf(nil, text, c.guards, c.minor, c.tenant))
		if err != nil {
			t.Fatal(err)
		}
		files, err := Files(docs)
		got := map[string]string{}
		for _, f := range files {
			got[f.Path] = f.Content
		}
		shared := got["guards/guards.yaml"]
		if err != nil {
			shared = err.Error()
		}
		has := err == nil && c.want != ""
		if !strings.Contains(shared, c.want) || (shared == "") != (c.want == "") {
			t.Errorf("%s on 1.%d: want %q, got %.300q", c.guards, c.minor, c.want, shared)
		}
		if listed := strings.Contains(got["clusters/one/tenants/kustomization.yaml"], "- guards\n"); listed != has {
			t.Errorf("%s on 1.%d: listed %v", c.guards, c.minor, listed)
		}
		own := got["clusters/one/tenants/guards/kustomization.yaml"]
		if strings.Contains(own, "\n- ../../../../guards\n") != has || strings.Contains(own, "\n        - "+c.tenant+"-prod\n") != has {
			t.Errorf("%s on 1.%d: %s", c.guards, c.minor, own)
		}
	}
}

// TestGuardsGrow: of a tenant that comes, the guards of a cluster get some lines, and keep all others in their order.
func TestGuardsGrow(t *testing.T) {
	text := "apiVersion: bulkhead.dev/v1alpha1\nkind: Fleet\nmetadata: {name: acme}\nspec: {guards: Enforce}\n---\n" +
		"apiVersion: bulkhead.dev/v1alpha1\nkind: Cluster\nmetadata: {name: one}\nspec: {path: clusters/one}\n"
	var before []string
	for i, name := range []string{"m", "a", "z", "k"} {
		text += "---\napiVersion: bulkhead.dev/v1alpha1\nkind: Tenant\nmetadata: {name: " + name + "}\nspec: {repository: {url: \"https://git.example.com/acme/" + name +
			"\"}, environments: [{name: prod, clusters: {}}]}\n"
		docs, err := v1alpha1.Decode("fleet/all.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		files, err := Files(docs)
		if err != nil {
			t.Fatal(err)
		}
		at := slices.IndexFunc(files, func(f File) bool { return f.Path == "clusters/one/tenants/guards/kustomization.yaml" })
		lines := strings.Split(files[at].Content, "\n")
		if i > 0 {
			next := 0
			for _, line := range lines {
				if next < len(before) && strings.TrimSuffix(line, ",") == strings.TrimSuffix(before[next], ",") {
					next++
				}
			}
			if added := len(lines) - len(before); next < len(before) || added > 10 {
				t.Errorf("of tenant %s, %d lines are added, and %d of %d are kept:\n%s", name, added, next, len(before), files[at].Content)
			}
		}
		before = lines
	}
}

package tenant

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/object"
)

// answer is what documents stand for, or the error.
func answer(data []byte) string {
	docs, err := v1alpha1.Decode("fleet.yaml", data)
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	all, err := Compartments(docs)
	if err != nil {
		return wrong(err)
	}
	var b strings.Builder
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].Tenant == all[0].Tenant && all[n].Cluster == all[0].Cluster {
			n++
		}
		objects, err := Objects(all[:n])
		if err != nil {
			return wrong(err)
		}
		fmt.Fprintf(&b, "# %s on %s\n", all[0].Tenant.Name, all[0].Cluster.Name)
		for _, o := range objects {
			text, err := yaml.Marshal(o.Body().Map())
			if err != nil {
				return err.Error()
			}
			fmt.Fprintf(&b, "---\n%s", text)
		}
		all = all[n:]
	}
	return b.String()
}

// TestCases: the first file of each case is documents, the second what they stand for.
func wrong(err error) string {
	out := "error: " + err.Error() + "\n"
	if d, ok := errors.AsType[*v1alpha1.DocumentError](err); ok && d.Hint != "" {
		out += "hint: " + d.Hint + "\n"
	}
	return out
}

// refersTo is the role that a binding gives.
func refersTo(o *object.Object) string {
	name, _, _ := unstructured.NestedString(o.Body().Map(), "roleRef", "name")
	return name
}

func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 6 {
		t.Fatalf("%d cases, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(ar.Files); i += 2 {
				got := answer(ar.Files[i].Data)
				if os.Getenv("UPDATE") != "" {
					if i+1 == len(ar.Files) {
						ar.Files = append(ar.Files, txtar.File{Name: "want"})
					}
					ar.Files[i+1].Data = []byte(got)
				} else if diff := cmp.Diff(string(ar.Files[i+1].Data), got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", ar.Files[i].Name, diff)
				}
			}
			if os.Getenv("UPDATE") != "" {
				if err := os.WriteFile(file, txtar.Format(ar), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// settings are any.
func settings(t *rapid.T, label string) v1alpha1.Settings {
	yes := rapid.Bool().Draw(t, label+" yes")
	s := v1alpha1.Settings{
		Shape:            rapid.SampledFrom([]v1alpha1.Shape{"", "", v1alpha1.Isolated, v1alpha1.Article}).Draw(t, label+" shape"),
		PodSecurity:      rapid.SampledFrom([]v1alpha1.PodSecurity{"", v1alpha1.Baseline, v1alpha1.Privileged}).Draw(t, label+" podSecurity"),
		NestedFlux:       rapid.SampledFrom([]v1alpha1.NestedFlux{"", v1alpha1.Forbidden, v1alpha1.Pinned}).Draw(t, label+" nestedFlux"),
		OwnerClusterRole: rapid.SampledFrom([]string{"", "view", "edit"}).Draw(t, label+" owner"),
		Shard:            rapid.SampledFrom([]string{"", "one"}).Draw(t, label+" shard"),
		Network:          v1alpha1.Network{Default: rapid.SampledFrom([]v1alpha1.NetworkDefault{"", v1alpha1.Deny, v1alpha1.Allow}).Draw(t, label+" network")},
		Labels:           rapid.MapOf(rapid.SampledFrom([]string{"team", "cost"}), rapid.SampledFrom([]string{"a", "b"})).Draw(t, label+" labels"),
		ClusterRoles:     rapid.SliceOfDistinct(rapid.SampledFrom([]string{"view", "bulkhead-tenant", "own"}), rapid.ID).Draw(t, label+" roles"),
	}
	if rapid.Bool().Draw(t, label+" sync") {
		s.Sync = v1alpha1.Sync{Prune: &yes, Suspend: &yes, Interval: &metav1.Duration{Duration: 7e9}, Substitute: map[string]string{"x": label}}
	}
	if rapid.Bool().Draw(t, label+" quota") {
		s.Quota = corev1.ResourceList{corev1.ResourcePods: resource.MustParse(fmt.Sprint(rapid.IntRange(0, 9).Draw(t, label+" pods")))}
		s.LimitRange = []corev1.LimitRangeItem{{Type: corev1.LimitTypePod, Max: s.Quota.DeepCopy()}}
	}
	return s
}

// fleetOf is a random fleet.
func fleetOf(t *rapid.T) v1alpha1.Documents {
	docs := v1alpha1.Documents{Fleet: &v1alpha1.Fleet{Spec: v1alpha1.FleetSpec{TenantDefaults: v1alpha1.TenantDefaults{Settings: settings(t, "defaults")}}}}
	for i := range rapid.IntRange(1, 3).Draw(t, "clusters") {
		c := v1alpha1.Cluster{Spec: v1alpha1.ClusterSpec{Path: fmt.Sprintf("clusters/c%d", i)}}
		c.Name, c.Labels = fmt.Sprintf("c%d", i), map[string]string{"env": "e0"}
		docs.Clusters = append(docs.Clusters, c)
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "tenants") {
		d := v1alpha1.Tenant{Spec: v1alpha1.TenantSpec{
			Repository: &v1alpha1.Repository{URL: "https://git.example.com/a"}, Settings: settings(t, "tenant"),
			Lifecycle: v1alpha1.Lifecycle{Phase: rapid.SampledFrom([]v1alpha1.Phase{"", v1alpha1.Suspended, v1alpha1.Draining}).Draw(t, "phase"), KeepData: rapid.Bool().Draw(t, "keepData")},
		}}
		d.Name = fmt.Sprintf("t%d", i)
		if rapid.Bool().Draw(t, "owners") {
			d.Spec.Owners = []rbacv1.Subject{{Kind: rbacv1.GroupKind, Name: d.Name}}
		}
		for k := range rapid.IntRange(1, 2).Draw(t, "environments") {
			e := v1alpha1.Environment{Name: fmt.Sprintf("e%d", k), Settings: settings(t, "environment")}
			if rapid.Bool().Draw(t, "two namespaces") {
				e.Namespaces = []string{d.Name + "-" + e.Name + "-a", d.Name + "-" + e.Name + "-b"}
			}
			d.Spec.Environments = append(d.Spec.Environments, e)
		}
		docs.Tenants = append(docs.Tenants, d)
	}
	return docs
}

// TestLaws: whatever is said, a tenant's objects stay in its namespaces and in that of its Flux objects, its account is bound there
// alone, its owners only look at the Flux objects, its applier names the account, and the same documents give the same objects.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		docs := fleetOf(t)
		all, err := Compartments(docs)
		if err != nil {
			t.Fatal(err)
		}
		again, _ := Compartments(*docs.DeepCopy())
		for i, c := range all {
			objects, err := Objects([]*Compartment{c})
			if err != nil {
				t.Fatal(err)
			}
			same, _ := Objects([]*Compartment{again[i]})
			allowed := append([]string{c.FluxNamespace()}, c.Namespaces...)
			seen := map[object.ID]bool{}
			for k, o := range objects {
				if seen[o.ID] || !o.Body().Equal(same[k].Body()) {
					t.Fatalf("%s twice, or not the same again", o.ID)
				}
				seen[o.ID] = true
				ns := o.ID.Namespace
				if o.ID.Kind == "Namespace" {
					ns = o.ID.Name
				}
				if !slices.Contains(allowed, ns) || strings.HasPrefix(o.ID.Kind, "ClusterRole") {
					t.Fatalf("%s is outside of %v", o.ID, allowed)
				}
				if c.Settings.Shape == v1alpha1.Article && o.ID.Kind == "Namespace" && ns == "flux-system" {
					t.Fatal("the namespace of Flux is the tenant's")
				}
				text, _ := json.Marshal(o.Body().Map())
				switch o.ID.Kind {
				case "Kustomization":
					if !bytes.Contains(text, []byte(`"serviceAccountName":"`+c.Name()+`"`)) {
						t.Fatalf("%s names another account: %s", o.ID, text)
					}
				case "RoleBinding":
					if role := refersTo(o); role == "" || !strings.HasSuffix(o.ID.Name, role) {
						t.Fatalf("%s is for ClusterRole %q, and keeps its name with another one", o.ID, role)
					}
					if bytes.Contains(text, []byte(`"name":"cluster-admin"`)) || o.ID.Namespace == c.FluxNamespace() && bytes.Contains(text, []byte("ServiceAccount")) {
						t.Fatalf("%s: %s", o.ID, text)
					}
					if o.ID.Namespace == c.FluxNamespace() && !bytes.Contains(text, []byte(`"kind":"ClusterRole","name":"view"`)) {
						t.Fatalf("owners may change the Flux objects: %s", text)
					}
				}
			}
			draining := c.Tenant.Spec.Lifecycle.Phase == v1alpha1.Draining
			ks := object.ID{Group: "kustomize.toolkit.fluxcd.io", Kind: "Kustomization", Namespace: c.FluxNamespace(), Name: c.Name()}
			if sa := (object.ID{Kind: "ServiceAccount", Namespace: c.FluxNamespace(), Name: c.Name()}); !seen[sa] || seen[ks] == draining {
				t.Fatalf("account %v, Kustomization %v, draining %v", seen[sa], seen[ks], draining)
			}
		}
	})
}

// TestMerge: settings merged with nothing, or twice with the same, are the same.
func TestMerge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := settings(t, "a"), settings(t, "b")
		merge := func(list ...v1alpha1.Settings) string {
			s, err := Merge(list...)
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		alone, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		if got := merge(a, v1alpha1.Settings{}); got != string(alone) && len(a.ClusterRoles) > 0 {
			t.Fatalf("with nothing:\n%s\n%s", alone, got)
		}
		if x, y := merge(a, b), merge(a, b, b); x != y {
			t.Fatalf("twice:\n%s\n%s", x, y)
		}
	})
}

package scaffold_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/isolation/guard"
	"github.com/bulkhead-dev/bulkhead/layout/scaffold"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

const fleetURL = "ssh://git@git.example.com/acme/fleet"

func cluster(name, env string) v1alpha1.Cluster {
	return v1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"env": env, "region": "us-east-1"}},
		Spec:       v1alpha1.ClusterSpec{Path: "clusters/" + name, KubernetesVersion: "1.35", Variables: map[string]string{"domain": name + ".acme.example"}},
	}
}

func options() scaffold.Options {
	return scaffold.Options{
		Name: "acme", URL: fleetURL, Owner: "@acme/platform",
		Clusters: []v1alpha1.Cluster{cluster("prod-us-east-1", "prod"), cluster("staging-eu-1", "staging")},
	}
}

func spokeOptions() scaffold.SpokeOptions {
	return scaffold.SpokeOptions{Name: "billing", Environments: []string{"staging", "prod"}, Owner: "@acme/billing"}
}

func must(tb testing.TB, files map[string]string, err error) map[string]string {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
	return files
}

// each calls f with every combination of the options that have a few values only.
func each(t *testing.T, f func(t *testing.T, files map[string]string, o scaffold.Options)) {
	t.Helper()
	for _, layout := range []v1alpha1.Layout{v1alpha1.HubAndSpoke, v1alpha1.Monorepo} {
		for _, flux := range []scaffold.Flux{scaffold.Bootstrap, scaffold.Instance, scaffold.NoFlux} {
			for _, ci := range []scaffold.CI{scaffold.GitHub, scaffold.GitLab, scaffold.NoCI} {
				t.Run(fmt.Sprintf("%s/%s/%s", layout, flux, ci), func(t *testing.T) {
					o := options()
					o.Layout, o.Flux, o.CI = layout, flux, ci
					files, err := scaffold.Fleet(o)
					f(t, must(t, files, err), o)
				})
			}
		}
	}
}

// tester is what testing.T and rapid.T have in common.
type tester interface {
	Helper()
	Context() context.Context
	Errorf(format string, args ...any)
	Fatal(args ...any)
}

// complete renders files, and wants an answer without holes.
func complete(tb tester, files map[string]string, opts render.Options) *render.Result {
	tb.Helper()
	r, err := render.Fleet(tb.Context(), render.Repository{URL: fleetURL, Tree: tree.FromMap(files), Branch: "main"}, opts)
	if err != nil {
		tb.Fatal(err)
	}
	for _, c := range r.Clusters {
		for _, f := range c.Failures {
			tb.Errorf("%s: failure: %+v", c.Name, f)
		}
		for _, u := range c.Unresolved {
			tb.Errorf("%s: unresolved: %+v", c.Name, u)
		}
		for _, a := range c.Appliers {
			if a.State != render.Built {
				tb.Errorf("%s: %s is %s", c.Name, a.Applier, a.State)
			}
		}
	}
	return r
}

func TestFleetRenders(t *testing.T) {
	each(t, func(t *testing.T, files map[string]string, o scaffold.Options) {
		t.Helper()
		r := complete(t, files, render.Options{})
		checkObjects(t, r)
		for _, n := range r.Notes {
			t.Errorf("note: %+v", n)
		}
		var got []string
		for _, c := range r.Clusters {
			got = append(got, c.Name)
			for _, n := range c.Notes {
				t.Errorf("note on %s: %+v", c.Name, n)
			}
			appliers := 2
			if o.Layout == v1alpha1.Monorepo {
				appliers = 3
			}
			if len(c.Appliers) != appliers {
				t.Errorf("%s has %d appliers, want %d: %v", c.Name, len(c.Appliers), appliers, c.Appliers)
			}
		}
		if diff := cmp.Diff([]string{"prod-us-east-1", "staging-eu-1"}, got); diff != "" {
			t.Errorf("clusters (-want +got):\n%s", diff)
		}
	})
}

func TestSpokeRenders(t *testing.T) {
	for _, ci := range []scaffold.CI{"", scaffold.GitLab, scaffold.NoCI} {
		o := spokeOptions()
		o.CI = ci
		files, err := scaffold.Spoke(o)
		r := complete(t, must(t, files, err), render.Options{Clusters: []render.Declared{{Name: "staging", Paths: []string{"deploy/staging"}}, {Name: "prod", Paths: []string{"deploy/prod"}}}})
		checkObjects(t, r)
		for _, c := range r.Clusters {
			var got []string
			for o := range c.Objects.All() {
				got = append(got, o.ID.String())
			}
			space := "billing-" + c.Name
			want := []string{"Service/" + space + "/billing", "apps/Deployment/" + space + "/billing", "policy/PodDisruptionBudget/" + space + "/billing"}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.Name, diff)
			}
		}
	}
}

// TestBuilds builds every folder that has a kustomization file, alone and with kustomize itself.
func TestBuilds(t *testing.T) {
	each(t, func(t *testing.T, files map[string]string, _ scaffold.Options) {
		t.Helper()
		buildAll(t, files)
	})
	files, err := scaffold.Spoke(spokeOptions())
	buildAll(t, must(t, files, err))
}

func buildAll(t *testing.T, files map[string]string) {
	t.Helper()
	fs := filesys.MakeFsInMemory()
	for name, text := range files {
		if err := fs.WriteFile("/repo/"+name, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		dir, ok := strings.CutSuffix(name, "/kustomization.yaml")
		if !ok {
			continue
		}
		if _, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(fs, "/repo/"+dir); err != nil {
			t.Errorf("build %s: %v", dir, err)
		}
	}
}

var label = rapid.OneOf(rapid.StringMatching(`[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?`), rapid.SampledFrom([]string{"true", "no", "null", "123", "1e3", "0x1f", "2024-01-02", "y"}))

func TestFleetRendersWhatever(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := scaffold.Options{
			Name: label.Draw(t, "name"), Owner: "@acme/platform",
			URL:    rapid.SampledFrom([]string{fleetURL, "https://git.example.com/acme/fleet.git"}).Draw(t, "url"),
			Branch: rapid.SampledFrom([]string{"main", "true", "release/1.0", "123"}).Draw(t, "branch"),
			Layout: rapid.SampledFrom([]v1alpha1.Layout{v1alpha1.HubAndSpoke, v1alpha1.Monorepo}).Draw(t, "layout"),
			Flux:   rapid.SampledFrom([]scaffold.Flux{scaffold.Bootstrap, scaffold.Instance, scaffold.NoFlux}).Draw(t, "flux"),
			CI:     rapid.SampledFrom([]scaffold.CI{scaffold.GitHub, scaffold.GitLab, scaffold.NoCI}).Draw(t, "ci"),
		}
		for _, name := range rapid.SliceOfNDistinct(label, 1, 2, rapid.ID).Draw(t, "clusters") {
			c := cluster(name, label.Draw(t, "env"))
			c.Labels["region"] = label.Draw(t, "region")
			c.Spec.Variables = map[string]string{"domain": rapid.SampledFrom([]string{"acme.example", "123", "true"}).Draw(t, "domain"), "note": rapid.SampledFrom([]string{"a: b", "'", `"`, "# no", " ", "", "0777", "~"}).Draw(t, "note")}
			o.Clusters = append(o.Clusters, c)
		}
		files, err := scaffold.Fleet(o)
		if err != nil {
			t.Fatal(err)
		}
		complete(t, files, render.Options{})
	})
}

// TestFlags: what init writes is what the guards build on.
func TestFlags(t *testing.T) {
	files, err := scaffold.Fleet(options())
	var got struct {
		Patches []kustomize.Patch `json:"patches"`
	}
	if err := yaml.Unmarshal([]byte(must(t, files, err)["clusters/prod-us-east-1/flux-system/kustomization.yaml"]), &got); err != nil {
		t.Fatal(err)
	}
	read := func(list []kustomize.Patch) (out []any) {
		for _, p := range list {
			var ops any
			if err := yaml.Unmarshal([]byte(p.Patch), &ops); err != nil {
				t.Fatal(err)
			}
			out = append(out, p.Target, ops)
		}
		return out
	}
	if diff := cmp.Diff(read(guard.Flags()), read(got.Patches)); diff != "" {
		t.Errorf("patches (-guard +scaffold):\n%s", diff)
	}
}

package survey_test

import (
	"context"
	"maps"
	"strings"
	"testing"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/rule"
	"github.com/bulkhead-dev/bulkhead/isolation/survey"
	"github.com/bulkhead-dev/bulkhead/layout"
	"github.com/bulkhead-dev/bulkhead/layout/scaffold"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// fleet renders the fleet of the samples with some files in place of its own. What the files do not change is built once.
type fleet struct {
	base, hub map[string]string
	cache     *render.Cache
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	base, err := rule.Base()
	if err != nil {
		t.Fatal(err)
	}
	hub := scaffolded(t, base, "prod")
	// Guards are the same for all, and much to render; TestBase has them.
	hub["fleet/fleet.yaml"] = strings.Replace(hub["fleet/fleet.yaml"], "guards: Enforce", "guards: Off", 1)
	return &fleet{base, hub, &render.Cache{}}
}

// scaffolded are the files of a hub of these clusters, as init makes them; the environment of prod-eu-1 is prod.
func scaffolded(tb testing.TB, base map[string]string, clusters ...string) map[string]string {
	tb.Helper()
	o := scaffold.Options{Name: "acme", URL: "https://git.example.com/acme/fleet", Owner: "@acme/platform", CI: scaffold.NoCI}
	for _, name := range clusters {
		environment, _, _ := strings.Cut(name, "-")
		o.Clusters = append(o.Clusters, v1alpha1.Cluster{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"env": environment}},
			Spec:       v1alpha1.ClusterSpec{Path: "clusters/" + name, KubernetesVersion: "1.36", Variables: map[string]string{"domain": name + ".example.com"}},
		})
	}
	hub, err := scaffold.Fleet(o)
	if err != nil {
		tb.Fatal(err)
	}
	const components = "/flux-system/gotk-components.yaml"
	for _, name := range clusters {
		hub["clusters/"+name+components] = base["hub/clusters/prod"+components]
	}
	return hub
}

// any ref of a repository is its one tree.
type anyRef struct{ tree *tree.Tree }

func (r anyRef) Resolve(context.Context, sourcev1.GitRepositoryRef) (*tree.Tree, string, error) {
	return r.tree, "v1.0.0@sha1:0000000000000000000000000000000000000000", nil
}

// documents of the fleet as it is.
func documents(t *testing.T, f *fleet) v1alpha1.Documents {
	t.Helper()
	hub := maps.Clone(f.hub)
	for p, content := range f.base {
		if rest, ok := strings.CutPrefix(p, "hub/"); ok {
			hub[rest] = content
		}
	}
	docs, err := render.Documents(tree.FromMap(hub))
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

// with is the estate of the fleet with files in it; what the documents stand for is generated.
func (f *fleet) with(t *testing.T, files map[string]string) *rule.Context {
	t.Helper()
	repositories := map[string]map[string]string{"hub": maps.Clone(f.hub), "billing": {}, "auth": {}}
	put := func(list map[string]string) {
		for p, content := range list {
			repository, p, _ := strings.Cut(p, "/")
			if repositories[repository] == nil {
				t.Fatalf("there is no repository %s", repository)
			}
			repositories[repository][p] = content
		}
	}
	put(f.base)
	hand := func() (*tree.Tree, v1alpha1.Documents) {
		hub := tree.FromMap(repositories["hub"])
		docs, err := render.Documents(hub)
		if err != nil {
			t.Fatal(err)
		}
		return hub, docs
	}
	for p, content := range files {
		if strings.HasPrefix(p, "hub/fleet/") {
			put(map[string]string{p: content})
		}
	}
	hub, docs := hand()
	plan, err := layout.Plan(hub, docs)
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(repositories["hub"], plan.Write)
	put(files)
	hub, docs = hand()
	opts := render.Options{Cache: f.cache}
	for _, name := range []string{"billing", "auth"} {
		spoke := tree.FromMap(repositories[name])
		opts.Sources = append(opts.Sources, render.Repository{URL: "https://git.example.com/acme/" + name, Tree: spoke, Refs: anyRef{spoke}})
	}
	r, err := render.Fleet(t.Context(), render.Repository{URL: "https://git.example.com/acme/fleet", Tree: hub}, opts)
	if err != nil {
		t.Fatal(err)
	}
	e, err := survey.Estate(r, survey.Options{
		Documents: docs, Hub: []string{render.RepositoryName("https://git.example.com/acme/fleet")}, Files: hub,
		Environment: func(cluster string) (string, bool) {
			environment, _, _ := strings.Cut(cluster, "-")
			return environment, environment == "prod"
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return rule.NewContext(e)
}

// TestSamples: each rule finds the bad half of its samples, and not when it is switched off, and lets the good half pass; each rule has a sample.
func TestSamples(t *testing.T) {
	samples, err := rule.Samples()
	if err != nil {
		t.Fatal(err)
	}
	f := newFleet(t)
	has := map[string]bool{}
	for _, s := range samples {
		has[s.Rule] = true
		t.Run(s.Rule+s.Case, func(t *testing.T) {
			t.Parallel()
			bad, good := f.with(t, s.Bad), f.with(t, s.Good)
			var before *rule.Context
			if s.Before != nil {
				before = f.with(t, s.Before)
			}
			if n := count(rule.Find(bad, before), s.Rule); n == 0 {
				t.Errorf("%s finds nothing in the bad half; what is found: %s", s.Rule, told(rule.Find(bad, before)))
			}
			if n := count(rule.Find(bad, before, s.Rule), s.Rule); n > 0 {
				t.Errorf("%s finds %d while it is switched off", s.Rule, n)
			}
			if found := rule.Find(good, before); count(found, s.Rule) > 0 {
				t.Errorf("%s finds something in the good half: %s", s.Rule, told(found))
			}
		})
	}
	for _, r := range rule.Rules() {
		if !has[r.ID] {
			t.Errorf("%s has no sample", r.ID)
		}
	}
}

// TestBase: nothing is found in what bulkhead makes itself, and all of it is proven.
func TestBase(t *testing.T) {
	f := newFleet(t)
	f.hub["fleet/fleet.yaml"] = strings.Replace(f.hub["fleet/fleet.yaml"], "guards: Off", "guards: Enforce", 1)
	x := f.with(t, nil)
	if len(x.Clusters[0].Kind("admissionregistration.k8s.io", "ValidatingAdmissionPolicy")) == 0 {
		t.Error("the fleet has no guards")
	}
	for _, c := range x.Clusters {
		for _, g := range c.Gaps {
			t.Errorf("%s: %s: %s %s: %s", c.Name, g.Applier, g.Kind, g.Subject, g.Reason)
		}
		if len(c.Compartments) != 2 {
			t.Errorf("%d compartments", len(c.Compartments))
		}
	}
	if found := rule.Find(x, nil); len(found) > 0 {
		t.Errorf("found: %s", told(found))
	}
}

// count is how often a rule finds something; what is unproven counts for the rules that say nothing else.
func count(found []rule.Found, id string) (n int) {
	for i := range found {
		if found[i].Rule == id && (id != "NST-005" || found[i].Level != finding.Info) && (!found[i].Unproven || id == "NST-005" || id == "NSB-010") {
			n++
		}
	}
	return n
}

func told(found []rule.Found) string {
	var b strings.Builder
	for i := range found {
		f := &found[i]
		b.WriteString("\n  " + f.Rule + " " + string(f.Level))
		if f.ID != nil {
			b.WriteString(" " + f.ID.String())
		}
		b.WriteString(" " + f.Field + ": " + f.Message)
		if f.Unproven {
			b.WriteString(" (unproven)")
		}
	}
	return b.String()
}

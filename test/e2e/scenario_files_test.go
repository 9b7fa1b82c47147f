//go:build e2e && linux

package e2e

import (
	"context"
	"maps"
	"path"
	"strings"
	"testing"

	"github.com/fluxcd/pkg/apis/kustomize"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"golang.org/x/tools/txtar"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/isolation/guard"
	"github.com/bulkhead-dev/bulkhead/isolation/rule"
	"github.com/bulkhead-dev/bulkhead/isolation/survey"
	"github.com/bulkhead-dev/bulkhead/layout"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/test/lab"
	"github.com/bulkhead-dev/bulkhead/tree"
)

const (
	scenarioHost = "https://git.example.com/acme/"
	// globalKey is the flag of the cluster without guards by which everybody decrypts with the platform's key.
	globalKey = "--sops-age-secret=sops-age"
)

// fleetFiles are the repositories of one fleet of a scenario: the hub, the tenant's spoke, and others.
type fleetFiles struct {
	name  string // of the tenant
	files map[string]map[string]string
	// closed is true for a platform as bulkhead makes it, false for one by hand.
	closed bool
	// locked is true when the controllers have the flags.
	locked  bool
	entries []string // of the kustomization file where Flux starts
}

// url of a repository.
func (f *fleetFiles) url(repository string) string {
	if repository == "spoke" {
		return scenarioHost + f.name
	}
	return scenarioHost + f.name + "-" + repository
}

// read takes one fleet out of a scenario's archive. Files are in SIDE/REPOSITORY/PATH; side is bad, good, or both. TENANT stands for the name of the
// tenant, OTHERFLUX for where the source of the other tenant is, TENANTKEY and PLATFORMKEY for their age keys. In the hub, open.yaml is what a platform by
// hand has for the tenant, closed.yaml what one of bulkhead has beside what it generates, and files in closed/ are in the place of others in that one.
func (s *scenario) read(t *testing.T, side string, closed, locked bool) *fleetFiles {
	t.Helper()
	a, err := txtar.ParseFile("testdata/scenarios/" + s.id + ".txtar")
	if err != nil {
		t.Fatal(err)
	}
	s.title = strings.TrimSpace(string(a.Comment))
	f := &fleetFiles{name: strings.ToLower(s.id) + "-" + side, files: map[string]map[string]string{"hub": {}}, closed: closed, locked: locked}
	if !closed {
		f.name += "-open"
	}
	other := f.name + "-other-prod"
	if closed {
		other = f.name + "-other-flux"
	}
	words := strings.NewReplacer("TENANTKEY", scenarioKey(t, "tenant").String(), "PLATFORMKEY", scenarioKey(t, "platform").String(), "TENANT", f.name, "OTHERFLUX", other)
	for _, file := range a.Files {
		of, rest, _ := strings.Cut(file.Name, "/")
		repository, p, _ := strings.Cut(rest, "/")
		if of != side && of != "both" {
			continue
		}
		if f.files[repository] == nil {
			f.files[repository] = map[string]string{}
		}
		f.files[repository][words.Replace(p)] = words.Replace(string(file.Data))
	}
	f.seal(t)
	f.hub(t)
	return f
}

// hub completes the hub: its documents, and what they stand for or what was made by hand.
func (f *fleetFiles) hub(t *testing.T) {
	t.Helper()
	hub := f.files["hub"]
	for p, text := range maps.Clone(hub) {
		if rest, ok := strings.CutPrefix(p, "closed/"); ok {
			if delete(hub, p); f.closed {
				hub[rest] = text
			}
		}
	}
	hub["fleet/fleet.yaml"] = "apiVersion: bulkhead.dev/v1alpha1\nkind: Fleet\nmetadata: {name: acme}\nspec:\n  layout: HubAndSpoke\n" +
		"  tenantDefaults: {sync: {interval: 1m, sourceInterval: 1m, retryInterval: 2s, timeout: 20s, wait: false}}\n"
	hub["fleet/clusters/prod.yaml"] = "apiVersion: bulkhead.dev/v1alpha1\nkind: Cluster\nmetadata: {name: prod, labels: {env: prod}}\nspec: {path: clusters/prod, kubernetesVersion: \"1.36\"}\n"
	extra := "open.yaml"
	if f.closed {
		extra = "closed.yaml"
		f.entries = append(f.entries, "tenants")
		for _, file := range f.generated(t) {
			hub[file.Path] = file.Content
		}
	}
	if text, ok := hub[extra]; ok {
		f.entries = append(f.entries, "extra.yaml")
		hub[entry+"extra.yaml"] = text
	}
	delete(hub, "open.yaml")
	delete(hub, "closed.yaml")
	hub[entry+"kustomization.yaml"] = kustomizationOf(f.entries)
}

// entry is where Flux starts.
const entry = "clusters/prod/"

func kustomizationOf(resources []string) string {
	return "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [" + strings.Join(resources, ", ") + "]\n"
}

func (f *fleetFiles) documents(t *testing.T) v1alpha1.Documents {
	t.Helper()
	docs, err := render.Documents(tree.FromMap(f.files["hub"]))
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

func (f *fleetFiles) generated(t *testing.T) []layout.File {
	t.Helper()
	files, err := layout.Files(f.documents(t))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// of is a repository as the lab has it: Flux itself is not in the hub, since all scenarios share it.
func (f *fleetFiles) of(repository string) map[string]tree.Blob {
	out := map[string]tree.Blob{}
	for p, text := range f.files[repository] {
		out[p] = tree.Blob{Data: text}
	}
	return out
}

// whole is the hub with Flux in it, as files tell what a cluster has.
func (f *fleetFiles) whole(t *testing.T) *tree.Tree {
	t.Helper()
	base, err := rule.Base()
	if err != nil {
		t.Fatal(err)
	}
	out := maps.Clone(f.files["hub"])
	const flux = entry + "flux-system/"
	list := kustomizationOf([]string{"gotk-components.yaml", "gotk-sync.yaml"})
	flags := guard.Flags()
	flags = flags[:len(flags)-1] // the last one is of the cluster's own Kustomization, which here has it
	if !f.locked {
		flags = []kustomize.Patch{{
			Target: &kustomize.Selector{Kind: "Deployment", Name: lab.KustomizeController},
			Patch:  "- {op: add, path: /spec/template/spec/containers/0/args/-, value: " + globalKey + "}\n",
		}}
	}
	list += marshalled(t, map[string]any{"patches": flags})
	out[flux+"kustomization.yaml"] = list
	out[flux+"gotk-components.yaml"] = base["hub/"+flux+"gotk-components.yaml"]
	out[flux+"gotk-sync.yaml"] = `apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: ` + f.name + `-hub, namespace: flux-system}
spec: {interval: 1m, ref: {branch: main}, url: "` + f.url("hub") + `"}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: ` + f.name + `-hub, namespace: flux-system}
spec: {interval: 10m, path: ./clusters/prod, prune: true, serviceAccountName: kustomize-controller, sourceRef: {kind: GitRepository, name: ` + f.name + `-hub}}
`
	out[entry+"kustomization.yaml"] = kustomizationOf(append([]string{"flux-system"}, f.entries...))
	return tree.FromMap(out)
}

// anyReference of a repository is its one tree.
type anyReference struct{ tree *tree.Tree }

func (r anyReference) Resolve(context.Context, sourcev1.GitRepositoryRef) (*tree.Tree, string, error) {
	return r.tree, "main@sha1:0000000000000000000000000000000000000000", nil
}

// found is what the rules say of the same files.
func (f *fleetFiles) found(t *testing.T) []rule.Found {
	t.Helper()
	hub := f.whole(t)
	opts := render.Options{}
	for repository, files := range f.files {
		if repository != "hub" {
			spoke := tree.FromMap(files)
			opts.Sources = append(opts.Sources, render.Repository{URL: f.url(repository), Tree: spoke, Refs: anyReference{spoke}})
		}
	}
	result, err := render.Fleet(t.Context(), render.Repository{URL: f.url("hub"), Tree: hub, Branch: "main", Refs: anyReference{hub}}, opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range result.Clusters {
		for i := range c.Failures {
			t.Logf("%s: %s: %s", f.name, path.Base(c.Failures[i].Applier.Name), c.Failures[i].Message)
		}
	}
	docs, err := render.Documents(hub)
	if err != nil {
		t.Fatal(err)
	}
	e, err := survey.Estate(result, survey.Options{
		Documents: docs, Hub: []string{render.RepositoryName(f.url("hub"))}, Files: hub,
		Environment: func(cluster string) (string, bool) { return cluster, cluster == "prod" },
	})
	if err != nil {
		t.Fatal(err)
	}
	return rule.Find(rule.NewContext(e), nil)
}

package cli

import (
	"context"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/rule"
	"github.com/bulkhead-dev/bulkhead/isolation/verdict"
	"github.com/bulkhead-dev/bulkhead/layout"
	"github.com/bulkhead-dev/bulkhead/layout/scaffold"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// atHand is a repository of which every ref is its one tree.
type atHand struct{ tree *tree.Tree }

func (r atHand) Resolve(context.Context, sourcev1.GitRepositoryRef) (*tree.Tree, string, error) {
	return r.tree, "v1.0.0@sha1:0000000000000000000000000000000000000000", nil
}

// sampleFleet is the fleet of the samples with two clusters, without files of theirs.
func sampleFleet(t *testing.T) map[string]string {
	t.Helper()
	o := scaffold.Options{Name: "acme", URL: "https://git.example.com/acme/fleet", Owner: "@acme/platform", CI: scaffold.NoCI}
	for _, name := range []string{"prod", "prod-two"} {
		o.Clusters = append(o.Clusters, v1alpha1.Cluster{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"env": "prod"}},
			Spec:       v1alpha1.ClusterSpec{Path: "clusters/" + name, KubernetesVersion: "1.36", Variables: map[string]string{"domain": name + ".example.com"}},
		})
	}
	hub, err := scaffold.Fleet(o)
	if err != nil {
		t.Fatal(err)
	}
	hub["fleet/fleet.yaml"] = strings.Replace(hub["fleet/fleet.yaml"], "guards: Enforce", "guards: Off", 1)
	return hub
}

// sampled is a half of a sample for rules.
func sampled(t *testing.T, scaffolded, files map[string]string) (*rule.Context, v1alpha1.Documents) {
	t.Helper()
	base, err := rule.Base()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]string{"hub": maps.Clone(scaffolded), "billing": {}, "auth": {}}
	put := func(list map[string]string, only string) {
		for p, content := range list {
			repository, rest, _ := strings.Cut(p, "/")
			if strings.HasPrefix(p, only) {
				all[repository][rest] = content
			}
		}
	}
	put(base, "")
	put(files, "hub/fleet/")
	hub := tree.FromMap(all["hub"])
	docs, err := render.Documents(hub)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := layout.Plan(hub, docs)
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(all["hub"], plan.Write)
	put(files, "")
	hub = tree.FromMap(all["hub"])
	opts := render.Options{}
	for _, name := range []string{"billing", "auth"} {
		spoke := tree.FromMap(all[name])
		opts.Sources = append(opts.Sources, render.Repository{URL: "https://git.example.com/acme/" + name, Tree: spoke, Refs: atHand{spoke}})
	}
	r, err := render.Fleet(t.Context(), render.Repository{URL: "https://git.example.com/acme/fleet", Tree: hub}, opts)
	if err != nil {
		t.Fatal(err)
	}
	x, docs, err := (&fleet{workspace: &workspace{}}).context(r, hub)
	if err != nil {
		t.Fatal(err)
	}
	return x, docs
}

// lawRule finds something in every Kustomization, and does not know it of all.
const lawRule = `{
  "metadata": {"name": "law"},
  "spec": {
    "level": "low", "title": "no Kustomization",
    "matchConstraints": {"resourceRules": [{"apiGroups": ["kustomize.toolkit.fluxcd.io"], "apiVersions": ["*"], "operations": ["*"], "resources": ["kustomizations"]}]},
    "validations": [{"expression": "size(object.spec.path) > 12 || tenant == null"}]
  }
}`

// TestReviewLaw: what a review takes for known is what two checks of all rules have in common, for each half of every third sample as the change and as what was before it,
// with waivers before it and without.
func TestReviewLaw(t *testing.T) {
	samples, err := rule.Samples()
	if err != nil {
		t.Fatal(err)
	}
	var own v1alpha1.Rule
	if err := json.Unmarshal([]byte(lawRule), &own); err != nil {
		t.Fatal(err)
	}
	scaffolded := sampleFleet(t)
	for i, s := range samples {
		if i%3 > 0 { // each takes two renders
			continue
		}
		t.Run(s.Rule+s.Case, func(t *testing.T) {
			t.Parallel()
			bad, badDocs := sampled(t, scaffolded, s.Bad)
			good, goodDocs := sampled(t, scaffolded, s.Good)
			badDocs.Rules, goodDocs.Rules = append(badDocs.Rules, own), append(goodDocs.Rules, own)
			accepts := v1alpha1.Waiver{ObjectMeta: metav1.ObjectMeta{Name: "law"}, Spec: v1alpha1.WaiverSpec{
				Rules: []string{s.Rule, "CTL-008", "POL-003", own.ID()}, Reason: "it is the law of the samples", Approver: "platform", Expires: "2026-11-30",
			}}
			for _, waivers := range [][]v1alpha1.Waiver{nil, {accepts}} {
				holdReview(t, &surveyed{base: &snapshot{}, head: bad, before: good, docs: badDocs, earlier: goodDocs}, waivers)
				holdReview(t, &surveyed{base: &snapshot{}, head: good, before: bad, docs: goodDocs, earlier: badDocs}, waivers)
				holdReview(t, &surveyed{base: &snapshot{}, head: bad, before: bad, docs: badDocs, earlier: badDocs}, waivers)
			}
		})
	}
}

// holdReview checks that what is judged by what is asked again is what is judged by all that can be asked.
func holdReview(t *testing.T, x *surveyed, waivers []v1alpha1.Waiver) {
	t.Helper()
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	x.earlier.Waivers, x.docs.Waivers = waivers, waivers
	found, err := x.find(t.Context(), x.head, x.before)
	if err != nil {
		t.Fatal(err)
	}
	got, err := x.judge(t.Context(), &checkOptions{waivers: waiversOfBase}, found, now)
	if err != nil {
		t.Fatal(err)
	}
	full, err := (&surveyed{docs: x.docs}).find(t.Context(), x.before, x.before)
	if err != nil {
		t.Fatal(err)
	}
	want := &judgement{}
	want.measure(x.before, full, waiversOf(x.earlier), now)
	type parted struct{ Known, Others []finding.Finding }
	split := func(j *judgement) (out parted) {
		out.Known, out.Others = j.before.Split(got.all)
		return out
	}
	if diff := cmp.Diff(split(want), split(got)); diff != "" {
		t.Errorf("findings (-of all rules +of those asked again):\n%s", diff)
	}
	for _, u := range verdict.Of(x.head.Estate, found, nil).Unproven {
		if u.In(want.unproven) != u.In(got.unproven) {
			t.Errorf("known by all rules: %v, by those asked again: %v: %s %s", u.In(want.unproven), u.In(got.unproven), u.Rule, u.Message)
		}
	}
	if len(full) > 0 && len(split(want).Known) == 0 && len(found) == 0 {
		t.Error("nothing is compared")
	}
}

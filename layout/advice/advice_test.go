package advice_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bulkhead-dev/bulkhead/layout/advice"
	"github.com/bulkhead-dev/bulkhead/layout/shape"
)

func TestOf(t *testing.T) {
	facts := func(l shape.Layout, clusters, tenants int, change func(*advice.Facts)) advice.Facts {
		f := advice.Facts{Layout: l, Production: true, Past: advice.Past{Compared: 50, Changing: 40}}
		f.Clusters, f.Environments, f.Tenants, f.Read = clusters, 2, tenants, 100
		if change != nil {
			change(&f)
		}
		return f
	}
	for name, c := range map[string]struct {
		facts  advice.Facts
		answer advice.Answer
		why    string // in the reasons
		first  string // in what comes first; "" for nothing
	}{
		"a small monorepo":     {facts(shape.Monorepo, 3, 3, nil), advice.Stay, "3 tenants: one repository is good for 3", ""},
		"no tenant":            {facts(shape.Monorepo, 2, 0, nil), advice.Stay, "no tenant is known", ""},
		"many clusters":        {facts(shape.Monorepo, 4, 0, nil), advice.Stay, "4 clusters are more than the 3", ""},
		"one tenant too many":  {facts(shape.Monorepo, 2, 4, nil), advice.ToHubAndSpoke, "4 tenants share one repository", ""},
		"files of several":     {facts(shape.Monorepo, 2, 4, func(f *advice.Facts) { f.SeveralTenants = 7 }), advice.ToHubAndSpoke, "7 of 100 files reach more than one tenant", ""},
		"ten tenants":          {facts(shape.SingleCluster, 1, 10, nil), advice.ToHubAndSpoke, "self-service is the step after", ""},
		"two, often together":  {facts(shape.Monorepo, 2, 2, func(f *advice.Facts) { f.Past.SeveralTenants = 4 }), advice.ToHubAndSpoke, "4 of 40 commits that changed a cluster touched more than one of 2 tenants", ""},
		"two, seldom together": {facts(shape.Monorepo, 2, 2, func(f *advice.Facts) { f.Past.SeveralTenants = 3 }), advice.Stay, "3 of 40 commits that changed a cluster touched more than one tenant", ""},
		"a hub":                {facts(shape.HubAndSpoke, 20, 9, func(f *advice.Facts) { f.TenantFiles = 4 }), advice.Stay, "9 tenants, and a hub of fewer than 10 can be written by hand: each is 4 files here", ""},
		"a large hub":          {facts(shape.HubAndSpoke, 20, 10, nil), advice.ToSelfService, "10 tenants, from 10 on", ""},
		"self-service":         {facts(shape.SelfService, 20, 50, nil), advice.Stay, "50 tenants are made of documents or templates", ""},
		"a mix of places":      {facts(shape.Mixed, 2, 2, func(f *advice.Facts) { f.Isolation.OwnSource = 1 }), advice.ToHubAndSpoke, "two ways to do one thing", ""},
		"a mix of hands":       {facts(shape.Mixed, 2, 2, nil), advice.ToSelfService, "others by hand", ""},
		"a spoke":              {advice.Facts{Layout: shape.Spoke}, advice.Stay, "ask the hub", ""},
		"no history":           {facts(shape.Monorepo, 2, 1, func(f *advice.Facts) { f.Past = advice.Past{} }), advice.Stay, "no commit could be compared", ""},
		"little history":       {facts(shape.Monorepo, 2, 1, func(f *advice.Facts) { f.Past.Changing = 9 }), advice.Stay, "9 commits changed a cluster: too few to decide by", ""},
		"production together": {
			facts(shape.Monorepo, 2, 1, func(f *advice.Facts) {
				f.Past.Together, f.Past.Shared, f.Past.Through, f.Past.ThroughCount = 5, 4, "infra/base", 3
			}),
			advice.Stay, "", "5 of 40 commits that changed a cluster reached production together with another environment, 3 of them by files in infra/base",
		},
		"by files all over": {facts(shape.Monorepo, 2, 1, func(f *advice.Facts) { f.Past.Together, f.Past.Shared = 5, 4 }), advice.Stay, "", "4 of them by files that both read"},
		"by hand":           {facts(shape.Monorepo, 2, 1, func(f *advice.Facts) { f.Past.Together, f.Past.Shared = 5, 1 }), advice.Stay, "", "4 of them by a file for each"},
		"seldom together":   {facts(shape.Monorepo, 2, 1, func(f *advice.Facts) { f.Past.Together = 3 }), advice.Stay, "3 of 40 commits that changed a cluster reached production", ""},
		"twice of ten":      {facts(shape.Monorepo, 2, 1, func(f *advice.Facts) { f.Past.Changing, f.Past.Together = 10, 2 }), advice.Stay, "2 of 10", ""},
		"no environment": {
			facts(shape.Monorepo, 2, 1, func(f *advice.Facts) {
				f.Environments, f.Production, f.Nameless, f.Past.SeveralClusters = 0, false, []string{"a", "b"}, 9
			}),
			advice.Stay, "9 of 40 commits that changed a cluster changed more than one of 2 clusters", "no cluster has one",
		},
		"one without":      {facts(shape.Monorepo, 2, 1, func(f *advice.Facts) { f.Nameless = []string{"a"} }), advice.Stay, "", "name the environment of a (label env of its Cluster document)"},
		"without accounts": {facts(shape.HubAndSpoke, 2, 1, func(f *advice.Facts) { f.Isolation = advice.Isolation{Appliers: 3, WithoutAccount: 2} }), advice.Stay, "", "give 2 of 3 appliers of tenants a serviceAccountName"},
		"a mixed folder": {
			facts(shape.Monorepo, 2, 1, func(f *advice.Facts) {
				f.Mixed = []shape.Folder{{Path: "x", Concerns: []shape.Share{{Concern: "platform"}, {Concern: "cluster"}}}, {Path: "y", Concerns: []shape.Share{{Concern: "platform", Files: 2}, {Concern: "tenant/a", Files: 1, Objects: 1}}}}
			}),
			advice.Stay, "", "take y apart: it holds platform (2 files, 0 objects), tenant/a (1 file, 1 object)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := advice.Of(c.facts)
			if got.Answer != c.answer || !strings.Contains(strings.Join(got.Reasons, "\n"), c.why) {
				t.Errorf("answer %s because\n%s\nwant %s because %q", got.Answer, strings.Join(got.Reasons, "\n"), c.answer, c.why)
			}
			if first := strings.Join(got.First, "\n"); !strings.Contains(first, c.first) || (first == "") != (c.first == "") {
				t.Errorf("first %q, want %q", first, c.first)
			}
		})
	}
}

// TestReasons holds that there is an answer with a reason for any figures.
func TestReasons(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 30)
		f := advice.Facts{Layout: rapid.SampledFrom(shape.Layouts()).Draw(t, "layout"), Production: rapid.Bool().Draw(t, "production")}
		f.Clusters, f.Tenants, f.Environments = n.Draw(t, "clusters"), n.Draw(t, "tenants"), n.Draw(t, "environments")
		f.Past.Compared, f.Past.Changing = n.Draw(t, "compared"), n.Draw(t, "changing")
		f.Past.Together, f.Past.SeveralTenants = n.Draw(t, "together"), n.Draw(t, "several")
		a := advice.Of(f)
		if len(a.Reasons) == 0 || a.Answer.String() == string(a.Answer) {
			t.Fatalf("no reason, or an answer without words: %+v", a)
		}
		here := 0
		for _, w := range advice.Ways(f) {
			if w.Here {
				here++
			}
			if w.Repositories < 0 || w.TenantFiles < -1 || w.BestFor == "" {
				t.Fatalf("way %+v", w)
			}
		}
		want, known := map[shape.Layout]int{shape.Mixed: 2, shape.Spoke: 0}[f.Layout]
		if !known {
			want = 1
		}
		if here != want {
			t.Fatalf("%s is on %d ways", f.Layout, here)
		}
	})
}

func TestWays(t *testing.T) {
	f := advice.Facts{Layout: shape.Monorepo}
	f.Clusters, f.Tenants, f.Repositories, f.TenantFiles, f.TenantClusters, f.SeveralTenants, f.SeveralClusters = 5, 4, 1, 9, 2, 12, 30
	got := advice.Ways(f)
	want := []advice.Way{
		{Name: "monorepo", Here: true, Repositories: 1, TenantFiles: 9, Hands: true, Exposed: 12, BestFor: got[0].BestFor},
		{Name: "hub and spoke", Repositories: 5, TenantFiles: 2, Hands: true, BestFor: got[1].BestFor},
		{Name: "self-service platform", Repositories: 5, TenantFiles: 1, BestFor: got[2].BestFor},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ways (-want +got):\n%s", diff)
	}
	f.Tenants = 0
	if got := advice.Ways(f)[0].Exposed; got != 30 {
		t.Errorf("without tenants %d files are shared", got)
	}
}

package verdict_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/rule"
	"github.com/bulkhead-dev/bulkhead/isolation/verdict"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// fleet is the clusters a and b with the tenants auth and billing on both.
func fleet() *estate.Estate {
	e := &estate.Estate{}
	for _, name := range []string{"auth", "billing"} {
		e.Tenants = append(e.Tenants, &estate.Tenant{Name: name, Document: &v1alpha1.Tenant{}})
	}
	for _, name := range []string{"a", "b"} {
		c := &estate.Cluster{Name: name}
		for _, t := range e.Tenants {
			p := &estate.Compartment{Tenant: t, Cluster: c}
			c.Compartments, t.Compartments = append(c.Compartments, p), append(t.Compartments, p)
		}
		e.Clusters = append(e.Clusters, c)
	}
	return e
}

func found(e *estate.Estate, id string, level finding.Level, tenant, cluster string) rule.Found {
	return rule.Found{
		Rule: id, Level: level, Message: "it is\nso", Tenant: e.Tenant(tenant), Cluster: e.Cluster(cluster),
		ID: &object.ID{Group: "kustomize.toolkit.fluxcd.io", Kind: "Kustomization", Namespace: "flux-system", Name: "billing"},
	}
}

// report of what is found; waived and known are messages' rules by which findings are marked.
func report(e *estate.Estate, list []rule.Found, waived bool) *verdict.Report {
	var marked []verdict.Finding
	for _, f := range verdict.Findings(e, list) {
		if waived {
			f.Waived = &finding.Waived{Name: "w"}
		}
		marked = append(marked, verdict.Finding{Finding: f})
	}
	return verdict.Of(e, list, marked)
}

func show(r *verdict.Report) string {
	var b strings.Builder
	for _, v := range r.Verdicts {
		fmt.Fprintf(&b, "%s %s %s %v %d", v.Tenant, v.Cluster, v.Words(), v.Open, v.Waived)
		for _, why := range v.Reasons {
			fmt.Fprintf(&b, " [%s: %s]", why.Rule, why.Message)
		}
		b.WriteString("\n")
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%s %s %s on %s\n", f.Rule, f.Level, f.Concern, strings.Join(f.Clusters, ","))
	}
	for _, u := range r.Unproven {
		fmt.Fprintf(&b, "unproven %s %s on %s\n", u.Rule, u.Concern, strings.Join(u.Clusters, ","))
	}
	return b.String()
}

func TestStates(t *testing.T) {
	e := fleet()
	unproven := func(f rule.Found) rule.Found { f.Unproven = true; return f }
	gap := func(name string, hides bool) *estate.Estate {
		e := fleet()
		c := e.Clusters[0]
		c.Appliers = []*estate.Applier{
			{Applier: object.Applier{Kind: "HelmRelease", Namespace: "x", Name: "billing"}, Home: c, Target: c, Tenant: e.Tenants[1]},
			{Applier: object.Applier{Kind: "HelmRelease", Namespace: "x", Name: "platform"}, Home: c, Target: c},
		}
		c.Gaps = []estate.Gap{{Applier: object.Applier{Kind: "HelmRelease", Namespace: "x", Name: name}, Kind: "chart", Subject: "HelmRepository/x/y", Reason: "it is not at hand", Hides: hides}}
		return e
	}
	inferred := fleet()
	inferred.Tenants[0].Inferred = true
	spoken := gap("billing", true)
	for name, c := range map[string]struct {
		estate *estate.Estate
		found  []rule.Found
		waived bool
		want   string
	}{
		"nothing": {e, nil, false, `auth a proven {0 0 0 0 0} 0
auth b proven {0 0 0 0 0} 0
billing a proven {0 0 0 0 0} 0
billing b proven {0 0 0 0 0} 0
`},
		"one tenant on both clusters": {e, []rule.Found{found(e, "IMP-001", finding.Critical, "billing", "b"), found(e, "IMP-001", finding.Critical, "billing", "a")}, false, `auth a proven {0 0 0 0 0} 0
auth b proven {0 0 0 0 0} 0
billing a violated {1 0 0 0 0} 0
billing b violated {1 0 0 0 0} 0
IMP-001 critical tenant/billing on a,b
`},
		"the platform's counts for all of the cluster": {e, []rule.Found{found(e, "IMP-001", finding.High, "", "a")}, false, `auth a violated {0 1 0 0 0} 0
auth b proven {0 0 0 0 0} 0
billing a violated {0 1 0 0 0} 0
billing b proven {0 0 0 0 0} 0
IMP-001 high platform on a
`},
		"what is low, and what is no boundary": {e, []rule.Found{found(e, "IMP-001", finding.Low, "auth", "a"), found(e, "XXX-001", finding.High, "auth", "a"), found(e, "XXX-001", finding.High, "", "a")}, false, `auth a proven {0 1 0 1 0} 0
auth b proven {0 0 0 0 0} 0
billing a proven {0 0 0 0 0} 0
billing b proven {0 0 0 0 0} 0
XXX-001 high platform on a
XXX-001 high tenant/auth on a
IMP-001 low tenant/auth on a
`},
		"accepted is not proven": {e, []rule.Found{found(e, "IMP-001", finding.Critical, "auth", "a"), found(e, "XXX-001", finding.Critical, "billing", "a")}, true, `auth a violated (waived) {0 0 0 0 0} 1
auth b proven {0 0 0 0 0} 0
billing a proven {0 0 0 0 0} 1
billing b proven {0 0 0 0 0} 0
IMP-001 critical tenant/auth on a
XXX-001 critical tenant/billing on a
`},
		"unproven is no finding": {e, []rule.Found{unproven(found(e, "IMP-001", finding.Critical, "auth", "a")), unproven(found(e, "IMP-001", finding.Critical, "auth", "b"))}, false, `auth a unproven {0 0 0 0 0} 0 [IMP-001: it is so]
auth b unproven {0 0 0 0 0} 0 [IMP-001: it is so]
billing a proven {0 0 0 0 0} 0
billing b proven {0 0 0 0 0} 0
unproven IMP-001 tenant/auth on a,b
`},
		"unproven of the fleet": {e, []rule.Found{unproven(found(e, "IMP-001", finding.Critical, "", ""))}, false, `auth a unproven {0 0 0 0 0} 0 [IMP-001: it is so]
auth b unproven {0 0 0 0 0} 0 [IMP-001: it is so]
billing a unproven {0 0 0 0 0} 0 [IMP-001: it is so]
billing b unproven {0 0 0 0 0} 0 [IMP-001: it is so]
unproven IMP-001 platform on ` + `
`},
		"violated and unproven": {e, []rule.Found{found(e, "IMP-001", finding.Medium, "auth", "a"), unproven(found(e, "IMP-001", finding.Medium, "auth", "a"))}, false, `auth a violated {0 0 1 0 0} 0 [IMP-001: it is so]
auth b proven {0 0 0 0 0} 0
billing a proven {0 0 0 0 0} 0
billing b proven {0 0 0 0 0} 0
IMP-001 medium tenant/auth on a
unproven IMP-001 tenant/auth on a
`},
		"a tenant's gap that no rule speaks of": {gap("billing", true), nil, false, `auth a proven {0 0 0 0 0} 0
auth b proven {0 0 0 0 0} 0
billing a unproven {0 0 0 0 0} 0 [NST-005: what HelmRelease/x/billing applies is not all known: chart HelmRepository/x/y: it is not at hand]
billing b proven {0 0 0 0 0} 0
unproven NST-005 tenant/billing on a
`},
		"the platform's gap": {gap("platform", true), nil, false, `auth a unproven {0 0 0 0 0} 0 [NST-005: what HelmRelease/x/platform applies is not all known: chart HelmRepository/x/y: it is not at hand]
auth b proven {0 0 0 0 0} 0
billing a unproven {0 0 0 0 0} 0 [NST-005: what HelmRelease/x/platform applies is not all known: chart HelmRepository/x/y: it is not at hand]
billing b proven {0 0 0 0 0} 0
unproven NST-005 platform on a
`},
		"only values are missing": {gap("billing", false), nil, false, `auth a proven {0 0 0 0 0} 0
auth b proven {0 0 0 0 0} 0
billing a proven {0 0 0 0 0} 0
billing b proven {0 0 0 0 0} 0
`},
		"a gap that a rule speaks of": {spoken, []rule.Found{{Rule: "NST-005", Level: finding.Info, Message: "it is bounded", ID: &object.ID{Group: "helm.toolkit.fluxcd.io", Kind: "HelmRelease", Namespace: "x", Name: "billing"}, Tenant: spoken.Tenants[1], Cluster: spoken.Clusters[0]}}, false, `auth a proven {0 0 0 0 0} 0
auth b proven {0 0 0 0 0} 0
billing a proven (by rights) {0 0 0 0 1} 0
billing b proven {0 0 0 0 0} 0
NST-005 info tenant/billing on a
`},
		"a tenant without a document": {inferred, nil, false, `auth a unproven {0 0 0 0 0} 0 [: no document says what tenant auth may have]
auth b unproven {0 0 0 0 0} 0 [: no document says what tenant auth may have]
billing a proven {0 0 0 0 0} 0
billing b proven {0 0 0 0 0} 0
unproven  tenant/auth on a,b
`},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, show(report(c.estate, c.found, c.waived))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestProvenIsNeverOpen: whatever is found, a tenant of which anything is open, accepted or unknown within its boundary is not proven.
func TestProvenIsNeverOpen(t *testing.T) {
	e := fleet()
	var all []rule.Found
	for _, level := range finding.Levels() {
		for _, tenant := range []string{"", "auth", "billing"} {
			for _, cluster := range []string{"", "a", "b"} {
				f := found(e, "IMP-001", level, tenant, cluster)
				all = append(all, f)
				f.Unproven = true
				all = append(all, f)
			}
		}
	}
	for i := range all {
		for j := range all {
			if testing.Short() && (i+j)%5 > 0 {
				continue // make hermetic has all
			}
			for _, waived := range []bool{false, true} {
				r := report(e, []rule.Found{all[i], all[j]}, waived)
				for _, v := range r.Verdicts {
					if v.State == verdict.Proven && (len(v.Reasons) > 0 || v.Open.Critical+v.Open.High+v.Open.Medium > 0) {
						t.Fatalf("%+v is proven", v)
					}
				}
				if len(r.Unproven) > 0 && !slices.ContainsFunc(r.Verdicts, func(v verdict.Verdict) bool { return len(v.Reasons) > 0 }) {
					t.Fatalf("%v is of no verdict", r.Unproven)
				}
			}
		}
	}
}

func TestOnly(t *testing.T) {
	e := fleet()
	low := found(e, "XXX-001", finding.Low, "", "a")
	u := found(e, "IMP-001", finding.High, "auth", "b")
	u.Unproven = true
	r := report(e, []rule.Found{
		found(e, "IMP-001", finding.Critical, "billing", "a"), found(e, "IMP-001", finding.Critical, "billing", "b"), found(e, "IMP-001", finding.High, "", "b"), low, u,
	}, false)
	for name, c := range map[string]struct {
		clusters, tenants, rules []string
		want                     string
	}{
		"a cluster": {[]string{"a"}, nil, nil, `auth a proven {0 0 0 0 0} 0
billing a violated {1 0 0 0 0} 0
IMP-001 critical tenant/billing on a
XXX-001 low platform on a
`},
		"a tenant": {nil, []string{"auth"}, nil, `auth a proven {0 0 0 0 0} 0
auth b violated {0 1 0 0 0} 0 [IMP-001: it is so]
IMP-001 high platform on b
unproven IMP-001 tenant/auth on b
`},
		"a rule": {[]string{"b"}, []string{"billing"}, []string{"XXX-001"}, `billing b violated {1 1 0 0 0} 0
`},
	} {
		t.Run(name, func(t *testing.T) {
			got := r.Only(c.clusters, c.tenants, c.rules)
			if diff := cmp.Diff(c.want, show(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			for _, f := range got.Findings {
				if f.Key != f.Fingerprint() {
					t.Errorf("the fingerprint of %s is that of other clusters", f.Rule)
				}
			}
		})
	}
}

// TestLines: an object is found in its file by kind, name and namespace, else by what of that is enough.
func TestLines(t *testing.T) {
	const file = `# a comment
apiVersion: v1
kind: Namespace
metadata: {name: a}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: billing, namespace: other}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: billing, namespace: flux-system}
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: "${x}"}
- {apiVersion: v1, kind: Secret, metadata: {name: s}}
---
a: [
`
	e := fleet()
	e.Shown = tree.FromMap(map[string]string{"a/b.yaml": file, "broken.yaml": "\x00"})
	c := e.Clusters[0]
	for id, want := range map[object.ID]int{
		{Group: "kustomize.toolkit.fluxcd.io", Kind: "Kustomization", Namespace: "flux-system", Name: "billing"}: 10,
		{Group: "kustomize.toolkit.fluxcd.io", Kind: "Kustomization", Namespace: "none", Name: "billing"}:        6,
		{Kind: "Namespace", Name: "a"}:                    2,
		{Kind: "Namespace", Name: "a-made-name"}:          2,
		{Kind: "ConfigMap", Namespace: "x", Name: "made"}: 17,
		{Kind: "Secret", Namespace: "x", Name: "s"}:       20,
		{Kind: "Service", Name: "s"}:                      0,
	} {
		o := &estate.Object{
			Object: &object.Object{ID: id}, Cluster: c, Applier: &estate.Applier{Applier: object.Applier{Kind: "Kustomization"}, Home: c, Target: c},
			File: func() string { return "a/b.yaml" },
		}
		got := verdict.Findings(e, []rule.Found{{Rule: "IMP-001", Level: finding.High, Message: "m", Object: o, ID: &o.ID, Cluster: c}})
		if got[0].File != "a/b.yaml" || got[0].Line != want {
			t.Errorf("%s is at %s:%d, want line %d", id, got[0].File, got[0].Line, want)
		}
		o.File = func() string { return "broken.yaml" }
		if got := verdict.Findings(e, []rule.Found{{Rule: "IMP-001", Message: "m", Object: o, ID: &o.ID}}); got[0].Line != 0 {
			t.Errorf("line %d of what is no YAML", got[0].Line)
		}
	}
}

// TestElsewhere: what is from another repository is where the applier that brings it is, and the evidence says so.
func TestElsewhere(t *testing.T) {
	e := fleet()
	e.Shown = tree.FromMap(map[string]string{"b.yaml": "---\napiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: billing, namespace: flux-system}\n"})
	c := e.Clusters[0]
	by := &estate.Applier{Applier: object.Applier{Kind: "Kustomization", Namespace: "flux-system", Name: "billing"}, Home: c, Target: c, Source: estate.Source{URL: "https://git.example.com/billing"}}
	by.Object = &estate.Object{Object: &object.Object{ID: by.ID()}, Cluster: c, Applier: &estate.Applier{}, File: func() string { return "b.yaml" }}
	o := &estate.Object{Object: &object.Object{ID: object.ID{Kind: "Secret", Name: "s"}}, Cluster: c, Applier: by, File: func() string { return "" }}
	got := verdict.Findings(e, []rule.Found{{Rule: "IMP-001", Level: finding.High, Message: "m", Object: o, ID: &o.ID, Cluster: c, Steps: []finding.Step{{Message: "so"}}}})
	want := []finding.Step{{Message: "Kustomization/flux-system/billing brings Secret/s from https://git.example.com/billing", File: "b.yaml", Line: 2}, {Message: "so"}}
	if diff := cmp.Diff(want, got[0].Steps); diff != "" || got[0].Line != 2 || got[0].File != "b.yaml" {
		t.Errorf("at %s:%d; steps -want +got:\n%s", got[0].File, got[0].Line, diff)
	}
}

// TestUnknown: that a tenant has no document is known, whatever else is not known of it.
func TestUnknown(t *testing.T) {
	e := &estate.Estate{Clusters: []*estate.Cluster{{Name: "a"}}, Tenants: []*estate.Tenant{{Name: "auth", Inferred: true}}}
	e.Tenants[0].Compartments = []*estate.Compartment{{Tenant: e.Tenants[0], Cluster: e.Clusters[0]}}
	found := []rule.Found{{Rule: "IMP-004", Message: "a flag is not known", Unproven: true, Cluster: e.Clusters[0], Tenant: e.Tenants[0]}}
	before := verdict.Unknown(e, found)
	if len(before) != 2 {
		t.Fatalf("%d things are not known, want the flag and the document: %v", len(before), before)
	}
	for name, after := range map[string][]rule.Found{"as before": found, "cured": nil} {
		for _, u := range verdict.Of(e, after, nil).Unproven {
			if !u.In(before) {
				t.Errorf("%s: it is news that %s", name, u.Message)
			}
		}
	}
	if n := len(verdict.Of(e, nil, nil).Unproven); n != 1 {
		t.Errorf("%d things are not known without the flag, want the document", n)
	}
}

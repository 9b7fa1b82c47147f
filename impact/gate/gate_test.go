package gate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/finding"
)

// mixed is a change of the platform on three of four clusters, two environments.
func mixed() Impact {
	clusters := []string{"dev-1", "prod-1", "prod-2"}
	return Impact{
		Clusters: []Cluster{
			{Name: "dev-1", Environment: "dev", Labels: map[string]string{"env": "dev"}, Changed: 2, Total: 2},
			{Name: "prod-1", Environment: "prod", Labels: map[string]string{"env": "prod", "region": "eu"}, Changed: 2, Removed: 1, Total: 3, Severity: "error"},
			{Name: "prod-2", Environment: "prod", Changed: 2, Total: 2},
		},
		Environments: []string{"dev", "prod"},
		Concerns:     []string{"platform", "tenant/billing"},
		Tenants:      []string{"billing"},
		Counts:       Counts{Clusters: 3, Objects: 7, Changed: 6, Removed: 1, Fleet: 4},
		Risks: []Risk{
			{
				ID: "pvc-deleted", Severity: "error", Message: "PersistentVolumeClaim billing/ledger is deleted", Clusters: []string{"prod-1"},
				Environments: []string{"prod"}, Concern: "tenant/billing", Kind: "PersistentVolumeClaim", Namespace: "billing", Name: "ledger",
			},
			{ID: "workload-restart", Severity: "note", Message: "DaemonSet logging/agent restarts", Clusters: clusters, Kind: "DaemonSet", Namespace: "logging", Name: "agent"},
		},
		Changes: []Change{
			{
				Change: "removed", Kind: "PersistentVolumeClaim", Namespace: "billing", Name: "ledger", Clusters: []string{"prod-1"},
				Environments: []string{"prod"}, Concern: "tenant/billing", Fate: "deleted", Files: []string{"apps/pvc.yaml"}, Risks: []string{"pvc-deleted"},
			},
			{Change: "changed", Group: "apps", Kind: "DaemonSet", Namespace: "logging", Name: "agent", Clusters: clusters, Environments: []string{"dev", "prod"}, Concern: "platform"},
			{Change: "changed", Kind: "ConfigMap", Namespace: "logging", Name: "agent", Clusters: clusters, Environments: []string{"dev", "prod"}, Concern: "platform"},
		},
		Files:        []string{"apps/pvc.yaml", "infrastructure/logging/agent.yaml"},
		FileConcerns: map[string]string{"apps/pvc.yaml": "tenant/billing", "infrastructure/logging/agent.yaml": "platform"},
		Labels:       []string{"reviewed-by-sre"},
	}
}

// TestExpressions: what an expression says of the mixed change.
func TestExpressions(t *testing.T) {
	for expr, want := range map[string]string{
		`!("prod" in impact.environments) || impact.environments.size() == 1`:                                      "failed",
		`!("prod" in impact.environments) || size(impact.environments) == 2`:                                       "passed",
		`impact.clusters.all(c, c.total < 4)`:                                                                      "passed",
		`impact.clusters.exists(c, "region" in c.labels && c.labels.region == "eu")`:                               "passed",
		`impact.clusters.all(c, c.labels.env != "")`:                                                               "cannot be evaluated: no such key: env",
		`impact.counts.objects <= 10 * impact.counts.clusters && impact.counts.fleet == 4`:                         "passed",
		`impact.risks.filter(r, !r.waived && r.severity == "error").size() == 0`:                                   "failed",
		`impact.changes.all(c, c.change != "removed" || c.fate != "deleted" || c.namespace.startsWith("kube-"))`:   "failed",
		`impact.files.exists(f, f.split("/")[0] == "infrastructure" && impact.fileConcerns[f] == "platform")`:      "passed",
		`impact.files.all(f, f.matches("^(apps|infrastructure)/.*[.]yaml$"))`:                                      "passed",
		`"reviewed-by-sre" in impact.labels || impact.counts.removed == 0`:                                         "passed",
		`impact.unresolved.size() == 0 && impact.unread.size() == 0 && impact.failures.all(f, !f.new)`:             "passed",
		`impact.changes.all(a, a.clusters.all(c, impact.clusters.exists(x, x.name == c)))`:                         "passed",
		`impact.tenants == ["billing"] && impact.concerns.map(c, c.upperAscii())[0].replace("FORM", "") == "PLAT"`: "passed",
		`impact.changes.exists_one(c, "pvc-deleted" in c.risks) ? true : false`:                                    "passed",
		`impact.environmentz.size() == 1`:                                                                          `cannot be evaluated: column 7: undefined field 'environmentz'`,
		"true &&\n  impakt.counts.added > 0":                                                                       `cannot be evaluated: line 2, column 3: undeclared reference to 'impakt'`,
		`impact.counts.added`:                                                                                      `cannot be evaluated: the expression is of type int, want bool`,
		`impact.counts.added == "1"`:                                                                               `cannot be evaluated: column 21: found no matching overload for '_==_' applied to '(int, string)'`,
		`impact.clusters[7].name == ""`:                                                                            `cannot be evaluated: index out of bounds: 7`,
		`1 / impact.counts.added == 1`:                                                                             `cannot be evaluated: division by zero`,
		`dyn(1)`:                                                                                                   `cannot be evaluated: the expression is of type int, want bool`,
		`true &&`:                                                                                                  `cannot be evaluated: column 8: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}`,
		`"x".matches("(")`:                                                                                         "cannot be evaluated: error parsing regexp: missing closing ): `(`",
	} {
		t.Run(expr, func(t *testing.T) {
			r := Check(t.Context(), mixed(), []v1alpha1.Gate{{Name: "g", Expr: expr, Message: "m"}})[0]
			got := string(r.State)
			if r.State == Broken {
				got = r.Message
			}
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// TestFailedExpression: a failed one shows what it read.
func TestFailedExpression(t *testing.T) {
	got := Check(t.Context(), mixed(), []v1alpha1.Gate{
		{
			Name: "one-at-a-time", Message: "split\u2028the\nchange", Severity: "warning", Place: v1alpha1.Place{File: "fleet/fleet.yaml", Line: 7},
			Expr: `(!("prod" in impact.environments) || impact.environments.size() == 1) && impact.risks.size() + impact.counts.objects < 8 && impact.unread != []`,
		},
		{Name: "off", Expr: "false", Disabled: true},
	})[0]
	want := Result{
		Name: "one-at-a-time", Severity: finding.Warning, State: Failed, Message: "split the change", Clusters: []string{}, File: "fleet/fleet.yaml", Line: 7,
		Expr: `(!("prod" in impact.environments) || impact.environments.size() == 1) && impact.risks.size() + impact.counts.objects < 8 && impact.unread != []`,
		Evidence: []string{
			"impact.environments is dev, prod", "impact.risks is a list of 2", "impact.counts.objects is 7", "impact.unread is an empty list",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestHostileExpressions: expressions that would run long or fill the memory end soon, and do not pass.
func TestHostileExpressions(t *testing.T) {
	v := mixed()
	for i := range 2000 {
		v.Changes = append(v.Changes, Change{Name: fmt.Sprint("n", i), Kind: "ConfigMap"})
	}
	blow := `"aaaaaaaaaa"` + strings.Repeat(`.replace("a", "aaaaaaaaaa")`, 30) + ` == ""`
	double := `["aaaaaaaaaa"]` + strings.Repeat(`.map(x, x + x)`, 40) + `.size() == 0`
	for name, c := range map[string]struct{ expr, want string }{
		"nested lists": {`impact.changes.all(a, impact.changes.all(b, impact.changes.all(c, a.name + b.name != c.name + "x")))`, "operation cancelled: actual cost limit exceeded"},
		"replace":      {blow, "replace makes more than 1048576 bytes"},
		"doubling":     {double, "operation cancelled: actual cost limit exceeded"},
		"regexps":      {`impact.changes.all(a, impact.changes.all(b, !b.name.matches("(a?){500}a{500}")))`, "operation cancelled: actual cost limit exceeded"},
		"deep":         {strings.Repeat("(", 1500) + "true" + strings.Repeat(")", 1500), "expression recursion limit exceeded"},
		"long":         {"true" + strings.Repeat(" && true", 1000), "expression code point size exceeds limit"},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			r := Check(t.Context(), v, []v1alpha1.Gate{{Name: "g", Expr: c.expr}})[0]
			if r.State != Broken || !strings.Contains(r.Message, c.want) {
				t.Errorf("%s: %s, want %q", r.State, r.Message, c.want)
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("took %v", took)
			} else {
				t.Log(took)
			}
		})
	}
}

// TestInterrupted: the end of the context ends an evaluation.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	v := mixed()
	for range 500 {
		v.Changes = append(v.Changes, Change{})
	}
	r := Check(ctx, v, []v1alpha1.Gate{{Name: "g", Expr: `impact.changes.all(a, impact.changes.all(b, a.name != "x"))`}})[0]
	if r.State != Broken || r.Message != "cannot be evaluated: operation interrupted" {
		t.Errorf("%s: %s", r.State, r.Message)
	}
}

func TestCompile(t *testing.T) {
	at := v1alpha1.Place{File: "fleet/fleet.yaml", Line: 9}
	if err := Compile([]v1alpha1.Gate{{Name: "prod-alone"}, {Name: "a", Expr: "true"}}); err != nil {
		t.Error(err)
	}
	err := Compile([]v1alpha1.Gate{{Name: "a", Expr: "true"}, {Name: "b", Expr: "impact.cluster == []", Place: at}})
	var de *v1alpha1.DocumentError
	if !errors.As(err, &de) || de.Error() != "fleet/fleet.yaml:9: gate b: column 7: undefined field 'cluster'" || de.Hint == "" {
		t.Errorf("got %v", err)
	}
}

// TestBuiltIns: what each built-in gate says of a change, and when it passes.
func TestBuiltIns(t *testing.T) {
	prod := func(v *Impact) { v.Environments, v.Clusters = v.Environments[1:], v.Clusters[1:] }
	for name, c := range map[string]struct {
		gate v1alpha1.Gate
		edit func(*Impact)
		want string // state, message, evidence, clusters
	}{
		"prod-alone fails": {
			gate: v1alpha1.Gate{Name: "prod-alone"},
			want: "warning failed: prod changes together with dev | dev: 1 cluster: dev-1; prod: 2 clusters: prod-1, prod-2 | dev-1 prod-1 prod-2",
		},
		"prod-alone in words of the fleet": {
			gate: v1alpha1.Gate{Name: "prod-alone", Severity: "error", Message: "not so fast"},
			want: "error failed: not so fast | dev: 1 cluster: dev-1; prod: 2 clusters: prod-1, prod-2 | dev-1 prod-1 prod-2",
		},
		"prod-alone passes": {gate: v1alpha1.Gate{Name: "prod-alone"}, edit: prod, want: "warning passed: no change of production together with another environment |  | "},
		"prod-alone without production": {
			gate: v1alpha1.Gate{Name: "prod-alone"}, edit: func(v *Impact) { v.Environments = []string{"dev", "preprod", "pre-prod", "non-production"} },
			want: "warning passed: no change of production together with another environment |  | ",
		},
		"tenant-boundary of two": {gate: v1alpha1.Gate{Name: "tenant-boundary"}, want: "warning passed: a tenant's change touches only that tenant |  | "},
		"tenant-boundary of nobody": {
			gate: v1alpha1.Gate{Name: "tenant-boundary"}, edit: func(v *Impact) { v.Files = nil },
			want: "warning passed: a tenant's change touches only that tenant |  | ",
		},
		"tenant-boundary fails": {
			gate: v1alpha1.Gate{Name: "tenant-boundary"}, edit: func(v *Impact) { v.Files = v.Files[:1] },
			want: "warning failed: all changed files are of tenant billing, but objects of the platform change" +
				" | DaemonSet logging/agent of the platform is changed on 3 clusters: dev-1, prod-1, prod-2; ConfigMap logging/agent of the platform is changed on 3 clusters: dev-1, prod-1, prod-2" +
				" | dev-1 prod-1 prod-2",
		},
		"tenant-boundary passes": {
			gate: v1alpha1.Gate{Name: "tenant-boundary"}, edit: func(v *Impact) { v.Files, v.Changes = v.Files[:1], v.Changes[:1] },
			want: "warning passed: a tenant's change touches only that tenant |  | ",
		},
		"budget passes": {
			gate: v1alpha1.Gate{Name: "budget", With: v1alpha1.Limits{Clusters: 3, Objects: 7}},
			want: "error passed: not more clusters or objects than the fleet allows at once |  | ",
		},
		"budget fails": {
			gate: v1alpha1.Gate{Name: "budget", With: v1alpha1.Limits{Clusters: 2, Objects: 1}},
			want: "error failed: 3 clusters change, 2 clusters may; 7 objects change, 1 object may | prod-1: 3 objects; dev-1: 2 objects; prod-2: 2 objects | dev-1 prod-1 prod-2",
		},
		"data-deletion fails": {
			gate: v1alpha1.Gate{Name: "data-deletion"},
			want: "error failed: 1 deletion of data without a waiver | PersistentVolumeClaim billing/ledger is deleted, on prod-1 | prod-1",
		},
		"data-deletion waived": {
			gate: v1alpha1.Gate{Name: "data-deletion"}, edit: func(v *Impact) { v.Risks[0].Waived = true },
			want: "error passed: no deletion of data without a waiver |  | ",
		},
		"data-deletion by force": {
			gate: v1alpha1.Gate{Name: "data-deletion"},
			edit: func(v *Impact) {
				v.Risks = []Risk{
					{ID: "object-recreated", Severity: "error", Kind: "StatefulSet", Message: "StatefulSet a/b is recreated", Clusters: []string{"prod-1"}},
					{ID: "object-recreated", Severity: "warning", Kind: "StatefulSet", Message: "no", Clusters: []string{"prod-1"}},
					{ID: "move-deletes", Severity: "error", Kind: "Deployment", Message: "no", Clusters: []string{"prod-1"}},
					{ID: "move-deletes", Severity: "error", Kind: "Namespace", Message: "Namespace a is moved", Clusters: []string{"dev-1", "prod-1"}},
				}
			},
			want: "error failed: 2 deletions of data without a waiver | StatefulSet a/b is recreated, on prod-1; Namespace a is moved, on 2 clusters: dev-1, prod-1 | dev-1 prod-1",
		},
		"applies passes": {gate: v1alpha1.Gate{Name: "applies"}, want: "error passed: no new failures, and nothing that the API server refuses |  | "},
		"applies fails": {
			gate: v1alpha1.Gate{Name: "applies"},
			edit: func(v *Impact) {
				v.Counts.NewFailures = 2
				v.Failures = []Failure{{"prod-1", "Kustomization/flux-system/apps", "no such file", true}, {"dev-1", "x", "y", false}}
				v.Risks = []Risk{{ID: "immutable-field", Message: "spec.selector cannot change", Clusters: []string{"prod-2"}}, {ID: "apply-refused", Waived: true}}
			},
			want: "error failed: 2 new failures and 1 change that the API server refuses | Kustomization/flux-system/apps on prod-1: no such file; spec.selector cannot change, on prod-2 | prod-1 prod-2",
		},
		"applies with findings": {
			gate: v1alpha1.Gate{Name: "applies"},
			edit: func(v *Impact) {
				v.Counts.NewFailures = 3
				v.Risks = []Risk{{ID: "new-failure", Message: "apps fails", Clusters: []string{"dev-1", "prod-1"}}, {ID: "new-failure", Message: "x", Waived: true}}
			},
			want: "error failed: 1 new failure | apps fails, on 2 clusters: dev-1, prod-1 | dev-1 prod-1",
		},
		"applies with a waiver": {
			gate: v1alpha1.Gate{Name: "applies"},
			edit: func(v *Impact) {
				v.Counts.NewFailures, v.Failures = 1, []Failure{{"prod-1", "x", "y", true}}
				v.Risks = []Risk{{ID: "new-failure", Message: "x", Waived: true}}
			},
			want: "error passed: no new failures, and nothing that the API server refuses |  | ",
		},
		"unresolved passes": {gate: v1alpha1.Gate{Name: "unresolved"}, want: "warning passed: nothing that cannot be known offline differs between the two revisions |  | "},
		"unresolved fails": {
			gate: v1alpha1.Gate{Name: "unresolved", Severity: "note"},
			edit: func(v *Impact) {
				v.Unresolved = []Unresolved{{"prod-1", "remote", "https://example.com/base", "added"}, {"dev-1", "remote", "https://example.com/base", "added"}, {"dev-1", "variable", "x", "removed"}}
			},
			want: "note failed: 2 parts cannot be known offline and differ | remote https://example.com/base is not known after the change, on 2 clusters: dev-1, prod-1; variable x is not known before the change, on dev-1 | dev-1 prod-1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := mixed()
			if c.edit != nil {
				c.edit(&v)
			}
			r := Check(t.Context(), v, []v1alpha1.Gate{c.gate})[0]
			got := fmt.Sprintf("%s %s: %s | %s | %s", r.Severity, r.State, r.Message, strings.Join(r.Evidence, "; "), strings.Join(r.Clusters, " "))
			if diff := cmp.Diff(c.want, got); diff != "" || !r.BuiltIn || r.Expr != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestDefaults: the built-in gates are those of the API, and all but the budget are on without a word.
func TestDefaults(t *testing.T) {
	var names, on []string
	for _, b := range builtIns() {
		names = append(names, b.name)
		if b.why == "" || b.hint == "" || b.asks == "" || strings.HasSuffix(b.asks, ".") || b.severity.Rank() > 1 {
			t.Errorf("%s: words are missing", b.name)
		}
	}
	if diff := cmp.Diff(v1alpha1.BuiltInGates(), names); diff != "" {
		t.Errorf("names (-api +here):\n%s", diff)
	}
	for _, r := range Check(t.Context(), Impact{}, nil) {
		on = append(on, r.Name)
		if r.State != Passed {
			t.Errorf("%s: %s of a change of nothing", r.Name, r.State)
		}
	}
	if diff := cmp.Diff([]string{"applies", "data-deletion", "prod-alone", "tenant-boundary", "unresolved"}, on); diff != "" {
		t.Errorf("on (-want +got):\n%s", diff)
	}
	own := Check(t.Context(), Impact{}, []v1alpha1.Gate{{Name: "applies", Expr: "false"}})
	if own[0].State != Failed || own[0].BuiltIn || len(own) != 5 {
		t.Errorf("an expression does not take the place of a built-in gate: %+v", own)
	}
	off := []v1alpha1.Gate{{Name: "applies", Disabled: true}, {Name: "mine", Expr: "true"}}
	if rs := Check(t.Context(), Impact{}, off); rs[0].Name != "mine" || slices.ContainsFunc(rs, func(r Result) bool { return r.Name == "applies" }) {
		t.Errorf("a disabled gate is asked: %v", rs)
	}
}

func TestManyLines(t *testing.T) {
	v := mixed()
	v.Risks = nil
	for i := range 30 {
		v.Risks = append(v.Risks, Risk{ID: "pvc-deleted", Message: fmt.Sprint("claim\n", i, strings.Repeat("x", 500)), Clusters: []string{"a"}})
	}
	r := Check(t.Context(), v, []v1alpha1.Gate{{Name: "data-deletion"}})[0]
	if len(r.Evidence) != mostEvidence || r.Evidence[9] != "and 21 more" {
		t.Errorf("%d lines, the last is %q", len(r.Evidence), r.Evidence[len(r.Evidence)-1])
	}
	for _, l := range r.Evidence {
		if strings.Contains(l, "\n") || len([]rune(l)) > longest {
			t.Errorf("no short line: %q", l)
		}
	}
}

func TestFindings(t *testing.T) {
	results := Check(t.Context(), mixed(), []v1alpha1.Gate{
		{Name: "small", Expr: "impact.counts.objects < 5", Message: "too much", Place: v1alpha1.Place{File: "f.yaml", Line: 3}},
		{Name: "odd", Expr: "oops", Severity: "note"},
	})
	var got []string
	rules := Rules(results)
	for _, f := range Findings(results) {
		got = append(got, fmt.Sprintf("%s %s %s:%d %v %v %s", f.Rule, f.Severity, f.File, f.Line, f.Clusters, f.Hint != "", f.Message))
		if !slices.ContainsFunc(rules, func(r finding.Rule) bool { return r.ID == f.Rule && r.Title != "" && r.Why != "" }) {
			t.Errorf("no rule %s", f.Rule)
		}
	}
	want := []string{
		"gate/small error f.yaml:3 [] false gate small: too much",
		"gate/odd note :0 [] true gate odd: cannot be evaluated: column 1: undeclared reference to 'oops'",
		"gate/data-deletion error :0 [prod-1] true gate data-deletion: 1 deletion of data without a waiver",
		"gate/prod-alone warning :0 [dev-1 prod-1 prod-2] true gate prod-alone: prod changes together with dev",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestMerge(t *testing.T) {
	type gates = []v1alpha1.Gate
	own := v1alpha1.Gate{Name: "own", Expr: "a", Place: v1alpha1.Place{File: "base.yaml", Line: 4}}
	with := func(g v1alpha1.Gate, f func(*v1alpha1.Gate)) v1alpha1.Gate { f(&g); return g }
	prod := v1alpha1.Gate{Name: "prod-alone", Severity: "error"}
	budget := v1alpha1.Gate{Name: "budget", With: v1alpha1.Limits{Clusters: 3}}
	for name, c := range map[string]struct {
		base, head, want gates
		found            string
	}{
		"same":              {gates{own}, gates{own}, gates{own}, ""},
		"new":               {gates{own}, gates{{Name: "b", Expr: "b"}, own}, gates{own, {Name: "b", Expr: "b"}}, ""},
		"first":             {nil, gates{own, prod}, gates{own, prod}, ""},
		"removed":           {gates{own}, nil, gates{own}, "own is removed"},
		"disabled":          {gates{own}, gates{with(own, func(g *v1alpha1.Gate) { g.Disabled = true })}, gates{own}, "own is disabled"},
		"rewritten":         {gates{own}, gates{with(own, func(g *v1alpha1.Gate) { g.Expr = "true" })}, gates{own}, "own is given another expression"},
		"weaker":            {gates{own}, gates{with(own, func(g *v1alpha1.Gate) { g.Severity = "note" })}, gates{own}, "own is made a note instead of error"},
		"other words":       {gates{own}, gates{with(own, func(g *v1alpha1.Gate) { g.Message, g.Severity = "new", "error" })}, gates{own}, ""},
		"built-in dropped":  {gates{prod}, nil, gates{prod}, "prod-alone is made a warning instead of error"},
		"built-in stricter": {gates{{Name: "prod-alone", Severity: "note"}}, gates{prod}, gates{{Name: "prod-alone", Severity: "note"}}, ""},
		"default off":       {nil, gates{{Name: "applies", Disabled: true}}, gates{{Name: "applies"}}, "applies is disabled"},
		"default weaker":    {nil, gates{{Name: "applies", Severity: "warning"}}, gates{{Name: "applies"}}, "applies is made a warning instead of error"},
		"default stricter":  {nil, gates{prod}, gates{prod}, ""},
		"default rewritten": {nil, gates{{Name: "applies", Expr: "true"}}, gates{{Name: "applies"}}, "applies is given another expression"},
		"own in its place":  {gates{{Name: "applies", Expr: "a"}}, nil, gates{{Name: "applies", Expr: "a"}}, "applies is removed"},
		"budget":            {nil, gates{budget}, gates{budget}, ""},
		"budget dropped":    {gates{budget}, nil, gates{budget}, "budget is removed"},
		"budget smaller":    {gates{budget}, gates{with(budget, func(g *v1alpha1.Gate) { g.With.Clusters = 2 })}, gates{budget}, ""},
		"budget larger":     {gates{budget}, gates{with(budget, func(g *v1alpha1.Gate) { g.With.Clusters = 4 })}, gates{budget}, "budget is given a larger limit"},
		"budget of another": {gates{budget}, gates{with(budget, func(g *v1alpha1.Gate) { g.With = v1alpha1.Limits{Objects: 4} })}, gates{budget}, "budget is given a larger limit"},
		"on again":          {gates{{Name: "applies", Disabled: true}}, nil, nil, ""},
		"on again, named":   {gates{{Name: "applies", Disabled: true}}, gates{{Name: "applies"}}, gates{{Name: "applies"}}, ""},
		"still off":         {gates{{Name: "applies", Disabled: true}}, gates{{Name: "applies", Disabled: true}}, gates{{Name: "applies", Disabled: true}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, found := Merge(c.base, c.head)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("gates (-want +got):\n%s", diff)
			}
			text := ""
			for _, f := range found {
				text += strings.TrimSuffix(strings.TrimPrefix(f.Message, "gate "), " by this change, which is judged by the gate as it was")
				if f.Rule != RuleChanged || f.Severity != finding.Warning || f.Clusters == nil {
					t.Errorf("finding %+v", f)
				}
			}
			if text != c.found {
				t.Errorf("found %q, want %q", text, c.found)
			}
		})
	}
}

// TestMergeLaws: whatever a change writes, what would fail it before fails it still.
func TestMergeLaws(t *testing.T) {
	names := append(v1alpha1.BuiltInGates(), "a", "b")
	gate := rapid.Custom(func(t *rapid.T) v1alpha1.Gate {
		g := v1alpha1.Gate{Name: rapid.SampledFrom(names).Draw(t, "name"), Disabled: rapid.Bool().Draw(t, "disabled")}
		g.Severity = v1alpha1.Severity(rapid.SampledFrom([]string{"", "error", "warning", "note"}).Draw(t, "severity"))
		if builtInOf(g.Name) == nil || rapid.Bool().Draw(t, "own") {
			g.Expr = rapid.SampledFrom([]string{"true", "false"}).Draw(t, "expr")
		}
		if g.Name == "budget" {
			g.With.Objects = rapid.IntRange(0, 9).Draw(t, "objects")
		}
		return g
	})
	list := rapid.SliceOfNDistinct(gate, 0, 6, func(g v1alpha1.Gate) string { return g.Name })
	rapid.Check(t, func(t *rapid.T) {
		base, head := list.Draw(t, "base"), list.Draw(t, "head")
		merged, _ := Merge(base, head)
		after := Check(context.Background(), mixed(), merged)
		for _, b := range Check(context.Background(), mixed(), base) {
			if b.State == Passed {
				continue
			}
			if !slices.ContainsFunc(after, func(a Result) bool {
				return a.Name == b.Name && a.State != Passed && a.Severity.Rank() <= b.Severity.Rank()
			}) {
				t.Fatalf("%s %s does not fail any more: %+v", b.Name, b.Severity, after)
			}
		}
		if same, found := Merge(base, base); len(found) > 0 || len(same) != len(base) {
			t.Fatalf("a change of nothing changes gates: %v %v", same, found)
		}
	})
}

// FuzzExpression: no panic, one short line, and what does not compile does not pass.
func FuzzExpression(f *testing.F) {
	for _, s := range []string{"true", `impact.environments.size() == 1`, `impact.clusters.all(c, c.labels["x"] == "y")`, `"%s".replace("a","b",-1) == ""`, "gate.Impact{}.files == []", "impact.a.b.c", "\x00", "{1: impact}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		g := []v1alpha1.Gate{{Name: "g", Expr: expr}}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		r := Check(ctx, mixed(), g)[0]
		if Compile(g) != nil && r.State != Broken {
			t.Fatalf("%q is %s", expr, r.State)
		}
		for _, l := range append(r.Evidence, r.Message) {
			if strings.ContainsFunc(l, func(c rune) bool { return c < ' ' }) || len([]rune(l)) > 2*longest {
				t.Fatalf("no short line: %q", l)
			}
		}
	})
}

// BenchmarkCheck asks the built-in gates and two expressions of a change of 1,000 clusters with 10,000 changes.
func BenchmarkCheck(b *testing.B) {
	v := mixed()
	for i := range 1000 {
		v.Clusters = append(v.Clusters, Cluster{Name: fmt.Sprint("c", i), Environment: "prod"})
	}
	for i := range 10_000 {
		v.Changes = append(v.Changes, Change{Name: fmt.Sprint("n", i), Kind: "ConfigMap", Concern: "platform"})
	}
	gates := []v1alpha1.Gate{
		{Name: "a", Expr: `impact.changes.all(c, c.kind != "Secret" && c.namespace != "kube-system")`},
		{Name: "b", Expr: `impact.clusters.all(c, c.environment == "prod" || c.total < 5)`},
	}
	for b.Loop() {
		Check(b.Context(), v, gates)
	}
}

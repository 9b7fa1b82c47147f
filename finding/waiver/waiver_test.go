package waiver_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/finding/waiver"
	"github.com/bulkhead-dev/bulkhead/object"
)

var (
	noon   = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	labels = map[string]map[string]string{
		"dev-1":  {"env": "dev"},
		"prod-1": {"env": "prod", "region": "eu"},
		"prod-2": {"env": "prod", "region": "us"},
	}
)

// decode reads waivers as users write them; each spec begins on a line of its own.
func decode(tb interface {
	Helper()
	Fatal(args ...any)
}, specs ...string,
) []v1alpha1.Waiver {
	tb.Helper()
	text := ""
	for i, s := range specs {
		if !strings.Contains(s, "expires") {
			s += ", expires: 2027-01-01"
		}
		text += fmt.Sprintf("---\napiVersion: bulkhead.dev/v1alpha1\nkind: Waiver\nmetadata: {name: w%d}\nspec: {reason: reviewed and accepted, approver: a, %s}\n", i, s)
	}
	docs, err := v1alpha1.Decode("fleet/waivers.yaml", []byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return docs.Waivers
}

func claim(clusters ...string) finding.Finding {
	return finding.Finding{
		Rule: "pvc-deleted", Severity: finding.Error, Message: "claim is deleted", Clusters: clusters, Concern: "tenant/billing",
		Object: &object.ID{Kind: "PersistentVolumeClaim", Namespace: "billing-prod", Name: "ledger"},
	}
}

// levelled is a finding of isolation.
func levelled(rule string, level finding.Level, clusters ...string) finding.Finding {
	f := claim(clusters...)
	f.Rule, f.Level, f.Severity = rule, level, level.Severity()
	return f
}

func show(fs []finding.Finding) string {
	var out []string
	for _, f := range fs {
		line := f.Rule + " " + strings.Join(f.Clusters, ",")
		switch {
		case f.Waived != nil:
			line += " by " + f.Waived.Name
		case strings.HasPrefix(f.Rule, "waiver-"):
			line += fmt.Sprintf(" %s %s:%d %s", f.Severity, f.File, f.Line, f.Message)
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

func TestApply(t *testing.T) {
	gate := finding.Finding{Rule: "gate/prod-alone", Severity: finding.Error, Message: "no"}
	all := claim("dev-1", "prod-1", "prod-2")
	const unused = "\nwaiver-unused  warning fleet/waivers.yaml:2 waiver w0 accepts nothing"
	open := "pvc-deleted dev-1,prod-1,prod-2" + unused
	for name, c := range map[string]struct {
		findings []finding.Finding
		waivers  []string
		want     string
	}{
		"none":                     {[]finding.Finding{all}, nil, "pvc-deleted dev-1,prod-1,prod-2"},
		"all":                      {[]finding.Finding{all}, []string{"rules: [pvc-deleted]"}, "pvc-deleted dev-1,prod-1,prod-2 by w0"},
		"another rule":             {[]finding.Finding{all}, []string{"rules: [pv-deleted]"}, open},
		"some clusters by labels":  {[]finding.Finding{all}, []string{"rules: [pvc-deleted], scope: {clusters: {matchLabels: {env: prod}}}"}, "pvc-deleted prod-1,prod-2 by w0\npvc-deleted dev-1"},
		"some by expression":       {[]finding.Finding{all}, []string{"rules: [pvc-deleted], scope: {clusters: {matchExpressions: [{key: region, operator: NotIn, values: [us]}]}}"}, "pvc-deleted dev-1,prod-1 by w0\npvc-deleted prod-2"},
		"by name and label":        {[]finding.Finding{all}, []string{"rules: [pvc-deleted], scope: {clusters: {names: [dev-1, prod-2], matchLabels: {env: prod}}}"}, "pvc-deleted prod-2 by w0\npvc-deleted dev-1,prod-1"},
		"a cluster without labels": {[]finding.Finding{claim("elsewhere")}, []string{"rules: [pvc-deleted], scope: {clusters: {matchLabels: {env: prod}}}"}, "pvc-deleted elsewhere" + unused},
		"two waivers": {
			[]finding.Finding{all},
			[]string{"rules: [pvc-deleted], scope: {clusters: {names: [prod-2]}}", "rules: [pvc-deleted], scope: {clusters: {matchLabels: {env: prod}}}"},
			"pvc-deleted prod-2 by w0\npvc-deleted prod-1 by w1\npvc-deleted dev-1",
		},
		"two for the same":      {[]finding.Finding{all}, []string{"rules: [pvc-deleted]", "rules: [pvc-deleted]"}, "pvc-deleted dev-1,prod-1,prod-2 by w0"},
		"concern":               {[]finding.Finding{all}, []string{"rules: [pvc-deleted], scope: {concerns: [tenant/billing]}"}, "pvc-deleted dev-1,prod-1,prod-2 by w0"},
		"another concern":       {[]finding.Finding{all}, []string{"rules: [pvc-deleted], scope: {concerns: [platform]}"}, open},
		"object":                {[]finding.Finding{all}, []string{`rules: [pvc-deleted], scope: {objects: [{name: x}, {kind: Persistent*, namespace: "billing-????", name: "l[a-f]*"}]}`}, "pvc-deleted dev-1,prod-1,prod-2 by w0"},
		"another object":        {[]finding.Finding{all}, []string{"rules: [pvc-deleted], scope: {objects: [{kind: PersistentVolumeClaim, name: led}]}"}, open},
		"no object":             {[]finding.Finding{gate}, []string{"rules: [gate/prod-alone], scope: {objects: [{name: '*'}]}"}, "gate/prod-alone " + unused},
		"gate":                  {[]finding.Finding{gate}, []string{"rules: [gate/prod-alone]"}, "gate/prod-alone  by w0"},
		"the fleet as a whole":  {[]finding.Finding{gate}, []string{"rules: [gate/prod-alone], scope: {clusters: {names: [prod-1]}}"}, "gate/prod-alone " + unused},
		"expired and needed":    {[]finding.Finding{all}, []string{"rules: [pvc-deleted], expires: 2026-03-09, scope: {clusters: {matchLabels: {env: prod}}}"}, "pvc-deleted dev-1,prod-1,prod-2\nwaiver-expired prod-1,prod-2 error fleet/waivers.yaml:2 waiver w0 has expired on 2026-03-09, and 1 finding that it would accept is open"},
		"expired of the fleet":  {[]finding.Finding{gate}, []string{"rules: [gate/prod-alone], expires: 2026-03-09"}, "gate/prod-alone \nwaiver-expired  error fleet/waivers.yaml:2 waiver w0 has expired on 2026-03-09, and 1 finding that it would accept is open"},
		"expired and not":       {[]finding.Finding{gate}, []string{"rules: [pvc-deleted], expires: 2026-03-09"}, "gate/prod-alone \nwaiver-expired  warning fleet/waivers.yaml:2 waiver w0 has expired on 2026-03-09"},
		"expired and renewed":   {[]finding.Finding{all, gate}, []string{"rules: [pvc-deleted, gate/prod-alone], expires: 2026-03-09", "rules: [pvc-deleted, gate/prod-alone]"}, "pvc-deleted dev-1,prod-1,prod-2 by w1\ngate/prod-alone  by w1\nwaiver-expired  warning fleet/waivers.yaml:2 waiver w0 has expired on 2026-03-09"},
		"the last day":          {[]finding.Finding{claim("dev-1")}, []string{"rules: [pvc-deleted], expires: 2026-03-10"}, "pvc-deleted dev-1 by w0\nwaiver-soon dev-1 note fleet/waivers.yaml:2 waiver w0 accepts 1 finding and ends on 2026-03-10, today"},
		"the day before":        {[]finding.Finding{claim("dev-1")}, []string{"rules: [pvc-deleted], expires: 2026-03-11"}, "pvc-deleted dev-1 by w0\nwaiver-soon dev-1 note fleet/waivers.yaml:2 waiver w0 accepts 1 finding and ends on 2026-03-11, tomorrow"},
		"two weeks":             {[]finding.Finding{claim("dev-1")}, []string{"rules: [pvc-deleted], expires: 2026-03-24"}, "pvc-deleted dev-1 by w0\nwaiver-soon dev-1 note fleet/waivers.yaml:2 waiver w0 accepts 1 finding and ends on 2026-03-24, in 14 days"},
		"a day more":            {[]finding.Finding{claim("dev-1")}, []string{"rules: [pvc-deleted], expires: 2026-03-25"}, "pvc-deleted dev-1 by w0"},
		"soon and not used":     {nil, []string{"rules: [pvc-deleted], expires: 2026-03-11"}, strings.TrimPrefix(unused, "\n")},
		"faults are not waived": {[]finding.Finding{all}, []string{"rules: [waiver-unused, waiver-expired]"}, open},
	} {
		t.Run(name, func(t *testing.T) {
			ws := decode(t, c.waivers...)
			got := waiver.Apply(c.findings, ws, labels, noon)
			if diff := cmp.Diff(c.want, show(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if diff := cmp.Diff(show(got), show(waiver.Apply(got, ws, labels, noon))); diff != "" {
				t.Errorf("once and twice differ:\n%s", diff)
			}
		})
	}
}

// TestLevels: how long before its end a waiver covers a finding is bound by the finding's level.
func TestLevels(t *testing.T) {
	day := func(n int) string { return noon.AddDate(0, 0, n).Format(time.DateOnly) }
	for name, c := range map[string]struct {
		rule  string
		level finding.Level
		days  int // to the end of the waiver
		want  string
	}{
		"none":               {"pvc-deleted", "", 4000, ""},
		"critical":           {"IMP-004", finding.Critical, 1, "waiver-refused error waiver w0 is for 1 finding of level critical, which stays open"},
		"critical and over":  {"IMP-004", finding.Critical, -1, "waiver-refused error waiver w0 is for 1 finding of level critical, which stays open"},
		"a kind at last":     {"NSB-002", finding.Critical, 14, "waiver-soon note waiver w0 accepts 1 finding and ends on 2026-03-24, in 14 days"},
		"a kind too early":   {"NSB-002", finding.Critical, 15, "waiver-too-long warning waiver w0 ends on 2026-03-25, in 15 days, which is too far ahead for 1 finding of level critical"},
		"a kind, over":       {"NSB-002", finding.Critical, -1, "waiver-expired error waiver w0 has expired on 2026-03-09, and 1 finding that it would accept is open"},
		"a kind by one":      {"NSB-002", finding.Critical, 3, "waiver-refused error waiver w0 is for 1 finding of level critical, which stays open without a second approver"},
		"high at last":       {"NET-001", finding.High, 30, ""},
		"high too early":     {"NET-001", finding.High, 31, "waiver-too-long warning waiver w0 ends on 2026-04-10, in 31 days, which is too far ahead for 1 finding of level high"},
		"medium at last":     {"QUO-001", finding.Medium, 90, ""},
		"medium too early":   {"QUO-001", finding.Medium, 91, "waiver-too-long warning waiver w0 ends on 2026-06-09, in 91 days, which is too far ahead for 1 finding of level medium"},
		"low at last":        {"QUO-002", finding.Low, 180, ""},
		"low too early":      {"QUO-002", finding.Low, 181, "waiver-too-long warning waiver w0 ends on 2026-09-07, in 181 days, which is too far ahead for 1 finding of level low"},
		"info at last":       {"QUO-002", finding.Info, 180, ""},
		"info too early":     {"QUO-002", finding.Info, 181, "waiver-too-long warning waiver w0 ends on 2026-09-07, in 181 days, which is too far ahead for 1 finding of level info"},
		"what is no level":   {"QUO-002", "odd", 181, "waiver-too-long warning waiver w0 ends on 2026-09-07, in 181 days, which is too far ahead for 1 finding of level odd"},
		"over and not early": {"QUO-002", finding.High, -1, "waiver-expired error waiver w0 has expired on 2026-03-09, and 1 finding that it would accept is open"},
	} {
		t.Run(name, func(t *testing.T) {
			by := ""
			if name != "a kind by one" {
				by = ", secondApprover: b"
			}
			ws := decode(t, fmt.Sprintf("rules: [%s], expires: %s%s", c.rule, day(c.days), by))
			got := waiver.Apply([]finding.Finding{levelled(c.rule, c.level, "prod-1")}, ws, labels, noon)
			told := ""
			for _, f := range got[1:] {
				told = fmt.Sprintf("%s %s %s", f.Rule, f.Severity, f.Message)
			}
			covered := c.want == "" || strings.HasPrefix(c.want, waiver.Soon)
			if told != c.want || (got[0].Waived != nil) != covered {
				t.Errorf("waived %v, told %q, want %q", got[0].Waived != nil, told, c.want)
			}
			if most, may := waiver.MostDays(c.rule, c.level); covered != (may && c.days <= most && c.days >= 0) && by != "" {
				t.Errorf("%d days at the most, %v", most, may)
			}
		})
	}
}

// TestLevelsScoped: a waiver is told off for what it is for, and covers what it may of the rest.
func TestLevelsScoped(t *testing.T) {
	found := []finding.Finding{levelled("NET-001", finding.High, "dev-1", "prod-1"), levelled("QUO-001", finding.Medium, "dev-1", "prod-1"), levelled("RBC-003", finding.Critical, "dev-1")}
	for name, c := range map[string]struct {
		waivers []string
		want    string
	}{
		"both, of which one is too early": {
			[]string{"rules: [NET-001, QUO-001], expires: 2026-05-10"},
			"NET-001 dev-1,prod-1\nQUO-001 dev-1,prod-1 by w0\nRBC-003 dev-1\n" +
				"waiver-too-long dev-1,prod-1 warning fleet/waivers.yaml:2 waiver w0 ends on 2026-05-10, in 61 days, which is too far ahead for 1 finding of level high",
		},
		"out of scope": {
			[]string{"rules: [NET-001, RBC-003], scope: {clusters: {names: [prod-2]}}"},
			"NET-001 dev-1,prod-1\nQUO-001 dev-1,prod-1\nRBC-003 dev-1\nwaiver-unused  warning fleet/waivers.yaml:2 waiver w0 accepts nothing",
		},
		"a part of the clusters, and one that covers them": {
			[]string{"rules: [NET-001], scope: {clusters: {names: [prod-1]}}", "rules: [NET-001], expires: 2026-04-01"},
			"NET-001 dev-1,prod-1 by w1\nQUO-001 dev-1,prod-1\nRBC-003 dev-1\n" +
				"waiver-too-long prod-1 warning fleet/waivers.yaml:2 waiver w0 ends on 2027-01-01, in 297 days, which is too far ahead for 1 finding of level high",
		},
		"the worst of several": {
			[]string{"rules: [NET-001, QUO-001]"},
			"NET-001 dev-1,prod-1\nQUO-001 dev-1,prod-1\nRBC-003 dev-1\n" +
				"waiver-too-long dev-1,prod-1 warning fleet/waivers.yaml:2 waiver w0 ends on 2027-01-01, in 297 days, which is too far ahead for 2 findings, the worst of level high",
		},
		"refused before all": {
			[]string{"rules: [NET-001, RBC-003]"},
			"NET-001 dev-1,prod-1\nQUO-001 dev-1,prod-1\nRBC-003 dev-1\n" +
				"waiver-refused dev-1,prod-1 error fleet/waivers.yaml:2 waiver w0 is for 1 finding of level critical, which stays open",
		},
	} {
		t.Run(name, func(t *testing.T) {
			ws := decode(t, c.waivers...)
			got := waiver.Apply(found, ws, labels, noon)
			if diff := cmp.Diff(c.want, show(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if diff := cmp.Diff(show(got), show(waiver.Apply(got, ws, labels, noon))); diff != "" {
				t.Errorf("once and twice differ:\n%s", diff)
			}
		})
	}
}

// TestDayBoundary: a waiver holds to the end of its day in UTC, wherever the clock is.
func TestDayBoundary(t *testing.T) {
	ws := decode(t, "rules: [pvc-deleted], expires: 2026-03-10")
	for text, want := range map[string]bool{
		"2026-03-10T00:00:00Z": true, "2026-03-10T23:59:59Z": true, "2026-03-11T00:00:00Z": false,
		"2026-03-11T01:30:00+02:00": true, "2026-03-10T20:00:00-05:00": false,
	} {
		now, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		if got := waiver.Apply([]finding.Finding{claim("a")}, ws, nil, now)[0].Waived != nil; got != want {
			t.Errorf("at %s it holds: %v", text, got)
		}
	}
}

// TestMark: a waived finding tells who, why and how long.
func TestMark(t *testing.T) {
	got := waiver.Apply([]finding.Finding{claim("a")}, decode(t, "rules: [pvc-deleted]"), nil, noon)
	want := &finding.Waived{Name: "w0", File: "fleet/waivers.yaml", Reason: "reviewed and accepted", Approver: "a", Expires: "2027-01-01"}
	if diff := cmp.Diff(want, got[0].Waived); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestRules(t *testing.T) {
	rules := waiver.Rules()
	if !slices.IsSortedFunc(rules, func(a, b finding.Rule) int { return strings.Compare(a.ID, b.ID) }) {
		t.Error("not sorted")
	}
	for _, r := range rules {
		if r.Title == "" || r.Why == "" || r.Hint == "" || !strings.HasPrefix(r.ID, "waiver-") {
			t.Errorf("%+v", r)
		}
	}
}

// TestBrokenWaiver: what was not decoded, and cannot be read, accepts nothing.
func TestBrokenWaiver(t *testing.T) {
	w := decode(t, "rules: [pvc-deleted]")[0]
	noDate, noOperator := w, w
	noDate.Spec.Expires = "soon"
	noOperator.Spec.Scope.Clusters.MatchExpressions = []v1alpha1.LabelRequirement{{Key: "a", Operator: "?"}}
	noPattern := w
	noPattern.Spec.Scope.Objects = []v1alpha1.ObjectPattern{{Name: "["}}
	for _, w := range []v1alpha1.Waiver{noDate, noOperator, noPattern} {
		if got := waiver.Apply([]finding.Finding{claim("a")}, []v1alpha1.Waiver{w}, nil, noon); got[0].Waived != nil || len(got) != 2 {
			t.Errorf("%+v", got)
		}
	}
}

// TestLaws: over random findings and waivers, no pair of finding and cluster gets lost or doubled, what is
// waived and what is open make up all, nothing given is changed, and Apply twice is Apply once.
func TestLaws(t *testing.T) {
	clusters := []string{"dev-1", "prod-1", "prod-2", "x"}
	one := rapid.Custom(func(t *rapid.T) finding.Finding {
		f := finding.Finding{
			Rule: rapid.SampledFrom([]string{"pvc-deleted", "image-major", "gate/a"}).Draw(t, "rule"), Message: rapid.StringN(0, 3, -1).Draw(t, "message"),
			Concern: rapid.SampledFrom([]string{"", "platform", "tenant/a"}).Draw(t, "concern"), Clusters: subset(t, clusters),
			Level: rapid.SampledFrom(append(finding.Levels(), "", "")).Draw(t, "level"),
		}
		if rapid.Bool().Draw(t, "object") {
			f.Object = &object.ID{Kind: "Pod", Namespace: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "namespace"), Name: "n"}
		}
		return f
	})
	spec := rapid.Custom(func(t *rapid.T) string {
		s := "rules: [" + rapid.SampledFrom([]string{"pvc-deleted", "image-major", "gate/a", "pvc-deleted, image-major"}).Draw(t, "rules") + "]"
		s += ", expires: " + rapid.SampledFrom([]string{"2026-03-01", "2026-03-10", "2026-05-01", "2027-01-01"}).Draw(t, "expires")
		var scope []string
		for _, part := range []string{"clusters: {matchLabels: {env: prod}}", "concerns: [platform]", "objects: [{namespace: a}]"} {
			if rapid.Bool().Draw(t, "scope") {
				scope = append(scope, part)
			}
		}
		if len(scope) > 0 {
			s += ", scope: {" + strings.Join(scope, ", ") + "}"
		}
		return s
	})
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.SliceOfN(one, 0, 5).Draw(t, "findings")
		before := fmt.Sprintf("%+v", in)
		ws := decode(t, rapid.SliceOfN(spec, 0, 4).Draw(t, "waivers")...)
		out := waiver.Apply(in, ws, labels, noon)
		if before != fmt.Sprintf("%+v", in) {
			t.Fatal("what was given is changed")
		}
		if diff := cmp.Diff(pairs(in), pairs(out)); diff != "" {
			t.Fatalf("findings by cluster (-in +out):\n%s", diff)
		}
		faults := 0
		for _, f := range out {
			if f.Clusters == nil {
				t.Fatalf("no list of clusters: %+v", f)
			}
			if strings.HasPrefix(f.Rule, "waiver-") {
				faults++
			} else if f.Waived != nil && f.Waived.Expires == "2026-03-01" {
				t.Fatalf("an expired waiver accepts %+v", f)
			} else if f.Waived != nil && (f.Level == finding.Critical || f.Level != "" && f.Waived.Expires == "2027-01-01") {
				t.Fatalf("a waiver accepts too much: %+v", f)
			}
		}
		if faults > len(ws) {
			t.Fatalf("%d faults of %d waivers", faults, len(ws))
		}
		if diff := cmp.Diff(out, waiver.Apply(out, ws, labels, noon)); diff != "" {
			t.Fatalf("once and twice differ:\n%s", diff)
		}
	})
}

// pairs counts findings by cluster, waived or not; faults of waivers are left out.
func pairs(fs []finding.Finding) map[string]int {
	out := map[string]int{}
	for _, f := range fs {
		if strings.HasPrefix(f.Rule, "waiver-") {
			continue
		}
		for _, c := range append([]string{"*"}, f.Clusters...) {
			if c == "*" && len(f.Clusters) > 0 {
				continue
			}
			out[fmt.Sprint(f.Rule, f.Message, f.Concern, f.Object, c)]++
		}
	}
	return out
}

func subset(t *rapid.T, all []string) []string {
	var out []string
	for _, s := range all {
		if rapid.Bool().Draw(t, s) {
			out = append(out, s)
		}
	}
	return out
}

package survey_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/isolation/contract"
	"github.com/bulkhead-dev/bulkhead/isolation/rule"
	"github.com/bulkhead-dev/bulkhead/isolation/survey"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// atSpoke is the estate that tenant billing sees with its contract and its own files.
func atSpoke(t *testing.T, cache *render.Cache, bundle []byte, files map[string]string) *rule.Context {
	t.Helper()
	b, err := contract.Hub("contract.yaml", bundle)
	if err != nil {
		t.Fatalf("%v\n%s", err, bundle)
	}
	spoke := tree.FromMap(files)
	url := b.Tenant.Spec.URL()
	r, err := render.Fleet(t.Context(), render.Repository{URL: "https://contract.invalid/hub", Tree: b.Hub}, render.Options{
		Sources: []render.Repository{{URL: url, Tree: spoke, Refs: anyRef{spoke}}}, Cache: cache,
	})
	if err != nil {
		t.Fatal(err)
	}
	e, err := survey.Estate(r, survey.Options{
		Documents: b.Documents, Hub: []string{"contract.invalid/hub"}, Spoke: render.RepositoryName(url),
		Environment: func(cluster string) (string, bool) { return cluster, cluster == "prod" },
	})
	if err != nil {
		t.Fatal(err)
	}
	return rule.NewContext(e)
}

// TestContract: with its contract a tenant finds in its own files what the hub finds in them, for every sample that changes nothing else; and the contract
// names nothing of another tenant.
func TestContract(t *testing.T) {
	f := newFleet(t)
	whole := f.with(t, nil)
	docs := documents(t, f)
	bundle, err := contract.Export(whole.Estate, docs, "billing")
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"auth-", "acme/auth", "name: auth", "auth.example.com"} {
		if strings.Contains(string(bundle), word) {
			t.Errorf("the contract of billing says %q:\n%s", word, bundle)
		}
	}
	if again, err := contract.Export(whole.Estate, docs, "billing"); err != nil || string(again) != string(bundle) {
		t.Errorf("a second export differs, or fails: %v", err)
	}
	spoke := map[string]string{}
	for p, content := range f.base {
		if rest, ok := strings.CutPrefix(p, "billing/"); ok {
			spoke[rest] = content
		}
	}
	if found := of(rule.Find(atSpoke(t, f.cache, bundle, spoke), nil)); len(found) > 0 {
		t.Errorf("the tenant finds %v in what the hub finds nothing in", found)
	}
	samples, err := rule.Samples()
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, s := range samples {
		if s.Before != nil || slices.ContainsFunc(slices.Collect(maps.Keys(s.Bad)), func(p string) bool { return !strings.HasPrefix(p, "billing/") }) {
			continue
		}
		compared++
		t.Run(s.Rule+s.Case, func(t *testing.T) {
			t.Parallel()
			files := maps.Clone(spoke)
			for p, content := range s.Bad {
				files[strings.TrimPrefix(p, "billing/")] = content
			}
			hub, own := of(rule.Find(f.with(t, s.Bad), nil)), of(rule.Find(atSpoke(t, f.cache, bundle, files), nil))
			if !slices.Equal(hub, own) {
				t.Errorf("the hub finds\n  %s\nand the tenant\n  %s", strings.Join(hub, "\n  "), strings.Join(own, "\n  "))
			}
		})
	}
	t.Logf("%d samples compared", compared)
}

// of are the findings about billing, as text.
func of(found []rule.Found) (out []string) {
	for i := range found {
		if f := &found[i]; f.Tenant != nil && f.Tenant.Name == "billing" {
			line := f.Rule + " " + string(f.Level) + " " + f.Field + " " + f.Message
			if f.ID != nil {
				line += " " + f.ID.String()
			}
			out = append(out, line)
		}
	}
	slices.Sort(out)
	return out
}

package cli_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/internal/cli"
)

// assessed are public fleets, and what is known of each by reading it.
var assessed = map[string]struct {
	layout   string
	clusters int
	together int // commits that reached production with another environment; -1 when not counted by hand
}{
	"Informasjonsforvaltning+fdk-infra":         {"Monorepo", 2, 9},
	"PingCAP-QE+ee-ops":                         {"Monorepo", 4, 1},
	"Azure+gitops-flux2-kustomize-helm-mt":      {"Monorepo", 2, -1},
	"fluxcd+flux2-kustomize-helm-example":       {"Monorepo", 2, -1},
	"microsoft+multicluster-gitops":             {"SingleCluster", 1, 0},
	"stuttgart-things+flux":                     {"SingleCluster", 1, 0},
	"fluxcd+flux2-multi-tenancy":                {"HubAndSpoke", 2, -1},
	"aws-samples+flux-eks-gitops-config":        {"HubAndSpoke", 2, -1},
	"fluxcd+flux2-hub-spoke-example":            {"Monorepo", 3, -1},
	"aws-samples+flux-eks-gitops-config-tenant": {"Spoke", 0, 0},
}

// TestCorporaAssess logs what assess says of public fleets, and holds that its history says of each commit what impact says of it.
func TestCorporaAssess(t *testing.T) {
	at := corpora(t)
	for name, want := range assessed {
		t.Run(name, func(t *testing.T) {
			if !slices.Contains(at, name) {
				t.Skipf("SKIPPED: no bundle of %s", name)
			}
			clone, pairs := cloned(t, name)
			var flags []string
			for _, pair := range pairs[:min(len(pairs), mostPairs)] {
				flags = append(flags, "--commit", pair+"-head")
			}
			begun := time.Now()
			text := said(t, append([]string{"assess", "-C", clone}, flags...)...)
			t.Logf("%s\n%s", time.Since(begun).Round(time.Millisecond), text)
			for line := range strings.Lines(text) {
				if n := len([]rune(strings.TrimRight(line, "\n"))); n > 100 && !strings.HasPrefix(line, "coverage:") {
					t.Errorf("a line of %d characters: %s", n, line)
				}
			}
			var doc cli.AssessDocument
			if err := json.Unmarshal([]byte(said(t, append([]string{"assess", "-C", clone, "-o", "json"}, flags...)...)), &doc); err != nil {
				t.Fatal(err)
			}
			if string(doc.Shape.Layout) != want.layout || doc.Figures.Clusters != want.clusters {
				t.Errorf("%s of %d clusters, want %s of %d", doc.Shape.Layout, doc.Figures.Clusters, want.layout, want.clusters)
			}
			if want.together >= 0 && doc.History.Together != want.together {
				t.Errorf("%d commits reached production with another environment, want %d", doc.History.Together, want.together)
			}
			if n := len(doc.History.Commits) + len(doc.History.Unanswered); doc.Shape.Layout != "Spoke" && n != len(flags)/2 {
				t.Errorf("%d of %d commits are told of", n, len(flags)/2)
			}
			for _, c := range doc.History.Commits[:min(len(doc.History.Commits), pairsOf)] {
				likeImpact(t, clone, c)
			}
		})
	}
}

// mostPairs is how many commits of a fleet are assessed.
const mostPairs = 20

func said(t *testing.T, args ...string) string {
	t.Helper()
	var out, told bytes.Buffer
	if code := cli.Main(t.Context(), args, &out, &told); code > 1 {
		t.Fatalf("bulkhead %s: exit code %d\n%s", strings.Join(args, " "), code, told.String())
	}
	return out.String()
}

// likeImpact compares a commit of the history with the document of impact.
func likeImpact(t *testing.T, clone string, c cli.AssessedCommit) {
	t.Helper()
	var doc struct {
		Clusters []struct {
			Name, Environment                        string
			Added, Changed, Removed, Moved, Withheld int
		}
		Unknown []struct{ Cluster string }
		Groups  []struct{ Concern string }
	}
	if err := json.Unmarshal([]byte(said(t, "impact", "-C", clone, c.Hash+"~1", c.Hash, "-o", "json")), &doc); err != nil {
		t.Fatal(err)
	}
	clusters, environments, tenants := []string{}, []string{}, []string{}
	for _, k := range doc.Clusters {
		unknown := slices.ContainsFunc(doc.Unknown, func(u struct{ Cluster string }) bool { return u.Cluster == k.Name })
		if k.Added+k.Changed+k.Removed+k.Moved+k.Withheld > 0 || unknown {
			clusters, environments = append(clusters, k.Name), append(environments, k.Environment)
		}
	}
	for _, g := range doc.Groups {
		if name, ok := strings.CutPrefix(g.Concern, "tenant/"); ok {
			tenants = append(tenants, name)
		}
	}
	for _, list := range []*[]string{&clusters, &environments, &tenants} {
		slices.Sort(*list)
		*list = slices.DeleteFunc(slices.Compact(*list), func(s string) bool { return s == "" })
	}
	if diff := cmp.Diff([][]string{clusters, environments, tenants}, [][]string{c.Clusters, c.Environments, c.Tenants}); diff != "" {
		t.Errorf("%s (-impact +history):\n%s", c.Hash, diff)
	}
}

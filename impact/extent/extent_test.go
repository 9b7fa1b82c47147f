package extent_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/bulkhead-dev/bulkhead/impact/concern"
	"github.com/bulkhead-dev/bulkhead/impact/extent"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// of is the extent of a fleet, as lines: files, then appliers.
func of(t *testing.T, file string) string {
	t.Helper()
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range a.Files {
		files[f.Name] = string(f.Data)
	}
	hub := tree.FromMap(files)
	r, err := render.Fleet(t.Context(), render.Repository{Tree: hub}, render.Options{})
	if err != nil {
		t.Fatal(err)
	}
	docs, err := render.Documents(hub)
	if err != nil {
		t.Fatal(err)
	}
	e, err := extent.Of(r, hub, concern.New(concern.FleetOf(docs, hub), nil, r))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, c := range e.Clusters {
		fmt.Fprintf(&b, "cluster %s env=%s folder=%s file=%s\n", c.Name, c.Environment, c.Folder, c.File)
	}
	for i := range e.Files {
		f := &e.Files[i]
		fmt.Fprintf(&b, "%s %s -> %s; together %v; tenants %s;", f.Path, f.Concern, strings.Join(f.Clusters, ","), f.Together(), strings.Join(f.Tenants, ","))
		for _, k := range slices.Sorted(maps.Keys(f.Objects)) {
			fmt.Fprintf(&b, " %s %d/%d", k, f.Workloads[k], f.Objects[k])
		}
		b.WriteString("\n")
	}
	for _, x := range e.Appliers {
		fmt.Fprintf(&b, "%s on %s for %s: %s, account %q, own %v, %q, by %s, makes %v\n", x.Applier, x.Cluster, x.Target, x.Concern, x.Account, x.Own, x.Repository, x.File, x.Makes)
	}
	fmt.Fprintf(&b, "tenants %v; %d of %d files; %d objects\n", e.Tenants, len(e.Files), e.Total, e.Objects)
	return b.String()
}

// TestFleet has a base of two clusters, a cluster that only a kubeConfig names, tenants in a folder, and one whose repository is not
// at hand.
func TestFleet(t *testing.T) {
	got := of(t, "testdata/fleet.txtar")
	const golden = "testdata/fleet.want"
	want, err := os.ReadFile(golden)
	if diff := cmp.Diff(string(want), got); diff != "" && os.Getenv("UPDATE") == "" {
		t.Errorf("extent (-want +got), UPDATE=1 rewrites it: %v\n%s", err, diff)
	} else if diff != "" {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Contains(got, "token") {
		t.Error("the password of a source is shown")
	}
	again := of(t, "testdata/fleet.txtar")
	if diff := cmp.Diff(got, again); diff != "" {
		t.Errorf("two runs differ:\n%s", diff)
	}
}

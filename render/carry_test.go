package render

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bulkhead-dev/bulkhead/internal/fleetgen"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// revisions renders one after the other, each as what comes after the one before. It gives what was said of them, and how many
// clusters were carried over, of how many.
func revisions(tb testing.TB, opts Options, apart bool, repos ...Repository) (out [][]string, carried, all int) {
	tb.Helper()
	opts.Cache, opts.Before = &Cache{}, nil
	for _, repo := range repos {
		if apart {
			opts.Cache = &Cache{} // nothing of the revision before can be used
		}
		r, err := Fleet(tb.Context(), repo, opts)
		if err != nil {
			out, opts.Before = append(out, []string{err.Error()}), nil
			continue
		}
		out, opts.Before = append(out, certain(report(tb, r))), r
		for _, c := range r.Clusters {
			if all++; c.footing != nil && c.footing.carried {
				carried++
			}
		}
	}
	return out, carried, all
}

// certain leaves out of a report what builds that failed have read: how far one comes may depend on the use of the schema
// that the builds before it made, which says in what order the files are read.
func certain(report []string) []string {
	failed := false
	return slices.DeleteFunc(report, func(line string) bool {
		if strings.HasPrefix(line, "  ") && !strings.HasPrefix(line, "    ") {
			failed = strings.Contains(line, " Failed of ")
		}
		return failed && strings.HasPrefix(line, "    reads ")
	})
}

// holdCarry checks that revisions are what they are when nothing is carried over.
func holdCarry(tb testing.TB, rt rapid.TB, opts Options, repos ...Repository) (carried, all int) {
	tb.Helper()
	want, none, _ := revisions(tb, opts, true, repos...)
	got, carried, all := revisions(tb, opts, false, repos...)
	if none != 0 {
		rt.Fatal("what was rendered with another cache was carried over")
	}
	for i := range want {
		if diff := cmp.Diff(want[i], got[i]); diff != "" {
			rt.Fatalf("revision %d (-in full +carried over):\n%s", i, diff)
		}
	}
	return carried, all
}

// mutate changes some files at random.
func mutate(rt *rapid.T, files map[string]tree.Blob, paths []string) map[string]tree.Blob {
	changed := maps.Clone(files)
	names := slices.Sorted(maps.Keys(mutations))
	for range rapid.IntRange(1, 3).Draw(rt, "changes") {
		p := rapid.SampledFrom(paths).Draw(rt, "path")
		b, there := changed[p]
		if !there {
			continue
		}
		switch how := rapid.SampledFrom(append(names, "removed", "moved")).Draw(rt, "how"); how {
		case "removed":
			delete(changed, p)
		case "moved":
			changed[p+".moved.yaml"] = b
			delete(changed, p)
		default:
			b.Data = mutations[how](b.Data)
			changed[p] = b
		}
	}
	return changed
}

// TestCarriedFleets: what is carried over from one revision to the next, and on, is what a render in full makes.
func TestCarriedFleets(t *testing.T) {
	files := map[string]tree.Blob{}
	for name, data := range fleetgen.Generate(fleetgen.Options{Clusters: 3, Tenants: 3}) {
		files[name] = tree.Blob{Mode: tree.File, Data: data}
	}
	paths := slices.Sorted(maps.Keys(files))
	repo := func(files map[string]tree.Blob) Repository { return Repository{Tree: tree.FromBlobs(files)} }
	n, many, carried, all := 0, 15, 0, 0
	if raceDetector {
		many = 5
	}
	rapid.Check(t, func(rt *rapid.T) {
		if n++; n > many {
			return // each takes 0.3 s
		}
		once := mutate(rt, files, paths)
		some, of := holdCarry(t, rt, Options{}, repo(files), repo(once), repo(mutate(rt, once, paths)), repo(files))
		carried, all = carried+some, all+of
	})
	t.Logf("%d of %d clusters are carried over", carried, all)
	if carried < all/8 {
		t.Error("the test sees too little")
	}
}

// TestCarriedCases holds that for random changes of every case.
func TestCarriedCases(t *testing.T) {
	carried, all := 0, 0
	for i, c := range allCases(t) {
		if raceDetector && i%4 > 0 || len(c.Before) == 0 {
			continue // enough of them
		}
		paths := slices.Sorted(maps.Keys(c.Before))
		t.Run(c.Name, func(t *testing.T) {
			n := 0
			rapid.Check(t, func(rt *rapid.T) {
				if n++; n > 8 {
					return // some take a second
				}
				changed := c.repo
				changed.Tree = tree.FromBlobs(mutate(rt, c.Before, paths))
				some, of := holdCarry(t, rt, c.opts, c.repo, changed, c.repo)
				carried, all = carried+some, all+of
			})
		})
	}
	t.Logf("%d of %d clusters are carried over", carried, all)
	if carried < all/10 {
		t.Error("the test sees too little")
	}
}

// carryFleet is one cluster: vars makes a ConfigMap that apps takes variables from, team makes the Kustomization child.
func carryFleet() map[string]string {
	kustomization := func(name, more string) string {
		return "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: " + name + ", namespace: flux-system}\n" +
			"spec:\n  interval: 10m\n  path: ./" + name + "\n  prune: true\n  sourceRef: {kind: GitRepository, name: flux-system}\n" + more + "---\n"
	}
	configMap := func(name, value string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + ", namespace: flux-system}\ndata:\n  value: " + value + "\n---\n"
	}
	return map[string]string{
		"clusters/a/flux-system/gotk-sync.yaml": "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: flux-system, namespace: flux-system}\n" +
			"spec: {interval: 1m, url: \"https://git.example.com/acme/fleet\", ref: {branch: main}}\n---\n" +
			"apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: flux-system, namespace: flux-system}\n" +
			"spec: {interval: 10m, path: ./clusters/a, prune: true, sourceRef: {kind: GitRepository, name: flux-system}}\n",
		"clusters/a/all.yaml": kustomization("vars", "") + kustomization("team", "") + kustomization("other", "") +
			kustomization("apps", "  dependsOn: [{name: team}]\n  postBuild: {substituteFrom: [{kind: ConfigMap, name: vars}]}\n"),
		"vars/vars.yaml":       configMap("vars", "one"),
		"vars/more.yaml":       strings.Replace(configMap("more", "two"), "ConfigMap", "Service", 1),
		"apps/apps.yaml":       strings.Replace(configMap("apps", "${value}"), "ConfigMap", "Service", 1),
		"other/other.yaml":     strings.Replace(configMap("other", "x"), "ConfigMap", "Service", 1),
		"team/child.yaml":      kustomization("child", ""),
		"team/team.yaml":       strings.Replace(configMap("team", "x"), "ConfigMap", "Service", 1),
		"child/deployment.yml": strings.Replace(configMap("child", "x"), "ConfigMap", "Service", 1),
	}
}

// TestCarriedOrNot: a cluster is carried over when nobody but the applier that changes can tell, and only then.
func TestCarriedOrNot(t *testing.T) {
	set := func(file, data string) func(map[string]string) {
		return func(f map[string]string) { f[file] = data }
	}
	edit := func(file, old, with string) func(map[string]string) {
		return func(f map[string]string) {
			if !strings.Contains(f[file], old) {
				t.Fatalf("%s has no %q", file, old)
			}
			f[file] = strings.ReplaceAll(f[file], old, with)
		}
	}
	move := func(from, to string) func(map[string]string) {
		return func(f map[string]string) {
			f[to] = f[from]
			delete(f, from)
		}
	}
	for name, c := range map[string]struct {
		change func(map[string]string)
		want   bool
	}{
		"nothing":                            {set("README.md", "x"), true},
		"an object":                          {edit("child/deployment.yml", "value: x", "value: y"), true},
		"a new object":                       {set("child/new.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: new, namespace: x}\n"), true},
		"an object less":                     {set("team/team.yaml", ""), true},
		"an object of who makes others":      {edit("team/team.yaml", "value: x", "value: y"), true},
		"a child in another file":            {move("team/child.yaml", "team/moved.yaml"), true},
		"another child":                      {edit("team/child.yaml", "path: ./child", "path: ./other"), false},
		"a child less":                       {set("team/child.yaml", ""), false},
		"what others take variables from":    {edit("vars/vars.yaml", "one", "two"), false},
		"what others could ask for":          {set("vars/new.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: x, namespace: flux-system}\n"), false},
		"beside what others take":            {edit("vars/more.yaml", "two", "three"), true},
		"who takes variables":                {edit("apps/apps.yaml", "${value}", "x-${value}"), false},
		"a build that fails":                 {set("other/kustomization.yaml", "resources: [missing.yaml]\n"), false},
		"an object of another applier":       {set("other/twice.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: team, namespace: flux-system}\n"), false},
		"the same object twice":              {set("other/kustomization.yaml", "resources: [other.yaml, other.yaml]\n"), false},
		"an object without a namespace":      {set("other/homeless.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: homeless}\n"), true},
		"a cluster-scoped one with one":      {set("other/ns.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: ns, namespace: x}\n"), true},
		"a kind that is not there":           {set("other/strange.yaml", "apiVersion: strange.example/v1\nkind: Thing\nmetadata: {name: thing, namespace: x}\n"), false},
		"a remote base":                      {set("other/kustomization.yaml", "resources: [other.yaml, \"https://git.example.com/x.yaml\"]\n"), false},
		"the entry folder":                   {edit("clusters/a/all.yaml", "interval: 10m", "interval: 11m"), false},
		"what the cluster starts with":       {edit("clusters/a/flux-system/gotk-sync.yaml", "interval: 10m", "interval: 11m"), false},
		"a cluster that starts with nothing": {edit("clusters/a/flux-system/gotk-sync.yaml", "Kustomization\nmetadata: {name: flux-system,", "Kustomization\nmetadata: {"), false},
		"the variables of the cluster":       {set("fleet/cluster.yaml", "apiVersion: bulkhead.dev/v1alpha1\nkind: Cluster\nmetadata: {name: a}\nspec: {path: clusters/a, variables: {x: y}}\n"), false},
		"an applier that reaches from afar":  {set("clusters/a/far.yaml", "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: far, namespace: flux-system}\nspec: {interval: 10m, path: ./other, prune: true, kubeConfig: {secretRef: {name: a-kubeconfig}}, sourceRef: {kind: GitRepository, name: flux-system}}\n"), false},
		"a source that leaves the files out": {set(".sourceignore", "/other\n"), false},
	} {
		t.Run(name, func(t *testing.T) {
			files, n := carryFleet(), 0
			repo := func(f map[string]string) Repository {
				n++
				return Repository{URL: "https://git.example.com/acme/fleet", Tree: tree.FromMap(f), Revision: fmt.Sprintf("main@sha1:%d", n)}
			}
			changed := maps.Clone(files)
			c.change(changed)
			carried, _ := holdCarry(t, t, Options{}, repo(files), repo(changed))
			if (carried == 1) != c.want {
				t.Errorf("carried over: %v, want %v", carried == 1, c.want)
			}
			holdCarry(t, t, Options{}, repo(changed), repo(files), repo(changed))
		})
	}
}

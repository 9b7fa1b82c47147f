package impact_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/internal/fleetcase"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// TestTraps plays the nine cases that other offline renderers of Flux get wrong.
// Each says what the controllers of Flux 2.9 do.
func TestTraps(t *testing.T) {
	const cm = "{apiVersion: v1, kind: ConfigMap, metadata: {name: NAME, namespace: x}, data: {val: VALUE}}\n"
	configMap := func(name, val string) string { return strings.NewReplacer("NAME", name, "VALUE", val).Replace(cm) }
	apps := func(side, content string) string { return "-- " + side + "/apps/apps/cm.yaml --\n" + content }
	const base = "-- both/a.sync --\n"

	t.Run("1 unset variable fails the reconciliation", func(t *testing.T) {
		s := play(t, base+"-- both/clusters/a/apps.ks --\npostBuild: {substitute: {other: x}}\n"+
			apps("before", configMap("cm", `"${other}"`))+apps("after", configMap("cm", `"${not_defined}"`)))
		want(t, s, "a +0 -0 ~0 >0 failures 1",
			`failure Kustomization/flux-system/apps substitute: post build failed for 'ConfigMap.v1.[noGrp]/cm': envsubst error: variable substitution failed: variable not set (strict mode): "not_defined"`,
			"withheld Kustomization/flux-system/apps Built -> Failed, objects 1: fails after the change: nothing of it is applied, and nothing is pruned")
	})
	t.Run("2 substituteStrategy Always substitutes without variables", func(t *testing.T) {
		s := play(t, base+"-- before/clusters/a/apps.ks --\npostBuild: {substituteStrategy: WithVariables}\n"+
			"-- after/clusters/a/apps.ks --\npostBuild: {substituteStrategy: Always}\n"+apps("both", configMap("cm", `"${z:=dflt}"`)))
		want(t, s, "a: changed ConfigMap/x/cm by Kustomization/flux-system/apps", `replace data.val "${z:=dflt}" -> "dflt"`)
	})
	t.Run("3 own repository at a tag is not changed by a commit", func(t *testing.T) {
		s := play(t, "ref: tag v1.0.0 @v1\n"+base+"-- both/clusters/a/apps.ks --\nsourceRef: {kind: GitRepository, name: pinned}\n"+
			"-- both/clusters/a/source.yaml --\n{apiVersion: source.toolkit.fluxcd.io/v1, kind: GitRepository, metadata: {name: pinned, namespace: flux-system}, "+
			"spec: {interval: 1m, url: \""+ownURL+"\", ref: {tag: v1.0.0}}}\n"+
			apps("before", configMap("cm", `"1"`))+apps("after", configMap("cm", `"2"`))+"-- @v1/apps/apps/cm.yaml --\n"+configMap("cm", `"0"`))
		want(t, s, "a +0 -0 ~0 >0", "wait a tag v1.0.0@sha1:1: [Kustomization/flux-system/apps] read [apps/apps/cm.yaml]")
		if n := len(s.report.Groups); n > 0 {
			t.Errorf("%d changes, want none", n)
		}
	})
	t.Run("4 kubeConfig is another cluster", func(t *testing.T) {
		s := play(t, base+"-- both/clusters/a/apps.ks --\n-- both/clusters/a/away.ks --\npath: ./apps/apps\nkubeConfig: {secretRef: {name: spoke-1-kubeconfig}}\n"+
			apps("before", configMap("cm", `"1"`))+apps("after", configMap("cm", `"2"`)))
		want(t, s, "a +0 -0 ~1 >0", "spoke-1 +0 -0 ~1 >0",
			"a: changed ConfigMap/x/cm by Kustomization/flux-system/apps", "spoke-1: changed ConfigMap/x/cm by Kustomization/flux-system/away")
	})
	t.Run("5 hub object is pruned although a spoke has the same", func(t *testing.T) {
		s := play(t, base+"-- before/clusters/a/apps.ks --\n-- both/clusters/a/away.ks --\npath: ./apps/apps\nkubeConfig: {secretRef: {name: spoke-1-kubeconfig}}\n"+
			apps("both", configMap("cm", `"1"`)))
		want(t, s, "a +0 -2 ~0 >0", "spoke-1 +0 -0 ~0 >0", "a: removed ConfigMap/x/cm by Kustomization/flux-system/apps",
			"deleted: Kustomization/flux-system/apps is deleted, and its objects with it")
	})
	t.Run("6 two Kustomizations own one object", func(t *testing.T) {
		s := play(t, base+"-- both/clusters/a/one.ks --\n-- both/clusters/a/two.ks --\n-- before/apps/one/cm.yaml --\n"+configMap("cm", `"1"`)+
			"-- both/apps/one/stays.yaml --\n"+configMap("stays", `"1"`)+"-- both/apps/two/cm.yaml --\n"+configMap("cm", `"1"`))
		ks := func(name string) object.Applier {
			return object.Applier{Kind: "Kustomization", Namespace: "flux-system", Name: name}
		}
		conflicts := []render.Conflict{{ID: object.ID{Kind: "ConfigMap", Namespace: "x", Name: "cm"}, Owners: []object.Applier{ks("one"), ks("two")}}}
		if diff := cmp.Diff(conflicts, s.before.Clusters[0].Conflicts); diff != "" {
			t.Errorf("conflicts before (-want +got):\n%s", diff)
		}
		want(t, s, "a +0 -0 ~0 >1",
			"unsure: kept if Kustomization/flux-system/two applies first, else deleted and created again: pruned by Kustomization/flux-system/one")
	})
	t.Run("7 quoted variable becomes a number", func(t *testing.T) { // which the API server refuses in a ConfigMap
		s := play(t, base+"-- both/clusters/a/apps.ks --\npostBuild: {substitute: {a: \"1\"}}\n"+
			apps("before", configMap("cm", `"x${a}"`))+apps("after", configMap("cm", `"${a}"`)))
		want(t, s, "a +0 -0 ~1 >0 failures 1", `replace data.val "x1" -> 1`)
	})
	t.Run("8 several clusters below one path", func(t *testing.T) {
		var archive strings.Builder
		for _, c := range []string{"eu/one", "eu/two", "us/one"} {
			archive.WriteString("-- both/" + c + ".sync --\n-- both/clusters/" + c + "/apps.ks --\n")
		}
		s := play(t, archive.String()+apps("before", configMap("cm", `"1"`))+apps("after", configMap("cm", `"2"`)))
		want(t, s, "eu-one, two, us-one: changed ConfigMap/x/cm by Kustomization/flux-system/apps")
	})
	t.Run("9 Kustomization object itself is removed", func(t *testing.T) {
		s := play(t, base+"-- before/clusters/a/apps.ks --\n-- both/clusters/a/other.ks --\n-- both/apps/other/cm.yaml --\n"+configMap("other", `"1"`)+
			apps("before", configMap("cm", `"1"`)))
		want(t, s, "a +0 -2 ~0 >0", "a: removed ConfigMap/x/cm by Kustomization/flux-system/apps",
			"a: removed kustomize.toolkit.fluxcd.io/Kustomization/flux-system/apps by Kustomization/flux-system/flux-system")
	})
}

// play compares the two fleets of a txtar archive, see [fleetcase.Parse].
func play(t *testing.T, archive string) *story {
	t.Helper()
	c, err := fleetcase.Parse(t.Name(), []byte(archive))
	if err != nil {
		t.Fatal(err)
	}
	s := tell(t, c)
	checkLaws(t, s.before, s.after, s.opts)
	return s
}

// want checks that the printed report has these lines.
func want(t *testing.T, s *story, lines ...string) {
	t.Helper()
	text := printReport(s.report)
	got := strings.Split(text, "\n")
	for i := range got {
		got[i] = strings.TrimSpace(got[i])
	}
	for _, line := range lines {
		if !slices.Contains(got, line) {
			t.Errorf("no line %q in\n%s", line, text)
		}
	}
}

// TestArtifactGeneratorReads checks that nobody is told that a file is unread when
// an ArtifactGenerator copies it: without the folder it makes no artifact, and
// everything that is built from the artifact stands still.
func TestArtifactGeneratorReads(t *testing.T) {
	deleted, err := fleetcase.Read("testdata/cases/incident-artifact-folder-deleted.txtar")
	if err != nil {
		t.Fatal(err)
	}
	s := tell(t, deleted)
	c := s.report.Clusters[0]
	if c.Counts.Unresolved+c.Counts.Failures == 0 {
		t.Errorf("nothing is unresolved on %s", c.Name)
	}
	if unread := s.report.Unread; len(unread) > 0 {
		t.Errorf("the ArtifactGenerator reads %v", unread)
	}
}

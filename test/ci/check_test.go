package ci

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	checkMarker = "<!-- bulkhead:check -->"
	spokeURL    = "https://git.example.com/acme/billing"
)

// made is a hub and the spoke of its tenant billing, as the program makes them, with the contract of the tenant.
func made(t *testing.T) (hub, spoke string) {
	t.Helper()
	dir := t.TempDir()
	hub, spoke = filepath.Join(dir, "fleet"), filepath.Join(dir, "billing")
	for _, line := range []string{
		"init spoke billing --owner @acme/billing --environment prod",
		"init hub fleet --flux instance --name acme --url https://git.example.com/acme/fleet --owner @acme/platform --cluster prod-eu-1,env=prod",
		"tenant add billing -C fleet --repo " + spokeURL + " --environment prod --source " + spokeURL + "=billing",
		"contract export -C fleet --tenant billing --source " + spokeURL + "=billing --file billing/.bulkhead/contract.yaml",
	} {
		j := job{dir: dir, env: basics(t), program: filepath.Join(programs, "bulkhead"), args: strings.Fields(line)}
		if code, out := j.run(t); code != 0 {
			t.Fatalf("%s: exit code %d\n%s", line, code, out)
		}
	}
	for _, repo := range []string{hub, spoke} {
		commit(t, repo, map[string]string{"NOTES.md": "made\n"})
	}
	return hub, spoke
}

// armed commits a change of the hub by which the tenant's files are applied as the platform.
func armed(t *testing.T, hub string) (base, head string) {
	t.Helper()
	base = must(t, hub, "git", "rev-parse", "HEAD")
	must(t, hub, "git", "checkout", "-q", "-b", "change")
	list := "clusters/prod-eu-1/kustomization.yaml"
	head = commit(t, hub, map[string]string{
		list: strings.Replace(read(t, filepath.Join(hub, list)), "\n- tenants\n", "\n- tenants\n- extra.yaml\n", 1),
		"clusters/prod-eu-1/extra.yaml": strings.ReplaceAll(`apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: billing-extra, namespace: flux-system}
spec: {interval: 5m, path: ./deploy/prod, prune: true, sourceRef: {kind: GitRepository, name: billing-extra}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: billing-extra, namespace: flux-system}
spec: {interval: 1m, url: "URL", ref: {branch: main}}
`, "URL", spokeURL),
	})
	return base, head
}

// stolen commits a change of the spoke that takes the cluster.
func stolen(t *testing.T, spoke string) (base, head string) {
	t.Helper()
	base = must(t, spoke, "git", "rev-parse", "HEAD")
	list := "deploy/prod/kustomization.yaml"
	head = commit(t, spoke, map[string]string{
		list: strings.Replace(read(t, filepath.Join(spoke, list)), "\nresources:\n", "\nresources:\n- steal.yaml\n", 1),
		"deploy/prod/steal.yaml": `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: own-it}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: default, namespace: billing-prod}]
`,
	})
	return base, head
}

func TestActionChecks(t *testing.T) {
	t.Parallel()
	hub, _ := made(t)
	base, head := armed(t, hub)
	f := github(t, "")
	s := action(t, hub, f.URL, pullRequest(base, head, "acme/fleet"))
	s.env["INPUT_CHECK"], s.env["INPUT_FAIL_ON"] = "true", "never"
	s.run(t, 1)
	if got := strings.Join(f.calls, ", "); got != "POST 101, POST 102" {
		t.Fatalf("calls: %s", got)
	}
	if !strings.HasPrefix(f.remarks[0].body, marker+"\n") || !strings.HasPrefix(f.remarks[1].body, checkMarker+"\n") || strings.Count(f.remarks[1].body, "<!-- bulkhead") != 1 {
		t.Errorf("the comments begin with other lines:\n%.100s\n%.100s", f.remarks[0].body, f.remarks[1].body)
	}
	for what, text := range map[string]string{"comment": f.remarks[1].body, "summary": s.summary(t)} {
		contains(t, what, text, "IMP-006", "1 violated", "clusters/prod-eu-1/extra.yaml", "did not have")
	}
	found := false
	for _, c := range commandsOf(s.log) {
		found = found || c.name == "error" && c.property("title") == "IMP-006" && c.property("file") == "clusters/prod-eu-1/extra.yaml"
	}
	if !found {
		t.Errorf("no annotation tells of the finding:\n%s", s.log)
	}
	if s.out["check-exit-code"] != "1" || read(t, s.out["check-sarif"]) == "" {
		t.Errorf("outputs: %v", s.out)
	}

	// What is there already fails no later change, and the comments are brought up to date.
	s.event = pullRequest(head, commit(t, hub, map[string]string{"NOTES.md": "more\n"}), "acme/fleet")
	s.run(t, 0)
	if got := strings.Join(f.calls, ", "); got != "POST 101, POST 102, PATCH 101, PATCH 102" {
		t.Errorf("calls: %s", got)
	}
	contains(t, "comment", f.remarks[1].body, "with 0 findings that", "1 violated")

	for name, c := range map[string]struct {
		set  map[string]string
		code int
		want string
	}{
		"fail-on": {map[string]string{"INPUT_CHECK_FAIL_ON": "critical"}, 0, "0"},
		"args":    {map[string]string{"INPUT_CHECK_FAIL_ON": "critical", "INPUT_CHECK_ARGS": "--rule=IMP-003\n--fail-on=medium\n"}, 1, "1"},
		"no flag": {map[string]string{"INPUT_CHECK_ARGS": "--nothing"}, 2, "2"},
		"none":    {map[string]string{"INPUT_CHECK": "false"}, 0, ""},
	} {
		s := action(t, hub, github(t, "").URL, pullRequest(base, head, "acme/fleet"))
		s.env["INPUT_CHECK"], s.env["INPUT_FAIL_ON"] = "true", "never"
		maps.Copy(s.env, c.set)
		s.run(t, c.code)
		if s.out["check-exit-code"] != c.want {
			t.Errorf("%s: outputs: %v", name, s.out)
		}
	}
}

func TestActionChecksASpoke(t *testing.T) {
	t.Parallel()
	hub, spoke := made(t)
	base, head := stolen(t, spoke)
	args := "--cluster=prod=deploy/prod\n"

	// In its own repository, with the contract.
	s := action(t, spoke, github(t, "").URL, pullRequest(base, head, "acme/fleet"))
	s.job.dir, s.env["INPUT_PATH"] = spoke, "."
	s.env["INPUT_CHECK"], s.env["INPUT_FAIL_ON"], s.env["INPUT_ARGS"], s.env["INPUT_CONTRACT"] = "true", "never", args, ".bulkhead/contract.yaml"
	s.run(t, 1)
	contains(t, "summary", s.summary(t), "NSB-002", "deploy/prod/steal.yaml")
	s.event = pullRequest(head, head, "acme/fleet")
	s.run(t, 0)

	// Without one it is skipped, and says so.
	if err := os.Remove(filepath.Join(spoke, ".bulkhead/contract.yaml")); err != nil {
		t.Fatal(err)
	}
	s.event = pullRequest(base, head, "acme/fleet")
	s.run(t, 0)
	if !s.said("notice", "there is no .bulkhead/contract.yaml. The platform writes it in its hub: bulkhead contract export") || s.out["check-exit-code"] != "" {
		t.Errorf("it does not say that it is skipped:\n%s", s.log)
	}

	// By way of the hub.
	if err := os.Rename(hub, filepath.Join(spoke, "hub")); err != nil {
		t.Fatal(err)
	}
	delete(s.env, "INPUT_CONTRACT")
	delete(s.env, "INPUT_ARGS")
	s.env["INPUT_PATH"], s.env["INPUT_SPOKE"], s.env["INPUT_ONLY"] = "hub", spokeURL, "tenant/billing"
	s.run(t, 1)
	contains(t, "summary", s.summary(t), "<!-- bulkhead:check tenant/billing -->", "NSB-002")
	s.event = pullRequest(head, head, "acme/fleet")
	s.run(t, 0)
}

func TestTemplateChecks(t *testing.T) {
	t.Parallel()
	hub, spoke := made(t)
	base, head := armed(t, hub)
	f := gitlab(t, "project_42_bot")
	p := pipeline(t, hub, f.URL, base, head)
	p.env["BULKHEAD_CHECK"], p.env["BULKHEAD_FAIL_ON"] = "true", "never"
	p.run(t, 1)
	if got := strings.Join(f.calls, ", "); got != "POST 101, POST 102" {
		t.Fatalf("calls: %s", got)
	}
	if !strings.HasPrefix(f.remarks[1].body, checkMarker+"\n") {
		t.Errorf("the note begins with another line:\n%.100s", f.remarks[1].body)
	}
	for what, text := range map[string]string{"note": f.remarks[1].body, "log": p.log, "JUnit": p.report(t, "check.xml")} {
		contains(t, what, text, "IMP-006")
	}
	p.env["BULKHEAD_CHECK_FAIL_ON"] = "critical"
	p.run(t, 0)

	base, head = stolen(t, spoke)
	p = pipeline(t, spoke, f.URL, base, head)
	p.env["BULKHEAD_CHECK"], p.env["BULKHEAD_FAIL_ON"], p.env["BULKHEAD_CONTRACT"], p.env["BULKHEAD_ARGS"] = "true", "never", ".bulkhead/contract.yaml", "--cluster=prod=deploy/prod"
	p.run(t, 1)
	contains(t, "report", p.report(t, "check.md"), "NSB-002")
	p.env["BULKHEAD_CONTRACT"] = "none.yaml"
	p.run(t, 0)
	contains(t, "log", p.log, "the isolation check is skipped: there is no none.yaml")
}

package ci

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	marker     = "<!-- bulkhead:impact -->"
	agent      = "DaemonSet/logging/vector"
	prodAlone  = "prod changes together with dev"
	incidentAt = "infrastructure/base/logging/kustomization.yaml"
)

// step is one run of the action in a workspace that has the repository in fleet/.
type step struct {
	job
	dir   string            // with the runner's files
	event map[string]any    // that started it
	code  int               // of the last run
	log   string            // of the last run
	out   map[string]string // its outputs
}

// pullRequest is an event as GitHub sends it, as far as it matters here.
func pullRequest(base, head, from string, labels ...string) map[string]any {
	list := []map[string]any{}
	for _, l := range labels {
		list = append(list, map[string]any{"name": l})
	}
	return map[string]any{"pull_request": map[string]any{
		"number": 7, "title": "$(touch pwned) `touch pwned`\n::error::pwned", "labels": list,
		"base": map[string]any{"sha": base, "ref": "main", "repo": map[string]any{"full_name": "acme/fleet"}},
		"head": map[string]any{"sha": head, "ref": "change", "repo": map[string]any{"full_name": from}},
	}}
}

// action is a step for a pull request in a clone.
func action(t *testing.T, clone, api string, event map[string]any) *step {
	t.Helper()
	needs(t, "curl", "jq")
	s := &step{dir: t.TempDir(), event: event}
	s.job = job{dir: filepath.Dir(clone), env: basics(t), program: "bash", args: []string{filepath.Join(root, "deploy/github-action/impact.sh")}}
	maps.Copy(s.env, map[string]string{
		"INPUT_PATH": filepath.Base(clone), "INPUT_TOKEN": token, "INPUT_COMMENT": "true", "INPUT_FAIL_ON": "error",
		"GITHUB_API_URL": api, "GITHUB_REPOSITORY": "acme/fleet", "GITHUB_RUN_ID": "1", "GITHUB_SERVER_URL": "https://github.example",
		"GITHUB_ACTION_PATH": filepath.Join(root, "deploy/github-action"), "GITHUB_EVENT_PATH": filepath.Join(s.dir, "event.json"),
		"GITHUB_OUTPUT": filepath.Join(s.dir, "output"), "GITHUB_STEP_SUMMARY": filepath.Join(s.dir, "summary"), "RUNNER_TEMP": s.dir,
	})
	return s
}

// run runs the step, and holds what is true of every run.
func (s *step) run(t *testing.T, code int) {
	t.Helper()
	data, err := json.Marshal(s.event)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"event.json": data, "output": nil, "summary": nil} {
		if err := os.WriteFile(filepath.Join(s.dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.code, s.log = s.job.run(t)
	s.out = outputsOf(t, read(t, filepath.Join(s.dir, "output")))
	if s.code != code || s.out["exit-code"] != fmt.Sprint(code) {
		t.Fatalf("exit code %d and output %q, want %d:\n%s", s.code, s.out["exit-code"], code, s.log)
	}
	if strings.Contains(s.log, s.env["INPUT_TOKEN"]) {
		t.Errorf("the token is in the log:\n%s", s.log)
	}
	if err := filepath.WalkDir(s.dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.Contains(read(t, path), s.env["INPUT_TOKEN"]) {
			t.Errorf("the token is left in %s", path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, c := range commandsOf(s.log) {
		if !slices.Contains([]string{"error", "warning", "notice"}, c.name) || !ownTitle.MatchString(c.property("title")) {
			t.Errorf("the log has the command %v", c)
		}
	}
}

// ownTitle is the title of an annotation of ours: of the script, or the ID of a rule.
var ownTitle = regexp.MustCompile(`^([Bb]ulkhead|[A-Z]{3}-[0-9]{3}|[a-z0-9/-]+)$`)

func (s *step) summary(t *testing.T) string {
	t.Helper()
	return read(t, filepath.Join(s.dir, "summary"))
}

// said is whether an annotation of the script itself has the text.
func (s *step) said(level, text string) bool {
	return slices.ContainsFunc(commandsOf(s.log), func(c command) bool {
		return c.name == level && c.properties == "title=Bulkhead" && strings.Contains(c.message, text)
	})
}

// seed is the incident as a pull request.
func seed(t *testing.T, api string) *step {
	t.Helper()
	clone := incident(t)
	return action(t, clone, api, pullRequest(must(t, clone, "git", "rev-parse", "main"), must(t, clone, "git", "rev-parse", "change"), "acme/fleet"))
}

func TestActionTellsTheIncident(t *testing.T) {
	t.Parallel()
	f := github(t, "")
	// Three pages of talk, with a comment of a person who knows the marker.
	f.remarks = []remark{{1, "kim", false, marker + "\nall is well"}, {2, "kim", false, "hello"}, {3, "kim", false, "a"}, {4, "kim", false, "b"}, {5, "x", true, "other bot"}}
	s := seed(t, f.URL)
	s.run(t, 1)

	if got := strings.Join(f.calls, ", "); got != "POST 101" {
		t.Fatalf("calls: %s", got)
	}
	for what, text := range map[string]string{"comment": f.remarks[5].body, "summary": s.summary(t), "file": read(t, s.out["markdown"])} {
		contains(t, what, text, agent, prodAlone, "prod-us-east-1", "prod-db-01", incidentAt)
	}
	if !strings.HasPrefix(f.remarks[5].body, marker+"\n") || strings.Count(f.remarks[5].body, "<!-- bulkhead:impact") != 1 {
		t.Errorf("the comment does not begin with its marker:\n%.200s", f.remarks[5].body)
	}
	if s.out["verdict"] != "failed" || s.out["clusters"] != `["dev-eu-1","prod-db-01","prod-us-east-1"]` {
		t.Errorf("outputs: %v", s.out)
	}
	for _, name := range []string{"html", "json", "sarif"} {
		if !strings.HasPrefix(s.out[name], s.out["reports"]+"/") || read(t, s.out[name]) == "" {
			t.Errorf("the output %s is %q", name, s.out[name])
		}
	}
	if !slices.ContainsFunc(commandsOf(s.log), func(c command) bool { return c.name == "error" && strings.Contains(c.message, prodAlone) }) {
		t.Errorf("no annotation tells of the gate:\n%s", s.log)
	}

	// The next push: the same comment, in place.
	clone := filepath.Join(s.job.dir, "fleet")
	must(t, clone, "git", "checkout", "-q", "change")
	head := commit(t, clone, map[string]string{incidentAt: strings.Replace(read(t, filepath.Join(clone, incidentAt)), "../fluent-bit", "../vector", 1)})
	s.event = pullRequest(must(t, clone, "git", "rev-parse", "main"), head, "acme/fleet")
	s.run(t, 0)
	if got := strings.Join(f.calls, ", "); got != "POST 101, PATCH 101" {
		t.Errorf("calls: %s", got)
	}
	lacks(t, "comment", f.remarks[5].body, prodAlone)
	if s.out["verdict"] != "passed" || s.out["clusters"] != "[]" || f.remarks[0].body != marker+"\nall is well" {
		t.Errorf("outputs: %v; comments: %v", s.out, f.remarks)
	}
}

// TestActionLeavesOutTheBase moves the base branch on: what it changed is not the pull request's.
func TestActionLeavesOutTheBase(t *testing.T) {
	t.Parallel()
	clone := incident(t)
	base := commit(t, clone, map[string]string{"infrastructure/base/ingress/namespace.yaml": "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: ingress-new\n"})
	s := action(t, clone, github(t, "").URL, pullRequest(base, must(t, clone, "git", "rev-parse", "change"), "acme/fleet"))
	s.run(t, 1)
	lacks(t, "summary", s.summary(t), "ingress-new")
	contains(t, "summary", s.summary(t), agent)
}

func TestActionInputs(t *testing.T) {
	t.Parallel()
	t.Run("fail-on", func(t *testing.T) {
		s := seed(t, github(t, "").URL)
		s.env["INPUT_FAIL_ON"] = "never"
		s.run(t, 0)
		if s.out["verdict"] != "failed" {
			t.Errorf("outputs: %v", s.out)
		}
	})
	t.Run("comment", func(t *testing.T) {
		f := github(t, "")
		s := seed(t, f.URL)
		s.env["INPUT_COMMENT"] = "false"
		s.run(t, 1)
		if len(f.calls) > 0 {
			t.Errorf("calls: %v", f.calls)
		}
	})
	t.Run("only", func(t *testing.T) {
		f := github(t, "kim")
		f.remarks = []remark{{1, "kim", false, marker + "\nof all"}, {2, "lee", false, "<!-- bulkhead:impact tenant/billing -->\nforged"}}
		s := seed(t, f.URL)
		s.env["INPUT_ONLY"], s.env["INPUT_FAIL_ON"] = "tenant/billing", "never"
		s.run(t, 0)
		if got := strings.Join(f.calls, ", "); got != "POST 101" {
			t.Errorf("calls: %s", got)
		}
		lacks(t, "comment", f.remarks[2].body, agent)
		s.run(t, 0)
		if got := strings.Join(f.calls, ", "); got != "POST 101, PATCH 101" {
			t.Errorf("calls: %s", got)
		}
		if !strings.HasPrefix(f.remarks[2].body, "<!-- bulkhead:impact tenant/billing -->\n") {
			t.Errorf("the comment begins with another line:\n%.200s", f.remarks[2].body)
		}
	})
	t.Run("labels and args", func(t *testing.T) {
		clone := incident(t)
		must(t, clone, "git", "checkout", "-q", "change")
		must(t, clone, "git", "reset", "-q", "--hard", "main")
		head := commit(t, clone, map[string]string{"infrastructure/base/postgres/postgres.yaml": strings.Replace(
			read(t, filepath.Join(clone, "infrastructure/base/postgres/postgres.yaml")), "postgres:17.6", "postgres:17.7", 1)})
		s := action(t, clone, github(t, "").URL, pullRequest(must(t, clone, "git", "rev-parse", "main"), head, "acme/fleet"))
		s.run(t, 1)
		contains(t, "summary", s.summary(t), "the databases change only with the label dba-approved")
		s.event = pullRequest(must(t, clone, "git", "rev-parse", "main"), head, "acme/fleet", "--fail-on=error", "dba-approved")
		s.run(t, 0)
		s.event = pullRequest(must(t, clone, "git", "rev-parse", "main"), head, "acme/fleet")
		s.env["INPUT_ARGS"] = "--label\ndba-approved\n\n--now=2026-01-14\n"
		s.run(t, 0)
	})
	t.Run("strict", func(t *testing.T) {
		clone := incident(t)
		must(t, clone, "git", "checkout", "-q", "-b", "broken", "main")
		head := commit(t, clone, map[string]string{"tenants/billing/overlays/dev/kustomization.yaml": "resources: [nowhere]\n"})
		s := action(t, clone, github(t, "").URL, pullRequest(must(t, clone, "git", "rev-parse", "main"), head, "acme/fleet"))
		s.env["INPUT_FAIL_ON"], s.env["INPUT_ARGS"] = "never", "--strict"
		s.run(t, 3)
		contains(t, "summary", s.summary(t), "nowhere")
	})
	t.Run("base and head", func(t *testing.T) {
		s := seed(t, github(t, "").URL)
		s.event = map[string]any{}
		s.env["INPUT_BASE"], s.env["INPUT_HEAD"] = "change~1", "change"
		s.run(t, 1)
	})
}

// TestActionOfASpoke reviews the pull request of a tenant's own repository: the hub stays as it is.
func TestActionOfASpoke(t *testing.T) {
	t.Parallel()
	hub, spoke := incident(t), filepath.Join(t.TempDir(), "billing")
	must(t, root, "git", "init", "-q", "-b", "main", spoke)
	commit(t, spoke, map[string]string{"deploy/cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: rates\n  namespace: billing\ndata:\n  vat: \"19\"\n"})
	base := must(t, spoke, "git", "rev-parse", "HEAD")
	head := commit(t, spoke, map[string]string{"deploy/cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: rates\n  namespace: billing\ndata:\n  vat: \"20\"\n"})
	const url = "ssh://git@git.example.com/acme/billing"
	commit(t, hub, map[string]string{"clusters/dev-eu-1/spoke.yaml": strings.ReplaceAll(`apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: billing-spoke, namespace: flux-system}
spec: {interval: 5m, url: URL, ref: {branch: main}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: billing-spoke, namespace: flux-system}
spec: {interval: 5m, prune: true, path: ./deploy, sourceRef: {kind: GitRepository, name: billing-spoke}}
`, "URL", url)})
	s := action(t, spoke, github(t, "").URL, pullRequest(base, head, "acme/fleet"))
	s.job.dir, s.env["INPUT_PATH"], s.env["INPUT_SPOKE"] = spoke, hub, url
	s.run(t, 0)
	contains(t, "summary", s.summary(t), "ConfigMap/billing/rates", "dev-eu-1", "deploy/cm.yaml")
	if s.out["clusters"] != `["dev-eu-1"]` {
		t.Errorf("outputs: %v\n%s", s.out, s.log)
	}
	s.env["INPUT_ONLY"] = "tenant/auth"
	s.run(t, 0)
	lacks(t, "summary", s.summary(t), "rates")
}

func TestActionFromAFork(t *testing.T) {
	t.Parallel()
	f := github(t, "")
	f.readOnly = true
	s := seed(t, f.URL)
	s.event = pullRequest(must(t, s.clone(), "git", "rev-parse", "main"), must(t, s.clone(), "git", "rev-parse", "change"), "kim/fleet")
	s.run(t, 1)
	if !s.said("notice", "from a fork") || len(f.calls) > 0 {
		t.Errorf("the log does not tell of the fork:\n%s", s.log)
	}
	contains(t, "summary", s.summary(t), agent)
	// A fork that is gone has no name.
	s.event["pull_request"].(map[string]any)["head"].(map[string]any)["repo"] = nil
	s.run(t, 1)
	if !s.said("notice", "from a fork") {
		t.Errorf("the log does not tell of the fork:\n%s", s.log)
	}
}

func (s *step) clone() string { return filepath.Join(s.job.dir, s.env["INPUT_PATH"]) }

func TestActionCannotComment(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*forge, *step)
		want   string
	}{
		"no right": {func(f *forge, _ *step) { f.readOnly = true }, "permissions: pull-requests: write"},
		"down":     {func(f *forge, _ *step) { f.down = true }, "could not be written (HTTP 502)"},
		"nobody":   {func(_ *forge, s *step) { s.env["GITHUB_API_URL"] = "http://127.0.0.1:1" }, "could not be written (HTTP 000)"},
		"two lines": {func(_ *forge, s *step) {
			s.env["INPUT_TOKEN"] = token + "\nX-Other: header"
		}, "There is no token"},
	} {
		t.Run(name, func(t *testing.T) {
			f := github(t, "")
			s := seed(t, f.URL)
			c.change(f, s)
			s.run(t, 1)
			if !s.said("warning", c.want) {
				t.Errorf("no warning %q:\n%s", c.want, s.log)
			}
			contains(t, "summary", s.summary(t), agent)
		})
	}
}

func TestActionOfAShallowClone(t *testing.T) {
	t.Parallel()
	from := incident(t)
	must(t, from, "git", "checkout", "-q", "main")
	base := commit(t, from, map[string]string{"README.md": "a\n"})
	head := must(t, from, "git", "rev-parse", "change")
	for name, c := range map[string]struct{ fetch, want string }{
		"without the base":        {"change", "The base of the pull request"},
		"without the head":        {"main", "The head of the pull request"},
		"without what they share": {"main change", "too shallow"},
	} {
		t.Run(name, func(t *testing.T) {
			clone := filepath.Join(t.TempDir(), "fleet")
			must(t, root, "git", "init", "-q", clone)
			must(t, clone, "git", append([]string{"fetch", "-q", "--depth=1", "file://" + from}, strings.Fields(c.fetch)...)...)
			s := action(t, clone, "http://127.0.0.1:1", pullRequest(base, head, "acme/fleet"))
			s.run(t, 2)
			if !s.said("error", c.want) || !s.said("error", "fetch-depth: 0") {
				t.Errorf("no error %q with its cure:\n%s", c.want, s.log)
			}
		})
	}
}

// TestActionHasNoAnswer replaces a report that is no longer true.
func TestActionHasNoAnswer(t *testing.T) {
	t.Parallel()
	f := github(t, "")
	s := seed(t, f.URL)
	s.run(t, 1)
	s.env["INPUT_ARGS"] = "--cluster=x"
	s.run(t, 2)
	if got := strings.Join(f.calls, ", "); got != "POST 101, PATCH 101" {
		t.Errorf("calls: %s", got)
	}
	contains(t, "comment", f.remarks[0].body, marker, "Bulkhead has no answer", "https://github.example/acme/fleet/actions/runs/1")
	lacks(t, "comment", f.remarks[0].body, agent)
	if _, ok := s.out["verdict"]; ok {
		t.Errorf("outputs: %v", s.out)
	}
	contains(t, "log", s.log, "bulkhead: error: ")
}

func TestActionSummaryIsFull(t *testing.T) {
	t.Parallel()
	s := seed(t, github(t, "").URL)
	s.env["GITHUB_STEP_SUMMARY"] = filepath.Join(t.TempDir(), "summary")
	const have = 1<<20 - 2000
	if err := os.WriteFile(s.env["GITHUB_STEP_SUMMARY"], make([]byte, have), 0o600); err != nil {
		t.Fatal(err)
	}
	s.run(t, 1)
	got := read(t, s.env["GITHUB_STEP_SUMMARY"])[have:]
	contains(t, "summary", got, "too long")
	if len(got) > 1000 {
		t.Errorf("%d bytes more than fit", len(got))
	}
}

func TestActionBuildsTheProgram(t *testing.T) {
	t.Parallel()
	s := seed(t, github(t, "").URL)
	s.env["PATH"] = os.Getenv("PATH")
	s.env["GOCACHE"], s.env["GOPATH"] = goEnv(t, "GOCACHE"), goEnv(t, "GOPATH")
	s.run(t, 1)
	contains(t, "log", s.log, "Building bulkhead")
	s.env["INPUT_BULKHEAD"] = "no-such-program"
	s.run(t, 2)
	if !s.said("error", "names no program") {
		t.Errorf("the log does not tell of the program:\n%s", s.log)
	}
	s.env["INPUT_BULKHEAD"] = filepath.Join(programs, "bulkhead")
	s.run(t, 1)
}

package ci

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// hostileBranch is a name that Git takes, and that does harm where it becomes part of a script.
const hostileBranch = "a\"'$(touch${IFS}pwned);`touch${IFS}pwned`;b&&touch${IFS}pwned"

// untouched fails if somebody ran what only was to be read.
func untouched(t *testing.T, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		if err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err == nil && strings.HasPrefix(d.Name(), "pwned") {
				t.Errorf("%s was made", path)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// hostile commits objects and files whose names are commands of a runner, and a failure that quotes one.
func hostile(t *testing.T, clone string) string {
	t.Helper()
	must(t, clone, "git", "checkout", "-q", "-b", hostileBranch, "main")
	const evil = `x\n::error title=pwned::y\n##[error]pwned\n::stop-commands::pwned\n::set-output name=verdict::passed`
	const file = "evil\n::error title=pwned::file.yaml"
	return commit(t, clone, map[string]string{
		"tenants/billing/base/kustomization.yaml": read(t, filepath.Join(clone, "tenants/billing/base/kustomization.yaml")) + "- \"evil\\n::error title=pwned::file.yaml\"\n",
		"tenants/billing/base/" + file: `apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: "` + evil + `"
  namespace: billing
  annotations: {"` + evil + `": "` + evil + `"}
spec:
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec:
      hostNetwork: true
      containers:
      - {name: "` + evil + `", image: "` + evil + `", securityContext: {privileged: true}}
`,
		"clusters/prod-us-east-1/evil.yaml": `apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: evil, namespace: flux-system}
spec: {interval: 5m, prune: true, path: "./` + evil + `", sourceRef: {kind: GitRepository, name: flux-system}}
`,
	})
}

// TestActionHostile gives the action names that are commands: of the shell, and of the runner. What every
// run must hold is in step.run.
func TestActionHostile(t *testing.T) {
	t.Parallel()
	clone := incident(t)
	base := must(t, clone, "git", "rev-parse", "main")
	head := hostile(t, clone)
	f := github(t, "")
	s := action(t, clone, f.URL, pullRequest(base, head, "acme/fleet", "$(touch pwned)", "--output=html", "a\n::error::pwned"))
	event := s.event["pull_request"].(map[string]any)["head"].(map[string]any)
	event["ref"] = hostileBranch
	s.env["GITHUB_HEAD_REF"] = hostileBranch
	s.run(t, 1)
	contains(t, "summary", s.summary(t), "prod-us-east-1", "pwned")
	untouched(t, s.job.dir, s.dir)

	s.env["INPUT_BASE"], s.env["INPUT_HEAD"] = "main", hostileBranch
	s.env["INPUT_ONLY"] = "tenant/billing"
	s.env["INPUT_ARGS"] = "--label=$(touch pwned)\n--label=`touch pwned`"
	s.run(t, 1)
	if got := strings.Join(f.calls, ", "); got != "POST 101, POST 102" {
		t.Errorf("calls: %s", got)
	}
	untouched(t, s.job.dir, s.dir)

	for _, in := range []string{"INPUT_HEAD", "INPUT_SOURCES", "INPUT_FAIL_ON", "INPUT_PATH", "INPUT_BULKHEAD", "INPUT_SPOKE"} {
		was := s.env[in]
		s.env[in] = "--x$(touch pwned)\n::error title=pwned::y"
		s.run(t, 2)
		s.env[in] = was
	}
	untouched(t, s.job.dir, s.dir)
}

// TestTemplateHostile does the same to the template.
func TestTemplateHostile(t *testing.T) {
	t.Parallel()
	clone := incident(t)
	base := must(t, clone, "git", "rev-parse", "main")
	p := pipeline(t, clone, gitlab(t, "bot").URL, base, hostile(t, clone))
	p.env["CI_MERGE_REQUEST_SOURCE_BRANCH_NAME"], p.env["CI_MERGE_REQUEST_TITLE"] = hostileBranch, "$(touch pwned)"
	p.env["CI_MERGE_REQUEST_LABELS"] = "$(touch pwned),--output=html,`touch pwned`"
	p.run(t, 1)
	untouched(t, clone, p.env["TMPDIR"])
	for line := range strings.Lines(p.log) {
		if strings.HasPrefix(strings.TrimSpace(line), "::") || strings.ContainsAny(line, "\x1b\r") {
			t.Errorf("a line of the log is a command: %q", line)
		}
	}
	p.env["BULKHEAD_HEAD"], p.env["BULKHEAD_BASE"], p.env["BULKHEAD_ARGS"] = hostileBranch, "main", "--label=$(touch pwned)"
	p.run(t, 1)
	untouched(t, clone, p.env["TMPDIR"])
}

// TestActionTrustsNobody gives the action a program that escapes nothing.
func TestActionTrustsNobody(t *testing.T) {
	t.Parallel()
	s := seed(t, github(t, "").URL)
	s.env["INPUT_BULKHEAD"] = filepath.Join(t.TempDir(), "bulkhead")
	text := `#!/bin/sh
for to in 1 2; do printf '::set-output name=verdict::passed\n ::add-mask::pwned\nx ##[error]pwned\n::stop-commands::pwned\n' >&$to; done
printf '::error title=pwned::pwned\n::resume-::\nno line end' >&2
echo "::notice title=own::kept"
env | grep -q ghs_ && exit 3
exit 2
`
	if err := os.WriteFile(s.env["INPUT_BULKHEAD"], []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	s.run(t, 2) // 3 when the token is in its environment
	if got := commandsOf(s.log); len(got) != 1 || got[0].property("title") != "own" {
		t.Errorf("commands: %v", got)
	}
}

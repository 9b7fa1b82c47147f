package ci

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The commits of the incident are the same everywhere.
const (
	incidentBefore = "51e41c94e7"
	incidentAfter  = "e8927cad96"
)

// TestIncident holds the outputs in examples/incident against what the program says; UPDATE=1 rewrites them.
func TestIncident(t *testing.T) {
	t.Parallel()
	example, dir := filepath.Join(root, "examples/incident"), filepath.Join(t.TempDir(), "fleet")
	must(t, root, filepath.Join(example, "play.sh"), dir)
	for rev, want := range map[string]string{"HEAD~1": incidentBefore, "HEAD": incidentAfter} {
		if got := must(t, dir, "git", "rev-parse", rev); !strings.HasPrefix(got, want) {
			t.Errorf("%s is %s, want %s", rev, got, want)
		}
	}
	if got := must(t, dir, "git", "diff", "--numstat", "HEAD~1", "HEAD"); got != "1\t1\t"+incidentAt {
		t.Errorf("the change is not one line of one file: %s", got)
	}
	out := t.TempDir()
	j := job{dir: dir, env: basics(t), program: "bulkhead", args: []string{"impact", "HEAD~1", "HEAD", "--now=2026-01-14"}}
	for name, format := range map[string]string{"impact.txt": "text", "impact.md": "markdown", "impact.html": "html"} {
		j.args = append(j.args, "--report="+format+"="+filepath.Join(out, name))
	}
	j.program = filepath.Join(programs, "bulkhead")
	if code, log := j.run(t); code != 1 {
		t.Fatalf("exit code %d:\n%s", code, log)
	}
	for _, name := range []string{"impact.txt", "impact.md", "impact.html"} {
		got := read(t, filepath.Join(out, name))
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(filepath.Join(example, name), []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want := read(t, filepath.Join(example, name)); got != want {
			t.Errorf("%s is not what the program says; UPDATE=1 rewrites it", name)
		}
		if name == "impact.html" {
			contains(t, name, got, agent, "prod-us-east-1", "prod-db-01", incidentAt, "prod-alone")
			continue
		}
		head := strings.Join(strings.SplitN(got, "\n", 41)[:40], "\n")
		contains(t, "the first 40 lines of "+name, head, "DaemonSet/logging/vector", "prod-us-east-1", "prod-db-01", incidentAt, "prod-alone")
		lacks(t, name, got, "staging-eu-1")
	}
}

// TestIncidentIsPlayedAsTold runs the commands of the README.
func TestIncidentIsPlayedAsTold(t *testing.T) {
	t.Parallel()
	text := read(t, filepath.Join(root, "examples/incident/README.md"))
	dir := t.TempDir()
	_, block, _ := strings.Cut(text, "```sh\n")
	block, _, ok := strings.Cut(block, "```")
	if !ok {
		t.Fatal("the README has no commands")
	}
	j := job{dir: filepath.Join(root, "examples/incident"), env: basics(t), program: "bash", args: []string{"-eu", "-c"}}
	j.args = append(j.args, strings.ReplaceAll(block, "/tmp/incident", dir+"/incident")+"\n")
	code, out := j.run(t)
	if code != 1 { // of the last command, whose gate fails
		t.Errorf("exit code %d", code)
	}
	contains(t, "output", out, agent, prodAlone)
}

package ci

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// root is the folder of the project.
var root string

// programs is a folder that holds bulkhead and nothing else.
var programs string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if root, err = filepath.Abs("../.."); err != nil {
			panic(err)
		}
		if programs, err = os.MkdirTemp("", "bulkhead-ci-"); err != nil {
			panic(err)
		}
		defer os.RemoveAll(programs)
		if err = os.Setenv("BULKHEAD_CACHE", "off"); err != nil { // the incident's page tells how much was done
			panic(err)
		}
		// The flags of "make build" and of the scripts, which share what is built.
		build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", filepath.Join(programs, "bulkhead"), "./cmd/bulkhead")
		build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build bulkhead: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// job is one run of a script.
type job struct {
	dir     string
	env     map[string]string
	program string // "" for the one in PATH of the test
	stdin   string
	args    []string
}

// basics are the variables that every runner has: bulkhead is in PATH, and Git has no settings of the user.
func basics(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{
		"PATH": programs + ":" + os.Getenv("PATH"), "HOME": t.TempDir(), "TMPDIR": t.TempDir(), "LC_ALL": "C.UTF-8",
		"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1",
	}
}

// run returns the exit code and all that was said, standard output and standard error in one.
func (j *job) run(t *testing.T) (int, string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), j.program, j.args...)
	cmd.Dir, cmd.Stdin = j.dir, strings.NewReader(j.stdin)
	for _, k := range slices.Sorted(maps.Keys(j.env)) {
		cmd.Env = append(cmd.Env, k+"="+j.env[k])
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	exit := (*exec.ExitError)(nil)
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run %s: %v", j.program, err)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

// needs skips a test of scripts where a program that they run is missing.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("SKIPPED: %s is not installed", p)
		}
	}
}

// must runs a program that has to succeed and returns what it says, without the last line end.
func must(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	j := job{dir: dir, env: basics(t), program: program, args: args}
	for _, who := range []string{"AUTHOR", "COMMITTER"} {
		j.env["GIT_"+who+"_NAME"], j.env["GIT_"+who+"_EMAIL"] = "Kim", "kim@acme.example"
	}
	code, out := j.run(t)
	if code != 0 {
		t.Fatalf("%s %q: exit code %d\n%s", program, args, code, out)
	}
	return strings.TrimSuffix(out, "\n")
}

// incident is a new clone-like repository of examples/incident: main has the fleet, the branch change the change.
func incident(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "fleet")
	must(t, root, filepath.Join(root, "examples/incident/play.sh"), dir)
	must(t, dir, "git", "branch", "change")
	must(t, dir, "git", "reset", "-q", "--hard", "HEAD~1")
	return dir
}

// commit writes files and commits them.
func commit(t *testing.T, dir string, files map[string]string) string {
	t.Helper()
	for name, content := range files {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	must(t, dir, "git", "add", "-A")
	must(t, dir, "git", "commit", "-qm", "a change")
	return must(t, dir, "git", "rev-parse", "HEAD")
}

// read is a file as text, "" when there is none.
func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(data)
}

// contains fails for each text that is not there.
func contains(t *testing.T, what, text string, wanted ...string) {
	t.Helper()
	for _, w := range wanted {
		if !strings.Contains(text, w) {
			t.Errorf("%s: %q is missing:\n%s", what, w, text)
		}
	}
}

// lacks fails for each text that is there.
func lacks(t *testing.T, what, text string, unwanted ...string) {
	t.Helper()
	for _, w := range unwanted {
		if strings.Contains(text, w) {
			t.Errorf("%s: %q is there:\n%s", what, w, text)
		}
	}
}

// TestScriptsAreExecutable holds what Git keeps of a file's mode.
func TestScriptsAreExecutable(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"deploy/github-action/impact.sh", "deploy/gitlab/impact.sh", "deploy/hooks/pre-push", "examples/incident/play.sh"} {
		info, err := os.Stat(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode()&0o111 == 0 {
			t.Errorf("%s is not executable", name)
		}
	}
}

// TestShellcheck runs where shellcheck is installed.
func TestShellcheck(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("shellcheck")
	if err != nil {
		t.Skip("SKIPPED: shellcheck is not installed")
	}
	must(t, root, program, "deploy/github-action/impact.sh", "deploy/gitlab/impact.sh", "deploy/hooks/pre-push", "examples/incident/play.sh")
}

// goEnv is a setting of Go, for a script that builds.
func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

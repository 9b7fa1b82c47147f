package ci

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// pushing is a clone with the hook in it, on the branch with the change, and its remote.
func pushing(t *testing.T) (clone string, env map[string]string) {
	t.Helper()
	from := incident(t)
	remote, clone := filepath.Join(t.TempDir(), "remote.git"), filepath.Join(t.TempDir(), "clone")
	must(t, root, "git", "clone", "-q", "--bare", from, remote)
	must(t, remote, "git", "branch", "-D", "change")
	must(t, root, "git", "clone", "-q", remote, clone)
	must(t, clone, "git", "fetch", "-q", from, "change:change")
	must(t, clone, "git", "checkout", "-q", "change")
	data := read(t, filepath.Join(root, "deploy/hooks/pre-push"))
	if err := os.WriteFile(filepath.Join(clone, ".git/hooks/pre-push"), []byte(data), 0o700); err != nil {
		t.Fatal(err)
	}
	return clone, basics(t)
}

func push(t *testing.T, dir string, env map[string]string, args ...string) (int, string) {
	t.Helper()
	j := job{dir: dir, env: env, program: "git", args: append([]string{"push"}, args...)}
	return j.run(t)
}

func TestHook(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config string // of Git, NAME=VALUE
		args   []string
		path   bool // without bulkhead
		code   int
		want   []string
		lack   []string
	}{
		"warns":            {args: []string{"origin", "change"}, want: []string{agent, prodAlone, "prod-db-01", "prod-us-east-1"}},
		"stops":            {config: "bulkhead.failOn=error", args: []string{"origin", "change"}, code: 1, want: []string{prodAlone, "--no-verify"}},
		"is off":           {config: "bulkhead.prePush=false", args: []string{"origin", "change"}, lack: []string{agent}},
		"no verify":        {config: "bulkhead.failOn=error", args: []string{"--no-verify", "origin", "change"}, lack: []string{agent}},
		"other name":       {args: []string{"origin", "change:refs/heads/" + hostileBranch}, want: []string{agent}},
		"to main":          {config: "bulkhead.failOn=error", args: []string{"origin", "change:main"}, code: 1, want: []string{agent}},
		"nothing new":      {args: []string{"origin", "change~1:refs/heads/old"}, lack: []string{agent, "bulkhead:"}},
		"tag":              {args: []string{"origin", "change:refs/tags/v1"}, lack: []string{agent, "bulkhead:"}},
		"deletion":         {args: []string{"origin", ":main"}, code: 1, lack: []string{"bulkhead:"}}, // the remote refuses
		"not there":        {path: true, args: []string{"origin", "change"}, want: []string{"note: the push is not looked at: bulkhead is not in PATH"}},
		"not there, stops": {path: true, config: "bulkhead.failOn=warn", args: []string{"origin", "change"}, code: 1, want: []string{"error: bulkhead is not in PATH"}},
		"unknown remote":   {args: []string{"REMOTE", "change"}, want: []string{"default branch of the remote is not known"}},
	} {
		t.Run(name, func(t *testing.T) {
			clone, env := pushing(t)
			if k, v, ok := strings.Cut(c.config, "="); ok {
				must(t, clone, "git", "config", k, v)
			}
			if c.path {
				env["PATH"] = os.Getenv("PATH")
			}
			for i, a := range c.args {
				if a == "REMOTE" {
					c.args[i] = must(t, clone, "git", "remote", "get-url", "origin")
				}
			}
			code, out := push(t, clone, env, c.args...)
			if code != c.code {
				t.Errorf("exit code %d, want %d:\n%s", code, c.code, out)
			}
			contains(t, "output", out, c.want...)
			lacks(t, "output", out, c.lack...)
			untouched(t, clone)
		})
	}
}

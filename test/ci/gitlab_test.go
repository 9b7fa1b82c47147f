package ci

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// merge is one run of the template's script for the merge request 7 of project 42.
type merge struct {
	job
	log string
}

func pipeline(t *testing.T, clone, server, base, head string) *merge {
	t.Helper()
	needs(t, "curl", "jq")
	p := &merge{job: job{dir: clone, env: basics(t), program: "bash", args: []string{filepath.Join(root, "deploy/gitlab/impact.sh")}}}
	maps.Copy(p.env, map[string]string{
		"CI_API_V4_URL": server + "/api/v4", "CI_PROJECT_ID": "42", "CI_MERGE_REQUEST_IID": "7", "CI_JOB_URL": "https://gitlab.example/jobs/1",
		"CI_MERGE_REQUEST_DIFF_BASE_SHA": base, "CI_COMMIT_SHA": head, "BULKHEAD_TOKEN": token,
	})
	return p
}

func (p *merge) run(t *testing.T, want int) {
	t.Helper()
	code, log := p.job.run(t)
	p.log = log
	if code != want {
		t.Fatalf("exit code %d, want %d:\n%s", code, want, log)
	}
	if strings.Contains(log, token) {
		t.Errorf("the token is in the log:\n%s", log)
	}
	if left, err := os.ReadDir(p.env["TMPDIR"]); err != nil || len(left) > 0 {
		t.Errorf("files are left behind: %v %v", left, err)
	}
}

func (p *merge) report(t *testing.T, name string) string {
	t.Helper()
	return read(t, filepath.Join(p.dir, "bulkhead-impact", name))
}

func TestTemplateTellsTheIncident(t *testing.T) {
	t.Parallel()
	clone := incident(t)
	f := gitlab(t, "project_42_bot")
	f.remarks = []remark{{1, "kim", false, marker + "\nall is well"}, {2, "kim", false, "a"}, {3, "kim", false, "b"}}
	p := pipeline(t, clone, f.URL, must(t, clone, "git", "rev-parse", "main"), must(t, clone, "git", "rev-parse", "change"))
	p.run(t, 1)
	if got := strings.Join(f.calls, ", "); got != "POST 101" {
		t.Fatalf("calls: %s", got)
	}
	for what, text := range map[string]string{"note": f.remarks[3].body, "file": p.report(t, "impact.md"), "log": p.log} {
		contains(t, what, text, agent, prodAlone, "prod-us-east-1", "prod-db-01", incidentAt)
	}
	if !strings.HasPrefix(f.remarks[3].body, marker+"\n") {
		t.Errorf("the note does not begin with its marker:\n%.200s", f.remarks[3].body)
	}
	contains(t, "JUnit", p.report(t, "impact.xml"), "<testsuite")
	for _, name := range []string{"impact.html", "impact.json", "impact.sarif"} {
		if p.report(t, name) == "" {
			t.Errorf("%s is missing", name)
		}
	}

	p.env["BULKHEAD_FAIL_ON"] = "never"
	p.run(t, 0)
	p.env["BULKHEAD_ONLY"] = "tenant/billing"
	p.run(t, 0)
	p.run(t, 0)
	if got := strings.Join(f.calls, ", "); got != "POST 101, PUT 101, POST 102, PUT 102" {
		t.Errorf("calls: %s", got)
	}
	if f.remarks[0].body != marker+"\nall is well" {
		t.Error("the note of a person was overwritten")
	}
	p.env["BULKHEAD_ARGS"], p.env["BULKHEAD_ONLY"] = "--cluster=x", ""
	p.run(t, 2)
	contains(t, "note", f.remarks[3].body, "Bulkhead has no answer", "https://gitlab.example/jobs/1")
	if p.report(t, "impact.xml") != "" {
		t.Error("a report of an earlier run is left")
	}
}

func TestTemplateCannotNote(t *testing.T) {
	t.Parallel()
	clone := incident(t)
	for name, c := range map[string]struct {
		change func(*forge, *merge)
		want   string
	}{
		"fork":     {func(_ *forge, p *merge) { delete(p.env, "BULKHEAD_TOKEN") }, "as in a merge request from a fork"},
		"no right": {func(f *forge, _ *merge) { f.readOnly = true }, "may not write notes (HTTP 403)"},
		"down":     {func(f *forge, _ *merge) { f.down = true }, "could not be written (HTTP 502)"},
	} {
		t.Run(name, func(t *testing.T) {
			f := gitlab(t, "project_42_bot")
			p := pipeline(t, clone, f.URL, must(t, clone, "git", "rev-parse", "main"), must(t, clone, "git", "rev-parse", "change"))
			c.change(f, p)
			p.run(t, 1)
			contains(t, "log", p.log, c.want)
			contains(t, "file", p.report(t, "impact.md"), agent)
			if len(f.calls) > 0 {
				t.Errorf("calls: %v", f.calls)
			}
		})
	}
}

func TestTemplateRevisions(t *testing.T) {
	t.Parallel()
	from := incident(t)
	base, head := must(t, from, "git", "rev-parse", "main"), must(t, from, "git", "rev-parse", "change")
	t.Run("shallow", func(t *testing.T) {
		clone := filepath.Join(t.TempDir(), "fleet")
		must(t, root, "git", "clone", "-q", "--depth=1", "--branch=change", "file://"+from, clone)
		p := pipeline(t, clone, "http://127.0.0.1:1", base, head)
		p.run(t, 2)
		contains(t, "log", p.log, "bulkhead: error: the base of the merge request", "GIT_DEPTH to 0")
	})
	t.Run("merged results", func(t *testing.T) {
		p := pipeline(t, from, gitlab(t, "bot").URL, base, base)
		p.env["CI_MERGE_REQUEST_SOURCE_BRANCH_SHA"], p.env["BULKHEAD_NOTE"] = head, "false"
		p.run(t, 1)
	})
	t.Run("a branch", func(t *testing.T) {
		p := pipeline(t, from, "http://127.0.0.1:1", "", head)
		p.run(t, 2)
		contains(t, "log", p.log, "merge request pipelines")
	})
}

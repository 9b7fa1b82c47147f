//go:build e2e && linux

package ci

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"code.gitea.io/sdk/gitea"

	"github.com/bulkhead-dev/bulkhead/test/lab"
)

// TestActionOnAForge runs the action against Gitea, whose API has the paths of GitHub's: it makes a comment
// on a real pull request, and then brings that one up to date.
func TestActionOnAForge(t *testing.T) {
	t.Parallel()
	l := lab.Start(t, lab.WithForge())
	f := l.Forge
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	c, err := f.Client(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.CreateOrg(ctx, "acme"); err != nil {
		t.Fatal(err)
	}
	if err := f.CreateRepo(ctx, "acme/fleet"); err != nil {
		t.Fatal(err)
	}
	clone := incident(t)
	remote := strings.Replace(f.URL, "http://", "http://"+f.User+":"+f.Token+"@", 1) + "/acme/fleet.git"
	must(t, clone, "git", "push", "-q", remote, "main", "change")
	var pull *gitea.PullRequest // the forge takes note of a push after the push
	if err := l.Wait(ctx, "the pull request", func(context.Context) (bool, error) {
		pull, _, err = c.CreatePullRequest("acme", "fleet", gitea.CreatePullRequestOption{Head: "change", Base: "main", Title: "$(touch pwned)"})
		return err == nil, err
	}); err != nil {
		t.Fatal(err)
	}
	label, _, err := c.CreateLabel("acme", "fleet", gitea.CreateLabelOption{Name: "dba-approved", Color: "#00aabb"})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.AddIssueLabels("acme", "fleet", pull.Index, gitea.IssueLabelsOption{Labels: []int64{label.ID}}); err != nil {
		t.Fatal(err)
	}
	// A person who knows the marker writes first.
	if _, _, err := c.AdminCreateUser(gitea.CreateUserOption{Username: "kim", Email: "kim@acme.example", Password: "correct horse battery", MustChangePassword: new(bool)}); err != nil {
		t.Fatal(err)
	}
	write := gitea.AccessModeWrite
	if _, err := c.AddCollaborator("acme", "fleet", "kim", gitea.AddCollaboratorOption{Permission: &write}); err != nil {
		t.Fatal(err)
	}
	c.SetSudo("kim")
	if _, _, err := c.CreateIssueComment("acme", "fleet", pull.Index, gitea.CreateIssueCommentOption{Body: marker + "\nall is well"}); err != nil {
		t.Fatal(err)
	}
	c.SetSudo("")

	s := action(t, clone, f.URL+"/api/v1", nil)
	s.env["INPUT_TOKEN"] = f.Token
	comments := func(code, want int) []*gitea.Comment {
		t.Helper()
		head := must(t, clone, "git", "rev-parse", "change")
		if err := l.Wait(ctx, "the head of the pull request", func(context.Context) (bool, error) {
			s.event = map[string]any{"pull_request": giteaPull(t, f)}
			return s.event["pull_request"].(map[string]any)["head"].(map[string]any)["sha"] == head, nil
		}); err != nil {
			t.Fatal(err)
		}
		s.run(t, code)
		list, _, err := c.ListIssueComments("acme", "fleet", pull.Index, gitea.ListIssueCommentOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(list) != want || list[0].Body != marker+"\nall is well" {
			t.Fatalf("%d comments, want %d:\n%s", len(list), want, s.log)
		}
		return list
	}
	first := comments(1, 2)[1]
	contains(t, "comment", first.Body, marker, agent, prodAlone, "prod-us-east-1", "prod-db-01")

	must(t, clone, "git", "checkout", "-q", "change")
	commit(t, clone, map[string]string{
		incidentAt: strings.Replace(read(t, filepath.Join(clone, incidentAt)), "../fluent-bit", "../vector", 1),
		"infrastructure/base/postgres/postgres.yaml": strings.Replace(read(t, filepath.Join(clone, "infrastructure/base/postgres/postgres.yaml")), ":17.6", ":17.7", 1),
	})
	must(t, clone, "git", "push", "-q", remote, "change")
	second := comments(0, 2)[1] // the label lets the databases change
	if second.ID != first.ID {
		t.Errorf("the comment %d took the place of %d", second.ID, first.ID)
	}
	contains(t, "comment", second.Body, marker, "StatefulSet/databases/postgres", "prod-db-01")
	lacks(t, "comment", second.Body, agent)
	untouched(t, s.job.dir, s.dir)
}

// giteaPull is the pull request 1 as the forge itself tells of it, which is what its events hold.
func giteaPull(t *testing.T, f *lab.Forge) map[string]any {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.URL+"/api/v1/repos/acme/fleet/pulls/1", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "token "+f.Token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %v", data, err)
	}
	out := map[string]any{}
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

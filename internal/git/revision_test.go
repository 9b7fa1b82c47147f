package git_test

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bulkhead-dev/bulkhead/internal/git"
)

// history is a repository with two branches that were merged, tags, a remote, and packed references.
func history(t *testing.T) repo {
	t.Helper()
	up := newRepo(t)
	up.commit(map[string]string{"a": "1"})
	up.git("branch", "production")
	up.commit(map[string]string{"a": "2"})
	r := newRepo(t)
	r.git("remote", "add", "origin", up.dir)
	r.git("fetch", "-q", "origin")
	r.git("reset", "-q", "--hard", "origin/main")
	r.git("branch", "-q", "-u", "origin/main", "main")
	r.git("tag", "light")
	r.git("tag", "-a", "-m", "x", "v1.0.0")
	r.git("tag", "-a", "-m", "x", "again", "v1.0.0")
	r.git("checkout", "-q", "-b", "topic/x", "HEAD~1")
	r.commit(map[string]string{"b": "1"})
	r.git("checkout", "-q", "main")
	r.git("merge", "-q", "--no-ff", "-m", "merge", "topic/x")
	r.git("pack-refs", "--all")
	r.git("branch", "loose")
	r.git("branch", "deadbeef", "HEAD~1")
	r.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
	return r
}

func TestCommit(t *testing.T) {
	r := history(t)
	open := r.open()
	head := r.git("rev-parse", "HEAD")
	for _, rev := range []string{
		"HEAD", "@", "main", "heads/main", "refs/heads/main", "loose", "topic/x", "origin", "origin/main", "origin/production",
		"refs/remotes/origin/production", "light", "v1.0.0", "again", "tags/v1.0.0", "v1.0.0^{}", "v1.0.0^{commit}", "v1.0.0~1",
		"HEAD~", "HEAD~1", "HEAD^", "HEAD^2", "HEAD^2~1", "HEAD^0", "HEAD~2", "@~1", "HEAD^^", "@{u}", "@{upstream}", "main@{u}~1",
		"deadbeef", head, head[:4], head[:7], head[:39], strings.ToUpper(head), head[:8] + "~1",
	} {
		want := r.git("rev-parse", rev+"^{commit}")
		if c := commitOf(t, open, rev); c.Hash != want || c.Time.IsZero() {
			t.Errorf("Commit(%s) = %s at %v, want %s", rev, c.Hash, c.Time, want)
		}
	}
	r.git("checkout", "-q", "--detach", "HEAD~1")
	if c := commitOf(t, open, "HEAD"); c.Hash != r.git("rev-parse", "HEAD") {
		t.Errorf("detached HEAD = %s", c.Hash)
	}
}

func TestUnknownRevision(t *testing.T) {
	r := history(t)
	open := r.open()
	for rev, hint := range map[string]string{
		"production":       "did you mean origin/production?",
		"mian":             "did you mean main?",
		"v1.0.1":           "did you mean v1.0.0?",
		"topc/x":           "did you mean topic/x?",
		"MAIN":             "did you mean main?",
		"nothing-like-it":  "",
		"":                 "",
		"^":                "",
		"~1":               "",
		"HEAD~99":          "has 0 parents",
		"HEAD^9":           "has 2 parents",
		"HEAD^{tree}":      "",
		"HEAD^{/merge}":    "",
		"HEAD^-1":          "",
		"HEAD~99999999999": "",
		"main@{1}":         "only @{upstream}",
		"HEAD:a":           "",
		"main..topic/x":    "",
		"config":           "",
		"../config":        "",
		"refs/../config":   "",
		"refs/heads/../x":  "",
		"x\x00y":           "",
		"abc":              "",
		"no@{u}":           "",
	} {
		_, err := open.Commit(t.Context(), rev)
		unknown := (*git.UnknownRevisionError)(nil)
		if !errors.As(err, &unknown) || hint != "" && !strings.Contains(unknown.Hint, hint) {
			t.Errorf("Commit(%q): %v with %+v; want UnknownRevisionError with hint %q", rev, err, unknown, hint)
		}
	}
	gone := strings.Repeat("1", 40)
	if _, err := open.Commit(t.Context(), gone); !errors.As(err, new(*git.MissingObjectError)) {
		t.Errorf("Commit of an absent hash: %v, want MissingObjectError", err)
	}
	if _, err := open.Commit(t.Context(), r.git("rev-parse", "HEAD:a")); err == nil {
		t.Error("Commit of a blob: no error")
	}
}

func FuzzCommit(f *testing.F) {
	for _, rev := range []string{"HEAD~1^2^{}", "@{u}", "refs/heads/../../config", "abcd", "main@{1}", "~^", "v1.0.0-3-gabcdef"} {
		f.Add(rev)
	}
	dir := filepath.Join(f.TempDir(), "r")
	if out, err := exec.CommandContext(f.Context(), "git", "init", "-q", dir).CombinedOutput(); err != nil {
		f.Skipf("%v %s", err, out)
	}
	r := repo{f, dir}
	r.commit(map[string]string{"a": "1"})
	r.commit(map[string]string{"a": "2"})
	open := r.open()
	f.Fuzz(func(t *testing.T, rev string) {
		if c, err := open.Commit(t.Context(), rev); (c == nil) == (err == nil) {
			t.Errorf("Commit(%q) = %v, %v", rev, c, err)
		}
	})
}

func TestShallow(t *testing.T) {
	r := newRepo(t)
	r.commit(map[string]string{"a": "1"})
	r.git("branch", "old")
	r.commit(map[string]string{"a": "2"})
	s := repo{t, filepath.Join(t.TempDir(), "shallow")}
	r.git("clone", "-q", "--depth=1", "--no-single-branch", "file://"+r.dir, s.dir)
	unknown := (*git.UnknownRevisionError)(nil)
	if _, err := s.open().Commit(t.Context(), "HEAD~1"); !errors.As(err, &unknown) || !strings.Contains(unknown.Hint, "--unshallow") {
		t.Errorf("HEAD~1 of a shallow clone: %v", err)
	}
	if _, err := s.open().MergeBase(t.Context(), "HEAD", "origin/old"); !errors.As(err, &unknown) || !strings.Contains(unknown.Hint, "--unshallow") {
		t.Errorf("merge base in a shallow clone: %v", err)
	}
}

// TestMergeBase compares with git merge-base on random histories, clocks that run backwards among them.
func TestMergeBase(t *testing.T) {
	r := newRepo(t)
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(2, 9).Draw(rt, "commits")
		var stream strings.Builder
		for i := range n {
			at := 1_700_000_000 + i*10
			if rapid.IntRange(0, 4).Draw(rt, "skew") == 0 {
				at -= 1000
			}
			fmt.Fprintf(&stream, "commit refs/heads/c%d\nmark :%d\ncommitter c <c@example.com> %d +0000\ndata 0\n", i, i+1, at)
			if i == 0 {
				continue
			}
			ps := rapid.SliceOfNDistinct(rapid.IntRange(0, i-1), 0, min(i, 3), rapid.ID[int]).Draw(rt, "parents")
			for j, p := range ps {
				fmt.Fprintf(&stream, "%s :%d\n", []string{"from", "merge", "merge"}[j], p+1)
			}
		}
		cmd := exec.CommandContext(t.Context(), "git", "-C", r.dir, "fast-import", "--quiet", "--force")
		cmd.Stdin = strings.NewReader(stream.String())
		if out, err := cmd.CombinedOutput(); err != nil {
			rt.Fatalf("fast-import: %v\n%s", err, out)
		}
		open := r.open()
		a := fmt.Sprintf("c%d", rapid.IntRange(0, n-1).Draw(rt, "a"))
		b := fmt.Sprintf("c%d", rapid.IntRange(0, n-1).Draw(rt, "b"))
		out, _ := exec.CommandContext(t.Context(), "git", "-C", r.dir, "merge-base", "--all", a, b).Output()
		want := strings.Fields(string(out))
		got, err := open.MergeBase(t.Context(), a, b)
		switch {
		case err != nil && !errors.As(err, new(*git.UnknownRevisionError)):
			rt.Fatal(err)
		case (err != nil) != (len(want) == 0):
			rt.Fatalf("MergeBase(%s, %s): %v, git says %v", a, b, err, want)
		case err == nil && !strings.Contains(string(out), got.Hash):
			rt.Fatalf("MergeBase(%s, %s) = %s, git says %v", a, b, got.Hash, want)
		}
	})
}

func TestDefaultBranch(t *testing.T) {
	r := newRepo(t)
	want := func(name string) {
		t.Helper()
		if got, ok := r.open().DefaultBranch(); got != name || ok != (name != "") {
			t.Errorf("DefaultBranch = %q, %v; want %q", got, ok, name)
		}
	}
	want("")
	head := r.commit(map[string]string{"a": "1"})
	want("main")
	r.git("update-ref", "refs/remotes/origin/master", head)
	want("origin/master")
	r.git("update-ref", "refs/remotes/origin/main", head)
	want("origin/main")
	r.git("update-ref", "refs/remotes/origin/trunk", head)
	r.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk")
	want("origin/trunk")
	if c := commitOf(t, r.open(), "origin/trunk"); c.Hash != head {
		t.Error("Commit does not take the default branch")
	}
	r.git("update-ref", "-d", "refs/remotes/origin/trunk")
	want("origin/main")
}

func TestResolve(t *testing.T) {
	r := newRepo(t)
	at := func(tag, date string) string {
		t.Setenv("GIT_COMMITTER_DATE", date)
		h := r.commit(map[string]string{"a": tag})
		if tag != "" {
			r.git("tag", "-a", "-m", "x", tag)
		}
		return h
	}
	one := at("v1.0.0", "2024-01-01T00:00:00Z")
	later := at("v1.2.0+b", "2024-03-01T00:00:00Z")
	at("v1.2.0+c", "2024-02-01T00:00:00Z")
	pre := at("1.3.0-rc.1", "2024-04-01T00:00:00Z")
	at("v1.9", "2024-04-01T00:00:00Z")
	two := at("2.0.0", "2024-04-01T00:00:00Z")
	head := at("", "2024-05-01T00:00:00Z")
	r.git("update-ref", "refs/remotes/origin/main", two)
	r.git("update-ref", "refs/heads/feature/x", one)
	r.git("update-ref", "refs/pull/7/head", one)
	r.git("update-ref", "refs/remotes/origin/master", pre)
	r.git("pack-refs", "--all")
	open := r.open()
	for name, test := range map[string]struct {
		ref      git.Ref
		hash     string
		revision string
	}{
		"default":              {git.Ref{}, pre, "master@sha1:"},
		"remote branch first":  {git.Ref{Branch: "main"}, two, "main@sha1:"},
		"local branch":         {git.Ref{Branch: "feature/x"}, one, "feature/x@sha1:"},
		"tag":                  {git.Ref{Tag: "v1.0.0", Branch: "main"}, one, "v1.0.0@sha1:"},
		"tag before semver":    {git.Ref{Tag: "v1.0.0", SemVer: ">0"}, one, "v1.0.0@sha1:"},
		"semver before branch": {git.Ref{SemVer: "*", Branch: "main"}, two, "2.0.0@sha1:"},
		"semver, by time":      {git.Ref{SemVer: "1.x"}, later, "v1.2.0+b@sha1:"},
		"semver, prerelease":   {git.Ref{SemVer: ">=1.0.0-0 <2.0.0-0"}, pre, "1.3.0-rc.1@sha1:"},
		"name before tag":      {git.Ref{Name: "refs/pull/7/head", Tag: "2.0.0"}, one, "refs/pull/7/head@sha1:"},
		"name of a branch":     {git.Ref{Name: "refs/heads/main"}, two, "refs/heads/main@sha1:"},
		"name of a tag":        {git.Ref{Name: "refs/tags/2.0.0"}, two, "refs/tags/2.0.0@sha1:"},
		"commit before name":   {git.Ref{Commit: head, Name: "refs/pull/7/head"}, head, "sha1:"},
		"commit on a branch":   {git.Ref{Commit: one, Branch: "main"}, one, "main@sha1:"},
	} {
		t.Run(name, func(t *testing.T) {
			c, revision, err := open.Resolve(t.Context(), test.ref)
			if err != nil {
				t.Fatal(err)
			}
			if c.Hash != test.hash || revision != test.revision+test.hash {
				t.Errorf("Resolve = %s, %s; want %s%s", c.Hash, revision, test.revision, test.hash)
			}
		})
	}
	for name, ref := range map[string]git.Ref{
		"branch":       {Branch: "nope"},
		"tag":          {Tag: "main"},
		"name":         {Name: "refs/heads/../../config"},
		"semver":       {SemVer: ">3"},
		"short commit": {Commit: head[:7]},
		"commit":       {Commit: strings.Repeat("1", 40)},
	} {
		if _, _, err := open.Resolve(t.Context(), ref); !errors.Is(err, git.ErrNoSuchRef) {
			t.Errorf("%s: %v, want ErrNoSuchRef", name, err)
		}
	}
	if _, _, err := open.Resolve(t.Context(), git.Ref{SemVer: "what"}); err == nil || errors.Is(err, git.ErrNoSuchRef) {
		t.Errorf("bad semver range: %v", err)
	}
}

package git_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/internal/git"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// repo is a repository that the git program works on.
type repo struct {
	t   testing.TB
	dir string
}

func newRepo(tb testing.TB, args ...string) repo {
	tb.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		tb.Skip("no git program")
	}
	r := repo{tb, filepath.Join(tb.TempDir(), "repo")}
	if err := os.Mkdir(r.dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	r.git(append([]string{"init", "-q", "-b", "main"}, args...)...)
	return r
}

func (r repo) git(args ...string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "git", args...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=c", "GIT_COMMITTER_EMAIL=c@example.com",
		"GIT_ALLOW_PROTOCOL=file")
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (r repo) write(files map[string]string) {
	r.t.Helper()
	for path, text := range files {
		full := filepath.Join(r.dir, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
			r.t.Fatal(err)
		}
	}
}

// commit writes files, and gives the hash of the commit that has them.
func (r repo) commit(files map[string]string) string {
	r.t.Helper()
	r.write(files)
	r.git("add", "-A")
	r.git("commit", "-q", "--allow-empty", "-m", "change")
	return r.git("rev-parse", "HEAD")
}

func (r repo) open() *git.Repository {
	r.t.Helper()
	got, err := git.Open(r.dir)
	if err != nil {
		r.t.Fatal(err)
	}
	return got
}

// show lists a tree: mode and path, and the content unless it is that of a directory.
func show(tb testing.TB, tr *tree.Tree) map[string]string {
	tb.Helper()
	got := map[string]string{}
	err := tr.Walk(".", func(path string, e tree.Entry) error {
		if e.Mode == tree.Directory {
			return nil
		}
		if e.Mode == tree.Submodule {
			got[path] = e.Mode.String()
			return nil
		}
		data, err := tr.ReadFile(path)
		got[path] = e.Mode.String() + " " + string(data)
		if h, herr := tr.HashOf(path); err == nil && (herr != nil || h != tree.HashBlob(data)) {
			tb.Errorf("HashOf(%s) = %v, %v; its content has %v", path, h, herr, tree.HashBlob(data))
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return got
}

func sameFiles(tb testing.TB, want map[string]string, tr *tree.Tree) {
	tb.Helper()
	if diff := cmp.Diff(want, show(tb, tr)); diff != "" {
		tb.Errorf("files (-want +got):\n%s", diff)
	}
}

func commitOf(tb testing.TB, r *git.Repository, rev string) *git.Commit {
	tb.Helper()
	c, err := r.Commit(tb.Context(), rev)
	if err != nil {
		tb.Fatalf("Commit(%s): %v", rev, err)
	}
	return c
}

func TestOpen(t *testing.T) {
	r := newRepo(t)
	r.git("remote", "add", "origin", "ssh://git@example.com/hub")
	head := r.commit(map[string]string{"a/b.yaml": "b", "c.yaml": "c"})
	want := map[string]string{"a/b.yaml": "100644 b", "c.yaml": "100644 c"}
	outside := t.TempDir()
	in := func(name string) string { return filepath.Join(outside, name) }
	r.git("clone", "-q", "--bare", r.dir, in("bare"))
	r.git("clone", "-q", "--shared", r.dir, in("shared"))
	r.git("clone", "-q", "--shared", in("shared"), in("shared-twice"))
	r.git("clone", "-q", "--depth=1", "file://"+r.dir, in("shallow"))
	r.git("worktree", "add", "-q", "--detach", in("linked"))
	for name, test := range map[string]struct{ dir, root string }{
		"root":            {r.dir, r.dir},
		"below":           {filepath.Join(r.dir, "a"), r.dir},
		"bare":            {in("bare"), ""},
		"inside bare":     {in("bare/refs/heads"), ""},
		"linked worktree": {in("linked"), in("linked")},
		"below linked":    {in("linked/a"), in("linked")},
		"alternates":      {in("shared"), in("shared")},
		"two alternates":  {in("shared-twice"), in("shared-twice")},
		"shallow":         {in("shallow"), in("shallow")},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := git.Open(test.dir)
			if err != nil {
				t.Fatal(err)
			}
			if got.Root() != test.root {
				t.Errorf("Root = %q, want %q", got.Root(), test.root)
			}
			for _, rev := range []string{"HEAD", head[:7]} {
				c := commitOf(t, got, rev)
				if c.Hash != head || c.Tree.ID().String() != r.git("rev-parse", "HEAD^{tree}") {
					t.Errorf("%s is commit %s with tree %s, want %s", rev, c.Hash, c.Tree.ID(), head)
				}
				sameFiles(t, want, c.Tree)
			}
			wt, err := got.WorkTree(t.Context())
			if test.root == "" {
				if !errors.Is(err, git.ErrBare) {
					t.Errorf("WorkTree: %v, want ErrBare", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			sameFiles(t, want, wt)
		})
	}
	if url := r.open().URL(); url != "ssh://git@example.com/hub" {
		t.Errorf("URL = %q", url)
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		make func(dir string) error
		want error
	}{
		"folder":       {func(string) error { return nil }, git.ErrNotRepository},
		"absent":       {os.Remove, os.ErrNotExist},
		"dangling":     {func(d string) error { return os.WriteFile(d+"/.git", []byte("gitdir: /nowhere\n"), 0o600) }, git.ErrNotRepository},
		"half a .git":  {func(d string) error { return os.MkdirAll(d+"/.git/objects", 0o755) }, git.ErrNotRepository},
		"file in .git": {func(d string) error { return os.WriteFile(d+"/.git", []byte("hello"), 0o600) }, git.ErrNotRepository},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := test.make(dir); err != nil {
				t.Fatal(err)
			}
			if _, err := git.Open(dir); !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
		})
	}
	r := newRepo(t, "--object-format=sha256")
	if _, err := git.Open(r.dir); !errors.Is(err, git.ErrUnsupported) {
		t.Errorf("SHA-256 repository: %v, want ErrUnsupported", err)
	}
}

func TestPartialClone(t *testing.T) {
	r := newRepo(t)
	r.commit(map[string]string{"a/b.yaml": "b"})
	r.git("config", "uploadpack.allowFilter", "true")
	p := repo{t, filepath.Join(t.TempDir(), "partial")}
	r.git("clone", "-q", "--no-checkout", "--filter=blob:none", "file://"+r.dir, p.dir)
	c := commitOf(t, p.open(), "HEAD")
	if _, err := c.Tree.Stat("a/b.yaml"); err != nil {
		t.Errorf("trees are there, but: %v", err)
	}
	_, err := c.Tree.ReadFile("a/b.yaml")
	missing := (*git.MissingObjectError)(nil)
	if !errors.As(err, &missing) || missing.Hint == "" || !strings.Contains(err.Error(), "a/b.yaml") {
		t.Fatalf("ReadFile: %v; want a MissingObjectError with a hint and the path", err)
	}
	_, cure, _ := strings.Cut(missing.Hint, ": git ")
	p.git(strings.Fields(cure)...)
	sameFiles(t, map[string]string{"a/b.yaml": "100644 b"}, c.Tree)
}

// TestRepack: a repository that is open sees packs that were made since.
func TestRepack(t *testing.T) {
	r := newRepo(t)
	first := r.commit(map[string]string{"a": "1"})
	r.git("repack", "-adq")
	open := r.open()
	commitOf(t, open, first)
	second := r.commit(map[string]string{"a": "2"})
	r.git("repack", "-adq")
	r.git("prune-packed")
	sameFiles(t, map[string]string{"a": "100644 2"}, commitOf(t, open, second).Tree)
	sameFiles(t, map[string]string{"a": "100644 1"}, commitOf(t, open, first).Tree)
}

func TestModes(t *testing.T) {
	sub := newRepo(t)
	sub.commit(map[string]string{"inner.yaml": "i"})
	r := newRepo(t)
	r.write(map[string]string{"run.sh": "#!", "a.yaml": "a"})
	for path, target := range map[string]string{"out": "../../etc/passwd", "in": "a.yaml", "dir/up": ".."} {
		full := filepath.Join(r.dir, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, full); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(r.dir, "run.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	r.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", sub.dir, "mod")
	r.commit(nil)
	if err := os.Remove(filepath.Join(r.dir, ".gitmodules")); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"run.sh": "100755 #!", "a.yaml": "100644 a", "out": "120000 ../../etc/passwd", "in": "120000 a.yaml",
		"dir/up": "120000 ..", "mod": "160000",
	}
	wt, err := r.open().WorkTree(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sameFiles(t, want, wt)
	c := commitOf(t, r.open(), "HEAD").Tree
	sameFiles(t, want, c.Filter(func(path string, _ tree.Entry) bool { return path != ".gitmodules" }))
	e, err := c.Stat("mod")
	if err != nil || e.Hash.String() != r.git("rev-parse", "HEAD:mod") {
		t.Errorf("submodule = %v, %v", e, err)
	}
	if inner, err := git.Open(filepath.Join(r.dir, "mod")); err != nil || inner.Root() != filepath.Join(r.dir, "mod") {
		t.Errorf("Open of a submodule: %v", err)
	}
}

// TestConcurrent: one repository answers many at a time.
func TestConcurrent(t *testing.T) {
	r := newRepo(t)
	files := map[string]string{}
	for i := range 40 {
		files[fmt.Sprintf("d%d/f%d", i%5, i)] = strings.Repeat("x", i*i*20)
	}
	r.commit(files)
	r.git("repack", "-adq")
	r.commit(map[string]string{"loose": "1"})
	open := r.open()
	shared := commitOf(t, open, "HEAD")
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			c, err := open.Commit(t.Context(), "main")
			if err != nil {
				t.Error(err)
				return
			}
			for _, tr := range []*tree.Tree{shared.Tree, c.Tree} {
				for path, want := range files {
					if got, err := tr.ReadFile(path); err != nil || string(got) != want {
						t.Errorf("ReadFile(%s): %d bytes, %v", path, len(got), err)
					}
				}
			}
			if _, err := open.WorkTree(t.Context()); err != nil {
				t.Error(err)
			}
			_, _ = open.Commit(t.Context(), "no-such-branch")
			_, _ = open.DefaultBranch()
		})
	}
	wg.Wait()
}

package git_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bulkhead-dev/bulkhead/internal/git"
	"github.com/bulkhead-dev/bulkhead/tree"
)

func workTree(tb testing.TB, r repo) *tree.Tree {
	tb.Helper()
	tr, err := r.open().WorkTree(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return tr
}

func (r repo) do(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r repo) path(name string) string { return filepath.Join(r.dir, name) }

func TestWorkTree(t *testing.T) {
	r := newRepo(t)
	r.commit(map[string]string{
		".gitignore": "*.log\n/build/\n!keep.log\n", "same": "s", "changed": "1", "deleted": "d", "gone/away": "g", "mode": "m",
		"build/tracked": "t", "tofile/x": "x", "todir": "x", "sub/.gitignore": "local\n",
	})
	r.git("add", "-f", "build/tracked")
	r.git("commit", "-q", "-m", "x", "--allow-empty")
	r.write(map[string]string{
		"changed": "2", "untracked": "u", "new/file": "n", "x.log": "no", "keep.log": "yes", "build/more": "no", "sub/local": "no",
		"local": "yes", "only/x.log": "no", ".git/info/exclude": "secret\n", "secret": "no", "staged": "1",
	})
	r.git("add", "staged")
	r.do(os.Remove(r.path("deleted")))
	r.do(os.RemoveAll(r.path("gone")))
	r.do(os.RemoveAll(r.path("tofile")))
	r.do(os.Remove(r.path("todir")))
	r.write(map[string]string{"tofile": "f", "todir/y": "y"})
	r.do(os.Chmod(r.path("mode"), 0o755))
	r.do(os.Mkdir(r.path("empty"), 0o755))
	r.do(syscall.Mkfifo(r.path("pipe"), 0o600))
	r.do(os.Symlink("/etc/passwd", r.path("escape")))
	r.do(os.Symlink("new", r.path("todirlink")))
	nested := repo{t, r.path("nested")}
	r.do(os.Mkdir(nested.dir, 0o755))
	nested.git("init", "-q")
	nested.write(map[string]string{"inner": "i"})
	sameFiles(t, map[string]string{
		".gitignore": "100644 *.log\n/build/\n!keep.log\n", "same": "100644 s", "changed": "100644 2", "mode": "100755 m",
		"build/tracked": "100644 t", "sub/.gitignore": "100644 local\n", "untracked": "100644 u", "new/file": "100644 n",
		"keep.log": "100644 yes", "local": "100644 yes", "staged": "100644 1", "tofile": "100644 f", "todir/y": "100644 y",
		"escape": "120000 /etc/passwd", "todirlink": "120000 new", "nested": "160000",
	}, workTree(t, r))
}

// old sets the time of everything, and of the index later, so that nothing is racy.
func old(r repo, names ...string) {
	r.t.Helper()
	for _, name := range names {
		r.do(os.Chtimes(r.path(name), time.Unix(1_700_000_000, 5), time.Unix(1_700_000_000, 5)))
	}
	r.git("update-index", "--refresh")
}

func TestHashFromIndex(t *testing.T) {
	r := newRepo(t)
	r.commit(map[string]string{"clean": "1", "dirty": "1", "racy": "1", "empty": ""})
	old(r, "clean", "dirty", "empty")
	r.write(map[string]string{"dirty": "22"})
	hash := func(name string) tree.Hash {
		t.Helper()
		e, err := workTree(t, r).Stat(name)
		r.do(err)
		return e.Hash
	}
	for name, want := range map[string]tree.Hash{
		"clean": tree.HashBlob([]byte("1")), "empty": tree.HashBlob(nil), "dirty": {},
	} {
		if got := hash(name); got != want {
			t.Errorf("hash of %s in the listing = %v, want %v", name, got, want)
		}
	}
	if !workTree(t, r).ID().IsZero() {
		t.Error("the ID is known though a file was changed")
	}
}

// TestRacy: a change that leaves time and size alone, in the second of the index, is seen.
func TestRacy(t *testing.T) {
	r := newRepo(t)
	r.commit(map[string]string{"a": "1"})
	fi, err := os.Stat(r.path("a"))
	r.do(err)
	r.write(map[string]string{"a": "2"})
	r.do(os.Chtimes(r.path("a"), fi.ModTime(), fi.ModTime()))
	r.do(os.Chtimes(r.path(".git/index"), fi.ModTime(), fi.ModTime()))
	tr := workTree(t, r)
	if h, err := tr.HashOf("a"); err != nil || h != tree.HashBlob([]byte("2")) {
		t.Errorf("HashOf = %v, %v; want that of the change", h, err)
	}
	sameFiles(t, map[string]string{"a": "100644 2"}, tr)
}

func TestWorkTreeChanges(t *testing.T) {
	r := newRepo(t)
	r.commit(map[string]string{"a": "1", "b": "1", "c": "1", "d/e": "1"})
	tr := workTree(t, r)
	r.write(map[string]string{"a": "22"})
	r.do(os.Remove(r.path("b")))
	r.do(os.Remove(r.path("c")))
	r.do(os.Symlink("/etc/passwd", r.path("c")))
	r.do(os.RemoveAll(r.path("d")))
	other := t.TempDir()
	r.do(os.WriteFile(filepath.Join(other, "e"), []byte("1"), 0o600))
	r.do(os.Symlink(other, r.path("d")))
	for _, name := range []string{"a", "b", "c", "d/e"} {
		if data, err := tr.ReadFile(name); err == nil {
			t.Errorf("ReadFile(%s) = %q after a change, want an error", name, data)
		} else if name != "d/e" && !errors.Is(err, git.ErrChanged) {
			t.Errorf("ReadFile(%s): %v, want ErrChanged", name, err)
		}
	}
}

// TestFilters: what a filter makes of a file on disk is not what Flux sees.
func TestFilters(t *testing.T) {
	r := newRepo(t)
	r.commit(map[string]string{".gitattributes": "*.yaml text eol=crlf\n", "a.yaml": "a: 1\n"})
	r.do(os.Remove(r.path("a.yaml")))
	r.git("checkout", "--", "a.yaml")
	old(r, "a.yaml", ".gitattributes")
	if onDisk, _ := os.ReadFile(r.path("a.yaml")); string(onDisk) != "a: 1\r\n" {
		t.Fatalf("on disk: %q", onDisk)
	}
	sameFiles(t, map[string]string{".gitattributes": "100644 *.yaml text eol=crlf\n", "a.yaml": "100644 a: 1\n"}, workTree(t, r))
}

func TestSparse(t *testing.T) {
	r := newRepo(t)
	r.commit(map[string]string{"a/x": "1", "b/y": "2", "root": "3"})
	r.git("sparse-checkout", "set", "a")
	if _, err := os.Stat(r.path("b/y")); err == nil {
		t.Fatal("b/y is checked out")
	}
	sameFiles(t, map[string]string{"a/x": "100644 1", "b/y": "100644 2", "root": "100644 3"}, workTree(t, r))
	r.write(map[string]string{"b": "a file"})
	sameFiles(t, map[string]string{"a/x": "100644 1", "b": "100644 a file", "root": "100644 3"}, workTree(t, r))
}

// TestIgnores compares with what git says of random patterns.
func TestIgnores(t *testing.T) {
	paths := []string{"a", "b", "ab", "a.b", "d/a", "d/b", "d/a b", "d/e/a", "d/e/ab", "d/e/f/a", "e/a", "e/d/a", "x[a]", "é", "!a", "#a", "a\\b", "B"}
	piece := rapid.SampledFrom([]string{
		"a", "b", "d", "e", "f", "*", "**", "***", "?", "/", "/", "/**/", "**/", "/**", "[ab]", "[!a]", "[^a]", "[a-e]", "[]a]", "[!]a]", "[a", "[[:lower:]]",
		"[[:nope:]]", "[[:alpha:]b]", "[a-]", "[-a]", `[\]a]`, `\a`, `\`, `\*`, " ", `\ `, "#", `\#`, `\!`, ".", "é", "[é]", "\r", "x[a]", "[b-a]", "[[a]", "[[:x]", "[/]",
	})
	line := rapid.Custom(func(t *rapid.T) string {
		s := strings.Join(rapid.SliceOfN(piece, 1, 4).Draw(t, "pieces"), "")
		if rapid.IntRange(0, 3).Draw(t, "negate") == 0 {
			s = "!" + s
		}
		return s + rapid.SampledFrom([]string{"", "", "/", " "}).Draw(t, "end")
	})
	text := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(line, 1, 5).Draw(t, "lines"), "\n") + "\n"
	})
	r := newRepo(t)
	for _, p := range paths {
		if p == "a" || p == "e" || p == "d" {
			continue
		}
		r.write(map[string]string{p: ""})
	}
	r.write(map[string]string{"a": ""})
	rapid.Check(t, func(rt *rapid.T) {
		files := map[string]string{".gitignore": text.Draw(rt, "root"), "d/.gitignore": "", ".git/info/exclude": ""}
		if rapid.Bool().Draw(rt, "deep") {
			files["d/.gitignore"] = text.Draw(rt, "in d")
			files[".git/info/exclude"] = text.Draw(rt, "exclude")
		}
		r.write(files)
		want := strings.Split(strings.TrimSuffix(r.git("ls-files", "-o", "--exclude-standard", "-z"), "\x00"), "\x00")
		if want[0] == "" {
			want = nil
		}
		var got []string
		for p := range show(t, workTree(t, r)) {
			got = append(got, p)
		}
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatalf("untracked files (-git +ours):\n%s\n%q", diff, files)
		}
	})
}

func TestOpenFolder(t *testing.T) {
	dir := t.TempDir()
	r := repo{t, dir}
	r.write(map[string]string{"a.yaml": "a", "d/b.yaml": "b", ".git/config": "c", "d/.git": "gitdir: x", "run": "r"})
	r.do(os.Chmod(r.path("run"), 0o755))
	r.do(os.Symlink("/etc", r.path("etc")))
	r.do(syscall.Mkfifo(r.path("pipe"), 0o600))
	tr, err := git.OpenFolder(dir)
	r.do(err)
	sameFiles(t, map[string]string{"a.yaml": "100644 a", "d/b.yaml": "100644 b", "run": "100755 r", "etc": "120000 /etc"}, tr)
	if !tr.ID().IsZero() {
		t.Error("a folder has an ID")
	}
	r.write(map[string]string{"a.yaml": "A"})
	if data, err := tr.ReadFile("a.yaml"); !errors.Is(err, git.ErrChanged) {
		t.Errorf("ReadFile of a changed file = %q, %v; want ErrChanged", data, err)
	}
	r.do(os.Remove(r.path("d/b.yaml")))
	if _, err := tr.ReadFile("d/b.yaml"); !errors.Is(err, git.ErrChanged) {
		t.Errorf("ReadFile of a removed file: %v, want ErrChanged", err)
	}
	r.do(os.Truncate(r.path("run"), tree.MaxFile+1))
	if _, err := tr.ReadFile("run"); !errors.Is(err, tree.ErrTooLarge) {
		t.Errorf("ReadFile of a large file: %v, want ErrTooLarge", err)
	}
	for _, bad := range []string{r.path("a.yaml"), r.path("absent")} {
		if _, err := git.OpenFolder(bad); err == nil {
			t.Errorf("OpenFolder(%s): no error", bad)
		}
	}
}

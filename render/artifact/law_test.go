package artifact

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fluxcd/pkg/sourceignore"
	swv1 "github.com/fluxcd/source-watcher/api/v2/v1beta1"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// eager copies on disk what one operation asks for, with excludes that are plain
// names. It is written from the documentation, and knows nothing of views.
func eager(o swv1.CopyOperation, src, dst string) error {
	pattern := strings.TrimPrefix(o.From, "@source/")
	to := strings.TrimPrefix(o.To, "@artifact/")
	hidden := func(p string) bool {
		for _, ex := range o.Exclude {
			if path.Base(p) == ex {
				return true
			}
		}
		return false
	}
	if !strings.ContainsAny(pattern, "*?[") {
		p := path.Clean(pattern)
		fi, err := os.Stat(filepath.Join(src, p))
		if err != nil {
			return err
		}
		at := to
		if old, err := os.Stat(filepath.Join(dst, to)); fi.IsDir() || to == "" || strings.HasSuffix(to, "/") || err == nil && old.IsDir() {
			at = path.Join(to, path.Base(p))
		}
		if !fi.IsDir() && hidden(p) {
			return nil
		}
		return eagerAny(src, p, dst, at, hidden)
	}
	matches, err := fs.Glob(os.DirFS(src), pattern)
	if err != nil {
		return err
	}
	copied := 0
	for _, m := range matches {
		if hidden(m) {
			continue
		}
		copied++
		at := path.Join(to, m)
		if dir, ok := strings.CutSuffix(pattern, "/**"); ok && strings.HasPrefix(m, dir+"/") {
			at = path.Join(to, strings.TrimPrefix(m, dir+"/"))
		}
		if err := eagerAny(src, m, dst, at, hidden); err != nil {
			return err
		}
	}
	if copied == 0 {
		return errors.New("nothing")
	}
	return nil
}

func eagerAny(src, from, dst, to string, hidden func(string) bool) error {
	p, at := filepath.Join(src, from), filepath.Join(dst, to)
	fi, err := os.Stat(p)
	if err != nil {
		return err
	}
	if !fi.IsDir() {
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return err
		}
		data, err := os.ReadFile(p)
		if err == nil {
			err = os.WriteFile(at, data, fi.Mode())
		}
		if err == nil {
			err = os.Chmod(at, fi.Mode())
		}
		return err
	}
	if old, err := os.Stat(at); err != nil || old.IsDir() { // a file is left, as long as nothing goes below it
		if err := os.MkdirAll(at, 0o755); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(p)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !hidden(e.Name()) {
			if err := eagerAny(src, path.Join(from, e.Name()), dst, path.Join(to, e.Name()), hidden); err != nil {
				return err
			}
		}
	}
	return nil
}

func drawSource(t *rapid.T) *tree.Tree {
	blobs := map[string]tree.Blob{"a/x.yaml": {Data: "ax"}}
	for range rapid.IntRange(1, 10).Draw(t, "files") {
		p := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "x.yaml", "y.md", "c", ".sourceignore"}), 1, 4).Draw(t, "path"), "/")
		blobs[p] = tree.Blob{Mode: rapid.SampledFrom([]tree.Mode{tree.File, tree.File, tree.Executable, tree.Submodule}).Draw(t, "mode"), Data: p}
		if blobs[p].Mode == tree.Submodule {
			blobs[p] = tree.Blob{Mode: tree.Submodule}
		}
	}
	for p := range blobs { // a file hides no folder
		for other := range blobs {
			if strings.HasPrefix(other, p+"/") {
				delete(blobs, p)
			}
		}
	}
	return tree.FromBlobs(blobs)
}

func drawOperation(t *rapid.T) swv1.CopyOperation {
	o := swv1.CopyOperation{
		From: "@source/" + rapid.SampledFrom([]string{"", "a", "a/", "b", "a/b", "**", "*", "a/**", "a/*", "*/b", "*/**", "a/b/**", "x.yaml", "a/x.yaml", "*.yaml", "*/*.yaml", "a/./x.yaml", "c"}).Draw(t, "from"),
		To:   "@artifact/" + rapid.SampledFrom([]string{"", "a", "a/", "b/c", "b/c/", "x.yaml", "a/x.yaml", "a/b", "./a", "new"}).Draw(t, "to"),
	}
	if rapid.Bool().Draw(t, "excludes") {
		o.Exclude = []string{rapid.SampledFrom([]string{"b", "x.yaml", "y.md", "none"}).Draw(t, "exclude")}
	}
	return o
}

// TestGenerateLikeDisk compares a generator with the same copies done one by one
// on disk, on random trees and operations that overlap and clash, and the digest
// with that of a real archive.
func TestGenerateLikeDisk(t *testing.T) {
	root := t.TempDir()
	failed, worked := 0, 0
	check := func(rt *rapid.T) {
		src := drawSource(rt)
		ops := rapid.SliceOfN(rapid.Custom(drawOperation), 1, 4).Draw(rt, "ops")
		tmp, err := os.MkdirTemp(root, "") //nolint:usetesting // one for each draw, removed at its end
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(tmp)
		from, to := filepath.Join(tmp, "source"), filepath.Join(tmp, "app")
		writeTree(t, src, from)
		if err := os.MkdirAll(to, 0o755); err != nil {
			rt.Fatal(err)
		}
		var wantErr error
		for _, o := range ops {
			if wantErr = eager(o, from, to); wantErr != nil {
				break
			}
		}
		sources := map[string]Source{"source": {Tree: src}}
		made, err := Generate(t.Context(), generator(sources, ops...), sources)
		if (err != nil) != (wantErr != nil) {
			rt.Fatalf("ours: %v, on disk: %v", err, wantErr)
		}
		if err != nil {
			failed++
			return
		}
		worked++
		if diff := cmp.Diff(onDisk(t, to), contents(t, made[0].Tree)); diff != "" {
			rt.Fatalf("files (-disk +ours):\n%s", diff)
		}
		got, err := Digest(made[0].Tree)
		if want := archiveDigest(t, to); err != nil || got != want {
			rt.Fatalf("digest %s (%v), of the archive %s", got, err, want)
		}
	}
	rapid.Check(t, check)
	if failed < 5 || worked < 20 {
		t.Errorf("%d failed and %d worked: the draws say little", failed, worked)
	}
}

// archiveDigest archives a folder that the default exclusions leave as it is.
//
// Source: fluxcd/pkg/artifact v0.20.0 storage/archive.go Archive and sanitizeHeader.
func archiveDigest(tb testing.TB, dir string) string {
	tb.Helper()
	sum := sha256.New()
	gw := gzip.NewWriter(sum)
	tw := tar.NewWriter(gw)
	err := filepath.Walk(dir, func(p string, fi os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		h, err := tar.FileInfoHeader(fi, p)
		if err != nil {
			return err
		}
		if h.Name, err = filepath.Rel(dir, p); err != nil {
			return err
		}
		h.Gid, h.Uid, h.Uname, h.Gname = 0, 0, "", ""
		h.ModTime, h.AccessTime, h.ChangeTime = time.Time{}, time.Time{}, time.Time{}
		switch {
		case fi.IsDir():
			h.Mode = 0o750
		case fi.Mode()&0o111 != 0:
			h.Mode = 0o700
		default:
			h.Mode = 0o600
		}
		if err := tw.WriteHeader(h); err != nil || fi.IsDir() {
			return err
		}
		f, err := os.Open(p)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(tw, f)
		return err
	})
	if err := errors.Join(err, tw.Close(), gw.Close()); err != nil {
		tb.Fatal(err)
	}
	return fmt.Sprintf("sha256:%x", sum.Sum(nil))
}

// counted counts what is read of a store.
type counted struct {
	t            *tree.Tree
	dirs, blobs  atomic.Int64
	lastBlobRead atomic.Value
}

func (c *counted) ReadDir(p string, _ tree.Hash) ([]tree.Entry, error) {
	c.dirs.Add(1)
	return c.t.ReadDir(p)
}

func (c *counted) ReadBlob(p string, _ tree.Hash) ([]byte, error) {
	c.blobs.Add(1)
	c.lastBlobRead.Store(p)
	return c.t.ReadFile(p)
}

// TestLazy: content is read only where it is merged, extracted or an ignore file,
// and a folder of a source only where something is looked for in it.
func TestLazy(t *testing.T) {
	data := map[string]string{"v.yaml": "a: 1", "w.yaml": "b: 2", "x.tgz": pack(t, member{name: "in"}), ".sourceignore": "*.md"}
	for i := range 1000 {
		data[fmt.Sprintf("apps/a%d/deploy/x.yaml", i)] = "x"
	}
	store := &counted{t: tree.FromMap(data)}
	src := tree.New(store, tree.Hash{})
	view, err := Git(src, Spec{})
	if err != nil {
		t.Fatal(err)
	}
	if n := store.blobs.Load(); n != 1 {
		t.Errorf("an artifact read %d files", n)
	}
	sources := map[string]Source{"r": {Tree: view}}
	g := generator(sources, op("@r/apps/a7/**", "@artifact/"), op("@r/v.yaml", "@artifact/"), op("@r/w.yaml", "@artifact/v.yaml", "Merge"), op("@r/x.tgz", "@artifact/", "Extract"))
	made, err := Generate(t.Context(), g, sources)
	if err != nil {
		t.Fatal(err)
	}
	if n := store.blobs.Load(); n != 4 {
		t.Errorf("a merge and an archive read %d files, the last %v", n-1, store.lastBlobRead.Load())
	}
	want := map[string]string{"deploy/x.yaml": "x", "v.yaml": "a: 1\nb: 2\n", "in": ""}
	if diff := cmp.Diff(want, flat(t, made[0].Tree)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	lone := &counted{t: tree.FromMap(data)}
	sources = map[string]Source{"r": {Tree: tree.New(lone, tree.Hash{})}}
	if _, err := Generate(t.Context(), generator(sources, op("@r/apps/**", "@artifact/")), sources); err != nil {
		t.Fatal(err)
	}
	if dirs, blobs := lone.dirs.Load(), lone.blobs.Load(); dirs > 2 || blobs > 0 {
		t.Errorf("a plain copy read %d folders and %d files", dirs, blobs)
	}
}

// TestGenerateTwice: equal input, equal trees, and the sources stay as they were.
func TestGenerateTwice(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		src := drawSource(rt)
		before := contents(t, src)
		sources := map[string]Source{"source": {Tree: src}}
		g := generator(sources, rapid.SliceOfN(rapid.Custom(drawOperation), 1, 4).Draw(rt, "ops")...)
		spec := g.DeepCopy()
		one, err := Generate(t.Context(), g, sources)
		two, err2 := Generate(t.Context(), g, sources)
		if fmt.Sprint(err) != fmt.Sprint(err2) {
			rt.Fatalf("%v, then %v", err, err2)
		}
		if diff := cmp.Diff(spec, g); diff != "" || !cmp.Equal(before, contents(t, src)) {
			rt.Fatalf("the input changed:\n%s", diff)
		}
		if err != nil {
			return
		}
		if one[0].Tree.ID() != two[0].Tree.ID() || !cmp.Equal(contents(t, one[0].Tree), contents(t, two[0].Tree)) {
			rt.Fatal("the trees differ")
		}
		for p := range contents(t, one[0].Tree) {
			if _, err := one[0].Tree.Stat(strings.TrimSuffix(p, "/")); err != nil {
				rt.Fatalf("%s is listed, but: %v", p, err)
			}
		}
	})
}

// TestDefaultsByName: matching each name by itself is what upstream's matcher does
// with the whole path.
func TestDefaultsByName(t *testing.T) {
	names := []string{
		"a", "x.png", "x.PNG", ".git", ".github", ".gitignore", ".gitmodules", ".gitattributes", "a.tar.gz", "a.zip", ".circleci", ".travis.yml", ".gitlab-ci.yml",
		"appveyor.yml", ".drone.yml", "cloudbuild.yaml", "codeship-services.yml", "codeship-steps.yml", ".goreleaser.yml", ".sops.yaml", ".flux.yaml", "**", "*", "",
	}
	upstream := sourceignore.NewDefaultMatcher(nil, nil)
	rapid.Check(t, func(rt *rapid.T) {
		path := rapid.SliceOfN(rapid.SampledFrom(names), 1, 4).Draw(rt, "path")
		dir := rapid.Bool().Draw(rt, "is dir")
		if got, want := archiveMatcher(nil).Match(path, dir), upstream.Match(path, dir); got != want {
			rt.Fatalf("%q (folder: %t): %t, upstream %t", path, dir, got, want)
		}
	})
}

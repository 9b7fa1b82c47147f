package tree_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/tree"
)

var sample = map[string]tree.Blob{
	"README.md":          {Data: "read me"},
	"apps/a.yaml":        {Data: "a"},
	"apps/b/c.yaml":      {Data: "c"},
	"apps/b/run.sh":      {Mode: tree.Executable, Data: "#!"},
	"apps.d/x":           {Data: "x"},
	"link":               {Mode: tree.Symlink, Data: "apps"},
	"out":                {Mode: tree.Symlink, Data: "../../etc/passwd"},
	"vendor":             {Mode: tree.Submodule},
	"bytes/\xff\xfe.bin": {Data: "not UTF-8"},
}

func TestStat(t *testing.T) {
	tr := tree.FromBlobs(sample)
	for name, test := range map[string]struct {
		path string
		mode tree.Mode
		err  error
	}{
		"root":                 {path: ".", mode: tree.Directory},
		"file":                 {path: "apps/a.yaml", mode: tree.File},
		"executable":           {path: "apps/b/run.sh", mode: tree.Executable},
		"directory":            {path: "apps/b", mode: tree.Directory},
		"symlink":              {path: "link", mode: tree.Symlink},
		"submodule":            {path: "vendor", mode: tree.Submodule},
		"not UTF-8":            {path: "bytes/\xff\xfe.bin", mode: tree.File},
		"through a symlink":    {path: "link/a.yaml", err: fs.ErrNotExist},
		"through a file":       {path: "README.md/x", err: fs.ErrNotExist},
		"through a submodule":  {path: "vendor/x", err: fs.ErrNotExist},
		"absent":               {path: "apps/z", err: fs.ErrNotExist},
		"absent, a prefix is":  {path: "app", err: fs.ErrNotExist},
		"empty":                {path: "", err: fs.ErrInvalid},
		"absolute":             {path: "/apps", err: fs.ErrInvalid},
		"trailing slash":       {path: "apps/", err: fs.ErrInvalid},
		"parent":               {path: "apps/../README.md", err: fs.ErrInvalid},
		"self":                 {path: "./apps", err: fs.ErrInvalid},
		"self at the end":      {path: "apps/.", err: fs.ErrInvalid},
		"two slashes":          {path: "apps//b", err: fs.ErrInvalid},
		"names with dots only": {path: "apps/...", err: fs.ErrNotExist},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := tr.Stat(test.path)
			if !errors.Is(err, test.err) || e.Mode != test.mode {
				t.Errorf("Stat(%q) = %v, %v; want mode %v, error %v", test.path, e, err, test.mode, test.err)
			}
			if pe := (*fs.PathError)(nil); err != nil && (!errors.As(err, &pe) || pe.Path != test.path) {
				t.Errorf("Stat(%q): error %#v is not a PathError of the path", test.path, err)
			}
		})
	}
}

func TestReads(t *testing.T) {
	tr := tree.FromBlobs(sample)
	if got, err := tr.ReadFile("out"); err != nil || string(got) != "../../etc/passwd" {
		t.Errorf("ReadFile of a symlink = %q, %v; want its target", got, err)
	}
	for _, path := range []string{".", "apps", "vendor"} {
		if _, err := tr.ReadFile(path); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("ReadFile(%q): error %v, want one that is not ErrNotExist", path, err)
		}
		if _, err := tr.HashOf(path); err == nil {
			t.Errorf("HashOf(%q): no error", path)
		}
	}
	if _, err := tr.ReadDir("README.md"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ReadDir of a file: error %v, want one that is not ErrNotExist", err)
	}
	if got, err := tr.ReadDir("vendor"); err != nil || len(got) != 0 {
		t.Errorf("ReadDir of a submodule = %v, %v; want nothing", got, err)
	}
	list, err := tr.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name)
	}
	want := []string{"README.md", "apps", "apps.d", "bytes", "link", "out", "vendor"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("ReadDir(.) (-want +got):\n%s", diff)
	}
	list[0].Name = "changed"
	if _, err := tr.Stat("README.md"); err != nil {
		t.Errorf("changing a listing changed the tree: %v", err)
	}
	if h, err := tr.HashOf("apps/a.yaml"); err != nil || h != tree.HashBlob([]byte("a")) {
		t.Errorf("HashOf = %v, %v", h, err)
	}
}

func TestWalk(t *testing.T) {
	tr := tree.FromMap(map[string]string{"a/b/c": "", "a/d": "", "a-b": "", "e/f": "", "e/g": ""})
	stop := errors.New("stop")
	for name, test := range map[string]struct {
		dir  string
		at   string
		give error
		want string
		err  error
	}{
		"all":             {dir: ".", want: "a a/b a/b/c a/d a-b e e/f e/g"},
		"below":           {dir: "a", want: "a/b a/b/c a/d"},
		"skip directory":  {dir: ".", at: "a/b", give: fs.SkipDir, want: "a a/b a/d a-b e e/f e/g"},
		"skip from file":  {dir: ".", at: "e/f", give: fs.SkipDir, want: "a a/b a/b/c a/d a-b e e/f"},
		"skip all":        {dir: ".", at: "a/d", give: fs.SkipAll, want: "a a/b a/b/c a/d"},
		"stop":            {dir: ".", at: "a/b/c", give: stop, want: "a a/b a/b/c", err: stop},
		"absent":          {dir: "z", err: fs.ErrNotExist},
		"skip deep wraps": {dir: ".", at: "a", give: fs.SkipDir, want: "a a-b e e/f e/g"},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			err := tr.Walk(test.dir, func(path string, _ tree.Entry) error {
				got = append(got, path)
				if path == test.at {
					return test.give
				}
				return nil
			})
			if diff := cmp.Diff(test.want, strings.Join(got, " ")); diff != "" || !errors.Is(err, test.err) {
				t.Errorf("error %v, want %v; visited (-want +got):\n%s", err, test.err, diff)
			}
		})
	}
}

func TestFS(t *testing.T) {
	tr := tree.FromMap(map[string]string{"a.yaml": "a", "b/c.yaml": "", "b/d/e": strings.Repeat("x", 9000)})
	if err := fstest.TestFS(tr.FS(), "a.yaml", "b/c.yaml", "b/d/e"); err != nil {
		t.Error(err)
	}
	links := tree.FromBlobs(sample).FS()
	if _, err := links.Open("out"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open of a symlink: error %v, want a refusal", err)
	}
	if got, err := fs.ReadLink(links, "link"); err != nil || got != "apps" {
		t.Errorf("ReadLink = %q, %v", got, err)
	}
	if fi, err := fs.Lstat(links, "link"); err != nil || fi.Mode().Type() != fs.ModeSymlink || fi.Size() != 4 {
		t.Errorf("Lstat of a symlink = %v, %v", fi, err)
	}
	if _, err := links.Open("bytes/\xff\xfe.bin"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("Open of a name that is not UTF-8: error %v, want ErrInvalid", err)
	}
}

func TestSub(t *testing.T) {
	tr := tree.FromBlobs(sample)
	sub, err := tr.Sub("apps")
	if err != nil {
		t.Fatal(err)
	}
	deep, err := sub.Sub("b")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := deep.ReadFile("c.yaml"); err != nil || string(got) != "c" {
		t.Errorf("ReadFile = %q, %v", got, err)
	}
	if _, err := sub.Stat("../README.md"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("Stat above the root: %v, want ErrInvalid", err)
	}
	if e, err := sub.Stat("."); err != nil || e.Name != "." {
		t.Errorf("Stat(.) = %v, %v", e, err)
	}
	if empty, err := tr.Sub("vendor"); err != nil || len(files(t, empty)) != 0 {
		t.Errorf("Sub of a submodule: %v", err)
	}
	for path, want := range map[string]error{"link": nil, "z": fs.ErrNotExist, "README.md": nil} {
		if _, err := tr.Sub(path); err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("Sub(%q): error %v, want %v", path, err, want)
		}
	}
}

func TestMount(t *testing.T) {
	base := map[string]tree.Blob{"a/b": {}, "mod": {Mode: tree.Submodule}, "ln": {Mode: tree.Symlink, Data: "a"}}
	sub := tree.FromMap(map[string]string{"x": "1", "y/z": "2"})
	for name, test := range map[string]struct {
		at   string
		want string
		err  error
	}{
		"new":               {at: "new", want: "a/b ln mod new/x new/y/z"},
		"deep":              {at: "n/e/w", want: "a/b ln mod n/e/w/x n/e/w/y/z"},
		"in a directory":    {at: "a/c", want: "a/b a/c/x a/c/y/z ln mod"},
		"on a submodule":    {at: "mod", want: "a/b ln mod/x mod/y/z"},
		"below a submodule": {at: "mod/q", want: "a/b ln mod/q/x mod/q/y/z"},
		"a file":            {at: "a/b", err: fs.ErrExist},
		"below a file":      {at: "a/b/c", err: fs.ErrExist},
		"a symlink":         {at: "ln", err: fs.ErrExist},
		"below a symlink":   {at: "ln/c", err: fs.ErrExist},
		"a full directory":  {at: "a", err: fs.ErrExist},
		"the root":          {at: ".", err: fs.ErrExist},
		"malformed":         {at: "../x", err: fs.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := tree.FromBlobs(base).Mount(test.at, sub)
			if !errors.Is(err, test.err) {
				t.Fatalf("error %v, want %v", err, test.err)
			}
			if err != nil {
				return
			}
			if diff := cmp.Diff(test.want, strings.Join(files(t, got), " ")); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			if data, err := got.ReadFile(test.at + "/y/z"); err != nil || string(data) != "2" {
				t.Errorf("ReadFile = %q, %v", data, err)
			}
			if _, err := got.ReadFile(test.at + "/absent"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("ReadFile of an absent file: %v", err)
			}
		})
	}
	whole, err := tree.FromMap(nil).Mount(".", sub)
	if err != nil || whole.ID() != sub.ID() {
		t.Errorf("mounting on an empty root: %v, another tree", err)
	}
}

func TestFromBlobsRefuses(t *testing.T) {
	for name, files := range map[string]map[string]tree.Blob{
		"parent":         {"../x": {}},
		"root":           {".": {}},
		"absolute":       {"/x": {}},
		"file in a file": {"a": {}, "a/b": {}},
		"directory":      {"a": {Mode: tree.Directory}},
		"long":           {strings.Repeat("x/", tree.MaxPath/2) + "y": {}},
	} {
		t.Run(name, func(t *testing.T) {
			tr := tree.FromBlobs(files)
			if err := tr.Walk(".", func(string, tree.Entry) error { return nil }); err == nil {
				t.Error("no error")
			}
			if !tr.ID().IsZero() {
				t.Error("has an ID")
			}
		})
	}
}

// hostile gives entries that no honest store has.
type hostile []tree.Entry

func (h hostile) ReadDir(string, tree.Hash) ([]tree.Entry, error) { return h, nil }
func (h hostile) ReadBlob(string, tree.Hash) ([]byte, error) {
	return make([]byte, tree.MaxFile+1), nil
}

func TestHostileStore(t *testing.T) {
	file := func(name string) tree.Entry { return tree.Entry{Name: name, Mode: tree.File} }
	for name, h := range map[string]hostile{
		"parent":  {file("..")},
		"self":    {file(".")},
		"empty":   {file("")},
		"slash":   {file("a/../../b")},
		"nul":     {file("a\x00")},
		"twice":   {file("a"), file("a")},
		"no mode": {{Name: "a"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := tree.New(h, tree.Hash{}).ReadDir("."); !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("ReadDir = %v, %v; want ErrInvalid", got, err)
			}
		})
	}
	endless := tree.New(hostile{{Name: "d", Mode: tree.Directory}, file("f")}, tree.Hash{})
	err := endless.Walk(".", func(string, tree.Entry) error { return nil })
	if !errors.Is(err, tree.ErrTooLarge) {
		t.Errorf("Walk of an endless tree: %v, want ErrTooLarge", err)
	}
	if _, err := endless.ReadFile("f"); !errors.Is(err, tree.ErrTooLarge) {
		t.Errorf("ReadFile of a large file: %v, want ErrTooLarge", err)
	}
}

// counting is a store that counts, and knows no hashes.
type counting struct {
	tr          *tree.Tree
	dirs, blobs atomic.Int64
}

func (c *counting) ReadDir(path string, _ tree.Hash) ([]tree.Entry, error) {
	c.dirs.Add(1)
	list, err := c.tr.ReadDir(path)
	for i := range list {
		list[i].Hash = tree.Hash{}
	}
	return list, err
}

func (c *counting) ReadBlob(path string, _ tree.Hash) ([]byte, error) {
	c.blobs.Add(1)
	return c.tr.ReadFile(path)
}

func TestLazy(t *testing.T) {
	c := &counting{tr: big(100)}
	tr := tree.New(c, tree.Hash{})
	view, err := tr.Filter(func(path string, _ tree.Entry) bool { return true }).Mount("new/at", tree.FromMap(nil))
	if err != nil {
		t.Fatal(err)
	}
	if n := c.dirs.Load(); n > 1 {
		t.Errorf("making views listed %d directories, want the root at most", n)
	}
	if _, err := view.ReadFile("d07/f0007.yaml"); err != nil {
		t.Fatal(err)
	}
	if d, b := c.dirs.Load(), c.blobs.Load(); d != 2 || b != 1 {
		t.Errorf("reading one file listed %d directories and read %d files, want 2 and 1", d, b)
	}
	if id := tr.ID(); !id.IsZero() || c.blobs.Load() != 1 {
		t.Errorf("ID = %v after reading %d files, want zero and 1", id, c.blobs.Load())
	}
	for range 2 {
		if _, err := tr.HashOf("d08/f0008.yaml"); err != nil {
			t.Fatal(err)
		}
	}
	if n := c.blobs.Load(); n != 2 {
		t.Errorf("HashOf twice: %d files read, want 2 with the one before", n)
	}
}

func TestConcurrent(t *testing.T) {
	c := &counting{tr: big(500)}
	tr := tree.New(c, tree.Hash{})
	view := tr.Filter(func(path string, _ tree.Entry) bool { return strings.HasSuffix(path, "7.yaml") })
	rec := tree.Record(view)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			err := view.Walk(".", func(path string, e tree.Entry) error {
				if e.IsDir() {
					_, err := rec.ReadDir(path)
					return err
				}
				_, err := rec.ReadFile(path)
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := c.dirs.Load(); n != 101 {
		t.Errorf("%d directories listed, want each of 101 once", n)
	}
	if !rec.Trace().Holds(tree.FromMap(contents(t, view))) {
		t.Error("the trace does not hold in a copy")
	}
}

func TestHashesAreGits(t *testing.T) {
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("no git program")
	}
	want := tree.HashBlob([]byte("hello\n")).String()
	cmd := exec.CommandContext(t.Context(), git, "hash-object", "--stdin")
	cmd.Stdin = strings.NewReader("hello\n")
	if out, err := cmd.Output(); err != nil || strings.TrimSpace(string(out)) != want {
		t.Errorf("git hash-object = %q, %v; want %s", out, err, want)
	}
	dir := t.TempDir()
	run := func(stdin string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), git, append([]string{"-C", dir}, args...)...)
		cmd.Stdin = strings.NewReader(stdin)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	run("", "init", "-q")
	var input strings.Builder
	for path, b := range sample {
		mode := b.Mode
		if mode == 0 {
			mode = tree.File
		}
		h := tree.HashBlob([]byte(b.Data)).String()
		if mode != tree.Submodule {
			h = run(b.Data, "hash-object", "-w", "--stdin")
		}
		fmt.Fprintf(&input, "%v %s\t%s\x00", mode, h, path)
	}
	run(input.String(), "update-index", "-z", "--index-info")
	if got, want := tree.FromBlobs(sample).ID().String(), run("", "write-tree"); got != want {
		t.Errorf("ID = %s, git write-tree = %s", got, want)
	}
}

// files lists what is not a directory.
func files(t *testing.T, tr *tree.Tree) []string {
	t.Helper()
	var list []string
	err := tr.Walk(".", func(path string, e tree.Entry) error {
		if e.Mode != tree.Directory {
			list = append(list, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func contents(t *testing.T, tr *tree.Tree) map[string]string {
	t.Helper()
	m := map[string]string{}
	for _, path := range files(t, tr) {
		data, err := tr.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		m[path] = string(data)
	}
	return m
}

// big makes a tree of n files in 100 directories.
func big(n int) *tree.Tree {
	m := make(map[string]string, n)
	for i := range n {
		m[fmt.Sprintf("d%02d/f%04d.yaml", i%100, i)] = strings.Repeat(fmt.Sprintf("key%d: value\n", i), 50)
	}
	return tree.FromMap(m)
}

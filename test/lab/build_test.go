//go:build linux

package lab

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// fake is a part that takes a second to build.
type fake struct {
	Part
	dir, cache string
}

func newFake(t *testing.T) fake {
	t.Helper()
	f := fake{Part{name: "fake", packages: []string{"."}, links: map[string][]string{"fake": {"other"}}}, t.TempDir(), ""}
	t.Setenv("BULKHEAD_LAB_CACHE", t.TempDir())
	var err error
	if f.cache, err = CacheDir(); err != nil {
		t.Fatal(err)
	}
	f.write(t, "go.mod", "module fake\n\ngo 1.26\n")
	f.write(t, "main.go", "package main\n\nfunc main() { println(\"it runs\") }\n")
	return f
}

func (f fake) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// make builds the part, wants its program to run, and says whether it was built.
func (f fake) make(t *testing.T) (folder string, anew bool) {
	t.Helper()
	var said bytes.Buffer
	folder, err := f.build(t.Context(), &said, f.dir, f.cache)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"fake", "other"} {
		if out, err := exec.Command(filepath.Join(folder, "bin", name)).CombinedOutput(); err != nil || string(out) != "it runs\n" {
			t.Fatalf("%s: %v: %s", name, err, out)
		}
	}
	return folder, strings.Contains(said.String(), "building the fake programs")
}

// TestCache damages what was built in every way that was thought of.
func TestCache(t *testing.T) {
	f := newFake(t)
	folder, anew := f.make(t)
	if !anew {
		t.Error("nothing was built")
	}
	program := filepath.Join(folder, "bin", "fake")
	for name, damage := range map[string]func() error{
		"no mark":     func() error { return os.Remove(filepath.Join(folder, built)) },
		"empty mark":  func() error { return os.Truncate(filepath.Join(folder, built), 0) },
		"no program":  func() error { return os.Remove(program) },
		"cut program": func() error { return os.Truncate(program, 1000) },
		"no link":     func() error { return os.Remove(filepath.Join(folder, "bin", "other")) },
		"half a build": func() error {
			return errors.Join(os.Rename(folder, folder+".half"), os.Truncate(folder+".half/bin/fake", 9))
		},
		"both": func() error { return errors.Join(os.Remove(program), os.MkdirAll(folder+".half/bin/fake", 0o700)) },
	} {
		t.Run(name, func(t *testing.T) {
			if err := damage(); err != nil {
				t.Fatal(err)
			}
			if _, anew := f.make(t); !anew {
				t.Error("it was not built again")
			}
			if _, anew := f.make(t); anew {
				t.Error("it was built once more")
			}
			if half, _ := filepath.Glob(filepath.Join(f.cache, "*.half")); len(half) > 0 {
				t.Errorf("left: %s", half)
			}
		})
	}
	f.write(t, "more.go", "package main\n")
	if other, anew := f.make(t); !anew || other == folder {
		t.Errorf("another source is built: %t, into %s", anew, other)
	}
}

func TestNoSuchPart(t *testing.T) {
	if folders, err := Build(t.Context(), t.Output(), "s4"); err == nil || !strings.Contains(err.Error(), `no part "s4"`) {
		t.Errorf("built %v, %v", folders, err)
	}
}

// TestProgramBroken wants the cure in the error of a program that is no program.
func TestProgramBroken(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "fake-1", "bin", "fake")
	if err := errors.Join(os.MkdirAll(filepath.Dir(program), 0o700), os.WriteFile(program, []byte("\x7fELF"), 0o700), os.Mkdir(dir+"/log", 0o700)); err != nil {
		t.Fatal(err)
	}
	l := &Lab{Dir: dir, failed: make(chan struct{})}
	_, err := l.start("a/fake", nil, program)
	if err == nil || !strings.Contains(err.Error(), "start a/fake: ") || !strings.HasSuffix(err.Error(), "remove "+dir+"/fake-1 to have it built again") {
		t.Error(err)
	}
}

// TestBuildOnce builds at once in goroutines; the locks are those of processes, since
// each opens the file anew.
func TestBuildOnce(t *testing.T) {
	f := newFake(t)
	f.slow(t, "1")
	said := make([]bytes.Buffer, 3)
	var all errgroup.Group
	for i := range said {
		all.Go(func() error {
			_, err := f.build(t.Context(), &said[i], f.dir, f.cache)
			return err
		})
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
	var text string
	for i := range said {
		text += said[i].String()
	}
	if n, waits := strings.Count(text, "building the fake"), strings.Count(text, "waiting for another process"); n != 1 || waits != 2 {
		t.Errorf("built %d times while %d waited:\n%s", n, waits, text)
	}
}

// slow makes the compiler sleep first, those seconds, and then make the file "started".
func (f *fake) slow(t *testing.T, seconds string) {
	t.Helper()
	f.write(t, "slow.sh", "#!/bin/sh\n[ \"$2\" = -V=full ] || { touch started; sleep "+seconds+"; }\nexec \"$@\"\n")
	f.args = []string{"-toolexec", filepath.Join(f.dir, "slow.sh")}
}

func TestBuildFails(t *testing.T) {
	f := newFake(t)
	f.write(t, "main.go", "package main\n\nfunc main() { missing() }\n")
	folder, err := f.build(t.Context(), t.Output(), f.dir, f.cache)
	if err == nil || !strings.Contains(err.Error(), "./main.go:3:15: undefined: missing") {
		t.Errorf("built %s, %v", folder, err)
	}
	f.write(t, "main.go", "package main\n\nfunc main() { println(\"it runs\") }\n")
	f.make(t)
}

func TestBuildCancelled(t *testing.T) {
	f := newFake(t)
	f.slow(t, "600")
	ctx, cancel := context.WithCancel(t.Context())
	started := filepath.Join(f.dir, "started")
	go func() {
		for ctx.Err() == nil {
			if _, err := os.Stat(started); err == nil {
				cancel()
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	begin := time.Now()
	_, err := f.build(ctx, t.Output(), f.dir, f.cache)
	if !errors.Is(err, context.Canceled) || time.Since(begin) > 2*time.Minute {
		t.Errorf("it ended after %s with %v", time.Since(begin), err)
	}
	if marks, _ := filepath.Glob(filepath.Join(f.cache, "*", built)); len(marks) > 0 {
		t.Errorf("marked as whole: %s", marks)
	}
	f.slow(t, "0")
	if _, anew := f.make(t); !anew {
		t.Error("a build that was cancelled is taken for a whole one")
	}
}

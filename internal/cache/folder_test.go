//go:build linux

package cache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// inNamespace runs a test once more in a process with mounts of its own, after a line of
// shell; in that process it returns true. It skips where namespaces are not allowed.
func inNamespace(t *testing.T, setup string) bool {
	t.Helper()
	if os.Getenv("CACHE_TEST_DIR") != "" {
		return true
	}
	if out, err := exec.CommandContext(t.Context(), "unshare", "-rm", "true").CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: no namespaces here: %v %s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), "unshare", "-rm", "sh", "-ec", setup+"\nexec \"$0\" -test.v -test.run '^"+t.Name()+"$'", os.Args[0])
	cmd.Env = append(os.Environ(), "CACHE_TEST_DIR="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

func TestFullDisk(t *testing.T) {
	if !inNamespace(t, `mount -t tmpfs -o size=256k none "$CACHE_TEST_DIR"`) {
		return
	}
	dir := os.Getenv("CACHE_TEST_DIR")
	var w warnings
	s := open(t, Options{Dir: dir, Warn: w.add})
	var keys [][32]byte
	for i := range 60 {
		keys = append(keys, keyOf(fmt.Sprint(i)))
		put(t, s, keys[i], noise(i, 20_000))
	}
	s.Close(context.Background())
	w.want(t, dir, "cannot be written", "no space left on device")
	there := 0
	again := open(t, Options{Dir: dir, Warn: w.add})
	for i, key := range keys {
		if got := again.Get(context.Background(), key); got != nil {
			there++
			if string(got) != string(noise(i, 20_000)) {
				t.Errorf("entry %d is another", i)
			}
		}
	}
	st, after := s.Stats(), again.Stats()
	t.Logf("%d of %d entries fit; first store %+v, second %+v", there, len(keys), st, after)
	if there == 0 || there == len(keys) || int64(there) != st.Written || st.Dropped != int64(len(keys)-there) || after.Damaged != 0 {
		t.Errorf("%d entries are there", there)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, version, "*", tempName+"*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestReadOnlyFolder(t *testing.T) {
	if os.Getenv("CACHE_TEST_DIR") == "" && os.Getuid() != 0 {
		t.Log("the folder is filled by another process of this test")
	}
	if !inNamespace(t, `mount -t tmpfs none "$CACHE_TEST_DIR"`) {
		return
	}
	dir := os.Getenv("CACHE_TEST_DIR")
	s := open(t, Options{Dir: dir})
	put(t, s, keyOf("there"), manifests(5000))
	put(t, s, keyOf("damaged"), manifests(5000))
	if err := os.WriteFile(entryOf(t, s, keyOf("damaged")), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Close(context.Background())
	if out, err := exec.CommandContext(context.Background(), "mount", "-o", "remount,ro", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	var w warnings
	s = open(t, Options{Dir: dir, Warn: w.add})
	if got := s.Get(context.Background(), keyOf("there")); len(got) != 5000 {
		t.Errorf("%d bytes", len(got))
	}
	if got := s.Get(context.Background(), keyOf("damaged")); got != nil {
		t.Errorf("%d bytes of a damaged entry", len(got))
	}
	w.want(t)
	for i := range 20 {
		put(t, s, keyOf(fmt.Sprint(i)), manifests(100))
	}
	s.Close(context.Background())
	w.want(t, "cannot be written", "read-only file system")
	if _, err := Clear(dir); err == nil {
		t.Error("cleared")
	}
}

// TestFileForFolder: a file where the folder should be, and where a part of its path should be.
func TestFileForFolder(t *testing.T) {
	for _, below := range []string{"", "cache"} {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		var w warnings
		s := open(t, Options{Dir: filepath.Join(file, below), Warn: w.add})
		for i := range 10 {
			if s.Get(t.Context(), keyOf(fmt.Sprint(i))) != nil {
				t.Error("there is an entry")
			}
			put(t, s, keyOf(fmt.Sprint(i)), nil)
		}
		s.Close(t.Context())
		w.want(t, "cannot be written", "not a directory")
		if data, err := os.ReadFile(file); err != nil || string(data) != "mine" {
			t.Errorf("the file is %q, %v", data, err)
		}
		if _, err := UsageOf(filepath.Join(file, below)); err == nil {
			t.Error("a file has a usage")
		}
	}
}

// TestFolderForFile: a folder where an entry should be is in the way of that entry alone.
func TestFolderForFile(t *testing.T) {
	var w warnings
	s := open(t, Options{Warn: w.add})
	if err := os.MkdirAll(filepath.Join(entryOf(t, s, keyOf("a")), "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if s.Get(t.Context(), keyOf("a")) != nil || s.Stats().Damaged != 1 {
		t.Errorf("stats are %+v", s.Stats())
	}
	put(t, s, keyOf("a"), manifests(10))
	put(t, s, keyOf("b"), manifests(10))
	if s.Get(t.Context(), keyOf("a")) != nil || s.Get(t.Context(), keyOf("b")) == nil {
		t.Error("a is there, or b is not")
	}
	s.Close(t.Context())
	w.want(t, "cannot be written")
}

// TestDeletedWhileRunning: what is written afterwards is there again.
func TestDeletedWhileRunning(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	var w warnings
	s := open(t, Options{Dir: dir, Warn: w.add})
	for i := range 50 {
		key := keyOf(fmt.Sprint(i))
		put(t, s, key, manifests(1000))
		if i%7 == 0 {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			if s.Get(t.Context(), key) != nil {
				t.Error("there is an entry")
			}
			put(t, s, key, manifests(1000))
		}
		if got := s.Get(t.Context(), key); len(got) != 1000 {
			t.Errorf("%d: %d bytes", i, len(got))
		}
	}
	s.Close(t.Context())
	w.want(t)
}

// TestUsageAndClear: what is not ours stays.
func TestUsageAndClear(t *testing.T) {
	dir := t.TempDir()
	if u, err := UsageOf(filepath.Join(dir, "none")); err != nil || u != (Usage{}) {
		t.Errorf("usage of nothing is %+v, %v", u, err)
	}
	s := open(t, Options{Dir: dir})
	for i := range 30 {
		put(t, s, keyOf(fmt.Sprint(i)), noise(i, 5000))
	}
	s.Close(t.Context())
	mine := []string{
		filepath.Join(dir, "mine"), filepath.Join(dir, version, "mine"), filepath.Join(dir, version, "ab", "mine"),
		filepath.Join(dir, version, "mine2", "mine"), filepath.Join(dir, "v2", "ab", "mine"),
	}
	for _, path := range mine {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	u, err := UsageOf(dir)
	if err != nil || u.Entries != 30 || u.Bytes != 30*8192 || u.Oldest.IsZero() {
		t.Errorf("usage is %+v, %v", u, err)
	}
	if c, err := Clear(dir); err != nil || c != u {
		t.Errorf("cleared %+v, %v, want %+v", c, err, u)
	}
	if u, err := UsageOf(dir); err != nil || u != (Usage{}) {
		t.Errorf("left are %+v, %v", u, err)
	}
	for _, path := range mine {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	whole := filepath.Join(t.TempDir(), "cache")
	s = open(t, Options{Dir: whole})
	put(t, s, keyOf("a"), nil)
	s.Close(t.Context())
	if _, err := Clear(whole); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(whole); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

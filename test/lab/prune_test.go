//go:build linux

package lab

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// TestPrune removes what nobody asked for in a month, and nothing else.
func TestPrune(t *testing.T) {
	f := newFake(t)
	used, _ := f.make(t)
	old := time.Now().Add(-unused - time.Hour)
	const a, b, c, d = "fake-0123456789abcdef", "fake-1123456789abcdef", "fake-2123456789abcdef", "fake-3123456789abcdef"
	for name, mark := range map[string]bool{
		a: true, b: false, c + ".half": false, d + gone: true, // all four to be removed
		"fake-notes": false, "verdicts": false, "cluster-0123456789abcdef": true, "fake-0123456789abcdef0": true,
	} {
		dir := filepath.Join(f.cache, name)
		err := os.MkdirAll(filepath.Join(dir, "bin"), 0o700)
		if mark {
			err = errors.Join(err, os.WriteFile(filepath.Join(dir, built), nil, 0o600), os.Chtimes(filepath.Join(dir, built), old, old))
		} else {
			err = errors.Join(err, os.Chtimes(dir, old, old))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(filepath.Join(used, built), old, old); err != nil {
		t.Fatal(err)
	}
	if again, anew := f.make(t); anew || again != used { // which marks it
		t.Fatalf("it was built again, into %s", again)
	}
	f.prune(t.Context(), t.Output(), f.cache)
	if _, anew := f.make(t); anew {
		t.Error("what is used was removed")
	}
	var left []string
	entries, err := os.ReadDir(f.cache)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			left = append(left, e.Name())
		}
	}
	want := []string{"cluster-0123456789abcdef", "fake-0123456789abcdef0", "fake-notes", "verdicts", filepath.Base(used)}
	slices.Sort(want)
	if !slices.Equal(left, want) {
		t.Errorf("left are %s, want %s", strings.Join(left, " "), strings.Join(want, " "))
	}
}

// TestPruneBesideUse lets some ask for a folder that is old while others remove what is old: who is told that it is whole finds it whole.
func TestPruneBesideUse(t *testing.T) {
	f := newFake(t)
	for range 20 {
		folder := filepath.Join(f.cache, "fake-0123456789abcdef")
		mark, old := filepath.Join(folder, built), time.Now().Add(-unused-time.Hour)
		err := errors.Join(os.MkdirAll(folder, 0o700), os.WriteFile(filepath.Join(folder, "program"), nil, 0o600))
		holds, listed := listing(folder)
		if err := errors.Join(err, listed, os.WriteFile(mark, []byte(holds), 0o600), os.Chtimes(mark, old, old)); err != nil {
			t.Fatal(err)
		}
		var all errgroup.Group
		for i := range 6 {
			all.Go(func() error {
				if i%2 == 0 {
					f.prune(t.Context(), t.Output(), f.cache)
				} else if f.ready(t.Context(), f.cache, folder) && !whole(folder) {
					return errors.New("a folder that is used was removed")
				}
				return nil
			})
		}
		if err := all.Wait(); err != nil {
			t.Fatal(err)
		}
	}
}

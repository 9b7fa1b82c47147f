package cache

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

func TestPrune(t *testing.T) {
	s := open(t, Options{Limit: 400_000})
	now := time.Now()
	s.disk.now = func() time.Time { return now }
	at := func(i int) [32]byte { return keyOf(fmt.Sprint(i)) }
	for i := range 30 { // 30 times 12 KiB on disk
		put(t, s, at(i), noise(i, 10_000))
		then := now.Add(time.Duration(i-100) * time.Hour)
		if err := os.Chtimes(entryOf(t, s, at(i)), then, then); err != nil {
			t.Fatal(err)
		}
	}
	if s.Get(t.Context(), at(0)) == nil { // it is used, and the oldest no longer
		t.Fatal("gone before its time")
	}
	old := filepath.Join(s.disk.dir, "ab", tempName+"old")
	young := filepath.Join(s.disk.dir, "ab", tempName+"young")
	for path, age := range map[string]time.Duration{old: 2 * time.Hour, young: time.Minute} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	s.disk.prune()
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("what a dead process left is there: %v", err)
	}
	if _, err := os.Stat(young); err != nil {
		t.Errorf("what a living process writes has gone: %v", err)
	}
	if u, _ := UsageOf(s.opts.Dir); u.Entries != 30 {
		t.Errorf("%d entries within the limit", u.Entries)
	}
	s.disk.limit = 200_000
	s.disk.prune()
	u, err := UsageOf(s.opts.Dir)
	if err != nil || u.Bytes > 160_000+block || u.Entries != 13 {
		t.Errorf("left are %+v, %v", u, err)
	}
	for i := range 30 {
		if got := s.Get(t.Context(), at(i)) != nil; got != (i == 0 || i >= 18) {
			t.Errorf("entry %d: %v", i, got)
		}
	}
	if st := s.Stats(); st.Damaged != 0 {
		t.Errorf("stats are %+v", st)
	}
}

// TestUseIsRefreshed, but not by each read.
func TestUseIsRefreshed(t *testing.T) {
	s := open(t, Options{})
	put(t, s, keyOf("a"), nil)
	path := entryOf(t, s, keyOf("a"))
	for age, renewed := range map[time.Duration]bool{refresh - time.Minute: false, refresh + time.Minute: true, -48 * time.Hour: true} {
		then := time.Now().Add(-age).Truncate(time.Second)
		if err := os.Chtimes(path, then, then); err != nil {
			t.Fatal(err)
		}
		s.Get(t.Context(), keyOf("a"))
		info, err := os.Stat(path)
		if err != nil || info.ModTime().Equal(then) == renewed {
			t.Errorf("used %v ago: %v, %v", age, info.ModTime(), err)
		}
	}
}

// TestBounded: many runs, each of which writes little, stay within an eighth above the limit.
func TestBounded(t *testing.T) {
	dir := t.TempDir()
	const limit = 8 << 20
	var most int64
	for run := range 25 {
		s := open(t, Options{Dir: dir, Limit: limit})
		for i := range 12 {
			s.Put(keyOf(fmt.Sprint(run, i)), noise(run*100+i, 100_000))
		}
		s.Close(t.Context())
		u, err := UsageOf(dir)
		if err != nil {
			t.Fatal(err)
		}
		most = max(most, u.Bytes)
	}
	t.Logf("30 MB written, at most %d bytes at a time, %d are the limit", most, limit)
	if most > limit+limit/8+(2<<20) || most < limit/2 {
		t.Errorf("at most %d bytes", most)
	}
}

// TestDue: the folder is walked when it is time to, and not in each run.
func TestDue(t *testing.T) {
	d := newDisk(t.TempDir(), 80<<20, nil)
	if !d.due() {
		t.Error("not due at first")
	}
	if err := d.prepare(filepath.Join(d.dir, "ab")); err != nil {
		t.Fatal(err)
	}
	d.looked()
	if d.due() {
		t.Error("due after a look")
	}
	for range 10 {
		d.grew(1 << 20)
	}
	if d.due() {
		t.Error("due after an eighth")
	}
	d.grew(1000)
	d.flush()
	if !d.due() {
		t.Error("not due after more than an eighth")
	}
	d.looked()
	now := time.Now().Add(lookAfter + time.Minute)
	d.now = func() time.Time { return now }
	if !d.due() {
		t.Error("not due after a day")
	}
	for _, text := range []string{"", "x", "\n", "12", "99999999999999999999\n", "9999999999\n"} {
		if err := os.WriteFile(d.growthPath(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if !d.due() {
			t.Errorf("not due with %q", text)
		}
	}
}

// TestPruneTogether: two that prune one folder at once, while a third writes and reads.
func TestPruneTogether(t *testing.T) {
	dir := t.TempDir()
	var w warnings
	o := Options{Dir: dir, Limit: 1 << 20, Warn: w.add}
	var wg sync.WaitGroup
	for range 2 {
		d := newDisk(dir, o.Limit, w.add)
		wg.Go(func() {
			for range 30 {
				d.prune()
			}
		})
	}
	wg.Go(func() {
		s, err := Open(o)
		if err != nil {
			t.Error(err)
			return
		}
		for i := range 300 {
			s.Put(keyOf(fmt.Sprint(i)), noise(i, 20_000))
			if got := s.Get(t.Context(), keyOf(fmt.Sprint(i/2))); got != nil && string(got) != string(noise(i/2, 20_000)) {
				t.Errorf("entry %d is another", i/2)
			}
		}
		s.Close(t.Context())
		if st := s.Stats(); st.Damaged != 0 || st.Written != 300 {
			t.Errorf("stats are %+v", st)
		}
	})
	wg.Wait()
	w.want(t)
}

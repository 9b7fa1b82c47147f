package cache

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// warnings records what a store says.
type warnings struct {
	mu    sync.Mutex
	texts []string
}

func (w *warnings) add(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts = append(w.texts, text)
}

func (w *warnings) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.texts...)
}

// want fails unless there was one warning, with these words, or none for none.
func (w *warnings) want(tb testing.TB, words ...string) {
	tb.Helper()
	got := w.all()
	if len(words) == 0 && len(got) == 0 {
		return
	}
	if len(words) == 0 || len(got) != 1 {
		tb.Errorf("warnings are %q, want one with %q", got, words)
		return
	}
	for _, word := range words {
		if !strings.Contains(got[0], word) {
			tb.Errorf("the warning is %q, without %q", got[0], word)
		}
	}
}

// reopened reads the values with a store of its own, as another run does.
func reopened(t *testing.T, o Options, keys ...[32]byte) [][]byte {
	t.Helper()
	s := open(t, o)
	defer s.Close(t.Context())
	var out [][]byte
	for _, k := range keys {
		out = append(out, s.Get(t.Context(), k))
	}
	return out
}

func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(
			rapid.SliceOf(rapid.Byte()),
			rapid.Map(rapid.IntRange(0, 300_000), manifests),
		).Draw(t, "value")
		secret := rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "secret")
		key := keyOf(string(value) + secret)
		s, err := Open(Options{Dir: dir, Secret: []byte(secret)})
		if err != nil {
			t.Fatal(err)
		}
		s.Put(key, value)
		if got := s.Get(t.Context(), key); got == nil || !bytes.Equal(got, value) {
			t.Fatal("not there at once")
		}
		s.Close(t.Context())
		if st := s.Stats(); st.Written != 1 || st.Hits != 1 || st.Wrote == 0 {
			t.Fatalf("stats are %+v", st)
		}
		again, err := Open(Options{Dir: dir, Secret: []byte(secret)})
		if err != nil {
			t.Fatal(err)
		}
		if got := again.Get(t.Context(), key); got == nil || !bytes.Equal(got, value) {
			t.Fatalf("%d bytes of %d", len(got), len(value))
		}
		other, err := Open(Options{Dir: dir, Secret: []byte(secret + "x")})
		if err != nil {
			t.Fatal(err)
		}
		if other.Get(t.Context(), key) != nil {
			t.Fatal("read with another secret")
		}
		if st := other.Stats(); st.Misses != 1 || st.Damaged != 0 {
			t.Fatalf("stats with another secret are %+v", st)
		}
	})
}

// TestNothingInClear: who reads the folder finds neither values nor keys in it.
func TestNothingInClear(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Dir: dir})
	key := [32]byte([]byte("a-key-that-is-thirty-two-bytes-l"))
	secret := "password-of-the-database"
	put(t, s, key, []byte(secret))
	put(t, s, keyOf("long"), bytes.Repeat([]byte(secret+"\n"), 1000))
	s.Close(t.Context())
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if strings.Contains(path, "v1/") && d.Name() != "growth" {
			files++
		}
		for _, s := range []string{secret, "password", string(key[:]), "a-key"} {
			if bytes.Contains(data, []byte(s)) || strings.Contains(path, s) {
				t.Errorf("%s holds %q", path, s)
			}
		}
		if info, err := d.Info(); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("others may read %s: %v, %v", path, info.Mode(), err)
		}
		return nil
	})
	if err != nil || files != 2 {
		t.Errorf("%d entries, %v", files, err)
	}
}

// TestPutDoesNotWait: more than the queue holds is dropped and counted, and the rest is kept.
func TestPutDoesNotWait(t *testing.T) {
	s := open(t, Options{})
	hold := make(chan struct{})
	write := s.behind.run
	s.behind.run = func(it item) { <-hold; write(it) }
	s.behind.limit = 10_000
	for i := range byte(20) {
		s.Put([32]byte{i}, make([]byte, 1000))
		s.Put([32]byte{i}, make([]byte, 1000)) // twice is once
	}
	if got := s.Get(t.Context(), [32]byte{3}); len(got) != 1000 {
		t.Errorf("%d bytes of a value that waits", len(got))
	}
	close(hold)
	s.Close(t.Context())
	if st := s.Stats(); st.Written != 10 || st.Dropped != 20 {
		t.Errorf("stats are %+v, want 10 written and 20 dropped", st)
	}
	s.Put([32]byte{99}, nil) // after the end: no panic
}

// TestCloseDoesNotWait without end for a disk that does not answer.
func TestCloseDoesNotWait(t *testing.T) {
	var w warnings
	s := open(t, Options{Drain: 1, Warn: w.add})
	hold := make(chan struct{})
	defer close(hold)
	s.behind.run = func(item) { <-hold }
	s.Put([32]byte{1}, nil)
	s.Put([32]byte{2}, nil)
	s.Close(t.Context())
	w.want(t, "too long", "2 of its entries")
}

// TestFolderIsMarked for backups and for Git, and nothing of the user's is written over.
func TestFolderIsMarked(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ".gitignore"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, Options{Dir: dir})
	put(t, s, [32]byte{}, nil)
	s.Close(t.Context())
	for name, want := range map[string]string{"CACHEDIR.TAG": "Signature: 8a477f597d28d172789f06886806bc55\n", ".gitignore": "mine"} {
		if data, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !strings.HasPrefix(string(data), want) {
			t.Errorf("%s is %q, %v", name, data, err)
		}
	}
}

func TestOpenTouchesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	s := open(t, Options{Dir: dir})
	if s.Get(t.Context(), [32]byte{}) != nil {
		t.Error("there is an entry")
	}
	s.Close(t.Context())
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the folder was made: %v", err)
	}
	t.Setenv("HOME", "")
	t.Setenv("XDG_CACHE_HOME", "")
	if _, err := Open(Options{}); err == nil {
		t.Error("there is a folder without a home")
	}
}

// manifests is a value like those that a render keeps: YAML of about n bytes.
func manifests(n int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app-%d\n  namespace: tenant-%d\ndata:\n  token: %x\n", i, r.IntN(9), r.Uint64())
	}
	return []byte(b.String()[:n])
}

func keyOf(text string) [32]byte { return sha256.Sum256([]byte(text)) }

// put keeps a value and waits until it is written.
func put(tb testing.TB, s *Store, key [32]byte, value []byte) {
	tb.Helper()
	s.Put(key, value)
	settle(tb, s)
}

// settle waits until the folder has what was put.
func settle(tb testing.TB, s *Store) {
	tb.Helper()
	for {
		s.mu.Lock()
		n := len(s.pending)
		s.mu.Unlock()
		if n == 0 {
			return
		}
		time.Sleep(100 * time.Microsecond)
	}
}

func open(tb testing.TB, o Options) *Store {
	tb.Helper()
	if o.Dir == "" {
		o.Dir = tb.TempDir()
	}
	s, err := Open(o)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// noise is a value that does not pack, the same for the same seed.
func noise(seed, n int) []byte {
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)})
	out := make([]byte, n)
	_, _ = r.Read(out)
	return out
}

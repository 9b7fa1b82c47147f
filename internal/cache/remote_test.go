package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
)

// folder opens a bucket that is a folder.
func folder(dir string) func(context.Context) (*blob.Bucket, error) {
	return func(context.Context) (*blob.Bucket, error) {
		return fileblob.OpenBucket(dir, &fileblob.Options{NoTempDir: true, Metadata: fileblob.MetadataDontWrite})
	}
}

// objects are the files of a bucket that is a folder, with the time of their last change.
func objects(t *testing.T, dir string) map[string]time.Time {
	t.Helper()
	out := map[string]time.Time{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			out[path] = info.ModTime()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestShared(t *testing.T) {
	bucket := t.TempDir()
	var w warnings
	shared := func() Options {
		return Options{Dir: filepath.Join(t.TempDir(), "cache"), Remote: folder(bucket), RemoteName: "file://" + bucket, Warn: w.add}
	}
	const n = 50
	key := func(i int) [32]byte { return keyOf(fmt.Sprint(i)) }
	// The first machine writes what it did not find.
	s := open(t, shared())
	for i := range n {
		if i%2 == 0 && s.Get(t.Context(), key(i)) != nil {
			t.Error("there is an entry")
		}
		s.Put(key(i), noise(i, 3000))
	}
	s.Close(t.Context())
	if st := s.Stats(); st.Uploaded != n || st.Written != n || len(objects(t, bucket)) != n {
		t.Errorf("stats of the first are %+v; the bucket has %d objects", st, len(objects(t, bucket)))
	}
	before := objects(t, bucket)
	// The second finds it, and has it in its folder afterwards.
	o := shared()
	for round, want := range []Stats{{Hits: n, RemoteHits: n, Written: n}, {Hits: n}} {
		s = open(t, o)
		for i := range n {
			if got := s.Get(t.Context(), key(i)); string(got) != string(noise(i, 3000)) {
				t.Errorf("round %d: entry %d has %d bytes", round, i, len(got))
			}
		}
		s.Close(t.Context())
		got := s.Stats()
		got.Read, got.Wrote = 0, 0
		if got != want {
			t.Errorf("round %d: stats are %+v, want %+v", round, got, want)
		}
	}
	// The third did not ask, and does not write again what is there.
	s = open(t, shared())
	for i := range n {
		s.Put(key(i), noise(i, 3000))
	}
	s.Close(t.Context())
	if st := s.Stats(); st.Uploaded != 0 || st.Written != n {
		t.Errorf("stats of the third are %+v", st)
	}
	for path, then := range objects(t, bucket) {
		if !before[path].Equal(then) {
			t.Errorf("%s was written again", path)
		}
	}
	w.want(t)
}

// TestSharedReadOnly: the folder is written, the bucket is not.
func TestSharedReadOnly(t *testing.T) {
	bucket := t.TempDir()
	s := open(t, Options{Remote: folder(bucket), RemoteReadOnly: true})
	s.Get(t.Context(), keyOf("a"))
	s.Put(keyOf("a"), manifests(100))
	s.Close(t.Context())
	if st := s.Stats(); st.Uploaded != 0 || st.Written != 1 || st.Dropped != 0 || len(objects(t, bucket)) != 0 {
		t.Errorf("stats are %+v", st)
	}
}

// TestSharedDamage: what is damaged in the bucket is a miss, and is replaced by who may write.
func TestSharedDamage(t *testing.T) {
	bucket := t.TempDir()
	var w warnings
	o := func(readOnly bool) Options {
		return Options{Dir: filepath.Join(t.TempDir(), "cache"), Remote: folder(bucket), RemoteReadOnly: readOnly, Warn: w.add}
	}
	s := open(t, o(false))
	s.Put(keyOf("a"), manifests(3000))
	s.Put(keyOf("b"), manifests(4000))
	s.Close(t.Context())
	for path := range objects(t, bucket) {
		if err := os.WriteFile(path, []byte("<html>Welcome to the hotel's network</html>"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []Stats{
		{Misses: 2, Damaged: 2, Written: 2},              // may not repair
		{Misses: 2, Damaged: 2, Written: 2, Uploaded: 2}, // repairs
		{Hits: 2, RemoteHits: 2, Written: 2},
	} {
		s := open(t, o(i == 0))
		for _, name := range []string{"a", "b"} {
			n := 3000
			if name == "b" {
				n = 4000
			}
			if got := s.Get(t.Context(), keyOf(name)); got == nil {
				s.Put(keyOf(name), manifests(n))
			} else if string(got) != string(manifests(n)) {
				t.Errorf("entry %s is another", name)
			}
		}
		s.Close(t.Context())
		got := s.Stats()
		got.Read, got.Wrote = 0, 0
		if got != want {
			t.Errorf("run %d: stats are %+v, want %+v", i, got, want)
		}
	}
	w.want(t)
}

// TestSharedTooLarge: an object that is larger than any entry is not read.
func TestSharedTooLarge(t *testing.T) {
	bucket := t.TempDir()
	s := open(t, Options{Remote: folder(bucket)})
	names, err := derive(nil, keyOf("a"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(bucket, filepath.FromSlash(objectName(names.hex())))
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600), os.Truncate(path, 1<<40)); err != nil {
		t.Skipf("SKIPPED: no sparse files here: %v", err)
	}
	if s.Get(t.Context(), keyOf("a")) != nil || s.Stats().Damaged != 1 {
		t.Errorf("stats are %+v", s.Stats())
	}
	s.Close(t.Context())
}

// TestSharedDoesNotOpen: one warning, and the folder serves.
func TestSharedDoesNotOpen(t *testing.T) {
	for name, remote := range map[string]func(context.Context) (*blob.Bucket, error){
		"an error": func(context.Context) (*blob.Bucket, error) {
			return nil, errors.New("no credentials: GET https://user:pass@acme.example/token?sig=secret")
		},
		"hangs": func(ctx context.Context) (*blob.Bucket, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var w warnings
			s := open(t, Options{Remote: remote, RemoteName: "s3://acme", RemoteTimeout: 20 * time.Millisecond, Drain: 5 * time.Second, Warn: w.add})
			for i := range 100 {
				if s.Get(t.Context(), keyOf(fmt.Sprint(i))) != nil {
					t.Error("there is an entry")
				}
				put(t, s, keyOf(fmt.Sprint(i)), manifests(100))
				if got := s.Get(t.Context(), keyOf(fmt.Sprint(i))); len(got) != 100 {
					t.Errorf("%d bytes", len(got))
				}
			}
			s.Close(t.Context())
			w.want(t, "s3://acme", "left alone")
			for _, secret := range []string{"sig=", "user:", "pass"} {
				for _, text := range w.all() {
					if strings.Contains(text, secret) {
						t.Errorf("the warning holds %q: %s", secret, text)
					}
				}
			}
		})
	}
}

// TestCancelled: who gives up waiting says nothing about the bucket.
func TestCancelled(t *testing.T) {
	var w warnings
	hold := make(chan struct{})
	s := open(t, Options{Warn: w.add, Remote: func(ctx context.Context) (*blob.Bucket, error) {
		<-hold
		return folder(t.TempDir())(ctx)
	}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 10 {
		if s.Get(ctx, keyOf("a")) != nil {
			t.Error("there is an entry")
		}
	}
	close(hold)
	s.Put(keyOf("a"), nil)
	s.Close(t.Context())
	w.want(t)
	if st := s.Stats(); st.Uploaded != 1 {
		t.Errorf("stats are %+v", st)
	}
}

// TestSlow: answers that take long are worth less than the work they save.
func TestSlow(t *testing.T) {
	var w warnings
	r := newRemote(Options{RemoteName: "s3://acme", Warn: w.add})
	defer r.close(t.Context())
	for range 1000 {
		r.answered(reads, 200*time.Millisecond)
	}
	w.want(t)
	for range 50 {
		r.answered(reads, 4*time.Second)
	}
	w.want(t, "s3://acme", "an answer takes", "left alone")
	if r.get(t.Context(), keyNames(t).hex()) != nil || !r.noReads.Load() || !r.noWrite.Load() {
		t.Error("still in use")
	}
}

func keyNames(t *testing.T) *secrets {
	t.Helper()
	names, err := derive(nil, keyOf("a"))
	if err != nil {
		t.Fatal(err)
	}
	return &names
}

package fetch

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
)

func newTestCache(t *testing.T, limit int64) (*diskCache, *log) {
	t.Helper()
	var notes log
	c := newCache(t.TempDir(), limit, notes.add)
	t.Cleanup(func() {
		if err := c.close(); err != nil {
			t.Error(err)
		}
	})
	return c, &notes
}

func TestCache(t *testing.T) {
	c, notes := newTestCache(t, 1<<30)
	digest := c.put([]byte("hello"))
	if got, ok := c.blob(digest); !ok || string(got) != "hello" {
		t.Errorf("blob is %q, %v", got, ok)
	}
	for _, bad := range []string{"", "sha256:", "sha256:../../../etc/passwd", "md5:abc", strings.ToUpper(digest), digestOf([]byte("other"))} {
		if _, ok := c.blob(bad); ok {
			t.Errorf("there is a blob %q", bad)
		}
	}
	c.setRef(entry{Key: "a", Digest: digest, Value: "v"})
	if e, ok := c.ref("a"); !ok || e.Digest != digest || e.Value != "v" {
		t.Errorf("entry is %+v, %v", e, ok)
	}
	if _, ok := c.ref("b"); ok {
		t.Error("there is an entry b")
	}
	if len(notes.all()) != 0 {
		t.Error(notes.all())
	}
}

func TestDamage(t *testing.T) {
	var n atomic.Int32
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		fmt.Fprint(w, anIndex)
	})
	c := newClient(t)
	a, err := fetchIndex(t, c, s.URL)
	if err != nil {
		t.Fatal(err)
	}
	path := c.cache.path("blobs", hexOf(a.Digest))
	for name, damage := range map[string]func(){
		"flipped":   func() { write(t, path, strings.Replace(anIndex, "v1", "v2", 1)) },
		"truncated": func() { write(t, path, "") },
		"gone":      func() { os.Remove(path) },
		"no entry": func() {
			files, _ := filepath.Glob(filepath.Join(c.cache.dir, "refs", "*", "*"))
			for _, f := range files {
				write(t, f, "{")
			}
		},
	} {
		before := n.Load()
		damage()
		b, err := fetchIndex(t, c, s.URL)
		if err != nil || string(b.Data) != anIndex || b.FromCache || n.Load() != before+1 {
			t.Errorf("%s: %v, %d requests", name, err, n.Load()-before)
		}
		if b, err := fetchIndex(t, c, s.URL); err != nil || !b.FromCache {
			t.Errorf("%s: not repaired: %v", name, err)
		}
	}
}

func TestReadOnlyCache(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, anIndex) })
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "") // a file in place of the folder: also root cannot write there
	var notes log
	c := newClient(t, func(o *Options) {
		o.Dir = filepath.Join(file, "cache")
		o.Progress = func(e Event) {
			if e.Kind == Note {
				notes.add(e.Text)
			}
		}
	})
	for i := range 3 {
		a, err := fetchIndex(t, c, s.URL)
		if err != nil || a.FromCache != (i > 0) {
			t.Errorf("%d: %v, %v", i, a, err)
		}
	}
	dir, err := c.cache.folder("abc", func(dir string) error { return os.WriteFile(filepath.Join(dir, "x"), nil, 0o600) })
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := c.cache.hasFolder("abc"); !ok || got != dir {
		t.Errorf("folder is %q, %v", got, ok)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("a temporary folder is left")
	}
	if got := notes.all(); len(got) != 1 || !strings.Contains(got[0], "cannot be written") {
		t.Errorf("notes are %q", got)
	}
}

func TestPrune(t *testing.T) {
	c, _ := newTestCache(t, 100_000)
	now := time.Now()
	c.now = func() time.Time { return now }
	var digests []string
	for i := range 30 {
		now = now.Add(time.Minute)
		digests = append(digests, c.put([]byte(strings.Repeat(fmt.Sprint(i%10), 10_000+i))))
		if _, ok := c.blob(digests[0]); !ok {
			t.Fatal("what is used was pruned")
		}
	}
	if size := sizeOf(c.dir); size > 160_000 {
		t.Errorf("%d bytes are left", size)
	}
	if _, ok := c.blob(digests[1]); ok {
		t.Error("what was not used for longest is still there")
	}
	if _, ok := c.blob(digests[29]); !ok {
		t.Error("the newest is gone")
	}
	old := filepath.Join(c.dir, "tmp", "w-old")
	write(t, old, "x")
	os.Chtimes(old, now.Add(-2*time.Hour), now.Add(-2*time.Hour))
	dir, err := c.folder("repo", func(dir string) error {
		return os.WriteFile(filepath.Join(dir, "x"), make([]byte, 200_000), 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); err == nil {
		t.Error("what a dead process left is still there")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Error("a repository in use was pruned")
	}
	now = now.Add(48 * time.Hour)
	c.prune()
	if _, err := os.Stat(dir); err == nil {
		t.Error("a repository out of use is still there")
	}
}

// TestCacheShared: several clients, as of several processes, on one folder.
func TestCacheShared(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 4 {
		c := newCache(dir, 1<<30, func(text string) { t.Error(text) })
		wg.Go(func() {
			for i := range 50 {
				data := []byte(strings.Repeat(fmt.Sprint(i), 1000))
				digest := c.put(data)
				c.setRef(entry{Key: fmt.Sprint(i), Digest: digest})
				if got, ok := c.blob(digest); !ok || string(got) != string(data) {
					t.Errorf("blob %d: %v", i, ok)
				}
				if e, ok := c.ref(fmt.Sprint(i)); !ok || e.Digest != digest {
					t.Errorf("entry %d: %v", i, ok)
				}
				d, err := c.folder(fmt.Sprint("f", i), func(dir string) error { return os.WriteFile(filepath.Join(dir, "x"), data, 0o600) })
				if err != nil || d == "" {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if left := entries(filepath.Join(dir, version, "tmp")); len(left) != 0 {
		t.Errorf("left in tmp: %v", left)
	}
}

func TestEvents(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/index.yaml" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		fmt.Fprint(w, anIndex)
	})
	var seen log
	c := newClient(t, func(o *Options) {
		o.Progress = func(e Event) {
			if e.Kind != Progress {
				seen.add(fmt.Sprint(e.Kind, " ", e.Ref, " ", e.Bytes))
			}
		}
	})
	fetchIndex(t, c, s.URL)
	fetchIndex(t, c, s.URL)
	fetchIndex(t, c, s.URL+"/none")
	wanted := fmt.Sprintf("%d index 0,%d index %d,%d index 0,%d index 0,%d index 0", Started, Done, len(anIndex), Cached, Started, Failed)
	if got := strings.Join(seen.all(), ","); got != wanted {
		t.Errorf("events are %s, want %s", got, wanted)
	}
	if st := c.Stats(); st.Requests != 2 || st.Hits != 1 || st.Bytes != int64(len(anIndex)) {
		t.Errorf("stats are %+v", st)
	}
}

func BenchmarkHit(b *testing.B) {
	c := newCache(b.TempDir(), 1<<30, func(string) {})
	digest := c.put(make([]byte, 100_000))
	c.setRef(entry{Key: "k", Digest: digest})
	b.ReportAllocs()
	for b.Loop() {
		e, _ := c.ref("k")
		if _, ok := c.blob(e.Digest); !ok {
			b.Fatal("gone")
		}
	}
}

// BenchmarkFromDisk is one question to a new client, as of a new command, that the cache
// answers: a chart in a range of a repository with 20,000 versions, and a layer of a registry.
func BenchmarkFromDisk(b *testing.B) {
	registry := registry.New(registry.Logger(quiet()))
	index := bigIndex()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/v2/"):
			registry.ServeHTTP(w, r)
		case r.URL.Path == "/index.yaml":
			w.Write(index)
		default:
			w.Write(make([]byte, 50_000))
		}
	}))
	defer s.Close()
	push(b, s.URL+"/v2/app", "1.0.0", fluxConfig, layer{fluxLayer, tgz(b, "a.yaml", strings.Repeat("a: 1\n", 10_000))})
	host, dir := strings.TrimPrefix(s.URL, "http://"), b.TempDir()
	ask := map[string]func(*Client) (*Artifact, error){
		"chart": func(c *Client) (*Artifact, error) {
			return c.Chart(b.Context(), ChartRequest{Repository: s.URL, Name: "chart-7", Version: "1.x"})
		},
		"layer": func(c *Client) (*Artifact, error) {
			return c.OCI(b.Context(), OCIRequest{URL: "oci://" + host + "/app", SemVer: "1.x"})
		},
	}
	for _, name := range slices.Sorted(maps.Keys(ask)) {
		once := func(b *testing.B, offline bool) {
			b.Helper()
			c, err := New(Options{Dir: dir, Hosts: []string{"127.0.0.1"}, Private: []string{"127.0.0.1"}, Offline: offline})
			if err != nil {
				b.Fatal(err)
			}
			if a, err := ask[name](c); err != nil || a.FromCache != offline {
				b.Fatal(a, err)
			}
			if err := c.Close(); err != nil {
				b.Fatal(err)
			}
		}
		once(b, false)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				once(b, true)
			}
		})
	}
}
